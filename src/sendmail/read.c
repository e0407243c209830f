#include "sendmail/read.h"
#include "sendmail/dot.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

void sendmail_read_init(struct sendmail_message *m)
{
    buffer_init(&m->memory, SENDMAIL_MEMORY_MAX);
    m->fd = -1;
    m->size = m->given = 0;
    scan_init(&m->scan);
}

void sendmail_read_finish(struct sendmail_message *m)
{
    buffer_finish(&m->memory);
    if (m->fd >= 0)
        close(m->fd);
    m->fd = -1;
}

/* A file without a name, on disk: /tmp may be memory. */
static int open_file(void)
{
    static const char *const folders[] = {"/var/tmp", "/tmp"};
    int fd = -1;
    for (size_t i = 0; fd < 0 && i < sizeof folders / sizeof *folders; i++)
        fd = open(folders[i], O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    for (size_t i = 0; fd < 0 && i < sizeof folders / sizeof *folders; i++) {
        char name[64];
        snprintf(name, sizeof name, "%s/barid-sendmail-XXXXXX", folders[i]);
        fd = mkostemp(name, O_CLOEXEC);
        if (fd >= 0)
            unlink(name);
    }
    return fd;
}

static bool write_all(int fd, struct slice bytes)
{
    while (bytes.n) {
        ssize_t n = write(fd, bytes.p, bytes.n);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return false;
        bytes = slice_from(bytes, (size_t)n);
    }
    return true;
}

static bool keep(void *arg, struct slice piece)
{
    struct sendmail_message *m = arg;
    scan_feed(&m->scan, piece);
    m->size += piece.n;
    size_t room = m->memory.max - m->memory.n;
    struct slice here = slice_sub(piece, 0, room), rest = slice_from(piece, here.n);
    if (here.n && !buffer_add(&m->memory, here))
        return false;
    if (rest.n && m->fd < 0 && (m->fd = open_file()) < 0)
        return false;
    return !rest.n || write_all(m->fd, rest);
}

enum sendmail_exit sendmail_read(
    struct sendmail_message *m, int from, bool dot_is_text, char why[SENDMAIL_WHY])
{
    struct sendmail_dot dot = {0};
    while (!dot.ended) {
        ssize_t n = read(from, m->piece, sizeof m->piece);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0) {
            snprintf(why, SENDMAIL_WHY, "cannot read the message: %s", strerrordesc_np(errno));
            return SENDMAIL_DATA;
        }
        if (n == 0)
            break;
        struct slice in = slice(m->piece, (size_t)n);
        if (!(dot_is_text ? keep(m, in) : sendmail_dot_feed(&dot, in, keep, m))) {
            snprintf(why, SENDMAIL_WHY, "no space for the message in /var/tmp or memory");
            return SENDMAIL_TRY_AGAIN;
        }
        if (m->size > SENDMAIL_MESSAGE_MAX) {
            snprintf(why, SENDMAIL_WHY, "the message is larger than 2 GB");
            return SENDMAIL_DATA;
        }
    }
    scan_end(&m->scan);
    return SENDMAIL_OK;
}

bool sendmail_read_back(struct sendmail_message *m, struct slice *piece)
{
    *piece = S("");
    if (m->fd < 0)
        return true;
    ssize_t n;
    do
        n = pread(m->fd, m->piece, sizeof m->piece, (off_t)m->given);
    while (n < 0 && errno == EINTR);
    if (n < 0 || (n == 0 && m->given + m->memory.n < m->size))
        return false;
    m->given += (uint64_t)n;
    *piece = slice(m->piece, (size_t)n);
    return true;
}
