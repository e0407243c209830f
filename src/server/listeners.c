#include "server/listeners.h"
#include "base/blame.h"
#include "base/list.h"
#include "base/log.h"
#include "server/everywhere.h"
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

struct entry {
    struct list node;
    char service[16], text[LISTEN_TEXT];
    uint32_t reactor;
    bool tls, proxy, wanted, fresh;
    int fd;
    struct services *services;
    struct listener *listener;
};

/* Changed by the main task only, while no reactor works on it. */
static struct list entries = LIST_INIT(entries);

/* Twice a worker died while it worked for this peer. */
static bool refuse_listed(const char *service, const struct peer *peer, struct slice *refusal)
{
    if (!blame_peer_listed(peer_network_key(peer)))
        return false;
    if (slice_starts(slice_str(service), S("pop3")))
        *refusal =
            S("-ERR [SYS/TEMP] This server had trouble with this address, try in 10 minutes\r\n");
    else if (slice_starts(slice_str(service), S("imap")))
        *refusal = S("* BYE [UNAVAILABLE] This server had trouble with this address, try in 10 "
                     "minutes\r\n");
    else if (slice_ends(slice_str(service), S("mtp")) ||
             slice_eq(slice_str(service), S("sendmail")))
        *refusal = S("421 4.3.0 This server had trouble with this address, try in 10 minutes\r\n");
    return true;
}

static bool accept_now(void *arg, const struct peer *peer, const struct conn_handler **handler,
    void **session, struct slice *refusal)
{
    struct entry *e = arg;
    struct listener_options o = {0};
    *refusal = (struct slice){0};
    return !refuse_listed(e->service, peer, refusal) &&
           services_find(e->services, e->service, &o) &&
           o.accept(o.arg, peer, handler, session, refusal);
}

static void start(struct entry *e)
{
    struct listener_options o = {0};
    services_find(e->services, e->service, &o);
    o.fd = e->fd;
    o.tls = e->tls;
    o.proxy = e->proxy;
    o.accept = accept_now;
    o.arg = e;
    e->listener = listener_start(&o);
}

/* On each reactor: its own entries. */
static void align(void *arg)
{
    unsigned here = reactor_index(reactor_self());
    list_for(&entries, node)
    {
        struct entry *e = list_entry(node, struct entry, node);
        if (e->reactor != here)
            continue;
        if (e->wanted && !e->listener)
            start(e);
        if (!e->wanted && e->listener) {
            listener_stop(e->listener);
            e->listener = NULL;
        }
    }
}

static struct entry *find(const struct snapshot_listener *l)
{
    list_for(&entries, node)
    {
        struct entry *e = list_entry(node, struct entry, node);
        if (e->reactor == l->reactor && slice_eq(slice_str(e->service), l->service) &&
            slice_eq(slice_str(e->text), l->text))
            return e;
    }
    return NULL;
}

static void want(const struct snapshot_listener *l, int fd, struct services *services)
{
    struct entry *e = find(l);
    if (e) {
        if (fd >= 0)
            close(fd);   /* the same socket again */
    } else if (fd < 0) { /* the kernel had no room for its descriptor */
        log_error("listener not started", log_slice("listener", l->service),
            log_slice("address", l->text), log_text("reason", "too many open files"));
        return;
    } else {
        e = calloc(1, sizeof *e);
        if (!e) {
            close(fd);
            log_error("listener not started", log_text("reason", "out of memory"));
            return;
        }
        slice_to_cstr(l->service, e->service, sizeof e->service);
        slice_to_cstr(l->text, e->text, sizeof e->text);
        e->reactor = l->reactor;
        e->tls = l->tls;
        e->proxy = l->proxy;
        e->fd = fd;
        e->fresh = true;
        list_push_back(&entries, &e->node);
    }
    e->services = services;
    e->wanted = true;
}

/* One line an address. */
static void tell(struct entry *e)
{
    char name[LISTEN_TEXT];
    if (!e->fresh || e->reactor != 0)
        return;
    listen_name(e->fd, name);
    if (e->listener)
        log_info("listening", log_text("listener", e->service), log_text("address", name),
            log_text("tls", e->tls ? "yes" : "no"));
    else
        log_error(
            "listener not started", log_text("listener", e->service), log_text("address", name));
}

TASK_FN
void listeners_apply(const struct snapshot *snapshot, int *fds, struct services *services)
{
    list_for(&entries, node) list_entry(node, struct entry, node)->wanted = false;
    for (size_t i = 0; i < snapshot->listener_n; i++) {
        want(&snapshot->listeners[i], fds[i], services);
        fds[i] = -1;
    }
    everywhere(align, NULL);
    list_for_safe(&entries, node)
    {
        struct entry *e = list_entry(node, struct entry, node);
        tell(e);
        e->fresh = false;
        if (e->wanted)
            continue;
        if (e->reactor == 0)
            log_info(
                "listener closed", log_text("listener", e->service), log_text("address", e->text));
        list_remove(&e->node);
        close(e->fd);
        free(e);
    }
}

TASK_FN
void listeners_stop(void)
{
    list_for(&entries, node) list_entry(node, struct entry, node)->wanted = false;
    everywhere(align, NULL);
    for (struct list *node; (node = list_pop_front(&entries));) {
        struct entry *e = list_entry(node, struct entry, node);
        close(e->fd);
        free(e);
    }
}
