#include "http/server.h"
#include "http/parse.h"
#include <stdlib.h>

struct session {
    const struct http_service *service;
    struct parse_head head; /* slices into the conn's input, which stays there until run returns */
    enum parse_answer answer;
};

static enum conn_next feed(struct conn *c, struct slice in, bool eof, size_t *used)
{
    struct session *s = conn_session(c);
    *used = 0;
    s->answer = parse_head(slice_sub(in, 0, HTTP_REQUEST_MAX), &s->head);
    if (s->answer == PARSE_MORE && in.n <= HTTP_REQUEST_MAX)
        return eof ? CONN_CLOSE : CONN_MORE;
    *used = s->answer == PARSE_OK ? s->head.size : in.n;
    return CONN_RUN;
}

static const char *reason(int status)
{
    switch (status) {
    case 200:
        return "OK";
    case 400:
        return "Bad Request";
    case 404:
        return "Not Found";
    case 413:
        return "Content Too Large";
    case 431:
        return "Request Header Fields Too Large";
    case 501:
        return "Not Implemented";
    case 503:
        return "Service Unavailable";
    case 505:
        return "HTTP Version Not Supported";
    default:
        return "Internal Server Error";
    }
}

static TASK_FN
void respond(struct conn *c, int status, const char *type, struct slice body, bool head, bool close)
{
    conn_printf(c,
        "HTTP/1.1 %d %s\r\nContent-Type: %s\r\nContent-Length: %zu\r\n"
        "Cache-Control: no-store\r\nX-Content-Type-Options: nosniff\r\n%s\r\n",
        status, reason(status), type, body.n, close ? "Connection: close\r\n" : "");
    if (!head)
        conn_send(c, body);
    if (close)
        conn_close(c);
}

static TASK_FN
void refuse(struct conn *c, int status, bool head)
{
    struct slice text = slice_str(reason(status));
    respond(c, status, "text/plain; charset=utf-8", text, head, true);
}

static int status_of(const struct session *s)
{
    switch (s->answer) {
    case PARSE_METHOD:
        return 501;
    case PARSE_VERSION:
        return 505;
    case PARSE_BODY:
        return 413;
    case PARSE_MORE:
        return 431;
    default:
        return 400;
    }
}

static TASK_FN
void run(struct conn *c, enum conn_event event)
{
    struct session *s = conn_session(c);
    if (event == CONN_OPENED) {
        conn_set_timeout(c, s->service->timeout ? s->service->timeout : 60 * CLOCK_SEC);
        return;
    }
    if (event != CONN_COMPLETE)
        return;
    if (s->answer != PARSE_OK) {
        refuse(c, status_of(s), s->head.head);
        return;
    }
    struct buffer body;
    const char *type = "text/plain; charset=utf-8";
    struct http_request request = {.path = s->head.path, .query = s->head.query};
    buffer_init(&body, HTTP_RESPONSE_MAX);
    int status = s->service->get(s->service->arg, &request, &body, &type);
    if (body.overflow)
        refuse(c, 500, s->head.head);
    else
        respond(c, status, type, buffer_slice(&body), s->head.head, s->head.close);
    buffer_finish(&body);
}

static void closed(struct conn *c, enum conn_end why)
{
    free(conn_session(c));
}

static const struct conn_handler handler = {
    .protocol = "http",
    .input_max = HTTP_REQUEST_MAX + 1,
    .class = TASK_PREAUTH,
    .feed = feed,
    .run = run,
    .closed = closed,
};

bool http_accept(void *service, const struct peer *peer, const struct conn_handler **handler_,
    void **session, struct slice *refusal)
{
    struct session *s = calloc(1, sizeof *s);
    *refusal = (struct slice){0};
    if (!s)
        return false;
    s->service = service;
    *handler_ = &handler;
    *session = s;
    return true;
}
