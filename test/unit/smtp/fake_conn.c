#include "fake_conn.h"
#include <assert.h>
#include <stdarg.h>
#include <stdlib.h>

#define INPUT_MAX ((size_t)16 * 1024 * 1024)

static struct conn *current;

static void finish(struct conn *c, enum conn_end why)
{
    if (c->closed)
        return;
    c->closed = true;
    c->end = why;
    c->handler->closed(c, why);
}

static void run(struct conn *c, enum conn_event event)
{
    c->runs++;
    c->handler->run(c, event);
    if (event == CONN_TIMED_OUT || event == CONN_DRAINING)
        c->closing = true;
}

static enum conn_next feed(struct conn *c)
{
    size_t used = 0;
    free(c->view);
    c->view = malloc(c->in.n ? c->in.n : 1);
    if (c->in.n)
        memcpy(c->view, c->in.p, c->in.n);
    enum conn_next next = c->handler->feed(c, slice(c->view, c->in.n), c->eof, &used);
    assert(used <= c->in.n);
    buffer_drop(&c->in, used);
    return next;
}

static void drive(struct conn *c)
{
    current = c;
    bool again = true;
    while (again && !c->closing && !c->held && !c->start_tls && (c->in.n || c->eof)) {
        size_t before = c->in.n;
        switch (feed(c)) {
        case CONN_MORE:
            assert(c->eof || c->in.n < c->handler->input_max);
            again = c->in.n && c->in.n != before;
            break;
        case CONN_RUN:
            run(c, CONN_COMPLETE);
            break;
        case CONN_HOLD:
            c->held = true;
            break;
        case CONN_CLOSE:
            c->closing = true;
            break;
        }
        if (c->eof && !c->in.n)
            c->closing = true;
    }
    if (c->closing)
        finish(c, CONN_END_SELF);
}

void fake_open(struct conn *c, const struct conn_handler *handler, void *session, const char *early)
{
    *c = (struct conn){.handler = handler, .session = session};
    buffer_init(&c->in, INPUT_MAX);
    buffer_init(&c->out, INPUT_MAX);
    slice_to_cstr(S("192.0.2.1"), c->peer.address, sizeof c->peer.address);
    buffer_add(&c->in, slice_str(early));
    current = c;
    run(c, CONN_OPENED);
    drive(c);
}

void fake_send(struct conn *c, struct slice bytes)
{
    buffer_add(&c->in, bytes);
    drive(c);
}

void fake_send_pieces(struct conn *c, struct slice bytes, size_t n)
{
    for (size_t at = 0; at < bytes.n; at += n)
        fake_send(c, slice_sub(bytes, at, n));
}

void fake_say(struct conn *c, const char *text)
{
    fake_send(c, slice_str(text));
}

void fake_event(struct conn *c, enum conn_event event)
{
    if (!c->closing)
        run(c, event);
    drive(c);
}

void fake_secure(struct conn *c)
{
    assert(c->start_tls);
    c->start_tls = false;
    c->tls.on = true;
    slice_to_cstr(S("TLSv1.3"), c->tls.version, sizeof c->tls.version);
    fake_event(c, CONN_SECURED);
}

void fake_gone(struct conn *c)
{
    finish(c, CONN_END_PEER);
    buffer_finish(&c->in);
    buffer_finish(&c->out);
    free(c->view);
    c->view = NULL;
}

const char *fake_heard(struct conn *c)
{
    static char text[1024 * 1024];
    size_t n = c->out.n < sizeof text ? c->out.n : sizeof text - 1;
    if (n)
        memcpy(text, c->out.p, n);
    text[n] = '\0';
    buffer_reset(&c->out);
    return text;
}

/* ---- timers ---- */

void timer_init(struct timer *t, void (*fire)(struct timer *))
{
    t->fire = fire;
}

void timer_start(struct timer *t, deadline at)
{
    current->timer = t;
    current->timer_at = at;
}

void timer_stop(struct timer *t)
{
    if (current && current->timer == t)
        current->timer = NULL;
}

void fake_fire(struct conn *c)
{
    struct timer *t = c->timer;
    assert(t);
    c->timer = NULL;
    t->fire(t);
}

/* ---- net/conn.h ---- */

void *conn_session(struct conn *c)
{
    return c->session;
}

const struct peer *conn_peer(const struct conn *c)
{
    return &c->peer;
}

const struct tls_facts *conn_tls(const struct conn *c)
{
    return &c->tls;
}

uint64_t conn_id(const struct conn *c)
{
    return 1;
}

void conn_put(struct conn *c, struct slice s)
{
    assert(!c->closed);
    buffer_add(&c->out, s);
}

bool conn_send(struct conn *c, struct slice s)
{
    conn_put(c, s);
    return !c->closing;
}

bool conn_start_tls(struct conn *c)
{
    assert(!c->tls.on);
    if (c->in.n)
        return false;
    c->start_tls = true;
    return true;
}

struct slice conn_unread(const struct conn *c)
{
    return buffer_slice(&c->in);
}

bool conn_input_waits(const struct conn *c)
{
    return c->in.n > 0;
}

void conn_close(struct conn *c)
{
    c->closing = true;
}

void conn_set_timeout(struct conn *c, int64_t ns)
{
    c->timeout = ns;
}

void conn_set_rate(struct conn *c, uint64_t rate)
{
    c->rate = rate;
}

void conn_resume(struct conn *c)
{
    c->held = false;
    drive(c);
}

void conn_set_handler(struct conn *c, const struct conn_handler *handler, void *session)
{
    c->handler = handler;
    c->session = session;
}
