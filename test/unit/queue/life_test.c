/* A queue over a harsh store with couriers that are played here, on two reactors, under a clock of
 * the test's own. */
#include "base/log.h"
#include "base/random.h"
#include "queue/manage.h"
#include "unit/queue/reports.h"
#include <time.h>

enum { MESSAGES = 120, EACH = 3, YEARS = 1000000000 };

static _Atomic int64_t ahead; /* s, of the wall clock */

static int64_t real_now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * CLOCK_SEC + t.tv_nsec;
}

static int64_t test_wall(void)
{
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    return (t.tv_sec + atomic_load(&ahead)) * 1000000 + t.tv_nsec / 1000;
}

static const struct clock_source test_clock = {real_now, test_wall};

static int64_t wall(void)
{
    return test_wall() / 1000000;
}

/* ---- what couriers do ---- */

static _Atomic int owned[MESSAGES][EACH], taken[MESSAGES][EACH], failed[MESSAGES][EACH];
static _Atomic int tries, reports_remote, downs, single_after; /* entries before message 1 */
static _Atomic int busy;                                       /* items at hand */
static enum { ALWAYS, BY_CHANCE, DEAD, REFUSE, NO_DSN, LATER } mood;
static bool at_end, expanded, tell; /* of what is delivered */
static bool silent;                 /* nothing was heard of the remote */
static uint32_t flags;              /* of what is put */
static bool lasting;                /* what is put does not expire, nor is its delay told */

static unsigned number_of(const struct queue_message *m)
{
    uint64_t n = 0;
    struct slice sender = m->sender;
    struct slice digits = slice_cut(&sender, '@');
    CHECK(slice_to_u64(slice_from(digits, 1), MESSAGES - 1, &n));
    return (unsigned)n;
}

static enum queue_verdict verdict_of(void)
{
    switch (mood) {
    case REFUSE:
        return QUEUE_FAILED;
    case NO_DSN:
        return QUEUE_RELAYED;
    case LATER:
        return QUEUE_DEFERRED;
    case BY_CHANCE:
        return random_below(4) == 0   ? QUEUE_DEFERRED
               : random_below(8) == 0 ? QUEUE_UNTRIED
               : random_below(8) == 0 ? QUEUE_FAILED
                                      : QUEUE_DELIVERED;
    default:
        return QUEUE_DELIVERED;
    }
}

static void try_item(struct queue_batch *b, struct queue_item *item)
{
    struct queue_settlement s[QUEUE_ITEM_MAX] = {0};
    CHECK(item->n && item->n <= QUEUE_ITEM_MAX);
    atomic_fetch_add(&busy, 1);
    bool is_report = item->message.flags & QUEUE_IS_REPORT;
    unsigned number = is_report ? 0 : number_of(&item->message);
    if (number == 1)
        single_after = tries;
    for (size_t i = 0; i < item->n; i++) {
        const struct queue_entry *e = &item->entries[i];
        CHECK(slice_eq(e->route, queue_batch_route(b)) && e->next <= wall());
        CHECK(is_report || atomic_fetch_add(&owned[number][e->index], 1) == 0);
        s[i] = (struct queue_settlement){.verdict = is_report ? QUEUE_DELIVERED : verdict_of(),
            .reply = silent ? S("no reply in time, at DATA") : S("550 5.1.1 no such user"),
            .remote_said = !silent,
            .at_end = at_end,
            .expanded = expanded,
            .tell = tell,
            .remote = S("mx.far.example [192.0.2.1]")};
        memcpy(s[i].status, s[i].verdict == QUEUE_DEFERRED ? "4.2.0" : "5.1.1", 6);
        atomic_fetch_add(&tries, 1);
    }
    if (random_below(2))
        task_sleep(deadline_in((int64_t)random_below(3) * CLOCK_MS));
    for (size_t i = 0; i < item->n && !is_report; i++)
        CHECK(atomic_fetch_add(&owned[number][item->entries[i].index], -1) == 1);
    CHECK(queue_settle(b, item, s, SOON));
    for (size_t i = 0; i < item->n && !is_report; i++) {
        bool gone = s[i].verdict == QUEUE_DELIVERED || s[i].verdict == QUEUE_RELAYED;
        atomic_fetch_add(&taken[number][item->entries[i].index], gone);
        atomic_fetch_add(&failed[number][item->entries[i].index], s[i].verdict == QUEUE_FAILED);
    }
    if (is_report)
        atomic_fetch_add(&reports_remote, 1);
    atomic_fetch_add(&busy, -1);
}

