/* JSON lines straight into admin_run over a memory store with a domain and an account; whatever
 * they ask, the store stays sound. Passwords are left out: they cost too long. */
#include "base/log.h"
#include "unit/admin/office.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void play(void *arg)
{
    struct slice rest = *(struct slice *)arg;
    office_open();
    CHECK(office_ask("{\"v\":1,\"do\":\"domain add\",\"name\":\"x.example\"}") == ADMIN_DONE);
    CHECK(office_ask("{\"v\":1,\"do\":\"account add\",\"address\":\"a@x.example\"}") == ADMIN_DONE);
    for (int i = 0; i < 16 && rest.n; i++) {
        struct slice line = slice_cut(&rest, '\n');
        json_t *request =
            json_loadb(line.n ? line.p : "", line.n, JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, NULL);
        if (!request)
            continue;
        if (json_is_object(request)) {
            json_object_set_new(request, "v", json_integer(ADMIN_VERSION));
            json_object_del(request, "password");
        }
        enum admin_exit e = office_run(request);
        CHECK(e == ADMIN_DONE || e == ADMIN_FAULT || e == ADMIN_USAGE || e == ADMIN_ABSENT);
        json_decref(request);
    }
    CHECK(office_ask("{\"v\":1,\"do\":\"verify\"}") == ADMIN_DONE);
    office_close();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    struct runtime_options options = {
        .reactors = 1, .disk_threads = 1, .read_threads = 1, .cpu_threads = 1, .stacks = 32};
    struct slice in = slice(data, n);
    if (n > 8192)
        return 0;
    log_start(2, LOG_ERROR, LOG_LOGFMT);
    CHECK(runtime_run(&options, play, &in));
    log_stop();
    return 0;
}
