/* The client against servers that stick to a script. T is where the server waits for us. */
#include "imap/client.h"
#include "unit/net/script.h"
#include "unit/unit.h"

#define T    TURN_END
#define SOON DEADLINE_NEVER
#define OPEN "* OK [CAPABILITY IMAP4rev1 AUTH=PLAIN AUTH=SCRAM-SHA-256] hello\r\n" T
#define PLUS "* OK [CAPABILITY IMAP4rev1 LITERAL+ SASL-IR AUTH=PLAIN] hello\r\n" T

static struct buffer output, got;
static struct imap_client *client;
static size_t piece_size;

static int setup(void **state)
{
    buffer_init(&output, (size_t)1 << 18);
    buffer_init(&got, (size_t)1 << 22);
    piece_size = 0;
    return 0;
}

static int teardown(void **state)
{
    imap_client_destroy(client);
    client = NULL;
    buffer_finish(&output);
    buffer_finish(&got);
    return 0;
}

static void begin_bytes(struct slice script, bool silent)
{
    imap_client_destroy(client);
    buffer_reset(&output);
    buffer_reset(&got);
    client = imap_client_create(
        script_channel(script, piece_size, silent, IMAP_CLIENT_LINE, &output), 0);
    assert_non_null(client);
}

static void greet(const char *script)
{
    begin_bytes(slice_str(script), false);
    assert_int_equal(imap_client_greet(client, SOON), ANSWER_OK);
}

static void said(const char *text)
{
    assert_slice(buffer_slice(&output), slice_str(text));
}

static bool keep(void *arg, struct slice response)
{
    return buffer_add(&got, response) && buffer_add(&got, S(";"));
}

static bool stop(void *arg, struct slice response)
{
    return false;
}

static enum answer command(const char *script, const char *words)
{
    greet(script);
    return imap_client_command(client, slice_str(words), keep, NULL, SOON);
}

/* ---- the beginning ---- */

static void greetings(void **state)
{
    static const struct {
        const char *script;
        enum answer answer;
        const char *text, *code;
    } cases[] = {
        {"* BYE [UNAVAILABLE] full\r\n", ANSWER_TEMPORARY, "full", "UNAVAILABLE"},
        {"* BYE go\r\n", ANSWER_TEMPORARY, "go", ""},
        {"* HELLO\r\n", ANSWER_PROTOCOL, "a response that is not IMAP", ""},
        {"+OK POP\r\n", ANSWER_PROTOCOL, "a response that is not IMAP", ""},
        {"+ OK\r\n", ANSWER_PROTOCOL, "a greeting that is not IMAP", ""},
        {"220 mx\r\n", ANSWER_PROTOCOL, "a response that is not IMAP", ""},
        {"* OK", ANSWER_LOST, "the peer has closed the connection", ""},
        {"* OK hi\r\n" T "A1 OK done\r\n", ANSWER_PROTOCOL, "a server without capabilities", ""},
        {"* OK hi\r\n" T "A1 BAD what\r\n", ANSWER_PERMANENT, "what", ""},
        {"* OK hi\r\n" T "* BYE no more\r\n", ANSWER_LOST, "no more", ""},
        {"* OK hi\r\n" T "A2 OK done\r\n", ANSWER_PROTOCOL, "a response that is not IMAP", ""},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        for (piece_size = 0; piece_size < 3; piece_size++) {
            begin_bytes(slice_str(cases[i].script), false);
            assert_int_equal(imap_client_greet(client, SOON), cases[i].answer);
            assert_string_equal(imap_client_text(client), cases[i].text);
            assert_string_equal(imap_client_code(client), cases[i].code);
        }
    }
    begin_bytes(S("* O"), true);
    assert_int_equal(imap_client_greet(client, SOON), ANSWER_LOST);
    assert_string_equal(imap_client_text(client), "no response in time");
}

static void capabilities(void **state)
{
    greet("* OK hi\r\n" T "* CAPABILITY IMAP4rev1 IDLE AUTH=PLAIN\r\nA1 OK done\r\n");
    assert_true(imap_client_can(client, S("idle")) && imap_client_can(client, S("AUTH=PLAIN")));
    assert_false(imap_client_can(client, S("IDL")) || imap_client_can(client, S("PLAIN")));
    said("A1 CAPABILITY\r\n");
    greet(OPEN);
    assert_true(imap_client_can(client, S("IMAP4rev1")));
    said("");
}