static _Atomic int64_t patience; /* ns, until a courier that found nothing ends */
static _Atomic int waiting, woken;

static bool next(struct queue_batch *b, struct arena *arena, struct queue_item *item)
{
    bool more = true;
    while (more && !queue_next(b, arena, item, SOON)) {
        atomic_fetch_add(&waiting, 1);
        more = patience && queue_await(b, deadline_in(patience));
        atomic_fetch_add(&waiting, -1);
        atomic_fetch_add(&woken, more);
    }
    return more;
}

static _Atomic int carrying; /* couriers */

static void carry(void *arg, struct queue_batch *b)
{
    struct arena arena;
    struct queue_item item;
    atomic_fetch_add(&carrying, 1);
    arena_init(&arena, (size_t)4 * 1024 * 1024);
    while (next(b, &arena, &item)) {
        if (mood == DEAD) {
            const struct queue_settlement why = {
                .verdict = QUEUE_DEFERRED, .status = "4.4.1", .reply = S("connection refused")};
            atomic_fetch_add(&downs, 1);
            queue_route_down(b, &why);
        } else {
            try_item(b, &item);
        }
        arena_reset(&arena);
    }
    arena_reset(&arena);
    atomic_fetch_add(&carrying, -1);
}

/* ---- running ---- */

static struct queue *q;

static int64_t calm; /* ns */

static void open_queue(void)
{
    char why[256];
    const struct queue_options options = {.store = fixture_store,
        .carry = carry,
        .reporter = &reporter,
        .couriers = 16,
        .calm = calm};
    CHECK(q = queue_open(&options, why, SOON));
}

static void begin(uint64_t seed, unsigned unknown)
{
    char why[512];
    enum store_open_error error;
    const struct store_options options = {
        .engine = "memory", .dir = -1, .harsh = true, .seed = seed, .unknown_one_in = unknown};
    memset(owned, 0, sizeof owned);
    memset(taken, 0, sizeof taken);
    memset(failed, 0, sizeof failed);
    tries = reports_remote = downs = 0;
    lasting = false;
    CHECK(fixture_store = store_open(&options, &error, why));
    open_queue();
}

static void end(void)
{
    uint64_t blobs;
    queue_stop(q, SOON);
    queue_close(q);
    CHECK(fixture_verify(&blobs) == 0);
    fixture_close();
}

static void put_one(unsigned number, uint8_t notify, const char *route)
{
    char sender[32];
    struct queue_recipient r[EACH];
    snprintf(sender, sizeof sender, "s%u@b.example", number);
    for (unsigned i = 0; i < EACH; i++)
        r[i] = (struct queue_recipient){
            .address = S("x@far.example"), .route = slice_str(route), .notify = notify};
    struct queue_new new = {.message = {.account = 1 + number % 3,
                                .created = wall(),
                                .expires = lasting ? wall() + YEARS : 0,
                                .flags = flags,
                                .sender = slice_str(sender)},
        .recipients = r,
        .n = EACH,
        .notice_after = lasting ? YEARS : 0};
    enum outcome o = fixture_put(&new, S("Subject: x\r\nX-Mark: yes\r\n\r\nhello\r\n"));
    while (o == OUTCOME_UNKNOWN) { /* as a restart would show it */
        struct queue_figures f;
        CHECK(queue_figures(q, &f, SOON));
        o = f.messages ? OUTCOME_DONE : fixture_put(&new, S("Subject: x\r\n\r\nhello\r\n"));
    }
    CHECK(o == OUTCOME_DONE);
    queue_wake(q, &new);
}

