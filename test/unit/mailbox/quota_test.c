#include "mailbox/quota.h"
#include "unit/mailbox/fixture.h"

static enum quota_answer take(uint64_t quota, uint64_t bytes, struct quota_hold *hold)
{
    return quota_take(fixture_store, ACCOUNT, quota, bytes, hold, SOON);
}

static void holds(void *arg)
{
    struct quota_hold a, b, c;
    fixture_open();
    fixture_append(MAILBOX_INBOX, S("0123456789"), 0); /* 10 used */
    CHECK(take(0, 1000000, &a) == QUOTA_OK);
    quota_drop(&a);
    CHECK(take(100, 101, &a) == QUOTA_NEVER);
    CHECK(take(100, 90, &a) == QUOTA_OK);
    CHECK(take(100, 1, &b) == QUOTA_FULL); /* the last free bytes are promised */
    quota_drop(&b);
    quota_drop(&a);
    quota_drop(&a);
    CHECK(take(100, 91, &a) == QUOTA_FULL);
    CHECK(take(100, 45, &a) == QUOTA_OK);
    CHECK(take(100, 45, &b) == QUOTA_OK);
    CHECK(take(100, 1, &c) == QUOTA_FULL);
    quota_drop(&a);
    CHECK(take(100, 1, &c) == QUOTA_OK);
    quota_drop(&b);
    quota_drop(&c);
    CHECK(take(10, 0, &a) == QUOTA_FULL); /* no size told, mailbox full */
    CHECK(take(11, 0, &a) == QUOTA_OK);
    quota_drop(&a);
    fixture_close();
}

static void bytes_are_held_until_dropped(void **state)
{
    fixture_run(holds);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(bytes_are_held_until_dropped)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
