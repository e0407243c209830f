/* Whom to ask: MX, addresses, TLSA. */
#include "base/pack.h"
#include "delivery/remote_private.h"
#include <stdio.h>

#define ASK (60 * CLOCK_SEC)

void remote_why(
    struct courier *c, enum queue_verdict verdict, const char *status, struct slice words)
{
    size_t n = words.n < sizeof c->why_reply ? words.n : sizeof c->why_reply - 1;
    memcpy(c->why_reply, words.p, n);
    delivery_own_verdict(verdict, status, slice(c->why_reply, n), &c->why);
}

static enum reach never(struct courier *c, const char *status, struct slice words)
{
    remote_why(c, QUEUE_FAILED, status, words);
    return REACH_NEVER;
}

static enum reach later(struct courier *c, const char *status, struct slice words)
{
    remote_why(c, QUEUE_DEFERRED, status, words);
    return REACH_DOWN;
}

/* ---- MX ---- */

/* From the host of this preference on it would be us, or come back to us (RFC 5321 §5.1). */
static void cut_off(struct courier *c, uint16_t preference)
{
    size_t n = 0;
    while (n < c->mx.n && c->mx.hosts[n].preference < preference)
        n++;
    c->mx.n = n;
    c->any_ours = true;
}

static void drop_ourselves(struct courier *c)
{
    for (size_t i = 0; i < c->mx.n; i++)
        if (slice_eq_nocase(c->mx.hosts[i].host, slice_str(c->rules->hostname))) {
            cut_off(c, c->mx.hosts[i].preference);
            return;
        }
}

static enum reach ask_mx(struct courier *c, struct slice domain)
{
    dns_ask_mx(c->remote->dns, domain, &c->names, &c->mx, deadline_in(ASK));
    if (task_cancelled())
        return REACH_STOP;
    switch (c->mx.status) {
    case DNS_FOUND:
        break;
    case DNS_ABSENT:
        return never(c, "5.1.2", S("The domain does not exist"));
    case DNS_BAD_NAME:
        return never(c, "5.1.2", S("This is no name that a domain can have"));
    case DNS_EMPTY:
        return never(c, "5.4.4", S("The MX records of the domain name no usable host"));
    case DNS_BOGUS:
        return later(c, "4.7.0", S("The DNSSEC signatures of the domain do not hold"));
    case DNS_TEMPORARY:
        return later(c, "4.4.3", slice_str(c->mx.why));
    }
    if (c->mx.null_mx) /* RFC 7505 */
        return never(c, "5.1.10", S("The domain says that it takes no mail (null MX)"));
    drop_ourselves(c);
    return c->mx.n ? REACH_OK : remote_nobody(c);
}

enum reach remote_find(struct courier *c)
{
    struct sockaddr_storage literal;
    socklen_t n;
    c->port = c->rules->port;
    c->hop = delivery_table_hop(c->rules->table, queue_batch_route(c->batch), &c->domain);
    if (remote_hop_is(c))
        return remote_hop_find(c);
    if (!slice_starts(c->domain, S("[")))
        return ask_mx(c, c->domain);
    if (!delivery_address_parse(c->domain, &literal, &n))
        return never(c, "5.1.2", S("This is no address of a host"));
    c->mx.hosts[0] = (struct dns_mx){.host = c->domain};
    c->mx.n = 1;
    return REACH_OK;
}

/* ---- addresses ---- */

/* Takes out what may not be asked; true: some are left. */
static bool keep_usable(struct courier *c)
{
    struct dns_addresses *a = &c->addresses;
    size_t kept = 0;
    for (size_t i = 0; i < a->n; i++) {
        delivery_address_port(&a->list[i], c->port);
        enum delivery_address judged =
            delivery_address_judge(c->rules, (const struct sockaddr *)&a->list[i], c->chosen);
        if (judged == DELIVERY_ADDRESS_OURS) {
            cut_off(c, c->mx.hosts[c->host].preference);
            return false;
        }
        c->any_private |= judged == DELIVERY_ADDRESS_PRIVATE;
        if (judged != DELIVERY_ADDRESS_FINE)
            continue;
        a->size[kept] = a->size[i];
        a->list[kept++] = a->list[i];
    }
    a->n = kept;
    return kept;
}

/* RFC 7672 §2.2: only behind secure addresses, and a secure yes or no is needed. */
static void ask_tlsa(struct courier *c, struct slice host)
{
    char name[300];
    struct dns_answer answer;
    int n = snprintf(name, sizeof name, "_%u._tcp." SLICE_FMT, (unsigned)c->port, SLICE_ARG(host));
    c->dane = c->bad_dane = false;
    c->tlsa_n = 0;
    if (!c->addresses.secure || (!c->chosen && !c->mx.secure) || n >= (int)sizeof name)
        return;
    dns_ask(
        c->remote->dns, slice(name, (size_t)n), DNS_TLSA, &c->scratch, &answer, deadline_in(ASK));
    c->bad_dane = answer.status == DNS_TEMPORARY || answer.status == DNS_BOGUS;
    if (answer.status != DNS_FOUND || !answer.secure)
        return;
    for (size_t i = 0; i < answer.n && c->tlsa_n < DIAL_TLSA_MAX; i++) {
        struct slice d = answer.records[i].data;
        if (d.n < 4)
            continue;
        c->tlsa[c->tlsa_n++] = (struct dial_tlsa){.usage = (uint8_t)d.p[0],
            .selector = (uint8_t)d.p[1],
            .matching = (uint8_t)d.p[2],
            .data = slice_from(d, 3)};
    }
    c->dane = true;
}

bool remote_host(struct courier *c)
{
    struct slice host = c->mx.hosts[c->host].host;
    struct dns_addresses *a = &c->addresses;
    if (remote_hop_is(c) && c->hop->socket)
        return remote_hop_socket(c);
    if (c->host_known)
        return a->n;
    arena_reset(&c->scratch);
    c->host_known = true;
    c->address = 0;
    c->dane = c->bad_dane = false;
    *a = (struct dns_addresses){.status = DNS_FOUND, .n = 1};
    if (delivery_address_parse(host, &a->list[0], &a->size[0]))
        return keep_usable(c);
    dns_ask_addresses(c->remote->dns, host, &c->scratch, a, deadline_in(ASK));
    if (a->status == DNS_TEMPORARY || a->status == DNS_BOGUS) {
        c->any_later = true;
        remote_why(c, QUEUE_DEFERRED, a->status == DNS_BOGUS ? "4.7.0" : "4.4.3",
            slice_str(a->why ? a->why : "the name servers do not answer"));
    }
    if (a->status != DNS_FOUND || !keep_usable(c))
        return false;
    ask_tlsa(c, host);
    if (!c->bad_dane)
        return true;
    c->any_later = true;
    remote_why(c, QUEUE_DEFERRED, "4.7.5", S("The TLSA records of the host cannot be had"));
    return false;
}

enum reach remote_nobody(struct courier *c)
{
    if (remote_hop_is(c))
        return remote_hop_nobody(c);
    if (c->any_later) {
        c->why.verdict = QUEUE_DEFERRED;
        c->why.status[0] = '4';
        return REACH_DOWN;
    }
    if (c->any_refused)
        return REACH_NEVER;
    if (c->any_ours)
        return never(c, "5.4.6", S("Mail for this domain would come back to this server"));
    if (c->any_private)
        return never(c, "5.4.4", S("The hosts of the domain have private addresses only"));
    return c->mx.implicit ? never(c, "5.1.2", S("The domain has neither MX nor address records"))
                          : never(c, "5.4.4", S("The hosts of the domain have no address"));
}
