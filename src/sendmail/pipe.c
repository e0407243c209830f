#include "sendmail/pipe.h"
#include "base/slice.h"
#include <errno.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

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

/* False: the end, or an error. */
static bool pass(int from, int to)
{
    static char bytes[16 * 1024];
    ssize_t n;
    do
        n = read(from, bytes, sizeof bytes);
    while (n < 0 && errno == EINTR);
    return n > 0 && write_all(to, slice(bytes, (size_t)n));
}

void sendmail_pipe(int sock)
{
    /* Programs may have written all that they want to say at once; it waits for the greeting, as
     * the server demands of everybody. */
    struct pollfd fds[] = {{STDIN_FILENO, POLLIN, 0}, {sock, POLLIN, 0}};
    bool greeted = pass(sock, STDOUT_FILENO);
    while (greeted && (poll(fds, 2, -1) > 0 || errno == EINTR)) {
        if (fds[1].revents && !pass(sock, STDOUT_FILENO))
            break;
        if (fds[0].revents && !pass(STDIN_FILENO, sock)) {
            shutdown(sock, SHUT_WR);
            fds[0].fd = -1;
        }
    }
    close(sock);
}
