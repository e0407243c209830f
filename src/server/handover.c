#include "server/handover.h"
#include "base/pack.h"
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#define SNAPSHOT_MAGIC S("barid snapshot 4")

bool handover_send(int sock, enum handover_kind kind, uint32_t index, int fd, struct slice text)
{
    char head[8];
    union {
        char bytes[CMSG_SPACE(sizeof(int))];
        struct cmsghdr align;
    } control = {0};
    pack_u32(head, kind);
    pack_u32(head + 4, index);
    if (text.n > HANDOVER_TEXT_MAX)
        text.n = HANDOVER_TEXT_MAX;
    struct iovec parts[] = {{head, sizeof head}, {(void *)(uintptr_t)text.p, text.n}};
    struct msghdr m = {.msg_iov = parts, .msg_iovlen = 2};
    if (fd >= 0) {
        m.msg_control = control.bytes;
        m.msg_controllen = sizeof control.bytes;
        struct cmsghdr *c = CMSG_FIRSTHDR(&m);
        c->cmsg_level = SOL_SOCKET;
        c->cmsg_type = SCM_RIGHTS;
        c->cmsg_len = CMSG_LEN(sizeof fd);
        memcpy(CMSG_DATA(c), &fd, sizeof fd);
    }
    ssize_t n;
    do
        n = sendmsg(sock, &m, MSG_NOSIGNAL);
    while (n < 0 && errno == EINTR);
    return n >= 0;
}

