/* The client against servers that stick to a script: what it says, and what it makes of what it
 * hears, down to servers that lie. T is where the server waits for us. */
#include "smtp/client.h"
#include "unit/net/script.h"
#include "unit/unit.h"
#include <sys/socket.h>
#include <unistd.h>

#define T     TURN_END
#define HELLO "220 mx ESMTP" CRLF T
#define CRLF  "\r\n"
#define PIPES HELLO "250-mx.test hi" CRLF "250-PIPELINING" CRLF "250 8BITMIME" CRLF T
#define PLAIN HELLO "250 mx.test" CRLF T
#define BDATS HELLO "250-mx.test" CRLF "250-CHUNKING" CRLF "250 PIPELINING" CRLF T
#define EHLO  "EHLO us.test\r\n"
#define SOON  DEADLINE_NEVER

static struct buffer output;
static struct smtp_client *client;
static struct smtp_client_options options;
static size_t piece_size;

static int setup(void **state)
{
    buffer_init(&output, (size_t)1 << 20);
    options = (struct smtp_client_options){.hello = "us.test"};
    piece_size = 0;
    return 0;
}

static int teardown(void **state)
{
    smtp_client_destroy(client);
    client = NULL;
    buffer_finish(&output);
    return 0;
}

static void begin_bytes(struct slice script, bool silent)
{
    smtp_client_destroy(client);
    buffer_reset(&output);
    client = smtp_client_create(
        script_channel(script, piece_size, silent, SMTP_CLIENT_LINE, &output), &options);
    assert_non_null(client);
}

static void begin(const char *script)
{
    begin_bytes(slice_str(script), false);
}

static void greet(const char *script)
{
    begin(script);
    assert_int_equal(smtp_client_greet(client, SOON), ANSWER_OK);
}

static void said(const char *text)
{
    assert_slice(buffer_slice(&output), slice_str(text));
}

#define ends(answer_, stage_, code_)                                                               \
    do {                                                                                           \
        const struct smtp_outcome *o_ = smtp_client_outcome(client);                               \
        assert_int_equal(o_->answer, answer_);                                                     \
        assert_int_equal(o_->stage, stage_);                                                       \
        assert_int_equal(o_->reply.code, code_);                                                   \
    } while (0)

/* ---- greeting and EHLO ---- */

static void greetings(void **state)
{
    static const struct {
        const char *script;
        enum answer answer;
        enum smtp_stage stage;
        unsigned code;
    } cases[] = {
        {"554 go away\r\n", ANSWER_PERMANENT, SMTP_AT_GREETING, 554},
        {"421-later\r\n421 please\r\n", ANSWER_TEMPORARY, SMTP_AT_GREETING, 421},
        {"354 what\r\n", ANSWER_PROTOCOL, SMTP_AT_GREETING, 0},
        {"+OK POP3\r\n", ANSWER_PROTOCOL, SMTP_AT_GREETING, 0},
        {"1", ANSWER_LOST, SMTP_AT_GREETING, 0},
        {"", ANSWER_LOST, SMTP_AT_GREETING, 0},
        {"220-a\r\n221 b\r\n", ANSWER_PROTOCOL, SMTP_AT_GREETING, 0},
        {"220a\r\n", ANSWER_PROTOCOL, SMTP_AT_GREETING, 0},
        {"199 a\r\n", ANSWER_PROTOCOL, SMTP_AT_GREETING, 0},
        {"600 a\r\n", ANSWER_PROTOCOL, SMTP_AT_GREETING, 0},
        {"220 a\r\n250 too early\r\n", ANSWER_PROTOCOL, SMTP_AT_HELLO, 0},
        {"220 a\r\n421 going down\r\n", ANSWER_TEMPORARY, SMTP_AT_HELLO, 421},
        {"220 a\r\n" T, ANSWER_LOST, SMTP_AT_HELLO, 0},
        {"220 a\r\n" T "450 wait\r\n", ANSWER_TEMPORARY, SMTP_AT_HELLO, 450},
        {"220 a\r\n" T "502 no\r\n" T "503 no\r\n", ANSWER_PERMANENT, SMTP_AT_HELLO, 503},
        {"220 a\r\n" T "354 go\r\n", ANSWER_PROTOCOL, SMTP_AT_HELLO, 0},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        for (piece_size = 0; piece_size < 3; piece_size++) {
            begin(cases[i].script);
            assert_int_equal(smtp_client_greet(client, SOON), cases[i].answer);
            ends(cases[i].answer, cases[i].stage, cases[i].code);
            assert_true(smtp_client_outcome(client)->reply.text[0] != '\0');
        }
    }
}

