/* What is filed under another route: by a courier that meets it, and all at once, under a running
 * queue over a harsh store. */
#include "queue/manage.h"
#include "queue/move.h"
#include "unit/queue/fixture.h"
#include <time.h>

enum { MESSAGES = 60, EACH = 4 };

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
static struct queue *q;
static atomic_bool sorting; /* couriers look whether their mail still takes its route */
static bool doubtful;       /* the store may end unknown: at least once */
static atomic_bool waiting; /* couriers wait with what they have */
static _Atomic int taken[MESSAGES][EACH], elsewhere, owners, asked;
static _Atomic int settling;       /* items at hand */
static const char *_Atomic target; /* of odd recipients; NULL: their own route */

/* Odd recipients take the way that was chosen, the others the route of their domain. */
static struct slice route_of(
    void *arg, const struct queue_message *m, const struct queue_entry *e, char room[])
{
    const char *to = atomic_load(&target);
    atomic_fetch_add(&asked, 1);
    if (!to || e->index % 2 == 0)
        return S("");
    memcpy(room, to, strlen(to));
    return slice(room, strlen(to));
}

static unsigned number_of(const struct queue_message *m)
{
    uint64_t n = 0;
    struct slice sender = m->sender;
    CHECK(slice_to_u64(slice_from(slice_cut(&sender, '@'), 1), MESSAGES - 1, &n));
    return (unsigned)n;
}

static void settle(struct queue_batch *b, struct queue_item *item)
{
    struct queue_settlement s[QUEUE_ITEM_MAX] = {0};
    const char *to = atomic_load(&target);
    atomic_fetch_add(&owners, 1);
    atomic_fetch_add(&settling, 1);
    while (atomic_load(&waiting))
        task_sleep(deadline_in(CLOCK_MS));
    for (size_t i = 0; i < item->n; i++) {
        s[i] = (struct queue_settlement){.verdict = QUEUE_DELIVERED, .status = "2.0.0"};
        bool odd = item->entries[i].index % 2;
        CHECK(slice_eq(item->entries[i].route, queue_batch_route(b)));
        if (odd && to && !slice_eq(queue_batch_route(b), slice_str(to)))
            atomic_fetch_add(&elsewhere, 1);
        atomic_fetch_add(&taken[number_of(&item->message)][item->entries[i].index], 1);
    }
    CHECK(queue_settle(b, item, s, SOON));
    atomic_fetch_add(&settling, -1);
}

static void carry(void *arg, struct queue_batch *b)
{
    struct arena arena;
    struct queue_item item;
    arena_init(&arena, (size_t)4 * 1024 * 1024);
    while (queue_next(b, &arena, &item, SOON)) {
        if (atomic_load(&sorting) && !queue_move_item(b, &item, route_of, NULL, SOON))
            break;
        if (item.n)
            settle(b, &item);
        arena_reset(&arena);
    }
    arena_reset(&arena);
}

static void begin(uint64_t seed, unsigned unknown)
{
    char why[512];
    enum store_open_error error;
    const struct store_options options = {
        .engine = "memory", .dir = -1, .harsh = true, .seed = seed, .unknown_one_in = unknown};
    memset(taken, 0, sizeof taken);
    elsewhere = owners = asked = 0;
    sorting = waiting = false;
    doubtful = unknown;
    target = NULL;
    CHECK(fixture_store = store_open(&options, &error, why));
    const struct queue_options o = {.store = fixture_store, .carry = carry, .couriers = 16};
    CHECK(q = queue_open(&o, why, SOON));
}

static void end(void)
{
    uint64_t blobs;
    queue_stop(q, SOON);
    queue_close(q);
    CHECK(fixture_verify(&blobs) == 0);
    fixture_close();
}

static void put(unsigned number, const char *route, bool held)
{
    char sender[32];
    struct queue_recipient r[EACH];
    snprintf(sender, sizeof sender, "s%u@b.example", number);
    for (unsigned i = 0; i < EACH; i++)
        r[i] = (struct queue_recipient){
            .address = S("x@far.example"), .route = slice_str(route), .held = held};
    struct queue_new new = {.message = {.account = 1 + number % 3,
                                .created = clock_wall() / 1000000,
                                .sender = slice_str(sender)},
        .recipients = r,
        .n = EACH};
    while (fixture_put(&new, S("Subject: x\r\n\r\nhello\r\n")) == OUTCOME_UNKNOWN)
        continue; /* twice is better than never */
    queue_wake(q, &new);
}

static uint64_t count(const char *route)
{
    struct fixture_count c;
    struct queue_row_key k = queue_row_key_due_route(slice_str(route));
    c.prefix = queue_row_key_slice(&k);
    CHECK(store_read(fixture_store, queue_partition(NULL), fixture_count_fn, &c, NULL, SOON) ==
          OUTCOME_DONE);
    return c.rows;
}

