#include "mailbox/copy.h"
#include "mailbox/row.h"
#include "store/memory.h"
#include "unit/mailbox/fixture.h"
#include <stdio.h>

#define SENT   3
#define MANY   (2 * MAILBOX_BATCH + 1)
#define UIDMAX (MANY + 2)

static uint32_t uids[UIDMAX];
static struct mailbox_copied pairs[UIDMAX];

static uint32_t *all_of(size_t n)
{
    for (size_t i = 0; i < n; i++)
        uids[i] = (uint32_t)i + 1;
    return uids;
}

static enum outcome transfer(struct mailbox_transfer *t)
{
    t->pairs = pairs;
    return mailbox_transfer(fixture_store, ACCOUNT, t, SOON);
}

static struct mailbox inbox, sent;
static struct mailbox_account header;

static void rows_fn(struct store_view *v, void *arg)
{
    struct store_cursor c;
    struct slice key, row;
    CHECK(mailbox_read(v, MAILBOX_INBOX, &inbox) && mailbox_read(v, SENT, &sent));
    CHECK(mailbox_read_account(v, &header));
    store_seek(v, slice("\13", 1), &c);
    *(bool *)arg = store_next(&c, &key, &row);
}

/* Reads both rows; nothing may be left over. */
static void look(void)
{
    bool leftovers;
    fixture_read(rows_fn, &leftovers);
    CHECK(!leftovers);
    CHECK(fixture_faults(false) == 0);
}

struct fill {
    uint32_t n, bytes;
    bool rendered;
};

/* Appends to INBOX with the blob of its first message. */
static enum outcome fill_fn(struct store_txn *t, void *arg)
{
    const struct fill *f = arg;
    struct mailbox_message first;
    if (!mailbox_read_message(store_txn_view(t), MAILBOX_INBOX, 1, &first))
        return OUTCOME_FAILED;
    for (uint32_t i = 0; i < f->n; i++) {
        struct mailbox_append a = {.mailbox = MAILBOX_INBOX,
            .blob = first.blob,
            .size = first.size,
            .date = i,
            .now = 1,
            .flags = i % 3 ? 0 : MAILBOX_SEEN,
            .rendered = f->rendered ? S("r") : S("")};
        if (mailbox_append(t, &a) != OUTCOME_DONE)
            return OUTCOME_FAILED;
    }
    return OUTCOME_DONE;
}

/* n messages of 10 bytes in INBOX. */
static void fill(uint32_t n)
{
    struct fill f = {.rendered = true};
    CHECK(fixture_append(MAILBOX_INBOX, S("0123456789"), 0) == 1);
    for (uint32_t made = 1; made < n; made += f.n) {
        f.n = n - made < 1000 ? n - made : 1000;
        fixture_mutate(fill_fn, &f);
    }
}

/* ---- what goes along ---- */

static enum outcome adorn_fn(struct store_txn *t, void *arg)
{
    struct mailbox_message m;
    CHECK(mailbox_keyword(t, SENT, S("other"), true) == 0);
    CHECK(mailbox_keyword(t, MAILBOX_INBOX, S("first"), true) == 0);
    CHECK(mailbox_keyword(t, MAILBOX_INBOX, S("$Forwarded"), true) == 1);
    CHECK(mailbox_keyword(t, MAILBOX_INBOX, S("OTHER"), true) == 2);
    if (!mailbox_read_message(store_txn_view(t), MAILBOX_INBOX, 2, &m))
        return OUTCOME_FAILED;
    m.keywords = 6;
    m.thread = 77;
    m.zone = -60;
    m.date = -5;
    m.saved = 1;
    row_put_message(t, MAILBOX_INBOX, &m);
    return OUTCOME_DONE;
}

struct found {
    uint32_t mailbox, uid;
    struct mailbox_message message;
    bool there, rendered;
    int forwarded, other;
};

static void found_fn(struct store_view *v, void *arg)
{
    struct found *f = arg;
    struct slice row;
    f->there = mailbox_read_message(v, f->mailbox, f->uid, &f->message);
    f->rendered = mailbox_read_rendered(v, f->mailbox, f->uid, &row);
    f->forwarded = mailbox_find_keyword(v, f->mailbox, S("$forwarded"));
    f->other = mailbox_find_keyword(v, f->mailbox, S("other"));
}

