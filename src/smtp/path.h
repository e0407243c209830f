/* Reverse-path and Forward-path (RFC 5321 §4.1.2, RFC 6531 §3.3). Pure. Quoting is taken off the
 * local part, source routes are dropped (RFC 5321 appendix C). */
#pragma once
#include "base/buffer.h"
#include "base/cursor.h"

#define SMTP_LOCAL_MAX  64  /* RFC 5321 §4.5.3.1.1; held to for recipients */
#define SMTP_DOMAIN_MAX 255 /* RFC 5321 §4.5.3.1.2 */
#define SMTP_PATH_MAX   256 /* RFC 5321 §4.5.3.1.3, with its brackets, without the source route */

struct smtp_path {
    bool null;       /* <> */
    bool postmaster; /* <Postmaster>, without a domain; local holds it as written */
    bool literal;    /* domain is an address literal, in its brackets */
    bool utf8;       /* has bytes above 0x7f; valid UTF-8 */
    uint16_t local_n, domain_n;
    char local[SMTP_PATH_MAX];        /* without quotes and backslashes */
    char domain[SMTP_DOMAIN_MAX + 1]; /* as written */
};

enum smtp_path_kind { SMTP_REVERSE, SMTP_FORWARD };

enum smtp_path_result {
    SMTP_PATH_OK,
    SMTP_PATH_SYNTAX,
    SMTP_PATH_LOCAL_LONG,
    SMTP_PATH_DOMAIN_LONG,
    SMTP_PATH_LONG,
};

/* Takes "<...>" off the cursor; on anything but OK it has not moved. */
enum smtp_path_result smtp_path_take(
    struct cursor *c, enum smtp_path_kind kind, struct smtp_path *path);
static inline struct slice smtp_path_local(const struct smtp_path *p)
{
    return slice(p->local, p->local_n);
}
static inline struct slice smtp_path_domain(const struct smtp_path *p)
{
    return slice(p->domain, p->domain_n);
}
/* "local@domain" with as little quoting as possible, without brackets; nothing for <>. At most
 * SMTP_PATH_TEXT bytes. */
#define SMTP_PATH_TEXT (2 * SMTP_PATH_MAX + 2 + SMTP_DOMAIN_MAX + 1)
void smtp_path_write(const struct smtp_path *p, struct buffer *out);
