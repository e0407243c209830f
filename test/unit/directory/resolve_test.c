#include "house.h"

static struct directory_recipient recipients[DIRECTORY_RECIPIENTS_MAX];
static char remote[DIRECTORY_REMOTE_BYTES];
static size_t remote_room = sizeof remote;
static struct directory_resolution got;

static enum directory_resolved resolve_room(
    struct directory *d, const char *local, const char *domain, size_t room)
{
    memset(&got, 0x55, sizeof got);
    got.recipients = recipients;
    got.room = room;
    got.remote = remote;
    got.remote_room = remote_room;
    return directory_resolve(d, text(local), text(domain), &got, DEADLINE_NEVER);
}

static enum directory_resolved resolve(struct directory *d, const char *local, const char *domain)
{
    return resolve_room(d, local, domain, DIRECTORY_RECIPIENTS_MAX);
}

/* Exactly this one account. */
static bool one(uint64_t account)
{
    return got.n == 1 && got.recipients[0].account == account;
}

/* Exactly these addresses elsewhere, divided by blanks. */
static bool elsewhere(const char *wanted)
{
    struct slice rest = slice(got.remote, got.remote_bytes), address;
    char all[1000] = "";
    size_t n = 0;
    while (directory_remote_next(&rest, &address)) {
        append(all, n++ ? S(" ") : S(""));
        append(all, address);
    }
    return n == got.remote_n && rest.n == 0 && strcmp(all, wanted) == 0;
}

static void order(struct directory *d)
{
    struct directory_account_change off = {.set_disabled = true, .disabled = true};
    CHECK(
        domain_add(d, "example.org") == DIRECTORY_OK && domain_add(d, "b.example") == DIRECTORY_OK);
    uint64_t ann = account_add(d, "ann@example.org"), bob = account_add(d, "bob@example.org");
    uint64_t news = account_add(d, "ann+news@example.org");
    CHECK(resolve(d, "Ann", "EXAMPLE.org") == DIRECTORY_RESOLVE_OK && one(ann));
    CHECK(strcmp(got.recipients[0].address, "ann@example.org") == 0);
    CHECK(got.tag[0] == '\0' && !got.postmaster && !got.catch_all && !recipients[0].disabled);
    CHECK(resolve(d, "ann+News", "example.org") == DIRECTORY_RESOLVE_OK && one(news));
    CHECK(resolve(d, "ann+Other+x", "example.org") == DIRECTORY_RESOLVE_OK && one(ann));
    CHECK(strcmp(got.tag, "other+x") == 0);
    CHECK(resolve(d, "ann+", "example.org") == DIRECTORY_RESOLVE_OK && one(ann));
    CHECK(resolve(d, "+ann", "example.org") == DIRECTORY_RESOLVE_UNKNOWN && got.n == 0);
    CHECK(resolve(d, "carl", "example.org") == DIRECTORY_RESOLVE_UNKNOWN);
    CHECK(resolve(d, "ann", "b.example") == DIRECTORY_RESOLVE_UNKNOWN);
    CHECK(resolve(d, "ann", "c.example") == DIRECTORY_RESOLVE_NOT_OURS);
    CHECK(resolve(d, "ann", "[192.0.2.1]") == DIRECTORY_RESOLVE_NOT_OURS);
    CHECK(resolve(d, "ann", "") == DIRECTORY_RESOLVE_NOT_OURS);
    CHECK(resolve(d, "", "example.org") == DIRECTORY_RESOLVE_UNKNOWN);
    CHECK(resolve(d, "a%'; DROP TABLE", "example.org") == DIRECTORY_RESOLVE_UNKNOWN);
    CHECK(alias_add(d, "@example.org", "bob@example.org") == DIRECTORY_OK);
    CHECK(resolve(d, "carl+x", "example.org") == DIRECTORY_RESOLVE_OK && one(bob));
    CHECK(got.catch_all && got.tag[0] == '\0');
    CHECK(resolve(d, "ann+x", "example.org") == DIRECTORY_RESOLVE_OK && one(ann));
    CHECK(
        directory_account_set(d, S("bob@example.org"), &off, why, DEADLINE_NEVER) == DIRECTORY_OK);
    CHECK(resolve(d, "bob", "example.org") == DIRECTORY_RESOLVE_OK && one(bob));
    CHECK(got.recipients[0].disabled);
}

