#include "cheap.h"
/* after cheap.h */
#include "auth/sasl.h"
#include "base/base64.h"
#include "base/log.h"
#include <gsasl.h>

static struct auth *auth;
static struct auth_reply reply;
static struct buffer challenge;
static uint64_t ann;

static void prepare(struct directory *d)
{
    CHECK(domain_add(d, "example.org") == DIRECTORY_OK);
    ann = cheap_account(d, "ann@example.org", "secret");
    cheap_account(d, "bob@example.org", "secret");
    auth = auth_create(&(struct auth_options){
        .directory = d, .hashers = 2, .delay_first = 1, .delay_max = CLOCK_MS});
    buffer_init(&challenge, SASL_CHALLENGE_MAX);
}

static void finish(void)
{
    auth_destroy(auth);
    buffer_finish(&challenge);
}

static struct sasl *begin(const char *mechanism, const char *binding_type, struct slice binding)
{
    return sasl_create(&(struct sasl_options){.auth = auth,
        .protocol = AUTH_IMAP,
        .mechanism = slice_str(mechanism),
        .network = 1,
        .peer = S("192.0.2.1"),
        .binding_type = binding_type,
        .binding = binding});
}

static enum sasl_next step(struct sasl *s, struct slice response)
{
    return sasl_step(s, response, true, &challenge, &reply, DEADLINE_NEVER);
}

static enum sasl_next no_response(struct sasl *s)
{
    return sasl_step(s, S(""), false, &challenge, &reply, DEADLINE_NEVER);
}

static enum sasl_next plain_once(struct slice response)
{
    struct sasl *s = begin("PLAIN", NULL, S(""));
    enum sasl_next next = step(s, response);
    CHECK(step(s, response) == SASL_BAD); /* it is over */
    if (next != SASL_BAD)                 /* and the reply is of the first */
        next = (sasl_destroy(s), s = begin("plain", NULL, S("")), step(s, response));
    sasl_destroy(s);
    return next;
}

static void plain(struct directory *d)
{
    static char big[SASL_RESPONSE_MAX + 1];
    prepare(d);
    CHECK(plain_once(S("\0ann@example.org\0secret")) == SASL_OK && reply.account == ann);
    CHECK(plain_once(S("ann@example.org\0ann@example.org\0secret")) == SASL_OK);
    CHECK(plain_once(S("bob@example.org\0ann@example.org\0secret")) == SASL_NO);
    CHECK(plain_once(S("\0ann@example.org\0wrong")) == SASL_NO && reply.result == AUTH_WRONG);
    CHECK(plain_once(S("\0ann@example.org\0secret\0")) == SASL_BAD);
    CHECK(plain_once(S("\0ann@example.org")) == SASL_BAD);
    CHECK(plain_once(S("ann@example.org")) == SASL_BAD);
    CHECK(plain_once(S("\0\0secret")) == SASL_BAD);
    CHECK(plain_once(S("\0ann@example.org\0")) == SASL_BAD);
    CHECK(plain_once(S("")) == SASL_BAD);
    CHECK(plain_once(S("\0\xff\xfe\0\xff")) == SASL_NO);
    memset(big, 'x', sizeof big);
    big[0] = big[100] = '\0';
    CHECK(plain_once(slice(big, sizeof big)) == SASL_BAD);
    CHECK(plain_once(slice(big, sizeof big - 1)) == SASL_NO);
    /* Without an initial response: an empty challenge. */
    struct sasl *s = begin("PLAIN", NULL, S(""));
    CHECK(no_response(s) == SASL_CONTINUE && challenge.n == 0);
    CHECK(step(s, S("\0ann@example.org\0secret")) == SASL_OK);
    sasl_destroy(s);
    s = begin("PLAIN", NULL, S(""));
    CHECK(no_response(s) == SASL_CONTINUE && no_response(s) == SASL_BAD);
    sasl_destroy(s);
    finish();
}

static void login(struct directory *d)
{
    prepare(d);
    struct sasl *s = begin("LOGIN", NULL, S(""));
    CHECK(no_response(s) == SASL_CONTINUE);
    CHECK(slice_eq(buffer_slice(&challenge), S("Username:")));
    CHECK(step(s, S("ann@example.org")) == SASL_CONTINUE);
    CHECK(slice_eq(buffer_slice(&challenge), S("Password:")));
    CHECK(step(s, S("secret")) == SASL_OK && reply.account == ann);
    sasl_destroy(s);
    s = begin("LOGIN", NULL, S(""));
    CHECK(step(s, S("ann@example.org")) == SASL_CONTINUE);
    CHECK(slice_eq(buffer_slice(&challenge), S("Password:")));
    CHECK(step(s, S("wrong")) == SASL_NO);
    sasl_destroy(s);
    s = begin("LOGIN", NULL, S(""));
    CHECK(step(s, S("")) == SASL_BAD);
    sasl_destroy(s);
    finish();
}

/* ---- SCRAM, against libgsasl's client ---- */

