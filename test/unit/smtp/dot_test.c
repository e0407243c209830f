#include "base/buffer.h"
#include "smtp/dot.h"
#include "unit/unit.h"

struct answer {
    bool ended, bare, nul;
    size_t used;
    struct buffer text;
};

/* By pieces that end at the cuts. */
static void decode(struct slice in, size_t cut, enum smtp_newline mode, struct answer *a)
{
    struct smtp_dot d;
    smtp_dot_init(&d, mode, true);
    buffer_reset(&a->text);
    a->used = 0;
    a->ended = false;
    size_t ends[2] = {cut, in.n};
    for (int i = 0; i < 2 && !a->ended; i++) {
        struct slice part = slice_sub(in, a->used, ends[i] - a->used);
        size_t at = 0;
        while (!a->ended && at < part.n) {
            struct slice piece;
            a->ended = smtp_dot_next(&d, part, &at, &piece);
            buffer_add(&a->text, piece);
        }
        a->used += at;
    }
    a->bare = d.bare;
    a->nul = d.nul;
}

/* The same, told in another way: find the first end, cut into lines, take dots off. */
static void expected(struct slice in, enum smtp_newline mode, struct answer *a)
{
    buffer_reset(&a->text);
    a->bare = false;
    size_t end = in.n;
    a->ended = slice_starts(in, S(".\r\n"));
    a->used = a->ended ? 3 : in.n;
    if (a->ended) {
        end = 0;
    } else {
        size_t at = slice_find_slice(in, S("\r\n.\r\n"));
        a->ended = at != SLICE_NONE;
        if (a->ended) {
            end = at + 2;
            a->used = at + 5;
        }
    }
    bool line = true;
    for (size_t i = 0; i < end; i++) {
        char c = in.p[i];
        bool before_lf = i + 1 < end && in.p[i + 1] == '\n';
        bool behind_cr = i > 0 && in.p[i - 1] == '\r';
        if (line && c == '.') {
            line = false;
            continue;
        }
        line = c == '\n' && behind_cr;
        bool lonely = (c == '\r' && !before_lf && i + 1 < end) || (c == '\n' && !behind_cr);
        a->bare |= lonely;
        if (lonely && mode == SMTP_NEWLINE_NORMALISE)
            buffer_add(&a->text, S("\r\n"));
        else
            buffer_add_char(&a->text, c);
    }
}

static void compare(struct slice in, enum smtp_newline mode, struct answer *a, struct answer *b)
{
    expected(in, mode, b);
    for (size_t cut = 0; cut <= in.n; cut++) {
        decode(in, cut, mode, a);
        bool same = a->ended == b->ended && (!a->ended || a->used == b->used);
        /* Without an end a dot or CR may be held back. */
        if (same && a->ended)
            same = a->bare == b->bare && slice_eq(buffer_slice(&a->text), buffer_slice(&b->text));
        if (!same)
            fail_msg("cut %zu", cut);
    }
}

/* Every text of up to 7 bytes out of CR, LF, dot and a letter, with an end behind it, cut at every
 * place. */
static void every_short_text(void **state)
{
    static const char letters[] = "\r\n.a";
    struct answer a = {0}, b = {0};
    buffer_init(&a.text, 64);
    buffer_init(&b.text, 64);
    for (unsigned n = 0; n <= 7; n++) {
        for (unsigned code = 0; code < 1u << 2 * n; code++) {
            char text[16];
            for (unsigned i = 0; i < n; i++)
                text[i] = letters[code >> 2 * i & 3];
            memcpy(text + n, "\r\n.\r\n", 5);
            compare(slice(text, n + 5), SMTP_NEWLINE_REFUSE, &a, &b);
            compare(slice(text, n + 5), SMTP_NEWLINE_NORMALISE, &a, &b);
        }
    }
    buffer_finish(&a.text);
    buffer_finish(&b.text);
}

static void nul_and_bare_are_seen(void **state)
{
    struct answer a = {0};
    buffer_init(&a.text, 64);
    decode(S("a\0b\r\n.\r\n"), 4, SMTP_NEWLINE_REFUSE, &a);
    assert_true(a.nul && a.ended && !a.bare);
    decode(S("a\nb\r\n.\r\n"), 4, SMTP_NEWLINE_REFUSE, &a);
    assert_true(a.bare && a.ended && !a.nul);
    decode(S("\r\r\n.\r\n"), 1, SMTP_NEWLINE_REFUSE, &a);
    assert_true(a.bare && a.ended);
    buffer_finish(&a.text);
}

/* Chunks: no dots, no end; a CR at the very end is bare. */
static void unstuffed(void **state)
{
    struct smtp_dot d;
    struct slice piece, in = S("..a\r\n.\r\nb\r");
    size_t at = 0;
    smtp_dot_init(&d, SMTP_NEWLINE_NORMALISE, false);
    assert_false(smtp_dot_next(&d, in, &at, &piece));
    assert_true(slice_eq(piece, in) && at == in.n && !d.bare);
    smtp_dot_finish(&d, &piece);
    assert_true(d.bare && slice_eq(piece, S("\n")));
}

/* Bodies of nothing but bare line ends cost the same as others: no looking ahead again and again.
 * Counted in calls and not in seconds. */
static void hostile_bodies_stay_linear(void **state)
{
    static char body[256 * 1024];
    const char bytes[] = {'\n', '\r', '.', 'x'};
    for (size_t i = 0; i < sizeof bytes; i++) {
        struct smtp_dot d;
        struct slice piece;
        size_t at = 0, calls = 0;
        memset(body, bytes[i], sizeof body);
        smtp_dot_init(&d, SMTP_NEWLINE_NORMALISE, true);
        while (at < sizeof body) {
            smtp_dot_next(&d, slice(body, sizeof body), &at, &piece);
            calls++;
        }
        assert_true(calls <= 3 * sizeof body);
        smtp_dot_init(&d, SMTP_NEWLINE_REFUSE, true);
        for (at = calls = 0; at < sizeof body; calls++)
            smtp_dot_next(&d, slice(body, sizeof body), &at, &piece);
        assert_true(calls <= 3);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_short_text),
        cmocka_unit_test(nul_and_bare_are_seen),
        cmocka_unit_test(unstuffed),
        cmocka_unit_test(hostile_bodies_stay_linear),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
