/* Sessions after login: the frozen list, RETR and TOP, marks, leases, limits. */
#include "store/memory.h"
#include "unit/pop3/dialog.h"

static void with_store(void (*fn)(void))
{
    dialog_open_store();
    speaker_result = AUTH_OK;
    fn();
    dialog_service.connections_per_account = 100;
    CHECK(conn_count() == 0);
    fixture_close();
}

#define TEST(name) DIALOG_TEST(name, with_store)

#define IN           GREETING NAME_OK
#define M1           "Subject: 1\r\n\r\none\r\n"        /* 19 */
#define M2           "Subject: 2\r\n\r\n.\r\n..two\r\n" /* 24 */
#define M3           "Subject: 3\r\n\r\nthree\r\n"      /* 21 */
#define OPENED_EMPTY "+OK Maildrop has 0 messages (0 octets)\r\n"
#define THREE        "3 messages (64 octets)\r\n"

static void append(const char *text)
{
    CHECK(fixture_append(MAILBOX_INBOX, slice_str(text), 0));
}

static void append_three(void)
{
    append(M1);
    append(M2);
    append(M3);
}

static struct mailbox_listing listing(void)
{
    struct mailbox_listing l;
    CHECK(mailbox_list_messages(fixture_store, ACCOUNT, MAILBOX_INBOX, &l, SOON) == OUTCOME_DONE);
    return l;
}

static uint32_t uidvalidity(void)
{
    struct mailbox_listing l = listing();
    mailbox_listing_finish(&l);
    return l.mailbox.uidvalidity;
}

TEST(listings)
{
    append_three();
    dialog_talk(LOGIN "STAT\r\nLIST\r\nLIST 2\r\nLIST 4\r\nLIST 0\r\nUIDL 9\r\nQUIT\r\n",
        IN LOGGED("3 messages (64 octets)") "+OK 3 64\r\n"
                                            "+OK " THREE "1 19\r\n2 24\r\n3 21\r\n.\r\n+OK 2 24\r\n"
                                            "-ERR No such message, only 3 in the maildrop\r\n"
                                            "-ERR No such message, only 3 in the maildrop\r\n"
                                            "-ERR No such message, only 3 in the maildrop\r\n" LEFT(
                                                3));
}

TEST(unique_ids_stay)
{
    char want[400];
    append_three();
    uint32_t v = uidvalidity();
    snprintf(want, sizeof want,
        IN LOGGED(
            "3 messages (64 octets)") "+OK Unique-ids follow\r\n1 %u.1\r\n2 %u.2\r\n3 %u.3\r\n"
                                      ".\r\n+OK 3 %u.3\r\n+OK Message 2 is deleted at "
                                      "QUIT\r\n" LEFT(2),
        v, v, v, v);
    dialog_say(S(LOGIN "UIDL\r\nUIDL 3\r\nDELE 2\r\nQUIT\r\n"), want);
    append(M2);
    snprintf(want, sizeof want,
        IN LOGGED(
            "3 messages (64 octets)") "+OK Unique-ids follow\r\n1 %u.1\r\n2 %u.3\r\n3 %u.4\r\n"
                                      ".\r\n" LEFT(3),
        v, v, v);
    dialog_say(S(LOGIN "UIDL\r\nQUIT\r\n"), want);
}

#define DELETED(n) "+OK Message " #n " is deleted at QUIT\r\n"

TEST(marks)
{
    append_three();
    dialog_talk(LOGIN
        "DELE 2\r\nDELE 2\r\nRETR 2\r\nTOP 2 0\r\nLIST 2\r\nUIDL 2\r\nLIST\r\nSTAT\r\n"
        "RSET\r\nSTAT\r\nNOOP\r\nQUIT\r\n",
        IN LOGGED("3 messages (64 octets)") DELETED(
            2) "-ERR Message 2 is deleted\r\n"
               "-ERR Message 2 is deleted\r\n-ERR Message 2 is deleted\r\n-ERR Message 2 is "
               "deleted\r\n"
               "-ERR Message 2 is deleted\r\n+OK 2 messages (40 octets)\r\n1 19\r\n3 21\r\n.\r\n"
               "+OK 2 40\r\n+OK Maildrop has " THREE "+OK 3 64\r\n+OK Nothing done\r\n" LEFT(3));
    CHECK(dialog_messages(fixture_store) == 3);
}

