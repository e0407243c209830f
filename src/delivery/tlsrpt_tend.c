/* Which reports are due. */
#include "base/hash.h"
#include "base/log.h"
#include "delivery/remote.h"
#include "delivery/tlsrpt_private.h"
#include <stdlib.h>

#define DAY   INT64_C(86400)
#define STORE (30 * CLOCK_SEC)
#define BATCH 64  /* reports of one read */
#define SEEKS 500 /* of one read */

struct due {
    struct slice hostname;
    int64_t now;
    struct tlsrpt_key from, next;
    bool end;
    size_t n;
    struct {
        uint32_t day;
        char domain[TLSRPT_NAME_MAX + 1];
    } list[BATCH];
};

/* Spread over hours, for each domain and sender another time (RFC 8460 §4.1). */
static int64_t due_at(const struct due *d, uint32_t day, struct slice domain)
{
    uint32_t hash = crc32c(day, domain.p, domain.n);
    hash = crc32c(hash, d->hostname.p, d->hostname.n);
    return (day + 1) * DAY + hash % TLSRPT_SPREAD;
}

static bool put_off(struct store_view *v, const struct due *d, uint32_t day, struct slice domain)
{
    struct tlsrpt_key k = tlsrpt_row_key_retry(day, domain);
    struct slice row;
    return store_get(v, tlsrpt_slice(&k), &row) && row.n == 16 &&
           (int64_t)unpack_u64(row.p + 8) > d->now;
}

static void due_fn(struct store_view *v, void *arg)
{
    static const char prefix[] = {KEY_TRANSPORT_SESSIONS};
    struct due *d = arg;
    struct slice key, row, domain;
    uint32_t day;
    bool failures;
    d->n = 0;
    d->end = false;
    d->next = d->from;
    for (int i = 0; i < SEEKS && d->n < BATCH; i++) {
        struct store_cursor c;
        store_seek(v, tlsrpt_slice(&d->next), &c);
        if (!store_next_with(&c, slice(prefix, 1), &key, &row) ||
            !tlsrpt_row_parse(key, &day, &domain, &failures) || domain.n > TLSRPT_NAME_MAX ||
            (day + 1) * DAY > d->now) {
            d->end = true;
            return;
        }
        char *copy = d->list[d->n].domain;
        memcpy(copy, domain.p, domain.n);
        copy[domain.n] = '\0';
        domain.p = copy;
        d->next = tlsrpt_row_key_domain(day, domain);
        d->next.p[d->next.n - 1] = 1; /* behind all of it */
        d->list[d->n].day = day;
        d->n += due_at(d, day, domain) <= d->now && !put_off(v, d, day, domain);
    }
}

TASK_FN
size_t tlsrpt_tend(struct tlsrpt *t)
{
    const struct tlsrpt_options *o = tlsrpt_options(t);
    struct due *d = calloc(1, sizeof *d);
    size_t reports = 0;
    if (!d)
        return 0;
    tlsrpt_flush(t, deadline_in(STORE));
    d->hostname = o->reporter->hostname;
    d->from = (struct tlsrpt_key){.n = 1, .p = {KEY_TRANSPORT_SESSIONS}};
    do {
        d->now = clock_wall() / 1000000;
        if (store_read(o->remote->store, tlsrpt_partition(), due_fn, d, NULL, deadline_in(STORE)) !=
            OUTCOME_DONE)
            break;
        for (size_t i = 0; i < d->n && !task_cancelled(); i++) {
            bool sent;
            tlsrpt_send(t, d->list[i].day, slice_str(d->list[i].domain), &sent);
            reports += sent;
        }
        d->from = d->next;
    } while (!d->end && !task_cancelled());
    free(d);
    return reports;
}
