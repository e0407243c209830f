/* The mbox reader tells the same wherever its input is cut, never loses a byte of the order of the
 * file, and reads what the writer makes of any text. The first two bytes choose the cuts. */
#include "port/mbox.h"
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

#define CHECK(x)                                                                                   \
    do {                                                                                           \
        if (!(x))                                                                                  \
            abort();                                                                               \
    } while (0)

static void take(struct mbox *m, struct slice in, bool eof, struct buffer *told)
{
    struct slice out;
    enum mbox_event e;
    while ((e = mbox_next(m, &in, eof, &out)) != MBOX_MORE) {
        if (e == MBOX_DATA)
            CHECK(out.n && buffer_add(told, out));
        else if (e == MBOX_BEGIN)
            buffer_printf(told, "\001%llu %d %lld %d\001", (unsigned long long)m->at, m->has_date,
                (long long)m->date, m->zone);
        else if (e == MBOX_END)
            buffer_printf(told, "\002%llu %u %d " SLICE_FMT "\002", (unsigned long long)m->end,
                m->flags, m->internal, SLICE_ARG(slice(m->keywords, m->keywords_n)));
        else
            buffer_add(told, S("\003"));
    }
    CHECK(in.n == 0);
}

static void read_in_pieces(struct slice in, size_t piece, struct buffer *told)
{
    static struct mbox m;
    mbox_init(&m);
    buffer_reset(told);
    for (size_t at = 0; at < in.n; at += piece) {
        struct slice part = slice_sub(in, at, piece);
        char *exact = malloc(part.n);
        CHECK(exact);
        memcpy(exact, part.p, part.n);
        take(&m, slice(exact, part.n), false, told);
        free(exact);
    }
    take(&m, S(""), true, told);
    CHECK(m.offset == in.n || m.not_mbox);
}

/* Text with a blank line at its head (so that its header is over), written and read. */
static void write_and_read(struct slice in, size_t piece, struct buffer *told)
{
    struct buffer out, want;
    struct mbox_quote q = {0};
    buffer_init(&out, 4 * in.n + 1024);
    buffer_init(&want, in.n + 1024);
    mbox_put_from(&out, S("a@b"), 60);
    mbox_put_status(&out, 1, S("k"), 7, 5, false);
    buffer_add(&out, S("\n"));
    for (size_t at = 0; at < in.n; at += piece)
        CHECK(mbox_quote(&q, slice_sub(in, at, piece), &out));
    CHECK(mbox_quote_end(&q, &out));
    buffer_add(&out, S("\n\n"));
    read_in_pieces(buffer_slice(&out), piece, told);
    buffer_printf(&want, "\0010 1 60 0\001\n");
    buffer_add(&want, in);
    buffer_printf(&want, "\n\002%zu 1 0  k \002", out.n);
    CHECK(slice_eq(buffer_slice(told), buffer_slice(&want)));
    buffer_finish(&out);
    buffer_finish(&want);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    struct buffer whole, cut;
    if (n < 2)
        return 0;
    struct slice in = slice(data + 2, n - 2);
    buffer_init(&whole, 64 * n + 8192);
    buffer_init(&cut, 64 * n + 8192);
    read_in_pieces(in, in.n + 1, &whole);
    read_in_pieces(in, data[0] % 64 + 1, &cut);
    CHECK(slice_eq(buffer_slice(&whole), buffer_slice(&cut)) && !whole.overflow);
    read_in_pieces(in, (size_t)data[1] * 8 + 1, &cut);
    CHECK(slice_eq(buffer_slice(&whole), buffer_slice(&cut)));
    write_and_read(in, data[0] % 64 + 1, &cut);
    buffer_finish(&whole);
    buffer_finish(&cut);
    return 0;
}
