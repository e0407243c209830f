#include "net/conn_private.h"
#include "net/limit_private.h"
#include "net/listen.h"
#include <assert.h>
#include <stdatomic.h>
#include <stdlib.h>

/* The conns of this thread's reactor. The remote brings it back to those that were kicked. */
static _Thread_local struct conn_home {
    struct list conns, kicked;
    struct remote remote;
    size_t count;
    bool prepared;
} home;

static atomic_uint_least64_t conn_last_id;

/* At most this many conns are looked at for some to leave. */
#define CONN_SHED_LOOK 4096

/* ---- the reactor's list ---- */

static void home_run(struct remote *r)
{
    struct list turn;
    list_init(&turn);
    while (!list_empty(&home.kicked))
        list_push_back(&turn, list_pop_front(&home.kicked));
    /* A conn that ends meanwhile takes itself out. */
    for (struct list *node; (node = list_pop_front(&turn));)
        conn_drive(list_entry(node, struct conn, kicked));
}

static void home_prepare(void)
{
    if (home.prepared)
        return;
    list_init(&home.conns);
    list_init(&home.kicked);
    home.remote.fn = home_run;
    home.prepared = true;
}

void conn_kick(struct conn *c)
{
    if (list_empty(&c->kicked))
        list_push_back(&home.kicked, &c->kicked);
    reactor_send(reactor_self(), &home.remote);
}

size_t conn_count(void)
{
    return home.count;
}

void conn_each(void (*fn)(struct conn *c, void *arg), void *arg)
{
    home_prepare();
    list_for_safe(&home.conns, node) fn(list_entry(node, struct conn, node), arg);
}

void conn_shed(unsigned n)
{
    unsigned looked = 0;
    home_prepare();
    list_for_safe(&home.conns, node)
    {
        struct conn *c = list_entry(node, struct conn, node);
        bool stranger = c->state == STATE_OPENING || c->state == STATE_SECURING ||
                        (c->state == STATE_IDLE && c->handler->class == TASK_PREAUTH);
        if (n == 0 || looked++ == CONN_SHED_LOOK)
            return;
        if (stranger && !(c->pending & PENDING_DRAIN) && !c->ended) {
            conn_drain(c);
            n--;
        }
    }
}

/* ---- life ---- */

#define TO(state) (1u << (state))

void conn_enter(struct conn *c, enum conn_state state)
{
    static const unsigned arrows[] = {
        [STATE_OPENING] = TO(STATE_QUEUED) | TO(STATE_CLOSED),
        [STATE_IDLE] = TO(STATE_QUEUED) | TO(STATE_CLOSING) | TO(STATE_CLOSED),
        [STATE_QUEUED] = TO(STATE_RUNNING) | TO(STATE_CLOSED),
        [STATE_RUNNING] = TO(STATE_IDLE) | TO(STATE_SECURING) | TO(STATE_CLOSED),
        [STATE_SECURING] = TO(STATE_QUEUED) | TO(STATE_CLOSED),
        [STATE_CLOSING] = TO(STATE_CLOSED),
    };
    assert(c->state != STATE_CLOSED && (arrows[c->state] & TO(state)));
    (void)arrows; /* without assertions */
    c->state = (uint8_t)state;
}

static void conn_on_ready(struct watcher *w, unsigned events)
{
    struct conn *c = list_entry(w, struct conn, watcher);
    if (c->state == STATE_QUEUED || c->state == STATE_RUNNING) {
        watcher_arm(w, 0);
        if (c->awaits)
            event_raise(&c->writable);
        return;
    }
    if ((events & (WATCH_READ | WATCH_ERROR)) || c->read_wait == STREAM_WANT_WRITE)
        c->readable = true;
    conn_drive(c);
}

static void conn_init(struct conn *c, const struct conn_options *options)
{
    c->stream = options->stream;
    c->handler = options->handler;
    c->session = options->session;
    c->peer = options->peer;
    c->blame = peer_network_key(&c->peer);
    c->local = options->local;
    c->listener = options->listener;
    c->proxy = options->proxy;
    c->wants_tls = options->tls;
    c->opening_timeout = options->timeout > 0 ? options->timeout : CONN_OPENING;
    c->id = atomic_fetch_add_explicit(&conn_last_id, 1, memory_order_relaxed) + 1;
    c->opened_at = clock_wall();
    c->heard_at = c->byte_at = c->taken_at = clock_now();
    c->until = deadline_in(c->opening_timeout);
    c->read_wait = STREAM_WANT_READ;
    c->write_wait = STREAM_WANT_WRITE;
    c->readable = options->fd < 0;
    c->watcher.fd = -1;
    c->timer_at = DEADLINE_NEVER;
    c->state = STATE_OPENING;
    list_init(&c->node);
    list_init(&c->kicked);
    timer_init(&c->timer, conn_on_timer);
    event_init(&c->writable);
    task_request_init(&c->request, c->handler->class, conn_run_task, c);
}

