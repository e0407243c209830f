/* The client against servers that stick to a script. T is where the server waits for us. */
#include "pop3/client.h"
#include "unit/net/script.h"
#include "unit/unit.h"

#define T    TURN_END
#define SOON DEADLINE_NEVER
#define OK   "+OK\r\n"
#define CAPA "+OK\r\nUSER\r\nSASL PLAIN SCRAM-SHA-256\r\nUIDL\r\ntop\r\nX-OTHER 1\r\n.\r\n"
#define OPEN "+OK hello\r\n" T CAPA T

static struct buffer output, got;
static struct pop3_client *client;
static size_t piece_size;

static int setup(void **state)
{
    buffer_init(&output, (size_t)1 << 16);
    buffer_init(&got, (size_t)1 << 21);
    piece_size = 0;
    return 0;
}

static int teardown(void **state)
{
    pop3_client_destroy(client);
    client = NULL;
    buffer_finish(&output);
    buffer_finish(&got);
    return 0;
}

static void begin_bytes(struct slice script, bool silent)
{
    pop3_client_destroy(client);
    buffer_reset(&output);
    buffer_reset(&got);
    client = pop3_client_create(
        script_channel(script, piece_size, silent, POP3_CLIENT_LINE, &output), 0);
    assert_non_null(client);
}

static void greet(const char *script)
{
    begin_bytes(slice_str(script), false);
    assert_int_equal(pop3_client_greet(client, SOON), ANSWER_OK);
}

static void said(const char *text)
{
    assert_slice(buffer_slice(&output), slice_str(text));
}

static bool keep(void *arg, struct slice piece)
{
    assert_true(piece.n > 0);
    return buffer_add(&got, piece);
}

static bool stop(void *arg, struct slice piece)
{
    return false;
}

static bool keep_listed(void *arg, uint32_t number, struct slice value)
{
    return buffer_printf(&got, "%u=" SLICE_FMT ";", number, SLICE_ARG(value));
}

/* ---- the beginning ---- */

static void greetings(void **state)
{
    static const struct {
        const char *script;
        enum answer answer;
        const char *text, *code;
    } cases[] = {
        {"-ERR [SYS/TEMP] later\r\n", ANSWER_TEMPORARY, "later", "SYS/TEMP"},
        {"-ERR\r\n", ANSWER_PERMANENT, "", ""},
        {"-ERR [SYS/PERM] never\r\n", ANSWER_PERMANENT, "never", "SYS/PERM"},
        {"-ERR [open\r\n", ANSWER_PERMANENT, "[open", ""},
        {"+OKAY\r\n", ANSWER_PROTOCOL, "a reply that is not POP3", ""},
        {"220 mx\r\n", ANSWER_PROTOCOL, "a reply that is not POP3", ""},
        {"+ what\r\n", ANSWER_PROTOCOL, "a reply that is not POP3", ""},
        {"+O", ANSWER_LOST, "the peer has closed the connection", ""},
        {"+OK a\r\n+OK b\r\n", ANSWER_PROTOCOL, "a reply before its command", ""},
        {"+OK a\r\n" T "+OK\r\nUSER\r\n", ANSWER_LOST, "the peer has closed the connection", ""},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        for (piece_size = 0; piece_size < 3; piece_size++) {
            begin_bytes(slice_str(cases[i].script), false);
            assert_int_equal(pop3_client_greet(client, SOON), cases[i].answer);
            assert_string_equal(pop3_client_text(client), cases[i].text);
            assert_string_equal(pop3_client_code(client), cases[i].code);
        }
    }
    begin_bytes(S("+OK"), true);
    assert_int_equal(pop3_client_greet(client, SOON), ANSWER_LOST);
    assert_string_equal(pop3_client_text(client), "no reply in time");
}

static void offers(void **state)
{
    greet(OPEN);
    const struct pop3_offer *o = pop3_client_offer(client);
    assert_true(o->user && o->uidl && o->top && !o->stls && !o->pipelining);
    assert_string_equal(o->sasl, "PLAIN SCRAM-SHA-256");
    greet("+OK\r\n" T "-ERR what\r\n");
    o = pop3_client_offer(client);
    assert_true(o->user && !o->uidl);
}

static void no_tls(void **state)
{
    char why[DIAL_WHY];
    struct dial_trust *trust = dial_trust_create(S(""), why);
    struct dial_tls tls = {.trust = trust};
    greet(OPEN OK);
    assert_int_equal(pop3_client_start_tls(client, &tls, SOON), ANSWER_UNSUPPORTED);
    greet("+OK\r\n" T "+OK\r\nSTLS\r\n.\r\n" T "-ERR no\r\n" T OK);
    assert_int_equal(pop3_client_start_tls(client, &tls, SOON), ANSWER_PERMANENT);
    assert_int_equal(pop3_client_noop(client, SOON), ANSWER_OK);
    greet("+OK\r\n" T "+OK\r\nSTLS\r\n.\r\n" T OK "+OK\r\nUSER\r\n.\r\n" T OK);
    assert_int_equal(pop3_client_start_tls(client, &tls, SOON), ANSWER_PROTOCOL);
    assert_int_equal(pop3_client_noop(client, SOON), ANSWER_LOST);
    dial_trust_release(trust);
}

