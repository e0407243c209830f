/* Counting: in memory, and from there into the store. */
#include "delivery/tlsrpt.h"
#include "base/hash.h"
#include "base/log.h"
#include "base/metrics.h"
#include "base/table.h"
#include "delivery/remote.h"
#include "delivery/tlsrpt_private.h"
#include <pthread.h>
#include <stdlib.h>

#define DAY         INT64_C(86400)
#define FLUSH_BATCH 128 /* counts of one mutation */

METRIC(lost, METRIC_COUNTER, "barid_tlsrpt_uncounted_total", "",
    "Sessions that no TLS report counts: too many domains or failures at once")

/* One count: sessions that are alike. */
struct pending {
    struct table_node node;
    struct list in;
    uint32_t day;
    uint64_t count;
    uint64_t policy_hash;
    struct tlsrpt_session s; /* slices are of `text` */
    char text[];
};

struct tlsrpt {
    struct tlsrpt_options options;
    pthread_mutex_t mutex; /* all below */
    struct table table;
    struct list list;
};

const char *tlsrpt_result_name(enum tlsrpt_result result)
{
    static const char *const names[TLSRPT_RESULTS] = {
        [TLSRPT_OK] = "ok",
        [TLSRPT_STARTTLS_NOT_SUPPORTED] = "starttls-not-supported",
        [TLSRPT_HOST_MISMATCH] = "certificate-host-mismatch",
        [TLSRPT_EXPIRED] = "certificate-expired",
        [TLSRPT_NOT_TRUSTED] = "certificate-not-trusted",
        [TLSRPT_VALIDATION] = "validation-failure",
        [TLSRPT_TLSA_INVALID] = "tlsa-invalid",
        [TLSRPT_DNSSEC_INVALID] = "dnssec-invalid",
        [TLSRPT_FETCH_ERROR] = "sts-policy-fetch-error",
        [TLSRPT_POLICY_INVALID] = "sts-policy-invalid",
        [TLSRPT_WEBPKI_INVALID] = "sts-webpki-invalid",
    };
    return names[result];
}

struct tlsrpt *tlsrpt_create(const struct tlsrpt_options *options)
{
    struct tlsrpt *t = calloc(1, sizeof *t);
    if (!t)
        return NULL;
    t->options = *options;
    table_init(&t->table, TLSRPT_PENDING_MAX);
    list_init(&t->list);
    pthread_mutex_init(&t->mutex, NULL);
    return t;
}

static void free_all(struct list *list)
{
    struct list *node;
    while ((node = list_pop_front(list)))
        free(list_entry(node, struct pending, in));
}

void tlsrpt_destroy(struct tlsrpt *t)
{
    if (!t)
        return;
    free_all(&t->list);
    table_finish(&t->table);
    pthread_mutex_destroy(&t->mutex);
    free(t);
}

const struct tlsrpt_options *tlsrpt_options(const struct tlsrpt *t)
{
    return &t->options;
}

/* ---- in memory ---- */

#define TEXTS 7

static void texts_of(struct tlsrpt_session *s, struct slice *out[TEXTS])
{
    struct slice *const all[TEXTS] = {
        &s->domain, &s->policy_text, &s->mx, &s->helo, &s->ip, &s->our_ip, &s->reason};
    memcpy(out, all, sizeof all);
}

/* Cut to what rows hold; of a policy whole lines only. */
static void cut(struct tlsrpt_session *s)
{
    static const size_t max[TEXTS] = {TLSRPT_NAME_MAX, TLSRPT_POLICY_BYTES, TLSRPT_NAME_MAX,
        TLSRPT_NAME_MAX, TLSRPT_IP_MAX, TLSRPT_IP_MAX, TLSRPT_REASON_MAX};
    struct slice *texts[TEXTS];
    texts_of(s, texts);
    if (s->policy_text.n > TLSRPT_POLICY_BYTES) {
        size_t end = slice_rfind(slice_sub(s->policy_text, 0, TLSRPT_POLICY_BYTES), '\n');
        s->policy_text.n = end == SLICE_NONE ? 0 : end + 1;
    }
    if (s->result == TLSRPT_OK) /* all that went well are alike */
        s->mx = s->helo = s->ip = s->our_ip = s->reason = S("");
    for (size_t i = 0; i < TEXTS; i++)
        *texts[i] = slice_sub(*texts[i], 0, max[i]);
}

/* Stable over restarts: it is part of keys. */
static uint64_t name_hash(struct slice a, struct slice b)
{
    return (uint64_t)crc32c(0, a.p, a.n) << 32 | crc32c(0xffffffff, b.p, b.n);
}

