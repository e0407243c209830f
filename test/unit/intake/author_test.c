#include "intake/submission_private.h"
#include "unit/directory/house.h"

static struct intake_options options;
static struct intake_submitter submitter;
static struct intake_session session = {.options = &options, .submitter = &submitter};

static void open_session(struct directory *d)
{
    options.directory = d;
    CHECK(domain_add(d, "our.test") == DIRECTORY_OK);
    submitter.account = account_add(d, "ann@our.test");
    account_add(d, "bob@our.test");
    CHECK(alias_add(d, "desk@our.test", "ann@our.test") == DIRECTORY_OK);
    CHECK(alias_add(d, "far@our.test", "desk@our.test") == DIRECTORY_OK);
    CHECK(alias_add(d, "\"a b\"@our.test", "ann@our.test") == DIRECTORY_OK);
    CHECK(alias_add(d, "@our.test", "ann@our.test") == DIRECTORY_OK);
}

static const char *said(const struct smtp_reply *reply)
{
    static char all[600];
    snprintf(all, sizeof all, "%d %s %s", reply->code, reply->enhanced, reply->text);
    return all;
}

/* "": it may. */
static void envelope(const char *path, const char *wanted)
{
    struct smtp_path p;
    struct smtp_reply reply = {0};
    struct cursor c = cursor(slice_str(path));
    CHECK(smtp_path_take(&c, SMTP_REVERSE, &p) == SMTP_PATH_OK);
    bool ok = intake_author_envelope(&session, &p, &reply);
    CHECK(ok == !*wanted && ok == !reply.code);
    if (!ok && strncmp(said(&reply), wanted, strlen(wanted)) != 0)
        fprintf(stderr, "%s: %s\n", path, said(&reply));
    CHECK(ok || strncmp(said(&reply), wanted, strlen(wanted)) == 0);
}

static void header(struct slice message, const char *wanted)
{
    struct smtp_reply reply = {0};
    struct slice piece;
    intake_rewrite_init(&submitter.rewrite);
    for (size_t at = 0; at < message.n;)
        intake_rewrite_next(&submitter.rewrite, message, &at, &piece);
    intake_rewrite_end(&submitter.rewrite, &piece);
    bool ok = intake_author_header(&session, &reply);
    CHECK(ok == !reply.code);
    if (strncmp(ok ? "" : said(&reply), wanted, strlen(wanted)) != 0 || (ok && *wanted)) {
        fprintf(stderr, SLICE_FMT ": %s\n", SLICE_ARG(slice_sub(message, 0, 200)), said(&reply));
        abort();
    }
    intake_rewrite_finish(&submitter.rewrite);
}

#define HEADER(text, wanted) header(S(text), wanted)
#define NOT_YOURS            "550 5.7.1 You may not send as "
#define UNREADABLE           "554 5.6.0 The From field cannot be read"

static void envelopes_task(struct directory *d)
{
    open_session(d);
    envelope("<>", "");
    envelope("<ann@our.test>", "");
    envelope("<ANN+tag@Our.Test>", "");
    envelope("<desk@our.test>", "");
    envelope("<\"a b\"@our.test>", "");
    envelope("<bob@our.test>", "553 5.7.1 You may not send as <bob@our.test>: it is not yours");
    envelope("<far@our.test>", "553 5.7.1 ");
    envelope("<anything@our.test>", "553 5.7.1 ");
    envelope("<ann@away.test>", "553 5.7.1 ");
    envelope("<ann@[127.0.0.1]>", "553 5.7.1 ");
    envelope("<ann+our.test@away.test>", "553 5.7.1 ");
    submitter.account = 0;
    envelope("<ann@our.test>", "553 5.7.1 ");
}

static void headers_task(struct directory *d)
{
    open_session(d);
    HEADER("From: ann@our.test\r\n\r\n", "");
    HEADER("From: ann@our.test", "");
    HEADER("fROM \t: \"Ann, of Our\" (x) <Ann+x@Our.Test>,\r\n desk@our.test\r\n\r\n", "");
    HEADER("From: team: ann@our.test, Desk <desk@our.test>;\r\n\r\n", "");
    HEADER("From: =?utf-8?q?J=C3=B6?= <\"a b\"@our.test>\r\nSender: ann@our.test\r\n\r\n", "");
    HEADER("From: <@x.test:ann@our.test>\r\n\r\n", "");
    HEADER(
        "From: bob@our.test\r\n\r\n", NOT_YOURS "<bob@our.test>: the address in From is not yours");
    HEADER("From: ann@our.test, ceo@bank.test\r\n\r\n", NOT_YOURS "<ceo@bank.test>");
    HEADER("From: x: ceo@bank.test;\r\n\r\n", NOT_YOURS);
    HEADER("From: \"ann@our.test\" <ceo@bank.test>\r\n\r\n", NOT_YOURS);
    HEADER("From: (<ann@our.test>) ceo@bank.test\r\n\r\n", NOT_YOURS);
    HEADER("From: \"<ann@our.test>\"@bank.test\r\n\r\n", NOT_YOURS);
    HEADER("From: far@our.test\r\n\r\n", NOT_YOURS);
    HEADER("From: \"\"@our.test\r\n\r\n", UNREADABLE);
    HEADER("From: ann@our.test\r\nSender: bob@our.test\r\n\r\n",
        NOT_YOURS "<bob@our.test>: the address in Sender is not yours");
    HEADER("Sender: bob@our.test\r\nFrom: ann@our.test\r\n\r\n", NOT_YOURS);
    HEADER("From: ann\xc3\xa9@our.test\r\n\r\n", NOT_YOURS);
}

