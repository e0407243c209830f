#include "net/tls_private.h"
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

/* A record holds this many bytes of plain text (RFC 8446 §5.1); small parts are gathered up to it.
 */
#define TLS_RECORD 16384

struct tls_stream {
    struct stream stream;
    SSL *ssl;
    struct tls_server *server; /* the one it began with; NULL: we are the client */
    bool lost_below;
    bool failed; /* a fatal error: SSL_shutdown may not be called */
    char words[160];
};

static struct tls_stream *tls_of(const struct stream *s)
{
    return (struct tls_stream *)(void *)(uintptr_t)s;
}

/* ---- the BIO between OpenSSL and the stream below ---- */

static int tls_bio_answer(BIO *bio, ssize_t r)
{
    BIO_clear_retry_flags(bio);
    if (r == STREAM_WANT_READ)
        BIO_set_retry_read(bio);
    else if (r == STREAM_WANT_WRITE)
        BIO_set_retry_write(bio);
    else if (r == STREAM_ERROR)
        tls_of(BIO_get_data(bio))->lost_below = true;
    return r >= 0 ? (int)r : -1;
}

static int tls_bio_read(BIO *bio, char *to, int n)
{
    struct tls_stream *s = BIO_get_data(bio);
    ssize_t r = stream_read(s->stream.below, to, (size_t)n);
    if (r == STREAM_EOF)
        BIO_set_flags(bio, BIO_FLAGS_IN_EOF);
    return tls_bio_answer(bio, r);
}

static int tls_bio_write(BIO *bio, const char *from, int n)
{
    struct tls_stream *s = BIO_get_data(bio);
    struct iovec part = {(void *)(uintptr_t)from, (size_t)n};
    return tls_bio_answer(bio, stream_write(s->stream.below, &part, 1));
}

static long tls_bio_ctrl(BIO *bio, int command, long number, void *p)
{
    if (command == BIO_CTRL_EOF)
        return BIO_test_flags(bio, BIO_FLAGS_IN_EOF) != 0;
    return command == BIO_CTRL_FLUSH;
}

static BIO_METHOD *tls_bio_method;

static void tls_bio_prepare(void)
{
    tls_bio_method = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "barid stream");
    if (!tls_bio_method)
        return;
    BIO_meth_set_read(tls_bio_method, tls_bio_read);
    BIO_meth_set_write(tls_bio_method, tls_bio_write);
    BIO_meth_set_ctrl(tls_bio_method, tls_bio_ctrl);
}

/* ---- the stream ---- */

static void tls_say(struct tls_stream *s, const char *words)
{
    snprintf(s->words, sizeof s->words, "%s", words);
}

/* OpenSSL's reason in words that say what the peer did. */
static void tls_explain(struct tls_stream *s)
{
    unsigned long code = ERR_peek_error();
    int reason = ERR_GET_REASON(code);
    const char *known = ERR_reason_error_string(code);
    if (s->words[0])
        return;
    if (s->lost_below)
        tls_say(s, s->stream.below->ops->error(s->stream.below));
    else if (reason == SSL_R_HTTP_REQUEST || reason == SSL_R_WRONG_VERSION_NUMBER ||
             reason == SSL_R_UNKNOWN_PROTOCOL)
        tls_say(s, "the peer does not speak TLS");
    else if (reason == SSL_R_UNSUPPORTED_PROTOCOL || reason == SSL_R_VERSION_TOO_LOW)
        tls_say(s, "the peer speaks only TLS versions before 1.2");
    else if (reason == SSL_R_NO_SHARED_CIPHER)
        tls_say(s, "the peer and we have no cipher in common");
    else if (reason >= SSL_AD_REASON_OFFSET && known)
        snprintf(s->words, sizeof s->words, "the peer refused: %s", known);
    else
        tls_say(s, known ? known : "the peer closed the connection");
}

