/* The LMDB engine with a short gc delay, driven through steps that depend on nothing but a seed, so
 * that what must be there after a kill is known.
 *   crash-store work DIR SEED FROM TO   does the steps; prints "done N" for each that is durable
 *   crash-store check DIR SEED DONE     the store must be as after DONE steps, or as after one more
 *                                       (which was under way); prints "at N"
 * work exits with 3 when a step ended neither done nor refused. */
#include "base/log.h"
#include "base/pack.h"
#include "store/engine.h"
#include "store/spool.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define SLOTS   8 /* rows of partition 0; row 8 + i is the only one of partition 1 + i */
#define SHARED  3
#define ROWS    (SLOTS + SHARED)
#define ROW     24 /* blob id, size, seed */
#define TRIES   200
#define GC      (1 * CLOCK_MS)
#define SEGMENT (1024 * 1024)

enum step_kind { STEP_STORE, STEP_REMOVE, STEP_SHARE, STEP_HOUSEKEEP };

struct step {
    enum step_kind kind;
    unsigned slot;
    uint64_t size, seed;
};

struct row {
    store_blob_id blob; /* what the store says; 0 in the model and for none */
    uint64_t size, seed;
};

struct work {
    const char *mode;
    uint64_t seed, from, to;
    int dir, tmp, exit;
    struct store *store;
    atomic_bool failed;
};

static uint64_t mix(uint64_t x)
{
    x ^= x >> 31;
    x *= UINT64_C(0x9e3779b97f4a7c15);
    x ^= x >> 29;
    x *= UINT64_C(0xbf58476d1ce4e5b9);
    return x ^ x >> 32;
}

static struct step step_at(uint64_t seed, uint64_t number)
{
    static const uint64_t sizes[] = {1, 900, 30000, 200000, 300000, 1200000};
    uint64_t r = mix(seed * 1000003 + number);
    unsigned kind = r % 16;
    return (struct step){
        .kind = kind < 10   ? STEP_STORE
                : kind < 12 ? STEP_REMOVE
                : kind < 14 ? STEP_SHARE
                            : STEP_HOUSEKEEP,
        .slot = (unsigned)(r >> 8) % SLOTS,
        .size = sizes[(r >> 16) % 6] + (r >> 24) % 64,
        .seed = r,
    };
}

/* ---- the model ---- */

static void model_step(struct row rows[ROWS], const struct step *step)
{
    struct row fresh = {0, step->size, step->seed};
    if (step->kind == STEP_STORE)
        rows[step->slot] = fresh;
    else if (step->kind == STEP_REMOVE)
        rows[step->slot] = (struct row){0};
    else if (step->kind == STEP_SHARE)
        for (unsigned i = SLOTS; i < ROWS; i++)
            rows[i] = fresh;
}

static void fill(char *to, uint64_t offset, size_t n, uint64_t seed)
{
    for (size_t i = 0; i < n; i++) {
        uint64_t at = offset + i;
        to[i] = (char)(mix(seed + at / 8) >> at % 8 * 8);
    }
}

/* ---- steps ---- */

static store_partition partition_of(unsigned row)
{
    return (store_partition)3 << 56 | (row < SLOTS ? 1 : 2 + (row - SLOTS));
}

struct change {
    unsigned row;
    const struct store_new_blob *blob; /* NULL: remove */
    uint64_t seed;
};

static struct slice key_of(const unsigned *row)
{
    return slice((const char *)row, sizeof *row);
}

static enum outcome change_fn(struct store_txn *t, void *arg)
{
    const struct change *c = arg;
    struct slice old;
    char value[ROW];
    if (store_get(store_txn_view(t), key_of(&c->row), &old))
        store_release(t, unpack_u64(old.p));
    if (!c->blob) {
        store_del(t, key_of(&c->row));
        return OUTCOME_DONE;
    }
    store_retain(t, c->blob->id);
    pack_u64(value, c->blob->id);
    pack_u64(value + 8, c->blob->size);
    pack_u64(value + 16, c->seed);
    store_put(t, key_of(&c->row), slice(value, ROW));
    return OUTCOME_DONE;
}

