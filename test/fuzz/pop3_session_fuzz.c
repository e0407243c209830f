/* Whole sessions over a memory store with three messages. The first byte says in which pieces the
 * bytes come (its low bits), whether a login goes before them and whether passwords are taken.
 * Output is lines; messages go only when QUIT said so. */
#include "base/log.h"
#include "unit/pop3/dialog.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void check_lines(struct slice out)
{
    while (out.n) {
        size_t lf = slice_find(out, '\n');
        CHECK(lf != SLICE_NONE && lf > 0 && slice_find(out, '\r') == lf - 1);
        out = slice_from(out, lf + 1);
    }
}

static void session(void *arg)
{
    struct dialog *d = arg;
    dialog_open_store();
    CHECK(fixture_append(MAILBOX_INBOX, S("Subject: 1\r\n\r\none\r\n"), 0));
    CHECK(fixture_append(MAILBOX_INBOX, S("Subject: 2\r\n\r\n.\r\n..two\r\n"), 0));
    CHECK(fixture_append(MAILBOX_INBOX, S(".\n.\r.x"), 0));
    dialog_start(d);
    dialog_wait(d);
    struct slice out = buffer_slice(&d->output);
    check_lines(out);
    bool update = slice_find_slice(out, S("POP3 signing off (")) != SLICE_NONE;
    size_t left = dialog_messages(fixture_store);
    CHECK(left <= 3 && (update || left == 3));
    CHECK(fixture_faults(false) == 0 && conn_count() == 0);
    dialog_finish(d);
    fixture_close();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    struct runtime_options options = {
        .reactors = 1, .disk_threads = 1, .read_threads = 1, .cpu_threads = 1, .stacks = 32};
    struct buffer in;
    if (!n || n > 4096)
        return 0;
    log_start(2, LOG_ERROR, LOG_LOGFMT);
    buffer_init(&in, 8192);
    if (data[0] & 0x80)
        buffer_add(&in, S(LOGIN));
    buffer_add(&in, slice(data + 1, n - 1));
    dialog_service.plaintext_without_tls = (data[0] & 0xc0) != 0x40;
    struct dialog d = {.input = buffer_slice(&in), .piece = data[0] & 0x3f};
    CHECK(runtime_run(&options, session, &d));
    buffer_finish(&in);
    log_stop();
    return 0;
}
