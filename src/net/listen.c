#include "net/limit_private.h"
#include "net/listen_private.h"
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define LISTEN_BACKLOG 4096
/* A peer that has vanished is noticed after this many seconds of silence and 5 probes. */
#define LISTEN_KEEPALIVE   300
#define LISTEN_PROXIES_MAX 256

/* ---- addresses ---- */

static bool listen_parse_unix(struct slice path, struct listen_address *a, char why[256])
{
    struct sockaddr_un sun = {.sun_family = AF_UNIX};
    if (path.n == 0 || path.p[0] != '/' ||
        !slice_to_cstr(path, sun.sun_path, sizeof sun.sun_path)) {
        snprintf(
            why, 256, "unix: needs an absolute path of at most %zu bytes", sizeof sun.sun_path - 1);
        return false;
    }
    memcpy(&a->addr, &sun, sizeof sun);
    a->n = (socklen_t)sizeof sun;
    return true;
}

static bool listen_parse_inet(struct slice text, struct listen_address *a, char why[256])
{
    char host[PEER_TEXT];
    uint64_t port;
    size_t colon = slice_rfind(text, ':');
    struct slice address = slice_sub(text, 0, colon == SLICE_NONE ? 0 : colon);
    if (colon == SLICE_NONE || !slice_to_u64(slice_from(text, colon + 1), UINT16_MAX, &port)) {
        snprintf(why, 256, "the port is missing or no number up to 65535: write ADDRESS:PORT");
        return false;
    }
    bool bracketed = slice_starts(address, S("[")) && slice_ends(address, S("]"));
    if (bracketed)
        address = slice_sub(address, 1, address.n - 2);
    struct sockaddr_in v4 = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    struct sockaddr_in6 v6 = {.sin6_family = AF_INET6, .sin6_port = htons((uint16_t)port)};
    bool fits = slice_to_cstr(address, host, sizeof host);
    if (fits && !bracketed && inet_pton(AF_INET, host, &v4.sin_addr) == 1) {
        memcpy(&a->addr, &v4, sizeof v4);
        a->n = (socklen_t)sizeof v4;
    } else if (fits && bracketed && inet_pton(AF_INET6, host, &v6.sin6_addr) == 1) {
        memcpy(&a->addr, &v6, sizeof v6);
        a->n = (socklen_t)sizeof v6;
    } else {
        snprintf(
            why, 256, "no address: write 192.0.2.1:25, [2001:db8::1]:25, 0.0.0.0:25 or unix:/path");
        return false;
    }
    return true;
}

bool listen_parse(struct slice text, struct listen_address *a, char why[256])
{
    memset(a, 0, sizeof *a);
    text = slice_trim(text);
    if (!slice_to_cstr(text, a->text, sizeof a->text)) {
        snprintf(why, 256, "longer than %d bytes", LISTEN_TEXT - 1);
        return false;
    }
    if (slice_ends(text, S(" proxy"))) {
        a->proxy = true;
        text = slice_trim(slice_sub(text, 0, text.n - 6));
    }
    if (slice_starts(text, S("unix:")))
        return listen_parse_unix(slice_from(text, 5), a, why);
    return listen_parse_inet(text, a, why);
}

/* ---- sockets ---- */

/* A socket file that nobody serves stands in the way after a crash. True: it is gone. */
static bool listen_remove_stale(const struct listen_address *a)
{
    const struct sockaddr_un *sun = (const struct sockaddr_un *)(const void *)&a->addr;
    struct stat st;
    if (lstat(sun->sun_path, &st) != 0 || !S_ISSOCK(st.st_mode))
        return false;
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return false;
    bool stale = connect(fd, (const struct sockaddr *)sun, a->n) != 0 && errno == ECONNREFUSED;
    close(fd);
    return stale && unlink(sun->sun_path) == 0;
}

static void listen_explain(const struct listen_address *a, int error, char why[256])
{
    const char *help = "";
    switch (error) {
    case EADDRINUSE:
        help = ": another program has it (`ss -ltnp` says which); stop it or choose another port";
        break;
    case EACCES:
    case EPERM:
        help = ": ports below 1024 need root or CAP_NET_BIND_SERVICE; paths need a folder that "
               "may be written";
        break;
    case EADDRNOTAVAIL:
        help = ": no interface of this machine has the address";
        break;
    case EAFNOSUPPORT:
        help = ": this machine has no IPv6; remove the address";
        break;
    case ENOENT:
        help = ": the folder does not exist";
        break;
    default:
        break;
    }
    snprintf(why, 256, "cannot listen on %.*s: %s%s", LISTEN_TEXT, a->text, strerrordesc_np(error),
        help);
}

