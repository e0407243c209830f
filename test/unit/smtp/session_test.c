#include "fake_conn.h"
#include "fake_hooks.h"
#include "unit/unit.h"

#define HELLO                                                                                      \
    "250-mx.test\r\n250-PIPELINING\r\n250-ENHANCEDSTATUSCODES\r\n250-SIZE 1000\r\n"                \
    "250-8BITMIME\r\n250-SMTPUTF8\r\n250-CHUNKING\r\n"
#define READY354 "354 Send the message, end it with <CRLF>.<CRLF>\r\n"

static struct fake_policy policy;
static struct smtp_service service;
static struct conn conn;

static void open_session(const char *early)
{
    const struct conn_handler *handler;
    void *session;
    struct slice refusal;
    assert_true(smtp_accept(&service, NULL, &handler, &session, &refusal));
    fake_open(&conn, handler, session, early);
}

static int setup(void **state)
{
    fake_policy_init(&policy);
    service = (struct smtp_service){
        .protocol = "smtp",
        .hostname = "mx.test",
        .hooks = &fake_hooks,
        .arg = &policy,
        .message_size = 1000,
        .error_delay = 1,
    };
    return 0;
}

static int teardown(void **state)
{
    fake_gone(&conn);
    assert_int_equal(policy.closed, 1);
    assert_int_equal(policy.mails, policy.resets);
    fake_policy_finish(&policy);
    return 0;
}

static void says(const char *out, const char *in)
{
    fake_say(&conn, out);
    assert_string_equal(fake_heard(&conn), in);
}

static void starts(const char *out, const char *in)
{
    fake_say(&conn, out);
    const char *heard = fake_heard(&conn);
    if (strncmp(heard, in, strlen(in)) != 0)
        fail_msg("sent %s heard %s wanted %s", out, heard, in);
}

static void greeted(void)
{
    open_session("");
    assert_string_equal(fake_heard(&conn), "220 mx.test ESMTP ready\r\n");
    starts("EHLO me.test\r\n", "250-mx.test\r\n");
}

static void at_data(void)
{
    greeted();
    says("MAIL FROM:<a@x.test>\r\nRCPT TO:<b@y.test>\r\nDATA\r\n",
        "250 2.1.0 Sender ok\r\n250 2.1.5 Recipient ok\r\n" READY354);
}

static void takes_a_message(void **state)
{
    open_session("");
    assert_string_equal(fake_heard(&conn), "220 mx.test ESMTP ready\r\n");
    assert_true(conn.timeout == 60 * CLOCK_SEC);
    says("EHLO me.test\r\n", "250-mx.test\r\n250-PIPELINING\r\n250-ENHANCEDSTATUSCODES\r\n"
                             "250-SIZE 1000\r\n250-8BITMIME\r\n250-SMTPUTF8\r\n250 CHUNKING\r\n");
    assert_true(conn.timeout == 300 * CLOCK_SEC);
    says("MAIL FROM:<a@x.test> SIZE=10 BODY=8BITMIME\r\n", "250 2.1.0 Sender ok\r\n");
    says("RCPT TO:<b@y.test>\r\n", "250 2.1.5 Recipient ok\r\n");
    says("DATA\r\n", READY354);
    assert_int_equal(conn.rate, 500);
    says("Subject: x\r\n\r\n..dot\r\n.\r\n", "250 2.0.0 kept 1\r\n");
    assert_int_equal(conn.rate, 0);
    assert_true(slice_eq(buffer_slice(&policy.body), S("Subject: x\r\n\r\n.dot\r\n")));
    says("QUIT\r\n", "221 2.0.0 mx.test Bye\r\n");
    assert_true(conn.closed);
    assert_true(slice_eq(
        buffer_slice(&policy.journal), S("mail a@x.test;rcpt b@y.test;begin;end 20;reset;")));
}

