/* Intake over real connections, with a directory and the memory store in harsh mode: what its tests
 * share. */
#pragma once
#include "intake/intake.h"
#include "mailbox/mailbox.h"
#include "mailbox/quota.h"
#include "net/listen.h"
#include "unit/task/check.h"
#include "unit/unit.h"
#include <openssl/ssl.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#define SOON deadline_in(60 * CLOCK_SEC)
#define DATA "DATA\r\n"

static struct store *store;
static struct directory *directory;
static struct intake_options options;
static struct smtp_service mx, lmtp;

/* ---- the world ---- */

static inline uint64_t add_account(const char *address, uint64_t quota, bool disabled)
{
    char why[DIRECTORY_WHY];
    uint64_t id = 0;
    struct directory_new_account account = {
        .address = slice_str(address), .quota = quota, .disabled = disabled};
    CHECK(directory_account_add(directory, &account, &id, why, SOON) == DIRECTORY_OK);
    return id;
}

static inline void add_alias(const char *address, const char *one, const char *two)
{
    char why[DIRECTORY_WHY];
    struct slice targets[2] = {slice_str(one), slice_str(two)};
    CHECK(
        directory_alias_add(directory, slice_str(address), targets, 2, why, SOON) == DIRECTORY_OK);
}

static inline void open_world(void)
{
    char why[512];
    enum store_open_error error;
    struct store_options so = {.engine = "memory", .dir = -1, .harsh = true, .seed = 7};
    store = store_open(&so, &error, why);
    CHECK(store);
    struct directory_options d = {.store = store};
    directory = directory_open(&d, why, SOON);
    CHECK(directory);
    CHECK(directory_domain_add(directory, S("our.test"), why, SOON) == DIRECTORY_OK);
    options = (struct intake_options){
        .store = store, .directory = directory, .tmp_dir = -1, .hostname = "mx.our.test"};
    intake_mx(&options, &mx);
    intake_lmtp(&options, &lmtp);
    mx.error_delay = lmtp.error_delay = 1;
}

static inline void close_world(void)
{
    while (conn_count())
        task_sleep(deadline_in(CLOCK_MS));
    directory_close(directory);
    store_close(store);
}

static inline void world(void (*fn)(void *))
{
    signal(SIGPIPE, SIG_IGN); /* OpenSSL's, when the other side has gone */
    CHECK(runtime_run(&(struct runtime_options){.reactors = 1}, fn, NULL));
}

/* ---- a client ---- */

struct client {
    int fd;
    SSL *ssl; /* NULL: in clear */
    struct buffer heard;
    char reply[8192];
};

static inline void open_client(struct client *c, struct smtp_service *service)
{
    int fds[2];
    struct slice refusal;
    struct conn_options o = {.listener = service->protocol};
    CHECK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds) == 0);
    slice_to_cstr(S("192.0.2.9"), o.peer.address, sizeof o.peer.address);
    CHECK(smtp_accept(service, &o.peer, &o.handler, &o.session, &refusal));
    o.fd = fds[0];
    o.stream = stream_socket(fds[0]);
    CHECK(conn_create(&o));
    c->fd = fds[1];
    c->ssl = NULL;
    buffer_init(&c->heard, (size_t)1024 * 1024);
}

static inline void close_client(struct client *c)
{
    SSL_free(c->ssl);
    close(c->fd);
    buffer_finish(&c->heard);
}

/* >0: bytes moved; 0: the end; <0: wait for `*arm`. */
static inline ssize_t moved(struct client *c, ssize_t n, unsigned *arm)
{
    if (c->ssl && n <= 0) {
        int error = SSL_get_error(c->ssl, (int)n);
        if (error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE) {
            *arm = error == SSL_ERROR_WANT_WRITE ? WATCH_WRITE : WATCH_READ;
            return -1;
        }
        return 0;
    }
    return n;
}

TASK_FN
static inline void secure_client(struct client *c)
{
    SSL_CTX *context = SSL_CTX_new(TLS_client_method());
    unsigned arm = WATCH_READ;
    c->ssl = SSL_new(context);
    SSL_CTX_free(context);
    CHECK(c->ssl && SSL_set_fd(c->ssl, c->fd) == 1);
    for (ssize_t r; (r = moved(c, SSL_connect(c->ssl), &arm)) != 1;) {
        CHECK(r < 0);
        CHECK(task_wait_fd(c->fd, arm, NULL, SOON) == WAIT_OK);
    }
}