static void no_tls(void **state)
{
    char why[DIAL_WHY];
    struct dial_trust *trust = dial_trust_create(S(""), why);
    struct dial_tls tls = {.trust = trust};
    greet(OPEN);
    assert_int_equal(imap_client_start_tls(client, &tls, SOON), ANSWER_UNSUPPORTED);
    greet("* PREAUTH [CAPABILITY IMAP4rev1 STARTTLS] hi\r\n");
    assert_int_equal(imap_client_start_tls(client, &tls, SOON), ANSWER_UNSUPPORTED);
    greet("* OK [CAPABILITY STARTTLS] hi\r\n" T "A1 OK go\r\n* CAPABILITY AUTH=PLAIN\r\n");
    assert_int_equal(imap_client_start_tls(client, &tls, SOON), ANSWER_PROTOCOL);
    assert_int_equal(imap_client_command(client, S("NOOP"), NULL, NULL, SOON), ANSWER_LOST);
    said("A1 STARTTLS\r\n");
    dial_trust_release(trust);
}

/* ---- logging in ---- */

static enum answer login_as(const char *script, const char *only, bool plaintext)
{
    greet(script);
    struct login_options o = {.user = S("an\"n"),
        .password = S("sec\\ret"),
        .plaintext = plaintext,
        .only = slice_str(only)};
    return imap_client_login(client, &o, SOON);
}

#define CAPA "* CAPABILITY IMAP4rev1 IDLE\r\nA2 OK done\r\n"
#define BLOB "AGFuIm4Ac2VjXHJldA=="

static void logins(void **state)
{
    assert_int_equal(login_as(OPEN "A1 OK in\r\n" T CAPA, "PASSWORD", true), ANSWER_OK);
    said("A1 LOGIN \"an\\\"n\" \"sec\\\\ret\"\r\nA2 CAPABILITY\r\n");
    assert_true(imap_client_can(client, S("IDLE")) && !imap_client_can(client, S("AUTH=PLAIN")));
    assert_int_equal(login_as(OPEN "+ \r\n" T "A1 OK in\r\n" T CAPA, "PLAIN", true), ANSWER_OK);
    said("A1 AUTHENTICATE PLAIN\r\n" BLOB "\r\nA2 CAPABILITY\r\n");
    assert_int_equal(login_as(PLUS "* CAPABILITY X\r\nA1 OK in\r\n", "PLAIN", true), ANSWER_OK);
    said("A1 AUTHENTICATE PLAIN " BLOB "\r\n");
    assert_int_equal(
        login_as(PLUS "A1 NO [AUTHENTICATIONFAILED] no\r\n", "", true), ANSWER_PERMANENT);
    assert_string_equal(imap_client_code(client), "AUTHENTICATIONFAILED");
    assert_int_equal(login_as(PLUS "A1 NO [UNAVAILABLE] no\r\n", "", true), ANSWER_TEMPORARY);
    assert_int_equal(login_as(OPEN, "PASSWORD", false), ANSWER_UNSUPPORTED);
    assert_int_equal(login_as(OPEN "A1 OK sure\r\n", "", false), ANSWER_PROTOCOL);
    said("A1 AUTHENTICATE SCRAM-SHA-256\r\n");
    assert_int_equal(
        login_as("* OK [CAPABILITY LOGINDISABLED] x\r\n", "", true), ANSWER_UNSUPPORTED);
}

static void long_login(void **state)
{
    greet(OPEN "+ go\r\n" T "A1 OK in\r\n" T CAPA);
    struct login_options o = {
        .user = S("ann"), .password = S("\xc3\xa4"), .plaintext = true, .only = S("PASSWORD")};
    assert_int_equal(imap_client_login(client, &o, SOON), ANSWER_OK);
    said("A1 LOGIN \"ann\" {2}\r\n\xc3\xa4\r\nA2 CAPABILITY\r\n");
}

/* ---- commands in words ---- */

