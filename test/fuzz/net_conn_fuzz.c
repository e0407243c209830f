/* Whole sessions of the echo protocol of the unit tests. The first byte says how the bytes come:
 * in pieces of how many, behind a PROXY header or not, to which size of output. */
#include "../unit/net/echo.c"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

struct fuzz {
    struct slice input;
    uint8_t how;
};

static void fuzz_session(void *arg)
{
    struct fuzz *f = arg;
    struct event ended;
    struct buffer out;
    event_init(&ended);
    buffer_init(&out, f->how & 0x40 ? 3000 : 1 << 20);
    struct echo e = {.ended = &ended, .timeout = 20 * CLOCK_MS};
    struct conn_options o = {.stream = stream_memory(f->input, f->how & 0x3f, true, &out),
        .fd = -1,
        .listener = "smtp",
        .proxy = f->how & 0x80,
        .handler = &echo_handler,
        .session = &e,
        .timeout = 20 * CLOCK_MS};
    struct conn *c = conn_create(&o);
    CHECK(c);
    while (event_wait(&ended, deadline_in(CLOCK_MS)) == WAIT_TIMEOUT) {
        buffer_reset(&out);
        if (!e.closed && e.holds)
            conn_resume(c);
    }
    CHECK(e.closed && conn_count() == 0);
    buffer_finish(&out);
}

/* Answers of more than 99,999 bytes and sleeps only take time. */
static bool only_slow(struct slice in)
{
    size_t digits = 0;
    for (size_t i = 0; i < in.n; i++) {
        digits = ascii_digit(in.p[i]) ? digits + 1 : 0;
        if (digits > 5)
            return true;
    }
    return slice_find_slice(in, S("SLEEP")) != SLICE_NONE;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    struct runtime_options options = {
        .reactors = 1, .disk_threads = 1, .read_threads = 1, .cpu_threads = 1, .stacks = 8};
    struct slice in = slice(data, n);
    if (n == 0 || n > 4096 || only_slow(in))
        return 0;
    struct fuzz f = {slice_from(in, 1), data[0]};
    CHECK(runtime_run(&options, fuzz_session, &f));
    return 0;
}