TEST(only_quit_deletes)
{
    append_three();
    /* The connection is lost. */
    dialog_talk(
        LOGIN "DELE 1\r\nDELE 3\r\n", IN LOGGED("3 messages (64 octets)") DELETED(1) DELETED(3));
    CHECK(dialog_messages(fixture_store) == 3);
    dialog_talk(LOGIN "DELE 1\r\nQUI", IN LOGGED("3 messages (64 octets)") DELETED(1));
    CHECK(dialog_messages(fixture_store) == 3);
    dialog_say(S(LOGIN "DELE 1\r\nDELE 3\r\nQUIT\r\nSTAT\r\n"),
        IN LOGGED("3 messages (64 octets)") DELETED(1) DELETED(3) LEFT(1));
    CHECK(dialog_messages(fixture_store) == 1);
    CHECK(fixture_faults(false) == 0);
}

TEST(more_deletes_than_a_batch)
{
    struct buffer in, want;
    buffer_init(&in, 1 << 20);
    buffer_init(&want, 1 << 20);
    buffer_add(&in, S(LOGIN));
    buffer_add(&want, S(IN LOGGED("1002 messages (4008 octets)")));
    for (unsigned i = 1; i <= MAILBOX_BATCH + 2; i++) {
        append("a\r\n\n");
        if (i == 500)
            continue;
        buffer_printf(&in, "DELE %u\r\n", i);
        buffer_printf(&want, "+OK Message %u is deleted at QUIT\r\n", i);
    }
    buffer_add(&in, S("QUIT\r\n"));
    buffer_add(&want, slice(LEFT(1), sizeof LEFT(1)));
    dialog_say(buffer_slice(&in), want.p);
    CHECK(dialog_messages(fixture_store) == 1);
    CHECK(fixture_faults(false) == 0);
    buffer_finish(&in);
    buffer_finish(&want);
}

/* ---- RETR, TOP ---- */

#define S2 "Subject: 2\r\n\r\n..\r\n...two\r\n.\r\n"

TEST(retrieving)
{
    append_three();
    dialog_talk(LOGIN "RETR 2\r\nTOP 2 1\r\nTOP 2 0\r\nTOP 2 9223372036854775808\r\nTOP 4 1\r\n"
                      "RETR 0\r\nRETR 99999999999999999999\r\nQUIT\r\n",
        IN LOGGED(
            "3 messages (64 octets)") "+OK 24 octets\r\n" S2
                                      "+OK Top of the message follows\r\nSubject: "
                                      "2\r\n\r\n..\r\n.\r\n"
                                      "+OK Top of the message follows\r\nSubject: 2\r\n\r\n.\r\n"
                                      "+OK Top of the message follows\r\n" S2
                                      "-ERR No such message, only 3 in the maildrop\r\n"
                                      "-ERR No such message, only 3 in the maildrop\r\n"
                                      "-ERR No such message, only 3 in the maildrop\r\n" LEFT(3));
}

TEST(only_retr_sets_seen)
{
    append_three();
    dialog_say(S(LOGIN "RETR 2\r\nTOP 1 0\r\nQUIT\r\n"),
        IN LOGGED("3 messages (64 octets)") "+OK 24 octets\r\n" S2
                                            "+OK Top of the message follows\r\nSubject: "
                                            "1\r\n\r\n.\r\n" LEFT(3));
    struct mailbox_listing l = listing();
    CHECK(l.n == 3 && !(l.entries[0].flags & MAILBOX_SEEN) && (l.entries[1].flags & MAILBOX_SEEN) &&
          !(l.entries[2].flags & MAILBOX_SEEN));
    mailbox_listing_finish(&l);
}

