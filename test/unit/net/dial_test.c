/* Connections that we open: addresses, time, TLS with every kind of trust. */
#include "../unit.h"
#include "authority.h"
#include "client.h"
#include "echo.c"
#include "net/dial.h"
#include <netinet/in.h>
#include <sys/un.h>

#define SOON deadline_in(60 * CLOCK_SEC)

static struct authority ours, other;
static char why[DIAL_WHY];

/* ---- a server ---- */

struct place {
    int fd;
    struct sockaddr_storage address;
    socklen_t n;
    struct scope scope;
    struct echo echo;
    struct event ended;
    bool tls, mute, accepted;
    struct sockaddr_in from; /* of the last client */
};

static void place_open(struct place *p, const struct sockaddr *at, socklen_t n)
{
    *p = (struct place){.fd = socket(at->sa_family, SOCK_STREAM | SOCK_NONBLOCK, 0)};
    p->n = sizeof p->address;
    scope_init(&p->scope);
    CHECK(p->fd >= 0 && bind(p->fd, at, n) == 0 && listen(p->fd, 1) == 0);
    CHECK(getsockname(p->fd, (struct sockaddr *)&p->address, &p->n) == 0);
}

static void place_tcp(struct place *p)
{
    struct sockaddr_in in = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    place_open(p, (struct sockaddr *)&in, sizeof in);
}

/* An echo conn, or a peer that says nothing at all. */
static void accept_one(void *arg)
{
    struct place *p = arg;
    socklen_t n = sizeof p->from;
    if (task_wait_fd(p->fd, WATCH_READ, NULL, SOON) != WAIT_OK)
        return;
    int fd = accept4(p->fd, (struct sockaddr *)&p->from, &n, SOCK_NONBLOCK | SOCK_CLOEXEC);
    CHECK(fd >= 0);
    p->accepted = !p->mute;
    if (p->mute) {
        task_wait_fd(fd, WATCH_ERROR, NULL, DEADLINE_NEVER);
        close(fd);
        return;
    }
    event_init(&p->ended);
    p->echo = (struct echo){.ended = &p->ended};
    struct conn_options o = {.stream = stream_socket(fd),
        .fd = fd,
        .tls = p->tls,
        .listener = "echo",
        .handler = &echo_handler,
        .session = &p->echo,
        .timeout = 20 * CLOCK_SEC};
    peer_set(&o.peer, (struct sockaddr *)&p->from, n);
    CHECK(conn_create(&o));
}

static enum dial_result dial(
    struct place *p, struct channel **c, const struct dial_tls *tls, deadline until)
{
    struct dial_options o = {
        .to = (struct sockaddr *)&p->address, .to_n = p->n, .tls = tls, .line_max = 1000};
    CHECK(scope_spawn(&p->scope, TASK_NORMAL, accept_one, p));
    return dial_connect(&o, c, why, until);
}

static void hear(struct channel *c, const char *text)
{
    struct slice line;
    CHECK(channel_line(c, 1000, CHANNEL_REFUSE, &line, SOON) == CHANNEL_OK);
    CHECK(slice_eq(line, slice_str(text)));
}

static void say(struct channel *c, const char *text)
{
    channel_put(c, slice_str(text));
    CHECK(channel_flush(c, SOON) == CHANNEL_OK);
}

static void part(struct place *p, struct channel *c)
{
    channel_destroy(c);
    scope_close(&p->scope);
    if (p->accepted)
        CHECK(event_wait(&p->ended, SOON) == WAIT_OK);
    close(p->fd);
}

/* ---- connecting ---- */

