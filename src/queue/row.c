#include "queue/row.h"

#define MESSAGE_FIXED 68
#define ENTRY_FIXED   24
#define ROUTE_FIXED   24

/* ---- keys ---- */

static void key_bytes(struct queue_row_key *k, struct slice s)
{
    if (s.n)
        memcpy(k->p + k->n, s.p, s.n);
    k->n += s.n;
}

static void key_u64(struct queue_row_key *k, uint64_t v)
{
    pack_u64(k->p + k->n, v);
    k->n += 8;
}

static void key_u32(struct queue_row_key *k, uint32_t v)
{
    pack_u32(k->p + k->n, v);
    k->n += 4;
}

static struct queue_row_key key_of(enum keyspace_queue kind)
{
    struct queue_row_key k;
    k.p[0] = (char)kind;
    k.n = 1;
    return k;
}

/* Times before 1970 do not exist here; they would sort last. */
static uint64_t time_bytes(int64_t time)
{
    return time < 0 ? 0 : (uint64_t)time;
}

struct queue_row_key queue_row_key_header(void)
{
    return key_of(KEY_QUEUE_HEADER);
}

struct queue_row_key queue_row_key_message(uint64_t message)
{
    struct queue_row_key k = key_of(KEY_QUEUE_MESSAGE);
    key_u64(&k, message);
    return k;
}

struct queue_row_key queue_row_key_entry(uint64_t message, uint32_t index)
{
    struct queue_row_key k = queue_row_key_message(message);
    key_u32(&k, index);
    return k;
}

struct queue_row_key queue_row_key_due_route(struct slice route)
{
    struct queue_row_key k = key_of(KEY_QUEUE_DUE);
    key_bytes(&k, slice_sub(route, 0, QUEUE_ROUTE_MAX));
    key_bytes(&k, slice("", 1));
    return k;
}

struct queue_row_key queue_row_key_lane(struct slice route, uint64_t account)
{
    struct queue_row_key k = queue_row_key_due_route(route);
    key_u64(&k, account);
    return k;
}

struct queue_row_key queue_row_key_due(const struct queue_row_due *due)
{
    struct queue_row_key k = queue_row_key_lane(due->route, due->account);
    key_u64(&k, time_bytes(due->next));
    key_u64(&k, due->message);
    key_u32(&k, due->index);
    return k;
}

struct queue_row_key queue_row_key_deadline(int64_t time, uint64_t message, uint32_t index)
{
    struct queue_row_key k = key_of(KEY_QUEUE_DEADLINE);
    key_u64(&k, time_bytes(time));
    key_u64(&k, message);
    key_u32(&k, index);
    return k;
}

struct queue_row_key queue_row_key_route(struct slice route)
{
    struct queue_row_key k = key_of(KEY_QUEUE_ROUTE);
    key_bytes(&k, slice_sub(route, 0, QUEUE_ROUTE_MAX));
    return k;
}

bool queue_row_parse_message(struct slice key, uint64_t *message)
{
    if (key.n != 9 || key.p[0] != KEY_QUEUE_MESSAGE)
        return false;
    *message = unpack_u64(key.p + 1);
    return true;
}

bool queue_row_parse_entry(struct slice key, uint64_t *message, uint32_t *index)
{
    if (key.n != 13 || key.p[0] != KEY_QUEUE_MESSAGE)
        return false;
    *message = unpack_u64(key.p + 1);
    *index = unpack_u32(key.p + 9);
    return true;
}

static bool take_time(const char *p, int64_t *time)
{
    uint64_t bytes = unpack_u64(p);
    *time = (int64_t)bytes;
    return bytes <= INT64_MAX;
}

bool queue_row_parse_due(struct slice key, struct queue_row_due *due)
{
    if (!key.n || key.p[0] != KEY_QUEUE_DUE)
        return false;
    struct slice rest = slice_from(key, 1);
    size_t nul = slice_find(rest, '\0');
    if (nul == SLICE_NONE || nul == 0 || nul > QUEUE_ROUTE_MAX || rest.n != nul + 29)
        return false;
    const char *p = rest.p + nul + 1;
    due->route = slice_sub(rest, 0, nul);
    due->account = unpack_u64(p);
    due->message = unpack_u64(p + 16);
    due->index = unpack_u32(p + 24);
    return take_time(p + 8, &due->next);
}

