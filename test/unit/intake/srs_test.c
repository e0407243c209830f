#include "intake/srs.h"
#include "unit/unit.h"

#define DAY INT64_C(86400)
#define NOW (20000 * DAY + 5)

static const uint8_t key[INTAKE_SRS_KEY] = "a key of thirty-two bytes, as is";
static char text[INTAKE_SRS_LOCAL_MAX];

static struct slice encode_at(
    const char *local, const char *domain, const char *ours, uint64_t account, int64_t seconds)
{
    const struct intake_srs s = {.local = slice_str(local),
        .domain = slice_str(domain),
        .ours = slice_str(ours),
        .account = account,
        .seconds = seconds};
    return slice(text, intake_srs_encode(key, &s, text));
}

static struct slice encode(const char *local, const char *domain)
{
    return encode_at(local, domain, "our.test", 7, NOW);
}

static enum intake_srs_result decode(struct slice local, int64_t seconds, uint64_t *account)
{
    return intake_srs_decode(key, local, S("our.test"), seconds, account);
}

/* What stands behind hash and stamp. */
static void tail_is(struct slice made, const char *prefix, const char *tail)
{
    assert_true(slice_starts(made, slice_str(prefix)));
    assert_true(slice_ends(made, slice_str(tail)));
    /* the prefix, 8 of the hash, 2 of the day, 1 of account 7; SRS0 has one "=" more */
    assert_int_equal(made.n, 5 + 8 + 3 + (prefix[3] == '0') + strlen(tail));
}

static void forms(void **state)
{
    tail_is(encode("joe", "away.test"), "SRS0=", "=away.test=joe");
    tail_is(encode("Joe.x", "Away.Test"), "SRS0=", "=away.test=Joe.x");
    tail_is(encode("SRS0=hhh=tt=first.test=joe", "hop.test"),
        "SRS1=", "=hop.test==hhh=tt=first.test=joe");
    tail_is(encode("srs0+hhh=tt=first.test=joe", "hop.test"),
        "SRS1=", "=hop.test=+hhh=tt=first.test=joe");
    tail_is(encode("SRS1=abc=first.test==hhh=tt=x=joe", "hop.test"),
        "SRS1=", "=first.test==hhh=tt=x=joe");
    tail_is(encode("SRS1=abc", "hop.test"), "SRS0=", "=hop.test=SRS1=abc");
    tail_is(encode("SRS0", "hop.test"), "SRS0=", "=hop.test=SRS0");
}

/* Too long, or nothing that a dot-string may hold: without the local part, without all. */
static void shortened(void **state)
{
    char local[65] = "";
    tail_is(encode("a b", "away.test"), "SRS0=", "=away.test=");
    tail_is(encode("a..b", "away.test"), "SRS0=", "=away.test=");
    tail_is(encode("j\u00f6", "b\u00fccher.test"), "SRS0=", "=xn--bcher-kva.test=");
    tail_is(encode("joe", "[192.0.2.1]"), "SRS0=", "==");
    tail_is(encode("joe", "..."), "SRS0=", "==");
    memset(local, 'x', 64);
    for (size_t n = 64; n > 0; n--) {
        local[n] = '\0';
        bool fits = 5 + 8 + 1 + 3 + 1 + 9 + 1 + n <= INTAKE_SRS_LOCAL_MAX;
        assert_int_equal(encode(local, "away.test").n, fits ? 28 + n : 28);
    }
    char domain[64];
    memset(domain, 'd', 60);
    memcpy(domain + 50, ".test", 6);
    tail_is(encode("joe", domain), "SRS0=", "==");
    tail_is(encode("SRS0=hhh=tt=a-long-name.of-the-first.test=joe.doe", "hop.test"),
        "SRS0=", "=hop.test=");
}

/* The path is held to 256 bytes. */
static void long_domains(void **state)
{
    char ours[256];
    for (size_t n = 180; n <= 253; n++) {
        memset(ours, 'd', n);
        ours[n] = '\0';
        struct slice made = encode_at("joe", "away.test", ours, UINT64_MAX, NOW);
        assert_true(made.n + n <= 253);
        assert_int_equal(made.n == 0, n > 253 - 31);
    }
}

