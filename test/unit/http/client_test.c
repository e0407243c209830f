/* Requests to a server of the test's own, over TLS with certificates of several kinds. */
#include "http/client.h"
#include "unit/net/authority.h"
#include "unit/task/check.h"
#include "unit/unit.h"
#include <netinet/in.h>
#include <pthread.h>
#include <signal.h>
#include <unistd.h>

#define SOON deadline_in(60 * CLOCK_SEC)

static struct authority ours, other;

/* Takes one connection: reads a request with so many bytes of body, answers, closes. */
struct server {
    pthread_t thread;
    int fd;
    struct sockaddr_in at;
    SSL_CTX *context;
    const char *response; /* NULL: none, the connection stays open until the client goes */
    size_t body;
    char request[4096];
    size_t n;
};

static void answer(struct server *s, SSL *ssl)
{
    const char *end;
    do {
        int got = SSL_read(ssl, s->request + s->n, (int)(sizeof s->request - 1 - s->n));
        if (got <= 0)
            return;
        s->n += (size_t)got;
        s->request[s->n] = '\0';
        end = strstr(s->request, "\r\n\r\n");
    } while (!end || s->n < (size_t)(end + 4 - s->request) + s->body || !s->response);
    SSL_write(ssl, s->response, (int)strlen(s->response));
    SSL_shutdown(ssl);
}

static void *serve(void *arg)
{
    struct server *s = arg;
    int fd = accept(s->fd, NULL, NULL);
    SSL *ssl = SSL_new(s->context);
    SSL_set_fd(ssl, fd);
    if (SSL_accept(ssl) == 1)
        answer(s, ssl);
    SSL_free(ssl);
    close(fd);
    return NULL;
}

