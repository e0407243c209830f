#include "lmdb_harness.h"

static void expect_refused(struct harness *h, enum store_open_error wanted, const char *word)
{
    enum store_open_error error;
    char why[512];
    assert_false(harness_try_open(h, &error, why));
    assert_int_equal(error, wanted);
    if (!strstr(why, word))
        fail_msg("\"%s\" does not say \"%s\"", why, word);
    assert_null(strchr(why, '\n'));
}

static void write_file(struct harness *h, const char *name, const char *text)
{
    int fd = openat(h->dir, name, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, strlen(text)), strlen(text));
    close(fd);
}

static void lock_body(struct harness *h)
{
    char pid[32];
    struct harness other = *h;
    harness_open(h);
    snprintf(pid, sizeof pid, "pid %d", (int)getpid());
    expect_refused(&other, STORE_OPEN_LOCKED, pid);
    other.options.read_only = true;
    expect_refused(&other, STORE_OPEN_LOCKED, pid);
    harness_close(h);
    harness_open(h);
    harness_close(h);
}

static void format_body(struct harness *h)
{
    harness_open(h);
    harness_put(h, 1, "k", "v");
    harness_close(h);
    write_file(h, "format", "barid store 2\n");
    expect_refused(h, STORE_OPEN_FORMAT, "newer");
    write_file(h, "format", "something else\n");
    expect_refused(h, STORE_OPEN_FORMAT, "not a store");
    write_file(h, "format", "");
    expect_refused(h, STORE_OPEN_FORMAT, "not a store");
    write_file(h, "format", "barid store 1\n");
    harness_open(h);
    assert_string_equal(harness_get(h, 1, "k").value, "v");
    harness_close(h);
}

static void first_start_cut_short_body(struct harness *h)
{
    harness_open(h);
    harness_close(h);
    assert_int_equal(unlinkat(h->dir, "format", 0), 0);
    harness_open(h); /* nothing was stored yet: it goes on */
    assert_int_equal(faccessat(h->dir, "format", F_OK, 0), 0);
    harness_close(h);
}

/* The power fails while data.mdb is made: without a format file and without segments there is
 * nothing to lose. */
static void beginning_cut_short_body(struct harness *h)
{
    write_file(h, "data.mdb", "half a meta page");
    harness_open(h);
    harness_put(h, 1, "k", "v");
    harness_close(h);
    harness_open(h);
    assert_string_equal(harness_get(h, 1, "k").value, "v");
    harness_close(h);
    write_file(h, "data.mdb", "half a meta page");
    expect_refused(h, STORE_OPEN_BROKEN, "data.mdb"); /* sealed */
    assert_int_equal(unlinkat(h->dir, "format", 0), 0);
    write_file(h, "segments/0000000000000001", "mail");
    expect_refused(h, STORE_OPEN_BROKEN, "data.mdb"); /* mail is there */
    assert_int_equal(unlinkat(h->dir, "segments/0000000000000001", 0), 0);
}

/* Half a backup: mail that no row knows of is nothing to be swept away. */
static void mail_without_rows_body(struct harness *h)
{
    harness_open(h);
    assert_true(harness_blob(h, 1, 1, 5000) != 0);
    harness_close(h);
    assert_int_equal(unlinkat(h->dir, "data.mdb", 0), 0);
    expect_refused(h, STORE_OPEN_BROKEN, "data.mdb");
    assert_int_equal(unlinkat(h->dir, "data.mdb", 0), 0);
    assert_int_equal(unlinkat(h->dir, "format", 0), 0);
    for (int i = 0; i < 2; i++) {
        expect_refused(h, STORE_OPEN_BROKEN, "segments");
        assert_int_equal(faccessat(h->dir, "segments/0000000000000001", F_OK, 0), 0);
        assert_int_not_equal(faccessat(h->dir, "format", F_OK, 0), 0);
    }
}