static void offers(void **state)
{
    greet(HELLO "250-MX.test greets\r\n250-pipelining\r\n250-SIZE 1000\r\n250-8BITMIME\r\n"
                "250-STARTTLS\r\n250-AUTH PLAIN LOGIN\r\n250-AUTH=PLAIN X\r\n250-DSN\r\n"
                "250-ENHANCEDSTATUSCODES\r\n250-CHUNKING\r\n250-SMTPUTF8\r\n250-RequireTLS\r\n"
                "250-MT-PRIORITY STANAG4406\r\n250-DELIVERBY 240,x=y\r\n250 X-NEW \xc3\xa4\r\n" T);
    const struct smtp_offer *o = smtp_client_offer(client);
    assert_true(o->extended && o->pipelining && o->chunking && o->eight_bit_mime && o->smtputf8);
    assert_true(o->starttls && o->dsn && o->enhanced_codes && o->size);
    assert_true(o->require_tls && o->mt_priority && o->deliver_by);
    assert_int_equal(o->size_max, 1000);
    assert_int_equal(o->by_min, 240);
    assert_string_equal(o->auth, "PLAIN LOGIN PLAIN X");
    assert_string_equal(o->name, "MX.test");
    said(EHLO);
    greet(HELLO "500 what\r\n" T "250-old.test\r\n250 PIPELINING\r\n");
    said(EHLO "HELO us.test\r\n");
    o = smtp_client_offer(client);
    assert_false(o->extended || o->pipelining);
    greet(HELLO "250-a\r\n250-SIZE 99999999999999999999999\r\n250 SIZE\r\n");
    assert_true(smtp_client_offer(client)->size && !smtp_client_offer(client)->size_max);
}

/* ---- replies ---- */

static void replies(void **state)
{
    begin("554-5.7.1 a\x01\x80"
          "b\r\n554-5.7.1 \xc3\xa4\n554 5.7 c\r\n");
    assert_int_equal(smtp_client_greet(client, SOON), ANSWER_PERMANENT);
    const struct smtp_reply *r = &smtp_client_outcome(client)->reply;
    assert_string_equal(r->enhanced, "5.7.1");
    assert_string_equal(r->text, "a??b\n\xc3\xa4\n5.7 c");
    static const char *const not_enhanced[] = {"554 4.7.1 x\r\n", "554 5.7.1234 x\r\n",
        "554 5.7.1. x\r\n", "554 5.7 x\r\n", "554 5..1 x\r\n", "554 5\r\n", "554\r\n", "554 \r\n"};
    for (size_t i = 0; i < sizeof not_enhanced / sizeof *not_enhanced; i++) {
        begin(not_enhanced[i]);
        assert_int_equal(smtp_client_greet(client, SOON), ANSWER_PERMANENT);
        assert_string_equal(smtp_client_outcome(client)->reply.enhanced, "");
    }
}

static char *repeat(const char *line, size_t times, const char *last)
{
    size_t n = strlen(line), end = strlen(last);
    char *text = malloc(n * times + end + 1);
    for (size_t i = 0; i < times; i++)
        memcpy(text + i * n, line, n);
    memcpy(text + n * times, last, end + 1);
    return text;
}

/* The most lines and bytes of a reply, and one more. */
static void bounds(void **state)
{
    char *lines = repeat("554-no\r\n", SMTP_CLIENT_LINES - 1, "554 no\r\n");
    begin(lines);
    assert_int_equal(smtp_client_greet(client, SOON), ANSWER_PERMANENT);
    free(lines);
    lines = repeat("220-yes\r\n", SMTP_CLIENT_LINES, "220 yes\r\n");
    begin(lines);
    assert_int_equal(smtp_client_greet(client, SOON), ANSWER_PROTOCOL);
    free(lines);
    char *line = repeat("x", (size_t)100 * 1024, "\r\n");
    memcpy(line, "554 ", 4);
    begin(line);
    assert_int_equal(smtp_client_greet(client, SOON), ANSWER_PERMANENT);
    assert_int_equal(strlen(smtp_client_outcome(client)->reply.text), SMTP_REPLY_TEXT - 1);
    free(line);
    line = repeat("x", (size_t)1 << 20, "\r\n");
    memcpy(line, "554 ", 4);
    begin(line);
    assert_int_equal(smtp_client_greet(client, SOON), ANSWER_PROTOCOL);
    free(line);
}

static void silence(void **state)
{
    begin_bytes(S("220 hi"), true);
    assert_int_equal(smtp_client_greet(client, SOON), ANSWER_LOST);
    ends(ANSWER_LOST, SMTP_AT_GREETING, 0);
    assert_string_equal(smtp_client_outcome(client)->reply.text, "no reply in time");
    assert_false(smtp_client_alive(client));
}

/* The server says why and goes: what it said counts, not that nothing can be written any more. */
static void gone(void **state)
{
    int fds[2];
    static const char words[] = "220 mx\r\n421 4.3.2 going down\r\n";
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds), 0);
    assert_int_equal(write(fds[1], words, strlen(words)), strlen(words));
    close(fds[1]);
    struct channel *channel = channel_create(stream_socket(fds[0]), fds[0], SMTP_CLIENT_LINE);
    client = smtp_client_create(channel, &options);
    assert_int_equal(smtp_client_greet(client, SOON), ANSWER_TEMPORARY);
    ends(ANSWER_TEMPORARY, SMTP_AT_HELLO, 421);
}

