/* A domain's record and policy, asked for now (RFC 8461 §3.1, §3.3). */
#include "delivery/remote.h"
#include "delivery/sts_private.h"
#include "delivery/web.h"
#include <stdio.h>

#define ASK      (20 * CLOCK_SEC)
#define TEXT_MAX 1024

bool sts_fetch_text(struct slice data, struct buffer *to)
{
    buffer_reset(to);
    while (data.n) {
        size_t n = (unsigned char)data.p[0];
        if (n >= data.n || !buffer_add(to, slice_sub(data, 1, n)))
            return false;
        data = slice_from(data, 1 + n);
    }
    return true;
}

/* Exactly one of the records may be one of MTA-STS. */
static bool choose(const struct dns_answer *answer, char id[STS_ID_MAX + 1])
{
    struct buffer text;
    size_t n = 0;
    bool ok = false;
    buffer_init(&text, TEXT_MAX);
    for (size_t i = 0; i < answer->n; i++)
        if (sts_fetch_text(answer->records[i].data, &text) && sts_is_record(buffer_slice(&text))) {
            n++;
            ok = sts_record(buffer_slice(&text), id);
        }
    buffer_finish(&text);
    return n == 1 && ok;
}

TASK_FN
bool sts_fetch_id(struct delivery_remote *remote, struct slice domain, char id[STS_ID_MAX + 1],
    bool *known, deadline until)
{
    char name[300];
    struct arena arena;
    struct dns_answer answer;
    int n = snprintf(name, sizeof name, "_mta-sts." SLICE_FMT, SLICE_ARG(domain));
    *known = true;
    if (n >= (int)sizeof name)
        return false;
    arena_init(&arena, 2 * DNS_ANSWER_MAX);
    dns_ask(remote->dns, slice(name, (size_t)n), DNS_TXT, &arena, &answer,
        deadline_min(until, deadline_in(ASK)));
    *known = answer.status != DNS_TEMPORARY && answer.status != DNS_BOGUS;
    bool found = answer.status == DNS_FOUND && choose(&answer, id);
    arena_reset(&arena);
    return found;
}

static enum sts_failure judge(const struct http_call *call, enum http_result result,
    const struct buffer *body, char why[DIAL_WHY])
{
    switch (result) {
    case HTTP_ANSWERED:
        break;
    case HTTP_UNTRUSTED:
        snprintf(why, DIAL_WHY, "%s", call->why);
        return STS_WEBPKI_INVALID;
    default:
        snprintf(why, DIAL_WHY, "%s", call->why);
        return STS_FETCH_ERROR;
    }
    if (call->status != 200) { /* redirects are not followed (RFC 8461 §3.3) */
        snprintf(why, DIAL_WHY, "the policy host answers with status %d", call->status);
        return STS_FETCH_ERROR;
    }
    if (call->type[0] && !slice_eq(slice_str(call->type), S("text/plain"))) {
        snprintf(why, DIAL_WHY, "the policy is no plain text");
        return STS_POLICY_INVALID;
    }
    return STS_FINE;
}

TASK_FN
enum sts_failure sts_fetch_policy(struct delivery_remote *remote, struct slice domain,
    struct sts_policy *p, struct buffer *mx, char why[DIAL_WHY], deadline until)
{
    char host[300];
    struct buffer body;
    const char *wrong;
    const struct delivery_rules *rules = atomic_load(&remote->rules);
    snprintf(host, sizeof host, "mta-sts." SLICE_FMT, SLICE_ARG(domain));
    if (!rules->authorities) {
        snprintf(why, DIAL_WHY, "there are no certificate authorities to verify the policy host");
        return STS_WEBPKI_INVALID;
    }
    struct http_call call = {.host = host,
        .port = rules->policy_port,
        .path = S("/.well-known/mta-sts.txt"),
        .accept = S("text/plain")};
    buffer_init(&body, STS_BODY_MAX);
    enum http_result result = web_call(remote, &call, &body, until);
    enum sts_failure failure = judge(&call, result, &body, why);
    if (failure == STS_FINE && !sts_parse(buffer_slice(&body), p, mx, &wrong)) {
        snprintf(why, DIAL_WHY, "%s", wrong);
        failure = STS_POLICY_INVALID;
    }
    buffer_finish(&body);
    return failure;
}
