#include "office.h"
#include "unit/unit.h"

#define ASK(rest)  office_ask("{\"v\":1,\"do\":" rest "}")
#define WHY(text)  CHECK(strstr(office_answer.why, text))
#define ROWS(text) CHECK_ROWS(text)
#define HAS(text)  CHECK(strstr(office_rows.p, text))
#define CHECK_ROWS(text)                                                                           \
    do {                                                                                           \
        if (strcmp(office_rows.p, text))                                                           \
            fprintf(stderr, "rows: %s", office_rows.p);                                            \
        CHECK(!strcmp(office_rows.p, text));                                                       \
    } while (0)

static void domains(void *arg)
{
    office_open();
    CHECK(ASK("\"domain list\"") == ADMIN_DONE);
    ROWS("");
    CHECK(ASK("\"domain add\",\"name\":\"Example.ORG\"") == ADMIN_DONE);
    CHECK(ASK("\"domain add\",\"name\":\"example.org\"") == ADMIN_FAULT);
    CHECK(ASK("\"domain add\"") == ADMIN_FAULT);
    CHECK(ASK("\"domain add\",\"name\":7") == ADMIN_FAULT);
    CHECK(ASK("\"domain add\",\"name\":\"a b\"") == ADMIN_FAULT);
    CHECK(ASK("\"domain list\"") == ADMIN_DONE);
    ROWS("{\"accounts\":0,\"aliases\":0,\"name\":\"example.org\"}\n");
    CHECK(ASK("\"domain remove\",\"name\":\"other.example\"") == ADMIN_ABSENT);
    CHECK(ASK("\"domain remove\",\"name\":\"example.org\"") == ADMIN_DONE);
    CHECK(ASK("\"domain remove\",\"name\":\"example.org\"") == ADMIN_ABSENT);
    office_close();
}

#define ANN "\"address\":\"ann@example.org\""

static void accounts(void *arg)
{
    office_open();
    CHECK(ASK("\"account add\"," ANN) == ADMIN_ABSENT); /* no such domain */
    CHECK(ASK("\"domain add\",\"name\":\"example.org\"") == ADMIN_DONE);
    CHECK(ASK("\"account add\"," ANN
              ",\"name\":\"Ann\",\"quota\":1000,\"password\":\"open sesame\"") == ADMIN_DONE);
    CHECK(ASK("\"account add\"," ANN) == ADMIN_FAULT);
    CHECK(ASK("\"account list\"") == ADMIN_DONE);
    ROWS("{\"address\":\"ann@example.org\",\"disabled\":false,\"messages\":0,\"name\":\"Ann\","
         "\"quota\":1000,\"used\":0}\n");
    CHECK(ASK("\"account list\",\"domain\":\"other.example\"") == ADMIN_ABSENT);
    CHECK(ASK("\"account set\"," ANN ",\"quota\":0,\"disabled\":true,\"name\":\"\"") == ADMIN_DONE);
    CHECK(ASK("\"account list\",\"domain\":\"example.org\"") == ADMIN_DONE);
    HAS("\"disabled\":true,\"messages\":0,\"name\":null,\"quota\":null");
    CHECK(ASK("\"account password\"," ANN ",\"password\":\"another one\"") == ADMIN_DONE);
    CHECK(ASK("\"account password\"," ANN) == ADMIN_FAULT);
    CHECK(ASK("\"account password\",\"address\":\"bob@example.org\",\"password\":\"x\"") ==
          ADMIN_ABSENT);
    CHECK(ASK("\"account set\",\"address\":\"bob@example.org\",\"quota\":5") == ADMIN_ABSENT);
    CHECK(ASK("\"mailbox list\"," ANN) == ADMIN_DONE);
    HAS("\"name\":\"INBOX\"");
    HAS("\"special_use\":\"\\\\Trash\"");
    CHECK(ASK("\"mailbox list\",\"address\":\"bob@example.org\"") == ADMIN_ABSENT);
    CHECK(ASK("\"account remove\",\"address\":\"bob@example.org\"") == ADMIN_ABSENT);
    CHECK(ASK("\"account remove\"," ANN) == ADMIN_DONE);
    CHECK(ASK("\"account list\"") == ADMIN_DONE);
    ROWS("");
    office_close();
}

