/* Before login: limits, LOGIN, AUTHENTICATE, ID, STARTTLS, what ends a connection. */
#include "unit/imap/dialog.h"
#include "unit/net/certificate.h"

static void with_store(void (*fn)(void))
{
    dialog_open_store();
    speaker_result = AUTH_OK;
    speaker_checks = 0;
    fn();
    dialog_service.plaintext_without_tls = true;
    dialog_service.starttls = false;
    dialog_service.connections_per_account = 100;
    CHECK(conn_count() == 0);
    fixture_close();
}

#define TEST(name) DIALOG_TEST(name, with_store)
#define UNKNOWN    "Unknown command; CAPABILITY tells what there is\r\n"
#define TOO_MANY   "* BYE Too many bad commands\r\n"
#define WRONG      " NO [AUTHENTICATIONFAILED] Wrong name or password\r\n"

TEST(login_and_out)
{
    dialog_talk(LOGOUT, GREETING BYE);
    dialog_talk(LOGIN LOGOUT, IN BYE);
    dialog_talk("0 login {15}\r\nann@example.org {11+}\r\nopen sesame\r\n" LOGOUT,
        GREETING "+ OK\r\n" LOGGED BYE);
    dialog_talk(LOGIN "1 LOGIN a b\r\n2 STARTTLS\r\n3 AUTHENTICATE PLAIN\r\n",
        IN "1 BAD That comes before login, and you are logged in\r\n"
           "2 BAD That comes before login, and you are logged in\r\n"
           "3 BAD That comes before login, and you are logged in\r\n");
}

TEST(commands_of_both_states)
{
    dialog_talk("1 NOOP\r\n2 CAPABILITY\r\n" LOGIN "3 NOOP\r\n4 CAPABILITY\r\n" LOGOUT,
        GREETING "1 OK Done\r\n* CAPABILITY IMAP4rev1 " ANY "AUTH=ECHO AUTH=PLAIN" ANY
                 "\r\n2 OK Done\r\n" LOGGED "3 OK Done\r\n* CAPABILITY IMAP4rev1 " ANY
                 "\r\n4 OK Done\r\n" BYE);
    dialog_talk("1 NOOP 1\r\n2 CAPABILITY x\r\n" LOGOUT,
        GREETING "1 BAD Error in NOOP: " ANY "\r\n2 BAD Error in CAPABILITY: " ANY "\r\n" BYE);
}

TEST(third_bad_command_closes)
{
    dialog_talk("1 SELECT INBOX\r\n2 FROB\r\n3 NOOP\r\n" LOGOUT,
        GREETING "1 BAD " ANY "\r\n2 BAD " UNKNOWN "3 OK Done\r\n" BYE);
    dialog_talk("\r\n+ NOOP\r\n1\r\n2 NOOP\r\n",
        GREETING "* BAD A command begins with a tag and its name\r\n"
                 "* BAD A command begins with a tag and its name\r\n"
                 "1 BAD Behind the tag stands the name of a command\r\n" TOO_MANY);
    dialog_talk("1 NOOP\n2 NOOP\n3 NOOP\n",
        GREETING "1 BAD Lines end with CRLF, not with LF alone\r\n"
                 "2 BAD Lines end with CRLF, not with LF alone\r\n"
                 "3 BAD Lines end with CRLF, not with LF alone\r\n" TOO_MANY);
}

TEST(fifth_failed_login_closes)
{
    dialog_talk(
        "1 LOGIN a 1\r\n2 LOGIN a 2\r\n3 LOGIN a 3\r\n4 LOGIN a 4\r\n5 LOGIN a 5\r\n6 NOOP\r\n",
        GREETING "1" WRONG "2" WRONG "3" WRONG "4" WRONG "5" WRONG
                 "* BYE Too many failed logins\r\n");
    dialog_talk("1 LOGIN a 1\r\n2 LOGIN a 2\r\n3 LOGIN a 3\r\n4 LOGIN a 4\r\n" LOGOUT,
        GREETING "1" WRONG "2" WRONG "3" WRONG "4" WRONG BYE);
}

