/* MX and LMTP over real connections, a directory and the memory store in harsh mode. */
#include "unit/intake/world.h"

static void delivers_task(void *arg)
{
    struct client c;
    char text[4096];
    open_world();
    uint64_t ann = add_account("ann@our.test", 0, false),
             bob = add_account("bob@our.test", 0, false);
    add_alias("both@our.test", "ann@our.test", "bob@our.test");
    hello(&c, &mx);
    SAYS(&c, "MAIL FROM:<Sender@away.test>\r\n", "250 2.1.0 ");
    SAYS(&c, "RCPT TO:<ANN+tag@Our.Test>\r\n", "250 2.1.5 ");
    SAYS(&c, DATA, "354 ");
    SAYS(&c, "Subject: hi\r\n\r\n..body\r\n.\r\n", "250 2.0.0 Ok: kept as ");
    CHECK(count(ann) == 1 && count(bob) == 0);
    first_message(ann, text);
    static const char start[] = "Return-Path: <Sender@away.test>\r\nReceived: from me.test "
                                "([192.0.2.9])";
    CHECK(strncmp(text, start, sizeof start - 1) == 0);
    CHECK(strstr(text, "by mx.our.test") && strstr(text, "with ESMTP"));
    CHECK(strstr(text, "\r\nSubject: hi\r\n\r\n.body\r\n"));
    /* One copy each, however often it is named. */
    SAYS(&c, "MAIL FROM:<>\r\n", "250 ");
    SAYS(&c, "RCPT TO:<ann@our.test>\r\n", "250 ");
    SAYS(&c, "RCPT TO:<ann@our.test>\r\n", "250 ");
    SAYS(&c, "RCPT TO:<both@our.test>\r\n", "250 ");
    SAYS(&c, "BDAT 3 LAST\r\nx\r\n", "250 2.0.0 Ok: kept as ");
    CHECK(count(ann) == 2 && count(bob) == 1);
    first_message(bob, text);
    CHECK(strncmp(text, "Return-Path: <>\r\n", 17) == 0 && !strstr(text, "for <"));
    /* What is quoted there is quoted in the trace fields. */
    uint64_t odd = add_account("\"> (x@y\"@our.test", 0, false);
    SAYS(&c, "MAIL FROM:<\"a@b> c\"@away.test>\r\n", "250 ");
    SAYS(&c, "RCPT TO:<\"> (x@y\"@our.test>\r\n", "250 ");
    SAYS(&c, "BDAT 3 LAST\r\nx\r\n", "250 2.0.0 Ok: kept as ");
    first_message(odd, text);
    CHECK(strstr(text, "Return-Path: <\"a@b> c\"@away.test>\r\n") == text);
    CHECK(strstr(text, "\tfor <\"> (x@y\"@our.test>;\r\n"));
    SAYS(&c, "MAIL FROM:<\"\"@away.test>\r\n", "250 ");
    SAYS(&c, "RCPT TO:<bob@our.test>\r\n", "250 ");
    SAYS(&c, "BDAT 3 LAST\r\nx\r\n", "250 2.0.0 Ok: kept as ");
    CHECK(count(bob) == 2);
    SAYS(&c, "QUIT\r\n", "221 ");
    close_client(&c);
    close_world();
}

static void refuses_task(void *arg)
{
    struct client c;
    open_world();
    uint64_t ann = add_account("ann@our.test", 1000, false);
    add_account("gone@our.test", 0, true);
    hello(&c, &mx);
    SAYS(&c, "MAIL FROM:<a@away.test>\r\n", "250 ");
    SAYS(&c, "RCPT TO:<nobody@our.test>\r\n", "550 5.1.1 ");
    SAYS(&c, "RCPT TO:<x@away.test>\r\n", "550 5.7.1 Relaying denied: away.test");
    SAYS(&c, "RCPT TO:<ann%away.test@our.test>\r\n", "550 5.1.1 ");
    SAYS(&c, "RCPT TO:<away.test!ann@our.test>\r\n", "550 5.1.1 ");
    SAYS(&c, "RCPT TO:<\"ann@our.test\"@away.test>\r\n", "550 5.7.1 ");
    SAYS(&c, "RCPT TO:<ann@[127.0.0.1]>\r\n", "550 5.7.1 ");
    SAYS(&c, "RCPT TO:<\"\"@our.test>\r\n", "550 5.1.1 ");
    SAYS(&c, "RCPT TO:<../ann@our.test>\r\n", "501 5.1.3 ");
    SAYS(&c, "RCPT TO:<gone@our.test>\r\n", "450 4.2.1 ");
    SAYS(&c, DATA, "554 5.5.1 ");
    SAYS(&c, "RCPT TO:<@away.test:ann@our.test>\r\n", "250 ");
    SAYS(&c, "RSET\r\n", "250 ");
    SAYS(&c, "MAIL FROM:<a@our.test>\r\n", "250 ");
    SAYS(&c, "RCPT TO:<ann@our.test>\r\n", "250 ");
    SAYS(&c, DATA, "354 ");
    for (int i = 0; i < 100; i++)
        say_bytes(&c, S("Received: by x\r\n"));
    SAYS(&c, "\r\n.\r\n", "554 5.4.6 ");
    SAYS(&c, "QUIT\r\n", "221 ");
    CHECK(count(ann) == 0);
    close_client(&c);
    close_world();
}

