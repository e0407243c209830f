/* Listening sockets: bound by the supervisor, accepted by reactors; per-address limits; paused at
 * the fd limit. */
#pragma once
#include "net/conn.h"

#define LISTEN_TEXT 128

struct listen_address {
    struct sockaddr_storage addr;
    socklen_t n;
    bool proxy;             /* "... proxy": listed peers speak the PROXY protocol */
    char text[LISTEN_TEXT]; /* as in the config */
};

/* "ADDRESS:PORT", "[V6]:PORT", "unix:PATH", each with " proxy" behind it. False: why. */
bool listen_parse(struct slice text, struct listen_address *a, char why[256]);
/* Does nobody listen there yet? SO_REUSEPORT would let a second server share the port in silence.
 * Unix sockets and port 0 are always free here. False: why. */
bool listen_free(const struct listen_address *a, char why[256]);
/* A bound, listening, non-blocking, close-on-exec socket with SO_REUSEPORT (not for unix: an old
 * socket file that nobody serves is replaced). Everybody may connect to a unix socket who may enter
 * its folder; to one that takes a PROXY header only its owner. It changes the umask of the process
 * meanwhile. -1: why says what to do (in use by..., privileges). */
int listen_open(const struct listen_address *a, char why[256]);
/* "192.0.2.1:25" with the real port, for the log. */
void listen_name(int fd, char out[LISTEN_TEXT]);

struct listener; /* one socket on one reactor */

struct listener_options {
    int fd;           /* stays the caller's; not closed */
    const char *name; /* "smtp", outlives the listener */
    bool tls;
    bool proxy;
    int64_t timeout; /* for PROXY and handshake */
    /* Reactor. Makes the session of a new connection and says which handler drives it; false:
     * refused, the conn is closed after `refusal` has been sent (may be empty; plain ports only).
     */
    bool (*accept)(void *arg, const struct peer *peer, const struct conn_handler **handler,
        void **session, struct slice *refusal);
    void *arg;
    /* Said on plain ports to an address that has its fill of connections; may be empty. */
    struct slice too_many;
};

/* Reactor. */
struct listener *listener_start(const struct listener_options *options);
/* Accepts until EAGAIN, then stops; connections live on. */
void listener_stop(struct listener *l);

/* Process-wide limit per peer_network_key, any thread. listener does this; tests look. 0: no limit.
 */
void listen_set_limit(unsigned connections_per_address);
/* Process-wide, any thread: who else than loopback and unix sockets may open connections on "proxy"
 * ports. False: more than 256. */
bool listen_set_proxies(const struct peer_network *networks, size_t n);
/* Reactor: how many conns live here; calls fn for each (drain, session list). */
size_t conn_count(void);
void conn_each(void (*fn)(struct conn *c, void *arg), void *arg);
