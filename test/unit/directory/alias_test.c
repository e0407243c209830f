#include "house.h"

static bool collect(void *arg, const struct directory_alias *alias)
{
    char *out = arg;
    append(out, slice_str(alias->address));
    for (size_t i = 0; i < alias->n; i++) {
        append(out, slice_str(i ? "," : "="));
        append(out, alias->targets[i]);
    }
    append(out, S(" "));
    return true;
}

static void add_list_remove(struct directory *d)
{
    char all[1000] = "";
    struct slice two[] = {S("ann@example.org"), S("BOB+news@example.org"), S("Ann@Example.org")};
    CHECK(alias_add(d, "x@example.org", "ann@example.org") == DIRECTORY_NO_DOMAIN);
    CHECK(domain_add(d, "example.org") == DIRECTORY_OK);
    account_add(d, "ann@example.org");
    account_add(d, "bob@example.org");
    CHECK(directory_alias_add(d, S("sales@example.org"), two, 3, why, DEADLINE_NEVER) ==
          DIRECTORY_OK);
    CHECK(alias_add(d, "sales@example.org", "ann@example.org") == DIRECTORY_EXISTS);
    CHECK(alias_add(d, "ann@example.org", "bob@example.org") == DIRECTORY_EXISTS);
    CHECK(alias_add(d, "@example.org", "ann@example.org") == DIRECTORY_OK);
    CHECK(directory_alias_add(d, S("none@example.org"), two, 0, why, DEADLINE_NEVER) ==
          DIRECTORY_BAD);
    CHECK(alias_add(d, "out@example.org", "x@example.org") == DIRECTORY_OK); /* the catch-all */
    CHECK(directory_alias_remove(d, S("out@example.org"), why, DEADLINE_NEVER) == DIRECTORY_OK);
    CHECK(alias_add(d, "out@example.org", "x@[192.0.2.1]") == DIRECTORY_BAD);
    CHECK(alias_add(d, "out@example.org", "nonsense") == DIRECTORY_BAD);
    CHECK(alias_add(d, "nonsense", "ann@example.org") == DIRECTORY_BAD);
    /* The catch-all takes it. */
    CHECK(alias_add(d, "out@example.org", "whoever@example.org") == DIRECTORY_OK);
    CHECK(directory_alias_list(d, collect, all, DEADLINE_NEVER) == DIRECTORY_OK);
    CHECK(strcmp(all, "@example.org=ann@example.org out@example.org=whoever@example.org "
                      "sales@example.org=ann@example.org,bob+news@example.org ") == 0);
    CHECK(verify(d) == 0);
    CHECK(directory_alias_remove(d, S("ann@example.org"), why, DEADLINE_NEVER) == DIRECTORY_ABSENT);
    CHECK(directory_alias_remove(d, S("Out@example.org"), why, DEADLINE_NEVER) == DIRECTORY_OK);
    CHECK(directory_alias_remove(d, S("out@example.org"), why, DEADLINE_NEVER) == DIRECTORY_ABSENT);
    CHECK(verify(d) == 0);
}

static void elsewhere(struct directory *d)
{
    char all[1000] = "";
    struct slice three[] = {S("Joe.Doe@Away.Test"), S("Ann@Example.org"), S("joe.doe@away.test")};
    CHECK(domain_add(d, "example.org") == DIRECTORY_OK);
    account_add(d, "ann@example.org");
    CHECK(directory_alias_add(d, S("out@example.org"), three, 3, why, DEADLINE_NEVER) ==
          DIRECTORY_OK);
    CHECK(alias_add(d, "bad@example.org", "nobody@example.org") == DIRECTORY_BAD);
    CHECK(strcmp(why, "nobody@example.org does not exist here") == 0);
    CHECK(alias_add(d, "SRS0=x@example.org", "ann@example.org") == DIRECTORY_BAD);
    CHECK(alias_add(d, "srs1=@example.org", "ann@example.org") == DIRECTORY_BAD);
    CHECK(strstr(why, "forwarded mail"));
    CHECK(directory_alias_list(d, collect, all, DEADLINE_NEVER) == DIRECTORY_OK);
    CHECK(strcmp(all, "out@example.org=Joe.Doe@away.test,ann@example.org ") == 0);
    CHECK(verify(d) == 0);
}

