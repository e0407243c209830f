#include "base/clock.h"
#include "lmdb_harness.h"
#include <dirent.h>
#include <lmdb.h>
#include <signal.h>
#include <sys/wait.h>

enum { A = 1, B = 2 };

static void name_of(uint64_t segment, char name[32])
{
    snprintf(name, 32, "segments/%016llx", (unsigned long long)segment);
}

static bool exists(struct harness *h, const char *name)
{
    return faccessat(h->dir, name, F_OK, 0) == 0;
}

static void write_at(struct harness *h, const char *name, off_t at, const char *text)
{
    int fd = openat(h->dir, name, O_WRONLY | O_CREAT, 0600);
    assert_true(fd >= 0);
    assert_int_equal(pwrite(fd, text, strlen(text), at), strlen(text));
    close(fd);
}

static void flip(struct harness *h, const char *name, off_t at)
{
    char byte;
    int fd = openat(h->dir, name, O_RDWR);
    assert_true(fd >= 0);
    assert_int_equal(pread(fd, &byte, 1, at), 1);
    byte ^= 0x10;
    assert_int_equal(pwrite(fd, &byte, 1, at), 1);
    close(fd);
}

/* ---- rows, changed behind the store's back ---- */

static void change_row(struct harness *h, const char *database, const void *key, size_t key_n,
    const void *value, size_t value_n)
{
    char path[128];
    MDB_env *env;
    MDB_txn *txn;
    MDB_dbi dbi;
    snprintf(path, sizeof path, "%s/data.mdb", h->path);
    assert_int_equal(mdb_env_create(&env), 0);
    mdb_env_set_maxdbs(env, 8);
    mdb_env_set_mapsize(env, (size_t)1 << 30);
    assert_int_equal(mdb_env_open(env, path, MDB_NOSUBDIR, 0600), 0);
    assert_int_equal(mdb_txn_begin(env, NULL, 0, &txn), 0);
    assert_int_equal(mdb_dbi_open(txn, database, 0, &dbi), 0);
    MDB_val k = {key_n, (void *)key}, v = {value_n, (void *)value}, old;
    char copy[128];
    if (!value) { /* one bit of what is there */
        assert_int_equal(mdb_get(txn, dbi, &k, &old), 0);
        memcpy(copy, old.mv_data, old.mv_size);
        copy[3] ^= 1;
        v = (MDB_val){old.mv_size, copy};
    }
    assert_int_equal(mdb_put(txn, dbi, &k, &v, 0), 0);
    assert_int_equal(mdb_txn_commit(txn), 0);
    mdb_env_close(env);
}

static void change_numbered(struct harness *h, const char *database, uint64_t number)
{
    char key[8];
    for (size_t i = 0; i < 8; i++)
        key[i] = (char)(number >> (56 - 8 * i));
    change_row(h, database, key, 8, NULL, 0);
}

static void damaged_blob_row_body(struct harness *h)
{
    harness_open(h);
    store_blob_id a = harness_blob(h, A, 1, 5000), b = harness_blob(h, A, 2, 5000);
    harness_close(h);
    change_numbered(h, "blobs", a);
    harness_open(h);
    assert_int_equal(harness_check(h, a, 1, 5000), OUTCOME_FAILED);
    assert_int_equal(harness_check(h, b, 2, 5000), OUTCOME_DONE);
    assert_int_equal(harness_release(h, A, a), OUTCOME_FAILED);
    assert_int_equal(harness_release(h, A, b), OUTCOME_DONE);
    assert_true(harness_faults(h) > 0);
    harness_close(h);
}

static void damaged_segment_row_body(struct harness *h)
{
    harness_open(h);
    store_blob_id a = harness_blob(h, A, 1, 5000), b = harness_blob(h, A, 2, 2000000);
    harness_close(h);
    change_numbered(h, "segments", 1);
    change_numbered(h, "segments", 2);
    harness_open(h);
    assert_int_equal(harness_faults(h), 0);
    store_blob_id c = harness_blob(h, A, 3, 5000);
    assert_int_equal(harness_check(h, a, 1, 5000), OUTCOME_DONE);
    assert_int_equal(harness_check(h, b, 2, 2000000), OUTCOME_DONE);
    assert_int_equal(harness_check(h, c, 3, 5000), OUTCOME_DONE);
    harness_close(h);
}

static void damaged_meta_row_body(struct harness *h)
{
    enum store_open_error error;
    char why[512];
    harness_open(h);
    harness_close(h);
    change_row(h, "meta", "store", 5, NULL, 0);
    assert_false(harness_try_open(h, &error, why));
    assert_int_equal(error, STORE_OPEN_BROKEN);
}