static bool alike(const struct pending *p, uint32_t day, struct tlsrpt_session *s)
{
    struct tlsrpt_session mine = p->s;
    struct slice *a[TEXTS], *b[TEXTS];
    texts_of(&mine, a);
    texts_of(s, b);
    bool same = p->day == day && mine.policy == s->policy && mine.result == s->result;
    for (size_t i = 0; i < TEXTS && same; i++)
        same = slice_eq(*a[i], *b[i]);
    return same;
}

static uint64_t hash_of(uint32_t day, struct tlsrpt_session *s)
{
    struct slice *texts[TEXTS];
    uint64_t hash = day * UINT64_C(31) + (uint64_t)s->result * 7 + (uint64_t)s->policy;
    texts_of(s, texts);
    for (size_t i = 0; i < TEXTS; i++)
        hash = hash * UINT64_C(0x9e3779b97f4a7c15) + hash_slice(*texts[i]);
    return hash;
}

static struct pending *pending_new(uint32_t day, struct tlsrpt_session *s)
{
    struct slice *texts[TEXTS];
    size_t n = 0;
    texts_of(s, texts);
    for (size_t i = 0; i < TEXTS; i++)
        n += texts[i]->n;
    struct pending *p = calloc(1, sizeof *p + n);
    if (!p)
        return NULL;
    p->day = day;
    p->s = *s;
    p->policy_hash = name_hash(s->policy_text, S(""));
    texts_of(&p->s, texts);
    n = 0;
    for (size_t i = 0; i < TEXTS; i++) {
        if (texts[i]->n)
            memcpy(p->text + n, texts[i]->p, texts[i]->n);
        *texts[i] = slice(p->text + n, texts[i]->n);
        n += texts[i]->n;
    }
    return p;
}

/* With the mutex. */
static struct pending *find(struct tlsrpt *t, uint32_t day, struct tlsrpt_session *s, uint64_t hash)
{
    struct table_node *node = table_find(&t->table, hash);
    for (; node; node = table_find_next(node))
        if (alike(list_entry(node, struct pending, node), day, s))
            return list_entry(node, struct pending, node);
    return NULL;
}

void tlsrpt_count(struct tlsrpt *t, const struct tlsrpt_session *session)
{
    struct tlsrpt_session s = *session;
    uint32_t day = (uint32_t)(clock_wall() / 1000000 / DAY);
    if (!t || !s.domain.n || s.domain.n > TLSRPT_NAME_MAX)
        return;
    cut(&s);
    uint64_t hash = hash_of(day, &s);
    pthread_mutex_lock(&t->mutex);
    struct pending *p = find(t, day, &s, hash);
    if (!p && (p = pending_new(day, &s))) {
        if (table_insert(&t->table, &p->node, hash)) {
            list_push_back(&t->list, &p->in);
        } else {
            free(p);
            p = NULL;
        }
    }
    if (p)
        p->count++;
    pthread_mutex_unlock(&t->mutex);
    if (!p)
        metric_add(&lost, 1);
}

/* ---- into the store ---- */

struct flush {
    struct pending *counts[FLUSH_BATCH];
    size_t n;
    uint64_t lost;
    char row[TLSRPT_ROW_SESSIONS];
};

static bool has_prefix(struct store_view *v, struct slice prefix, size_t *rows, size_t length)
{
    struct store_cursor c;
    struct slice key, row;
    *rows = 0;
    store_seek(v, prefix, &c);
    bool any = false;
    while (*rows < TLSRPT_POLICIES_MAX && store_next_with(&c, prefix, &key, &row)) {
        any = true;
        *rows += key.n == length;
    }
    return any;
}

/* A domain that is new today is counted, up to a maximum; so is a policy of it. */
static bool make_room(struct store_txn *t, const struct pending *p, size_t key_n)
{
    struct store_view *v = store_txn_view(t);
    struct tlsrpt_key domain = tlsrpt_row_key_domain(p->day, p->s.domain);
    struct tlsrpt_key day = tlsrpt_row_key_day(p->day);
    struct slice row;
    size_t policies;
    if (has_prefix(v, tlsrpt_slice(&domain), &policies, key_n))
        return policies < TLSRPT_POLICIES_MAX;
    char header[8] = {TLSRPT_ROW_VERSION};
    uint32_t n = store_get(v, tlsrpt_slice(&day), &row) && row.n == 8 ? unpack_u32(row.p + 4) : 0;
    if (n >= TLSRPT_DOMAINS_MAX)
        return false;
    pack_u32(header + 4, n + 1);
    store_put(t, tlsrpt_slice(&day), slice(header, sizeof header));
    return true;
}

