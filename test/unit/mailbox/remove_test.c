#include "mailbox/journal.h"
#include "mailbox/row.h"
#include "mailbox/tree.h"
#include "unit/mailbox/fixture.h"

#define MESSAGES (MAILBOX_BATCH + 1)

static enum outcome remove_fn(struct store_txn *t, void *arg)
{
    return mailbox_remove(t, arg);
}

static enum mailbox_refusal refused(struct slice name)
{
    struct mailbox_remove r = {.name = name};
    CHECK(fixture_try(remove_fn, &r) == OUTCOME_REFUSED);
    return r.refusal;
}

static void remove_one(struct slice name)
{
    struct mailbox_remove r = {.name = name};
    fixture_mutate(remove_fn, &r);
}

static enum outcome create_fn(struct store_txn *t, void *arg)
{
    return mailbox_create(t, S("Sent"), MAILBOX_PLAIN, 1, arg);
}

static enum outcome keyword_fn(struct store_txn *t, void *arg)
{
    return mailbox_keyword(t, 3, S("k"), true) == 0 ? OUTCOME_DONE : OUTCOME_FAILED;
}

/* Appends to Sent with the blob of another message. */
static enum outcome more_fn(struct store_txn *t, void *arg)
{
    struct mailbox_message first;
    if (!mailbox_read_message(store_txn_view(t), 3, 1, &first))
        return OUTCOME_FAILED;
    for (uint32_t i = 0; i < *(uint32_t *)arg; i++) {
        struct mailbox_append a = {
            .mailbox = 3, .blob = first.blob, .size = first.size, .now = 1, .rendered = S("r")};
        if (mailbox_append(t, &a) != OUTCOME_DONE)
            return OUTCOME_FAILED;
    }
    return OUTCOME_DONE;
}

struct look {
    uint32_t sent, special;
    struct mailbox_account account;
    size_t rows, leftovers;
};

static void look_fn(struct store_view *v, void *arg)
{
    struct look *l = arg;
    struct store_cursor c;
    struct slice key, row;
    l->sent = mailbox_find(v, S("Sent"));
    l->special = mailbox_find_special(v, MAILBOX_SENT);
    l->rows = l->leftovers = 0;
    CHECK(mailbox_read_account(v, &l->account));
    store_seek(v, slice("\4", 1), &c);
    while (store_next(&c, &key, &row)) {
        l->leftovers += key.p[0] >= KEY_REMOVED;
        l->rows += key.p[0] < KEY_SUBSCRIBED && unpack_u32(key.p + 1) == 3;
    }
}

static void fill(void)
{
    uint32_t more = 500;
    CHECK(fixture_append(3, S("Subject: x\r\n\r\n"), MAILBOX_SEEN) == 1);
    fixture_mutate(more_fn, &more);
    fixture_mutate(more_fn, &more);
    fixture_mutate(keyword_fn, NULL);
    CHECK(mailbox_expunge_all(fixture_store, ACCOUNT, 3, (uint32_t[]){5}, 1, SOON) == OUTCOME_DONE);
}

static void removes(void *arg)
{
    struct look l;
    uint32_t id, one = 1;
    fixture_open();
    CHECK(fixture_append(MAILBOX_INBOX, S("stays"), 0) == 1);
    fill();
    remove_one(S("Sent"));
    fixture_read(look_fn, &l);
    CHECK(!l.sent && !l.special && l.account.messages == 1 && l.account.bytes == 5);
    CHECK(l.leftovers == 1 && l.rows > MESSAGES);
    CHECK(fixture_faults(false) == 0);
    CHECK(fixture_append(3, S("too late"), 0) == 0);
    CHECK(fixture_try(more_fn, &one) == OUTCOME_FAILED);
    CHECK(refused(S("Sent")) == MAILBOX_REFUSED_ABSENT);
    fixture_mutate(create_fn, &id); /* the name is free at once, the id is another one */
    CHECK(id == 7);
    CHECK(mailbox_sweep(fixture_store, ACCOUNT, SOON) == OUTCOME_DONE);
    fixture_read(look_fn, &l);
    CHECK(l.sent == 7 && !l.leftovers && !l.rows);
    CHECK(mailbox_sweep(fixture_store, ACCOUNT, SOON) == OUTCOME_DONE);
    CHECK(fixture_faults(false) == 0);
    CHECK(fixture_append(7, S("new"), 0) == 1);
    fixture_close();
}

static void a_removed_mailbox_is_gone_at_once_and_its_rows_later(void **state)
{
    fixture_run(removes);
}

static void refusals(void *arg)
{
    fixture_open();
    CHECK(mailbox_open_account(fixture_store, ACCOUNT, SOON) == OUTCOME_DONE);
    CHECK(refused(S("INBOX")) == MAILBOX_REFUSED_INBOX);
    CHECK(refused(S("nope")) == MAILBOX_REFUSED_ABSENT);
    CHECK(mailbox_purge(fixture_store, ACCOUNT, SOON) == OUTCOME_DONE);
    CHECK(refused(S("Sent")) == MAILBOX_REFUSED_GONE);
    fixture_close();
}

static void remove_says_why_not(void **state)
{
    fixture_run(refusals);
}

