/* Each kind of damage is found: one row of a sound account is spoilt at a time. */
#include "mailbox/journal.h"
#include "mailbox/row.h"
#include "mailbox/tree.h"
#include "mailbox/uidmap.h"
#include "unit/mailbox/fixture.h"
#include <stdio.h>

#define SENT 3
#define GONE 5 /* Trash: removed, its rows are still there */

static enum outcome build_fn(struct store_txn *t, void *arg)
{
    struct mailbox_message first;
    struct mailbox_remove r = {.name = S("Trash")};
    uint32_t id;
    CHECK(mailbox_keyword(t, MAILBOX_INBOX, S("k"), true) == 0);
    CHECK(mailbox_read_message(store_txn_view(t), MAILBOX_INBOX, 1, &first));
    for (uint32_t mailbox = MAILBOX_INBOX; mailbox <= GONE; mailbox += 4)
        for (int i = 0; i < 3; i++) {
            struct mailbox_append a = {.mailbox = mailbox,
                .blob = first.blob,
                .size = first.size,
                .keywords = mailbox == MAILBOX_INBOX,
                .now = 1,
                .rendered = S("r")};
            CHECK(mailbox_append(t, &a) == OUTCOME_DONE);
        }
    struct mailbox_expunge e = {
        .mailbox = MAILBOX_INBOX, .uids = (uint32_t[]){1}, .n = 1, .now = 1};
    CHECK(mailbox_expunge(t, &e) == OUTCOME_DONE);
    CHECK(mailbox_remove(t, &r) == OUTCOME_DONE);
    CHECK(journal_add(t, 9, MAILBOX_INBOX, 2, 3) == OUTCOME_DONE);
    return mailbox_create(t, S("Work/2026"), MAILBOX_PLAIN, 1, &id);
}

/* What is done to a row: written over, or deleted when value is empty. */
struct damage {
    const char *what;
    struct slice (*key)(char out[1 + MAILBOX_NAME_MAX]);
    struct slice value;
};

static struct slice given(struct row_key k, char *out)
{
    memcpy(out, k.bytes, k.n);
    return slice(out, k.n);
}

/* A string literal in an array, as a slice that may be static. */
#define BYTES(array)                                                                               \
    {                                                                                              \
        (array), sizeof(array) - 1                                                                 \
    }
#define KEY(name, expression)                                                                      \
    static struct slice name(char out[1 + MAILBOX_NAME_MAX])                                       \
    {                                                                                              \
        return expression;                                                                         \
    }
KEY(k_header, given(row_key_header(), out))
KEY(k_name, row_key_name(KEY_NAME, S("Work/2026"), out))
KEY(k_other_name, row_key_name(KEY_NAME, S("elsewhere"), out))
KEY(k_bad_name, row_key_name(KEY_NAME, S("a//b"), out))
KEY(k_mailbox, given(row_key_mailbox(KEY_MAILBOX, SENT), out))
KEY(k_keywords, given(row_key_mailbox(KEY_KEYWORDS, MAILBOX_INBOX), out))
KEY(k_keywords_of_none, given(row_key_mailbox(KEY_KEYWORDS, 99), out))
KEY(k_map, given(row_key_uid(KEY_UID_MAP, MAILBOX_INBOX, 0), out))
KEY(k_map_of_none, given(row_key_uid(KEY_UID_MAP, 99, 0), out))
KEY(k_message, given(row_key_uid(KEY_MESSAGE, MAILBOX_INBOX, 2), out))
KEY(k_gone_message, given(row_key_uid(KEY_MESSAGE, GONE, 2), out))
KEY(k_rendered, given(row_key_uid(KEY_RENDERED, MAILBOX_INBOX, 1), out))
KEY(k_rendered_of_none, given(row_key_uid(KEY_RENDERED, 99, 1), out))
KEY(k_changed, given(row_key_changed(MAILBOX_INBOX, 1, 2), out))
KEY(k_changed_of_none, given(row_key_changed(99, 1, 2), out))
KEY(k_early_log, given(row_key_modseq(KEY_EXPUNGED, MAILBOX_INBOX, 2), out))
KEY(k_late_log, given(row_key_modseq(KEY_EXPUNGED, MAILBOX_INBOX, 999), out))
KEY(k_subscribed, row_key_name(KEY_SUBSCRIBED, S("Sent"), out))
KEY(k_more_subscribed, row_key_name(KEY_SUBSCRIBED, S("more"), out))
KEY(k_bad_subscribed, row_key_name(KEY_SUBSCRIBED, S("a/"), out))
KEY(k_removed, given(row_key_mailbox(KEY_REMOVED, GONE), out))
KEY(k_copying, given(row_key_copy(9), out))
KEY(k_unknown, slice("\15x", 2))

