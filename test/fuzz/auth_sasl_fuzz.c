/* Any exchange with the SASL server: the first byte chooses mechanism and channel binding, the rest
 * is responses, apart by LF. Names are looked up in a directory; PLAIN and LOGIN come with a
 * deadline that has passed, so that no input costs a password hash. */
#include "auth/auth.h"
#include "auth/sasl.h"
#include "base/log.h"
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

#define STEPS_MAX 6

static struct slice input;

static struct directory *directory_make(struct store *store)
{
    char why[DIRECTORY_WHY];
    struct directory *d =
        directory_open(&(struct directory_options){.store = store}, why, DEADLINE_NEVER);
    static const struct directory_credentials credentials = {
        .present = true, .password = "$argon2id$", .scram_iterations = 4096};
    struct directory_new_account account = {.address = S("a@b.c"), .credentials = &credentials};
    if (!d || directory_domain_add(d, S("b.c"), why, DEADLINE_NEVER) != DIRECTORY_OK ||
        directory_account_add(d, &account, NULL, why, DEADLINE_NEVER) != DIRECTORY_OK)
        abort();
    return d;
}

static void exchange(struct auth *auth)
{
    static const char *const names[] = {"SCRAM-SHA-256", "SCRAM-SHA-256-PLUS", "PLAIN", "LOGIN"};
    static const char *const bindings[] = {NULL, "tls-exporter", "tls-unique", NULL};
    unsigned choice = input.n ? (unsigned char)input.p[0] : 0;
    struct slice rest = slice_from(input, 1);
    struct buffer challenge;
    struct auth_reply reply;
    enum sasl_next next = SASL_CONTINUE;
    struct sasl *s = sasl_create(&(struct sasl_options){.auth = auth,
        .mechanism = slice_str(names[choice & 3]),
        .binding_type = bindings[choice >> 2 & 3],
        .binding = S("0123456789abcdef")});
    buffer_init(&challenge, SASL_CHALLENGE_MAX);
    for (int i = 0; s && i < STEPS_MAX && next == SASL_CONTINUE; i++) {
        struct slice response = slice_cut(&rest, '\n');
        next = sasl_step(s, response, !(choice >> 4 & 1) || i > 0, &challenge, &reply,
            choice & 2 ? 0 : DEADLINE_NEVER);
        if (next == SASL_OK || (challenge.n && next != SASL_CONTINUE))
            abort(); /* nobody knows the keys */
    }
    buffer_finish(&challenge);
    sasl_destroy(s);
}

static void run(void *arg)
{
    char why[512];
    enum store_open_error error;
    struct store *store =
        store_open(&(struct store_options){.engine = "memory", .dir = -1}, &error, why);
    if (!store)
        abort();
    struct directory *d = directory_make(store);
    struct auth *auth = auth_create(&(struct auth_options){
        .directory = d, .hashers = 1, .delay_first = 1, .delay_max = 1, .cache_entries = 8});
    if (!auth)
        abort();
    exchange(auth);
    auth_destroy(auth);
    directory_close(d);
    store_close(store);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    struct runtime_options options = {
        .reactors = 1, .stacks = 8, .disk_threads = 1, .read_threads = 1, .cpu_threads = 1};
    log_start(2, LOG_ERROR, LOG_LOGFMT);
    input = slice(data, n);
    if (!runtime_run(&options, run, NULL))
        abort();
    return 0;
}
