/* Append, flags and expunge at random against a plain model; verify after each round. */
#include "base/random.h"
#include "mailbox/row.h"
#include "mailbox/uidmap.h"
#include "unit/mailbox/fixture.h"

#define UIDS   6000 /* more than one row of the UID map */
#define ROUNDS 60

struct model {
    bool exists[UIDS + 1];
    uint8_t flags[UIDS + 1];
    uint32_t next, messages, unseen;
    uint64_t modseq;
};

static struct model model;
static uint32_t picked[MAILBOX_BATCH], modified[MAILBOX_BATCH];

static size_t pick(size_t most)
{
    size_t n = 0;
    uint32_t uid = 1 + (uint32_t)random_below(model.next);
    while (n < most && uid < model.next + 3) {
        picked[n++] = uid;
        uid += 1 + (uint32_t)random_below(3);
    }
    return n;
}

static enum outcome flags_fn(struct store_txn *t, void *arg)
{
    return mailbox_flags(t, arg);
}

static enum outcome expunge_fn(struct store_txn *t, void *arg)
{
    return mailbox_expunge(t, arg);
}

static void mutate(store_mutate_fn fn, void *arg)
{
    struct store_mutation m = {.partition = mailbox_partition(ACCOUNT), .fn = fn, .arg = arg};
    CHECK(store_mutate(fixture_store, &m, NULL, SOON) == OUTCOME_DONE);
}

static void round_of_flags(void)
{
    struct mailbox_flags f = {
        .mailbox = MAILBOX_INBOX,
        .uids = picked,
        .n = pick(50),
        .change = (enum mailbox_flag_change)random_below(3),
        .flags = (uint8_t)random_below(32),
        .unchanged_since = UINT64_MAX,
        .modified = modified,
    };
    mutate(flags_fn, &f);
    CHECK(f.modified_n == 0);
    uint32_t changed = 0;
    for (size_t i = 0; i < f.n; i++) {
        uint32_t uid = picked[i];
        if (uid > UIDS || !model.exists[uid])
            continue;
        uint8_t old = model.flags[uid];
        uint8_t now = f.change == MAILBOX_FLAGS_ADD      ? old | f.flags
                      : f.change == MAILBOX_FLAGS_REMOVE ? old & (uint8_t)~f.flags
                                                         : f.flags;
        changed += now != old;
        model.unseen +=
            (uint32_t)((old & MAILBOX_SEEN) != 0) - (uint32_t)((now & MAILBOX_SEEN) != 0);
        model.flags[uid] = now;
    }
    CHECK(f.changed == changed);
    CHECK(changed ? f.modseq > model.modseq : f.modseq == model.modseq);
    model.modseq = f.modseq;
}

static void round_of_expunge(void)
{
    struct mailbox_expunge e = {
        .mailbox = MAILBOX_INBOX,
        .uids = picked,
        .n = pick(300),
        .only_deleted = random_below(2),
        .now = 2000,
    };
    mutate(expunge_fn, &e);
    uint32_t gone = 0;
    for (size_t i = 0; i < e.n; i++) {
        uint32_t uid = picked[i];
        if (uid > UIDS || !model.exists[uid] ||
            (e.only_deleted && !(model.flags[uid] & MAILBOX_DELETED)))
            continue;
        model.exists[uid] = false;
        model.messages--;
        model.unseen -= !(model.flags[uid] & MAILBOX_SEEN);
        gone++;
    }
    CHECK(e.expunged == gone);
    CHECK(gone ? e.modseq > model.modseq : e.modseq == model.modseq);
    model.modseq = e.modseq;
}

static void round_of_appends(void)
{
    for (int i = 0; i < 40 && model.next <= UIDS; i++) {
        uint8_t flags = (uint8_t)random_below(32);
        uint32_t uid = fixture_append(MAILBOX_INBOX, S("Subject: x\r\n\r\nhello\r\n"), flags);
        CHECK(uid == model.next);
        model.exists[uid] = true;
        model.flags[uid] = flags;
        model.next++;
        model.messages++;
        model.unseen += !(flags & MAILBOX_SEEN);
        model.modseq++;
    }
}

static void compare(void)
{
    struct mailbox_listing l;
    CHECK(mailbox_list_messages(fixture_store, ACCOUNT, MAILBOX_INBOX, &l, SOON) == OUTCOME_DONE);
    CHECK(l.n == model.messages && l.mailbox.messages == model.messages);
    CHECK(l.mailbox.unseen == model.unseen && l.mailbox.uidnext == model.next);
    CHECK(l.mailbox.highestmodseq == model.modseq);
    size_t at = 0;
    for (uint32_t uid = 1; uid < model.next; uid++)
        if (model.exists[uid]) {
            CHECK(l.entries[at].uid == uid && l.entries[at].flags == model.flags[uid]);
            at++;
        }
    mailbox_listing_finish(&l);
}