static void damaged_rows_body(struct harness *h)
{
    struct harness_get g = {.key = S("k")};
    uint64_t version;
    harness_open(h);
    harness_put(h, A, "k", "v");
    harness_put(h, B, "k", "v");
    harness_close(h);
    change_row(h, "rows", "\0\0\0\0\0\0\0\1", 8, "short", 5);
    harness_open(h);
    assert_int_equal(
        store_read(h->store, A, harness_get_fn, &g, &version, DEADLINE_NEVER), OUTCOME_FAILED);
    assert_int_equal(harness_put(h, A, "k", "w"), OUTCOME_FAILED);
    assert_string_equal(harness_get(h, B, "k").value, "v");
    assert_int_equal(harness_put(h, B, "k", "w"), OUTCOME_DONE);
    harness_close(h);
    change_row(h, "rows", "\0\0\0\0\0\0\0\2k", 9, "", 0);
    harness_open(h);
    assert_int_equal(
        store_read(h->store, B, harness_get_fn, &g, &version, DEADLINE_NEVER), OUTCOME_FAILED);
    assert_int_equal(harness_put(h, B, "other", "w"), OUTCOME_DONE);
    harness_close(h);
}

/* ---- files ---- */

static void damaged_bytes_body(struct harness *h)
{
    char name[32];
    harness_open(h);
    store_blob_id ids[3];
    for (unsigned i = 0; i < 3; i++)
        ids[i] = harness_blob(h, A, i, 100000);
    store_blob_id big = harness_blob(h, A, 5, 2000000);
    harness_close(h);
    off_t record = (off_t)segment_record_size(segment_header_size(1), 100000);
    name_of(1, name);
    flip(h, name, 20);             /* the header of the first */
    flip(h, name, record + 5000);  /* a byte of the second */
    flip(h, name, 3 * record - 8); /* a checksum of the third: of its second block */
    name_of(2, name);
    flip(h, name, 1500000);
    harness_open(h);
    for (unsigned i = 0; i < 3; i++)
        assert_int_equal(harness_check(h, ids[i], i, 100000), OUTCOME_FAILED);
    assert_int_equal(harness_check(h, big, 5, 2000000), OUTCOME_FAILED);
    /* What lies in other blocks is still handed out. */
    struct store_blob *b;
    char byte = 0;
    size_t got;
    assert_int_equal(store_blob_open(h->store, ids[1], &b, DEADLINE_NEVER), OUTCOME_DONE);
    assert_int_equal(store_blob_read(b, 70000, &byte, 1, &got, DEADLINE_NEVER), OUTCOME_DONE);
    assert_int_equal(byte, harness_byte(1, 70000));
    assert_int_equal(store_blob_read(b, 6000, &byte, 1, &got, DEADLINE_NEVER), OUTCOME_FAILED);
    assert_int_equal(got, 0);
    store_blob_close(b);
    assert_int_equal(harness_faults(h), 4);
    harness_close(h);
}

static void lost_files_body(struct harness *h)
{
    char name[32];
    harness_open(h);
    store_blob_id a = harness_blob(h, A, 1, 5000), b = harness_blob(h, A, 2, 2000000);
    store_blob_id c = harness_blob(h, A, 3, 2000000);
    harness_close(h);
    name_of(2, name);
    assert_int_equal(unlinkat(h->dir, name, 0), 0);
    name_of(3, name);
    int fd = openat(h->dir, name, O_RDWR);
    assert_int_equal(ftruncate(fd, 1000000), 0);
    close(fd);
    harness_open(h);
    assert_int_equal(harness_check(h, a, 1, 5000), OUTCOME_DONE);
    assert_int_equal(harness_check(h, b, 2, 2000000), OUTCOME_FAILED);
    assert_int_equal(harness_check(h, c, 3, 2000000), OUTCOME_FAILED);
    assert_int_equal(harness_faults(h), 2);
    assert_int_equal(harness_put(h, A, "still", "works"), OUTCOME_DONE);
    harness_close(h);
}

static void strays_body(struct harness *h)
{
    harness_open(h);
    store_blob_id a = harness_blob(h, A, 1, 5000);
    harness_close(h);
    write_at(h, "segments/00000000000000ff", 0, "bRec, cut short");
    write_at(h, "segments/0000000000000005.new", 0, "half");
    write_at(h, "segments/README", 0, "somebody's own");
    harness_open(h);
    assert_false(exists(h, "segments/00000000000000ff"));
    assert_false(exists(h, "segments/0000000000000005.new"));
    assert_true(exists(h, "segments/README"));
    store_blob_id b = harness_blob(h, A, 2, 2000000);
    assert_true(b > a);
    assert_int_equal(harness_check(h, b, 2, 2000000), OUTCOME_DONE);
    assert_int_equal(harness_faults(h), 0);
    harness_close(h);
}

