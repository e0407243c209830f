/* The queue, its couriers and the resolver as they are, against a name server and an SMTP server
 * that fall silent, under a clock that the test moves: nothing is lost, and nothing bounces before
 * its time. */
#include "base/log.h"
#include "delivery/remote.h"
#include "queue/manage.h"
#include "unit/delivery/sink.h"
#include "unit/dns/script.h"
#include "unit/queue/reports.h"
#include <time.h>

enum { RECIPIENTS = 3, MINUTE = 60, HOUR = 3600, DAY = 86400 };

/* ---- time ---- */

static _Atomic int64_t ahead; /* s, of both clocks */

static int64_t test_now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (t.tv_sec + atomic_load(&ahead)) * CLOCK_SEC + t.tv_nsec;
}

static int64_t test_wall(void)
{
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    return (t.tv_sec + atomic_load(&ahead)) * 1000000 + t.tv_nsec / 1000;
}

static const struct clock_source test_clock = {test_now, test_wall};

static int64_t real_s(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec;
}

static void breathe(void)
{
    task_sleep(deadline_in(3 * CLOCK_MS));
}

/* ---- a domain with one host ---- */

static atomic_bool names_well;

static enum script_way names(const struct script_question *q, struct script_reply *r)
{
    if (!atomic_load(&names_well))
        return SCRIPT_SILENT;
    if (!strcmp(q->name, "far.test") && q->type == DNS_MX)
        script_mx(r, NULL, 10, "mx.far.test");
    else if (!strcmp(q->name, "mx.far.test") && q->type == DNS_A)
        script_a(r, NULL, "127.0.0.1");
    else if (strcmp(q->name, "mx.far.test") != 0)
        r->rcode = 3;
    return SCRIPT_SAY;
}

/* ---- one message ---- */

static struct delivery_remote remote;
static struct delivery_rules rules;
static struct queue *q;

static void put(void)
{
    static const char *const to[RECIPIENTS] = {"a@far.test", "b@far.test", "c@far.test"};
    struct queue_recipient r[RECIPIENTS];
    for (size_t i = 0; i < RECIPIENTS; i++)
        r[i] = (struct queue_recipient){.address = slice_str(to[i]), .route = S("far.test")};
    struct queue_new new = {
        .message = {.account = 7, .created = test_wall() / 1000000, .sender = S("joe@near.test")},
        .recipients = r,
        .n = RECIPIENTS};
    CHECK(fixture_put(&new, S("Subject: x\r\n\r\nhello\r\n")) == OUTCOME_DONE);
    queue_wake(q, &new);
}

static uint64_t entries(void)
{
    struct queue_figures f;
    CHECK(queue_figures(q, &f, SOON));
    return f.entries;
}

struct heard {
    char reply[QUEUE_REPLY_MAX + 1];
    uint32_t attempts;
};

static bool hear(void *arg, const struct queue_listed *l)
{
    struct heard *h = arg;
    h->attempts = l->attempts;
    slice_to_cstr(l->reply, h->reply, sizeof h->reply);
    return false;
}

/* What the list says of the first entry. */
static struct heard heard(void)
{
    const struct queue_filter all = {0};
    struct heard h = {0};
    queue_list(fixture_store, &all, hear, &h, SOON);
    return h;
}

static bool says(const struct heard *h, const char *words)
{
    return strstr(h->reply, words) != NULL;
}

static void retry(void)
{
    const struct queue_filter all = {0};
    uint64_t n;
    CHECK(queue_change(fixture_store, q, &all, QUEUE_RETRY, &n, SOON) == OUTCOME_DONE);
}

static unsigned couriers; /* 0: as many as there are */

static void begin(uint64_t seed)
{
    char why[256];
    fixture_open(seed);
    remote.store = fixture_store;
    const struct queue_options options = {.store = fixture_store,
        .carry = delivery_remote_carry,
        .arg = &remote,
        .reporter = &reporter,
        .couriers = couriers};
    report_to = QUEUE_REPORT_LOCAL;
    CHECK(q = queue_open(&options, why, SOON));
    queue_start(q);
    put();
}

static void drained(void)
{
    for (int64_t patience = real_s() + 60; entries(); breathe())
        CHECK(real_s() < patience);
}

static void end(uint64_t reports)
{
    uint64_t blobs;
    CHECK(entries() == 0 && local_reports() == reports);
    queue_stop(q, SOON);
    queue_close(q);
    CHECK(fixture_verify(&blobs) == 0 && fixture_refs() == reports);
    fixture_close();
}

