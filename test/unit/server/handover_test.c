#include "base/pack.h"
#include "server/handover.h"
#include "unit/unit.h"
#include <dirent.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

/* ---- messages ---- */

static int pair[2];
static struct handover_message m;

static size_t open_fds(void)
{
    size_t n = 0;
    DIR *d = opendir("/proc/self/fd");
    while (readdir(d))
        n++;
    closedir(d);
    return n;
}

static void open_pair(void)
{
    assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair), 0);
}

static void close_pair(void)
{
    close(pair[0]);
    close(pair[1]);
}

static void messages(void **state)
{
    static char text[HANDOVER_TEXT_MAX + 1];
    struct stat sent, got;
    size_t before = open_fds();
    int fd = open("/dev/null", O_RDONLY);
    open_pair();
    memset(text, 'x', sizeof text);
    assert_int_equal(handover_receive(pair[1], &m), 0);
    assert_true(handover_send(pair[0], HANDOVER_LISTENER, 4095, fd, S("")));
    assert_true(handover_send(pair[0], HANDOVER_REFUSED, 0, -1, slice(text, sizeof text)));
    assert_int_equal(handover_receive(pair[1], &m), 1);
    assert_true(m.kind == HANDOVER_LISTENER && m.index == 4095 && m.n == 0);
    assert_true(m.fd >= 0 && m.fd != fd && fcntl(m.fd, F_GETFD) == FD_CLOEXEC);
    assert_true(!fstat(fd, &sent) && !fstat(m.fd, &got) && sent.st_rdev == got.st_rdev);
    close(m.fd);
    assert_int_equal(handover_receive(pair[1], &m), 1);
    assert_true(m.kind == HANDOVER_REFUSED && m.fd == -1 && m.n == HANDOVER_TEXT_MAX);
    assert_memory_equal(m.text, text, HANDOVER_TEXT_MAX);
    assert_int_equal(handover_receive(pair[1], &m), 0);
    close(pair[0]);
    assert_int_equal(handover_receive(pair[1], &m), -1);
    assert_false(handover_send(pair[1], HANDOVER_GO, 0, -1, S("")));
    close(pair[1]);
    close(fd);
    assert_int_equal(open_fds(), before);
}

/* With two descriptors, one more than a message has. */
static void send_raw(struct slice bytes, int fds[2])
{
    union {
        char bytes[CMSG_SPACE(2 * sizeof(int))];
        struct cmsghdr align;
    } control = {0};
    struct iovec part = {(void *)(uintptr_t)bytes.p, bytes.n};
    struct msghdr h = {.msg_iov = &part,
        .msg_iovlen = 1,
        .msg_control = control.bytes,
        .msg_controllen = sizeof control.bytes};
    struct cmsghdr *c = CMSG_FIRSTHDR(&h);
    c->cmsg_level = SOL_SOCKET;
    c->cmsg_type = SCM_RIGHTS;
    c->cmsg_len = CMSG_LEN(2 * sizeof(int));
    memcpy(CMSG_DATA(c), fds, 2 * sizeof(int));
    assert_int_equal(sendmsg(pair[0], &h, 0), (ssize_t)bytes.n);
}

static void nonsense_leaves_no_descriptor(void **state)
{
    size_t before = open_fds();
    int fds[2] = {open("/dev/null", O_RDONLY), open("/dev/null", O_RDONLY)};
    open_pair();
    send_raw(S("\0\0\0\3\0\0\0\1"), fds);
    assert_int_equal(handover_receive(pair[1], &m), 1);
    assert_true(m.kind == HANDOVER_LISTENER && m.index == 1 && m.fd >= 0);
    close(m.fd);
    send_raw(S("\0\0\0\3\0\0\0"), fds); /* a head of 7 bytes */
    assert_int_equal(handover_receive(pair[1], &m), -1);
    close_pair();
    close(fds[0]);
    close(fds[1]);
    assert_int_equal(open_fds(), before);
}

/* ---- the snapshot ---- */

static struct snapshot_certificate certificates[] = {
    {{0}, {"chain", 5}, {"key", 3}},
    {{"b.example", 9}, {"chain 2", 7}, {"k\0y", 3}},
};
static struct snapshot_listener listeners[] = {
    {{"smtp", 4}, {"0.0.0.0:25", 10}, false, false, 0},
    {{"pop3s", 5}, {"[::]:995 proxy", 14}, true, true, 1023},
};

static struct snapshot full(void)
{
    return (struct snapshot){.path = S("/etc/x"),
        .config = S("hostname = \"x\"\n"),
        .authorities = S("PEM"),
        .users = S("0 root a@b.test\n"),
        .reactors = 2,
        .certificates = certificates,
        .certificate_n = 2,
        .listeners = listeners,
        .listener_n = 2};
}

static int file_of(struct slice bytes)
{
    int fd = memfd_create("test", MFD_CLOEXEC);
    assert_int_equal(write(fd, bytes.p, bytes.n), (ssize_t)bytes.n);
    return fd;
}

