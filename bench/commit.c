/* How many deliveries a second the store makes durable, at what latency, and what each costs in
 * bytes and syncs. A delivery is what mailbox/ writes for one message: a blob of 4 KiB and six rows
 * of one account, in one mutation that is awaited. */
#include "base/pack.h"
#include "figures.h"
#include "store/keyspace.h"
#include "store/spool.h"
#include <fcntl.h>
#include <ftw.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define BLOB_BYTES      4096
#define HEAD_BYTES      300
#define WRITERS_MAX     1024
#define RUNS_MAX        8
#define ROWS_A_MUTATION 4000
#define ROWS_AN_ACCOUNT 1000
#define LATENCY_BUCKETS 1024 /* 32 a power of two of us */
#define MAILBOX         1

static const char usage[] =
    "usage: bench-commit [--engine lmdb|memory] [--seconds N] [--writers N,N,...] [--big ROWS]\n"
    "                    [--dir FOLDER]\n"
    "  --big      also runs with so many message rows there before, each delivery to another\n"
    "             account: choose it so that they do not fit into memory\n"
    "  --dir      where the store is made and removed again (default: the working folder)\n";

struct options {
    const char *engine, *dir;
    int dir_fd;
    unsigned seconds, writers[RUNS_MAX], runs;
    uint64_t big;
};

/* ---- one delivery ---- */

struct delivery {
    const struct store_new_blob *blob;
    uint32_t uid;
};

static struct slice key_u32(char *to, unsigned char kind, uint32_t mailbox, uint32_t number)
{
    to[0] = (char)kind;
    pack_u32(to + 1, mailbox);
    pack_u32(to + 5, number);
    return slice(to, 9);
}

/* A row of n bytes whose first eight hold a number. */
static void put_row(struct store_txn *t, struct slice key, size_t n, uint64_t number)
{
    char row[256] = {0};
    pack_u64(row, number);
    store_put(t, key, slice(row, n));
}

static uint64_t number_in(struct store_txn *t, struct slice key)
{
    struct slice row;
    return store_get(store_txn_view(t), key, &row) && row.n >= 8 ? unpack_u64(row.p) : 0;
}

static void put_message(struct store_txn *t, uint32_t uid, uint64_t modseq)
{
    char key[17];
    put_row(t, key_u32(key, KEY_MESSAGE, MAILBOX, uid), 96, modseq);
    key[0] = KEY_CHANGED;
    pack_u32(key + 1, MAILBOX);
    pack_u64(key + 5, modseq);
    pack_u32(key + 13, uid);
    put_row(t, slice(key, 17), 8, uid);
}

static enum outcome deliver_fn(struct store_txn *t, void *arg)
{
    struct delivery *d = arg;
    char key[9];
    const char header = KEY_HEADER;
    uint64_t modseq = number_in(t, slice(&header, 1)) + 1;
    struct slice mailbox = slice_sub(key_u32(key, KEY_MAILBOX, MAILBOX, 0), 0, 5);
    uint32_t uid = (uint32_t)number_in(t, mailbox) + 1;
    put_row(t, slice(&header, 1), 64, modseq);
    put_row(t, mailbox, 100, uid);
    number_in(t, key_u32(key, KEY_UID_MAP, MAILBOX, uid / 4096));
    put_row(t, key_u32(key, KEY_UID_MAP, MAILBOX, uid / 4096), 200, uid);
    put_message(t, uid, modseq);
    store_retain(t, d->blob->id);
    d->uid = uid;
    return OUTCOME_DONE;
}

/* ---- a run ---- */

static char text[BLOB_BYTES];

static void write_text(void)
{
    for (size_t i = 0; i < sizeof text; i++)
        text[i] = i % 72 == 71 ? '\n' : (char)('a' + i * 7 % 26);
}

struct writer {
    struct run *run;
    unsigned index;
    uint64_t chance;
    struct figures_count count;
    struct task_request request;
    struct remote there, back;
};

struct run {
    struct store *store;
    struct reactor *home;
    struct event all_done;
    unsigned left;
    deadline until;
    uint64_t accounts; /* 0: each writer has its own */
};

static uint64_t pick_account(struct writer *w)
{
    if (!w->run->accounts)
        return 1 + w->index;
    w->chance = w->chance * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return 1 + (w->chance >> 33) % w->run->accounts;
}

