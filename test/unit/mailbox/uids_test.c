#include "base/random.h"
#include "mailbox/row.h"
#include "mailbox/uidmap.h"
#include "mailbox/uids.h"
#include "unit/mailbox/fixture.h"

#define UIDS 9000 /* three rows of the UID map */

static bool exists[UIDS + 1], unseen[UIDS + 1], gone[UIDS + 1], told[UIDS + 1];

/* The maps of exists[] and unseen[], without messages. */
static enum outcome maps_fn(struct store_txn *t, void *arg)
{
    struct mailbox_account a;
    struct mailbox m;
    struct uidmap map;
    if (mailbox_ensure(t, 1, &a) != OUTCOME_DONE ||
        !mailbox_read(store_txn_view(t), MAILBOX_INBOX, &m))
        return OUTCOME_FAILED;
    m.unseen = 0;
    for (uint32_t group = 0; group <= uidmap_group(UIDS); group++) {
        memset(&map, 0, sizeof map);
        for (uint32_t uid = group * UIDMAP_UIDS; uid < (group + 1) * UIDMAP_UIDS; uid++)
            if (uid && uid <= UIDS && exists[uid]) {
                uidmap_set(&map, uid, unseen[uid]);
                m.unseen += unseen[uid];
            }
        uidmap_save(t, MAILBOX_INBOX, group, &map);
    }
    m.uidnext = UIDS + 1;
    m.highestmodseq = 1000;
    row_put_mailbox(t, &m);
    return OUTCOME_DONE;
}

static void clear(void)
{
    memset(exists, 0, sizeof exists);
    memset(unseen, 0, sizeof unseen);
    memset(gone, 0, sizeof gone);
    memset(told, 0, sizeof told);
}

struct look {
    struct mailbox_uid_read read;
    uint32_t first;
    bool ok;
};

static void uids_fn(struct store_view *v, void *arg)
{
    struct look *l = arg;
    l->ok = mailbox_read_uids(v, &l->read) &&
            mailbox_first_unseen(v, MAILBOX_INBOX, l->read.from, UIDS + 1, &l->first);
}

/* Reads all in calls of `room` ranges and compares. */
static void compare_uids(size_t room)
{
    static struct mailbox_uids ranges[UIDS];
    struct look l = {.read = {.mailbox = MAILBOX_INBOX, .from = 1, .ranges = ranges, .room = room}};
    uint32_t at = 1;
    do {
        fixture_read(uids_fn, &l);
        CHECK(l.ok && l.read.n <= room);
        uint32_t first = l.read.from;
        while (first <= UIDS && !(exists[first] && unseen[first]))
            first++;
        CHECK(l.first == (first <= UIDS ? first : 0));
        for (size_t i = 0; i < l.read.n; i++) {
            CHECK(i == 0 || ranges[i - 1].last + 1 < ranges[i].first);
            for (; at < ranges[i].first; at++)
                CHECK(!exists[at]);
            for (; at <= ranges[i].last; at++)
                CHECK(exists[at]);
        }
        l.read.from = l.read.next;
    } while (l.read.next);
    for (; at <= UIDS; at++)
        CHECK(!exists[at]);
}

static void maps(void *arg)
{
    fixture_open();
    for (int round = 0; round < 12; round++) {
        clear();
        uint64_t odds = 1 + random_below(200);
        bool on = false;
        for (uint32_t uid = 1; uid <= UIDS; uid++) {
            if (random_below(odds) == 0)
                on = !on;
            exists[uid] = round && (round == 1 || on);
            unseen[uid] = exists[uid] && round % 3 && random_below(50) == 0;
        }
        fixture_mutate(maps_fn, NULL);
        compare_uids(2);
        compare_uids(7);
        compare_uids(UIDS);
    }
    fixture_close();
}

static void uids_are_read_in_parts(void **state)
{
    random_seed(3);
    fixture_run(maps);
    random_seed(0);
}

/* ---- many rows ---- */

#define MANY (UIDS_GROUPS_MAX + 1)

