#include "delivery/tlsrpt_private.h"

/* ---- keys ---- */

static void add(struct tlsrpt_key *k, struct slice s)
{
    if (s.n > sizeof k->p - k->n)
        s.n = sizeof k->p - k->n;
    if (s.n)
        memcpy(k->p + k->n, s.p, s.n);
    k->n += s.n;
}

static void add_u32(struct tlsrpt_key *k, uint32_t v)
{
    char bytes[4];
    pack_u32(bytes, v);
    add(k, slice(bytes, sizeof bytes));
}

static void add_u64(struct tlsrpt_key *k, uint64_t v)
{
    char bytes[8];
    pack_u64(bytes, v);
    add(k, slice(bytes, sizeof bytes));
}

static struct tlsrpt_key begin(enum keyspace_transport kind, uint32_t day)
{
    struct tlsrpt_key k = {.n = 1, .p = {(char)kind}};
    add_u32(&k, day);
    return k;
}

struct tlsrpt_key tlsrpt_row_key_day(uint32_t day)
{
    return begin(KEY_TRANSPORT_DAY, day);
}

struct tlsrpt_key tlsrpt_row_key_domain(uint32_t day, struct slice domain)
{
    struct tlsrpt_key k = begin(KEY_TRANSPORT_SESSIONS, day);
    add(&k, slice_sub(domain, 0, TLSRPT_NAME_MAX));
    add(&k, slice("", 1));
    return k;
}

struct tlsrpt_key tlsrpt_row_key_sessions(
    uint32_t day, struct slice domain, enum tlsrpt_policy policy, uint64_t hash)
{
    struct tlsrpt_key k = tlsrpt_row_key_domain(day, domain);
    const char kind = (char)policy;
    add(&k, slice(&kind, 1));
    add_u64(&k, hash);
    return k;
}

struct tlsrpt_key tlsrpt_row_key_failures(const struct tlsrpt_key *sessions, uint64_t hash)
{
    struct tlsrpt_key k = *sessions;
    add_u64(&k, hash);
    return k;
}

struct tlsrpt_key tlsrpt_row_key_retry(uint32_t day, struct slice domain)
{
    struct tlsrpt_key k = begin(KEY_TRANSPORT_RETRY, day);
    add(&k, slice_sub(domain, 0, TLSRPT_NAME_MAX));
    return k;
}

bool tlsrpt_row_parse(struct slice key, uint32_t *day, struct slice *domain, bool *failures)
{
    if (key.n < 5 || key.p[0] != KEY_TRANSPORT_SESSIONS)
        return false;
    *day = unpack_u32(key.p + 1);
    struct slice rest = slice_from(key, 5);
    size_t end = slice_find(rest, '\0');
    if (end == SLICE_NONE || !end)
        return false;
    *domain = slice_sub(rest, 0, end);
    rest = slice_from(rest, end + 1);
    *failures = rest.n == 17;
    return rest.n == 9 || rest.n == 17;
}

/* ---- values ---- */

static size_t put_text(char *to, struct slice text, size_t max)
{
    text = slice_sub(text, 0, max);
    pack_u16(to, (uint16_t)text.n);
    if (text.n)
        memcpy(to + 2, text.p, text.n);
    return 2 + text.n;
}

static bool take_text(struct slice *rest, struct slice *text)
{
    if (rest->n < 2 || rest->n - 2 < unpack_u16(rest->p))
        return false;
    *text = slice_sub(*rest, 2, unpack_u16(rest->p));
    *rest = slice_from(*rest, 2 + text->n);
    return true;
}

size_t tlsrpt_row_pack_sessions(const struct tlsrpt_sessions *s, char out[TLSRPT_ROW_SESSIONS])
{
    memset(out, 0, 24);
    out[0] = TLSRPT_ROW_VERSION;
    out[1] = (char)s->policy;
    pack_u32(out + 4, s->details);
    pack_u64(out + 8, s->ok);
    pack_u64(out + 16, s->failed);
    return 24 + put_text(out + 24, s->policy_text, TLSRPT_POLICY_BYTES);
}

bool tlsrpt_row_unpack_sessions(struct slice row, struct tlsrpt_sessions *s)
{
    struct slice rest = slice_from(row, 24);
    if (row.n < 24 || row.p[0] != TLSRPT_ROW_VERSION || (unsigned char)row.p[1] > TLSRPT_TLSA)
        return false;
    *s = (struct tlsrpt_sessions){.policy = (enum tlsrpt_policy)row.p[1],
        .details = unpack_u32(row.p + 4),
        .ok = unpack_u64(row.p + 8),
        .failed = unpack_u64(row.p + 16)};
    return take_text(&rest, &s->policy_text) && !rest.n;
}

static const size_t text_max[TLSRPT_TEXTS] = {
    TLSRPT_NAME_MAX, TLSRPT_NAME_MAX, TLSRPT_IP_MAX, TLSRPT_IP_MAX, TLSRPT_REASON_MAX};

size_t tlsrpt_row_pack_failures(const struct tlsrpt_failures *f, char out[TLSRPT_ROW_FAILURES])
{
    size_t n = 16;
    memset(out, 0, n);
    out[0] = TLSRPT_ROW_VERSION;
    out[1] = (char)f->result;
    pack_u64(out + 8, f->count);
    for (size_t i = 0; i < TLSRPT_TEXTS; i++)
        n += put_text(out + n, f->texts[i], text_max[i]);
    return n;
}

bool tlsrpt_row_unpack_failures(struct slice row, struct tlsrpt_failures *f)
{
    struct slice rest = slice_from(row, 16);
    if (row.n < 16 || row.p[0] != TLSRPT_ROW_VERSION || (unsigned char)row.p[1] >= TLSRPT_RESULTS)
        return false;
    *f = (struct tlsrpt_failures){
        .result = (enum tlsrpt_result)row.p[1], .count = unpack_u64(row.p + 8)};
    for (size_t i = 0; i < TLSRPT_TEXTS; i++)
        if (!take_text(&rest, &f->texts[i]) || rest.n > row.n)
            return false;
    return !rest.n;
}