static void ready(void *arg)
{
    event_raise(arg);
}

static struct spool *make_body(struct work *w, const struct step *step)
{
    static char chunk[60000];
    struct event written;
    event_init(&written);
    struct spool_options options = {.tmp_dir = w->tmp, .ready = ready, .arg = &written};
    struct spool *s = spool_create(&options);
    for (uint64_t done = 0; s && done < step->size;) {
        size_t n = step->size - done < sizeof chunk ? (size_t)(step->size - done) : sizeof chunk;
        fill(chunk, done, n, step->seed);
        if (spool_write(s, slice(chunk, n)) == SPOOL_WAIT)
            event_wait(&written, DEADLINE_NEVER);
        done += n;
    }
    if (s && spool_end(s, DEADLINE_NEVER) == OUTCOME_DONE)
        return s;
    spool_destroy(s);
    return NULL;
}

static enum outcome store_step(struct work *w, const struct step *step)
{
    bool share = step->kind == STEP_SHARE;
    struct store_blob_owner owner = {.account = 1, .mailbox = 1};
    struct store_new_blob blob = {.owners = &owner, .owner_count = 1, .date = 1};
    struct change changes[SHARED];
    struct store_mutation mutations[SHARED];
    size_t n = share ? SHARED : 1;
    if (step->kind != STEP_REMOVE && !(blob.body = make_body(w, step)))
        return OUTCOME_FAILED;
    for (unsigned i = 0; i < n; i++) {
        changes[i] = (struct change){
            share ? SLOTS + i : step->slot, step->kind == STEP_REMOVE ? NULL : &blob, step->seed};
        mutations[i] = (struct store_mutation){
            .partition = partition_of(changes[i].row), .fn = change_fn, .arg = &changes[i]};
    }
    struct store_new_blob *carried = blob.body ? &blob : NULL;
    enum outcome o = share ? store_intent(w->store, mutations, n, carried, DEADLINE_NEVER)
                           : store_mutate(w->store, mutations, carried, DEADLINE_NEVER);
    spool_destroy(blob.body);
    return o;
}

/* A step that was refused (a full disk) left nothing behind and is done again. */
static bool run_step(struct work *w, uint64_t number)
{
    struct step step = step_at(w->seed, number);
    enum outcome o = OUTCOME_DONE;
    for (int i = 0; i < TRIES; i++) {
        if (step.kind == STEP_HOUSEKEEP)
            store_housekeep(w->store, false);
        else
            o = store_step(w, &step);
        if (o == OUTCOME_DONE && !atomic_load(&w->failed)) {
            dprintf(STDOUT_FILENO, "done %llu\n", (unsigned long long)number);
            return true;
        }
        dprintf(STDOUT_FILENO, "outcome %d\n", (int)o);
        if (o == OUTCOME_UNKNOWN || atomic_load(&w->failed))
            return false;
        store_housekeep(w->store, true);
    }
    return false;
}

/* ---- checking ---- */

struct seen {
    unsigned row;
    bool there;
    struct row value;
};

static void read_row(struct store_view *v, void *arg)
{
    struct seen *s = arg;
    struct slice value;
    s->there = store_get(v, key_of(&s->row), &value) && value.n == ROW;
    s->value = s->there ? (struct row){unpack_u64(value.p), unpack_u64(value.p + 8),
                              unpack_u64(value.p + 16)}
                        : (struct row){0};
}

static bool right_bytes(struct work *w, const struct row *row)
{
    static char got[60000], wanted[60000];
    struct store_blob *blob;
    bool right = store_blob_open(w->store, row->blob, &blob, DEADLINE_NEVER) == OUTCOME_DONE;
    if (!right)
        return false;
    right = store_blob_size(blob) == row->size;
    for (uint64_t at = 0; right && at < row->size;) {
        size_t n = 0;
        right = store_blob_read(blob, at, got, sizeof got, &n, DEADLINE_NEVER) == OUTCOME_DONE && n;
        fill(wanted, at, n, row->seed);
        right = right && memcmp(got, wanted, n) == 0;
        at += n;
    }
    store_blob_close(blob);
    return right;
}

