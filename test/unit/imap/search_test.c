/* SEARCH over a mailbox whose messages are known. */
#include "base/budget.h"
#include "store/memory.h"
#include "unit/imap/dialog.h"

/* clang-format off */
#define HEAD(from, subject, date) \
    "From: " from "\r\nSubject: " subject "\r\nDate: " date "\r\n"
#define MIXED "MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n"

static const struct {
    const char *text;
    uint8_t flags;
} mails[] = {
    /* 1 */
    {HEAD("Ann <ann@example.org>", "Invoice 17", "Mon, 02 Feb 2026 23:30:00 -0500")
       "\r\nPlease find the invoice.\r\n", MAILBOX_SEEN},
    /* 2: encoded words, quoted-printable in Latin-1, a needle over a soft line break */
    {HEAD("=?iso-8859-1?Q?J=F6rg?= <joerg@example.org>", "=?utf-8?B?R3LDvMOfZQ==?=",
            "Tue, 03 Feb 2026 01:00:00 +0200")
       "Content-Type: text/plain; charset=iso-8859-1\r\n"
        "Content-Transfer-Encoding: quoted-printable\r\n"
       "\r\nSch=F6ne Gr=\r\n=FC=DFe aus K=F6ln\r\n", MAILBOX_FLAGGED},
    /* 3: base64 text, a picture that is not text, a message in it */
    {HEAD("Bob <bob@example.com>", "Fwd: something", "Wed, 04 Feb 2026 12:00:00 +0000") MIXED
       "--b\r\nContent-Type: text/plain\r\nContent-Transfer-Encoding: base64\r\n\r\n"
       "SGVsbG8gaGlkZGVuIFdvcmxk\r\n--b\r\nContent-Type: image/png\r\n\r\npixelated\r\n"
       "--b\r\nContent-Type: message/rfc822\r\n\r\nSubject: Inner secret\r\n"
        "\r\nInner body\r\n--b--\r\n",
     MAILBOX_SEEN | MAILBOX_ANSWERED},
    /* 4: no Date, 8-bit without a charset, fields that repeat */
    {"From: nobody\r\nTo: Ann\r\nTo: Zoe <zoe@example.org>\r\nX-Thing:\r\n folded value\r\n"
       "\r\nraw \xc3\xbcmlaut\r\n", MAILBOX_DELETED | MAILBOX_DRAFT},
    /* 5: empty */
    {"", 0},
};
/* clang-format on */

static void with_store(void (*fn)(void))
{
    dialog_open_store();
    speaker_result = AUTH_OK;
    for (size_t i = 0; i < sizeof mails / sizeof *mails; i++)
        CHECK(fixture_append(MAILBOX_INBOX, slice_str(mails[i].text), mails[i].flags) == i + 1);
    fn();
    CHECK(conn_count() == 0);
    CHECK(fixture_faults(false) == 0);
    fixture_close();
    CHECK(budget_used() == 0);
}

#define TEST(name) DIALOG_TEST(name, with_store)

#define SENT_BOX 3 /* the third of the default mailboxes */
#define EXAMINE  "x EXAMINE INBOX\r\n"
#define EXAMINED                                                                                   \
    "* FLAGS (" ANY ")\r\n* OK [PERMANENTFLAGS ()]" ANY "\r\n* 5 EXISTS\r\n* 5 RECENT\r\n"         \
    "* OK [UNSEEN 2]" ANY "\r\n* OK [UIDVALIDITY " ANY "\r\n* OK [UIDNEXT 6]" ANY "\r\n"           \
    "* OK [HIGHESTMODSEQ " ANY "\r\nx OK [READ-ONLY]" ANY "\r\n"

static void say(struct slice input, const char *want)
{
    struct buffer in, out;
    buffer_init(&in, 1 << 20);
    buffer_init(&out, 1 << 20);
    buffer_add(&in, S(LOGIN EXAMINE));
    buffer_add(&in, input);
    buffer_add(&in, S(LOGOUT));
    buffer_add(&out, S(IN EXAMINED));
    buffer_add(&out, slice_str(want));
    buffer_add(&out, S(BYE));
    buffer_add_char(&out, '\0');
    dialog_say(buffer_slice(&in), out.p);
    buffer_finish(&in);
    buffer_finish(&out);
}

/* Each program and the numbers that it finds. */
struct found {
    const char *program, *numbers;
};