static void aliases_and_verify(void *arg)
{
    office_open();
    CHECK(ASK("\"domain add\",\"name\":\"example.org\"") == ADMIN_DONE);
    CHECK(ASK("\"account add\"," ANN) == ADMIN_DONE);
    CHECK(ASK("\"alias add\",\"address\":\"all@example.org\",\"targets\":[\"ann@example.org\"]") ==
          ADMIN_DONE);
    CHECK(ASK("\"alias list\"") == ADMIN_DONE);
    ROWS("{\"address\":\"all@example.org\",\"targets\":[\"ann@example.org\"]}\n");
    static const char *const bad[] = {"[]", "{}", "\"ann@example.org\"", "5", "null", "[5]",
        "[null]", "[[\"ann@example.org\"]]", "[\"\"]", "[\"ann@example.org\", {}]"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        char text[256];
        snprintf(text, sizeof text,
            "{\"v\":1,\"do\":\"alias add\",\"address\":\"x@example.org\",\"targets\":%s}", bad[i]);
        CHECK(office_ask(text) == ADMIN_FAULT);
    }
    CHECK(ASK("\"verify\"") == ADMIN_DONE);
    HAS("\"accounts\":1,\"blobs\":0,\"bytes\":0,\"faults\":0,\"messages\":0");
    /* An alias whose account an administrator removes is no fault. */
    CHECK(ASK("\"account remove\"," ANN) == ADMIN_DONE);
    CHECK(ASK("\"verify\"") == ADMIN_DONE);
    CHECK(ASK("\"alias remove\",\"address\":\"x@example.org\"") == ADMIN_ABSENT);
    CHECK(ASK("\"alias remove\",\"address\":\"all@example.org\"") == ADMIN_DONE);
    CHECK(ASK("\"verify\"") == ADMIN_DONE);
    office_close();
}

static json_t *status(void *arg)
{
    return arg ? json_pack("{s:i}", "pid", 1) : NULL;
}

static TASK_FN
bool reload(void *arg, char why[ADMIN_WHY])
{
    /* A text that was cut inside a code point, and what would move a cursor. */
    snprintf(why, ADMIN_WHY, "bad\x1b[2J \xc2\x9b caf\xc3\xa9 \xe2\x82");
    return arg != NULL;
}

static void server_only(void *arg)
{
    int there;
    office_open();
    CHECK(ASK("\"status\"") == ADMIN_FAULT);
    WHY("no server");
    CHECK(ASK("\"reload\"") == ADMIN_FAULT);
    WHY("no server");
    office_admin.status = status;
    office_admin.reload = reload;
    CHECK(ASK("\"status\"") == ADMIN_FAULT); /* the row could not be made */
    WHY("out of memory");
    CHECK(ASK("\"reload\"") == ADMIN_FAULT);
    CHECK(!strcmp(office_answer.why, "bad?[2J ?? caf\xc3\xa9 ??"));
    office_admin.arg = &there;
    CHECK(ASK("\"status\"") == ADMIN_DONE);
    ROWS("{\"pid\":1}\n");
    CHECK(ASK("\"reload\"") == ADMIN_DONE);
    office_close();
}