static void run_addresses(void *arg)
{
    struct place p;
    struct channel *c;
    place_tcp(&p);
    CHECK(dial(&p, &c, NULL, SOON) == DIAL_OK);
    hear(c, "HI");
    say(c, "PING 1\r\n");
    hear(c, "PONG 1");
    struct tls_facts facts;
    channel_tls_facts(c, &facts);
    CHECK(!facts.on);
    part(&p, c);
    struct sockaddr_un un = {.sun_family = AF_UNIX};
    snprintf(un.sun_path + 1, sizeof un.sun_path - 1, "barid-dial-test-%d", (int)getpid());
    place_open(&p, (struct sockaddr *)&un, sizeof un);
    CHECK(dial(&p, &c, NULL, SOON) == DIAL_OK);
    hear(c, "HI");
    part(&p, c);
}

static void run_source(void *arg)
{
    struct place p;
    struct channel *c;
    struct sockaddr_in from = {
        .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK + 1)};
    place_tcp(&p);
    struct dial_options o = {.to = (struct sockaddr *)&p.address,
        .to_n = p.n,
        .from = (struct sockaddr *)&from,
        .from_n = sizeof from,
        .line_max = 100};
    CHECK(scope_spawn(&p.scope, TASK_NORMAL, accept_one, &p));
    CHECK(dial_connect(&o, &c, why, SOON) == DIAL_OK);
    hear(c, "HI");
    CHECK(p.from.sin_addr.s_addr == from.sin_addr.s_addr);
    part(&p, c);
    from.sin_addr.s_addr = htonl(0xc0000201); /* 192.0.2.1 is nobody's */
    CHECK(dial_connect(&o, &c, why, SOON) == DIAL_SOURCE && !c);
    CHECK(strstr(why, "source address 192.0.2.1: "));
}

static void run_refused(void *arg)
{
    struct channel *c;
    struct sockaddr_in in = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t in_n = sizeof in;
    int fd = socket(AF_INET, SOCK_STREAM, 0); /* takes the port, and listens to nobody */
    CHECK(fd >= 0 && bind(fd, (struct sockaddr *)&in, in_n) == 0);
    CHECK(getsockname(fd, (struct sockaddr *)&in, &in_n) == 0);
    struct dial_options o = {.to = (struct sockaddr *)&in, .to_n = in_n};
    CHECK(dial_connect(&o, &c, why, SOON) == DIAL_FAILED && !c);
    CHECK(strcmp(why, "connect: Connection refused") == 0);
    close(fd);
    struct sockaddr_un un = {.sun_family = AF_UNIX, .sun_path = "/nonexistent/socket"};
    o.to = (struct sockaddr *)&un;
    o.to_n = sizeof un;
    CHECK(dial_connect(&o, &c, why, SOON) == DIAL_FAILED);
}

/* Nobody accepts and the queue is full. */
static void run_full(void *arg)
{
    struct place p;
    struct sockaddr_un un = {.sun_family = AF_UNIX};
    struct channel *waiting[8], *c = NULL;
    size_t n = 0;
    snprintf(un.sun_path + 1, sizeof un.sun_path - 1, "barid-full-test-%d", (int)getpid());
    place_open(&p, (struct sockaddr *)&un, sizeof un);
    struct dial_options o = {.to = (struct sockaddr *)&p.address, .to_n = p.n};
    enum dial_result r = DIAL_OK;
    while (n < 8 && (r = dial_connect(&o, &waiting[n], why, deadline_in(50 * CLOCK_MS))) == DIAL_OK)
        n++;
    CHECK(r == DIAL_TIMEOUT && !waiting[n]);
    CHECK(scope_spawn(&p.scope, TASK_NORMAL, accept_one, &p));
    CHECK(dial_connect(&o, &c, why, SOON) == DIAL_OK);
    channel_destroy(c);
    for (size_t i = 0; i < n; i++)
        channel_destroy(waiting[i]);
    part(&p, NULL);
}

/* ---- TLS ---- */

struct trial {
    const char *names; /* in the certificate */
    long from, to;
    enum dial_verify verify;
    const char *name; /* that we want */
    bool stranger;    /* the authority is not one of ours */
    enum dial_result result;
    bool verified;
    const char *words;
};

#define DAY (30 * 86400L)