static void commands(void **state)
{
    for (piece_size = 0; piece_size < 4; piece_size++) {
        assert_int_equal(command(OPEN "* 3 EXISTS\r\n* X {4}\r\na\r\nb (\"{9}\" {0}\r\n)\r\n"
                                      "* OK free text {3}\r\nA1 OK [X y] done {3}\r\n",
                             "NOOP"),
            ANSWER_OK);
        assert_slice(
            buffer_slice(&got), S("3 EXISTS;X {4}\r\na\r\nb (\"{9}\" {0}\r\n);OK free text {3};"));
        assert_string_equal(imap_client_text(client), "done {3}");
        assert_string_equal(imap_client_code(client), "X y");
    }
    assert_int_equal(command(OPEN "A1 NO [NOPERM] never\r\n", "X"), ANSWER_PERMANENT);
    assert_int_equal(command(OPEN "A1 NO [inuse] later\r\n", "X"), ANSWER_TEMPORARY);
    assert_int_equal(command(OPEN "A1 BAD what\r\n", "X"), ANSWER_PERMANENT);
    assert_int_equal(command(OPEN "A1 YES\r\n", "X"), ANSWER_PROTOCOL);
    assert_int_equal(command(OPEN "A1\r\n", "X"), ANSWER_PROTOCOL);
    assert_int_equal(command(OPEN "+ more\r\n", "X"), ANSWER_PROTOCOL);
    assert_int_equal(command(OPEN "*\r\n", "X"), ANSWER_PROTOCOL);
    assert_int_equal(command(OPEN "\r\n", "X"), ANSWER_PROTOCOL);
    assert_int_equal(command(OPEN "* X {5}\r\nabc", "X"), ANSWER_LOST);
    greet(OPEN "* 1 EXISTS\r\nA1 OK\r\n");
    assert_int_equal(imap_client_command(client, S("X"), stop, NULL, SOON), ANSWER_LOCAL);
    assert_false(imap_client_alive(client));
}

static void literals(void **state)
{
    static const char words[] = "X {3}\r\na\r\n {0}\r\n {2}\r\nbc";
    assert_int_equal(
        command(OPEN "* 1 EXISTS\r\n+ \r\n" T "+\r\n" T "+ go\r\n" T "A1 OK\r\n", words),
        ANSWER_OK);
    said("A1 X {3}\r\na\r\n {0}\r\n {2}\r\nbc\r\n");
    assert_int_equal(command(PLUS "A1 OK\r\n", words), ANSWER_OK);
    said("A1 X {3+}\r\na\r\n {0+}\r\n {2+}\r\nbc\r\n");
    assert_int_equal(command(OPEN "+ \r\n" T "A1 NO too much\r\n", words), ANSWER_PERMANENT);
    said("A1 X {3}\r\na\r\n {0}\r\n");
    assert_true(imap_client_alive(client));
    static const char *const odd[] = {"X\r\n", "X\r\nA2 Y", "X\n", "X\ry", "X {3}\r\nab",
        "X {}\r\n", "X {99999999999999999999}\r\n", "{2}\r\nab\r\nX"};
    for (size_t i = 0; i < sizeof odd / sizeof *odd; i++) {
        assert_int_equal(command(OPEN "A1 OK\r\n", odd[i]), ANSWER_UNSUPPORTED);
        said("");
    }
}

/* The longest line and the longest response, and one byte more. */
static void bounds(void **state)
{
    struct buffer script;
    buffer_init(&script, 4 * IMAP_CLIENT_RESPONSE);
    for (int more = 0; more < 2; more++) {
        buffer_reset(&script);
        buffer_add(&script, S(OPEN "* "));
        for (size_t i = 2; i < IMAP_CLIENT_LINE + (size_t)more; i++)
            buffer_add_char(&script, 'x');
        buffer_add(&script, S("\r\nA1 OK\r\n"));
        begin_bytes(buffer_slice(&script), false);
        assert_int_equal(imap_client_greet(client, SOON), ANSWER_OK);
        assert_int_equal(imap_client_command(client, S("X"), NULL, NULL, SOON),
            more ? ANSWER_PROTOCOL : ANSWER_OK);
        buffer_reset(&script);
        size_t n = IMAP_CLIENT_RESPONSE - strlen("* X {1048554}\r\n") + (size_t)more;
        buffer_printf(&script, "%s* X {%zu}\r\n", OPEN, n);
        for (size_t i = 0; i < n; i++)
            buffer_add_char(&script, 'x');
        buffer_add(&script, S("\r\nA1 OK\r\n"));
        begin_bytes(buffer_slice(&script), false);
        assert_int_equal(imap_client_greet(client, SOON), ANSWER_OK);
        assert_int_equal(imap_client_command(client, S("X"), NULL, NULL, SOON),
            more ? ANSWER_PROTOCOL : ANSWER_OK);
    }
    buffer_finish(&script);
    assert_int_equal(command(OPEN "* X {18446744073709551615}\r\n", "X"), ANSWER_PROTOCOL);
}