static uint64_t entries(void)
{
    struct queue_figures f;
    CHECK(queue_figures(q, &f, SOON));
    return f.entries;
}

/* Until the queue is empty, and those who emptied it know that; time flies meanwhile. */
static void drain(int64_t step)
{
    while (entries() || busy) {
        atomic_fetch_add(&ahead, step);
        queue_tend(q);
        task_sleep(deadline_in(20 * CLOCK_MS));
    }
}

static void everything(void *arg)
{
    static const char *const routes[] = {"a.example", "b.example", "c.example", "d.example"};
    begin(11, 0);
    mood = BY_CHANCE;
    lasting = true; /* time flies, on a slow machine for years */
    patience = 2 * CLOCK_MS;
    report_to = QUEUE_REPORT_LOCAL;
    for (unsigned i = 0; i < MESSAGES; i++)
        put_one(i, QUEUE_NOTIFY_FAILURE, routes[i % 4]);
    queue_start(q);
    drain(600);
    queue_stop(q, SOON);
    patience = 0;
    int lost = 0, bounced = 0;
    for (unsigned i = 0; i < MESSAGES * EACH; i++) {
        int t = taken[i / EACH][i % EACH], f = failed[i / EACH][i % EACH];
        CHECK(t + f == 1);
        lost += f;
    }
    for (unsigned i = 0; i < MESSAGES; i++)
        bounced += failed[i][0] || failed[i][1] || failed[i][2];
    CHECK(lost > 0 && local_reports() >= (uint64_t)bounced && local_reports() <= (uint64_t)lost);
    CHECK(fixture_count(KEY_QUEUE_MESSAGE) == 0 && fixture_count(KEY_QUEUE_DUE) == 0);
    CHECK(fixture_count(KEY_QUEUE_DEADLINE) == 0);
    CHECK(fixture_refs() == local_reports());
    end();
}

static void each_entry_ends_once(void **state)
{
    run_on(2, everything, NULL);
}

static _Atomic size_t items, largest;

static void carry_many(void *arg, struct queue_batch *b)
{
    struct arena arena;
    struct queue_item item;
    arena_init(&arena, (size_t)4 * 1024 * 1024);
    while (queue_next(b, &arena, &item, SOON)) {
        struct queue_settlement s[QUEUE_ITEM_MAX] = {0};
        atomic_fetch_add(&items, 1);
        if (item.n > atomic_load(&largest))
            atomic_store(&largest, item.n);
        CHECK(queue_settle(b, &item, s, SOON));
        arena_reset(&arena);
    }
    arena_reset(&arena);
}

static void many(void *arg)
{
    enum { MANY = 2 * QUEUE_ITEM_MAX + 50 };
    static struct queue_recipient r[MANY];
    char why[256];
    struct queue_options o = {.carry = carry_many, .reporter = &reporter, .couriers = 1};
    begin(22, 0);
    queue_close(q);
    o.store = fixture_store;
    CHECK(q = queue_open(&o, why, SOON));
    for (size_t i = 0; i < MANY; i++)
        r[i] = (struct queue_recipient){.address = S("x@a.example"), .route = S("a.example")};
    struct queue_new new = {
        .message = {.account = 1, .created = wall()}, .recipients = r, .n = MANY};
    CHECK(fixture_put(&new, S("Subject: x\r\n\r\nhello\r\n")) == OUTCOME_DONE);
    queue_start(q);
    queue_wake(q, &new);
    drain(0);
    CHECK(items == 3 && largest == QUEUE_ITEM_MAX);
    end();
}

static void recipients_of_a_message_go_together(void **state)
{
    run_on(1, many, NULL);
}

