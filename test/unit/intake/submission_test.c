/* Submission over real connections, with TLS, auth/, a directory and the memory store. */
#include "auth/password.h"
#include "base/base64.h"
#include "unit/intake/world.h"
#include "unit/net/certificate.h"
#include <gsasl.h>

static struct smtp_service submission;
static struct auth *auth;

static uint64_t add_user(const char *address, const char *password)
{
    char why[DIRECTORY_WHY];
    struct directory_credentials credentials;
    uint64_t id = add_account(address, 0, false);
    CHECK(password_make_offload(slice_str(password), &credentials) == PASSWORD_OK);
    CHECK(directory_account_credentials(directory, slice_str(address), &credentials, why, SOON) ==
          DIRECTORY_OK);
    return id;
}

static uint64_t ann, bob;

static void open_all(void)
{
    open_world();
    pair_publish("mx.our.test");
    struct auth_options o = {.directory = directory, .delay_first = 1, .delay_max = 1};
    auth = auth_create(&o);
    CHECK(auth);
    options.auth = auth;
    options.starttls = true;
    options.submission_newline = SMTP_NEWLINE_NORMALISE;
    intake_submission(&options, &submission);
    submission.error_delay = 1;
    ann = add_user("ann@our.test", "secret");
    bob = add_user("bob@our.test", "secret");
}

static void close_all(void)
{
    while (conn_count())
        task_sleep(deadline_in(CLOCK_MS));
    auth_destroy(auth);
    close_world();
}

static void encrypt(struct client *c)
{
    open_client(c, &submission);
    HEARS(c, "220 mx.our.test ESMTP ready");
    SAYS(c, "EHLO me.test\r\n", "250-mx.our.test");
    SAYS(c, "STARTTLS\r\n", "220 ");
    secure_client(c);
    SAYS(c, "EHLO me.test\r\n", "250-mx.our.test");
}

/* AUTH PLAIN; the reply is not heard yet. */
static void plain(struct client *c, const char *user, const char *password)
{
    struct buffer bytes, line;
    buffer_init(&bytes, 1000);
    buffer_init(&line, 2000);
    buffer_printf(&bytes, "%c%s%c%s", 0, user, 0, password);
    buffer_add(&line, S("AUTH PLAIN "));
    base64_encode(buffer_slice(&bytes), &line);
    buffer_add(&line, S("\r\n"));
    say_bytes(c, buffer_slice(&line));
    buffer_finish(&bytes);
    buffer_finish(&line);
}

static void log_in(struct client *c)
{
    encrypt(c);
    plain(c, "ann@our.test", "secret");
    HEARS(c, "235 2.7.0 ");
}

/* ---- AUTH ---- */

static void logins_task(void *arg)
{
    struct client c;
    open_all();
    encrypt(&c);
    SAYS(&c, "AUTH CRAM-MD5\r\n", "504 5.5.4 ");
    SAYS(&c, "AUTH PLAIN x\r\n", "501 5.5.2 That is not base64");
    SAYS(&c, "AUTH PLAIN eA==\r\n", "501 5.5.2 That is not how");
    SAYS(&c, "AUTH PLAIN\r\n", "334 \r\n");
    SAYS(&c, "*\r\n", "501 5.7.0 ");
    SAYS(&c, "AUTH PLAIN\r\n", "334 \r\n");
    SAYS(&c, "=\r\n", "501 5.5.2 That is not base64");
    SAYS(&c, "AUTH PLAIN =\r\n", "501 5.5.2 That is not how");
    SAYS(&c, "AUTH LOGIN\r\n", "334 VXNlcm5hbWU6\r\n");
    SAYS(&c, "YW5uQG91ci50ZXN0\r\n", "334 UGFzc3dvcmQ6\r\n");
    SAYS(&c, "eA==\r\n", "535 5.7.8 Wrong name or password");
    SAYS(&c, "AUTH LOGIN YW5uQG91ci50ZXN0\r\n", "334 UGFzc3dvcmQ6\r\n");
    SAYS(&c, "c2VjcmV0\r\n", "235 2.7.0 ");
    SAYS(&c, "AUTH PLAIN x\r\n", "503 5.5.1 ");
    close_client(&c);
    close_all();
}

/* The fifth failed login closes; in the middle of an exchange the client may go. */
static void failures_task(void *arg)
{
    struct client c;
    open_all();
    encrypt(&c);
    for (int i = 0; i < 5; i++) {
        plain(&c, "ann@our.test", "wrong");
        HEARS(&c, "535 5.7.8 ");
    }
    HEARS(&c, "421 4.7.0 mx.our.test Too many failed logins");
    CHECK(!*hear(&c));
    close_client(&c);
    struct directory_account_change change = {.set_disabled = true, .disabled = true};
    char why[DIRECTORY_WHY];
    CHECK(directory_account_set(directory, S("bob@our.test"), &change, why, SOON) == DIRECTORY_OK);
    encrypt(&c);
    plain(&c, "bob@our.test", "secret");
    HEARS(&c, "535 5.7.8 This account is disabled");
    SAYS(&c, "AUTH LOGIN\r\n", "334 ");
    close_client(&c);
    close_all();
}

