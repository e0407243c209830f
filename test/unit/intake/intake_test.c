/* MX and LMTP over real connections, a directory and the memory store in harsh mode. */
#include "intake/intake.h"
#include "mailbox/mailbox.h"
#include "mailbox/quota.h"
#include "net/listen.h"
#include "unit/task/check.h"
#include "unit/unit.h"
#include <sys/socket.h>
#include <unistd.h>

#define SOON deadline_in(60 * CLOCK_SEC)
#define DATA "DATA\r\n"

static struct store *store;
static struct directory *directory;
static struct intake_options options;
static struct smtp_service mx, lmtp;

/* ---- the world ---- */

static uint64_t add_account(const char *address, uint64_t quota, bool disabled)
{
    char why[DIRECTORY_WHY];
    uint64_t id = 0;
    struct directory_new_account account = {
        .address = slice_str(address), .quota = quota, .disabled = disabled};
    CHECK(directory_account_add(directory, &account, &id, why, SOON) == DIRECTORY_OK);
    return id;
}

static void add_alias(const char *address, const char *one, const char *two)
{
    char why[DIRECTORY_WHY];
    struct slice targets[2] = {slice_str(one), slice_str(two)};
    CHECK(
        directory_alias_add(directory, slice_str(address), targets, 2, why, SOON) == DIRECTORY_OK);
}

static void open_world(void)
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

static void close_world(void)
{
    while (conn_count())
        task_sleep(deadline_in(CLOCK_MS));
    directory_close(directory);
    store_close(store);
}

static void world(void (*fn)(void *))
{
    CHECK(runtime_run(&(struct runtime_options){.reactors = 1}, fn, NULL));
}

/* ---- a client ---- */

struct client {
    int fd;
    struct buffer heard;
    char reply[8192];
};

static void open_client(struct client *c, struct smtp_service *service)
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
    buffer_init(&c->heard, (size_t)1024 * 1024);
}

static void close_client(struct client *c)
{
    close(c->fd);
    buffer_finish(&c->heard);
}

TASK_FN
static void say_bytes(struct client *c, struct slice bytes)
{
    while (bytes.n) {
        ssize_t n = send(c->fd, bytes.p, bytes.n, MSG_NOSIGNAL);
        if (n < 0)
            CHECK(task_wait_fd(c->fd, WATCH_WRITE, NULL, SOON) == WAIT_OK);
        else
            bytes = slice_from(bytes, (size_t)n);
    }
}

/* The next reply, all its lines; "" at the end of the connection. */
TASK_FN
static const char *hear(struct client *c)
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
        ssize_t n = recv(c->fd, room, 4096, 0);
        if (n > 0)
            buffer_took(&c->heard, (size_t)n);
        else if (n == 0)
            return "";
        else
            CHECK(task_wait_fd(c->fd, WATCH_READ, NULL, SOON) == WAIT_OK);
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

static void hello(struct client *c, struct smtp_service *service)
{
    open_client(c, service);
    HEARS(c, "220 mx.our.test ");
    SAYS(c, service->lmtp ? "LHLO me.test\r\n" : "EHLO me.test\r\n", "250-mx.our.test");
}

static void filler(struct client *c, size_t n)
{
    char line[1024];
    memset(line, 'x', sizeof line);
    memcpy(line + sizeof line - 2, "\r\n", 2);
    for (; n >= sizeof line; n -= sizeof line)
        say_bytes(c, slice(line, sizeof line));
}

/* ---- what is in a mailbox ---- */

static size_t count(uint64_t account)
{
    struct mailbox_listing l = {0};
    enum outcome o = mailbox_list_messages(store, account, MAILBOX_INBOX, &l, SOON);
    size_t n = o == OUTCOME_DONE ? l.n : 0;
    mailbox_listing_finish(&l);
    return n;
}

static void first_message(uint64_t account, char text[4096])
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

/* ---- tests ---- */