static void waits(void *arg)
{
    static char names[40][16];
    begin(21, 0);
    mood = ALWAYS;
    patience = 3600 * CLOCK_SEC;
    queue_start(q);
    for (unsigned i = 0; i < MESSAGES; i++) {
        put_one(i, QUEUE_NOTIFY_NEVER, i % 2 ? "a.example" : "b.example");
        while (i % 10 == 9 && entries())
            task_sleep(deadline_in(CLOCK_MS));
    }
    for (unsigned i = 0; !woken; i++) { /* until one waits when the next comes */
        CHECK(i < 1000);
        put_one(0, QUEUE_NOTIFY_NEVER, "a.example");
        while (entries())
            task_sleep(deadline_in(CLOCK_MS));
    }
    for (unsigned i = 0; i < 40; i++) { /* more routes than couriers: those that wait leave */
        snprintf(names[i], sizeof names[i], "r%u.example", i);
        put_one(i, QUEUE_NOTIFY_NEVER, names[i]);
    }
    drain(0);
    while (!waiting)
        task_sleep(deadline_in(CLOCK_MS));
    queue_stop(q, SOON);
    CHECK(waiting == 0);
    patience = 0;
    end();
}

static void couriers_wait_for_more(void **state)
{
    run_on(2, waits, NULL);
}

static void unknown(void *arg)
{
    for (uint64_t seed = 1; seed <= 4; seed++) {
        begin(seed, 5);
        lasting = true;
        mood = seed % 2 ? REFUSE : ALWAYS;
        report_to = seed == 3 ? QUEUE_REPORT_REMOTE : QUEUE_REPORT_LOCAL;
        queue_start(q);
        put_one(0, 0, "a.example");
        drain(60);
        queue_stop(q, SOON);
        for (int i = 0; i < EACH; i++)
            CHECK(taken[0][i] + failed[0][i] == 1);
        if (seed == 1)
            CHECK(local_reports() == 1);
        if (seed == 3)
            CHECK(reports_remote == 1);
        end();
    }
}

static void an_unknown_outcome_neither_loses_nor_repeats(void **state)
{
    run_on(2, unknown, NULL);
}

static void down(void *arg)
{
    begin(12, 0);
    mood = DEAD;
    report_to = QUEUE_REPORT_LOCAL;
    queue_start(q);
    for (unsigned i = 0; i < MESSAGES; i++)
        put_one(i, i ? QUEUE_NOTIFY_NEVER : 0, "dead.example");
    while (!downs || carrying)
        task_sleep(deadline_in(CLOCK_MS));
    CHECK(downs <= 2 && tries == 0 && fixture_count(KEY_QUEUE_ROUTE) == 1);
    int before = downs;
    put_one(1, QUEUE_NOTIFY_NEVER, "dead.example"); /* waits with the others */
    task_sleep(deadline_in(50 * CLOCK_MS));
    CHECK(downs == before);
    atomic_fetch_add(&ahead, 4 * 3600 + 60);
    for (queue_tend(q); !local_reports(); queue_tend(q))
        task_sleep(deadline_in(CLOCK_MS)); /* the queue itself may be at it */
    CHECK(local_reports() == 1);           /* the delay notice of the one that wants it */
    CHECK(report_says(S("Action: delayed")) && report_says(S("connection refused")));
    CHECK(report_says(S("Will-Retry-Until: ")) && report_says(S("X-Mark: yes")));
    CHECK(!report_says(S("hello")));
    queue_tend(q);
    CHECK(local_reports() == 1);
    atomic_fetch_add(&ahead, 5 * 86400);
    while (entries()) {
        queue_tend(q);
        task_sleep(deadline_in(10 * CLOCK_MS));
    }
    CHECK(local_reports() == 2 && report_says(S("Action: failed\r\nStatus: 5.4.7")));
    CHECK(!report_says(S("Last-Attempt-Date"))); /* nobody was asked */
    CHECK(fixture_count(KEY_QUEUE_DUE) == 0 && fixture_count(KEY_QUEUE_DEADLINE) == 0);
    end();
}

