/* A client's whole life with a hostile server. The first byte is that of client_fuzz.h, the second
 * chooses LMTP, DATA only, a login and the pieces of the body. Every recipient has an outcome; what
 * is told is clean; no bare newline leaves; a message is taken only by a 2yz behind its end. */
#include "base/random.h"
#include "client_fuzz.h"
#include "smtp/client.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

struct body {
    struct slice rest;
    size_t piece;
};

static bool read_body(void *arg, struct slice *piece, deadline until)
{
    struct body *b = arg;
    *piece = slice_sub(b->rest, 0, b->piece);
    b->rest = slice_from(b->rest, piece->n);
    return true;
}

static void check_outcome(const struct smtp_outcome *o)
{
    CHECK(o->stage < SMTP_STAGES && (!o->reply.code || o->reply.code / 100 >= 2));
    CHECK(o->answer != ANSWER_OK || o->reply.code / 100 == 2);
    CHECK(o->answer != ANSWER_TEMPORARY || o->reply.code / 100 == 4);
    CHECK(o->answer != ANSWER_PERMANENT || o->reply.code / 100 == 5);
    CHECK(o->answer != ANSWER_UNKNOWN || o->stage == SMTP_AT_END);
    check_clean(o->reply.text);
    check_clean(o->reply.enhanced);
}

static void transact(struct smtp_client *c, size_t piece)
{
    struct body body = {S("Subject: x\n\r\n.\r\r.\n..x"), piece};
    struct smtp_send m = {.sender = S("joe@away.test"),
        .size = body.rest.n,
        .envid = S("id"),
        .read = read_body,
        .arg = &body};
    struct smtp_send_recipient to[3] = {{.address = S("a@b.test")},
        {.address = S("\"c d\"@b.test"), .notify = S("NEVER")}, {.address = S("not an address")}};
    enum answer a = smtp_client_send(c, &m, to, 3, DEADLINE_NEVER);
    unsigned taken = 0;
    for (int i = 0; i < 3; i++) {
        check_outcome(&to[i].outcome);
        taken += to[i].outcome.answer == ANSWER_OK && to[i].outcome.stage == SMTP_AT_END;
        CHECK(to[i].outcome.answer != ANSWER_OK || to[i].outcome.stage == SMTP_AT_END);
    }
    CHECK((a == ANSWER_OK) == (taken > 0) && to[2].outcome.answer == ANSWER_UNSUPPORTED);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    struct buffer output;
    if (n < 2 || n > 65536)
        return 0;
    random_seed(1);
    struct smtp_client_options options = {
        .hello = "us.test", .lmtp = data[1] & 1, .no_chunking = data[1] & 2};
    struct smtp_client *c = smtp_client_create(
        hostile_channel(data + 2, n - 2, data[0], SMTP_CLIENT_LINE, &output), &options);
    CHECK(c);
    struct login_options login = {.user = S("ann"), .password = S("secret"), .plaintext = true};
    enum answer a = smtp_client_greet(c, DEADLINE_NEVER);
    if (a == ANSWER_OK && data[1] & 4)
        a = smtp_client_login(c, &login, DEADLINE_NEVER);
    check_clean(smtp_client_offer(c)->name);
    check_clean(smtp_client_offer(c)->auth);
    if (a == ANSWER_OK) {
        transact(c, (data[1] >> 3) + 1);
        transact(c, 1000);
        smtp_client_quit(c, DEADLINE_NEVER);
        CHECK(!smtp_client_alive(c));
    } else {
        check_outcome(smtp_client_outcome(c));
    }
    check_newlines(buffer_slice(&output));
    smtp_client_destroy(c);
    buffer_finish(&output);
    random_seed(0);
    return 0;
}