static const struct trial trials[] = {
    {"DNS:mx.test", -60, DAY, DIAL_VERIFY_NAME, "mx.test", false, DIAL_OK, true, NULL},
    {"DNS:*.b.test", -60, DAY, DIAL_VERIFY_NAME, "MX.b.test", false, DIAL_OK, true, NULL},
    {"IP:127.0.0.1", -60, DAY, DIAL_VERIFY_NAME, "127.0.0.1", false, DIAL_OK, true, NULL},
    {"DNS:also.test", -60, DAY, DIAL_VERIFY_NAME, "mx.test", false, DIAL_OK, true, NULL},
    {"DNS:mx.other", -60, DAY, DIAL_VERIFY_NAME, "mx.test", false, DIAL_UNTRUSTED, false,
        "ostname mismatch"},
    {"DNS:m*.b.test", -60, DAY, DIAL_VERIFY_NAME, "mx.b.test", false, DIAL_UNTRUSTED, false,
        "ostname mismatch"},
    {"DNS:*.b.test", -60, DAY, DIAL_VERIFY_NAME, "a.mx.b.test", false, DIAL_UNTRUSTED, false,
        "ostname mismatch"},
    {"IP:127.0.0.2", -60, DAY, DIAL_VERIFY_NAME, "127.0.0.1", false, DIAL_UNTRUSTED, false,
        "IP address mismatch"},
    {"DNS:mx.test", -2 * DAY, -DAY, DIAL_VERIFY_NAME, "mx.test", false, DIAL_UNTRUSTED, false,
        "expired"},
    {"DNS:mx.test", DAY, 2 * DAY, DIAL_VERIFY_NAME, "mx.test", false, DIAL_UNTRUSTED, false,
        "not yet valid"},
    {"DNS:mx.test", -60, DAY, DIAL_VERIFY_NAME, "mx.test", true, DIAL_UNTRUSTED, false, "self"},
    {"DNS:mx.test", -60, DAY, DIAL_VERIFY_NAME, NULL, false, DIAL_TLS, false, "set up"},
    {"DNS:mx.test", -60, DAY, DIAL_VERIFY_NAME, "m x", false, DIAL_TLS, false, "set up"},
    {"DNS:mx.test", -60, DAY, DIAL_VERIFY_NONE, "mx.test", true, DIAL_OK, false, NULL},
    {"DNS:mx.other", -60, DAY, DIAL_VERIFY_NONE, "mx.test", false, DIAL_OK, false, NULL},
    {"DNS:mx.test", -2 * DAY, -DAY, DIAL_VERIFY_NONE, "mx.test", false, DIAL_OK, false, NULL},
    {"DNS:mx.test", -60, DAY, DIAL_VERIFY_NONE, NULL, false, DIAL_OK, false, NULL},
    {"DNS:mx.test", -60, DAY, DIAL_VERIFY_NONE, "mx.test", false, DIAL_OK, true, NULL},
};

static void check_secured(struct place *p, struct channel *c, bool verified)
{
    struct tls_facts facts;
    const char *type;
    char binding[64];
    size_t n;
    hear(c, "HI");
    channel_tls_facts(c, &facts);
    CHECK(facts.on && facts.bits >= 128 && strcmp(facts.version, "TLSv1.3") == 0);
    CHECK(facts.verified == verified);
    CHECK(channel_binding(c, &type, binding, &n) && strcmp(type, "tls-exporter") == 0);
    CHECK(n == p->echo.binding_n && memcmp(binding, p->echo.binding, n) == 0);
}

static void attempt(const struct dial_tls *tls, enum dial_result result, bool verified)
{
    struct place p;
    struct channel *c;
    place_tcp(&p);
    p.tls = true;
    enum dial_result r = dial(&p, &c, tls, SOON);
    if (r != result)
        fprintf(stderr, "%d, not %d: %s\n", r, result, why);
    CHECK(r == result);
    if (r == DIAL_OK)
        check_secured(&p, c, verified);
    part(&p, c);
}

