/* Names: a validating resolver (libunbound) awaited from tasks.
 *
 * A temporary failure is never read as "does not exist": ABSENT and EMPTY are answers, TEMPORARY
 * and BOGUS are not. Data that failed validation is never handed out. */
#pragma once
#include "base/arena.h"
#include "base/slice.h"
#include "net/peer.h"
#include "task/task.h"

struct dns;

enum dns_type {
    DNS_A = 1,
    DNS_CNAME = 5,
    DNS_PTR = 12,
    DNS_MX = 15,
    DNS_TXT = 16,
    DNS_AAAA = 28,
    DNS_TLSA = 52,
};

enum dns_status {
    DNS_FOUND,
    DNS_EMPTY,     /* the name exists, with no such record */
    DNS_ABSENT,    /* NXDOMAIN */
    DNS_TEMPORARY, /* SERVFAIL, no server answered, the deadline passed, too many questions */
    DNS_BOGUS,     /* signed, and the signature does not hold: as temporary, for longer */
    DNS_BAD_NAME,  /* no domain name; nobody was asked */
};
const char *dns_status_name(enum dns_status status);

struct dns_options {
    const char *const *servers; /* "ADDRESS:PORT" to forward to; none: resolve from the root */
    size_t server_n;
    struct slice anchor; /* DS or DNSKEY records as a zone file has them; empty: no validation */
    bool root_anchor;    /* IANA's, compiled in */
    size_t cache;        /* bytes; 0: 16 MiB */
    size_t questions;    /* at once; 0: 20,000 */
};

/* On the main thread: libunbound's first question needs 200 KiB of stack. Its thread starts here,
 * behind the sandbox. NULL: why. */
struct dns *dns_create(const struct dns_options *options, char why[256]);
/* On the reactor that passes answers on, before the first question of any. False: errno. */
bool dns_start(struct dns *d);
/* On the same reactor: questions from now on are asked by other options. Those under way end as
 * they began. False: why, and nothing has changed. */
TASK_FN
bool dns_replace(struct dns *d, const struct dns_options *options, char why[256]);
/* On the same reactor; nobody is waiting any more. */
void dns_stop(struct dns *d);
/* Stopped, or never started. NULL is fine. */
void dns_destroy(struct dns *d);

#define DNS_RECORDS_MAX 256 /* of one answer; more are left out */
#define DNS_ANSWER_MAX  ((size_t)64 * 1024)

struct dns_record {
    struct slice data; /* RDATA as on the wire; names in it uncompressed */
};
struct dns_answer {
    enum dns_status status;
    bool secure;       /* validated, the negative answers too (RFC 4035) */
    struct slice name; /* canonical: behind CNAMEs; text, lower case, without the last dot */
    struct dns_record *records;
    size_t n;
    uint32_t ttl;    /* s */
    const char *why; /* static, for log and DSN: "no server answered" */
};

/* Any reactor. The answer lies in the arena. name: text, A-labels, with or without last dot; for
 * PTR use dns_reverse. */
TASK_FN
void dns_ask(struct dns *d, struct slice name, enum dns_type type, struct arena *arena,
    struct dns_answer *answer, deadline until);
/* The name under which PTR records of an address stand. */
size_t dns_reverse(const struct sockaddr *address, char out[80]);

/* ---- what mail asks ---- */

struct dns_mx {
    uint16_t preference;
    struct slice host; /* text, lower case; "" is RFC 7505's null MX */
};
#define DNS_MX_MAX 64
struct dns_mx_answer {
    enum dns_status
        status;  /* FOUND also for the implicit MX: one host, the domain itself (RFC 5321 §5.1) */
    bool secure; /* of the MX records */
    struct slice name; /* of the domain, behind CNAMEs */
    bool implicit, null_mx;
    struct dns_mx hosts[DNS_MX_MAX]; /* the best, by preference, shuffled within one */
    size_t n;
    const char *why;
};
/* ABSENT: the domain is not there; EMPTY: it has neither MX nor address (asked by the caller). */
TASK_FN
void dns_ask_mx(struct dns *d, struct slice domain, struct arena *arena,
    struct dns_mx_answer *answer, deadline until);

#define DNS_ADDRESSES_MAX 32
struct dns_addresses {
    enum dns_status
        status;        /* FOUND when either family has one; TEMPORARY when none, and one failed */
    bool secure;       /* of all that is in it; the other family may have failed */
    struct slice name; /* behind CNAMEs */
    struct sockaddr_storage list[DNS_ADDRESSES_MAX]; /* IPv6 first; port 0 */
    socklen_t size[DNS_ADDRESSES_MAX];
    size_t n;
    const char *why;
};
TASK_FN
void dns_ask_addresses(struct dns *d, struct slice host, struct arena *arena,
    struct dns_addresses *answer, deadline until);
