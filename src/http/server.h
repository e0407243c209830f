/* A small HTTP/1.1 server (RFC 9112): GET and HEAD, no bodies, keep-alive. */
#pragma once
#include "base/buffer.h"
#include "net/conn.h"

#define HTTP_REQUEST_MAX  ((size_t)8 * 1024) /* request line and fields; beyond: 431 */
#define HTTP_RESPONSE_MAX ((size_t)4 * 1024 * 1024)

struct http_request {
    struct slice path; /* as sent, without the query */
    struct slice query;
};

struct http_service {
    const char *protocol; /* "metrics": for log and metrics */
    /* Task. Fills body and *type (static; stays "text/plain; charset=utf-8" when not set); the
     * status: 200, 404, 503 ... */
    TASK_FN
    int (*get)(
        void *arg, const struct http_request *request, struct buffer *body, const char **type);
    void *arg;
    int64_t timeout; /* ns without a request; 0: 60 s */
};

/* For listener_options.accept; service is a struct http_service that outlives the sessions. */
bool http_accept(void *service, const struct peer *peer, const struct conn_handler **handler,
    void **session, struct slice *refusal);
