#include "check.h"
#include "task/completion_private.h"
#include <pthread.h>

enum { POSTERS = 4, EACH = 3000 };

static struct completion all[COMPLETIONS_MAX];
static unsigned called[COMPLETIONS_MAX], total;
static struct event done;
static unsigned expected;

static void answered(void *arg, int64_t result)
{
    unsigned *count = arg;
    CHECK(!task_self() && reactor_self());
    CHECK(result == -(count - called));
    ++*count;
    if (++total == expected)
        event_raise(&done);
}

/* ---- the table ---- */

static void full(void *arg)
{
    struct completion more;
    for (unsigned i = 0; i < COMPLETIONS_MAX; i++) {
        CHECK(completion_reserve(&all[i], answered, &called[i]));
        CHECK(all[i].reactor == reactor_self());
    }
    CHECK(!completion_reserve(&more, answered, NULL));
    event_init(&done);
    total = 0;
    expected = 1;
    completion_post(all[77], -77);
    CHECK(called[77] == 0); /* never inside the post */
    CHECK(event_wait(&done, deadline_in(60 * CLOCK_SEC)) == WAIT_OK);
    CHECK(completion_reserve(&more, answered, NULL));
    CHECK(more.index == 77 && more.generation != all[77].generation);
    CHECK(!completion_reserve(&all[77], answered, NULL));
}

static void table_has_an_end(void **state)
{
    run_on(1, full, NULL);
}

static void abandoned(void *arg)
{
    struct completion c, other;
    CHECK(completion_reserve(&c, answered, NULL));
    completion_abandon(c);
    /* The place is kept until the post arrives. */
    CHECK(completion_reserve(&other, answered, NULL));
    CHECK(other.index != c.index);
    completion_post(c, 1);
    task_yield();
    CHECK(completion_reserve(&other, answered, NULL));
    CHECK(other.index == c.index);
    /* Posted first, abandoned before it arrives. */
    completion_post(other, 2);
    completion_abandon(other);
    task_yield();
}

static void abandoning(void **state)
{
    run_on(1, abandoned, NULL);
}

/* ---- from many threads ---- */

static void *post_some(void *arg)
{
    unsigned from = *(unsigned *)arg;
    for (unsigned i = from; i < POSTERS * EACH; i += POSTERS)
        completion_post(all[i], -(int64_t)i);
    return NULL;
}

static void storm_main(void *arg)
{
    pthread_t threads[POSTERS];
    unsigned from[POSTERS];
    total = expected = 0;
    event_init(&done);
    for (unsigned i = 0; i < POSTERS * EACH; i++) {
        called[i] = 0;
        CHECK(completion_reserve(&all[i], answered, &called[i]));
        expected += i % 3 != 0;
    }
    for (unsigned i = 0; i < POSTERS; i++) {
        from[i] = i;
        CHECK(pthread_create(&threads[i], NULL, post_some, &from[i]) == 0);
    }
    /* While they post. */
    for (unsigned i = 0; i < POSTERS * EACH; i += 3)
        completion_abandon(all[i]);
    CHECK(event_wait(&done, deadline_in(60 * CLOCK_SEC)) == WAIT_OK);
    for (unsigned i = 0; i < POSTERS; i++)
        pthread_join(threads[i], NULL);
    task_yield();
    for (unsigned i = 0; i < POSTERS * EACH; i++)
        CHECK(called[i] == (i % 3 != 0));
    /* All places are free again. */
    for (unsigned i = 0; i < COMPLETIONS_MAX; i++)
        CHECK(completion_reserve(&all[i], answered, NULL));
}

static void storm(void **state)
{
    run_on(1, storm_main, NULL);
    run_on(2, storm_main, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(table_has_an_end),
        cmocka_unit_test(abandoning),
        cmocka_unit_test(storm),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