static int tls_answer(struct tls_stream *s, int r)
{
    switch (SSL_get_error(s->ssl, r)) {
    case SSL_ERROR_WANT_READ:
        return STREAM_WANT_READ;
    case SSL_ERROR_WANT_WRITE:
        return STREAM_WANT_WRITE;
    case SSL_ERROR_ZERO_RETURN:
        return STREAM_EOF;
    default:
        tls_explain(s);
        s->failed = true;
        return STREAM_ERROR;
    }
}

static int tls_handshake(struct stream *stream)
{
    struct tls_stream *s = tls_of(stream);
    ERR_clear_error();
    int r = SSL_do_handshake(s->ssl);
    if (r == 1)
        return 1;
    r = tls_answer(s, r);
    if (r != STREAM_EOF)
        return r;
    tls_say(s, "the peer closed the connection");
    s->lost_below = s->failed = true;
    return STREAM_ERROR;
}

static ssize_t tls_read(struct stream *stream, void *to, size_t n)
{
    struct tls_stream *s = tls_of(stream);
    size_t got = 0;
    ERR_clear_error();
    int r = SSL_read_ex(s->ssl, to, n, &got);
    return r == 1 ? (ssize_t)got : tls_answer(s, r);
}

/* After WANT_WRITE the caller comes again with the same bytes in front, and so the same record is
 * gathered, or a longer one: what SSL_write asks for. */
static ssize_t tls_write(struct stream *stream, const struct iovec *parts, int n)
{
    static _Thread_local char record[TLS_RECORD];
    struct tls_stream *s = tls_of(stream);
    const char *from = parts[0].iov_base;
    size_t take = parts[0].iov_len < TLS_RECORD ? parts[0].iov_len : TLS_RECORD, wrote = 0;
    if (take < TLS_RECORD && n > 1) {
        memcpy(record, from, take);
        from = record;
        for (int i = 1; i < n && take < TLS_RECORD; i++) {
            size_t room = TLS_RECORD - take;
            size_t part = parts[i].iov_len < room ? parts[i].iov_len : room;
            memcpy(record + take, parts[i].iov_base, part);
            take += part;
        }
    }
    ERR_clear_error();
    int r = SSL_write_ex(s->ssl, from, take, &wrote);
    if (r == 1)
        return (ssize_t)wrote;
    r = tls_answer(s, r);
    if (r != STREAM_EOF)
        return r;
    tls_say(s, "the peer has closed TLS");
    return STREAM_ERROR;
}

static size_t tls_pending(struct stream *stream)
{
    struct tls_stream *s = tls_of(stream);
    int n = SSL_pending(s->ssl);
    return n > 0 ? (size_t)n : SSL_has_pending(s->ssl) ? 1 : 0;
}

static void tls_shutdown(struct stream *stream)
{
    struct tls_stream *s = tls_of(stream);
    ERR_clear_error();
    if (!s->failed && SSL_is_init_finished(s->ssl))
        SSL_shutdown(s->ssl);
    if (stream->below->ops->shutdown)
        stream->below->ops->shutdown(stream->below);
}

static void tls_destroy(struct stream *stream)
{
    struct tls_stream *s = tls_of(stream);
    SSL_free(s->ssl);
    ERR_clear_error();
    stream->below->ops->destroy(stream->below);
    tls_server_release(s->server);
    free(s);
}

static const char *tls_error(struct stream *stream)
{
    struct tls_stream *s = tls_of(stream);
    return s->words[0] ? s->words : "no error";
}

static const struct stream_ops tls_ops = {
    .read = tls_read,
    .write = tls_write,
    .handshake = tls_handshake,
    .pending = tls_pending,
    .shutdown = tls_shutdown,
    .destroy = tls_destroy,
    .error = tls_error,
};