static void finds(const struct found *list, size_t n)
{
    struct buffer in, out;
    buffer_init(&in, 1 << 20);
    buffer_init(&out, 1 << 20);
    for (size_t i = 0; i < n; i++) {
        buffer_printf(&in, "s%zu SEARCH %s\r\n", i, list[i].program);
        if (strstr(list[i].program, "}\r\n") && !strstr(list[i].program, "+}"))
            buffer_add(&out, S("+ OK\r\n"));
        buffer_printf(&out, "* SEARCH%s\r\ns%zu OK Done\r\n", list[i].numbers, i);
    }
    buffer_add_char(&out, '\0');
    say(buffer_slice(&in), out.p);
    buffer_finish(&in);
    buffer_finish(&out);
}

#define FINDS(...)                                                                                 \
    do {                                                                                           \
        static const struct found list_[] = {__VA_ARGS__};                                         \
        finds(list_, sizeof list_ / sizeof *list_);                                                \
    } while (0)

TEST(flags_and_sets)
{
    FINDS({"ALL", " 1 2 3 4 5"}, {"SEEN", " 1 3"}, {"UNSEEN", " 2 4 5"}, {"ANSWERED", " 3"},
        {"UNANSWERED", " 1 2 4 5"}, {"FLAGGED", " 2"}, {"DELETED DRAFT", " 4"},
        {"UNDELETED UNDRAFT UNFLAGGED", " 1 3 5"}, {"NEW", " 2 4 5"}, {"RECENT", " 1 2 3 4 5"},
        {"OLD", ""}, {"KEYWORD $nobody", ""}, {"UNKEYWORD $nobody", " 1 2 3 4 5"},
        {"2:4", " 2 3 4"}, {"*", " 5"}, {"UID 4:*", " 4 5"}, {"UID 77", ""}, {"UID 77:*", " 5"},
        {"NOT 2:4", " 1 5"}, {"OR 1 OR 3 5", " 1 3 5"}, {"OR SEEN (UNSEEN FLAGGED)", " 1 2 3"},
        {"NOT (1:2 UID 2)", " 1 3 4 5"}, {"1:2 2:3", " 2"}, {"NOT NOT ALL", " 1 2 3 4 5"});
}

TEST(dates_and_sizes)
{
    FINDS({"SENTON 2-Feb-2026", " 1"}, {"SENTON 3-Feb-2026", " 2"}, {"SENTBEFORE 3-Feb-2026", " 1"},
        {"SENTSINCE 3-Feb-2026", " 2 3"}, {"NOT SENTSINCE 1-Jan-1990", " 4 5"},
        {"BEFORE 1-Jan-2000 SEEN", " 1 3"}, {"SINCE 1-Jan-2000", ""}, {"SMALLER 1", " 5"},
        {"LARGER 300", " 3"}, {"NOT LARGER 0", " 5"});
}

TEST(headers)
{
    FINDS({"FROM ann", " 1"}, {"FROM EXAMPLE", " 1 2 3"}, {"FROM {5+}\r\nj\xc3\xb6rg", " 2"},
        {"FROM {5+}\r\nJ\xc3\x96RG", " 2"}, {"SUBJECT \"invoice 17\"", " 1"},
        {"CHARSET UTF-8 SUBJECT {6+}\r\ngr\xc3\xbc\xc3\x9f", " 2"},
        {"CHARSET ISO-8859-1 SUBJECT {4+}\r\ngr\xfc\xdf", " 2"}, {"TO zoe", " 4"}, {"TO ann", " 4"},
        {"CC ann", ""}, {"HEADER x-thing \"\"", " 4"}, {"HEADER x-thing \"folded VALUE\"", " 4"},
        {"HEADER X-None \"\"", ""}, {"HEADER DATE feb", " 1 2 3"},
        {"NOT SUBJECT something", " 1 2 4 5"}, {"SUBJECT =?utf-8", ""});
}

TEST(texts)
{
    FINDS({"BODY invoice", " 1"}, {"TEXT invoice", " 1"}, {"BODY \"Invoice 17\"", ""},
        {"TEXT \"Invoice 17\"", " 1"},
        {"BODY {8+}\r\ngr\xc3\xbc\xc3\x9f"
         "e ",
            " 2"},
        {"BODY {7+}\r\nGR\xc3\x9c\xc3\x9f"
         "E",
            " 2"},
        {"BODY {5+}\r\nk\xc3\xb6ln", " 2"}, {"BODY hidden", " 3"}, {"BODY \"LO HIDDEN w\"", " 3"},
        {"BODY pixelated", ""}, {"TEXT pixelated", ""}, {"BODY \"inner body\"", " 3"},
        {"TEXT \"inner secret\"", " 3"}, {"TEXT joerg", " 2"}, {"TEXT example.org", " 1 2 4"},
        {"BODY {7+}\r\n\xc3\xbcmlaut", " 4"}, {"TEXT \"\"", " 1 2 3 4 5"},
        {"OR BODY hidden SUBJECT invoice", " 1 3"}, {"NOT BODY invoice SEEN", " 3"},
        {"BODY inner TEXT hello FROM bob", " 3"}, {"BODY inner BODY invoice", ""},
        {"TEXT \"From: Ann\"", " 1"});
}