static bool readable(struct slice bytes)
{
    struct snapshot s;
    int fd = file_of(bytes);
    bool ok = snapshot_read(fd, &s);
    close(fd);
    if (ok)
        snapshot_finish(&s);
    else
        assert_true(!s.bytes && !s.certificates && !s.listeners);
    return ok;
}

static size_t take(char bytes[4096])
{
    struct snapshot s = full();
    int fd = snapshot_write(&s);
    ssize_t n = pread(fd, bytes, 4096, 0);
    assert_true(n > 0 && n < 4096);
    assert_int_equal(pwrite(fd, "x", 1, 0), -1); /* sealed */
    close(fd);
    return (size_t)n;
}

static void there_and_back(void **state)
{
    struct snapshot s = full(), got;
    int fd = snapshot_write(&s);
    assert_true(fd >= 0 && snapshot_read(fd, &got));
    close(fd);
    assert_slice(got.path, s.path);
    assert_slice(got.config, s.config);
    assert_slice(got.authorities, S("PEM"));
    assert_slice(got.users, s.users);
    assert_int_equal(got.reactors, 2);
    assert_int_equal(got.certificate_n, 2);
    assert_slice(got.certificates[0].server_name, S(""));
    assert_slice(got.certificates[1].server_name, S("b.example"));
    assert_slice(got.certificates[1].chain, S("chain 2"));
    assert_slice(got.certificates[1].key, S("k\0y"));
    assert_int_equal(got.listener_n, 2);
    assert_slice(got.listeners[1].service, S("pop3s"));
    assert_slice(got.listeners[1].text, S("[::]:995 proxy"));
    assert_true(got.listeners[1].tls && got.listeners[1].proxy && !got.listeners[0].tls);
    assert_int_equal(got.listeners[1].reactor, 1023);
    snapshot_finish(&got);
    snapshot_finish(&got);
    s = (struct snapshot){0};
    fd = snapshot_write(&s);
    assert_true(snapshot_read(fd, &got));
    snapshot_finish(&got);
    close(fd);
}

static void cut_at_every_byte(void **state)
{
    char bytes[4096];
    size_t n = take(bytes);
    for (size_t i = 0; i < n; i++)
        assert_false(readable(slice(bytes, i)));
    assert_true(readable(slice(bytes, n)));
    bytes[n] = 0;
    assert_false(readable(slice(bytes, n + 1)));
}

/* Each number in turn becomes a hostile one; a byte of a text may become anything. */
static void hostile_numbers(void **state)
{
    static const uint32_t numbers[] = {UINT32_MAX, INT32_MAX, 1024 * 1024, 65536, 4097, 66};
    char bytes[4096], was[4];
    size_t n = take(bytes);
    for (size_t at = 0; at + 4 <= n; at++)
        for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
            memcpy(was, bytes + at, 4);
            pack_u32(bytes + at, numbers[i]);
            readable(slice(bytes, n));
            memcpy(bytes + at, was, 4);
        }
    struct snapshot s = full();
    s.reactors = 1025;
    assert_int_equal(s.certificate_n, 2);
    int fd = snapshot_write(&s);
    assert_false(snapshot_read(fd, &s));
    close(fd);
}

static bool with_listeners(size_t n)
{
    struct snapshot s = full(), got;
    s.listener_n = n;
    s.listeners = calloc(n, sizeof *s.listeners);
    int fd = snapshot_write(&s);
    bool ok = snapshot_read(fd, &got);
    assert_true(!ok || got.listener_n == n);
    snapshot_finish(&got);
    close(fd);
    free(s.listeners);
    return ok;
}

static void as_much_as_allowed(void **state)
{
    struct snapshot s = {0}, got;
    assert_true(with_listeners(SNAPSHOT_LISTENERS_MAX));
    assert_false(with_listeners(SNAPSHOT_LISTENERS_MAX + 1));
    struct buffer big;
    buffer_init(&big, SNAPSHOT_MAX + 1);
    memset(buffer_room(&big, SNAPSHOT_MAX), 'x', SNAPSHOT_MAX);
    /* magic, length of the path, then lengths and counts of 4 bytes each */
    s.config = slice(big.p, SNAPSHOT_MAX - 16 - 8 * 4);
    int fd = snapshot_write(&s);
    assert_true(fd >= 0 && snapshot_read(fd, &got));
    assert_int_equal(got.config.n, s.config.n);
    snapshot_finish(&got);
    close(fd);
    s.config.n++;
    assert_int_equal(snapshot_write(&s), -1);
    assert_false(snapshot_read(-1, &got));
    buffer_finish(&big);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(messages),
        cmocka_unit_test(nonsense_leaves_no_descriptor),
        cmocka_unit_test(there_and_back),
        cmocka_unit_test(cut_at_every_byte),
        cmocka_unit_test(hostile_numbers),
        cmocka_unit_test(as_much_as_allowed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
