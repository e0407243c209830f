#include "unit/unit.h"
/* after unit/unit.h */
#include "auth/password.h"

static bool matches(struct slice password, const char *stored)
{
    char prepared[PASSWORD_MAX];
    size_t n;
    return password_prepare(password, prepared, &n) == PASSWORD_OK &&
           password_check(slice(prepared, n), stored);
}

static void test_make_and_check(void **state)
{
    struct directory_credentials made, again;
    assert_int_equal(password_make(S("correct horse"), &made), PASSWORD_OK);
    assert_true(made.present);
    assert_true(slice_starts(slice_str(made.password), S("$argon2id$v=19$m=19456,t=2,p=1$")));
    assert_int_equal(made.scram_iterations, 10000);
    assert_true(matches(S("correct horse"), made.password));
    assert_false(matches(S("correct horsf"), made.password));
    assert_false(matches(S("correct hors"), made.password));
    assert_int_equal(password_make(S("correct horse"), &again), PASSWORD_OK);
    assert_string_not_equal(made.password, again.password);
    assert_memory_not_equal(made.scram_salt, again.scram_salt, 16);
}

/* RFC 4013 §3. */
static void test_prepare(void **state)
{
    char out[PASSWORD_MAX], text[PASSWORD_MAX + 1];
    size_t n;
    assert_int_equal(password_prepare(S("I\xc2\xadX"), out, &n), PASSWORD_OK);
    assert_slice(slice(out, n), S("IX"));
    assert_int_equal(password_prepare(S("\xc2\xaa"), out, &n), PASSWORD_OK);
    assert_slice(slice(out, n), S("a"));
    assert_int_equal(password_prepare(S("\xe2\x85\xa8"), out, &n), PASSWORD_OK);
    assert_slice(slice(out, n), S("IX"));
    assert_int_equal(password_prepare(S("a\aB"), out, &n), PASSWORD_BAD_TEXT);
    assert_int_equal(password_prepare(S("\xd8\xa7\x31"), out, &n), PASSWORD_BAD_TEXT);
    assert_int_equal(password_prepare(S("a\0b"), out, &n), PASSWORD_BAD_TEXT);
    assert_int_equal(password_prepare(S("\xff\xfe"), out, &n), PASSWORD_BAD_TEXT);
    assert_int_equal(password_prepare(S("\xc2\xad"), out, &n), PASSWORD_EMPTY);
    assert_int_equal(password_prepare(S(""), out, &n), PASSWORD_EMPTY);
    memset(text, 'x', sizeof text);
    assert_int_equal(password_prepare(slice(text, PASSWORD_MAX), out, &n), PASSWORD_OK);
    assert_int_equal(n, PASSWORD_MAX);
    assert_int_equal(password_prepare(slice(text, PASSWORD_MAX + 1), out, &n), PASSWORD_LONG);
    /* U+FDFA becomes 33 bytes. */
    for (size_t i = 0; i + 3 <= 300; i += 3)
        memcpy(text + i, "\xef\xb7\xba", 3);
    assert_int_equal(password_prepare(slice(text, 300), out, &n), PASSWORD_LONG);
}

static void test_imported(void **state)
{
    const char *sha512 = "$6$saltstring$svn8UoSVapNtMuq1ukKS4tPQd8iKwSMHWjl/O817G3uBnIFNjnQJuesI68u"
                         "4OTLiBFdcbYEdFCoEOfaS35inz1";
    assert_true(matches(S("Hello world!"), sha512));
    assert_false(matches(S("Hello world"), sha512));
    assert_false(matches(S("x"), ""));
    assert_false(matches(S("x"), "x"));
    assert_false(matches(S("x"), "*0"));
    assert_false(matches(S("x"), "$6$"));
    assert_false(matches(S("x"), "$argon2id$v=19$m=99999999,t=2,p=1$c2FsdHNhbHQ$AAAA"));
    assert_false(matches(S("x"), "$argon2id$v=19$m=64,t=99999999,p=1$c2FsdHNhbHQ$AAAA"));
    assert_false(matches(S("x"), "$argon2id$"));
    assert_false(matches(S("x"), "$argon2d$v=19$m=64,t=2,p=1$c2FsdHNhbHQ$AAAA"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_make_and_check),
        cmocka_unit_test(test_prepare),
        cmocka_unit_test(test_imported),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
