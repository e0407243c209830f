/* Certificates, names, tickets and bindings: client and server in memory, no conn. */
#include "certificate.h"
#include "net/tickets_private.h"
#include "net/tls_private.h"
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>

#include <cmocka.h>

/* ---- certificates of every kind ---- */

static struct pair pair_of(EVP_PKEY *pkey, const char *name, long from, long to)
{
    struct pair p;
    char *text;
    X509 *x = X509_new();
    BIO *out = BIO_new(BIO_s_mem());
    buffer_init(&p.certificate, 8192);
    buffer_init(&p.key, 8192);
    X509_gmtime_adj(X509_getm_notBefore(x), from);
    X509_gmtime_adj(X509_getm_notAfter(x), to);
    X509_set_pubkey(x, pkey);
    X509_NAME_add_entry_by_txt(
        X509_get_subject_name(x), "CN", MBSTRING_UTF8, (const unsigned char *)name, -1, -1, 0);
    X509_set_issuer_name(x, X509_get_subject_name(x));
    assert_true(X509_sign(x, pkey, EVP_sha256()) > 0);
    PEM_write_bio_X509(out, x);
    long n = BIO_get_mem_data(out, &text);
    buffer_add(&p.certificate, slice(text, (size_t)n));
    BIO_reset(out);
    PEM_write_bio_PKCS8PrivateKey(out, pkey, NULL, NULL, 0, NULL, NULL);
    n = BIO_get_mem_data(out, &text);
    buffer_add(&p.key, slice(text, (size_t)n));
    BIO_free(out);
    X509_free(x);
    EVP_PKEY_free(pkey);
    return p;
}

static struct tls_server *server_of(struct tls_certificate *c, size_t n)
{
    char why[256];
    struct tls_server *t = tls_server_create(c, n, why);
    if (!t)
        fail_msg("%s", why);
    return t;
}

static void refused(struct slice chain, struct slice key, const char *words)
{
    char why[256];
    struct tls_certificate c = {.chain_pem = chain, .key_pem = key};
    assert_null(tls_server_create(&c, 1, why));
    if (!strstr(why, words))
        fail_msg("'%s' does not say '%s'", why, words);
}

static void words(void **state)
{
    struct pair a = pair_make("a.example.org"), b = pair_make("b.example.org");
    struct slice certificate = buffer_slice(&a.certificate), key = buffer_slice(&a.key);
    char why[256];
    refused(S(""), key, "certificate file is empty");
    refused(certificate, S(""), "key file is empty");
    refused(S("junk"), key, "no certificate in PEM form");
    refused(certificate, S("junk"), "no private key in PEM form");
    refused(key, key, "no certificate in PEM form");
    refused(certificate, buffer_slice(&b.key), "does not belong to the certificate");
    assert_null(tls_server_create(NULL, 0, why));
    assert_string_equal(why, "no certificate");
    struct pair weak = pair_of(EVP_RSA_gen(1024), "weak.example.org", 0, 1000000);
    refused(certificate, buffer_slice(&weak.key), "has 1024 bits");
    struct tls_certificate named[2] = {pair_for(&a, NULL), pair_for(&a, "bad name")};
    assert_null(tls_server_create(named, 2, why));
    assert_string_equal(why, "bad name: is not a host name (or * and one)");
    EVP_PKEY *pkey = EVP_EC_gen("P-256");
    BIO *out = BIO_new(BIO_s_mem());
    char *text, secret[] = "secret";
    PEM_write_bio_PKCS8PrivateKey(out, pkey, EVP_aes_128_cbc(), secret, 6, NULL, NULL);
    long n = BIO_get_mem_data(out, &text);
    refused(certificate, slice(text, (size_t)n), "encrypted with a passphrase");
    BIO_free(out);
    EVP_PKEY_free(pkey);
    pair_finish(&a);
    pair_finish(&b);
    pair_finish(&weak);
}