static void quota_task(void *arg)
{
    struct client c, d;
    open_world();
    uint64_t ann = add_account("ann@our.test", 4000, false);
    uint64_t bob = add_account("bob@our.test", 100000, false);
    hello(&c, &mx);
    hello(&d, &mx);
    SAYS(&c, "MAIL FROM:<a@x.test> SIZE=4001\r\n", "250 ");
    SAYS(&c, "RCPT TO:<ann@our.test>\r\n", "552 5.2.2 ");
    /* ann is the first account of the domain: its postmaster, who is never over quota. */
    SAYS(&c, "RCPT TO:<postmaster@our.test>\r\n", "250 ");
    SAYS(&c, "RCPT TO:<PostMaster>\r\n", "250 ");
    SAYS(&c, "RSET\r\n", "250 ");
    /* What one was promised, another cannot have. */
    SAYS(&c, "MAIL FROM:<a@x.test> SIZE=3000\r\n", "250 ");
    SAYS(&c, "RCPT TO:<ann@our.test>\r\n", "250 ");
    SAYS(&d, "MAIL FROM:<a@x.test> SIZE=3000\r\n", "250 ");
    SAYS(&d, "RCPT TO:<ann@our.test>\r\n", "452 4.2.2 ");
    SAYS(&c, "RSET\r\n", "250 ");
    SAYS(&d, "RCPT TO:<ann@our.test>\r\n", "250 ");
    SAYS(&d, "QUIT\r\n", "221 ");
    /* More came than was announced: refused for one who is alone, taken when another takes it. */
    SAYS(&c, "MAIL FROM:<a@x.test> SIZE=10\r\n", "250 ");
    SAYS(&c, "RCPT TO:<ann@our.test>\r\n", "250 ");
    SAYS(&c, DATA, "354 ");
    filler(&c, 5 * 1024);
    SAYS(&c, ".\r\n", "552 5.2.2 ");
    SAYS(&c, "MAIL FROM:<a@x.test>\r\n", "250 ");
    SAYS(&c, "RCPT TO:<ann@our.test>\r\n", "250 ");
    SAYS(&c, "RCPT TO:<bob@our.test>\r\n", "250 ");
    SAYS(&c, DATA, "354 ");
    filler(&c, 5 * 1024);
    SAYS(&c, ".\r\n", "250 2.0.0 ");
    CHECK(count(ann) == 1 && count(bob) == 1);
    SAYS(&c, "MAIL FROM:<a@x.test>\r\n", "250 ");
    SAYS(&c, "RCPT TO:<ann@our.test>\r\n", "452 4.2.2 ");
    close_client(&c);
    close_client(&d);
    close_world();
}

static void lmtp_task(void *arg)
{
    struct client c;
    open_world();
    uint64_t ann = add_account("ann@our.test", 0, false);
    uint64_t bob = add_account("bob@our.test", 4000, false);
    add_account("eve@our.test", 6000, false);
    hello(&c, &lmtp);
    SAYS(&c, "MAIL FROM:<a@x.test>\r\n", "250 ");
    SAYS(&c, "RCPT TO:<ann@our.test>\r\n", "250 ");
    SAYS(&c, "RCPT TO:<nobody@our.test>\r\n", "550 5.1.1 ");
    SAYS(&c, "RCPT TO:<bob@our.test>\r\n", "250 ");
    SAYS(&c, "RCPT TO:<ann@our.test>\r\n", "250 ");
    SAYS(&c, DATA, "354 ");
    filler(&c, 5 * 1024);
    say_bytes(&c, S("bare\n.\r\n.\r\n"));
    HEARS(&c, "250 2.0.0 ");
    HEARS(&c, "552 5.2.2 ");
    HEARS(&c, "250 2.0.0 ");
    CHECK(count(ann) == 1 && count(bob) == 0);
    SAYS(&c, "MAIL FROM:<a@x.test>\r\n", "250 ");
    SAYS(&c, "RCPT TO:<bob@our.test>\r\n", "250 ");
    SAYS(&c, "RCPT TO:<bob@our.test>\r\n", "250 ");
    SAYS(&c, "BDAT 8 LAST\r\na: b\r\n\r\n", "250 2.0.0 ");
    HEARS(&c, "250 2.0.0 ");
    CHECK(count(bob) == 1);
    close_client(&c);
    close_world();
}

