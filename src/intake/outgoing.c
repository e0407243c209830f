#include "base/utf8.h"
#include "delivery/here.h"
#include "delivery/table.h"
#include "intake/session_private.h"
#include "message/address.h"
#include <stdlib.h>

void intake_outgoing_init(struct intake_outgoing *o)
{
    *o = (struct intake_outgoing){0};
    arena_init(&o->arena, INTAKE_OUTGOING_BYTES);
}

void intake_outgoing_reset(struct intake_outgoing *o)
{
    arena_reset(&o->arena);
    free(o->list);
    intake_outgoing_init(o);
}

/* The path as text, in the arena; p NULL: no memory. */
static struct slice text_of(struct intake_outgoing *o, const struct smtp_path *path)
{
    struct buffer text;
    struct slice copy = {0};
    buffer_init(&text, SMTP_PATH_TEXT);
    smtp_path_write(path, &text);
    if (!text.overflow)
        copy = arena_copy(&o->arena, buffer_slice(&text));
    buffer_finish(&text);
    return copy;
}

bool intake_outgoing_sender(struct intake_outgoing *o, const struct smtp_path *sender)
{
    o->sender = sender->null ? S("") : text_of(o, sender);
    o->sender_utf8 = sender->utf8;
    return o->sender.p && o->sender.n <= QUEUE_ADDRESS_MAX;
}

bool intake_outgoing_sender_text(struct intake_outgoing *o, struct slice sender)
{
    struct buffer text;
    size_t at = slice_rfind(sender, '@');
    bool ok = true;
    o->sender = S("");
    o->sender_utf8 = !utf8_ascii(sender);
    if (at == SLICE_NONE)
        return true;
    buffer_init(&text, SMTP_PATH_TEXT);
    ok =
        address_quote(slice_sub(sender, 0, at), &text) && buffer_add(&text, slice_from(sender, at));
    if (ok)
        o->sender = arena_copy(&o->arena, buffer_slice(&text));
    buffer_finish(&text);
    return ok && o->sender.p && o->sender.n <= QUEUE_ADDRESS_MAX;
}

static bool make_room(struct intake_outgoing *o)
{
    if (o->n < o->room)
        return true;
    uint32_t room = o->room ? o->room * 2 : 4;
    struct queue_recipient *list = reallocarray(o->list, room, sizeof *list);
    if (!list)
        return false;
    o->list = list;
    o->room = room;
    return true;
}

/* The same mailbox elsewhere? Only its domain is known to have no case (RFC 5321 §2.4). */
static bool is_same(struct slice a, struct slice b)
{
    return slice_eq_nocase(a, b) && slice_starts(b, slice_sub(a, 0, slice_rfind(a, '@')));
}

bool intake_outgoing_has(const struct intake_outgoing *o, struct slice address)
{
    uint32_t i = 0;
    while (i < o->n && !is_same(o->list[i].address, address))
        i++;
    return i < o->n;
}

/* A domain in Unicode behind a local part in ASCII needs no SMTPUTF8: its A-labels say the same
 * (RFC 6531 §3.2). */
static bool in_ascii(const struct smtp_path *path, struct slice domain, struct smtp_path *out)
{
    *out = *path;
    if (!path->utf8 || !utf8_ascii(smtp_path_local(path)))
        return !path->utf8;
    memcpy(out->domain, domain.p, domain.n);
    out->domain_n = (uint16_t)domain.n;
    out->utf8 = false;
    return true;
}

static struct slice sender_domain(struct intake_outgoing *o)
{
    size_t at = slice_rfind(o->sender, '@');
    struct buffer domain;
    if (o->sender_domain.p || at == SLICE_NONE)
        return o->sender_domain;
    buffer_init(&domain, ADDRESS_DOMAIN_MAX);
    if (address_canonical_domain(slice_from(o->sender, at + 1), &domain))
        o->sender_domain = arena_copy(&o->arena, buffer_slice(&domain));
    buffer_finish(&domain);
    return o->sender_domain;
}

/* "type;xtext", with what is not ASCII as \x{...} (RFC 6533 §3): every server that speaks DSN takes
 * that. What grows over the limit is left out. */
