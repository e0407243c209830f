/* A million queued entries: how long until the queue is ready, how much memory, and how long a
 * fresh message waits beside 800,000 for a dead domain.
 *
 *   bench-queue [DIR [ENTRIES]]    DIR: for an LMDB store, emptied by the caller; none: memory */
#include "queue/queue.h"
#include "base/log.h"
#include "store/engine.h"
#include "store/spool.h"
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define SOON   deadline_in(600 * CLOCK_SEC)
#define PUT    1000
#define ROUTES 500 /* that live; a fifth of all entries is theirs */

static const char *folder;
static size_t entries = 1000000;
static struct store *store;
static struct queue *q;
static _Atomic int64_t fresh_at, taken, downs;

/* Our own memory, and what is mapped of the page cache (the key-value file). */
static void tell_memory(const char *when)
{
    char line[128];
    long own = 0, mapped = 0, peak = 0;
    FILE *f = fopen("/proc/self/status", "r");
    while (f && fgets(line, sizeof line, f)) {
        if (!strncmp(line, "RssAnon:", 8))
            own = strtol(line + 8, NULL, 10);
        else if (!strncmp(line, "RssFile:", 8))
            mapped = strtol(line + 8, NULL, 10);
        else if (!strncmp(line, "VmHWM:", 6))
            peak = strtol(line + 6, NULL, 10);
    }
    if (f)
        fclose(f);
    printf("memory %s: RSS %ld MiB (own %ld, mapped file %ld), at most %ld so far\n", when,
        (own + mapped) / 1024, own / 1024, mapped / 1024, peak / 1024);
}

static double since(int64_t from)
{
    return (double)(clock_now() - from) / CLOCK_SEC;
}

static void must(bool ok, const char *what)
{
    if (!ok) {
        fprintf(stderr, "bench-queue: %s failed\n", what);
        exit(1);
    }
}

struct putting {
    struct queue_new *new;
    struct store_new_blob *blob;
};

static enum outcome put_fn(struct store_txn *t, void *arg)
{
    struct putting *p = arg;
    p->new->message.blob = p->blob->id;
    p->new->message.size = p->blob->size;
    return queue_put(t, p->new);
}

static void put(struct queue_new *new)
{
    struct spool_options options = {.tmp_dir = -1};
    struct spool *body = spool_create(&options);
    spool_write(body, S("Subject: one of many\r\n\r\nhello\r\n"));
    struct store_new_blob blob = {.body = body};
    struct putting p = {new, &blob};
    struct store_mutation m = {.partition = queue_partition(NULL), .fn = put_fn, .arg = &p};
    must(store_mutate(store, &m, &blob, SOON) == OUTCOME_DONE, "storing");
    spool_destroy(body);
}

/* One in five messages goes to routes that live. */
static void fill(void)
{
    static struct queue_recipient r[PUT];
    static char addresses[PUT][64], routes[PUT][24];
    for (size_t at = 0; at < entries; at += PUT) {
        size_t message = at / PUT;
        for (size_t i = 0; i < PUT; i++) {
            if (message % 5)
                snprintf(routes[i], sizeof routes[i], "dead.example");
            else
                snprintf(routes[i], sizeof routes[i], "r%zu.example", i % ROUTES);
            snprintf(addresses[i], sizeof addresses[i], "user%zu@%.23s", at + i, routes[i]);
            r[i] = (struct queue_recipient){
                .address = slice_str(addresses[i]), .route = slice_str(routes[i])};
        }
        struct queue_new new = {.message = {.account = 1 + message % 20,
                                    .created = clock_wall() / 1000000,
                                    .sender = S("news@example.org")},
            .recipients = r,
            .n = PUT};
        put(&new);
    }
}

static void carry(void *arg, struct queue_batch *b)
{
    struct arena arena;
    struct queue_item item;
    bool dead = slice_eq(queue_batch_route(b), S("dead.example"));
    arena_init(&arena, (size_t)4 * 1024 * 1024);
    while (queue_next(b, &arena, &item, SOON)) {
        struct queue_settlement s[QUEUE_ITEM_MAX] = {0};
        if (dead) {
            const struct queue_settlement why = {.status = "4.4.1", .reply = S("no answer")};
            task_sleep(deadline_in(30 * CLOCK_SEC));
            queue_route_down(b, &why);
            atomic_fetch_add(&downs, 1);
        } else {
            if (slice_eq(queue_batch_route(b), S("fresh.example")))
                atomic_store(&fresh_at, clock_now());
            must(queue_settle(b, &item, s, SOON), "settling");
            atomic_fetch_add(&taken, (int64_t)item.n);
        }
        arena_reset(&arena);
    }
    arena_reset(&arena);
}

static void fresh(void)
{
    struct queue_recipient r = {.address = S("x@fresh.example"), .route = S("fresh.example")};
    struct queue_new new = {
        .message = {.account = 99, .created = clock_wall() / 1000000, .sender = S("a@example.org")},
        .recipients = &r,
        .n = 1};
    int64_t from = clock_now();
    atomic_store(&fresh_at, 0);
    put(&new);
    double stored = since(from);
    queue_wake(q, &new);
    while (!atomic_load(&fresh_at))
        task_sleep(deadline_in(CLOCK_MS));
    printf("a fresh message is stored after %.3f s, taken up after %.3f s (%lld of the others are "
           "out)\n",
        stored, (double)(atomic_load(&fresh_at) - from) / CLOCK_SEC,
        (long long)atomic_load(&taken));
}

static void open_store(void)
{
    char why[512];
    enum store_open_error error;
    struct store_options options = {.engine = folder ? "lmdb" : "memory", .dir = -1};
    if (folder)
        must((options.dir = open(folder, O_RDONLY | O_DIRECTORY)) >= 0, "opening the folder");
    must((store = store_open(&options, &error, why)) != NULL, "opening the store");
}

static void bench(void *arg)
{
    char why[512];
    open_store();
    int64_t from = clock_now();
    fill();
    printf("%zu entries stored in %.1f s\n", entries, since(from));
    tell_memory("when they are stored");
    from = clock_now();
    if (folder) {
        store_close(store);
        open_store();
    }
    struct queue_options o = {.store = store, .carry = carry};
    must((q = queue_open(&o, why, SOON)) != NULL, "opening the queue");
    printf("ready in %.3f s\n", since(from));
    tell_memory("when it is ready");
    queue_start(q);
    task_sleep(deadline_in(CLOCK_SEC / 10));
    from = clock_now();
    for (int i = 0; i < 3; i++)
        fresh();
    while (atomic_load(&taken) < (int64_t)entries / 5 && since(from) < 300)
        task_sleep(deadline_in(10 * CLOCK_MS));
    printf("%lld entries out in %.1f s\n", (long long)atomic_load(&taken), since(from));
    tell_memory("when the others wait");
    fresh();
    queue_stop(q, deadline_in(CLOCK_SEC));
    queue_close(q);
    store_close(store);
}

int main(int argc, char **argv)
{
    folder = argc > 1 && *argv[1] ? argv[1] : NULL;
    if (argc > 2)
        entries = (size_t)strtoull(argv[2], NULL, 10);
    log_start(STDERR_FILENO, LOG_ERROR, LOG_LOGFMT);
    struct runtime_options options = {0};
    must(runtime_run(&options, bench, NULL), "the runtime");
    log_stop();
    return 0;
}