struct dialog {
    const char *server_mechanism, *client_mechanism;
    const char *user, *password, *authzid;
    const char *binding_type;       /* the server's */
    struct slice binding;           /* the server's */
    struct slice client_binding;    /* empty: the client has none */
    Gsasl_property client_property; /* which kind it has */
};

static Gsasl_session *client_start(Gsasl *g, const struct dialog *dialog)
{
    Gsasl_session *client;
    struct buffer text_;
    CHECK(gsasl_client_start(g, dialog->client_mechanism, &client) == GSASL_OK);
    gsasl_property_set(client, GSASL_AUTHID, dialog->user);
    gsasl_property_set(client, GSASL_PASSWORD, dialog->password);
    if (dialog->authzid)
        gsasl_property_set(client, GSASL_AUTHZID, dialog->authzid);
    if (dialog->client_binding.n) {
        buffer_init(&text_, 1000);
        base64_encode(dialog->client_binding, &text_);
        buffer_add_char(&text_, '\0');
        gsasl_property_set(client, dialog->client_property, text_.p);
        buffer_finish(&text_);
    }
    return client;
}

/* What the server says in the end; BAD also when the client does not trust the server. */
static enum sasl_next talk(const struct dialog *dialog)
{
    Gsasl *g;
    char *out = NULL;
    size_t n = 0;
    enum sasl_next next = SASL_CONTINUE;
    CHECK(gsasl_init(&g) == GSASL_OK);
    Gsasl_session *client = client_start(g, dialog);
    struct sasl *s = begin(dialog->server_mechanism, dialog->binding_type, dialog->binding);
    CHECK(s);
    int rc = gsasl_step(client, NULL, 0, &out, &n);
    CHECK(rc == GSASL_NEEDS_MORE);
    for (int i = 0; next == SASL_CONTINUE && i < 5; i++) {
        next = step(s, slice(out, n));
        gsasl_free(out);
        out = NULL;
        if (next != SASL_CONTINUE)
            break;
        rc = gsasl_step(client, challenge.p, challenge.n, &out, &n);
        if (rc != GSASL_OK && rc != GSASL_NEEDS_MORE)
            next = SASL_BAD;
    }
    if (next == SASL_OK)
        CHECK(rc == GSASL_OK); /* the client has checked the server's signature */
    gsasl_free(out);
    gsasl_finish(client);
    gsasl_done(g);
    sasl_destroy(s);
    return next;
}

static void scram(struct directory *d)
{
    struct directory_account_change off = {.set_disabled = true, .disabled = true};
    struct dialog dialog = {.server_mechanism = "SCRAM-SHA-256",
        .client_mechanism = "SCRAM-SHA-256",
        .user = "ann@example.org",
        .password = "secret"};
    prepare(d);
    uint64_t hashes = auth_hashes(auth);
    CHECK(talk(&dialog) == SASL_OK);
    CHECK(reply.account == ann && strcmp(reply.address, "ann@example.org") == 0);
    CHECK(strcmp(reply.mechanism, "SCRAM-SHA-256") == 0);
    CHECK(auth_hashes(auth) == hashes);
    dialog.authzid = "Ann@example.org";
    CHECK(talk(&dialog) == SASL_OK);
    dialog.authzid = "bob@example.org";
    CHECK(talk(&dialog) == SASL_NO);
    dialog.authzid = NULL;
    dialog.password = "wrong";
    CHECK(talk(&dialog) == SASL_NO && reply.result == AUTH_WRONG && reply.account == 0);
    dialog.user = "nobody@example.org";
    CHECK(talk(&dialog) == SASL_NO && reply.result == AUTH_WRONG);
    dialog.user = "ann@example.org";
    dialog.password = "secret";
    CHECK(
        directory_account_set(d, S("ann@example.org"), &off, why, DEADLINE_NEVER) == DIRECTORY_OK);
    CHECK(talk(&dialog) == SASL_NO && reply.result == AUTH_DISABLED);
    finish();
}

static enum sasl_next first_alone(const char *binding_type, const char *first)
{
    struct sasl *s = begin("SCRAM-SHA-256", binding_type, S("0123456789abcdef"));
    enum sasl_next next = step(s, text(first));
    sasl_destroy(s);
    return next;
}