static void stress(void *arg)
{
    fixture_open();
    CHECK(mailbox_open_account(fixture_store, ACCOUNT, SOON) == OUTCOME_DONE);
    CHECK(mailbox_open_account(fixture_store, ACCOUNT, SOON) == OUTCOME_DONE);
    model = (struct model){.next = 1};
    model.modseq = 1; /* INBOX was made first; the five others took 2 to 6 */
    uint32_t first = fixture_append(MAILBOX_INBOX, S("a"), 0);
    CHECK(first == 1);
    model = (struct model){.next = 2, .messages = 1, .unseen = 1, .modseq = 7};
    model.exists[1] = true;
    for (int i = 0; i < ROUNDS; i++) {
        round_of_appends();
        round_of_flags();
        round_of_expunge();
        compare();
    }
    CHECK(fixture_faults(false) == 0);
    fixture_close();
}

static void random_changes_follow_the_model(void **state)
{
    random_seed(42);
    fixture_run(stress);
    random_seed(0);
}

/* ---- single facts ---- */

static enum outcome create_fn(struct store_txn *t, void *arg)
{
    uint32_t *id = arg;
    return mailbox_create(t, S("Work/2026"), MAILBOX_PLAIN, 5000, id);
}

struct look {
    struct mailbox_account account;
    struct mailbox mailbox;
    uint32_t found, specials;
    size_t expunged_n, changed_n;
    struct mailbox_uids ranges[MAILBOX_EXPUNGED_RANGES];
    uint64_t since;
    int keyword;
};

static void look_fn(struct store_view *v, void *arg)
{
    struct look *l = arg;
    struct store_cursor c;
    uint64_t modseq;
    uint32_t uid;
    size_t n;
    struct mailbox m;
    l->specials = 0;
    l->expunged_n = l->changed_n = 0;
    mailbox_read_account(v, &l->account);
    l->found = mailbox_find(v, S("Work/2026"));
    for (mailbox_seek(v, 0, &c); mailbox_next(&c, &m);)
        l->specials |= 1U << m.special;
    mailbox_read(v, MAILBOX_INBOX, &l->mailbox);
    for (mailbox_seek_changed(v, MAILBOX_INBOX, l->since, &c);
         mailbox_next_changed(&c, MAILBOX_INBOX, &modseq, &uid);)
        l->changed_n++;
    for (mailbox_seek_expunged(v, MAILBOX_INBOX, l->since, &c);
         mailbox_next_expunged(&c, MAILBOX_INBOX, &modseq, l->ranges, &n);)
        l->expunged_n += n;
    l->keyword = mailbox_find_keyword(v, MAILBOX_INBOX, S("$FORWARDED"));
}

static void look(struct look *l)
{
    CHECK(store_read(fixture_store, mailbox_partition(ACCOUNT), look_fn, l, NULL, SOON) ==
          OUTCOME_DONE);
}

static void mailboxes(void *arg)
{
    struct look l = {0};
    uint32_t id = 0;
    fixture_open();
    mutate(create_fn, &id); /* makes the defaults too */
    look(&l);
    CHECK(id && l.found == id);
    CHECK(l.specials == (1U << MAILBOX_SPECIALS) - 1);
    CHECK(l.account.uidvalidity >= 5000 && l.account.messages == 0);
    struct store_mutation again = {
        .partition = mailbox_partition(ACCOUNT), .fn = create_fn, .arg = &id};
    CHECK(store_mutate(fixture_store, &again, NULL, SOON) == OUTCOME_REFUSED);
    CHECK(fixture_append(99, S("x"), 0) == 0); /* no such mailbox */
    CHECK(fixture_faults(false) == 0);
    fixture_close();
}

static void default_mailboxes_and_creation(void **state)
{
    fixture_run(mailboxes);
}

static enum outcome keyword_fn(struct store_txn *t, void *arg)
{
    char name[] = "key00";
    int *bits = arg;
    bits[0] = mailbox_keyword(t, MAILBOX_INBOX, S("$Forwarded"), true);
    bits[1] = mailbox_keyword(t, MAILBOX_INBOX, S("$forwarded"), true);
    bits[2] = mailbox_keyword(t, MAILBOX_INBOX, S("absent"), false);
    for (int i = 1; i < MAILBOX_KEYWORDS; i++) {
        name[3] = (char)('0' + i / 10);
        name[4] = (char)('0' + i % 10);
        bits[3] = mailbox_keyword(t, MAILBOX_INBOX, slice(name, 5), true);
    }
    bits[4] = mailbox_keyword(t, MAILBOX_INBOX, S("onemore"), true);
    return OUTCOME_DONE;
}