static bool same(const struct found *f)
{
    const struct mailbox_message *m = &f->message;
    return m->thread == 77 && m->zone == -60 && m->date == -5 && m->saved > 1000000000 &&
           m->flags == MAILBOX_SEEN && m->size == 10 &&
           m->keywords == (UINT64_C(1) << f->forwarded | UINT64_C(1) << f->other);
}

static void along(void *arg)
{
    struct found f = {.mailbox = SENT, .uid = 2};
    fixture_open();
    fill(4);
    fixture_mutate(adorn_fn, NULL);
    struct mailbox_transfer t = {
        .from = MAILBOX_INBOX, .to = SENT, .uids = (uint32_t[]){1, 2, 9}, .n = 3};
    CHECK(transfer(&t) == OUTCOME_DONE);
    CHECK(t.copied == 2 && t.uidvalidity && !t.modseq);
    CHECK(pairs[0].from == 1 && pairs[0].to == 1 && pairs[1].from == 2 && pairs[1].to == 2);
    fixture_read(found_fn, &f);
    CHECK(f.there && same(&f) && !f.rendered && f.other == 0 && f.forwarded == 1);
    look();
    CHECK(inbox.messages == 4 && sent.messages == 2 && header.bytes == 60);
    CHECK(t.uidvalidity == sent.uidvalidity);

    t.move = true;
    uint64_t before = inbox.highestmodseq;
    CHECK(transfer(&t) == OUTCOME_DONE);
    CHECK(t.copied == 2 && pairs[1].to == 4);
    f.uid = 4;
    fixture_read(found_fn, &f);
    CHECK(f.there && same(&f) && f.rendered);
    f.mailbox = MAILBOX_INBOX;
    f.uid = 2;
    fixture_read(found_fn, &f);
    CHECK(!f.there && !f.rendered);
    look();
    CHECK(inbox.messages == 2 && sent.messages == 4 && header.bytes == 60);
    CHECK(t.modseq == inbox.highestmodseq && t.modseq > before && sent.highestmodseq > t.modseq);
    CHECK(transfer(&t) == OUTCOME_DONE && t.copied == 0 && !t.modseq); /* there are none any more */
    look();
    fixture_close();
}

static void copy_and_move_take_along_what_they_should(void **state)
{
    fixture_run(along);
}

/* Into the same mailbox: what comes by the copy itself is not copied again. */
static void itself(void *arg)
{
    struct found f = {.mailbox = MAILBOX_INBOX};
    fixture_open();
    fill(3);
    fixture_mutate(adorn_fn, NULL);
    struct mailbox_transfer t = {
        .from = MAILBOX_INBOX, .to = MAILBOX_INBOX, .uids = all_of(8), .n = 8};
    CHECK(transfer(&t) == OUTCOME_DONE && t.copied == 3 && pairs[2].from == 3 && pairs[2].to == 6);
    look();
    CHECK(inbox.messages == 6 && header.messages == 6);
    t.move = true;
    t.n = 4;
    CHECK(transfer(&t) == OUTCOME_DONE && t.copied == 4 && pairs[3].from == 4 && pairs[3].to == 10);
    f.uid = 8;
    fixture_read(found_fn, &f);
    CHECK(f.there && same(&f) && f.rendered && t.modseq);
    look();
    CHECK(inbox.messages == 6 && inbox.uidnext == 11);
    fixture_close();
}

static void within_one_mailbox(void **state)
{
    fixture_run(itself);
}

/* ---- many ---- */

