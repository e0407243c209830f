#include "../unit.h"
#include "grammar.h"
#include "imap/render.h"

static struct slice message;
static struct buffer text;
static struct arena arena;
static const struct mime *mime;

static struct slice header_of(void *arg, uint32_t part)
{
    return mime_header(&mime->parts[part], message);
}

static const struct render_source source = {.header_of = header_of};

static int begin(void **state)
{
    buffer_init(&text, RENDER_TEXT_MAX);
    arena_init(&arena, MIME_ARENA_MAX);
    return 0;
}

static int end(void **state)
{
    buffer_finish(&text);
    arena_reset(&arena);
    return 0;
}

static struct slice envelope(const char *header)
{
    buffer_reset(&text);
    render_envelope(slice_str(header), &text);
    assert_false(text.overflow);
    assert_true(grammar_envelope(buffer_slice(&text)));
    return buffer_slice(&text);
}

static struct slice structure_of(struct slice m, bool extended)
{
    size_t parts;
    message = m;
    mime = mime_parse(m, &arena);
    buffer_reset(&text);
    render_structure(mime, extended, &source, &text);
    assert_false(text.overflow);
    assert_true(grammar_body(buffer_slice(&text), extended, &parts));
    return buffer_slice(&text);
}

static struct slice structure(const char *m)
{
    return structure_of(slice_str(m), true);
}

/* ---- ENVELOPE ---- */

/* RFC 9051 §8 */
static void the_example_of_the_rfc(void **state)
{
    assert_slice(
        envelope("Date: Wed, 17 Jul 1996 02:23:25 -0700 (PDT)\r\n"
                 "From: Terry Gray <gray@cac.washington.edu>\r\n"
                 "Subject: IMAP4rev2 WG mtg summary and minutes\r\n"
                 "To: imap@cac.washington.edu\r\n"
                 "cc: minutes@CNRI.Reston.VA.US, John Klensin <KLENSIN@MIT.EDU>\r\n"
                 "Message-Id: <B27397-0100000@cac.washington.edu>\r\n"
                 "MIME-Version: 1.0\r\nContent-Type: TEXT/PLAIN; CHARSET=US-ASCII\r\n\r\n"),
        S("(\"Wed, 17 Jul 1996 02:23:25 -0700 (PDT)\" \"IMAP4rev2 WG mtg summary and minutes\" "
          "((\"Terry Gray\" NIL \"gray\" \"cac.washington.edu\")) "
          "((\"Terry Gray\" NIL \"gray\" \"cac.washington.edu\")) "
          "((\"Terry Gray\" NIL \"gray\" \"cac.washington.edu\")) "
          "((NIL NIL \"imap\" \"cac.washington.edu\")) "
          "((NIL NIL \"minutes\" \"CNRI.Reston.VA.US\")"
          "(\"John Klensin\" NIL \"KLENSIN\" \"MIT.EDU\")) NIL NIL "
          "\"<B27397-0100000@cac.washington.edu>\")"));
}

static void absent_and_empty(void **state)
{
    assert_slice(envelope(""), S("(NIL NIL NIL NIL NIL NIL NIL NIL NIL NIL)"));
    assert_slice(envelope("Subject:\r\nTo: \r\nMessage-ID:  \r\nIn-Reply-To:\r\nDate:\r\n"),
        S("(\"\" \"\" NIL NIL NIL NIL NIL NIL \"\" \"\")"));
}

static void addresses(void **state)
{
    assert_slice(envelope("To: A group: \"x, \\\"y\\\"\" <a@b>, <@h,@i:c@d>;, undisclosed:;\r\n"),
        S("(NIL NIL NIL NIL NIL ((NIL NIL \"A group\" NIL)(\"x, \\\"y\\\"\" NIL \"a\" \"b\")"
          "(NIL \"@h,@i\" \"c\" \"d\")(NIL NIL NIL NIL)(NIL NIL \"undisclosed\" NIL)"
          "(NIL NIL NIL NIL)) NIL NIL NIL NIL)"));
    /* without a host it would read as the beginning of a group */
    assert_slice(envelope("Bcc: just-me\r\n"),
        S("(NIL NIL NIL NIL NIL NIL NIL ((NIL NIL \"just-me\" \"MISSING_DOMAIN\")) NIL NIL)"));
}

static void other_bytes(void **state)
{
    assert_slice(envelope("Subject: =?utf-8?q?=C3=A4?= \"\\\r\n"),
        S("(NIL \"=?utf-8?q?=C3=A4?= \\\"\\\\\" NIL NIL NIL NIL NIL NIL NIL NIL)"));
    assert_slice(envelope("Subject: \xC3\xA4\r\n"),
        S("(NIL {2}\r\n\xC3\xA4 NIL NIL NIL NIL NIL NIL NIL NIL)"));
}