TASK_FN
static void deliver(struct writer *w, struct spool *body, struct slice head)
{
    struct store_blob_owner owner = {pick_account(w), MAILBOX};
    struct store_new_blob blob = {
        .head = head, .body = body, .date = clock_wall(), .owners = &owner, .owner_count = 1};
    struct delivery d = {.blob = &blob};
    struct store_mutation m = {.partition = keyspace_partition(KEYSPACE_ACCOUNT, owner.account),
        .fn = deliver_fn,
        .arg = &d};
    int64_t start = clock_now();
    enum outcome outcome = store_mutate(w->run->store, &m, &blob, DEADLINE_NEVER);
    uint64_t us = (uint64_t)(clock_now() - start) / 1000;
    figures_add(&w->count, us, outcome == OUTCOME_DONE);
}

static void writer_task(void *arg)
{
    struct writer *w = arg;
    struct spool *body = spool_create(&(struct spool_options){.tmp_dir = -1});
    if (!body || spool_write(body, slice(text, sizeof text - HEAD_BYTES)) != SPOOL_OK ||
        spool_end(body, DEADLINE_NEVER) != OUTCOME_DONE)
        w->count.failed++;
    while (!w->count.failed && clock_now() < w->run->until)
        deliver(w, body, slice(text, HEAD_BYTES));
    spool_destroy(body);
    reactor_send(w->run->home, &w->back);
}

static void writer_arrived(struct remote *r)
{
    struct writer *w = list_entry(r, struct writer, there);
    task_request_init(&w->request, TASK_NORMAL, writer_task, w);
    task_start(&w->request);
}

static void writer_back(struct remote *r)
{
    struct run *run = list_entry(r, struct writer, back)->run;
    if (--run->left == 0)
        event_raise(&run->all_done);
}

TASK_FN
static void run_writers(struct run *run, struct writer *writers, unsigned n)
{
    run->left = n;
    event_init(&run->all_done);
    for (unsigned i = 0; i < n; i++) {
        struct writer *w = &writers[i];
        w->run = run;
        w->index = i;
        w->chance = i + 1;
        w->there.fn = writer_arrived;
        w->back.fn = writer_back;
        reactor_send(runtime_reactor(i % runtime_reactors()), &w->there);
    }
    event_await(&run->all_done);
}

TASK_FN
static bool measure(struct store *s, const struct options *o, unsigned n, uint64_t accounts)
{
    struct writer *writers = calloc(n, sizeof *writers);
    if (!writers)
        return false;
    static struct figures_count total;
    struct figures_usage from, to;
    memset(&total, 0, sizeof total);
    struct run run = {.store = s, .home = reactor_self(), .accounts = accounts};
    figures_take(s, o->dir_fd, &from);
    run.until = deadline_in((int64_t)o->seconds * CLOCK_SEC);
    run_writers(&run, writers, n);
    figures_take(s, o->dir_fd, &to);
    for (unsigned i = 0; i < n; i++)
        figures_sum(&total, &writers[i].count);
    figures_print(n, &total, &from, &to);
    bool right = total.failed == 0;
    if (!right)
        fprintf(stderr, "%llu deliveries failed\n", (unsigned long long)total.failed);
    free(writers);
    return right;
}

/* ---- rows that are there before ---- */

struct preload {
    uint32_t first, n;
};

static enum outcome preload_fn(struct store_txn *t, void *arg)
{
    const struct preload *p = arg;
    const char header = KEY_HEADER;
    char key[9];
    for (uint32_t i = 0; i < p->n; i++)
        put_message(t, p->first + i, p->first + i);
    uint32_t last = p->first + p->n - 1;
    put_row(t, slice(&header, 1), 64, last);
    put_row(t, slice_sub(key_u32(key, KEY_MAILBOX, MAILBOX, 0), 0, 5), 100, last);
    return OUTCOME_DONE;
}

/* Accounts of 1,000 messages each; how many, 0 when it failed. */
TASK_FN
static uint64_t preload(struct store *s, uint64_t rows)
{
    uint64_t accounts = (rows + ROWS_AN_ACCOUNT - 1) / ROWS_AN_ACCOUNT;
    for (uint64_t a = 1; a <= accounts; a++) {
        for (uint32_t first = 1; first <= ROWS_AN_ACCOUNT; first += ROWS_A_MUTATION) {
            uint32_t n = ROWS_AN_ACCOUNT - first + 1;
            struct preload p = {first, n < ROWS_A_MUTATION ? n : ROWS_A_MUTATION};
            struct store_mutation m = {
                .partition = keyspace_partition(KEYSPACE_ACCOUNT, a), .fn = preload_fn, .arg = &p};
            if (store_mutate(s, &m, NULL, DEADLINE_NEVER) != OUTCOME_DONE)
                return 0;
        }
    }
    return accounts;
}

