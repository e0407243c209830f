/* Our client and our server, over a pair of sockets, on a memory store: each tests the other. */
#include "dialog.h"
#include "pop3/client.h"
#include "unit/net/authority.h"
#include "unit/unit.h"
#include <sys/socket.h>
#include <unistd.h>

#define PATIENCE deadline_in(60 * CLOCK_SEC)

static struct authority ours;
static struct buffer got;

static struct pop3_client *begin(void)
{
    int fds[2];
    struct sockaddr_storage none = {.ss_family = AF_UNIX};
    struct conn_options o = {.listener = "pop3"};
    struct slice refusal;
    CHECK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds) == 0);
    peer_set(&o.peer, (struct sockaddr *)&none, sizeof none);
    CHECK(pop3_accept(&dialog_service, &o.peer, &o.handler, &o.session, &refusal));
    o.fd = fds[1];
    o.stream = stream_socket(fds[1]);
    CHECK(conn_create(&o));
    struct channel *channel = channel_create(stream_socket(fds[0]), fds[0], POP3_CLIENT_LINE);
    struct pop3_client *c = pop3_client_create(channel, 0);
    CHECK(c && pop3_client_greet(c, PATIENCE) == ANSWER_OK);
    return c;
}

static void finish(struct pop3_client *c)
{
    CHECK(pop3_client_quit(c, PATIENCE) == ANSWER_OK);
    pop3_client_destroy(c);
    for (int i = 0; conn_count() && i < 20000; i++)
        task_sleep(deadline_in(CLOCK_MS));
    CHECK(conn_count() == 0);
}

static enum answer log_in(struct pop3_client *c, const char *only, struct slice password)
{
    struct login_options o = {
        .user = S(SPEAKER_NAME), .password = password, .only = slice_str(only), .plaintext = true};
    return pop3_client_login(c, &o, PATIENCE);
}

static bool keep(void *arg, struct slice piece)
{
    return buffer_add(&got, piece);
}

static bool keep_listed(void *arg, uint32_t number, struct slice value)
{
    return buffer_printf(&got, "%u " SLICE_FMT ";", number, SLICE_ARG(value));
}

/* ---- messages ---- */

#define MESSAGES 40

static struct buffer messages[MESSAGES];

static void append_messages(void)
{
    for (size_t i = 0; i < MESSAGES; i++) {
        struct buffer *m = &messages[i];
        buffer_init(m, (size_t)1 << 20);
        buffer_printf(m, "Subject: %zu\r\n\r\n", i);
        for (size_t line = 0; line < i * i; line++)
            buffer_printf(m, "%s%0*zu\r\n",
                line % 3   ? ""
                : line % 2 ? "."
                           : "..",
                (int)(line * 7 % 300), line);
        fixture_append(MAILBOX_INBOX, buffer_slice(m), 0);
    }
}

static void check_messages(struct pop3_client *c)
{
    uint32_t n;
    uint64_t bytes, sum = 0;
    CHECK(pop3_client_stat(c, &n, &bytes, PATIENCE) == ANSWER_OK && n == MESSAGES);
    for (uint32_t i = 0; i < MESSAGES; i++) {
        struct slice wanted = buffer_slice(&messages[i]);
        buffer_reset(&got);
        CHECK(pop3_client_retr(c, i + 1, wanted.n, keep, NULL, PATIENCE) == ANSWER_OK);
        CHECK(slice_eq(buffer_slice(&got), wanted));
        sum += wanted.n;
    }
    CHECK(bytes == sum);
    buffer_reset(&got);
    CHECK(pop3_client_top(c, 2, 1, 1000, keep, NULL, PATIENCE) == ANSWER_OK);
    CHECK(slice_starts(buffer_slice(&messages[1]), buffer_slice(&got)) && got.n);
    buffer_reset(&got);
    CHECK(pop3_client_list(c, keep_listed, NULL, PATIENCE) == ANSWER_OK);
    CHECK(slice_starts(buffer_slice(&got), S("1 14;2 ")));
    buffer_reset(&got);
    CHECK(pop3_client_uidl(c, keep_listed, NULL, PATIENCE) == ANSWER_OK);
    CHECK(slice_find_slice(buffer_slice(&got), S("40 ")) != SLICE_NONE);
    CHECK(pop3_client_retr(c, MESSAGES + 1, 1, keep, NULL, PATIENCE) == ANSWER_PERMANENT);
}