/* ATTACKS 1, 2, 3: nothing but CRLF.CRLF ends it, however the bytes are cut. */
static void smuggling(void **state)
{
    static const char *const ends[] = {"\n.\n", "\n.\r\n", "\r\n.\n", "\r.\r", "\r\n.\r", "\r.\r\n",
        "\n.\r", "\r.\n", "\r\n.\r\r\n", "\r\n..\r\n", "\n\n.\r\n", "\r\n.\n\r\n"};
    static const char tail[] = "MAIL FROM:<evil@x.test>\r\nRCPT TO:<b@y.test>\r\nDATA\r\nspoof";
    for (size_t i = 0; i < sizeof ends / sizeof *ends; i++) {
        char text[256];
        snprintf(text, sizeof text, "body%s%s\r\n.\r\nNOOP\r\n", ends[i], tail);
        struct slice all = slice_str(text);
        for (size_t cut = 1; cut <= all.n; cut++) {
            at_data();
            fake_send(&conn, slice_sub(all, 0, cut));
            fake_send(&conn, slice_from(all, cut));
            const char *heard = fake_heard(&conn);
            bool bare = strcmp(ends[i], "\r\n..\r\n") != 0;
            assert_int_equal(policy.messages, bare ? 0 : 1);
            assert_int_equal(policy.mails, 1);
            assert_non_null(strstr(heard, bare ? "550 5.6.0 " : "250 2.0.0 kept"));
            assert_non_null(strstr(heard, "\r\n250 2.0.0 Ok\r\n"));
            teardown(state);
            setup(state);
        }
    }
    at_data(); /* for teardown */
}

static void smuggling_normalised(void **state)
{
    service.newline = SMTP_NEWLINE_NORMALISE;
    at_data();
    fake_send_pieces(&conn, S("a\n.\nMAIL FROM:<e@x>\r\n.\rb\r\n.\r\n"), 1);
    assert_string_equal(fake_heard(&conn), "250 2.0.0 kept 1\r\n");
    assert_true(slice_eq(buffer_slice(&policy.body), S("a\r\n.\r\nMAIL FROM:<e@x>\r\n\r\nb\r\n")));
}

static void nul_is_refused(void **state)
{
    at_data();
    fake_send(&conn, S("a\0b\r\n\0.\0\r\n.\r\n"));
    assert_non_null(strstr(fake_heard(&conn), "550 5.6.0 The message has a NUL"));
    assert_int_equal(policy.messages, 0);
}

static void size_limit(void **state)
{
    char text[1100];
    memset(text, 'x', sizeof text);
    greeted();
    says("MAIL FROM:<a@x> SIZE=1001\r\n", "552 5.3.4 Message too big\r\n");
    says("MAIL FROM:<a@x> SIZE=9223372036854775808\r\n", "552 5.3.4 Message too big\r\n");
    says("MAIL FROM:<a@x> SIZE=99999999999999999999\r\n", "552 5.3.4 Message too big\r\n");
    starts("MAIL FROM:<a@x> SIZE=999999999999999999999\r\n", "501 5.5.4 ");
    starts("MAIL FROM:<a@x> SIZE=abc\r\n", "501 5.5.4 ");
    starts("MAIL FROM:<a@x> SIZE\r\n", "501 5.5.4 ");
    starts("MAIL FROM:<a@x> SIZE=-1\r\n", "501 5.5.4 ");
    says("MAIL FROM:<a@x> SIZE=1000\r\nRCPT TO:<b@y>\r\nDATA\r\n",
        "250 2.1.0 Sender ok\r\n250 2.1.5 Recipient ok\r\n" READY354);
    memcpy(text + 998, "\r\n.\r\n", 5);
    fake_send_pieces(&conn, slice(text, 1003), 7);
    assert_string_equal(fake_heard(&conn), "250 2.0.0 kept 1\r\n");
    says("MAIL FROM:<a@x>\r\nRCPT TO:<b@y>\r\nDATA\r\n",
        "250 2.1.0 Sender ok\r\n250 2.1.5 Recipient ok\r\n" READY354);
    text[998] = 'x';
    memcpy(text + 999, "\r\n.\r\nNOOP\r\n", 11);
    fake_send_pieces(&conn, slice(text, 1010), 7);
    assert_string_equal(fake_heard(&conn),
        "552 5.3.4 Message too big; at most 1000 octets are taken\r\n250 2.0.0 Ok\r\n");
    assert_int_equal(policy.messages, 1);
}

