/* Logging in: against libgsasl's server, and against servers that cheat. */
#include "../task/check.h"
#include "../unit.h"
#include "base/base64.h"
#include "net/login.h"
#include <gsasl.h>

static struct buffer response;

static int setup(void **state)
{
    buffer_init(&response, LOGIN_RESPONSE_MAX);
    return 0;
}

static int teardown(void **state)
{
    buffer_finish(&response);
    return 0;
}

static struct login *begin(struct login_options o, const char *offered)
{
    const char *why = NULL;
    if (!o.user.n)
        o.user = S("ann");
    if (!o.password.n)
        o.password = S("secret");
    struct login *l = login_create(&o, slice_str(offered), &why);
    CHECK(!l == (why != NULL));
    return l;
}

static void chooses(struct login_options o, const char *offered, const char *wanted)
{
    struct login *l = begin(o, offered);
    assert_true(!l == !wanted);
    if (l)
        assert_string_equal(login_mechanism(l), wanted);
    login_destroy(l);
}

static void choice(void **state)
{
    struct login_options plain = {.plaintext = true}, none = {0};
    struct login_options bound = {.binding_type = "tls-exporter", .binding = S("x")};
    chooses(plain, "LOGIN PLAIN", "PLAIN");
    chooses(plain, "LOGIN", "LOGIN");
    chooses(plain, "plain scram-sha-256", "SCRAM-SHA-256");
    chooses(plain, "SCRAM-SHA-256-PLUS SCRAM-SHA-256", "SCRAM-SHA-256");
    chooses(bound, "SCRAM-SHA-256 SCRAM-SHA-256-PLUS PLAIN", "SCRAM-SHA-256-PLUS");
    chooses(bound, "SCRAM-SHA-256", "SCRAM-SHA-256");
    chooses(none, "PLAIN LOGIN", NULL);
    chooses(none, "PLAIN LOGIN SCRAM-SHA-256", "SCRAM-SHA-256");
    chooses(plain, "", NULL);
    chooses(plain, "CRAM-MD5 SCRAM-SHA-1", NULL);
    plain.only = S("PLAIN");
    chooses(plain, "SCRAM-SHA-256 PLAIN", "PLAIN");
    chooses(plain, "SCRAM-SHA-256", NULL);
    plain.user = S("an\0n");
    chooses(plain, "PLAIN", NULL);
    static char name[LOGIN_NAME_MAX + 1];
    memset(name, 'n', sizeof name);
    plain.user = slice(name, LOGIN_NAME_MAX);
    chooses(plain, "PLAIN", "PLAIN");
    plain.user = slice(name, LOGIN_NAME_MAX + 1);
    chooses(plain, "PLAIN", NULL);
    plain.user = S("\xff");
    chooses(plain, "PLAIN", NULL);
}

static void plain(void **state)
{
    struct login *l = begin((struct login_options){.plaintext = true, .act_as = S("bob")}, "PLAIN");
    assert_true(login_speaks_first(l) && !login_complete(l));
    assert_true(login_step(l, S(""), &response) && login_complete(l));
    assert_slice(buffer_slice(&response), S("Ym9iAGFubgBzZWNyZXQ="));
    assert_false(login_step(l, S(""), &response));
    login_destroy(l);
    buffer_reset(&response);
    l = begin((struct login_options){.plaintext = true, .password = S("a\xc2\xa0z")}, "LOGIN");
    assert_false(login_speaks_first(l));
    assert_true(login_step(l, S("VXNlcm5hbWU6"), &response) && !login_complete(l));
    assert_slice(buffer_slice(&response), S("YW5u"));
    buffer_reset(&response);
    assert_true(login_step(l, S("UGFzc3dvcmQ6"), &response) && login_complete(l));
    assert_slice(buffer_slice(&response), S("YSB6")); /* RFC 4013 §2.1: a blank like any other */
    assert_false(login_step(l, S(""), &response));
    login_destroy(l);
    login_destroy(NULL);
}

/* ---- SCRAM ---- */

static Gsasl *gsasl;

struct dialog {
    const char *mechanism; /* the server's */
    const char *offered;
    struct login_options options;
    const char *binding;    /* the server's, base64; NULL: none */
    const char *iterations; /* NULL: 4096 */
};

/* Whether both ends are content; on a task, so that the computing is done elsewhere. */
static bool talk(const struct dialog *d)
{
    Gsasl_session *server = NULL;
    struct login *l = begin(d->options, d->offered);
    struct buffer challenge, bytes;
    bool fine = true;
    buffer_init(&challenge, LOGIN_RESPONSE_MAX);
    buffer_init(&bytes, LOGIN_RESPONSE_MAX);
    CHECK(l && gsasl_server_start(gsasl, d->mechanism, &server) == GSASL_OK);
    gsasl_property_set(server, GSASL_PASSWORD, "secret");
    gsasl_property_set(server, GSASL_SCRAM_ITER, d->iterations ? d->iterations : "4096");
    gsasl_property_set(server, GSASL_SCRAM_SALT, "W22ZaJ0SNY7soEsUEjb6gQ==");
    if (d->binding)
        gsasl_property_set(server, GSASL_CB_TLS_EXPORTER, d->binding);
    int rc = GSASL_NEEDS_MORE;
    for (int i = 0; fine && rc == GSASL_NEEDS_MORE && i < 4; i++) {
        char *out = NULL;
        size_t n = 0;
        buffer_reset(&response);
        buffer_reset(&bytes);
        fine = login_step(l, buffer_slice(&challenge), &response) &&
               base64_decode(buffer_slice(&response), &bytes);
        if (!fine)
            break;
        rc = gsasl_step(server, bytes.p, bytes.n, &out, &n);
        buffer_reset(&challenge);
        base64_encode(slice(out, n), &challenge);
        gsasl_free(out);
    }
    if (rc == GSASL_OK) {
        buffer_reset(&response);
        fine = fine && login_step(l, buffer_slice(&challenge), &response) && response.n == 0;
    }
    fine = fine && rc == GSASL_OK && login_complete(l);
    gsasl_finish(server);
    login_destroy(l);
    buffer_finish(&challenge);
    buffer_finish(&bytes);
    return fine;
}

