/* The expunge log and its bounds. */
#include "mailbox/expunge.h"
#include "unit/mailbox/fixture.h"

#define NOW     (INT64_C(1000) * 86400)
#define OLD_UID 1000000 /* what the made-up rows name; existing messages have smaller UIDs */

static struct mailbox inbox;

static void inbox_fn(struct store_view *v, void *arg)
{
    CHECK(mailbox_read(v, MAILBOX_INBOX, &inbox));
}

static void look(void)
{
    fixture_read(inbox_fn, NULL);
    CHECK(fixture_faults(false) == 0);
}

static enum outcome expunge_fn(struct store_txn *t, void *arg)
{
    return mailbox_expunge(t, arg);
}

/* Every `step`th UID of n from first. */
static void expunge(uint32_t first, uint32_t n, uint32_t step, int64_t now)
{
    static uint32_t uids[MAILBOX_BATCH];
    for (uint32_t i = 0; i < n; i++)
        uids[i] = first + i * step;
    struct mailbox_expunge e = {.mailbox = MAILBOX_INBOX, .uids = uids, .n = n, .now = now};
    fixture_mutate(expunge_fn, &e);
    CHECK(e.expunged == n);
    look();
    CHECK(e.modseq == inbox.highestmodseq);
}

static enum outcome fill_fn(struct store_txn *t, void *arg)
{
    struct mailbox_message first;
    if (!mailbox_read_message(store_txn_view(t), MAILBOX_INBOX, 1, &first))
        return OUTCOME_FAILED;
    for (int i = 0; i < 1000; i++) {
        struct mailbox_append a = {
            .mailbox = MAILBOX_INBOX, .blob = first.blob, .size = first.size, .now = 1};
        if (mailbox_append(t, &a) != OUTCOME_DONE)
            return OUTCOME_FAILED;
    }
    return OUTCOME_DONE;
}

/* 2,001 messages. */
static void fill(void)
{
    CHECK(fixture_append(MAILBOX_INBOX, S("x"), 0) == 1);
    fixture_mutate(fill_fn, NULL);
    fixture_mutate(fill_fn, NULL);
}

/* ---- age ---- */

static void ages(void *arg)
{
    fixture_open();
    fill();
    for (uint32_t i = 0; i < 20; i++)
        expunge(2 + 2 * i, 1, 1, NOW);
    uint64_t last_old = inbox.highestmodseq;
    CHECK(inbox.log_ranges == 20 && inbox.log_from == 0);
    expunge(100, 1, 1, NOW + EXPUNGE_LOG_AGE - 1);
    CHECK(inbox.log_ranges == 21 && inbox.log_from == 0);
    expunge(102, 1, 1, NOW + EXPUNGE_LOG_AGE); /* eight, and two for the one that came */
    CHECK(inbox.log_ranges == 12 && inbox.log_from == last_old - 10);
    expunge(104, 1, 1, NOW + EXPUNGE_LOG_AGE);
    CHECK(inbox.log_ranges == 3 && inbox.log_from == last_old);
    expunge(106, 1, 1, NOW); /* a clock that goes back prunes nothing */
    CHECK(inbox.log_ranges == 4 && inbox.log_from == last_old);
    fixture_close();
}

static void rows_of_ninety_days_go(void **state)
{
    fixture_run(ages);
}

/* ---- number ---- */

struct rows {
    uint32_t n, ranges; /* rows, and ranges in each */
};

static enum outcome rows_fn(struct store_txn *t, void *arg)
{
    const struct rows *r = arg;
    struct mailbox_account a;
    struct mailbox m;
    if (row_load(t, MAILBOX_INBOX, &a, &m) != OUTCOME_DONE)
        return OUTCOME_FAILED;
    for (uint32_t i = 0; i < r->n; i++) {
        struct row_expunged row;
        struct row_key k = row_key_modseq(KEY_EXPUNGED, m.id, ++a.modseq);
        row_expunged_start(&row, NOW);
        for (uint32_t j = 0; j < r->ranges; j++)
            row_expunged_add(&row, OLD_UID + 2 * (m.log_ranges + j));
        store_put(t, row_key_slice(&k), row_expunged_slice(&row));
        m.log_ranges += r->ranges;
    }
    m.highestmodseq = a.modseq;
    m.uidnext = OLD_UID + 2 * m.log_ranges;
    row_put_account(t, &a);
    row_put_mailbox(t, &m);
    return OUTCOME_DONE;
}