TEST(odd_newlines_are_made_good)
{
    append("A: b\n\n.x\ry");
    dialog_talk(LOGIN "LIST 1\r\nRETR 1\r\nTOP 1 1\r\nQUIT\r\n",
        IN LOGGED("1 messages (10 octets)") "+OK 1 10\r\n"
                                            "+OK 10 octets\r\nA: b\r\n\r\n..x\r\ny\r\n.\r\n"
                                            "+OK Top of the message follows\r\nA: "
                                            "b\r\n\r\n..x\r\n.\r\n" LEFT(1));
}

/* Lines of many lengths, so that the pieces of the store end everywhere in them. */
static void make_big(struct buffer *text, struct buffer *stuffed, size_t n)
{
    buffer_init(text, n + 1000);
    buffer_init(stuffed, n * 2 + 1000);
    for (unsigned i = 0; text->n < n; i++) {
        const char *dots = i % 3 ? "" : "..";
        int width = (int)(i % 97) + 1;
        buffer_printf(text, "%s%0*u\r\n", dots, width, i);
        buffer_printf(stuffed, "%s%s%0*u\r\n", i % 3 ? "" : ".", dots, width, i);
    }
    buffer_add(text, S("no end"));
    buffer_add(stuffed, S("no end\r\n.\r\n"));
}

static void append_big(struct slice text)
{
    CHECK(fixture_append(MAILBOX_INBOX, text, 0));
}

TEST(a_big_message)
{
    struct buffer text, stuffed, want;
    make_big(&text, &stuffed, (size_t)3 << 20);
    append_big(buffer_slice(&text));
    buffer_init(&want, (size_t)16 << 20);
    buffer_printf(
        &want, IN "+OK Maildrop has 1 messages (%zu octets)\r\n+OK %zu octets\r\n", text.n, text.n);
    buffer_add(&want, buffer_slice(&stuffed));
    buffer_add(&want, S(LEFT(1) "\0"));
    dialog_say(S(LOGIN "RETR 1\r\nQUIT\r\n"), want.p);
    buffer_finish(&text);
    buffer_finish(&stuffed);
    buffer_finish(&want);
}

static enum outcome expunge_fn(struct store_txn *t, void *arg)
{
    static const uint32_t uid = 2;
    struct mailbox_expunge e = {.mailbox = MAILBOX_INBOX, .uids = &uid, .n = 1, .now = 1000};
    return mailbox_expunge(t, &e);
}

static void expunge_second(void)
{
    char none = 0;
    store_post(fixture_store, mailbox_partition(ACCOUNT), expunge_fn, &none, 1);
}

#define REMOVED "-ERR The message was removed by another client meanwhile\r\n"

TEST(a_message_removed_by_somebody_else)
{
    append_three();
    struct dialog d = {.input = S(LOGIN "RETR 2\r\nTOP 2 0\r\nDELE 2\r\nDELE 1\r\nQUIT\r\n"),
        .piece = sizeof LOGIN - 1,
        .after_first = expunge_second};
    dialog_start(&d);
    dialog_wait(&d);
    CHECK(slice_eq(buffer_slice(&d.output),
        S(IN LOGGED("3 messages (64 octets)") REMOVED REMOVED DELETED(2) DELETED(1) LEFT(1))));
    CHECK(dialog_messages(fixture_store) == 1);
    CHECK(fixture_faults(false) == 0);
    dialog_finish(&d);
}

/* ---- who has the maildrop ---- */

#define IN_USE "-ERR [IN-USE] Another session has this maildrop open\r\n"

