#include "base/utf8.h"
#include "delivery/table.h"
#include "intake/submission_private.h"
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

static bool is_there(const struct intake_outgoing *o, struct slice address)
{
    uint32_t i = 0;
    while (i < o->n && !slice_eq(o->list[i].address, address))
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

static enum intake_outgoing_result add(struct intake_outgoing *o,
    const struct delivery_rules *rules, const struct smtp_path *path, struct slice domain)
{
    struct smtp_path said;
    bool ascii = in_ascii(path, domain, &said);
    struct slice address = text_of(o, &said);
    if (!address.p || !make_room(o))
        return INTAKE_OUTGOING_FULL;
    if (address.n > QUEUE_ADDRESS_MAX)
        return INTAKE_OUTGOING_BAD;
    if (is_there(o, address))
        return INTAKE_OUTGOING_OK;
    if (o->n == QUEUE_PUT_MAX)
        return INTAKE_OUTGOING_MANY;
    char room[QUEUE_ROUTE_MAX];
    struct slice route =
        arena_copy(&o->arena, delivery_table_route(rules->table, domain, sender_domain(o), room));
    if (!route.p)
        return INTAKE_OUTGOING_FULL;
    o->list[o->n++] = (struct queue_recipient){.address = address, .route = route};
    o->utf8 |= !ascii;
    return INTAKE_OUTGOING_OK;
}

enum intake_outgoing_result intake_outgoing_add(struct intake_outgoing *o,
    const struct delivery_rules *rules, const struct smtp_path *recipient)
{
    struct buffer domain;
    enum intake_outgoing_result r = INTAKE_OUTGOING_BAD;
    buffer_init(&domain, ADDRESS_DOMAIN_MAX);
    if (address_canonical_domain(smtp_path_domain(recipient), &domain) && domain.n)
        r = add(o, rules, recipient, buffer_slice(&domain));
    buffer_finish(&domain);
    return r;
}

/* ---- the queue ---- */

uint32_t intake_elsewhere(const struct intake_session *t)
{
    return t->submitter ? t->submitter->outgoing.n : 0;
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
    return o->n;
}
