#include "server/outbound.h"
#include "intake/srs.h"
#include "mailbox/mailbox.h"
#include "message/address.h"
#include "queue/reporter.h"
#include <stdio.h>
#include <stdlib.h>

struct outbound {
    struct dns *dns;
    struct dial_trust *trust;
    struct delivery_remote remote;
    struct directory *directory;
    struct queue_reporter reporter;
    struct queue *queue;
    bool asking;
};

/* ---- names ---- */

static struct dns *resolver(const struct config *c, struct slice anchor, char why[256])
{
    const char *servers[CONFIG_LIST_MAX];
    struct dns_options d = {.servers = servers, .server_n = c->dns_servers.n};
    for (size_t i = 0; i < c->dns_servers.n; i++)
        servers[i] = c->dns_servers.items[i].text;
    d.root_anchor = !strcmp(c->dns_trust_anchor.text, "root");
    d.anchor = anchor;
    return dns_create(&d, why);
}

struct outbound *outbound_create(const struct config *c, struct slice anchor, char why[256])
{
    struct outbound *o = calloc(1, sizeof *o);
    char trust_why[DIAL_WHY];
    snprintf(why, 256, "out of memory");
    if (!o)
        return NULL;
    /* No policy asks for authorities: TLS is opportunistic, or the zone says what to trust. */
    o->trust = dial_trust_create(S(""), trust_why);
    o->dns = o->trust ? resolver(c, anchor, why) : NULL;
    if (o->dns)
        return o;
    outbound_destroy(o);
    return NULL;
}

void outbound_destroy(struct outbound *o)
{
    if (!o)
        return;
    dns_destroy(o->dns);
    dial_trust_release(o->trust);
    free(o);
}

/* ---- rules ---- */

static void add_listener(struct delivery_rules *r, int fd)
{
    struct sockaddr_storage *a = &r->listen[r->listen_n];
    socklen_t n = sizeof *a;
    if (r->listen_n < DELIVERY_LISTEN_MAX && !getsockname(fd, (struct sockaddr *)a, &n) &&
        (a->ss_family == AF_INET || a->ss_family == AF_INET6))
        r->listen_n++;
}

const struct delivery_rules *outbound_rules(
    struct outbound *o, const struct config *c, const struct snapshot *s, const int *fds)
{
    struct delivery_rules *r = calloc(1, sizeof *r);
    if (!r)
        return NULL;
    snprintf(r->hostname, sizeof r->hostname, "%s", c->hostname.text);
    snprintf(r->relay, sizeof r->relay, "%s", c->outbound_relay.text);
    r->port = (uint16_t)c->outbound_port;
    r->allow_private = c->outbound_allow_private_addresses;
    r->trust = o->trust;
    for (size_t i = 0; i < s->listener_n; i++)
        if (s->listeners[i].reactor == 0 && slice_eq(s->listeners[i].service, S("smtp")))
            add_listener(r, fds[i]);
    return r;
}

void outbound_use(struct outbound *o, const struct delivery_rules *rules)
{
    atomic_store(&o->remote.rules, rules);
}

/* ---- reports to senders ---- */

static void to_account(uint64_t account, struct queue_report_target *target)
{
    target->to = QUEUE_REPORT_LOCAL;
    target->account = account;
    target->partition = mailbox_partition(account);
    target->mailbox = MAILBOX_INBOX;
}

static void elsewhere(
    const struct outbound *o, struct slice domain, struct queue_report_target *target)
{
    struct buffer canonical;
    buffer_init(&canonical, ADDRESS_DOMAIN_MAX);
    target->to = QUEUE_REPORT_NOWHERE;
    if (address_canonical_domain(domain, &canonical)) {
        struct slice route =
            delivery_remote_route(atomic_load(&o->remote.rules), buffer_slice(&canonical));
        if (slice_to_cstr(route, target->route, sizeof target->route))
            target->to = QUEUE_REPORT_REMOTE;
    }
    buffer_finish(&canonical);
}

struct group {
    struct directory_recipient recipients[DIRECTORY_RECIPIENTS_MAX];
    char remote[DIRECTORY_REMOTE_BYTES];
};

TASK_FN
static enum directory_resolved look_up(struct outbound *o, struct group *g, struct slice local,
    struct slice domain, struct directory_resolution *r, deadline until)
{
    *r = (struct directory_resolution){.recipients = g->recipients,
        .room = DIRECTORY_RECIPIENTS_MAX,
        .remote = g->remote,
        .remote_room = sizeof g->remote};
    return directory_resolve(o->directory, local, domain, r, until);
}

/* The first address elsewhere gets it. */
static void to_remote(const struct outbound *o, const struct directory_resolution *r,
    struct queue_report_target *target)
{
    struct slice rest = slice(r->remote, r->remote_bytes), address = S(""), local, domain;
    struct buffer text;
    buffer_init(&text, QUEUE_ADDRESS_MAX);
    target->to = QUEUE_REPORT_NOWHERE;
    if (directory_remote_next(&rest, &address) && address_split(address, &local, &domain) &&
        address_write(address, &text) &&
        slice_to_cstr(buffer_slice(&text), target->address, sizeof target->address))
        elsewhere(o, domain, target);
    buffer_finish(&text);
}