static void broken_task(struct directory *d)
{
    open_session(d);
    HEADER("", "554 5.6.0 The message has no From field");
    HEADER("\r\nFrom: ann@our.test\r\n", "554 5.6.0 The message has no From field");
    HEADER("just words", "554 5.6.0 The message has no From field");
    HEADER("Sender: ann@our.test\r\n\r\n", "554 5.6.0 The message has no From field");
    HEADER(" x: y\r\nFrom: ann@our.test\r\n\r\n", "554 5.6.0 The message begins with a blank");
    HEADER("From: ann@our.test\r\nX: y\r\nfrom :ann@our.test\r\n\r\n",
        "554 5.6.0 The message has more than one From");
    HEADER("From: ann@our.test\r\nSender: ann@our.test\r\nSender: ann@our.test\r\n\r\n",
        "554 5.6.0 The message has more than one Sender");
    HEADER("From:\r\n\r\n", UNREADABLE);
    HEADER("From: \r\n \r\n\r\n", UNREADABLE);
    HEADER("From: <>\r\n\r\n", UNREADABLE);
    HEADER("From: Ann\r\n\r\n", UNREADABLE);
    HEADER("From: ann\r\n\r\n", UNREADABLE);
    HEADER("From: undisclosed:;\r\n\r\n", UNREADABLE);
    HEADER("From: ceo@bank.test <ann@our.test>\r\n\r\n", UNREADABLE);
    HEADER("From: ann@our.test <ceo@bank.test\r\n\r\n", UNREADABLE);
    HEADER("From: ann@our.test, \"open\r\n\r\n", UNREADABLE);
    HEADER("From: ann@our.test (open <ceo@bank.test>\r\n\r\n", UNREADABLE);
    HEADER("From: ann@our.test, (open <ceo@bank.test>\r\n\r\n", UNREADABLE);
    HEADER("From: <@bank.test,ceo@bank.test:ann@our.test>\r\n\r\n", UNREADABLE);
    HEADER("From\r\n : ann@our.test\r\n\r\n", UNREADABLE);
    HEADER("Fr\x01om: ann@our.test\r\n\r\n", UNREADABLE);
    HEADER("From ann@our.test\r\nFrom: ann@our.test\r\n\r\n", "");
    HEADER("From: ann@our.test\r\nSender:\r\n\r\n", "554 5.6.0 The Sender field cannot be read");
}

/* 100 addresses, and one more; 64 KiB, and a byte more. */
static void limits_task(struct directory *d)
{
    static char many[INTAKE_AUTHORS_MAX + 2];
    open_session(d);
    for (int more = 0; more < 2; more++) {
        size_t n = (size_t)snprintf(many, sizeof many, "From: ann@our.test");
        for (int i = 1; i < 100 + more; i++)
            n += (size_t)snprintf(many + n, sizeof many - n, ",\r\n ann@our.test");
        header(slice(many, n), more ? "554 5.6.0 More than 100 addresses" : "");
        memset(many, ' ', sizeof many);
        memcpy(many, "From: ann@our.test", 18);
        header(slice(many, INTAKE_AUTHORS_MAX + (size_t)more),
            more ? "554 5.6.0 From and Sender are longer than 65536 octets" : "");
        memset(many, ' ', INTAKE_NAME_MAX + 10);
        memcpy(many, "From: ann@our.test\r\nBcc", 23);
        memcpy(many + 20 + INTAKE_NAME_MAX - 1 + more, ":x\r\n", 4);
        header(slice(many, 20 + INTAKE_NAME_MAX + 3),
            more ? "554 5.6.0 The header has a field whose name does not end" : "");
    }
}

static void envelopes(void **state)
{
    house(envelopes_task);
}

static void headers(void **state)
{
    house(headers_task);
}

static void broken_headers(void **state)
{
    house(broken_task);
}

static void limits(void **state)
{
    house(limits_task);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(envelopes),
        cmocka_unit_test(headers),
        cmocka_unit_test(broken_headers),
        cmocka_unit_test(limits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
