/* Sessions before login: limits, USER and PASS, AUTH, CAPA, STLS. */
#include "unit/net/certificate.h"
#include "unit/pop3/dialog.h"

static void with_store(void (*fn)(void))
{
    dialog_open_store();
    speaker_result = AUTH_OK;
    speaker_checks = 0;
    fn();
    dialog_service.plaintext_without_tls = true;
    dialog_service.connections_per_account = 100;
    CHECK(conn_count() == 0);
    fixture_close();
}

#define TEST(name) DIALOG_TEST(name, with_store)

#define CAPA_END                                                                                   \
    "RESP-CODES\r\nAUTH-RESP-CODE\r\nPIPELINING\r\nEXPIRE NEVER\r\nIMPLEMENTATION barid\r\n.\r\n"
#define CAPA_ALL "+OK What can be done here\r\nUSER\r\nSASL ECHO PLAIN\r\nUIDL\r\nTOP\r\n" CAPA_END

TEST(login_and_out)
{
    dialog_talk("QUIT\r\n", GREETING BYE);
    dialog_talk(
        LOGIN "QUIT\r\n", GREETING NAME_OK "+OK Maildrop has 0 messages (0 octets)\r\n" LEFT(0));
    dialog_talk("user ann@example.org \r\npass open sesame\r\nquit\r\n",
        GREETING NAME_OK "+OK Maildrop has 0 messages (0 octets)\r\n" LEFT(0));
    dialog_talk(LOGIN "USER x\r\nSTLS\r\n",
        GREETING NAME_OK "+OK Maildrop has 0 messages (0 octets)\r\n"
                         "-ERR You are logged in already\r\n-ERR You are logged in already\r\n");
}

TEST(pass_comes_behind_user)
{
    dialog_talk("PASS x\r\nQUIT\r\n", GREETING "-ERR USER comes first\r\n" BYE);
    dialog_talk("USER a\r\nCAPA\r\nPASS open sesame\r\n",
        GREETING NAME_OK CAPA_ALL "-ERR USER comes first\r\n");
    CHECK(speaker_checks == 0);
    dialog_talk(
        "USER a\r\nPASS b\r\nPASS b\r\n", GREETING NAME_OK WRONG "-ERR USER comes first\r\n");
    /* The second name counts. */
    dialog_talk("USER a\r\n" LOGIN "QUIT\r\n",
        GREETING NAME_OK NAME_OK "+OK Maildrop has 0 messages (0 octets)\r\n" LEFT(0));
}

TEST(fifth_failed_login_closes)
{
    dialog_talk("USER a\r\nPASS 1\r\nUSER a\r\nPASS 2\r\nUSER a\r\nPASS 3\r\nUSER a\r\nPASS 4\r\n"
                "USER a\r\nPASS 5\r\nUSER a\r\n",
        GREETING NAME_OK WRONG NAME_OK WRONG NAME_OK WRONG NAME_OK WRONG NAME_OK WRONG);
    dialog_talk("USER a\r\nPASS 1\r\nUSER a\r\nPASS 2\r\nUSER a\r\nPASS 3\r\nUSER a\r\nPASS 4\r\n"
                "QUIT\r\n",
        GREETING NAME_OK WRONG NAME_OK WRONG NAME_OK WRONG NAME_OK WRONG BYE);
}

TEST(third_bad_command_closes)
{
    dialog_talk(
        "STAT\r\nHELO x\r\nQUIT\r\n", GREETING "-ERR Log in first\r\n-ERR Unknown command\r\n" BYE);
    dialog_talk("STAT\r\nHELO x\r\nLIST a\r\nQUIT\r\n",
        GREETING "-ERR Log in first\r\n-ERR Unknown command\r\n-ERR Syntax: LIST [message]\r\n");
    dialog_talk("NOOP\n\n\nQUIT\r\n", GREETING "-ERR Lines end with CRLF, not with LF alone\r\n"
                                               "-ERR Lines end with CRLF, not with LF alone\r\n"
                                               "-ERR Lines end with CRLF, not with LF alone\r\n");
}

