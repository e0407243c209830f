#include "message/envelope.h"
#include "message_test.h"

static void the_fields(void **state)
{
    struct arena a;
    struct envelope e;
    arena_init(&a, 65536);
    envelope_parse(S("Date: Sun, 22 Nov 2026\r\n 03:12:16 +0000\r\nSUBJECT: one\r\nSubject: two\r\n"
                     "From: a@b\r\nTo: c@d\r\nTo: e@f, g@h\r\nMessage-ID: <1@x>\r\n"
                     "From: second@x\r\nReply-To:\r\n\r\nCc: body@x\r\n"),
        &a, &e);
    assert_slice(e.date, S("Sun, 22 Nov 2026 03:12:16 +0000"));
    assert_slice(e.subject, S("one"));
    assert_slice(e.message_id, S("<1@x>"));
    assert_null(e.in_reply_to.p);
    assert_int_equal(e.from.n, 1);
    assert_slice(e.from.first->local, S("a"));
    assert_ptr_equal(e.sender.first, e.from.first);
    assert_ptr_equal(e.reply_to.first, e.from.first);
    assert_int_equal(e.to.n, 3);
    assert_slice(e.to.first->next->next->domain, S("h"));
    assert_int_equal(e.cc.n, 0);
    assert_false(e.truncated);
    envelope_parse(S("Sender: s@t\nReply-To: r@t\nFrom: f@t\nSubject:\n"), &a, &e);
    assert_slice(e.sender.first->local, S("s"));
    assert_slice(e.reply_to.first->local, S("r"));
    assert_slice(e.subject, S(""));
    assert_non_null(e.subject.p);
    envelope_parse(S(""), &a, &e);
    assert_null(e.date.p);
    assert_int_equal(e.sender.n, 0);
    arena_reset(&a);
}

static void limits(void **state)
{
    struct arena a;
    struct envelope e;
    struct slice m = repeated(S("To:"), S("a@b,"), 4 * ADDRESS_LIST_MAX + 7);
    arena_init(&a, 1024 * 1024);
    envelope_parse(m, &a, &e);
    assert_int_equal(e.to.n, ADDRESS_LIST_MAX);
    assert_true(e.truncated);
    drop(m);
    arena_reset(&a);
    arena_init(&a, 8);
    envelope_parse(S("Subject: folded\n text\nFrom: a@b, c@d\n"), &a, &e);
    assert_true(e.truncated);
    arena_reset(&a);
}

static void message_ids(void **state)
{
    struct slice rest = S(" <a@b> (c <no@x>)\r\n <d@e>,x \"<no@y>\" <bad id@x> <f@g <h@i> <> <j");
    struct slice id;
    assert_true(envelope_next_id(&rest, &id));
    assert_slice(id, S("<a@b>"));
    assert_true(envelope_next_id(&rest, &id));
    assert_slice(id, S("<d@e>"));
    assert_true(envelope_next_id(&rest, &id));
    assert_slice(id, S("<h@i>"));
    assert_false(envelope_next_id(&rest, &id));
    assert_int_equal(rest.n, 0);
}

static void hostile_headers_take_linear_time(void **state)
{
    static const char *const units[] = {
        "To: a@b\n", "Subject:\n", "From:,\n", "To: (\n", "To: a:\n"};
    for (size_t i = 0; i < sizeof units / sizeof *units; i++) {
        struct slice m = repeated(S(""), slice_str(units[i]), TEN_MB);
        struct arena a;
        struct envelope e;
        arena_init(&a, 4 * TEN_MB);
        int64_t start = cpu_now();
        envelope_parse(m, &a, &e);
        struct slice rest = m, id;
        while (envelope_next_id(&rest, &id))
            continue;
        assert_within_time(start);
        arena_reset(&a);
        drop(m);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_fields),
        cmocka_unit_test(limits),
        cmocka_unit_test(message_ids),
        cmocka_unit_test(hostile_headers_take_linear_time),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