/* Accepted sockets inherit these, which saves a system call each. */
static bool listen_set_options(int fd, int family)
{
    int on = 1, idle = LISTEN_KEEPALIVE, probes = 5, interval = 30;
    if (family == AF_UNIX)
        return true;
    if (family == AF_INET6 && setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on) != 0)
        return false;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on);
    setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &idle, sizeof idle);
    setsockopt(fd, IPPROTO_TCP, TCP_KEEPINTVL, &interval, sizeof interval);
    setsockopt(fd, IPPROTO_TCP, TCP_KEEPCNT, &probes, sizeof probes);
    return setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) == 0 &&
           setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof on) == 0;
}

/* By umask, not by chmod: a path could be a link to something else by then. */
static int listen_bind_unix(int fd, const struct listen_address *a)
{
    mode_t mask = umask(a->proxy ? 0177 : 0111);
    int result = bind(fd, (const struct sockaddr *)&a->addr, a->n), error = errno;
    umask(mask);
    errno = error;
    return result;
}

static bool listen_bind(int fd, const struct listen_address *a)
{
    if (a->addr.ss_family != AF_UNIX)
        return bind(fd, (const struct sockaddr *)&a->addr, a->n) == 0;
    if (listen_bind_unix(fd, a) == 0)
        return true;
    if (errno != EADDRINUSE)
        return false;
    if (listen_remove_stale(a))
        return listen_bind_unix(fd, a) == 0;
    errno = EADDRINUSE;
    return false;
}

bool listen_free(const struct listen_address *a, char why[256])
{
    int on = 1, family = a->addr.ss_family;
    struct peer p;
    if (family == AF_UNIX)
        return true;
    peer_set(&p, (const struct sockaddr *)&a->addr, a->n);
    if (!p.port)
        return true;
    int fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    bool ok =
        fd >= 0 &&
        (family != AF_INET6 || setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on) == 0) &&
        setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) == 0 &&
        bind(fd, (const struct sockaddr *)&a->addr, a->n) == 0;
    if (!ok)
        listen_explain(a, errno, why);
    if (fd >= 0)
        close(fd);
    return ok;
}

int listen_open(const struct listen_address *a, char why[256])
{
    int family = a->addr.ss_family;
    int fd = socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd >= 0 && listen_set_options(fd, family) && listen_bind(fd, a) &&
        listen(fd, LISTEN_BACKLOG) == 0) {
        why[0] = '\0';
        return fd;
    }
    listen_explain(a, errno, why);
    if (fd >= 0)
        close(fd);
    return -1;
}

void listen_name(int fd, char out[LISTEN_TEXT])
{
    struct sockaddr_storage addr;
    socklen_t n = sizeof addr;
    struct peer p;
    memset(&addr, 0, sizeof addr);
    if (getsockname(fd, (struct sockaddr *)&addr, &n) != 0) {
        snprintf(out, LISTEN_TEXT, "?");
        return;
    }
    if (addr.ss_family == AF_UNIX) {
        const struct sockaddr_un *sun = (const struct sockaddr_un *)(const void *)&addr;
        snprintf(out, LISTEN_TEXT, "unix:%.*s", (int)sizeof sun->sun_path, sun->sun_path);
        return;
    }
    peer_set(&p, (const struct sockaddr *)&addr, n);
    const char *form = p.addr.ss_family == AF_INET6 ? "[%s]:%u" : "%s:%u";
    snprintf(out, LISTEN_TEXT, form, p.address, p.port);
}

/* ---- settings of the process ---- */

void listen_set_limit(unsigned connections_per_address)
{
    limit_set(connections_per_address);
}

static struct {
    pthread_mutex_t lock;
    size_t n;
    struct peer_network networks[LISTEN_PROXIES_MAX];
} proxies = {.lock = PTHREAD_MUTEX_INITIALIZER};

bool listen_set_proxies(const struct peer_network *networks, size_t n)
{
    if (n > LISTEN_PROXIES_MAX)
        return false;
    pthread_mutex_lock(&proxies.lock);
    if (n)
        memcpy(proxies.networks, networks, n * sizeof *networks);
    proxies.n = n;
    pthread_mutex_unlock(&proxies.lock);
    return true;
}

bool listen_is_proxy(const struct peer *p)
{
    bool listed = peer_loopback(p);
    pthread_mutex_lock(&proxies.lock);
    for (size_t i = 0; i < proxies.n && !listed; i++)
        listed = peer_network_holds(&proxies.networks[i], p);
    pthread_mutex_unlock(&proxies.lock);
    return listed;
}