static enum outcome many_fn(struct store_txn *t, void *arg)
{
    struct mailbox_account a;
    struct mailbox m;
    if (mailbox_ensure(t, 1, &a) != OUTCOME_DONE ||
        !mailbox_read(store_txn_view(t), MAILBOX_INBOX, &m))
        return OUTCOME_FAILED;
    for (uint32_t group = 0; group < MANY; group++) {
        struct uidmap map = {0};
        uidmap_set(&map, group * UIDMAP_UIDS + 5, false);
        uidmap_save(t, MAILBOX_INBOX, group, &map);
    }
    m.uidnext = MANY * UIDMAP_UIDS;
    m.log_from = m.highestmodseq = 900;
    row_put_mailbox(t, &m);
    return OUTCOME_DONE;
}

static void vanished_fn(struct store_view *v, void *arg)
{
    struct mailbox_vanished *r = arg;
    CHECK(mailbox_read_vanished(v, r));
}

static void many(void *arg)
{
    static struct mailbox_uids ranges[MANY + 1];
    struct mailbox_uids all = {1, UINT32_MAX};
    fixture_open();
    fixture_mutate(many_fn, NULL);
    struct look l = {
        .read = {.mailbox = MAILBOX_INBOX, .from = 1, .ranges = ranges, .room = MANY + 1}};
    fixture_read(uids_fn, &l);
    CHECK(l.ok && l.read.n == UIDS_GROUPS_MAX && l.read.next == UIDS_GROUPS_MAX * UIDMAP_UIDS);
    l.read.from = l.read.next;
    fixture_read(uids_fn, &l);
    CHECK(l.ok && l.read.n == 1 && !l.read.next);
    struct mailbox_vanished r = {.mailbox = MAILBOX_INBOX,
        .since = 5,
        .known = &all,
        .known_n = 1,
        .ranges = ranges,
        .room = MANY + 1};
    fixture_read(vanished_fn, &r);
    CHECK(r.more && r.n == UIDS_GROUPS_MAX && ranges[0].first == 1 && ranges[0].last == 4);
    r.from = r.next;
    fixture_read(vanished_fn, &r);
    CHECK(!r.more && r.n == 2 && ranges[1].last == MANY * UIDMAP_UIDS - 1);
    fixture_close();
}

static void a_call_reads_so_many_rows_at_most(void **state)
{
    fixture_run(many);
}

/* ---- expunged since ---- */

static struct mailbox_uids known[UIDS], ranges[UIDS];

/* Asks in calls of `room` ranges; told[] gets what was answered. The number of calls. */
static unsigned ask(uint64_t since, size_t known_n, size_t room)
{
    struct mailbox_vanished r = {.mailbox = MAILBOX_INBOX,
        .since = since,
        .known = known,
        .known_n = known_n,
        .ranges = ranges,
        .room = room};
    unsigned calls = 0;
    memset(told, 0, sizeof told);
    do {
        fixture_read(vanished_fn, &r);
        CHECK(r.n <= room && (r.n || !r.more));
        for (size_t i = 0; i < r.n; i++)
            for (uint32_t uid = ranges[i].first; uid <= ranges[i].last; uid++) {
                CHECK(uid && uid <= UIDS && !told[uid]);
                told[uid] = true;
            }
        r.from = r.next;
        calls++;
    } while (r.more);
    return calls;
}

static enum outcome log_fn(struct store_txn *t, void *arg)
{
    uint32_t *uids = arg;
    uint32_t n = uids[0];
    struct mailbox_expunge e = {.mailbox = MAILBOX_INBOX, .uids = uids + 1, .n = n, .now = 5};
    return mailbox_expunge(t, &e);
}

struct highest {
    uint64_t modseq, log_from;
    bool set;
};

static enum outcome highest_fn(struct store_txn *t, void *arg)
{
    struct highest *h = arg;
    struct mailbox m;
    if (!mailbox_read(store_txn_view(t), MAILBOX_INBOX, &m))
        return OUTCOME_FAILED;
    h->modseq = m.highestmodseq;
    m.log_from = h->log_from;
    row_put_mailbox(t, &m);
    return OUTCOME_DONE;
}