TEST(results_of_auth)
{
    speaker_result = AUTH_DISABLED;
    dialog_say(
        S(LOGIN "QUIT\r\n"), GREETING NAME_OK "-ERR [AUTH] This account is disabled\r\n" BYE);
    for (unsigned i = 0; i < 2; i++) {
        speaker_result = i ? AUTH_BUSY : AUTH_FAILED;
        dialog_say(S(LOGIN "QUIT\r\n"),
            GREETING NAME_OK "-ERR [SYS/TEMP] Cannot check that now, try again later\r\n" BYE);
    }
}

#define NEEDS_TLS "-ERR Passwords are taken over TLS only: say STLS first, or use port 995\r\n"

TEST(no_password_in_clear)
{
    dialog_service.plaintext_without_tls = false;
    dialog_talk("CAPA\r\n" LOGIN "AUTH PLAIN AA==\r\nQUIT\r\n",
        GREETING "+OK What can be done here\r\nSASL ECHO\r\nUIDL\r\nTOP\r\n" CAPA_END NEEDS_TLS
            NEEDS_TLS NEEDS_TLS BYE);
    CHECK(speaker_checks == 0);
}

TEST(capa_in_both_states)
{
    dialog_talk("CAPA\r\n" LOGIN "CAPA\r\nQUIT\r\n",
        GREETING CAPA_ALL NAME_OK "+OK Maildrop has 0 messages (0 octets)\r\n" CAPA_ALL LEFT(0));
}

#define OPENED  "+OK Maildrop has 0 messages (0 octets)\r\n"
#define B64_ANN "AGFubkBleGFtcGxlLm9yZwBvcGVuIHNlc2FtZQ==" /* \0ann@example.org\0open sesame */

TEST(sasl)
{
    dialog_talk("AUTH PLAIN " B64_ANN "\r\nQUIT\r\n", GREETING OPENED LEFT(0));
    dialog_talk("auth plain\r\n" B64_ANN "\r\nQUIT\r\n", GREETING "+ \r\n" OPENED LEFT(0));
    dialog_talk("AUTH ECHO =\r\naGVsbG8=\r\n\r\nb3Blbg==\r\nQUIT\r\n",
        GREETING "+ \r\n+ aGVsbG8=\r\n+ \r\n" OPENED LEFT(0));
    dialog_talk("AUTH PLAIN AGEAYg==\r\nAUTH PLAIN\r\n*\r\nAUTH NONE\r\nQUIT\r\n",
        GREETING WRONG "+ \r\n-ERR Authentication cancelled\r\n"
                       "-ERR No such mechanism; CAPA names those there are\r\n" BYE);
}

TEST(bad_sasl)
{
    dialog_talk("AUTH PLAIN AA\r\nAUTH PLAIN ==\r\nQUIT\r\n",
        GREETING "-ERR That is not base64\r\n-ERR That is not base64\r\n" BYE);
    dialog_talk("AUTH PLAIN\r\n=\r\nAUTH PLAIN =\r\nQUIT\r\n",
        GREETING "+ \r\n-ERR That is not base64\r\n"
                 "-ERR That is not how this mechanism speaks\r\n" BYE);
    dialog_talk("AUTH ECHO\r\nQUIT\n\nQUIT\r\n",
        GREETING "+ \r\n-ERR Lines end with CRLF, not with LF alone\r\n"
                 "-ERR Lines end with CRLF, not with LF alone\r\n" BYE);
    /* A lost connection in the middle frees the exchange. */
    dialog_talk("AUTH ECHO\r\naG", GREETING "+ \r\n");
}

/* text, then n times c, then end. */
static struct slice padded(struct buffer *b, const char *text, size_t n, char c, const char *end)
{
    buffer_init(b, 1 << 20);
    buffer_add(b, slice_str(text));
    while (n-- > 0)
        buffer_add_char(b, c);
    buffer_add(b, slice_str(end));
    return buffer_slice(b);
}

static void say_padded(const char *text, size_t n, char c, const char *end, const char *want)
{
    struct buffer b;
    dialog_say(padded(&b, text, n, c, end), want);
    buffer_finish(&b);
}

#define TOO_LONG "-ERR Line too long\r\n"