/* ---- mailboxes ---- */

static void select_mailbox(void **state)
{
    struct imap_client_selected s;
    greet(OPEN "* FLAGS (\\Seen)\r\n* 172 EXISTS\r\n* OK [UIDVALIDITY 3857529045] x\r\n"
               "* OK [UIDNEXT 4392] x\r\n* OK [HIGHESTMODSEQ 715194045007] x\r\n"
               "A1 OK [READ-WRITE] done\r\n" T "A2 NO none\r\n" T
               "* 0 EXISTS\r\nA3 OK [READ-ONLY]\r\n");
    assert_int_equal(imap_client_select(client, S("INBOX"), false, &s, SOON), ANSWER_OK);
    assert_true(s.exists == 172 && s.uidvalidity == 3857529045 && s.uidnext == 4392);
    assert_true(s.highestmodseq == 715194045007 && !s.read_only);
    assert_int_equal(imap_client_select(client, S("a b"), false, &s, SOON), ANSWER_PERMANENT);
    assert_int_equal(imap_client_select(client, S("c"), true, &s, SOON), ANSWER_OK);
    assert_true(s.read_only);
    said("A1 SELECT \"INBOX\"\r\nA2 SELECT \"a b\"\r\nA3 EXAMINE \"c\"\r\n");
}

static bool keep_listed(void *arg, struct slice attributes, char separator, struct slice mailbox)
{
    return buffer_printf(&got, "(" SLICE_FMT ") %c " SLICE_FMT ";", SLICE_ARG(attributes),
        separator ? separator : '-', SLICE_ARG(mailbox));
}

static void list(void **state)
{
    greet(OPEN "* LIST (\\HasNoChildren \\Sent) \"/\" INBOX\r\n* LIST () NIL \"a \\\"b\\\\\"\r\n"
               "* LIST () \"\\\\\" {3}\r\nx)y\r\n* LIST () \".\" \"e\" (\"CHILDINFO\" (\"X\"))\r\n"
               "* 3 EXISTS\r\nA1 OK\r\n");
    assert_int_equal(imap_client_list(client, S(""), S("*"), keep_listed, NULL, SOON), ANSWER_OK);
    assert_slice(
        buffer_slice(&got), S("(\\HasNoChildren \\Sent) / INBOX;() - a \"b\\;() \\ x)y;() . e;"));
    said("A1 LIST \"\" \"*\"\r\n");
    static const char *const odd[] = {"LIST", "LIST ", "LIST () \"/\"", "LIST x \"/\" a",
        "LIST (\\x \"/\" a", "LIST () \"/ a", "LIST () \"/\" "};
    for (size_t i = 0; i < sizeof odd / sizeof *odd; i++) {
        char script[256];
        snprintf(script, sizeof script, OPEN "* %s\r\nA1 OK\r\n", odd[i]);
        greet(script);
        enum answer a = imap_client_list(client, S(""), S("*"), keep_listed, NULL, SOON);
        assert_int_equal(a, i ? ANSWER_PROTOCOL : ANSWER_OK);
    }
}

static void status(void **state)
{
    struct imap_client_status s;
    greet(
        OPEN "* STATUS \"a b\" (MESSAGES 231 UIDNEXT 44292 X (1 2) SIZE 99999999999)\r\nA1 OK\r\n" T
             "A2 OK\r\n");
    assert_int_equal(
        imap_client_status(client, S("a b"), S("MESSAGES UIDNEXT SIZE"), &s, SOON), ANSWER_OK);
    assert_true(s.messages == 231 && s.uidnext == 44292 && s.size == 99999999999);
    assert_true(s.unseen == UINT64_MAX);
    said("A1 STATUS \"a b\" (MESSAGES UIDNEXT SIZE)\r\n");
    assert_int_equal(imap_client_create_mailbox(client, S("new"), SOON), ANSWER_OK);
    greet(OPEN "* STATUS a (MESSAGES\r\nA1 OK\r\n");
    assert_int_equal(imap_client_status(client, S("a"), S("X"), &s, SOON), ANSWER_PROTOCOL);
}

/* ---- messages ---- */

static bool keep_body(void *arg, struct slice piece)
{
    assert_true(piece.n > 0);
    return buffer_add(&got, piece);
}

static bool keep_message(void *arg, const struct imap_client_fetched *m)
{
    return buffer_printf(&got, "[%u uid %u (" SLICE_FMT ") %d %d bytes %d];", m->sequence, m->uid,
        SLICE_ARG(m->flags), m->has_date ? m->date.day : 0, (int)m->size, m->has_body);
}