/* The next use of the account finishes several removals. */
static void opens(void *arg)
{
    struct look l;
    fixture_open();
    fill();
    fixture_append(2, S("a draft"), MAILBOX_DRAFT);
    remove_one(S("Sent"));
    remove_one(S("Drafts"));
    remove_one(S("Junk"));
    fixture_read(look_fn, &l);
    CHECK(l.leftovers == 3);
    CHECK(mailbox_open_account(fixture_store, ACCOUNT, SOON) == OUTCOME_DONE);
    fixture_read(look_fn, &l);
    CHECK(!l.leftovers && !l.rows && !l.account.messages && !l.account.bytes);
    CHECK(l.account.mailboxes == 3 && l.account.subscriptions == 6);
    CHECK(fixture_faults(false) == 0);
    fixture_close();
}

static void the_next_use_of_the_account_sweeps(void **state)
{
    fixture_run(opens);
}

static void purges(void *arg)
{
    struct look l;
    fixture_open();
    fill();
    remove_one(S("Sent"));
    CHECK(mailbox_purge(fixture_store, ACCOUNT, SOON) == OUTCOME_DONE);
    fixture_read(look_fn, &l);
    CHECK(!l.rows && !l.leftovers && l.account.removed);
    CHECK(fixture_faults(false) == 0);
    fixture_close();
}

static void a_purge_takes_removed_mailboxes_too(void **state)
{
    fixture_run(purges);
}

/* ---- copies that were not finished ---- */

struct copy {
    uint64_t id;
    uint32_t first, last, mailbox;
};

static enum outcome journal_fn(struct store_txn *t, void *arg)
{
    const struct copy *c = arg;
    return journal_add(t, c->id, c->mailbox, c->first, c->last);
}

static void note(uint64_t id, uint32_t mailbox, uint32_t first, uint32_t last)
{
    struct copy c = {id, first, last, mailbox};
    fixture_mutate(journal_fn, &c);
}

static void exists_fn(struct store_view *v, void *arg)
{
    struct mailbox m;
    CHECK(mailbox_read(v, 3, &m));
    *(uint32_t *)arg = m.messages;
}

static uint32_t messages(void)
{
    uint32_t n = 0;
    fixture_read(exists_fn, &n);
    return n;
}

static void undone(void *arg)
{
    struct look l;
    struct journal alive;
    fixture_open();
    fill();
    CHECK(messages() == MESSAGES - 1);
    note(9, 3, 10, 300); /* a copy of a process that died */
    note(9, 3, 301, 600);
    note(9, 3, 901, 901);
    note(UINT64_MAX, 99, 1, 5); /* into a mailbox that is no more */
    journal_start(&alive);
    note(alive.id, 3, 700, 800);
    CHECK(mailbox_open_account(fixture_store, ACCOUNT, SOON) == OUTCOME_DONE);
    CHECK(messages() == MESSAGES - 1 - 592);
    fixture_read(look_fn, &l);
    CHECK(l.leftovers == 1); /* the one that is under way */
    CHECK(fixture_faults(false) == 0);
    journal_finish(&alive);
    CHECK(mailbox_sweep(fixture_store, ACCOUNT, SOON) == OUTCOME_DONE);
    CHECK(messages() == MESSAGES - 1 - 592 - 101);
    CHECK(fixture_faults(false) == 0);
    fixture_close();
}

static void a_copy_of_a_dead_process_is_undone(void **state)
{
    fixture_run(undone);
}

/* As long as it may be: every other UID. */
static enum outcome full_journal_fn(struct store_txn *t, void *arg)
{
    static char row[5 + 8 * JOURNAL_RANGES_MAX] = {1};
    struct row_key k = row_key_copy(5);
    pack_u32(row + 1, 3);
    for (uint32_t i = 0; i < JOURNAL_RANGES_MAX; i++) {
        pack_u32(row + 5 + i * 8, 2 * i + 1);
        pack_u32(row + 9 + i * 8, 2 * i + 1);
    }
    row_put(t, &k, row, sizeof row);
    return OUTCOME_DONE;
}

static enum outcome no_journal_fn(struct store_txn *t, void *arg)
{
    journal_remove(t, 5);
    return OUTCOME_DONE;
}

static void full(void *arg)
{
    struct copy c = {5, 1, 1, 4}, last = {5, 2 * JOURNAL_RANGES_MAX, 20000, 3};
    struct copy more = {5, 20002, 20002, 3};
    fixture_open();
    CHECK(fixture_append(3, S("x"), 0) == 1);
    fixture_mutate(full_journal_fn, NULL);
    CHECK(fixture_try(journal_fn, &more) == OUTCOME_REFUSED);
    fixture_mutate(journal_fn, &last); /* joins the last one */
    fixture_mutate(no_journal_fn, NULL);
    note(5, 3, 1, 1);
    CHECK(fixture_try(journal_fn, &c) == OUTCOME_FAILED); /* of another mailbox */
    CHECK(journal_undo(fixture_store, ACCOUNT, 5, SOON) == OUTCOME_DONE);
    CHECK(journal_undo(fixture_store, ACCOUNT, 5, SOON) == OUTCOME_DONE);
    CHECK(messages() == 0);
    fixture_close();
}

static void a_journal_has_a_maximum(void **state)
{
    fixture_run(full);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_removed_mailbox_is_gone_at_once_and_its_rows_later),
        cmocka_unit_test(remove_says_why_not),
        cmocka_unit_test(the_next_use_of_the_account_sweeps),
        cmocka_unit_test(a_purge_takes_removed_mailboxes_too),
        cmocka_unit_test(a_copy_of_a_dead_process_is_undone),
        cmocka_unit_test(a_journal_has_a_maximum),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
