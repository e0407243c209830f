#include "house.h"

static void add_and_find(struct directory *d)
{
    struct directory_account got;
    struct directory_new_account more = {.address = S("BOB@Example.org"), .quota = 5000};
    uint64_t ann, bob = 0;
    CHECK(directory_account_add(d, &more, NULL, why, DEADLINE_NEVER) == DIRECTORY_NO_DOMAIN);
    CHECK(domain_add(d, "example.org") == DIRECTORY_OK);
    ann = account_add(d, "Ann@EXAMPLE.org");
    CHECK(directory_account_add(d, &more, &bob, why, DEADLINE_NEVER) == DIRECTORY_OK);
    CHECK(bob == ann + 1);
    CHECK(directory_account_add(d, &more, NULL, why, DEADLINE_NEVER) == DIRECTORY_EXISTS);
    more.address = S("no address");
    CHECK(directory_account_add(d, &more, NULL, why, DEADLINE_NEVER) == DIRECTORY_BAD);
    more.address = S("c@example.org");
    more.name = S("a\nb");
    CHECK(directory_account_add(d, &more, NULL, why, DEADLINE_NEVER) == DIRECTORY_BAD);
    CHECK(directory_account_find(d, S("ann@example.org"), &got, DEADLINE_NEVER) == DIRECTORY_OK);
    CHECK(got.id == ann && strcmp(got.address, "ann@example.org") == 0);
    CHECK(strcmp(got.name, "Name") == 0 && !got.has_password && !got.disabled);
    CHECK(directory_account_get(d, bob, &got, DEADLINE_NEVER) == DIRECTORY_OK);
    CHECK(got.quota == 5000);
    CHECK(directory_account_get(d, bob + 1, &got, DEADLINE_NEVER) == DIRECTORY_ABSENT);
    CHECK(directory_account_find(d, S("ann+x@example.org"), &got, DEADLINE_NEVER) ==
          DIRECTORY_ABSENT);
    CHECK(directory_account_find(d, S("x"), &got, DEADLINE_NEVER) == DIRECTORY_BAD);
    CHECK(verify(d) == 0);
}

static void change(struct directory *d)
{
    struct directory_account got;
    struct directory_credentials back,
        credentials = {.present = true, .scram_iterations = 10000, .scram_salt = {1, 2}};
    uint64_t version;
    snprintf(credentials.password, sizeof credentials.password, "$argon2id$...");
    CHECK(domain_add(d, "example.org") == DIRECTORY_OK);
    account_add(d, "ann@example.org");
    struct directory_account_change set = {.set_quota = true, .quota = 9};
    CHECK(
        directory_account_set(d, S("ann@example.org"), &set, why, DEADLINE_NEVER) == DIRECTORY_OK);
    set = (struct directory_account_change){
        .set_disabled = true, .disabled = true, .set_name = true, .name = S("Ann B")};
    CHECK(
        directory_account_set(d, S("ann@example.org"), &set, why, DEADLINE_NEVER) == DIRECTORY_OK);
    CHECK(directory_account_set(d, S("bob@example.org"), &set, why, DEADLINE_NEVER) ==
          DIRECTORY_ABSENT);
    CHECK(directory_account_login(d, S("ann@example.org"), &got, &back, DEADLINE_NEVER) ==
          DIRECTORY_OK);
    CHECK(got.quota == 9 && got.disabled && strcmp(got.name, "Ann B") == 0 && !back.present);
    version = got.credentials_version;
    CHECK(directory_account_credentials(
              d, S("ann@example.org"), &credentials, why, DEADLINE_NEVER) == DIRECTORY_OK);
    CHECK(directory_account_login(d, S("ANN@example.org"), &got, &back, DEADLINE_NEVER) ==
          DIRECTORY_OK);
    CHECK(got.credentials_version > version && got.has_password && got.quota == 9);
    CHECK(memcmp(&back, &credentials, sizeof back) == 0);
    version = got.credentials_version;
    CHECK(directory_account_credentials(d, S("ann@example.org"), NULL, why, DEADLINE_NEVER) ==
          DIRECTORY_OK);
    CHECK(directory_account_find(d, S("ann@example.org"), &got, DEADLINE_NEVER) == DIRECTORY_OK);
    CHECK(got.credentials_version > version && !got.has_password);
}

static bool collect(void *arg, const struct directory_account *account)
{
    append(arg, slice_str(account->address));
    append(arg, S(" "));
    return true;
}

