#include "delivery/table.h"
#include "base/hash.h"
#include "message/address.h"
#include <arpa/inet.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/un.h>

#define PORT_SUBMISSIONS 465
#define PORT_SMTP        25
#define FROM             S(" from ")

#define BY_MX (-1)

struct row {
    enum delivery_by by;
    int hop; /* or BY_MX */
    size_t domain_n;
    char domain[ADDRESS_DOMAIN_MAX]; /* canonical */
};

/* As large as it has to be: tables of configs that were replaced are never freed. */
struct delivery_table {
    struct delivery_hop *hops;
    struct row *rows;
    size_t hop_n, row_n, hop_room, row_room;
    int all; /* or BY_MX */
    struct sockaddr_storage source[DELIVERY_SOURCES_MAX];
};

struct delivery_table *delivery_table_create(void)
{
    struct delivery_table *t = calloc(1, sizeof *t);
    if (t)
        t->all = BY_MX;
    return t;
}

/* Room for one more of each. */
static bool make_room(struct delivery_table *t)
{
    if (t->hop_n == t->hop_room) {
        struct delivery_hop *hops = reallocarray(t->hops, 2 * t->hop_n + 1, sizeof *hops);
        if (!hops)
            return false;
        t->hops = hops;
        t->hop_room = 2 * t->hop_n + 1;
    }
    if (t->row_n == t->row_room) {
        struct row *rows = reallocarray(t->rows, 2 * t->row_n + 1, sizeof *rows);
        if (!rows)
            return false;
        t->rows = rows;
        t->row_room = 2 * t->row_n + 1;
    }
    return true;
}

void delivery_table_destroy(struct delivery_table *t)
{
    if (!t)
        return;
    free(t->hops);
    free(t->rows);
    free(t);
}

/* ---- building ---- */

static __attribute__((format(printf, 2, 3))) bool no(
    char why[DELIVERY_TABLE_WHY], const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(why, DELIVERY_TABLE_WHY, format, args);
    va_end(args);
    return false;
}

static bool take_sources(struct sockaddr_storage out[DELIVERY_SOURCES_MAX],
    const struct slice *source, size_t n, char why[DELIVERY_TABLE_WHY])
{
    for (size_t i = 0; i < n; i++) {
        struct sockaddr_storage a;
        socklen_t size;
        if (!delivery_address_parse(source[i], &a, &size))
            return no(why, SLICE_FMT " is no address", SLICE_ARG(slice_sub(source[i], 0, 100)));
        struct sockaddr_storage *to = &out[a.ss_family == AF_INET6];
        if (to->ss_family)
            return no(why, "there can be one IPv4 and one IPv6 address");
        *to = a;
    }
    return true;
}

bool delivery_table_source(
    struct delivery_table *t, const struct slice *source, size_t n, char why[DELIVERY_TABLE_WHY])
{
    return take_sources(t->source, source, n, why);
}

static bool printable(struct slice s)
{
    for (size_t i = 0; i < s.n; i++)
        if ((unsigned char)s.p[i] < 32 || s.p[i] == 127)
            return false;
    return true;
}

/* "unix:/run/lmtp" */
static bool take_socket(struct delivery_hop *h, char why[DELIVERY_TABLE_WHY])
{
    struct slice path = slice_from(h->way.via, 5);
    if (path.n >= sizeof((struct sockaddr_un *)0)->sun_path || !slice_starts(path, S("/")) ||
        !printable(path) || !slice_to_cstr(path, h->host, sizeof h->host))
        return no(why, "via: unix: wants an absolute path of at most 107 bytes");
    h->socket = h->lmtp = true;
    if (h->way.login.n || h->tls == DELIVERY_TLS_VERIFY || h->tls == DELIVERY_TLS_ENCRYPT)
        return no(why, "via: there is neither TLS nor a login on a unix socket");
    if (h->way.source_n)
        return no(why, "source: a connection to a unix socket has no address");
    return true;
}

