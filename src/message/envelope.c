#include "message/envelope.h"
#include "message/header.h"
#include "message/lexis_private.h"

static void set_text(struct envelope *e, struct slice *to, struct slice value, struct arena *arena)
{
    if (to->p)
        return;
    *to = header_text(value, arena);
    e->truncated |= !to->p;
}

static void first_list(struct slice value, struct arena *arena, struct address_list *list)
{
    if (!list->n)
        address_list(value, arena, list);
}

static void take_field(struct envelope *e, const struct header_field *f, struct arena *arena)
{
    if (header_is(f, S("Date")))
        set_text(e, &e->date, f->value, arena);
    else if (header_is(f, S("Subject")))
        set_text(e, &e->subject, f->value, arena);
    else if (header_is(f, S("Message-ID")))
        set_text(e, &e->message_id, f->value, arena);
    else if (header_is(f, S("In-Reply-To")))
        set_text(e, &e->in_reply_to, f->value, arena);
    else if (header_is(f, S("From")))
        first_list(f->value, arena, &e->from);
    else if (header_is(f, S("Sender")))
        first_list(f->value, arena, &e->sender);
    else if (header_is(f, S("Reply-To")))
        first_list(f->value, arena, &e->reply_to);
    else if (header_is(f, S("To")))
        address_list_add(f->value, arena, &e->to);
    else if (header_is(f, S("Cc")))
        address_list_add(f->value, arena, &e->cc);
    else if (header_is(f, S("Bcc")))
        address_list_add(f->value, arena, &e->bcc);
}

void envelope_parse(struct slice message, struct arena *arena, struct envelope *out)
{
    struct header_reader r = header_reader(message);
    struct header_field field;
    *out = (struct envelope){0};
    while (header_next(&r, &field))
        take_field(out, &field, arena);
    if (!out->sender.n)
        out->sender = out->from;
    if (!out->reply_to.n)
        out->reply_to = out->from;
    out->truncated |= out->from.truncated || out->sender.truncated || out->reply_to.truncated ||
                      out->to.truncated || out->cc.truncated || out->bcc.truncated;
}

bool envelope_next_id(struct slice *rest, struct slice *id)
{
    struct slice s = *rest;
    size_t at = 0;
    while (at < s.n) {
        if (s.p[at] == '(') {
            at = lexis_comment(s, at);
        } else if (s.p[at] == '"') {
            at = lexis_quoted(s, at) + 1;
        } else if (s.p[at] == '<') {
            size_t end = at + 1;
            while (end < s.n && s.p[end] != '>' && s.p[end] != '<' && !lexis_blank(s.p[end]))
                end++;
            if (end < s.n && s.p[end] == '>' && end > at + 1) {
                *id = slice_sub(s, at, end + 1 - at);
                *rest = slice_from(s, end + 1);
                return true;
            }
            at = end;
        } else {
            at++;
        }
    }
    *rest = slice_from(s, s.n);
    return false;
}
