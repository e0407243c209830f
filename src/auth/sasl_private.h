/* One exchange and its mechanisms. */
#pragma once
#include "auth/auth_private.h"
#include "auth/sasl.h"

struct sasl_mechanism {
    const char *name;
    bool plaintext; /* shows the password to the connection */
    bool binding;
    TASK_FN
    enum sasl_next (*step)(struct sasl *s, struct slice response, bool has_response,
        struct buffer *challenge, deadline until);
};

struct sasl {
    struct auth *auth;
    const struct sasl_mechanism *mechanism;
    enum auth_protocol protocol;
    uint64_t network;
    struct slice peer;
    uint64_t conn;
    bool over;
    unsigned steps;           /* challenges sent */
    struct auth_reply *reply; /* of the running step */
    size_t user_n;
    char user[AUTH_USER_MAX];
    /* SCRAM */
    Gsasl_session *session;
    Gsasl_property binding_property; /* 0: none */
    char binding[256];               /* base64, NUL-terminated */
    struct directory_account account;
    bool usable; /* the account is there and has keys */
    bool proved; /* waiting for the empty response to our last message */
    struct auth_reply proved_reply;
};

enum sasl_next sasl_scram_step(struct sasl *s, struct slice response, bool has_response,
    struct buffer *challenge, deadline until);
/* SASL_OK or SASL_NO, by the reply. */
enum sasl_next sasl_result(const struct auth_reply *reply);
