/* The client's side of SASL, for all protocols: SCRAM-SHA-256 and -PLUS (RFC 5802, RFC 7677), PLAIN
 * (RFC 4616), LOGIN (as in use). Bytes in and out are base64, as they stand in the protocols. One
 * struct login is one attempt. */
#pragma once
#include "base/buffer.h"
#include "task/task.h"

#define LOGIN_NAME_MAX       512
#define LOGIN_PASSWORD_MAX   1024
#define LOGIN_RESPONSE_MAX   12288 /* base64 (RFC 4954 §4) */
#define LOGIN_ITERATIONS_MIN 4096  /* RFC 7677 §4: fewer would give the password away */
#define LOGIN_ITERATIONS_MAX 1000000
#define LOGIN_STEPS_MAX      8

struct login_options {
    struct slice user, password; /* UTF-8; prepared here (RFC 4013) */
    struct slice act_as;         /* another name to act as; usually empty */
    bool plaintext;              /* PLAIN and LOGIN may be used: on TLS, that is */
    struct slice only;           /* this mechanism or none; empty: the best that is offered */
    /* From channel_binding; NULL: none. */
    const char *binding_type;
    struct slice binding;
};

struct login;

/* offered: names of mechanisms divided by blanks. NULL: *why says what is missing. */
struct login *login_create(const struct login_options *o, struct slice offered, const char **why);
/* Wipes and frees; NULL is fine. */
void login_destroy(struct login *l);
const char *login_mechanism(const struct login *l);
/* Does it begin with a response? Then the first login_step gets the empty challenge. */
bool login_speaks_first(const struct login *l);
/* Adds the response (possibly empty) to a challenge. False: the server does not play by the rules;
 * cancel. At most LOGIN_STEPS_MAX times. The long computing is done on another thread. */
TASK_FN
bool login_step(struct login *l, struct slice challenge, struct buffer *response);
/* Has the server proved what it has to? If not, its "success" is worth nothing. */
bool login_complete(const struct login *l);
