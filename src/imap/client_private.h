/* The client's inside, shared by its files. */
#pragma once
#include "base/cursor.h"
#include "imap/client.h"

#define IMAP_CLIENT_CAPABILITIES 4096

struct imap_client {
    struct channel *channel;
    int64_t idle;
    unsigned tag;
    bool dead;    /* nothing can be said any more */
    bool bye;     /* the server has said so; text has its words */
    bool preauth; /* the greeting was PREAUTH */
    char text[IMAP_CLIENT_TEXT];
    char code[IMAP_CLIENT_TEXT];
    char capabilities[IMAP_CLIENT_CAPABILITIES]; /* words divided by blanks; "": not told */
    bool told;                                   /* ... since this was cleared */
    struct buffer response;                      /* the one that was read last, with its literals */
    struct buffer scratch;                       /* a string of it, without its quoting */
    /* While a FETCH runs: where bodies go. */
    const struct imap_client_fetch *fetch;
    bool body_given;
    uint64_t body_size;
};

/* ---- reading (client_read.c) ---- */

deadline imap_client_soon(const struct imap_client *c, deadline until);
/* Notes words of ours and gives the answer; the connection is over unless it is UNSUPPORTED. */
enum answer imap_client_fail(struct imap_client *c, enum answer a, const char *words);
enum answer imap_client_broken(struct imap_client *c, enum channel_result r);

enum imap_client_kind {
    IMAP_CLIENT_FAILED,
    IMAP_CLIENT_STAR,
    IMAP_CLIENT_PLUS,
    IMAP_CLIENT_TAGGED
};
/* One response; *rest is what stands behind "* ", "+ " or our tag, until the next one. FAILED:
 * *answer. What the client itself keeps (capabilities, BYE) has been noted. */
TASK_FN
enum imap_client_kind imap_client_next(
    struct imap_client *c, struct slice *rest, enum answer *answer, deadline until);
/* "OK [CODE] words": notes code and words, gives the answer. */
enum answer imap_client_status_response(struct imap_client *c, struct slice rest);
/* Reads up to the tagged response or, where *plus is not NULL, up to "+", which it then tells; its
 * text is *rest, which may be NULL. */
TASK_FN
enum answer imap_client_wait(struct imap_client *c, imap_client_untagged untagged, void *arg,
    bool *plus, struct slice *rest, deadline until);
/* Puts a new tag and a blank, if anything can be said. */
enum answer imap_client_begin(struct imap_client *c);
TASK_FN
enum answer imap_client_flush(struct imap_client *c, deadline until);
/* CAPABILITY, if it has not been told. */
TASK_FN
enum answer imap_client_learn(struct imap_client *c, deadline until);
/* May a literal of n bytes be sent without being asked for (RFC 7888)? */
bool imap_client_unasked(const struct imap_client *c, uint64_t n);

/* ---- parts of responses (client_parse.c); takers as cursor.h ---- */

/* A word: no blank, parentheses or quotes; "[...]" in it is passed over whole. */
bool imap_client_take_name(struct cursor *at, struct slice *name);
/* An atom, string, literal or parenthesised list as it stands, lists at any depth. */
bool imap_client_take_value(struct cursor *at, struct slice *value);
/* The bytes of an atom, quoted string or literal that take_value gave; into scratch where quoting
 * has to come off. */
struct slice imap_client_unquote(struct imap_client *c, struct slice value);
bool imap_client_word(struct cursor *at, struct slice word); /* and the blank behind it */
/* "{12}" or "{12+}" at the end of a line: what stands before it. */
bool imap_client_literal(struct slice line, struct slice *before, uint64_t *n);
