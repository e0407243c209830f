/* A client's whole life with a hostile server; the first byte is that of client_fuzz.h, the second
 * chooses how to log in and what to do. What is told is clean, no body is over its maximum. */
#include "base/random.h"
#include "client_fuzz.h"
#include "imap/client.h"

#define MESSAGE_MAX 1000

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static uint64_t body_bytes;

static bool body(void *arg, struct slice piece)
{
    CHECK(piece.n);
    body_bytes += piece.n;
    CHECK(body_bytes <= MESSAGE_MAX);
    return true;
}

static bool message(void *arg, const struct imap_client_fetched *m)
{
    CHECK(m->uid && m->sequence && (m->has_body || !body_bytes) && m->size == body_bytes);
    for (size_t i = 0; i < m->flags.n; i++)
        CHECK(m->flags.p[i] >= ' ' && m->flags.p[i] <= '~');
    body_bytes = 0;
    return true;
}

static bool untagged(void *arg, struct slice response)
{
    int *left = arg;
    CHECK(response.n && response.n <= IMAP_CLIENT_RESPONSE);
    return --*left > 0;
}

static bool listed(void *arg, struct slice attributes, char separator, struct slice mailbox)
{
    return mailbox.n < IMAP_CLIENT_RESPONSE;
}

static bool read_text(void *arg, struct slice *piece, deadline until)
{
    *piece = S("hello");
    return true;
}

static void use(struct imap_client *c, int left)
{
    struct imap_client_selected selected;
    struct imap_client_status status;
    struct imap_client_fetch fetch = {.body = body, .message = message, .max = MESSAGE_MAX};
    struct imap_client_append append = {
        .mailbox = S("Sent"), .flags = S("\\Seen"), .size = 5, .read = read_text};
    imap_client_list(c, S(""), S("*"), listed, NULL, DEADLINE_NEVER);
    imap_client_status(c, S("a b"), S("MESSAGES"), &status, DEADLINE_NEVER);
    imap_client_select(c, S("INBOX"), false, &selected, DEADLINE_NEVER);
    body_bytes = 0;
    imap_client_fetch(c, S("1:*"), &fetch, DEADLINE_NEVER);
    imap_client_append(c, &append, DEADLINE_NEVER);
    check_clean(imap_client_text(c));
    imap_client_command(c, S("X {3}\r\nabc {2}\r\nde f"), untagged, &left, DEADLINE_NEVER);
    imap_client_idle(c, untagged, &left, DEADLINE_NEVER, DEADLINE_NEVER);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    struct buffer output;
    if (n < 2 || n > 65536)
        return 0;
    random_seed(1);
    struct imap_client *c =
        imap_client_create(hostile_channel(data + 2, n - 2, data[0], IMAP_CLIENT_LINE, &output), 0);
    CHECK(c);
    struct login_options login = {
        .user = S("ann"), .password = S("secret"), .plaintext = data[1] & 1};
    if (data[1] & 2)
        login.only = S("PASSWORD");
    enum answer a = imap_client_greet(c, DEADLINE_NEVER);
    if (a == ANSWER_OK && data[1] & 4)
        a = imap_client_login(c, &login, DEADLINE_NEVER);
    if (a == ANSWER_OK)
        use(c, (data[1] >> 3) + 1);
    imap_client_logout(c, DEADLINE_NEVER);
    CHECK(!imap_client_alive(c));
    check_clean(imap_client_text(c));
    check_clean(imap_client_code(c));
    check_newlines(buffer_slice(&output));
    imap_client_destroy(c);
    buffer_finish(&output);
    random_seed(0);
    return 0;
}