TEST(extended)
{
    say(S("1 SEARCH RETURN (MIN MAX COUNT ALL) UNSEEN\r\n2 UID SEARCH RETURN () SEEN\r\n"
          "3 SEARCH RETURN (MIN) KEYWORD x\r\n4 SEARCH RETURN (COUNT MIN) KEYWORD x\r\n"
          "5 SEARCH RETURN (MIN) UNSEEN\r\n6 SEARCH RETURN (MAX) 1:4\r\n7 UID SEARCH 2,4:5\r\n"),
        "* ESEARCH (TAG \"1\") MIN 2 MAX 5 COUNT 3 ALL 2,4:5\r\n1 OK Done\r\n"
        "* ESEARCH (TAG \"2\") UID ALL 1,3\r\n2 OK Done\r\n* ESEARCH (TAG \"3\")\r\n3 OK Done\r\n"
        "* ESEARCH (TAG \"4\") COUNT 0\r\n4 OK Done\r\n* ESEARCH (TAG \"5\") MIN 2\r\n5 OK Done\r\n"
        "* ESEARCH (TAG \"6\") MAX 4\r\n6 OK Done\r\n* SEARCH 2 4 5\r\n7 OK Done\r\n");
}

TEST(modseq)
{
    say(S("1 SEARCH MODSEQ 1\r\n2 SEARCH MODSEQ 9223372036854775807\r\n"
          "3 SEARCH RETURN (MIN) MODSEQ 1\r\n4 SEARCH RETURN (ALL) MODSEQ \"/flags/\\\\seen\" all "
          "1\r\n"
          "5 SEARCH OR NOT MODSEQ 1 LARGER 99999\r\n"),
        "* OK [HIGHESTMODSEQ " ANY
        "\r\n* SEARCH 1 2 3 4 5 (MODSEQ 11)\r\n1 OK Done\r\n* SEARCH\r\n2 OK Done\r\n"
        "* ESEARCH (TAG \"3\") MIN 1 MODSEQ 7\r\n3 OK Done\r\n"
        "* ESEARCH (TAG \"4\") ALL 1:5 MODSEQ 11\r\n4 OK Done\r\n* SEARCH\r\n5 OK Done\r\n");
}

TEST(refused)
{
    say(S("1 SEARCH CHARSET KOI-99 TEXT x\r\n2 SEARCH\r\n3 SEARCH NONSENSE\r\n4 SEARCH 6\r\n5 "
          "SEARCH 1:9\r\n"
          "6 SEARCH BODY {1+}\r\n\xe4\r\n"),
        "1 NO [BADCHARSET (US-ASCII " ANY ")] " ANY
        "\r\n2 BAD Error in SEARCH: more is expected here\r\n"
        "3 BAD Error in SEARCH: an unknown search key\r\n4 BAD There are only 5 messages\r\n"
        "5 BAD There are only 5 messages\r\n6 BAD Error in SEARCH: a search text is not valid "
        "UTF-8\r\n");
}

TEST(an_empty_mailbox)
{
    dialog_talk(LOGIN
        "x EXAMINE Sent\r\n1 SEARCH 1:*\r\n2 UID SEARCH UID 1:*\r\n3 SEARCH ALL\r\n" LOGOUT,
        IN "* FLAGS (" ANY ")\r\n* OK [PERMANENTFLAGS ()]" ANY "\r\n* 0 EXISTS\r\n* 0 RECENT\r\n"
           "* OK [UIDVALIDITY " ANY "\r\n* OK [UIDNEXT 1]" ANY "\r\n* OK [HIGHESTMODSEQ " ANY "\r\n"
           "x OK [READ-ONLY]" ANY "\r\n* SEARCH\r\n1 OK Done\r\n* SEARCH\r\n2 OK Done\r\n"
           "* SEARCH\r\n3 OK Done\r\n" BYE);
}