static void aliases(struct directory *d)
{
    struct slice team[] = {S("bob@example.org"), S("ann@example.org"), S("inner@example.org")};
    CHECK(domain_add(d, "example.org") == DIRECTORY_OK);
    uint64_t ann = account_add(d, "ann@example.org"), bob = account_add(d, "bob@example.org");
    CHECK(alias_add(d, "inner@example.org", "ann+in@example.org") == DIRECTORY_OK);
    CHECK(directory_alias_add(d, S("team@example.org"), team, 3, why, DEADLINE_NEVER) ==
          DIRECTORY_OK);
    CHECK(resolve(d, "team+x", "example.org") == DIRECTORY_RESOLVE_OK && got.n == 2);
    CHECK(recipients[0].account == bob && recipients[1].account == ann);
    CHECK(strcmp(got.tag, "x") == 0);
    CHECK(resolve_room(d, "team", "example.org", 1) == DIRECTORY_RESOLVE_TOO_MANY && got.n == 0);
    CHECK(directory_account_remove(d, S("bob@example.org"), NULL, why, DEADLINE_NEVER) ==
          DIRECTORY_OK);
    CHECK(resolve(d, "team", "example.org") == DIRECTORY_RESOLVE_OK && one(ann));
    CHECK(directory_account_remove(d, S("ann@example.org"), NULL, why, DEADLINE_NEVER) ==
          DIRECTORY_OK);
    CHECK(resolve(d, "team", "example.org") == DIRECTORY_RESOLVE_UNKNOWN);
}

/* A circle that no addition could see: an account goes and the catch-all steps in. */
static void late_loop(struct directory *d)
{
    struct slice two[] = {S("x@example.org"), S("ann@example.org")};
    CHECK(domain_add(d, "example.org") == DIRECTORY_OK);
    uint64_t ann = account_add(d, "ann@example.org");
    account_add(d, "x@example.org");
    CHECK(directory_alias_add(d, S("@example.org"), two, 2, why, DEADLINE_NEVER) == DIRECTORY_OK);
    CHECK(
        directory_account_remove(d, S("x@example.org"), NULL, why, DEADLINE_NEVER) == DIRECTORY_OK);
    CHECK(resolve(d, "who", "example.org") == DIRECTORY_RESOLVE_OK && one(ann));
    CHECK(verify(d) == 1 && strstr(why, "circle"));
}

static void forwarding(struct directory *d)
{
    struct slice mixed[] = {S("ann@example.org"), S("Joe.Doe@Away.Test"), S("inner@example.org"),
        S("\"a b\"@b\u00fccher.test")};
    CHECK(domain_add(d, "example.org") == DIRECTORY_OK);
    uint64_t ann = account_add(d, "ann@example.org");
    CHECK(alias_add(d, "inner@example.org", "Joe.Doe@away.test") == DIRECTORY_OK);
    CHECK(directory_alias_add(d, S("out@example.org"), mixed, 4, why, DEADLINE_NEVER) ==
          DIRECTORY_OK);
    CHECK(resolve(d, "out", "example.org") == DIRECTORY_RESOLVE_OK && one(ann));
    CHECK(elsewhere("Joe.Doe@away.test a b@xn--bcher-kva.test"));
    CHECK(strcmp(got.via, "out@example.org") == 0);
    CHECK(resolve(d, "Out+x", "EXAMPLE.org") == DIRECTORY_RESOLVE_OK && one(ann));
    CHECK(strcmp(got.via, "out@example.org") == 0 && got.remote_n == 2);
    CHECK(resolve(d, "inner", "example.org") == DIRECTORY_RESOLVE_OK && got.n == 0);
    CHECK(elsewhere("Joe.Doe@away.test"));
    CHECK(resolve(d, "ann", "example.org") == DIRECTORY_RESOLVE_OK && one(ann) && elsewhere(""));
    CHECK(got.via[0] == '\0');
    CHECK(resolve(d, "joe", "away.test") == DIRECTORY_RESOLVE_NOT_OURS);
    CHECK(alias_add(d, "@example.org", "all@away.test") == DIRECTORY_OK);
    CHECK(resolve(d, "who+x", "example.org") == DIRECTORY_RESOLVE_OK && elsewhere("all@away.test"));
    CHECK(got.catch_all && strcmp(got.via, "@example.org") == 0);
    CHECK(resolve(d, "postmaster", "example.org") == DIRECTORY_RESOLVE_OK && one(ann));
    CHECK(alias_add(d, "postmaster@example.org", "admin@away.test") == DIRECTORY_OK);
    CHECK(resolve(d, "postmaster", "example.org") == DIRECTORY_RESOLVE_OK && got.postmaster);
    CHECK(got.n == 0 && elsewhere("admin@away.test"));
    /* Who does not ask for addresses elsewhere is told no less that somebody is there. */
    got.remote = NULL;
    got.remote_room = 0;
    CHECK(directory_resolve(d, S("postmaster"), S("example.org"), &got, DEADLINE_NEVER) ==
          DIRECTORY_RESOLVE_OK);
    CHECK(got.n == 0 && got.remote_n == 0 && strcmp(got.via, "postmaster@example.org") == 0);
    got.remote = NULL;
    CHECK(directory_resolve(d, S("out"), S("example.org"), &got, DEADLINE_NEVER) ==
              DIRECTORY_RESOLVE_OK &&
          one(ann));
    /* Somebody may not send as what leads elsewhere only. */
    bool belongs = true;
    CHECK(directory_belongs(d, ann, S("inner@example.org"), &belongs, DEADLINE_NEVER) ==
          DIRECTORY_OK);
    CHECK(!belongs && verify(d) == 0);
}

