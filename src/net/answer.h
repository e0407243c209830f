/* How an exchange with a server ended, for all clients of ours: classified where it happens, only
 * read afterwards. */
#pragma once
#include "net/dial.h"

enum answer {
    ANSWER_OK,
    ANSWER_TEMPORARY,   /* the server said: not now (4yz, [UNAVAILABLE], [SYS/TEMP], [IN-USE]) */
    ANSWER_PERMANENT,   /* the server said no */
    ANSWER_UNSUPPORTED, /* not asked: the server does not offer what it takes, or we may not send it
                         */
    ANSWER_UNTRUSTED,   /* TLS: the certificate is not the server's, or the handshake failed */
    ANSWER_PROTOCOL,    /* what came is not the protocol, or over a limit; the connection is over */
    ANSWER_LOST,        /* no connection any more, or nothing in time; the command has no effect */
    ANSWER_UNKNOWN,     /* as PROTOCOL or LOST, where the command may have been carried out */
    ANSWER_LOCAL,       /* a callback of the caller said stop; the connection is over */
    ANSWER_CANCELLED,   /* the task's scope is being closed; the connection is over */
};

/* "ok", "temporary" ... */
const char *answer_name(enum answer a);
/* What a failed read or write means. */
enum answer answer_of(enum channel_result r);
enum answer answer_of_dial(enum dial_result r);
/* Copies words of a server: at most room - 1 bytes, cut between characters; controls
 * (utf8_control) and what is not UTF-8 become '?'. */
void answer_clean(struct slice words, char *to, size_t room);
