/* Our client and our server, over a pair of sockets, with TLS where it is asked for: each tests the
 * other. */
#include "../task/check.h"
#include "base/random.h"
#include "fake_hooks.h"
#include "smtp/client.h"
#include "unit/net/authority.h"
#include "unit/unit.h"
#include <sys/socket.h>
#include <unistd.h>

#define SOON deadline_in(60 * CLOCK_SEC)

static struct authority ours;
static struct fake_policy policy;
static struct smtp_service service;

static void await_closed(void)
{
    for (int i = 0; policy.closed == 0 && i < 20000; i++)
        task_sleep(deadline_in(CLOCK_MS));
    CHECK(policy.closed == 1);
    CHECK(policy.mails == policy.resets);
}

/* A connection to a new session of our server, greeted. */
static struct smtp_client *begin(const struct smtp_client_options *options)
{
    int fds[2];
    struct sockaddr_storage none = {.ss_family = AF_UNIX};
    struct conn_options o = {.listener = "smtp"};
    struct slice refusal;
    CHECK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds) == 0);
    peer_set(&o.peer, (struct sockaddr *)&none, sizeof none);
    CHECK(smtp_accept(&service, &o.peer, &o.handler, &o.session, &refusal));
    o.fd = fds[1];
    o.stream = stream_socket(fds[1]);
    CHECK(conn_create(&o));
    struct channel *channel = channel_create(stream_socket(fds[0]), fds[0], SMTP_CLIENT_LINE);
    struct smtp_client *c = smtp_client_create(channel, options);
    CHECK(c);
    enum answer a = smtp_client_greet(c, SOON);
    CHECK(a == (policy.refuse_connect ? ANSWER_PERMANENT : ANSWER_OK));
    return c;
}

static void finish(struct smtp_client *c)
{
    CHECK(smtp_client_quit(c, SOON) == ANSWER_OK);
    smtp_client_destroy(c);
    await_closed();
    CHECK(policy.closed == 1);
}

/* ---- messages ---- */

struct text {
    struct slice rest;
    size_t piece;
};

static bool read_text(void *arg, struct slice *piece, deadline until)
{
    struct text *t = arg;
    *piece = slice_sub(t->rest, 0, t->piece);
    t->rest = slice_from(t->rest, piece->n);
    return true;
}

/* Lines of every kind with newlines of every kind; *sent is what the server has to get. */
static struct slice make_body(size_t n, struct buffer *body, struct buffer *sent)
{
    static const char *const ends[] = {"\r\n", "\n", "\r", "\r\n.\r\n", "\n\n"};
    static const char *const arrived[] = {"\r\n", "\r\n", "\r\n", "\r\n.\r\n", "\r\n\r\n"};
    buffer_init(body, 2 * n + 4096);
    buffer_init(sent, 4 * n + 8192);
    while (body->n < n) {
        size_t end = (size_t)random_below(5), length = (size_t)random_below(200);
        for (size_t i = 0; i < length; i++) {
            char c = (char)(i ? ' ' + random_below(95) : '.');
            buffer_add_char(body, c);
            buffer_add_char(sent, c);
        }
        buffer_add_char(body, 'x');
        buffer_add_char(sent, 'x');
        buffer_add(body, slice_str(ends[end]));
        buffer_add(sent, slice_str(arrived[end]));
    }
    buffer_add_char(body, 'x');
    buffer_add(sent, S("x\r\n"));
    CHECK(!body->overflow && !sent->overflow);
    return buffer_slice(body);
}

static enum answer send_one(struct smtp_client *c, struct slice body, size_t piece,
    const char *const *names, struct smtp_send_recipient *to, size_t n)
{
    struct text text = {body, piece};
    struct smtp_send m = {.sender = S("joe@away.test"),
        .size = body.n,
        .eight_bit = true,
        .read = read_text,
        .arg = &text};
    for (size_t i = 0; i < n; i++)
        to[i] = (struct smtp_send_recipient){.address = slice_str(names[i])};
    return smtp_client_send(c, &m, to, n, SOON);
}

static void exchange(struct smtp_client *c)
{
    static const size_t sizes[] = {0, 10, 1000, 70000, 500000}, pieces[] = {SIZE_MAX, 17, 4096};
    static const char *const names[] = {"a@b.test", "unknown@b.test", "c@b.test", "busy@b.test"};
    struct smtp_send_recipient to[4];
    unsigned messages = policy.messages;
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        struct buffer body, sent;
        make_body(sizes[i], &body, &sent);
        enum answer a = send_one(c, buffer_slice(&body), pieces[i % 3], names, to, 4);
        CHECK(a == ANSWER_OK && to[0].outcome.answer == ANSWER_OK);
        CHECK(to[1].outcome.answer == ANSWER_PERMANENT && to[1].outcome.reply.code == 550);
        CHECK(strcmp(to[1].outcome.reply.enhanced, "5.1.1") == 0);
        CHECK(to[3].outcome.answer == ANSWER_TEMPORARY && to[3].outcome.stage == SMTP_AT_RCPT);
        CHECK(policy.messages == ++messages);
        CHECK(slice_eq(buffer_slice(&policy.body), buffer_slice(&sent)));
        buffer_finish(&body);
        buffer_finish(&sent);
        /* all refused; the connection goes on */
        CHECK(send_one(c, S("x"), 1, &names[1], to, 1) == ANSWER_PERMANENT);
    }
}

/* ---- the ways to talk ---- */

static void run_plain(void *arg)
{
    struct smtp_client *c = begin(arg);
    CHECK(smtp_client_offer(c)->pipelining && smtp_client_offer(c)->chunking);
    exchange(c);
    CHECK(smtp_client_reset(c, SOON) == ANSWER_OK);
    finish(c);
}

