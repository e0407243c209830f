/* Batches of changes against what a mailbox came to, while it goes on changing between them. */
#include "imap/changes.h"
#include "imap/view.h"
#include "unit/mailbox/fixture.h"

#define MESSAGES 2600

static struct changes *changes;
static struct view view;
static uint8_t told[MESSAGES * 2]; /* flags by UID, as a client knows them */
static uint64_t dice_state = 7;

static uint32_t dice(uint32_t below)
{
    dice_state = dice_state * UINT64_C(6364136223846793005) + 1442695040888963407;
    return (uint32_t)(dice_state >> 33) % below;
}

/* ---- changing the mailbox ---- */

static enum outcome flags_fn(struct store_txn *t, void *arg)
{
    return mailbox_flags(t, arg);
}

static enum outcome expunge_fn(struct store_txn *t, void *arg)
{
    return mailbox_expunge(t, arg);
}

static size_t some_uids(uint32_t uids[MAILBOX_BATCH], uint32_t one_in, uint32_t last)
{
    size_t n = 0;
    for (uint32_t uid = 1; uid <= last && n < MAILBOX_BATCH; uid++)
        if (dice(one_in) == 0)
            uids[n++] = uid;
    return n;
}

static void store(uint32_t one_in, uint32_t last, uint8_t flags)
{
    uint32_t uids[MAILBOX_BATCH];
    struct mailbox_flags f = {.mailbox = MAILBOX_INBOX,
        .uids = uids,
        .n = some_uids(uids, one_in, last),
        .change = MAILBOX_FLAGS_REPLACE,
        .flags = flags,
        .unchanged_since = UINT64_MAX};
    fixture_mutate(flags_fn, &f);
}

static void expunge(uint32_t one_in, uint32_t last)
{
    uint32_t uids[MAILBOX_BATCH];
    struct mailbox_expunge e = {
        .mailbox = MAILBOX_INBOX, .uids = uids, .n = some_uids(uids, one_in, last), .now = 1000};
    fixture_mutate(expunge_fn, &e);
}

/* Copies rows of one blob: cheaper than a blob each. */
struct many {
    store_blob_id blob;
    uint32_t n, uid;
};

static enum outcome many_fn(struct store_txn *t, void *arg)
{
    struct many *m = arg;
    struct mailbox_append a = {
        .mailbox = MAILBOX_INBOX, .blob = m->blob, .size = 5, .date = 1, .now = 1};
    enum outcome o = OUTCOME_DONE;
    for (uint32_t i = 0; i < m->n && o == OUTCOME_DONE; i++)
        o = mailbox_append(t, &a);
    m->uid = a.uid;
    return o;
}

static store_blob_id blob;

static void blob_fn(struct store_view *v, void *arg)
{
    struct mailbox_message m;
    CHECK(mailbox_read_message(v, MAILBOX_INBOX, 1, &m));
    blob = m.blob;
}

static uint32_t append(uint32_t n)
{
    struct many m = {.blob = blob, .n = n};
    fixture_mutate(many_fn, &m);
    return m.uid;
}

/* ---- a client ---- */

static void told_gone(void *arg, uint32_t number, uint32_t uid)
{
    told[uid] = 0xff;
}

static int by_first(const void *a, const void *b)
{
    const struct mailbox_uids *x = a, *y = b;
    return x->first < y->first ? -1 : x->first > y->first;
}

/* As imap_sync does it. */
static void take_over(void)
{
    CHECK(changes->found == CHANGES_FOUND);
    qsort(changes->gone, changes->gone_n, sizeof changes->gone[0], by_first);
    CHECK(view_remove(&view, changes->gone, changes->gone_n, told_gone, NULL));
    changes->vanished = changes->vanished_next;
    if (!changes->gone_more && !changes->waiting)
        changes->expunged = changes->modseq;
    for (size_t i = 0; i < changes->came_n; i++)
        CHECK(view_append(&view, changes->came[i].first, changes->came[i].last));
    changes->uidnext = changes->uidnext_next;
    for (size_t i = 0; i < changes->flag_n; i++)
        if (view_number(&view, changes->flags[i].uid))
            told[changes->flags[i].uid] = changes->flags[i].flags;
    changes->flagged = changes->flagged_next;
}