/* mechanism with or without a binding to the connection; the last reply is heard into *last. */
static void scram(struct client *c, const char *mechanism, bool bound, const char **last)
{
    Gsasl *g;
    Gsasl_session *session;
    unsigned char key[32];
    char *out = NULL, line[1000];
    CHECK(gsasl_init(&g) == GSASL_OK && gsasl_client_start(g, mechanism, &session) == GSASL_OK);
    gsasl_property_set(session, GSASL_AUTHID, "ann@our.test");
    gsasl_property_set(session, GSASL_PASSWORD, "secret");
    CHECK(SSL_export_keying_material(
              c->ssl, key, sizeof key, "EXPORTER-Channel-Binding", 24, (void *)"", 0, 1) == 1);
    struct buffer text;
    buffer_init(&text, 100);
    base64_encode(slice(key, sizeof key), &text);
    buffer_add_char(&text, '\0');
    if (bound)
        gsasl_property_set(session, GSASL_CB_TLS_EXPORTER, text.p);
    buffer_finish(&text);
    CHECK(gsasl_step64(session, "", &out) == GSASL_NEEDS_MORE);
    snprintf(line, sizeof line, "AUTH %s %s\r\n", mechanism, out);
    for (;;) {
        gsasl_free(out);
        out = NULL;
        say_bytes(c, slice_str(line));
        *last = hear(c);
        if (strncmp(*last, "334 ", 4) != 0)
            break;
        snprintf(line, sizeof line, "%.900s", *last + 4);
        line[strcspn(line, "\r")] = '\0';
        int rc = gsasl_step64(session, line, &out);
        CHECK(rc == GSASL_OK || rc == GSASL_NEEDS_MORE);
        snprintf(line, sizeof line, "%.900s\r\n", out);
    }
    gsasl_free(out);
    gsasl_finish(session);
    gsasl_done(g);
}

static void scram_bound_task(void *arg)
{
    struct client c;
    const char *last;
    open_all();
    for (int bound = 0; bound < 2; bound++) {
        encrypt(&c);
        scram(&c, bound ? "SCRAM-SHA-256-PLUS" : "SCRAM-SHA-256", bound, &last);
        CHECK(strncmp(last, "235 2.7.0 ", 10) == 0);
        SAYS(&c, "MAIL FROM:<ann@our.test>\r\n", "250 ");
        close_client(&c);
    }
    close_all();
}

/* Two connections of the account, and a third. */
static void places_task(void *arg)
{
    struct client c[3];
    open_all();
    options.connections_per_account = 2;
    log_in(&c[0]);
    log_in(&c[1]);
    encrypt(&c[2]);
    plain(&c[2], "ann@our.test", "secret");
    HEARS(&c[2], "454 4.7.0 Too many connections");
    plain(&c[2], "bob@our.test", "secret");
    HEARS(&c[2], "235 ");
    close_client(&c[2]);
    SAYS(&c[0], "QUIT\r\n", "221 ");
    CHECK(!*hear(&c[0]));
    close_client(&c[0]);
    while (conn_count() > 1)
        task_sleep(deadline_in(CLOCK_MS));
    log_in(&c[0]);
    close_client(&c[0]);
    close_client(&c[1]);
    close_all();
}

/* ---- mail ---- */

static void begin_mail(struct client *c)
{
    SAYS(c, "MAIL FROM:<ann@our.test>\r\n", "250 2.1.0 ");
    SAYS(c, "RCPT TO:<bob@our.test>\r\n", "250 2.1.5 ");
    SAYS(c, DATA, "354 ");
}

