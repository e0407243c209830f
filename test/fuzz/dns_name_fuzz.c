/* Any bytes as RDATA of the records that mail asks for: a byte for the kind, then records as
 * {length 1, bytes}. */
#include "dns/dns_private.h"
#include <netinet/in.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

#define HOLDS(x)                                                                                   \
    do {                                                                                           \
        if (!(x))                                                                                  \
            abort();                                                                               \
    } while (0)

static bool host_text(struct slice s)
{
    for (size_t i = 0; i < s.n; i++)
        if (!ascii_alnum(s.p[i]) && s.p[i] != '-' && s.p[i] != '_' && s.p[i] != '.')
            return false;
    return s.n < DNS_NAME_MAX;
}

static void names(struct slice wire)
{
    char text[DNS_NAME_MAX];
    size_t text_n, used;
    if (!dns_name_read(wire, text, &text_n, &used))
        return;
    HOLDS(used <= wire.n && used == (text_n ? text_n + 2 : 1) && wire.p[used - 1] == 0);
    HOLDS(host_text(slice(text, text_n)));
    for (size_t i = 0; i < text_n; i++)
        HOLDS(ascii_lower(text[i]) == text[i]);
}

static void hosts(const struct dns_answer *answer, size_t room)
{
    struct dns_mx_answer mx = {.n = 77};
    struct arena arena;
    arena_init(&arena, room);
    dns_mx_take(answer, &arena, &mx);
    HOLDS(mx.n <= DNS_MX_MAX && mx.n <= answer->n);
    HOLDS(mx.status == DNS_FOUND || (mx.n == 0 && mx.why));
    HOLDS(!mx.null_mx || mx.n == 0);
    for (size_t i = 0; i < mx.n; i++) {
        HOLDS(mx.hosts[i].host.n && host_text(mx.hosts[i].host));
        HOLDS(!i || mx.hosts[i - 1].preference <= mx.hosts[i].preference);
    }
    arena_reset(&arena);
}

static void addresses(const struct dns_answer *answer)
{
    static struct dns_addresses a;
    a.n = 0;
    dns_addresses_take(answer, AF_INET6, &a);
    size_t sixes = a.n;
    dns_addresses_take(answer, AF_INET, &a);
    HOLDS(a.n <= DNS_ADDRESSES_MAX && a.n <= answer->n);
    for (size_t i = 0; i < a.n; i++)
        HOLDS(a.list[i].ss_family == (i < sixes ? AF_INET6 : AF_INET));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    static struct dns_record records[DNS_RECORDS_MAX];
    struct dns_answer answer = {.status = DNS_FOUND, .records = records};
    struct slice rest = slice(data, n);
    names(rest);
    while (rest.n && answer.n < DNS_RECORDS_MAX) {
        size_t length = (unsigned char)rest.p[0];
        rest = slice_from(rest, 1);
        records[answer.n++].data = slice_sub(rest, 0, length < rest.n ? length : rest.n);
        rest = slice_from(rest, length < rest.n ? length : rest.n);
    }
    hosts(&answer, 64 * 1024);
    hosts(&answer, 100);
    addresses(&answer);
    return 0;
}
