#include "port/mbox.h"
#include "unit/unit.h"
#include <stdio.h>
#include <stdlib.h>

/* What a reader tells, as text: "[FROM date zone]", the bytes, "[END flags keywords]", "[NOT]". */
static void tell(struct mbox *m, struct slice in, bool eof, struct buffer *told)
{
    struct slice out;
    enum mbox_event e;
    while ((e = mbox_next(m, &in, eof, &out)) != MBOX_MORE) {
        if (e == MBOX_BEGIN && m->has_date)
            buffer_printf(told, "[FROM %lld %d]", (long long)m->date, m->zone);
        else if (e == MBOX_BEGIN)
            buffer_add(told, S("[FROM]"));
        else if (e == MBOX_DATA)
            buffer_add(told, out);
        else if (e == MBOX_NOT)
            buffer_add(told, S("[NOT]"));
        else
            buffer_printf(told, "[END %d %.*s%s]", m->flags, (int)m->keywords_n, m->keywords,
                m->internal ? " internal" : "");
    }
    assert_int_equal(in.n, 0);
}

static void read_cut(struct slice in, size_t first, size_t second, struct buffer *told)
{
    static struct mbox m;
    const size_t ends[] = {first, second, in.n};
    size_t at = 0;
    buffer_reset(told);
    mbox_init(&m);
    for (int i = 0; i < 3; at = ends[i++]) {
        size_t n = ends[i] - at;
        char *exact = malloc(n ? n : 1); /* a sanitizer sees a read past it */
        memcpy(exact, in.p + at, n);
        tell(&m, slice(exact, n), false, told);
        free(exact);
    }
    tell(&m, S(""), true, told);
    assert_false(told->overflow);
}

/* The same at every cut, and when all comes with the end. */
static void reads(struct slice in, const char *want)
{
    struct buffer told;
    static struct mbox m;
    buffer_init(&told, 65536);
    for (size_t a = 0; a <= in.n; a += in.n > 200 ? 61 : 1)
        for (size_t b = a; b <= in.n; b += in.n > 200 ? 61 : b - a < 3 ? 1 : 7) {
            read_cut(in, a, b, &told);
            if (!slice_eq(buffer_slice(&told), slice_str(want)))
                fail_msg("cut at %zu, %zu: %.*s", a, b, (int)told.n, told.p);
        }
    buffer_reset(&told);
    mbox_init(&m);
    tell(&m, in, true, &told);
    assert_true(slice_eq(buffer_slice(&told), slice_str(want)));
    buffer_finish(&told);
}

#define FROM  "From a@b Thu Jan  1 00:01:00 1970\n"
#define BEGUN "[FROM 60 0]"

static void messages(void **state)
{
    reads(S(""), "");
    reads(S("\n\n"), "");
    reads(S(FROM "A: b\n\nx\n"), BEGUN "A: b\n\nx\n[END 0 ]");
    reads(S(FROM "A: b\n\nx\n\n" FROM "C: d\n\ny\n\n"),
        BEGUN "A: b\n\nx\n[END 0 ]" BEGUN "C: d\n\ny\n[END 0 ]");
    reads(S(FROM "A: b\n\nx\n\n\n" FROM "C: d\n\n\n\ny"), /* one empty line is the separator's */
        BEGUN "A: b\n\nx\n\n[END 0 ]" BEGUN "C: d\n\n\n\ny[END 0 ]");
    reads(S(FROM "A: b\n\n" FROM "C: d\n\n"), /* the line that ends a header is the message's */
        BEGUN "A: b\n\n[END 0 ]" BEGUN "C: d\n\n[END 0 ]");
    reads(S(FROM), BEGUN "[END 0 ]");
    reads(S("From a@b Thu Jan  1 00:01:00 1970\r\nA: b\r\n\r\nx\r\n\r\n"),
        BEGUN "A: b\r\n\r\nx\r\n[END 0 ]");
    reads(S("\n" FROM "A: b\n\n"), BEGUN "A: b\n\n[END 0 ]");
    reads(S(FROM "A: b\nContent-Length: 100000\n\nx\n\n" FROM "\n"),
        BEGUN "A: b\nContent-Length: 100000\n\nx\n[END 0 ]" BEGUN "\n[END 0 ]");
}