static void mail_task(void *arg)
{
    struct client c;
    char text[4096];
    open_all();
    log_in(&c);
    SAYS(&c, "MAIL FROM:<bob@our.test>\r\n", "553 5.7.1 ");
    SAYS(&c, "MAIL FROM:<ann@our.test> AUTH=<>\r\n", "250 ");
    SAYS(&c, "RCPT TO:<x@away.test>\r\n", "550 5.7.1 This server does not send to other domains");
    SAYS(&c, "RCPT TO:<nobody@our.test>\r\n", "550 5.1.1 ");
    SAYS(&c, DATA, "554 5.5.1 ");
    SAYS(&c, "RSET\r\n", "250 ");
    begin_mail(&c);
    SAYS(
        &c, "From: bob@our.test\r\n\r\nx\r\n.\r\n", "550 5.7.1 You may not send as <bob@our.test>");
    begin_mail(&c);
    SAYS(&c, "no header\r\n.\r\n", "554 5.6.0 The message has no From");
    CHECK(count(bob) == 0);
    /* Normalised, Bcc gone, Date and Message-ID there. */
    begin_mail(&c);
    SAYS(&c, "From: ann@our.test\nbcc: x\r y\r\nTo: z\n\rone\rtwo\nthree\r\n.\r\n", "250 2.0.0 ");
    first_message(bob, text);
    CHECK(strstr(text, "with ESMTPSA id") && strstr(text, "\tfor <bob@our.test>;"));
    CHECK(strstr(text, "\r\nDate: ") && strstr(text, "\r\nMessage-ID: <"));
    CHECK(strstr(
        text, "@mx.our.test>\r\nFrom: ann@our.test\r\nTo: z\r\n\r\none\r\ntwo\r\nthree\r\n"));
    CHECK(!strcasestr(text, "bcc"));
    /* What is there stays; no empty line, no last line end. */
    SAYS(&c, "MAIL FROM:<>\r\n", "250 ");
    SAYS(&c, "RCPT TO:<ann@our.test>\r\n", "250 ");
    static const char bare[] =
        "Date: never\r\nFrom: Ann <ann+x@our.test>\r\nMessage-ID:<a>\r\nBcc: b";
    char line[100];
    snprintf(line, sizeof line, "BDAT %zu LAST\r\n", sizeof bare - 1);
    say_bytes(&c, slice_str(line));
    SAYS(&c, bare, "250 2.0.0 ");
    first_message(ann, text);
    CHECK(strncmp(text, "Return-Path: <>\r\nReceived: ", 27) == 0);
    char *end = strstr(text, "Date: never");
    CHECK(
        end && strcmp(end, "Date: never\r\nFrom: Ann <ann+x@our.test>\r\nMessage-ID:<a>\r\n") == 0);
    CHECK(strstr(text, "+0000\r\nDate: never"));
    close_client(&c);
    close_all();
}

static void refused_newlines_task(void *arg)
{
    struct client c;
    open_all();
    submission.newline = SMTP_NEWLINE_REFUSE;
    log_in(&c);
    begin_mail(&c);
    SAYS(&c, "From: ann@our.test\nTo: z\r\n\r\n.\r\n", "550 5.6.0 ");
    begin_mail(&c);
    say_bytes(&c, S("From: ann@our.test\r\n\r\n\0\r\n.\r\n"));
    HEARS(&c, "550 5.6.0 ");
    CHECK(count(bob) == 0);
    close_client(&c);
    close_all();
}

/* A header of 2 MiB in fields of a byte, and a byte more; a large body; a message cut off. */
static void large_task(void *arg)
{
    static char from[] = "From: ann@our.test\r\n";
    struct client c;
    open_all();
    log_in(&c);
    for (int more = 0; more < 2; more++) {
        size_t left = 2 * 1024 * 1024 - (sizeof from - 1) - 2;
        begin_mail(&c);
        say_bytes(&c, slice_str(from));
        for (; left >= 4 * 1024; left -= 4 * 1024) {
            char fields[4 * 1024];
            for (size_t i = 0; i < sizeof fields; i += 4)
                memcpy(fields + i, i % 8 ? "b:\r\n" : "x:\r\n", 4);
            say_bytes(&c, slice(fields, sizeof fields));
        }
        for (size_t i = 2; i < left + (size_t)more; i++)
            say_bytes(&c, S("a"));
        SAYS(&c, "\r\n\r\n.\r\n", more ? "552 5.3.4 " : "250 2.0.0 ");
    }
    CHECK(count(bob) == 1);
    begin_mail(&c);
    say_bytes(&c, slice_str(from));
    say_bytes(&c, S("\r\n"));
    filler(&c, 3 * 1024 * 1024);
    SAYS(&c, ".\r\n", "250 2.0.0 ");
    CHECK(count(bob) == 2);
    begin_mail(&c);
    say_bytes(&c, slice_str(from));
    close_client(&c);
    while (conn_count())
        task_sleep(deadline_in(CLOCK_MS));
    CHECK(count(bob) == 2);
    close_all();
}

#define WORLD_TEST(name)                                                                           \
    static void name(void **state)                                                                 \
    {                                                                                              \
        world(name##_task);                                                                        \
    }
WORLD_TEST(logins)
WORLD_TEST(failures)
WORLD_TEST(scram_bound)
WORLD_TEST(places)
WORLD_TEST(mail)
WORLD_TEST(refused_newlines)
WORLD_TEST(large)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(logins),
        cmocka_unit_test(failures),
        cmocka_unit_test(scram_bound),
        cmocka_unit_test(places),
        cmocka_unit_test(mail),
        cmocka_unit_test(refused_newlines),
        cmocka_unit_test(large),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
