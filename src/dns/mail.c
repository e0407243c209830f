/* What mail asks: MX (RFC 5321 §5.1, RFC 7505), addresses. */
#include "base/pack.h"
#include "base/random.h"
#include "dns/dns_private.h"
#include <netinet/in.h>

/* ---- MX ---- */

static bool read_mx(struct slice data, char host[DNS_NAME_MAX], size_t *n, uint16_t *preference)
{
    size_t used;
    if (data.n < 3 || !dns_name_read(slice_from(data, 2), host, n, &used) || used + 2 != data.n)
        return false;
    *preference = unpack_u16(data.p);
    return true;
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

/* The place for one more: of more than there is room for, those of worst preference go. */
static struct dns_mx *place(struct dns_mx_answer *out, uint16_t preference)
{
    struct dns_mx *worst = out->hosts;
    if (out->n < DNS_MX_MAX)
        return &out->hosts[out->n++];
    for (size_t i = 1; i < out->n; i++)
        if (out->hosts[i].preference > worst->preference)
            worst = &out->hosts[i];
    return preference < worst->preference ? worst : NULL;
}

void dns_mx_take(const struct dns_answer *answer, struct arena *arena, struct dns_mx_answer *out)
{
    bool null_seen = false;
    char host[DNS_NAME_MAX];
    out->status = DNS_FOUND;
    out->null_mx = false;
    out->n = 0;
    for (size_t i = 0; i < answer->n; i++) {
        size_t n;
        uint16_t preference;
        if (!read_mx(answer->records[i].data, host, &n, &preference))
            continue;
        null_seen |= !n;
        struct dns_mx *mx = n ? place(out, preference) : NULL;
        if (!mx)
            continue;
        *mx = (struct dns_mx){preference, arena_copy(arena, slice(host, n))};
        if (!mx->host.p) { /* not the same as a domain without hosts */
            out->status = DNS_TEMPORARY;
            out->why = "out of memory";
            out->n = 0;
            return;
        }
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
        dns_mx_take(&answer, arena, out);
    } else if (answer.status == DNS_EMPTY && answer.name.n) {
        out->status = DNS_FOUND;
        out->implicit = true;
        out->hosts[0] = (struct dns_mx){.host = answer.name};
        out->n = 1;
    }
}

/* ---- addresses ---- */

void dns_addresses_take(const struct dns_answer *answer, int family, struct dns_addresses *out)
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

/* What is said when there is no address. */
static const struct dns_answer *decisive(
    const struct dns_answer *four, const struct dns_answer *six)
{
    return unsure(four->status) || !unsure(six->status) ? four : six;
}

TASK_FN
void dns_ask_addresses(struct dns *d, struct slice host, struct arena *arena,
    struct dns_addresses *out, deadline until)
{
    struct dns_answer six, four;
    struct dns_question *q6 = dns_begin(d, host, DNS_AAAA, &six);
    struct dns_question *q4 = dns_begin(d, host, DNS_A, &four);
    dns_end(q6, host, arena, &six, until);
    dns_end(q4, host, arena, &four, until);
    out->n = 0;
    out->secure = true;
    if (six.status == DNS_FOUND)
        dns_addresses_take(&six, AF_INET6, out);
    if (out->n)
        out->secure = six.secure;
    size_t sixes = out->n;
    if (four.status == DNS_FOUND)
        dns_addresses_take(&four, AF_INET, out);
    if (out->n > sixes)
        out->secure &= four.secure;
    const struct dns_answer *said = decisive(&four, &six);
    if (out->n) {
        /* A family that could not be had takes nothing from the other (RFC 7672 §2.2.2). */
        out->status = DNS_FOUND;
        out->name = out->n > sixes ? four.name : six.name;
        out->why = NULL;
        return;
    }
    out->status = said->status == DNS_FOUND ? DNS_EMPTY : said->status;
    out->secure = six.secure && four.secure;
    out->name = said->name;
    out->why = said->why ? said->why : "its address records are damaged";
}
