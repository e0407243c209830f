#include "pop3/command.h"
#include "unit/unit.h"

static struct pop3_command parsed;

static enum pop3_parse parse(const char *line)
{
    return pop3_command_parse(slice_str(line), &parsed);
}

static void verbs_without_arguments(void **state)
{
    static const struct {
        const char *line;
        enum pop3_verb verb;
    } good[] = {{"CAPA", POP3_CAPA}, {"stls", POP3_STLS}, {"Stat", POP3_STAT}, {"NOOP ", POP3_NOOP},
        {"RSET", POP3_RSET}, {"QUIT", POP3_QUIT}, {"LIST", POP3_LIST}, {"uidl  ", POP3_UIDL}};
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        assert_int_equal(parse(good[i].line), POP3_PARSE_OK);
        assert_int_equal(parsed.verb, good[i].verb);
        assert_false(parsed.has_message);
    }
    assert_int_equal(parse("STAT 1"), POP3_PARSE_SYNTAX);
    assert_int_equal(parse("QUIT now"), POP3_PARSE_SYNTAX);
}

static void unknown_verbs(void **state)
{
    static const char *const lines[] = {"", " ", " STAT", "STA", "STATS", "XTND", "GET / HTTP/1.1"};
    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++) {
        assert_int_equal(parse(lines[i]), POP3_PARSE_UNKNOWN);
        assert_int_equal(parsed.verb, POP3_UNKNOWN);
    }
}

static void controls(void **state)
{
    assert_int_equal(parse("STAT\r"), POP3_PARSE_CONTROLS);
    assert_int_equal(parse("USER a\x7f"), POP3_PARSE_CONTROLS);
    assert_int_equal(pop3_command_parse(slice("NOOP\0", 5), &parsed), POP3_PARSE_CONTROLS);
    assert_int_equal(parse("PASS \xc3\xa4\tb"), POP3_PARSE_OK);
}

static void a_password_keeps_its_blanks(void **state)
{
    assert_int_equal(parse("PASS  a b "), POP3_PARSE_OK);
    assert_slice(parsed.text, S(" a b "));
    assert_int_equal(parse("PASS"), POP3_PARSE_SYNTAX);
    assert_int_equal(parse("PASS "), POP3_PARSE_SYNTAX);
    assert_int_equal(parse("USER  ann@example.org "), POP3_PARSE_OK);
    assert_slice(parsed.text, S("ann@example.org"));
    assert_int_equal(parse("USER"), POP3_PARSE_SYNTAX);
}

static void auth(void **state)
{
    assert_int_equal(parse("AUTH PLAIN"), POP3_PARSE_OK);
    assert_slice(parsed.text, S("PLAIN"));
    assert_int_equal(parsed.second.n, 0);
    assert_int_equal(parse("auth plain AGE="), POP3_PARSE_OK);
    assert_slice(parsed.second, S("AGE="));
    assert_int_equal(parse("AUTH"), POP3_PARSE_SYNTAX);
    assert_int_equal(parse("AUTH PLAIN a b"), POP3_PARSE_SYNTAX);
}

static void numbers(void **state)
{
    assert_int_equal(parse("RETR 12"), POP3_PARSE_OK);
    assert_true(parsed.has_message && parsed.message == 12);
    assert_int_equal(parse("LIST 007"), POP3_PARSE_OK);
    assert_int_equal(parsed.message, 7);
    assert_int_equal(parse("DELE 18446744073709551615"), POP3_PARSE_OK);
    assert_true(parsed.message == UINT64_MAX);
    assert_int_equal(parse("DELE 18446744073709551616"), POP3_PARSE_OK);
    assert_true(parsed.message == UINT64_MAX);
    assert_int_equal(parse("DELE 99999999999999999999999999999990"), POP3_PARSE_OK);
    assert_true(parsed.message == UINT64_MAX);
    static const char *const bad[] = {
        "RETR", "RETR ", "RETR -1", "RETR +1", "RETR 1 2", "RETR 1x", "RETR 0x1", "LIST a"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_int_equal(parse(bad[i]), POP3_PARSE_SYNTAX);
}

static void top(void **state)
{
    assert_int_equal(parse("TOP 1 0"), POP3_PARSE_OK);
    assert_true(parsed.message == 1 && parsed.lines == 0);
    assert_int_equal(parse("TOP 1 9223372036854775808"), POP3_PARSE_OK);
    assert_true(parsed.lines == UINT64_C(1) << 63);
    assert_int_equal(parse("TOP 1 99999999999999999999"), POP3_PARSE_OK);
    assert_true(parsed.lines == UINT64_MAX);
    assert_int_equal(parse("TOP 1"), POP3_PARSE_SYNTAX);
    assert_int_equal(parse("TOP 1 2 3"), POP3_PARSE_SYNTAX);
    assert_int_equal(parse("TOP 1 -1"), POP3_PARSE_SYNTAX);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(verbs_without_arguments),
        cmocka_unit_test(unknown_verbs),
        cmocka_unit_test(controls),
        cmocka_unit_test(a_password_keeps_its_blanks),
        cmocka_unit_test(auth),
        cmocka_unit_test(numbers),
        cmocka_unit_test(top),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
