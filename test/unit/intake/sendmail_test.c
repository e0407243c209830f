/* Mail of programs of this machine, as a user that the test chooses. */
#include "unit/intake/local.h"

#define MAIL "Subject: x\r\n\r\nx\r\n.\r\n"

static const struct intake_user users[] = {
    {false, OTHER, "www", "ann@our.test"},
    {false, OTHER + 1, "gone", "gone@our.test"},
    {true, 0, "", "carl@our.test"},
};

static uint64_t ann, bob, carl;

static void open_all(size_t user_n)
{
    open_world();
    options.users = users;
    options.user_n = user_n;
    intake_sendmail(&options, &local);
    local.error_delay = 1;
    bob = add_account("bob@our.test", 0, false);
    ann = add_account("ann@our.test", 0, false);
    carl = add_account("carl@our.test", 0, false);
}

static void refused(int64_t uid, const char *greeting)
{
    struct client c;
    call_as(&c, uid, greeting);
    CHECK(!*hear(&c));
    close_client(&c);
}

static void strangers_task(void *arg)
{
    struct client c;
    open_all(2);
    refused(-1, "554 5.7.1 The system does not say");
    refused(OTHER + 2,
        "554 5.7.1 The user with uid 4000000003 may not send mail: the administrator "
        "has to add \"4000000003 ADDRESS\"");
    refused(OTHER + 1, "554 5.7.1 sendmail.users says that uid 4000000002 sends as gone@our.test, "
                       "which is no account");
    options.connections_per_account = 1;
    call_as(&c, OTHER, "220 ");
    refused(OTHER, "421 4.7.0 ");
    close_client(&c);
    close_world();
}

static void send_as(struct client *c, const char *from, const char *to, const char *mail)
{
    char line[512];
    snprintf(line, sizeof line, "MAIL FROM:<%s>\r\n", from);
    SAYS(c, line, "250 ");
    snprintf(line, sizeof line, "RCPT TO:<%s>\r\n", to);
    SAYS(c, line, "250 ");
    SAYS(c, DATA, "354 ");
    say_bytes(c, slice_str(mail));
}

static void user_task(void *arg)
{
    struct client c;
    char text[4096];
    open_all(3);
    call_as(&c, OTHER, "220 ");
    SAYS(&c, "AUTH PLAIN x\r\n", "502 ");
    SAYS(&c, "MAIL FROM:<bob@our.test>\r\n", "553 5.7.1 ");
    SAYS(&c, "MAIL FROM:<x@away.test>\r\n", "553 5.7.1 ");
    /* Without From; the name of the caller. */
    send_as(&c, "anything@localhost", "www@LocalHost", MAIL);
    HEARS(&c, "250 2.0.0 ");
    first_message(ann, text);
    CHECK(strstr(text, "Return-Path: <ann@our.test>\r\nReceived: by mx.our.test (from uid "
                       "4000000001 / www) with ESMTP id ") == text);
    CHECK(strstr(text, "\r\nFrom: ann@our.test\r\nSubject: x\r\n\r\nx\r\n"));
    /* Whom a name means: a row, the postmaster, the domain of the caller. */
    send_as(&c, "", "root@mx.our.test",
        "From: root (Cron D\xc3\xa4mon)\r\nSubject: x\r\n\r\nx\r\n.\r\n");
    HEARS(&c, "250 2.0.0 ");
    first_message(bob, text);
    CHECK(strncmp(text, "Return-Path: <>\r\n", 17) == 0);
    CHECK(
        strstr(text, "\r\nFrom: =?") && strstr(text, " <ann@our.test>\r\nSubject: x\r\n\r\nx\r\n"));
    send_as(&c, "x@localhost.localdomain", "carl@localhost",
        "From: ann+tag@our.test\r\n"
        "Sender: X <www@localhost>\r\n\r\n.\r\n");
    HEARS(&c, "250 2.0.0 ");
    first_message(carl, text);
    CHECK(strstr(text, "From: ann+tag@our.test\r\nSender: X <ann@our.test>\r\n\r\n"));
    SAYS(&c, "MAIL FROM:<x@localhost>\r\n", "250 ");
    SAYS(&c, "RCPT TO:<nobody@localhost>\r\n", "550 5.1.1 ");
    SAYS(&c, "RSET\r\n", "250 ");
    /* As somebody else. */
    send_as(&c, "ann@our.test", "bob@our.test", "From: bob@our.test\r\n\r\nx\r\n.\r\n");
    HEARS(&c, "550 5.7.1 You may not send as <bob@our.test>");
    send_as(&c, "ann@our.test", "bob@our.test", "From: ann@our.test, b c d\r\n\r\nx\r\n.\r\n");
    HEARS(&c, "554 5.6.0 ");
    send_as(&c, "ann@our.test", "bob@our.test", "From: root@\r\n\r\nx\r\n.\r\n");
    HEARS(&c, "554 5.6.0 ");
    CHECK(count(bob) == 1);
    close_client(&c);
    call_as(&c, OTHER + 7, "220 ");
    send_as(&c, "me@localhost", "ann@our.test", MAIL);
    HEARS(&c, "250 2.0.0 ");
    CHECK(count(ann) == 2);
    close_client(&c);
    close_world();
}