static void delivers_task(void *arg)
{
    struct client c;
    char text[4096];
    open_world();
    uint64_t ann = add_account("ann@our.test", 0, false),
             bob = add_account("bob@our.test", 0, false);
    add_alias("both@our.test", "ann@our.test", "bob@our.test");
    hello(&c, &mx);
    SAYS(&c, "MAIL FROM:<Sender@away.test>\r\n", "250 2.1.0 ");
    SAYS(&c, "RCPT TO:<ANN+tag@Our.Test>\r\n", "250 2.1.5 ");
    SAYS(&c, DATA, "354 ");
    SAYS(&c, "Subject: hi\r\n\r\n..body\r\n.\r\n", "250 2.0.0 Ok: kept as ");
    CHECK(count(ann) == 1 && count(bob) == 0);
    first_message(ann, text);
    static const char start[] = "Return-Path: <Sender@away.test>\r\nReceived: from me.test "
                                "([192.0.2.9])";
    CHECK(strncmp(text, start, sizeof start - 1) == 0);
    CHECK(strstr(text, "by mx.our.test") && strstr(text, "with ESMTP"));
    CHECK(strstr(text, "\r\nSubject: hi\r\n\r\n.body\r\n"));
    /* One copy each, however often it is named. */
    SAYS(&c, "MAIL FROM:<>\r\n", "250 ");
    SAYS(&c, "RCPT TO:<ann@our.test>\r\n", "250 ");
    SAYS(&c, "RCPT TO:<ann@our.test>\r\n", "250 ");
    SAYS(&c, "RCPT TO:<both@our.test>\r\n", "250 ");
    SAYS(&c, "BDAT 3 LAST\r\nx\r\n", "250 2.0.0 Ok: kept as ");
    CHECK(count(ann) == 2 && count(bob) == 1);
    first_message(bob, text);
    CHECK(strncmp(text, "Return-Path: <>\r\n", 17) == 0 && !strstr(text, "for <"));
    SAYS(&c, "QUIT\r\n", "221 ");
    close_client(&c);
    close_world();
}

static void refuses_task(void *arg)
{
    struct client c;
    open_world();
    uint64_t ann = add_account("ann@our.test", 1000, false);
    add_account("gone@our.test", 0, true);
    hello(&c, &mx);
    SAYS(&c, "MAIL FROM:<a@away.test>\r\n", "250 ");
    SAYS(&c, "RCPT TO:<nobody@our.test>\r\n", "550 5.1.1 ");
    SAYS(&c, "RCPT TO:<x@away.test>\r\n", "550 5.7.1 Relaying denied: away.test");
    SAYS(&c, "RCPT TO:<ann%away.test@our.test>\r\n", "550 5.1.1 ");
    SAYS(&c, "RCPT TO:<away.test!ann@our.test>\r\n", "550 5.1.1 ");
    SAYS(&c, "RCPT TO:<\"ann@our.test\"@away.test>\r\n", "550 5.7.1 ");
    SAYS(&c, "RCPT TO:<ann@[127.0.0.1]>\r\n", "550 5.7.1 ");
    SAYS(&c, "RCPT TO:<\"\"@our.test>\r\n", "550 5.1.1 ");
    SAYS(&c, "RCPT TO:<../ann@our.test>\r\n", "501 5.1.3 ");
    SAYS(&c, "RCPT TO:<gone@our.test>\r\n", "450 4.2.1 ");
    SAYS(&c, DATA, "554 5.5.1 ");
    SAYS(&c, "RCPT TO:<@away.test:ann@our.test>\r\n", "250 ");
    SAYS(&c, "RSET\r\n", "250 ");
    SAYS(&c, "MAIL FROM:<a@our.test>\r\n", "250 ");
    SAYS(&c, "RCPT TO:<ann@our.test>\r\n", "250 ");
    SAYS(&c, DATA, "354 ");
    for (int i = 0; i < 100; i++)
        say_bytes(&c, S("Received: by x\r\n"));
    SAYS(&c, "\r\n.\r\n", "554 5.4.6 ");
    SAYS(&c, "QUIT\r\n", "221 ");
    CHECK(count(ann) == 0);
    close_client(&c);
    close_world();
}