static void batches(void *arg)
{
    fixture_open();
    fill(MANY);
    struct mailbox_transfer t = {
        .from = MAILBOX_INBOX, .to = SENT, .uids = all_of(UIDMAX), .n = UIDMAX};
    t.quota = 2 * MANY * 10;
    CHECK(transfer(&t) == OUTCOME_DONE && t.copied == MANY && pairs[MANY - 1].to == MANY);
    look();
    CHECK(sent.messages == MANY && sent.unseen == inbox.unseen);
    t.to = MAILBOX_INBOX; /* onto itself, in batches */
    t.quota = 0;
    CHECK(transfer(&t) == OUTCOME_DONE && t.copied == MANY && pairs[MANY - 1].to == 2 * MANY);
    look();
    t.to = SENT;
    t.move = true;
    CHECK(transfer(&t) == OUTCOME_DONE);
    CHECK(t.copied == UIDMAX && t.modseq); /* two of them came by the copy before */
    look();
    CHECK(sent.messages == MANY + UIDMAX && inbox.messages == 2 * MANY - UIDMAX);
    fixture_close();
}

static void more_than_a_batch(void **state)
{
    fixture_run(batches);
}

static void all_or_nothing(void *arg)
{
    fixture_open();
    fill(MANY);
    struct mailbox_transfer t = {
        .from = MAILBOX_INBOX, .to = SENT, .uids = all_of(MANY), .n = MANY};
    t.quota = 2 * MANY * 10 - 1; /* the last message of the last batch does not fit */
    CHECK(transfer(&t) == OUTCOME_REFUSED && t.refusal == MAILBOX_REFUSED_QUOTA && !t.copied);
    look();
    CHECK(sent.messages == 0 && sent.uidnext == 2 * MAILBOX_BATCH + 1 && header.messages == MANY);
    t.n = MAILBOX_BATCH;
    t.quota = (MANY + MAILBOX_BATCH) * 10 - 1;
    CHECK(transfer(&t) == OUTCOME_REFUSED && t.refusal == MAILBOX_REFUSED_QUOTA && !t.copied);
    t.quota++;
    CHECK(transfer(&t) == OUTCOME_DONE && t.copied == MAILBOX_BATCH);
    t.move = true; /* moves need no room */
    t.quota = 1;
    CHECK(transfer(&t) == OUTCOME_DONE && t.copied == MAILBOX_BATCH);
    look();
    fixture_close();
}

static void a_copy_is_all_or_nothing(void **state)
{
    fixture_run(all_or_nothing);
}

/* One message, in the first or the last batch, is gone when the copy begins. */
static void whole(void *arg)
{
    for (unsigned i = 0; i < 4; i++) {
        uint32_t gone = i & 1 ? MANY : 2, n = i & 2 ? MANY : 3;
        struct mailbox_transfer t = {.from = MAILBOX_INBOX, .to = SENT, .n = n, .whole = true};
        fixture_open();
        fill(MANY);
        CHECK(mailbox_expunge_all(fixture_store, ACCOUNT, MAILBOX_INBOX, &gone, 1, SOON) ==
              OUTCOME_DONE);
        t.uids = all_of(n);
        bool missing = gone <= n;
        CHECK(transfer(&t) == (missing ? OUTCOME_REFUSED : OUTCOME_DONE));
        CHECK(t.refusal == (missing ? MAILBOX_REFUSED_MISSING : MAILBOX_REFUSED_NOT));
        look();
        CHECK(sent.messages == (missing ? 0 : n) && inbox.messages == MANY - 1);
        fixture_close();
    }
}

static void a_whole_copy_is_refused_when_a_message_is_gone(void **state)
{
    fixture_run(whole);
}

/* The process dies behind each of its batches. */
static void dies(void *arg)
{
    for (unsigned steps = 0; steps < 4; steps++) {
        fixture_open();
        fill(MANY);
        struct mailbox_transfer t = {
            .from = MAILBOX_INBOX, .to = SENT, .uids = all_of(MANY), .n = MANY};
        memory_crash_after(fixture_store, steps);
        enum outcome o = transfer(&t);
        CHECK(steps == 3 || o != OUTCOME_DONE);
        memory_restart(fixture_store);
        CHECK(fixture_faults(false) == 0);
        CHECK(mailbox_open_account(fixture_store, ACCOUNT, SOON) == OUTCOME_DONE);
        look();
        CHECK(sent.messages == (steps < 3 ? 0 : MANY) && inbox.messages == MANY);
        fixture_close();
    }
}

static void a_copy_of_a_dying_process_leaves_nothing(void **state)
{
    fixture_run(dies);
}

