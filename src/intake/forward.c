#include "intake/forward.h"
#include "intake/srs.h"
#include "message/address.h"
#include "message/header.h"
#include <stdio.h>
#include <stdlib.h>

#define VALUE_MAX ((size_t)1024) /* of a Delivered-To that could be ours */

/* ---- RCPT ---- */

static bool no_memory(struct smtp_reply *reply)
{
    smtp_reply_set(reply, 451, "4.3.0", "Out of memory, try again later");
    return false;
}

static bool over_limits(const struct intake_session *t, const struct directory_resolution *r)
{
    size_t n = r->remote_n;
    for (uint32_t i = 0; i < t->forward_n; i++)
        n += t->forwards[i].out.n;
    return t->forward_n == INTAKE_FORWARDS_MAX || n > QUEUE_PUT_MAX;
}

/* The address as written to, or, of <postmaster>, the alias behind it. */
static bool name_alias(const struct smtp_path *path, const struct directory_resolution *r,
    char alias[DIRECTORY_ADDRESS_MAX + 1])
{
    struct buffer text;
    buffer_init(&text, SMTP_PATH_TEXT);
    if (path->postmaster)
        address_write(slice_str(r->via), &text);
    else
        smtp_path_write(path, &text);
    bool ok = !text.overflow && directory_canonical(buffer_slice(&text), alias);
    buffer_finish(&text);
    return ok;
}

static uint32_t find_forward(const struct intake_session *t, const char *alias)
{
    uint32_t i = 0;
    while (i < t->forward_n && strcmp(t->forwards[i].alias, alias) != 0)
        i++;
    return i;
}

static struct slice written(struct intake_outgoing *o, struct slice canonical)
{
    struct buffer text;
    struct slice copy = {0};
    buffer_init(&text, SMTP_PATH_TEXT);
    if (address_write(canonical, &text))
        copy = arena_copy(&o->arena, buffer_slice(&text));
    buffer_finish(&text);
    return copy;
}

/* The sender under which it leaves; its failures go to the first account of the alias. */
static bool name_sender(
    struct intake_session *t, struct intake_forward *f, const struct directory_resolution *r)
{
    uint8_t key[INTAKE_SRS_KEY];
    char local[INTAKE_SRS_LOCAL_MAX], text[INTAKE_SRS_LOCAL_MAX + 1 + DIRECTORY_DOMAIN_MAX + 1];
    struct intake_srs s = {.account = r->n ? r->recipients[0].account : 0,
        .seconds = clock_wall() / 1000000,
        .ours = slice_from(slice_str(r->via), slice_rfind(slice_str(r->via), '@') + 1)};
    f->out.sender = S("");
    if (!t->sender[0])
        return true;
    size_t at = slice_rfind(slice_str(t->sender), '@');
    s.local = slice_sub(slice_str(t->sender), 0, at);
    s.domain = slice_from(slice_str(t->sender), at + 1);
    directory_key(t->options->directory, "srs", key);
    size_t n = intake_srs_encode(key, &s, local);
    if (!n) { /* a domain of more than 220 bytes */
        f->out.sender = f->written;
        return true;
    }
    int all = snprintf(text, sizeof text, "%.*s@" SLICE_FMT, (int)n, local, SLICE_ARG(s.ours));
    f->out.sender = arena_copy(&f->out.arena, slice(text, (size_t)all));
    return f->out.sender.p;
}

static bool in_ascii(struct slice s)
{
    for (size_t i = 0; i < s.n; i++)
        if ((unsigned char)s.p[i] >= 0x80)
            return false;
    return true;
}

