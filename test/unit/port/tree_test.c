/* A folder with all that may lie in wait in it. */
#include "port/tree.h"
#include "unit/unit.h"
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

static char root_path[] = "/tmp/barid-tree-XXXXXX";
static int root;

static void put(const char *name)
{
    int fd = openat(root, name, O_WRONLY | O_CREAT, 0600);
    assert_true(fd >= 0 && write(fd, name, strlen(name)) > 0);
    close(fd);
}

static int setup(void **state)
{
    if (!mkdtemp(root_path) || (root = open(root_path, O_RDONLY | O_DIRECTORY)) < 0)
        return -1;
    put("b");
    put("a\n");
    mkdirat(root, "folder", 0700);
    mkdirat(root, "folder/below", 0700);
    put("folder/below/file");
    bool ok = !symlinkat("/etc/passwd", root, "link") && !symlinkat("folder", root, "way") &&
              !symlinkat("..", root, "folder/up") && !mkfifoat(root, "fifo", 0600);
    return ok ? 0 : -1;
}

static int teardown(void **state)
{
    static const char *const files[] = {
        "b", "a\n", "folder/below/file", "link", "way", "folder/up", "fifo"};
    for (size_t i = 0; i < sizeof files / sizeof *files; i++)
        unlinkat(root, files[i], 0);
    unlinkat(root, "folder/below", AT_REMOVEDIR);
    unlinkat(root, "folder", AT_REMOVEDIR);
    close(root);
    return rmdir(root_path);
}

static void folders(void **state)
{
    static const char *const good[] = {"", "folder", "folder/below"};
    static const char *const bad[] = {
        "way", "way/below", "folder/up", "folder/up/b", "b", "none", "folder/below/file"};
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        int fd = tree_open_folder(root, good[i]);
        assert_true(fd >= 0);
        close(fd);
    }
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_int_equal(tree_open_folder(root, bad[i]), -1);
    assert_true(tree_has_folder(root, "folder"));
    assert_false(tree_has_folder(root, "way") || tree_has_folder(root, "b"));
}

static void depth(void **state)
{
    char path[2 * TREE_DEPTH + 4] = ".";
    for (int i = 1; i < TREE_DEPTH; i++)
        memcpy(path + 2 * i - 1, "/.", 3);
    int fd = tree_open_folder(root, path);
    assert_true(fd >= 0);
    close(fd);
    memcpy(path + 2 * TREE_DEPTH - 1, "/.", 3);
    assert_int_equal(tree_open_folder(root, path), -1);
    assert_int_equal(errno, ENAMETOOLONG);
}

static void files(void **state)
{
    struct stat st;
    int fd = tree_open_file(root, "b", &st);
    assert_true(fd >= 0 && st.st_size == 1);
    close(fd);
    assert_int_equal(tree_open_file(root, "link", &st), -1);
    assert_int_equal(errno, ELOOP);
    assert_int_equal(tree_open_file(root, "fifo", &st), -1);
    assert_int_equal(errno, EINVAL);
    assert_int_equal(tree_open_file(root, "folder", &st), -1);
    assert_int_equal(tree_open_file(root, "none", &st), -1);
    assert_int_equal(errno, ENOENT);
}

static void names(void **state)
{
    static const char *const want[] = {"a\n", "b", "fifo", "folder", "link", "way"};
    struct tree_names n;
    assert_true(tree_names(root, &n));
    assert_int_equal(n.n, sizeof want / sizeof *want);
    for (size_t i = 0; i < n.n; i++)
        assert_string_equal(n.names[i], want[i]);
    tree_names_free(&n);
    int fd = openat(root, "b", O_RDONLY);
    assert_false(tree_names(fd, &n));
    close(fd);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(folders),
        cmocka_unit_test(depth),
        cmocka_unit_test(files),
        cmocka_unit_test(names),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