/* ---- transactions ---- */

struct text {
    struct slice rest;
    size_t piece;
    bool broken;
};

static bool read_text(void *arg, struct slice *piece, deadline until)
{
    struct text *t = arg;
    *piece = slice_sub(t->rest, 0, t->piece ? t->piece : t->rest.n);
    t->rest = slice_from(t->rest, piece->n);
    return piece->n || !t->broken;
}

static struct smtp_send_recipient to[3];

static enum answer send_to(size_t n, struct slice body, size_t piece)
{
    static const char *const names[] = {"a@b.test", "c@b.test", "d@b.test"};
    struct text text = {body, piece, false};
    struct smtp_send m = {.sender = S("joe@away.test"), .read = read_text, .arg = &text};
    for (size_t i = 0; i < n; i++)
        to[i] = (struct smtp_send_recipient){.address = slice_str(names[i])};
    return smtp_client_send(client, &m, to, n, SOON);
}

#define outcome(i, answer_, stage_, code_)                                                         \
    do {                                                                                           \
        assert_int_equal(to[i].outcome.answer, answer_);                                           \
        assert_int_equal(to[i].outcome.stage, stage_);                                             \
        assert_int_equal(to[i].outcome.reply.code, code_);                                         \
    } while (0)

#define MAIL "MAIL FROM:<joe@away.test>\r\n"
#define RCPT "RCPT TO:<a@b.test>\r\n"
#define DATA "DATA\r\n"
#define OK   "250 2.0.0 ok\r\n"
#define GO   "354 go\r\n"

static void plain(void **state)
{
    greet(PLAIN OK T OK T OK T GO T OK T "221 bye\r\n");
    assert_int_equal(send_to(2, S("Subject: x\r\n\r\n.dot\r\n"), 0), ANSWER_OK);
    outcome(0, ANSWER_OK, SMTP_AT_END, 250);
    outcome(1, ANSWER_OK, SMTP_AT_END, 250);
    assert_int_equal(smtp_client_quit(client, SOON), ANSWER_OK);
    said(EHLO MAIL RCPT "RCPT TO:<c@b.test>\r\n" DATA "Subject: x\r\n\r\n..dot\r\n.\r\nQUIT\r\n");
}

static void pipelined(void **state)
{
    greet(PIPES OK OK "550 5.1.1 who\r\n" OK GO T OK T OK OK GO T OK);
    assert_int_equal(send_to(3, S("x"), 0), ANSWER_OK);
    outcome(0, ANSWER_OK, SMTP_AT_END, 250);
    outcome(1, ANSWER_PERMANENT, SMTP_AT_RCPT, 550);
    outcome(2, ANSWER_OK, SMTP_AT_END, 250);
    assert_string_equal(to[1].outcome.reply.enhanced, "5.1.1");
    assert_int_equal(send_to(1, S("x"), 0), ANSWER_OK);
}

/* More recipients than commands are sent ahead. */
static void groups(void **state)
{
    enum { N = 2 * SMTP_CLIENT_IN_FLIGHT + 1 };
    static struct smtp_send_recipient many[N];
    struct buffer script;
    struct text text = {S("x\r\n"), 0, false};
    struct smtp_send m = {.read = read_text, .arg = &text};
    buffer_init(&script, 65536);
    buffer_add(&script, S(PIPES OK));
    for (int i = 0; i < N; i++) {
        many[i].address = S("a@b.test");
        if (i && i % SMTP_CLIENT_IN_FLIGHT == 0)
            buffer_add(&script, S(T));
        buffer_add(&script, i % 2 ? S("450 no\r\n") : S(OK));
    }
    buffer_add(&script, S(GO T OK));
    begin_bytes(buffer_slice(&script), false);
    assert_int_equal(smtp_client_greet(client, SOON), ANSWER_OK);
    assert_int_equal(smtp_client_send(client, &m, many, N, SOON), ANSWER_OK);
    for (int i = 0; i < N; i++)
        assert_int_equal(many[i].outcome.answer, i % 2 ? ANSWER_TEMPORARY : ANSWER_OK);
    assert_true(slice_starts(buffer_slice(&output), S(EHLO "MAIL FROM:<>\r\nRCPT")));
    buffer_finish(&script);
}