/* Until the queue is empty, and those who emptied it know that. */
static void drain(void)
{
    struct queue_figures f;
    do {
        atomic_fetch_add(&ahead, 10); /* a queue whose store failed waits for a while */
        task_sleep(deadline_in(5 * CLOCK_MS));
        CHECK(queue_figures(q, &f, SOON));
    } while (f.entries || settling);
    for (unsigned i = 0; i < MESSAGES * EACH; i++)
        CHECK(doubtful ? taken[i / EACH][i % EACH] >= 1 : taken[i / EACH][i % EACH] == 1);
}

static void move_all(uint32_t mark, uint64_t moved)
{
    uint64_t n;
    CHECK(queue_move_all(q, mark, route_of, NULL, &n, SOON) == OUTCOME_DONE);
    if (n != moved)
        printf("moved %llu, not %llu\n", (unsigned long long)n, (unsigned long long)moved);
    CHECK(n == moved);
}

static void all(void *arg)
{
    const struct queue_filter any = {0};
    uint64_t n;
    begin(21, 0);
    for (unsigned i = 0; i < MESSAGES; i++)
        put(i, i % 2 ? "a.example" : "b.example", i == 7);
    target = "relay.example:25";
    move_all(1, MESSAGES * EACH / 2);
    CHECK(count("relay.example:25") == (MESSAGES - 1) * EACH / 2); /* what is held is not due */
    CHECK(count("a.example") == (MESSAGES / 2 - 1) * EACH / 2);
    asked = 0;
    move_all(1, 0);
    CHECK(asked == 0); /* it was done */
    move_all(2, 0);
    CHECK(asked == MESSAGES * EACH);
    CHECK(queue_change(fixture_store, q, &any, QUEUE_RELEASE, &n, SOON) == OUTCOME_DONE);
    queue_start(q);
    drain();
    CHECK(elsewhere == 0);
    end();
}

static void all_at_once(void **state)
{
    run_on(2, all, NULL);
}

/* Couriers meet what was filed before the change. */
static void met(void *arg)
{
    begin(22, 0);
    target = "relay.example:25";
    sorting = true;
    queue_start(q);
    for (unsigned i = 0; i < MESSAGES; i++)
        put(i, i % 2 ? "a.example" : "b.example", false);
    drain();
    CHECK(elsewhere == 0);
    end();
}

static void by_couriers(void **state)
{
    run_on(2, met, NULL);
}

/* What a courier has meanwhile stays where it is; nothing is lost and nothing is sent twice. */
static void busy(void *arg)
{
    uint64_t n;
    begin(23, 0);
    waiting = true;
    queue_start(q);
    for (unsigned i = 0; i < MESSAGES; i++)
        put(i, i % 2 ? "a.example" : "b.example", false);
    while (!owners)
        task_sleep(deadline_in(CLOCK_MS));
    target = "relay.example:25";
    CHECK(queue_move_all(q, 1, route_of, NULL, &n, SOON) == OUTCOME_DONE);
    CHECK(n < MESSAGES * EACH / 2 && n > 0);
    waiting = false;
    drain();
    end();
}

static void under_couriers(void **state)
{
    run_on(2, busy, NULL);
}

/* A store that does not always say what became of it: nothing stays behind. */
static void unknown(void *arg)
{
    for (uint64_t seed = 1; seed <= 3; seed++) {
        uint64_t n;
        begin(seed, 40);
        sorting = seed % 2;
        target = "relay.example:25";
        queue_start(q);
        for (unsigned i = 0; i < MESSAGES; i++) {
            put(i, i % 2 ? "a.example" : "b.example", false);
            if (i == MESSAGES / 2)
                queue_move_all(q, 1, route_of, NULL, &n, SOON);
        }
        while (queue_move_all(q, 2, route_of, NULL, &n, SOON) != OUTCOME_DONE)
            task_sleep(deadline_in(CLOCK_MS));
        drain();
        end();
    }
}

static void unknown_outcomes(void **state)
{
    run_on(2, unknown, NULL);
}

static void a_route_that_is_down(void *arg)
{
    begin(25, 0);
    queue_move_up(q, S("nobody.example"), SOON); /* harmless */
    CHECK(fixture_count(KEY_QUEUE_ROUTE) == 0);
    end();
}

static void up(void **state)
{
    run_on(1, a_route_that_is_down, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_at_once),
        cmocka_unit_test(by_couriers),
        cmocka_unit_test(under_couriers),
        cmocka_unit_test(unknown_outcomes),
        cmocka_unit_test(up),
    };
    clock_set(&test_clock);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