static void add_failure(struct store_txn *t, const struct pending *p,
    const struct tlsrpt_key *sessions, struct tlsrpt_sessions *sums)
{
    char row[TLSRPT_ROW_FAILURES], id[TLSRPT_ROW_FAILURES];
    struct slice old;
    struct tlsrpt_failures f = {
        .result = p->s.result, .texts = {p->s.mx, p->s.helo, p->s.ip, p->s.our_ip, p->s.reason}};
    struct slice named = slice(id, tlsrpt_row_pack_failures(&f, id));
    struct tlsrpt_key k = tlsrpt_row_key_failures(sessions, name_hash(named, p->s.reason));
    struct tlsrpt_failures before = {0};
    bool known = store_get(store_txn_view(t), tlsrpt_slice(&k), &old) &&
                 tlsrpt_row_unpack_failures(old, &before);
    if (!known && sums->details >= TLSRPT_DETAILS_MAX)
        return; /* in the sum only */
    sums->details += !known;
    f.count = before.count + p->count;
    store_put(t, tlsrpt_slice(&k), slice(row, tlsrpt_row_pack_failures(&f, row)));
}

static bool add_count(struct store_txn *t, const struct pending *p, char row[TLSRPT_ROW_SESSIONS])
{
    struct slice old;
    struct tlsrpt_key k = tlsrpt_row_key_sessions(p->day, p->s.domain, p->s.policy, p->policy_hash);
    struct tlsrpt_sessions sums = {.policy = p->s.policy};
    bool known = store_get(store_txn_view(t), tlsrpt_slice(&k), &old) &&
                 tlsrpt_row_unpack_sessions(old, &sums);
    if (!known && !make_room(t, p, k.n))
        return false;
    sums.policy_text = p->s.policy_text;
    if (p->s.result == TLSRPT_OK)
        sums.ok += p->count;
    else
        sums.failed += p->count;
    if (p->s.result != TLSRPT_OK)
        add_failure(t, p, &k, &sums);
    store_put(t, tlsrpt_slice(&k), slice(row, tlsrpt_row_pack_sessions(&sums, row)));
    return true;
}

static enum outcome flush_fn(struct store_txn *t, void *arg)
{
    struct flush *f = arg;
    f->lost = 0;
    for (size_t i = 0; i < f->n; i++)
        if (!add_count(t, f->counts[i], f->row))
            f->lost += f->counts[i]->count;
    return OUTCOME_DONE;
}

/* With the mutex: counts leave the memory. */
static void take_out(struct tlsrpt *t, struct flush *f)
{
    struct list *node;
    f->n = 0;
    while (f->n < FLUSH_BATCH && (node = list_pop_front(&t->list))) {
        struct pending *p = list_entry(node, struct pending, in);
        table_remove(&t->table, &p->node);
        f->counts[f->n++] = p;
    }
}

/* What could not be written goes back, joined with what came meanwhile. */
static void put_back(struct tlsrpt *t, struct flush *f)
{
    pthread_mutex_lock(&t->mutex);
    for (size_t i = 0; i < f->n; i++) {
        struct pending *p = f->counts[i];
        uint64_t hash = hash_of(p->day, &p->s);
        struct pending *other = find(t, p->day, &p->s, hash);
        if (other)
            other->count += p->count;
        if (other || !table_insert(&t->table, &p->node, hash))
            free(p);
        else
            list_push_back(&t->list, &p->in);
    }
    f->n = 0;
    pthread_mutex_unlock(&t->mutex);
}

TASK_FN
bool tlsrpt_flush(struct tlsrpt *t, deadline until)
{
    struct flush *f = calloc(1, sizeof *f);
    enum outcome o = f ? OUTCOME_DONE : OUTCOME_FAILED;
    while (o == OUTCOME_DONE) {
        pthread_mutex_lock(&t->mutex);
        take_out(t, f);
        pthread_mutex_unlock(&t->mutex);
        if (!f->n)
            break;
        struct store_mutation m = {.partition = tlsrpt_partition(), .fn = flush_fn, .arg = f};
        o = store_mutate(t->options.remote->store, &m, NULL, until);
        if (o == OUTCOME_FAILED)
            put_back(t, f);
        else if (o == OUTCOME_DONE)
            metric_add(&lost, (int64_t)f->lost);
        for (size_t i = 0; i < f->n; i++)
            free(f->counts[i]);
    }
    free(f);
    return o == OUTCOME_DONE;
}
