#include "intake/rewrite.h"
#include "unit/unit.h"

static struct intake_rewrite w;

/* Feeds `in` cut at `cut`, or in single bytes (0). */
static void feed(struct slice in, size_t cut, struct buffer *out)
{
    struct slice piece;
    buffer_init(out, in.n + 1);
    intake_rewrite_init(&w);
    for (size_t from = 0; from < in.n;) {
        struct slice part = slice_sub(in, from, cut && from < cut ? cut - from : cut ? in.n : 1);
        for (size_t at = 0; at < part.n;) {
            intake_rewrite_next(&w, part, &at, &piece);
            buffer_add(out, piece);
        }
        from += part.n;
    }
    intake_rewrite_end(&w, &piece);
    buffer_add(out, piece);
    assert_false(out->overflow);
}

/* Whole, in single bytes and cut everywhere; leaves w for the caller to look at. */
static void gives(struct slice in, struct slice wanted)
{
    struct buffer out;
    for (size_t cut = 0; cut <= in.n; cut++) {
        feed(in, cut, &out);
        assert_slice(buffer_slice(&out), wanted);
        buffer_finish(&out);
        if (cut < in.n)
            intake_rewrite_finish(&w);
    }
}

#define GIVES(in, wanted)                                                                          \
    do {                                                                                           \
        gives(S(in), S(wanted));                                                                   \
        intake_rewrite_finish(&w);                                                                 \
    } while (0)
#define SAME(in) GIVES(in, in)

static void leaves_out(void **state)
{
    GIVES("Bcc: a@b\r\nTo: c\r\n\r\nx", "To: c\r\n\r\nx");
    GIVES("To: c\r\nBcc: a@b\r\n\r\nBcc: x\r\n", "To: c\r\n\r\nBcc: x\r\n");
    GIVES("To: c\r\nBcc: a@b,\r\n c@d,\r\n\te@f\r\nCc: d\r\n\r\n", "To: c\r\nCc: d\r\n\r\n");
    GIVES("To: c\r\nBcc:\r\n \r\n \t\r\n x\r\nCc: d\r\n", "To: c\r\nCc: d\r\n");
    GIVES("bcC \t:a\r\nBCC:b\r\nResent-Bcc: c\r\nX: d\r\n\r\n", "X: d\r\n\r\n");
    GIVES("Return-Path: <a@b>\r\nAuthentication-Results: x;\r\n y\r\nX: d\r\n", "X: d\r\n");
    /* At the end of a message, in all states of completeness. */
    GIVES("X: d\r\nBcc: a", "X: d\r\n");
    GIVES("X: d\r\nBcc:", "X: d\r\n");
    GIVES("X: d\r\nBcc", "X: d\r\n");
    GIVES("X: d\r\nBcc\r\n : a\r\n\r\n", "X: d\r\n\r\n");
    /* As a tolerant reader may see it. */
    GIVES("B\x01"
          "cc: a\r\nX: d\r\n",
        "X: d\r\n");
    GIVES("X: d\nBcc: a\n\nBcc: b\n", "X: d\n\nBcc: b\n");
    GIVES("\rBcc: a\r\nX: d\r\n", "X: d\r\n");
}

static void leaves_alone(void **state)
{
    SAME("");
    SAME("\r\n");
    SAME("\r\n\r\nBcc: a\r\n");
    SAME("\nBcc: a\n");
    SAME("just words");
    SAME("just words\r\n");
    SAME("X: d\r\n");
    SAME("X: d");
    SAME("\r");
    SAME("X: d\r\n\r");
    SAME("X: d\r\n\r\n.\r\n");
    SAME("Bccc: a\r\nXBcc: a\r\nBc: a\r\nTo: Bcc: a\r\n: Bcc: a\r\n::\r\n\r\n");
    SAME("X: d\r\n Bcc: folded\r\n\tBcc: too\r\n\r\n");
    SAME("From ann Sat\r\nno colon here\r\nX: d\r\n\r\n");
    SAME("Authentication-Results-Of: the long name is another one\r\n");
    SAME("X: d\r\nBc\r\nc: a\r\n\r\n");
}

