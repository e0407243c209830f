/* Rows of counts.
 *
 * sessions  version 1, policy 1, reserved 2, details 4, ok 8, failed 8, policy text
 * failures  version 1, result 1, reserved 6, count 8, mx, helo, ip, our ip, reason as texts
 * day       version 1, reserved 3, domains 4
 * retry     version 1, reserved 3, tries 4, next 8
 *
 * Numbers are big-endian, "text" is a length of 2 bytes and bytes. */
#pragma once
#include "base/arena.h"
#include "delivery/tlsrpt.h"
#include "store/keyspace.h"

#define TLSRPT_ROW_VERSION  1
#define TLSRPT_NAME_MAX     255
#define TLSRPT_IP_MAX       46
#define TLSRPT_REASON_MAX   160
#define TLSRPT_TEXTS        5
#define TLSRPT_ROW_SESSIONS (24 + 2 + TLSRPT_POLICY_BYTES)
#define TLSRPT_ROW_FAILURES                                                                        \
    (16 + 2 * TLSRPT_TEXTS + 2 * TLSRPT_NAME_MAX + 2 * TLSRPT_IP_MAX + TLSRPT_REASON_MAX)
#define TLSRPT_KEY_MAX (1 + 4 + TLSRPT_NAME_MAX + 1 + 1 + 8 + 8)

struct tlsrpt_key {
    size_t n;
    char p[TLSRPT_KEY_MAX];
};

static inline store_partition tlsrpt_partition(void)
{
    return keyspace_partition(KEYSPACE_TRANSPORT, 0);
}

static inline struct slice tlsrpt_slice(const struct tlsrpt_key *k)
{
    return slice(k->p, k->n);
}

/* Sums that were made of sessions: what a row holds, or has to be added to it. */
struct tlsrpt_sessions {
    enum tlsrpt_policy policy;
    uint32_t details;
    uint64_t ok, failed;
    struct slice policy_text;
};
struct tlsrpt_failures {
    enum tlsrpt_result result;
    uint64_t count;
    struct slice texts[TLSRPT_TEXTS]; /* mx, helo, ip, our ip, reason */
};

struct tlsrpt_key tlsrpt_row_key_day(uint32_t day);
struct tlsrpt_key tlsrpt_row_key_domain(uint32_t day, struct slice domain);
struct tlsrpt_key tlsrpt_row_key_sessions(
    uint32_t day, struct slice domain, enum tlsrpt_policy policy, uint64_t hash);
/* Behind the key of its sessions. */
struct tlsrpt_key tlsrpt_row_key_failures(const struct tlsrpt_key *sessions, uint64_t hash);
struct tlsrpt_key tlsrpt_row_key_retry(uint32_t day, struct slice domain);
/* Of a key of sessions or failures; slices point into it. failures: of which of both. */
bool tlsrpt_row_parse(struct slice key, uint32_t *day, struct slice *domain, bool *failures);

size_t tlsrpt_row_pack_sessions(const struct tlsrpt_sessions *s, char out[TLSRPT_ROW_SESSIONS]);
size_t tlsrpt_row_pack_failures(const struct tlsrpt_failures *f, char out[TLSRPT_ROW_FAILURES]);
/* Slices point into the row. */
bool tlsrpt_row_unpack_sessions(struct slice row, struct tlsrpt_sessions *s);
bool tlsrpt_row_unpack_failures(struct slice row, struct tlsrpt_failures *f);

/* ---- tlsrpt_record.c: what a domain asks for (RFC 8460 §3); pure ---- */

#define TLSRPT_URIS_MAX 4 /* more are left out */
#define TLSRPT_URI_MAX  1024

struct tlsrpt_uri {
    bool mail;
    char address[TLSRPT_URI_MAX]; /* mail: the address */
    char host[256];               /* https: A-labels */
    uint16_t port;
    char path[TLSRPT_URI_MAX];
};
/* Has it to be counted among the domain's records? */
bool tlsrpt_record_is(struct slice text);
/* Those that can be used; 0: it is broken, or names none. */
size_t tlsrpt_record_parse(struct slice text, struct tlsrpt_uri uris[TLSRPT_URIS_MAX]);

/* ---- tlsrpt_report.c: a report (RFC 8460 §4, §5); pure ---- */

#define TLSRPT_JSON_MAX ((size_t)1024 * 1024)
#define TLSRPT_MAIL_MAX ((size_t)2 * 1024 * 1024)

struct tlsrpt_report {
    uint32_t day; /* since 1970 */
    struct slice domain, hostname, contact;
    struct slice id; /* letters and digits */
    int64_t now;     /* wall s */
    /* Rows as {key length 4, key, row length 4, row}, in the order of keys. */
    struct slice rows;
};
/* JSON text. False: out of memory, or over the maximum of the buffer. */
bool tlsrpt_report_json(const struct tlsrpt_report *r, struct buffer *to);
bool tlsrpt_report_gzip(struct slice json, struct buffer *to);
/* The message with the compressed report in it. */
bool tlsrpt_report_mail(
    const struct tlsrpt_report *r, struct slice to_address, struct slice gzip, struct buffer *to);
/* One row more for `rows`. */
void tlsrpt_report_add(struct buffer *rows, struct slice key, struct slice row);
bool tlsrpt_report_next(struct slice *rows, struct slice *key, struct slice *row);

/* ---- tlsrpt_send.c ---- */

/* Takes the report to whom it is for; true: it is done with, and its rows are gone. */
TASK_FN
bool tlsrpt_send(struct tlsrpt *t, uint32_t day, struct slice domain, bool *sent);
const struct tlsrpt_options *tlsrpt_options(const struct tlsrpt *t);