TEST(one_session_at_a_time)
{
    struct dialog a = {.input = S(LOGIN), .stay = true, .address = "192.0.2.1"};
    dialog_start(&a);
    dialog_expect(&a, sizeof(IN OPENED_EMPTY) - 1);
    struct dialog b = {.input = S(LOGIN LOGIN), .address = "192.0.2.2"};
    dialog_start(&b);
    dialog_wait(&b);
    CHECK(slice_eq(buffer_slice(&b.output), S(IN IN_USE NAME_OK IN_USE)));
    dialog_finish(&b);
    /* An idle one of the same address is taken over, and deletes nothing any more. */
    struct dialog c = {.input = S(LOGIN "QUIT\r\n"), .address = "192.0.2.1"};
    dialog_start(&c);
    dialog_wait(&c);
    CHECK(slice_eq(buffer_slice(&c.output), S(IN OPENED_EMPTY LEFT(0))));
    dialog_finish(&c);
    CHECK(a.output.n == sizeof(IN OPENED_EMPTY) - 1);
    conn_drain(a.conn);
    dialog_wait(&a);
    dialog_finish(&a);
}

TEST(a_lost_connection_gives_the_maildrop_back)
{
    struct dialog a = {.input = S(LOGIN), .address = "192.0.2.1"};
    dialog_start(&a);
    dialog_wait(&a);
    dialog_finish(&a);
    struct dialog b = {.input = S(LOGIN "QUIT\r\n"), .address = "192.0.2.2"};
    dialog_start(&b);
    dialog_wait(&b);
    CHECK(slice_eq(buffer_slice(&b.output), S(IN OPENED_EMPTY LEFT(0))));
    dialog_finish(&b);
}

TEST(connections_of_an_account)
{
    struct dialog a = {.input = S(LOGIN), .stay = true}, b = a, c = a;
    dialog_service.connections_per_account = 2;
    dialog_start(&a);
    dialog_expect(&a, sizeof(IN OPENED_EMPTY) - 1);
    dialog_start(&b);
    dialog_expect(&b, sizeof(IN OPENED_EMPTY) - 1);
    dialog_start(&c);
    dialog_expect(&c, sizeof IN + 10);
    CHECK(slice_eq(
        buffer_slice(&c.output), S(IN "-ERR [IN-USE] Too many connections of this account\r\n")));
    struct dialog *all[] = {&a, &b, &c};
    for (unsigned i = 0; i < 3; i++) {
        conn_drain(all[i]->conn);
        dialog_wait(all[i]);
        dialog_finish(all[i]);
    }
    dialog_say(S(LOGIN "QUIT\r\n"), IN OPENED_EMPTY LEFT(0));
}

TEST(draining)
{
    append_three();
    struct dialog d = {.input = S(LOGIN "DELE 1\r\n"), .stay = true};
    struct slice want = S(IN LOGGED("3 messages (64 octets)") DELETED(1));
    dialog_start(&d);
    dialog_expect(&d, want.n);
    conn_drain(d.conn);
    dialog_wait(&d);
    CHECK(slice_starts(buffer_slice(&d.output), want));
    CHECK(slice_eq(slice_from(buffer_slice(&d.output), want.n),
        S("-ERR [SYS/TEMP] The server ends this connection; nothing was deleted\r\n")));
    CHECK(dialog_messages(fixture_store) == 3);
    dialog_finish(&d);
}

TEST(silence_deletes_nothing)
{
    append_three();
    dialog_service.timeout = 20 * CLOCK_MS;
    struct dialog d = {.input = S(LOGIN "DELE 1\r\n"), .stay = true};
    dialog_start(&d);
    dialog_wait(&d);
    CHECK(slice_eq(buffer_slice(&d.output), S(IN LOGGED("3 messages (64 octets)") DELETED(1))));
    CHECK(dialog_messages(fixture_store) == 3);
    dialog_finish(&d);
    dialog_service.timeout = 0;
}

/* ---- limits ---- */

static void say_line(size_t n, const char *want)
{
    struct buffer b;
    buffer_init(&b, 4096);
    buffer_add(&b, S(LOGIN));
    size_t from = b.n;
    buffer_add(&b, S("LIST "));
    while (b.n - from < n - 2)
        buffer_add_char(&b, '9');
    buffer_add(&b, S("\r\nQUIT\r\n"));
    dialog_say(buffer_slice(&b), want);
    buffer_finish(&b);
}