static void counts(void **state)
{
    gives(S("fROM: a@b\r\nSender : c@d,\r\n e@f\r\nX: y\r\n z\r\nMessage-id: x\r\nDATE: y\r\n\r\n"
            "From: x\r\n"),
        S("fROM: a@b\r\nSender : c@d,\r\n e@f\r\nX: y\r\n z\r\nMessage-id: x\r\nDATE: y\r\n\r\n"
          "From: x\r\n"));
    assert_int_equal(w.count[INTAKE_FIELD_FROM], 1);
    assert_int_equal(w.count[INTAKE_FIELD_SENDER], 1);
    assert_int_equal(w.count[INTAKE_FIELD_DATE], 1);
    assert_int_equal(w.count[INTAKE_FIELD_MESSAGE_ID], 1);
    assert_int_equal(w.count[INTAKE_FIELD_OTHER], 1);
    assert_int_equal(w.count[INTAKE_FIELD_DROPPED], 0);
    assert_slice(buffer_slice(&w.authors), S("fROM: a@b\r\nSender : c@d,\r\n e@f\r\n"));
    assert_true(w.in_body && !w.folded_start && !w.broken);
    intake_rewrite_finish(&w);
    gives(S("From: a\r\n\r\n"), S("From: a\r\n\r\n"));
    assert_slice(buffer_slice(&w.authors), S("From: a\r\n"));
    intake_rewrite_finish(&w);
    gives(S("F r\to m\r\n :a"), S("F r\to m\r\n :a"));
    assert_int_equal(w.count[INTAKE_FIELD_FROM], 1);
    intake_rewrite_finish(&w);
}

static void folded_start(void **state)
{
    gives(S(" x: y\r\nX: d\r\n"), S(" x: y\r\nX: d\r\n"));
    assert_true(w.folded_start);
    intake_rewrite_finish(&w);
    gives(S("\t\r\n"), S("\t\r\n"));
    assert_true(w.folded_start);
    intake_rewrite_finish(&w);
    gives(S("X: d\r\n e\r\n"), S("X: d\r\n e\r\n"));
    assert_false(w.folded_start);
    intake_rewrite_finish(&w);
}

/* "Bcc", blanks up to n bytes, ": a". */
static void long_name(size_t n, bool broken, bool kept)
{
    char line[INTAKE_NAME_MAX + 64];
    memset(line, ' ', n);
    memcpy(line, kept ? "abc" : "Bcc", 3);
    memcpy(line + n, ": a\r\n", 5);
    gives(slice(line, n + 5), kept ? slice(line, n + 5) : S(""));
    assert_int_equal(w.broken, broken);
    intake_rewrite_finish(&w);
}

static void limits(void **state)
{
    long_name(INTAKE_NAME_MAX - 1, false, false);
    long_name(INTAKE_NAME_MAX, true, false);
    long_name(INTAKE_NAME_MAX + 1, true, false);
    long_name(INTAKE_NAME_MAX + 1, false, true);
    for (size_t more = 0; more < 2; more++) {
        size_t n = INTAKE_AUTHORS_MAX + more;
        char *text = malloc(n);
        memset(text, 'x', n);
        memcpy(text, "From: ", 6);
        memcpy(text + n - 2, "\r\n", 2);
        struct buffer out;
        feed(slice(text, n), n, &out);
        assert_int_equal(out.n, n);
        assert_int_equal(w.authors.overflow, more);
        buffer_finish(&out);
        intake_rewrite_finish(&w);
        free(text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(leaves_out),
        cmocka_unit_test(leaves_alone),
        cmocka_unit_test(counts),
        cmocka_unit_test(folded_start),
        cmocka_unit_test(limits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