static bool equal(const struct row model[ROWS], const struct row real[ROWS])
{
    for (unsigned i = 0; i < ROWS; i++)
        if (model[i].size != real[i].size || model[i].seed != real[i].seed)
            return false;
    return true;
}

struct refs {
    const struct row *rows;
    uint64_t wrong;
};

static void check_refs(void *arg, store_blob_id id, uint32_t refs, uint64_t size)
{
    struct refs *r = arg;
    uint32_t wanted = 0;
    for (unsigned i = 0; i < ROWS; i++)
        wanted += r->rows[i].blob == id;
    if (refs != wanted)
        r->wrong++;
}

static void tell_fault(void *arg, const struct store_fault *f)
{
    printf("fault %s: %s\n", f->what, f->text);
}

static void fail(struct work *w, const char *what)
{
    printf("wrong: %s\n", what);
    w->exit = 1;
}

static void check(struct work *w)
{
    struct row model[ROWS] = {0}, real[ROWS] = {0};
    uint64_t blobs, bytes, at = w->from;
    for (unsigned i = 0; i < ROWS; i++) {
        struct seen seen = {.row = i};
        if (store_read(w->store, partition_of(i), read_row, &seen, NULL, DEADLINE_NEVER) !=
            OUTCOME_DONE)
            fail(w, "a row cannot be read");
        real[i] = seen.value;
        if (seen.there && !right_bytes(w, &seen.value))
            fail(w, "a blob has other bytes");
    }
    for (uint64_t i = 1; i <= at; i++) {
        struct step step = step_at(w->seed, i);
        model_step(model, &step);
    }
    if (!equal(model, real)) {
        struct step step = step_at(w->seed, ++at);
        model_step(model, &step);
        if (!equal(model, real))
            fail(w, "the rows are neither those after the last step nor those after one more");
    }
    struct refs refs = {real, 0};
    if (store_each_blob(w->store, check_refs, &refs) != OUTCOME_DONE || refs.wrong)
        fail(w, "reference counts");
    if (store_verify(w->store, tell_fault, NULL, &blobs, &bytes))
        fail(w, "verify");
    printf("at %llu\n", (unsigned long long)at);
}

/* ---- */

static void store_failed(void *arg, const char *why)
{
    atomic_store(&((struct work *)arg)->failed, true);
}

static void run(void *arg)
{
    struct work *w = arg;
    enum store_open_error error;
    char why[512] = "";
    bool working = strcmp(w->mode, "work") == 0;
    struct store_options o = {
        .engine = "lmdb", .dir = w->dir, .gc_delay = GC, .segment_size = SEGMENT};
    w->store = store_open(&o, &error, why);
    if (!w->store) {
        printf("open: %d %s\n", (int)error, why);
        w->exit = 1;
        return;
    }
    store_on_failure(w->store, store_failed, w);
    w->tmp = openat(w->dir, "tmp", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (!working)
        check(w);
    for (uint64_t i = w->from; working && i <= w->to; i++)
        if (!run_step(w, i)) {
            w->exit = 3;
            break;
        }
    store_close(w->store);
    close(w->tmp);
}

int main(int argc, char **argv)
{
    struct runtime_options options = {.reactors = 1, .stacks = 16};
    if (argc < 5) {
        fprintf(stderr, "usage: crash-store work DIR SEED FROM TO | check DIR SEED DONE\n");
        return 2;
    }
    struct work w = {.mode = argv[1],
        .seed = strtoull(argv[3], NULL, 10),
        .from = strtoull(argv[4], NULL, 10),
        .to = argc > 5 ? strtoull(argv[5], NULL, 10) : 0,
        .dir = open(argv[2], O_RDONLY | O_DIRECTORY | O_CLOEXEC)};
    log_start(STDERR_FILENO, LOG_INFO, LOG_LOGFMT);
    if (w.dir < 0 || !runtime_run(&options, run, &w)) {
        perror("crash-store");
        w.exit = 1;
    }
    log_stop();
    return w.exit;
}