static void order_of_commands(void **state)
{
    open_session("");
    fake_heard(&conn);
    starts("MAIL FROM:<a@x>\r\n", "503 5.5.1 ");
    starts("RCPT TO:<a@x>\r\n", "503 5.5.1 ");
    starts("NOOP hello\r\n", "250 2.0.0 ");
    starts("VRFY root\r\n", "252 2.5.0 ");
    starts("EXPN list\r\n", "502 5.5.1 ");
    starts("ETRN x\r\n", "502 5.5.1 ");
    starts("HELP\r\n", "214 2.0.0 ");
    starts("HELO me\r\n", "250 mx.test\r\n");
    starts("STARTTLS\r\n", "502 5.5.1 ");
    starts("AUTH PLAIN\r\n", "502 5.5.1 ");
    starts("LHLO me\r\n", "500 5.5.1 ");
    starts("DATA\r\n", "503 5.5.1 ");
    starts("MAIL FROM:<>\r\n", "250 2.1.0 ");
    starts("DATA\r\n", "503 5.5.1 ");
    starts("MAIL FROM:<a@x>\r\n", "503 5.5.1 ");
    starts("RCPT TO:<unknown@y>\r\n", "550 5.1.1 ");
    starts("DATA\r\n", "554 5.5.1 ");
    starts("RSET\r\n", "250 2.0.0 ");
    starts("RCPT TO:<b@y>\r\n", "503 5.5.1 ");
    assert_int_equal(policy.resets, 1);
}

static void odd_commands(void **state)
{
    service.errors_close = 100;
    greeted();
    starts("\r\n", "500 5.5.2 ");
    starts("DATA now\r\n", "501 5.5.4 ");
    starts("QUIT now\r\n", "501 5.5.4 ");
    starts("quux\r\n", "500 5.5.2 ");
    fake_send(&conn, S("NO\0OP\r\n"));
    assert_string_equal(fake_heard(&conn), "500 5.5.2 Control characters in a command\r\n");
    starts("NOOP a\rb\r\n", "500 5.5.2 ");
    starts("NOOP\n", "500 5.5.2 Lines end with CRLF");
    starts("EHLO\r\n", "501 Say your host name");
    starts("ehlo  [192.0.2.7]  \r\n", "250-mx.test\r\n");
    starts("EHLO a\x1b[b c\r\n", "500 5.5.2");
    starts("GET / HTTP/1.1\r\n", "500 5.5.2");
}

static void errors_slow_then_close(void **state)
{
    greeted();
    service.error_delay = 3600 * CLOCK_SEC;
    for (int i = 1; i < 20; i++) {
        starts("XXXX\r\n", "500 5.5.2 ");
        says("NOOP\r\n", i < 10 ? "250 2.0.0 Ok\r\n" : "");
        if (i < 10)
            continue;
        assert_true(conn.held);
        service.error_delay = 1;
        conn.timer_at = 0;
        fake_gone(&conn);
        break;
    }
    setup(state);
    greeted();
    for (int i = 1; i < 20; i++)
        starts("RCPT\r\n", "503 5.5.1 ");
    says("RCPT\r\n", "421 4.7.0 mx.test Too many errors\r\n");
    assert_true(conn.closed);
}

static int64_t turned;

static int64_t turned_now(void)
{
    return turned;
}

static void a_slowed_client_goes_on(void **state)
{
    const struct clock_source source = {turned_now, turned_now};
    service.errors_slow = 1;
    greeted();
    turned = clock_now();
    clock_set(&source);
    service.error_delay = 2 * CLOCK_MS;
    starts("XXXX\r\n", "500 5.5.2 ");
    turned += 2 * CLOCK_MS - 1;
    says("NOOP\r\n", "");
    assert_true(conn.held);
    turned++;
    assert_int_equal(turned, conn.timer_at);
    fake_fire(&conn);
    clock_set(NULL);
    assert_string_equal(fake_heard(&conn), "250 2.0.0 Ok\r\n");
}

static void idle_commands(void **state)
{
    greeted();
    for (int i = 0; i < 100; i++)
        starts("NOOP\r\n", "250 2.0.0 ");
    for (int i = 1; i < 20; i++)
        starts("RSET\r\n", "503 5.5.1 ");
    starts("NOOP\r\n", "421 4.7.0 ");
}

static void early_talkers(void **state)
{
    open_session("EHLO x\r\n");
    assert_string_equal(fake_heard(&conn), "554 5.5.1 You spoke before the greeting\r\n");
    assert_true(conn.closed);
}

static void body_before_354(void **state)
{
    greeted();
    says("MAIL FROM:<a@x>\r\nRCPT TO:<unknown@y>\r\nDATA\r\nMAIL FROM:<evil@x>\r\n.\r\n",
        "250 2.1.0 Sender ok\r\n550 5.1.1 no such user\r\n"
        "554 5.5.1 The message was sent before 354 allowed it\r\n");
    assert_true(conn.closed);
    assert_int_equal(policy.mails, 1);
}

