#include "admin/frame.h"
#include "base/pack.h"
#include <stdlib.h>

#define RAW_BIT (UINT32_C(1) << 31)

bool frame_write(json_t *value, struct buffer *out)
{
    char head[4];
    char *text = value ? json_dumps(value, JSON_COMPACT) : NULL;
    json_decref(value);
    if (!text)
        return false;
    struct slice body = slice_str(text);
    bool ok = body.n <= FRAME_MAX;
    pack_u32(head, (uint32_t)body.n);
    ok = ok && buffer_add(out, slice(head, sizeof head)) && buffer_add(out, body);
    free(text);
    return ok;
}

/* jansson's parser recurses: brackets are counted before it sees them. Those in texts do not count:
 * a mailbox may be called "[[[[". */
static bool flat(struct slice json)
{
    unsigned depth = 0;
    bool text = false;
    for (size_t i = 0; i < json.n && depth <= FRAME_DEPTH_MAX; i++) {
        char c = json.p[i];
        if (c == '"')
            text = !text;
        else if (text)
            i += c == '\\'; /* what is escaped ends no text */
        else if (c == '[' || c == '{')
            depth++;
        else if ((c == ']' || c == '}') && depth)
            depth--;
    }
    return depth <= FRAME_DEPTH_MAX;
}

enum frame_answer frame_read(struct slice in, size_t *used, json_t **value)
{
    *used = 0;
    *value = NULL;
    if (in.n < 4)
        return FRAME_MORE;
    size_t n = unpack_u32(in.p);
    if (n > FRAME_MAX)
        return FRAME_BAD;
    if (in.n - 4 < n)
        return FRAME_MORE;
    *used = 4 + n;
    if (!flat(slice(in.p + 4, n)))
        return FRAME_BAD;
    *value = json_loadb(in.p + 4, n, JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, NULL);
    return *value ? FRAME_OK : FRAME_BAD;
}

void frame_raw_head(size_t n, char out[FRAME_HEAD])
{
    pack_u32(out, (uint32_t)n | RAW_BIT);
}

enum frame_answer frame_next(struct slice in, size_t *used, json_t **value, struct slice *raw)
{
    *raw = S("");
    if (in.n < FRAME_HEAD || !(unpack_u32(in.p) & RAW_BIT))
        return frame_read(in, used, value);
    size_t n = unpack_u32(in.p) & ~RAW_BIT;
    *used = 0;
    *value = NULL;
    if (n > FRAME_RAW_MAX)
        return FRAME_BAD;
    if (in.n - FRAME_HEAD < n)
        return FRAME_MORE;
    *used = FRAME_HEAD + n;
    *raw = slice(in.p + FRAME_HEAD, n);
    return FRAME_OK;
}