struct conn *conn_create(const struct conn_options *options)
{
    struct conn *c = calloc(1, sizeof *c);
    if (!c) {
        options->stream->ops->destroy(options->stream);
        return NULL;
    }
    home_prepare();
    conn_init(c, options);
    bool opening = c->proxy || c->wants_tls;
    bool watched =
        options->fd < 0 || watcher_start(&c->watcher, options->fd, WATCH_READ, conn_on_ready);
    c->meter = meter_of(c->listener ? c->listener : "other");
    metric_add(&c->meter->opened, 1);
    metric_add(&c->meter->active, 1);
    list_push_back(&home.conns, &c->node);
    home.count++;
    if (!watched) {
        conn_say(c, "cannot be watched");
        conn_end(c, CONN_END_PEER);
    } else if (!opening) {
        conn_queue(c, CONN_OPENED);
        return c;
    }
    conn_set_alarm(c);
    if (options->fd < 0 || !watched)
        conn_kick(c);
    return c;
}

void conn_placed(struct conn *c)
{
    c->placed = true;
}

void conn_counted(struct conn *c, uint64_t network)
{
    c->counted = true;
    c->network = network;
}

void conn_say(struct conn *c, const char *words)
{
    if (!c->error)
        c->error = strdup(words);
}

void conn_end(struct conn *c, enum conn_end why)
{
    if (c->ended)
        return;
    c->ended = true;
    /* Once the goodbye is through, what the peer still does is no reason. */
    if (!c->shut)
        c->end = (uint8_t)why;
    if (c->awaits)
        event_raise(&c->writable);
}

void conn_finish(struct conn *c)
{
    conn_enter(c, STATE_CLOSED);
    list_remove(&c->node);
    list_remove(&c->kicked);
    timer_stop(&c->timer);
    if (c->watcher.fd >= 0)
        watcher_stop(&c->watcher);
    c->handler->closed(c, (enum conn_end)c->end);
    if (c->stream)
        c->stream->ops->destroy(c->stream);
    pool_give(&c->in.block);
    pool_give(&c->out.block);
    if (c->counted)
        limit_give(c->network);
    if (c->placed)
        limit_closed();
    metric_add(&c->meter->active, -1);
    free(c->tls);
    free(c->error);
    free(c);
    if (--home.count == 0)
        pool_trim();
}

/* ---- control ---- */

void conn_set_handler(struct conn *c, const struct conn_handler *handler, void *session)
{
    assert(c->state == STATE_RUNNING);
    c->handler = handler;
    c->session = session;
}

bool conn_start_tls(struct conn *c)
{
    assert(c->state == STATE_RUNNING);
    if (c->tls || conn_bytes_left(&c->in) > 0)
        return false;
    c->start_tls = true;
    return true;
}

void conn_close(struct conn *c)
{
    if (c->closing || c->ended)
        return;
    c->closing = true;
    c->end = CONN_END_SELF;
    if (c->state == STATE_OPENING || c->state == STATE_SECURING)
        conn_end(c, CONN_END_SELF);
    if (c->state != STATE_RUNNING && !c->inside)
        conn_kick(c);
}

void conn_abort(struct conn *c, enum conn_end why)
{
    if (c->state == STATE_CLOSED)
        return;
    conn_end(c, why);
    if (c->inside || c->state == STATE_RUNNING)
        return; /* as soon as feed or run has returned */
    if (c->state != STATE_QUEUED || task_unstart(&c->request))
        conn_finish(c);
}

void conn_resume(struct conn *c)
{
    if (!c->held)
        return;
    c->held = false;
    int64_t now = clock_now();
    c->heard_at = now;
    c->rate_at += now - c->held_at; /* the time was ours, not the peer's */
    if (c->state == STATE_IDLE && !c->inside)
        conn_kick(c);
}

void conn_wake(struct conn *c)
{
    c->pending |= PENDING_WOKEN;
    if (c->state == STATE_IDLE && !c->inside)
        conn_kick(c);
}

void conn_drain(struct conn *c)
{
    c->pending |= PENDING_DRAIN;
    if (c->state == STATE_OPENING || c->state == STATE_SECURING)
        conn_end(c, CONN_END_SELF);
    if (c->state != STATE_QUEUED && c->state != STATE_RUNNING && !c->inside)
        conn_kick(c);
}

/* ---- facts ---- */

void *conn_session(struct conn *c)
{
    return c->session;
}

const struct peer *conn_peer(const struct conn *c)
{
    return &c->peer;
}

const struct peer *conn_local(const struct conn *c)
{
    return &c->local;
}

const struct tls_facts *conn_tls(const struct conn *c)
{
    static const struct tls_facts none;
    return c->tls ? c->tls : &none;
}

bool conn_channel_binding(const struct conn *c, const char **type, char data[64], size_t *n)
{
    return tls_channel_binding(c->stream, type, data, n);
}

uint64_t conn_id(const struct conn *c)
{
    return c->id;
}

const char *conn_listener(const struct conn *c)
{
    return c->listener;
}

int64_t conn_opened_at(const struct conn *c)
{
    return c->opened_at;
}

int64_t conn_heard_at(const struct conn *c)
{
    return c->byte_at;
}

void conn_set_account(struct conn *c, const char *address)
{
    c->account = address;
}

const char *conn_account(const struct conn *c)
{
    return c->account;
}

uint64_t conn_bytes_in(const struct conn *c)
{
    return c->bytes_in;
}

uint64_t conn_bytes_out(const struct conn *c)
{
    return c->bytes_out;
}

const char *conn_error(const struct conn *c)
{
    return c->error ? c->error : "";
}