static void starttls(void **state)
{
    service.starttls = true;
    policy.auth = true;
    greeted();
    starts("STARTTLS x\r\n", "501 5.5.4 ");
    starts("MAIL FROM:<a@x>\r\n", "250 ");
    starts("STARTTLS\r\n", "503 5.5.1 ");
    starts("RSET\r\n", "250 ");
    says("AUTH PLAIN AGEAYg==\r\n", "235 2.7.0 Authentication succeeded\r\n");
    says("STARTTLS\r\n", "220 2.0.0 Go ahead\r\n");
    fake_secure(&conn);
    starts("MAIL FROM:<a@x>\r\n", "503 5.5.1 ");
    says("EHLO me\r\n", "250-mx.test\r\n250-PIPELINING\r\n250-ENHANCEDSTATUSCODES\r\n"
                        "250-SIZE 1000\r\n250-8BITMIME\r\n250-SMTPUTF8\r\n250-CHUNKING\r\n"
                        "250 AUTH PLAIN LOGIN\r\n");
    starts("STARTTLS\r\n", "503 5.5.1 ");
}

static void starttls_injection(void **state)
{
    service.starttls = true;
    greeted();
    starts("STARTTLS\r\nMAIL FROM:<evil@x>\r\n", "554 5.5.1 ");
    assert_true(conn.closed);
    assert_int_equal(policy.mails, 0);
}

static void auth_exchange(void **state)
{
    policy.auth = true;
    service.auth_required = true;
    greeted();
    starts("MAIL FROM:<a@x>\r\n", "530 5.7.0 ");
    starts("AUTH\r\n", "501 5.5.4 ");
    says("AUTH PLAIN\r\n", "334 \r\n");
    says("*\r\n", "501 5.7.0 Authentication cancelled\r\n");
    says("AUTH PLAIN\r\n", "334 \r\n");
    says("bad\r\n", "535 5.7.8 Authentication failed\r\n");
    says("AUTH PLAIN\r\n", "334 \r\n");
    char line[12292];
    memset(line, 'A', sizeof line);
    memcpy(line + 12289, "\r\n", 3);
    says(line, "500 5.5.6 Authentication line too long\r\n");
    says("AUTH PLAIN\r\n", "334 \r\n");
    memcpy(line + 12288, "\r\n", 3);
    says(line, "535 5.7.8 Authentication failed\r\n");
    says("AUTH PLAIN AGEAYg==\r\n", "235 2.7.0 Authentication succeeded\r\n");
    starts("AUTH PLAIN AGEAYg==\r\n", "503 5.5.1 ");
    starts("MAIL FROM:<a@x> AUTH=<>\r\n", "250 ");
    starts("AUTH PLAIN AGEAYg==\r\n", "503 5.5.1 ");
}

/* Strangers have 60 s and the stacks of strangers; nothing is asked in clear. */
static void submission(void **state)
{
    policy.auth = true;
    service.auth_required = service.submission = service.starttls = true;
    greeted();
    assert_int_equal(conn.handler->class, TASK_PREAUTH);
    says("AUTH PLAIN AGEAYg==\r\n",
        "538 5.7.11 Passwords are taken over TLS only: STARTTLS first\r\n");
    says("MAIL FROM:<a@x>\r\n", "530 5.7.0 Say STARTTLS first, then log in with AUTH\r\n");
    starts("STARTTLS\r\n", "220 ");
    fake_secure(&conn);
    starts("EHLO me.test\r\n", "250-mx.test\r\n");
    says("MAIL FROM:<a@x>\r\n", "530 5.7.0 Authentication required\r\n");
    assert_int_equal(conn.timeout, 60 * CLOCK_SEC);
    starts("AUTH PLAIN AGEAYg==\r\n", "235 ");
    assert_int_equal(conn.timeout, 300 * CLOCK_SEC);
    assert_int_equal(conn.handler->class, TASK_NORMAL);
    starts("MAIL FROM:<a@x>\r\n", "250 ");
}

/* Bytes that come slower than a timeout for each line do not keep a stranger here. */
static void drip(void **state)
{
    policy.auth = true;
    service.auth_required = service.submission = true;
    greeted();
    fake_say(&conn, "NO");
    assert_false(conn.closed);
    service.timeout_greeting = CLOCK_MS;
    for (int64_t start = clock_now(); clock_now() - start <= CLOCK_MS;)
        continue;
    fake_say(&conn, "O");
    assert_true(conn.closed);
    assert_string_equal(fake_heard(&conn), "");
}