/* Of the domain; of all, when that is no longer ours. */
TASK_FN
static void to_postmaster(struct outbound *o, struct group *g, struct slice domain,
    struct queue_report_target *target, deadline until)
{
    struct directory_resolution r;
    enum directory_resolved found = look_up(o, g, S("postmaster"), domain, &r, until);
    if (found == DIRECTORY_RESOLVE_NOT_OURS)
        found = look_up(o, g, S("postmaster"), S(""), &r, until);
    if (found == DIRECTORY_RESOLVE_BUSY)
        return;
    target->to = QUEUE_REPORT_NOWHERE;
    if (found == DIRECTORY_RESOLVE_OK && r.n)
        to_account(g->recipients[0].account, target);
    else if (found == DIRECTORY_RESOLVE_OK)
        to_remote(o, &r, target);
}

/* An address that was made for mail that an alias sends on: the account it tells of, else the
 * postmaster. */
TASK_FN
static void forwarded(struct outbound *o, struct group *g, struct slice local, struct slice domain,
    struct queue_report_target *target, deadline until)
{
    uint8_t key[INTAKE_SRS_KEY];
    struct directory_account account;
    uint64_t id;
    enum directory_result found = DIRECTORY_ABSENT;
    directory_key(o->directory, "srs", key);
    intake_srs_decode(key, local, domain, clock_wall() / 1000000, &id);
    if (id)
        found = directory_account_get(o->directory, id, &account, until);
    if (found == DIRECTORY_BUSY)
        return;
    if (found == DIRECTORY_OK && !account.disabled)
        to_account(id, target);
    else
        to_postmaster(o, g, domain, target, until);
}

/* An address that stands for several is one of a group: its first account gets the report. */
TASK_FN
static void resolve(struct outbound *o, struct group *g, struct slice local, struct slice domain,
    struct queue_report_target *target, deadline until)
{
    struct directory_resolution r;
    switch (look_up(o, g, local, domain, &r, until)) {
    case DIRECTORY_RESOLVE_OK:
        if (r.n)
            to_account(g->recipients[0].account, target);
        else
            to_postmaster(o, g, domain, target, until);
        break;
    case DIRECTORY_RESOLVE_NOT_OURS:
        elsewhere(o, domain, target);
        break;
    case DIRECTORY_RESOLVE_UNKNOWN:
    case DIRECTORY_RESOLVE_TOO_MANY:
        target->to = QUEUE_REPORT_NOWHERE;
        break;
    case DIRECTORY_RESOLVE_BUSY:
        break;
    }
}

TASK_FN
static void find(
    void *arg, struct slice address, struct queue_report_target *target, deadline until)
{
    struct address_spec spec;
    struct buffer local;
    struct group *g = malloc(sizeof *g);
    buffer_init(&local, QUEUE_ADDRESS_MAX);
    target->to = QUEUE_REPORT_LATER;
    if (!address_parse(address, true, &spec) || !address_unquote(&spec, &local))
        target->to = QUEUE_REPORT_NOWHERE;
    else if (g && intake_srs_is(buffer_slice(&local)))
        forwarded(arg, g, buffer_slice(&local), spec.domain, target, until);
    else if (g)
        resolve(arg, g, buffer_slice(&local), spec.domain, target, until);
    buffer_finish(&local);
    free(g);
}

static enum outcome file_report(struct store_txn *t, void *arg,
    const struct queue_report_target *target, store_blob_id blob, uint64_t size, int64_t now)
{
    struct mailbox_append append = {
        .mailbox = target->mailbox, .blob = blob, .size = size, .date = now, .now = now};
    return mailbox_append(t, &append);
}

/* ---- life ---- */

TASK_FN
bool outbound_open(struct outbound *o, struct store *store, struct directory *directory,
    int tmp_dir, const char *hostname, char why[256])
{
    o->directory = directory;
    o->remote.store = store;
    o->remote.dns = o->dns;
    o->reporter = (struct queue_reporter){.hostname = slice_str(hostname),
        .tmp_dir = tmp_dir,
        .find = find,
        .deliver = file_report,
        .arg = o};
    const struct queue_options q = {.store = store,
        .carry = delivery_remote_carry,
        .arg = &o->remote,
        .reporter = &o->reporter};
    o->asking = dns_start(o->dns);
    if (!o->asking) {
        snprintf(why, 256, "the resolver cannot be watched");
        return false;
    }
    o->queue = queue_open(&q, why, deadline_in(60 * CLOCK_SEC));
    return o->queue;
}

struct queue *outbound_queue(const struct outbound *o)
{
    return o->queue;
}

void outbound_start(struct outbound *o)
{
    queue_start(o->queue);
}

TASK_FN
void outbound_stop(struct outbound *o, deadline until)
{
    if (o->queue)
        queue_stop(o->queue, until);
    queue_close(o->queue);
    o->queue = NULL;
    if (o->asking)
        dns_stop(o->dns);
    o->asking = false;
}
