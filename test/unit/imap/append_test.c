/* APPEND: what is kept, what is refused and when. */
#include "base/budget.h"
#include "directory/directory.h"
#include "store/memory.h"
#include "unit/imap/dialog.h"

static struct directory *directory;

/* The account of the speaker is the seventh of the directory. */
static void open_directory(void)
{
    char why[DIRECTORY_WHY], address[64];
    uint64_t id = 0;
    const struct directory_options options = {.store = fixture_store};
    directory = directory_open(&options, why, SOON);
    CHECK(directory);
    CHECK(directory_domain_add(directory, S("example.org"), why, SOON) == DIRECTORY_OK);
    for (uint64_t i = 1; id < ACCOUNT; i++) {
        snprintf(address, sizeof address, "u%llu@example.org", (unsigned long long)i);
        const struct directory_new_account a = {.address = slice_str(address), .quota = 100000};
        CHECK(directory_account_add(directory, &a, &id, why, SOON) == DIRECTORY_OK);
    }
    CHECK(id == ACCOUNT);
    dialog_service.directory = directory;
}

static void with_store(void (*fn)(void))
{
    dialog_open_store();
    open_directory();
    speaker_result = AUTH_OK;
    dialog_service.message_size = 60000;
    fn();
    CHECK(conn_count() == 0);
    CHECK(fixture_faults(false) == 0);
    directory_close(directory);
    fixture_close();
    CHECK(budget_used() == 0);
}

#define TEST(name) DIALOG_TEST(name, with_store)
#define SEND       "+ Send the message\r\n"
#define KEPT       " OK [APPENDUID " ANY "] Kept\r\n"

struct look {
    uint32_t mailbox, uid;
    struct mailbox_message message;
    struct mailbox box;
    int keyword;
    bool found;
};

static void look_fn(struct store_view *v, void *arg)
{
    struct look *l = arg;
    l->found = mailbox_read(v, l->mailbox, &l->box) &&
               mailbox_read_message(v, l->mailbox, l->uid, &l->message);
    l->keyword = mailbox_find_keyword(v, l->mailbox, S("$Forwarded"));
}

static struct look look(uint32_t uid)
{
    struct look l = {.mailbox = MAILBOX_INBOX, .uid = uid};
    CHECK(store_read(fixture_store, mailbox_partition(ACCOUNT), look_fn, &l, NULL, SOON) ==
          OUTCOME_DONE);
    return l;
}

TEST(is_kept)
{
    dialog_say(S(LOGIN "1 APPEND INBOX {5}\r\nhello\r\n"
                       "2 append inbox (\\Seen $Forwarded) \" 2-Nov-2026 03:12:16 -0130\" {6+}\r\n"
                       "\r\n\n\r)\xff\r\n"
                       "3 APPEND {5}\r\nINBOX {5+}\r\nabc\r\n\r\n" LOGOUT),
        IN SEND "1" KEPT "2" KEPT "+ OK\r\n3" KEPT BYE);
    CHECK(dialog_messages(fixture_store) == 3);
    struct look one = look(1), two = look(2);
    CHECK(one.found && one.message.size == 5 && !one.message.flags && !one.message.keywords);
    CHECK(two.found && two.message.size == 6 && two.message.flags == MAILBOX_SEEN);
    CHECK(two.message.date == 1793594536 && two.message.zone == -90);
    CHECK(two.keyword >= 0 && two.message.keywords == UINT64_C(1) << two.keyword);
    CHECK(two.box.recent_from == 1);
}

TEST(any_cut)
{
    dialog_talk(LOGIN "1 APPEND INBOX (\\Draft) {12}\r\nSubject: x\r\n\r\n"
                      "2 APPEND {5+}\r\nINBOX {3+}\r\nabc\r\n" LOGOUT,
        IN SEND "1" KEPT "2" KEPT BYE);
    CHECK(dialog_messages(fixture_store) == 12);
}

#define NONEXISTENT " NO [TRYCREATE] There is no such mailbox\r\n"

