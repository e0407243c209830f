#include "message/address.h"
#include "message/compose.h"
#include "message/header.h"
#include "message_test.h"

/* One well-formed field: lines within `max` columns, no bare CR or LF, no NUL, no empty line. */
static void check_field(struct slice written, size_t max)
{
    struct header_reader r = header_reader(written);
    struct header_field f;
    assert_true(header_next(&r, &f));
    assert_int_equal(f.raw.n, written.n);
    assert_false(f.broken);
    while (written.n) {
        struct slice line = slice_cut(&written, '\n');
        assert_true(slice_ends(line, S("\r")));
        assert_true(line.n - 1 <= max);
        assert_int_equal(slice_find(line, '\r'), line.n - 1);
        assert_true(slice_trim(slice_sub(line, 0, line.n - 1)).n > 0);
    }
}

static void text(void **state)
{
    struct buffer b;
    buffer_init(&b, 100000);
    assert_true(compose_text(&b, S("Subject"), S("hello world")));
    assert_slice(buffer_slice(&b), S("Subject: hello world\r\n"));
    buffer_reset(&b);
    assert_true(compose_text(&b, S("Subject"), S(" a\r\nBcc: evil@x\r\n\r\nbody\0 ")));
    assert_slice(buffer_slice(&b), S("Subject: a Bcc: evil@x body\r\n"));
    buffer_reset(&b);
    assert_true(compose_text(&b, S("Subject"), S("gr\xc3\xbc\xc3\x9f")));
    assert_slice(buffer_slice(&b), S("Subject: =?UTF-8?B?Z3LDvMOf?=\r\n"));
    buffer_reset(&b);
    assert_true(compose_text(&b, S("Subject"), S("")));
    assert_slice(buffer_slice(&b), S("Subject:\r\n"));
    buffer_reset(&b);
    struct slice words = repeated(S(""), S("words and words "), 5000);
    assert_true(compose_text(&b, S("Subject"), words));
    check_field(buffer_slice(&b), 78);
    drop(words);
    buffer_reset(&b);
    struct slice word = repeated(S("x "), S("w"), 5000);
    assert_true(compose_text(&b, S("Subject"), word));
    check_field(buffer_slice(&b), 998);
    drop(word);
    buffer_finish(&b);
    buffer_init(&b, 10);
    assert_false(compose_text(&b, S("Subject"), S("hello")));
    buffer_finish(&b);
}

static void mailboxes(void **state)
{
    static const struct compose_mailbox list[] = {
        {{"", 0}, {"a@b", 3}},
        {{"Ann Bee", 7}, {"ann@example.org", 15}},
        {{"Bee, \"A\"", 8}, {"bee@example.org", 15}},
        {{"J\xc3\xb6rg", 5}, {"j@example.org", 13}},
        {{"x\r\nBcc: y", 9}, {"z\r\n@x", 5}},
    };
    struct buffer b;
    struct arena a;
    struct address_list parsed;
    buffer_init(&b, 10000);
    arena_init(&a, 65536);
    assert_true(compose_mailboxes(&b, S("To"), list, 5));
    check_field(buffer_slice(&b), 78);
    address_list(slice_from(buffer_slice(&b), 3), &a, &parsed);
    assert_int_equal(parsed.n, 5);
    const struct address *e = parsed.first->next->next;
    assert_slice(e->name, S("Bee, \"A\""));
    assert_slice(e->local, S("bee"));
    arena_reset(&a);
    buffer_reset(&b);
    assert_true(compose_mailboxes(&b, S("To"), list, 2));
    assert_slice(buffer_slice(&b), S("To: a@b, Ann Bee <ann@example.org>\r\n"));
    buffer_finish(&b);
}

static void trace_fields(void **state)
{
    struct buffer b;
    buffer_init(&b, 10000);
    struct compose_received r = {.helo = S("client.example"),
        .rdns = S("host.example"),
        .peer = S("2001:db8::1"),
        .by = S("mail.example.org"),
        .protocol = S("ESMTPS"),
        .tls = S("TLSv1.3 TLS_AES_256_GCM_SHA384"),
        .id = S("abc123"),
        .recipient = S("ann@example.org"),
        .seconds = 1795317136};
    assert_true(compose_received(&b, &r));
    assert_slice(
        buffer_slice(&b), S("Received: from client.example (host.example [IPv6:2001:db8::1])\r\n"
                            "\tby mail.example.org with ESMTPS id abc123\r\n"
                            "\t(TLSv1.3 TLS_AES_256_GCM_SHA384)\r\n\tfor <ann@example.org>;\r\n"
                            "\tSun, 22 Nov 2026 03:12:16 +0000\r\n"));
    check_field(buffer_slice(&b), 78);
    buffer_reset(&b);
    r.priority = -4; /* RFC 6710 §4.1 */
    assert_true(compose_received(&b, &r));
    assert_true(slice_find_slice(buffer_slice(&b),
                    S("\r\n\tfor <ann@example.org>\r\n\tPRIORITY -4;\r\n")) != SLICE_NONE);
    buffer_reset(&b);
    r = (struct compose_received){
        .helo = S("a b(c)\r\nX: y\0"), .by = S("m"), .peer = S("192.0.2.1")};
    assert_true(compose_received(&b, &r));
    assert_slice(buffer_slice(&b), S("Received: from a?b?c???X:?y? ([192.0.2.1])\r\n\tby m;\r\n"
                                     "\tThu, 1 Jan 1970 00:00:00 +0000\r\n"));
    buffer_reset(&b);
    assert_true(compose_return_path(&b, S("")));
    assert_true(compose_return_path(&b, S("\"a b\"@x")));
    assert_true(compose_message_id(&b, S("1.2"), S("x.y")));
    assert_true(compose_date(&b, S("Date"), 0, 60));
    assert_slice(
        buffer_slice(&b), S("Return-Path: <>\r\nReturn-Path: <\"a b\"@x>\r\n"
                            "Message-ID: <1.2@x.y>\r\nDate: Thu, 1 Jan 1970 01:00:00 +0100\r\n"));
    buffer_finish(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(text),
        cmocka_unit_test(mailboxes),
        cmocka_unit_test(trace_fields),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