static void run_trust(void *arg)
{
    struct dial_trust *trust = dial_trust_create(buffer_slice(&ours.pem), why);
    CHECK(trust);
    for (size_t i = 0; i < sizeof trials / sizeof *trials; i++) {
        const struct trial *t = &trials[i];
        static const char *const also[] = {"also.test"};
        uint8_t digest[32];
        authority_publish(t->stranger ? &other : &ours, t->names, t->from, t->to, digest);
        struct dial_tls tls = {
            .trust = trust, .verify = t->verify, .server_name = t->name, .also = also, .also_n = 1};
        attempt(&tls, t->result, t->verified);
        CHECK(!t->words || strstr(why, t->words));
    }
    dial_trust_release(trust);
}

static void try_record(struct dial_trust *trust, struct dial_tlsa record, enum dial_result result)
{
    struct dial_tls tls = {.trust = trust,
        .verify = DIAL_VERIFY_DANE,
        .server_name = "mx.test",
        .tlsa = &record,
        .tlsa_n = 1};
    attempt(&tls, result, result == DIAL_OK && record.usage >= 2);
}

/* No authority is believed but through DNS. */
static void run_dane(void *arg)
{
    struct dial_trust *trust = dial_trust_create(S(""), why);
    uint8_t key[32], authority[32];
    unsigned n = 32;
    struct slice right = slice(key, 32), wrong = slice(authority, 32);
    X509_digest(ours.certificate, EVP_sha256(), authority, &n);
    /* usage 3 binds the key: neither name nor dates count (RFC 7672 §3.1.1) */
    authority_publish(&ours, "DNS:mx.other", -2 * DAY, -DAY, key);
    try_record(trust, (struct dial_tlsa){3, 1, 1, right}, DIAL_OK);
    try_record(trust, (struct dial_tlsa){3, 1, 1, wrong}, DIAL_UNTRUSTED);
    /* usage 2 is an authority: both count */
    try_record(trust, (struct dial_tlsa){2, 0, 1, wrong}, DIAL_UNTRUSTED);
    authority_publish(&ours, "DNS:mx.test", -60, DAY, key);
    try_record(trust, (struct dial_tlsa){2, 0, 1, wrong}, DIAL_OK);
    try_record(trust, (struct dial_tlsa){2, 0, 1, right}, DIAL_UNTRUSTED);
    authority_publish(&ours, "DNS:mx.other", -60, DAY, key);
    try_record(trust, (struct dial_tlsa){2, 0, 1, wrong}, DIAL_UNTRUSTED);
    /* not for SMTP (RFC 7672 §3.1.3), unknown, broken: as if there was none */
    try_record(trust, (struct dial_tlsa){1, 1, 1, wrong}, DIAL_OK);
    dial_trust_release(trust);
}

static void run_start_tls(void *arg)
{
    struct dial_trust *trust = dial_trust_create(buffer_slice(&ours.pem), why);
    struct dial_tls tls = {.trust = trust, .verify = DIAL_VERIFY_NAME, .server_name = "mx.test"};
    struct place p;
    struct channel *c;
    struct slice line;
    uint8_t digest[32];
    authority_publish(&ours, "DNS:mx.test", -60, DAY, digest);
    place_tcp(&p);
    CHECK(dial(&p, &c, NULL, SOON) == DIAL_OK);
    hear(c, "HI");
    say(c, "STARTTLS\r\n");
    hear(c, "GO");
    CHECK(dial_start_tls(c, &tls, why, SOON) == DIAL_OK);
    say(c, "PING 1\r\nBIG 100000\r\n");
    hear(c, "PONG 1");
    CHECK(channel_line(c, 1000, CHANNEL_CUT, &line, SOON) == CHANNEL_OK && line.n == 1000);
    say(c, "BODY 300000\r\n");
    hear(c, "OK");
    static const char big[300000];
    CHECK(channel_write(c, slice(big, sizeof big), SOON) == CHANNEL_OK);
    CHECK(channel_flush(c, SOON) == CHANNEL_OK);
    hear(c, "GOT 300000");
    CHECK(dial_start_tls(c, &tls, why, SOON) == DIAL_TLS); /* twice */
    CHECK(channel_line(c, 1000, CHANNEL_CUT, &line, SOON) == CHANNEL_BROKEN);
    part(&p, c);
    /* plain text behind the go-ahead */
    place_tcp(&p);
    CHECK(dial(&p, &c, NULL, SOON) == DIAL_OK);
    hear(c, "HI");
    say(c, "PING GO\r\nPING INJECTED\r\n");
    hear(c, "PONG GO");
    CHECK(dial_start_tls(c, &tls, why, SOON) == DIAL_INJECTED);
    channel_put(c, S("PING secret\r\n"));
    CHECK(channel_flush(c, SOON) == CHANNEL_BROKEN);
    part(&p, c);
    dial_trust_release(trust);
}