static void comes_back(void **state)
{
    static const uint64_t accounts[] = {0, 1, 31, 32, 1024, UINT64_MAX};
    uint64_t account;
    for (size_t i = 0; i < sizeof accounts / sizeof *accounts; i++) {
        struct slice made = encode_at("joe", "away.test", "our.test", accounts[i], NOW);
        assert_true(intake_srs_is(made));
        assert_int_equal(decode(made, NOW, &account), INTAKE_SRS_OK);
        assert_true(account == accounts[i]);
        for (size_t j = 0; j < made.n; j++) /* on the way case may change */
            text[j] = j % 2 ? ascii_lower(text[j]) : ascii_upper(text[j]);
        assert_int_equal(decode(made, NOW, &account), INTAKE_SRS_OK);
        assert_true(account == accounts[i]);
    }
    assert_int_equal(decode(encode("SRS0=h=t=a=b", "hop.test"), NOW, &account), INTAKE_SRS_OK);
    assert_int_equal(account, 7);
}

static void age(void **state)
{
    uint64_t account;
    struct slice made = encode("joe", "away.test");
    assert_int_equal(decode(made, NOW - DAY, &account), INTAKE_SRS_OK); /* the clock was set back */
    assert_int_equal(decode(made, NOW - 2 * DAY, &account), INTAKE_SRS_FORGED);
    assert_int_equal(decode(made, NOW + 21 * DAY, &account), INTAKE_SRS_OK);
    assert_int_equal(decode(made, NOW + 22 * DAY, &account), INTAKE_SRS_OLD);
    assert_int_equal(account, 7);
    assert_int_equal(decode(made, NOW + 1000 * DAY, &account), INTAKE_SRS_OLD);
    /* when the two letters of the day come round again */
    assert_int_equal(decode(made, NOW + 1024 * DAY, &account), INTAKE_SRS_FORGED);
}

static void forgeries(void **state)
{
    uint64_t account;
    uint8_t other[INTAKE_SRS_KEY] = {1};
    struct slice made = encode("joe", "away.test");
    for (size_t i = 0; i < made.n; i++) {
        char before = text[i];
        text[i] = before == 'b' ? 'c' : 'b';
        assert_int_equal(decode(made, NOW, &account), INTAKE_SRS_FORGED);
        assert_int_equal(account, 0);
        text[i] = before;
    }
    for (size_t n = 0; n < made.n; n++)
        assert_int_equal(decode(slice_sub(made, 0, n), NOW, &account), INTAKE_SRS_FORGED);
    assert_int_equal(
        intake_srs_decode(key, made, S("other.test"), NOW, &account), INTAKE_SRS_FORGED);
    assert_int_equal(
        intake_srs_decode(other, made, S("our.test"), NOW, &account), INTAKE_SRS_FORGED);
    assert_int_equal(decode(made, NOW, &account), INTAKE_SRS_OK);
    static const char *const never[] = {"", "SRS0",
        "SRS0=", "SRS0===", "SRS0=aaaaaaaa=", "SRS0=aaaaaaaa=aa", "SRS0=aaaaaaaa=a=b=c",
        "SRS0=aaaaaaaa=00=b=c", "SRS0=aaaaaaaa=aazzzzzzzzzzzzz=b=c",
        "SRS0=aaaaaaaa=aaaaaaaaaaaaaaaa=b=c", "joe"};
    for (size_t i = 0; i < sizeof never / sizeof *never; i++)
        assert_int_equal(decode(slice_str(never[i]), NOW, &account), INTAKE_SRS_FORGED);
}

static void what_is_one(void **state)
{
    assert_true(intake_srs_is(S("SRS0=x")) && intake_srs_is(S("srs1=")));
    assert_false(intake_srs_is(S("SRS0")) || intake_srs_is(S("SRS0+x")));
    assert_false(intake_srs_is(S("SRS2=x")) || intake_srs_is(S("xSRS0=")) || intake_srs_is(S("")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(forms),
        cmocka_unit_test(shortened),
        cmocka_unit_test(long_domains),
        cmocka_unit_test(comes_back),
        cmocka_unit_test(age),
        cmocka_unit_test(forgeries),
        cmocka_unit_test(what_is_one),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
