/* A client's whole life with a hostile server; the first byte is that of client_fuzz.h, the second
 * chooses how to log in. What is told is clean, a message is never over its maximum. */
#include "base/random.h"
#include "client_fuzz.h"
#include "pop3/client.h"

#define MESSAGE_MAX 1000

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static bool sink(void *arg, struct slice piece)
{
    size_t *sum = arg;
    CHECK(piece.n && memchr(piece.p, 0xff, piece.n) == NULL);
    *sum += piece.n;
    CHECK(*sum <= MESSAGE_MAX);
    return true;
}

static bool listed(void *arg, uint32_t number, struct slice value)
{
    CHECK(number && slice_find(value, '\n') == SLICE_NONE);
    return true;
}

static void use(struct pop3_client *c)
{
    uint32_t messages;
    uint64_t bytes;
    size_t sum = 0;
    pop3_client_stat(c, &messages, &bytes, DEADLINE_NEVER);
    pop3_client_list(c, listed, NULL, DEADLINE_NEVER);
    pop3_client_uidl(c, listed, NULL, DEADLINE_NEVER);
    pop3_client_retr(c, 1, MESSAGE_MAX, sink, &sum, DEADLINE_NEVER);
    check_clean(pop3_client_text(c));
    sum = 0;
    pop3_client_top(c, 2, 10, MESSAGE_MAX, sink, &sum, DEADLINE_NEVER);
    pop3_client_dele(c, 1, DEADLINE_NEVER);
    pop3_client_noop(c, DEADLINE_NEVER);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    struct buffer output;
    if (n < 2 || n > 65536)
        return 0;
    random_seed(1);
    struct pop3_client *c =
        pop3_client_create(hostile_channel(data + 2, n - 2, data[0], POP3_CLIENT_LINE, &output), 0);
    CHECK(c);
    struct login_options login = {
        .user = S("ann"), .password = S("secret"), .plaintext = data[1] & 1};
    if (data[1] & 2)
        login.only = S("USER");
    enum answer a = pop3_client_greet(c, DEADLINE_NEVER);
    if (a == ANSWER_OK)
        a = pop3_client_login(c, &login, DEADLINE_NEVER);
    if (a == ANSWER_OK)
        use(c);
    pop3_client_quit(c, DEADLINE_NEVER);
    CHECK(!pop3_client_alive(c));
    check_clean(pop3_client_text(c));
    check_clean(pop3_client_code(c));
    check_clean(pop3_client_offer(c)->sasl);
    check_newlines(buffer_slice(&output));
    pop3_client_destroy(c);
    buffer_finish(&output);
    random_seed(0);
    return 0;
}
