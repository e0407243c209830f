/* One command: its row, its state, its handler, what it brought, its tagged reply. */
#include "imap/session_private.h"

/* The reply to a command that is not legal here. */
static void wrong_state(struct imap_command *c, enum imap_when state)
{
    const char *text = "Select a mailbox first";
    if (state == IMAP_BEFORE)
        text = "Log in first";
    else if (!(c->row->when & IMAP_LOGGED_IN))
        text = "That comes before login, and you are logged in";
    else if (state == IMAP_SELECTED)
        text = "Not while a mailbox is selected";
    imap_reply(c, IMAP_BAD_COMMAND, "", "%s", text);
}

void imap_dispatch_before(struct imap_preauth *s)
{
    struct arena arena;
    struct imap_command c;
    arena_init(&arena, IMAP_ARENA_MAX);
    if (!imap_talk_command(&s->talk, s->talk.frame.text, &arena, &c))
        ;
    else if (!(c.row->when & IMAP_BEFORE))
        wrong_state(&c, IMAP_BEFORE);
    else
        c.row->before(s, &c);
    imap_talk_tagged(&s->talk, &c);
    arena_reset(&arena);
}

/* RFC 9051 §7: what happened meanwhile is told before the tagged reply; expunges only where numbers
 * may change (§7.5.1). */
TASK_FN
static void carry_out(struct imap_session *s, struct imap_command *c)
{
    c->row->after(s, c);
    if (!c->row->no_sync && !c->later)
        imap_sync(s, !c->numbers && (c->row->sync_point || c->uid));
}

void imap_dispatch_after(struct imap_session *s)
{
    struct arena arena;
    struct imap_command c;
    enum imap_when state = s->selected ? IMAP_SELECTED : IMAP_AFTER;
    arena_init(&arena, IMAP_ARENA_MAX);
    s->commands++;
    if (!imap_talk_command(&s->talk, s->talk.frame.text, &arena, &c))
        ;
    else if (!(c.row->when & state))
        wrong_state(&c, state);
    else
        carry_out(s, &c);
    imap_talk_tagged(&s->talk, &c);
    arena_reset(&arena);
}