static enum answer fetch(const char *script, uint64_t max)
{
    struct imap_client_fetch f = {.body = keep_body, .message = keep_message, .max = max};
    greet(script);
    return imap_client_fetch(client, S("1:*"), &f, SOON);
}

static void fetches(void **state)
{
    for (piece_size = 0; piece_size < 4; piece_size++) {
        assert_int_equal(
            fetch(OPEN
                "* 1 FETCH (UID 7 FLAGS (\\Seen $X) INTERNALDATE \" 2-Nov-2026 03:12:16 +0000\""
                " BODY[] {6}\r\na)\r\n\"b)\r\n* 9 EXISTS\r\n"
                "* 2 FETCH (BODY[] {0}\r\n UID 8)\r\n* 3 FETCH (BODY[] \"q\\\"\" UID 9)\r\n"
                "* 4 FETCH (UID 10 BODY[] NIL)\r\n* 5 FETCH (FLAGS (\\Seen))\r\n"
                "* 6 FETCH (ENVELOPE ((NIL \"{3}\") {2}\r\n)( NIL) UID 11)\r\nA1 OK\r\n",
                6),
            ANSWER_OK);
        assert_slice(buffer_slice(&got),
            S("a)\r\n\"b[1 uid 7 (\\Seen $X) 2 6 bytes 1];[2 uid 8 () 0 0 bytes 1];"
              "q\"[3 uid 9 () 0 2 bytes 1];[4 uid 10 () 0 0 bytes 0];[6 uid 11 () 0 0 bytes 0];"));
        said("A1 UID FETCH 1:* (UID FLAGS INTERNALDATE BODY.PEEK[])\r\n");
    }
}

static void bad_fetches(void **state)
{
    static const char *const odd[] = {"1 FETCH (BODY[] {7}\r\n1234567 UID 1)", /* over max */
        "1 FETCH (BODY[] {1}\r\na)",                                           /* no UID */
        "1 FETCH (UID 1 BODY[] {1}\r\na BODY[] {1}\r\nb)", "1 FETCH (UID 0)", "0 FETCH (UID 1)",
        "1 FETCH (UID x)", "1 FETCH (UID 1", "1 FETCH (UID)", "1 FETCH UID 1",
        "1 FETCH (UID 1 FLAGS \\Seen)", "1 FETCH (UID 1 FLAGS (a\033[2Jb))",
        "1 FETCH (UID 1 FLAGS (\"a\"))", "1 FETCH (UID 1 BODY[] \"1234567\")",
        "1 FETCH (UID 1 BODY[] atom)", "1 FETCH (UID 1) x", "1 FETCH (UID 1 X ((\"))",
        "1 FETCH (UID 4294967296)"};
    for (size_t i = 0; i < sizeof odd / sizeof *odd; i++) {
        char script[256];
        snprintf(script, sizeof script, OPEN "* %s\r\nA1 OK\r\n", odd[i]);
        if (fetch(script, 6) != ANSWER_PROTOCOL)
            fail_msg("taken: %s", odd[i]);
    }
    assert_int_equal(fetch(OPEN "* 1 FETCH (UID 1 BODY[] {6}\r\nabc", 6), ANSWER_LOST);
}

static bool read_text(void *arg, struct slice *piece, deadline until)
{
    struct slice *rest = arg;
    *piece = slice_sub(*rest, 0, 2);
    *rest = slice_from(*rest, piece->n);
    return true;
}

