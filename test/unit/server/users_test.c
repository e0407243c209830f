#include "server/users.h"
#include "unit/unit.h"

static char why[USERS_WHY];

static void refused(const char *row, const char *words)
{
    struct buffer lines;
    buffer_init(&lines, 1000);
    why[0] = '\0';
    assert_false(users_add(&lines, row, why));
    if (!strstr(why, words))
        fail_msg("%s: %s", row, why);
    assert_int_equal(lines.n, 0);
}

static void rows(void **state)
{
    struct buffer lines;
    size_t n;
    buffer_init(&lines, 1000);
    assert_true(users_add(&lines, "root  a@b.test", why));
    assert_true(users_add(&lines, " 0 gr\xc3\xbc\xc3\x9f@b.test ", why));
    assert_true(users_add(&lines, "4000000000 c@d.test", why));
    assert_true(users_add(&lines, "* e@f.test", why));
    struct intake_user *u = users_read(buffer_slice(&lines), &n);
    assert_int_equal(n, 4);
    assert_true(u[0].uid == 0 && !u[0].everybody);
    assert_string_equal(u[0].name, "root");
    assert_string_equal(u[0].address, "a@b.test");
    assert_string_equal(u[1].name, "root");
    assert_string_equal(u[1].address, "gr\xc3\xbc\xc3\x9f@b.test");
    assert_true(u[2].uid == 4000000000);
    assert_string_equal(u[2].name, "");
    assert_true(u[3].everybody);
    assert_string_equal(u[3].address, "e@f.test");
    free(u);
    buffer_finish(&lines);
    u = users_read(S(""), &n);
    assert_true(u && n == 0);
    free(u);
}

static void mistakes(void **state)
{
    refused("", "is not");
    refused("root", "is not");
    refused("root a", "is not");
    refused("root a@b c@d", "is not");
    refused("root a@[192.0.2.1]", "is not");
    refused("no-such-user-here a@b.test", "no user no-such-user-here");
    refused("4294967295 a@b.test", "no user"); /* (uid_t)-1 is nobody */
}

/* What no users_add has made. */
static void strange_lines(void **state)
{
    static const char *const texts[] = {"\n\n\n", "x", "1", "x y z\n1 2\n", "* * *\n\n", "1  \n"};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        size_t n;
        struct intake_user *u = users_read(slice_str(texts[i]), &n);
        for (size_t k = 0; k < n; k++)
            assert_true(u[k].name && u[k].address && strlen(u[k].address) < 10);
        free(u);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rows),
        cmocka_unit_test(mistakes),
        cmocka_unit_test(strange_lines),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
