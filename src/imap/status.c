/* STATUS (RFC 3501 §6.3.10; RFC 7162 §3.1.7; RFC 8438; RFC 7889 §3.2). */
#include "imap/arguments.h"
#include "imap/session_private.h"
#include "mailbox/uids.h"

#define RANGES   200
#define LINE_ALL ((size_t)4096) /* the name as a literal, and all items */

struct count {
    struct mailbox_uid_read read;
    uint32_t count;
    bool ok;
    struct mailbox_uids ranges[RANGES];
};

static void read_count(struct store_view *v, void *arg)
{
    struct count *n = arg;
    n->ok = mailbox_read_uids(v, &n->read);
    n->count = 0;
    for (size_t i = 0; i < n->read.n; i++)
        n->count += n->ranges[i].last - n->ranges[i].first + 1;
}

/* Messages with a UID from m->recent_from on; of the selected mailbox those of the session. */
TASK_FN
static bool count_recent(struct imap_session *s, const struct mailbox *m, uint32_t *recent)
{
    const struct imap_selected *sel = s->selected;
    struct count n = {.read = {.mailbox = m->id, .from = m->recent_from, .room = RANGES}};
    n.read.ranges = n.ranges;
    *recent = 0;
    if (sel && sel->mailbox == m->id && !sel->gone) {
        *recent = sel->recent;
        return true;
    }
    if (m->recent_from >= m->uidnext)
        return true;
    do {
        enum outcome o = store_read(
            imap_store(s), mailbox_partition(s->account), read_count, &n, NULL, imap_soon());
        if (o != OUTCOME_DONE || !n.ok)
            return false;
        *recent += n.count;
        n.read.from = n.read.next;
    } while (n.read.next && n.read.next < m->uidnext);
    return true;
}

static void put_item(struct buffer *to, const char *name, uint64_t value)
{
    if (to->p[to->n - 1] != '(')
        buffer_add_char(to, ' ');
    buffer_add(to, slice_str(name));
    buffer_add_char(to, ' ');
    buffer_add_u64(to, value);
}

bool imap_status_tell(struct imap_session *s, const struct mailbox *m, unsigned items)
{
    const struct {
        unsigned item;
        const char *name;
        uint64_t value;
    } all[] = {
        {IMAP_STATUS_MESSAGES, "MESSAGES", m->messages},
        {IMAP_STATUS_UIDNEXT, "UIDNEXT", m->uidnext},
        {IMAP_STATUS_UIDVALIDITY, "UIDVALIDITY", m->uidvalidity},
        {IMAP_STATUS_UNSEEN, "UNSEEN", m->unseen},
        {IMAP_STATUS_HIGHESTMODSEQ, "HIGHESTMODSEQ", m->highestmodseq},
        {IMAP_STATUS_SIZE, "SIZE", m->bytes},
        {IMAP_STATUS_APPENDLIMIT, "APPENDLIMIT", imap_message_size(s->talk.service)},
    };
    uint32_t recent = 0;
    struct buffer line;
    if (items & IMAP_STATUS_HIGHESTMODSEQ)
        imap_sync_condstore(s);
    if (items & IMAP_STATUS_RECENT && !count_recent(s, m, &recent))
        return false;
    buffer_init(&line, LINE_ALL);
    buffer_add(&line, S("* STATUS "));
    imap_out_mailbox(&line, mailbox_name(m));
    buffer_add(&line, S(" ("));
    if (line.overflow)
        return false;
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++)
        if (items & all[i].item)
            put_item(&line, all[i].name, all[i].value);
    if (items & IMAP_STATUS_RECENT)
        put_item(&line, "RECENT", recent);
    buffer_add(&line, S(")\r\n"));
    bool alive = !line.overflow && imap_send(&s->talk, buffer_slice(&line));
    buffer_finish(&line);
    return alive;
}

void imap_status(struct imap_session *s, struct imap_command *c)
{
    struct imap_status_arguments a;
    struct mailbox m;
    if (!imap_arguments_status(&c->lex, &a)) {
        imap_reply_syntax(c);
        return;
    }
    if (imap_names_open(s, c, a.name, a.valid, MAILBOX_RIGHT_READ, false, &m) &&
        !imap_status_tell(s, &m, a.items))
        imap_reply_outcome(c, OUTCOME_FAILED, MAILBOX_REFUSED_NOT);
}
