/* TLSRPT (RFC 8460): how sessions with other servers fared, counted for each policy domain and day
 * (UTC), and told to the domains that ask for it.
 *
 * Counts are gathered in memory and written to the store together, so that no mail waits for them;
 * a crash loses those of the last minute. The report of a day leaves in the hours behind it. */
#pragma once
#include "base/buffer.h"
#include "queue/reporter.h"
#include "store/engine.h"

#define TLSRPT_PENDING_MAX  4096           /* different counts in memory */
#define TLSRPT_DOMAINS_MAX  10000          /* a day */
#define TLSRPT_POLICIES_MAX 8              /* of a domain and day */
#define TLSRPT_DETAILS_MAX  64             /* of a policy: kinds of failures that are told apart */
#define TLSRPT_POLICY_BYTES ((size_t)4096) /* of a policy as text; more is left out */
#define TLSRPT_FLUSH        (60 * CLOCK_SEC)
#define TLSRPT_SPREAD       INT64_C(14400) /* s behind midnight; RFC 8460 §4.1 */
#define TLSRPT_TRY_FOR      INT64_C(86400) /* s; RFC 8460 §5.5 */

enum tlsrpt_policy { TLSRPT_NO_POLICY, TLSRPT_STS, TLSRPT_TLSA };

enum tlsrpt_result { /* RFC 8460 §4.3 */
    TLSRPT_OK,
    TLSRPT_STARTTLS_NOT_SUPPORTED,
    TLSRPT_HOST_MISMATCH,
    TLSRPT_EXPIRED,
    TLSRPT_NOT_TRUSTED,
    TLSRPT_VALIDATION,
    TLSRPT_TLSA_INVALID,
    TLSRPT_DNSSEC_INVALID,
    TLSRPT_FETCH_ERROR,
    TLSRPT_POLICY_INVALID,
    TLSRPT_WEBPKI_INVALID,
    TLSRPT_RESULTS,
};
const char *tlsrpt_result_name(enum tlsrpt_result result);

/* One session. Texts longer than their limits are cut. */
struct tlsrpt_session {
    struct slice domain; /* of the policy; canonical */
    enum tlsrpt_policy policy;
    struct slice policy_text; /* lines, each with its LF; as RFC 8460 §4.5 has them */
    enum tlsrpt_result result;
    struct slice mx, helo, ip, our_ip, reason; /* of a failure; may be empty */
};

struct tlsrpt;
struct delivery_remote;

struct tlsrpt_options {
    struct delivery_remote *remote; /* its store, dns and rules; outlives it */
    const struct queue_reporter *reporter;
    struct queue *(*queue)(void *arg); /* what to wake; NULL: nobody */
    void *arg;
    struct slice contact; /* an address; empty: postmaster at the reporter's host name */
};
/* NULL: out of memory. */
struct tlsrpt *tlsrpt_create(const struct tlsrpt_options *options);
/* Nobody counts any more; what was not flushed is lost. NULL is fine. */
void tlsrpt_destroy(struct tlsrpt *t);

/* Any reactor; never waits. */
void tlsrpt_count(struct tlsrpt *t, const struct tlsrpt_session *session);
/* Writes what was counted. False: the store did not take it; it is kept for later. */
TASK_FN
bool tlsrpt_flush(struct tlsrpt *t, deadline until);
/* Sends the reports that are due, and forgets days that are over and told. How many were sent. */
TASK_FN
size_t tlsrpt_tend(struct tlsrpt *t);