TEST(line_limit)
{
    say_line(255, IN OPENED_EMPTY "-ERR No such message, only 0 in the maildrop\r\n" LEFT(0));
    say_line(256, IN OPENED_EMPTY "-ERR Line too long\r\n" LEFT(0));
}

static void bad_commands(unsigned n, bool goes_on)
{
    struct buffer in, want;
    buffer_init(&in, 4096);
    buffer_init(&want, 4096);
    buffer_add(&in, S(LOGIN));
    buffer_add(&want, S(IN OPENED_EMPTY));
    for (unsigned i = 0; i < n; i++) {
        buffer_add(&in, S("XTND\r\n"));
        buffer_add(&want, S("-ERR Unknown command\r\n"));
    }
    buffer_add(&in, S("QUIT\r\n"));
    if (goes_on)
        buffer_add(&want, S(LEFT(0)));
    buffer_add_char(&want, '\0');
    dialog_say(buffer_slice(&in), want.p);
    buffer_finish(&in);
    buffer_finish(&want);
}

TEST(bad_command_limit)
{
    bad_commands(19, true);
    bad_commands(20, false);
}

/* ---- the store fails ---- */

TEST(an_unknown_outcome_gets_no_reply)
{
    append_three();
    memory_crash_after(fixture_store, 0);
    dialog_say(
        S(LOGIN "DELE 1\r\nQUIT\r\nNOOP\r\n"), IN LOGGED("3 messages (64 octets)") DELETED(1));
    /* Until recovery nothing can be read. */
    dialog_say(S(LOGIN "QUIT\r\n"),
        IN "-ERR [SYS/TEMP] Cannot open the maildrop, try again later\r\n" BYE);
    memory_restart(fixture_store);
    CHECK(dialog_messages(fixture_store) == 3);
}

static void fail_soon(void)
{
    memory_crash_after(fixture_store, 0);
    expunge_second();
}

TEST(a_store_that_fails_under_a_session)
{
    struct buffer in;
    append_three();
    buffer_init(&in, 4096);
    buffer_add(&in, S(LOGIN));
    for (unsigned i = 0; i < 50; i++) /* each waits for the store */
        buffer_add(&in, S("TOP 1 0\r\n"));
    buffer_add(&in, S("RETR 1\r\nDELE 1\r\nQUIT\r\n"));
    struct dialog d = {
        .input = buffer_slice(&in), .piece = sizeof LOGIN - 1, .after_first = fail_soon};
    dialog_start(&d);
    dialog_wait(&d);
    CHECK(slice_ends(buffer_slice(&d.output),
        S("-ERR [SYS/TEMP] Cannot read the message, try again later\r\n" DELETED(
            1) "-ERR [SYS/TEMP] Some deleted messages not removed\r\n")));
    dialog_finish(&d);
    memory_restart(fixture_store);
    CHECK(dialog_messages(fixture_store) == 3);
    buffer_finish(&in);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(listings),
        cmocka_unit_test(unique_ids_stay),
        cmocka_unit_test(marks),
        cmocka_unit_test(only_quit_deletes),
        cmocka_unit_test(more_deletes_than_a_batch),
        cmocka_unit_test(retrieving),
        cmocka_unit_test(only_retr_sets_seen),
        cmocka_unit_test(odd_newlines_are_made_good),
        cmocka_unit_test(a_big_message),
        cmocka_unit_test(a_message_removed_by_somebody_else),
        cmocka_unit_test(one_session_at_a_time),
        cmocka_unit_test(a_lost_connection_gives_the_maildrop_back),
        cmocka_unit_test(connections_of_an_account),
        cmocka_unit_test(draining),
        cmocka_unit_test(silence_deletes_nothing),
        cmocka_unit_test(line_limit),
        cmocka_unit_test(bad_command_limit),
        cmocka_unit_test(an_unknown_outcome_gets_no_reply),
        cmocka_unit_test(a_store_that_fails_under_a_session),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
