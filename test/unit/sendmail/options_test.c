#include "sendmail/options.h"
#include "unit/unit.h"

static struct sendmail_options o;
static char why[SENDMAIL_WHY];

/* Words divided by '|'. */
static enum sendmail_exit parse(const char *line)
{
    static char text[1024], *argv[64];
    int argc = 0;
    snprintf(text, sizeof text, "%s", line);
    for (char *at = text; at; argc++) {
        argv[argc] = at;
        at = strchr(at, '|');
        if (at)
            *at++ = '\0';
    }
    argv[argc] = NULL;
    why[0] = '\0';
    return sendmail_options_parse(argc, argv, &o, why);
}

static void what_programs_say(void **state)
{
    /* php */
    assert_int_equal(parse("sendmail|-t|-i"), SENDMAIL_OK);
    assert_true(o.mode == SENDMAIL_POST && o.from_header && o.dot_is_text && !o.recipient_n);
    /* cron */
    assert_int_equal(parse("/usr/sbin/sendmail|-i|-FCronDaemon|-B8BITMIME|-oem|root"), 0);
    assert_true(o.dot_is_text && o.recipient_n == 1);
    assert_string_equal(o.name, "CronDaemon");
    assert_string_equal(o.recipients[0], "root");
    /* mutt */
    assert_int_equal(parse("sendmail|-oem|-oi|-f|a@b.test|--|c@d.test|-x"), 0);
    assert_string_equal(o.sender, "a@b.test");
    assert_true(o.dot_is_text && o.recipient_n == 2);
    assert_string_equal(o.recipients[1], "-x");
    /* git, s-nail, others */
    assert_int_equal(parse("sendmail|-i|a@b|c@d|-fx@y|-v"), 0);
    assert_true(o.recipient_n == 2 && o.verbose);
    assert_string_equal(o.sender, "x@y");
    assert_int_equal(parse("sendmail|-ti|-rx@y|-F|A B"), 0);
    assert_true(o.from_header && o.dot_is_text);
    assert_string_equal(o.name, "A B");
}

static void letters_with_values(void **state)
{
    assert_int_equal(parse("sendmail|-Am|-B|7BIT|-odb|-em|-h|3|-L|tag|-m|-n|-O|A=b|-om|-p|x|-U|-G|"
                           "-X|/dev/null|-d0.1|-oQ/x|-o|i|a@b"),
        0);
    assert_true(o.recipient_n == 1 && o.dot_is_text);
    assert_int_equal(parse("sendmail|-C|/x|-tf|a@b"), 0);
    assert_string_equal(o.config, "/x");
    assert_string_equal(o.sender, "a@b");
    assert_int_equal(parse("sendmail|-N|success,failure|-Rfull|-V|id1|a@b"), 0);
    assert_string_equal(o.notify, "success,failure");
    assert_string_equal(o.ret, "full");
    assert_string_equal(o.envid, "id1");
}

static void modes(void **state)
{
    assert_true(parse("sendmail|-bs") == SENDMAIL_OK && o.mode == SENDMAIL_SMTP);
    assert_true(parse("sendmail|-bm|a") == SENDMAIL_OK && o.mode == SENDMAIL_POST);
    assert_true(parse("sendmail|-bp") == SENDMAIL_OK && o.mode == SENDMAIL_QUEUE);
    assert_true(parse("/usr/bin/mailq") == SENDMAIL_OK && o.mode == SENDMAIL_QUEUE);
    assert_true(parse("newaliases") == SENDMAIL_OK && o.mode == SENDMAIL_NOTHING);
    assert_true(parse("sendmail|-bi") == SENDMAIL_OK && o.mode == SENDMAIL_NOTHING);
    assert_true(parse("sendmail|-I") == SENDMAIL_OK && o.mode == SENDMAIL_NOTHING);
    assert_true(parse("sendmail|-q") == SENDMAIL_OK && o.mode == SENDMAIL_NOTHING);
    assert_true(parse("sendmail|-q15m") == SENDMAIL_OK && o.mode == SENDMAIL_NOTHING);
    assert_true(parse("sendmail|-q|a@b") == SENDMAIL_OK && o.mode == SENDMAIL_POST);
}

static void mistakes(void **state)
{
    static const char *const lines[] = {"sendmail", "sendmail|-i", "sendmail|--", "sendmail|-bd",
        "sendmail|-bv|a", "sendmail|-bsx", "sendmail|-b", "sendmail|-f", "sendmail|-Z|a",
        "sendmail|-tZ", "sendmail|-N|sometimes|a", "sendmail|-N|never,success|a", "sendmail|-N||a",
        "sendmail|-R|half|a", "sendmail|-V|a b|c", "sendmail|-V|a=b|c", "sendmail|-V||c"};
    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++) {
        if (parse(lines[i]) != SENDMAIL_USAGE)
            fail_msg("%s", lines[i]);
        assert_true(*why && !strchr(why, '\n'));
    }
    char line[300] = "sendmail|-V|";
    memset(line + 12, 'x', 101);
    snprintf(line + 113, 3, "|a");
    assert_int_equal(parse(line), SENDMAIL_USAGE);
    snprintf(line + 112, 3, "|a");
    assert_int_equal(parse(line), SENDMAIL_OK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_programs_say),
        cmocka_unit_test(letters_with_values),
        cmocka_unit_test(modes),
        cmocka_unit_test(mistakes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
