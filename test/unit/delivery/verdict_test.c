#include "delivery/verdict.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

enum { DSN = 1, SOME = 2, PLAIN = 4, CHOSEN = 8 };

static const struct {
    enum answer answer;
    enum smtp_stage stage;
    unsigned code;
    const char *enhanced, *text;
    unsigned facts;
    enum queue_verdict verdict;
    const char *status;
} table[] = {
    {ANSWER_OK, SMTP_AT_END, 250, "2.0.0", "Ok", 0, QUEUE_RELAYED, "2.0.0"},
    {ANSWER_OK, SMTP_AT_END, 250, "2.6.0", "Ok", DSN, QUEUE_DELIVERED, "2.6.0"},
    {ANSWER_OK, SMTP_AT_END, 250, "", "Ok", DSN, QUEUE_DELIVERED, "2.0.0"},
    /* before a message */
    {ANSWER_PERMANENT, SMTP_AT_GREETING, 554, "", "go away", 0, QUEUE_DEFERRED, "4.3.2"},
    {ANSWER_PERMANENT, SMTP_AT_GREETING, 521, "5.3.2", "never", 0, QUEUE_FAILED, "5.3.2"},
    {ANSWER_TEMPORARY, SMTP_AT_GREETING, 421, "4.3.2", "full", 0, QUEUE_DEFERRED, "4.3.2"},
    {ANSWER_PERMANENT, SMTP_AT_HELLO, 550, "5.7.1", "bad name", 0, QUEUE_DEFERRED, "4.7.1"},
    {ANSWER_PERMANENT, SMTP_AT_STARTTLS, 502, "", "no", 0, QUEUE_DEFERRED, "4.7.0"},
    {ANSWER_UNTRUSTED, SMTP_AT_TLS, 0, "4.7.5", "no match", 0, QUEUE_DEFERRED, "4.7.5"},
    {ANSWER_UNSUPPORTED, SMTP_AT_STARTTLS, 0, "4.7.4", "not there", 0, QUEUE_DEFERRED, "4.7.4"},
    {ANSWER_LOST, SMTP_AT_GREETING, 0, "", "gone", 0, QUEUE_DEFERRED, "4.4.1"},
    /* a host that the administrator chose never makes mail fail by what it thinks of us */
    {ANSWER_PERMANENT, SMTP_AT_GREETING, 521, "5.3.2", "never", CHOSEN, QUEUE_DEFERRED, "4.3.2"},
    {ANSWER_PERMANENT, SMTP_AT_AUTH, 535, "5.7.8", "no", CHOSEN, QUEUE_DEFERRED, "4.7.8"},
    {ANSWER_PERMANENT, SMTP_AT_AUTH, 535, "", "no", CHOSEN, QUEUE_DEFERRED, "4.7.8"},
    {ANSWER_UNSUPPORTED, SMTP_AT_AUTH, 0, "4.7.0", "no", CHOSEN, QUEUE_DEFERRED, "4.7.0"},
    {ANSWER_PERMANENT, SMTP_AT_MAIL, 530, "5.7.0", "who are you", CHOSEN, QUEUE_DEFERRED, "4.7.0"},
    {ANSWER_PERMANENT, SMTP_AT_MAIL, 535, "", "who are you", CHOSEN, QUEUE_DEFERRED, "4.7.8"},
    {ANSWER_PERMANENT, SMTP_AT_RCPT, 550, "5.1.1", "nobody", CHOSEN, QUEUE_FAILED, "5.1.1"},
    /* of the message */
    {ANSWER_TEMPORARY, SMTP_AT_MAIL, 451, "4.7.1", "greylisted", 0, QUEUE_DEFERRED, "4.7.1"},
    {ANSWER_PERMANENT, SMTP_AT_MAIL, 550, "5.7.1", "no", 0, QUEUE_FAILED, "5.7.1"},
    {ANSWER_PERMANENT, SMTP_AT_MAIL, 530, "5.7.0", "STARTTLS first", 0, QUEUE_FAILED, "5.7.0"},
    {ANSWER_PERMANENT, SMTP_AT_MAIL, 530, "5.7.0", "STARTTLS first", PLAIN, QUEUE_DEFERRED,
        "4.7.0"},
    {ANSWER_UNSUPPORTED, SMTP_AT_MAIL, 0, "5.6.7", "no SMTPUTF8", 0, QUEUE_FAILED, "5.6.7"},
    {ANSWER_UNSUPPORTED, SMTP_AT_MAIL, 0, "5.3.4", "too large", 0, QUEUE_FAILED, "5.3.4"},
    {ANSWER_UNSUPPORTED, SMTP_AT_RCPT, 0, "5.1.3", "no address", 0, QUEUE_FAILED, "5.1.3"},
    {ANSWER_PERMANENT, SMTP_AT_RCPT, 550, "5.1.1", "nobody", SOME, QUEUE_FAILED, "5.1.1"},
    {ANSWER_PERMANENT, SMTP_AT_RCPT, 550, "", "nobody", 0, QUEUE_FAILED, "5.0.0"},
    {ANSWER_TEMPORARY, SMTP_AT_RCPT, 450, "", "later", 0, QUEUE_DEFERRED, "4.0.0"},
    {ANSWER_PERMANENT, SMTP_AT_RCPT, 552, "5.2.2", "full", SOME, QUEUE_FAILED, "5.2.2"},
    /* too many at once: again at once when some were taken, else later */
    {ANSWER_TEMPORARY, SMTP_AT_RCPT, 452, "4.5.3", "too many", SOME, QUEUE_UNTRIED, "4.5.3"},
    {ANSWER_TEMPORARY, SMTP_AT_RCPT, 452, "4.5.3", "too many", 0, QUEUE_DEFERRED, "4.5.3"},
    {ANSWER_PERMANENT, SMTP_AT_RCPT, 552, "", "too many", 0, QUEUE_DEFERRED, "4.5.3"},
    {ANSWER_PERMANENT, SMTP_AT_RCPT, 552, "5.5.3", "too many", SOME, QUEUE_UNTRIED, "4.5.3"},
    {ANSWER_TEMPORARY, SMTP_AT_RCPT, 452, "4.2.2", "full", SOME, QUEUE_DEFERRED, "4.2.2"},
    {ANSWER_PERMANENT, SMTP_AT_DATA, 554, "5.5.1", "no", 0, QUEUE_FAILED, "5.5.1"},
    {ANSWER_PERMANENT, SMTP_AT_END, 554, "5.7.1", "spam", 0, QUEUE_FAILED, "5.7.1"},
    {ANSWER_TEMPORARY, SMTP_AT_END, 451, "4.3.0", "later", 0, QUEUE_DEFERRED, "4.3.0"},
    {ANSWER_PERMANENT, SMTP_AT_RSET, 554, "5.5.1", "too many errors", 0, QUEUE_DEFERRED, "4.5.1"},
    {ANSWER_LOST, SMTP_AT_BODY, 0, "", "connection closed", 0, QUEUE_DEFERRED, "4.4.2"},
    {ANSWER_UNKNOWN, SMTP_AT_END, 0, "", "no answer in time", 0, QUEUE_DEFERRED, "4.4.2"},
    {ANSWER_PROTOCOL, SMTP_AT_MAIL, 0, "", "not SMTP", 0, QUEUE_DEFERRED, "4.5.0"},
    {ANSWER_LOCAL, SMTP_AT_BODY, 0, "", "cannot be read", 0, QUEUE_DEFERRED, "4.3.0"},
    {ANSWER_CANCELLED, SMTP_AT_END, 0, "", "cancelled", 0, QUEUE_UNTRIED, "4.0.0"},
};