static void a_dead_route_waits_and_expires(void **state)
{
    run_on(1, down, NULL); /* no courier takes half of what a report is made of */
}

/* What expires says who said what, and does not take our own words for the remote's. */
static void last_words(void *arg)
{
    for (silent = false;; silent = true) {
        begin(21, 0);
        mood = LATER;
        report_to = QUEUE_REPORT_LOCAL;
        put_one(0, QUEUE_NOTIFY_FAILURE, "a.example");
        queue_start(q);
        while (tries < EACH || busy)
            task_sleep(deadline_in(CLOCK_MS));
        atomic_fetch_add(&ahead, 5 * 86400);
        while (entries())
            queue_tend(q);
        CHECK(local_reports() >= 1 && !report_says(S("Last-Attempt-Date")));
        CHECK(report_says(S("Diagnostic-Code: smtp; 550 5.1.1 no such")) == !silent);
        CHECK(report_says(S("Diagnostic-Code")) == !silent);
        CHECK(report_says(S("Remote-MTA: dns; mx.far.example")) == !silent);
        CHECK(report_says(S("In detail: no reply in time")) == silent);
        end();
        if (silent)
            break;
    }
    silent = false;
}

static void what_expires_names_who_spoke(void **state)
{
    run_on(2, last_words, NULL);
}

static void await_taken(unsigned message)
{
    deadline until = SOON;
    while (taken[message][0] + taken[message][1] + taken[message][2] < EACH) {
        CHECK(clock_now() < until);
        task_sleep(deadline_in(CLOCK_MS));
    }
}

/* Two hours: routes and accounts that were served in what is the future now. */
static void back(void *arg)
{
    begin(22, 0);
    mood = ALWAYS;
    queue_start(q);
    atomic_fetch_add(&ahead, 7200);
    put_one(0, 0, "a.example");
    await_taken(0);
    atomic_fetch_add(&ahead, -7200);
    put_one(3, 0, "a.example");
    await_taken(3);
    end();
}

static void the_clock_goes_back(void **state)
{
    run_on(2, back, NULL);
}

/* Held for longer than it may take: released, it is tried before it fails. */
static void late(void *arg)
{
    const struct queue_filter all = {0};
    uint64_t n;
    begin(23, 0);
    mood = LATER;
    report_to = QUEUE_REPORT_LOCAL;
    put_one(0, 0, "a.example");
    CHECK(queue_change(fixture_store, q, &all, QUEUE_HOLD, &n, SOON) == OUTCOME_DONE && n == EACH);
    atomic_fetch_add(&ahead, 6 * 86400);
    CHECK(
        queue_change(fixture_store, q, &all, QUEUE_RELEASE, &n, SOON) == OUTCOME_DONE && n == EACH);
    queue_tend(q);
    CHECK(entries() == EACH && local_reports() == 0);
    queue_start(q);
    while (tries < EACH || busy)
        task_sleep(deadline_in(CLOCK_MS));
    while (entries())
        queue_tend(q);
    CHECK(tries == EACH && local_reports() >= 1 && report_says(S("Status: 5.4.7")));
    end();
}

static void what_was_held_for_long_is_tried(void **state)
{
    run_on(2, late, NULL);
}

static bool see_next(void *arg, const struct queue_listed *l)
{
    *(int64_t *)arg = l->next;
    return true;
}

static int64_t next_try(void)
{
    const struct queue_filter all = {0};
    int64_t at = 0;
    CHECK(queue_list(fixture_store, &all, see_next, &at, SOON) == OUTCOME_DONE);
    return at;
}

