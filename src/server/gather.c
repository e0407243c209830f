#include "server/gather.h"
#include "base/log.h"
#include "delivery/route.h"
#include "directory/directory.h"
#include "message/address.h"
#include "net/key.h"
#include "net/listen.h"
#include "net/tls.h"
#include "server/own_certificate.h"
#include "server/users.h"
#include "server/ways.h"
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define PEM_MAX         ((size_t)1024 * 1024)
#define ANCHOR_MAX      ((size_t)64 * 1024)
#define AUTHORITIES_MAX ((size_t)4 * 1024 * 1024)
#define USERS_MAX       ((size_t)64 * 1024)

struct gathering {
    struct gather *g;
    const char *path;
    gather_report report;
    void *arg;
    unsigned problems;
};

static __attribute__((format(printf, 3, 4))) void problem(
    struct gathering *w, int line, const char *format, ...)
{
    char text[1024];
    int n = line ? snprintf(text, sizeof text, "%.400s:%d: ", w->path, line)
                 : snprintf(text, sizeof text, "%.400s: ", w->path);
    va_list args;
    va_start(args, format);
    vsnprintf(text + n, sizeof text - (size_t)n, format, args);
    va_end(args);
    w->problems++;
    w->report(w->arg, text);
}

/* ---- listeners ---- */

struct service {
    const char *name;
    bool tls, local_only;
    bool by_uid; /* unix sockets only: the system says who it is */
};

static const struct service services[] = {
    {"smtp", false, false},
    {"submission", false, false},
    {"submissions", true, false},
    {"imap", false, false},
    {"imaps", true, false},
    {"pop3", false, false},
    {"pop3s", true, false},
    {"lmtp", false, true},
    {"sendmail", false, false, true},
    {"metrics", false, false},
};

static const struct config_list *list_of(const struct config *c, size_t i)
{
    const struct config_list *const lists[] = {&c->listen.smtp, &c->listen.submission,
        &c->listen.submissions, &c->listen.imap, &c->listen.imaps, &c->listen.pop3,
        &c->listen.pop3s, &c->listen.lmtp, &c->listen.sendmail, &c->listen.metrics};
    return lists[i];
}

static struct gather_socket *find_socket(
    struct gather *g, const char *service, const char *text, unsigned reactor)
{
    for (size_t i = 0; g && i < g->socket_n; i++) {
        struct gather_socket *s = &g->sockets[i];
        if (s->reactor == reactor && !strcmp(s->service, service) && !strcmp(s->text, text))
            return s;
    }
    return NULL;
}

static struct gather_socket *add_socket(struct gathering *w, const struct service *service,
    const struct listen_address *a, unsigned reactor, int fd)
{
    struct gather *g = w->g;
    if (g->socket_n == GATHER_SOCKETS_MAX) {
        problem(w, 0, "more than %d listening sockets", GATHER_SOCKETS_MAX);
        return NULL;
    }
    struct gather_socket *s = &g->sockets[g->socket_n++];
    *s = (struct gather_socket){
        .reactor = reactor, .tls = service->tls, .proxy = a->proxy, .fd = fd};
    snprintf(s->service, sizeof s->service, "%s", service->name);
    snprintf(s->text, sizeof s->text, "%s", a->text);
    return s;
}

/* [::] and unix sockets are defaults: a machine without IPv6, or a server without its folder in
 * /run, shall start all the same. */
static void cannot_open(struct gathering *w, const struct service *service,
    const struct config_item *item, const char *why)
{
    if (item->line)
        problem(w, item->line, "listen.%s: %s", service->name, why);
    else if (slice_starts(slice_str(item->text), S("unix:")))
        log_info("listener left out", log_text("listener", service->name), log_text("reason", why));
    else if (slice_starts(slice_str(item->text), S("[")))
        log_warn("listener left out", log_text("listener", service->name), log_text("reason", why));
    else
        problem(w, 0, "listen.%s (default): %s", service->name, why);
}

static uint16_t port_of(const struct sockaddr_storage *addr, socklen_t n)
{
    struct peer p;
    peer_set(&p, (const struct sockaddr *)addr, n);
    return p.port;
}

/* Sockets of the present config stay open until the worker has the new ones: they do not count as
 * others'. */
static bool port_is_ours(const struct gather *old, const struct listen_address *a)
{
    uint16_t port = port_of(&a->addr, a->n);
    for (size_t i = 0; old && i < old->socket_n; i++) {
        struct sockaddr_storage addr = {0};
        socklen_t n = sizeof addr;
        if (!getsockname(old->sockets[i].fd, (struct sockaddr *)&addr, &n) &&
            addr.ss_family != AF_UNIX && port_of(&addr, n) == port)
            return true;
    }
    return false;
}

