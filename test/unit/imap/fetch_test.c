/* FETCH over a harsh store: what rows do not have is rendered and kept, batches, large messages in
 * pieces, changes, what other sessions removed. */
#include "base/budget.h"
#include "imap/render.h"
#include "mailbox/row.h"
#include "unit/imap/dialog.h"

static void with_store(void (*fn)(void))
{
    dialog_open_store();
    speaker_result = AUTH_OK;
    fn();
    CHECK(conn_count() == 0);
    CHECK(fixture_faults(false) == 0);
    fixture_close();
    CHECK(budget_used() == 0);
}

#define TEST(name) DIALOG_TEST(name, with_store)
#define SELECT     LOGIN "1 EXAMINE INBOX\r\n"

/* What comes behind the replies of login and EXAMINE. */
static struct slice after_select(const struct dialog *d)
{
    struct slice out = buffer_slice(&d->output);
    size_t at = slice_find_slice(out, S("1 OK [READ-"));
    CHECK(at != SLICE_NONE);
    out = slice_from(out, at);
    return slice_from(out, slice_find(out, '\n') + 1);
}

/* Says the commands in a selected INBOX; what was answered up to BYE must be `want`. */
static void fetch_is(const char *commands, const char *want)
{
    struct buffer in, expected;
    struct dialog d;
    buffer_init(&in, 1024 * 1024);
    buffer_init(&expected, 1024 * 1024);
    buffer_printf(&in, SELECT "%s" LOGOUT, commands);
    buffer_printf(&expected, "%s" BYE, want);
    d = (struct dialog){.input = buffer_slice(&in)};
    dialog_start(&d);
    dialog_wait(&d);
    assert_slice(after_select(&d), buffer_slice(&expected));
    dialog_finish(&d);
    buffer_finish(&in);
    buffer_finish(&expected);
}

struct row {
    uint32_t uid;
    size_t n;
};

static void row_fn(struct store_view *v, void *arg)
{
    struct row *r = arg;
    struct slice row;
    r->n = mailbox_read_rendered(v, MAILBOX_INBOX, r->uid, &row) ? row.n : 0;
}

static bool has_row(uint32_t uid)
{
    struct row r = {.uid = uid};
    fixture_read(row_fn, &r);
    return r.n > 0;
}

static void message(const char *text)
{
    CHECK(fixture_append(MAILBOX_INBOX, slice_str(text), 0));
}

#define ENVELOPE_X "(NIL \"x\" NIL NIL NIL NIL NIL NIL NIL NIL)"

TEST(what_was_rendered_is_kept)
{
    message("Subject: x\r\n\r\nhello\r\n");
    CHECK(!has_row(1));
    for (int i = 0; i < 2; i++) {
        fetch_is("2 FETCH 1 ENVELOPE\r\n", "* 1 FETCH (ENVELOPE " ENVELOPE_X ")\r\n2 OK Done\r\n");
        CHECK(has_row(1));
    }
    fetch_is("2 FETCH 1 (BODY BODYSTRUCTURE BODY.PEEK[HEADER.FIELDS (Subject X-TUID)])\r\n",
        "* 1 FETCH (BODYSTRUCTURE (\"text\" \"plain\" (\"CHARSET\" \"US-ASCII\") NIL NIL \"7BIT\" "
        "7 "
        "1 NIL NIL NIL NIL) BODY (\"text\" \"plain\" (\"CHARSET\" \"US-ASCII\") NIL NIL \"7BIT\" 7 "
        "1) BODY[HEADER.FIELDS (Subject X-TUID)] {14}\r\nSubject: x\r\n\r\n)\r\n2 OK Done\r\n");
}

static enum outcome spoil_fn(struct store_txn *t, void *arg)
{
    struct row_key k = row_key_uid(KEY_RENDERED, MAILBOX_INBOX, 1);
    store_put(t, row_key_slice(&k), S("\1\3\0\1\0\1\0\1 not a row"));
    return OUTCOME_DONE;
}

TEST(a_broken_row_is_as_none)
{
    message("Subject: x\r\n\r\nhello\r\n");
    fixture_mutate(spoil_fn, NULL);
    fetch_is("2 FETCH 1 ENVELOPE\r\n", "* 1 FETCH (ENVELOPE " ENVELOPE_X ")\r\n2 OK Done\r\n");
}

/* ---- many messages ---- */

#define MANY 600 /* more than two batches */

static void add_many(struct buffer *want)
{
    buffer_init(want, 1024 * 1024);
    for (int i = 1; i <= MANY; i++) {
        CHECK(fixture_append(MAILBOX_INBOX, S("Subject: x\r\n\r\nhello\r\n"), 0));
        buffer_printf(want, "* %d FETCH (UID %d ENVELOPE " ENVELOPE_X ")\r\n", i, i);
    }
    buffer_add(want, S("2 OK Done\r\n"));
    CHECK(buffer_add_char(want, '\0'));
}