/* The sender's time holds whatever an administrator wants to have done at once. */
static void future(void *arg)
{
    static const enum queue_change changes[] = {QUEUE_RETRY, QUEUE_HOLD, QUEUE_RELEASE};
    const struct queue_filter all = {0};
    const struct queue_recipient r = {.address = S("x@far.example"), .route = S("a.example")};
    struct queue_new new = {
        .message = {.created = wall(), .hold_until = wall() + 3600}, .recipients = &r, .n = 1};
    uint64_t n;
    begin(24, 0);
    mood = ALWAYS;
    CHECK(fixture_put(&new, S("Subject: x\r\n\r\nhello\r\n")) == OUTCOME_DONE);
    for (size_t i = 0; i < sizeof changes / sizeof *changes; i++) {
        CHECK(queue_change(fixture_store, q, &all, changes[i], &n, SOON) == OUTCOME_DONE && n == 1);
        CHECK(next_try() == new.message.hold_until);
    }
    CHECK(queue_change(fixture_store, q, &all, QUEUE_REMOVE, &n, SOON) == OUTCOME_DONE && n == 1);
    end();
}

static void a_time_to_come_is_waited_for(void **state)
{
    run_on(2, future, NULL);
}

static void restarts(void *arg)
{
    begin(13, 0);
    mood = DEAD;
    queue_start(q);
    put_one(0, QUEUE_NOTIFY_NEVER, "dead.example");
    while (!downs)
        task_sleep(deadline_in(CLOCK_MS));
    queue_stop(q, SOON);
    queue_close(q);
    int before = downs;
    mood = ALWAYS;
    open_queue();
    queue_start(q);
    put_one(1, QUEUE_NOTIFY_NEVER, "live.example");
    while (taken[1][0] + taken[1][1] + taken[1][2] < 3)
        task_sleep(deadline_in(CLOCK_MS));
    CHECK(downs == before && taken[0][0] == 0); /* the back-off lasts */
    drain(60);
    CHECK(fixture_count(KEY_QUEUE_ROUTE) == 0);
    end();
}

static void a_restart_knows_what_waits(void **state)
{
    run_on(2, restarts, NULL);
}

/* While nobody was here, or all at once since the clock leapt. */
static void absent(void *arg)
{
    calm = 3600 * CLOCK_SEC;
    begin(18, 0);
    mood = DEAD;
    report_to = QUEUE_REPORT_LOCAL;
    queue_start(q);
    put_one(0, 0, "dead.example");
    while (!downs)
        task_sleep(deadline_in(CLOCK_MS));
    queue_stop(q, SOON);
    queue_close(q);
    atomic_fetch_add(&ahead, 6 * 86400);
    open_queue();
    queue_tend(q);
    CHECK(entries() == 3 && local_reports() == 0);
    mood = ALWAYS;
    queue_start(q);
    drain(0);
    CHECK(local_reports() == 0 && taken[0][0] + taken[0][1] + taken[0][2] == 3);
    mood = DEAD;
    downs = 0;
    put_one(1, 0, "b.example");
    while (!downs)
        task_sleep(deadline_in(CLOCK_MS));
    atomic_fetch_add(&ahead, 366 * 86400);
    queue_tend(q);
    CHECK(entries() == 3 && local_reports() == 0);
    const struct queue_filter all = {0}; /* what an administrator wants is done at once */
    uint64_t n;
    CHECK(queue_change(fixture_store, q, &all, QUEUE_BOUNCE, &n, SOON) == OUTCOME_DONE && n == 3);
    for (; entries(); queue_tend(q)) /* a courier may have it at the moment */
        task_sleep(deadline_in(CLOCK_MS));
    CHECK(local_reports() == 1 && report_says(S("administrator of this mail")));
    end();
}

static void soon(void *arg)
{
    calm = CLOCK_MS;
    begin(19, 0);
    mood = DEAD;
    report_to = QUEUE_REPORT_LOCAL;
    queue_start(q);
    put_one(0, 0, "dead.example");
    while (!downs)
        task_sleep(deadline_in(CLOCK_MS));
    atomic_fetch_add(&ahead, 6 * 86400);
    for (; entries(); queue_tend(q))
        task_sleep(deadline_in(CLOCK_MS));
    CHECK(local_reports() == 1 && report_says(S("Action: failed\r\nStatus: 5.4.7")));
    end();
    calm = 0;
}