static void hostile(void *arg)
{
    static const char *const usage[] = {"[]", "5", "null", "\"status\"", "{}", "{\"v\":1}",
        "{\"v\":2,\"do\":\"verify\"}", "{\"v\":\"1\",\"do\":\"verify\"}",
        "{\"v\":1.0,\"do\":\"verify\"}", "{\"v\":1,\"do\":[\"verify\"]}", "{\"v\":1,\"do\":\"\"}",
        "{\"v\":1,\"do\":\"verif\"}", "{\"v\":1,\"do\":\"verify\\u0000\"}",
        "{\"v\":4294967297,\"do\":\"verify\"}"};
    static const char *const keys[] = {"\"quota\":-1", "\"quota\":1.5", "\"quota\":\"5\"",
        "\"quota\":null", "\"quota\":true", "\"quota\":{}", "\"name\":5", "\"name\":null",
        "\"name\":\"a\\nb\"", "\"name\":\"a\\u0000b\"", "\"name\":[]"};
    char text[256];
    office_open();
    for (size_t i = 0; i < sizeof usage / sizeof *usage; i++)
        CHECK(office_ask(usage[i]) == ADMIN_USAGE);
    CHECK(ASK("\"domain add\",\"name\":\"example.org\"") == ADMIN_DONE);
    CHECK(ASK("\"account add\"," ANN ",\"quota\":7,\"name\":\"Ann\"") == ADMIN_DONE);
    CHECK(ASK("\"account set\"," ANN ",\"disabled\":true") == ADMIN_DONE);
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
        snprintf(text, sizeof text, "{\"v\":1,\"do\":\"account set\"," ANN ",%s}", keys[i]);
        CHECK(office_ask(text) == ADMIN_FAULT);
        snprintf(text, sizeof text,
            "{\"v\":1,\"do\":\"account add\",\"address\":\"b%zu@example.org\",%s}", i, keys[i]);
        CHECK(office_ask(text) == ADMIN_FAULT);
    }
    CHECK(ASK("\"account set\"," ANN ",\"disabled\":\"no\"") == ADMIN_FAULT);
    CHECK(ASK("\"account set\"," ANN ",\"disabled\":0") == ADMIN_FAULT);
    CHECK(ASK("\"account set\"," ANN ",\"disabled\":null") == ADMIN_FAULT);
    CHECK(ASK("\"account list\",\"domain\":5") == ADMIN_FAULT);
    CHECK(ASK("\"account list\"") == ADMIN_DONE);
    ROWS("{\"address\":\"ann@example.org\",\"disabled\":true,\"messages\":0,\"name\":\"Ann\","
         "\"quota\":7,\"used\":0}\n");
    CHECK(ASK("\"account add\",\"address\":5") == ADMIN_FAULT);
    CHECK(ASK("\"account add\",\"address\":\"b@example.org\",\"password\":5") == ADMIN_FAULT);
    CHECK(ASK("\"account add\",\"address\":\"b@example.org\",\"password\":\"\"") == ADMIN_FAULT);
    CHECK(ASK("\"account set\"," ANN ",\"quota\":9223372036854775807") == ADMIN_DONE);
    CHECK(ASK("\"account list\"") == ADMIN_DONE);
    HAS("\"quota\":9223372036854775807");
    CHECK(ASK("\"verify\"") == ADMIN_DONE);
    office_close();
}

/* A line that says why is cut, never inside a code point. */
static void long_texts(void *arg)
{
    office_open();
    for (size_t n = 1; n < 1200; n += 37) {
        char address[2500];
        size_t at = 0;
        for (size_t i = 0; i < n; i++, at += 2)
            memcpy(address + at, "\xc3\xa9", 2);
        memcpy(address + at, "@x.example", 11);
        json_t *request =
            json_pack("{s:i, s:s, s:s}", "v", 1, "do", "account add", "address", address);
        enum admin_exit e = office_run(request);
        CHECK(e == ADMIN_FAULT || e == ADMIN_ABSENT);
        json_t *why = json_string(office_answer.why);
        CHECK(why);
        json_decref(why);
        json_decref(request);
    }
    office_close();
}

static bool deaf(void *arg, json_t *row)
{
    ++*(int *)arg;
    json_decref(row);
    return false;
}