/* ---- killed ---- */

struct killed {
    struct harness *h;
    int acks;
    unsigned from;
};

struct writer {
    struct killed *k;
    unsigned number, writers;
};

static void write_for_ever(void *arg)
{
    struct writer *w = arg;
    for (unsigned i = w->k->from + w->number;; i += w->writers) {
        store_blob_id id = harness_blob(w->k->h, 10 + w->number, i, i % 7 ? 3000 : 1100000);
        uint64_t ack[2] = {i, id};
        if (!id || write(w->k->acks, ack, sizeof ack) != sizeof ack)
            _exit(1);
    }
}

static void killed_body(void *arg)
{
    struct killed *k = arg;
    struct writer writers[4];
    struct scope scope;
    harness_open(k->h);
    scope_init(&scope);
    for (unsigned i = 0; i < 4; i++) {
        writers[i] = (struct writer){k, i, 4};
        scope_spawn(&scope, TASK_NORMAL, write_for_ever, &writers[i]);
    }
    while (scope.count)
        task_sleep(deadline_in(CLOCK_SEC));
}

#define ROUNDS   4
#define ACKS_MAX 4096

static uint64_t acks[ACKS_MAX][2];
static unsigned ack_count;

static void check_acks_body(struct harness *h)
{
    harness_open(h);
    for (unsigned i = 0; i < ack_count; i++)
        assert_int_equal(harness_check(h, acks[i][1], acks[i][0], acks[i][0] % 7 ? 3000 : 1100000),
            OUTCOME_DONE);
    assert_int_equal(harness_faults(h), 0);
    store_blob_id id = harness_blob(h, A, 1, 3000);
    for (unsigned i = 0; i < ack_count; i++)
        assert_true(id > acks[i][1]);
    harness_close(h);
}

static void one_kill(struct harness *h, unsigned round)
{
    int pipes[2];
    assert_int_equal(pipe(pipes), 0);
    pid_t child = fork();
    if (child == 0) {
        struct killed k = {h, pipes[1], round * 100000};
        struct runtime_options options = {.reactors = 2, .stacks = 64};
        close(pipes[0]);
        runtime_run(&options, killed_body, &k);
        _exit(1);
    }
    close(pipes[1]);
    unsigned wanted = ack_count + 10 + round * 7;
    while (ack_count < wanted && read(pipes[0], acks[ack_count], 16) == 16)
        ack_count++;
    kill(child, SIGKILL);
    while (ack_count < ACKS_MAX && read(pipes[0], acks[ack_count], 16) == 16)
        ack_count++;
    close(pipes[0]);
    assert_int_equal(waitpid(child, NULL, 0), child);
    assert_true(ack_count >= wanted);
}

static void acknowledged_means_kept(void **state)
{
    struct harness h = {.path = "/var/tmp/barid-XXXXXX"};
    assert_non_null(mkdtemp(h.path));
    h.dir = open(h.path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    h.options = (struct store_options){
        .engine = "lmdb", .dir = h.dir, .segment_size = 1024 * 1024, .gc_delay = 1000000};
    ack_count = 0;
    for (unsigned round = 0; round < ROUNDS; round++) {
        one_kill(&h, round);
        h.body = check_acks_body;
        struct runtime_options options = {.reactors = 1, .stacks = 64};
        assert_true(runtime_run(&options, harness_main, &h));
    }
    close(h.dir);
    nftw(h.path, harness_remove, 16, FTW_DEPTH | FTW_PHYS);
}

#define TEST(name)                                                                                 \
    static void name(void **state)                                                                 \
    {                                                                                              \
        harness_run(name##_body);                                                                  \
    }
TEST(damaged_blob_row)
TEST(damaged_segment_row)
TEST(damaged_meta_row)
TEST(damaged_rows)
TEST(damaged_bytes)
TEST(lost_files)
TEST(strays)

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(damaged_blob_row),
        cmocka_unit_test(damaged_segment_row),
        cmocka_unit_test(damaged_meta_row),
        cmocka_unit_test(damaged_rows),
        cmocka_unit_test(damaged_bytes),
        cmocka_unit_test(lost_files),
        cmocka_unit_test(strays),
        cmocka_unit_test(acknowledged_means_kept),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
