/* MTA-STS (RFC 8461): which hosts of a domain may take its mail, over TLS that is verified.
 *
 * Policies are kept in the store until they expire; one that is there holds whatever names and
 * policy hosts say meanwhile. A domain's policy is fetched by one task at a time. */
#pragma once
#include "base/arena.h"
#include "base/buffer.h"
#include "dns/dns.h"
#include "net/dial.h"
#include "store/engine.h"

#define STS_ID_MAX   32                  /* RFC 8461 §3.1 */
#define STS_BODY_MAX ((size_t)64 * 1024) /* of a policy; §3.3 */
#define STS_MX_BYTES ((size_t)8 * 1024)  /* of all its patterns */
#define STS_AGE_MAX  INT64_C(31557600)   /* s; §3.2 */
#define STS_MAX      UINT64_C(50000)     /* policies that are kept */
#define STS_REFRESH  INT64_C(86400)      /* s, then a policy is fetched again; §3.3 */
#define STS_HOLD     INT64_C(300)        /* s, after a fetch that failed; §3.3 */
#define STS_AGAIN    INT64_C(3600)       /* s, after a refresh that failed */
#define STS_FETCH    (60 * CLOCK_SEC)    /* §3.3 */

enum sts_mode { STS_NONE, STS_TESTING, STS_ENFORCE };

struct sts_policy {
    enum sts_mode mode;
    int64_t max_age;         /* s */
    int64_t fetched;         /* wall s */
    char id[STS_ID_MAX + 1]; /* of the record when it was fetched */
    struct slice mx;         /* patterns, lower case, each with a LF behind it */
};

/* ---- reading; pure ---- */

/* The text of one TXT record (RFC 8461 §3.1), its strings joined. False: it is none of MTA-STS, or
 * broken. */
bool sts_record(struct slice text, char id[STS_ID_MAX + 1]);
/* Does it have to be counted among the domain's records? */
bool sts_is_record(struct slice text);
/* A policy (§3.2); its patterns are put into mx, whose maximum is theirs. False: why. */
bool sts_parse(struct slice text, struct sts_policy *p, struct buffer *mx, const char **why);
/* Is the host one of the policy's (§4.1)? */
bool sts_match(const struct sts_policy *p, struct slice host);
/* The policy as it would be written; for reports. */
bool sts_write(const struct sts_policy *p, struct buffer *to);
const char *sts_mode_name(enum sts_mode mode);

/* ---- finding ---- */

struct sts;
struct delivery_remote;

/* remote: its store and dns; its rules at each fetch. Outlives it. NULL: out of memory. */
struct sts *sts_create(struct delivery_remote *remote);
/* Nobody asks any more. NULL is fine. */
void sts_destroy(struct sts *s);

enum sts_failure { /* RFC 8460 §4.3.2.2 */
    STS_FINE,
    STS_FETCH_ERROR,
    STS_POLICY_INVALID,
    STS_WEBPKI_INVALID,
};

struct sts_found {
    bool have; /* policy is in force; its slices are the arena's */
    struct sts_policy policy;
    enum sts_failure failure; /* of a fetch that was made now */
    char why[DIAL_WHY];
};

/* Any reactor. The policy for mail to this domain (canonical text): from the store, or fetched now
 * when there is none or its id has changed. */
TASK_FN
void sts_find(struct sts *s, struct slice domain, struct arena *arena, struct sts_found *found,
    deadline until);
/* Drops what has expired and fetches again what is older than STS_REFRESH, at most max of them. How
 * many were asked for. */
TASK_FN
size_t sts_tend(struct sts *s, size_t max);
