/* Rows of policies, and their fetching.
 *
 * header  version 1, reserved 7, policies 8
 * policy  version 1, mode 1, reserved 2, max_age 4, fetched 8, id text, mx text
 *
 * Numbers are big-endian, "text" is a length of 2 bytes and bytes. */
#pragma once
#include "delivery/sts.h"
#include "store/keyspace.h"

#define STS_ROW_VERSION 1
#define STS_ROW_MAX     (16 + 4 + STS_ID_MAX + STS_MX_BYTES)
#define STS_KEY_MAX     (1 + 256)

static inline store_partition sts_partition(void)
{
    return keyspace_partition(KEYSPACE_TRANSPORT, 0);
}

struct sts_key {
    size_t n;
    char p[STS_KEY_MAX];
};

/* n 0: no domain that could be kept. */
struct sts_key sts_row_key(struct slice domain);
size_t sts_row_pack(const struct sts_policy *p, char out[STS_ROW_MAX]);
/* Slices point into the row. */
bool sts_row_unpack(struct slice row, struct sts_policy *p);

static inline bool sts_expired(const struct sts_policy *p, int64_t now)
{
    return now < p->fetched - STS_REFRESH || now - p->fetched > p->max_age;
}

/* ---- sts_store.c ---- */

/* One that is in force; its slices are the arena's. */
TASK_FN
bool sts_store_read(struct store *store, struct slice domain, struct arena *arena,
    struct sts_policy *p, deadline until);
/* p NULL: it goes, if it has expired. REFUSED: there are STS_MAX. */
TASK_FN
enum outcome sts_store_write(struct store *store, struct slice domain, const struct sts_policy *p);

#define STS_AGED 64

/* Keys of policies that have expired (gone), or are older than STS_REFRESH. */
struct sts_aged {
    struct sts_key from, next; /* next: where another read begins */
    int64_t now;
    size_t n, rows;
    bool end;
    struct sts_key due[STS_AGED];
    bool gone[STS_AGED];
};
void sts_store_first(struct sts_aged *a);
TASK_FN
bool sts_store_aged(struct store *store, struct sts_aged *a, deadline until);

/* sts_fetch.c. The id that the domain's record has now; false: there is none, or it cannot be told
 * (*known: there is surely none). */
TASK_FN
bool sts_fetch_id(struct delivery_remote *remote, struct slice domain, char id[STS_ID_MAX + 1],
    bool *known, deadline until);
/* Over HTTPS. p's slices are the buffer's. */
TASK_FN
enum sts_failure sts_fetch_policy(struct delivery_remote *remote, struct slice domain,
    struct sts_policy *p, struct buffer *mx, char why[DIAL_WHY], deadline until);
/* Joins the strings of a TXT record's data; false: it is broken or does not fit. */
bool sts_fetch_text(struct slice data, struct buffer *to);
