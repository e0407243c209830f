/* Whole sessions of somebody who is logged in, over a memory store with three messages. The first
 * byte says in which pieces the bytes come (its low bits) and whether INBOX is selected first.
 * Literals in the output have the length they announce, the rest is lines; the store stays whole.
 */
#include "base/budget.h"
#include "base/log.h"
#include "directory/directory.h"
#include "unit/imap/dialog.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

/* The size of the literal that ends this line; 0: none. */
static size_t announced(struct slice line)
{
    uint64_t n = 0;
    size_t brace = slice_rfind(line, '{');
    if (brace == SLICE_NONE || !slice_ends(line, S("}")))
        return 0;
    return slice_to_u64(slice_sub(line, brace + 1, line.n - brace - 2), 1 << 20, &n) ? (size_t)n
                                                                                     : 0;
}

static void check_output(struct slice out)
{
    while (out.n) {
        size_t lf = slice_find(out, '\n');
        CHECK(lf != SLICE_NONE && lf > 0 && slice_find(out, '\r') == lf - 1);
        size_t literal = announced(slice_sub(out, 0, lf - 1));
        out = slice_from(out, lf + 1);
        CHECK(literal <= out.n);
        out = slice_from(out, literal);
    }
}

/* The account of the speaker is the seventh of the directory. */
static struct directory *open_directory(void)
{
    char why[DIRECTORY_WHY], address[64];
    uint64_t id = 0;
    const struct directory_options options = {.store = fixture_store};
    struct directory *d = directory_open(&options, why, SOON);
    CHECK(d && directory_domain_add(d, S("example.org"), why, SOON) == DIRECTORY_OK);
    for (char c = 'a'; id < ACCOUNT; c++) {
        snprintf(address, sizeof address, "%c@example.org", c);
        const struct directory_new_account a = {.address = slice_str(address), .quota = 100000};
        CHECK(directory_account_add(d, &a, &id, why, SOON) == DIRECTORY_OK);
    }
    return d;
}

/* Without the waits of harsh mode: a thousand inputs a minute are worth more here. */
static void open_store(void)
{
    char why[512];
    enum store_open_error error;
    struct store_options options = {.engine = "memory", .dir = -1, .seed = 1};
    fixture_store = store_open(&options, &error, why);
    CHECK(fixture_store);
    CHECK(mailbox_open_account(fixture_store, ACCOUNT, SOON) == OUTCOME_DONE);
    dialog_service.store = fixture_store;
}

static void session(void *arg)
{
    struct dialog *d = arg;
    open_store();
    struct directory *directory = open_directory();
    dialog_service.directory = directory;
    CHECK(fixture_append(MAILBOX_INBOX, S("Subject: 1\r\nFrom: a <b@c>\r\n\r\none\r\n"), 0));
    CHECK(fixture_append(MAILBOX_INBOX,
        S("Content-Type: multipart/mixed; boundary=x\r\n\r\n--x\r\n\r\ntwo\r\n--x\r\n"
          "Content-Type: message/rfc822\r\n\r\nSubject: in\r\n\r\nthree\r\n--x--\r\n"),
        MAILBOX_SEEN));
    CHECK(fixture_append(MAILBOX_INBOX, S(".\n.\r.\xff{3}x"), MAILBOX_DELETED));
    dialog_start(d);
    dialog_wait(d);
    check_output(buffer_slice(&d->output));
    CHECK(fixture_faults(false) == 0 && conn_count() == 0);
    dialog_finish(d);
    directory_close(directory);
    fixture_close();
    CHECK(budget_used() == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    struct runtime_options options = {
        .reactors = 1, .disk_threads = 1, .read_threads = 1, .cpu_threads = 1, .stacks = 32};
    struct buffer in;
    if (!n || n > 8192)
        return 0;
    log_start(2, LOG_ERROR, LOG_LOGFMT);
    buffer_init(&in, 16384);
    buffer_add(&in, S(LOGIN));
    if (data[0] & 0x80)
        buffer_add(&in, S("0 ENABLE QRESYNC\r\n0 SELECT INBOX\r\n"));
    buffer_add(&in, slice(data + 1, n - 1));
    dialog_service.message_size = 50000;
    struct dialog d = {.input = buffer_slice(&in), .piece = data[0] & 0x7f};
    CHECK(runtime_run(&options, session, &d));
    buffer_finish(&in);
    log_stop();
    return 0;
}