bool queue_row_parse_deadline(struct slice key, int64_t *time, uint64_t *message, uint32_t *index)
{
    if (key.n != 21 || key.p[0] != KEY_QUEUE_DEADLINE)
        return false;
    *message = unpack_u64(key.p + 9);
    *index = unpack_u32(key.p + 17);
    return take_time(key.p + 1, time);
}

/* ---- values ---- */

static char *put_text(char *to, struct slice text, size_t max)
{
    text = slice_sub(text, 0, max);
    pack_u16(to, (uint16_t)text.n);
    if (text.n)
        memcpy(to + 2, text.p, text.n);
    return to + 2 + text.n;
}

static bool take_text(struct slice *rest, size_t max, struct slice *text)
{
    if (rest->n < 2)
        return false;
    size_t n = unpack_u16(rest->p);
    if (n > max || n > rest->n - 2)
        return false;
    *text = slice_sub(*rest, 2, n);
    *rest = slice_from(*rest, 2 + n);
    return true;
}

static bool take_head(struct slice row, size_t fixed, struct slice *rest)
{
    *rest = slice_from(row, fixed);
    return row.n >= fixed && row.p[0] == QUEUE_ROW_VERSION;
}

size_t queue_row_pack_header(const struct queue_row_header *h, char out[QUEUE_ROW_HEADER])
{
    pack_u32(out, (uint32_t)QUEUE_ROW_VERSION << 24);
    pack_u64(out + 4, h->entries);
    pack_u64(out + 12, h->messages);
    pack_u64(out + 20, h->bytes);
    pack_u64(out + 28, h->entries_max);
    pack_u64(out + 36, h->last);
    pack_u64(out + 44, h->held);
    return QUEUE_ROW_HEADER;
}

bool queue_row_unpack_header(struct slice row, struct queue_row_header *h)
{
    struct slice rest;
    if (!take_head(row, QUEUE_ROW_HEADER, &rest) || rest.n || unpack_u32(row.p) & 0xffffff)
        return false;
    *h = (struct queue_row_header){
        .entries = unpack_u64(row.p + 4),
        .messages = unpack_u64(row.p + 12),
        .bytes = unpack_u64(row.p + 20),
        .entries_max = unpack_u64(row.p + 28),
        .last = unpack_u64(row.p + 36),
        .held = unpack_u64(row.p + 44),
    };
    return true;
}

size_t queue_row_pack_message(const struct queue_message *m, char out[QUEUE_ROW_MESSAGE])
{
    out[0] = QUEUE_ROW_VERSION;
    out[1] = (char)m->priority;
    pack_u16(out + 2, 0);
    pack_u32(out + 4, m->flags);
    pack_u32(out + 8, m->entries);
    pack_u64(out + 12, m->blob);
    pack_u64(out + 20, m->size);
    pack_u64(out + 28, m->account);
    pack_u64(out + 36, time_bytes(m->created));
    pack_u64(out + 44, time_bytes(m->hold_until));
    pack_u64(out + 52, time_bytes(m->deliver_by));
    pack_u64(out + 60, time_bytes(m->expires));
    char *end = put_text(out + MESSAGE_FIXED, m->sender, QUEUE_ADDRESS_MAX);
    end = put_text(end, m->envid, QUEUE_ENVID_MAX);
    end = put_text(end, m->trace, QUEUE_TRACE_MAX);
    if (m->alias.n)
        end = put_text(end, m->alias, QUEUE_ADDRESS_MAX);
    return (size_t)(end - out);
}