/* One socket for each reactor, all on the port that the first one got; a unix socket is shared. */
static void open_address(struct gathering *w, struct gather *old, const struct service *service,
    const struct config_item *item, struct listen_address *a)
{
    char why[256];
    int first = -1;
    bool shared = a->addr.ss_family == AF_UNIX;
    if (!port_is_ours(old, a) && !listen_free(a, why)) {
        cannot_open(w, service, item, why);
        return;
    }
    for (unsigned r = 0; r < w->g->reactors; r++) {
        struct gather_socket *kept = find_socket(old, service->name, a->text, r);
        int fd = kept ? kept->fd : shared && r ? first : listen_open(a, why);
        if (fd < 0) {
            cannot_open(w, service, item, why);
            return;
        }
        if (!add_socket(w, service, a, r, fd)) {
            if (fd != first && !kept)
                close(fd);
            return;
        }
        if (!r && !shared) {
            a->n = sizeof a->addr;
            getsockname(fd, (struct sockaddr *)&a->addr, &a->n);
        }
        if (!r)
            first = fd;
    }
}

static bool same_address(const struct listen_address *a, const struct listen_address *b)
{
    return a->n == b->n && !memcmp(&a->addr, &b->addr, a->n) &&
           (a->addr.ss_family == AF_UNIX || port_of(&a->addr, a->n));
}

/* Before entry k of service i. The kernel would let both have it, and give each some connections.
 */
static bool named_before(struct gathering *w, size_t i, size_t k, const struct config_item *item,
    const struct listen_address *a)
{
    for (size_t s = 0; s <= i; s++) {
        const struct config_list *list = list_of(&w->g->config, s);
        for (size_t n = 0; n < (s == i ? k : list->n); n++) {
            struct listen_address b;
            char why[256];
            if (!listen_parse(slice_str(list->items[n].text), &b, why) || !same_address(a, &b))
                continue;
            problem(w, item->line ? item->line : list->items[n].line,
                "listen.%s: %s stands in listen.%s already", services[i].name, item->text,
                services[s].name);
            return true;
        }
    }
    return false;
}

static void visit_addresses(struct gathering *w, struct gather *old, bool open_them)
{
    for (size_t i = 0; i < sizeof services / sizeof *services; i++) {
        const struct config_list *list = list_of(&w->g->config, i);
        for (size_t k = 0; k < list->n; k++) {
            const struct config_item *item = &list->items[k];
            struct listen_address a;
            char why[256];
            if (!listen_parse(slice_str(item->text), &a, why)) {
                problem(w, item->line, "listen.%s: %s", services[i].name, why);
            } else if (named_before(w, i, k, item, &a)) {
                continue;
            } else if (services[i].by_uid && (a.addr.ss_family != AF_UNIX || a.proxy)) {
                problem(w, item->line,
                    "listen.%s: only unix:PATH: there the system says which user it is",
                    services[i].name);
            } else if (services[i].local_only && a.addr.ss_family != AF_UNIX) {
                struct peer p;
                peer_set(&p, (struct sockaddr *)&a.addr, a.n);
                if (!peer_loopback(&p))
                    problem(w, item->line,
                        "listen.%s: only unix:PATH or a loopback address: it asks for no password",
                        services[i].name);
                else if (open_them)
                    open_address(w, old, &services[i], item, &a);
            } else if (open_them) {
                open_address(w, old, &services[i], item, &a);
            }
        }
    }
}

static void check_names(struct gathering *w)
{
    const struct config_item *hostname = &w->g->config.hostname;
    const struct config_item *postmaster = &w->g->config.postmaster;
    char canonical[DIRECTORY_ADDRESS_MAX + 1];
    if (hostname->text && *hostname->text &&
        !address_domain_valid(slice_str(hostname->text), false))
        problem(w, hostname->line,
            "hostname: \"%s\" is no name of a host: letters, digits, hyphens and dots, as in "
            "mail.example.org (one with other letters in its form xn--...)",
            hostname->text);
    if (postmaster->text && *postmaster->text &&
        !directory_canonical(slice_str(postmaster->text), canonical))
        problem(w, postmaster->line, "postmaster: \"%s\" is not an address", postmaster->text);
}