/* The fifth failed login closes; a cancelled one is none. */
static void failed_logins(void **state)
{
    policy.auth = true;
    greeted();
    for (int i = 0; i < 6; i++)
        says("AUTH PLAIN\r\n*\r\n", "334 \r\n501 5.7.0 Authentication cancelled\r\n");
    for (int i = 0; i < 4; i++)
        starts("AUTH PLAIN bad\r\n", "535 ");
    assert_false(conn.closed);
    says("AUTH PLAIN bad\r\nNOOP\r\n", "535 5.7.8 Authentication failed\r\n"
                                       "421 4.7.0 mx.test Too many failed logins\r\n");
    assert_true(conn.closed);
}

static void chunks_split(void **state)
{
    static const char text[] = "MAIL FROM:<a@x>\r\nRCPT TO:<b@y>\r\nBDAT 7\r\nab\r\n.\r\n"
                               "BDAT 1\r\n\rBDAT 1\r\n\nBDAT 0 last\r\nNOOP\r\n";
    for (size_t n = 1; n < sizeof text; n++) {
        greeted();
        fake_send_pieces(&conn, slice(text, sizeof text - 1), n);
        assert_string_equal(fake_heard(&conn),
            "250 2.1.0 Sender ok\r\n250 2.1.5 Recipient ok\r\n250 2.0.0 7 octets so far\r\n"
            "250 2.0.0 8 octets so far\r\n250 2.0.0 9 octets so far\r\n250 2.0.0 kept 1\r\n"
            "250 2.0.0 Ok\r\n");
        assert_true(slice_eq(buffer_slice(&policy.body), S("ab\r\n.\r\n\r\n")));
        teardown(state);
        setup(state);
    }
    greeted();
}

static void bad_chunks(void **state)
{
    static const char *const sizes[] = {
        "-1", "x", "", "18446744073709551616", "1 FIRST", "1LAST", "+1", "0x10"};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        char line[64];
        greeted();
        starts("MAIL FROM:<a@x>\r\nRCPT TO:<b@y>\r\n", "250 ");
        snprintf(line, sizeof line, "BDAT %s\r\nQUIT\r\n", sizes[i]);
        starts(line, "501 5.5.4 ");
        assert_true(conn.closed);
        teardown(state);
        setup(state);
    }
    greeted();
    starts("MAIL FROM:<a@x>\r\nRCPT TO:<b@y>\r\n", "250 ");
    starts("BDAT 18446744073709551615 LAST\r\nx", "552 5.3.4 ");
    assert_true(conn.closed);
    assert_int_equal(policy.messages, 0);
}

static void refused_chunks_are_swallowed(void **state)
{
    greeted();
    starts("BDAT 6\r\nQUIT\r\n", "503 5.5.1 ");
    starts("MAIL FROM:<a@x>\r\nBDAT 6 LAST\r\nQUIT\r\nNOOP\r\n",
        "250 2.1.0 Sender ok\r\n503 5.5.1 RCPT comes first\r\n250 2.0.0 Ok\r\n");
    starts("RCPT TO:<unknown@y>\r\nBDAT 6 LAST\r\nQUIT\r\nNOOP\r\n",
        "550 5.1.1 no such user\r\n554 5.5.1 No valid recipients\r\n250 2.0.0 Ok\r\n");
    policy.refuse_begin = true;
    says("RCPT TO:<b@y>\r\nBDAT 6\r\nQUIT\r\nBDAT 6 LAST\r\nQUIT\r\nNOOP\r\n",
        "250 2.1.5 Recipient ok\r\n452 4.3.1 no room\r\n503 5.5.1 RCPT comes first\r\n"
        "250 2.0.0 Ok\r\n");
    policy.refuse_begin = false;
    says("MAIL FROM:<a@x>\r\nRCPT TO:<b@y>\r\nBDAT 1\r\nxDATA\r\nMAIL FROM:<c@x>\r\nRSET\r\n",
        "250 2.1.0 Sender ok\r\n250 2.1.5 Recipient ok\r\n250 2.0.0 1 octets so far\r\n"
        "503 5.5.1 DATA comes after RCPT, and not after BDAT\r\n"
        "503 5.5.1 MAIL comes after EHLO, and one at a time\r\n250 2.0.0 Ok\r\n");
    starts("BDAT 0 LAST\r\n", "503 5.5.1 ");
    assert_int_equal(policy.messages, 0);
}