static void what_ended_meanwhile_is_tried_first(void **state)
{
    run_on(2, absent, NULL);
    run_on(2, soon, NULL);
}

/* An administrator's changes under a running queue. */
static void changes(void *arg)
{
    const struct queue_filter all = {0};
    uint64_t n;
    begin(16, 0);
    mood = DEAD;
    report_to = QUEUE_REPORT_LOCAL;
    queue_start(q);
    put_one(0, 0, "dead.example");
    put_one(1, QUEUE_NOTIFY_NEVER, "dead.example");
    while (!downs || carrying)
        task_sleep(deadline_in(CLOCK_MS));
    CHECK(fixture_count(KEY_QUEUE_ROUTE) == 1);
    int before = downs;
    CHECK(queue_change(fixture_store, q, &all, QUEUE_RETRY, &n, SOON) == OUTCOME_DONE && n == 6);
    while (downs == before) /* at once, not in five minutes */
        task_sleep(deadline_in(CLOCK_MS));
    CHECK(queue_change(fixture_store, q, &all, QUEUE_HOLD, &n, SOON) == OUTCOME_DONE && n == 6);
    atomic_fetch_add(&ahead, 6 * 86400);
    queue_tend(q);
    CHECK(entries() == 6 && local_reports() == 0); /* what is held does not expire */
    CHECK(queue_change(fixture_store, q, &all, QUEUE_BOUNCE, &n, SOON) == OUTCOME_DONE && n == 6);
    while (entries())
        task_sleep(deadline_in(CLOCK_MS));
    CHECK(local_reports() == 1 && report_says(S("administrator of this mail")));
    CHECK(report_says(S("Status: 5.7.0")));
    for (int i = 0; fixture_count(KEY_QUEUE_ROUTE); i++) {
        CHECK(i < 10);
        atomic_fetch_add(&ahead, 2 * 86400);
        queue_tend(q);
    }
    end();
}

static void an_administrator_changes_it(void **state)
{
    run_on(2, changes, NULL);
}

/* One courier; one account has sent 40 messages, then another one. */
static void fair(void *arg)
{
    char why[256];
    begin(17, 0);
    queue_close(q);
    const struct queue_options options = {.store = fixture_store, .carry = carry, .couriers = 1};
    mood = ALWAYS;
    CHECK(q = queue_open(&options, why, SOON));
    for (unsigned i = 0; i < 40; i++)
        put_one(3 * i, 0, "a.example");
    put_one(1, 0, "a.example");
    queue_start(q);
    drain(0);
    CHECK(single_after <= 2 * EACH);
    end();
}

static void one_sender_does_not_wait_for_all_of_another(void **state)
{
    run_on(1, fair, NULL);
}

/* More routes than memory has room for. */
static void spills(void *arg)
{
    char why[256], route[32];
    begin(15, 0);
    queue_close(q);
    const struct queue_options options = {.store = fixture_store,
        .carry = carry,
        .reporter = &reporter,
        .couriers = 4,
        .routes_max = 6};
    mood = ALWAYS;
    lasting = true;
    CHECK(q = queue_open(&options, why, SOON));
    for (unsigned i = 0; i < 60; i++) {
        snprintf(route, sizeof route, "r%u.example", i);
        put_one(i, 0, route);
    }
    queue_start(q);
    drain(200);
    queue_stop(q, SOON);
    for (unsigned i = 0; i < 60 * EACH; i++)
        CHECK(taken[i / EACH][i % EACH] == 1);
    end();
}

static void routes_that_do_not_fit_are_found_again(void **state)
{
    run_on(2, spills, NULL);
}

