/* What stands before a session: PROXY headers, handshakes at once and by STARTTLS. */
#include "../unit.h"
#include "certificate.h"
#include "client.h"
#include "echo.c"
#include <openssl/x509v3.h>

static SSL_CTX *context;
static struct event ended;

static struct client begin(struct echo *e, struct conn_options o)
{
    event_init(&ended);
    e->ended = &ended;
    return client_open(e, o);
}

static void finish(struct client *k, struct echo *e, enum conn_end why)
{
    CHECK(event_wait(&ended, deadline_in(CLIENT_PATIENCE)) == WAIT_OK);
    CHECK(e->end == why && conn_count() == 0);
    client_close(k);
}

static void check_binding(struct echo *e, struct client *k)
{
    char mine[64];
    size_t n = 32;
    if (SSL_version(k->ssl) == TLS1_3_VERSION) {
        CHECK(SSL_export_keying_material(k->ssl, (unsigned char *)mine, 32,
                  "EXPORTER-Channel-Binding", 24, (const unsigned char *)"", 0, 1) == 1);
    } else {
        n = SSL_session_reused(k->ssl) ? SSL_get_peer_finished(k->ssl, mine, 64)
                                       : SSL_get_finished(k->ssl, mine, 64);
    }
    CHECK(n == e->binding_n && memcmp(mine, e->binding, n) == 0);
}

static void run_tls(void *version)
{
    struct echo e = {0};
    SSL_CTX_set_min_proto_version(context, *(int *)version);
    SSL_CTX_set_max_proto_version(context, *(int *)version);
    struct client k = begin(&e, (struct conn_options){.tls = true});
    CHECK(client_handshake(&k, context, "mail.example.org"));
    client_expect(&k, "HI\r\n");
    CHECK(e.tls.on && e.tls.bits >= 128 && strcmp(e.tls.server_name, "mail.example.org") == 0);
    CHECK(strcmp(e.tls.version, SSL_get_version(k.ssl)) == 0);
    check_binding(&e, &k);
    client_send(&k, S("PING 1\r\nBODY 100000\r\n"));
    static char body[100000];
    client_send(&k, slice(body, sizeof body));
    client_expect(&k, "PONG 1\r\nOK\r\nGOT 100000\r\n");
    client_send(&k, S("BIG 300000\r\n"));
    size_t got = 0, n;
    while (got < 300002 && (n = client_read(&k, body, sizeof body)))
        got += n;
    CHECK(got == 300002);
    client_send(&k, S("QUIT\r\n"));
    client_expect(&k, "BYE\r\n");
    client_expect_end(&k);
    CHECK(SSL_get_shutdown(k.ssl) & SSL_RECEIVED_SHUTDOWN);
    finish(&k, &e, CONN_END_SELF);
    SSL_CTX_set_max_proto_version(context, 0);
}

static void tls_at_once(void **state)
{
    int v12 = TLS1_2_VERSION, v13 = TLS1_3_VERSION;
    client_run(run_tls, &v12);
    client_run(run_tls, &v13);
}

/* Fragments of one byte. */
static void run_dribble(void *arg)
{
    struct echo e = {0};
    struct client k = begin(&e, (struct conn_options){.tls = true});
    k.ssl = SSL_new(context);
    BIO *in = BIO_new(BIO_s_mem()), *out = BIO_new(BIO_s_mem());
    SSL_set_bio(k.ssl, in, out);
    bool greeted = false;
    for (int turn = 0; turn < 200 && !greeted; turn++) {
        char bytes[4096];
        int n = SSL_is_init_finished(k.ssl) ? 1 : SSL_connect(k.ssl);
        while (BIO_read(out, bytes, 1) == 1) {
            CHECK(send(k.fd, bytes, 1, 0) == 1);
            task_yield();
        }
        ssize_t got = recv(k.fd, bytes, sizeof bytes, 0);
        if (got > 0)
            BIO_write(in, bytes, (int)got);
        else
            task_sleep(deadline_in(CLOCK_MS));
        greeted = n == 1 && SSL_read(k.ssl, bytes, sizeof bytes) == 4;
    }
    CHECK(greeted && e.tls.on);
    client_close(&k);
    CHECK(event_wait(&ended, deadline_in(CLIENT_PATIENCE)) == WAIT_OK);
    CHECK(e.end == CONN_END_PEER);
}

