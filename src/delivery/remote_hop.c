/* The host that the administrator chose: what is wrong with it or with the settings about it puts
 * mail off and never fails it. */
#include "base/log.h"
#include "delivery/remote_private.h"
#include <stdio.h>
#include <sys/un.h>

bool remote_hop_is(const struct courier *c)
{
    return c->hop && !c->hop->mx;
}

enum reach remote_hop_find(struct courier *c)
{
    struct slice name = arena_copy(&c->names, slice_str(c->hop->host));
    if (!name.p)
        return REACH_STOP;
    c->mx.hosts[0] = (struct dns_mx){.host = name};
    c->mx.n = 1;
    c->chosen = true;
    c->port = c->hop->port;
    return REACH_OK;
}

bool remote_hop_socket(struct courier *c)
{
    struct sockaddr_un *un = (void *)&c->addresses.list[0];
    if (c->host_known)
        return c->addresses.n;
    c->addresses = (struct dns_addresses){.status = DNS_FOUND, .n = 1, .size = {sizeof *un}};
    un->sun_family = AF_UNIX;
    snprintf(un->sun_path, sizeof un->sun_path, "%.107s", c->hop->host);
    c->host_known = true;
    c->address = 0;
    return true;
}

enum reach remote_hop_nobody(struct courier *c)
{
    if (!c->any_later && c->any_ours)
        remote_why(c, QUEUE_DEFERRED, "4.4.6",
            S("The host that this mail is to go through is this server itself"));
    else if (!c->any_later)
        remote_why(c, QUEUE_DEFERRED, "4.4.4",
            S("The host that this mail is to go through does not exist, or has no address"));
    c->why.verdict = QUEUE_DEFERRED;
    c->why.status[0] = '4';
    return REACH_DOWN;
}

/* ---- the connection ---- */

static bool give_up(struct courier *c)
{
    remote_note_outcome(c);
    remote_disconnect(c);
    return false;
}

/* Over TLS. RFC 4954 §6: what is refused here is refused at the other addresses too, and counted
 * there. */
static bool login(struct courier *c)
{
    const struct delivery_way *w = &c->hop->way;
    const struct login_options o = {.user = w->login, .password = w->password};
    if (smtp_client_login(c->client, &o, deadline_in(DELIVERY_MESSAGE)) == ANSWER_OK)
        return true;
    bool refused = smtp_client_outcome(c->client)->answer == ANSWER_PERMANENT;
    give_up(c);
    if (!refused)
        return false;
    c->why.why = S("The host that this mail is to go through refuses the login of this server");
    c->address = c->addresses.n;
    log_warn("login_refused", log_slice("route", queue_batch_route(c->batch)),
        log_text("remote", c->peer), log_slice("reply", c->why.reply));
    return false;
}

/* Whom to expect. base: room for the name under which the TLSA records stand; what the
 * administrator wrote will do as well (RFC 7672 §3.2.2). */
static void expect(const struct courier *c, char base[DELIVERY_HOST_MAX], const char *also[1],
    struct dial_tls *tls)
{
    const struct delivery_hop *h = c->hop;
    *tls = (struct dial_tls){.trust = c->rules->trust, .server_name = h->host};
    tls->verify = h->tls == DELIVERY_TLS_VERIFY ? DIAL_VERIFY_NAME : DIAL_VERIFY_NONE;
    if (!c->dane_usable)
        return;
    tls->verify = DIAL_VERIFY_DANE;
    tls->tlsa = c->tlsa;
    tls->tlsa_n = c->tlsa_n;
    if (!slice_to_cstr(c->tlsa_base, base, DELIVERY_HOST_MAX))
        return;
    tls->server_name = base;
    also[0] = h->host;
    tls->also = also;
    tls->also_n = 1;
}

/* TLS that must be; then who we are. */
bool remote_hop_try(struct courier *c)
{
    const struct delivery_hop *h = c->hop;
    char base[DELIVERY_HOST_MAX];
    const char *also[1];
    struct dial_tls tls;
    expect(c, base, also, &tls);
    c->without_tls = false;
    if (!remote_dial(c, h->tls_at_once ? &tls : NULL))
        return false;
    if (!h->socket && !h->tls_at_once &&
        smtp_client_start_tls(c->client, &tls, deadline_in(DELIVERY_MESSAGE)) != ANSWER_OK)
        return give_up(c);
    if (!remote_tls_hop(c)) {
        remote_disconnect(c);
        return false;
    }
    return h->socket || !h->way.login.n || login(c);
}

void remote_hop_judge(const struct courier *c, struct queue_settlement *s)
{
    if (!c->hop || !c->hop->lmtp || (s->verdict != QUEUE_DELIVERED && s->verdict != QUEUE_RELAYED))
        return;
    s->verdict = QUEUE_DELIVERED;                   /* RFC 2033 §4.2: it is in the mailbox */
    s->at_end = !smtp_client_offer(c->client)->dsn; /* else it reports that itself */
}