static void from_inside(void **state)
{
    reads(S(FROM "A: b\n\nx\nFrom here on\n\nFrom now on\n"), /* no empty line; no date */
        BEGUN "A: b\n\nx\nFrom here on\n\nFrom now on\n[END 0 ]");
    reads(S(FROM "A: b\n\nx\n" FROM "y\n"), BEGUN "A: b\n\nx\n" FROM "y\n[END 0 ]");
    reads(S(FROM "A: b\n\n>From x\n>>From y\n> From z\n>Fro\n>>>\n"),
        BEGUN "A: b\n\nFrom x\n>From y\n> From z\n>Fro\n>>>\n[END 0 ]");
    reads(S("From root\nA: b\n\nx\n\nFrom root\nC: d\n\n"), /* as the first, so all */
        "[FROM]A: b\n\nx\n[END 0 ][FROM]C: d\n\n[END 0 ]");
}

static void no_mbox(void **state)
{
    reads(S("Subject: x\n\ny\n"), "[NOT]");
    reads(S("From\n"), "[NOT]");
    reads(S("From \n"), "[NOT]");
    reads(S("\nFro"), "[NOT]");
}

static void flags(void **state)
{
    reads(S(FROM "Status: RO\nA: b\nX-Status: AFDT\nX-Keywords: one two\n three\nX-UID: 7\n\nx\n"),
        BEGUN "A: b\n\nx\n[END 31  one two  three ]");
    reads(S(FROM "A: b\nstatus:O\n\nStatus: R\n"), BEGUN "A: b\n\nStatus: R\n[END 0 ]");
    reads(S(FROM "Status: O\nStatus: R\nX-UID: 1\n kept\n\n"), /* the second is the message's own */
        BEGUN "Status: R\n kept\n\n[END 0 ]");
    reads(S(FROM "X-IMAPbase: 1 2\nA: b\n\n\n" FROM "X-IMAPbase: 1 2\n\n"),
        BEGUN "A: b\n\n[END 0 ]" BEGUN "X-IMAPbase: 1 2\n\n[END 0 ]");
    reads(S(FROM "X-IMAP: 1 2\nSubject: DON'T DELETE\n\n"),
        BEGUN "Subject: DON'T DELETE\n\n[END 0  internal]");
}

/* Lines around MBOX_LINE: as "From " line, as quote, as field. */
static void long_lines(void **state)
{
    for (size_t n = MBOX_LINE - 12; n < MBOX_LINE + 12; n++) {
        struct buffer in, want;
        buffer_init(&in, 65536);
        buffer_init(&want, 65536);
        buffer_add(&in, S(FROM "Status: R"));
        for (size_t i = 0; i < n; i++)
            buffer_add_char(&in, i % 7 ? 'O' : ' ');
        buffer_add(&in, S("\n\n"));
        buffer_add(&want, S(BEGUN "\n"));
        for (size_t i = 0; i < n; i++)
            buffer_add_char(&in, '>');
        buffer_add(&in, S("From x\n"));
        for (size_t i = 0; i < n - (n <= MBOX_LINE - 5); i++)
            buffer_add_char(&want, '>');
        buffer_add(&want, S("From x\n[END 1 ]"));
        buffer_add_char(&want, '\0');
        reads(buffer_slice(&in), want.p);
        buffer_finish(&in);
        buffer_finish(&want);
    }
}