static void list(struct directory *d)
{
    char all[1000] = "";
    CHECK(domain_add(d, "b.example") == DIRECTORY_OK && domain_add(d, "a.example") == DIRECTORY_OK);
    account_add(d, "zoe@a.example");
    account_add(d, "ann@b.example");
    account_add(d, "bob@a.example");
    CHECK(alias_add(d, "carl@a.example", "bob@a.example") == DIRECTORY_OK);
    CHECK(directory_account_list(d, S(""), collect, all, DEADLINE_NEVER) == DIRECTORY_OK);
    CHECK(strcmp(all, "bob@a.example zoe@a.example ann@b.example ") == 0);
    all[0] = '\0';
    CHECK(directory_account_list(d, S("B.example"), collect, all, DEADLINE_NEVER) == DIRECTORY_OK);
    CHECK(strcmp(all, "ann@b.example ") == 0);
    CHECK(directory_account_list(d, S("c.example"), collect, all, DEADLINE_NEVER) ==
          DIRECTORY_NO_DOMAIN);
}

static void remove_and_purge(struct directory *d)
{
    uint64_t ids[4], removed = 0;
    size_t n;
    struct directory_domain domain;
    CHECK(domain_add(d, "example.org") == DIRECTORY_OK);
    uint64_t ann = account_add(d, "ann@example.org");
    uint64_t bob = account_add(d, "bob@example.org");
    CHECK(directory_domain_get(d, S("example.org"), &domain, DEADLINE_NEVER) == DIRECTORY_OK);
    CHECK(domain.accounts == 2 && domain.postmaster == ann);
    CHECK(directory_account_remove(d, S("ann@example.org"), &removed, why, DEADLINE_NEVER) ==
          DIRECTORY_OK);
    CHECK(removed == ann);
    CHECK(directory_account_remove(d, S("ann@example.org"), &removed, why, DEADLINE_NEVER) ==
          DIRECTORY_ABSENT);
    CHECK(directory_domain_get(d, S("example.org"), &domain, DEADLINE_NEVER) == DIRECTORY_OK);
    CHECK(domain.accounts == 1 && domain.postmaster == bob);
    CHECK(directory_purge_list(d, 0, ids, 4, &n, DEADLINE_NEVER) == DIRECTORY_OK);
    CHECK(n == 1 && ids[0] == ann);
    CHECK(directory_purge_list(d, ann, ids, 4, &n, DEADLINE_NEVER) == DIRECTORY_OK && n == 0);
    /* The number does not come back with the address. */
    CHECK(account_add(d, "ann@example.org") > bob);
    CHECK(verify(d) == 0);
    CHECK(directory_purge_done(d, ann, DEADLINE_NEVER) == DIRECTORY_OK);
    CHECK(directory_purge_list(d, 0, ids, 4, &n, DEADLINE_NEVER) == DIRECTORY_OK && n == 0);
}

/* However many aliases lie before it. */
static void a_late_successor(struct directory *d)
{
    struct directory_domain domain;
    char address[32];
    CHECK(domain_add(d, "example.org") == DIRECTORY_OK);
    account_add(d, "ann@example.org");
    uint64_t zoe = account_add(d, "zoe@example.org");
    for (int i = 0; i < 1001; i++) {
        snprintf(address, sizeof address, "b%d@example.org", i);
        CHECK(alias_add(d, address, "zoe@example.org") == DIRECTORY_OK);
    }
    CHECK(directory_account_remove(d, S("ann@example.org"), NULL, why, DEADLINE_NEVER) ==
          DIRECTORY_OK);
    CHECK(directory_domain_get(d, S("example.org"), &domain, DEADLINE_NEVER) == DIRECTORY_OK);
    CHECK(domain.postmaster == zoe && verify(d) == 0);
}

static void reopen(struct directory *d)
{
    uint8_t salt[16], again[16];
    struct directory *second =
        directory_open(&(struct directory_options){.store = d->store}, why, DEADLINE_NEVER);
    CHECK(second);
    CHECK(memcmp(directory_server_id(d), directory_server_id(second), 16) == 0);
    directory_salt(d, S("nobody@example.org"), salt);
    directory_salt(second, S("nobody@example.org"), again);
    CHECK(memcmp(salt, again, 16) == 0);
    directory_salt(d, S("other@example.org"), again);
    CHECK(memcmp(salt, again, 16) != 0);
    directory_close(second);
    CHECK(
        !directory_open(&(struct directory_options){.store = d->store, .postmaster = S("nonsense")},
            why, DEADLINE_NEVER));
}

static void test_add_and_find(void **state)
{
    house(add_and_find);
}

static void test_change(void **state)
{
    house(change);
}

static void test_list(void **state)
{
    house(list);
}

static void test_remove(void **state)
{
    house(remove_and_purge);
}

static void test_late_successor(void **state)
{
    house(a_late_successor);
}

static void test_reopen(void **state)
{
    house(reopen);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_add_and_find),
        cmocka_unit_test(test_change),
        cmocka_unit_test(test_list),
        cmocka_unit_test(test_remove),
        cmocka_unit_test(test_late_successor),
        cmocka_unit_test(test_reopen),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
