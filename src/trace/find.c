#include "trace/find.h"
#include "base/hash.h"
#include <stdlib.h>

/* What is asked about: which messages. */

struct slice trace_event_text(const struct trace_event *e, enum trace_tag tag)
{
    for (size_t i = 0; i < e->n; i++)
        if (e->fields[i].tag == tag)
            return e->fields[i].text;
    return S("");
}

uint64_t trace_event_number(const struct trace_event *e, enum trace_tag tag)
{
    for (size_t i = 0; i < e->n; i++)
        if (e->fields[i].tag == tag)
            return e->fields[i].number;
    return 0;
}

void trace_line_event(const struct trace_line *line, struct trace_event *e)
{
    struct slice packed = line->packed;
    if (!chunk_next(&packed, e))
        *e = (struct trace_event){0};
}

/* Eleven letters of five bits each (intake/trace.c). */
bool trace_id_time(struct slice id, int64_t *time)
{
    static const char letters[] = "0123456789abcdefghjkmnpqrstvwxyz";
    uint64_t value = 0;
    if (id.n != TRACE_ID_SIZE)
        return false;
    for (size_t i = 0; i < id.n; i++) {
        const char *at = memchr(letters, ascii_lower(id.p[i]), sizeof letters - 1);
        if (!at)
            return false;
        if (i < 11)
            value = value << 5 | (uint64_t)(at - letters);
    }
    *time = (int64_t)value;
    return *time <= clock_wall();
}

struct found_message *find_message(const struct find *f, struct slice id)
{
    struct table_node *node = table_find(&f->by_id, hash_slice(id));
    for (; node; node = table_find_next(node)) {
        struct found_message *m = (struct found_message *)(void *)node;
        if (slice_eq(m->id, id))
            return m;
    }
    return NULL;
}

/* False: no room. */
static bool add_message(struct find *f, struct slice id, int64_t time)
{
    struct found_message *m = &f->messages[f->message_n];
    if (f->message_n == FIND_FOUND)
        return false;
    *m = (struct found_message){.id = arena_copy(&f->answer->arena, id), .latest = time};
    if (!m->id.p || !table_insert(&f->by_id, &m->node, hash_slice(id)))
        return false;
    f->message_n++;
    return true;
}

/* The latest come first, but for what rows of several reactors have side by side. */
static bool note_message(void *arg, const struct trace_event *e, struct slice packed, int64_t first)
{
    struct find *f = arg;
    struct slice id = trace_event_text(e, TRACE_ID);
    if (first < f->floor)
        return false;
    if (!id.n || e->time < f->question->since)
        return true;
    struct found_message *m = find_message(f, id);
    if (m) {
        m->latest = m->latest > e->time ? m->latest : e->time;
        return true;
    }
    if (!add_message(f, id, e->time)) {
        f->answer->more = true;
        return false;
    }
    if (f->message_n == f->limit + 1) {
        f->floor = e->time - FIND_ROW_SPAN;
        f->answer->more = true;
    }
    return true;
}

static size_t question_keys(const struct trace_question *q, uint64_t *keys)
{
    size_t n = 0;
    if (q->id.n) {
        struct slice bare = q->id;
        if (slice_starts(bare, S("<")) && slice_ends(bare, S(">")))
            bare = slice_sub(bare, 1, bare.n - 2);
        keys[n++] = chunk_hash(CHUNK_BY_ID, q->id);
        keys[n++] = chunk_hash(CHUNK_BY_QUEUE, q->id);
        keys[n++] = chunk_hash(CHUNK_BY_MESSAGE_ID, bare);
    }
    for (size_t i = 0; i < q->address_n && i < TRACE_NAMES; i++)
        keys[n++] = chunk_hash(CHUNK_BY_ADDRESS, q->addresses[i]);
    if (q->account)
        keys[n++] = chunk_hash_number(CHUNK_BY_ACCOUNT, q->account);
    return search_sort(keys, n);
}

static int later_first(const void *a, const void *b)
{
    const struct found_message *x = a, *y = b;
    if (x->latest != y->latest)
        return x->latest < y->latest ? 1 : -1;
    return slice_cmp(y->id, x->id);
}

/* The latest of them, in the order in which they came here (their ids tell). */
static int newer_first(const void *a, const void *b)
{
    const struct found_message *x = a, *y = b;
    return slice_cmp(y->id, x->id);
}

