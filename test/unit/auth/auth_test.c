#include "cheap.h"
/* after cheap.h */
#include "auth/auth.h"
#include "base/log.h"
#include "base/metrics.h"

static struct auth *auth;
static struct auth_reply reply;

static struct auth *quick(struct directory *d)
{
    struct auth *a = auth_create(&(struct auth_options){
        .directory = d, .hashers = 2, .delay_first = 1, .delay_max = CLOCK_MS});
    CHECK(a);
    return a;
}

static enum auth_result ask_as(
    struct slice user, struct slice password, struct slice authzid, uint64_t network)
{
    struct auth_request request = {.protocol = AUTH_POP3,
        .mechanism = "TEST",
        .user = user,
        .password = password,
        .authzid = authzid,
        .network = network,
        .peer = S("192.0.2.1")};
    auth_check(auth, &request, &reply, DEADLINE_NEVER);
    return reply.result;
}

static enum auth_result ask(const char *user, const char *password)
{
    return ask_as(text(user), text(password), S(""), 1);
}

static void results(struct directory *d)
{
    struct directory_account_change off = {.set_disabled = true, .disabled = true};
    CHECK(domain_add(d, "example.org") == DIRECTORY_OK);
    auth = quick(d);
    uint64_t ann = cheap_account(d, "ann@example.org", "secret");
    cheap_account(d, "bob@example.org", "secret");
    account_add(d, "none@example.org");
    CHECK(ask("ann@example.org", "secret") == AUTH_OK);
    CHECK(reply.account == ann && strcmp(reply.address, "ann@example.org") == 0);
    CHECK(ask("ANN@Example.ORG", "secret") == AUTH_OK && reply.account == ann);
    CHECK(ask("ann@example.org", "Secret") == AUTH_WRONG);
    CHECK(reply.account == 0 && reply.address[0] == '\0');
    CHECK(ask("ann@example.org", "") == AUTH_WRONG);
    CHECK(ask("ann", "secret") == AUTH_WRONG);
    CHECK(ask("ann+tag@example.org", "secret") == AUTH_WRONG);
    CHECK(ask("nobody@example.org", "secret") == AUTH_WRONG);
    CHECK(ask("none@example.org", "secret") == AUTH_WRONG);
    CHECK(ask("ann@example.org' OR 1=1 --%n*)(uid=*", "secret") == AUTH_WRONG);
    CHECK(ask("", "secret") == AUTH_WRONG);
    CHECK(ask_as(S("ann@example.org"), S("secret"), S("Ann@example.org"), 1) == AUTH_OK);
    CHECK(ask_as(S("ann@example.org"), S("secret"), S("bob@example.org"), 1) == AUTH_WRONG);
    CHECK(ask_as(S("ann@example.org"), S("secret"), S("x"), 1) == AUTH_WRONG);
    CHECK(ask_as(S("ann@example.org"), S("sec\0ret"), S(""), 1) == AUTH_WRONG);
    CHECK(
        directory_account_set(d, S("bob@example.org"), &off, why, DEADLINE_NEVER) == DIRECTORY_OK);
    CHECK(ask("bob@example.org", "secret") == AUTH_DISABLED);
    CHECK(ask("bob@example.org", "wrong") == AUTH_WRONG);
    auth_destroy(auth);
}

static void cache(struct directory *d)
{
    struct directory_credentials other = cheap("other");
    CHECK(domain_add(d, "example.org") == DIRECTORY_OK);
    auth = quick(d);
    cheap_account(d, "ann@example.org", "secret");
    cheap_account(d, "bob@example.org", "else");
    CHECK(ask("ann@example.org", "secret") == AUTH_OK);
    uint64_t hashes = auth_hashes(auth);
    CHECK(hashes == 1);
    for (int i = 0; i < 5; i++)
        CHECK(ask("ANN@example.org", "secret") == AUTH_OK);
    CHECK(auth_hashes(auth) == hashes);
    /* Not for anybody else, in no spelling. */
    CHECK(ask("bob@example.org", "secret") == AUTH_WRONG);
    CHECK(ask("ann+bob@example.org", "secret") == AUTH_WRONG);
    /* Nor after a change, though a device kept the old one. */
    CHECK(directory_account_credentials(d, S("ann@example.org"), &other, why, DEADLINE_NEVER) ==
          DIRECTORY_OK);
    CHECK(ask("ann@example.org", "secret") == AUTH_WRONG);
    CHECK(ask("ann@example.org", "other") == AUTH_OK);
    /* What was wrong becomes right with another change. */
    other = cheap("secret");
    CHECK(directory_account_credentials(d, S("ann@example.org"), &other, why, DEADLINE_NEVER) ==
          DIRECTORY_OK);
    CHECK(ask("ann@example.org", "secret") == AUTH_OK);
    CHECK(directory_account_credentials(d, S("ann@example.org"), NULL, why, DEADLINE_NEVER) ==
          DIRECTORY_OK);
    CHECK(ask("ann@example.org", "secret") == AUTH_WRONG);
    auth_destroy(auth);
}

