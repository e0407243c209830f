#include "net/conn_private.h"

/* One timer serves all of a conn's times, and is not touched when bytes move: it fires at the
 * earliest time that was due when it was set, and looks again. */

static int64_t conn_output_limit(const struct conn *c)
{
    return c->timeout > 0 ? c->timeout : CONN_STALL_LIMIT;
}

static deadline conn_after(int64_t since, int64_t ns)
{
    return since > DEADLINE_NEVER - ns ? DEADLINE_NEVER : since + ns;
}

static deadline conn_due_idle(const struct conn *c)
{
    deadline due = DEADLINE_NEVER;
    if (conn_bytes_left(&c->out) > 0)
        due = conn_after(c->taken_at, conn_output_limit(c));
    else if (c->timeout > 0 && !c->held)
        due = conn_after(c->heard_at, c->timeout);
    if (c->rate > 0 && !c->held)
        due = deadline_min(due, c->rate_at + CONN_RATE_WINDOW);
    return due;
}

static deadline conn_due(const struct conn *c)
{
    deadline due = DEADLINE_NEVER;
    if (c->state == STATE_IDLE)
        due = conn_due_idle(c);
    else if (c->state == STATE_OPENING || c->state == STATE_SECURING || c->state == STATE_CLOSING)
        due = c->until;
    /* Nothing tells when a memory stream takes bytes again. */
    if (c->watcher.fd < 0 && conn_bytes_left(&c->out) > 0 && c->state != STATE_RUNNING)
        due = deadline_min(due, reactor_now() + CLOCK_MS);
    return due;
}

void conn_set_alarm(struct conn *c)
{
    deadline due = conn_due(c);
    if (due >= c->timer_at)
        return;
    c->timer_at = due;
    timer_start(&c->timer, due);
}

void conn_rate_restart(struct conn *c)
{
    c->rate_at = clock_now();
    c->rate_bytes = c->bytes_in;
}

/* True: the peer sends too slowly. A window that is over begins again. */
static bool conn_too_slow(struct conn *c, int64_t now)
{
    if (c->rate == 0 || c->held || now < c->rate_at + CONN_RATE_WINDOW)
        return false;
    uint64_t seconds = (uint64_t)((now - c->rate_at) / CLOCK_SEC);
    bool slow = (c->bytes_in - c->rate_bytes) / (seconds ? seconds : 1) < c->rate;
    conn_rate_restart(c);
    return slow;
}

static void conn_idle_alarm(struct conn *c, int64_t now)
{
    bool output = conn_bytes_left(&c->out) > 0;
    if (output && now >= conn_after(c->taken_at, conn_output_limit(c)))
        conn_end(c, CONN_END_SLOW);
    else if (!output && !c->held && c->timeout > 0 && now >= conn_after(c->heard_at, c->timeout))
        c->pending |= PENDING_TIMEOUT;
    else if (conn_too_slow(c, now))
        c->pending |= PENDING_TIMEOUT;
    conn_drive(c);
}

void conn_on_timer(struct timer *t)
{
    struct conn *c = list_entry(t, struct conn, timer);
    int64_t now = clock_now();
    c->timer_at = DEADLINE_NEVER;
    switch ((enum conn_state)c->state) {
    case STATE_OPENING:
    case STATE_SECURING:
        if (now >= c->until) {
            conn_say(c, "timed out");
            conn_end(c, CONN_END_TIMEOUT);
        }
        conn_open_step(c);
        break;
    case STATE_IDLE:
        conn_idle_alarm(c, now);
        break;
    case STATE_CLOSING:
        if (now >= c->until)
            conn_end(c, conn_bytes_left(&c->out) ? CONN_END_SLOW : (enum conn_end)c->end);
        conn_drive(c);
        break;
    case STATE_QUEUED:
    case STATE_RUNNING:
    case STATE_CLOSED:
        break;
    }
}

void conn_set_timeout(struct conn *c, int64_t ns)
{
    c->timeout = ns;
    c->heard_at = clock_now();
    if (c->state == STATE_IDLE)
        conn_set_alarm(c);
}

void conn_set_rate(struct conn *c, uint64_t rate)
{
    c->rate = rate;
    conn_rate_restart(c);
    if (c->state == STATE_IDLE)
        conn_set_alarm(c);
}
