#include "house.h"

/* Puts (or with an empty value deletes) a raw row behind the directory's back. */
struct raw {
    struct slice key, value;
};

static enum outcome raw_fn(struct store_txn *t, void *arg)
{
    struct raw *r = arg;
    if (r->value.n)
        store_put(t, r->key, r->value);
    else
        store_del(t, r->key);
    return OUTCOME_DONE;
}

static void raw(struct directory *d, struct slice key, struct slice value)
{
    struct raw r = {key, value};
    struct store_mutation m = {.partition = d->partition, .fn = raw_fn, .arg = &r};
    CHECK(store_mutate(d->store, &m, NULL, DEADLINE_NEVER) == OUTCOME_DONE);
}

static void faults(struct directory *d)
{
    struct directory_row_key key;
    char value[DIRECTORY_ROW_FIXED];
    struct directory_row_domain domain = {.accounts = 5};
    struct directory_account account;
    CHECK(domain_add(d, "example.org") == DIRECTORY_OK);
    uint64_t ann = account_add(d, "ann@example.org");
    CHECK(verify(d) == 0);

    directory_row_key_domain(&key, S("b.example"));
    raw(d, directory_row_key_slice(&key), slice(value, directory_row_pack_domain(&domain, value)));
    CHECK(verify(d) == 1 && strstr(why, "counts 5 accounts"));
    raw(d, directory_row_key_slice(&key), S(""));

    directory_row_key_address(&key, S("x"), S("example.org"));
    raw(d, directory_row_key_slice(&key), slice(value, directory_row_pack_owner(99, value)));
    CHECK(verify(d) == 2 && strstr(why, "account 99 does not exist")); /* and the count */
    raw(d, directory_row_key_slice(&key), S("\1\7junk"));
    CHECK(verify(d) == 1 && strstr(why, "damaged"));
    CHECK(
        directory_account_find(d, S("x@example.org"), &account, DEADLINE_NEVER) == DIRECTORY_BUSY);
    raw(d, directory_row_key_slice(&key), S(""));

    directory_row_key_id(&key, KEY_ACCOUNT, 1000);
    raw(d, directory_row_key_slice(&key), S("\1"));
    CHECK(verify(d) == 2);
    raw(d, directory_row_key_slice(&key), S(""));

    directory_row_key_id(&key, KEY_PURGE, ann);
    raw(d, directory_row_key_slice(&key), S("\1"));
    CHECK(verify(d) == 1 && strstr(why, "removed and still there"));
    raw(d, directory_row_key_slice(&key), S(""));

    raw(d, S("\77"), S("what"));
    CHECK(verify(d) == 1 && strstr(why, "unknown kind"));
    raw(d, S("\77"), S(""));
    CHECK(verify(d) == 0);

    directory_row_key_header(&key);
    raw(d, directory_row_key_slice(&key), S("\2newer"));
    CHECK(verify(d) == 2); /* ann's number was never given out */
    CHECK(!directory_open(&(struct directory_options){.store = d->store}, why, DEADLINE_NEVER));
    CHECK(strstr(why, "newer version"));
}

/* resolve passes over what is gone; a circle is still one. */
static void targets_that_are_gone(struct directory *d)
{
    struct directory_row_key key;
    static char value[DIRECTORY_ROW_ALIAS];
    struct slice back = S("all@example.org");
    CHECK(domain_add(d, "example.org") == DIRECTORY_OK);
    account_add(d, "ann@example.org");
    account_add(d, "bob@example.org");
    CHECK(alias_add(d, "all@example.org", "ann@example.org") == DIRECTORY_OK);
    CHECK(alias_add(d, "more@example.org", "all@example.org") == DIRECTORY_OK);
    CHECK(directory_account_remove(d, S("ann@example.org"), NULL, why, DEADLINE_NEVER) ==
          DIRECTORY_OK);
    CHECK(verify(d) == 0);
    directory_row_key_address(&key, S("all"), S("example.org"));
    raw(d, directory_row_key_slice(&key), slice(value, directory_row_pack_alias(&back, 1, value)));
    CHECK(verify(d) == 2 && strstr(why, "circle"));
}

static void test_targets_that_are_gone(void **state)
{
    house(targets_that_are_gone);
}

static void test_faults(void **state)
{
    house(faults);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_faults),
        cmocka_unit_test(test_targets_that_are_gone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