#define BASE64 "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY="

static void run_scram(void *arg)
{
    static const char binding[] = "0123456789abcdef0123456789abcdef";
    static const char elsewhere[] = "1123456789abcdef0123456789abcdef";
    const struct login_options none = {.user = S("ann")};
    const struct login_options wrong = {.password = S("wrong")};
    const struct login_options odd = {.user = S("a=n,n"), .act_as = S("b,=")};
    const struct login_options bound = {.binding_type = "tls-exporter", .binding = S(binding)};
    const struct login_options mitm = {.binding_type = "tls-exporter", .binding = S(elsewhere)};
    static const char base64[] = "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=";
    static const char scram[] = "SCRAM-SHA-256", plus[] = "SCRAM-SHA-256-PLUS";
    const struct {
        bool fine;
        struct dialog dialog;
    } cases[] = {
        {true, {scram, scram, none, NULL, NULL}},
        {false, {scram, scram, wrong, NULL, NULL}},
        {true, {scram, scram, odd, NULL, NULL}},
        {true, {scram, scram, none, NULL, "10000"}},
        {false, {scram, scram, none, NULL, "4095"}},
        {false, {scram, scram, none, NULL, "1000001"}},
        {true, {plus, plus, bound, base64, NULL}},
        {false, {plus, plus, mitm, base64, NULL}},
        {false, {scram, scram, bound, base64, NULL}}, /* somebody has taken -PLUS off the offer */
        {true, {scram, scram, bound, NULL, NULL}},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        if (talk(&cases[i].dialog) != cases[i].fine)
            fprintf(stderr, "case %zu\n", i);
        CHECK(talk(&cases[i].dialog) == cases[i].fine);
    }
}

static void scram(void **state)
{
    assert_int_equal(gsasl_init(&gsasl), GSASL_OK);
    run_on(1, run_scram, NULL);
    gsasl_done(gsasl);
}

static bool takes(struct login *l, const char *message)
{
    char text[1024];
    struct buffer challenge = {.p = text, .cap = sizeof text, .max = sizeof text};
    base64_encode(slice_str(message), &challenge);
    buffer_reset(&response);
    return login_step(l, buffer_slice(&challenge), &response);
}

/* What a server may not say; %s is our nonce. */
static void liars(void **state)
{
    static const char *const odd[] = {
        "r=%s,s=W22ZaJ0S,i=4096",        /* nothing added to the nonce */
        "r=x%s,s=W22ZaJ0S,i=4096",       /* not ours */
        "m=ext,r=%sx,s=W22ZaJ0S,i=4096", /* a mandatory extension */
        "r=%sx,s=,i=4096",               /* no salt */
        "r=%sx,s=W22Za!,i=4096",         /* no base64 */
        "r=%sx,s=W22ZaJ0S",              /* no count */
        "r=%sx,s=W22ZaJ0S,i=4294971392", /* 2^32 + 4096 */
        "r=%sx,s=W22ZaJ0S,i=-4096",
        "s=W22ZaJ0S,r=%sx,i=4096",
        "e=other-error",
        "",
    };
    char message[256], nonce[64];
    size_t count = sizeof odd / sizeof *odd;
    for (size_t i = 0; i <= count; i++) {
        struct login *l = begin((struct login_options){0}, "SCRAM-SHA-256");
        struct buffer first;
        buffer_init(&first, 1000);
        assert_true(takes(l, "") && base64_decode(buffer_slice(&response), &first));
        struct slice text = buffer_slice(&first);
        assert_true(slice_starts(text, S("n,,n=ann,r=")));
        assert_true(slice_to_cstr(slice_from(text, 11), nonce, sizeof nonce));
        buffer_finish(&first);
        bool good = i == count;
        snprintf(message, sizeof message, good ? "r=%sx,s=W22ZaJ0S,i=4096" : odd[i], nonce);
        assert_int_equal(takes(l, message), good);
        if (good) {
            assert_false(login_complete(l));
            assert_false(takes(l, "v=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="));
        }
        assert_false(login_complete(l));
        login_destroy(l);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(choice, setup, teardown),
        cmocka_unit_test_setup_teardown(plain, setup, teardown),
        cmocka_unit_test_setup_teardown(scram, setup, teardown),
        cmocka_unit_test_setup_teardown(liars, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
