/* What the files of auth/ share: what a check goes through before and after the password. */
#pragma once
#include "auth/auth.h"
#include "auth/cache.h"
#include "auth/hasher.h"
#include "auth/throttle.h"
#include <gsasl.h>
#include <pthread.h>

#define AUTH_SLEEPERS_MAX                                                                          \
    512 /* checks that wait for their delay; more: busy, or answered at once */

struct auth {
    struct directory *directory;
    struct auth_hasher *hasher;
    pthread_mutex_t lock; /* of the two tables and sleepers; held for microseconds */
    struct auth_throttle *throttle;
    struct auth_cache *cache;
    unsigned sleepers;
    int64_t delay_max;
    uint8_t key[32]; /* of this process: digests of passwords */
    Gsasl *gsasl;
};

/* One attempt on its way through. */
struct auth_attempt {
    struct auth *auth;
    enum auth_protocol protocol;
    uint64_t network;
    struct slice user, peer;
    uint64_t conn;
    int64_t started;
    struct auth_reply *reply;
};

/* Waits as the network's failures ask. False: the reply is BUSY. */
TASK_FN
bool auth_admit(struct auth_attempt *a, deadline until);
/* Looks the name up. OK: found; WRONG: no such account; FAILED: the store. The reply is filled. */
TASK_FN
enum auth_result auth_lookup(struct auth_attempt *a, struct directory_account *account,
    struct directory_credentials *credentials, deadline until);
/* The answer to a right password: authzid and disabled are checked, the reply filled. */
TASK_FN
void auth_accept(struct auth_attempt *a, const struct directory_account *account,
    struct slice authzid, deadline until);
/* Counts a wrong one and waits before the answer. digest: NULL for SCRAM. */
TASK_FN
void auth_refuse(
    struct auth_attempt *a, const char *reason, const uint8_t digest[AUTH_DIGEST], deadline until);
/* Log line and metrics, once an attempt. */
void auth_report(struct auth_attempt *a);
