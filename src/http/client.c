#include "http/client.h"
#include <stdio.h>
#include <stdlib.h>

#define LINE 1024 /* of the channel, which is read in pieces here */

/* What goes into the head is ours, or was checked to be a host name; a path is not. */
static bool path_fine(struct slice path)
{
    for (size_t i = 0; i < path.n; i++)
        if ((unsigned char)path.p[i] <= 0x20 || (unsigned char)path.p[i] >= 0x7f)
            return false;
    return slice_starts(path, S("/")) && path.n <= 2048;
}

TASK_FN
static enum channel_result ask(struct channel *c, const struct http_call *call, deadline until)
{
    channel_put(c, call->post.p ? S("POST ") : S("GET "));
    channel_put(c, call->path);
    channel_printf(c, " HTTP/1.1\r\nHost: %s", call->host);
    if (call->port != 443)
        channel_printf(c, ":%u", (unsigned)call->port);
    channel_put(c, S("\r\nUser-Agent: barid\r\nConnection: close\r\n"));
    if (call->post.p)
        channel_printf(c, "Content-Type: " SLICE_FMT "\r\nContent-Length: %zu\r\n",
            SLICE_ARG(call->post_type), call->post.n);
    else if (call->accept.n)
        channel_printf(c, "Accept: " SLICE_FMT "\r\n", SLICE_ARG(call->accept));
    channel_put(c, S("\r\n"));
    enum channel_result r = call->post.p ? channel_write(c, call->post, until) : CHANNEL_OK;
    return r == CHANNEL_OK ? channel_flush(c, until) : r;
}

static enum http_result lost(struct channel *c, enum channel_result r, struct http_call *call)
{
    const char *words = r == CHANNEL_TIMEOUT     ? "no response in time"
                        : r == CHANNEL_EOF       ? "the connection was closed before the response"
                        : r == CHANNEL_CANCELLED ? "cancelled"
                                                 : channel_error(c);
    snprintf(call->why, sizeof call->why, "%s", words);
    return r == CHANNEL_CANCELLED ? HTTP_CANCELLED : HTTP_UNREACHED;
}

static enum http_result judge(const struct response *r, struct http_call *call)
{
    call->status = r->status;
    memcpy(call->type, r->type, sizeof call->type);
    if (r->state == RESPONSE_DONE)
        return HTTP_ANSWERED;
    snprintf(call->why, sizeof call->why, "%s",
        r->state == RESPONSE_TOO_BIG ? "the response is too large" : r->why);
    return HTTP_BROKEN;
}

TASK_FN
static enum http_result hear(
    struct channel *c, struct response *r, struct http_call *call, deadline until)
{
    while (r->state == RESPONSE_MORE) {
        struct slice bytes;
        enum channel_result got = channel_more(c, &bytes, until);
        if (got != CHANNEL_OK)
            return lost(c, got, call);
        response_feed(r, bytes);
        channel_take(c, bytes.n);
    }
    return judge(r, call);
}

static enum http_result not_connected(enum dial_result r)
{
    switch (r) {
    case DIAL_UNTRUSTED:
    case DIAL_TLS:
    case DIAL_INJECTED:
        return HTTP_UNTRUSTED;
    case DIAL_CANCELLED:
        return HTTP_CANCELLED;
    default:
        return HTTP_UNREACHED;
    }
}

TASK_FN
enum http_result http_call(struct http_call *call, struct buffer *body, deadline until)
{
    const struct dial_tls tls = {
        .trust = call->trust, .verify = DIAL_VERIFY_NAME, .server_name = call->host};
    const struct dial_options o = {
        .to = call->to, .to_n = call->to_n, .tls = &tls, .line_max = LINE};
    struct channel *c;
    struct response *r = malloc(sizeof *r);
    enum http_result result = HTTP_BROKEN;
    call->status = 0;
    call->type[0] = '\0';
    if (!r || !path_fine(call->path)) {
        snprintf(
            call->why, sizeof call->why, r ? "this path cannot be asked for" : "out of memory");
        free(r);
        return HTTP_BROKEN;
    }
    response_init(r, body);
    enum dial_result dialled = dial_connect(&o, &c, call->why, until);
    if (dialled != DIAL_OK) {
        result = not_connected(dialled);
    } else {
        enum channel_result asked = ask(c, call, until);
        /* A server that has said no already need not read all of a POST. */
        result = asked == CHANNEL_OK || asked == CHANNEL_BROKEN ? hear(c, r, call, until)
                                                                : lost(c, asked, call);
        channel_destroy(c);
    }
    free(r);
    return result;
}
