#include "engine_test.h"
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

enum engine_kind engine_kind;

bool fixture_durable(const struct fixture *f)
{
    return f->path[0] != '\0';
}

void fixture_open(struct fixture *f)
{
    enum store_open_error error;
    char why[512] = "";
    f->store = store_open(&f->options, &error, why);
    if (!f->store)
        fail_msg("store_open: %d %s", (int)error, why);
}

void fixture_reopen(struct fixture *f)
{
    store_close(f->store);
    f->store = NULL;
    fixture_open(f);
}

int fixture_setup(void **state)
{
    static uint64_t seed = 1;
    static const char template[] = "/tmp/barid-engine-XXXXXX";
    struct fixture *f = calloc(1, sizeof *f);
    assert_non_null(f);
    f->options = (struct store_options){.engine = "memory", .dir = -1, .seed = seed++};
    f->options.harsh = engine_kind == ENGINE_HARSH;
    if (engine_kind == ENGINE_LMDB) {
        f->options.engine = "lmdb";
        memcpy(f->path, template, sizeof template);
        assert_non_null(mkdtemp(f->path));
        f->options.dir = open(f->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        assert_true(f->options.dir >= 0);
    }
    *state = f;
    fixture_open(f);
    return 0;
}

static int remove_one(const char *path, const struct stat *st, int flag, struct FTW *place)
{
    return remove(path);
}

int fixture_teardown(void **state)
{
    struct fixture *f = *state;
    if (f->store)
        store_close(f->store);
    if (fixture_durable(f)) {
        close(f->options.dir);
        nftw(f->path, remove_one, 16, FTW_DEPTH | FTW_PHYS);
    }
    free(f);
    return 0;
}

void fixture_restart(struct fixture *f, int64_t gc_delay, unsigned unknown_one_in)
{
    f->options.gc_delay = gc_delay;
    f->options.unknown_one_in = unknown_one_in;
    fixture_reopen(f);
}

enum outcome batch_fn(struct store_txn *t, void *arg)
{
    const struct batch *b = arg;
    for (size_t i = 0; i < b->n; i++) {
        const struct op *op = &b->ops[i];
        switch (op->kind) {
        case OP_PUT:
            store_put(t, op->key, op->value);
            break;
        case OP_DEL:
            store_del(t, op->key);
            break;
        case OP_RETAIN:
            store_retain(t, op->blob);
            break;
        case OP_RELEASE:
            store_release(t, op->blob);
            break;
        case OP_RETAIN_NEW:
            store_retain(t, op->made->id);
            break;
        }
    }
    return b->answer;
}

enum outcome apply(struct fixture *f, store_partition p, const struct op *ops, size_t n)
{
    struct batch b = {ops, n, OUTCOME_DONE};
    struct store_mutation m = {.partition = p, .fn = batch_fn, .arg = &b};
    return store_mutate(f->store, &m, NULL, DEADLINE_NEVER);
}

enum outcome put(struct fixture *f, store_partition p, struct slice key, struct slice value)
{
    const struct op op = {OP_PUT, .key = key, .value = value};
    return apply(f, p, &op, 1);
}

struct got {
    struct slice key;
    bool there;
    char value[1024];
};

static void get_fn(struct store_view *v, void *arg)
{
    struct got *got = arg;
    struct slice value;
    got->there = store_get(v, got->key, &value);
    if (got->there && !slice_to_cstr(value, got->value, sizeof got->value))
        got->there = false;
}

const char *get(struct fixture *f, store_partition p, struct slice key)
{
    static struct got got;
    got = (struct got){.key = key};
    assert_int_equal(store_read(f->store, p, get_fn, &got, NULL, DEADLINE_NEVER), OUTCOME_DONE);
    return got.there ? got.value : NULL;
}

static void nothing_fn(struct store_view *v, void *arg)
{
}

uint64_t version_of(struct fixture *f, store_partition p)
{
    uint64_t version = 0;
    assert_int_equal(
        store_read(f->store, p, nothing_fn, NULL, &version, DEADLINE_NEVER), OUTCOME_DONE);
    return version;
}

struct dumped {
    struct buffer text;
    size_t rows;
};

static void dump_fn(struct store_view *v, void *arg)
{
    struct dumped *d = arg;
    struct store_cursor c;
    struct slice key, value;
    buffer_reset(&d->text);
    d->rows = 0;
    store_seek(v, S(""), &c);
    while (store_next(&c, &key, &value)) {
        buffer_add(&d->text, key);
        buffer_add_char(&d->text, '=');
        buffer_add(&d->text, value);
        buffer_add_char(&d->text, ' ');
        d->rows++;
    }
    buffer_add_char(&d->text, '\0');
}

static void run_dump(struct fixture *f, store_partition p, struct dumped *d)
{
    buffer_init(&d->text, 4096);
    assert_int_equal(store_read(f->store, p, dump_fn, d, NULL, DEADLINE_NEVER), OUTCOME_DONE);
}

const char *dump(struct fixture *f, store_partition p)
{
    static char text[4097];
    struct dumped d;
    run_dump(f, p, &d);
    memcpy(text, d.text.p, d.text.n);
    text[d.text.n] = '\0';
    buffer_finish(&d.text);
    return text;
}

size_t count_rows(struct fixture *f, store_partition p)
{
    struct dumped d;
    run_dump(f, p, &d);
    buffer_finish(&d.text);
    return d.rows;
}

static unsigned char byte_at(uint64_t offset, uint64_t seed)
{
    uint64_t word = (offset / 8 + seed * 7919) * UINT64_C(0x9e3779b97f4a7c15);
    return (unsigned char)(word >> (offset % 8 * 8));
}

void fill_bytes(void *to, uint64_t offset, size_t n, uint64_t seed)
{
    unsigned char *p = to;
    for (size_t i = 0; i < n; i++)
        p[i] = byte_at(offset + i, seed);
}

bool check_bytes(const void *from, uint64_t offset, size_t n, uint64_t seed)
{
    const unsigned char *p = from;
    for (size_t i = 0; i < n; i++)
        if (p[i] != byte_at(offset + i, seed))
            return false;
    return true;
}

static void spool_ready(void *arg)
{
    event_raise(arg);
}

/* The body continues the bytes of the head: a blob of head_n + n bytes holds places 0 .. of one
 * sequence. */
static struct spool *spool_from(struct fixture *f, uint64_t from, uint64_t n, uint64_t seed)
{
    struct event ready;
    event_init(&ready);
    int tmp = -1;
    if (fixture_durable(f)) {
        mkdirat(f->options.dir, "tmp", 0700);
        tmp = openat(f->options.dir, "tmp", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    }
    struct spool_options options = {.tmp_dir = tmp, .ready = spool_ready, .arg = &ready};
    struct spool *s = spool_create(&options);
    assert_non_null(s);
    static char chunk[50000];
    for (uint64_t done = 0; done < n;) {
        size_t part = n - done < sizeof chunk ? (size_t)(n - done) : sizeof chunk;
        fill_bytes(chunk, from + done, part, seed);
        enum spool_state state = spool_write(s, slice(chunk, part));
        assert_true(state == SPOOL_OK || state == SPOOL_WAIT);
        if (state == SPOOL_WAIT)
            assert_int_equal(event_wait(&ready, deadline_in(60 * CLOCK_SEC)), WAIT_OK);
        done += part;
    }
    assert_int_equal(spool_end(s, deadline_in(60 * CLOCK_SEC)), OUTCOME_DONE);
    assert_int_equal(spool_size(s), n);
    if (tmp >= 0)
        close(tmp);
    return s;
}

struct spool *make_spool(struct fixture *f, uint64_t n, uint64_t seed)
{
    return spool_from(f, 0, n, seed);
}

store_blob_id make_blob(struct fixture *f, size_t head_n, uint64_t body_n, uint64_t seed)
{
    char *head = malloc(head_n + 1);
    assert_non_null(head);
    fill_bytes(head, 0, head_n, seed);
    struct store_blob_owner owner = {.account = 7, .mailbox = 1};
    struct store_new_blob blob = {.head = slice(head, head_n),
        .body = spool_from(f, head_n, body_n, seed),
        .date = 1700000000000000,
        .owners = &owner,
        .owner_count = 1};
    const struct op op = {OP_RETAIN_NEW, .made = &blob};
    struct batch b = {&op, 1, OUTCOME_DONE};
    struct store_mutation m = {.partition = TEST_PARTITION, .fn = batch_fn, .arg = &b};
    assert_int_equal(store_mutate(f->store, &m, &blob, DEADLINE_NEVER), OUTCOME_DONE);
    assert_int_equal(blob.size, head_n + body_n);
    assert_int_not_equal(blob.id, 0);
    spool_destroy(blob.body);
    free(head);
    return blob.id;
}

struct sought {
    store_blob_id id;
    int64_t refs;
};

static void seek_blob(void *arg, store_blob_id id, uint32_t refs, uint64_t size)
{
    struct sought *s = arg;
    if (id == s->id)
        s->refs = refs;
}

int64_t blob_refs(struct fixture *f, store_blob_id id)
{
    struct sought s = {id, -1};
    assert_int_equal(store_each_blob(f->store, seek_blob, &s), OUTCOME_DONE);
    return s.refs;
}

static void tell_fault(void *arg, const struct store_fault *fault)
{
    print_error("fault: %s: %s\n", fault->what, fault->text);
}

void verify_clean(struct fixture *f)
{
    uint64_t blobs = 0, bytes = 0;
    assert_int_equal(store_verify(f->store, tell_fault, NULL, &blobs, &bytes), 0);
}