static void tells(void *arg)
{
    begin(14, 0);
    mood = NO_DSN;
    report_to = QUEUE_REPORT_LOCAL;
    queue_start(q);
    put_one(0, QUEUE_NOTIFY_FAILURE, "a.example");
    drain(0);
    CHECK(local_reports() == 0);
    put_one(1, QUEUE_NOTIFY_SUCCESS, "a.example");
    drain(0);
    CHECK(local_reports() == 1 && report_says(S("Action: relayed")));
    mood = REFUSE;
    put_one(2, QUEUE_NOTIFY_SUCCESS, "a.example");
    put_one(3, QUEUE_NOTIFY_NEVER, "a.example");
    drain(0);
    CHECK(local_reports() == 1);
    report_to = QUEUE_REPORT_REMOTE;
    put_one(4, 0, "a.example");
    drain(0);
    queue_stop(q, SOON);
    CHECK(local_reports() == 1 && reports_remote == 1);
    end();
}

static void reports_follow_notify(void **state)
{
    run_on(1, tells, NULL);
}

/* What ends here, what goes to several, what is told of on the way. */
static void tells_more(void *arg)
{
    begin(15, 0);
    mood = ALWAYS;
    report_to = QUEUE_REPORT_LOCAL;
    flags = QUEUE_RET_FULL;
    at_end = true;
    queue_start(q);
    put_one(0, QUEUE_NOTIFY_FAILURE | QUEUE_NOTIFY_DELAY, "a.example");
    put_one(1, 0, "a.example");
    drain(0);
    CHECK(local_reports() == 0);
    put_one(2, QUEUE_NOTIFY_SUCCESS, "a.example");
    drain(0);
    CHECK(local_reports() == 1 && report_says(S("Action: delivered")));
    CHECK(!report_says(S("hello\r\n")) && report_says(S("X-Mark: yes"))); /* RFC 3461 §6.2 */
    expanded = true;
    put_one(3, QUEUE_NOTIFY_SUCCESS, "a.example");
    drain(0);
    CHECK(local_reports() == 2 && report_says(S("Action: expanded")));
    at_end = expanded = false;
    tell = true;
    put_one(4, QUEUE_NOTIFY_NEVER, "a.example");
    drain(0);
    CHECK(local_reports() == 2);
    put_one(5, 0, "a.example");
    drain(0);
    CHECK(local_reports() == 3 && report_says(S("Action: relayed")));
    tell = false;
    mood = REFUSE;
    put_one(6, 0, "a.example");
    drain(0);
    CHECK(local_reports() == 4 && report_says(S("hello\r\n")));
    flags |= QUEUE_REQUIRETLS; /* RFC 8689 §5 */
    put_one(7, 0, "a.example");
    drain(0);
    CHECK(local_reports() == 5 && !report_says(S("hello\r\n")));
    flags = 0;
    end();
}

static void reports_follow_what_came_of_it(void **state)
{
    run_on(1, tells_more, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_entry_ends_once),
        cmocka_unit_test(recipients_of_a_message_go_together),
        cmocka_unit_test(couriers_wait_for_more),
        cmocka_unit_test(an_unknown_outcome_neither_loses_nor_repeats),
        cmocka_unit_test(a_dead_route_waits_and_expires),
        cmocka_unit_test(what_expires_names_who_spoke),
        cmocka_unit_test(the_clock_goes_back),
        cmocka_unit_test(what_was_held_for_long_is_tried),
        cmocka_unit_test(a_time_to_come_is_waited_for),
        cmocka_unit_test(a_restart_knows_what_waits),
        cmocka_unit_test(what_ended_meanwhile_is_tried_first),
        cmocka_unit_test(an_administrator_changes_it),
        cmocka_unit_test(one_sender_does_not_wait_for_all_of_another),
        cmocka_unit_test(routes_that_do_not_fit_are_found_again),
        cmocka_unit_test(reports_follow_notify),
        cmocka_unit_test(reports_follow_what_came_of_it),
    };
    log_start(2, LOG_ERROR, LOG_LOGFMT);
    clock_set(&test_clock);
    int bad = cmocka_run_group_tests(tests, NULL, NULL);
    log_stop();
    return bad;
}