/* Until so many tries have ended; less than so much time goes by. */
static void tried(uint32_t attempts, int64_t seconds)
{
    for (int64_t until = ahead + seconds; heard().attempts < attempts; breathe()) {
        CHECK(ahead + MINUTE < until);
        atomic_fetch_add(&ahead, MINUTE);
    }
}

/* So much time goes by, in steps. */
static void pass(int64_t seconds, int64_t step)
{
    for (; seconds > 0; seconds -= step) {
        atomic_fetch_add(&ahead, step);
        queue_tend(q);
        breathe();
    }
}

/* ---- the resolver ---- */

static void resolver_down(void *arg)
{
    CHECK(dns_start(remote.dns));
    names_well = false;
    sink_turn(SINK_WELL);
    begin(21);
    pass(HOUR, MINUTE);
    tried(2, HOUR / 2);
    struct heard h = heard();
    CHECK(entries() == RECIPIENTS && local_reports() == 0 && sink_mails == 0);
    CHECK(h.attempts >= 2 && says(&h, "resolver"));
    names_well = true;
    for (int tries = 0; entries(); tries++) { /* until its next turn has come */
        CHECK(tries < 8);
        pass(20 * MINUTE, 20 * MINUTE);
        for (int64_t patience = real_s() + 5; entries() && real_s() < patience;)
            breathe();
    }
    CHECK(sink_mails == 1 && sink_recipients == RECIPIENTS);
    end(0);
    dns_stop(remote.dns);
}

static void five_days(void *arg)
{
    CHECK(dns_start(remote.dns));
    names_well = false;
    begin(22);
    int64_t began = ahead;
    tried(1, 3 * HOUR);
    pass(4 * HOUR - 10 * MINUTE - (ahead - began), 10 * MINUTE);
    CHECK(local_reports() == 0 && entries() == RECIPIENTS);
    pass(20 * MINUTE, 10 * MINUTE);
    for (int64_t patience = real_s() + 60; !local_reports(); breathe())
        CHECK(real_s() < patience);
    CHECK(report_says(S("Action: delayed\r\nStatus: 4.4.7")) && report_says(S("c@far.test")));
    CHECK(report_says(S("resolver")) && report_says(S("Will-Retry-Until: ")));
    pass(5 * DAY - 5 * HOUR, HOUR);
    CHECK(local_reports() == 1 && entries() == RECIPIENTS); /* told once */
    pass(2 * HOUR, HOUR);
    drained();
    CHECK(local_reports() == 2 && report_says(S("Action: failed\r\nStatus: 5.4.7")));
    CHECK(report_says(S("The time in which it could be delivered is over")));
    CHECK(report_says(S("resolver")) && sink_mails == 0);
    end(2);
    dns_stop(remote.dns);
}

/* ---- the server ---- */

static void stages(void *arg)
{
    static const struct {
        enum smtp_stage stage;
        const char *words;
    } cases[] = {{SMTP_AT_GREETING, "greeting"}, {SMTP_AT_HELLO, "EHLO"}, {SMTP_AT_MAIL, "MAIL"},
        {SMTP_AT_RCPT, "RCPT"}, {SMTP_AT_DATA, "DATA"}, {SMTP_AT_END, "end"}};
    CHECK(dns_start(remote.dns));
    names_well = true;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        sink_turn((int)cases[i].stage);
        sink_silences = sink_bodies = sink_mails = sink_recipients = 0;
        begin(30 + i);
        while (!sink_silences)
            breathe();
        for (int turn = 0; turn < 3; turn++)
            breathe(); /* the client knows too that it is connected, and waits */
        struct heard h = heard();
        CHECK(h.attempts == 0);
        atomic_fetch_add(&ahead, 11 * MINUTE);
        for (int64_t patience = real_s() + 60; !h.attempts; h = heard()) {
            CHECK(real_s() < patience);
            breathe();
        }
        if (!says(&h, "no reply in time") || !says(&h, cases[i].words))
            fprintf(stderr, "%zu: %s\n", i, h.reply);
        CHECK(h.attempts == 1 && says(&h, "no reply in time") && says(&h, cases[i].words));
        CHECK(entries() == RECIPIENTS && local_reports() == 0 && sink_mails == 0);
        sink_turn(SINK_WELL);
        retry();
        drained();
        CHECK(sink_mails == 1 && sink_recipients == RECIPIENTS);
        CHECK(sink_bodies == (cases[i].stage == SMTP_AT_END ? 2 : 1));
        end(0);
    }
    dns_stop(remote.dns);
}

