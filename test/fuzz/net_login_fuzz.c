/* A SCRAM server in lines: each is a challenge before its base64; "@" in it is our nonce. Only who
 * knows the password completes. */
#include "base/base64.h"
#include "base/random.h"
#include "client_fuzz.h"
#include "net/login.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static char nonce[64];

static bool say(struct login *l, struct slice line, struct buffer *response)
{
    struct buffer text, challenge;
    buffer_init(&text, 65536);
    buffer_init(&challenge, 65536);
    for (size_t i = 0; i < line.n; i++)
        buffer_add(&text, line.p[i] == '@' ? slice_str(nonce) : slice(line.p + i, 1));
    base64_encode(buffer_slice(&text), &challenge);
    buffer_reset(response);
    bool fine = login_step(l, buffer_slice(&challenge), response);
    buffer_finish(&text);
    buffer_finish(&challenge);
    return fine;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    struct login_options o = {.user = S("ann"), .password = S("secret")};
    struct buffer response, first;
    const char *why;
    struct slice rest = slice(data, n);
    if (n > 4096)
        return 0;
    for (size_t i = 0; i + 5 <= n; i++) /* counts that only take time */
        if (ascii_digit(rest.p[i]) && ascii_digit(rest.p[i + 1]) && ascii_digit(rest.p[i + 2]) &&
            ascii_digit(rest.p[i + 3]) && ascii_digit(rest.p[i + 4]))
            return 0;
    random_seed(1);
    buffer_init(&response, LOGIN_RESPONSE_MAX);
    buffer_init(&first, 1000);
    struct login *l = login_create(&o, S("SCRAM-SHA-256"), &why);
    CHECK(l && say(l, S(""), &response) && base64_decode(buffer_slice(&response), &first));
    CHECK(slice_to_cstr(slice_from(buffer_slice(&first), 11), nonce, sizeof nonce));
    for (int i = 0; i < 10 && say(l, slice_cut(&rest, '\n'), &response); i++)
        CHECK(!login_complete(l) || i == 1);
    login_destroy(l);
    buffer_finish(&response);
    buffer_finish(&first);
    random_seed(0);
    return 0;
}