static void run_tls(void *arg)
{
    char why[DIAL_WHY];
    uint8_t digest[32];
    struct tls_facts facts;
    authority_publish(&ours, "DNS:mx.test", -60, 10000000, digest);
    struct dial_trust *trust = dial_trust_create(buffer_slice(&ours.pem), why);
    struct dial_tls tls = {.trust = trust, .verify = DIAL_VERIFY_NAME, .server_name = "mx.test"};
    service.starttls = true;
    policy.auth = true;
    struct smtp_client *c = begin(arg);
    CHECK(smtp_client_offer(c)->starttls);
    CHECK(smtp_client_start_tls(c, &tls, SOON) == ANSWER_OK);
    CHECK(!smtp_client_offer(c)->starttls && smtp_client_offer(c)->pipelining);
    channel_tls_facts(smtp_client_channel(c), &facts);
    CHECK(facts.on && facts.verified);
    struct login_options login = {.user = S("a"), .password = S("wrong")};
    CHECK(smtp_client_login(c, &login, SOON) == ANSWER_PERMANENT);
    CHECK(smtp_client_outcome(c)->reply.code == 535);
    login.password = S("b");
    CHECK(smtp_client_login(c, &login, SOON) == ANSWER_OK);
    exchange(c);
    finish(c);
    /* the certificate is somebody else's: nothing is sent */
    fake_policy_finish(&policy);
    fake_policy_init(&policy);
    c = begin(arg);
    tls.server_name = "mx.other";
    CHECK(smtp_client_start_tls(c, &tls, SOON) == ANSWER_UNTRUSTED);
    CHECK(smtp_client_outcome(c)->stage == SMTP_AT_TLS && !smtp_client_alive(c));
    smtp_client_destroy(c);
    await_closed();
    dial_trust_release(trust);
}

static void run_lmtp(void *arg)
{
    static const char *const names[] = {"a@b.test", "unknown@b.test", "c@b.test", "d@b.test"};
    struct smtp_send_recipient to[4];
    struct smtp_client_options options = *(const struct smtp_client_options *)arg;
    options.lmtp = service.lmtp = true;
    struct smtp_client *c = begin(&options);
    CHECK(send_one(c, S("x"), 1, names, to, 4) == ANSWER_OK);
    CHECK(to[0].outcome.answer == ANSWER_OK && to[2].outcome.answer == ANSWER_TEMPORARY);
    CHECK(to[3].outcome.answer == ANSWER_OK && to[1].outcome.stage == SMTP_AT_RCPT);
    CHECK(strcmp(to[2].outcome.reply.text, "1 is full") == 0);
    policy.outcome_unknown_at = 2;
    CHECK(send_one(c, S("x"), 1, names, to, 4) == ANSWER_OK);
    CHECK(to[0].outcome.answer == ANSWER_OK && to[2].outcome.answer == ANSWER_UNKNOWN);
    CHECK(to[3].outcome.answer == ANSWER_UNKNOWN && !smtp_client_alive(c));
    smtp_client_destroy(c);
    await_closed();
}

static void run_refusals(void *arg)
{
    static const char *const names[] = {"a@b.test", "c@b.test"};
    static char big[5000];
    struct smtp_send_recipient to[2];
    struct smtp_client *c = begin(arg);
    policy.refuse_begin = true;
    CHECK(send_one(c, S("x"), 1, names, to, 2) == ANSWER_TEMPORARY);
    CHECK(to[1].outcome.reply.code == 452 && smtp_client_alive(c));
    policy.refuse_begin = false;
    service.message_size = 4096; /* told in EHLO already: as if it had shrunk */
    memset(big, 'x', sizeof big);
    CHECK(send_one(c, slice(big, sizeof big), 100, names, to, 2) == ANSWER_PERMANENT);
    CHECK(to[0].outcome.reply.code == 552 && policy.messages == 0);
    policy.unknown = true;
    CHECK(send_one(c, S("x"), 1, names, to, 2) == ANSWER_UNKNOWN);
    CHECK(to[1].outcome.answer == ANSWER_UNKNOWN && to[1].outcome.stage == SMTP_AT_END);
    smtp_client_destroy(c);
    await_closed();
    fake_policy_finish(&policy);
    fake_policy_init(&policy);
    policy.refuse_connect = true;
    c = begin(arg);
    CHECK(smtp_client_outcome(c)->stage == SMTP_AT_GREETING);
    smtp_client_destroy(c);
    await_closed();
}

static void run(void (*fn)(void *), bool no_chunking)
{
    struct smtp_client_options options = {.hello = "us.test", .no_chunking = no_chunking};
    fake_policy_init(&policy);
    service = (struct smtp_service){.protocol = "smtp",
        .hostname = "mx.test",
        .hooks = &fake_hooks,
        .arg = &policy,
        .errors_slow = 1000,
        .errors_close = 1000};
    run_on(1, fn, &options);
    fake_policy_finish(&policy);
}

#define BOTH(name)                                                                                 \
    static void name(void **state)                                                                 \
    {                                                                                              \
        run(run_##name, true);                                                                     \
        run(run_##name, false);                                                                    \
    }
BOTH(plain)
BOTH(tls)
BOTH(lmtp)
BOTH(refusals)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(plain),
        cmocka_unit_test(tls),
        cmocka_unit_test(lmtp),
        cmocka_unit_test(refusals),
    };
    ours = authority_make("Our CA");
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    authority_finish(&ours);
    tls_server_publish(NULL);
    return failed;
}