static void administrator_task(void *arg)
{
    struct client c;
    char text[4096];
    open_all(2);
    call_as(&c, geteuid(), "220 ");
    SAYS(&c, "MAIL FROM:<x@away.test>\r\n", "553 5.7.1 ");
    send_as(
        &c, "no-such@our.test", "carl@our.test", "From: another@our.test, www\r\n\r\nx\r\n.\r\n");
    HEARS(&c, "250 2.0.0 ");
    first_message(carl, text);
    CHECK(strncmp(text, "Return-Path: <no-such@our.test>\r\n", 33) == 0);
    CHECK(strstr(text, "\r\nFrom: another@our.test, ann@our.test\r\n\r\nx\r\n"));
    send_as(&c, "root@localhost", "ann@our.test", MAIL);
    HEARS(&c, "250 2.0.0 ");
    first_message(ann, text);
    CHECK(strncmp(text, "Return-Path: <bob@our.test>\r\n", 29) == 0);
    send_as(&c, "www@localhost", "bob@our.test", MAIL);
    HEARS(&c, "250 2.0.0 ");
    first_message(bob, text);
    CHECK(strncmp(text, "Return-Path: <ann@our.test>\r\n", 29) == 0);
    send_as(&c, "www@localhost", "bob@our.test", "From: x@away.test\r\n\r\nx\r\n.\r\n");
    HEARS(&c, "550 5.7.1 ");
    close_client(&c);
    close_world();
}

/* Nobody has an account yet. */
static void empty_task(void *arg)
{
    open_world();
    options.user_n = 0;
    intake_sendmail(&options, &local);
    refused(geteuid(), "554 5.7.1 There is no account yet");
    close_world();
}

/* Half of what submission takes, since it has to fit before the message. */
static void long_authors_task(void *arg)
{
    struct client c;
    open_all(3);
    call_as(&c, OTHER, "220 ");
    for (int more = 0; more < 2; more++) {
        size_t left = 32 * 1024 - sizeof "From: ann@our.test (\r\n)\r\n" + 1 + (size_t)more;
        SAYS(&c, "MAIL FROM:<>\r\n", "250 ");
        SAYS(&c, "RCPT TO:<bob@our.test>\r\n", "250 ");
        SAYS(&c, DATA, "354 ");
        say_bytes(&c, S("From: ann@our.test (\r\n"));
        for (size_t i = 0; i < left; i++)
            say_bytes(&c, S(" "));
        SAYS(&c, ")\r\n\r\n.\r\n", more ? "554 5.6.0 From and Sender are longer" : "250 2.0.0 ");
    }
    CHECK(count(bob) == 1);
    close_client(&c);
    close_world();
}

#define WORLD_TEST(name)                                                                           \
    static void name(void **state)                                                                 \
    {                                                                                              \
        world(name##_task);                                                                        \
    }
WORLD_TEST(strangers)
WORLD_TEST(user)
WORLD_TEST(administrator)
WORLD_TEST(empty)
WORLD_TEST(long_authors)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(strangers),
        cmocka_unit_test(user),
        cmocka_unit_test(administrator),
        cmocka_unit_test(empty),
        cmocka_unit_test(long_authors),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
