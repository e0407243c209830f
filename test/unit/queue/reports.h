/* Reports to senders, kept in the store of the fixture: one row each in the partition of account 7.
 */
#pragma once
#include "base/pack.h"
#include "queue/reporter.h"
#include "unit/queue/fixture.h"

static char report_text[65536];
static size_t report_n;
static enum queue_report_to report_to;

static inline void report_find(
    void *arg, struct slice address, struct queue_report_target *t, deadline until)
{
    t->to = report_to;
    t->partition = keyspace_partition(KEYSPACE_ACCOUNT, 7);
    t->account = 7;
    memcpy(t->route, "back.example", 13);
}

/* One row for each report: the blob. */
static inline enum outcome report_deliver(struct store_txn *t, void *arg,
    const struct queue_report_target *target, store_blob_id blob, uint64_t size, int64_t now_s)
{
    char key[8];
    pack_u64(key, blob);
    store_retain(t, blob);
    store_put(t, slice(key, 8), S("x"));
    return OUTCOME_DONE;
}

static const struct queue_reporter reporter = {.hostname = {"mail.example.org", 16},
    .tmp_dir = -1,
    .find = report_find,
    .deliver = report_deliver};

static inline void report_count_fn(struct store_view *v, void *arg)
{
    struct store_cursor c;
    struct slice key, row;
    uint64_t *last = arg;
    last[0] = last[1] = 0;
    store_seek(v, S(""), &c);
    while (store_next(&c, &key, &row)) {
        last[0]++;
        last[1] = unpack_u64(key.p);
    }
}

/* How many there are; the newest is read. */
static inline uint64_t local_reports(void)
{
    uint64_t found[2];
    CHECK(store_read(fixture_store, keyspace_partition(KEYSPACE_ACCOUNT, 7), report_count_fn, found,
              NULL, SOON) == OUTCOME_DONE);
    struct store_blob *blob;
    report_n = 0;
    if (found[0]) {
        CHECK(store_blob_open(fixture_store, found[1], &blob, SOON) == OUTCOME_DONE);
        CHECK(store_blob_read(blob, 0, report_text, sizeof report_text, &report_n, SOON) ==
              OUTCOME_DONE);
        store_blob_close(blob);
    }
    return found[0];
}

static inline bool report_says(struct slice text)
{
    return slice_find_slice(slice(report_text, report_n), text) != SLICE_NONE;
}