#define MESSAGES 400

static void expunge_some(unsigned odds)
{
    uint32_t uids[1 + MESSAGES] = {0};
    for (uint32_t uid = 1; uid <= MESSAGES; uid++)
        if (exists[uid] && random_below(odds) == 0) {
            uids[++uids[0]] = uid;
            exists[uid] = false;
            gone[uid] = true;
        }
    fixture_mutate(log_fn, uids);
}

static size_t know(unsigned odds)
{
    size_t n = 0;
    for (uint32_t uid = 1; uid <= MESSAGES + 50; uid++)
        if (random_below(odds) == 0) {
            known[n].first = uid;
            uid += (uint32_t)random_below(5);
            known[n++].last = uid;
        }
    return n;
}

static bool in_known(uint32_t uid, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (known[i].first <= uid && uid <= known[i].last)
            return true;
    return false;
}

static void vanished(void *arg)
{
    struct highest h = {0};
    fixture_open();
    clear();
    for (uint32_t uid = 1; uid <= MESSAGES; uid++) {
        CHECK(fixture_append(MAILBOX_INBOX, S("x"), 0) == uid);
        exists[uid] = true;
    }
    expunge_some(6);
    memset(gone, 0, sizeof gone);
    fixture_mutate(highest_fn, &h);
    uint64_t since = h.modseq;
    CHECK(ask(since, know(3), 2) == 1);
    for (int i = 0; i < 6; i++)
        expunge_some(8);
    for (int i = 0; i < 20; i++) {
        size_t n = know(1 + (unsigned)random_below(20));
        h.log_from = i % 2 ? since + 1 : since; /* odd rounds: the log does not reach back */
        fixture_mutate(highest_fn, &h);
        ask(since, n, 1 + random_below(40));
        for (uint32_t uid = 1; uid <= UIDS; uid++) {
            bool lost = uid <= MESSAGES && (i % 2 ? !exists[uid] : gone[uid]);
            CHECK(told[uid] == (lost && in_known(uid, n)));
        }
    }
    known[0] = (struct mailbox_uids){1, UINT32_MAX};
    CHECK(ask(UINT64_MAX, 1, 1) == 1 && ask(h.modseq, 1, 1) == 1);
    CHECK(ask(0, 0, 1) == 1);
    CHECK(ask(0, 1, 1) > 20);
    fixture_close();
}

static void vanished_by_the_log_or_by_the_map(void **state)
{
    random_seed(5);
    fixture_run(vanished);
    random_seed(0);
}

/* The log is pruned between two calls: the rest comes from the map. */
static void pruned(void *arg)
{
    struct highest h = {0};
    struct mailbox_uids all = {1, UINT32_MAX};
    fixture_open();
    for (uint32_t uid = 1; uid <= 6; uid++)
        CHECK(fixture_append(MAILBOX_INBOX, S("x"), 0) == uid);
    fixture_mutate(highest_fn, &h);
    uint32_t first[] = {1, 2}, second[] = {2, 4, 6};
    fixture_mutate(log_fn, first);
    fixture_mutate(log_fn, second);
    struct mailbox_vanished r = {.mailbox = MAILBOX_INBOX,
        .since = h.modseq,
        .known = &all,
        .known_n = 1,
        .ranges = ranges,
        .room = 2};
    fixture_read(vanished_fn, &r);
    CHECK(r.more && !r.next.complement && r.n == 2 && ranges[0].first == 2 && ranges[1].first == 4);
    h.log_from = r.next.modseq;
    fixture_mutate(highest_fn, &h);
    r.from = r.next;
    r.room = 9;
    fixture_read(vanished_fn, &r);
    CHECK(!r.more && r.n == 3 && ranges[0].first == 2 && ranges[2].first == 6);
    fixture_close();
}

static void pruning_between_two_calls_loses_nothing(void **state)
{
    fixture_run(pruned);
}

/* ---- the rest ---- */