struct stream *tls_over(SSL *ssl, struct stream *below)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, tls_bio_prepare);
    struct tls_stream *s = calloc(1, sizeof *s);
    BIO *bio = s && tls_bio_method ? BIO_new(tls_bio_method) : NULL;
    if (!bio) {
        free(s);
        return NULL;
    }
    BIO_set_data(bio, s);
    BIO_set_init(bio, 1);
    SSL_set_bio(ssl, bio, bio);
    s->stream.ops = &tls_ops;
    s->stream.below = below;
    s->ssl = ssl;
    return &s->stream;
}

struct stream *tls_accept(struct tls_server *t, struct stream *below)
{
    SSL *ssl = tls_server_session(t);
    struct stream *stream = ssl ? tls_over(ssl, below) : NULL;
    if (!stream) {
        SSL_free(ssl);
        below->ops->destroy(below);
        return NULL;
    }
    SSL_set_accept_state(ssl);
    tls_of(stream)->server = tls_server_retain(t);
    return stream;
}

/* ---- facts ---- */

bool tls_lost_below(const struct stream *tls)
{
    return tls->ops == &tls_ops && tls_of(tls)->lost_below;
}

static enum tls_fault fault_of(long verdict)
{
    switch (verdict) {
    case X509_V_OK:
        return TLS_FAULT_NONE;
    case X509_V_ERR_HOSTNAME_MISMATCH:
    case X509_V_ERR_IP_ADDRESS_MISMATCH:
        return TLS_FAULT_NAME;
    case X509_V_ERR_CERT_HAS_EXPIRED:
        return TLS_FAULT_EXPIRED;
    default:
        return TLS_FAULT_UNTRUSTED;
    }
}

void tls_facts(const struct stream *tls, struct tls_facts *facts)
{
    memset(facts, 0, sizeof *facts);
    if (!tls || tls->ops != &tls_ops)
        return;
    SSL *ssl = tls_of(tls)->ssl;
    const SSL_CIPHER *cipher = SSL_get_current_cipher(ssl);
    const char *name = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);
    facts->on = true;
    snprintf(facts->version, sizeof facts->version, "%s", SSL_get_version(ssl));
    snprintf(facts->cipher, sizeof facts->cipher, "%s", SSL_CIPHER_get_name(cipher));
    facts->bits = SSL_CIPHER_get_bits(cipher, NULL);
    facts->verified = !SSL_is_server(ssl) && SSL_get0_peer_certificate(ssl) &&
                      SSL_get_verify_result(ssl) == X509_V_OK;
    facts->fault = SSL_is_server(ssl) ? TLS_FAULT_NONE : fault_of(SSL_get_verify_result(ssl));
    if (name && tls_host_name(name))
        snprintf(facts->server_name, sizeof facts->server_name, "%s", name);
}

/* RFC 5929 §3.1: the first Finished of the handshake: the client's in a full one, the server's in a
 * resumed one. Without the extended master secret the value does not bind (RFC 7627 §1). */
static bool tls_unique(SSL *ssl, char data[64], size_t *n)
{
    if (SSL_get_extms_support(ssl) != 1)
        return false;
    bool ours = SSL_is_server(ssl) == SSL_session_reused(ssl);
    *n = ours ? SSL_get_finished(ssl, data, 64) : SSL_get_peer_finished(ssl, data, 64);
    return *n > 0 && *n <= 64;
}

bool tls_channel_binding(const struct stream *tls, const char **type, char data[64], size_t *n)
{
    if (!tls || tls->ops != &tls_ops)
        return false;
    SSL *ssl = tls_of(tls)->ssl;
    if (!SSL_is_init_finished(ssl))
        return false;
    if (SSL_version(ssl) != TLS1_3_VERSION) {
        *type = "tls-unique";
        return tls_unique(ssl, data, n);
    }
    /* RFC 9266 §2 */
    static const char label[] = "EXPORTER-Channel-Binding";
    *type = "tls-exporter";
    *n = 32;
    return SSL_export_keying_material(ssl, (unsigned char *)data, *n, label, sizeof label - 1,
               (const unsigned char *)"", 0, 1) == 1;
}
