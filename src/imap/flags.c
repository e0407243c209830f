/* FLAGS, PERMANENTFLAGS and FETCH responses that tell flags. */
#include "imap/session_private.h"

#define FLAGS_ALL                                                                                  \
    (MAILBOX_ANSWERED | MAILBOX_FLAGGED | MAILBOX_DELETED | MAILBOX_SEEN | MAILBOX_DRAFT)
#define FLAGS_TEXT_MAX ((size_t)64 * 1024) /* twice 64 names of 255 bytes */

void imap_flags_tell(
    struct imap_session *s, uint64_t used, const struct slice names[MAILBOX_KEYWORDS])
{
    struct imap_selected *sel = s->selected;
    struct buffer text;
    if (sel->keywords == used)
        return;
    buffer_init(&text, FLAGS_TEXT_MAX);
    buffer_add(&text, S("* FLAGS ("));
    imap_out_flags(&text, FLAGS_ALL, false, used, names);
    buffer_add(&text, S(")\r\n* OK [PERMANENTFLAGS ("));
    if (!sel->read_only) {
        imap_out_flags(&text, FLAGS_ALL, false, used, names);
        if (~used)
            buffer_add(&text, S(" \\*"));
    }
    buffer_add(&text, sel->read_only ? S(")] Nothing can be changed\r\n") : S(")] Kept\r\n"));
    if (!text.overflow) {
        imap_put(&s->talk, buffer_slice(&text));
        sel->keywords = used;
    }
    buffer_finish(&text);
}

void imap_flags_line(struct imap_session *s, struct buffer *to, uint32_t number,
    const struct imap_flags *m, const struct slice names[MAILBOX_KEYWORDS], bool uid, bool silent)
{
    const char *space = "";
    buffer_add(to, S("* "));
    buffer_add_u64(to, number);
    buffer_add(to, S(" FETCH ("));
    if (uid || s->condstore) {
        buffer_add(to, S("UID "));
        buffer_add_u64(to, m->uid);
        space = " ";
    }
    if (!silent) {
        buffer_add(to, slice_str(space));
        buffer_add(to, S("FLAGS ("));
        imap_out_flags(to, m->flags, m->uid >= s->selected->recent_from, m->keywords, names);
        buffer_add_char(to, ')');
        space = " ";
    }
    if (s->condstore) {
        buffer_add(to, slice_str(space));
        buffer_add(to, S("MODSEQ ("));
        buffer_add_u64(to, m->modseq);
        buffer_add_char(to, ')');
    }
    buffer_add(to, S(")\r\n"));
}