/* What each step that goes wrong means for the message. */
static void steps(void **state)
{
    static const struct {
        const char *script;
        enum answer answer;
        enum smtp_stage stage;
        unsigned code;
        bool alive;
    } cases[] = {
        {PLAIN "550 no\r\n", ANSWER_PERMANENT, SMTP_AT_MAIL, 550, true},
        {PLAIN "421 no\r\n", ANSWER_TEMPORARY, SMTP_AT_MAIL, 421, false},
        {PLAIN "", ANSWER_LOST, SMTP_AT_MAIL, 0, false},
        {PLAIN OK T "451 no\r\n", ANSWER_TEMPORARY, SMTP_AT_RCPT, 451, true},
        {PLAIN OK T "354 no\r\n", ANSWER_PROTOCOL, SMTP_AT_RCPT, 0, false},
        {PLAIN OK T "", ANSWER_LOST, SMTP_AT_RCPT, 0, false},
        {PLAIN OK T OK T "550 no\r\n", ANSWER_PERMANENT, SMTP_AT_DATA, 550, true},
        {PLAIN OK T OK T "250 no\r\n", ANSWER_PROTOCOL, SMTP_AT_DATA, 0, false},
        {PLAIN OK T OK T "", ANSWER_LOST, SMTP_AT_DATA, 0, false},
        {PLAIN OK T OK OK T, ANSWER_PROTOCOL, SMTP_AT_DATA, 0, false},
        {PLAIN OK T OK T GO T "550 no\r\n", ANSWER_PERMANENT, SMTP_AT_END, 550, true},
        {PLAIN OK T OK T GO T "451 no\r\n", ANSWER_TEMPORARY, SMTP_AT_END, 451, true},
        {PLAIN OK T OK T GO T "421 no\r\n", ANSWER_TEMPORARY, SMTP_AT_END, 421, false},
        {PLAIN OK T OK T GO T "", ANSWER_UNKNOWN, SMTP_AT_END, 0, false},
        {PLAIN OK T OK T GO T "25", ANSWER_UNKNOWN, SMTP_AT_END, 0, false},
        {PLAIN OK T OK T GO T "hm\r\n", ANSWER_UNKNOWN, SMTP_AT_END, 0, false},
        {PLAIN OK T OK T GO T "354 again\r\n", ANSWER_UNKNOWN, SMTP_AT_END, 0, false},
        {PLAIN OK T OK T GO "552 no\r\n", ANSWER_PERMANENT, SMTP_AT_BODY, 552, false},
        {PLAIN OK T OK T GO "250 ok\r\n", ANSWER_PROTOCOL, SMTP_AT_BODY, 0, false},
        {PIPES "550 no\r\n503 no\r\n503 no\r\n", ANSWER_PERMANENT, SMTP_AT_MAIL, 550, true},
        {PIPES "550 no\r\n" OK GO T OK, ANSWER_PERMANENT, SMTP_AT_MAIL, 550, true},
        {PIPES OK "550 no\r\n554 none\r\n", ANSWER_PERMANENT, SMTP_AT_RCPT, 550, true},
        {PIPES OK "450 no\r\n" GO T "554 none\r\n", ANSWER_TEMPORARY, SMTP_AT_RCPT, 450, true},
        {PIPES OK OK "451 no\r\n", ANSWER_TEMPORARY, SMTP_AT_DATA, 451, true},
        {PIPES OK OK, ANSWER_LOST, SMTP_AT_DATA, 0, false},
        {PIPES OK "421 no\r\n", ANSWER_TEMPORARY, SMTP_AT_RCPT, 421, false},
        {BDATS OK OK T "552 no\r\n", ANSWER_PERMANENT, SMTP_AT_END, 552, true},
        {BDATS OK OK T "", ANSWER_UNKNOWN, SMTP_AT_END, 0, false},
        {BDATS "450 no\r\n" OK, ANSWER_TEMPORARY, SMTP_AT_MAIL, 450, true},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        for (piece_size = 0; piece_size < 2; piece_size++) {
            greet(cases[i].script);
            enum answer a = send_to(1, S("text\r\n"), 0);
            if (a != cases[i].answer || to[0].outcome.stage != cases[i].stage)
                fail_msg("case %zu: %s at %s: %s", i, answer_name(a),
                    smtp_stage_name(to[0].outcome.stage), to[0].outcome.reply.text);
            outcome(0, cases[i].answer, cases[i].stage, cases[i].code);
            assert_int_equal(smtp_client_alive(client), cases[i].alive);
        }
    }
}

/* Recipients that were accepted share the end of the connection; those refused keep their reply. */
static void partly(void **state)
{
    greet(PIPES OK OK "550 no\r\n" OK GO T);
    assert_int_equal(send_to(3, S("x"), 0), ANSWER_UNKNOWN);
    outcome(0, ANSWER_UNKNOWN, SMTP_AT_END, 0);
    outcome(1, ANSWER_PERMANENT, SMTP_AT_RCPT, 550);
    outcome(2, ANSWER_UNKNOWN, SMTP_AT_END, 0);
    greet(PIPES OK OK "550 no\r\n");
    assert_int_equal(send_to(3, S("x"), 0), ANSWER_LOST);
    outcome(0, ANSWER_LOST, SMTP_AT_RCPT, 0);
    outcome(1, ANSWER_PERMANENT, SMTP_AT_RCPT, 550);
    outcome(2, ANSWER_LOST, SMTP_AT_RCPT, 0);
}

