/* The client's inside, shared by its files. */
#pragma once
#include "pop3/client.h"

struct pop3_client {
    struct channel *channel;
    int64_t idle;
    struct pop3_offer offer;
    bool dead; /* nothing can be said any more */
    char text[POP3_CLIENT_TEXT];
    char code[64];
};

/* The deadline of one wait. */
deadline pop3_client_soon(const struct pop3_client *c, deadline until);
/* Notes words of ours and gives the answer; the connection is over unless it is UNSUPPORTED. */
enum answer pop3_client_fail(struct pop3_client *c, enum answer a, const char *words);
enum answer pop3_client_broken(struct pop3_client *c, enum channel_result r);
/* May a command be said now? Not when the server has spoken without being asked. */
enum answer pop3_client_ready(struct pop3_client *c);
/* Flushes what was put, reads "+OK" or "-ERR"; *more is what stands behind it, until the next read;
 * NULL: not wanted. "+ challenge" is OK with *challenge true; NULL: it is a protocol error. */
TASK_FN
enum answer pop3_client_ask(
    struct pop3_client *c, struct slice *more, bool *challenge, deadline until);
/* Ready, a command without its CRLF, and ask. */
TASK_FN
enum answer pop3_client_say(struct pop3_client *c, struct slice command, deadline until);
/* The lines behind +OK up to the dot, dots taken off. */
TASK_FN
enum answer pop3_client_lines(
    struct pop3_client *c, bool (*line)(void *arg, struct slice line), void *arg, deadline until);
/* The same as bytes, lines of any length, at most max of them. */
TASK_FN
enum answer pop3_client_bytes(
    struct pop3_client *c, uint64_t max, pop3_client_sink sink, void *arg, deadline until);
/* CAPA; a server without it offers USER. */
TASK_FN
enum answer pop3_client_capa(struct pop3_client *c, deadline until);