static void keywords(void *arg)
{
    int bits[5];
    struct look l = {0};
    fixture_open();
    CHECK(fixture_append(MAILBOX_INBOX, S("x"), 0) == 1);
    mutate(keyword_fn, bits);
    CHECK(bits[0] == 0 && bits[1] == 0 && bits[2] == -1 && bits[3] == 63 && bits[4] == -1);
    look(&l);
    CHECK(l.keyword == 0);
    fixture_close();
}

static void keyword_names_are_bits_and_end_at_64(void **state)
{
    fixture_run(keywords);
}

static void logs(void *arg)
{
    struct look l = {0};
    static uint32_t uids[MAILBOX_BATCH];
    fixture_open();
    for (uint32_t i = 0; i < MAILBOX_BATCH; i++) {
        CHECK(fixture_append(MAILBOX_INBOX, S("x"), 0) == i + 1);
        uids[i] = i + 1;
    }
    look(&l);
    CHECK(l.changed_n == MAILBOX_BATCH && l.expunged_n == 0);
    uint64_t before = l.account.modseq;
    static uint32_t odd[MAILBOX_BATCH / 2];
    for (uint32_t i = 0; i < MAILBOX_BATCH / 2; i++)
        odd[i] = 2 * i + 1;
    /* 500 ranges: more than one row of the log holds */
    CHECK(mailbox_expunge_all(
              fixture_store, ACCOUNT, MAILBOX_INBOX, odd, MAILBOX_BATCH / 2, SOON) == OUTCOME_DONE);
    l.since = before;
    look(&l);
    CHECK(l.expunged_n == MAILBOX_BATCH / 2 && l.changed_n == 0);
    CHECK(l.mailbox.messages == MAILBOX_BATCH / 2);
    CHECK(fixture_faults(false) == 0);
    CHECK(mailbox_expunge_all(fixture_store, ACCOUNT, MAILBOX_INBOX, uids, MAILBOX_BATCH, SOON) ==
          OUTCOME_DONE);
    look(&l);
    CHECK(
        l.mailbox.messages == 0 && l.account.bytes == 0 && l.mailbox.uidnext == MAILBOX_BATCH + 1);
    CHECK(fixture_faults(false) == 0);
    fixture_close();
}

static void change_and_expunge_logs(void **state)
{
    fixture_run(logs);
}

static enum outcome damage_fn(struct store_txn *t, void *arg)
{
    struct mailbox m;
    struct store_view *v = store_txn_view(t);
    if (!mailbox_read(v, MAILBOX_INBOX, &m))
        return OUTCOME_FAILED;
    m.messages += 1;
    row_put_mailbox(t, &m);
    return OUTCOME_DONE;
}

static enum outcome lose_fn(struct store_txn *t, void *arg)
{
    struct row_key k = row_key_uid(KEY_MESSAGE, MAILBOX_INBOX, 2);
    store_del(t, row_key_slice(&k));
    return OUTCOME_DONE;
}

static void faults(void *arg)
{
    fixture_open();
    for (int i = 0; i < 3; i++)
        fixture_append(MAILBOX_INBOX, S("x"), 0);
    CHECK(fixture_faults(false) == 0);
    mutate(damage_fn, NULL);
    CHECK(fixture_faults(true) >= 1);
    mutate(lose_fn, NULL); /* counts, UID map, change log and the blob's references disagree */
    CHECK(fixture_faults(true) >= 4);
    fixture_close();
}

static void verify_finds_damage(void **state)
{
    fixture_run(faults);
}

static void purge(void *arg)
{
    struct look l = {0};
    fixture_open();
    for (int i = 0; i < 30; i++)
        fixture_append(MAILBOX_INBOX, S("x"), 0);
    CHECK(mailbox_purge(fixture_store, ACCOUNT, SOON) == OUTCOME_DONE);
    CHECK(mailbox_purge(fixture_store, ACCOUNT, SOON) == OUTCOME_DONE);
    look(&l);
    CHECK(l.account.removed && l.specials == 0);
    CHECK(fixture_append(MAILBOX_INBOX, S("x"), 0) == 0); /* the tombstone refuses */
    CHECK(fixture_faults(false) == 0);
    fixture_close();
}

static void a_purged_account_stays_empty(void **state)
{
    fixture_run(purge);
}