/* All were refused, the connection was lost at the empty message behind 354. */
static void lost_for_nobody(void **state)
{
    greet(PIPES OK "450 no\r\n" GO T);
    assert_int_equal(send_to(1, S("x"), 0), ANSWER_LOST);
    outcome(0, ANSWER_TEMPORARY, SMTP_AT_RCPT, 450);
}

/* A transaction that ended before its body is taken back before the next. */
static void reset_between(void **state)
{
    greet(PLAIN OK T "550 no\r\n" T OK T OK T OK T GO T OK);
    assert_int_equal(send_to(1, S("x"), 0), ANSWER_PERMANENT);
    assert_int_equal(send_to(1, S("x"), 0), ANSWER_OK);
    said(EHLO MAIL RCPT "RSET\r\n" MAIL RCPT DATA "x\r\n.\r\n");
}

/* A server that refuses that is not one to go on with. */
static void reset_refused(void **state)
{
    greet(PLAIN OK T "550 no\r\n" T "554 too many errors\r\n" T OK T OK T GO T OK);
    assert_int_equal(send_to(1, S("x"), 0), ANSWER_PERMANENT);
    assert_int_equal(send_to(1, S("x"), 0), ANSWER_PERMANENT);
    outcome(0, ANSWER_PERMANENT, SMTP_AT_RSET, 554);
    assert_false(smtp_client_alive(client));
    said(EHLO MAIL RCPT "RSET\r\n");
}

static void unreadable(void **state)
{
    struct text text = {S("begun\r\n"), 0, true};
    struct smtp_send m = {.read = read_text, .arg = &text};
    to[0] = (struct smtp_send_recipient){.address = S("a@b.test")};
    greet(PLAIN OK T OK T GO T OK);
    assert_int_equal(smtp_client_send(client, &m, to, 1, SOON), ANSWER_LOCAL);
    outcome(0, ANSWER_LOCAL, SMTP_AT_BODY, 0);
    assert_false(smtp_client_alive(client));
    said(EHLO "MAIL FROM:<>\r\n" RCPT DATA);
}

/* No bare CR or LF leaves, each line that begins with a dot has one more, whatever the pieces. */
static void bodies(void **state)
{
    static const struct {
        const char *in, *out;
    } cases[] = {
        {"", ""},
        {"a", "a\r\n"},
        {".", "..\r\n"},
        {".\r\n", "..\r\n"},
        {"..\r\n", "...\r\n"},
        {"a\r\n.\r\nb\r\n", "a\r\n..\r\nb\r\n"},
        {"a\n.\nb", "a\r\n..\r\nb\r\n"},
        {"a\r.\rb\r", "a\r\n..\r\nb\r\n"},
        {"a\r\r\n.b\n\r\n.", "a\r\n\r\n..b\r\n\r\n..\r\n"},
        {"\n.\r\n", "\r\n..\r\n"},
        {"a.\r\nb", "a.\r\nb\r\n"},
    };
    char wanted[256];
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        for (size_t piece = 0; piece < 4; piece++) {
            greet(PLAIN OK T OK T GO T OK);
            assert_int_equal(send_to(1, slice_str(cases[i].in), piece), ANSWER_OK);
            snprintf(wanted, sizeof wanted, "%s%s.\r\n", EHLO MAIL RCPT DATA, cases[i].out);
            said(wanted);
        }
    }
}

static void chunks(void **state)
{
    greet(BDATS OK OK T OK);
    assert_int_equal(send_to(1, S(".a\nb"), 0), ANSWER_OK);
    said(EHLO MAIL RCPT "BDAT 7 LAST\r\n.a\r\nb\r\n");
    greet(BDATS OK OK T OK);
    assert_int_equal(send_to(1, S(""), 0), ANSWER_OK);
    said(EHLO MAIL RCPT "BDAT 0 LAST\r\n");
    /* two chunks and a rest; then one that is refused */
    char *big = repeat("0123456789abcde\n", SMTP_CLIENT_CHUNK * 2 / 17 + 1, "");
    greet(BDATS OK OK T OK OK "250 2.6.0 all\r\n");
    assert_int_equal(send_to(1, slice_str(big), 0), ANSWER_OK);
    outcome(0, ANSWER_OK, SMTP_AT_END, 250);
    assert_string_equal(to[0].outcome.reply.text, "all");
    assert_true(slice_find_slice(buffer_slice(&output), S("BDAT 65536\r\n0123")) != SLICE_NONE);
    greet(BDATS OK OK T "452 full\r\n"
                        "503 no\r\n"
                        "503 no\r\n" T OK);
    assert_int_equal(send_to(1, slice_str(big), 0), ANSWER_TEMPORARY);
    outcome(0, ANSWER_TEMPORARY, SMTP_AT_BODY, 452);
    free(big);
    options.no_chunking = true;
    greet(BDATS OK OK GO T OK);
    assert_int_equal(send_to(1, S("x"), 0), ANSWER_OK);
}

