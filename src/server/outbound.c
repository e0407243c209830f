#include "server/outbound.h"
#include "base/log.h"
#include "delivery/here.h"
#include "delivery/sts.h"
#include "delivery/table.h"
#include "delivery/tlsrpt.h"
#include "intake/srs.h"
#include "mailbox/mailbox.h"
#include "message/address.h"
#include "queue/move.h"
#include "queue/reporter.h"
#include "server/ways.h"
#include <stdio.h>
#include <stdlib.h>

struct outbound {
    struct dns *dns;
    struct dial_trust *trust; /* of the rules that were made last, and the text that it is from */
    struct buffer authorities;
    struct delivery_remote remote;
    struct delivery_here here;
    struct directory *directory;
    struct queue_reporter reporter;
    struct queue *queue;
    struct buffer names; /* dns.* as the resolver has it */
    struct scope scope;
    const struct delivery_rules *refiled; /* what is queued follows these, or is about to */
    bool asking, refiling, running;
    char contact[330];    /* of reports; empty: postmaster at our name */
    struct scope tending; /* one task: policies and reports of TLS */
};

/* ---- names ---- */

#define NAMES_MAX ((size_t)256 * 1024)
#define CALM      (600 * CLOCK_SEC)

struct names {
    struct dns_options options;
    const char *servers[CONFIG_LIST_MAX];
};

static void set_names(struct names *n, const struct config *c, struct slice anchor)
{
    n->options = (struct dns_options){.servers = n->servers,
        .server_n = c->dns_servers.n,
        .root_anchor = !strcmp(c->dns_trust_anchor.text, "root"),
        .anchor = anchor};
    for (size_t i = 0; i < c->dns_servers.n; i++)
        n->servers[i] = c->dns_servers.items[i].text;
}

/* All that is in them, to be compared. */
static void write_names(const struct names *n, struct buffer *to)
{
    buffer_init(to, NAMES_MAX);
    for (size_t i = 0; i < n->options.server_n; i++)
        buffer_printf(to, "%s\n", n->servers[i]);
    buffer_printf(to, "%d\n", n->options.root_anchor);
    buffer_add(to, n->options.anchor);
}

TASK_FN
bool outbound_names(struct outbound *o, const struct config *c, struct slice anchor, char why[256])
{
    struct names n;
    struct buffer text;
    set_names(&n, c, anchor);
    write_names(&n, &text);
    bool same = slice_eq(buffer_slice(&text), buffer_slice(&o->names));
    if (same || !dns_replace(o->dns, &n.options, why)) {
        buffer_finish(&text);
        return same;
    }
    buffer_finish(&o->names);
    o->names = text;
    log_info("names asked anew", log_int("servers", (int64_t)n.options.server_n));
    return true;
}

struct outbound *outbound_create(const struct config *c, struct slice anchor, char why[256])
{
    struct outbound *o = calloc(1, sizeof *o);
    struct names n;
    snprintf(why, 256, "out of memory");
    if (!o)
        return NULL;
    snprintf(o->contact, sizeof o->contact, "%s", c->postmaster.text);
    buffer_init(&o->authorities, SNAPSHOT_MAX);
    scope_init(&o->tending);
    set_names(&n, c, anchor);
    write_names(&n, &o->names);
    o->remote.sts = sts_create(&o->remote);
    o->dns = o->remote.sts ? dns_create(&n.options, why) : NULL;
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
    buffer_finish(&o->names);
    tlsrpt_destroy(o->remote.tlsrpt);
    sts_destroy(o->remote.sts);
    dial_trust_release(o->trust);
    buffer_finish(&o->authorities);
    free(o);
}

/* ---- rules ---- */

/* Rules stay for the life of the process, and so do the authorities of theirs: they are made anew
 * only when the text has changed. */
static struct dial_trust *trust_of(struct outbound *o, struct slice pem)
{
    char why[DIAL_WHY];
    if (o->trust && slice_eq(pem, buffer_slice(&o->authorities)))
        return dial_trust_retain(o->trust);
    struct dial_trust *made = dial_trust_create(pem, why);
    if (!made) {
        log_error("certificate authorities refused", log_text("reason", why));
        return NULL;
    }
    buffer_reset(&o->authorities);
    buffer_add(&o->authorities, pem);
    dial_trust_release(o->trust);
    o->trust = made;
    return dial_trust_retain(made);
}

static void add_listener(struct delivery_rules *r, int fd)
{
    struct sockaddr_storage *a = &r->listen[r->listen_n];
    socklen_t n = sizeof *a;
    if (r->listen_n < DELIVERY_LISTEN_MAX && !getsockname(fd, (struct sockaddr *)a, &n) &&
        (a->ss_family == AF_INET || a->ss_family == AF_INET6))
        r->listen_n++;
}

static void way_problem(void *arg, int line, const char *text)
{
    log_error("config problem", log_int("line", line), log_text("problem", text));
}

