#include "imap/render.h"
#include "imap/out.h"
#include "message/envelope.h"

/* Enough for any envelope of RENDER_HEADER_MAX. */
#define ENVELOPE_ARENA ((size_t)8 * 1024 * 1024)

/* RFC 9051 §7.5.2: no host is the mark of a group, so an address without one needs a word. */
#define NO_HOST "MISSING_DOMAIN"

static void put_address(struct buffer *to, const struct address *a)
{
    if (a->kind == ADDRESS_GROUP_END) {
        buffer_add(to, S("(NIL NIL NIL NIL)"));
        return;
    }
    if (a->kind == ADDRESS_GROUP) {
        buffer_add(to, S("(NIL NIL "));
        imap_out_string(to, a->name);
        buffer_add(to, S(" NIL)"));
        return;
    }
    buffer_add_char(to, '(');
    imap_out_nstring(to, a->name);
    buffer_add_char(to, ' ');
    imap_out_nstring(to, a->route);
    buffer_add_char(to, ' ');
    imap_out_string(to, a->local);
    buffer_add_char(to, ' ');
    imap_out_string(to, a->domain.n ? a->domain : S(NO_HOST));
    buffer_add_char(to, ')');
}

static void put_list(struct buffer *to, const struct address_list *list)
{
    if (!list->n) {
        buffer_add(to, S(" NIL"));
        return;
    }
    buffer_add(to, S(" ("));
    const struct address *a = list->first;
    for (size_t i = 0; i < list->n && a; i++, a = a->next)
        put_address(to, a);
    buffer_add_char(to, ')');
}

static void put_envelope(struct buffer *to, const struct envelope *e)
{
    buffer_add_char(to, '(');
    imap_out_nstring(to, e->date);
    buffer_add_char(to, ' ');
    imap_out_nstring(to, e->subject);
    put_list(to, &e->from);
    put_list(to, &e->sender);
    put_list(to, &e->reply_to);
    put_list(to, &e->to);
    put_list(to, &e->cc);
    put_list(to, &e->bcc);
    buffer_add_char(to, ' ');
    imap_out_nstring(to, e->in_reply_to);
    buffer_add_char(to, ' ');
    imap_out_nstring(to, e->message_id);
    buffer_add_char(to, ')');
}

void render_envelope(struct slice header, struct buffer *to)
{
    struct arena arena;
    struct envelope e;
    size_t start = to->n;
    if (to->overflow)
        return;
    arena_init(&arena, ENVELOPE_ARENA);
    envelope_parse(header, &arena, &e);
    put_envelope(to, &e);
    arena_reset(&arena);
    if (!to->overflow)
        return;
    to->n = start;
    to->overflow = false;
    buffer_add(to, S("(NIL NIL NIL NIL NIL NIL NIL NIL NIL NIL)"));
}