static void loops(struct directory *d)
{
    CHECK(domain_add(d, "example.org") == DIRECTORY_OK);
    account_add(d, "z@example.org");
    CHECK(alias_add(d, "a@example.org", "a@example.org") == DIRECTORY_LOOP);
    CHECK(alias_add(d, "a@example.org", "a+tag@example.org") == DIRECTORY_LOOP);
    CHECK(alias_add(d, "@example.org", "nobody@example.org") == DIRECTORY_LOOP);
    /* c -> b -> a; then a is made again, leading to c. */
    CHECK(alias_add(d, "a@example.org", "z@example.org") == DIRECTORY_OK);
    CHECK(alias_add(d, "b@example.org", "a@example.org") == DIRECTORY_OK);
    CHECK(alias_add(d, "c@example.org", "b@example.org") == DIRECTORY_OK);
    CHECK(directory_alias_remove(d, S("a@example.org"), why, DEADLINE_NEVER) == DIRECTORY_OK);
    CHECK(alias_add(d, "a@example.org", "c@example.org") == DIRECTORY_LOOP);
    CHECK(strstr(why, "a@example.org -> c@example.org -> b@example.org -> a@example.org"));
    CHECK(verify(d) == 0); /* b dangles, which is no fault */
}

static void depth(struct directory *d)
{
    char name[64], target[64] = "z@example.org";
    CHECK(domain_add(d, "example.org") == DIRECTORY_OK);
    account_add(d, "z@example.org");
    for (int i = 0; i < DIRECTORY_DEPTH_MAX; i++) {
        snprintf(name, sizeof name, "a%d@example.org", i);
        CHECK(alias_add(d, name, target) == DIRECTORY_OK);
        memcpy(target, name, sizeof name);
    }
    CHECK(alias_add(d, "top@example.org", target) == DIRECTORY_BAD);
    CHECK(strstr(why, "10"));
    CHECK(verify(d) == 0);
}

/* 1,000 targets are fine, 1,001 are not; the same one again does not count. */
static void many(struct directory *d)
{
    static char names[DIRECTORY_TARGETS_MAX + 1][32];
    static struct slice targets[DIRECTORY_TARGETS_MAX + 2];
    size_t n = DIRECTORY_TARGETS_MAX + 1;
    CHECK(domain_add(d, "example.org") == DIRECTORY_OK);
    account_add(d, "z@example.org");
    for (size_t i = 0; i < n; i++) {
        snprintf(names[i], sizeof names[i], "z+%zu@example.org", i);
        targets[i] = slice_str(names[i]);
    }
    CHECK(directory_alias_add(d, S("all@example.org"), targets, n, why, DEADLINE_NEVER) ==
          DIRECTORY_BAD);
    targets[n - 1] = targets[n] = targets[0];
    CHECK(directory_alias_add(d, S("all@example.org"), targets, n + 1, why, DEADLINE_NEVER) ==
          DIRECTORY_OK);
}

/* Targets of 64 bytes and more each: the sum of their bytes is bounded too. */
static void long_targets(struct directory *d)
{
    static char names[DIRECTORY_TARGETS_MAX][80];
    static struct slice targets[DIRECTORY_TARGETS_MAX];
    CHECK(domain_add(d, "example.org") == DIRECTORY_OK);
    account_add(d, "z@example.org");
    for (size_t i = 0; i < DIRECTORY_TARGETS_MAX; i++) {
        snprintf(names[i], sizeof names[i], "z+%058zu@example.org", i);
        targets[i] = slice_str(names[i]);
    }
    CHECK(directory_alias_add(d, S("all@example.org"), targets, DIRECTORY_TARGETS_MAX, why,
              DEADLINE_NEVER) == DIRECTORY_BAD);
    CHECK(directory_alias_add(d, S("all@example.org"), targets,
              DIRECTORY_TARGETS_BYTES / targets[0].n, why, DEADLINE_NEVER) == DIRECTORY_OK);
}

static void test_add_list_remove(void **state)
{
    house(add_list_remove);
}

static void test_elsewhere(void **state)
{
    house(elsewhere);
}

static void test_loops(void **state)
{
    house(loops);
}

static void test_depth(void **state)
{
    house(depth);
}

static void test_many(void **state)
{
    house(many);
}

static void test_long_targets(void **state)
{
    house(long_targets);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_add_list_remove),
        cmocka_unit_test(test_elsewhere),
        cmocka_unit_test(test_loops),
        cmocka_unit_test(test_depth),
        cmocka_unit_test(test_many),
        cmocka_unit_test(test_long_targets),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