TEST(batches)
{
    struct buffer want;
    add_many(&want);
    for (int i = 0; i < 2; i++)
        fetch_is("2 FETCH 1:* (UID ENVELOPE)\r\n", want.p);
    CHECK(has_row(1) && has_row(MANY));
    buffer_finish(&want);
    fetch_is("2 UID FETCH 3,1,599:2000,5:4 (UID)\r\n",
        "* 1 FETCH (UID 1)\r\n* 3 FETCH (UID 3)\r\n* 4 FETCH (UID 4)\r\n* 5 FETCH (UID 5)\r\n"
        "* 599 FETCH (UID 599)\r\n* 600 FETCH (UID 600)\r\n2 OK Done\r\n");
}

static enum outcome flags_fn(struct store_txn *t, void *arg)
{
    return mailbox_flags(t, arg);
}

TEST(changed_since)
{
    uint32_t uids[MANY];
    struct buffer want;
    for (uint32_t i = 0; i < MANY; i++) {
        uids[i] = i + 1;
        message("\r\n");
    }
    /* one MODSEQ for all: more than a batch of them */
    struct mailbox_flags f = {.mailbox = MAILBOX_INBOX,
        .uids = uids,
        .n = MANY,
        .change = MAILBOX_FLAGS_ADD,
        .flags = MAILBOX_FLAGGED,
        .unchanged_since = UINT64_MAX};
    fixture_mutate(flags_fn, &f);
    buffer_init(&want, 1024 * 1024);
    buffer_printf(&want, "* OK [HIGHESTMODSEQ %llu] ", (unsigned long long)f.modseq);
    size_t front = want.n;
    char command[200];
    snprintf(command, sizeof command,
        "2 FETCH 2:* UID (CHANGEDSINCE %llu)\r\n3 FETCH 1:* UID "
        "(CHANGEDSINCE %llu)\r\n",
        (unsigned long long)f.modseq - 1, (unsigned long long)f.modseq);
    struct buffer in;
    buffer_init(&in, 4096);
    buffer_printf(&in, SELECT "%s" LOGOUT, command);
    struct dialog d = {.input = buffer_slice(&in)};
    dialog_start(&d);
    dialog_wait(&d);
    struct slice out = after_select(&d);
    CHECK(slice_starts(out, slice_sub(buffer_slice(&want), 0, front)));
    out = slice_from(out, slice_find(out, '\n') + 1);
    buffer_reset(&want);
    for (uint32_t i = 2; i <= MANY; i++)
        buffer_printf(
            &want, "* %u FETCH (UID %u MODSEQ (%llu))\r\n", i, i, (unsigned long long)f.modseq);
    buffer_add(&want, S("2 OK Done\r\n3 OK Done\r\n" BYE));
    assert_slice(out, buffer_slice(&want));
    dialog_finish(&d);
    buffer_finish(&in);
    buffer_finish(&want);
}

/* ---- large messages ---- */

#define LARGE (300 * 1024)

TEST(sections_of_a_large_message)
{
    struct buffer m, want;
    buffer_init(&m, 2 * LARGE);
    buffer_init(&want, 2 * LARGE);
    buffer_add(&m, S("Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\n"));
    for (size_t i = 0; i < LARGE; i++)
        buffer_add_char(&m, i % 70 == 69 ? '\n' : (char)('a' + i % 26));
    buffer_add(&m, S("\r\n--b\r\nContent-Type: message/rfc822\r\n\r\nSubject: x\r\n\r\nend\r\n"
                     "--b--\r\n"));
    CHECK(fixture_append(MAILBOX_INBOX, buffer_slice(&m), 0));
    fetch_is("2 FETCH 1 (BODY.PEEK[2.HEADER] BODY.PEEK[2.TEXT] BODY.PEEK[1]<70000.10>)\r\n"
             "3 FETCH 1 BODY.PEEK[2.HEADER.FIELDS (subject)]\r\n4 FETCH 1 BODY.PEEK[3]\r\n",
        "* 1 FETCH (BODY[2.HEADER] {14}\r\nSubject: x\r\n\r\n BODY[2.TEXT] {3}\r\nend "
        "BODY[1]<70000> {10}\r\nijklmnopqr)\r\n2 OK Done\r\n"
        "* 1 FETCH (BODY[2.HEADER.FIELDS (subject)] {14}\r\nSubject: x\r\n\r\n)\r\n3 OK Done\r\n"
        "* 1 FETCH (BODY[3] NIL)\r\n4 OK Done\r\n");
    buffer_printf(&want, "* 1 FETCH (BODY[] {%zu}\r\n", m.n);
    buffer_add(&want, buffer_slice(&m));
    buffer_add(&want, S(")\r\n2 OK Done\r\n"));
    CHECK(buffer_add_char(&want, '\0'));
    fetch_is("2 FETCH 1 BODY.PEEK[]\r\n", want.p);
    buffer_finish(&m);
    buffer_finish(&want);
}