static void dies_moving(void *arg)
{
    for (unsigned steps = 0; steps < 4; steps++) {
        fixture_open();
        fill(MANY);
        struct mailbox_transfer t = {
            .from = MAILBOX_INBOX, .to = SENT, .uids = all_of(MANY), .n = MANY, .move = true};
        memory_crash_after(fixture_store, steps);
        enum outcome o = transfer(&t);
        memory_restart(fixture_store);
        look();
        CHECK(sent.messages + inbox.messages == MANY && sent.messages >= t.copied);
        CHECK(o != OUTCOME_DONE || inbox.messages == 0);
        CHECK(sent.messages == (steps < 3 ? steps * MAILBOX_BATCH : MANY));
        fixture_close();
    }
}

static void a_moved_message_is_always_in_one_mailbox(void **state)
{
    fixture_run(dies_moving);
}

/* ---- refusals ---- */

static enum outcome last_uids_fn(struct store_txn *t, void *arg)
{
    struct mailbox m;
    if (!mailbox_read(store_txn_view(t), SENT, &m))
        return OUTCOME_FAILED;
    m.uidnext = UINT32_MAX - 2;
    row_put_mailbox(t, &m);
    return OUTCOME_DONE;
}

static void refusals(void *arg)
{
    fixture_open();
    fill(3);
    struct mailbox_transfer t = {.from = MAILBOX_INBOX, .to = 99, .uids = all_of(3), .n = 3};
    CHECK(transfer(&t) == OUTCOME_REFUSED && t.refusal == MAILBOX_REFUSED_ABSENT);
    t = (struct mailbox_transfer){.from = 99, .to = SENT, .uids = all_of(3), .n = 3};
    CHECK(transfer(&t) == OUTCOME_REFUSED && t.refusal == MAILBOX_REFUSED_GONE);
    t.from = MAILBOX_INBOX;
    fixture_mutate(last_uids_fn, NULL);
    CHECK(transfer(&t) == OUTCOME_REFUSED && t.refusal == MAILBOX_REFUSED_LIMIT);
    t.move = true;
    CHECK(transfer(&t) == OUTCOME_REFUSED && t.refusal == MAILBOX_REFUSED_LIMIT);
    t.n = 2;
    CHECK(transfer(&t) == OUTCOME_DONE && t.copied == 2 && pairs[1].to == UINT32_MAX - 1);
    t.n = 0;
    CHECK(transfer(&t) == OUTCOME_DONE && t.copied == 0 && t.uidvalidity);
    look();
    fixture_close();
}

static void transfer_says_why_not(void **state)
{
    fixture_run(refusals);
}

/* ---- the largest mutation ---- */

#define APART UINT32_C(4096) /* each message has a UID map row of its own */

struct sparse {
    store_blob_id blob;
    uint32_t from, n;
};

static enum outcome sparse_fn(struct store_txn *t, void *arg)
{
    const struct sparse *s = arg;
    struct mailbox_message first;
    struct mailbox m;
    static const char rendered[MAILBOX_RENDERED_MAX] = {1};
    if (!mailbox_read_message(store_txn_view(t), SENT, 1, &first))
        return OUTCOME_FAILED;
    for (uint32_t i = s->from; i < s->from + s->n; i++) {
        struct mailbox_append a = {.mailbox = MAILBOX_INBOX,
            .blob = first.blob,
            .size = first.size,
            .now = 1,
            .rendered = slice(rendered, sizeof rendered)};
        if (!mailbox_read(store_txn_view(t), MAILBOX_INBOX, &m))
            return OUTCOME_FAILED;
        m.uidnext = (i + 1) * APART;
        row_put_mailbox(t, &m);
        if (mailbox_append(t, &a) != OUTCOME_DONE)
            return OUTCOME_FAILED;
    }
    return OUTCOME_DONE;
}

