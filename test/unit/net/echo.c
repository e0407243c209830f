#include "echo.h"

static enum conn_next echo_feed_body(struct echo *e, struct slice in, size_t *used)
{
    size_t n = in.n < e->body ? in.n : (size_t)e->body;
    e->body -= n;
    e->got += n;
    *used = n;
    if (e->body == 0)
        return CONN_RUN;
    if (!e->holding || n == 0)
        return CONN_MORE;
    e->holds++;
    if (e->held)
        event_raise(e->held);
    return CONN_HOLD;
}

static enum conn_next echo_feed(struct conn *c, struct slice in, bool eof, size_t *used)
{
    struct echo *e = conn_session(c);
    CHECK(!e->running && !e->closed);
    e->feeds++;
    if (e->counting)
        return echo_feed_body(e, in, used);
    switch (line_take(in, ECHO_LINE, &e->line, used)) {
    case LINE_MORE:
        return CONN_MORE;
    case LINE_COMPLETE:
        return CONN_RUN;
    case LINE_TOO_LONG:
    case LINE_BARE_LF:
        break;
    }
    conn_put(c, S("BAD\r\n"));
    return CONN_CLOSE;
}

static uint64_t echo_number(struct slice line)
{
    uint64_t n = 0;
    slice_cut(&line, ' ');
    slice_to_u64(line, UINT64_MAX, &n);
    return n;
}

static void echo_big(struct conn *c, uint64_t n)
{
    static const char piece[40000] = {[0 ... 39999] = 'x'};
    while (n > 0) {
        size_t take = n < sizeof piece ? (size_t)n : sizeof piece;
        if (!conn_send(c, slice(piece, take)))
            return;
        n -= take;
    }
    conn_put(c, S("\r\n"));
}

static void echo_command(struct conn *c, struct echo *e)
{
    if (e->counting) {
        e->counting = false;
        conn_set_rate(c, 0);
        conn_printf(c, "GOT %llu\r\n", (unsigned long long)e->got);
    } else if (slice_starts(e->line, S("PING"))) {
        conn_put(c, S("PONG"));
        conn_put(c, slice_from(e->line, 4));
        conn_put(c, S("\r\n"));
    } else if (slice_eq(e->line, S("SLEEP"))) {
        task_sleep(deadline_in(20 * CLOCK_MS));
        conn_put(c, S("SLEPT\r\n"));
    } else if (slice_starts(e->line, S("BIG "))) {
        echo_big(c, echo_number(e->line));
    } else if (slice_starts(e->line, S("BODY ")) || slice_starts(e->line, S("HOLD "))) {
        e->counting = true;
        e->holding = slice_starts(e->line, S("HOLD "));
        e->got = 0;
        e->body = echo_number(e->line);
        conn_set_rate(c, e->rate);
        conn_put(c, S("OK\r\n"));
    } else if (slice_eq(e->line, S("STARTTLS"))) {
        bool ok = conn_start_tls(c);
        conn_put(c, ok ? S("GO\r\n") : S("INJECTED\r\n"));
        if (!ok)
            conn_close(c);
    } else if (slice_eq(e->line, S("LOGIN"))) {
        conn_put(c, S("IN\r\n"));
        conn_set_handler(c, &echo_mail_handler, e);
    } else if (slice_eq(e->line, S("QUIT"))) {
        conn_put(c, S("BYE\r\n"));
        conn_close(c);
    } else {
        conn_put(c, S("WHAT\r\n"));
    }
}

void echo_opened(struct echo *e, struct conn *c)
{
    const char *type = NULL;
    e->c = c;
    e->tls = *conn_tls(c);
    e->binding_n = 0;
    conn_channel_binding(c, &type, e->binding, &e->binding_n);
    conn_set_timeout(c, e->timeout);
}

static void echo_run(struct conn *c, enum conn_event event)
{
    struct echo *e = conn_session(c);
    CHECK(task_self() && !e->running && !e->closed);
    e->running = true;
    e->runs++;
    e->last = event;
    switch (event) {
    case CONN_OPENED:
        echo_opened(e, c);
        if (!e->quiet)
            conn_put(c, S("HI\r\n"));
        break;
    case CONN_SECURED:
        echo_opened(e, c);
        break;
    case CONN_COMPLETE:
        echo_command(c, e);
        break;
    case CONN_TIMED_OUT:
        conn_put(c, S("LATE\r\n"));
        break;
    case CONN_WOKEN:
        e->wakes++;
        conn_put(c, S("NEWS\r\n"));
        break;
    case CONN_DRAINING:
        conn_put(c, S("DRAIN\r\n"));
        break;
    }
    e->running = false;
}

static void echo_closed(struct conn *c, enum conn_end why)
{
    struct echo *e = conn_session(c);
    CHECK(!e->running && !e->closed);
    e->closed = true;
    e->end = why;
    e->bytes_in = conn_bytes_in(c);
    e->bytes_out = conn_bytes_out(c);
    snprintf(e->error, sizeof e->error, "%s", conn_error(c));
    if (e->ended)
        event_raise(e->ended);
}

const struct conn_handler echo_handler = {
    .protocol = "echo",
    .input_max = 1024,
    .class = TASK_PREAUTH,
    .feed = echo_feed,
    .run = echo_run,
    .closed = echo_closed,
};

const struct conn_handler echo_mail_handler = {
    .protocol = "echo",
    .input_max = 100000,
    .class = TASK_NORMAL,
    .feed = echo_feed,
    .run = echo_run,
    .closed = echo_closed,
};