static void run_maildrop(void *arg)
{
    dialog_open_store();
    append_messages();
    struct pop3_client *c = begin();
    CHECK(pop3_client_offer(c)->uidl && pop3_client_offer(c)->top);
    CHECK(log_in(c, "PLAIN", S("wrong")) == ANSWER_PERMANENT);
    CHECK(strcmp(pop3_client_code(c), "AUTH") == 0);
    CHECK(log_in(c, "PLAIN", S(SPEAKER_PASSWORD)) == ANSWER_OK);
    check_messages(c);
    CHECK(pop3_client_dele(c, 1, PATIENCE) == ANSWER_OK);
    CHECK(pop3_client_reset(c, PATIENCE) == ANSWER_OK);
    CHECK(pop3_client_dele(c, 3, PATIENCE) == ANSWER_OK);
    CHECK(pop3_client_noop(c, PATIENCE) == ANSWER_OK);
    finish(c);
    CHECK(dialog_messages(fixture_store) == MESSAGES - 1);
    /* one that goes away deletes nothing */
    c = begin();
    CHECK(log_in(c, "USER", S(SPEAKER_PASSWORD)) == ANSWER_OK);
    CHECK(pop3_client_dele(c, 1, PATIENCE) == ANSWER_OK);
    pop3_client_destroy(c);
    c = begin();
    finish(c);
    CHECK(dialog_messages(fixture_store) == MESSAGES - 1);
    for (size_t i = 0; i < MESSAGES; i++)
        buffer_finish(&messages[i]);
    fixture_close();
}

static void run_tls(void *arg)
{
    char why[DIAL_WHY];
    uint8_t digest[32];
    struct tls_facts facts;
    dialog_open_store();
    append_messages();
    authority_publish(&ours, "DNS:mx.test", -60, 10000000, digest);
    struct dial_trust *trust = dial_trust_create(buffer_slice(&ours.pem), why);
    struct dial_tls tls = {.trust = trust, .verify = DIAL_VERIFY_NAME, .server_name = "mx.test"};
    struct pop3_client *c = begin();
    CHECK(pop3_client_offer(c)->stls);
    CHECK(pop3_client_start_tls(c, &tls, PATIENCE) == ANSWER_OK);
    CHECK(!pop3_client_offer(c)->stls);
    channel_tls_facts(pop3_client_channel(c), &facts);
    CHECK(facts.on && facts.verified);
    CHECK(log_in(c, "", S(SPEAKER_PASSWORD)) == ANSWER_OK);
    check_messages(c);
    finish(c);
    c = begin();
    tls.server_name = "mx.other";
    CHECK(pop3_client_start_tls(c, &tls, PATIENCE) == ANSWER_UNTRUSTED);
    CHECK(log_in(c, "USER", S(SPEAKER_PASSWORD)) == ANSWER_LOST);
    pop3_client_destroy(c);
    dial_trust_release(trust);
    for (size_t i = 0; i < MESSAGES; i++)
        buffer_finish(&messages[i]);
    fixture_close();
}

static void maildrop(void **state)
{
    fixture_run(run_maildrop);
}

static void tls(void **state)
{
    fixture_run(run_tls);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(maildrop),
        cmocka_unit_test(tls),
    };
    ours = authority_make("Our CA");
    buffer_init(&got, (size_t)1 << 21);
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    buffer_finish(&got);
    authority_finish(&ours);
    tls_server_publish(NULL);
    return failed;
}