static void check_proxies(struct gathering *w)
{
    const struct config_list *list = &w->g->config.proxy_peers;
    struct peer_network n;
    for (size_t i = 0; i < list->n; i++)
        if (!peer_network_parse(slice_str(list->items[i].text), &n))
            problem(w, list->items[i].line,
                "proxy.peers: %s is neither an address nor a network (192.0.2.0/24)",
                list->items[i].text);
}

static void check_users(struct gathering *w)
{
    const struct config_list *list = &w->g->config.sendmail_users;
    char why[USERS_WHY];
    buffer_init(&w->g->users, USERS_MAX);
    for (size_t i = 0; i < list->n; i++)
        if (!users_add(&w->g->users, list->items[i].text, why))
            problem(w, list->items[i].line, "sendmail.users: %s", why);
}

static bool read_file(const char *path, struct buffer *to)
{
    FILE *f = fopen(path, "re");
    char *room;
    size_t n;
    while (f && (room = buffer_room(to, 4096)) && (n = fread(room, 1, 4096, f)) > 0)
        buffer_took(to, n);
    bool ok = f && !ferror(f) && !to->overflow;
    if (f)
        fclose(f);
    return ok;
}

/* ---- where mail goes, and who knows ---- */

static void way_problem(void *arg, int line, const char *text)
{
    problem(arg, line, "%s", text);
}

/* Whom to believe. Without them no policy of MTA-STS can be kept, which is no reason not to run. */
static void read_authorities(struct gathering *w)
{
    const struct config_item *item = &w->g->config.outbound_authorities;
    struct buffer *pem = &w->g->authorities;
    char why[DIAL_WHY];
    buffer_init(pem, AUTHORITIES_MAX);
    if (!item->text || !*item->text)
        return;
    if (!read_file(item->text, pem)) {
        log_warn("no certificate authorities", log_text("file", item->text),
            log_text("reason", pem->overflow ? "larger than 4 MiB" : strerror(errno)),
            log_text("effect", "mail that MTA-STS or REQUIRETLS wants verified waits"));
        buffer_reset(pem);
        return;
    }
    if (slice_find_slice(buffer_slice(pem), S("-----BEGIN ")) == SLICE_NONE) {
        problem(
            w, item->line, "outbound.authorities: %s holds no certificate in PEM form", item->text);
        return;
    }
    struct dial_trust *trust = dial_trust_create(buffer_slice(pem), why);
    if (!trust)
        problem(w, item->line, "outbound.authorities: %s: %s", item->text, why);
    dial_trust_release(trust);
}

/* "NAME [TTL] [CLASS] DS ..." */
static bool is_anchor(struct slice record)
{
    for (int i = 0; i < 4 && record.n; i++) {
        size_t n = 0;
        while (n < record.n && record.p[n] != ' ' && record.p[n] != '\t')
            n++;
        struct slice word = slice_sub(record, 0, n);
        record = slice_trim(slice_from(record, n));
        if (i && (slice_eq_nocase(word, S("DS")) || slice_eq_nocase(word, S("DNSKEY"))))
            return record.n > 0;
    }
    return false;
}

/* The resolver reads it when the server starts, and says less about it. */
static void read_anchor(struct gathering *w, const struct config_item *item)
{
    struct buffer *text = &w->g->anchor;
    unsigned line = 0, records = 0;
    if (!strcmp(item->text, "root") || !strcmp(item->text, "none"))
        return;
    if (!read_file(item->text, text)) {
        problem(w, item->line, "dns.trust_anchor: cannot read %s: %s", item->text,
            text->overflow ? "larger than 64 KiB" : strerror(errno));
        return;
    }
    for (struct slice rest = buffer_slice(text); rest.n;) {
        struct slice record = slice_trim(slice_cut(&rest, '\n'));
        line++;
        if (!record.n || record.p[0] == ';' || record.p[0] == '#')
            continue;
        records++;
        if (!is_anchor(record)) {
            problem(w, item->line,
                "dns.trust_anchor: %s:%u is no DS or DNSKEY record, as a zone file has them",
                item->text, line);
            return;
        }
    }
    if (!records)
        problem(w, item->line, "dns.trust_anchor: %s holds no DS or DNSKEY record", item->text);
}

static void check_outbound(struct gathering *w)
{
    const struct config *c = &w->g->config;
    const struct config_item *anchor = &c->dns_trust_anchor;
    char host[DELIVERY_HOST_MAX];
    uint16_t port;
    struct sockaddr_storage address;
    socklen_t n;
    buffer_init(&w->g->anchor, ANCHOR_MAX);
    if (!anchor->text) /* not even the syntax was right */
        return;
    for (size_t i = 0; i < c->dns_servers.n; i++) {
        const struct config_item *item = &c->dns_servers.items[i];
        if (!delivery_relay_parse(slice_str(item->text), host, &port) ||
            !delivery_address_parse(slice_str(host), &address, &n))
            problem(w, item->line, "dns.servers: %s is not ADDRESS:PORT", item->text);
    }
    delivery_table_destroy(ways_create(c, way_problem, w));
    read_anchor(w, anchor);
}

