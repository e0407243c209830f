/* `barid verify`: the store, the directory, every account, the queue, and all references against
 * each other. */
#include "mailbox/verify.h"
#include "admin/command_private.h"
#include "queue/verify.h"
#include "trace/trace.h"
#include <stdio.h>

struct run {
    struct command *c;
    struct verify_refs *refs;
    uint64_t faults, accounts;
    const char *address; /* of the account being checked */
};

static void emit_fault(struct run *r, const char *what, const char *text)
{
    r->faults++;
    r->c->emit(r->c->arg,
        json_pack("{s:s, s:o}", "what", what, "text", command_json_text(slice_str(text))));
}

static void store_fault(void *arg, const struct store_fault *f)
{
    emit_fault(arg, f->what, f->text);
}

static void directory_fault(void *arg, const char *text)
{
    emit_fault(arg, "directory", text);
}

static void account_fault(void *arg, uint64_t account, const char *text)
{
    struct run *r = arg;
    char whole[512];
    snprintf(whole, sizeof whole, "%s%s%s", account && r->address ? r->address : "",
        account && r->address ? ": " : "", text);
    emit_fault(r, account ? "account" : "blob", whole);
}

static bool each_account(void *arg, const struct directory_account *a)
{
    struct run *r = arg;
    r->address = a->address;
    r->accounts++;
    verify_account(r->c->admin->store, a->id, r->refs, account_fault, r);
    return true;
}

static void queue_fault(void *arg, const char *text)
{
    emit_fault(arg, "queue", text);
}

static void queue_blob(void *arg, store_blob_id blob, uint64_t size)
{
    struct run *r = arg;
    verify_blob_ref(r->refs, blob, size);
}

/* How many messages are queued. */
TASK_FN
static uint64_t verify_queue(struct run *r)
{
    struct queue_verify v = {.fault = queue_fault, .blob = queue_blob, .arg = r};
    bool running = r->c->admin->status != NULL;
    if (!queue_verify(r->c->admin->store, &v) && !(v.changed && running))
        queue_fault(r, v.changed ? "changes while it is read" : "could not be read");
    return v.messages;
}

static void trace_fault(void *arg, const char *text)
{
    emit_fault(arg, "trace", text);
}

TASK_FN
static void verify_trace(struct run *r)
{
    uint64_t chunks;
    if (!trace_verify(r->c->admin->store, trace_fault, r, &chunks))
        trace_fault(r, "could not be read");
}

TASK_FN
void command_verify(struct command *c)
{
    struct run r = {.c = c, .refs = verify_refs_create()};
    uint64_t blobs = 0, bytes = 0, directory_faults = 0;
    if (!r.refs) {
        command_fail(c, ADMIN_FAULT, "out of memory");
        return;
    }
    store_verify(c->admin->store, store_fault, &r, &blobs, &bytes);
    enum directory_result read = directory_verify(
        c->admin->directory, directory_fault, &r, &directory_faults, DEADLINE_NEVER);
    if (read == DIRECTORY_OK)
        read = directory_account_list(c->admin->directory, S(""), each_account, &r, DEADLINE_NEVER);
    if (command_directory(c, read, "")) {
        uint64_t queued = verify_queue(&r);
        verify_trace(&r);
        /* In a running server mail comes in between: references are only compared at rest. */
        if (!c->admin->status)
            verify_blobs(c->admin->store, r.refs, account_fault, &r);
        command_emit(c,
            json_pack("{s:I, s:I, s:I, s:I, s:I, s:I}", "faults", (json_int_t)r.faults, "accounts",
                (json_int_t)r.accounts, "messages", (json_int_t)verify_messages(r.refs), "queued",
                (json_int_t)queued, "blobs", (json_int_t)blobs, "bytes", (json_int_t)bytes));
        if (r.faults)
            command_fail(c, ADMIN_FAULT, "%llu faults", (unsigned long long)r.faults);
    }
    verify_refs_destroy(r.refs);
}