static void warns(long from, long to, const char *words)
{
    char why[256];
    struct pair p = pair_of(EVP_EC_gen("P-256"), "a.example.org", from, to);
    struct tls_certificate c = pair_for(&p, NULL);
    struct tls_server *t = tls_server_create(&c, 1, why);
    assert_non_null(t);
    if (words ? !strstr(why, words) : why[0])
        fail_msg("'%s' does not say '%s'", why, words ? words : "nothing");
    tls_server_release(t);
    pair_finish(&p);
}

static void dates(void **state)
{
    const long day = 24 * 3600;
    warns(-30 * day, -10 * day - 60, "has expired 10 days ago");
    warns(-30 * day, -60, "has expired");
    warns(day, 30 * day, "not valid yet");
    warns(-day, 3 * day + 60, "expires in 3 days");
    warns(-day, 30 * day, NULL);
}

/* ---- a client and a server in one thread ---- */

/* Two streams, each reading what the other wrote. */
struct pipe_stream {
    struct stream stream;
    struct buffer *from, *to;
};

static ssize_t pipe_read(struct stream *stream, void *to, size_t n)
{
    struct pipe_stream *s = (struct pipe_stream *)(void *)stream;
    size_t take = n < s->from->n ? n : s->from->n;
    if (!take)
        return STREAM_WANT_READ;
    memcpy(to, s->from->p, take);
    buffer_drop(s->from, take);
    return (ssize_t)take;
}

static ssize_t pipe_write(struct stream *stream, const struct iovec *parts, int n)
{
    struct pipe_stream *s = (struct pipe_stream *)(void *)stream;
    assert_true(buffer_add(s->to, slice(parts[0].iov_base, parts[0].iov_len)));
    return (ssize_t)parts[0].iov_len;
}

static void pipe_destroy(struct stream *stream)
{
    free(stream);
}

static const char *pipe_error(struct stream *stream)
{
    return "";
}

static const struct stream_ops pipe_ops = {
    .read = pipe_read, .write = pipe_write, .destroy = pipe_destroy, .error = pipe_error};

struct session {
    struct buffer up, down;
    struct stream *server;
    SSL *client;
    bool done;
};

static SSL_CTX *client_context;
static SSL_SESSION *ticket;

static int keep_ticket(SSL *ssl, SSL_SESSION *session)
{
    SSL_SESSION_free(ticket);
    ticket = session;
    return 1;
}

static void shake(struct session *s, struct tls_server *t, const char *name, SSL_SESSION *resume)
{
    struct pipe_stream *below = calloc(1, sizeof *below);
    *s = (struct session){0};
    buffer_init(&s->up, 1 << 20);
    buffer_init(&s->down, 1 << 20);
    *below = (struct pipe_stream){{.ops = &pipe_ops}, &s->up, &s->down};
    s->server = tls_accept(t, &below->stream);
    s->client = SSL_new(client_context);
    BIO *in = BIO_new(BIO_s_mem()), *out = BIO_new(BIO_s_mem());
    SSL_set_bio(s->client, in, out);
    if (name)
        SSL_set_tlsext_host_name(s->client, name);
    if (resume)
        SSL_set_session(s->client, resume);
    int client = 0, server = 0;
    for (int turn = 0; turn < 20 && (client != 1 || server != 1); turn++) {
        char bytes[4096];
        int n;
        client = SSL_connect(s->client);
        while ((n = BIO_read(out, bytes, sizeof bytes)) > 0)
            buffer_add(&s->up, slice(bytes, (size_t)n));
        if (server != 1)
            server = s->server->ops->handshake(s->server);
        BIO_write(in, s->down.p, (int)s->down.n);
        buffer_reset(&s->down);
    }
    s->done = client == 1 && server == 1;
    char byte;
    if (s->done)
        SSL_read(s->client, &byte, 1); /* takes the tickets of 1.3 */
}

static void part(struct session *s)
{
    SSL_set_shutdown(s->client, SSL_SENT_SHUTDOWN); /* keeps the session good */
    SSL_free(s->client);
    s->server->ops->destroy(s->server);
    buffer_finish(&s->up);
    buffer_finish(&s->down);
}

