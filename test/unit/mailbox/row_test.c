#include "base/random.h"
#include "mailbox/row.h"
#include "unit/unit.h"

static void accounts(void **state)
{
    struct mailbox_account a = {.modseq = UINT64_C(1) << 62,
        .uidvalidity = 4000000000,
        .next_mailbox = 7,
        .bytes = UINT64_C(1) << 50,
        .messages = 9,
        .mailboxes = 10,
        .subscriptions = 11,
        .special = {0, 12, 13, 14, 15, 16},
        .removed = true};
    struct mailbox_account b;
    char row[ROW_ACCOUNT_SIZE + 1];
    size_t n = row_pack_account(&a, row);
    assert_true(row_unpack_account(slice(row, n), &b));
    assert_true(b.modseq == a.modseq && b.uidvalidity == a.uidvalidity && b.bytes == a.bytes &&
                b.next_mailbox == 7 && b.messages == 9 && b.removed);
    assert_true(b.mailboxes == 10 && b.subscriptions == 11);
    assert_memory_equal(b.special, a.special, sizeof a.special);
    assert_false(row_unpack_account(slice(row, n - 1), &b));
    assert_false(row_unpack_account(slice(row, n + 1), &b));
    row[0] = 2;
    assert_false(row_unpack_account(slice(row, n), &b));
}

static void mailboxes(void **state)
{
    struct mailbox m = {.id = 3,
        .uidvalidity = 5,
        .uidnext = 6,
        .highestmodseq = 7,
        .recent_from = 8,
        .messages = 9,
        .unseen = 10,
        .bytes = 11,
        .created = -12,
        .special = MAILBOX_ARCHIVE,
        .log_from = 13,
        .log_ranges = 14,
        .name_n = MAILBOX_NAME_MAX};
    struct mailbox b;
    char row[ROW_MAILBOX_MAX + 8];
    memset(m.name, 'n', sizeof m.name);
    size_t n = row_pack_mailbox(&m, row);
    assert_true(n <= ROW_MAILBOX_MAX);
    assert_true(row_unpack_mailbox(slice(row, n), 3, &b));
    assert_true(b.uidvalidity == 5 && b.uidnext == 6 && b.highestmodseq == 7 && b.messages == 9 &&
                b.unseen == 10 && b.bytes == 11 && b.created == -12 && b.log_from == 13 &&
                b.log_ranges == 14);
    assert_slice(mailbox_name(&b), mailbox_name(&m));
    assert_false(row_unpack_mailbox(slice(row, n + 1), 3, &b)); /* a name of 401 */
    assert_false(row_unpack_mailbox(slice(row, 60), 3, &b));    /* none */
    row[1] = MAILBOX_SPECIALS;
    assert_false(row_unpack_mailbox(slice(row, n), 3, &b));
}

static void messages(void **state)
{
    struct mailbox_message m = {.uid = 1,
        .flags = 31,
        .zone = -600,
        .keywords = UINT64_MAX,
        .modseq = 2,
        .date = -3,
        .saved = 4,
        .size = UINT64_C(5000000000),
        .blob = 6,
        .thread = 7};
    struct mailbox_message b;
    char row[ROW_MESSAGE_SIZE];
    assert_int_equal(row_pack_message(&m, row), ROW_MESSAGE_SIZE);
    assert_true(row_unpack_message(slice(row, sizeof row), 1, &b));
    assert_true(b.uid == m.uid && b.flags == m.flags && b.zone == m.zone &&
                b.keywords == m.keywords && b.modseq == m.modseq && b.date == m.date);
    assert_true(b.saved == m.saved && b.size == m.size && b.blob == m.blob && b.thread == m.thread);
    assert_false(row_unpack_message(slice(row, sizeof row - 1), 1, &b));
}

static void expunged_ranges_join_and_end_at_the_maximum(void **state)
{
    struct row_expunged row;
    struct mailbox_uids ranges[MAILBOX_EXPUNGED_RANGES];
    int64_t when;
    size_t n;
    row_expunged_start(&row, 77);
    for (uint32_t uid = 5; uid < 100; uid++)
        assert_true(row_expunged_add(&row, uid));
    assert_int_equal(row.n, 1);
    for (uint32_t i = 1; i < MAILBOX_EXPUNGED_RANGES; i++)
        assert_true(row_expunged_add(&row, 100 + i * 2));
    assert_false(row_expunged_add(&row, 100000));
    struct slice s = row_expunged_slice(&row);
    assert_true(row_unpack_expunged(s, &when, ranges, &n));
    assert_true(when == 77 && n == MAILBOX_EXPUNGED_RANGES);
    assert_true(ranges[0].first == 5 && ranges[0].last == 99);
    assert_false(row_unpack_expunged(slice_sub(s, 0, s.n - 1), &when, ranges, &n));
    row.bytes[11] = 1; /* count 256 + ... */
    assert_false(row_unpack_expunged(s, &when, ranges, &n));
}

static void random_bytes_never_crash(void **state)
{
    char junk[600];
    random_seed(9);
    for (int i = 0; i < 20000; i++) {
        struct mailbox_account a;
        struct mailbox m;
        struct mailbox_message message;
        struct mailbox_uids ranges[MAILBOX_EXPUNGED_RANGES];
        size_t count, n = random_below(sizeof junk);
        int64_t when;
        random_bytes(junk, n);
        junk[0] = 1;
        struct slice s = slice(junk, n);
        row_unpack_account(s, &a);
        row_unpack_mailbox(s, 1, &m);
        row_unpack_message(s, 1, &message);
        row_unpack_expunged(s, &when, ranges, &count);
    }
    random_seed(0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(accounts),
        cmocka_unit_test(mailboxes),
        cmocka_unit_test(messages),
        cmocka_unit_test(expunged_ranges_join_and_end_at_the_maximum),
        cmocka_unit_test(random_bytes_never_crash),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