/* Whose domain it is shows at each resolving. */
static void a_domain_comes_and_goes(struct directory *d)
{
    CHECK(domain_add(d, "example.org") == DIRECTORY_OK);
    CHECK(alias_add(d, "out@example.org", "Joe@Away.Test") == DIRECTORY_OK);
    CHECK(resolve(d, "out", "example.org") == DIRECTORY_RESOLVE_OK && elsewhere("Joe@away.test"));
    CHECK(domain_add(d, "away.test") == DIRECTORY_OK);
    CHECK(resolve(d, "out", "example.org") == DIRECTORY_RESOLVE_UNKNOWN && elsewhere(""));
    uint64_t joe = account_add(d, "joe@away.test");
    CHECK(resolve(d, "out", "example.org") == DIRECTORY_RESOLVE_OK && one(joe) && elsewhere(""));
    bool belongs = false;
    CHECK(
        directory_belongs(d, joe, S("out@example.org"), &belongs, DEADLINE_NEVER) == DIRECTORY_OK);
    CHECK(belongs && verify(d) == 0);
    CHECK(
        directory_account_remove(d, S("joe@away.test"), NULL, why, DEADLINE_NEVER) == DIRECTORY_OK);
    /* A circle over a spelling that is not canonical is one. */
    CHECK(alias_add(d, "joe@away.test", "out@example.org") == DIRECTORY_LOOP);
    CHECK(directory_domain_remove(d, S("away.test"), why, DEADLINE_NEVER) == DIRECTORY_OK);
    CHECK(resolve(d, "out", "example.org") == DIRECTORY_RESOLVE_OK && elsewhere("Joe@away.test"));
}

static void forwarding_wide(struct directory *d)
{
    static char names[DIRECTORY_REMOTE_MAX][32];
    static struct slice targets[DIRECTORY_REMOTE_MAX];
    size_t bytes = 0;
    CHECK(domain_add(d, "example.org") == DIRECTORY_OK);
    for (size_t i = 0; i < DIRECTORY_REMOTE_MAX; i++) {
        snprintf(names[i], sizeof names[i], "u%zu@away.test", i);
        targets[i] = slice_str(names[i]);
        bytes += 2 + targets[i].n;
    }
    CHECK(directory_alias_add(d, S("all@example.org"), targets, DIRECTORY_REMOTE_MAX, why,
              DEADLINE_NEVER) == DIRECTORY_OK);
    CHECK(resolve(d, "all", "example.org") == DIRECTORY_RESOLVE_OK && got.remote_n == 1000);
    CHECK(got.remote_bytes == bytes);
    remote_room = bytes;
    CHECK(resolve(d, "all", "example.org") == DIRECTORY_RESOLVE_OK);
    remote_room = bytes - 1;
    CHECK(resolve(d, "all", "example.org") == DIRECTORY_RESOLVE_TOO_MANY && elsewhere(""));
    remote_room = sizeof remote;
    struct slice two[] = {S("all@example.org"), S("u7@away.test")};
    CHECK(
        directory_alias_add(d, S("same@example.org"), two, 2, why, DEADLINE_NEVER) == DIRECTORY_OK);
    CHECK(resolve(d, "same", "example.org") == DIRECTORY_RESOLVE_OK && got.remote_n == 1000);
    two[1] = S("one@more.test");
    CHECK(
        directory_alias_add(d, S("more@example.org"), two, 2, why, DEADLINE_NEVER) == DIRECTORY_OK);
    CHECK(resolve(d, "more", "example.org") == DIRECTORY_RESOLVE_TOO_MANY);
}

