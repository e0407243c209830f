/* Limits for senders: each is reached and exceeded by one, on a clock of the test. */
#include "delivery/remote.h"
#include "unit/intake/local.h"
#include "unit/intake/outward.h"

#define MAIL "From: ann@our.test\r\n\r\nx\r\n.\r\n"

static const struct intake_user users[] = {{false, OTHER, "www", "ann@our.test"}};
static uint64_t ann;
static _Atomic int64_t shift; /* s */

static int64_t now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * CLOCK_SEC + t.tv_nsec;
}

static int64_t wall(void)
{
    return (INT64_C(1800000000) + atomic_load(&shift)) * 1000000;
}

static void open_all(struct sent_limits limits)
{
    open_world();
    open_queue();
    atomic_store(&shift, 0);
    options.users = users;
    options.user_n = 1;
    options.limits = limits;
    intake_sendmail(&options, &local);
    local.error_delay = 1;
    ann = add_account("ann@our.test", 0, false);
    add_account("bob@our.test", 0, false);
}

static void begin(struct client *c, unsigned n)
{
    char line[64];
    SAYS(c, "MAIL FROM:<ann@our.test>\r\n", "250 ");
    for (unsigned i = 0; i < n; i++) {
        snprintf(line, sizeof line, "RCPT TO:<u%u@away.test>\r\n", i);
        SAYS(c, line, "250 ");
    }
}

static void finish(struct client *c, const char *reply)
{
    SAYS(c, DATA, "354 ");
    SAYS(c, MAIL, reply);
}

struct tally {
    unsigned waiting, held;
};

static bool tally(void *arg, const struct queue_listed *l)
{
    struct tally *t = arg;
    if (l->entry.state == QUEUE_HELD)
        t->held++;
    else
        t->waiting++;
    return true;
}

static bool queued(unsigned waiting, unsigned held)
{
    struct queue_filter f = {.account = ann};
    struct queue_figures figures;
    struct tally t = {0};
    CHECK(queue_list(store, &f, tally, &t, SOON) == OUTCOME_DONE);
    CHECK(queue_figures(options.queue, &figures, SOON) && figures.held == t.held);
    return t.waiting == waiting && t.held == held;
}

static void hours_task(void *arg)
{
    struct client c;
    open_all((struct sent_limits){.hour = 4, .day = 6});
    call_as(&c, OTHER, "220 ");
    begin(&c, 2);
    SAYS(&c, "RCPT TO:<bob@our.test>\r\n", "250 ");
    finish(&c, "250 ");
    begin(&c, 1);
    SAYS(&c, "RCPT TO:<bob@our.test>\r\n",
        "452 4.7.1 Over the limit of 4 recipients an hour for one account; send the rest later");
    finish(&c, "250 ");
    atomic_store(&shift, 300);
    begin(&c, 0);
    SAYS(&c, "RCPT TO:<x@away.test>\r\n",
        "452 4.7.1 This account has reached its limit of 4 recipients an hour; again in 55 min, at "
        "2027-01-15T09:00:00Z\r\n");
    SAYS(&c, "RCPT TO:<nobody@our.test>\r\n", "452 4.7.1 ");
    atomic_store(&shift, 3599);
    SAYS(&c, "RSET\r\n", "250 ");
    begin(&c, 0);
    SAYS(&c, "RCPT TO:<x@away.test>\r\n", "452 4.7.1 ");
    SAYS(&c, "RSET\r\n", "250 ");
    atomic_store(&shift, 3600);
    begin(&c, 2);
    finish(&c, "250 ");
    begin(&c, 0);
    SAYS(&c, "RCPT TO:<x@away.test>\r\n",
        "452 4.7.1 This account has reached its limit of 6 recipients a day; again in 1380 min, at "
        "2027-01-16T08:00:00Z\r\n");
    CHECK(queued(5, 0));
    close_client(&c);
    close_all();
}

/* Two sessions that both had room: the one that is later is told at the end. */
static void together_task(void *arg)
{
    struct client c[2];
    open_all((struct sent_limits){.hour = 4});
    for (int i = 0; i < 2; i++) {
        call_as(&c[i], OTHER, "220 ");
        begin(&c[i], 2 + (unsigned)i);
    }
    SAYS(&c[0], DATA, "354 ");
    SAYS(&c[1], DATA, "354 ");
    SAYS(&c[0], MAIL, "250 ");
    SAYS(&c[1], MAIL, "452 4.7.1 Over the limit");
    CHECK(queued(2, 0));
    begin(&c[1], 2);
    finish(&c[1], "250 ");
    CHECK(queued(4, 0));
    close_client(&c[0]);
    close_client(&c[1]);
    close_all();
}

static void holds_task(void *arg)
{
    struct client c;
    uint64_t changed;
    struct queue_filter f = {.account = ann};
    open_all((struct sent_limits){.hold = 3});
    call_as(&c, OTHER, "220 ");
    begin(&c, 3);
    finish(&c, "250 ");
    CHECK(queued(3, 0));
    begin(&c, 1);
    SAYS(&c, "RCPT TO:<bob@our.test>\r\n", "250 ");
    finish(&c, "250 ");
    CHECK(queued(3, 1));
    atomic_store(&shift, 600);
    begin(&c, 3);
    finish(&c, "250 ");
    CHECK(queued(6, 1));
    CHECK(queue_change(store, options.queue, &f, QUEUE_RELEASE, &changed, SOON) == OUTCOME_DONE);
    CHECK(queued(7, 0));
    close_client(&c);
    close_all();
}

#define WORLD_TEST(name)                                                                           \
    static void name(void **state)                                                                 \
    {                                                                                              \
        world(name##_task);                                                                        \
    }
WORLD_TEST(hours)
WORLD_TEST(together)
WORLD_TEST(holds)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(hours),
        cmocka_unit_test(together),
        cmocka_unit_test(holds),
    };
    const struct clock_source source = {now, wall};
    clock_set(&source);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