static void lmtp(void **state)
{
    options.lmtp = true;
    greet(HELLO "250-mx\r\n250 PIPELINING\r\n" T OK OK "550 no\r\n" OK GO T OK "452 full\r\n");
    assert_int_equal(send_to(3, S("x"), 0), ANSWER_OK);
    outcome(0, ANSWER_OK, SMTP_AT_END, 250);
    outcome(1, ANSWER_PERMANENT, SMTP_AT_RCPT, 550);
    outcome(2, ANSWER_TEMPORARY, SMTP_AT_END, 452);
    assert_true(slice_starts(buffer_slice(&output), S("LHLO us.test\r\n")));
    greet(HELLO "250-mx\r\n250 PIPELINING\r\n" T OK OK OK OK GO T OK);
    assert_int_equal(send_to(3, S("x"), 0), ANSWER_OK);
    outcome(0, ANSWER_OK, SMTP_AT_END, 250);
    outcome(1, ANSWER_UNKNOWN, SMTP_AT_END, 0);
    outcome(2, ANSWER_UNKNOWN, SMTP_AT_END, 0);
    begin(HELLO "500 no\r\n");
    assert_int_equal(smtp_client_greet(client, SOON), ANSWER_PERMANENT);
}

/* ---- parameters, and what may not be said ---- */

static void parameters(void **state)
{
    struct text text = {S("x\r\n"), 0, false};
    struct smtp_send m = {.sender = S("j\xc3\xb6@away.test"),
        .size = 3,
        .eight_bit = true,
        .utf8 = true,
        .envid = S("id+2B"),
        .ret = S("HDRS"),
        .read = read_text,
        .arg = &text};
    to[0] = (struct smtp_send_recipient){.address = S("\"a b\"@b.test"),
        .notify = S("SUCCESS,FAILURE"),
        .orcpt = S("rfc822;a+20b@b.test")};
    greet(HELLO
        "250-mx\r\n250-SIZE\r\n250-8BITMIME\r\n250-SMTPUTF8\r\n250 DSN\r\n" T OK T OK T GO T OK);
    assert_int_equal(smtp_client_send(client, &m, to, 1, SOON), ANSWER_OK);
    said(EHLO
        "MAIL FROM:<j\xc3\xb6@away.test> SIZE=3 BODY=8BITMIME SMTPUTF8 RET=HDRS ENVID=id+2B\r\n"
        "RCPT TO:<\"a b\"@b.test> NOTIFY=SUCCESS,FAILURE ORCPT=rfc822;a+20b@b.test\r\n" DATA
        "x\r\n.\r\n");
    text.rest = S("x\r\n");
    m.utf8 = m.eight_bit = false;
    m.sender = S("");
    greet(PLAIN OK T OK T GO T OK);
    assert_int_equal(smtp_client_send(client, &m, to, 1, SOON), ANSWER_OK);
    said(EHLO "MAIL FROM:<>\r\nRCPT TO:<\"a b\"@b.test>\r\n" DATA "x\r\n.\r\n");
}

static void refuse(struct smtp_send m, struct slice address, const char *enhanced)
{
    struct text text = {S("x\r\n"), 0, false};
    m.read = read_text;
    m.arg = &text;
    to[0] = (struct smtp_send_recipient){.address = address};
    greet(HELLO "250-mx\r\n250 SIZE 10\r\n" T OK);
    assert_int_equal(smtp_client_send(client, &m, to, 1, SOON), ANSWER_UNSUPPORTED);
    assert_int_equal(to[0].outcome.answer, ANSWER_UNSUPPORTED);
    assert_string_equal(to[0].outcome.reply.enhanced, enhanced);
    assert_true(smtp_client_alive(client));
    said(EHLO);
}

static int64_t in(int64_t seconds)
{
    return clock_wall() / 1000000 + seconds;
}

static void unsaid(void **state)
{
    struct slice fine = S("a@b.test");
    refuse((struct smtp_send){.size = 11}, fine, "5.3.4");
    refuse((struct smtp_send){.eight_bit = true}, fine, "5.6.3");
    refuse((struct smtp_send){.utf8 = true}, fine, "5.6.7");
    refuse((struct smtp_send){.sender = S("a> X@b.test")}, fine, "5.1.7");
    refuse((struct smtp_send){.sender = S("\xc3\xa4@b.test")}, fine, "5.6.7");
    refuse((struct smtp_send){.envid = S("a b")}, fine, "5.5.4");
    refuse((struct smtp_send){.sender = fine, .require_tls = true}, fine, "5.7.30");
    refuse((struct smtp_send){.deliver_by = in(100), .by_return = true}, fine, "5.3.3");
    refuse((struct smtp_send){.deliver_by = in(-1), .by_return = true}, fine, "5.4.7");
    refuse((struct smtp_send){0}, S("a@b.test>\r\nDATA"), "5.1.3");
    refuse((struct smtp_send){0}, S("a@b.test\r\n"), "5.1.3");
    refuse((struct smtp_send){0}, S(""), "5.1.3");
    refuse((struct smtp_send){0}, S("\xc3\xa4@b.test"), "5.6.7");
    refuse((struct smtp_send){0}, S("a@b.test> NOTIFY=NEVER"), "5.1.3");
}

