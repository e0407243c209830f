/* From hosts to a connection that speaks SMTP. */
#include "base/log.h"
#include "delivery/remote_private.h"
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

void remote_next_address(struct courier *c)
{
    c->address++;
    if (c->host_known && c->address < c->addresses.n)
        return;
    c->host++;
    c->host_known = false;
}

/* The present failure, in case that it is the last. */
static void note(struct courier *c)
{
    c->any_later |= c->why.verdict != QUEUE_FAILED;
    c->any_refused |= c->why.verdict == QUEUE_FAILED;
    snprintf(c->why_remote, sizeof c->why_remote, "%s", c->peer);
    c->why.remote = slice_str(c->why_remote);
}

void remote_note_outcome(struct courier *c)
{
    const struct delivery_facts facts = {.without_tls = c->without_tls, .chosen = c->chosen};
    delivery_verdict(smtp_client_outcome(c->client), &facts, c->why_reply, &c->why);
    note(c);
}

static void note_dial(struct courier *c, enum dial_result r, const char *why)
{
    bool tls = r == DIAL_TLS || r == DIAL_UNTRUSTED;
    remote_why(c, QUEUE_DEFERRED, tls ? "4.7.5" : "4.4.1", slice_str(why));
    note(c);
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

static enum answer start_tls(struct courier *c)
{
    char name[DELIVERY_HOST_MAX], canonical[DELIVERY_HOST_MAX];
    const char *also[] = {canonical};
    struct dial_tls tls = {.trust = c->rules->trust, .verify = DIAL_VERIFY_NONE};
    if (slice_to_cstr(c->mx.hosts[c->host].host, name, sizeof name) && name[0] != '[')
        tls.server_name = name;
    if (c->dane) {
        tls.verify = DIAL_VERIFY_DANE;
        tls.tlsa = c->tlsa;
        tls.tlsa_n = c->tlsa_n;
        tls.also = also;
        tls.also_n = slice_to_cstr(c->domain, canonical, sizeof canonical) && !c->chosen;
    }
    return smtp_client_start_tls(c->client, &tls, deadline_in(DELIVERY_MESSAGE));
}

/* One address. TLS that fails is left out, on a new connection, unless a policy wants it. */
static bool try_address(struct courier *c)
{
    c->without_tls = false;
    if (remote_hop_is(c) && (c->hop->socket || c->hop->tls != DELIVERY_TLS_OPPORTUNISTIC))
        return remote_hop_try(c);
    if (!remote_dial(c, NULL))
        return false;
    if (!smtp_client_offer(c->client)->starttls && !c->dane)
        return true;
    if (start_tls(c) == ANSWER_OK)
        return true;
    remote_note_outcome(c);
    bool asked_only = smtp_client_outcome(c->client)->stage == SMTP_AT_STARTTLS;
    if (asked_only && smtp_client_alive(c->client) && !c->dane) {
        c->without_tls = true;
        return true;
    }
    remote_disconnect(c);
    if (c->dane || task_cancelled())
        return false;
    c->without_tls = true;
    return remote_dial(c, NULL);
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
            c->host++;
            c->host_known = false;
            continue;
        }
        name_peer(c);
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
