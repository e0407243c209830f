#include "base/log.h"
#include "net/conn_private.h"
#include "net/limit_private.h"
#include "net/proxy_private.h"
#include "net/tls_private.h"
#include <stdlib.h>

/* What stands before a session: the PROXY header and the TLS handshake, driven by the reactor
 * without a stack. */

METRIC(handshakes_ok, METRIC_COUNTER, "barid_tls_handshakes_total", "result=\"ok\"",
    "TLS handshakes of clients, by result")
METRIC(handshakes_failed, METRIC_COUNTER, "barid_tls_handshakes_total", "result=\"failed\"",
    "TLS handshakes of clients, by result")

enum step { STEP_DONE, STEP_WAIT, STEP_ENDED };

static enum step conn_refuse(struct conn *c, enum conn_end why, const char *words)
{
    conn_say(c, words);
    conn_end(c, why);
    return STEP_ENDED;
}

/* Who just goes away again, as port scanners and health checks do, is not worth a line. */
static void conn_log_failure(struct conn *c, const char *event)
{
    enum log_level level = c->end == CONN_END_PEER ? LOG_DEBUG : LOG_INFO;
    LOG(level, event, log_text("listener", c->listener), log_text("peer", c->peer.address),
        log_int("port", c->peer.port), log_text("reason", conn_error(c)));
}

/* The client behind the balancer takes the place of the balancer, also under the limit. */
static enum step conn_name_peer(struct conn *c, const struct proxy_header *header)
{
    c->proxy = false;
    if (!header->named)
        return STEP_DONE;
    c->peer = header->source;
    c->blame = peer_network_key(&c->peer);
    c->local = header->destination;
    uint64_t network = peer_network_key(&c->peer);
    if (!c->placed)
        return STEP_DONE; /* made by a test, not by a listener */
    /* The listener could only ask about the balancer. */
    if (blame_peer_listed(network)) {
        limit_refused(LIMIT_POLICY);
        return conn_refuse(c, CONN_END_SELF, "the worker died twice over this address");
    }
    if (!limit_take(network)) {
        limit_refused(LIMIT_NETWORK);
        return conn_refuse(c, CONN_END_SELF, "too many connections from this address");
    }
    conn_counted(c, network);
    return STEP_DONE;
}

static enum step conn_open_proxy(struct conn *c)
{
    struct proxy_header header;
    for (;;) {
        size_t n;
        enum proxy_answer answer = proxy_parse(conn_unread(c), &header, &n);
        if (answer == PROXY_BAD) {
            enum step ended = conn_refuse(c, CONN_END_SELF, "not a PROXY header");
            conn_log_failure(c, "proxy header refused");
            return ended;
        }
        if (answer == PROXY_DONE) {
            conn_consume(c, n);
            return conn_name_peer(c, &header);
        }
        ssize_t r = conn_fill_exactly(c, n);
        if (r == STREAM_EOF)
            return conn_refuse(c, CONN_END_PEER, "closed before the PROXY header");
        if (r < 0)
            return c->ended ? STEP_ENDED : STEP_WAIT;
    }
}

static enum step conn_stack_tls(struct conn *c)
{
    struct tls_server *server = tls_server_current();
    if (!server)
        return conn_refuse(c, CONN_END_TLS, "no certificate is set up");
    c->tls = calloc(1, sizeof *c->tls);
    if (!c->tls) {
        tls_server_release(server);
        return conn_refuse(c, CONN_END_TLS, "out of memory");
    }
    struct stream *top = tls_accept(server, c->stream);
    tls_server_release(server);
    /* The stream below is gone then, so something must stand in its place. */
    c->stream = top ? top : stream_memory(S(""), 0, true, NULL);
    return top ? STEP_DONE : conn_refuse(c, CONN_END_TLS, "out of memory");
}

static enum step conn_open_tls(struct conn *c)
{
    if (!c->tls && conn_stack_tls(c) == STEP_ENDED)
        return STEP_ENDED;
    int r = c->stream->ops->handshake(c->stream);
    if (r == STREAM_WANT_READ || r == STREAM_WANT_WRITE) {
        c->read_wait = (int8_t)r;
        return STEP_WAIT;
    }
    if (r == STREAM_ERROR) {
        enum conn_end why = tls_lost_below(c->stream) ? CONN_END_PEER : CONN_END_TLS;
        return conn_refuse(c, why, c->stream->ops->error(c->stream));
    }
    tls_facts(c->stream, c->tls);
    metric_add(&handshakes_ok, 1);
    c->wants_tls = false;
    c->readable = true; /* the first command may have come with the client's last flight */
    c->read_wait = STREAM_WANT_READ;
    return STEP_DONE;
}

static void conn_open_failed(struct conn *c)
{
    if (c->wants_tls && !c->proxy && (c->end != CONN_END_SELF || conn_error(c)[0])) {
        metric_add(&handshakes_failed, 1);
        conn_log_failure(c, "tls handshake failed");
    }
    conn_finish(c);
}

void conn_open_step(struct conn *c)
{
    bool securing = c->state == STATE_SECURING;
    enum step step = c->ended ? STEP_ENDED : STEP_DONE;
    if (step == STEP_DONE && securing && !conn_write_out(c))
        step = c->ended ? STEP_ENDED : STEP_WAIT;
    if (step == STEP_DONE && c->proxy)
        step = conn_open_proxy(c);
    if (step == STEP_DONE && c->wants_tls)
        step = conn_open_tls(c);
    if (step == STEP_ENDED)
        conn_open_failed(c);
    else if (step == STEP_WAIT)
        conn_settle(c);
    else
        conn_queue(c, securing ? CONN_SECURED : CONN_OPENED);
}
