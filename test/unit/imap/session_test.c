/* Logged in: the limits of commands, ENABLE, wrong states, what ends a session. */
#include "base/budget.h"
#include "unit/imap/dialog.h"

static void with_store(void (*fn)(void))
{
    dialog_open_store();
    speaker_result = AUTH_OK;
    fn();
    CHECK(conn_count() == 0);
    CHECK(fixture_faults(false) == 0);
    fixture_close();
    CHECK(budget_used() == 0);
}

#define TEST(name)   DIALOG_TEST(name, with_store)
#define SELECT_FIRST " BAD Select a mailbox first\r\n"

TEST(states)
{
    dialog_talk(LOGIN
        "1 CHECK\r\n2 CLOSE\r\n3 EXPUNGE\r\n4 UID EXPUNGE 1\r\n5 UID NOOP\r\n6 UID\r\n"
        "7 uid  store\r\n" LOGOUT,
        IN "1" SELECT_FIRST "2" SELECT_FIRST "3" SELECT_FIRST "4" SELECT_FIRST
           "5 BAD Unknown command; CAPABILITY tells what there is\r\n"
           "6 BAD Behind the tag stands the name of a command\r\n"
           "7 BAD Behind the tag stands the name of a command\r\n" BYE);
}

TEST(enable)
{
    dialog_talk(LOGIN "1 ENABLE X-GOOD-IDEA\r\n2 ENABLE condstore IMAP4rev1\r\n"
                      "3 ENABLE QRESYNC CONDSTORE X\r\n4 ENABLE\r\n5 ENABLE (\r\n" LOGOUT,
        IN "* ENABLED\r\n1 OK Done\r\n* ENABLED CONDSTORE\r\n2 OK Done\r\n"
           "* ENABLED CONDSTORE QRESYNC\r\n3 OK Done\r\n4 BAD Error in ENABLE: " ANY
           "\r\n5 BAD Error in ENABLE: " ANY "\r\n" BYE);
    dialog_talk("1 ENABLE CONDSTORE\r\n" LOGOUT, GREETING "1 BAD Log in first\r\n" BYE);
}

/* ---- limits ---- */

static void repeat(struct buffer *in, const char *text, size_t n)
{
    for (size_t i = 0; i < n; i++)
        buffer_add(in, slice_str(text));
}

static void talk_of(struct buffer *in, const char *want)
{
    buffer_add(in, S("\r\n" LOGOUT));
    CHECK(!in->overflow);
    dialog_say(buffer_slice(in), want);
    buffer_finish(in);
}

#define MORE_ROOM (4u << 20)

TEST(long_lines)
{
    for (size_t more = 0; more < 2; more++) {
        struct buffer in;
        buffer_init(&in, MORE_ROOM);
        buffer_add(&in, S(LOGIN "1 STATUS "));
        repeat(&in, "x", 65536 - 11 + more);
        talk_of(&in, more ? IN "1 BAD The command is too long\r\n" BYE
                          : IN "1 BAD Error in STATUS: " ANY "\r\n" BYE);
    }
}

TEST(many_literals)
{
    for (size_t more = 0; more < 2; more++) {
        struct buffer in;
        buffer_init(&in, MORE_ROOM);
        buffer_add(&in, S(LOGIN "1 STATUS"));
        repeat(&in, " {0+}\r\n", 1000 + more);
        talk_of(&in, more ? IN "1 BAD [LIMIT] Too many literals in one command\r\n" BYE
                          : IN "1 BAD Error in STATUS: " ANY "\r\n" BYE);
    }
}

TEST(large_literals)
{
    for (size_t more = 0; more < 2; more++) {
        struct buffer in;
        buffer_init(&in, MORE_ROOM);
        buffer_add(&in, S(LOGIN "1 STATUS"));
        for (int i = 0; i < 8; i++) {
            buffer_add(&in, S(" {131072+}\r\n"));
            repeat(&in, "x", 131072);
        }
        buffer_add(&in, more ? S(" {1}") : S(" {0}\r\n"));
        talk_of(&in, more ? IN "1 BAD [LIMIT] The literals are too large together\r\n" BYE
                          : IN "+ OK\r\n1 " ANY "\r\n" BYE);
    }
    dialog_talk(LOGIN "1 STATUS {131073}\r\n2 APPEND {131073}\r\n" LOGOUT,
        IN "1 BAD [TOOBIG] The literal is too large\r\n2 BAD [TOOBIG] The literal is too "
           "large\r\n" BYE);
}