static void symlinks_body(struct harness *h)
{
    assert_int_equal(symlinkat("/etc/passwd", h->dir, "data.mdb"), 0);
    expect_refused(h, STORE_OPEN_DENIED, "data.mdb");
    unlinkat(h->dir, "data.mdb", 0);
    assert_int_equal(symlinkat("/tmp", h->dir, "segments"), 0);
    expect_refused(h, STORE_OPEN_DENIED, "segments");
    unlinkat(h->dir, "segments", 0);
    unlinkat(h->dir, "lock", 0);
    assert_int_equal(symlinkat("/tmp/x", h->dir, "lock"), 0);
    expect_refused(h, STORE_OPEN_DENIED, "lock");
}

static void owner_body(struct harness *h)
{
    if (geteuid() != 0)
        return;
    assert_int_equal(fchown(h->dir, 12345, 12345), 0);
    expect_refused(h, STORE_OPEN_DENIED, "owner");
}

static void damaged_data_body(struct harness *h)
{
    harness_open(h);
    for (unsigned i = 0; i < 200; i++) {
        char key[16], value[100];
        snprintf(key, sizeof key, "%u", i);
        memset(value, 'v', sizeof value - 1);
        value[99] = 0;
        harness_put(h, 1, key, value);
    }
    harness_close(h);
    int fd = openat(h->dir, "data.mdb", O_RDWR);
    off_t size = lseek(fd, 0, SEEK_END);
    assert_int_equal(ftruncate(fd, size / 2), 0);
    expect_refused(h, STORE_OPEN_BROKEN, "cut short");
    assert_int_equal(ftruncate(fd, 0), 0);
    assert_int_equal(pwrite(fd, "rubbish, not a database", 23, 0), 23);
    expect_refused(h, STORE_OPEN_BROKEN, "data.mdb");
    close(fd);
}

static void read_only_body(struct harness *h)
{
    h->options.read_only = true;
    expect_refused(h, STORE_OPEN_SYSTEM, "lock");
    h->options.read_only = false;
    harness_open(h);
    store_blob_id id = harness_blob(h, 1, 1, 5000);
    harness_close(h);
    h->options.read_only = true;
    harness_open(h);
    assert_int_equal(harness_check(h, id, 1, 5000), OUTCOME_DONE);
    assert_int_equal(harness_put(h, 1, "k", "v"), OUTCOME_FAILED);
    assert_int_equal(harness_faults(h), 0);
    harness_close(h);
}

static void engine_name_body(struct harness *h)
{
    h->options.engine = "oracle";
    expect_refused(h, STORE_OPEN_FORMAT, "oracle");
}

static void tmp_is_emptied_body(struct harness *h)
{
    harness_open(h);
    harness_close(h);
    write_file(h, "tmp/left", "over");
    harness_open(h);
    assert_int_not_equal(faccessat(h->dir, "tmp/left", F_OK, 0), 0);
    struct stat st;
    assert_int_equal(fstatat(h->dir, "ballast", &st, 0), 0);
    assert_int_equal(st.st_size, 256 * 1024);
    assert_true(st.st_blocks * 512 >= st.st_size);
    harness_close(h);
}

#define TEST(name)                                                                                 \
    static void name(void **state)                                                                 \
    {                                                                                              \
        harness_run(name##_body);                                                                  \
    }
TEST(lock)
TEST(format)
TEST(first_start_cut_short)
TEST(beginning_cut_short)
TEST(mail_without_rows)
TEST(symlinks)
TEST(owner)
TEST(damaged_data)
TEST(read_only)
TEST(engine_name)
TEST(tmp_is_emptied)

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(lock),
        cmocka_unit_test(format),
        cmocka_unit_test(first_start_cut_short),
        cmocka_unit_test(beginning_cut_short),
        cmocka_unit_test(mail_without_rows),
        cmocka_unit_test(symlinks),
        cmocka_unit_test(owner),
        cmocka_unit_test(damaged_data),
        cmocka_unit_test(read_only),
        cmocka_unit_test(engine_name),
        cmocka_unit_test(tmp_is_emptied),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