/* ---- the whole ---- */

struct bench {
    struct options options;
    bool right;
};

TASK_FN
static bool measure_all(struct store *s, const struct options *o)
{
    bool right = true;
    figures_head();
    for (unsigned i = 0; i < o->runs; i++)
        right = measure(s, o, o->writers[i], 0) && right;
    if (!o->big)
        return right;
    int64_t start = clock_now();
    uint64_t accounts = preload(s, o->big);
    struct store_figures f;
    store_figures(s, &f);
    printf("\n%llu accounts with %llu rows, %llu MiB of keys, written in %.0f s\n",
        (unsigned long long)accounts, (unsigned long long)o->big * 2,
        (unsigned long long)f.key_bytes >> 20, (double)(clock_now() - start) / 1e9);
    figures_head();
    for (unsigned i = 0; i < o->runs && accounts; i++)
        right = measure(s, o, o->writers[i], accounts) && right;
    return right && accounts;
}

static void bench_main(void *arg)
{
    struct bench *b = arg;
    struct store_options options = {.engine = b->options.engine, .dir = b->options.dir_fd};
    printf("engine %s; a sync of this disk takes %.2f ms\n", options.engine,
        figures_sync_ms(b->options.dir_fd));
    enum store_open_error error;
    char why[512];
    struct store *s = store_open(&options, &error, why);
    if (!s) {
        fprintf(stderr, "the store cannot be opened: %s\n", why);
        return;
    }
    b->right = measure_all(s, &b->options);
    store_close(s);
}

static bool parse_writers(struct options *o, const char *list)
{
    o->runs = 0;
    for (char *end; o->runs < RUNS_MAX; list = end + 1) {
        unsigned long n = strtoul(list, &end, 10);
        if (end == list || n == 0 || n > WRITERS_MAX)
            return false;
        o->writers[o->runs++] = (unsigned)n;
        if (*end == '\0')
            return true;
        if (*end != ',')
            return false;
    }
    return false;
}

static bool parse_options(struct options *o, int argc, char **argv)
{
    static const struct option names[] = {{"engine", required_argument, NULL, 'e'},
        {"seconds", required_argument, NULL, 's'}, {"writers", required_argument, NULL, 'w'},
        {"big", required_argument, NULL, 'b'}, {"dir", required_argument, NULL, 'd'}, {0}};
    *o = (struct options){.engine = "lmdb",
        .dir = ".",
        .dir_fd = -1,
        .seconds = 5,
        .writers = {1, 8, 64, 256},
        .runs = 4};
    for (int c; (c = getopt_long(argc, argv, "", names, NULL)) != -1;) {
        if (c == 'e')
            o->engine = optarg;
        else if (c == 's')
            o->seconds = (unsigned)strtoul(optarg, NULL, 10);
        else if (c == 'b')
            o->big = strtoull(optarg, NULL, 10);
        else if (c == 'd')
            o->dir = optarg;
        else if (c != 'w' || !parse_writers(o, optarg))
            return false;
    }
    return optind == argc && o->seconds > 0;
}

static int remove_one(const char *path, const struct stat *st, int flag, struct FTW *place)
{
    return remove(path);
}

int main(int argc, char **argv)
{
    struct bench b = {0};
    if (!parse_options(&b.options, argc, argv)) {
        fputs(usage, stderr);
        return 2;
    }
    write_text();
    char path[1024];
    snprintf(path, sizeof path, "%s/bench-commit-XXXXXX", b.options.dir);
    if (!mkdtemp(path) || (b.options.dir_fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)) < 0) {
        perror(path);
        return 1;
    }
    struct runtime_options options = {.reactors = 2, .stacks = 2 * WRITERS_MAX};
    if (!runtime_run(&options, bench_main, &b))
        perror("runtime_run");
    close(b.options.dir_fd);
    nftw(path, remove_one, 16, FTW_DEPTH | FTW_PHYS);
    return b.right ? 0 : 1;
}