static void a_full_buffer_gives_nils(void **state)
{
    struct buffer small;
    static const char nils[] = "(NIL NIL NIL NIL NIL NIL NIL NIL NIL NIL)";
    buffer_init(&small, sizeof nils + 1);
    buffer_add(&small, S("[]"));
    render_envelope(S("Subject: it does not fit into so little room\r\n\r\n"), &small);
    assert_false(small.overflow);
    assert_slice(buffer_slice(&small), S("[](NIL NIL NIL NIL NIL NIL NIL NIL NIL NIL)"));
    render_envelope(S(""), &small);
    assert_true(small.overflow);
    buffer_finish(&small);
}

/* ---- BODYSTRUCTURE ---- */

static void single_parts(void **state)
{
    assert_slice(structure("Subject: x\r\n\r\nline\r\nline\r\n"),
        S("(\"text\" \"plain\" (\"CHARSET\" \"US-ASCII\") NIL NIL \"7BIT\" 12 2 "
          "NIL NIL NIL NIL)"));
    assert_slice(structure(""),
        S("(\"text\" \"plain\" (\"CHARSET\" \"US-ASCII\") NIL NIL \"7BIT\" 0 0 NIL NIL NIL NIL)"));
    assert_slice(
        structure("Content-Type: Image/PNG; name=\"a b.png\"\r\nContent-ID: <1@x>\r\n"
                  "Content-Description: A picture\r\nContent-MD5: Q2hlY2sgSW50ZWdyaXR5IQ==\r\n"
                  "Content-Transfer-Encoding: base64\r\nContent-Location: http://x/y\r\n"
                  "Content-Language: en, fr\r\n"
                  "Content-Disposition: attachment; filename*=utf-8'de'%C3%A4.png; size=3\r\n"
                  "\r\nAAAA\r\n"),
        S("(\"Image\" \"PNG\" (\"name\" \"a b.png\") \"<1@x>\" \"A picture\" \"base64\" 6 "
          "\"Q2hlY2sgSW50ZWdyaXR5IQ==\" (\"attachment\" (\"filename*\" \"utf-8'de'%C3%A4.png\" "
          "\"size\" \"3\")) (\"en\" \"fr\") \"http://x/y\")"));
    assert_slice(structure("Content-Type: text/html; charset=utf-8\r\nContent-Language: de\r\n"
                           "Content-Disposition: inline\r\n\r\nx"),
        S("(\"text\" \"html\" (\"charset\" \"utf-8\") NIL NIL \"7BIT\" 1 0 NIL (\"inline\" NIL) "
          "\"de\" NIL)"));
}

#define NESTED                                                                                     \
    "MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\none\r\n"     \
    "--b\r\nContent-Type: message/rfc822\r\n\r\nSubject: inner\r\nFrom: a@b\r\n"                   \
    "Content-Type: multipart/alternative; boundary=c\r\n\r\n--c\r\n\r\ntwo\r\n--c\r\n"             \
    "Content-Type: text/html\r\n\r\nthree\r\n--c--\r\n--b--\r\n"

static void nested_parts(void **state)
{
    assert_slice(structure(NESTED),
        S("((\"text\" \"plain\" (\"CHARSET\" \"US-ASCII\") NIL NIL \"7BIT\" 3 0 NIL NIL NIL NIL)"
          "(\"message\" \"rfc822\" NIL NIL NIL \"7BIT\" 134 (NIL \"inner\" ((NIL NIL \"a\" \"b\")) "
          "((NIL NIL \"a\" \"b\")) ((NIL NIL \"a\" \"b\")) NIL NIL NIL NIL NIL) "
          "((\"text\" \"plain\" (\"CHARSET\" \"US-ASCII\") NIL NIL \"7BIT\" 3 0 NIL NIL NIL NIL)"
          "(\"text\" \"html\" (\"CHARSET\" \"US-ASCII\") NIL NIL \"7BIT\" 5 0 NIL NIL NIL NIL) "
          "\"alternative\" (\"boundary\" \"c\") NIL NIL NIL) 11 NIL NIL NIL NIL) "
          "\"mixed\" (\"boundary\" \"b\") NIL NIL NIL)"));
    assert_slice(structure_of(S(NESTED), false),
        S("((\"text\" \"plain\" (\"CHARSET\" \"US-ASCII\") NIL NIL \"7BIT\" 3 0)"
          "(\"message\" \"rfc822\" NIL NIL NIL \"7BIT\" 134 (NIL \"inner\" ((NIL NIL \"a\" \"b\")) "
          "((NIL NIL \"a\" \"b\")) ((NIL NIL \"a\" \"b\")) NIL NIL NIL NIL NIL) "
          "((\"text\" \"plain\" (\"CHARSET\" \"US-ASCII\") NIL NIL \"7BIT\" 3 0)"
          "(\"text\" \"html\" (\"CHARSET\" \"US-ASCII\") NIL NIL \"7BIT\" 5 0) "
          "\"alternative\") 11) \"mixed\")"));
}