static void binding(struct directory *d)
{
    struct dialog dialog = {.server_mechanism = "SCRAM-SHA-256-PLUS",
        .client_mechanism = "SCRAM-SHA-256-PLUS",
        .user = "ann@example.org",
        .password = "secret",
        .binding_type = "tls-exporter",
        .binding = S("0123456789\0abcdef0123456789abcdef"),
        .client_binding = S("0123456789\0abcdef0123456789abcdef"),
        .client_property = GSASL_CB_TLS_EXPORTER};
    prepare(d);
    CHECK(talk(&dialog) == SASL_OK && reply.account == ann);
    dialog.client_binding = S("somebody in the middle has another");
    CHECK(talk(&dialog) == SASL_NO);
    dialog.client_binding = dialog.binding;
    dialog.binding_type = "tls-unique";
    CHECK(talk(&dialog) == SASL_NO); /* not the same kind */
    dialog.client_property = GSASL_CB_TLS_UNIQUE;
    CHECK(talk(&dialog) == SASL_OK);
    /* Clients that could bind where somebody took -PLUS out of the offer say 'y'; one that binds
     * all the same is wrong, too. */
    CHECK(first_alone("tls-exporter", "y,,n=ann@example.org,r=abcdef") == SASL_NO);
    CHECK(first_alone("tls-unique", "y,,n=ann@example.org,r=abcdef") == SASL_NO);
    CHECK(first_alone("tls-exporter", "p=tls-exporter,,n=ann@example.org,r=abcdef") == SASL_NO);
    CHECK(first_alone(NULL, "y,,n=ann@example.org,r=abcdef") == SASL_CONTINUE);
    dialog.server_mechanism = dialog.client_mechanism = "SCRAM-SHA-256";
    /* A client that cannot bind at all may log in without. */
    dialog.client_binding = S("");
    CHECK(talk(&dialog) == SASL_OK);
    /* And -PLUS is nothing without our own data. */
    CHECK(!begin("SCRAM-SHA-256-PLUS", NULL, S("")));
    CHECK(!begin("SCRAM-SHA-256-PLUS", "tls-server-end-point", S("x")));
    finish();
}

/* The salt in a server's first message. */
static struct slice salt_of(const char *first)
{
    struct sasl *s = begin("SCRAM-SHA-256", NULL, S(""));
    CHECK(step(s, text(first)) == SASL_CONTINUE);
    sasl_destroy(s);
    size_t at = slice_find_slice(buffer_slice(&challenge), S(",s="));
    CHECK(at != SLICE_NONE);
    return slice_from(buffer_slice(&challenge), at + 3);
}

static void broken(struct directory *d)
{
    static const char *const bad[] = {"", "x", "n,,", "n,,n=", "n,,n=a", "n,,n=ann@example.org",
        "n,,n=ann@example.org,r=", "n,,m=x,n=ann@example.org,r=abc",
        "p=tls-unique,,n=ann@example.org,r=abc", "\n\n\n", "c=biws,r=x,p=y"};
    prepare(d);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct sasl *s = begin("SCRAM-SHA-256", NULL, S(""));
        enum sasl_next next = step(s, text(bad[i]));
        CHECK(next == SASL_BAD || next == SASL_NO);
        sasl_destroy(s);
    }
    struct sasl *s = begin("SCRAM-SHA-256", NULL, S(""));
    CHECK(no_response(s) == SASL_CONTINUE && challenge.n == 0);
    CHECK(step(s, S("n,,n=ann@example.org,r=abcdef")) == SASL_CONTINUE);
    CHECK(step(s, S("nonsense")) == SASL_NO);
    sasl_destroy(s);
    /* A name that does not exist has the same salt each time. */
    char first[200];
    struct slice salt = salt_of("n,,n=nobody@example.org,r=abcdef");
    snprintf(first, sizeof first, SLICE_FMT, SLICE_ARG(salt));
    salt = salt_of("n,,n=nobody@example.org,r=another");
    CHECK(slice_eq(salt, text(first)) && slice_ends(salt, S(",i=10000")));
    CHECK(!slice_eq(salt_of("n,,n=nobody2@example.org,r=another"), text(first)));
    finish();
}

#define HOUSE_TEST(name)                                                                           \
    static void test_##name(void **state)                                                          \
    {                                                                                              \
        house(name);                                                                               \
    }
HOUSE_TEST(plain)
HOUSE_TEST(login)
HOUSE_TEST(scram)
HOUSE_TEST(binding)
HOUSE_TEST(broken)

static void test_offers(void **state)
{
    char out[128];
    assert_slice(
        sasl_mechanisms(true, false, true, out), S("SCRAM-SHA-256-PLUS SCRAM-SHA-256 PLAIN LOGIN"));
    assert_slice(sasl_mechanisms(true, false, false, out), S("SCRAM-SHA-256 PLAIN LOGIN"));
    assert_slice(sasl_mechanisms(false, true, false, out), S("SCRAM-SHA-256 PLAIN LOGIN"));
    assert_slice(sasl_mechanisms(false, false, true, out), S("SCRAM-SHA-256"));
    assert_int_equal(sasl_offered(S("plain"), true, false, false), SASL_OFFERED);
    assert_int_equal(sasl_offered(S("PLAIN"), false, false, false), SASL_NEEDS_TLS);
    assert_int_equal(sasl_offered(S("SCRAM-SHA-256-PLUS"), true, false, false), SASL_NO_SUCH);
    assert_int_equal(sasl_offered(S("CRAM-MD5"), true, true, true), SASL_NO_SUCH);
    assert_int_equal(sasl_offered(S(""), true, true, true), SASL_NO_SUCH);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_offers),
        cmocka_unit_test(test_plain),
        cmocka_unit_test(test_login),
        cmocka_unit_test(test_scram),
        cmocka_unit_test(test_binding),
        cmocka_unit_test(test_broken),
    };
    log_start(2, LOG_ERROR, LOG_LOGFMT);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