TEST(results_of_auth)
{
    speaker_result = AUTH_DISABLED;
    dialog_say(
        S(LOGIN LOGOUT), GREETING "0 NO [AUTHENTICATIONFAILED] This account is disabled\r\n" BYE);
    for (unsigned i = 0; i < 2; i++) {
        speaker_result = i ? AUTH_BUSY : AUTH_FAILED;
        dialog_say(S(LOGIN LOGOUT),
            GREETING "0 NO [UNAVAILABLE] Cannot check that now, try again later\r\n" BYE);
    }
}

#define NEEDS_TLS                                                                                  \
    "NO [PRIVACYREQUIRED] Passwords are taken over TLS only: say STARTTLS first, or use port "     \
    "993\r\n"

TEST(no_password_in_clear)
{
    dialog_service.plaintext_without_tls = false;
    dialog_talk("1 CAPABILITY\r\n" LOGIN "2 AUTHENTICATE PLAIN AA==\r\n" LOGOUT,
        GREETING "* CAPABILITY " ANY "LOGINDISABLED AUTH=ECHO" ANY "\r\n1 OK Done\r\n0 " NEEDS_TLS
                 "2 " NEEDS_TLS BYE);
    CHECK(speaker_checks == 0);
}

#define B64_ANN "AGFubkBleGFtcGxlLm9yZwBvcGVuIHNlc2FtZQ==" /* \0ann@example.org\0open sesame */
#define CANCEL  "0 BAD Cancelled\r\n"

TEST(sasl)
{
    dialog_talk("0 AUTHENTICATE PLAIN " B64_ANN "\r\n" LOGOUT, IN BYE);
    dialog_talk("0 authenticate plain\r\n" B64_ANN "\r\n" LOGOUT, GREETING "+ \r\n" LOGGED BYE);
    dialog_talk("0 AUTHENTICATE ECHO =\r\naGVsbG8=\r\n\r\nb3Blbg==\r\n" LOGOUT,
        GREETING "+ \r\n+ aGVsbG8=\r\n+ \r\n" LOGGED BYE);
    dialog_talk("1 AUTHENTICATE PLAIN AGEAYg==\r\n0 AUTHENTICATE PLAIN\r\n*\r\n"
                "2 AUTHENTICATE NONE\r\n" LOGOUT,
        GREETING "1" WRONG "+ \r\n" CANCEL
                 "2 NO [CANNOT] No such mechanism; CAPABILITY names those there are\r\n" BYE);
}

TEST(sasl_lines_are_no_commands)
{
    dialog_talk("0 AUTHENTICATE ECHO\r\n1 LOGOUT\r\n" LOGOUT,
        GREETING "+ \r\n0 BAD That is not base64\r\n" BYE);
    dialog_talk("0 AUTHENTICATE ECHO\r\nb3Blbg==\n" LOGOUT,
        GREETING "+ \r\n0 BAD Lines end with CRLF, not with LF alone\r\n" BYE);
    dialog_talk("0 AUTHENTICATE ECHO x=\r\n1 AUTHENTICATE\r\n2 AUTHENTICATE PLAIN \r\n",
        GREETING "0 BAD That is not base64\r\n1 BAD Error in AUTHENTICATE: " ANY
                 "\r\n2 BAD Error in AUTHENTICATE: " ANY "\r\n" TOO_MANY);
    CHECK(speaker_checks == 0);
}

/* A response of 12,288 bytes, and one byte more. */
TEST(long_responses)
{
    for (size_t more = 0; more < 2; more++) {
        struct buffer in;
        buffer_init(&in, 20000);
        buffer_add(&in, S("0 AUTHENTICATE PLAIN\r\n"));
        for (size_t i = 0; i < 12288 + more; i++)
            buffer_add_char(&in, 'A');
        buffer_add(&in, S("\r\n" LOGOUT));
        dialog_say(buffer_slice(&in), more ? GREETING "+ \r\n0 BAD The response is too long\r\n"
                                                      "* BYE The response is too long\r\n"
                                           : GREETING "+ \r\n0 BAD " ANY "\r\n" BYE);
        buffer_finish(&in);
    }
}