static void dates(void **state)
{
    static const struct {
        const char *line;
        int64_t date;
        int zone;
    } good[] = {
        {"From a@b Thu Jan  1 00:00:01 1970\n", 1, 0},
        {"From a@b Thu Jan 1 00:01 1970", 60, 0},
        {"From \"a b\" Thu Jan 01 01:00:00 1970 +0100\r\n", 0, 60},
        {"From a@b Thu Jan 01 01:00:00 +0100 1970\n", 0, 60},
        {"From a@b  Wed Dec 31 19:00:00 EST 1969\n", 0, -300},
        {"From a@b Thu Jan  1 00:00:01 1970 remote from host\n", 1, 0},
        {"From Thu Jan  1 00:00:02 1970\n", 2, 0},
    };
    static const char *const undated[] = {"From a@b\n", "From a@b Thu Jan 1 1970\n",
        "From a@b Xyz Jan  1 00:00:01 1970\n", "From a@b Thu Jan 32 00:00:01 1970\n",
        "From a@b Thu Jan  1 00:00:01 70\n", "From now on we go\n"};
    bool dated;
    int64_t date;
    int zone;
    for (size_t i = 0; i < sizeof good / sizeof *good; i++)
        if (!mbox_from_line(slice_str(good[i].line), &dated, &date, &zone) || !dated ||
            date != good[i].date || zone != good[i].zone)
            fail_msg("%s: %d %lld %d", good[i].line, dated, (long long)date, zone);
    for (size_t i = 0; i < sizeof undated / sizeof *undated; i++) {
        assert_true(mbox_from_line(slice_str(undated[i]), &dated, &date, &zone));
        assert_false(dated);
    }
    assert_false(mbox_from_line(S("From\n"), &dated, &date, &zone));
    assert_false(mbox_from_line(S("from a@b"), &dated, &date, &zone));
    assert_false(mbox_from_line(S(""), &dated, &date, &zone));
}

static void written_dates(void **state)
{
    for (int64_t date = -3000000000; date < 5000000000; date += 86399 * 13) {
        struct buffer out;
        bool dated;
        int64_t got;
        int zone;
        buffer_init(&out, 512);
        assert_true(mbox_put_from(&out, S("a@b.example"), date));
        assert_true(mbox_from_line(buffer_slice(&out), &dated, &got, &zone));
        assert_true(dated && got == date && zone == 0);
        buffer_finish(&out);
    }
    struct buffer out;
    buffer_init(&out, 512);
    mbox_put_from(&out, S("a b"), 1);
    assert_true(slice_eq(buffer_slice(&out), S("From MAILER-DAEMON Thu Jan  1 00:00:01 1970\n")));
    buffer_finish(&out);
}

/* What is written is read again, whatever it looks like. */
static void round_trip(const char *text, size_t cut)
{
    struct buffer out, told, want;
    struct mbox_quote q = {0};
    struct slice in = slice_str(text);
    buffer_init(&out, 65536);
    buffer_init(&told, 65536);
    buffer_init(&want, 65536);
    mbox_put_from(&out, S("a@b"), 60);
    mbox_put_status(&out, 9, S("one two"), 7, 5, true);
    mbox_quote(&q, slice_sub(in, 0, cut), &out);
    mbox_quote(&q, slice_from(in, cut), &out);
    mbox_quote_end(&q, &out);
    buffer_add(&out, S("\n"));
    buffer_add(&out, S(FROM "\n"));
    read_cut(buffer_slice(&out), 0, 0, &told);
    buffer_printf(&want, BEGUN "%s[END 9  one two ]" BEGUN "\n[END 0 ]", text);
    if (!slice_eq(buffer_slice(&told), buffer_slice(&want)))
        fail_msg("%s\n%.*s", text, (int)told.n, told.p);
    buffer_finish(&out);
    buffer_finish(&told);
    buffer_finish(&want);
}

static void round_trips(void **state)
{
    static const char *const texts[] = {"A: b\n\nx\n", "A: b\n\nFrom x\n>From y\n>>>From z\n",
        "Status: R\nX-Keywords: own\nA: b\n\nx\n", " folded at once\nA: b\n\nx\n",
        "From x@y Thu Jan  1 00:01:00 1970\nA: b\n\nx\n", "A: b\n\n\n\n\n", "X-UID: 7\n 8\n\n\n",
        "A: b\n\n" FROM FROM "\n" FROM, ">From\n\n>\n", "X-IMAP: 1\n\nx\n"};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        for (size_t cut = 0; cut <= strlen(texts[i]); cut++)
            round_trip(texts[i], cut);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(messages),
        cmocka_unit_test(from_inside),
        cmocka_unit_test(no_mbox),
        cmocka_unit_test(flags),
        cmocka_unit_test(long_lines),
        cmocka_unit_test(dates),
        cmocka_unit_test(written_dates),
        cmocka_unit_test(round_trips),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