static enum outcome broken_fn(struct store_txn *t, void *arg)
{
    struct row_key k = row_key_uid(KEY_UID_MAP, MAILBOX_INBOX, 0);
    struct row_key log = row_key_modseq(KEY_EXPUNGED, MAILBOX_INBOX, *(uint64_t *)arg);
    row_put(t, &k, "\1x", 2);
    row_put(t, &log, "\1x", 2);
    return OUTCOME_DONE;
}

static void broken_read_fn(struct store_view *v, void *arg)
{
    const struct highest *h = arg;
    struct mailbox_uids all = {1, UINT32_MAX}, out[4];
    struct mailbox_uid_read uids = {.mailbox = 1, .from = 1, .ranges = out, .room = 4};
    struct mailbox_vanished log = {.mailbox = 1,
        .since = h->modseq - 1,
        .known = &all,
        .known_n = 1,
        .ranges = out,
        .room = 4};
    struct mailbox_vanished map = log;
    uint32_t uid;
    map.from = (struct mailbox_vanished_at){.complement = true, .uid = 1};
    CHECK(!mailbox_read_uids(v, &uids));
    CHECK(!mailbox_first_unseen(v, 1, 1, 9, &uid));
    CHECK(!mailbox_read_vanished(v, &log) && !mailbox_read_vanished(v, &map));
    log.mailbox = uids.mailbox = 77;
    CHECK(!mailbox_read_vanished(v, &log) && !mailbox_first_unseen(v, 77, 1, 9, &uid));
    CHECK(mailbox_read_uids(v, &uids) && !uids.n && !uids.next);
}

static void broken(void *arg)
{
    struct highest h = {0};
    fixture_open();
    CHECK(fixture_append(MAILBOX_INBOX, S("x"), 0) == 1);
    fixture_mutate(highest_fn, &h);
    fixture_mutate(broken_fn, &h.modseq);
    fixture_read(broken_read_fn, &h);
    fixture_close();
}

static void broken_rows_are_told(void **state)
{
    fixture_run(broken);
}

static enum outcome keywords_fn(struct store_txn *t, void *arg)
{
    CHECK(mailbox_keyword(t, MAILBOX_INBOX, S("$Forwarded"), true) == 0);
    CHECK(mailbox_keyword(t, MAILBOX_INBOX, S("x"), true) == 1);
    return OUTCOME_DONE;
}

static void names_fn(struct store_view *v, void *arg)
{
    struct slice names[MAILBOX_KEYWORDS];
    CHECK(mailbox_read_keywords(v, MAILBOX_INBOX, names));
    CHECK(slice_eq(names[0], S("$Forwarded")) && slice_eq(names[1], S("x")) && !names[2].p);
    CHECK(mailbox_read_keywords(v, 2, names) && !names[0].p);
}

static void recent_fn(struct store_view *v, void *arg)
{
    struct mailbox m;
    CHECK(mailbox_read(v, MAILBOX_INBOX, &m) && m.recent_from == *(uint32_t *)arg);
}

static void small(void *arg)
{
    uint32_t from = 1;
    fixture_open();
    fixture_append(MAILBOX_INBOX, S("x"), 0);
    fixture_append(MAILBOX_INBOX, S("x"), 0);
    fixture_mutate(keywords_fn, NULL);
    fixture_read(names_fn, NULL);
    fixture_read(recent_fn, &from);
    mailbox_post_recent(fixture_store, ACCOUNT, MAILBOX_INBOX, 9); /* no further than UIDNEXT */
    from = 3;
    fixture_read(recent_fn, &from);
    mailbox_post_recent(fixture_store, ACCOUNT, MAILBOX_INBOX, 2); /* never back */
    fixture_read(recent_fn, &from);
    CHECK(fixture_faults(false) == 0);
    fixture_close();
}

static void keyword_names_and_recent(void **state)
{
    fixture_run(small);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(uids_are_read_in_parts),
        cmocka_unit_test(a_call_reads_so_many_rows_at_most),
        cmocka_unit_test(vanished_by_the_log_or_by_the_map),
        cmocka_unit_test(pruning_between_two_calls_loses_nothing),
        cmocka_unit_test(broken_rows_are_told),
        cmocka_unit_test(keyword_names_and_recent),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
