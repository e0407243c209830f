/* The table: every command of IMAP4rev1 has its row, and a handler for each state it names. */
#include "imap/session_private.h"
#include "unit/unit.h"

static void rows(void **state)
{
    static const char *const names[] = {"CAPABILITY", "NOOP", "LOGOUT", "STARTTLS", "AUTHENTICATE",
        "LOGIN", "SELECT", "EXAMINE", "STATUS", "APPEND", "CHECK", "CLOSE", "EXPUNGE", "FETCH",
        "STORE", "COPY", "ID", "ENABLE", "IDLE", "UNSELECT", "MOVE"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        const struct imap_row *row = imap_table_find(slice_str(names[i]));
        if (!row)
            fail_msg("no row for %s", names[i]);
        assert_true(!(row->when & IMAP_BEFORE) == !row->before);
        assert_true(!(row->when & IMAP_LOGGED_IN) == !row->after);
    }
    assert_ptr_equal(imap_table_find(S("noop")), imap_table_find(S("NOOP")));
    assert_null(imap_table_find(S("UID")));
    assert_null(imap_table_find(S("NOO")));
    assert_null(imap_table_find(S("")));
}

/* RFC 9051 §7.5.1: numbers must not change under a command that names messages by them. */
static void sync_points(void **state)
{
    assert_false(imap_table_find(S("FETCH"))->sync_point);
    assert_false(imap_table_find(S("STORE"))->sync_point);
    assert_true(imap_table_find(S("NOOP"))->sync_point);
    assert_true(imap_table_find(S("EXPUNGE"))->sync_point);
    assert_true(imap_table_find(S("FETCH"))->uid && imap_table_find(S("STORE"))->uid);
    assert_true(imap_table_find(S("COPY"))->uid && imap_table_find(S("EXPUNGE"))->uid);
    assert_false(imap_table_find(S("NOOP"))->uid);
    /* an EXPUNGE in the reply to SELECT is taken for one of the mailbox before it, or passed over
     */
    assert_true(imap_table_find(S("SELECT"))->no_sync && imap_table_find(S("EXAMINE"))->no_sync);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rows),
        cmocka_unit_test(sync_points),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