/* The first descriptor; padding makes room for a second one, which nobody here sends. */
static int received_fd(struct msghdr *m)
{
    int fds[2] = {-1, -1};
    struct cmsghdr *c = CMSG_FIRSTHDR(m);
    if (!c || c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
        return -1;
    size_t n = c->cmsg_len - CMSG_LEN(0);
    memcpy(fds, CMSG_DATA(c), n < sizeof fds ? n : sizeof fds);
    if (fds[1] >= 0)
        close(fds[1]);
    return fds[0];
}

int handover_receive(int sock, struct handover_message *m)
{
    char head[8];
    union {
        char bytes[CMSG_SPACE(sizeof(int))];
        struct cmsghdr align;
    } control;
    struct iovec parts[] = {{head, sizeof head}, {m->text, sizeof m->text}};
    struct msghdr h = {.msg_iov = parts,
        .msg_iovlen = 2,
        .msg_control = control.bytes,
        .msg_controllen = sizeof control.bytes};
    ssize_t n;
    do
        n = recvmsg(sock, &h, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
    while (n < 0 && errno == EINTR);
    if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
        return 0;
    m->fd = n < 0 ? -1 : received_fd(&h);
    if (n < (ssize_t)sizeof head) {
        if (m->fd >= 0)
            close(m->fd);
        return -1;
    }
    m->kind = (enum handover_kind)unpack_u32(head);
    m->index = unpack_u32(head + 4);
    m->n = (size_t)n - sizeof head;
    return 1;
}

/* ---- the snapshot: magic, then texts with their length before them ---- */

static void add_text(struct buffer *b, struct slice s)
{
    char n[4];
    pack_u32(n, (uint32_t)s.n);
    buffer_add(b, slice(n, sizeof n));
    buffer_add(b, s);
}

static void add_number(struct buffer *b, uint32_t v)
{
    char n[4];
    pack_u32(n, v);
    buffer_add(b, slice(n, sizeof n));
}

static int to_memfd(struct slice bytes)
{
    int fd = memfd_create("barid-snapshot", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    if (fd < 0)
        return -1;
    for (size_t at = 0; at < bytes.n;) {
        ssize_t n = write(fd, bytes.p + at, bytes.n - at);
        if (n <= 0) {
            close(fd);
            return -1;
        }
        at += (size_t)n;
    }
    fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_SEAL);
    return fd;
}

int snapshot_write(const struct snapshot *s)
{
    struct buffer b;
    buffer_init(&b, SNAPSHOT_MAX);
    buffer_add(&b, SNAPSHOT_MAGIC);
    add_text(&b, s->path);
    add_text(&b, s->config);
    add_text(&b, s->anchor);
    add_text(&b, s->authorities);
    add_text(&b, s->users);
    add_number(&b, s->reactors);
    add_number(&b, (uint32_t)s->certificate_n);
    for (size_t i = 0; i < s->certificate_n; i++) {
        add_text(&b, s->certificates[i].server_name);
        add_text(&b, s->certificates[i].chain);
        add_text(&b, s->certificates[i].key);
    }
    add_number(&b, (uint32_t)s->listener_n);
    for (size_t i = 0; i < s->listener_n; i++) {
        add_text(&b, s->listeners[i].service);
        add_text(&b, s->listeners[i].text);
        add_number(&b, s->listeners[i].tls);
        add_number(&b, s->listeners[i].proxy);
        add_number(&b, s->listeners[i].reactor);
    }
    errno = EFBIG;
    int fd = b.overflow ? -1 : to_memfd(buffer_slice(&b));
    if (b.p)
        explicit_bzero(b.p, b.n); /* keys */
    buffer_finish(&b);
    return fd;
}

static bool take_number(struct slice *rest, uint32_t max, uint32_t *v)
{
    if (rest->n < 4)
        return false;
    *v = unpack_u32(rest->p);
    *rest = slice_from(*rest, 4);
    return *v <= max;
}

static bool take_text(struct slice *rest, struct slice *s)
{
    uint32_t n;
    if (!take_number(rest, SNAPSHOT_MAX, &n) || rest->n < n)
        return false;
    *s = slice_sub(*rest, 0, n);
    *rest = slice_from(*rest, n);
    return true;
}

static bool take_flag(struct slice *rest, bool *flag)
{
    uint32_t v;
    bool ok = take_number(rest, 1, &v);
    *flag = ok && v;
    return ok;
}

static bool parse(struct slice rest, struct snapshot *s)
{
    uint32_t n;
    if (!slice_starts(rest, SNAPSHOT_MAGIC))
        return false;
    rest = slice_from(rest, SNAPSHOT_MAGIC.n);
    if (!take_text(&rest, &s->path) || !take_text(&rest, &s->config) ||
        !take_text(&rest, &s->anchor) || !take_text(&rest, &s->authorities) ||
        !take_text(&rest, &s->users) || !take_number(&rest, 1024, &s->reactors) ||
        !take_number(&rest, SNAPSHOT_CERTIFICATES_MAX, &n))
        return false;
    s->certificates = calloc(n + 1, sizeof *s->certificates);
    for (; s->certificates && s->certificate_n < n; s->certificate_n++) {
        struct snapshot_certificate *c = &s->certificates[s->certificate_n];
        if (!take_text(&rest, &c->server_name) || !take_text(&rest, &c->chain) ||
            !take_text(&rest, &c->key))
            return false;
    }
    if (!s->certificates || !take_number(&rest, SNAPSHOT_LISTENERS_MAX, &n))
        return false;
    s->listeners = calloc(n + 1, sizeof *s->listeners);
    for (; s->listeners && s->listener_n < n; s->listener_n++) {
        struct snapshot_listener *l = &s->listeners[s->listener_n];
        if (!take_text(&rest, &l->service) || !take_text(&rest, &l->text) ||
            !take_flag(&rest, &l->tls) || !take_flag(&rest, &l->proxy) ||
            !take_number(&rest, 1023, &l->reactor))
            return false;
    }
    return s->listeners && !rest.n;
}

bool snapshot_read(int fd, struct snapshot *s)
{
    struct stat st;
    *s = (struct snapshot){0};
    if (fstat(fd, &st) || st.st_size <= 0 || (size_t)st.st_size > SNAPSHOT_MAX)
        return false;
    s->size = (size_t)st.st_size;
    s->bytes = mmap(NULL, s->size, PROT_READ, MAP_PRIVATE, fd, 0);
    if (s->bytes == MAP_FAILED) {
        s->bytes = NULL;
        return false;
    }
    if (parse(slice(s->bytes, s->size), s))
        return true;
    snapshot_finish(s);
    return false;
}

void snapshot_finish(struct snapshot *s)
{
    free(s->certificates);
    free(s->listeners);
    if (s->bytes)
        munmap(s->bytes, s->size);
    *s = (struct snapshot){0};
}
