#include "intake/srs.h"
#include "base/pack.h"
#include "message/address.h"
#include "smtp/path.h"
#include <openssl/hmac.h>
#include <stdlib.h>

#define PREFIX      5 /* "SRS0=" */
#define HASH        8
#define STAMP       2
#define ACCOUNT_MAX 13 /* letters of 64 bits */
#define DAYS        1024
#define DAY         INT64_C(86400)

static const char letters[] = "abcdefghijklmnopqrstuvwxyz234567";

/* -1: no letter of these. */
static int value_of(char c)
{
    const char *at = c ? memchr(letters, ascii_lower(c), 32) : NULL;
    return at ? (int)(at - letters) : -1;
}

/* ---- the hash ---- */

struct signed_part {
    char kind; /* '0' or '1' */
    int64_t day;
    uint64_t account;
    struct slice ours, tail; /* tail: all behind the stamp */
};

/* Mail systems on the way may change the case of a local part. */
static void hash(const uint8_t key[INTAKE_SRS_KEY], const struct signed_part *s, char to[HASH])
{
    char text[1 + 8 + 8 + SMTP_DOMAIN_MAX + 1 + INTAKE_SRS_LOCAL_MAX];
    uint8_t mac[EVP_MAX_MD_SIZE];
    unsigned mac_n = sizeof mac;
    struct slice ours = slice_sub(s->ours, 0, SMTP_DOMAIN_MAX);
    struct slice tail = slice_sub(s->tail, 0, INTAKE_SRS_LOCAL_MAX);
    size_t n = 17;
    text[0] = s->kind;
    pack_u64(text + 1, (uint64_t)s->day);
    pack_u64(text + 9, s->account);
    for (size_t i = 0; i < ours.n; i++)
        text[n++] = ours.p[i];
    text[n++] = '\0';
    for (size_t i = 0; i < tail.n; i++)
        text[n++] = ascii_lower(tail.p[i]);
    if (!HMAC(EVP_sha256(), key, INTAKE_SRS_KEY, (const unsigned char *)text, n, mac, &mac_n))
        abort();
    uint64_t bits = unpack_u64(mac);
    for (int i = 0; i < HASH; i++, bits <<= 5)
        to[i] = letters[bits >> 59];
}

/* ---- writing ---- */

static bool is_srs(struct slice local, char kind)
{
    return local.n > PREFIX && slice_starts_nocase(local, S("SRS")) && local.p[3] == kind &&
           (local.p[4] == '=' || local.p[4] == '+' || local.p[4] == '-');
}

static bool is_atext(unsigned char c)
{
    return c < 0x80 && (ascii_alnum((char)c) || (c && strchr("!#$%&'*+-/=?^_`{|}~", c)));
}

/* Behind "=", so that a dot may stand first. */
static bool is_plain(struct slice s)
{
    for (size_t i = 0; i < s.n; i++)
        if (!is_atext((unsigned char)s.p[i]) &&
            (s.p[i] != '.' || i + 1 == s.n || s.p[i + 1] == '.'))
            return false;
    return true;
}

struct writer {
    size_t n, max;
    char *to;
    bool full;
};

static void put(struct writer *w, struct slice s)
{
    w->full |= s.n > w->max - w->n;
    if (w->full || !s.n)
        return;
    memcpy(w->to + w->n, s.p, s.n);
    w->n += s.n;
}

/* The tail is three parts, each of which may be empty. */
struct plan {
    char kind;
    struct slice host, mark, rest;
};

static void put_stamp(struct writer *w, int64_t day, uint64_t account)
{
    char stamp[STAMP + ACCOUNT_MAX];
    size_t n = 0, digits = 0;
    uint64_t place = (uint64_t)day % DAYS;
    stamp[n++] = letters[place / 32];
    stamp[n++] = letters[place % 32];
    for (uint64_t left = account; left; left >>= 5)
        digits++;
    while (digits--)
        stamp[n++] = letters[(account >> (5 * digits)) & 31];
    put(w, slice(stamp, n));
}

/* 0: it does not fit. */
static size_t assemble(const uint8_t key[INTAKE_SRS_KEY], const struct intake_srs *s,
    const struct plan *p, char to[INTAKE_SRS_LOCAL_MAX])
{
    size_t room = SMTP_PATH_MAX - 3 - s->ours.n; /* "<", "@", ">" */
    struct writer w = {.to = to, .max = INTAKE_SRS_LOCAL_MAX};
    int64_t day = s->seconds / DAY;
    if (s->ours.n > SMTP_PATH_MAX - 3)
        return 0;
    if (room < w.max)
        w.max = room;
    put(&w, p->kind == '0' ? S("SRS0=") : S("SRS1="));
    put(&w, slice("00000000", HASH));
    if (p->kind == '0')
        put(&w, S("="));
    put_stamp(&w, day, s->account);
    size_t tail = w.n;
    put(&w, S("="));
    put(&w, p->host);
    put(&w, p->mark);
    put(&w, p->rest);
    if (w.full || !is_plain(slice(to + tail, w.n - tail)))
        return 0;
    const struct signed_part part = {.kind = p->kind,
        .day = day,
        .account = s->account,
        .ours = s->ours,
        .tail = slice(to + tail, w.n - tail)};
    hash(key, &part, to + PREFIX);
    return w.n;
}

