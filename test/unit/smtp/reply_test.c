#include "smtp/reply.h"
#include "unit/unit.h"

static void writes(const struct smtp_reply *r, bool utf8, const char *wanted)
{
    struct buffer out;
    buffer_init(&out, 4096);
    smtp_reply_write(r, utf8, &out);
    buffer_add_char(&out, '\0');
    assert_string_equal(out.p, wanted);
    buffer_finish(&out);
}

static void lines(void **state)
{
    struct smtp_reply r;
    smtp_reply_set(&r, 250, "2.1.0", "%s", "one\ntwo");
    writes(&r, false, "250-2.1.0 one\r\n250 2.1.0 two\r\n");
    smtp_reply_set(&r, 220, NULL, "mx.test");
    writes(&r, false, "220 mx.test\r\n");
    smtp_reply_set(&r, 250, NULL, "%s", "");
    writes(&r, false, "250 \r\n");
}

/* Nothing that a stranger said can make a reply of its own. */
static void cleaned(void **state)
{
    struct smtp_reply r;
    smtp_reply_set(&r, 550, "5.1.1", "a\rb\tc\x1b\x7f\xc3\xa9");
    writes(&r, false, "550 5.1.1 a?b\tc????\r\n");
    writes(&r, true, "550 5.1.1 a?b\tc??\xc3\xa9\r\n");
}

static void too_long(void **state)
{
    char text[1000];
    struct smtp_reply r;
    struct buffer out;
    memset(text, 'x', sizeof text);
    text[sizeof text - 1] = '\0';
    smtp_reply_set(&r, 550, "5.1.1", "%s", text);
    buffer_init(&out, 4096);
    smtp_reply_write(&r, false, &out);
    assert_true(out.n <= SMTP_REPLY_LINE);
    assert_true(slice_ends(buffer_slice(&out), S("x\r\n")));
    buffer_finish(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lines),
        cmocka_unit_test(cleaned),
        cmocka_unit_test(too_long),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