static bool take_host(struct delivery_hop *h, char why[DELIVERY_TABLE_WHY])
{
    struct sockaddr_storage literal;
    socklen_t n;
    if (!delivery_relay_parse(h->way.via, h->host, &h->port) ||
        (!delivery_address_parse(slice_str(h->host), &literal, &n) &&
            !address_domain_valid(slice_str(h->host), false)))
        return no(
            why, "via: " SLICE_FMT " is not HOST:PORT", SLICE_ARG(slice_sub(h->way.via, 0, 100)));
    if (h->lmtp && h->port == PORT_SMTP) /* RFC 2033 §5 */
        return no(why, "via: LMTP is never spoken on port 25");
    h->tls_at_once = h->port == PORT_SUBMISSIONS && !h->lmtp;
    if (h->tls == DELIVERY_TLS_DEFAULT)
        h->tls = h->way.login.n ? DELIVERY_TLS_VERIFY : DELIVERY_TLS_OPPORTUNISTIC;
    if (h->tls_at_once && h->tls == DELIVERY_TLS_OPPORTUNISTIC && !h->way.login.n)
        h->tls = DELIVERY_TLS_ENCRYPT; /* it is there, or nothing is */
    if (h->way.login.n && h->tls == DELIVERY_TLS_OPPORTUNISTIC)
        return no(why, "tls: a login is sent over TLS only: \"verify\" or \"encrypt\"");
    return true;
}

static bool take_mx(struct delivery_hop *h, char why[DELIVERY_TABLE_WHY])
{
    if (h->lmtp)
        return no(why, "protocol: MX hosts speak SMTP only");
    if (h->way.login.n)
        return no(why, "login: it is sent to the host of via only, and there is none");
    if (h->tls != DELIVERY_TLS_DEFAULT)
        return no(why, "tls: it is for the host of via only, and there is none");
    h->mx = true;
    h->tls = DELIVERY_TLS_OPPORTUNISTIC;
    return true;
}

static bool take_way(struct delivery_hop *h, char why[DELIVERY_TABLE_WHY])
{
    const struct delivery_way *w = &h->way;
    h->lmtp = w->lmtp;
    h->tls = w->tls;
    if (!w->login.n != !w->password.n)
        return no(why, "login and password belong together: set both or none");
    if (!printable(w->login) || !printable(w->password))
        return no(why, "login and password cannot hold control characters");
    if (w->source_n > DELIVERY_SOURCES_MAX || !take_sources(h->source, w->source, w->source_n, why))
        return w->source_n <= DELIVERY_SOURCES_MAX
                   ? false
                   : no(why, "there can be one IPv4 and one IPv6 address");
    if (!w->via.n || slice_eq(w->via, S("mx")))
        return take_mx(h, why);
    return slice_starts(w->via, S("unix:")) ? take_socket(h, why) : take_host(h, why);
}

bool delivery_hop_same(const struct delivery_hop *a, const struct delivery_hop *b)
{
    return a->mx == b->mx && a->lmtp == b->lmtp && a->tls == b->tls && a->socket == b->socket &&
           a->port == b->port && !strcmp(a->host, b->host) &&
           slice_eq(a->way.login, b->way.login) && slice_eq(a->way.password, b->way.password) &&
           !memcmp(a->source, b->source, sizeof a->source);
}

static int put_address(char *out, size_t room, const struct sockaddr_storage *a)
{
    struct peer peer;
    peer_set(&peer, (const struct sockaddr *)a, sizeof *a);
    return snprintf(out, room, "%s", peer.address);
}

/* Behind the domain: "from 192.0.2.5,2001:db8::5". */
static void name_mx(struct delivery_hop *h)
{
    size_t n = 0;
    for (size_t i = 0; i < DELIVERY_SOURCES_MAX; i++) {
        if (!h->source[i].ss_family)
            continue;
        n += (size_t)snprintf(h->name + n, sizeof h->name - n, "%s", n ? "," : "from ");
        n += (size_t)put_address(h->name + n, sizeof h->name - n, &h->source[i]);
    }
}