static void quota_task(void *arg)
{
    struct client c, d;
    open_world();
    uint64_t ann = add_account("ann@our.test", 4000, false);
    uint64_t bob = add_account("bob@our.test", 100000, false);
    hello(&c, &mx);
    hello(&d, &mx);
    SAYS(&c, "MAIL FROM:<a@x.test> SIZE=4001\r\n", "250 ");
    SAYS(&c, "RCPT TO:<ann@our.test>\r\n", "552 5.2.2 ");
    /* ann is the first account of the domain: its postmaster, who is never over quota. */
    SAYS(&c, "RCPT TO:<postmaster@our.test>\r\n", "250 ");
    SAYS(&c, "RCPT TO:<PostMaster>\r\n", "250 ");
    SAYS(&c, "RSET\r\n", "250 ");
    /* What one was promised, another cannot have. */
    SAYS(&c, "MAIL FROM:<a@x.test> SIZE=3000\r\n", "250 ");
    SAYS(&c, "RCPT TO:<ann@our.test>\r\n", "250 ");
    SAYS(&d, "MAIL FROM:<a@x.test> SIZE=3000\r\n", "250 ");
    SAYS(&d, "RCPT TO:<ann@our.test>\r\n", "452 4.2.2 ");
    SAYS(&c, "RSET\r\n", "250 ");
    SAYS(&d, "RCPT TO:<ann@our.test>\r\n", "250 ");
    SAYS(&d, "QUIT\r\n", "221 ");
    /* More came than was announced: refused for one who is alone, taken when another takes it. */
    SAYS(&c, "MAIL FROM:<a@x.test> SIZE=10\r\n", "250 ");
    SAYS(&c, "RCPT TO:<ann@our.test>\r\n", "250 ");
    SAYS(&c, DATA, "354 ");
    filler(&c, 5 * 1024);
    SAYS(&c, ".\r\n", "552 5.2.2 ");
    SAYS(&c, "MAIL FROM:<a@x.test>\r\n", "250 ");
    SAYS(&c, "RCPT TO:<ann@our.test>\r\n", "250 ");
    SAYS(&c, "RCPT TO:<bob@our.test>\r\n", "250 ");
    SAYS(&c, DATA, "354 ");
    filler(&c, 5 * 1024);
    SAYS(&c, ".\r\n", "250 2.0.0 ");
    CHECK(count(ann) == 1 && count(bob) == 1);
    SAYS(&c, "MAIL FROM:<a@x.test>\r\n", "250 ");
    SAYS(&c, "RCPT TO:<ann@our.test>\r\n", "452 4.2.2 ");
    close_client(&c);
    close_client(&d);
    close_world();
}

static void lmtp_task(void *arg)
{
    struct client c;
    open_world();
    uint64_t ann = add_account("ann@our.test", 0, false);
    uint64_t bob = add_account("bob@our.test", 4000, false);
    add_account("eve@our.test", 6000, false);
    hello(&c, &lmtp);
    SAYS(&c, "MAIL FROM:<a@x.test>\r\n", "250 ");
    SAYS(&c, "RCPT TO:<ann@our.test>\r\n", "250 ");
    SAYS(&c, "RCPT TO:<nobody@our.test>\r\n", "550 5.1.1 ");
    SAYS(&c, "RCPT TO:<bob@our.test>\r\n", "250 ");
    SAYS(&c, "RCPT TO:<ann@our.test>\r\n", "250 ");
    SAYS(&c, DATA, "354 ");
    filler(&c, 5 * 1024);
    say_bytes(&c, S("bare\n.\r\n.\r\n"));
    HEARS(&c, "250 2.0.0 ");
    HEARS(&c, "552 5.2.2 ");
    HEARS(&c, "250 2.0.0 ");
    CHECK(count(ann) == 1 && count(bob) == 0);
    SAYS(&c, "MAIL FROM:<a@x.test>\r\n", "250 ");
    SAYS(&c, "RCPT TO:<bob@our.test>\r\n", "250 ");
    SAYS(&c, "RCPT TO:<bob@our.test>\r\n", "250 ");
    SAYS(&c, "BDAT 8 LAST\r\na: b\r\n\r\n", "250 2.0.0 ");
    HEARS(&c, "250 2.0.0 ");
    CHECK(count(bob) == 1);
    close_client(&c);
    close_world();
}