static void tls_in_fragments(void **state)
{
    client_run(run_dribble, NULL);
}

static void run_no_tls(void *arg)
{
    struct echo e = {0};
    struct client k = begin(&e, (struct conn_options){.tls = true});
    client_send(&k, S("EHLO client.example.org\r\n"));
    finish(&k, &e, CONN_END_TLS);
    CHECK(strcmp(e.error, "the peer does not speak TLS") == 0 && e.runs == 0);
    struct echo old = {0};
    k = begin(&old, (struct conn_options){.tls = true});
    SSL_CTX *ancient = SSL_CTX_new(TLS_client_method());
    SSL_CTX_set_security_level(ancient, 0);
    SSL_CTX_set_min_proto_version(ancient, TLS1_VERSION);
    SSL_CTX_set_max_proto_version(ancient, TLS1_1_VERSION);
    CHECK(!client_handshake(&k, ancient, NULL));
    finish(&k, &old, CONN_END_TLS);
    CHECK(strstr(old.error, "before 1.2"));
    SSL_CTX_free(ancient);
    struct echo gone = {0};
    k = begin(&gone, (struct conn_options){.tls = true});
    shutdown(k.fd, SHUT_WR);
    finish(&k, &gone, CONN_END_PEER);
    struct echo slow = {0};
    k = begin(&slow, (struct conn_options){.tls = true, .timeout = 20 * CLOCK_MS});
    finish(&k, &slow, CONN_END_TIMEOUT);
    CHECK(strcmp(slow.error, "timed out") == 0);
}

static void tls_that_fails(void **state)
{
    client_run(run_no_tls, NULL);
}

static void run_starttls(void *arg)
{
    struct echo e = {0};
    struct client k = begin(&e, (struct conn_options){0});
    client_expect(&k, "HI\r\n");
    CHECK(!e.tls.on);
    client_send(&k, S("STARTTLS\r\n"));
    client_expect(&k, "GO\r\n");
    CHECK(client_handshake(&k, context, NULL));
    client_send(&k, S("PING 1\r\n"));
    client_expect(&k, "PONG 1\r\n");
    CHECK(e.tls.on && e.tls.server_name[0] == '\0');
    client_send(&k, S("QUIT\r\n"));
    client_expect(&k, "BYE\r\n");
    finish(&k, &e, CONN_END_SELF);
}

/* Plain text behind STARTTLS, in its segment or later, is never run. */
static void run_injected(void *arg)
{
    struct echo e = {0};
    struct client k = begin(&e, (struct conn_options){0});
    client_send(&k, S("STARTTLS\r\nPING injected\r\n"));
    client_expect(&k, "HI\r\nINJECTED\r\n");
    client_expect_end(&k);
    finish(&k, &e, CONN_END_SELF);
    struct echo late = {0};
    k = begin(&late, (struct conn_options){0});
    client_send(&k, S("STARTTLS\r\n"));
    client_expect(&k, "HI\r\nGO\r\n");
    client_send(&k, S("PING injected\r\n"));
    finish(&k, &late, CONN_END_TLS);
    CHECK(late.runs == 2);
}

static void starttls(void **state)
{
    client_run(run_starttls, NULL);
    client_run(run_injected, NULL);
}

