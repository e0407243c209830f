/* Who is speaking: the one place that says whether a password is right. Asked by value (request,
 * reply), so that it can later answer from another process.
 *
 * Hashing is bounded: as many at once as there are cores, the others wait in turn of their networks
 * (64 of one network, a limit in all); one hash serves concurrent checks of the same account and
 * password; a password that was right is remembered for 5 minutes under a key of this process.
 * Failures make the next answers to their network and about their account slower, up to 10 s; they
 * never lock anybody out. A name that does not exist costs what a wrong password costs. */
#pragma once
#include "base/slice.h"
#include "directory/directory.h"
#include "task/task.h"

#define AUTH_USER_MAX 1024 /* bytes of a login name; a longer one is WRONG */

struct auth;

enum auth_protocol { AUTH_SUBMISSION, AUTH_POP3, AUTH_IMAP, AUTH_HTTP, AUTH_PROTOCOLS };

enum auth_result {
    AUTH_OK,
    AUTH_WRONG,    /* name, password or authzid; which one only the log may say */
    AUTH_DISABLED, /* the password was right */
    AUTH_BUSY,     /* too many wait: 454 4.7.0, NO [UNAVAILABLE], -ERR [SYS/TEMP] */
    AUTH_FAILED,   /* the store did not answer: the same replies as BUSY */
    AUTH_RESULTS,
};

/* "ok", "wrong", "disabled", "busy", "failed". */
const char *auth_result_name(enum auth_result r);

struct auth_request {
    enum auth_protocol protocol;
    const char *mechanism; /* for the log, static: "PLAIN", "USER"; NULL is fine */
    struct slice user;     /* the whole address */
    struct slice password; /* as it came; SASLprep is done here */
    struct slice authzid;  /* empty, or the same account (RFC 4616 §2) */
    uint64_t network;      /* peer_network_key() */
    struct slice peer;     /* for the log */
    uint64_t conn;         /* conn_id(), for the log; 0: none */
};

struct auth_reply {
    enum auth_result result;
    uint64_t account;
    uint64_t credentials_version;            /* a session may end when it changes */
    char address[DIRECTORY_ADDRESS_MAX + 1]; /* canonical; of OK and DISABLED only */
    int64_t waited;                          /* ns spent on queue and delay */
    const char *mechanism;                   /* "PLAIN", "LOGIN", ...; static */
    const char *reason;                      /* for the log, static: "unknown user", ... */
};

struct auth_options {
    struct directory *directory; /* outlives auth */
    unsigned hashers;            /* hashes at once; 0: one a core */
    size_t queue_network;        /* waiting of one network; 0: 64 */
    size_t queue_total;          /* 0: 128 a hasher */
    size_t cache_entries;        /* 0: 10,000 */
    int64_t cache_life;          /* ns; 0: 5 min */
    int64_t delay_first;         /* ns after the first failure, doubling; 0: 250 ms */
    int64_t delay_max;           /* ns; 0: 10 s */
};

/* On a reactor. NULL: out of memory. */
struct auth *auth_create(const struct auth_options *options);
/* No check is running any more; NULL is fine. */
void auth_destroy(struct auth *a);
/* Any reactor. Writes the log line ("login") and counts the metrics itself. `until` bounds the
 * waiting: passed is BUSY. */
TASK_FN
void auth_check(
    struct auth *a, const struct auth_request *request, struct auth_reply *reply, deadline until);
/* Hashes computed since create, for tests and metrics. */
uint64_t auth_hashes(struct auth *a);
