#include "queue/verify.h"
#include "base/buffer.h"
#include "base/hash.h"
#include "queue/row.h"
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#define ROWS_MAX 500 /* copied in one read */
#define COPY_MAX ((size_t)2 * 1024 * 1024)
#define TOLD_MAX 50

/* Sums of hashes over keys, so that order does not matter. */
struct sums {
    uint64_t rows, hash;
};

struct check {
    struct queue_verify *v;
    struct queue_message message;
    char message_row[QUEUE_ROW_MESSAGE];
    bool open; /* message is one whose entries come now */
    uint32_t found;
    struct queue_row_header header, counted;
    struct sums due_wanted, due_found, deadline_wanted, deadline_found;
    struct buffer rows;
    char last[STORE_KEY_MAX];
    size_t last_n;
    uint64_t version;
    bool end;
};

static __attribute__((format(printf, 2, 3))) void fault(struct check *c, const char *format, ...)
{
    char text[160];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    if (c->v->faults++ < TOLD_MAX)
        c->v->fault(c->v->arg, text);
}

static void add(struct sums *s, struct slice key)
{
    s->rows++;
    s->hash += hash_slice(key);
}

static void close_message(struct check *c)
{
    char id[16];
    if (!c->open)
        return;
    queue_id_text(c->message.id, id);
    if (c->found != c->message.entries || !c->found)
        fault(c, "message %s counts %u entries, found %u", id, c->message.entries, c->found);
    c->open = false;
}

static void check_message(struct check *c, uint64_t id, struct slice row)
{
    close_message(c);
    if (row.n > sizeof c->message_row) {
        fault(c, "a message row is broken");
        return;
    }
    memcpy(c->message_row, row.p, row.n);
    if (!queue_row_unpack_message(slice(c->message_row, row.n), id, &c->message)) {
        fault(c, "a message row is broken");
        return;
    }
    c->open = true;
    c->found = 0;
    c->counted.messages++;
    c->counted.bytes += c->message.size;
    if (id > c->header.last)
        fault(c, "a message has an id above the header's");
    c->v->blob(c->v->arg, c->message.blob, c->message.size);
}

static void check_entry(struct check *c, uint64_t message, uint32_t index, struct slice row)
{
    struct queue_entry e;
    if (!c->open || c->message.id != message || !queue_row_unpack_entry(row, message, index, &e)) {
        fault(c, "an entry row is broken or has no message");
        return;
    }
    c->found++;
    c->counted.entries++;
    c->counted.held += e.state == QUEUE_HELD;
    const struct queue_row_due due = {e.route, c->message.account, e.next, message, index};
    struct queue_row_key k = queue_row_key_due(&due);
    if (e.state == QUEUE_WAITING)
        add(&c->due_wanted, queue_row_key_slice(&k));
    k = queue_row_key_deadline(queue_row_deadline(&c->message, &e), message, index);
    if (e.state != QUEUE_HELD)
        add(&c->deadline_wanted, queue_row_key_slice(&k));
}

static void check_row(struct check *c, struct slice key, struct slice row)
{
    struct queue_row_due due;
    struct queue_row_route route;
    uint64_t id;
    uint32_t index;
    int64_t time;
    int kind = key.n ? key.p[0] : 0;
    if (kind == KEY_QUEUE_HEADER && key.n == 1) {
        if (!queue_row_unpack_header(row, &c->header))
            fault(c, "the header of the queue is broken");
    } else if (queue_row_parse_message(key, &id)) {
        check_message(c, id, row);
    } else if (queue_row_parse_entry(key, &id, &index)) {
        check_entry(c, id, index, row);
    } else if (queue_row_parse_due(key, &due)) {
        add(&c->due_found, key);
    } else if (queue_row_parse_deadline(key, &time, &id, &index)) {
        add(&c->deadline_found, key);
    } else if (!(kind == KEY_QUEUE_ROUTE && queue_row_unpack_route(row, &route)) &&
               !(kind == KEY_QUEUE_FILED && key.n == 1 && queue_row_filed(row))) {
        fault(c, "a row of the queue is broken or of an unknown kind");
    }
}