static void bdat_too_big(void **state)
{
    char text[1100];
    memset(text, 'x', sizeof text);
    greeted();
    starts("MAIL FROM:<a@x>\r\nRCPT TO:<b@y>\r\nBDAT 999\r\n", "250 ");
    fake_send(&conn, slice(text, 999));
    assert_string_equal(fake_heard(&conn), "250 2.0.0 999 octets so far\r\n");
    says("BDAT 2\r\nxx", "552 5.3.4 Message too big\r\n");
    starts("BDAT 2 LAST\r\nxx", "503 5.5.1 ");
    starts("MAIL FROM:<a@x>\r\nRCPT TO:<b@y>\r\nBDAT 1001 LAST\r\n", "250 ");
    fake_send(&conn, slice(text, 1001));
    assert_non_null(strstr(fake_heard(&conn), "552 5.3.4 "));
    starts("MAIL FROM:<a@x>\r\nRCPT TO:<b@y>\r\n", "250 ");
    says("BDAT 3 LAST\r\na\rb", "550 5.6.0 The message has a bare CR or LF; end every line with "
                                "CRLF (RFC 5321 2.3.8)\r\n");
    starts("MAIL FROM:<a@x>\r\nRCPT TO:<b@y>\r\n", "250 ");
    starts("BDAT 2 LAST\r\na\r", "550 5.6.0 ");
}

static void gone_in_the_middle(void **state)
{
    at_data();
    fake_say(&conn, "half a mess");
    fake_gone(&conn);
    assert_int_equal(policy.messages, 0);
    assert_int_equal(policy.resets, 1);
    fake_policy_finish(&policy);
    setup(state);
    greeted();
    starts("MAIL FROM:<a@x>\r\nRCPT TO:<b@y>\r\nBDAT 100 LAST\r\n.\r\n", "250 ");
    conn.eof = true;
    fake_say(&conn, ".\r\n");
    assert_true(conn.closed);
    assert_int_equal(policy.messages, 0);
}

static void the_sink_waits(void **state)
{
    at_data();
    policy.wait = true;
    struct slice text = S("a\r\n..b\r\nc\r\n.\r\nNOOP\r\n");
    fake_send(&conn, text);
    for (int i = 0; i < 10 && conn.held; i++) {
        assert_string_equal(fake_heard(&conn), "");
        smtp_body_resume(conn.session);
    }
    assert_string_equal(fake_heard(&conn), "250 2.0.0 kept 1\r\n250 2.0.0 Ok\r\n");
    assert_true(slice_eq(buffer_slice(&policy.body), S("a\r\n.b\r\nc\r\n")));
}

/* A sink that was full when its transaction ended keeps nobody waiting. */
static void a_sink_that_is_gone(void **state)
{
    greeted();
    policy.wait = true;
    starts("MAIL FROM:<a@x>\r\nRCPT TO:<b@y>\r\nBDAT 3\r\na\r\n", "250 ");
    says("RSET\r\n", "250 2.0.0 Ok\r\n");
    says("BDAT 3 LAST\r\na\r\nNOOP\r\n", "503 5.5.1 RCPT comes first\r\n250 2.0.0 Ok\r\n");
}

static void an_unknown_outcome_gets_no_reply(void **state)
{
    at_data();
    policy.unknown = true;
    says("x\r\n.\r\nNOOP\r\n", "");
    assert_true(conn.closed);
}

static void goodbyes(void **state)
{
    at_data();
    fake_event(&conn, CONN_TIMED_OUT);
    assert_string_equal(fake_heard(&conn), "421 4.4.2 mx.test Timeout, closing\r\n");
    assert_true(conn.closed);
    teardown(state);
    setup(state);
    greeted();
    fake_event(&conn, CONN_DRAINING);
    assert_string_equal(
        fake_heard(&conn), "421 4.3.2 mx.test Service is going down, try again later\r\n");
    teardown(state);
    setup(state);
    policy.refuse_connect = true;
    open_session("");
    assert_string_equal(fake_heard(&conn), "554 not you\r\n");
    assert_true(conn.closed);
}