/* Until a read finds the end; `between` runs between the first of them. */
static unsigned catch_up(bool expunges, unsigned disturbances, void (*between)(void))
{
    unsigned batches = 0;
    bool more = true;
    changes->expunges = expunges;
    changes->vanished = (struct mailbox_vanished_at){0};
    changes->new_from = changes->uidnext;
    changes->flagged.uid = UINT32_MAX;
    while (more) {
        fixture_read(changes_read, changes);
        take_over();
        more = changes->gone_more || changes->came_more || changes->flags_more;
        if (more && batches < disturbances)
            between();
        batches++;
    }
    return batches;
}

/* ---- what is true ---- */

struct truth {
    uint32_t from, next;
    bool more;
    uint32_t n;
};

/* Compares a thousand messages with the view, and the flags of those that are `known`. */
static void compare_fn(struct store_view *v, void *arg)
{
    struct truth *t = arg;
    struct store_cursor c;
    struct mailbox_message m;
    uint32_t rows = 0, at = view_below(&view, t->from);
    mailbox_seek_message(v, MAILBOX_INBOX, t->from, &c);
    t->more = false;
    for (; rows < 1000 && mailbox_next_message(&c, MAILBOX_INBOX, &m); rows++) {
        CHECK(view_uid(&view, ++at) == m.uid);
        CHECK(m.uid >= changes->new_from || told[m.uid] == m.flags);
        t->n = at;
        t->next = m.uid + 1;
        t->more = rows == 999;
    }
}

static void compare(void)
{
    struct truth t = {.from = 1, .more = true};
    while (t.more) {
        t.next = t.from;
        fixture_read(compare_fn, &t);
        t.from = t.next;
    }
    CHECK(t.n == view.count);
}

static void know_all_flags_fn(struct store_view *v, void *arg)
{
    struct mailbox_message m;
    uint32_t *from = arg;
    for (uint32_t uid = *from; uid < *from + 1000 && uid < sizeof told; uid++)
        if (mailbox_read_message(v, MAILBOX_INBOX, uid, &m))
            told[uid] = m.flags;
}

static void know_all_flags(void)
{
    for (uint32_t from = 1; from < sizeof told; from += 1000)
        fixture_read(know_all_flags_fn, &from);
}

/* ---- the test ---- */

static void disturb(void)
{
    store(7, MESSAGES, (uint8_t)dice(32));
    expunge(40, MESSAGES);
    append(3);
}

static void start(void)
{
    changes = calloc(1, sizeof *changes);
    CHECK(changes);
    changes->mailbox = MAILBOX_INBOX;
    changes->arrivals = true;
    changes->uidnext = 1;
    changes->until = UINT64_MAX;
    view_init(&view);
    CHECK(mailbox_open_account(fixture_store, ACCOUNT, SOON) == OUTCOME_DONE);
    CHECK(fixture_append(MAILBOX_INBOX, S("a\r\n\r\n"), 0) == 1);
    fixture_read(blob_fn, NULL);
    for (int i = 1; i < 4; i++)
        append(i < 3 ? 1000 : MESSAGES - 2001);
}

static void validity_fn(struct store_view *v, void *arg)
{
    struct mailbox m;
    CHECK(mailbox_read(v, MAILBOX_INBOX, &m));
    changes->uidvalidity = m.uidvalidity;
}