/* ---- certificates ---- */

static void read_pem(struct gathering *w, const struct config_item *item, const char *name)
{
    struct gather *g = w->g;
    struct stat st;
    char *bytes = malloc(PEM_MAX);
    size_t at = g->certificate_n;
    ssize_t n = -1;
    int fd = open(item->text, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd >= 0 && !fstat(fd, &st) && S_ISREG(st.st_mode) && bytes)
        n = read(fd, bytes, PEM_MAX);
    if (n < 0 || (size_t)n == PEM_MAX)
        problem(w, item->line, "%s: cannot read %s: %s", name, item->text,
            fd < 0 ? strerror(errno) : "not a file of at most 1 MiB");
    if (fd >= 0)
        close(fd);
    g->pems[at] = (struct gather_pem){bytes, n > 0 ? (size_t)n : 0};
    g->certificate_n++;
}

static void read_certificates(struct gathering *w, bool may_make)
{
    struct gather *g = w->g;
    const struct config *c = &g->config;
    g->pems = calloc(2 * SNAPSHOT_CERTIFICATES_MAX, sizeof *g->pems);
    if (!g->pems) {
        problem(w, 0, "out of memory");
        return;
    }
    if (*c->tls.certificate.text) {
        read_pem(w, &c->tls.certificate, "tls.certificate");
        read_pem(w, &c->tls.key, "tls.key");
    } else {
        char why[256];
        if (!own_certificate(may_make ? g->data_dir : -1, c->hostname.text, &g->pems[0].bytes,
                &g->pems[0].n, &g->pems[1].bytes, &g->pems[1].n, why))
            problem(w, 0, "%s", why);
        g->certificate_n = 2;
    }
    for (size_t i = 0; i < c->tls.also_n; i++) {
        read_pem(w, &c->tls.also[i].certificate, "tls.also.certificate");
        read_pem(w, &c->tls.also[i].key, "tls.also.key");
    }
    g->certificate_n /= 2;
}

static struct slice pem(const struct gather *g, size_t i)
{
    return slice(g->pems[i].bytes, g->pems[i].n);
}

/* As the worker will build them: does each key fit its certificate? */
static void try_certificates(struct gathering *w)
{
    struct gather *g = w->g;
    struct tls_certificate list[SNAPSHOT_CERTIFICATES_MAX];
    char why[256];
    if (!g->certificate_n || w->problems)
        return;
    for (size_t i = 0; i < g->certificate_n; i++)
        list[i] = (struct tls_certificate){
            .server_name = i ? g->config.tls.also[i - 1].server_name.text : NULL,
            .chain_pem = pem(g, 2 * i),
            .key_pem = pem(g, 2 * i + 1)};
    struct tls_server *t = tls_server_create(list, g->certificate_n, why);
    if (!t)
        problem(w, g->config.tls.certificate.line, "tls: %s", why);
    tls_server_release(t);
}

/* ---- the whole ---- */

static void config_problem(void *arg, const char *text)
{
    struct gathering *w = arg;
    w->problems++;
    w->report(w->arg, text);
}

static bool load(struct gathering *w)
{
    struct gather *g = w->g;
    buffer_init(&g->config_text, CONFIG_FILE_MAX);
    if (!read_file(w->path, &g->config_text)) {
        problem(w, 0, "cannot be read: %s",
            g->config_text.overflow ? "larger than 1 MiB" : strerror(errno));
        return false;
    }
    config_parse(&g->config, buffer_slice(&g->config_text), w->path, config_problem, w);
    check_names(w);
    check_proxies(w);
    check_users(w);
    check_outbound(w);
    return w->problems == 0;
}

bool gather_check(const char *path, gather_report report, void *arg)
{
    struct gather g = {.data_dir = -1};
    struct gathering w = {.g = &g, .path = path, .report = report, .arg = arg};
    if (load(&w)) {
        read_authorities(&w);
        visit_addresses(&w, NULL, false);
        read_certificates(&w, false);
        try_certificates(&w);
    }
    gather_finish(&g, NULL);
    return w.problems == 0;
}

