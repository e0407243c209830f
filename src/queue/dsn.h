/* Reports about delivery (RFC 3464 in the multipart/report of RFC 6522; RFC 6533 when the message
 * was internationalised): in plain words first, then for programs, then what they are about. Pure.
 *
 * Whatever strangers said is cleaned: no CR, LF, control or broken UTF-8 of theirs gets through,
 * and nothing outside ASCII unless the report may carry it. */
#pragma once
#include "base/buffer.h"

#define DSN_ORIGINAL_MAX ((size_t)128 * 1024) /* of the original in the report */
#define DSN_HEADER_MAX   ((size_t)32 * 1024)  /* when only its header is there */
#define DSN_HOLD_MAX     64
#define DSN_MAX          (DSN_ORIGINAL_MAX + (size_t)512 * 1024)

enum dsn_action { DSN_FAILED, DSN_DELAYED, DSN_DELIVERED, DSN_RELAYED, DSN_EXPANDED };

struct dsn_recipient {
    enum dsn_action action;
    struct slice address; /* where it went */
    struct slice orcpt;   /* "rfc822;xtext" as given; empty */
    struct slice status;  /* "5.1.1"; empty: from the action */
    struct slice reply;   /* the last that was heard */
    struct slice remote;  /* who said it: "mx.example.org [192.0.2.1]"; empty */
    bool remote_said;     /* else reply is a sentence of ours */
    struct slice why;     /* a sentence for people; empty: made from the status */
    int64_t attempted;    /* wall s; 0: left out */
};

struct dsn {
    struct slice hostname, to;
    struct slice id; /* unique: letters and digits; of Message-ID and boundary */
    int64_t now, arrived, retry_until;
    int64_t deliver_by;    /* RFC 2852 §5; 0: none */
    struct slice hold;     /* RFC 4865 §5.1.2: "for;60"; empty: none */
    struct slice envid;    /* xtext as given */
    bool utf8;             /* the message needed SMTPUTF8, so may its report */
    bool whole;            /* original is all of the message, else its header or less */
    struct slice original; /* at most DSN_ORIGINAL_MAX is used; empty: cannot be had */
    const struct dsn_recipient *recipients;
    size_t n;
};

/* Appends the whole message. False: out of memory, or more than the buffer holds. */
bool dsn_compose(struct buffer *to, const struct dsn *d);

/* ---- dsn_words.c ---- */

/* One sentence, without the final stop, for a status like "5.1.1". */
struct slice dsn_words(enum dsn_action action, struct slice status);
/* Appends text on one line: what is not printable (or, without utf8, not ASCII) becomes '?', line
 * ends and tabs become blanks. At most max bytes of it. */
void dsn_clean(struct buffer *to, struct slice text, bool utf8, size_t max);
/* Decodes xtext (RFC 3461 §4), then cleans. */
void dsn_xtext(struct buffer *to, struct slice text, bool utf8);