/* Long texts: the words stand at the borders of pieces, in each encoding. */
TEST(long_messages)
{
    static const char *const heads[] = {"", "Content-Transfer-Encoding: quoted-printable\r\n"};
    for (unsigned n = 0; n < 4; n++) {
        struct buffer mail;
        buffer_init(&mail, 1 << 20);
        buffer_printf(&mail, "%sSubject: long\r\n\r\n", heads[n % 2]);
        size_t border = n / 2 ? 131072 : 65536;
        while (mail.n < border - 3)
            buffer_add(
                &mail, mail.n + 76 < border
                           ? S("0123456789abcdefghijklmnopqrstuvwxyz0123456789abcdefghijkl\r\n")
                           : S("."));
        buffer_add(&mail, n % 2 ? S("nee=\r\ndle") : S("needle"));
        while (mail.n < 200000)
            buffer_add(&mail, S("0123456789abcdefghijklmnopqrstuvwxyz\r\n"));
        buffer_add(&mail, S("the end"));
        CHECK(fixture_append(SENT_BOX, buffer_slice(&mail), 0) == n + 1);
        buffer_finish(&mail);
    }
    dialog_say(S(LOGIN "x SELECT Sent\r\n1 SEARCH BODY NEEDLE\r\n2 SEARCH TEXT nneedle\r\n"
                       "3 SEARCH BODY \"THE END\" TEXT needle\r\n" LOGOUT),
        IN "* FLAGS (" ANY ")\r\n* OK [PERMANENTFLAGS (" ANY ")]" ANY
           "\r\n* 4 EXISTS\r\n* 4 RECENT\r\n"
           "* OK [UNSEEN 1]" ANY "\r\n* OK [UIDVALIDITY " ANY "\r\n* OK [UIDNEXT 5]" ANY
           "\r\n* OK [HIGHESTMODSEQ " ANY "\r\n"
           "x OK [READ-WRITE]" ANY "\r\n* SEARCH 1 2 3 4\r\n1 OK Done\r\n* SEARCH\r\n2 OK Done\r\n"
           "* SEARCH 1 2 3 4\r\n3 OK Done\r\n" BYE);
}

/* What the row says is in the message is not what is there, so that it shows where it was looked.
 */
static enum outcome append_rendered(struct store_txn *t, void *arg)
{
    struct fixture_append *a = arg;
    struct buffer row;
    buffer_init(&row, MAILBOX_RENDERED_MAX);
    CHECK(imap_render(
        S(""), S("Subject: in the row\r\nDate: 1 Jan 2020 00:00:00 +0000\r\n\r\n"), &row));
    a->append.rendered = buffer_slice(&row);
    enum outcome o = fixture_append_fn(t, a);
    buffer_finish(&row);
    return o;
}

TEST(cached_fields)
{
    struct spool *body = spool_create(&(struct spool_options){.tmp_dir = -1});
    CHECK(body && spool_write(body, S("Subject: in the blob\r\nX-Other: y\r\n\r\n")) == SPOOL_OK);
    CHECK(spool_end(body, SOON) == OUTCOME_DONE);
    struct store_blob_owner owner = {ACCOUNT, MAILBOX_INBOX};
    struct store_new_blob blob = {.body = body, .owners = &owner, .owner_count = 1};
    struct fixture_append a = {.append = {.mailbox = MAILBOX_INBOX}, .blob = &blob};
    for (unsigned i = 0; i < 100; i++) {
        struct store_mutation m = {
            .partition = mailbox_partition(ACCOUNT), .fn = append_rendered, .arg = &a};
        CHECK(store_mutate(fixture_store, &m, i ? NULL : &blob, SOON) == OUTCOME_DONE);
    }
    spool_destroy(body);
    dialog_say(S(LOGIN EXAMINE
                   "1 SEARCH SUBJECT row\r\n2 SEARCH SUBJECT blob\r\n3 SEARCH SENTON 1-Jan-2020\r\n"
                   "4 SEARCH HEADER X-Other y SUBJECT blob\r\n5 SEARCH TEXT blob 6:10\r\n" LOGOUT),
        IN "* FLAGS (" ANY ")\r\n* OK [PERMANENTFLAGS ()]" ANY
           "\r\n* 105 EXISTS\r\n* 105 RECENT\r\n"
           "* OK [UNSEEN 2]" ANY "\r\n* OK [UIDVALIDITY " ANY "\r\n* OK [UIDNEXT 106]" ANY "\r\n"
           "* OK [HIGHESTMODSEQ " ANY "\r\nx OK [READ-ONLY]" ANY "\r\n"
           "* SEARCH" ANY "\r\n1 OK Done\r\n* SEARCH\r\n2 OK Done\r\n* SEARCH 6 7 " ANY
           " 105\r\n3 OK Done\r\n"
           "* SEARCH 6 7 " ANY " 105\r\n4 OK Done\r\n* SEARCH 6 7 8 9 10\r\n5 OK Done\r\n" BYE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(flags_and_sets),
        cmocka_unit_test(dates_and_sizes),
        cmocka_unit_test(headers),
        cmocka_unit_test(texts),
        cmocka_unit_test(cached_fields),
        cmocka_unit_test(extended),
        cmocka_unit_test(modseq),
        cmocka_unit_test(refused),
        cmocka_unit_test(an_empty_mailbox),
        cmocka_unit_test(long_messages),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