static void test_table(void **state)
{
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        struct smtp_outcome o = {.answer = table[i].answer, .stage = table[i].stage};
        const struct delivery_facts facts = {.dsn = table[i].facts & DSN,
            .some_taken = table[i].facts & SOME,
            .without_tls = table[i].facts & PLAIN,
            .chosen = table[i].facts & CHOSEN};
        struct queue_settlement s;
        char reply[QUEUE_REPLY_MAX];
        o.reply.code = (uint16_t)table[i].code;
        snprintf(o.reply.enhanced, sizeof o.reply.enhanced, "%s", table[i].enhanced);
        snprintf(o.reply.text, sizeof o.reply.text, "%s", table[i].text);
        delivery_verdict(&o, &facts, reply, &s);
        if (s.verdict != table[i].verdict || strcmp(s.status, table[i].status))
            fail_msg("row %zu: verdict %d, status %s", i, (int)s.verdict, s.status);
        assert_int_equal(s.remote_said, table[i].code != 0);
        assert_true(slice_find_slice(s.reply, slice_str(table[i].text)) != SLICE_NONE);
    }
}

static void test_reply(void **state)
{
    struct smtp_outcome o = {.answer = ANSWER_PERMANENT, .stage = SMTP_AT_RCPT};
    struct delivery_facts facts = {0};
    struct queue_settlement s;
    char reply[QUEUE_REPLY_MAX];
    o.reply = (struct smtp_reply){.code = 550, .enhanced = "5.1.1", .text = "no such\nuser here"};
    delivery_verdict(&o, &facts, reply, &s);
    assert_true(slice_eq(s.reply, S("550 5.1.1 no such user here")));
    memset(o.reply.text, 'x', sizeof o.reply.text - 1);
    delivery_verdict(&o, &facts, reply, &s);
    assert_true(s.reply.n < QUEUE_REPLY_MAX && s.reply.n > SMTP_REPLY_TEXT);
    o = (struct smtp_outcome){.answer = ANSWER_LOST, .stage = SMTP_AT_DATA};
    snprintf(o.reply.text, sizeof o.reply.text, "connection closed");
    delivery_verdict(&o, &facts, reply, &s);
    assert_true(slice_eq(s.reply, S("connection closed, at DATA")));
}

static void test_own(void **state)
{
    struct queue_settlement s;
    delivery_own_verdict(QUEUE_FAILED, "5.1.10", S("It takes no mail"), &s);
    assert_int_equal(s.verdict, QUEUE_FAILED);
    assert_string_equal(s.status, "5.1.10");
    assert_false(s.remote_said);
    assert_true(slice_eq(s.why, S("It takes no mail")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_table),
        cmocka_unit_test(test_reply),
        cmocka_unit_test(test_own),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