/* So many rows of one size. */
static void write_rows(uint32_t n, uint32_t ranges)
{
    uint32_t most = ranges > 1 ? 1000 : 10000;
    while (n) {
        struct rows r = {n < most ? n : most, ranges};
        fixture_mutate(rows_fn, &r);
        n -= r.n;
    }
    look();
}

/* Rows of one range each: the dearest to prune. */
static void small_rows(void *arg)
{
    fixture_open();
    fill();
    uint64_t before = (look(), inbox.highestmodseq);
    write_rows(EXPUNGE_LOG_RANGES - 1, 1);
    expunge(2, 1, 1, NOW);
    CHECK(inbox.log_ranges == EXPUNGE_LOG_RANGES && inbox.log_from == 0); /* just full */
    expunge(4, 1, 1, NOW);
    CHECK(inbox.log_ranges == EXPUNGE_LOG_RANGES && inbox.log_from == before + 1);
    expunge(6, 900, 2, NOW); /* 900 ranges in 8 rows; as many old rows go */
    CHECK(inbox.log_ranges == EXPUNGE_LOG_RANGES && inbox.log_from == before + 901);
    fixture_close();
}

static void a_hundred_thousand_ranges_are_kept(void **state)
{
    fixture_run(small_rows);
}

/* Full rows: one that goes is more than what came. */
static void full_rows(void *arg)
{
    fixture_open();
    fill();
    uint64_t before = (look(), inbox.highestmodseq);
    write_rows(EXPUNGE_LOG_RANGES / MAILBOX_EXPUNGED_RANGES, MAILBOX_EXPUNGED_RANGES);
    uint32_t room = (uint32_t)(EXPUNGE_LOG_RANGES - inbox.log_ranges);
    expunge(2, room, 2, NOW);
    CHECK(inbox.log_ranges == EXPUNGE_LOG_RANGES && inbox.log_from == 0);
    expunge(1000, 1, 1, NOW);
    CHECK(inbox.log_ranges == EXPUNGE_LOG_RANGES + 1 - MAILBOX_EXPUNGED_RANGES);
    CHECK(inbox.log_from == before + 1);
    fixture_close();
}

static void full_rows_go_whole(void **state)
{
    fixture_run(full_rows);
}

/* A log far over its bound shrinks by twice of what comes. */
static void shrinks(void *arg)
{
    fixture_open();
    fill();
    write_rows((uint32_t)EXPUNGE_LOG_RANGES + 5000, 1);
    expunge(2, 10, 2, NOW);
    CHECK(inbox.log_ranges == EXPUNGE_LOG_RANGES + 5000 + 10 - 28);
    expunge(100, 900, 2, NOW);
    CHECK(inbox.log_ranges == EXPUNGE_LOG_RANGES + 5000 + 10 - 28 + 900 - 1808);
    fixture_close();
}

static void a_log_over_its_bound_shrinks_step_by_step(void **state)
{
    fixture_run(shrinks);
}

/* ---- limits, damage ---- */

static enum outcome broken_fn(struct store_txn *t, void *arg)
{
    struct row_key k = row_key_modseq(KEY_EXPUNGED, MAILBOX_INBOX, 1);
    row_put(t, &k, "\1", 1);
    return OUTCOME_DONE;
}

static void limits(void *arg)
{
    static uint32_t uids[MAILBOX_BATCH + 1];
    struct mailbox_expunge e = {
        .mailbox = MAILBOX_INBOX, .uids = uids, .n = MAILBOX_BATCH + 1, .now = NOW};
    fixture_open();
    fill();
    for (uint32_t i = 0; i <= MAILBOX_BATCH; i++)
        uids[i] = i + 1;
    CHECK(fixture_try(expunge_fn, &e) == OUTCOME_FAILED);
    e.n--;
    CHECK(fixture_try(expunge_fn, &e) == OUTCOME_DONE && e.expunged == MAILBOX_BATCH);
    look();
    CHECK(inbox.log_ranges == 1);
    fixture_mutate(broken_fn, NULL);
    e.uids += MAILBOX_BATCH;
    e.n = 1;
    CHECK(fixture_try(expunge_fn, &e) == OUTCOME_FAILED);
    e.mailbox = 99;
    CHECK(fixture_try(expunge_fn, &e) == OUTCOME_REFUSED);
    fixture_close();
}

static void a_batch_has_a_maximum(void **state)
{
    fixture_run(limits);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rows_of_ninety_days_go),
        cmocka_unit_test(a_hundred_thousand_ranges_are_kept),
        cmocka_unit_test(full_rows_go_whole),
        cmocka_unit_test(a_log_over_its_bound_shrinks_step_by_step),
        cmocka_unit_test(a_batch_has_a_maximum),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
