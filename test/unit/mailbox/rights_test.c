#include "mailbox/tree.h"
#include "unit/mailbox/fixture.h"

static void rights_fn(struct store_view *v, void *arg)
{
    static char longest[MAILBOX_NAME_MAX + 1];
    bool removed = arg;
    unsigned all = removed ? 0 : MAILBOX_RIGHTS_ALL;
    memset(longest, 'n', sizeof longest);
    CHECK(mailbox_rights(v, ACCOUNT, ACCOUNT, S("INBOX")) == all);
    CHECK(mailbox_rights(v, ACCOUNT, ACCOUNT, S("not/there/yet")) == all);
    CHECK(mailbox_rights(v, ACCOUNT, ACCOUNT, slice(longest, MAILBOX_NAME_MAX)) == all);
    CHECK(mailbox_rights(v, ACCOUNT, ACCOUNT, slice(longest, sizeof longest)) == 0);
    CHECK(mailbox_rights(v, ACCOUNT, ACCOUNT, S("")) == 0);
    CHECK(mailbox_rights(v, ACCOUNT, ACCOUNT + 1, S("INBOX")) == 0);
    CHECK(mailbox_rights(v, ACCOUNT, 0, S("INBOX")) == 0);
}

static void look(bool removed)
{
    CHECK(store_read(fixture_store, mailbox_partition(ACCOUNT), rights_fn,
              removed ? fixture_store : NULL, NULL, SOON) == OUTCOME_DONE);
}

static void rights(void *arg)
{
    fixture_open();
    look(false); /* nobody has used it yet */
    CHECK(mailbox_open_account(fixture_store, ACCOUNT, SOON) == OUTCOME_DONE);
    look(false);
    CHECK(mailbox_purge(fixture_store, ACCOUNT, SOON) == OUTCOME_DONE);
    look(true);
    fixture_close();
}

static void the_owner_may_all_and_nobody_else_anything(void **state)
{
    fixture_run(rights);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_owner_may_all_and_nobody_else_anything)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
