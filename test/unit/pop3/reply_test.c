#include "pop3/reply.h"
#include "unit/unit.h"

static struct pop3_reply reply;
static char line[POP3_REPLY_LINE];

static void codes(void **state)
{
    pop3_reply_ok(&reply, "%d octets", 120);
    assert_slice(pop3_reply_write(&reply, line), S("+OK 120 octets\r\n"));
    pop3_reply_error(&reply, POP3_CODE_NONE, "no");
    assert_slice(pop3_reply_write(&reply, line), S("-ERR no\r\n"));
    pop3_reply_error(&reply, POP3_CODE_AUTH, "no");
    assert_slice(pop3_reply_write(&reply, line), S("-ERR [AUTH] no\r\n"));
    pop3_reply_error(&reply, POP3_CODE_IN_USE, "no");
    assert_slice(pop3_reply_write(&reply, line), S("-ERR [IN-USE] no\r\n"));
    pop3_reply_error(&reply, POP3_CODE_SYS_TEMP, "no");
    assert_slice(pop3_reply_write(&reply, line), S("-ERR [SYS/TEMP] no\r\n"));
    pop3_reply_error(&reply, POP3_CODE_SYS_PERM, "no");
    assert_slice(pop3_reply_write(&reply, line), S("-ERR [SYS/PERM] no\r\n"));
}

static void nothing_forges_a_line(void **state)
{
    pop3_reply_error(&reply, POP3_CODE_NONE, "a\r\n+OK b\x7f\x1b\xc3\xa4");
    assert_slice(pop3_reply_write(&reply, line), S("-ERR a??+OK b????\r\n"));
}

static void the_longest(void **state)
{
    char text[1000];
    memset(text, 'x', sizeof text - 1);
    text[sizeof text - 1] = '\0';
    pop3_reply_error(&reply, POP3_CODE_SYS_TEMP, "%s", text);
    struct slice s = pop3_reply_write(&reply, line);
    assert_true(s.n <= POP3_REPLY_LINE);
    assert_true(slice_ends(s, S("xx\r\n")));
    assert_int_equal(s.n, sizeof "-ERR [SYS/TEMP] \r\n" - 1 + POP3_REPLY_TEXT - 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(codes),
        cmocka_unit_test(nothing_forges_a_line),
        cmocka_unit_test(the_longest),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