static void nobody_reads(void *arg)
{
    int rows = 0;
    office_open();
    CHECK(ASK("\"domain add\",\"name\":\"a.example\"") == ADMIN_DONE);
    CHECK(ASK("\"domain add\",\"name\":\"b.example\"") == ADMIN_DONE);
    json_t *request = json_pack("{s:i, s:s}", "v", 1, "do", "domain list");
    admin_run(&office_admin, request, deaf, &rows, &office_answer);
    CHECK(rows == 1);
    json_decref(request);
    office_close();
}

/* A server with two sessions. */
static unsigned kicks;
static char kicked[64];

static TASK_FN
bool two_sessions(void *arg, admin_emit emit, void *to)
{
    return emit(to, json_pack("{s:i}", "id", 1)) && emit(to, json_pack("{s:i}", "id", 2));
}

static TASK_FN
size_t kick(void *arg, uint64_t id, struct slice address)
{
    kicks++;
    slice_to_cstr(address, kicked, sizeof kicked);
    return id == 1 || address.n;
}

static void sessions(void *arg)
{
    office_open();
    CHECK(ASK("\"session list\"") == ADMIN_FAULT);
    WHY("no server");
    CHECK(ASK("\"session kick\",\"id\":\"1\"") == ADMIN_FAULT);
    WHY("no server");
    kicks = 0;
    office_admin.sessions = two_sessions;
    office_admin.kick = kick;
    CHECK(ASK("\"session list\"") == ADMIN_DONE);
    ROWS("{\"id\":1}\n{\"id\":2}\n");
    CHECK(ASK("\"session kick\",\"id\":\"1\"") == ADMIN_DONE && kicks == 1);
    CHECK(ASK("\"session kick\",\"id\":\"2\"") == ADMIN_ABSENT);
    CHECK(ASK("\"session kick\",\"id\":\"18446744073709551616\"") == ADMIN_USAGE);
    CHECK(ASK("\"session kick\",\"id\":\"\"") == ADMIN_USAGE && kicks == 2);
    CHECK(
        ASK("\"session kick\"") == ADMIN_USAGE && ASK("\"session kick\",\"id\":1") == ADMIN_USAGE);
    CHECK(ASK("\"domain add\",\"name\":\"a.example\"") == ADMIN_DONE);
    CHECK(ASK("\"account add\",\"address\":\"a@a.example\"") == ADMIN_DONE);
    kicks = 0;
    CHECK(ASK("\"account set\",\"address\":\"A@a.example\",\"quota\":9") == ADMIN_DONE);
    CHECK(ASK("\"account set\",\"address\":\"b@a.example\",\"disabled\":true") == ADMIN_ABSENT);
    CHECK(kicks == 0);
    CHECK(ASK("\"account set\",\"address\":\"A@a.example\",\"disabled\":true") == ADMIN_DONE);
    CHECK(kicks == 1 && !strcmp(kicked, "a@a.example"));
    CHECK(ASK("\"account remove\",\"address\":\"A@A.example\"") == ADMIN_DONE && kicks == 2);
    CHECK(ASK("\"account remove\",\"address\":\"A@A.example\"") == ADMIN_ABSENT && kicks == 2);
    office_close();
}

#define TEST(name)                                                                                 \
    static void test_##name(void **state)                                                          \
    {                                                                                              \
        fixture_run(name);                                                                         \
    }
TEST(domains)
TEST(accounts)
TEST(aliases_and_verify)
TEST(server_only)
TEST(hostile)
TEST(long_texts)
TEST(nobody_reads)
TEST(sessions)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_domains),
        cmocka_unit_test(test_accounts),
        cmocka_unit_test(test_aliases_and_verify),
        cmocka_unit_test(test_server_only),
        cmocka_unit_test(test_hostile),
        cmocka_unit_test(test_long_texts),
        cmocka_unit_test(test_nobody_reads),
        cmocka_unit_test(test_sessions),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