/* What the whole sender becomes. */
static struct plan whole(struct slice local, struct slice domain)
{
    struct slice rest = slice_from(local, PREFIX);
    size_t hash_end = slice_find(rest, '=');
    if (is_srs(local, '0')) /* with its separator: "host==..." */
        return (struct plan){'1', domain, S("="), slice_from(local, PREFIX - 1)};
    if (is_srs(local, '1') && hash_end != SLICE_NONE) /* another hop: the first one's host stays */
        return (struct plan){'1', S(""), S(""), slice_from(rest, hash_end + 1)};
    return (struct plan){'0', domain, S("="), local};
}

size_t intake_srs_encode(
    const uint8_t key[INTAKE_SRS_KEY], const struct intake_srs *s, char to[INTAKE_SRS_LOCAL_MAX])
{
    char room[ADDRESS_CANONICAL_MAX];
    struct buffer canonical = {.p = room, .cap = sizeof room, .max = sizeof room};
    struct slice domain = S("");
    if (address_canonical_domain(s->domain, &canonical))
        domain = buffer_slice(&canonical);
    const struct plan plans[] = {
        whole(s->local, domain),
        {'0', domain, S("="), S("")},
        {'0', S(""), S("="), S("")},
    };
    size_t n = 0;
    for (size_t i = domain.n ? 0 : 2; i < sizeof plans / sizeof *plans && !n; i++)
        n = assemble(key, s, &plans[i], to);
    return n;
}

/* ---- reading ---- */

bool intake_srs_is(struct slice local)
{
    return local.n >= PREFIX &&
           (slice_starts_nocase(local, S("SRS0=")) || slice_starts_nocase(local, S("SRS1=")));
}

/* The stamp at the front of *rest, up to "=". */
static bool take_stamp(struct slice *rest, unsigned *place, uint64_t *account)
{
    size_t end = slice_find(*rest, '=');
    if (end == SLICE_NONE || end < STAMP || end > STAMP + ACCOUNT_MAX)
        return false;
    *place = 0;
    *account = 0;
    for (size_t i = 0; i < end; i++) {
        int v = value_of(rest->p[i]);
        if (v < 0 || (i >= STAMP && *account >> 59))
            return false;
        if (i < STAMP)
            *place = *place * 32 + (unsigned)v;
        else
            *account = *account << 5 | (unsigned)v;
    }
    *rest = slice_from(*rest, end);
    return true;
}

static bool same_hash(const char made[HASH], struct slice said)
{
    char lower[HASH];
    for (int i = 0; i < HASH; i++)
        lower[i] = ascii_lower(said.p[i]);
    return slice_eq_secret(slice(made, HASH), slice(lower, HASH));
}

enum intake_srs_result intake_srs_decode(const uint8_t key[INTAKE_SRS_KEY], struct slice local,
    struct slice ours, int64_t seconds, uint64_t *account)
{
    char made[HASH];
    unsigned place;
    int64_t today = seconds / DAY;
    *account = 0;
    if (!intake_srs_is(local) || local.n > INTAKE_SRS_LOCAL_MAX || local.n < PREFIX + HASH + 1)
        return INTAKE_SRS_FORGED;
    struct signed_part part = {.kind = local.p[3], .ours = ours};
    part.tail = slice_from(local, PREFIX + HASH);
    if (part.kind == '0' && part.tail.p[0] != '=')
        return INTAKE_SRS_FORGED;
    if (part.kind == '0')
        part.tail = slice_from(part.tail, 1);
    if (!take_stamp(&part.tail, &place, &part.account))
        return INTAKE_SRS_FORGED;
    /* The day of that place which is nearest; tomorrow, when the clock was set back. The hash is
     * over the day itself: what was made a round of places ago does not come back to life. */
    int64_t age = (today + DAYS - place) % DAYS;
    if (age == DAYS - 1)
        age = -1;
    part.day = today - age;
    hash(key, &part, made);
    if (!same_hash(made, slice_sub(local, PREFIX, HASH)))
        return INTAKE_SRS_FORGED;
    *account = part.account;
    return age > INTAKE_SRS_DAYS ? INTAKE_SRS_OLD : INTAKE_SRS_OK;
}
