/* From hosts to a connection that speaks SMTP. */
#include "base/log.h"
#include "delivery/remote_private.h"
#include "trace/trace.h"
#include <stdio.h>

#define QUIT (5 * CLOCK_SEC)

void remote_disconnect(struct courier *c)
{
    if (!c->client)
        return;
    if (smtp_client_alive(c->client))
        smtp_client_quit(c->client, deadline_in(QUIT));
    smtp_client_destroy(c->client);
    c->client = NULL;
}

static void next_host(struct courier *c)
{
    c->host++;
    c->host_known = false;
}

void remote_next_address(struct courier *c)
{
    c->address++;
    if (!c->host_known || c->address >= c->addresses.n)
        next_host(c);
}

void remote_note(struct courier *c)
{
    c->any_later |= c->why.verdict != QUEUE_FAILED;
    c->any_refused |= c->why.verdict == QUEUE_FAILED;
    snprintf(c->why_remote, sizeof c->why_remote, "%s", c->peer);
    c->why.remote = slice_str(c->why_remote);
    trace_note(TRACE_HOST, trace_slice(TRACE_ROUTE, queue_batch_route(c->batch)),
        trace_slice(TRACE_REMOTE, c->why.remote), trace_text(TRACE_STATUS, c->why.status),
        trace_slice(TRACE_REPLY, c->why.reply.n ? c->why.reply : c->why.why));
}

void remote_note_outcome(struct courier *c)
{
    const struct delivery_facts facts = {.without_tls = c->without_tls, .chosen = c->chosen};
    delivery_verdict(smtp_client_outcome(c->client), &facts, c->why_reply, &c->why);
    remote_note(c);
}

static void note_dial(struct courier *c, enum dial_result r, const char *why)
{
    bool tls = r == DIAL_TLS || r == DIAL_UNTRUSTED;
    remote_why(c, QUEUE_DEFERRED, tls ? "4.7.5" : "4.4.1", slice_str(why));
    remote_note(c);
    if (r == DIAL_SOURCE)
        log_warn("source_refused", log_slice("route", queue_batch_route(c->batch)),
            log_text("reason", why));
}

bool remote_dial(struct courier *c, const struct dial_tls *tls)
{
    char why[DIAL_WHY];
    struct channel *channel;
    struct dial_options o = {.to = (const struct sockaddr *)&c->addresses.list[c->address],
        .to_n = c->addresses.size[c->address],
        .tls = tls,
        .line_max = SMTP_CLIENT_LINE};
    const struct smtp_client_options options = {
        .hello = c->rules->hostname, .lmtp = c->hop && c->hop->lmtp};
    o.from = delivery_table_from(c->rules->table, c->hop, o.to->sa_family, &o.from_n);
    enum dial_result r = dial_connect(&o, &channel, why, deadline_in(DELIVERY_DIAL));
    if (r != DIAL_OK) {
        note_dial(c, r, why);
        return false;
    }
    c->client = smtp_client_create(channel, &options);
    if (c->client && smtp_client_greet(c->client, deadline_in(DELIVERY_MESSAGE)) == ANSWER_OK)
        return true;
    if (c->client)
        remote_note_outcome(c);
    remote_disconnect(c);
    return false;
}

/* Made for a message that asks for nothing: would the domain have been content? */
static bool may_be_kept(const struct courier *c)
{
    return !c->dane && !c->bad_dane && !(c->sts.have && c->sts.policy.mode == STS_ENFORCE);
}

/* TLS failed, and nobody says that there must be some: it is left out. */
static bool go_without(struct courier *c)
{
    bool asked_only = smtp_client_outcome(c->client)->stage == SMTP_AT_STARTTLS;
    bool alive = smtp_client_alive(c->client);
    c->without_tls = true;
    if (!asked_only || !alive) {
        remote_disconnect(c);
        if (task_cancelled() || !remote_dial(c, NULL))
            return false;
    }
    c->level = LEVEL_PLAIN;
    return true;
}

/* One address. */
static bool try_address(struct courier *c)
{
    enum guard guard = remote_tls_guard(c);
    c->without_tls = c->keeps = false;
    if (remote_hop_is(c) && (c->hop->socket || c->hop->tls != DELIVERY_TLS_OPPORTUNISTIC))
        return c->keeps = remote_hop_try(c);
    if (!remote_dial(c, NULL))
        return false;
    bool there = smtp_client_offer(c->client)->starttls ? remote_tls_start(c, guard)
                                                        : remote_tls_missing(c, guard);
    if (!there && guard == GUARD_NONE && !task_cancelled())
        there = go_without(c);
    if (!there)
        remote_disconnect(c);
    c->keeps = there && (c->need != NEED_NOTHING || may_be_kept(c));
    return there;
}

static void name_peer(struct courier *c)
{
    struct peer peer;
    char host[DELIVERY_HOST_MAX];
    slice_to_cstr(c->mx.hosts[c->host].host, host, sizeof host);
    peer_set(&peer, (const struct sockaddr *)&c->addresses.list[c->address],
        c->addresses.size[c->address]);
    snprintf(c->peer, sizeof c->peer, "%.240s [%s]", host, peer.address);
}

enum reach remote_connect(struct courier *c)
{
    remote_disconnect(c);
    while (c->host < c->mx.n && c->tries < DELIVERY_TRIES_MAX) {
        if (task_cancelled())
            return REACH_STOP;
        if (!remote_host(c)) {
            next_host(c);
            continue;
        }
        name_peer(c);
        if (!remote_tls_admit(c)) {
            next_host(c);
            continue;
        }
        c->tries++;
        if (try_address(c)) {
            c->messages = 0;
            c->old = deadline_in(DELIVERY_CONNECTION);
            return REACH_OK;
        }
        remote_next_address(c);
    }
    return task_cancelled() ? REACH_STOP : remote_nobody(c);
}

/* ---- for a message ---- */

static enum need need_of(const struct queue_item *item)
{
    uint32_t flags = item->message.flags;
    if (flags & QUEUE_REQUIRETLS) /* a report does not fail for that (RFC 8689 §5) */
        return item->message.sender.n ? NEED_VERIFIED : NEED_POLICY;
    return flags & QUEUE_TLS_OPTIONAL ? NEED_NOTHING : NEED_POLICY;
}

static void from_the_first_host(struct courier *c)
{
    c->host = c->address = 0;
    c->host_known = c->blocked = false;
    c->any_later = c->any_refused = c->any_private = c->any_tls = false;
    c->tries = 0;
}

enum reach remote_ready(struct courier *c, const struct queue_item *item)
{
    enum need need = need_of(item);
    if (c->client && remote_tls_fits(c, need)) {
        c->need = need;
        return REACH_OK;
    }
    if (c->blocked && c->blocked_need == need)
        return REACH_MESSAGE;
    from_the_first_host(c);
    c->need = need;
    return remote_connect(c);
}