static const char log_row[] = "\1\0\0\0\0\0\0\0\1\0\0\0\1\0\0\0\1\0\0\0\1";
static const char log_of_existing[] = "\1\0\0\0\0\0\0\0\1\0\0\0\1\0\0\0\2\0\0\0\2";
static const char journal_to_come[] = "\1\0\0\0\1\0\0\0\2\0\0\0\11";
static const char journal_of_none[] = "\1\0\0\0\143\0\0\0\2\0\0\0\3";

static const struct damage damages[] = {
    {"a header that is none", k_header, BYTES("\1x")},
    {"no header", k_header, {0}},
    {"a name without its mailbox", k_mailbox, {0}},
    {"a mailbox without its name", k_name, {0}},
    {"a name of another mailbox", k_name, BYTES("\0\0\0\1")},
    {"a name too many", k_other_name, BYTES("\0\0\0\1")},
    {"a name of no mailbox", k_other_name, BYTES("\0\0\0\143")},
    {"a name that is none", k_bad_name, BYTES("\0\0\0\1")},
    {"a broken name row", k_name, BYTES("\0")},
    {"a broken mailbox", k_mailbox, BYTES("\1")},
    {"no keywords", k_keywords, {0}},
    {"broken keywords", k_keywords, BYTES("\1\11x")},
    {"keywords of nobody", k_keywords_of_none, BYTES("\1")},
    {"no UID map", k_map, {0}},
    {"a broken UID map", k_map, BYTES("\1x")},
    {"a UID map of nobody", k_map_of_none, BYTES("\1\0\0\0\0")},
    {"a lost message", k_message, {0}},
    {"a broken message", k_message, BYTES("\1")},
    {"a lost message of a removed mailbox", k_gone_message, {0}},
    {"a rendering of no message", k_rendered, BYTES("r")},
    {"a rendering of nobody", k_rendered_of_none, BYTES("r")},
    {"a change that was none", k_changed, BYTES("\1")},
    {"a change of nobody", k_changed_of_none, BYTES("\1")},
    {"a log that counts too much", k_early_log, BYTES(log_row)},
    {"a log of what is there", k_early_log, BYTES(log_of_existing)},
    {"a log of the future", k_late_log, BYTES(log_row)},
    {"a broken log", k_early_log, BYTES("\1")},
    {"a lost subscription", k_subscribed, {0}},
    {"a subscription too many", k_more_subscribed, BYTES("\1")},
    {"a broken subscription", k_subscribed, BYTES("x")},
    {"a subscription to no name", k_bad_subscribed, BYTES("\1")},
    {"a removed mailbox forgotten", k_removed, {0}},
    {"a broken removed mailbox", k_removed, BYTES("\1")},
    {"a broken journal", k_copying, BYTES("\1\0\0\0\1\0")},
    {"a journal of UIDs to come", k_copying, BYTES(journal_to_come)},
    {"a journal of nobody", k_copying, BYTES(journal_of_none)},
    {"an unknown kind", k_unknown, BYTES("x")},
};

static enum outcome damage_fn(struct store_txn *t, void *arg)
{
    const struct damage *d = arg;
    char key[1 + MAILBOX_NAME_MAX];
    if (d->value.n)
        store_put(t, d->key(key), d->value);
    else
        store_del(t, d->key(key));
    return OUTCOME_DONE;
}

/* Damages a sound account; true when it is found. */
static bool found(store_mutate_fn fn, void *arg, const char *what)
{
    fixture_open();
    CHECK(fixture_append(MAILBOX_INBOX, S("hello"), 0) == 1);
    fixture_mutate(build_fn, NULL);
    CHECK(fixture_faults(false) == 0);
    fixture_mutate(fn, arg);
    bool some = fixture_faults(true) > 0;
    if (!some)
        fprintf(stderr, "not found: %s\n", what);
    fixture_close();
    return some;
}

