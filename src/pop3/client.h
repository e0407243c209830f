/* The client's side of POP3 (RFC 1939, 2449, 2595, 3206, 5034), over a channel, from a task. */
#pragma once
#include "net/answer.h"
#include "net/dial.h"
#include "net/login.h"

#define POP3_CLIENT_LINE   1024     /* longer ones are cut; messages have lines of any length */
#define POP3_CLIENT_LISTED 10000000 /* lines of LIST and UIDL */
#define POP3_CLIENT_TEXT   512

struct pop3_client;

/* What CAPA told; all false when there is none. */
struct pop3_offer {
    bool stls, user, uidl, top, pipelining;
    char sasl[256]; /* mechanisms divided by blanks */
};

/* Owns the channel (line_max at least POP3_CLIENT_LINE). idle: the longest wait, ns; 0: 5 min.
 * NULL: out of memory; the channel is destroyed. */
struct pop3_client *pop3_client_create(struct channel *channel, int64_t idle);
void pop3_client_destroy(struct pop3_client *c);

/* What the server said last behind +OK or -ERR, or why there is nothing; clean. */
const char *pop3_client_text(const struct pop3_client *c);
/* The response code of the last -ERR, "IN-USE" or "SYS/TEMP" (RFC 2449 §8, RFC 3206); or "". */
const char *pop3_client_code(const struct pop3_client *c);
const struct pop3_offer *pop3_client_offer(const struct pop3_client *c);
struct channel *pop3_client_channel(const struct pop3_client *c);
bool pop3_client_alive(const struct pop3_client *c);

/* The greeting, then CAPA. */
TASK_FN
enum answer pop3_client_greet(struct pop3_client *c, deadline until);
/* STLS, the handshake, CAPA again (RFC 2595 §4). */
TASK_FN
enum answer pop3_client_start_tls(
    struct pop3_client *c, const struct dial_tls *tls, deadline until);
/* AUTH with the best that both know; USER and PASS (which `only` calls "USER") where the server has
 * no SASL that serves. Passwords in the clear only with TLS, unless o->plaintext. Then CAPA again.
 */
TASK_FN
enum answer pop3_client_login(struct pop3_client *c, const struct login_options *o, deadline until);

TASK_FN
enum answer pop3_client_stat(
    struct pop3_client *c, uint32_t *messages, uint64_t *bytes, deadline until);

/* One line of LIST (its size, digits) or UIDL. False: stop, the connection is given up. */
typedef bool (*pop3_client_listed)(void *arg, uint32_t number, struct slice value);
/* The next bytes of a message, CRLF lines, dots taken off. False: as above. */
typedef bool (*pop3_client_sink)(void *arg, struct slice piece);

TASK_FN
enum answer pop3_client_list(
    struct pop3_client *c, pop3_client_listed listed, void *arg, deadline until);
TASK_FN
enum answer pop3_client_uidl(
    struct pop3_client *c, pop3_client_listed listed, void *arg, deadline until);
/* At most max bytes of message, else ANSWER_PROTOCOL. */
TASK_FN
enum answer pop3_client_retr(struct pop3_client *c, uint32_t number, uint64_t max,
    pop3_client_sink sink, void *arg, deadline until);
/* The header and so many lines. */
TASK_FN
enum answer pop3_client_top(struct pop3_client *c, uint32_t number, uint32_t lines, uint64_t max,
    pop3_client_sink sink, void *arg, deadline until);
TASK_FN
enum answer pop3_client_dele(struct pop3_client *c, uint32_t number, deadline until);
TASK_FN
enum answer pop3_client_reset(struct pop3_client *c, deadline until);
TASK_FN
enum answer pop3_client_noop(struct pop3_client *c, deadline until);
/* Deletes what dele has marked: ANSWER_UNKNOWN when the connection is lost here. */
TASK_FN
enum answer pop3_client_quit(struct pop3_client *c, deadline until);