/* The number of hashes tells nobody whether the name exists. */
static void same_cost(struct directory *d)
{
    static const char *const users[] = {
        "ann@example.org", "none@example.org", "nobody@example.org", "x@elsewhere.example", "x"};
    CHECK(domain_add(d, "example.org") == DIRECTORY_OK);
    auth = quick(d);
    cheap_account(d, "ann@example.org", "secret");
    account_add(d, "none@example.org");
    for (size_t i = 0; i < sizeof users / sizeof *users; i++) {
        uint64_t before = auth_hashes(auth);
        CHECK(ask(users[i], "wrong") == AUTH_WRONG);
        CHECK(auth_hashes(auth) == before + 1);
        CHECK(ask(users[i], "wrong") == AUTH_WRONG); /* known to be wrong */
        CHECK(auth_hashes(auth) == before + 1);
        CHECK(ask(users[i], "wrong2") == AUTH_WRONG);
        CHECK(auth_hashes(auth) == before + 2);
    }
    auth_destroy(auth);
}

static unsigned ended, counted[AUTH_RESULTS];

static void one_of_many(void *arg)
{
    uintptr_t i = (uintptr_t)arg;
    struct auth_reply mine;
    char password[32];
    snprintf(password, sizeof password, "guess%u", (unsigned)i);
    struct auth_request request = {.user = S("ann@example.org"),
        .password = i == 999 ? S("secret") : text(password),
        .network = i == 999 ? 2 : 1};
    auth_check(auth, &request, &mine, DEADLINE_NEVER);
    counted[mine.result]++;
    ended++;
}

/* 1,000 at once from one network, one right one from another: bounded, and that one gets in. */
static void flood(struct directory *d)
{
    struct scope scope;
    CHECK(domain_add(d, "example.org") == DIRECTORY_OK);
    auth = quick(d);
    cheap_account(d, "ann@example.org", "secret");
    scope_init(&scope);
    for (uintptr_t i = 0; i < 1000; i++)
        CHECK(scope_spawn(&scope, TASK_NORMAL, one_of_many, (void *)i));
    while (ended < 1000)
        task_sleep(deadline_in(CLOCK_MS));
    scope_close(&scope);
    CHECK(counted[AUTH_OK] == 1);
    CHECK(counted[AUTH_WRONG] + counted[AUTH_BUSY] == 999 && counted[AUTH_WRONG] >= 64);
    CHECK(auth_hashes(auth) <= 1000);
    auth_destroy(auth);
}

/* Delays are as the table says, on the real clock but short. */
static void slowed(struct directory *d)
{
    CHECK(domain_add(d, "example.org") == DIRECTORY_OK);
    cheap_account(d, "ann@example.org", "secret");
    auth = auth_create(&(struct auth_options){
        .directory = d, .hashers = 2, .delay_first = 2 * CLOCK_MS, .delay_max = 40 * CLOCK_MS});
    for (int i = 0; i < 8; i++) {
        char password[24];
        snprintf(password, sizeof password, "guess%d", i);
        CHECK(ask("ann@example.org", password) == AUTH_WRONG);
        CHECK(reply.waited >= deadline_min(2 * CLOCK_MS << i, 40 * CLOCK_MS));
    }
    /* From elsewhere the right one waits for its hash only. */
    CHECK(ask_as(S("ann@example.org"), S("secret"), S(""), 77) == AUTH_OK);
    /* Here too it gets in, after its delay. */
    CHECK(ask("ann@example.org", "secret") == AUTH_OK);
    auth_destroy(auth);
}

static void metrics(struct directory *d)
{
    struct buffer out;
    CHECK(domain_add(d, "example.org") == DIRECTORY_OK);
    auth = quick(d);
    buffer_init(&out, 1 << 20);
    ask("nobody@example.org", "x");
    metrics_render(&out);
    CHECK(slice_find_slice(buffer_slice(&out),
              S("barid_logins_total{protocol=\"pop3\",result=\"wrong\"}")) != SLICE_NONE);
    buffer_finish(&out);
    auth_destroy(auth);
}

#define HOUSE_TEST(name)                                                                           \
    static void test_##name(void **state)                                                          \
    {                                                                                              \
        house(name);                                                                               \
    }
HOUSE_TEST(results)
HOUSE_TEST(cache)
HOUSE_TEST(same_cost)
HOUSE_TEST(flood)
HOUSE_TEST(slowed)
HOUSE_TEST(metrics)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_results),
        cmocka_unit_test(test_cache),
        cmocka_unit_test(test_same_cost),
        cmocka_unit_test(test_flood),
        cmocka_unit_test(test_slowed),
        cmocka_unit_test(test_metrics),
    };
    log_start(2, LOG_ERROR, LOG_LOGFMT);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