/* A chain that grew at its upper end. */
static void too_deep(struct directory *d)
{
    char name[32], target[32];
    CHECK(domain_add(d, "example.org") == DIRECTORY_OK);
    account_add(d, "a12@example.org");
    for (int i = 11; i >= 0; i--) {
        snprintf(name, sizeof name, "a%d@example.org", i);
        snprintf(target, sizeof target, "a%d@example.org", i + 1);
        if (i == 6) /* for the time being the middle is an account */
            account_add(d, name);
        else
            CHECK(alias_add(d, name, target) == DIRECTORY_OK);
    }
    CHECK(directory_account_remove(d, S("a6@example.org"), NULL, why, DEADLINE_NEVER) ==
          DIRECTORY_OK);
    CHECK(alias_add(d, "a6@example.org", "a7@example.org") == DIRECTORY_OK);
    CHECK(resolve(d, "a2", "example.org") == DIRECTORY_RESOLVE_OK);
    CHECK(resolve(d, "a1", "example.org") == DIRECTORY_RESOLVE_TOO_MANY);
    CHECK(verify(d) == 2);
}

static void wide(struct directory *d)
{
    static char names[DIRECTORY_TARGETS_MAX + 1][32];
    static struct slice targets[DIRECTORY_TARGETS_MAX + 1];
    CHECK(domain_add(d, "example.org") == DIRECTORY_OK);
    for (size_t i = 0; i <= DIRECTORY_TARGETS_MAX; i++) {
        snprintf(names[i], sizeof names[i], "u%zu@example.org", i);
        targets[i] = slice_str(names[i]);
        account_add(d, names[i]);
    }
    CHECK(directory_alias_add(d, S("all@example.org"), targets, DIRECTORY_TARGETS_MAX, why,
              DEADLINE_NEVER) == DIRECTORY_OK);
    CHECK(resolve(d, "all", "example.org") == DIRECTORY_RESOLVE_OK && got.n == 1000);
    /* One account more than 1,000, through a second alias. */
    struct slice two[] = {S("all@example.org"), targets[DIRECTORY_TARGETS_MAX]};
    CHECK(
        directory_alias_add(d, S("more@example.org"), two, 2, why, DEADLINE_NEVER) == DIRECTORY_OK);
    CHECK(resolve(d, "more", "example.org") == DIRECTORY_RESOLVE_TOO_MANY);
    /* The work is bounded also when it is always the same accounts. */
    for (int i = 0; i < 2; i++) {
        char name[32];
        snprintf(name, sizeof name, "again%d@example.org", i);
        CHECK(alias_add(d, name, "all@example.org") == DIRECTORY_OK);
    }
    struct slice again[] = {S("all@example.org"), S("again0@example.org"), S("again1@example.org")};
    CHECK(directory_alias_add(d, S("again@example.org"), again, 3, why, DEADLINE_NEVER) ==
          DIRECTORY_BAD);
}

static void postmaster(struct directory *d)
{
    CHECK(resolve(d, "postmaster", "") == DIRECTORY_RESOLVE_UNKNOWN);
    CHECK(
        domain_add(d, "example.org") == DIRECTORY_OK && domain_add(d, "b.example") == DIRECTORY_OK);
    CHECK(resolve(d, "PostMaster", "example.org") == DIRECTORY_RESOLVE_UNKNOWN);
    uint64_t zoe = account_add(d, "zoe@b.example"), ann = account_add(d, "ann@example.org");
    CHECK(resolve(d, "PostMaster", "") == DIRECTORY_RESOLVE_OK && one(zoe) && got.postmaster);
    CHECK(resolve(d, "PostMaster", "example.org") == DIRECTORY_RESOLVE_OK && one(ann));
    CHECK(got.postmaster);
    CHECK(resolve(d, "postmaster", "elsewhere.example") == DIRECTORY_RESOLVE_NOT_OURS);
    CHECK(!got.postmaster);
    CHECK(directory_account_remove(d, S("ann@example.org"), NULL, why, DEADLINE_NEVER) ==
          DIRECTORY_OK);
    CHECK(resolve(d, "postmaster", "example.org") == DIRECTORY_RESOLVE_OK && one(zoe));
    uint64_t own = account_add(d, "postmaster@example.org");
    CHECK(resolve(d, "postmaster", "example.org") == DIRECTORY_RESOLVE_OK && one(own));
    CHECK(got.postmaster);
}