/* The address that was written to (RFC 3461 §5.2.1), as xtext. */
static struct slice original(struct intake_forward *f)
{
    struct slice alias = slice_str(f->alias), copy = S("");
    struct buffer text;
    buffer_init(&text, QUEUE_ORCPT_MAX);
    buffer_add(&text, S("rfc822;"));
    for (size_t i = 0; i < alias.n; i++) {
        unsigned char c = (unsigned char)alias.p[i];
        if (c < 33 || c > 126 || c == '+' || c == '=')
            buffer_printf(&text, "+%02X", c);
        else
            buffer_add_char(&text, (char)c);
    }
    if (!text.overflow && !f->utf8)
        copy = arena_copy(&f->out.arena, buffer_slice(&text));
    buffer_finish(&text);
    return copy;
}

static bool add_target(struct intake_session *t, struct intake_forward *f, struct slice target)
{
    struct smtp_rcpt rcpt = {0};
    struct smtp_path *path = &rcpt.recipient;
    size_t at = slice_rfind(target, '@');
    struct slice domain = slice_from(target, at + 1);
    if (at > sizeof path->local || domain.n > SMTP_DOMAIN_MAX)
        return false;
    memcpy(path->local, target.p, at);
    memcpy(path->domain, domain.p, domain.n);
    path->local_n = (uint16_t)at;
    path->domain_n = (uint16_t)domain.n;
    path->utf8 = !in_ascii(target);
    return intake_outgoing_add(&f->out, t->options->rules, &rcpt) == INTAKE_OUTGOING_OK;
}

static bool fill(
    struct intake_session *t, struct intake_forward *f, const struct directory_resolution *r)
{
    struct slice rest = slice(r->remote, r->remote_bytes), target, orcpt = original(f);
    f->written = written(&f->out, slice_str(f->alias));
    bool ok = orcpt.p && f->written.p && name_sender(t, f, r);
    while (ok && directory_remote_next(&rest, &target))
        ok = add_target(t, f, target);
    for (uint32_t i = 0; ok && i < f->out.n; i++) {
        f->out.list[i].orcpt = orcpt;
        f->out.list[i].notify = f->out.sender.n ? QUEUE_NOTIFY_FAILURE : 0;
    }
    return ok;
}

static bool make_room(struct intake_session *t)
{
    if (t->forward_n < t->forward_room)
        return true;
    uint32_t room = t->forward_room ? t->forward_room * 2 : 1;
    struct intake_forward *list = reallocarray(t->forwards, room, sizeof *list);
    if (!list)
        return false;
    t->forwards = list;
    t->forward_room = room;
    return true;
}

bool intake_forward_add(struct intake_session *t, const struct smtp_path *recipient,
    const struct directory_resolution *r, uint32_t *index, struct smtp_reply *reply)
{
    char alias[DIRECTORY_ADDRESS_MAX + 1];
    if (!t->options->queue) {
        smtp_reply_set(reply, 550, "5.7.1", "This server does not send to other domains");
        return false;
    }
    if (!name_alias(recipient, r, alias))
        return no_memory(reply);
    *index = find_forward(t, alias);
    if (*index < t->forward_n)
        return true;
    if (over_limits(t, r)) {
        smtp_reply_set(
            reply, 452, "4.5.3", "Too many recipients; send the rest in another transaction");
        return false;
    }
    if (!make_room(t))
        return no_memory(reply);
    struct intake_forward *f = &t->forwards[t->forward_n++];
    intake_outgoing_init(&f->out);
    memcpy(f->alias, alias, sizeof alias);
    f->utf8 = !in_ascii(slice_str(alias));
    f->loop = false;
    if (fill(t, f, r))
        return true;
    intake_forward_drop(t, *index);
    return no_memory(reply);
}

void intake_forward_drop(struct intake_session *t, uint32_t from)
{
    while (t->forward_n > from)
        intake_outgoing_reset(&t->forwards[--t->forward_n].out);
    if (from)
        return;
    free(t->forwards);
    t->forwards = NULL;
    t->forward_room = 0;
}

/* ---- loops ---- */