bool queue_row_unpack_message(struct slice row, uint64_t id, struct queue_message *m)
{
    struct slice rest;
    *m = (struct queue_message){.id = id};
    if (!take_head(row, MESSAGE_FIXED, &rest) || unpack_u16(row.p + 2))
        return false;
    m->priority = (int8_t)row.p[1];
    m->flags = unpack_u32(row.p + 4);
    m->entries = unpack_u32(row.p + 8);
    m->blob = unpack_u64(row.p + 12);
    m->size = unpack_u64(row.p + 20);
    m->account = unpack_u64(row.p + 28);
    return take_time(row.p + 36, &m->created) && take_time(row.p + 44, &m->hold_until) &&
           take_time(row.p + 52, &m->deliver_by) && take_time(row.p + 60, &m->expires) &&
           take_text(&rest, QUEUE_ADDRESS_MAX, &m->sender) &&
           take_text(&rest, QUEUE_ENVID_MAX, &m->envid) &&
           take_text(&rest, QUEUE_TRACE_MAX, &m->trace) &&
           (!rest.n || (take_text(&rest, QUEUE_ADDRESS_MAX, &m->alias) && m->alias.n)) &&
           rest.n == 0;
}

size_t queue_row_pack_entry(const struct queue_entry *e, char out[QUEUE_ROW_ENTRY])
{
    out[0] = QUEUE_ROW_VERSION;
    out[1] = (char)e->state;
    out[2] = (char)e->notify;
    out[3] = 0;
    pack_u32(out + 4, e->attempts);
    pack_u64(out + 8, time_bytes(e->next));
    pack_u64(out + 16, time_bytes(e->notice));
    char *end = put_text(out + ENTRY_FIXED, e->recipient, QUEUE_ADDRESS_MAX);
    end = put_text(end, e->route, QUEUE_ROUTE_MAX);
    end = put_text(end, e->orcpt, QUEUE_ORCPT_MAX);
    end = put_text(end, e->reply, QUEUE_REPLY_MAX);
    end = put_text(end, e->remote, QUEUE_REMOTE_MAX);
    return (size_t)(end - out);
}

bool queue_row_unpack_entry(
    struct slice row, uint64_t message, uint32_t index, struct queue_entry *e)
{
    struct slice rest;
    *e = (struct queue_entry){.message = message, .index = index};
    if (!take_head(row, ENTRY_FIXED, &rest) || (unsigned char)row.p[1] > QUEUE_DOOMED || row.p[3])
        return false;
    e->state = (enum queue_state)row.p[1];
    e->notify = (uint8_t)row.p[2];
    e->attempts = unpack_u32(row.p + 4);
    return take_time(row.p + 8, &e->next) && take_time(row.p + 16, &e->notice) &&
           take_text(&rest, QUEUE_ADDRESS_MAX, &e->recipient) &&
           take_text(&rest, QUEUE_ROUTE_MAX, &e->route) &&
           take_text(&rest, QUEUE_ORCPT_MAX, &e->orcpt) &&
           take_text(&rest, QUEUE_REPLY_MAX, &e->reply) &&
           take_text(&rest, QUEUE_REMOTE_MAX, &e->remote) && rest.n == 0 && e->recipient.n &&
           e->route.n && slice_find(e->route, '\0') == SLICE_NONE;
}

size_t queue_row_pack_route(const struct queue_row_route *r, char out[QUEUE_ROW_ROUTE])
{
    pack_u32(out, (uint32_t)QUEUE_ROW_VERSION << 24);
    pack_u32(out + 4, r->failures);
    pack_u64(out + 8, time_bytes(r->since));
    pack_u64(out + 16, time_bytes(r->until));
    char *end = put_text(out + ROUTE_FIXED, r->status, QUEUE_ROW_STATUS_MAX);
    end = put_text(end, r->reply, QUEUE_REPLY_MAX);
    end = put_text(end, r->remote, QUEUE_REMOTE_MAX);
    return (size_t)(end - out);
}

bool queue_row_unpack_route(struct slice row, struct queue_row_route *r)
{
    struct slice rest;
    *r = (struct queue_row_route){0};
    if (!take_head(row, ROUTE_FIXED, &rest) || unpack_u32(row.p) & 0xffffff)
        return false;
    r->failures = unpack_u32(row.p + 4);
    return take_time(row.p + 8, &r->since) && take_time(row.p + 16, &r->until) &&
           take_text(&rest, QUEUE_ROW_STATUS_MAX, &r->status) &&
           take_text(&rest, QUEUE_REPLY_MAX, &r->reply) &&
           take_text(&rest, QUEUE_REMOTE_MAX, &r->remote) && rest.n == 0;
}
