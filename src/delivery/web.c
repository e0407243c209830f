#include "delivery/web.h"
#include <stdio.h>

#define ASK       (20 * CLOCK_SEC)
#define NAMES_MAX ((size_t)64 * 1024)

static enum http_result unreached(struct http_call *call, const char *why)
{
    snprintf(call->why, sizeof call->why, "%s", why);
    return HTTP_UNREACHED;
}

TASK_FN
static enum http_result call_each(struct delivery_remote *remote, struct http_call *call,
    struct dns_addresses *a, struct buffer *body, deadline until)
{
    const struct delivery_rules *rules = atomic_load(&remote->rules);
    enum http_result result = unreached(call, "the host has no address that may be asked");
    size_t tried = 0;
    for (size_t i = 0; i < a->n && tried < WEB_ADDRESSES_MAX; i++) {
        const struct sockaddr *to = (const struct sockaddr *)&a->list[i];
        delivery_address_port(&a->list[i], call->port);
        if (delivery_address_judge(rules, to, false) != DELIVERY_ADDRESS_FINE)
            continue;
        if (body)
            buffer_reset(body);
        call->to = to;
        call->to_n = a->size[i];
        call->trust = rules->trust;
        /* The last one may take all the time that there is. */
        bool last = ++tried == WEB_ADDRESSES_MAX || i + 1 == a->n;
        deadline share = last ? until : deadline_min(until, deadline_in((until - clock_now()) / 2));
        result = http_call(call, body, share);
        if (result != HTTP_UNREACHED)
            break;
    }
    return result;
}

TASK_FN
enum http_result web_call(
    struct delivery_remote *remote, struct http_call *call, struct buffer *body, deadline until)
{
    struct arena names;
    struct dns_addresses *a;
    enum http_result result = HTTP_UNREACHED;
    call->status = 0;
    arena_init(&names, NAMES_MAX);
    a = arena_new(&names, struct dns_addresses);
    if (!a)
        return unreached(call, "out of memory");
    dns_ask_addresses(
        remote->dns, slice_str(call->host), &names, a, deadline_min(until, deadline_in(ASK)));
    if (task_cancelled())
        result = HTTP_CANCELLED;
    else if (a->status != DNS_FOUND)
        unreached(call, a->why ? a->why : "the host has no address");
    else
        result = call_each(remote, call, a, body, until);
    arena_reset(&names);
    return result;
}