/* Fields of a message in a message, then fields of the one that was rendered just now: the former
 * do not write over the latter. */
TEST(fields_of_two_headers)
{
    struct buffer m;
    buffer_init(&m, 64 * 1024);
    buffer_add(&m, S("From: outer@example.org\r\nContent-Type: message/rfc822\r\n\r\nX: "));
    memset(buffer_room(&m, 380), 'y', 380);
    buffer_took(&m, 380);
    buffer_add(&m, S("\r\nSubject: inner\r\n\r\nhello\r\n"));
    CHECK(fixture_append(MAILBOX_INBOX, buffer_slice(&m), 0));
    CHECK(!has_row(1));
    fetch_is("2 FETCH 1 (BODY.PEEK[1.HEADER.FIELDS (Subject)] BODY.PEEK[HEADER.FIELDS (From)])\r\n",
        "* 1 FETCH (BODY[1.HEADER.FIELDS (Subject)] {18}\r\nSubject: inner\r\n\r\n "
        "BODY[HEADER.FIELDS (From)] {27}\r\nFrom: outer@example.org\r\n\r\n)\r\n2 OK Done\r\n");
    buffer_finish(&m);
}

/* A header longer than what is looked at; NUL is never sent. */
TEST(odd_messages)
{
    struct buffer m;
    buffer_init(&m, 8 * 1024 * 1024);
    buffer_add(&m, S("Subject: x\r\nX: "));
    memset(buffer_room(&m, RENDER_HEADER_MAX), 'y', RENDER_HEADER_MAX);
    buffer_took(&m, RENDER_HEADER_MAX);
    buffer_add(&m, S("\r\nTo: nobody\r\n\r\n"));
    CHECK(fixture_append(MAILBOX_INBOX, buffer_slice(&m), 0));
    CHECK(fixture_append(MAILBOX_INBOX, S("A: \0\r\n\r\n\0b\0"), 0));
    CHECK(fixture_append(MAILBOX_INBOX, S("no header at all"), 0));
    fetch_is("2 FETCH 1 (BODY.PEEK[HEADER.FIELDS (Subject)] BODY.PEEK[TEXT])\r\n"
             "3 FETCH 2:3 BODY.PEEK[]\r\n4 FETCH 3 (BODY.PEEK[HEADER] BODY.PEEK[TEXT])\r\n",
        "* 1 FETCH (BODY[HEADER.FIELDS (Subject)] {12}\r\nSubject: x\r\n BODY[TEXT] {0}\r\n)\r\n"
        "2 OK Done\r\n* 2 FETCH (BODY[] {11}\r\nA: \x80\r\n\r\n\x80"
        "b\x80)\r\n"
        "* 3 FETCH (BODY[] {16}\r\nno header at all)\r\n3 OK Done\r\n"
        "* 3 FETCH (BODY[HEADER] {16}\r\nno header at all BODY[TEXT] {0}\r\n)\r\n4 OK Done\r\n");
    buffer_finish(&m);
}

TEST(limits)
{
    message("\r\n");
    budget_set(1000);
    fetch_is("2 FETCH 1 FLAGS\r\n", "2 NO [LIMIT] Out of memory, try again later\r\n");
    budget_set(0);
}

/* A client that reads nothing is closed; nothing is left behind (with_store). */
TEST(who_reads_nothing)
{
    struct buffer m;
    buffer_init(&m, 2 * 1024 * 1024);
    buffer_add(&m, S("\r\n"));
    memset(buffer_room(&m, 1024 * 1024), 'x', 1024 * 1024);
    buffer_took(&m, 1024 * 1024);
    CHECK(fixture_append(MAILBOX_INBOX, buffer_slice(&m), 0));
    buffer_finish(&m);
    struct dialog d = {.input = S(SELECT "2 FETCH 1 BODY.PEEK[]\r\n"), .stay = true, .room = 2000};
    dialog_start(&d);
    dialog_expect(&d, 2000);
    conn_abort(d.conn, CONN_END_SLOW);
    dialog_wait(&d);
    dialog_finish(&d);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_was_rendered_is_kept),
        cmocka_unit_test(a_broken_row_is_as_none),
        cmocka_unit_test(batches),
        cmocka_unit_test(changed_since),
        cmocka_unit_test(sections_of_a_large_message),
        cmocka_unit_test(fields_of_two_headers),
        cmocka_unit_test(odd_messages),
        cmocka_unit_test(limits),
        cmocka_unit_test(who_reads_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
