/* TLS with a host: what it has to be, whether it is, and what is counted of it. */
#include "base/log.h"
#include "base/metrics.h"
#include "delivery/remote_private.h"
#include <stdio.h>

#define FIND        (70 * CLOCK_SEC)
#define POLICY_TEXT ((size_t)16 * 1024)

METRIC(plain, METRIC_COUNTER, "barid_delivery_sessions_total", "tls=\"none\"",
    "Sessions with other servers, by what TLS they had")
METRIC(encrypted, METRIC_COUNTER, "barid_delivery_sessions_total", "tls=\"encrypted\"",
    "Sessions with other servers, by what TLS they had")
METRIC(verified, METRIC_COUNTER, "barid_delivery_sessions_total", "tls=\"verified\"",
    "Sessions with other servers, by what TLS they had")
METRIC(failed_none, METRIC_COUNTER, "barid_delivery_tls_failures_total", "policy=\"none\"",
    "Sessions whose TLS failed, by the policy of the domain")
METRIC(failed_sts, METRIC_COUNTER, "barid_delivery_tls_failures_total", "policy=\"sts\"",
    "Sessions whose TLS failed, by the policy of the domain")
METRIC(failed_dane, METRIC_COUNTER, "barid_delivery_tls_failures_total", "policy=\"dane\"",
    "Sessions whose TLS failed, by the policy of the domain")

static struct slice host_of(const struct courier *c)
{
    return c->mx.hosts[c->host].host;
}

static bool has_policy(const struct courier *c)
{
    return c->sts.have && c->sts.policy.mode != STS_NONE;
}

static bool enforced(const struct courier *c)
{
    return c->sts.have && c->sts.policy.mode == STS_ENFORCE;
}

/* ---- what is counted ---- */

static enum tlsrpt_policy policy_of(const struct courier *c)
{
    return c->dane ? TLSRPT_TLSA : has_policy(c) ? TLSRPT_STS : TLSRPT_NO_POLICY;
}

/* RFC 8460 §4.5 */
static void add_tlsa(const struct courier *c, struct buffer *to)
{
    for (size_t i = 0; i < c->tlsa_n; i++) {
        const struct dial_tlsa *t = &c->tlsa[i];
        buffer_printf(to, "%u %u %u ", t->usage, t->selector, t->matching);
        for (size_t k = 0; k < t->data.n; k++)
            buffer_printf(to, "%02x", (unsigned char)t->data.p[k]);
        buffer_add_char(to, '\n');
    }
}

void remote_tls_count(
    struct courier *c, enum tlsrpt_policy policy, enum tlsrpt_result result, struct slice reason)
{
    struct buffer text;
    struct peer peer = {0};
    char ours[PEER_TEXT] = "";
    if (result != TLSRPT_OK)
        metric_add(policy == TLSRPT_TLSA  ? &failed_dane
                   : policy == TLSRPT_STS ? &failed_sts
                                          : &failed_none,
            1);
    if (!c->remote->tlsrpt || !c->rules->tls_reports || c->chosen || !c->policy.n ||
        c->need == NEED_NOTHING)
        return;
    buffer_init(&text, POLICY_TEXT);
    if (policy == TLSRPT_TLSA)
        add_tlsa(c, &text);
    else if (policy == TLSRPT_STS)
        sts_write(&c->sts.policy, &text);
    if (c->host_known && c->address < c->addresses.n)
        peer_set(&peer, (const struct sockaddr *)&c->addresses.list[c->address],
            c->addresses.size[c->address]);
    if (c->client)
        channel_local(smtp_client_channel(c->client), ours);
    const struct tlsrpt_session session = {.domain = c->policy,
        .policy = policy,
        .policy_text = buffer_slice(&text),
        .result = result,
        .mx = c->host < c->mx.n ? host_of(c) : S(""),
        .helo = c->client ? slice_str(smtp_client_offer(c->client)->name) : S(""),
        .ip = slice_str(peer.address),
        .our_ip = slice_str(ours),
        .reason = reason};
    tlsrpt_count(c->remote->tlsrpt, &session);
    buffer_finish(&text);
}

/* ---- the policy of the domain ---- */

TASK_FN
void remote_tls_find(struct courier *c)
{
    static const enum tlsrpt_result results[] = {[STS_FETCH_ERROR] = TLSRPT_FETCH_ERROR,
        [STS_POLICY_INVALID] = TLSRPT_POLICY_INVALID,
        [STS_WEBPKI_INVALID] = TLSRPT_WEBPKI_INVALID};
    c->sts = (struct sts_found){0};
    if (!c->remote->sts || !c->policy.n)
        return;
    sts_find(c->remote->sts, c->policy, &c->names, &c->sts, deadline_in(FIND));
    if (c->sts.failure != STS_FINE && !task_cancelled())
        remote_tls_count(c, policy_of(c), results[c->sts.failure], slice_str(c->sts.why));
}

/* ---- before a host is asked ---- */