/* A byte a minute, for ever: the wait for a reply has an end. */
static void drips(void *arg)
{
    unsigned minutes = 0;
    struct heard h = {0};
    CHECK(dns_start(remote.dns));
    names_well = true;
    sink_silences = sink_mails = 0;
    sink_turn(SINK_DRIPS);
    begin(40);
    while (!sink_silences)
        breathe();
    for (int64_t began = real_s(); !h.attempts; h = heard()) {
        CHECK(real_s() < began + 60);
        if (++minutes < 70) {
            atomic_fetch_add(&ahead, MINUTE);
            sink_drip();
        }
        breathe();
    }
    CHECK(says(&h, "greeting") && local_reports() == 0);
    sink_turn(SINK_WELL);
    retry();
    drained();
    CHECK(sink_mails == 1);
    end(0);
    dns_stop(remote.dns);
}

static void unreachable(void *arg)
{
    struct heard h = {0};
    CHECK(dns_start(remote.dns));
    names_well = true;
    sink_mails = 0;
    sink_turn(SINK_ABSENT);
    sink_fill();
    begin(41);
    for (int64_t began = real_s(), next = began + 1; !says(&h, "no answer in time"); h = heard()) {
        CHECK(real_s() < began + 60 && local_reports() == 0);
        if (says(&h, "resolver")) /* this machine was too slow for the leap */
            retry();
        if (real_s() >= next) {
            atomic_fetch_add(&ahead, 31);
            next = real_s() + 1;
        }
        breathe();
    }
    CHECK(local_reports() == 0 && entries() == RECIPIENTS);
    sink_turn(SINK_WELL);
    retry();
    drained();
    CHECK(sink_mails == 1);
    end(0);
    dns_stop(remote.dns);
}

/* One courier has to connect for each of them. */
static void one_by_one(void *arg)
{
    enum { MANY = 50 };
    CHECK(dns_start(remote.dns));
    names_well = true;
    couriers = 1;
    sink_mails = 0;
    sink_turn(SINK_ONCE);
    begin(42);
    for (int i = 1; i < MANY; i++)
        put();
    drained();
    CHECK(sink_mails == MANY);
    couriers = 0;
    end(0);
    dns_stop(remote.dns);
}

/* ---- running ---- */

static void play(void (*test)(void *))
{
    char server[32], why[DIAL_WHY];
    const char *const servers[] = {server};
    script_start(names, server);
    const struct dns_options o = {.servers = servers, .server_n = 1};
    CHECK(remote.dns = dns_create(&o, why));
    rules = (struct delivery_rules){
        .hostname = "mx.near.test", .port = sink_start(), .allow_private = true};
    CHECK(rules.trust = dial_trust_create(S(""), why));
    atomic_store(&remote.rules, &rules);
    run_on(1, test, NULL);
    dns_destroy(remote.dns);
    dial_trust_release(rules.trust);
    sink_stop();
    script_stop();
}

static void a_resolver_that_is_down_for_an_hour_bounces_nothing(void **state)
{
    play(resolver_down);
}

static void after_five_days_the_sender_is_told_why(void **state)
{
    play(five_days);
}

static void silence_at_each_stage_puts_off(void **state)
{
    play(stages);
}

static void a_greeting_that_drips_for_ever_ends(void **state)
{
    play(drips);
}

static void a_host_that_does_not_answer_is_tried_again(void **state)
{
    play(unreachable);
}

static void a_host_that_takes_one_message_a_time_takes_all(void **state)
{
    play(one_by_one);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_resolver_that_is_down_for_an_hour_bounces_nothing),
        cmocka_unit_test(after_five_days_the_sender_is_told_why),
        cmocka_unit_test(silence_at_each_stage_puts_off),
        cmocka_unit_test(a_greeting_that_drips_for_ever_ends),
        cmocka_unit_test(a_host_that_does_not_answer_is_tried_again),
        cmocka_unit_test(a_host_that_takes_one_message_a_time_takes_all),
    };
    log_start(2, LOG_ERROR, LOG_LOGFMT);
    clock_set(&test_clock);
    int bad = cmocka_run_group_tests(tests, NULL, NULL);
    log_stop();
    return bad;
}