/* ---- what goes with the envelope ---- */

#define ALL HELLO "250-mx\r\n250-DSN\r\n250-REQUIRETLS\r\n250-MT-PRIORITY\r\n250 DELIVERBY 60\r\n" T

static enum answer send_with(struct smtp_send m, const char *script)
{
    struct text text = {S("x\r\n"), 0, false};
    m.read = read_text;
    m.arg = &text;
    to[0] = (struct smtp_send_recipient){
        .address = S("a@b.test"), .notify = S("NEVER"), .orcpt = S("rfc822;a@b.test")};
    greet(script);
    return smtp_client_send(client, &m, to, 1, SOON);
}

static void demands(void **state)
{
    struct slice joe = S("joe@away.test");
    assert_int_equal(send_with((struct smtp_send){.sender = joe,
                                   .envid = S("id"),
                                   .ret = S("HDRS"),
                                   .require_tls = true,
                                   .priority = -3,
                                   .deliver_by = 1,
                                   .by_trace = true},
                         ALL OK T OK T GO T OK),
        ANSWER_OK);
    struct slice line = buffer_slice(&output), text = S(" BY=-999999999;NT\r\n");
    assert_true(slice_starts(line, S(EHLO "MAIL FROM:<joe@away.test> RET=HDRS ENVID=id REQUIRETLS "
                                          "MT-PRIORITY=-3 BY=-")));
    assert_true(slice_find_slice(line,
                    S("RCPT TO:<a@b.test> NOTIFY=NEVER ORCPT=rfc822;a@b.test")) != SLICE_NONE);
    assert_true(slice_find_slice(line, text) != SLICE_NONE);
    assert_int_equal(
        send_with((struct smtp_send){.sender = joe, .deliver_by = in(1000), .by_return = true},
            ALL OK T OK T GO T OK),
        ANSWER_OK);
    line = buffer_slice(&output);
    size_t by = slice_find_slice(line, S(" BY="));
    uint64_t left = 0;
    assert_true(by != SLICE_NONE);
    struct slice rest = slice_from(line, by + 4);
    assert_true(slice_to_u64(slice_cut(&rest, ';'), 1000, &left) && left > 900);
    assert_true(slice_starts(rest, S("R\r\n")));
    /* less than the server's minimum */
    assert_int_equal(
        send_with((struct smtp_send){.sender = joe, .deliver_by = in(50), .by_return = true}, ALL),
        ANSWER_UNSUPPORTED);
    assert_string_equal(to[0].outcome.reply.enhanced, "5.3.3");
    said(EHLO);
    /* a report goes even so (RFC 8689 §5), and what is not offered is left out */
    assert_int_equal(
        send_with((struct smtp_send){.require_tls = true, .priority = 9, .deliver_by = in(5)},
            PLAIN OK T OK T GO T OK),
        ANSWER_OK);
    said(EHLO "MAIL FROM:<>\r\nRCPT TO:<a@b.test>\r\n" DATA "x\r\n.\r\n");
}

/* ---- AUTH ---- */

static enum answer login_as(const char *script, const char *only)
{
    greet(script);
    struct login_options o = {
        .user = S("ann"), .password = S("secret"), .plaintext = true, .only = slice_str(only)};
    return smtp_client_login(client, &o, SOON);
}

#define AUTHS HELLO "250-mx\r\n250 AUTH PLAIN LOGIN SCRAM-SHA-256\r\n" T
#define BLOB  "AGFubgBzZWNyZXQ="

static void logins(void **state)
{
    assert_int_equal(login_as(AUTHS "235 ok\r\n", "PLAIN"), ANSWER_OK);
    said(EHLO "AUTH PLAIN " BLOB "\r\n");
    assert_int_equal(login_as(AUTHS "535 5.7.8 no\r\n", "PLAIN"), ANSWER_PERMANENT);
    assert_int_equal(login_as(AUTHS "454 4.7.0 no\r\n", "PLAIN"), ANSWER_TEMPORARY);
    assert_int_equal(
        login_as(AUTHS "334 VXNlcm5hbWU6\r\n" T "334 UGFzc3dvcmQ6\r\n" T "235 ok\r\n", "LOGIN"),
        ANSWER_OK);
    said(EHLO "AUTH LOGIN\r\nYW5u\r\nc2VjcmV0\r\n");
    assert_int_equal(login_as(AUTHS "235 sure\r\n", "LOGIN"), ANSWER_PROTOCOL);
    assert_int_equal(login_as(AUTHS "235 sure\r\n", "SCRAM-SHA-256"), ANSWER_PROTOCOL);
    assert_int_equal(login_as(AUTHS "334 !\r\n" T "501 no\r\n", "SCRAM-SHA-256"), ANSWER_PROTOCOL);
    assert_true(slice_ends(buffer_slice(&output), S("\r\n*\r\n")));
    assert_int_equal(login_as(AUTHS "334 \r\n" T "235 ok\r\n", "PLAIN"), ANSWER_PROTOCOL);
    assert_int_equal(login_as(AUTHS, "CRAM-MD5"), ANSWER_UNSUPPORTED);
    assert_int_equal(login_as(PLAIN, ""), ANSWER_UNSUPPORTED);
    greet(AUTHS "235 ok\r\n");
    struct login_options o = {.user = S("ann"), .password = S("secret"), .only = S("PLAIN")};
    assert_int_equal(smtp_client_login(client, &o, SOON), ANSWER_UNSUPPORTED);
    said(EHLO);
}