static void serves(struct tls_server *t, const char *name, const char *wanted)
{
    struct session s;
    shake(&s, t, name, NULL);
    assert_true(s.done);
    X509 *x = SSL_get1_peer_certificate(s.client);
    if (X509_check_host(x, wanted, 0, 0, NULL) != 1)
        fail_msg("%s is not answered with %s", name, wanted);
    X509_free(x);
    part(&s);
}

static void names(void **state)
{
    static const char *const made[] = {"main.example.org", "one.example.org", "wild.example.net"};
    struct pair p[3];
    struct tls_certificate c[3];
    static const char *const served[] = {"ignored.example.org", "One.Example.org", "*.example.net"};
    for (int i = 0; i < 3; i++) {
        p[i] = pair_make(made[i]);
        c[i] = pair_for(&p[i], served[i]);
    }
    struct tls_server *t = server_of(c, 3);
    serves(t, NULL, "main.example.org");
    serves(t, "unknown.example.org", "main.example.org");
    serves(t, "ignored.example.org", "main.example.org");
    serves(t, "one.example.org", "one.example.org");
    serves(t, "ONE.example.ORG", "one.example.org");
    serves(t, "mail.example.net", "wild.example.net");
    serves(t, "a.mail.example.net", "main.example.org");
    serves(t, "example.net", "main.example.org");
    serves(t, "..", "main.example.org");
    tls_server_release(t);
    for (int i = 0; i < 3; i++)
        pair_finish(&p[i]);
}

static void rsa_beside_ecdsa(void **state)
{
    struct pair p[2] = {pair_of(EVP_RSA_gen(2048), "a.example.org", -60, 10000000),
        pair_of(EVP_EC_gen("P-256"), "a.example.org", -60, 10000000)};
    struct tls_certificate c[2] = {pair_for(&p[0], NULL), pair_for(&p[1], NULL)};
    struct tls_server *t = server_of(c, 2);
    static const char *const kinds[] = {"RSA-PSS+SHA256", "ECDSA+SHA256"};
    for (int i = 0; i < 2; i++) {
        struct session s;
        SSL_CTX_set1_sigalgs_list(client_context, kinds[i]);
        shake(&s, t, NULL, NULL);
        assert_true(s.done);
        X509 *x = SSL_get1_peer_certificate(s.client);
        int kind = EVP_PKEY_get_base_id(X509_get0_pubkey(x));
        assert_int_equal(kind, i ? EVP_PKEY_EC : EVP_PKEY_RSA);
        X509_free(x);
        part(&s);
    }
    SSL_CTX_free(client_context);
    client_context = SSL_CTX_new(TLS_client_method());
    tls_server_release(t);
    pair_finish(&p[0]);
    pair_finish(&p[1]);
}

/* ---- tickets and bindings ---- */

static void check_binding(struct session *s, int version)
{
    char ours[64], theirs[64];
    const char *type;
    size_t n = 0, wanted = 32;
    assert_true(tls_channel_binding(s->server, &type, ours, &n));
    if (version == TLS1_3_VERSION) {
        assert_string_equal(type, "tls-exporter");
        assert_int_equal(SSL_export_keying_material(s->client, (unsigned char *)theirs, 32,
                             "EXPORTER-Channel-Binding", 24, (const unsigned char *)"", 0, 1),
            1);
    } else {
        assert_string_equal(type, "tls-unique");
        wanted = SSL_session_reused(s->client) ? SSL_get_peer_finished(s->client, theirs, 64)
                                               : SSL_get_finished(s->client, theirs, 64);
    }
    assert_int_equal(n, wanted);
    assert_memory_equal(ours, theirs, n);
}