/* ---- logging in ---- */

static enum answer login_as(const char *script, const char *only, bool plaintext)
{
    greet(script);
    struct login_options o = {
        .user = S("ann"), .password = S("secret"), .plaintext = plaintext, .only = slice_str(only)};
    return pop3_client_login(client, &o, SOON);
}

static void logins(void **state)
{
    assert_int_equal(login_as(OPEN OK T OK T CAPA, "USER", true), ANSWER_OK);
    said("CAPA\r\nUSER ann\r\nPASS secret\r\nCAPA\r\n");
    assert_int_equal(login_as(OPEN OK T CAPA, "PLAIN", true), ANSWER_OK);
    said("CAPA\r\nAUTH PLAIN AGFubgBzZWNyZXQ=\r\nCAPA\r\n");
    assert_int_equal(login_as(OPEN "-ERR [AUTH] no\r\n", "PLAIN", true), ANSWER_PERMANENT);
    assert_string_equal(pop3_client_code(client), "AUTH");
    assert_int_equal(login_as(OPEN "-ERR [IN-USE] no\r\n", "PLAIN", true), ANSWER_TEMPORARY);
    assert_int_equal(login_as(OPEN OK T "-ERR no\r\n", "USER", true), ANSWER_PERMANENT);
    assert_int_equal(login_as(OPEN OK, "USER", false), ANSWER_UNSUPPORTED);
    assert_int_equal(login_as(OPEN OK, "PLAIN", false), ANSWER_UNSUPPORTED);
    said("CAPA\r\n");
    assert_int_equal(login_as(OPEN OK, "SCRAM-SHA-256", false), ANSWER_PROTOCOL);
    assert_int_equal(
        login_as(OPEN "+ !\r\n" T "-ERR\r\n", "SCRAM-SHA-256", false), ANSWER_PROTOCOL);
    assert_true(slice_ends(buffer_slice(&output), S("\r\n*\r\n")));
}

static void unspeakable(void **state)
{
    greet(OPEN OK);
    struct login_options o = {
        .user = S("ann\r\nDELE 1"), .password = S("x"), .plaintext = true, .only = S("USER")};
    assert_int_equal(pop3_client_login(client, &o, SOON), ANSWER_UNSUPPORTED);
    o.user = S("ann");
    o.password = S("x\ny");
    assert_int_equal(pop3_client_login(client, &o, SOON), ANSWER_UNSUPPORTED);
    said("CAPA\r\n");
}

/* ---- the maildrop ---- */

static void lists(void **state)
{
    uint32_t n;
    uint64_t bytes;
    for (piece_size = 0; piece_size < 3; piece_size++) {
        greet(OPEN "+OK 2 320\r\n" T "+OK\r\n1 120\r\n2 200 x\r\n.\r\n" T "+OK\r\n.\r\n" T
                   "+OK\r\n1 a..b\r\n.\r\n" T OK);
        assert_int_equal(pop3_client_stat(client, &n, &bytes, SOON), ANSWER_OK);
        assert_true(n == 2 && bytes == 320);
        assert_int_equal(pop3_client_list(client, keep_listed, NULL, SOON), ANSWER_OK);
        assert_int_equal(pop3_client_uidl(client, keep_listed, NULL, SOON), ANSWER_OK);
        assert_int_equal(pop3_client_uidl(client, keep_listed, NULL, SOON), ANSWER_OK);
        assert_slice(buffer_slice(&got), S("1=120;2=200 x;1=a..b;"));
        assert_int_equal(pop3_client_quit(client, SOON), ANSWER_OK);
        said("CAPA\r\nSTAT\r\nLIST\r\nUIDL\r\nUIDL\r\nQUIT\r\n");
    }
    static const char *const odd[] = {"x 1", "0 1", "1", "-1 1", "99999999999 1", ""};
    for (size_t i = 0; i < sizeof odd / sizeof *odd; i++) {
        char script[512];
        snprintf(script, sizeof script, OPEN "+OK\r\n%s\r\n.\r\n", odd[i]);
        greet(script);
        assert_int_equal(pop3_client_list(client, keep_listed, NULL, SOON), ANSWER_PROTOCOL);
    }
    greet(OPEN "+OK two\r\n");
    assert_int_equal(pop3_client_stat(client, &n, &bytes, SOON), ANSWER_PROTOCOL);
}

