/* What a handler leaves as its reply. */
#include "imap/session_private.h"
#include "unit/unit.h"

static void texts(void **state)
{
    struct imap_command c = {.name = S("FETCH")};
    imap_reply(&c, IMAP_NO, "TRYCREATE", "%d of %s", 3, "them");
    assert_int_equal(c.reply.status, IMAP_NO);
    assert_string_equal(c.reply.code, "TRYCREATE");
    assert_string_equal(c.reply.text, "3 of them");
    imap_reply(&c, IMAP_OK, NULL, "%0400d", 7); /* cut */
    assert_string_equal(c.reply.code, "");
    assert_int_equal(strlen(c.reply.text), sizeof c.reply.text - 1);
}

static void syntax(void **state)
{
    struct imap_command c = {.name = S("FETCH"), .lex = {.why = "a set is expected"}};
    imap_reply_syntax(&c);
    assert_int_equal(c.reply.status, IMAP_BAD_COMMAND);
    assert_string_equal(c.reply.text, "Error in FETCH: a set is expected");
    c.lex = imap_lex(S("x"), NULL);
    imap_reply_syntax(&c);
    assert_string_equal(c.reply.text, "Error in FETCH: too much is there");
}

static void outcomes(void **state)
{
    static const struct {
        enum mailbox_refusal refusal;
        const char *code;
    } refusals[] = {
        {MAILBOX_REFUSED_NOT, "CANNOT"},
        {MAILBOX_REFUSED_ABSENT, "NONEXISTENT"},
        {MAILBOX_REFUSED_EXISTS, "ALREADYEXISTS"},
        {MAILBOX_REFUSED_INBOX, "CANNOT"},
        {MAILBOX_REFUSED_NAME, "CANNOT"},
        {MAILBOX_REFUSED_LIMIT, "LIMIT"},
        {MAILBOX_REFUSED_QUOTA, "OVERQUOTA"},
        {MAILBOX_REFUSED_GONE, "UNAVAILABLE"},
        {MAILBOX_REFUSED_MISSING, "EXPUNGEISSUED"},
    };
    struct imap_command c = {0};
    for (size_t i = 0; i < sizeof refusals / sizeof *refusals; i++) {
        imap_reply_outcome(&c, OUTCOME_REFUSED, refusals[i].refusal);
        assert_int_equal(c.reply.status, IMAP_NO);
        assert_string_equal(c.reply.code, refusals[i].code);
        assert_true(*c.reply.text);
    }
    imap_reply_outcome(&c, OUTCOME_DONE, MAILBOX_REFUSED_NOT);
    assert_int_equal(c.reply.status, IMAP_OK);
    imap_reply_outcome(&c, OUTCOME_FAILED, MAILBOX_REFUSED_NOT);
    assert_int_equal(c.reply.status, IMAP_NO);
    assert_string_equal(c.reply.code, "UNAVAILABLE");
    /* Neither OK nor NO would be true. */
    imap_reply_outcome(&c, OUTCOME_UNKNOWN, MAILBOX_REFUSED_NOT);
    assert_int_equal(c.reply.status, IMAP_BYE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(texts),
        cmocka_unit_test(syntax),
        cmocka_unit_test(outcomes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
