/* One request over HTTPS (RFC 9110, RFC 9112), from a task: GET or POST, one connection each, no
 * redirects, no caching, nothing remembered. The certificate must be the host's, by an authority
 * that is believed. Who resolves the name is the caller. */
#pragma once
#include "http/response.h"
#include "net/dial.h"

enum http_result {
    HTTP_ANSWERED,  /* status, type and body are the server's */
    HTTP_UNREACHED, /* no connection, or it broke, or not in time */
    HTTP_UNTRUSTED, /* TLS: the certificate is not the host's */
    HTTP_BROKEN,    /* what came is no response, or over a limit */
    HTTP_CANCELLED, /* the task's scope is being closed */
};

struct http_call {
    const struct sockaddr *to; /* with its port */
    socklen_t to_n;
    struct dial_trust *trust;
    const char *host;    /* A-labels; for SNI, the certificate and Host */
    uint16_t port;       /* for Host */
    struct slice path;   /* "/..." with its query */
    struct slice accept; /* GET: media type */
    struct slice post;   /* the body of a POST; p NULL: GET */
    struct slice post_type;
    /* out */
    int status;
    char type[RESPONSE_TYPE_MAX];
    char why[DIAL_WHY]; /* unless ANSWERED */
};

/* body: what the server sends is added, up to its maximum; NULL: it is not waited for. */
TASK_FN
enum http_result http_call(struct http_call *call, struct buffer *body, deadline until);
