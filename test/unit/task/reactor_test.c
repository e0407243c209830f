#include "check.h"
#include <pthread.h>
#include <string.h>

enum { SENDERS = 4, MESSAGES = 2000, ROUNDS = 20000 };

/* ---- many threads, one reactor ---- */

struct letter {
    struct remote message;
    unsigned sender, number;
};

static struct letter letters[SENDERS][MESSAGES];
static unsigned next_number[SENDERS], received;
static struct event all_received;
static struct reactor *target;

static void receive(struct remote *m)
{
    struct letter *l = list_entry(m, struct letter, message);
    CHECK(reactor_self() == target && !task_self());
    CHECK(l->number == next_number[l->sender]); /* what one thread sends stays in order */
    next_number[l->sender]++;
    if (++received == SENDERS * MESSAGES)
        event_raise(&all_received);
}

static void *send_all(void *arg)
{
    struct letter *l = arg;
    for (unsigned i = 0; i < MESSAGES; i++)
        CHECK(reactor_send(target, &l[i].message));
    return NULL;
}

static void storm_main(void *arg)
{
    pthread_t threads[SENDERS];
    target = reactor_self();
    event_init(&all_received);
    received = 0;
    memset(next_number, 0, sizeof next_number);
    for (unsigned s = 0; s < SENDERS; s++)
        for (unsigned i = 0; i < MESSAGES; i++)
            letters[s][i] = (struct letter){.message.fn = receive, .sender = s, .number = i};
    for (unsigned s = 0; s < SENDERS; s++)
        CHECK(pthread_create(&threads[s], NULL, send_all, letters[s]) == 0);
    CHECK(event_wait(&all_received, deadline_in(60 * CLOCK_SEC)) == WAIT_OK);
    for (unsigned s = 0; s < SENDERS; s++)
        pthread_join(threads[s], NULL);
}

static void storm(void **state)
{
    for (unsigned reactors = 1; reactors <= 4; reactors *= 2)
        run_on(reactors, storm_main, NULL);
}

/* ---- coalescing: no change is lost, however few messages it takes ---- */

static struct mark {
    struct remote message;
    _Atomic unsigned written;
    unsigned read, runs;
    struct event done;
} mark;

static void read_mark(struct remote *m)
{
    mark.runs++;
    mark.read = atomic_load_explicit(&mark.written, memory_order_relaxed);
    if (mark.read == ROUNDS)
        event_raise(&mark.done);
}

static void *write_mark(void *arg)
{
    for (unsigned i = 1; i <= ROUNDS; i++) {
        atomic_store_explicit(&mark.written, i, memory_order_relaxed);
        reactor_send(target, &mark.message);
    }
    return NULL;
}

static void coalesce_main(void *arg)
{
    pthread_t thread;
    target = reactor_self();
    mark = (struct mark){.message.fn = read_mark};
    event_init(&mark.done);
    CHECK(reactor_send(target, &mark.message));
    CHECK(!reactor_send(target, &mark.message)); /* still on its way */
    task_yield();
    CHECK(mark.runs == 1);
    CHECK(pthread_create(&thread, NULL, write_mark, NULL) == 0);
    CHECK(event_wait(&mark.done, deadline_in(60 * CLOCK_SEC)) == WAIT_OK);
    pthread_join(thread, NULL);
    CHECK(mark.runs <= ROUNDS + 1);
}

static void coalesces(void **state)
{
    run_on(1, coalesce_main, NULL);
}

/* ---- reactors that sleep in between ---- */

struct ball {
    struct remote message;
    unsigned left;
    struct event done;
    struct reactor *home;
};

static void strike(struct remote *m)
{
    struct ball *b = list_entry(m, struct ball, message);
    if (b->left == 0 && reactor_self() == b->home) {
        event_raise(&b->done);
        return;
    }
    if (b->left)
        b->left--;
    unsigned next = (reactor_index(reactor_self()) + 1) % runtime_reactors();
    reactor_send(runtime_reactor(next), m);
}

static void play(void *arg)
{
    struct ball b = {.message.fn = strike, .left = 3000, .home = reactor_self()};
    event_init(&b.done);
    reactor_send(b.home, &b.message);
    CHECK(event_wait(&b.done, deadline_in(60 * CLOCK_SEC)) == WAIT_OK);
}

static void passes_around(void **state)
{
    run_on(2, play, NULL);
    run_on(4, play, NULL);
}

/* A message may free itself: it is not touched after fn. */
static void free_it(struct remote *m)
{
    free(list_entry(m, struct letter, message));
}

static void send_freed(void *arg)
{
    for (unsigned i = 0; i < 1000; i++) {
        struct letter *l = calloc(1, sizeof *l);
        l->message.fn = free_it;
        reactor_send(runtime_reactor(i % 2), &l->message);
    }
}

static void owns_itself(void **state)
{
    run_on(2, send_freed, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(storm),
        cmocka_unit_test(coalesces),
        cmocka_unit_test(passes_around),
        cmocka_unit_test(owns_itself),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
