/* Writing IMAP syntax into a buffer. What comes out is always valid, whatever the bytes. */
#pragma once
#include "base/buffer.h"
#include "mailbox/mailbox.h"

/* A quoted string where that is possible and short, else a literal; NUL becomes 0x80 (RFC 9051
 * §4.3: NUL is never sent). */
void imap_out_string(struct buffer *to, struct slice s);
void imap_out_nstring(struct buffer *to, struct slice s); /* p == NULL: NIL */
void imap_out_astring(struct buffer *to, struct slice s);
void imap_out_mailbox(struct buffer *to, struct slice utf8); /* modified UTF-7, then astring */
/* `\Seen $Forwarded`, without parentheses; names: MAILBOX_KEYWORDS. */
void imap_out_flags(
    struct buffer *to, uint8_t flags, bool recent, uint64_t keywords, const struct slice *names);
void imap_out_date_time(struct buffer *to, int64_t seconds, int zone); /* with quotes */
void imap_out_uids(struct buffer *to, const struct mailbox_uids *ranges, size_t n); /* 1:3,5 */