static void run_all(void *arg)
{
    fixture_open();
    start();
    fixture_read(validity_fn, NULL);
    CHECK(catch_up(true, 0, disturb) == 3); /* flags are read behind all arrivals */
    CHECK(view.count == MESSAGES && view.n == 1);
    know_all_flags();
    compare();
    for (int round = 0; round < 12; round++) {
        know_all_flags();
        store(2, MESSAGES, (uint8_t)dice(32));
        store(3, MESSAGES, (uint8_t)dice(32));
        expunge(6, MESSAGES);
        append(5);
        /* without a sync point nothing leaves the view */
        uint32_t count = view.count, came = changes->uidnext;
        catch_up(false, 0, disturb);
        CHECK(changes->waiting && view.count > count && changes->uidnext > came);
        catch_up(true, 0, disturb);
        compare();
    }
    for (int round = 0; round < 12; round++) {
        know_all_flags();
        for (int i = 0; i < 4; i++)
            disturb();
        catch_up(true, 3, disturb);
        catch_up(true, 0, disturb);
        know_all_flags();
        compare();
    }
    view_finish(&view);
    free(changes);
    fixture_close();
}

static void batches_come_to_the_truth(void **unused)
{
    fixture_run(run_all);
}

/* ---- the rest ---- */

static void expunge_one(uint32_t uid)
{
    struct mailbox_expunge e = {.mailbox = MAILBOX_INBOX, .uids = &uid, .n = 1, .now = 1000};
    fixture_mutate(expunge_fn, &e);
    CHECK(e.expunged == 1);
}

/* One message that the view holds, then more rows of the log than one read looks at, all of what
 * came later, with more arrivals between them than one read gives: without a sync point each of
 * the reads says that something waits. */
static void waiting_fn(void *arg)
{
    fixture_open();
    start();
    fixture_read(validity_fn, NULL);
    catch_up(true, 0, disturb);
    expunge_one(5);
    for (int i = 0; i < UIDS_GROUPS_MAX + 10; i++)
        expunge_one(append(2));
    CHECK(catch_up(false, 0, disturb) > 1);
    CHECK(changes->waiting && view.count == MESSAGES + UIDS_GROUPS_MAX + 10);
    catch_up(true, 0, disturb);
    CHECK(view.count == MESSAGES - 1 + UIDS_GROUPS_MAX + 10);
    view_finish(&view);
    free(changes);
    fixture_close();
}

static void what_waits_is_not_forgotten(void **unused)
{
    fixture_run(waiting_fn);
}

static void gone_fn(void *arg)
{
    fixture_open();
    start();
    changes->uidvalidity = 1; /* another mailbox */
    fixture_read(changes_read, changes);
    CHECK(changes->found == CHANGES_GONE);
    struct changes_look look = {.mailbox = 99};
    fixture_read(changes_look, &look);
    CHECK(!look.found);
    look = (struct changes_look){.mailbox = MAILBOX_INBOX};
    fixture_read(changes_look, &look);
    CHECK(!look.found);
    view_finish(&view);
    free(changes);
    fixture_close();
}

static void a_mailbox_that_is_gone(void **unused)
{
    fixture_run(gone_fn);
}

static void own_fn(void *arg)
{
    fixture_open();
    start();
    fixture_read(validity_fn, NULL);
    catch_up(true, 0, disturb);
    uint64_t before = changes->modseq;
    store(2, 100, MAILBOX_SEEN);
    store(2, 100, MAILBOX_DRAFT);
    uint64_t own = before + 1;
    changes->new_from = changes->uidnext;
    changes->own = &own;
    changes->own_n = 1;
    fixture_read(changes_read, changes);
    for (size_t i = 0; i < changes->flag_n; i++)
        CHECK(changes->flags[i].modseq == own + 1);
    CHECK(changes->flag_n > 10);
    changes->until = own;
    fixture_read(changes_read, changes);
    CHECK(changes->flag_n == 0);
    view_finish(&view);
    free(changes);
    fixture_close();
}

static void what_a_session_did_itself(void **unused)
{
    fixture_run(own_fn);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(batches_come_to_the_truth),
        cmocka_unit_test(what_waits_is_not_forgotten),
        cmocka_unit_test(a_mailbox_that_is_gone),
        cmocka_unit_test(what_a_session_did_itself),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
