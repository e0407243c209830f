/* From hosts to a connection that speaks SMTP. */
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

static void note_outcome(struct courier *c)
{
    const struct delivery_facts facts = {.without_tls = c->without_tls};
    delivery_verdict(smtp_client_outcome(c->client), &facts, c->why_reply, &c->why);
    note(c);
}

static bool dial(struct courier *c)
{
    char why[DIAL_WHY];
    struct channel *channel;
    const struct dial_options o = {.to = (const struct sockaddr *)&c->addresses.list[c->address],
        .to_n = c->addresses.size[c->address],
        .line_max = SMTP_CLIENT_LINE};
    const struct smtp_client_options options = {.hello = c->rules->hostname};
    if (dial_connect(&o, &channel, why, deadline_in(DELIVERY_DIAL)) != DIAL_OK) {
        remote_why(c, QUEUE_DEFERRED, "4.4.1", slice_str(why));
        note(c);
        return false;
    }
    c->client = smtp_client_create(channel, &options);
    if (c->client && smtp_client_greet(c->client, deadline_in(DELIVERY_MESSAGE)) == ANSWER_OK)
        return true;
    if (c->client)
        note_outcome(c);
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
        tls.also_n =
            slice_to_cstr(queue_batch_route(c->batch), canonical, sizeof canonical) && !c->chosen;
    }
    return smtp_client_start_tls(c->client, &tls, deadline_in(DELIVERY_MESSAGE));
}

/* One address. TLS that fails is left out, on a new connection, unless a policy wants it. */
static bool try_address(struct courier *c)
{
    c->without_tls = false;
    if (!dial(c))
        return false;
    if (!smtp_client_offer(c->client)->starttls && !c->dane)
        return true;
    if (start_tls(c) == ANSWER_OK)
        return true;
    note_outcome(c);
    bool asked_only = smtp_client_outcome(c->client)->stage == SMTP_AT_STARTTLS;
    if (asked_only && smtp_client_alive(c->client) && !c->dane) {
        c->without_tls = true;
        return true;
    }
    remote_disconnect(c);
    if (c->dane || task_cancelled())
        return false;
    c->without_tls = true;
    return dial(c);
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