static void appends(void **state)
{
    struct date date = {2026, 11, 2, 3, 12, 16, 60};
    struct slice text = S("hello");
    struct imap_client_append a = {.mailbox = S("Sent"),
        .flags = S("\\Seen $X"),
        .date = &date,
        .size = 5,
        .read = read_text,
        .arg = &text};
    greet(OPEN "+ go\r\n" T "* 1 EXISTS\r\nA1 OK [APPENDUID 38505 3955] done\r\n");
    assert_int_equal(imap_client_append(client, &a, SOON), ANSWER_OK);
    assert_true(a.uidvalidity == 38505 && a.uid == 3955);
    said("A1 APPEND \"Sent\" (\\Seen $X) \" 2-Nov-2026 03:12:16 +0100\" {5}\r\nhello\r\n");
    text = S("hello");
    a.flags = S("");
    a.date = NULL;
    greet(PLUS "A1 NO [OVERQUOTA] full\r\n");
    assert_int_equal(imap_client_append(client, &a, SOON), ANSWER_PERMANENT);
    said("A1 APPEND \"Sent\" {5+}\r\nhello\r\n");
    assert_int_equal(a.uid, 0);
    greet(OPEN "A1 NO [TRYCREATE] none\r\n" T "A2 OK\r\n");
    assert_int_equal(imap_client_append(client, &a, SOON), ANSWER_PERMANENT);
    assert_true(imap_client_alive(client));
    text = S("hello");
    greet(OPEN "+ go\r\n" T);
    assert_int_equal(imap_client_append(client, &a, SOON), ANSWER_UNKNOWN);
    text = S("hello");
    greet(OPEN "A1 OK\r\n");
    assert_int_equal(imap_client_append(client, &a, SOON), ANSWER_PROTOCOL);
    text = S("hell"); /* ends too early */
    greet(OPEN "+ go\r\n" T "A1 OK\r\n");
    assert_int_equal(imap_client_append(client, &a, SOON), ANSWER_LOCAL);
    text = S("hello!"); /* too long */
    greet(OPEN "+ go\r\n" T "A1 OK\r\n");
    assert_int_equal(imap_client_append(client, &a, SOON), ANSWER_LOCAL);
    a.flags = S("\\Seen) {3}");
    greet(OPEN "A1 OK\r\n");
    assert_int_equal(imap_client_append(client, &a, SOON), ANSWER_UNSUPPORTED);
    said("");
}

/* ---- IDLE ---- */

static bool keep_two(void *arg, struct slice response)
{
    keep(NULL, response);
    return ++*(int *)arg < 2;
}

static void idle(void **state)
{
    int count = 0;
    greet(
        OPEN "* 1 RECENT\r\n+ idling\r\n* 4 EXISTS\r\n* 5 EXISTS\r\n" T "* 6 EXISTS\r\nA1 OK\r\n");
    assert_int_equal(imap_client_idle(client, keep_two, &count, SOON, SOON), ANSWER_OK);
    assert_slice(buffer_slice(&got), S("1 RECENT;4 EXISTS;5 EXISTS;6 EXISTS;"));
    said("A1 IDLE\r\nDONE\r\n");
    /* time passes: a wait on a memory stream is over at once */
    count = -100;
    greet(OPEN "+ idling\r\n* 4 EXISTS\r\n" T "A1 OK\r\n");
    assert_int_equal(imap_client_idle(client, keep_two, &count, SOON, SOON), ANSWER_OK);
    assert_slice(buffer_slice(&got), S("4 EXISTS;"));
    greet(OPEN "A1 BAD what\r\n");
    assert_int_equal(imap_client_idle(client, keep, NULL, SOON, SOON), ANSWER_PERMANENT);
    greet(OPEN "+ idling\r\n* BYE down\r\n");
    assert_int_equal(imap_client_idle(client, keep, NULL, SOON, SOON), ANSWER_LOST);
    assert_string_equal(imap_client_text(client), "down");
}

static void logout(void **state)
{
    greet(OPEN "* BYE see you\r\nA1 OK done\r\n");
    assert_int_equal(imap_client_logout(client, SOON), ANSWER_OK);
    assert_false(imap_client_alive(client));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(greetings, setup, teardown),
        cmocka_unit_test_setup_teardown(capabilities, setup, teardown),
        cmocka_unit_test_setup_teardown(no_tls, setup, teardown),
        cmocka_unit_test_setup_teardown(logins, setup, teardown),
        cmocka_unit_test_setup_teardown(long_login, setup, teardown),
        cmocka_unit_test_setup_teardown(commands, setup, teardown),
        cmocka_unit_test_setup_teardown(literals, setup, teardown),
        cmocka_unit_test_setup_teardown(bounds, setup, teardown),
        cmocka_unit_test_setup_teardown(select_mailbox, setup, teardown),
        cmocka_unit_test_setup_teardown(list, setup, teardown),
        cmocka_unit_test_setup_teardown(status, setup, teardown),
        cmocka_unit_test_setup_teardown(fetches, setup, teardown),
        cmocka_unit_test_setup_teardown(bad_fetches, setup, teardown),
        cmocka_unit_test_setup_teardown(appends, setup, teardown),
        cmocka_unit_test_setup_teardown(idle, setup, teardown),
        cmocka_unit_test_setup_teardown(logout, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