bool gather_all(
    struct gather *g, struct gather *old, const char *path, gather_report report, void *arg)
{
    struct gathering w = {.g = g, .path = path, .report = report, .arg = arg};
    long cores = sysconf(_SC_NPROCESSORS_ONLN);
    *g = (struct gather){.data_dir = -1};
    g->reactors = old ? old->reactors : cores > 0 && cores < 256 ? (unsigned)cores : 1;
    g->sockets = calloc(GATHER_SOCKETS_MAX, sizeof *g->sockets);
    if (!g->sockets)
        problem(&w, 0, "out of memory");
    else if (load(&w)) {
        log_start(STDERR_FILENO, (enum log_level)g->config.log_level,
            (enum log_format)g->config.log_format);
        log_stop(); /* one thread: lines are written at once */
        read_authorities(&w);
        g->data_dir = open(g->config.data_dir.text, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (g->data_dir < 0)
            problem(&w, g->config.data_dir.line,
                "data_dir %s: %s (make it and give it to the user"
                " that barid is to run as)",
                g->config.data_dir.text, strerror(errno));
        else if (old && strcmp(old->config.data_dir.text, g->config.data_dir.text))
            problem(&w, g->config.data_dir.line,
                "data_dir cannot change in a running server: restart it");
        else
            read_certificates(&w, true);
        try_certificates(&w);
        if (!w.problems)
            visit_addresses(&w, old, true);
    }
    if (!w.problems)
        return true;
    gather_finish(g, old);
    return false;
}

bool gather_send(const struct gather *g, const char *path, int sock)
{
    struct snapshot s = {.path = slice_str(path),
        .config = buffer_slice(&g->config_text),
        .anchor = buffer_slice(&g->anchor),
        .authorities = buffer_slice(&g->authorities),
        .users = buffer_slice(&g->users),
        .reactors = g->reactors};
    s.certificates = calloc(g->certificate_n + 1, sizeof *s.certificates);
    s.listeners = calloc(g->socket_n + 1, sizeof *s.listeners);
    int fd = -1;
    bool ok = s.certificates && s.listeners;
    for (size_t i = 0; ok && i < g->certificate_n; i++)
        s.certificates[s.certificate_n++] = (struct snapshot_certificate){
            .server_name = slice_str(i ? g->config.tls.also[i - 1].server_name.text : ""),
            .chain = pem(g, 2 * i),
            .key = pem(g, 2 * i + 1)};
    for (size_t i = 0; ok && i < g->socket_n; i++)
        s.listeners[s.listener_n++] =
            (struct snapshot_listener){.service = slice_str(g->sockets[i].service),
                .text = slice_str(g->sockets[i].text),
                .tls = g->sockets[i].tls,
                .proxy = g->sockets[i].proxy,
                .reactor = g->sockets[i].reactor};
    ok = ok && (fd = snapshot_write(&s)) >= 0 &&
         handover_send(sock, HANDOVER_SNAPSHOT, 0, fd, S("")) &&
         handover_send(sock, HANDOVER_DATA_DIR, 0, g->data_dir, S(""));
    for (size_t i = 0; ok && i < g->socket_n; i++)
        ok = handover_send(sock, HANDOVER_LISTENER, (uint32_t)i, g->sockets[i].fd, S(""));
    ok = ok && handover_send(sock, HANDOVER_GO, 0, -1, S(""));
    if (fd >= 0)
        close(fd);
    free(s.certificates);
    free(s.listeners);
    return ok;
}

static bool shares(const struct gather *g, int fd)
{
    for (size_t i = 0; g && i < g->socket_n; i++)
        if (g->sockets[i].fd == fd)
            return true;
    return false;
}

void gather_finish(struct gather *g, const struct gather *kept)
{
    for (size_t i = 0; i < g->socket_n; i++) {
        bool again = false; /* a unix socket stands there once for each reactor */
        for (size_t k = 0; k < i; k++)
            again |= g->sockets[k].fd == g->sockets[i].fd;
        if (!again && !shares(kept, g->sockets[i].fd))
            close(g->sockets[i].fd);
    }
    for (size_t i = 0; g->pems && i < 2 * SNAPSHOT_CERTIFICATES_MAX; i++) {
        if (g->pems[i].bytes)
            explicit_bzero(g->pems[i].bytes, g->pems[i].n);
        free(g->pems[i].bytes);
    }
    free(g->pems);
    if (g->data_dir >= 0)
        close(g->data_dir);
    free(g->sockets);
    buffer_finish(&g->config_text);
    buffer_finish(&g->anchor);
    buffer_finish(&g->authorities);
    buffer_finish(&g->users);
    config_finish(&g->config);
    *g = (struct gather){.data_dir = -1};
}