TEST(is_refused_before_it_comes)
{
    dialog_talk(LOGIN "1 APPEND nowhere {5}\r\n2 APPEND nowhere {5+}\r\nhello\r\n"
                      "3 APPEND INBOX {60001}\r\n4 APPEND \"a&b\" {5}\r\n5 APPEND INBOX {0}\r\n"
                      "6 APPEND INBOX {0+}\r\n\r\n7 APPEND INBOX (\\Bogus {5}\r\n"
                      "8 APPEND INBOX ~{5}\r\n9 APPEND INBOX\r\n10 APPEND INBOX \"x\"\r\n" LOGOUT,
        IN "1" NONEXISTENT "2" NONEXISTENT
           "3 NO [TOOBIG] The message is larger than 60000 bytes\r\n4 NO [CANNOT] " ANY
           "\r\n5 NO A message of no bytes is not kept\r\n"
           "6 NO A message of no bytes is not kept\r\n7 " ANY "\r\n8 BAD Error in APPEND: " ANY
           "\r\n9 BAD " ANY "\r\n10 BAD " ANY "\r\n" BYE);
    dialog_talk(LOGIN "3 APPEND INBOX {99999999999}\r\n" LOGOUT,
        IN "3 NO [TOOBIG] The message is larger than 60000 bytes\r\n" BYE);
    dialog_talk(LOGIN "3 APPEND INBOX {99999999999+}\r\n" LOGOUT,
        IN "3 NO [TOOBIG] The message is larger than 60000 bytes\r\n"
           "* BYE [TOOBIG] That is far more than anybody should send\r\n");
    CHECK(dialog_messages(fixture_store) == 0);
}

TEST(is_refused_when_it_is_there)
{
    dialog_say(S(LOGIN "1 APPEND INBOX {5+}\r\nhe\0lo\r\n2 APPEND INBOX {1+}\r\nx y\r\n"
                       "3 APPEND INBOX {1+}\r\nx {1+}\r\ny\r\n4 NOOP\r\n" LOGOUT),
        IN "1 NO The message has a NUL octet; encode it as base64\r\n"
           "2 BAD Nothing may follow the message\r\n3 BAD One message in each APPEND\r\n"
           "4 OK Done\r\n" BYE);
    CHECK(dialog_messages(fixture_store) == 0);
}

static void talk_of(const char *head, size_t n, const char *want)
{
    struct buffer in;
    buffer_init(&in, n + 1000);
    buffer_add(&in, S(LOGIN));
    buffer_printf(&in, "%s{%zu+}\r\n", head, n);
    for (size_t i = 0; i < n; i++)
        buffer_add_char(&in, "abc\r\n"[i % 5]);
    buffer_add(&in, S("\r\n" LOGOUT));
    dialog_say(buffer_slice(&in), want);
    buffer_finish(&in);
}

TEST(sizes)
{
    talk_of("1 APPEND INBOX ", 60000, IN "1" KEPT BYE);
    /* 40,000 bytes are left. */
    talk_of("1 APPEND INBOX ", 40001,
        IN "1 NO [OVERQUOTA] The message does not fit into the quota\r\n" BYE);
    talk_of("1 APPEND INBOX ", 40000, IN "1" KEPT BYE);
    dialog_service.message_size = 1000000;
    talk_of("1 APPEND INBOX ", 100001,
        IN "1 NO [OVERQUOTA] The message is larger than the quota\r\n" BYE);
    CHECK(dialog_messages(fixture_store) == 2);
}

static void without_quota(void)
{
    char why[DIRECTORY_WHY];
    const struct directory_account_change change = {.set_quota = true};
    CHECK(
        directory_account_set(directory, S("u7@example.org"), &change, why, SOON) == DIRECTORY_OK);
}

TEST(a_large_one)
{
    without_quota();
    dialog_service.message_size = 0;
    talk_of("1 APPEND INBOX ", (size_t)3 << 20, IN "1" KEPT BYE);
    struct look l = look(1);
    CHECK(l.found && l.message.size == (uint64_t)3 << 20);
}

TEST(the_budget)
{
    without_quota();
    budget_set(1000);
    talk_of("1 APPEND INBOX ", 1001,
        IN "1 NO [LIMIT] The server is short of memory, try again later\r\n" BYE);
    budget_set(0);
}

TEST(a_lost_connection_keeps_nothing)
{
    dialog_talk(LOGIN "1 APPEND INBOX {50}\r\nhello", IN SEND);
    dialog_talk(LOGIN "1 APPEND INBOX {5}\r\nhello", IN SEND);
    dialog_talk(LOGIN "1 APPEND INBOX {5}\r\nhello\r", IN SEND);
    CHECK(dialog_messages(fixture_store) == 0);
}

TEST(fails_with_the_store)
{
    memory_crash_after(fixture_store, 0);
    dialog_say(S(LOGIN "1 APPEND INBOX {5}\r\nhello\r\n2 NOOP\r\n"),
        IN SEND "* BYE [UNAVAILABLE] " ANY "\r\n");
    memory_restart(fixture_store);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(is_kept),
        cmocka_unit_test(any_cut),
        cmocka_unit_test(is_refused_before_it_comes),
        cmocka_unit_test(is_refused_when_it_is_there),
        cmocka_unit_test(sizes),
        cmocka_unit_test(a_large_one),
        cmocka_unit_test(the_budget),
        cmocka_unit_test(a_lost_connection_keeps_nothing),
        cmocka_unit_test(fails_with_the_store),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