/* ---- limits ---- */

static void fill(struct buffer *in, const char *head, size_t n, const char *tail)
{
    buffer_init(in, n + 1000);
    buffer_add(in, slice_str(head));
    size_t tail_n = strlen(tail);
    while (in->n + tail_n < n)
        buffer_add_char(in, 'x');
    buffer_add(in, slice_str(tail));
}

TEST(long_lines)
{
    struct buffer in;
    for (size_t more = 0; more < 2; more++) {
        fill(&in, "1 LOGIN a ", 8192 + more, "\r\n");
        buffer_add(&in, S(LOGOUT));
        dialog_say(buffer_slice(&in),
            more ? GREETING "1 BAD The command is too long\r\n" BYE : GREETING "1" WRONG BYE);
        buffer_finish(&in);
    }
    fill(&in, "1 LOGIN a ", 100000, "\r\n");
    dialog_say(
        buffer_slice(&in), GREETING "* BYE [TOOBIG] That is far more than anybody should send\r\n");
    buffer_finish(&in);
}

#define LARGE    "BAD [TOOBIG] The literal is too large\r\n"
#define TOGETHER "BAD [LIMIT] The literals are too large together\r\n"

TEST(large_literals)
{
    struct buffer in;
    dialog_talk("1 LOGIN {8193}\r\n2 LOGIN {99999999999999999999}\r\n" LOGOUT,
        GREETING "1 " LARGE "2 " LARGE BYE);
    dialog_talk("1 LOGIN {2147483648+}\r\n",
        GREETING "* BYE [TOOBIG] That is far more than anybody should send\r\n");
    fill(&in, "1 LOGIN {8193+}\r\n", 8193 + 17, "");
    buffer_add(&in, S(" z\r\n" LOGOUT));
    dialog_say(buffer_slice(&in), GREETING "1 " LARGE BYE);
    buffer_finish(&in);
    fill(&in, "1 LOGIN {8000+}\r\n", 8000 + 17, "");
    buffer_add(&in, S(" {193}\r\n" LOGOUT));
    dialog_say(buffer_slice(&in), GREETING "1 " TOGETHER BYE);
    buffer_finish(&in);
}

#define ID_REPLY "* ID (\"name\" \"barid\" \"version\" \"" BARID_VERSION "\")\r\n"

TEST(id)
{
    dialog_talk("1 ID NIL\r\n2 id (\"name\" \"x\" \"version\" NIL)\r\n3 ID ()\r\n" LOGIN
                "4 ID (\"a\" {1}\r\nb)\r\n" LOGOUT,
        GREETING ID_REPLY "1 OK Done\r\n" ID_REPLY "2 OK Done\r\n" ID_REPLY "3 OK Done\r\n" LOGGED
                          "+ OK\r\n" ID_REPLY "4 OK Done\r\n" BYE);
    /* It never counts. */
    dialog_talk("1 ID\r\n2 ID (((((((((((\r\n3 ID x\r\n4 ID (\"a\")\r\n" LOGOUT,
        GREETING "1 BAD " ANY "\r\n2 BAD " ANY "\r\n3 BAD " ANY "\r\n4 BAD " ANY "\r\n" BYE);
}

TEST(a_long_id)
{
    struct buffer in;
    for (size_t more = 0; more < 2; more++) {
        fill(&in, "1 ID (\"name\" \"", 33 * 1024 + more, "\")\r\n");
        buffer_add(&in, S(LOGOUT));
        dialog_say(buffer_slice(&in), more ? GREETING "1 BAD The command is too long\r\n" BYE
                                           : GREETING ID_REPLY "1 OK Done\r\n" BYE);
        buffer_finish(&in);
    }
}