/* 100 accounts in a transaction; an alias that stands for more gets through alone. */
static void limits_task(void *arg)
{
    static struct slice targets[101];
    static char names[101][32];
    char why[DIRECTORY_WHY], line[64];
    struct client c;
    open_world();
    for (int i = 0; i < 101; i++) {
        snprintf(names[i], sizeof names[i], "u%d@our.test", i);
        targets[i] = slice_str(names[i]);
        add_account(names[i], 0, false);
    }
    CHECK(
        directory_alias_add(directory, S("all@our.test"), targets, 101, why, SOON) == DIRECTORY_OK);
    hello(&c, &mx);
    SAYS(&c, "MAIL FROM:<a@x.test>\r\n", "250 ");
    for (int i = 0; i < 101; i++) {
        snprintf(line, sizeof line, "RCPT TO:<u%d@our.test>\r\n", i);
        SAYS(&c, line, i < 100 ? "250 2.1.5 " : "452 4.5.3 ");
    }
    SAYS(&c, "RCPT TO:<u0@our.test>\r\n", "250 ");
    SAYS(&c, "RSET\r\n", "250 ");
    SAYS(&c, "MAIL FROM:<a@x.test>\r\n", "250 ");
    SAYS(&c, "RCPT TO:<all@our.test>\r\n", "250 ");
    SAYS(&c, "BDAT 3 LAST\r\nx\r\n", "250 2.0.0 ");
    SAYS(&c, "MAIL FROM:<a@x.test>\r\n", "250 ");
    SAYS(&c, "RCPT TO:<u0@our.test>\r\n", "250 ");
    SAYS(&c, "RCPT TO:<all@our.test>\r\n", "452 4.5.3 ");
    close_client(&c);
    close_world();
}

/* Header of 2 MiB, and a byte more; a large body goes through the spool's waits. */
static void large_task(void *arg)
{
    struct client c;
    open_world();
    uint64_t ann = add_account("ann@our.test", 0, false);
    hello(&c, &mx);
    for (int more = 0; more < 2; more++) {
        SAYS(&c, "MAIL FROM:<a@x.test>\r\n", "250 ");
        SAYS(&c, "RCPT TO:<ann@our.test>\r\n", "250 ");
        SAYS(&c, DATA, "354 ");
        filler(&c, 2 * 1024 * 1024 - 1024);
        for (int i = 0; i < 127; i++)
            say_bytes(&c, S("a: 890\r\n"));
        say_bytes(&c, more ? S("a:890\r\n") : S("a:89\r\n"));
        SAYS(&c, "\r\n.\r\n", more ? "552 5.3.4 " : "250 2.0.0 ");
    }
    SAYS(&c, "MAIL FROM:<a@x.test>\r\n", "250 ");
    SAYS(&c, "RCPT TO:<ann@our.test>\r\n", "250 ");
    SAYS(&c, DATA, "354 ");
    say_bytes(&c, S("a: b\r\n\r\n"));
    filler(&c, 8 * 1024 * 1024);
    SAYS(&c, ".\r\n", "250 2.0.0 ");
    CHECK(count(ann) == 2);
    /* Lost in the middle: nothing is kept. */
    SAYS(&c, "MAIL FROM:<a@x.test>\r\n", "250 ");
    SAYS(&c, "RCPT TO:<ann@our.test>\r\n", "250 ");
    SAYS(&c, DATA, "354 ");
    filler(&c, 1024 * 1024);
    close_client(&c);
    while (conn_count())
        task_sleep(deadline_in(CLOCK_MS));
    CHECK(count(ann) == 2);
    close_world();
}

/* The bytes are in the socket before the greeting is thought of. */
static void early_task(void *arg)
{
    struct client c;
    open_world();
    open_client(&c, &mx);
    SAYS(&c, "EHLO me.test\r\n", "554 5.5.1 ");
    CHECK(!*hear(&c));
    close_client(&c);
    close_world();
}

static void early_talkers(void **state)
{
    world(early_task);
}

static void delivers(void **state)
{
    world(delivers_task);
}

static void refuses(void **state)
{
    world(refuses_task);
}

static void holds_quota(void **state)
{
    world(quota_task);
}

static void lmtp_answers_each(void **state)
{
    world(lmtp_task);
}

static void limits(void **state)
{
    world(limits_task);
}

static void large(void **state)
{
    world(large_task);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(delivers),
        cmocka_unit_test(early_talkers),
        cmocka_unit_test(refuses),
        cmocka_unit_test(holds_quota),
        cmocka_unit_test(lmtp_answers_each),
        cmocka_unit_test(limits),
        cmocka_unit_test(large),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
