#include "../unit.h"
#include "grammar.h"
#include "imap/imap.h"
#include "imap/render.h"
#include "mailbox/mailbox.h"

#define HEAD "Return-Path: <s@x>\r\nReceived: by here\r\n"
#define BODY                                                                                       \
    "From: A <a@b>\r\nX-Other: 1\r\nSubject: Hello\r\n there\r\n"                                  \
    "Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\n1\r\n--b\r\n"                     \
    "Content-Type: message/rfc822\r\n\r\nSubject: inner\r\n\r\n2\r\n--b--\r\n"

static char scratch[RENDER_UNPACK_MAX];

static struct rendered of(struct slice head, struct slice body, struct buffer *row)
{
    struct rendered r;
    buffer_init(row, 4096);
    assert_true(imap_render(head, body, row));
    assert_true(row->n <= MAILBOX_RENDERED_MAX);
    assert_true(render_row_unpack(buffer_slice(row), scratch, &r));
    return r;
}

static void a_message_there_and_back(void **state)
{
    struct buffer row, text;
    struct rendered r = of(S(HEAD), S(BODY), &row);
    size_t parts;
    assert_slice(
        r.envelope, S("(NIL \"Hello there\" ((\"A\" NIL \"a\" \"b\")) ((\"A\" NIL \"a\" \"b\")) "
                      "((\"A\" NIL \"a\" \"b\")) NIL NIL NIL NIL NIL)"));
    assert_true(grammar_body(r.structure, true, &parts));
    assert_true(slice_find_slice(r.structure, S("(NIL \"inner\" NIL")) != SLICE_NONE);
    assert_slice(r.fields, S("From: A <a@b>\r\nSubject: Hello\r\n there\r\n"
                             "Content-Type: multipart/mixed; boundary=b\r\n"));
    assert_true(r.has_fields && !r.utf8);
    buffer_init(&text, 4096);
    assert_true(render_body_of_structure(r.structure, &text));
    assert_slice(buffer_slice(&text),
        S("((\"text\" \"plain\" (\"CHARSET\" \"US-ASCII\") NIL NIL \"7BIT\" 1 0)"
          "(\"message\" \"rfc822\" NIL NIL NIL \"7BIT\" 19 (NIL \"inner\" NIL NIL NIL NIL NIL NIL "
          "NIL NIL) (\"text\" \"plain\" (\"CHARSET\" \"US-ASCII\") NIL NIL \"7BIT\" 1 0) 2) "
          "\"mixed\")"));
    buffer_finish(&text);
    buffer_finish(&row);
}

static void what_is_flagged(void **state)
{
    struct buffer row;
    assert_true(of(S(""), S("Subject: \xC3\xA4\r\n\r\n"), &row).utf8);
    buffer_finish(&row);
    assert_true(of(S(""), S("Content-Type: message/global\r\n\r\nSubject: a\r\n\r\n"), &row).utf8);
    buffer_finish(&row);
    /* fields are answered with an empty line behind them: only where there is one */
    assert_false(of(S(""), S("Subject: a\r\n"), &row).has_fields);
    buffer_finish(&row);
    assert_false(of(S(""), S("Subject: a\n\n"), &row).has_fields);
    buffer_finish(&row);
    assert_true(of(S("Subject: a\r\n"), S("\r\n"), &row).has_fields);
    buffer_finish(&row);
}

/* Bytes that do not compress. */
static void noise(struct buffer *to, size_t n)
{
    uint32_t x = 1;
    for (size_t i = 0; i < n; i++) {
        x = x * 1103515245 + 12345;
        buffer_add_char(to, (char)('0' + (x >> 16) % 70));
    }
}

static void what_does_not_fit(void **state)
{
    struct buffer m, row;
    buffer_init(&m, 1024 * 1024);
    buffer_init(&row, 8192);
    buffer_add(&m, S("References: "));
    noise(&m, 2500);
    buffer_add(&m, S("\r\n\r\n"));
    struct rendered r;
    assert_true(imap_render(S(""), buffer_slice(&m), &row));
    assert_true(render_row_unpack(buffer_slice(&row), scratch, &r));
    assert_false(r.has_fields);
    assert_int_equal(r.fields.n, 0);
    buffer_reset(&m);
    buffer_reset(&row);
    buffer_add(&m, S("Subject: "));
    noise(&m, 2500);
    assert_false(imap_render(S(""), buffer_slice(&m), &row));
    assert_int_equal(row.n, 0);
    buffer_reset(&m);
    buffer_add(&m, S("X: "));
    noise(&m, 64 * 1024);
    assert_false(imap_render(S(""), buffer_slice(&m), &row));
    assert_false(imap_render(buffer_slice(&m), S(""), &row));
    buffer_finish(&m);
    buffer_finish(&row);
}

static void rows_that_are_none(void **state)
{
    static char other[RENDER_UNPACK_MAX];
    struct buffer row;
    struct rendered good = of(S(HEAD), S(BODY), &row), r;
    for (size_t n = 0; n < row.n; n++)
        assert_false(render_row_unpack(slice(row.p, n), other, &r));
    for (size_t i = 0; i < row.n; i++) {
        /* the version and lengths of another sum never pass, the rest is under a checksum */
        row.p[i] ^= 0x10;
        bool taken = render_row_unpack(buffer_slice(&row), other, &r);
        assert_false(taken && i != 1 && i < 8);
        if (taken)
            assert_slice(r.structure, good.structure);
        row.p[i] ^= 0x10;
    }
    buffer_finish(&row);
}

static void the_cached_names(void **state)
{
    assert_true(render_field_cached(S("subject")));
    assert_true(render_field_cached(S("TO")));
    assert_true(render_field_cached(S("disposition-notification-TO")));
    assert_false(render_field_cached(S("Received")));
    assert_false(render_field_cached(S("")));
    assert_false(render_field_cached(S("Subjec")));
}

static void not_a_structure(void **state)
{
    static const char *const texts[] = {"", "(", "()", "((", "NIL", "(\"text\" \"plain\"",
        "(\"text\" \"plain\" NIL NIL NIL \"7BIT\" 1)", "(\"a\" \"b\" NIL NIL NIL \"7BIT\" 1) ",
        "(\"message\" \"rfc822\" NIL NIL NIL \"7BIT\" 1 NIL NIL)",
        "((\"a\" \"b\" NIL NIL NIL \"c\" 1",
        "(\"a\" {99999999999999999999}\r\nx NIL NIL NIL \"7BIT\" 1)", "(\"a\\", "({5}\r\nabc"};
    struct buffer b;
    buffer_init(&b, 1024 * 1024);
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        assert_false(render_body_of_structure(slice_str(texts[i]), &b));
    buffer_reset(&b);
    char deep[1000];
    memset(deep, '(', sizeof deep);
    assert_false(render_body_of_structure(slice(deep, sizeof deep), &b));
    buffer_finish(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_message_there_and_back),
        cmocka_unit_test(what_is_flagged),
        cmocka_unit_test(what_does_not_fit),
        cmocka_unit_test(rows_that_are_none),
        cmocka_unit_test(the_cached_names),
        cmocka_unit_test(not_a_structure),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