/* ATTACKS 9, 19. */
static void hostile_addresses(void **state)
{
    static const char *const refused[] = {"<\"\">", "<@d>", "<a@>", "<a@b", "a@b>", "<a b@c>",
        "<a@b c>", "<@a,@b:c>", "<a@-b>", "<a@b..c>", "<a..b@c>", "<.a@b>", "<a.@b>", "<a@[1.2.3]>",
        "<a@[IPv6:zz]>", "<a@[x>", "<\"a\"b@c>", "<\"a@c>", "<>", "<a@b>x", "<a@b> =", "<(x)@d>"};
    service.errors_close = 1000;
    greeted();
    starts("MAIL FROM:<a@x>\r\n", "250 ");
    for (size_t i = 0; i < sizeof refused / sizeof *refused; i++) {
        char line[256];
        snprintf(line, sizeof line, "RCPT TO:%s\r\n", refused[i]);
        starts(line, "501 5.");
    }
    starts("RCPT TO:<b@y> NOTIFY=NEVER\r\n", "555 5.5.4 ");
    starts("RCPT TO:<b@y> ORCPT=rfc822;a+0Ab\r\n", "555 5.5.4 ");
    starts(
        "RCPT TO:<b@y>\r\nRCPT TO:<@a,@b:c@d>\r\nRCPT TO:<\"a b\"@y>\r\nRCPT TO:<Postmaster>\r\n",
        "250 2.1.5 Recipient ok\r\n250 2.1.5 Recipient ok\r\n250 2.1.5 Recipient ok\r\n250 ");
    starts("RCPT TO:<;cmd%x!y@d>\r\n", "501 5.1.3 ");
    starts("RCPT TO:<a%b@d>\r\nRCPT TO:<x!y@d>\r\nRCPT TO:<$%x@d>\r\nRCPT TO:<../a@d>\r\n", "250 ");
    starts("RCPT TO:<j\xc3\xb6rg@y>\r\n", "553 5.6.7 ");
    assert_int_not_equal(
        slice_find_slice(buffer_slice(&policy.journal), S("rcpt c@d;rcpt \"a b\"@y;rcpt Post")),
        SLICE_NONE);
}

static void utf8_addresses(void **state)
{
    greeted();
    starts("MAIL FROM:<j\xc3\xb6rg@y>\r\n", "550 5.6.7 ");
    starts("MAIL FROM:<j\xc3\xb6rg@y> SMTPUTF8=1\r\n", "501 5.5.4 ");
    starts("MAIL FROM:<j\xc3@y> SMTPUTF8\r\n", "501 5.1.7 ");
    starts("MAIL FROM:<j\xc3\xb6rg@y> SMTPUTF8\r\nRCPT TO:<\xc3\xa9@y>\r\n",
        "250 2.1.0 Sender ok\r\n250 2.1.5 Recipient ok\r\n");
}

static void too_many_recipients(void **state)
{
    greeted();
    starts("MAIL FROM:<a@x>\r\n", "250 ");
    for (int i = 0; i < 1000; i++)
        starts("RCPT TO:<b@y>\r\n", "250 ");
    for (int i = 0; i < 1000; i++)
        starts("RCPT TO:<b@y>\r\n", "452 4.5.3 ");
    assert_false(conn.closed);
    for (int i = 0; i < 19; i++)
        starts("RCPT TO:<b@y>\r\n", "452 4.5.3 ");
    starts("RCPT TO:<b@y>\r\n", "421 4.7.0 ");
    assert_true(conn.closed);
}

/* ATTACKS 12: bounded memory, one reply, in step. */
static void long_lines(void **state)
{
    static char line[2 * 1024 * 1024];
    memset(line, 'N', sizeof line);
    greeted();
    memcpy(line, "NOOP ", 5);
    memcpy(line + 8190, "\r\n", 2);
    fake_send(&conn, slice(line, 8192));
    assert_string_equal(fake_heard(&conn), "250 2.0.0 Ok\r\n");
    line[8190] = 'N';
    memcpy(line + 8191, "\r\nNOOP\r\n", 8);
    for (size_t piece = 1; piece <= 8199; piece *= 3) {
        fake_send_pieces(&conn, slice(line, 8199), piece);
        assert_string_equal(fake_heard(&conn), "500 5.5.2 Line too long\r\n250 2.0.0 Ok\r\n");
    }
    memset(line, 'N', sizeof line);
    fake_send_pieces(&conn, slice(line, sizeof line), 65536 / 2);
    assert_string_equal(fake_heard(&conn), "500 5.5.2 Line too long\r\n");
    assert_true(conn.closed);
}

