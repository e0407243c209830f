#include "server/porter.h"
#include "admin/frame.h"
#include "message/scan.h"
#include "store/spool.h"
#include <stdlib.h>

#define WINDOW   128
#define PATIENCE (600 * CLOCK_SEC) /* the command reads from a slow disk, or asks a person */

/* One message, from its first frame until its row is on its way to the command. */
struct item {
    struct list node; /* among the finished ones */
    struct porter *porter;
    struct stream_item item;
    struct spool *body;
    struct scan scan;
    struct task_request request;
    json_t *row;
};

/* Lives as long as its connection or one of its tasks. */
struct porter {
    struct conn *conn; /* NULL: gone */
    struct stream_import import;
    struct item *open;
    unsigned out; /* items being stored */
    bool alone;   /* one of them may not be overtaken */
    bool held;    /* feed has said HOLD */
    struct list finished;
    struct event idle; /* out is 0 */
    json_t *frame;     /* for run */
    bool nonsense;
};

static atomic_size_t busy;

size_t porter_busy(void)
{
    return atomic_load(&busy);
}

static void item_destroy(struct item *i)
{
    if (!i)
        return;
    spool_destroy(i->body);
    stream_item_close(&i->item);
    json_decref(i->row);
    free(i);
}

static void porter_free(struct porter *p)
{
    for (struct list *node; (node = list_pop_front(&p->finished));)
        item_destroy(list_entry(node, struct item, node));
    item_destroy(p->open);
    json_decref(p->frame);
    free(p);
}

static void resume(struct porter *p)
{
    if (!p->conn || !p->held)
        return;
    p->held = false;
    conn_resume(p->conn);
}

/* ---- storing: a task for each item ---- */

static void item_finished(struct item *i)
{
    struct porter *p = i->porter;
    list_push_back(&p->finished, &i->node);
    p->out--;
    p->alone = p->alone && p->out;
    atomic_fetch_sub(&busy, 1);
    if (!p->out)
        event_raise(&p->idle);
    if (p->conn) {
        conn_wake(p->conn);
        resume(p);
    } else if (!p->out) {
        porter_free(p);
    }
}

static TASK_FN
void item_store(void *arg)
{
    struct item *i = arg;
    i->row = stream_item_store(&i->porter->import, &i->item, i->body, i->scan.nul);
    spool_destroy(i->body);
    i->body = NULL;
    item_finished(i);
}

static void item_submit(struct porter *p)
{
    struct item *i = p->open;
    p->open = NULL;
    p->out++;
    p->idle.raised = false;
    p->alone = !spool_in_memory(i->body);
    atomic_fetch_add(&busy, 1);
    scan_end(&i->scan);
    task_request_init(&i->request, TASK_NORMAL, item_store, i);
    task_start(&i->request);
}

/* ---- frames, on the reactor ---- */

enum took { TOOK, WAIT, RUN, NONSENSE };

static void body_ready(void *arg)
{
    resume(arg);
}

static enum took item_begin(struct porter *p, json_t *frame)
{
    struct item *i = p->open ? NULL : calloc(1, sizeof *i);
    struct spool_options options = {.tmp_dir = p->import.admin->tmp_dir,
        .max = p->import.message_size,
        .ready = body_ready,
        .arg = p};
    if (!i || !stream_item_open(&p->import, frame, &i->item)) {
        free(i);
        return NONSENSE;
    }
    i->porter = p;
    i->body = spool_create(&options);
    scan_init(&i->scan);
    p->open = i;
    return i->body ? TOOK : NONSENSE;
}

static enum took take_raw(struct porter *p, struct slice bytes)
{
    if (!p->open)
        return NONSENSE;
    scan_feed(&p->open->scan, bytes);
    return spool_write(p->open->body, bytes) == SPOOL_WAIT ? WAIT : TOOK;
}

static enum took take_value(struct porter *p, json_t *value)
{
    if (json_object_get(value, "item"))
        return item_begin(p, value);
    if (json_object_get(value, "done")) {
        if (!p->open)
            return NONSENSE;
        item_submit(p);
        return TOOK;
    }
    if (json_object_get(value, "drop")) {
        item_destroy(p->open);
        p->open = NULL;
        return TOOK;
    }
    p->frame = json_incref(value);
    return RUN;
}

/* May this frame be taken now? Answers come in order, and what changes the mailbox or ends the
 * import waits for all before it. */
static bool must_wait(const struct porter *p, const json_t *value)
{
    if (json_object_get(value, "done"))
        return p->out >= WINDOW || p->alone ||
               (p->out && p->open && !spool_in_memory(p->open->body));
    return p->out && (json_object_get(value, "mailbox") || json_object_get(value, "end"));
}

