#include "server/status.h"
#include "base/budget.h"
#include "net/listen.h"
#include "server/everywhere.h"
#include <unistd.h>

#define QUEUE_TIME (10 * CLOCK_SEC)

struct counts {
    atomic_size_t smtp, submission, lmtp, imap, pop3, other;
};

static void count_one(struct conn *c, void *arg)
{
    struct counts *n = arg;
    struct slice name = slice_str(conn_listener(c));
    atomic_size_t *to = slice_eq(name, S("smtp"))             ? &n->smtp
                        : slice_starts(name, S("submission")) ? &n->submission
                        : slice_eq(name, S("lmtp"))           ? &n->lmtp
                        : slice_starts(name, S("imap"))       ? &n->imap
                        : slice_starts(name, S("pop3"))       ? &n->pop3
                                                              : &n->other;
    atomic_fetch_add(to, 1);
}

static void count_here(void *arg)
{
    conn_each(count_one, arg);
}

TASK_FN
json_t *status_row(struct store *s, struct queue *q, int64_t started)
{
    struct counts n = {0};
    struct store_figures f;
    struct queue_figures waits = {0};
    if (q)
        queue_figures(q, &waits, deadline_in(QUEUE_TIME));
    everywhere(count_here, &n);
    store_figures(s, &f);
    return json_pack(
        "{s:s, s:I, s:I, s:{s:I, s:I, s:I, s:I, s:I, s:I}, s:{s:I, s:I, s:I, s:I, s:I}, "
        "s:{s:I, s:I, s:I, s:I}, s:I}",
        "version", BARID_VERSION, "pid", (json_int_t)getpid(), "uptime",
        (json_int_t)((clock_wall() - started) / 1000000), "connections", "smtp",
        (json_int_t)atomic_load(&n.smtp), "submission", (json_int_t)atomic_load(&n.submission),
        "lmtp", (json_int_t)atomic_load(&n.lmtp), "imap", (json_int_t)atomic_load(&n.imap), "pop3",
        (json_int_t)atomic_load(&n.pop3), "other", (json_int_t)atomic_load(&n.other), "store",
        "blobs", (json_int_t)f.blobs, "live_bytes", (json_int_t)f.live_bytes, "segment_bytes",
        (json_int_t)f.segment_bytes, "garbage", (json_int_t)f.garbage, "mutations",
        (json_int_t)f.mutations, "queue", "messages", (json_int_t)waits.messages, "entries",
        (json_int_t)waits.entries, "held", (json_int_t)waits.held, "routes_down",
        (json_int_t)waits.routes_down, "memory_held", (json_int_t)budget_used());
}