/* TLS is not as it has to be: the host is left out. A message that asks for more than the domain
 * fails for that when no host is left (RFC 8689 §4.2.1). */
static bool leave_out(struct courier *c, const char *detail, struct slice words)
{
    char status[12];
    bool fails = c->need == NEED_VERIFIED;
    snprintf(status, sizeof status, "%c.%.8s", fails ? '5' : '4', detail);
    remote_why(c, fails ? QUEUE_FAILED : QUEUE_DEFERRED, status, words);
    c->any_tls = true;
    if (!fails)
        remote_note(c);
    return false;
}

/* Do signatures, or the policy, say that mail for the domain belongs to this host? */
static bool is_vouched_for(const struct courier *c)
{
    return c->chosen || c->mx.secure || (has_policy(c) && sts_match(&c->sts.policy, host_of(c)));
}

bool remote_tls_admit(struct courier *c)
{
    enum guard guard = remote_tls_guard(c);
    if (c->need == NEED_NOTHING || (remote_hop_is(c) && c->hop->socket))
        return true;
    if (c->bad_dane) { /* RFC 7672 §2.2: as if it could not be reached */
        c->any_later = true;
        return leave_out(c, "7.5", S("The TLSA records of the host cannot be had"));
    }
    if (has_policy(c) && !c->dane_usable && !sts_match(&c->sts.policy, host_of(c))) {
        struct slice words = S("The MTA-STS policy of the domain does not name this host");
        remote_tls_count(c, TLSRPT_STS, TLSRPT_VALIDATION, words);
        if (enforced(c))
            return leave_out(c, "7.5", words);
    }
    if (c->need == NEED_VERIFIED && !is_vouched_for(c))
        return leave_out(
            c, "7.10", S("Neither DNSSEC nor an MTA-STS policy says which servers the domain has"));
    if (guard == GUARD_NAME && !c->rules->authorities)
        return leave_out(c, "7.5",
            S("There are no certificate authorities (outbound.authorities) to verify the host"));
    return true;
}

/* DANE goes before MTA-STS (RFC 8461 §2). */
enum guard remote_tls_guard(const struct courier *c)
{
    if (c->need == NEED_NOTHING)
        return GUARD_NONE;
    if (c->dane_usable)
        return GUARD_DANE;
    if (enforced(c) || c->need == NEED_VERIFIED)
        return GUARD_NAME;
    return c->dane ? GUARD_TLS : GUARD_NONE;
}

/* ---- the handshake ---- */

struct names {
    char host[DELIVERY_HOST_MAX], route[DELIVERY_HOST_MAX], expanded[DELIVERY_HOST_MAX];
    const char *also[2];
};

/* RFC 7672 §3.2.2: the base domain, the next hop, and what that is an alias of. */
static void dane_names(const struct courier *c, struct names *n, struct dial_tls *tls)
{
    tls->tlsa = c->tlsa;
    tls->tlsa_n = c->tlsa_n;
    tls->also = n->also;
    if (slice_to_cstr(c->tlsa_base, n->host, sizeof n->host))
        tls->server_name = n->host;
    struct slice route = c->chosen ? host_of(c) : c->policy;
    if (slice_to_cstr(route, n->route, sizeof n->route) && n->route[0])
        n->also[tls->also_n++] = n->route;
    if (!c->chosen && c->mx.name.n && !slice_eq_nocase(c->mx.name, route) &&
        slice_to_cstr(c->mx.name, n->expanded, sizeof n->expanded))
        n->also[tls->also_n++] = n->expanded;
}

TASK_FN
static enum answer start(struct courier *c, enum guard guard)
{
    static const enum dial_verify verify[] = {[GUARD_NONE] = DIAL_VERIFY_NONE,
        [GUARD_TLS] = DIAL_VERIFY_NONE,
        [GUARD_NAME] = DIAL_VERIFY_NAME,
        [GUARD_DANE] = DIAL_VERIFY_DANE};
    struct names n;
    struct dial_tls tls = {.trust = c->rules->trust, .verify = verify[guard]};
    if (slice_to_cstr(host_of(c), n.host, sizeof n.host) && n.host[0] != '[')
        tls.server_name = n.host;
    if (guard == GUARD_DANE)
        dane_names(c, &n, &tls);
    return smtp_client_start_tls(c->client, &tls, deadline_in(DELIVERY_MESSAGE));
}

static enum tlsrpt_result result_of(const struct courier *c, const struct tls_facts *facts)
{
    static const enum tlsrpt_result results[] = {[TLS_FAULT_NONE] = TLSRPT_VALIDATION,
        [TLS_FAULT_NAME] = TLSRPT_HOST_MISMATCH,
        [TLS_FAULT_EXPIRED] = TLSRPT_EXPIRED,
        [TLS_FAULT_UNTRUSTED] = TLSRPT_NOT_TRUSTED};
    if (smtp_client_outcome(c->client)->stage == SMTP_AT_STARTTLS)
        return TLSRPT_STARTTLS_NOT_SUPPORTED;
    return results[facts->fault];
}