/* The header, in memory or read into *room. p NULL: it cannot be had. */
TASK_FN
static struct slice header_of(struct intake_session *t, char **room)
{
    size_t n = t->scan.header_bytes < spool_size(t->spool) ? (size_t)t->scan.header_bytes
                                                           : (size_t)spool_size(t->spool);
    struct slice head = spool_head(t->spool);
    size_t got = 0;
    if (n <= head.n)
        return slice_sub(head, 0, n);
    *room = malloc(n);
    if (!*room || spool_read(t->spool, 0, *room, n, &got) != OUTCOME_DONE)
        return (struct slice){0};
    return slice(*room, got);
}

static void mark(struct intake_session *t, struct slice value)
{
    char canonical[DIRECTORY_ADDRESS_MAX + 1];
    struct buffer text;
    if (value.n > VALUE_MAX)
        return;
    buffer_init(&text, VALUE_MAX);
    if (header_unfold(value, &text) && directory_canonical(buffer_slice(&text), canonical)) {
        uint32_t i = find_forward(t, canonical);
        if (i < t->forward_n)
            t->forwards[i].loop = true;
    }
    buffer_finish(&text);
}

/* Each recipient is an alias by which it has come before. */
static bool all_loop(const struct intake_session *t)
{
    for (uint32_t i = 0; i < t->rcpt_n; i++)
        if (!t->rcpts[i].forward || !t->forwards[t->rcpts[i].forward - 1].loop)
            return false;
    return !intake_elsewhere(t);
}

bool intake_forward_judge(struct intake_session *t, struct smtp_reply *reply)
{
    struct header_field field;
    char *room = NULL;
    if (!t->forward_n || !t->scan.field[SCAN_DELIVERED_TO])
        return true;
    if (t->scan.field[SCAN_DELIVERED_TO] > INTAKE_RECEIVED_MAX) {
        smtp_reply_set(reply, 554, "5.4.6", "Too many hops: %u Delivered-To fields, this is a loop",
            (unsigned)t->scan.field[SCAN_DELIVERED_TO]);
        return false;
    }
    struct slice head = header_of(t, &room);
    if (!head.p) {
        free(room);
        intake_verdict_spool(true, reply);
        return false;
    }
    struct header_reader r = header_reader(head);
    while (header_next(&r, &field))
        if (header_is(&field, S("Delivered-To")))
            mark(t, field.value);
    free(room);
    if (!all_loop(t))
        return true;
    intake_verdict_loop(t->forwards[0].alias, reply);
    return false;
}

/* ---- the queue ---- */

static bool is_before(const struct intake_session *t, uint32_t forward, struct slice address)
{
    for (uint32_t i = 0; i < forward; i++)
        if (!t->forwards[i].loop && intake_outgoing_has(&t->forwards[i].out, address))
            return true;
    return false;
}

/* Who is reached by two aliases, or was written to besides, gets one copy. */
static void drop_repeats(struct intake_session *t, uint32_t forward)
{
    struct intake_outgoing *o = &t->forwards[forward].out;
    uint32_t n = 0;
    for (uint32_t i = 0; i < o->n; i++)
        if (!is_before(t, forward, o->list[i].address) &&
            !intake_outgoing_has(&t->outgoing, o->list[i].address))
            o->list[n++] = o->list[i];
    o->n = n;
}

struct queue_new *intake_forward_queue(
    struct intake_session *t, int64_t now, struct queue_new *list)
{
    struct queue_new *first = NULL;
    for (uint32_t i = t->forward_n; i--;)
        if (!t->forwards[i].loop)
            drop_repeats(t, i);
    for (uint32_t i = t->forward_n; i--;) {
        struct intake_forward *f = &t->forwards[i];
        if (f->loop || !intake_outgoing_queue(t, &f->out, now, &list[i]))
            continue;
        list[i].message.alias = f->written;
        list[i].message.flags |= f->utf8 ? QUEUE_UTF8 : 0;
        list[i].next = first;
        first = &list[i];
    }
    return first;
}
