#include "admin/story.h"
#include "unit/unit.h"

static struct buffer out;

static const char *tell(struct story *s, json_t *row)
{
    buffer_reset(&out);
    story_tell(s, row, &out);
    buffer_add_char(&out, '\0');
    json_decref(row);
    return out.p;
}

static json_t *row(const char *id, const char *event)
{
    return json_pack(
        "{s:s, s:s, s:s, s:n}", "id", id, "time", "2026-11-22T09:31:02Z", "event", event, "reply");
}

static json_t *with(json_t *row, const char *key, const char *value)
{
    json_object_set_new(row, key, json_string(value));
    return row;
}

static void a_message_begins(void **state)
{
    struct story s = {0};
    json_t *accepted = with(row("0abc", "accepted"), "sender", "a@b.example");
    with(with(accepted, "recipient", "c@d.example"), "peer", "192.0.2.1");
    json_object_set_new(accepted, "size", json_integer(1234));
    assert_string_equal(tell(&s, accepted),
        "Message 0abc from a@b.example to c@d.example, 1234 bytes\n"
        "  2026-11-22 09:31:02 accepted from 192.0.2.1\n");
    assert_string_equal(tell(&s, with(row("0abc", "held"), "recipient", "c@d.example")),
        "  2026-11-22 09:31:02 held back for c@d.example by the administrator\n");
    assert_string_equal(tell(&s, with(row("0abd", "held"), "recipient", "c@d.example")),
        "\nMessage 0abd\n"
        "  2026-11-22 09:31:02 held back for c@d.example by the administrator\n");
    assert_string_equal(tell(&s, json_pack("{s:n, s:s}", "id", "event", "more")),
        "\nThere is more: see --limit and --since.\n");
}

static void words_of_servers(void **state)
{
    struct story s = {.begun = true, .id = "0abc"};
    json_t *attempt = with(row("0abc", "attempt"), "what", "deferred");
    with(with(attempt, "recipient", "c@d.example"), "remote", "mx.d.example [192.0.2.1]");
    with(with(attempt, "reply", "451 4.7.1 Greylisted"), "next", "2026-11-22T09:36:02Z");
    assert_string_equal(tell(&s, json_incref(attempt)),
        "  2026-11-22 09:31:02 not yet delivered to c@d.example: mx.d.example [192.0.2.1] said: "
        "451 4.7.1 Greylisted; next try 09:36\n");
    with(with(attempt, "reply", "Connection refused"), "next", "2026-11-23T09:36:02Z");
    assert_string_equal(tell(&s, json_incref(attempt)),
        "  2026-11-22 09:31:02 not yet delivered to c@d.example: mx.d.example [192.0.2.1]: "
        "Connection refused; next try 2026-11-23 09:36\n");
    with(with(attempt, "remote", ""), "reply",
        "\x1b[1mre\xe2\x80\xae"
        "d\xc2\x9b"
        "2J");
    assert_string_equal(tell(&s, attempt),
        "  2026-11-22 09:31:02 not yet delivered to c@d.example: ?[1mre???d??2J; next try "
        "2026-11-23 09:36\n");
}

/* Of a later version, or broken: nothing worse than an empty line. */
static void strange_rows(void **state)
{
    struct story s = {0};
    assert_string_equal(tell(&s, json_object()), "Message \n  ? \n");
    assert_string_equal(tell(&s, row("", "danced")), "  2026-11-22 09:31:02 \n");
    assert_string_equal(
        tell(&s, json_pack("{s:i, s:i, s:s}", "id", 5, "time", 7, "event", "fetched")),
        "  ? first fetched by  over IMAP from \n");
}

/* The sender of what an alias sends on hears nothing: its address may be forged. */
static void who_was_told(void **state)
{
    struct story s = {.begun = true, .id = "0abc"};
    json_t *report = with(row("0abc", "report"), "what", "failure");
    with(with(report, "recipient", "SRS0=x=y=far.test=a@b.example"), "account", "me@b.example");
    assert_string_equal(tell(&s, json_incref(report)),
        "  2026-11-22 09:31:02 the sender SRS0=x=y=far.test=a@b.example was told that it failed, "
        "in "
        "the mailbox of me@b.example\n");
    with(report, "alias", "all@b.example");
    assert_string_equal(tell(&s, json_incref(report)),
        "  2026-11-22 09:31:02 not the sender but whoever answers for all@b.example was told that "
        "it "
        "failed, in the mailbox of me@b.example\n");
    with(report, "recipient", "a@far.test");
    assert_string_equal(tell(&s, report),
        "  2026-11-22 09:31:02 the sender a@far.test was told that it failed, in the mailbox of "
        "me@b.example\n");
}

static void every_event_has_words(void **state)
{
    static const char *const all[] = {"accepted", "refused", "unknown", "recipient", "stored",
        "queued", "attempt", "unreachable", "expired", "report", "held", "released", "retried",
        "removed", "fetched", "loop", "host"};
    struct story s = {.begun = true, .id = "0abc"};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        assert_true(strlen(tell(&s, row("0abc", all[i]))) > 30);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_message_begins),
        cmocka_unit_test(words_of_servers),
        cmocka_unit_test(strange_rows),
        cmocka_unit_test(who_was_told),
        cmocka_unit_test(every_event_has_words),
    };
    setenv("TZ", "UTC", 1);
    buffer_init(&out, STORY_MAX);
    int bad = cmocka_run_group_tests(tests, NULL, NULL);
    buffer_finish(&out);
    return bad;
}