static void check_sums(struct check *c)
{
    close_message(c);
    if (c->due_wanted.rows != c->due_found.rows || c->due_wanted.hash != c->due_found.hash)
        fault(c, "the index of what is due does not fit the entries");
    if (c->deadline_wanted.rows != c->deadline_found.rows ||
        c->deadline_wanted.hash != c->deadline_found.hash)
        fault(c, "the index of deadlines does not fit the entries");
    if (c->header.entries != c->counted.entries || c->header.messages != c->counted.messages ||
        c->header.bytes != c->counted.bytes)
        fault(c, "the queue counts %llu entries, %llu messages, %llu bytes; found %llu, %llu, %llu",
            (unsigned long long)c->header.entries, (unsigned long long)c->header.messages,
            (unsigned long long)c->header.bytes, (unsigned long long)c->counted.entries,
            (unsigned long long)c->counted.messages, (unsigned long long)c->counted.bytes);
    if (c->header.held != c->counted.held)
        fault(c, "the queue counts %llu held entries, found %llu",
            (unsigned long long)c->header.held, (unsigned long long)c->counted.held);
}

/* ---- reading: rows copied as {key length 2, value length 4, key, value} ---- */

static void copy_fn(struct store_view *v, void *arg)
{
    struct check *c = arg;
    struct store_cursor cursor;
    struct slice key, row;
    char last[STORE_KEY_MAX + 1];
    size_t last_n = c->last_n;
    buffer_reset(&c->rows);
    c->end = true;
    c->version = store_version(v);
    memcpy(last, c->last, last_n);
    last[last_n] = '\0';
    store_seek(v, slice(last, last_n ? last_n + 1 : 0), &cursor);
    for (int i = 0; store_next(&cursor, &key, &row); i++) {
        char head[6];
        if (i == ROWS_MAX || c->rows.n + sizeof head + key.n + row.n > c->rows.max) {
            c->end = false;
            return;
        }
        pack_u16(head, (uint16_t)key.n);
        pack_u32(head + 2, (uint32_t)row.n);
        buffer_add(&c->rows, slice(head, sizeof head));
        buffer_add(&c->rows, key);
        buffer_add(&c->rows, row);
    }
}

static void check_copy(struct check *c)
{
    struct slice rest = buffer_slice(&c->rows);
    while (rest.n) {
        size_t key_n = unpack_u16(rest.p), row_n = unpack_u32(rest.p + 2);
        struct slice key = slice_sub(rest, 6, key_n);
        check_row(c, key, slice_sub(rest, 6 + key_n, row_n));
        memcpy(c->last, key.p, key.n);
        c->last_n = key.n;
        rest = slice_from(rest, 6 + key_n + row_n);
    }
}

enum pass { PASS_DONE, PASS_CHANGED, PASS_FAILED };

/* All rows at one version. */
TASK_FN
static enum pass pass(struct store *s, struct check *c)
{
    uint64_t version = 0;
    do {
        deadline until = deadline_in(60 * CLOCK_SEC);
        if (store_read(s, queue_row_partition(), copy_fn, c, NULL, until) != OUTCOME_DONE ||
            c->rows.overflow)
            return PASS_FAILED;
        if (version && c->version != version)
            return PASS_CHANGED;
        version = c->version;
        check_copy(c);
        task_yield();
    } while (!c->end);
    check_sums(c);
    return PASS_DONE;
}

TASK_FN
bool queue_verify(struct store *s, struct queue_verify *v)
{
    struct check *c = calloc(1, sizeof *c);
    enum pass ended = PASS_FAILED;
    v->faults = 0;
    if (c) {
        c->v = v;
        buffer_init(&c->rows, COPY_MAX);
        ended = pass(s, c);
        v->messages = c->counted.messages;
        v->entries = c->counted.entries;
        buffer_finish(&c->rows);
    }
    free(c);
    v->changed = ended == PASS_CHANGED;
    return ended == PASS_DONE;
}