static void name_host(struct delivery_hop *h, unsigned number)
{
    bool six = strchr(h->host, ':') != NULL;
    int n = h->socket ? snprintf(h->name, sizeof h->name, "lmtp:unix:%s", h->host)
                      : snprintf(h->name, sizeof h->name, "%s%s%s%s:%u", h->lmtp ? "lmtp:" : "",
                            six ? "[" : "", h->host, six ? "]" : "", (unsigned)h->port);
    if (number > 1)
        snprintf(h->name + n, sizeof h->name - (size_t)n, "#%u", number);
}

static bool taken(const struct delivery_table *t, const char *name)
{
    for (size_t i = 0; i < t->hop_n; i++)
        if (!strcmp(t->hops[i].name, name))
            return true;
    return false;
}

/* The hop of its kind that is there, or a new one. */
static int settle(struct delivery_table *t, struct delivery_hop *h)
{
    unsigned number = 1;
    for (size_t i = 0; i < t->hop_n; i++)
        if (delivery_hop_same(&t->hops[i], h))
            return (int)i;
    if (h->mx)
        name_mx(h);
    else
        do
            name_host(h, number++);
        while (taken(t, h->name));
    t->hops[t->hop_n] = *h;
    return (int)t->hop_n++;
}

static const struct row *find(
    const struct delivery_table *t, enum delivery_by by, struct slice domain)
{
    for (size_t i = 0; i < t->row_n; i++)
        if (t->rows[i].by == by && slice_eq(slice(t->rows[i].domain, t->rows[i].domain_n), domain))
            return &t->rows[i];
    return NULL;
}

static bool canonical(struct slice domain, char out[ADDRESS_DOMAIN_MAX], struct slice *to)
{
    struct buffer b;
    buffer_init(&b, ADDRESS_DOMAIN_MAX);
    bool fine = domain.n && address_canonical_domain(domain, &b) && b.n;
    if (fine)
        memcpy(out, b.p, b.n);
    *to = slice(out, fine ? b.n : 0);
    buffer_finish(&b);
    return fine;
}

/* A plain way by MX is no hop. */
static int hop_of(struct delivery_table *t, struct delivery_hop *h)
{
    return h->mx && !h->way.source_n ? BY_MX : settle(t, h);
}

bool delivery_table_add(struct delivery_table *t, enum delivery_by by, struct slice domain,
    const struct delivery_way *way, char why[DELIVERY_TABLE_WHY])
{
    struct delivery_hop h = {.way = *way};
    struct slice name;
    if (!take_way(&h, why))
        return false;
    if (!make_room(t))
        return no(why, "out of memory");
    if (by == DELIVERY_BY_ALL) {
        t->all = hop_of(t, &h);
        return true;
    }
    if (t->row_n == DELIVERY_ROWS_MAX)
        return no(why, "there are more than %d routes", DELIVERY_ROWS_MAX);
    struct row *row = &t->rows[t->row_n];
    if (!canonical(domain, row->domain, &name))
        return no(why, SLICE_FMT " is no domain", SLICE_ARG(slice_sub(domain, 0, 100)));
    if (find(t, by, name))
        return no(why, SLICE_FMT " has a route already", SLICE_ARG(name));
    row->domain_n = name.n;
    row->by = by;
    row->hop = hop_of(t, &h);
    t->row_n++;
    return true;
}

/* ---- asking ---- */

static const struct delivery_hop *choose(
    const struct delivery_table *t, struct slice recipient, struct slice sender)
{
    const struct row *row = find(t, DELIVERY_BY_RECIPIENT, recipient);
    if (!row && sender.n)
        row = find(t, DELIVERY_BY_SENDER, sender);
    int hop = row ? row->hop : t->all;
    return hop == BY_MX ? NULL : &t->hops[hop];
}

