#include "house.h"

static bool collect(void *arg, const struct directory_domain *domain)
{
    append(arg, slice_str(domain->name));
    append(arg, S(" "));
    return true;
}

static bool first_only(void *arg, const struct directory_domain *domain)
{
    collect(arg, domain);
    return false;
}

static void domains(struct directory *d)
{
    char all[1000] = "";
    struct directory_domain got;
    CHECK(domain_add(d, "Example.ORG") == DIRECTORY_OK);
    CHECK(domain_add(d, "example.org") == DIRECTORY_EXISTS);
    CHECK(domain_add(d, "a.example") == DIRECTORY_OK);
    CHECK(domain_add(d, "") == DIRECTORY_BAD);
    CHECK(domain_add(d, "[192.0.2.1]") == DIRECTORY_BAD);
    CHECK(domain_add(d, "two words") == DIRECTORY_BAD);
    CHECK(domain_add(d, "line\nbreak") == DIRECTORY_BAD);
    CHECK(strchr(why, '\n') == NULL);
    CHECK(directory_domain_list(d, collect, all, DEADLINE_NEVER) == DIRECTORY_OK);
    CHECK(strcmp(all, "a.example example.org ") == 0);
    all[0] = '\0';
    CHECK(directory_domain_list(d, first_only, all, DEADLINE_NEVER) == DIRECTORY_OK);
    CHECK(strcmp(all, "a.example ") == 0);
    CHECK(directory_domain_get(d, S("EXAMPLE.org"), &got, DEADLINE_NEVER) == DIRECTORY_OK);
    CHECK(got.accounts == 0 && got.aliases == 0 && got.postmaster == 0);
    CHECK(directory_domain_get(d, S("b.example"), &got, DEADLINE_NEVER) == DIRECTORY_ABSENT);
    CHECK(directory_domain_remove(d, S("b.example"), why, DEADLINE_NEVER) == DIRECTORY_ABSENT);
    CHECK(verify(d) == 0);
}

static void in_use(struct directory *d)
{
    CHECK(domain_add(d, "example.org") == DIRECTORY_OK);
    account_add(d, "ann@example.org");
    CHECK(directory_domain_remove(d, S("example.org"), why, DEADLINE_NEVER) == DIRECTORY_IN_USE);
    CHECK(strstr(why, "ann@example.org"));
    CHECK(alias_add(d, "@example.org", "ann@example.org") == DIRECTORY_OK);
    CHECK(directory_account_remove(d, S("ann@example.org"), NULL, why, DEADLINE_NEVER) ==
          DIRECTORY_OK);
    CHECK(directory_domain_remove(d, S("example.org"), why, DEADLINE_NEVER) == DIRECTORY_IN_USE);
    CHECK(directory_alias_remove(d, S("@example.org"), why, DEADLINE_NEVER) == DIRECTORY_OK);
    CHECK(directory_domain_remove(d, S("example.org"), why, DEADLINE_NEVER) == DIRECTORY_OK);
    CHECK(verify(d) == 0);
}

static bool count(void *arg, const struct directory_domain *domain)
{
    (void)domain;
    ++*(int *)arg;
    return true;
}

/* More than one batch. */
static void many(struct directory *d)
{
    int n = 0;
    for (int i = 0; i < 1203; i++) {
        char name[32];
        snprintf(name, sizeof name, "d%d.example", i);
        CHECK(domain_add(d, name) == DIRECTORY_OK);
    }
    CHECK(directory_domain_list(d, count, &n, DEADLINE_NEVER) == DIRECTORY_OK);
    CHECK(n == 1203);
}

static void test_domains(void **state)
{
    house(domains);
}

static void test_in_use(void **state)
{
    house(in_use);
}

static void test_many(void **state)
{
    house(many);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_domains),
        cmocka_unit_test(test_in_use),
        cmocka_unit_test(test_many),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