static struct slice orcpt_of(struct intake_outgoing *o, const struct smtp_rcpt *rcpt)
{
    char room[QUEUE_ORCPT_MAX];
    struct buffer text = {.p = room, .cap = sizeof room, .max = sizeof room};
    struct slice rest = rcpt->orcpt;
    if (!rest.n)
        return (struct slice){0};
    buffer_add(&text, rcpt->orcpt_type);
    buffer_add_char(&text, ';');
    while (rest.n) {
        bool ascii = !((unsigned char)*rest.p & 0x80);
        uint32_t code = utf8_take(&rest);
        if (ascii)
            buffer_add_char(&text, (char)code);
        else
            buffer_printf(&text, "\\x{%X}", (unsigned)code);
    }
    return text.overflow ? (struct slice){0} : arena_copy(&o->arena, buffer_slice(&text));
}

static enum intake_outgoing_result append(struct intake_outgoing *o, struct slice address,
    struct slice route, const struct smtp_rcpt *rcpt)
{
    if (!address.p || !route.p)
        return INTAKE_OUTGOING_FULL;
    if (address.n > QUEUE_ADDRESS_MAX)
        return INTAKE_OUTGOING_BAD;
    if (intake_outgoing_has(o, address))
        return INTAKE_OUTGOING_OK;
    if (o->n == QUEUE_PUT_MAX)
        return INTAKE_OUTGOING_MANY;
    if (!make_room(o))
        return INTAKE_OUTGOING_FULL;
    o->list[o->n++] = (struct queue_recipient){.address = address,
        .route = route,
        .notify = (uint8_t)rcpt->notify,
        .orcpt = orcpt_of(o, rcpt)};
    return INTAKE_OUTGOING_OK;
}

static enum intake_outgoing_result add(struct intake_outgoing *o,
    const struct delivery_rules *rules, const struct smtp_rcpt *rcpt, struct slice domain)
{
    struct smtp_path said;
    uint32_t before = o->n;
    bool ascii = in_ascii(&rcpt->recipient, domain, &said);
    char room[QUEUE_ROUTE_MAX];
    struct slice address = text_of(o, &said);
    struct slice route = delivery_table_route(rules->table, domain, sender_domain(o), room);
    enum intake_outgoing_result r = append(o, address, arena_copy(&o->arena, route), rcpt);
    o->to_reach += o->n - before;
    o->utf8 |= o->n > before && !ascii;
    return r;
}

enum intake_outgoing_result intake_outgoing_add(
    struct intake_outgoing *o, const struct delivery_rules *rules, const struct smtp_rcpt *rcpt)
{
    struct buffer domain;
    enum intake_outgoing_result r = INTAKE_OUTGOING_BAD;
    buffer_init(&domain, ADDRESS_DOMAIN_MAX);
    if (address_canonical_domain(smtp_path_domain(&rcpt->recipient), &domain) && domain.n)
        r = add(o, rules, rcpt, buffer_slice(&domain));
    buffer_finish(&domain);
    return r;
}

enum intake_outgoing_result intake_outgoing_add_here(
    struct intake_outgoing *o, struct slice route, const struct smtp_rcpt *rcpt, uint32_t *index)
{
    uint32_t before = o->n;
    enum intake_outgoing_result r = append(o, text_of(o, &rcpt->recipient), route, rcpt);
    if (o->n == before)
        return r;
    o->utf8 |= rcpt->recipient.utf8;
    if (slice_eq(route, DELIVERY_HERE)) {
        o->to_reach++;
    } else {
        o->list[before].notify = QUEUE_NOTIFY_SUCCESS; /* what there is to tell */
        *index = before;
    }
    return r;
}

void intake_outgoing_drop(struct intake_outgoing *o, uint32_t index)
{
    o->list[index].address = (struct slice){0};
}

void intake_outgoing_close(struct intake_outgoing *o)
{
    uint32_t n = 0;
    for (uint32_t i = 0; i < o->n; i++)
        if (o->list[i].address.n)
            o->list[n++] = o->list[i];
    o->n = n;
}

/* ---- the queue ---- */

uint32_t intake_elsewhere(const struct intake_session *t)
{
    return t->outgoing.to_reach;
}

bool intake_outgoing_queue(const struct intake_session *t, const struct intake_outgoing *o,
    int64_t now, struct queue_new *out)
{
    bool eight_bit = t->scan.header_8bit || t->scan.body_8bit;
    bool utf8 = o->utf8 || o->sender_utf8 || (t->utf8 && t->scan.header_8bit);
    *out = (struct queue_new){.recipients = o->list, .n = o->n};
    out->message = (struct queue_message){.created = now / 1000000,
        .flags = (eight_bit ? QUEUE_8BIT : 0) | (utf8 ? QUEUE_UTF8 : 0),
        .sender = o->sender,
        .trace = slice_str(t->id)};
    intake_wishes_copy(&t->wishes, t->scan.tls_optional, &out->message);
    return o->n;
}