struct full {
    struct mailbox_append append;
    size_t rendered;
    bool kept;
};

static enum outcome last_uid_fn(struct store_txn *t, void *arg)
{
    struct mailbox m;
    if (!mailbox_read(store_txn_view(t), MAILBOX_INBOX, &m))
        return OUTCOME_FAILED;
    m.uidnext = UINT32_MAX - 1;
    row_put_mailbox(t, &m);
    return OUTCOME_DONE;
}

static void last_uid(void *arg)
{
    fixture_open();
    CHECK(fixture_append(MAILBOX_INBOX, S("x"), 0) == 1);
    mutate(last_uid_fn, NULL);
    CHECK(fixture_append(MAILBOX_INBOX, S("x"), 0) == UINT32_MAX - 1);
    CHECK(fixture_append(MAILBOX_INBOX, S("x"), 0) == 0);
    CHECK(fixture_faults(false) == 0);
    fixture_close();
}

static void uids_end_and_are_never_reused(void **state)
{
    fixture_run(last_uid);
}

/* Appends with the blob of UID 1 and reads the rendered row back. */
static enum outcome rendered_fn(struct store_txn *t, void *arg)
{
    struct full *f = arg;
    static char text[MAILBOX_RENDERED_MAX + 1];
    struct mailbox_message first;
    struct slice found;
    if (!mailbox_read_message(store_txn_view(t), MAILBOX_INBOX, 1, &first))
        return OUTCOME_FAILED;
    f->append = (struct mailbox_append){.mailbox = MAILBOX_INBOX,
        .blob = first.blob,
        .size = first.size,
        .now = 1,
        .rendered = slice(text, f->rendered)};
    enum outcome o = mailbox_append(t, &f->append);
    f->kept = mailbox_read_rendered(store_txn_view(t), MAILBOX_INBOX, f->append.uid, &found);
    return o;
}

static void rendered(void *arg)
{
    struct full most = {.rendered = MAILBOX_RENDERED_MAX};
    struct full more = {.rendered = MAILBOX_RENDERED_MAX + 1};
    fixture_open();
    CHECK(fixture_append(MAILBOX_INBOX, S("x"), 0) == 1);
    mutate(rendered_fn, &most);
    mutate(rendered_fn, &more);
    CHECK(most.kept && !more.kept);
    CHECK(fixture_faults(false) == 0);
    fixture_close();
}

static void a_rendering_over_its_maximum_is_not_kept(void **state)
{
    fixture_run(rendered);
}

static void seen_later(void *arg)
{
    struct look l = {0};
    fixture_open();
    fixture_append(MAILBOX_INBOX, S("x"), 0);
    mailbox_post_seen(fixture_store, ACCOUNT, MAILBOX_INBOX, 1);
    look(&l); /* a post is seen by the next read */
    CHECK(l.mailbox.unseen == 0);
    /* runs: one of the longest, one beyond the last UID, every second message */
    struct mailbox_uids runs[MAILBOX_SEEN_RUNS] = {{1, MAILBOX_SEEN_EACH}};
    uint32_t n = 1;
    for (uint32_t uid = 2; uid <= MAILBOX_SEEN_EACH + 100; uid++)
        CHECK(fixture_append(MAILBOX_INBOX, S("x"), 0) == uid);
    for (uint32_t uid = MAILBOX_SEEN_EACH + 2; n < MAILBOX_SEEN_RUNS - 1; uid += 2)
        runs[n++] = (struct mailbox_uids){uid, uid};
    runs[n++] = (struct mailbox_uids){MAILBOX_SEEN_EACH + 100, MAILBOX_SEEN_EACH + 200};
    mailbox_post_seen_runs(fixture_store, ACCOUNT, MAILBOX_INBOX, runs, n);
    look(&l);
    CHECK(l.mailbox.unseen == 100 - (MAILBOX_SEEN_RUNS - 2) - 1);
    CHECK(fixture_faults(false) == 0);
    fixture_close();
}

static void a_posted_seen_is_seen(void **state)
{
    fixture_run(seen_later);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(random_changes_follow_the_model),
        cmocka_unit_test(default_mailboxes_and_creation),
        cmocka_unit_test(keyword_names_are_bits_and_end_at_64),
        cmocka_unit_test(change_and_expunge_logs),
        cmocka_unit_test(verify_finds_damage),
        cmocka_unit_test(a_purged_account_stays_empty),
        cmocka_unit_test(uids_end_and_are_never_reused),
        cmocka_unit_test(a_rendering_over_its_maximum_is_not_kept),
        cmocka_unit_test(a_posted_seen_is_seen),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