/* Dots come off, only CRLF.CRLF ends, what stands behind the end is not the message's. */
static void messages(void **state)
{
    static const struct {
        const char *wire, *message;
    } cases[] = {
        {"a\r\n.\r\n", "a\r\n"},
        {".\r\n", ""},
        {"..\r\n.\r\n", ".\r\n"},
        {"..a\r\n...\r\n.\r\n", ".a\r\n..\r\n"},
        {".a\r\n.\r\n", "a\r\n"},
        {"a\n.\n\r\n.\r\n", "a\n.\n\r\n"},
        {"a\r\n.\rb\r\n.\r\n", "a\r\n\rb\r\n"},
        {"a\r\n.\r\r\n.\r\n", "a\r\n\r\r\n"},
        {"a\r.\r\n\r\n.\r\n", "a\r.\r\n\r\n"},
        {"\r\n\r\n.\r\n", "\r\n\r\n"},
    };
    char script[512];
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        for (piece_size = 0; piece_size < 5; piece_size++) {
            snprintf(script, sizeof script, OPEN "+OK\r\n%s" T "-ERR\r\n", cases[i].wire);
            greet(script);
            assert_int_equal(pop3_client_retr(client, 7, 100, keep, NULL, SOON), ANSWER_OK);
            assert_slice(buffer_slice(&got), slice_str(cases[i].message));
            assert_int_equal(pop3_client_dele(client, 7, SOON), ANSWER_PERMANENT);
            said("CAPA\r\nRETR 7\r\nDELE 7\r\n");
        }
    }
}

static void message_limits(void **state)
{
    greet(OPEN "+OK\r\n12345\r\n.\r\n" T OK);
    assert_int_equal(pop3_client_top(client, 1, 3, 7, keep, NULL, SOON), ANSWER_OK);
    said("CAPA\r\nTOP 1 3\r\n");
    greet(OPEN "+OK\r\n12345\r\n.\r\n" T OK);
    assert_int_equal(pop3_client_retr(client, 1, 6, keep, NULL, SOON), ANSWER_PROTOCOL);
    assert_false(pop3_client_alive(client));
    greet(OPEN "+OK\r\n12345\r\n.\r\n" T OK);
    assert_int_equal(pop3_client_retr(client, 1, 7, stop, NULL, SOON), ANSWER_LOCAL);
    greet(OPEN "+OK\r\n12345\r\n");
    assert_int_equal(pop3_client_retr(client, 1, 7, keep, NULL, SOON), ANSWER_LOST);
}

/* A line of a megabyte in a message is fine, in a reply it is too much. */
static void long_lines(void **state)
{
    size_t n = (size_t)1 << 20;
    struct buffer script;
    buffer_init(&script, 2 * n);
    buffer_add(&script, S(OPEN "+OK\r\n"));
    memset(buffer_room(&script, n), 'x', n);
    buffer_took(&script, n);
    buffer_add(&script, S("\r\n.\r\n"));
    begin_bytes(buffer_slice(&script), false);
    assert_int_equal(pop3_client_greet(client, SOON), ANSWER_OK);
    assert_int_equal(pop3_client_retr(client, 1, n + 2, keep, NULL, SOON), ANSWER_OK);
    assert_int_equal(got.n, n + 2);
    memcpy(script.p, "+OK x", 5);
    memset(script.p + 5, 'x', 1000);
    begin_bytes(slice_sub(buffer_slice(&script), 1000, SIZE_MAX), false);
    assert_int_equal(pop3_client_greet(client, SOON), ANSWER_PROTOCOL);
    memcpy(script.p + 1000, "+OK ", 4);
    begin_bytes(slice_sub(buffer_slice(&script), 1000, SIZE_MAX), false);
    assert_int_equal(pop3_client_greet(client, SOON), ANSWER_PROTOCOL);
    buffer_finish(&script);
}

static void lost_at_quit(void **state)
{
    greet(OPEN);
    assert_int_equal(pop3_client_quit(client, SOON), ANSWER_UNKNOWN);
    greet(OPEN "-ERR some are left\r\n");
    assert_int_equal(pop3_client_quit(client, SOON), ANSWER_PERMANENT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(greetings, setup, teardown),
        cmocka_unit_test_setup_teardown(offers, setup, teardown),
        cmocka_unit_test_setup_teardown(no_tls, setup, teardown),
        cmocka_unit_test_setup_teardown(logins, setup, teardown),
        cmocka_unit_test_setup_teardown(unspeakable, setup, teardown),
        cmocka_unit_test_setup_teardown(lists, setup, teardown),
        cmocka_unit_test_setup_teardown(messages, setup, teardown),
        cmocka_unit_test_setup_teardown(message_limits, setup, teardown),
        cmocka_unit_test_setup_teardown(long_lines, setup, teardown),
        cmocka_unit_test_setup_teardown(lost_at_quit, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
