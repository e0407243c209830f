/* A small protocol for the tests of the room, and what runs it. Lines end with CRLF:
 *
 *   PING x      -> PONG x
 *   SLEEP       -> the task sleeps 20 ms, then SLEPT
 *   BIG n       -> n bytes 'x' and CRLF through conn_send
 *   BODY n      -> OK, then n bytes are counted in feed, then GOT n
 *   HOLD n      -> the same, feed holds after each piece until the test resumes
 *   STARTTLS    -> GO, or INJECTED and the end
 *   LOGIN       -> IN and another handler
 *   QUIT        -> BYE and the end */
#pragma once
#include "net/listen.h"
#include <stdio.h>
#include <stdlib.h>

#define CHECK(x)                                                                                   \
    do {                                                                                           \
        if (!(x)) {                                                                                \
            fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #x);                                \
            abort();                                                                               \
        }                                                                                          \
    } while (0)

#define ECHO_LINE 128

struct echo {
    struct conn *c;
    struct slice line; /* in the conn's input */
    uint64_t body;     /* bytes still to come */
    uint64_t got;
    bool counting, holding, running;
    bool quiet; /* no greeting */
    unsigned feeds, runs, wakes, holds;
    bool closed;
    enum conn_end end;
    char error[160];
    uint64_t bytes_in, bytes_out;
    struct event *ended;
    struct event *held;
    enum conn_event last;
    int64_t timeout;
    uint64_t rate;
    char binding[64];
    size_t binding_n;
    struct tls_facts tls;
};

extern const struct conn_handler echo_handler, echo_mail_handler;
void echo_opened(struct echo *e, struct conn *c);
