/* One attempt to log in, shared by its mechanisms. */
#pragma once
#include "net/login.h"

#define LOGIN_NONCE   24 /* characters of ours */
#define LOGIN_MESSAGE 4096

enum login_kind { LOGIN_LOGIN, LOGIN_PLAIN, LOGIN_SCRAM, LOGIN_SCRAM_PLUS };

struct login {
    enum login_kind kind;
    const char *name;
    bool plus_offered;
    unsigned steps;
    bool complete;
    size_t user_n, password_n, act_as_n, binding_n;
    char user[LOGIN_NAME_MAX], password[LOGIN_PASSWORD_MAX], act_as[LOGIN_NAME_MAX];
    const char *binding_type;
    char binding[64];
    /* SCRAM: what has been said, in the words of RFC 5802 §7 */
    char nonce[LOGIN_NONCE + 1];
    size_t header_n, first_bare_n;
    char header[LOGIN_NAME_MAX * 3 + 64];     /* gs2-header */
    char first_bare[LOGIN_NAME_MAX * 3 + 64]; /* client-first-message-bare */
    uint8_t server_signature[32];
};

TASK_FN
bool login_scram_step(struct login *l, struct slice challenge, struct buffer *out);
