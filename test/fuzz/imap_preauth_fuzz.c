/* What strangers say. The first byte says in which pieces the bytes come (its low bits) and whether
 * passwords are taken. Output is lines; nobody logs in without the password. */
#include "base/budget.h"
#include "base/log.h"
#include "unit/imap/dialog.h"

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
    dialog_start(d);
    dialog_wait(d);
    struct slice out = buffer_slice(&d->output);
    check_lines(out);
    CHECK(slice_starts(out, S("* OK [CAPABILITY ")));
    CHECK(speaker_checks || slice_find_slice(out, S("] Logged in\r\n")) == SLICE_NONE);
    CHECK(conn_count() == 0 && budget_used() == 0);
    dialog_finish(d);
    fixture_close();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    struct runtime_options options = {
        .reactors = 1, .disk_threads = 1, .read_threads = 1, .cpu_threads = 1, .stacks = 32};
    if (!n || n > 40000)
        return 0;
    log_start(2, LOG_ERROR, LOG_LOGFMT);
    speaker_checks = 0;
    dialog_service.plaintext_without_tls = !(data[0] & 0x80);
    struct dialog d = {.input = slice(data + 1, n - 1), .piece = data[0] & 0x7f};
    CHECK(runtime_run(&options, session, &d));
    log_stop();
    return 0;
}
