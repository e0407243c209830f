/* What is written reads back, whatever the bytes (NUL as 0x80). */
#include "base/utf8.h"
#include "imap/lex.h"
#include "imap/out.h"
#include "message_fuzz.h"

typedef void (*writer)(struct buffer *to, struct slice s);
typedef bool (*reader)(struct imap_lex *l, struct slice *s);

static void check(struct slice in, writer write, reader read, struct arena *arena)
{
    struct buffer out, expected;
    struct slice s;
    buffer_init(&out, in.n * 2 + 64);
    buffer_init(&expected, in.n + 1);
    write(&out, in);
    CHECK(!out.overflow);
    buffer_add(&expected, in);
    for (size_t i = 0; i < expected.n; i++)
        if (!expected.p[i])
            expected.p[i] = (char)0x80;
    struct imap_lex l = imap_lex(buffer_slice(&out), arena);
    CHECK(read(&l, &s) && imap_lex_end(&l) && slice_eq(s, buffer_slice(&expected)));
    buffer_finish(&out);
    buffer_finish(&expected);
}

static void mailbox(struct slice in, struct arena *arena)
{
    struct buffer out;
    struct slice name;
    bool valid;
    if (!utf8_valid(in) || in.n > MAILBOX_NAME_MAX)
        return;
    buffer_init(&out, in.n * 16 + 64);
    imap_out_mailbox(&out, in);
    struct imap_lex l = imap_lex(buffer_slice(&out), arena);
    CHECK(!out.overflow && imap_lex_mailbox(&l, &name, &valid) && imap_lex_end(&l));
    CHECK(valid && slice_eq(name, in));
    buffer_finish(&out);
}

static void flags(struct slice in, struct arena *arena)
{
    struct slice names[MAILBOX_KEYWORDS] = {0}, rest = in;
    struct imap_flag_list list;
    struct buffer out;
    for (size_t i = 0; i < MAILBOX_KEYWORDS && rest.n; i++)
        names[i] = slice_cut(&rest, ' ');
    buffer_init(&out, in.n + 256);
    buffer_add_char(&out, '(');
    imap_out_flags(&out, (uint8_t)(in.n & 31), in.n & 32, UINT64_MAX, names);
    buffer_add_char(&out, ')');
    struct imap_lex l = imap_lex(buffer_slice(&out), arena);
    CHECK(!out.overflow && imap_lex_flags(&l, false, &list) && imap_lex_end(&l));
    CHECK(list.flags == (in.n & 31) && !list.unknown.p);
    buffer_finish(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    struct arena arena;
    struct slice in = slice(data, n);
    if (n > IMAP_STRING_MAX)
        return 0;
    arena_init(&arena, 1 << 20);
    check(in, imap_out_string, imap_lex_string, &arena);
    check(in, imap_out_astring, imap_lex_astring, &arena);
    check(slice(n ? in.p : "", n), imap_out_nstring, imap_lex_nstring, &arena);
    mailbox(in, &arena);
    flags(in, &arena);
    arena_reset(&arena);
    return 0;
}