struct slice delivery_table_route(const struct delivery_table *t, struct slice recipient,
    struct slice sender, char out[QUEUE_ROUTE_MAX])
{
    const struct delivery_hop *h = t ? choose(t, recipient, sender) : NULL;
    if (!h)
        return recipient;
    struct slice name = slice_str(h->name);
    if (!h->mx)
        return name;
    memcpy(out, recipient.p, recipient.n);
    out[recipient.n] = ' ';
    memcpy(out + recipient.n + 1, name.p, name.n);
    return slice(out, recipient.n + 1 + name.n);
}

bool delivery_table_route_of(const struct delivery_table *t, struct slice recipient,
    struct slice sender, char out[QUEUE_ROUTE_MAX], struct slice *route)
{
    char to[ADDRESS_DOMAIN_MAX], from[ADDRESS_DOMAIN_MAX];
    struct slice to_domain, from_domain = S("");
    size_t at = slice_rfind(recipient, '@');
    if (at == SLICE_NONE || !canonical(slice_from(recipient, at + 1), to, &to_domain))
        return false;
    at = slice_rfind(sender, '@');
    if (at != SLICE_NONE)
        canonical(slice_from(sender, at + 1), from, &from_domain);
    *route = delivery_table_route(t, to_domain, from_domain, out);
    if (route->p == to) {
        memcpy(out, to, to_domain.n);
        route->p = out;
    }
    return true;
}

static const struct delivery_hop *named(const struct delivery_table *t, struct slice name)
{
    for (size_t i = 0; t && i < t->hop_n; i++)
        if (slice_eq(slice_str(t->hops[i].name), name))
            return &t->hops[i];
    return NULL;
}

const struct delivery_hop *delivery_table_hop(
    const struct delivery_table *t, struct slice route, struct slice *domain)
{
    size_t from = slice_find_slice(route, FROM);
    *domain = slice_sub(route, 0, from == SLICE_NONE ? route.n : from);
    bool literal = slice_starts(*domain, S("[")) && slice_ends(*domain, S("]"));
    if (!literal && slice_find(*domain, ':') != SLICE_NONE) {
        *domain = S("");
        return named(t, route);
    }
    return from == SLICE_NONE ? NULL : named(t, slice_from(route, from + 1));
}

const struct sockaddr *delivery_table_from(
    const struct delivery_table *t, const struct delivery_hop *hop, int family, socklen_t *n)
{
    size_t i = family == AF_INET6;
    const struct sockaddr_storage *a = hop ? &hop->source[i] : NULL;
    if (family != AF_INET && family != AF_INET6)
        return NULL;
    if (!a || !a->ss_family)
        a = t ? &t->source[i] : NULL;
    if (!a || !a->ss_family)
        return NULL;
    *n = i ? sizeof(struct sockaddr_in6) : sizeof(struct sockaddr_in);
    return (const struct sockaddr *)a;
}

static uint32_t add_mark(uint32_t mark, struct slice s)
{
    return crc32c(crc32c(mark, s.p, s.n), "", 1);
}

/* In any order of the rows. */
uint32_t delivery_table_mark(const struct delivery_table *t)
{
    uint32_t mark = 0;
    for (size_t i = 0; t && i < t->row_n; i++) {
        const struct row *row = &t->rows[i];
        uint32_t one = add_mark(0, row->by == DELIVERY_BY_SENDER ? S("sender") : S("recipient"));
        one = add_mark(one, slice(row->domain, row->domain_n));
        mark += add_mark(one, row->hop == BY_MX ? S("mx") : slice_str(t->hops[row->hop].name));
    }
    return t && t->all != BY_MX ? mark + add_mark(1, slice_str(t->hops[t->all].name)) : mark;
}

size_t delivery_table_hops(const struct delivery_table *t, const struct delivery_hop **first)
{
    *first = t ? t->hops : NULL;
    return t ? t->hop_n : 0;
}