static void check_resumption(struct tls_server *t, int version)
{
    struct session s;
    SSL_CTX_set_min_proto_version(client_context, version);
    SSL_CTX_set_max_proto_version(client_context, version);
    shake(&s, t, NULL, NULL);
    assert_true(s.done && ticket);
    check_binding(&s, version);
    part(&s);
    /* now, after one change of keys, after the second */
    static const bool resumed[] = {true, true, false};
    SSL_SESSION *first = ticket;
    ticket = NULL;
    for (int i = 0; i < 3; i++) {
        /* OpenSSL's client uses a session of 1.3 only once. */
        SSL_SESSION *copy = SSL_SESSION_dup(first);
        shake(&s, t, NULL, copy);
        SSL_SESSION_free(copy);
        assert_true(s.done);
        assert_int_equal(SSL_session_reused(s.client), resumed[i]);
        check_binding(&s, version);
        part(&s);
        tickets_rotate();
    }
    SSL_SESSION_free(first);
    SSL_SESSION_free(ticket);
    ticket = NULL;
}

static void tickets(void **state)
{
    struct pair p = pair_make("a.example.org");
    struct tls_certificate c = pair_for(&p, NULL);
    struct tls_server *t = server_of(&c, 1);
    SSL_CTX_set_session_cache_mode(client_context, SSL_SESS_CACHE_CLIENT);
    SSL_CTX_sess_set_new_cb(client_context, keep_ticket);
    check_resumption(t, TLS1_2_VERSION);
    check_resumption(t, TLS1_3_VERSION);
    tls_server_release(t);
    pair_finish(&p);
    SSL_CTX_free(client_context);
    client_context = SSL_CTX_new(TLS_client_method());
}

/* Without the extended master secret tls-unique does not bind. */
static void no_weak_binding(void **state)
{
    struct pair p = pair_make("a.example.org");
    struct tls_certificate c = pair_for(&p, NULL);
    struct tls_server *t = server_of(&c, 1);
    struct session s;
    char data[64];
    const char *type;
    size_t n;
    SSL_CTX_set_max_proto_version(client_context, TLS1_2_VERSION);
    SSL_CTX_set_options(client_context, SSL_OP_NO_EXTENDED_MASTER_SECRET);
    shake(&s, t, NULL, NULL);
    assert_true(s.done);
    assert_false(tls_channel_binding(s.server, &type, data, &n));
    assert_false(tls_channel_binding(NULL, &type, data, &n));
    /* nor is there renegotiation */
    SSL_renegotiate(s.client);
    assert_int_not_equal(SSL_do_handshake(s.client), 1);
    char bytes[1000];
    int got = BIO_read(SSL_get_wbio(s.client), bytes, sizeof bytes);
    buffer_add(&s.up, slice(bytes, got > 0 ? (size_t)got : 0));
    assert_int_equal(stream_read(s.server, data, sizeof data), STREAM_WANT_READ);
    BIO_write(SSL_get_rbio(s.client), s.down.p, (int)s.down.n);
    assert_int_not_equal(SSL_do_handshake(s.client), 1);
    part(&s);
    SSL_CTX_free(client_context);
    client_context = SSL_CTX_new(TLS_client_method());
    tls_server_release(t);
    pair_finish(&p);
}

/* ---- publishing while others look ---- */

static atomic_bool stop;

static void *look(void *arg)
{
    while (!atomic_load(&stop)) {
        struct tls_server *t = tls_server_current();
        if (!t)
            continue;
        SSL *ssl = tls_server_session(t);
        assert_non_null(ssl);
        tls_server_release(t);
        SSL_free(ssl);
    }
    return NULL;
}

static void published_under_load(void **state)
{
    pthread_t threads[3];
    for (int i = 0; i < 3; i++)
        pthread_create(&threads[i], NULL, look, NULL);
    for (int i = 0; i < 50; i++)
        pair_publish("a.example.org");
    atomic_store(&stop, true);
    for (int i = 0; i < 3; i++)
        pthread_join(threads[i], NULL);
    tls_server_publish(NULL);
    assert_null(tls_server_current());
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(words),
        cmocka_unit_test(dates),
        cmocka_unit_test(names),
        cmocka_unit_test(rsa_beside_ecdsa),
        cmocka_unit_test(tickets),
        cmocka_unit_test(no_weak_binding),
        cmocka_unit_test(published_under_load),
    };
    client_context = SSL_CTX_new(TLS_client_method());
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    SSL_CTX_free(client_context);
    return failed;
}