/* An initial response that is too long for its line comes behind 334. */
static void long_login(void **state)
{
    static char password[600];
    memset(password, 'x', sizeof password);
    greet(AUTHS "334 \r\n" T "235 ok\r\n");
    struct login_options o = {.user = S("ann"),
        .password = slice(password, sizeof password),
        .plaintext = true,
        .only = S("PLAIN")};
    assert_int_equal(smtp_client_login(client, &o, SOON), ANSWER_OK);
    assert_true(slice_starts(buffer_slice(&output), S(EHLO "AUTH PLAIN\r\nAGFubg")));
}

/* ---- STARTTLS ---- */

static void no_tls(void **state)
{
    char why[DIAL_WHY];
    struct dial_trust *trust = dial_trust_create(S(""), why);
    struct dial_tls tls = {.trust = trust, .server_name = "mx.test"};
    assert_non_null(trust);
    greet(PLAIN OK);
    assert_int_equal(smtp_client_start_tls(client, &tls, SOON), ANSWER_UNSUPPORTED);
    assert_true(smtp_client_alive(client));
    greet(HELLO "250-mx\r\n250 STARTTLS\r\n" T "454 no\r\n" T OK);
    assert_int_equal(smtp_client_start_tls(client, &tls, SOON), ANSWER_TEMPORARY);
    assert_true(smtp_client_alive(client));
    /* somebody in the middle adds what shall be believed later */
    greet(HELLO "250-mx\r\n250 STARTTLS\r\n" T "220 go\r\n250 AUTH PLAIN\r\n" T OK);
    assert_int_equal(smtp_client_start_tls(client, &tls, SOON), ANSWER_PROTOCOL);
    ends(ANSWER_PROTOCOL, SMTP_AT_TLS, 0);
    assert_false(smtp_client_alive(client));
    said(EHLO "STARTTLS\r\n");
    greet(HELLO "250-mx\r\n250 STARTTLS\r\n" T "220 go\r\n" T "what is that\r\n");
    assert_int_equal(smtp_client_start_tls(client, &tls, SOON), ANSWER_UNTRUSTED);
    assert_string_equal(smtp_client_outcome(client)->reply.text, "the peer does not speak TLS");
    assert_int_equal(send_to(1, S("x"), 0), ANSWER_LOST);
    dial_trust_release(trust);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(greetings, setup, teardown),
        cmocka_unit_test_setup_teardown(offers, setup, teardown),
        cmocka_unit_test_setup_teardown(replies, setup, teardown),
        cmocka_unit_test_setup_teardown(bounds, setup, teardown),
        cmocka_unit_test_setup_teardown(silence, setup, teardown),
        cmocka_unit_test_setup_teardown(gone, setup, teardown),
        cmocka_unit_test_setup_teardown(plain, setup, teardown),
        cmocka_unit_test_setup_teardown(pipelined, setup, teardown),
        cmocka_unit_test_setup_teardown(groups, setup, teardown),
        cmocka_unit_test_setup_teardown(steps, setup, teardown),
        cmocka_unit_test_setup_teardown(partly, setup, teardown),
        cmocka_unit_test_setup_teardown(lost_for_nobody, setup, teardown),
        cmocka_unit_test_setup_teardown(reset_between, setup, teardown),
        cmocka_unit_test_setup_teardown(reset_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(unreadable, setup, teardown),
        cmocka_unit_test_setup_teardown(bodies, setup, teardown),
        cmocka_unit_test_setup_teardown(chunks, setup, teardown),
        cmocka_unit_test_setup_teardown(lmtp, setup, teardown),
        cmocka_unit_test_setup_teardown(parameters, setup, teardown),
        cmocka_unit_test_setup_teardown(unsaid, setup, teardown),
        cmocka_unit_test_setup_teardown(demands, setup, teardown),
        cmocka_unit_test_setup_teardown(logins, setup, teardown),
        cmocka_unit_test_setup_teardown(long_login, setup, teardown),
        cmocka_unit_test_setup_teardown(no_tls, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