/* Old rows of the expunge log, of one UID each. */
static enum outcome old_log_fn(struct store_txn *t, void *arg)
{
    struct mailbox_account a;
    struct mailbox m;
    if (row_load(t, MAILBOX_INBOX, &a, &m) != OUTCOME_DONE)
        return OUTCOME_FAILED;
    for (uint32_t i = 0; i < 2 * MAILBOX_BATCH + 8; i++) {
        struct row_expunged row;
        struct row_key k = row_key_modseq(KEY_EXPUNGED, m.id, ++a.modseq);
        row_expunged_start(&row, 1);
        row_expunged_add(&row, 2 * i + 1);
        store_put(t, row_key_slice(&k), row_expunged_slice(&row));
        m.log_ranges++;
    }
    m.highestmodseq = a.modseq;
    row_put_account(t, &a);
    row_put_mailbox(t, &m);
    return OUTCOME_DONE;
}

static void largest(void *arg)
{
    struct sparse s = {.n = MAILBOX_BATCH / 4};
    fixture_open();
    CHECK(fixture_append(SENT, S("x"), 0) == 1);
    for (; s.from < MAILBOX_BATCH; s.from += s.n)
        fixture_mutate(sparse_fn, &s);
    fixture_mutate(old_log_fn, NULL);
    for (uint32_t i = 0; i < MAILBOX_BATCH; i++)
        uids[i] = (i + 1) * APART;
    struct mailbox_transfer t = {
        .from = MAILBOX_INBOX, .to = SENT, .uids = uids, .n = MAILBOX_BATCH};
    CHECK(transfer(&t) == OUTCOME_DONE && t.copied == MAILBOX_BATCH);
    t.move = true;
    CHECK(transfer(&t) == OUTCOME_DONE && t.copied == MAILBOX_BATCH);
    look();
    CHECK(inbox.messages == 0 && inbox.log_ranges == MAILBOX_BATCH);
    fixture_close();
}

static void the_largest_batch_fits_a_mutation(void **state)
{
    fixture_run(largest);
}

/* ---- renderings ---- */

static void renderings(void *arg)
{
    static char text[MAILBOX_RENDERED_MAX + 1];
    struct mailbox_rendering list[MAILBOX_RENDERINGS + 1];
    struct found f = {.mailbox = MAILBOX_INBOX};
    fixture_open();
    for (uint32_t i = 1; i <= 3; i++)
        CHECK(fixture_append(MAILBOX_INBOX, S("x"), 0) == i);
    for (uint32_t i = 0; i <= MAILBOX_RENDERINGS; i++)
        list[i] = (struct mailbox_rendering){i + 1, slice(text, 1)};
    list[1].row.n = MAILBOX_RENDERED_MAX;
    list[2].row.n = MAILBOX_RENDERED_MAX + 1;
    list[3].row.n = 0;
    CHECK(mailbox_keep_rendered(fixture_store, ACCOUNT, MAILBOX_INBOX, list, MAILBOX_RENDERINGS,
              SOON) == OUTCOME_DONE);
    CHECK(mailbox_keep_rendered(fixture_store, ACCOUNT, MAILBOX_INBOX, list, MAILBOX_RENDERINGS + 1,
              SOON) == OUTCOME_FAILED);
    CHECK(mailbox_keep_rendered(fixture_store, ACCOUNT, 99, list, 1, SOON) == OUTCOME_REFUSED);
    for (f.uid = 1; f.uid <= 5; f.uid++) {
        fixture_read(found_fn, &f);
        CHECK(f.rendered == (f.uid <= 2));
    }
    look();
    fixture_close();
}

static void renderings_are_kept_for_what_is_there(void **state)
{
    fixture_run(renderings);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(copy_and_move_take_along_what_they_should),
        cmocka_unit_test(within_one_mailbox),
        cmocka_unit_test(more_than_a_batch),
        cmocka_unit_test(a_copy_is_all_or_nothing),
        cmocka_unit_test(a_whole_copy_is_refused_when_a_message_is_gone),
        cmocka_unit_test(a_copy_of_a_dying_process_leaves_nothing),
        cmocka_unit_test(a_moved_message_is_always_in_one_mailbox),
        cmocka_unit_test(transfer_says_why_not),
        cmocka_unit_test(the_largest_batch_fits_a_mutation),
        cmocka_unit_test(renderings_are_kept_for_what_is_there),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