static void rows(void *arg)
{
    bool all = true;
    for (size_t i = 0; i < sizeof damages / sizeof *damages; i++) {
        struct damage d = damages[i];
        all &= found(damage_fn, &d, d.what);
    }
    CHECK(all);
}

static void every_spoilt_row_is_found(void **state)
{
    fixture_run(rows);
}

/* ---- counters and references between rows ---- */

static void edit_mailbox(int which, struct mailbox *m)
{
    uint32_t *counters[] = {&m->messages, &m->unseen, &m->log_ranges};
    switch (which) {
    case 3:
        m->bytes++;
        return;
    case 4:
        m->highestmodseq = 999;
        return;
    case 5:
        m->uidvalidity = UINT32_MAX;
        return;
    case 6:
        m->log_from = m->highestmodseq;
        return;
    case 7:
        m->log_from = m->highestmodseq + 1;
        return;
    case 8:
        m->special = MAILBOX_SENT;
        return;
    case 9:
        m->uidnext = 3;
        return;
    case 10:
        m->name[0] = 'X';
        return;
    default:
        ++*counters[which];
    }
}
#define MAILBOX_EDITS 11

static enum outcome edit_mailbox_fn(struct store_txn *t, void *arg)
{
    struct mailbox m;
    CHECK(mailbox_read(store_txn_view(t), MAILBOX_INBOX, &m));
    edit_mailbox(*(int *)arg, &m);
    row_put_mailbox(t, &m);
    return OUTCOME_DONE;
}

static void edit_account(int which, struct mailbox_account *a)
{
    uint64_t *large[] = {&a->bytes, &a->messages};
    uint32_t *small[] = {&a->mailboxes, &a->subscriptions, &a->special[MAILBOX_SENT]};
    if (which < 2)
        ++*large[which];
    else if (which < 5)
        ++*small[which - 2];
    else if (which == 5)
        a->modseq = 1;
    else if (which == 6)
        a->next_mailbox = 5; /* below what is there, and what was removed */
    else
        a->special[MAILBOX_SENT] = 0;
}
#define ACCOUNT_EDITS 8

static enum outcome edit_account_fn(struct store_txn *t, void *arg)
{
    struct mailbox_account a;
    CHECK(mailbox_read_account(store_txn_view(t), &a));
    edit_account(*(int *)arg, &a);
    row_put_account(t, &a);
    return OUTCOME_DONE;
}

static enum outcome edit_message_fn(struct store_txn *t, void *arg)
{
    struct mailbox_message m;
    CHECK(mailbox_read_message(store_txn_view(t), MAILBOX_INBOX, 2, &m));
    int which = *(int *)arg;
    if (which == 0)
        m.flags ^= MAILBOX_SEEN;
    else if (which == 1)
        m.keywords = 2; /* only one has a name */
    else if (which == 2)
        m.modseq = 998;
    else if (which == 3)
        m.size++;
    else if (which == 4)
        m.blob += 77;
    else
        m.keywords = UINT64_C(1) << 63;
    row_put_message(t, MAILBOX_INBOX, &m);
    return OUTCOME_DONE;
}
#define MESSAGE_EDITS 6

static void counters(void *arg)
{
    bool all = true;
    char what[32];
    for (int i = 0; i < MAILBOX_EDITS; i++) {
        snprintf(what, sizeof what, "mailbox %d", i);
        all &= found(edit_mailbox_fn, &i, what);
    }
    for (int i = 0; i < ACCOUNT_EDITS; i++) {
        snprintf(what, sizeof what, "account %d", i);
        all &= found(edit_account_fn, &i, what);
    }
    for (int i = 0; i < MESSAGE_EDITS; i++) {
        snprintf(what, sizeof what, "message %d", i);
        all &= found(edit_message_fn, &i, what);
    }
    CHECK(all);
}

static void every_wrong_field_is_found(void **state)
{
    fixture_run(counters);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_spoilt_row_is_found),
        cmocka_unit_test(every_wrong_field_is_found),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