TEST(line_limits)
{
    /* 8,192 octets with CRLF */
    say_padded("USER a\r\nPASS ", 8192 - 7, 'x', "\r\nQUIT\r\n", GREETING NAME_OK WRONG BYE);
    say_padded("USER a\r\nPASS ", 8192 - 6, 'x', "\r\nQUIT\r\n", GREETING NAME_OK TOO_LONG BYE);
    /* 1,024 octets of a name */
    say_padded("USER ", 1024, 'x', "\r\nQUIT\r\n", GREETING NAME_OK BYE);
    say_padded("USER ", 1025, 'x', "\r\nQUIT\r\n",
        GREETING "-ERR The name is longer than 1024 octets\r\n" BYE);
    /* 12,288 of a response: base64 of 9,216 bytes */
    say_padded("AUTH PLAIN\r\n", 12288, 'A', "\r\nQUIT\r\n",
        GREETING "+ \r\n-ERR That is not how this mechanism speaks\r\n" BYE);
    say_padded("AUTH PLAIN\r\n", 12289, 'A', "\r\nQUIT\r\n", GREETING "+ \r\n" TOO_LONG BYE);
    /* 65,536 are swallowed */
    say_padded("", 65535, 'x', "\nQUIT\r\n", GREETING TOO_LONG BYE);
    say_padded("", 65536, 'x', "\nQUIT\r\n", GREETING "-ERR Line too long by far\r\n");
}

TEST(commands_before_login)
{
    struct buffer in, want;
    buffer_init(&in, 1 << 20);
    buffer_init(&want, 1 << 20);
    buffer_add(&want, S(GREETING));
    for (unsigned i = 0; i < 100; i++) {
        buffer_add(&in, S("USER a\r\n"));
        buffer_add(&want, S(NAME_OK));
    }
    buffer_add(&in, S("QUIT\r\n"));
    buffer_add(&want, S("-ERR Too many commands before login\r\n"));
    buffer_add_char(&want, '\0');
    dialog_say(buffer_slice(&in), want.p);
    buffer_finish(&in);
    buffer_finish(&want);
}

TEST(silence_is_ended_without_a_word)
{
    dialog_service.timeout_preauth = 20 * CLOCK_MS;
    struct dialog d = {.input = S("CAP"), .stay = true};
    dialog_start(&d);
    dialog_wait(&d);
    CHECK(slice_eq(buffer_slice(&d.output), S(GREETING)));
    dialog_finish(&d);
    dialog_service.timeout_preauth = 0;
}

/* ---- STLS ---- */

TEST(stls_without_certificate)
{
    dialog_talk("STLS\r\nQUIT\r\n", GREETING "-ERR TLS is not available here\r\n" BYE);
}

TEST(stls_refuses_injected_bytes)
{
    pair_publish("mail.example.org");
    dialog_say(S("CAPA\r\nSTLS\r\n" LOGIN "QUIT\r\n"), GREETING
        "+OK What can be done here\r\nSTLS\r\nUSER\r\nSASL ECHO PLAIN\r\nUIDL\r\nTOP\r\n" CAPA_END
        "-ERR Nothing may follow STLS before the handshake\r\n");
    dialog_say(S("STLS\r\nQ"), GREETING "-ERR Nothing may follow STLS before the handshake\r\n");
    CHECK(speaker_checks == 0);
    struct dialog d = {.input = S("STLS\r\n")};
    dialog_start(&d);
    dialog_wait(&d);
    CHECK(slice_starts(buffer_slice(&d.output), S(GREETING "+OK Begin the TLS handshake\r\n")));
    dialog_finish(&d);
    tls_server_publish(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(login_and_out),
        cmocka_unit_test(pass_comes_behind_user),
        cmocka_unit_test(fifth_failed_login_closes),
        cmocka_unit_test(third_bad_command_closes),
        cmocka_unit_test(results_of_auth),
        cmocka_unit_test(no_password_in_clear),
        cmocka_unit_test(capa_in_both_states),
        cmocka_unit_test(sasl),
        cmocka_unit_test(bad_sasl),
        cmocka_unit_test(line_limits),
        cmocka_unit_test(commands_before_login),
        cmocka_unit_test(silence_is_ended_without_a_word),
        cmocka_unit_test(stls_without_certificate),
        cmocka_unit_test(stls_refuses_injected_bytes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
