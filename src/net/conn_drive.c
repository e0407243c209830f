#include "net/conn_private.h"
#include <assert.h>

/* A task that runs one command after the other lets others run after this time. */
#define CONN_STRETCH (5 * CLOCK_MS)

/* ---- feed ---- */

/* Shows feed what is unread and does what it says; the caller looks at RUN. */
static enum conn_next conn_feed(struct conn *c)
{
    struct slice in = conn_unread(c);
    size_t used = 0;
    if (c->eof && in.n == 0)
        c->eof_told = true;
    c->fresh = c->again = false;
    struct blame before = blame_now;
    blame_now = (struct blame){.peer = c->blame, .name = c->peer.address};
    c->inside++;
    task_forbid_suspend();
    enum conn_next next = c->handler->feed(c, in, c->eof, &used);
    task_allow_suspend();
    c->inside--;
    blame_now = before;
    assert(used <= in.n);
    conn_consume(c, used);
    switch (next) {
    case CONN_MORE:
        if (c->eof)
            break; /* the next step closes, or tells feed of the end */
        if (in.n - used >= c->handler->input_max)
            conn_end(c, CONN_END_OVERFLOW);
        c->large = used >= POOL_SMALL / 2;
        break;
    case CONN_RUN:
        c->large = false;
        break;
    case CONN_HOLD:
        c->held = true;
        c->held_at = clock_now();
        c->fresh = c->again = true;
        break;
    case CONN_CLOSE:
        conn_close(c);
        break;
    }
    return next;
}

/* Has feed not been told of everything that is there? */
static bool conn_has_news(const struct conn *c)
{
    return conn_bytes_left(&c->in) > 0 || (c->eof && !c->eof_told) || c->again;
}

static bool conn_output_high(const struct conn *c)
{
    return conn_bytes_left(&c->out) > CONN_OUTPUT_HIGH;
}

/* Is there something that goes before the next command? */
static bool conn_take_urgent(struct conn *c, enum conn_event *event)
{
    if (c->pending & PENDING_DRAIN)
        *event = CONN_DRAINING;
    else if (c->pending & PENDING_TIMEOUT)
        *event = CONN_TIMED_OUT;
    else
        return false;
    return true;
}

/* ---- on the reactor ---- */

void conn_queue(struct conn *c, enum conn_event event)
{
    conn_enter(c, STATE_QUEUED);
    c->event = (uint8_t)event;
    task_request_init(&c->request, c->handler->class, conn_run_task, c);
    task_start(&c->request);
}

static void conn_read_some(struct conn *c, size_t *budget)
{
    ssize_t r = conn_fill(c);
    if (r > 0) {
        *budget -= (size_t)r < *budget ? (size_t)r : *budget;
        c->fresh = true;
    } else if (r == STREAM_EOF) {
        c->eof = c->fresh = true;
    }
}

/* One thing that an idle conn can do now; false: nothing, or it is idle no more. Frees nothing. */
static bool conn_idle_step(struct conn *c, size_t *budget)
{
    enum conn_event event;
    if (c->ended || c->closing)
        return false;
    if (conn_take_urgent(c, &event)) {
        conn_queue(c, event);
        return false;
    }
    if (c->fresh && !c->held && (!conn_output_high(c) || conn_write_out(c))) {
        if (conn_feed(c) != CONN_RUN)
            return true;
        conn_queue(c, CONN_COMPLETE);
        return false;
    }
    if (c->eof && !c->fresh && !c->held) {
        if (!c->eof_told && conn_bytes_left(&c->in) == 0)
            return c->fresh = true;
        conn_close(c);
        c->end = CONN_END_PEER;
        return false;
    }
    if ((c->pending & PENDING_WOKEN) && conn_write_out(c)) {
        c->pending &= (uint8_t)~PENDING_WOKEN;
        conn_queue(c, CONN_WOKEN);
        return false;
    }
    if (c->ended || c->held || c->eof || !c->readable || *budget == 0 || conn_output_high(c))
        return false;
    conn_read_some(c, budget);
    return true;
}

static void conn_close_step(struct conn *c);

static void conn_drive_idle(struct conn *c)
{
    size_t budget = CONN_TURN;
    for (bool again = true; again;) {
        while (conn_idle_step(c, &budget))
            ;
        if (c->state != STATE_IDLE)
            return;
        again = !c->ended && !c->closing && conn_bytes_left(&c->out) > 0 && conn_write_out(c) &&
                ((c->fresh && !c->held) || c->pending);
    }
    if (c->ended) {
        conn_finish(c);
    } else if (c->closing) {
        conn_enter(c, STATE_CLOSING);
        c->until = deadline_in(CONN_CLOSING);
        c->lingering = conn_bytes_left(&c->in) > 0 || c->held;
        conn_close_step(c);
    } else {
        conn_settle(c);
    }
}