/* 100 accounts in a transaction; an alias that stands for more gets through alone. */
static void limits_task(void *arg)
{
    static struct slice targets[101];
    static char names[101][32];
    char why[DIRECTORY_WHY], line[64];
    struct client c;
    open_world();
    for (int i = 0; i < 101; i++) {
        snprintf(names[i], sizeof names[i], "u%d@our.test", i);
        targets[i] = slice_str(names[i]);
        add_account(names[i], 0, false);
    }
    CHECK(
        directory_alias_add(directory, S("all@our.test"), targets, 101, why, SOON) == DIRECTORY_OK);
    hello(&c, &mx);
    SAYS(&c, "MAIL FROM:<a@x.test>\r\n", "250 ");
    for (int i = 0; i < 101; i++) {
        snprintf(line, sizeof line, "RCPT TO:<u%d@our.test>\r\n", i);
        SAYS(&c, line, i < 100 ? "250 2.1.5 " : "452 4.5.3 ");
    }
    SAYS(&c, "RCPT TO:<u0@our.test>\r\n", "250 ");
    SAYS(&c, "RSET\r\n", "250 ");
    SAYS(&c, "MAIL FROM:<a@x.test>\r\n", "250 ");
    SAYS(&c, "RCPT TO:<all@our.test>\r\n", "250 ");
    SAYS(&c, "BDAT 3 LAST\r\nx\r\n", "250 2.0.0 ");
    SAYS(&c, "MAIL FROM:<a@x.test>\r\n", "250 ");
    SAYS(&c, "RCPT TO:<u0@our.test>\r\n", "250 ");
    SAYS(&c, "RCPT TO:<all@our.test>\r\n", "452 4.5.3 ");
    close_client(&c);
    close_world();
}

/* Header of 2 MiB, and a byte more; a large body goes through the spool's waits. */
static void large_task(void *arg)
{
    struct client c;
    open_world();
    uint64_t ann = add_account("ann@our.test", 0, false);
    hello(&c, &mx);
    for (int more = 0; more < 2; more++) {
        SAYS(&c, "MAIL FROM:<a@x.test>\r\n", "250 ");
        SAYS(&c, "RCPT TO:<ann@our.test>\r\n", "250 ");
        SAYS(&c, DATA, "354 ");
        filler(&c, 2 * 1024 * 1024 - 1024);
        for (int i = 0; i < 127; i++)
            say_bytes(&c, S("a: 890\r\n"));
        say_bytes(&c, more ? S("a:890\r\n") : S("a:89\r\n"));
        SAYS(&c, "\r\n.\r\n", more ? "552 5.3.4 " : "250 2.0.0 ");
    }
    SAYS(&c, "MAIL FROM:<a@x.test>\r\n", "250 ");
    SAYS(&c, "RCPT TO:<ann@our.test>\r\n", "250 ");
    SAYS(&c, DATA, "354 ");
    say_bytes(&c, S("a: b\r\n\r\n"));
    filler(&c, 8 * 1024 * 1024);
    SAYS(&c, ".\r\n", "250 2.0.0 ");
    CHECK(count(ann) == 2);
    /* Lost in the middle: nothing is kept. */
    SAYS(&c, "MAIL FROM:<a@x.test>\r\n", "250 ");
    SAYS(&c, "RCPT TO:<ann@our.test>\r\n", "250 ");
    SAYS(&c, DATA, "354 ");
    filler(&c, 1024 * 1024);
    close_client(&c);
    while (conn_count())
        task_sleep(deadline_in(CLOCK_MS));
    CHECK(count(ann) == 2);
    close_world();
}

/* The bytes are in the socket before the greeting is thought of. */
static void early_task(void *arg)
{
    struct client c;
    open_world();
    open_client(&c, &mx);
    SAYS(&c, "EHLO me.test\r\n", "554 5.5.1 ");
    CHECK(!*hear(&c));
    close_client(&c);
    close_world();
}

static void early_talkers(void **state)
{
    world(early_task);
}

static void delivers(void **state)
{
    world(delivers_task);
}

static void refuses(void **state)
{
    world(refuses_task);
}

static void holds_quota(void **state)
{
    world(quota_task);
}

static void lmtp_answers_each(void **state)
{
    world(lmtp_task);
}

static void limits(void **state)
{
    world(limits_task);
}

static void large(void **state)
{
    world(large_task);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(delivers),
        cmocka_unit_test(early_talkers),
        cmocka_unit_test(refuses),
        cmocka_unit_test(holds_quota),
        cmocka_unit_test(lmtp_answers_each),
        cmocka_unit_test(limits),
        cmocka_unit_test(large),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