static void lmtp(void **state)
{
    service.lmtp = true;
    open_session("");
    assert_string_equal(fake_heard(&conn), "220 mx.test LMTP ready\r\n");
    starts("EHLO me\r\n", "500 5.5.1 ");
    starts("HELO me\r\n", "500 5.5.1 ");
    starts("LHLO me\r\n", "250-mx.test\r\n");
    starts("MAIL FROM:<a@x>\r\nRCPT TO:<unknown@y>\r\n", "250 2.1.0 ");
    starts("DATA\r\n", "503 5.5.1 ");
    says("RCPT TO:<b@y>\r\nRCPT TO:<busy@y>\r\nRCPT TO:<c@y>\r\nRCPT TO:<b@y>\r\nDATA\r\n",
        "250 2.1.5 Recipient ok\r\n451 4.3.0 busy\r\n250 2.1.5 Recipient ok\r\n"
        "250 2.1.5 Recipient ok\r\n" READY354);
    says("x\r\n.\r\n", "250 2.1.5 0 has it\r\n452 4.2.2 1 is full\r\n250 2.1.5 2 has it\r\n");
    says("MAIL FROM:<a@x>\r\nRCPT TO:<b@y>\r\nRCPT TO:<c@y>\r\nBDAT 2 LAST\r\na\n",
        "250 2.1.0 Sender ok\r\n250 2.1.5 Recipient ok\r\n250 2.1.5 Recipient ok\r\n"
        "550 5.6.0 The message has a bare CR or LF; end every line with CRLF (RFC 5321 2.3.8)\r\n"
        "550 5.6.0 The message has a bare CR or LF; end every line with CRLF (RFC 5321 2.3.8)\r\n");
    policy.outcome_unknown_at = 2;
    starts("MAIL FROM:<a@x>\r\nRCPT TO:<b@y>\r\nRCPT TO:<c@y>\r\n", "250 ");
    says("BDAT 3 LAST\r\na\r\n", "250 2.1.5 0 has it\r\n");
    assert_true(conn.closed);
}

/* A client that keeps its connection: what was wrong long ago counts no more. */
static void lmtp_errors_are_forgotten(void **state)
{
    service.lmtp = true;
    open_session("");
    starts("LHLO me\r\n", "220 ");
    for (int i = 0; i < 30; i++) {
        starts("MAIL FROM:<a@x>\r\nRCPT TO:<b@y> X=1\r\nRCPT TO:<b@y>\r\n", "250 2.1.0 ");
        says("BDAT 3 LAST\r\na\r\n", "250 2.1.5 0 has it\r\n");
    }
    for (int i = 0; i < 30; i++) {
        says("MAIL FROM:<a@x>\r\nRCPT TO:<unknown@y>\r\nDATA\r\n",
            "250 2.1.0 Sender ok\r\n550 5.1.1 no such user\r\n503 5.5.1 RCPT comes first\r\n");
        says("BDAT 3 LAST\r\na\r\nRSET\r\n", "503 5.5.1 RCPT comes first\r\n250 2.0.0 Ok\r\n");
    }
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(takes_a_message),
        TEST(smuggling),
        TEST(smuggling_normalised),
        TEST(nul_is_refused),
        TEST(size_limit),
        TEST(order_of_commands),
        TEST(odd_commands),
        TEST(errors_slow_then_close),
        TEST(a_slowed_client_goes_on),
        TEST(idle_commands),
        TEST(early_talkers),
        TEST(body_before_354),
        TEST(starttls),
        TEST(starttls_injection),
        TEST(auth_exchange),
        TEST(submission),
        TEST(failed_logins),
        TEST(drip),
        TEST(chunks_split),
        TEST(bad_chunks),
        TEST(refused_chunks_are_swallowed),
        TEST(bdat_too_big),
        TEST(gone_in_the_middle),
        TEST(the_sink_waits),
        TEST(a_sink_that_is_gone),
        TEST(an_unknown_outcome_gets_no_reply),
        TEST(goodbyes),
        TEST(hostile_addresses),
        TEST(utf8_addresses),
        TEST(too_many_recipients),
        TEST(long_lines),
        TEST(lmtp),
        TEST(lmtp_errors_are_forgotten),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
