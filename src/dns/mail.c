/* What mail asks: MX (RFC 5321 §5.1, RFC 7505), addresses. */
#include "base/pack.h"
#include "base/random.h"
#include "dns/dns_private.h"
#include <netinet/in.h>

/* ---- MX ---- */

static bool read_mx(struct slice data, struct arena *arena, struct dns_mx *mx)
{
    char host[DNS_NAME_MAX];
    size_t n, used;
    if (data.n < 3 || !dns_name_read(slice_from(data, 2), host, &n, &used) || used + 2 != data.n)
        return false;
    mx->preference = unpack_u16(data.p);
    mx->host = n ? arena_copy(arena, slice(host, n)) : S("");
    return mx->host.p;
}

/* Stable by preference; those of one preference are shuffled (RFC 5321 §5.1). */
static void arrange(struct dns_mx *list, size_t n)
{
    for (size_t i = n; i > 1; i--) {
        size_t j = (size_t)random_below(i);
        struct dns_mx swap = list[i - 1];
        list[i - 1] = list[j];
        list[j] = swap;
    }
    for (size_t i = 1; i < n; i++) {
        struct dns_mx m = list[i];
        size_t j = i;
        for (; j && list[j - 1].preference > m.preference; j--)
            list[j] = list[j - 1];
        list[j] = m;
    }
}

static void take_records(
    const struct dns_answer *answer, struct arena *arena, struct dns_mx_answer *out)
{
    bool null_seen = false;
    for (size_t i = 0; i < answer->n && out->n < DNS_MX_MAX; i++) {
        struct dns_mx *mx = &out->hosts[out->n];
        if (!read_mx(answer->records[i].data, arena, mx))
            continue;
        null_seen |= !mx->host.n;
        out->n += mx->host.n > 0;
    }
    if (out->n) {
        arrange(out->hosts, out->n);
    } else if (null_seen) {
        out->null_mx = true;
    } else {
        out->status = DNS_EMPTY; /* MX records, but no host that could be asked */
        out->why = "its MX records name no usable host";
    }
}

TASK_FN
void dns_ask_mx(struct dns *d, struct slice domain, struct arena *arena, struct dns_mx_answer *out,
    deadline until)
{
    struct dns_answer answer;
    dns_ask(d, domain, DNS_MX, arena, &answer, until);
    out->status = answer.status;
    out->secure = answer.secure;
    out->name = answer.name;
    out->why = answer.why;
    out->implicit = out->null_mx = false;
    out->n = 0;
    if (answer.status == DNS_FOUND) {
        take_records(&answer, arena, out);
    } else if (answer.status == DNS_EMPTY) {
        out->status = DNS_FOUND;
        out->implicit = true;
        out->hosts[0] = (struct dns_mx){.host = arena_copy(arena, answer.name)};
        out->n = 1;
    }
}

/* ---- addresses ---- */

static void take_addresses(const struct dns_answer *answer, int family, struct dns_addresses *out)
{
    size_t wanted = family == AF_INET6 ? 16 : 4;
    for (size_t i = 0; i < answer->n && out->n < DNS_ADDRESSES_MAX; i++) {
        struct slice data = answer->records[i].data;
        if (data.n != wanted)
            continue;
        struct sockaddr_storage *to = &out->list[out->n];
        memset(to, 0, sizeof *to);
        to->ss_family = (sa_family_t)family;
        if (family == AF_INET6) {
            memcpy(&((struct sockaddr_in6 *)(void *)to)->sin6_addr, data.p, data.n);
            out->size[out->n++] = sizeof(struct sockaddr_in6);
        } else {
            memcpy(&((struct sockaddr_in *)(void *)to)->sin_addr, data.p, data.n);
            out->size[out->n++] = sizeof(struct sockaddr_in);
        }
    }
}

static bool unsure(enum dns_status s)
{
    return s == DNS_TEMPORARY || s == DNS_BOGUS;
}

TASK_FN
void dns_ask_addresses(struct dns *d, struct slice host, struct arena *arena,
    struct dns_addresses *out, deadline until)
{
    struct dns_answer six, four;
    dns_ask(d, host, DNS_AAAA, arena, &six, until);
    out->n = 0;
    if (six.status == DNS_BAD_NAME) {
        *out = (struct dns_addresses){.status = DNS_BAD_NAME, .why = six.why};
        return;
    }
    dns_ask(d, host, DNS_A, arena, &four, until);
    if (six.status == DNS_FOUND)
        take_addresses(&six, AF_INET6, out);
    if (four.status == DNS_FOUND)
        take_addresses(&four, AF_INET, out);
    const struct dns_answer *said = four.status == DNS_FOUND || unsure(four.status) ? &four : &six;
    out->status = out->n                                                ? DNS_FOUND
                  : unsure(four.status)                                 ? four.status
                  : unsure(six.status)                                  ? six.status
                  : four.status == DNS_FOUND || six.status == DNS_FOUND ? DNS_EMPTY
                                                                        : four.status;
    /* What could not be had is not in it: who suppresses one family must not make the other look
     * unsigned (RFC 7672 §2.2.2). */
    out->secure =
        (six.secure || unsure(six.status)) && (four.secure || unsure(four.status)) && out->n;
    out->name = said->name;
    out->why = out->n ? NULL : said->why;
}