static void start(struct server *s, const struct authority *by, const char *names)
{
    EVP_PKEY *key = EVP_EC_gen("P-256");
    X509 *x = authority_sign(by, key, "nobody.test", names, -60, 1000);
    socklen_t n = sizeof s->at;
    s->context = SSL_CTX_new(TLS_server_method());
    CHECK(SSL_CTX_use_certificate(s->context, x) == 1 &&
          SSL_CTX_use_PrivateKey(s->context, key) == 1);
    s->at = (struct sockaddr_in){.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    s->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    CHECK(bind(s->fd, (struct sockaddr *)&s->at, sizeof s->at) == 0 && listen(s->fd, 1) == 0);
    CHECK(getsockname(s->fd, (struct sockaddr *)&s->at, &n) == 0);
    CHECK(pthread_create(&s->thread, NULL, serve, s) == 0);
    X509_free(x);
    EVP_PKEY_free(key);
}

static void stop(struct server *s)
{
    pthread_join(s->thread, NULL);
    close(s->fd);
    SSL_CTX_free(s->context);
}

/* What came of a call to p.h.test that is answered so. */
static enum http_result ask(struct http_call *call, struct server *s, struct buffer *body,
    const struct authority *by, const char *names, deadline until)
{
    char why[DIAL_WHY];
    struct dial_trust *trust = dial_trust_create(buffer_slice(&ours.pem), why);
    CHECK(trust);
    start(s, by, names);
    call->to = (struct sockaddr *)&s->at;
    call->to_n = sizeof s->at;
    call->trust = trust;
    call->host = "p.h.test";
    enum http_result r = http_call(call, body, until);
    stop(s);
    dial_trust_release(trust);
    return r;
}

static void run_get(void *arg)
{
    struct buffer body;
    struct server s = {.response = "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n"
                                   "Content-Length: 5\r\n\r\nhello"};
    struct http_call call = {.port = 443, .path = S("/a?b"), .accept = S("text/plain")};
    buffer_init(&body, 5);
    CHECK(ask(&call, &s, &body, &ours, "DNS:p.h.test", SOON) == HTTP_ANSWERED);
    CHECK(call.status == 200 && !strcmp(call.type, "text/plain"));
    CHECK(slice_eq(buffer_slice(&body), S("hello")));
    CHECK(slice_starts(slice(s.request, s.n), S("GET /a?b HTTP/1.1\r\nHost: p.h.test\r\n")));
    CHECK(strstr(s.request, "\r\nAccept: text/plain\r\n"));
    buffer_finish(&body);
    buffer_init(&body, 4); /* larger by one */
    struct server again = {.response = s.response};
    CHECK(ask(&call, &again, &body, &ours, "DNS:*.h.test", SOON) == HTTP_BROKEN);
    CHECK(strstr(call.why, "too large"));
    buffer_finish(&body);
}

static void run_post(void *arg)
{
    struct server s = {.response = "HTTP/1.1 201 Created\r\n\r\n", .body = 4};
    struct http_call call = {
        .port = 8443, .path = S("/r"), .post = S("body"), .post_type = S("text/x")};
    CHECK(ask(&call, &s, NULL, &ours, "DNS:p.h.test", SOON) == HTTP_ANSWERED && call.status == 201);
    CHECK(strstr(s.request, "POST /r HTTP/1.1\r\nHost: p.h.test:8443\r\n"));
    CHECK(strstr(s.request, "\r\nContent-Type: text/x\r\nContent-Length: 4\r\n\r\nbody"));
    char longest[2048];
    memset(longest, 'x', sizeof longest);
    longest[0] = '/';
    struct server again = {.response = s.response, .body = 4};
    call.path = slice(longest, sizeof longest);
    CHECK(ask(&call, &again, NULL, &ours, "DNS:p.h.test", SOON) == HTTP_ANSWERED);
}

/* Nothing is asked of a server that is not the right one. */
static void run_untrusted(void *arg)
{
    static const struct {
        const struct authority *by;
        const char *names;
    } wrong[] = {{&other, "DNS:p.h.test"}, {&ours, "DNS:x.test"}, {&ours, "IP:127.0.0.1"}};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        struct server s = {.response = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"};
        struct http_call call = {.port = 443, .path = S("/")};
        CHECK(ask(&call, &s, NULL, wrong[i].by, wrong[i].names, SOON) == HTTP_UNTRUSTED);
        CHECK(call.why[0] && !s.n && !call.status);
    }
}

static void run_broken(void *arg)
{
    struct buffer body;
    struct http_call call = {.port = 443, .path = S("/")};
    struct server short_one = {.response = "HTTP/1.1 200 OK\r\nContent-Le"},
                  none = {.response = "220 sink ESMTP\r\n"};
    buffer_init(&body, 100);
    /* until there is time enough for the handshake */
    for (int64_t time = CLOCK_SEC / 5; strcmp(call.why, "no response in time") != 0; time *= 2) {
        struct server silent = {0};
        CHECK(time < 60 * CLOCK_SEC);
        CHECK(
            ask(&call, &silent, &body, &ours, "DNS:p.h.test", deadline_in(time)) == HTTP_UNREACHED);
    }
    CHECK(ask(&call, &short_one, &body, &ours, "DNS:p.h.test", SOON) == HTTP_UNREACHED);
    CHECK(ask(&call, &none, &body, &ours, "DNS:p.h.test", SOON) == HTTP_BROKEN);
    static const char *const paths[] = {"", "x", "/x y", "/\r\nHost: x"};
    for (size_t i = 0; i < sizeof paths / sizeof *paths; i++) {
        call.path = slice_str(paths[i]);
        CHECK(http_call(&call, &body, SOON) == HTTP_BROKEN);
    }
    struct sockaddr_in nobody = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t n = sizeof nobody;
    int taken = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0); /* where nobody listens */
    CHECK(bind(taken, (struct sockaddr *)&nobody, n) == 0);
    CHECK(getsockname(taken, (struct sockaddr *)&nobody, &n) == 0);
    call.path = S("/");
    call.to = (struct sockaddr *)&nobody;
    CHECK(http_call(&call, &body, SOON) == HTTP_UNREACHED && call.why[0]);
    close(taken);
    buffer_finish(&body);
}

static void run(void *arg)
{
    run_get(NULL);
    run_post(NULL);
    run_untrusted(NULL);
    run_broken(NULL);
}

static void calls(void **state)
{
    run_on(1, run, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(calls)};
    signal(SIGPIPE, SIG_IGN); /* of the server whose client gives up */
    ours = authority_make("ours");
    other = authority_make("other");
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    authority_finish(&ours);
    authority_finish(&other);
    return failed;
}