const struct delivery_rules *outbound_rules(
    struct outbound *o, const struct config *c, const struct snapshot *s, const int *fds)
{
    struct delivery_rules *r = calloc(1, sizeof *r);
    struct delivery_table *table = r ? ways_create(c, way_problem, NULL) : NULL;
    struct dial_trust *trust = table ? trust_of(o, s->authorities) : NULL;
    if (!trust) {
        delivery_table_destroy(table);
        free(r);
        return NULL;
    }
    r->table = table;
    r->trust = trust;
    snprintf(r->hostname, sizeof r->hostname, "%s", c->hostname.text);
    r->port = (uint16_t)c->outbound_port;
    r->allow_private = c->outbound_allow_private_addresses;
    r->authorities = s->authorities.n;
    r->policy_port = (uint16_t)c->outbound_policy_port;
    r->tls_reports = c->outbound_tls_reports;
    for (size_t i = 0; i < s->listener_n; i++)
        if (s->listeners[i].reactor == 0 && slice_eq(s->listeners[i].service, S("smtp")))
            add_listener(r, fds[i]);
    return r;
}

/* Hosts that were not there before, or are reached in another way: their failures say nothing. */
TASK_FN
static void try_new_hops(
    struct outbound *o, const struct delivery_rules *before, const struct delivery_rules *now)
{
    const struct delivery_hop *hops, *old;
    size_t n = delivery_table_hops(now->table, &hops);
    for (size_t i = 0; i < n && !task_cancelled(); i++) {
        struct slice domain;
        if (hops[i].mx)
            continue;
        old = before ? delivery_table_hop(before->table, slice_str(hops[i].name), &domain) : NULL;
        if (!old || !delivery_hop_same(old, &hops[i]))
            queue_move_up(o->queue, slice_str(hops[i].name), deadline_in(10 * CLOCK_SEC));
    }
}

static void refile(void *arg)
{
    struct outbound *o = arg;
    const struct delivery_rules *now;
    while ((now = atomic_load(&o->remote.rules)) != o->refiled && !task_cancelled()) {
        try_new_hops(o, o->refiled, now);
        o->refiled = now;
        delivery_remote_refile(now, o->queue);
    }
    o->refiling = false;
}

static void follow(struct outbound *o)
{
    if (o->running && !o->refiling)
        o->refiling = scope_spawn(&o->scope, TASK_NORMAL, refile, o);
}

void outbound_use(struct outbound *o, const struct delivery_rules *rules)
{
    atomic_store(&o->remote.rules, rules);
    follow(o);
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
        char out[QUEUE_ROUTE_MAX];
        struct slice route = delivery_table_route(
            atomic_load(&o->remote.rules)->table, buffer_slice(&canonical), S(""), out);
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

/* ---- TLS of other domains ---- */

#define TEND_EVERY    (600 * CLOCK_SEC)
#define TEND_POLICIES 20 /* fetched again, at most, each minute */
#define FLUSH         (5 * CLOCK_SEC)

static struct queue *queue_of(void *arg)
{
    return ((struct outbound *)arg)->queue;
}

static void tend(void *arg)
{
    struct outbound *o = arg;
    deadline next = 0;
    while (!task_cancelled()) {
        tlsrpt_flush(o->remote.tlsrpt, deadline_in(TLSRPT_FLUSH));
        if (clock_now() >= next) {
            next = deadline_in(TEND_EVERY);
            tlsrpt_tend(o->remote.tlsrpt);
        }
        sts_tend(o->remote.sts, TEND_POLICIES);
        task_sleep(deadline_in(TLSRPT_FLUSH));
    }
}

/* ---- life ---- */

TASK_FN
static void carry(void *arg, struct queue_batch *batch)
{
    struct outbound *o = arg;
    if (delivery_here_route(queue_batch_route(batch)))
        delivery_here_carry(&o->here, batch);
    else
        delivery_remote_carry(&o->remote, batch);
}

TASK_FN
bool outbound_open(struct outbound *o, struct store *store, struct directory *directory,
    int tmp_dir, const char *hostname, char why[256])
{
    o->directory = directory;
    o->here = (struct delivery_here){.store = store, .directory = directory};
    o->remote.store = store;
    o->remote.dns = o->dns;
    o->reporter = (struct queue_reporter){.hostname = slice_str(hostname),
        .tmp_dir = tmp_dir,
        .find = find,
        .deliver = file_report,
        .arg = o};
    const struct tlsrpt_options t = {.remote = &o->remote,
        .reporter = &o->reporter,
        .queue = queue_of,
        .arg = o,
        .contact = slice_str(o->contact)};
    o->remote.tlsrpt = tlsrpt_create(&t);
    if (!o->remote.tlsrpt) {
        snprintf(why, 256, "out of memory");
        return false;
    }
    const struct queue_options q = {
        .store = store, .carry = carry, .arg = o, .reporter = &o->reporter, .calm = CALM};
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
    scope_init(&o->scope);
    o->running = true;
    follow(o);
    if (!scope_spawn(&o->tending, TASK_NORMAL, tend, o))
        log_warn("out of memory", log_text("effect", "no policies are refreshed, no reports sent"));
}

TASK_FN
void outbound_stop(struct outbound *o, deadline until)
{
    if (o->running)
        scope_close(&o->scope);
    o->running = false;
    scope_close(&o->tending);
    if (o->queue)
        queue_stop(o->queue, until);
    if (o->remote.tlsrpt)
        tlsrpt_flush(o->remote.tlsrpt, deadline_in(FLUSH));
    queue_close(o->queue);
    o->queue = NULL;
    if (o->asking)
        dns_stop(o->dns);
    o->asking = false;
}