static void tell(const struct courier *c, const struct tls_facts *facts)
{
    static const char *const levels[] = {"none", "encrypted", "verified"};
    static struct metric *const metrics[] = {&plain, &encrypted, &verified};
    metric_add(metrics[c->level], 1);
    log_debug("session", log_text("remote", c->peer), log_text("tls", levels[c->level]),
        log_text("version", facts->version),
        log_text("policy", c->dane         ? "dane"
                           : has_policy(c) ? sts_mode_name(c->sts.policy.mode)
                                           : "none"));
}

/* Is a server that is at the end of the way, or one that keeps TLS up behind it (RFC 8689 §4.2.1)?
 */
static bool passes_on(struct courier *c)
{
    if (c->need != NEED_VERIFIED || (c->hop && c->hop->lmtp) ||
        smtp_client_offer(c->client)->require_tls)
        return true;
    return leave_out(c, "7.30", S("The server does not offer REQUIRETLS"));
}

/* TLS is on: is it what the policy, and the message, ask for? Testing only counts. */
static bool judge(struct courier *c, enum guard guard, const struct tls_facts *facts)
{
    bool strict = guard >= GUARD_NAME;
    bool holds = facts->verified && (c->dane_usable || sts_match(&c->sts.policy, host_of(c)));
    c->level = strict && facts->verified ? LEVEL_VERIFIED : LEVEL_ENCRYPTED;
    if (c->dane && !c->dane_usable)
        remote_tls_count(c, TLSRPT_TLSA, TLSRPT_TLSA_INVALID, S("no usable TLSA record"));
    else if (c->dane || !has_policy(c) || holds)
        remote_tls_count(c, policy_of(c), TLSRPT_OK, S(""));
    else if (!facts->verified && c->rules->authorities)
        remote_tls_count(c, TLSRPT_STS, result_of(c, facts), S("the certificate does not hold"));
    /* Records that looked usable and were not leave nobody verified. */
    if (!facts->verified && (enforced(c) || c->need == NEED_VERIFIED) && c->need != NEED_NOTHING)
        return leave_out(c, "7.5", S("The certificate of the host could not be verified"));
    return passes_on(c);
}

bool remote_tls_hop(struct courier *c)
{
    struct tls_facts facts;
    if (c->hop->socket) { /* nobody is in between */
        c->level = LEVEL_VERIFIED;
        return true;
    }
    channel_tls_facts(smtp_client_channel(c->client), &facts);
    c->level = facts.verified ? LEVEL_VERIFIED : facts.on ? LEVEL_ENCRYPTED : LEVEL_PLAIN;
    if (c->need == NEED_VERIFIED && !facts.verified)
        return leave_out(c, "7.10", S("The certificate of the host could not be verified"));
    bool fine = passes_on(c);
    if (fine)
        tell(c, &facts);
    return fine;
}

bool remote_tls_start(struct courier *c, enum guard guard)
{
    struct tls_facts facts;
    enum answer a = start(c, guard);
    channel_tls_facts(smtp_client_channel(c->client), &facts);
    if (a == ANSWER_OK) {
        bool fine = judge(c, guard, &facts);
        if (fine)
            tell(c, &facts);
        return fine;
    }
    const struct smtp_outcome *o = smtp_client_outcome(c->client);
    if (a == ANSWER_CANCELLED)
        return false;
    /* What the message alone demands is no failure of the domain. */
    bool ours = c->need == NEED_VERIFIED && !c->dane && !has_policy(c);
    if (!ours && (o->stage == SMTP_AT_TLS || o->stage == SMTP_AT_STARTTLS))
        remote_tls_count(c, policy_of(c), result_of(c, &facts), slice_str(o->reply.text));
    if (guard == GUARD_NONE) {
        remote_note_outcome(c);
        return false;
    }
    char words[QUEUE_REPLY_MAX];
    int n = snprintf(words, sizeof words, "TLS with the host failed: %.400s", o->reply.text);
    return leave_out(c, c->need == NEED_VERIFIED ? "7.10" : "7.5", slice(words, (size_t)n));
}

bool remote_tls_missing(struct courier *c, enum guard guard)
{
    const struct tls_facts none = {0};
    c->level = LEVEL_PLAIN;
    remote_tls_count(c, policy_of(c), TLSRPT_STARTTLS_NOT_SUPPORTED, S(""));
    if (guard != GUARD_NONE)
        return leave_out(c, c->need == NEED_VERIFIED ? "7.10" : "7.4",
            S("The host offers no TLS (STARTTLS), which there must be"));
    tell(c, &none);
    return true;
}

bool remote_tls_fits(const struct courier *c, enum need need)
{
    switch (need) {
    case NEED_NOTHING:
        return true;
    case NEED_POLICY:
        return c->keeps;
    default:
        return c->keeps && c->level == LEVEL_VERIFIED && is_vouched_for(c) &&
               ((c->hop && c->hop->lmtp) || smtp_client_offer(c->client)->require_tls);
    }
}