/* Reads away what the peer still sends. True: it has stopped, or has had its time. */
static bool conn_linger(struct conn *c)
{
    size_t budget = CONN_TURN;
    while (!c->eof && c->watcher.fd >= 0 && c->lingered < CONN_LINGER_BYTES && budget > 0) {
        c->in.at = c->in.n;
        ssize_t r = conn_fill(c);
        if (r == STREAM_EOF || c->ended)
            return true;
        if (r < 0)
            return !c->lingering;
        c->lingering = true;
        c->lingered += (size_t)r;
        budget -= (size_t)r < budget ? (size_t)r : budget;
    }
    return budget > 0;
}

static void conn_close_step(struct conn *c)
{
    if (!c->shut && conn_write_out(c)) {
        c->shut = true;
        c->until = deadline_min(c->until, deadline_in(CONN_LINGER));
        if (c->stream->ops->shutdown)
            c->stream->ops->shutdown(c->stream);
    }
    if (c->ended || (c->shut && conn_linger(c)))
        conn_finish(c);
    else
        conn_settle(c);
}

void conn_drive(struct conn *c)
{
    switch ((enum conn_state)c->state) {
    case STATE_OPENING:
    case STATE_SECURING:
        conn_open_step(c);
        break;
    case STATE_IDLE:
        conn_drive_idle(c);
        break;
    case STATE_CLOSING:
        conn_close_step(c);
        break;
    case STATE_QUEUED:
    case STATE_RUNNING:
    case STATE_CLOSED:
        break;
    }
}

static unsigned conn_wait_mask(int wait)
{
    return wait == STREAM_WANT_WRITE ? WATCH_WRITE : WATCH_READ;
}

static unsigned conn_wanted(const struct conn *c)
{
    unsigned want = 0;
    if (conn_bytes_left(&c->out) > 0)
        want |= conn_wait_mask(c->write_wait);
    if (c->state == STATE_OPENING || (c->state == STATE_SECURING && !want))
        want |= conn_wait_mask(c->read_wait);
    if (c->state == STATE_IDLE && !c->held && !c->eof && !conn_output_high(c))
        want |= conn_wait_mask(c->read_wait);
    if (c->state == STATE_CLOSING && c->shut)
        want |= conn_wait_mask(c->read_wait);
    return want;
}

void conn_settle(struct conn *c)
{
    unsigned want = conn_wanted(c);
    conn_release_buffers(c);
    if (c->watcher.fd >= 0 && c->watcher.armed != want)
        watcher_arm(&c->watcher, want);
    /* Its turn was over, or TLS holds bytes that the reactor cannot see. */
    if (c->state == STATE_IDLE && c->readable && !c->held && !c->eof && !conn_output_high(c))
        conn_kick(c);
    conn_set_alarm(c);
}

/* ---- on a task ---- */

static void conn_run_once(struct conn *c)
{
    enum conn_event event = (enum conn_event)c->event;
    if (c->ended || c->closing)
        return;
    blame_now = (struct blame){.peer = c->blame, .name = c->peer.address};
    c->handler->run(c, event);
    blame_now = (struct blame){0};
    if (event != CONN_DRAINING && event != CONN_TIMED_OUT)
        return;
    conn_close(c);
    if (event == CONN_TIMED_OUT)
        c->end = CONN_END_TIMEOUT;
}

/* After run: is there more for this stack? */
static bool conn_again(struct conn *c)
{
    enum conn_event event;
    if (c->ended || c->closing || c->start_tls)
        return false;
    if (conn_take_urgent(c, &event)) {
        c->event = (uint8_t)event;
        return true;
    }
    c->fresh = conn_has_news(c);
    /* A session that has logged in goes on with a stack of the larger share. */
    if (!c->fresh || c->held || conn_output_high(c) || c->handler->class != c->request.class)
        return false;
    c->event = CONN_COMPLETE;
    return conn_feed(c) == CONN_RUN;
}

void conn_run_task(void *conn)
{
    struct conn *c = conn;
    int64_t began = clock_now();
    conn_enter(c, STATE_RUNNING);
    c->burst = 0;
    do {
        conn_run_once(c);
        if (clock_now() - began > CONN_STRETCH) {
            task_yield();
            began = clock_now();
        }
    } while (conn_again(c));
    if (c->ended) {
        conn_finish(c);
    } else if (c->start_tls && !c->closing) {
        conn_enter(c, STATE_SECURING);
        c->start_tls = false;
        c->wants_tls = true;
        c->until = deadline_in(c->opening_timeout);
        conn_open_step(c);
    } else {
        conn_enter(c, STATE_IDLE);
        c->heard_at = clock_now();
        conn_drive(c);
    }
}