static void a_multipart_without_parts_is_plain(void **state)
{
    assert_slice(structure("Content-Type: multipart/mixed; boundary=b\r\n\r\nno boundary\r\n"),
        S("(\"text\" \"plain\" (\"CHARSET\" \"US-ASCII\") NIL NIL \"7BIT\" 13 1 NIL NIL NIL NIL)"));
    assert_slice(structure("Content-Type: multipart/digest; boundary=b\r\n\r\n--b\r\n\r\nS: 1\r\n"
                           "--b--\r\n"),
        S("((\"message\" \"rfc822\" NIL NIL NIL \"7BIT\" 4 (NIL NIL NIL NIL NIL NIL NIL NIL NIL "
          "NIL) (\"text\" \"plain\" (\"CHARSET\" \"US-ASCII\") NIL NIL \"7BIT\" 0 0 NIL NIL NIL "
          "NIL) 0 NIL NIL NIL NIL) \"digest\" (\"boundary\" \"b\") NIL NIL NIL)"));
}

/* ---- hostile structures ---- */

static void add_nested(struct buffer *to, unsigned levels, bool messages)
{
    for (unsigned i = 0; i < levels; i++) {
        buffer_printf(to, "Content-Type: multipart/mixed; boundary=b%u.\r\n\r\n--b%u.\r\n", i, i);
        if (messages)
            buffer_add(to, S("Content-Type: message/rfc822\r\n\r\nSubject: x\r\n"));
    }
    buffer_add(to, S("\r\nend\r\n"));
}

static void siblings_and_depth(void **state)
{
    struct buffer m;
    size_t parts;
    buffer_init(&m, 64 * 1024 * 1024);
    add_nested(&m, 1000, false);
    structure_of(buffer_slice(&m), true);
    buffer_reset(&m);
    add_nested(&m, 1000, true);
    structure_of(buffer_slice(&m), true);
    buffer_reset(&m);
    buffer_add(&m, S("Content-Type: multipart/mixed; boundary=b\r\n\r\n"));
    for (int i = 0; i < MIME_PARTS_MAX + 5; i++)
        buffer_add(&m, S("--b\r\n\r\n"));
    structure_of(buffer_slice(&m), true);
    assert_true(grammar_body(buffer_slice(&text), true, &parts));
    assert_int_equal(parts, MIME_PARTS_MAX);
    buffer_finish(&m);
}

/* At every limit from "just the shortest forms" on the text is valid. */
static void every_limit_gives_valid_text(void **state)
{
    struct slice m = S(NESTED);
    size_t parts, all = structure_of(m, true).n;
    size_t least = mime->n * RENDER_PART_MIN;
    for (size_t max = least; max < least + all + 10; max++) {
        struct buffer b;
        buffer_init(&b, max);
        render_structure(mime, true, &source, &b);
        assert_false(b.overflow);
        assert_true(grammar_body(buffer_slice(&b), true, &parts));
        assert_true(max < least + all || b.n == all);
        buffer_finish(&b);
    }
}

static void what_is_too_much_is_a_plain_leaf(void **state)
{
    struct buffer m;
    size_t parts;
    buffer_init(&m, 64 * 1024 * 1024);
    buffer_add(&m, S("Content-Type: multipart/mixed; boundary=b\r\n\r\n"));
    for (int i = 0; i < 1000; i++) {
        buffer_add(&m, S("--b\r\nContent-Description: "));
        memset(buffer_room(&m, 30000), 'x', 30000);
        buffer_took(&m, 30000);
        buffer_add(&m, S("\r\nContent-Type: message/rfc822\r\n\r\n\r\n"));
    }
    structure_of(buffer_slice(&m), true);
    assert_true(text.n > RENDER_TEXT_MAX - 300000);
    assert_true(grammar_body(buffer_slice(&text), true, &parts));
    assert_true(parts > 1001 && parts < mime->n);
    assert_true(slice_find_slice(buffer_slice(&text), S("(\"TEXT\" \"PLAIN\"")) != SLICE_NONE);
    buffer_finish(&m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(the_example_of_the_rfc, begin, end),
        cmocka_unit_test_setup_teardown(absent_and_empty, begin, end),
        cmocka_unit_test_setup_teardown(addresses, begin, end),
        cmocka_unit_test_setup_teardown(other_bytes, begin, end),
        cmocka_unit_test_setup_teardown(a_full_buffer_gives_nils, begin, end),
        cmocka_unit_test_setup_teardown(single_parts, begin, end),
        cmocka_unit_test_setup_teardown(nested_parts, begin, end),
        cmocka_unit_test_setup_teardown(a_multipart_without_parts_is_plain, begin, end),
        cmocka_unit_test_setup_teardown(siblings_and_depth, begin, end),
        cmocka_unit_test_setup_teardown(every_limit_gives_valid_text, begin, end),
        cmocka_unit_test_setup_teardown(what_is_too_much_is_a_plain_leaf, begin, end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
