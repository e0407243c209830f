/* Writing header fields. Whatever bytes the values hold, no CR, LF or NUL of theirs gets through:
 * they become blanks. Lines are folded at blanks to stay within 78 columns where that is possible,
 * and always within 998. Every function appends whole fields with their CRLF, and returns false
 * when the buffer is full. */
#pragma once
#include "base/buffer.h"

/* name: ASCII letters, digits, '-'. text: UTF-8, unstructured; encoded words where needed. */
bool compose_text(struct buffer *to, struct slice name, struct slice text);
/* A structured value that is already in its form; only folded. Bytes outside ASCII pass. */
bool compose_raw(struct buffer *to, struct slice name, struct slice value);
/* One mailbox: display name (UTF-8, may be empty) and address. Addresses are taken here as commands
 * write them; of canonical text address_write makes that. */
struct compose_mailbox {
    struct slice name, address;
};
bool compose_mailboxes(
    struct buffer *to, struct slice name, const struct compose_mailbox *list, size_t n);
/* seconds since 1970, zone in minutes east. */
bool compose_date(struct buffer *to, struct slice name, int64_t seconds, int zone);
/* "Message-ID: <unique@host>"; unique: letters, digits, '.', '-'. */
bool compose_message_id(struct buffer *to, struct slice unique, struct slice host);

/* RFC 5321 §4.4. Empty: left out, but for `by`, which must be there. Strangers' bytes (helo, rdns)
 * are reduced to what a domain may hold. */
struct compose_received {
    struct slice helo;  /* as the client said it */
    struct slice rdns;  /* verified name of its address */
    struct slice peer;  /* its address as text, e.g. "192.0.2.1", "2001:db8::1" */
    struct slice by;    /* our name */
    struct slice local; /* who of this machine handed it over: written as a comment behind `by` */
    struct slice protocol; /* "ESMTPSA" (RFC 3848, RFC 6531 §4.3), "LMTP" */
    struct slice tls;      /* "TLSv1.3 TLS_AES_256_GCM_SHA384": written as a comment */
    struct slice id;
    struct slice recipient; /* only when there is just one (RFC 5321 §7.2) */
    int priority;           /* RFC 6710 §4.1; 0: left out */
    int64_t seconds;
    int zone;
};
bool compose_received(struct buffer *to, const struct compose_received *received);
/* "Return-Path: <address>"; empty: <> (RFC 5321 §4.4). */
bool compose_return_path(struct buffer *to, struct slice address);