static bool order_messages(struct find *f)
{
    table_finish(&f->by_id);
    table_init(&f->by_id, FIND_FOUND);
    if (f->message_n)
        qsort(f->messages, f->message_n, sizeof *f->messages, later_first);
    if (f->message_n > f->limit)
        f->message_n = f->limit;
    if (f->message_n)
        qsort(f->messages, f->message_n, sizeof *f->messages, newer_first);
    for (unsigned i = 0; i < f->message_n; i++) {
        f->messages[i].order = i;
        if (!table_insert(&f->by_id, &f->messages[i].node, hash_slice(f->messages[i].id)))
            return false;
    }
    return true;
}

TASK_FN
static enum outcome find_messages(struct find *f)
{
    struct search s = {.keys = f->keys,
        .n = question_keys(f->question, f->keys),
        .since = f->question->since,
        .each = note_message,
        .arg = f};
    f->floor = INT64_MIN;
    f->message_n = 0;
    enum outcome o = search_trace(f->store, &s, f->until);
    return o == OUTCOME_DONE && !order_messages(f) ? OUTCOME_FAILED : o;
}

/* An id of ours says itself when it was made, and which message is meant. */
TASK_FN
static enum outcome find_all(struct find *f)
{
    int64_t time;
    if (f->question->id.n && trace_id_time(f->question->id, &time)) {
        char id[TRACE_ID_SIZE];
        for (size_t i = 0; i < sizeof id; i++)
            id[i] = ascii_lower(f->question->id.p[i]);
        enum outcome o =
            add_message(f, slice(id, sizeof id), time) ? find_lines(f) : OUTCOME_FAILED;
        if (o != OUTCOME_DONE || f->line_n)
            return o;
        table_finish(&f->by_id);
        table_init(&f->by_id, FIND_FOUND);
    }
    enum outcome o = find_messages(f);
    return o == OUTCOME_DONE && f->message_n ? find_lines(f) : o;
}

static int in_order(const void *a, const void *b)
{
    const struct found_line *x = a, *y = b;
    if (x->message != y->message)
        return x->message < y->message ? -1 : 1;
    if (x->time != y->time)
        return x->time < y->time ? -1 : 1;
    return x->number > y->number ? -1 : x->number < y->number;
}

static void give_lines(struct find *f)
{
    struct trace_answer *a = f->answer;
    if (f->line_n)
        qsort(f->lines, f->line_n, sizeof *f->lines, in_order);
    a->lines = arena_array(&a->arena, struct trace_line, f->line_n ? f->line_n : 1);
    for (size_t i = 0; a->lines && i < f->line_n; i++)
        a->lines[a->n++] = f->lines[i].line;
    a->more |= a->n < f->line_n;
}

static bool init(struct find *f)
{
    table_init(&f->by_id, FIND_FOUND);
    f->limit = f->question->messages;
    if (!f->limit || f->limit > TRACE_MESSAGES_MAX)
        f->limit = TRACE_MESSAGES_MAX;
    f->messages = calloc(FIND_FOUND, sizeof *f->messages);
    f->copies = calloc(FIND_COPIES, sizeof *f->copies);
    f->legs = calloc(FIND_LEGS, sizeof *f->legs);
    f->lines = calloc(TRACE_EVENTS_MAX, sizeof *f->lines);
    f->keys = calloc(SEARCH_KEYS_MAX, sizeof *f->keys);
    return f->messages && f->copies && f->legs && f->lines && f->keys;
}

TASK_FN
enum outcome trace_find(struct store *s, const struct trace_question *question,
    struct trace_answer *answer, deadline until)
{
    struct find f = {.store = s, .question = question, .answer = answer, .until = until};
    enum outcome o = OUTCOME_FAILED;
    *answer = (struct trace_answer){0};
    arena_init(&answer->arena, FIND_ROOM);
    if (init(&f))
        o = find_all(&f);
    if (f.lines)
        give_lines(&f);
    table_finish(&f.by_id);
    free(f.messages);
    free(f.copies);
    free(f.legs);
    free(f.lines);
    free(f.keys);
    return o;
}

void trace_answer_finish(struct trace_answer *answer)
{
    arena_reset(&answer->arena);
    *answer = (struct trace_answer){0};
}