/* A peer that has gone takes all. */
TASK_FN
static inline void say_bytes(struct client *c, struct slice bytes)
{
    while (bytes.n) {
        unsigned arm = WATCH_WRITE;
        ssize_t n = c->ssl ? SSL_write(c->ssl, bytes.p, (int)bytes.n)
                           : send(c->fd, bytes.p, bytes.n, MSG_NOSIGNAL);
        n = moved(c, n, &arm);
        if (n < 0)
            CHECK(task_wait_fd(c->fd, arm, NULL, SOON) == WAIT_OK);
        else
            bytes = slice_from(bytes, n ? (size_t)n : bytes.n);
    }
}

/* The next reply, all its lines; "" at the end of the connection. */
TASK_FN
static inline const char *hear(struct client *c)
{
    size_t from = 0;
    for (;;) {
        struct slice rest = slice_from(buffer_slice(&c->heard), from);
        size_t end = slice_find(rest, '\n');
        if (end != SLICE_NONE) {
            from += end + 1;
            if (rest.p[3] == '-')
                continue;
            CHECK(slice_to_cstr(
                slice_sub(buffer_slice(&c->heard), 0, from), c->reply, sizeof c->reply));
            buffer_drop(&c->heard, from);
            return c->reply;
        }
        char *room = buffer_room(&c->heard, 4096);
        unsigned arm = WATCH_READ;
        ssize_t n = c->ssl ? SSL_read(c->ssl, room, 4096) : recv(c->fd, room, 4096, 0);
        n = moved(c, n, &arm);
        if (n > 0)
            buffer_took(&c->heard, (size_t)n);
        else if (n == 0)
            return "";
        else
            CHECK(task_wait_fd(c->fd, arm, NULL, SOON) == WAIT_OK);
    }
}

#define SAYS(c, text, wanted)                                                                      \
    do {                                                                                           \
        say_bytes((c), slice_str(text));                                                           \
        HEARS(c, wanted);                                                                          \
    } while (0)
#define HEARS(c, wanted)                                                                           \
    do {                                                                                           \
        const char *heard_ = hear(c);                                                              \
        if (strncmp(heard_, (wanted), strlen(wanted)) != 0) {                                      \
            fprintf(stderr, "%s:%d: heard %s, wanted %s\n", __FILE__, __LINE__, heard_, wanted);   \
            abort();                                                                               \
        }                                                                                          \
    } while (0)

static inline void hello(struct client *c, struct smtp_service *service)
{
    open_client(c, service);
    HEARS(c, "220 mx.our.test ");
    SAYS(c, service->lmtp ? "LHLO me.test\r\n" : "EHLO me.test\r\n", "250-mx.our.test");
}

static inline void filler(struct client *c, size_t n)
{
    char line[1024];
    memset(line, 'x', sizeof line);
    memcpy(line + sizeof line - 2, "\r\n", 2);
    for (; n >= sizeof line; n -= sizeof line)
        say_bytes(c, slice(line, sizeof line));
}

/* ---- what is in a mailbox ---- */

static inline size_t count(uint64_t account)
{
    struct mailbox_listing l = {0};
    enum outcome o = mailbox_list_messages(store, account, MAILBOX_INBOX, &l, SOON);
    size_t n = o == OUTCOME_DONE ? l.n : 0;
    mailbox_listing_finish(&l);
    return n;
}

static inline void first_message(uint64_t account, char text[4096])
{
    struct mailbox_listing l = {0};
    struct store_blob *blob;
    size_t n = 0;
    CHECK(mailbox_list_messages(store, account, MAILBOX_INBOX, &l, SOON) == OUTCOME_DONE && l.n);
    CHECK(store_blob_open(store, l.entries[0].blob, &blob, SOON) == OUTCOME_DONE);
    CHECK(store_blob_size(blob) == l.entries[0].size);
    CHECK(store_blob_read(blob, 0, text, 4095, &n, SOON) == OUTCOME_DONE);
    text[n] = '\0';
    store_blob_close(blob);
    mailbox_listing_finish(&l);
}