/* Numbers that wrap around must not become small ones. */
TEST(wild_sizes)
{
    dialog_talk(LOGIN "1 STATUS {4294967296}\r\n2 STATUS {18446744073709551617}\r\n"
                      "3 STATUS {-1}\r\n4 STATUS {+}\r\n" LOGOUT,
        IN "1 BAD [TOOBIG] The literal is too large\r\n2 BAD [TOOBIG] The literal is too large\r\n"
           "3 BAD Error in STATUS: " ANY "\r\n4 BAD Error in STATUS: " ANY "\r\n" BYE);
    /* It is said at once, though nothing follows. */
    struct dialog d = {.input = S(LOGIN "1 APPEND {99999999999+}\r\n"), .stay = true};
    dialog_start(&d);
    dialog_wait(&d);
    CHECK(slice_ends(buffer_slice(&d.output),
        S("* BYE [TOOBIG] That is far more than anybody should send\r\n")));
    dialog_finish(&d);
}

TEST(the_budget)
{
    budget_set(1000);
    dialog_talk(LOGIN "1 STATUS {1001}\r\n2 NOOP\r\n" LOGOUT,
        IN "1 NO [LIMIT] The server is short of memory, try again later\r\n2 OK Done\r\n" BYE);
    budget_set(0);
}

TEST(parentheses)
{
    struct buffer in;
    buffer_init(&in, MORE_ROOM);
    buffer_add(&in, S(LOGIN "1 STATUS INBOX "));
    repeat(&in, "(", 60000);
    talk_of(&in, IN "1 BAD Error in STATUS: " ANY "\r\n" BYE);
    buffer_init(&in, MORE_ROOM);
    buffer_add(&in, S(LOGIN "1 SELECT INBOX\r\n2 SEARCH "));
    repeat(&in, "(", 101);
    buffer_add(&in, S("ALL"));
    repeat(&in, ")", 101);
    buffer_add(&in, S("\r\n"));
    struct dialog d = {.input = buffer_slice(&in)};
    dialog_start(&d);
    dialog_wait(&d);
    CHECK(slice_find_slice(buffer_slice(&d.output), S("2 BAD ")) != SLICE_NONE);
    dialog_finish(&d);
    buffer_finish(&in);
}

/* The output is bounded, and nobody waits for ever. */
TEST(a_client_that_never_reads)
{
    struct buffer in;
    buffer_init(&in, MORE_ROOM);
    buffer_add(&in, S(LOGIN));
    repeat(&in, "1 CAPABILITY\r\n", 50000);
    dialog_service.timeout = 50 * CLOCK_MS;
    struct dialog d = {.input = buffer_slice(&in), .room = 1000, .stay = true};
    dialog_start(&d);
    dialog_wait(&d);
    CHECK(d.output.n <= 1000);
    dialog_finish(&d);
    dialog_service.timeout = 0;
    buffer_finish(&in);
}

TEST(pipelined)
{
    struct buffer in, want;
    buffer_init(&in, MORE_ROOM);
    buffer_init(&want, MORE_ROOM);
    buffer_add(&in, S(LOGIN));
    buffer_add(&want, S(IN));
    for (int i = 0; i < 3000; i++) {
        buffer_printf(&in, "a%d NOOP\r\n", i);
        buffer_printf(&want, "a%d OK Done\r\n", i);
    }
    buffer_add(&in, S(LOGOUT));
    buffer_add(&want, S(BYE "\0"));
    dialog_say(buffer_slice(&in), want.p);
    buffer_finish(&in);
    buffer_finish(&want);
}

TEST(drained_in_the_middle)
{
    struct dialog d = {.input = S(LOGIN "1 STATUS {5+}\r\nhe"), .stay = true};
    dialog_start(&d);
    dialog_expect(&d, sizeof IN);
    conn_drain(d.conn);
    dialog_wait(&d);
    CHECK(slice_ends(
        buffer_slice(&d.output), S("* BYE [UNAVAILABLE] The server ends this connection\r\n")));
    dialog_finish(&d);
    CHECK(dialog_messages(fixture_store) == 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(states),
        cmocka_unit_test(enable),
        cmocka_unit_test(long_lines),
        cmocka_unit_test(many_literals),
        cmocka_unit_test(large_literals),
        cmocka_unit_test(wild_sizes),
        cmocka_unit_test(the_budget),
        cmocka_unit_test(parentheses),
        cmocka_unit_test(a_client_that_never_reads),
        cmocka_unit_test(pipelined),
        cmocka_unit_test(drained_in_the_middle),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