TEST(many_commands)
{
    struct buffer in, want;
    buffer_init(&in, 10000);
    buffer_init(&want, 10000);
    buffer_add(&want, S(GREETING));
    for (int i = 0; i < 100; i++) {
        buffer_add(&in, S("a NOOP\r\n"));
        buffer_add(&want, S("a OK Done\r\n"));
    }
    buffer_add(&in, S("a NOOP\r\n"));
    buffer_add(&want, S("* BYE Too many commands before login\r\n\0"));
    dialog_say(buffer_slice(&in), want.p);
    buffer_finish(&in);
    buffer_finish(&want);
}

TEST(places)
{
    dialog_service.connections_per_account = 1;
    struct dialog d = {.input = S(LOGIN), .stay = true};
    dialog_start(&d);
    dialog_expect(&d, sizeof IN);
    dialog_say(
        S(LOGIN LOGOUT), GREETING "0 NO [LIMIT] Too many connections of this account\r\n" BYE);
    conn_drain(d.conn);
    dialog_wait(&d);
    CHECK(slice_ends(
        buffer_slice(&d.output), S("* BYE [UNAVAILABLE] The server ends this connection\r\n")));
    dialog_finish(&d);
    dialog_say(S(LOGIN LOGOUT), IN BYE);
}

TEST(twentieth_bad_command_closes)
{
    struct buffer in, want;
    buffer_init(&in, 10000);
    buffer_init(&want, 10000);
    buffer_add(&in, S(LOGIN));
    buffer_add(&want, S(IN));
    for (int i = 0; i < 21; i++)
        buffer_add(&in, S("a FROB\r\n"));
    for (int i = 0; i < 20; i++)
        buffer_add(&want, S("a BAD " UNKNOWN));
    buffer_add(&want, S(TOO_MANY "\0"));
    dialog_say(buffer_slice(&in), want.p);
    buffer_finish(&in);
    buffer_finish(&want);
}

TEST(timeouts)
{
    dialog_service.timeout_preauth = 20 * CLOCK_MS;
    struct dialog d = {.input = S("1 NOOP\r\n2 NO"), .stay = true};
    dialog_start(&d);
    dialog_wait(&d);
    CHECK(slice_ends(buffer_slice(&d.output), S("1 OK Done\r\n* BYE Nobody has logged in\r\n")));
    dialog_finish(&d);
    dialog_service.timeout_preauth = 0;
    dialog_service.timeout = 20 * CLOCK_MS;
    d = (struct dialog){.input = S(LOGIN), .stay = true};
    dialog_start(&d);
    dialog_wait(&d);
    CHECK(slice_ends(buffer_slice(&d.output), S("* BYE Nothing was heard for too long\r\n")));
    dialog_finish(&d);
    dialog_service.timeout = 0;
}

TEST(injected_behind_starttls)
{
    dialog_service.starttls = true;
    dialog_say(S("1 STARTTLS\r\n" LOGOUT), GREETING "1 BAD TLS is not available here\r\n" BYE);
    pair_publish("mail.example.org");
    dialog_say(S("1 STARTTLS\r\n2 LOGIN a b\r\n"),
        "* OK [CAPABILITY IMAP4rev1 " ANY "STARTTLS" ANY "] mail.example.org barid ready\r\n"
        "1 BAD Nothing may follow STARTTLS before the handshake\r\n"
        "* BYE Plain text behind STARTTLS\r\n");
    CHECK(speaker_checks == 0);
    tls_server_publish(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(login_and_out),
        cmocka_unit_test(commands_of_both_states),
        cmocka_unit_test(third_bad_command_closes),
        cmocka_unit_test(fifth_failed_login_closes),
        cmocka_unit_test(results_of_auth),
        cmocka_unit_test(no_password_in_clear),
        cmocka_unit_test(sasl),
        cmocka_unit_test(sasl_lines_are_no_commands),
        cmocka_unit_test(long_responses),
        cmocka_unit_test(long_lines),
        cmocka_unit_test(large_literals),
        cmocka_unit_test(id),
        cmocka_unit_test(a_long_id),
        cmocka_unit_test(many_commands),
        cmocka_unit_test(places),
        cmocka_unit_test(twentieth_bad_command_closes),
        cmocka_unit_test(timeouts),
        cmocka_unit_test(injected_behind_starttls),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