static void configured(struct directory *d)
{
    CHECK(domain_add(d, "example.org") == DIRECTORY_OK);
    uint64_t ann = account_add(d, "ann@example.org");
    /* The configured address does not exist yet. */
    CHECK(resolve(d, "postmaster", "example.org") == DIRECTORY_RESOLVE_OK && one(ann));
    uint64_t admin = account_add(d, "admin@example.org");
    CHECK(resolve(d, "postmaster", "example.org") == DIRECTORY_RESOLVE_OK && one(admin));
    CHECK(resolve(d, "postmaster", "") == DIRECTORY_RESOLVE_OK && one(admin));
}

static bool may(struct directory *d, uint64_t account, const char *address)
{
    bool belongs = true;
    CHECK(directory_belongs(d, account, text(address), &belongs, DEADLINE_NEVER) == DIRECTORY_OK);
    return belongs;
}

static void belongs(struct directory *d)
{
    CHECK(domain_add(d, "example.org") == DIRECTORY_OK);
    uint64_t ann = account_add(d, "ann@example.org"), bob = account_add(d, "bob@example.org");
    account_add(d, "ann+own@example.org");
    struct slice two[] = {S("ann+x@example.org"), S("inner@example.org")};
    CHECK(alias_add(d, "inner@example.org", "bob@example.org") == DIRECTORY_OK);
    CHECK(
        directory_alias_add(d, S("team@example.org"), two, 2, why, DEADLINE_NEVER) == DIRECTORY_OK);
    CHECK(alias_add(d, "own@example.org", "ann+own@example.org") == DIRECTORY_OK);
    CHECK(alias_add(d, "@example.org", "ann@example.org") == DIRECTORY_OK);
    CHECK(may(d, ann, "Ann@Example.org") && may(d, ann, "ann+any@example.org"));
    CHECK(!may(d, bob, "ann@example.org") && !may(d, bob, "ann+any@example.org"));
    CHECK(!may(d, ann, "ann+own@example.org")); /* another account */
    CHECK(may(d, ann, "team@example.org"));
    CHECK(!may(d, bob, "team@example.org")); /* not directly */
    CHECK(may(d, bob, "inner@example.org"));
    CHECK(!may(d, ann, "own@example.org"));
    CHECK(!may(d, ann, "anything@example.org")); /* a catch-all gives no right */
    CHECK(!may(d, ann, "@example.org") && !may(d, ann, "ann@elsewhere.example"));
    CHECK(!may(d, 0, "ann@example.org") && !may(d, ann, ""));
}

#define HOUSE_TEST(name)                                                                           \
    static void test_##name(void **state)                                                          \
    {                                                                                              \
        house(name);                                                                               \
    }
HOUSE_TEST(order)
HOUSE_TEST(aliases)
HOUSE_TEST(late_loop)
HOUSE_TEST(forwarding)
HOUSE_TEST(a_domain_comes_and_goes)
HOUSE_TEST(forwarding_wide)
HOUSE_TEST(too_deep)
HOUSE_TEST(wide)
HOUSE_TEST(postmaster)
HOUSE_TEST(belongs)

static void test_configured(void **state)
{
    house_with(configured, S("Admin@example.org"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_order),
        cmocka_unit_test(test_aliases),
        cmocka_unit_test(test_late_loop),
        cmocka_unit_test(test_forwarding),
        cmocka_unit_test(test_a_domain_comes_and_goes),
        cmocka_unit_test(test_forwarding_wide),
        cmocka_unit_test(test_too_deep),
        cmocka_unit_test(test_wide),
        cmocka_unit_test(test_postmaster),
        cmocka_unit_test(test_configured),
        cmocka_unit_test(test_belongs),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
