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
    c->policy = domain;
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
    if (!c->mx.n)
        return remote_nobody(c);
    remote_tls_find(c);
    return task_cancelled() ? REACH_STOP : REACH_OK;
}

/* RFC 8461 §3.4: a policy of the host that was chosen, where the administrator did not say what TLS
 * there has to be. */
static enum reach find_hop(struct courier *c)
{
    struct sockaddr_storage literal;
    socklen_t n;
    enum reach reach = remote_hop_find(c);
    if (reach != REACH_OK || c->hop->socket || c->hop->tls != DELIVERY_TLS_OPPORTUNISTIC ||
        delivery_address_parse(c->mx.hosts[0].host, &literal, &n))
        return reach;
    c->policy = c->mx.hosts[0].host;
    remote_tls_find(c);
    return task_cancelled() ? REACH_STOP : REACH_OK;
}

enum reach remote_find(struct courier *c)
{
    struct sockaddr_storage literal;
    socklen_t n;
    c->port = c->rules->port;
    c->hop = delivery_table_hop(c->rules->table, queue_batch_route(c->batch), &c->domain);
    if (remote_hop_is(c))
        return find_hop(c);
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

/* RFC 7672 §3.1: usages 2 and 3; RFC 6698 §2.1: what can be compared. */
static bool usable(const struct dial_tlsa *t)
{
    size_t digest = t->matching == 1 ? 32 : t->matching == 2 ? 64 : 0;
    return (t->usage == 2 || t->usage == 3) && t->selector <= 1 && t->matching <= 2 &&
           (digest ? t->data.n == digest : t->data.n > 0);
}

static void take_tlsa(struct courier *c, const struct dns_answer *answer)
{
    for (size_t i = 0; i < answer->n && c->tlsa_n < DIAL_TLSA_MAX; i++) {
        struct slice d = answer->records[i].data;
        if (d.n < 4)
            continue;
        struct dial_tlsa *t = &c->tlsa[c->tlsa_n++];
        *t = (struct dial_tlsa){.usage = (uint8_t)d.p[0],
            .selector = (uint8_t)d.p[1],
            .matching = (uint8_t)d.p[2],
            .data = slice_from(d, 3)};
        c->dane_usable |= usable(t);
    }
}

/* False: there are no secure records under this name. */
static bool ask_base(struct courier *c, struct slice base)
{
    char name[300];
    struct dns_answer answer;
    int n = snprintf(name, sizeof name, "_%u._tcp." SLICE_FMT, (unsigned)c->port, SLICE_ARG(base));
    if (n >= (int)sizeof name)
        return false;
    dns_ask(
        c->remote->dns, slice(name, (size_t)n), DNS_TLSA, &c->scratch, &answer, deadline_in(ASK));
    c->bad_dane = answer.status == DNS_TEMPORARY || answer.status == DNS_BOGUS;
    if (answer.status == DNS_BOGUS)
        remote_tls_count(c, TLSRPT_TLSA, TLSRPT_DNSSEC_INVALID, slice_str(answer.why));
    if (answer.status != DNS_FOUND || !answer.secure)
        return c->bad_dane;
    c->tlsa_base = base;
    c->dane = true;
    take_tlsa(c, &answer);
    return true;
}

/* An alias in a signed zone, of a name in one that is not (RFC 7672 §2.2.2). */
static bool alias_is_secure(struct courier *c, struct slice host)
{
    struct dns_answer answer;
    dns_ask(c->remote->dns, host, DNS_CNAME, &c->scratch, &answer, deadline_in(ASK));
    c->bad_dane = answer.status == DNS_TEMPORARY || answer.status == DNS_BOGUS;
    return answer.status == DNS_FOUND && answer.secure;
}

/* RFC 7672 §2.2: only behind secure MX records and addresses, and a secure yes or no is needed. An
 * alias has two names under which records may stand (§2.2.3). */
static void ask_tlsa(struct courier *c, struct slice host)
{
    struct slice name = c->addresses.name;
    bool alias = !slice_eq_nocase(name, host);
    if (!c->chosen && !c->mx.secure)
        return;
    if (!c->addresses.secure && !(alias && alias_is_secure(c, host)))
        return;
    if (!(c->addresses.secure && alias && ask_base(c, name)))
        ask_base(c, host);
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
    c->dane = c->dane_usable = c->bad_dane = false;
    c->tlsa_n = 0;
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
    return true;
}

enum reach remote_nobody(struct courier *c)
{
    if (c->any_tls) {
        c->why.verdict = c->any_later ? QUEUE_DEFERRED : QUEUE_FAILED;
        c->why.status[0] = c->any_later ? '4' : '5';
        return REACH_MESSAGE;
    }
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