static enum conn_next hold(struct porter *p)
{
    p->held = true;
    return CONN_HOLD;
}

static enum conn_next feed(struct conn *c, struct slice in, bool eof, size_t *used)
{
    struct porter *p = conn_session(c);
    p->held = false;
    for (;;) {
        json_t *value;
        struct slice raw;
        size_t n;
        enum frame_answer got = frame_next(slice_from(in, *used), &n, &value, &raw);
        if (got == FRAME_MORE)
            return !eof                       ? CONN_MORE
                   : p->out                   ? hold(p)
                   : list_empty(&p->finished) ? CONN_CLOSE
                                              : CONN_RUN;
        if (value && must_wait(p, value)) {
            json_decref(value);
            return hold(p);
        }
        enum took took = got == FRAME_BAD ? NONSENSE
                         : value          ? take_value(p, value)
                                          : take_raw(p, raw);
        json_decref(value);
        *used += n;
        if (took == WAIT)
            return hold(p);
        p->nonsense = took == NONSENSE;
        if (took == NONSENSE)
            *used = in.n;
        if (took != TOOK)
            return CONN_RUN;
    }
}

/* ---- answers, on a task ---- */

static TASK_FN
bool put(struct porter *p, json_t *value)
{
    struct buffer frame;
    buffer_init(&frame, FRAME_MAX + FRAME_HEAD);
    bool ok = frame_write(value, &frame) && conn_send(p->conn, buffer_slice(&frame));
    buffer_finish(&frame);
    if (!ok)
        conn_close(p->conn);
    return ok;
}

static TASK_FN
void tell_finished(struct porter *p)
{
    for (struct list *node; (node = list_pop_front(&p->finished));) {
        struct item *i = list_entry(node, struct item, node);
        json_t *row = i->row;
        i->row = NULL;
        item_destroy(i);
        if (!put(p, json_pack("{s:o}", "row", row)))
            return;
    }
}

static TASK_FN
void end(struct porter *p, const struct admin_answer *answer)
{
    while (p->out)
        event_await(&p->idle);
    tell_finished(p);
    put(p, json_pack("{s:i, s:s}", "exit", (int)answer->exit, "why", answer->why));
    conn_close(p->conn);
}

static TASK_FN
void complete(struct porter *p)
{
    struct admin_answer answer = {
        .exit = ADMIN_USAGE, .why = "the import is not spoken as it should be"};
    json_t *frame = p->frame, *row;
    p->frame = NULL;
    tell_finished(p);
    if (p->nonsense) {
        end(p, &answer);
    } else if (!frame) { /* the command has said all, if not well */
        conn_close(p->conn);
    } else if (json_object_get(frame, "end")) {
        end(p, &(struct admin_answer){.exit = ADMIN_DONE});
    } else if ((row = stream_import_small(&p->import, frame, &answer))) {
        put(p, json_pack("{s:o}", "row", row));
    } else {
        end(p, &answer);
    }
    json_decref(frame);
}

static TASK_FN
void run(struct conn *c, enum conn_event event)
{
    struct porter *p = conn_session(c);
    switch (event) {
    case CONN_COMPLETE:
        complete(p);
        break;
    case CONN_WOKEN:
        tell_finished(p);
        break;
    case CONN_DRAINING: /* what was taken is stored and told */
    case CONN_TIMED_OUT:
        end(p, &(struct admin_answer){.exit = ADMIN_SILENT,
                   .why = "the server is stopping: say the import again, it goes on from here"});
        break;
    case CONN_OPENED:
    case CONN_SECURED:
        break;
    }
}

static void closed(struct conn *c, enum conn_end why)
{
    struct porter *p = conn_session(c);
    p->conn = NULL;
    item_destroy(p->open);
    p->open = NULL;
    if (!p->out)
        porter_free(p);
}

static const struct conn_handler handler = {
    .protocol = "control",
    .input_max = FRAME_MAX + FRAME_HEAD,
    .class = TASK_NORMAL,
    .feed = feed,
    .run = run,
    .closed = closed,
};

bool porter_start(struct conn *c, const struct stream_import *import)
{
    struct porter *p = calloc(1, sizeof *p);
    if (!p)
        return false;
    p->conn = c;
    p->import = *import;
    list_init(&p->finished);
    event_init(&p->idle);
    conn_set_handler(c, &handler, p);
    conn_set_timeout(c, PATIENCE);
    return put(p, json_pack("{s:{s:I}}", "row", "message_size", (json_int_t)import->message_size));
}