/* A certificate published meanwhile is for those who come later. */
static void run_reload(void *arg)
{
    struct echo old = {0}, new = {0};
    struct client k = begin(&old, (struct conn_options){.tls = true});
    CHECK(client_handshake(&k, context, NULL));
    pair_publish("new.example.org");
    client_send(&k, S("PING 1\r\n"));
    client_expect(&k, "HI\r\nPONG 1\r\n");
    struct client l = client_open(&new, (struct conn_options){.tls = true});
    CHECK(client_handshake(&l, context, NULL));
    X509 *x = SSL_get1_peer_certificate(l.ssl);
    CHECK(X509_check_host(x, "new.example.org", 0, 0, NULL) == 1);
    X509_free(x);
    client_close(&l);
    client_send(&k, S("PING 2\r\n"));
    client_expect(&k, "PONG 2\r\n");
    client_close(&k);
    client_await_count(0);
}

static void reload(void **state)
{
    client_run(run_reload, NULL);
}

/* The header byte by byte, and what follows in its last segment. */
static void run_proxy(void *arg)
{
    struct echo e = {0};
    struct client k = begin(&e, (struct conn_options){.proxy = true, .tls = true});
    for (const char *p = "PROXY TCP4 192.0.2.7 198.51.100.1 56324 25\r\n"; *p; p++) {
        client_send(&k, slice(p, 1));
        task_sleep(deadline_in(CLOCK_MS / 4));
    }
    CHECK(client_handshake(&k, context, NULL));
    client_expect(&k, "HI\r\n");
    CHECK(strcmp(conn_peer(e.c)->address, "192.0.2.7") == 0 && conn_peer(e.c)->port == 56324);
    CHECK(strcmp(conn_local(e.c)->address, "198.51.100.1") == 0);
    client_send(&k, S("QUIT\r\n"));
    finish(&k, &e, CONN_END_SELF);
    struct echo plain = {0};
    k = begin(&plain, (struct conn_options){.proxy = true});
    client_send(&k, S("PROXY UNKNOWN\r\nPING 1\r\nQUIT\r\n"));
    client_expect(&k, "HI\r\nPONG 1\r\nBYE\r\n");
    finish(&k, &plain, CONN_END_SELF);
    struct echo bad = {0};
    k = begin(&bad, (struct conn_options){.proxy = true});
    client_send(&k, S("EHLO client.example.org\r\n"));
    finish(&k, &bad, CONN_END_SELF);
    CHECK(strcmp(bad.error, "not a PROXY header") == 0 && bad.runs == 0);
    struct echo cut = {0};
    k = begin(&cut, (struct conn_options){.proxy = true});
    client_send(&k, S("PROXY TCP4"));
    shutdown(k.fd, SHUT_WR);
    finish(&k, &cut, CONN_END_PEER);
}

static void proxied(void **state)
{
    client_run(run_proxy, NULL);
}

static void drain_one(struct conn *c, void *arg)
{
    conn_drain(c);
}

static void run_drained(void *arg)
{
    struct echo e = {0};
    struct client k = begin(&e, (struct conn_options){.tls = true});
    task_sleep(deadline_in(CLOCK_MS));
    conn_each(drain_one, NULL);
    finish(&k, &e, CONN_END_SELF);
    CHECK(e.runs == 0);
}

static void drained(void **state)
{
    client_run(run_drained, NULL);
}

static void run_unset(void *arg)
{
    struct echo e = {0};
    tls_server_publish(NULL);
    struct client k = begin(&e, (struct conn_options){.tls = true});
    client_send(&k, S("x"));
    finish(&k, &e, CONN_END_TLS);
    CHECK(strcmp(e.error, "no certificate is set up") == 0);
}

static void without_certificate(void **state)
{
    client_run(run_unset, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tls_at_once),
        cmocka_unit_test(tls_in_fragments),
        cmocka_unit_test(tls_that_fails),
        cmocka_unit_test(starttls),
        cmocka_unit_test(reload),
        cmocka_unit_test(proxied),
        cmocka_unit_test(drained),
        cmocka_unit_test(without_certificate),
    };
    context = SSL_CTX_new(TLS_client_method());
    pair_publish("mail.example.org");
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    SSL_CTX_free(context);
    return failed;
}
