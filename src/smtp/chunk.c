#include "smtp/chunk.h"

bool smtp_chunk_parse(struct slice args, struct smtp_chunk *chunk, struct smtp_reply *error)
{
    struct slice rest = slice_trim(args), size = slice_cut(&rest, ' ');
    rest = slice_trim(rest);
    chunk->last = slice_eq_nocase(rest, S("LAST"));
    if (slice_to_u64(size, UINT64_MAX, &chunk->left) && (chunk->last || !rest.n))
        return true;
    smtp_reply_set(error, 501, "5.5.4",
        "Syntax: BDAT size [LAST]; closing, since the size of the "
        "chunk is not known");
    return false;
}

struct slice smtp_chunk_take(struct smtp_chunk *chunk, struct slice in)
{
    if (in.n > chunk->left)
        in.n = (size_t)chunk->left;
    chunk->left -= in.n;
    return in;
}