/* Peers that do not speak TLS, speak an old one, or say nothing. */
static void run_no_tls(void *arg)
{
    struct dial_trust *trust = dial_trust_create(S(""), why);
    struct dial_tls tls = {.trust = trust};
    struct place p;
    struct channel *c;
    place_tcp(&p);
    CHECK(dial(&p, &c, &tls, SOON) == DIAL_TLS && !c);
    CHECK(strcmp(why, "the peer does not speak TLS") == 0);
    part(&p, NULL);
    place_tcp(&p);
    p.mute = true;
    CHECK(dial(&p, &c, &tls, deadline_in(50 * CLOCK_MS)) == DIAL_TIMEOUT);
    part(&p, NULL);
    dial_trust_release(trust);
}

#define RUN(name)                                                                                  \
    static void name(void **state)                                                                 \
    {                                                                                              \
        client_run(run_##name, NULL);                                                              \
    }
RUN(addresses)
RUN(source)
RUN(refused)
RUN(full)
RUN(trust)
RUN(dane)
RUN(start_tls)
RUN(no_tls)

/* ---- trust from files ---- */

static void write_file(const char *path, struct slice text)
{
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    assert_int_equal(fwrite(text.p, 1, text.n, f), text.n);
    fclose(f);
}

static void files(void **state)
{
    char folder[] = "/tmp/barid-trust-XXXXXX", file[64], note[64];
    assert_non_null(mkdtemp(folder));
    snprintf(file, sizeof file, "%s/ca.pem", folder);
    snprintf(note, sizeof note, "%s/README", folder);
    write_file(file, buffer_slice(&ours.pem));
    write_file(note, S("not a certificate"));
    struct dial_trust *t = dial_trust_load(file, why);
    assert_non_null(t);
    dial_trust_release(dial_trust_retain(t));
    dial_trust_release(t);
    t = dial_trust_load(folder, why);
    assert_non_null(t);
    dial_trust_release(t);
    char *damaged = slice_to_new(buffer_slice(&ours.pem));
    memset(strchr(damaged, '\n') + 10, '!', 20);
    write_file(file, slice_str(damaged));
    free(damaged);
    assert_null(dial_trust_load(file, why));
    assert_string_equal(why, "a certificate is damaged");
    unlink(file);
    assert_null(dial_trust_load(file, why));
    assert_non_null(strstr(why, "No such file"));
    unlink(note);
    rmdir(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(addresses),
        cmocka_unit_test(source),
        cmocka_unit_test(refused),
        cmocka_unit_test(full),
        cmocka_unit_test(trust),
        cmocka_unit_test(dane),
        cmocka_unit_test(start_tls),
        cmocka_unit_test(no_tls),
        cmocka_unit_test(files),
    };
    ours = authority_make("Our CA");
    other = authority_make("Another CA");
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    authority_finish(&ours);
    authority_finish(&other);
    tls_server_publish(NULL);
    return failed;
}
