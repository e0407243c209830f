#include "trace/find.h"

/* False: no room; the answer is not whole. */
static bool add_line(
    struct find *f, const struct found_message *m, struct slice packed, int64_t time)
{
    struct found_line *line = &f->lines[f->line_n];
    if (f->line_n == TRACE_EVENTS_MAX) {
        f->answer->more = true;
        return false;
    }
    *line = (struct found_line){.time = time, .message = m->order};
    line->number = (unsigned)f->line_n;
    line->line.id = m->id;
    line->line.packed = arena_copy(&f->answer->arena, packed);
    if (!line->line.packed.p) {
        f->answer->more = true;
        return false;
    }
    f->line_n++;
    return true;
}

/* ---- what leads on ---- */

static void note_copy(struct find *f, const struct found_message *m, const struct trace_event *e)
{
    uint64_t blob = trace_event_number(e, TRACE_BLOB);
    if (!blob || f->copy_n == FIND_COPIES)
        return;
    f->copies[f->copy_n++] = (struct found_copy){
        .blob = blob, .account = trace_event_number(e, TRACE_ACCOUNT), .id = m->id};
}

static bool is_final(const struct trace_event *e)
{
    return e->kind == TRACE_EXPIRED || e->kind == TRACE_REMOVED ||
           (e->kind == TRACE_ATTEMPT && !slice_eq(trace_event_text(e, TRACE_WHAT), S("deferred")));
}

static struct found_leg *leg_of(struct find *f, const struct found_message *m, uint64_t route)
{
    for (size_t i = 0; i < f->leg_n; i++)
        if (f->legs[i].route == route && f->legs[i].id.p == m->id.p)
            return &f->legs[i];
    if (f->leg_n == FIND_LEGS)
        return NULL;
    struct found_leg *leg = &f->legs[f->leg_n++];
    *leg = (struct found_leg){.id = m->id, .route = route, .from = INT64_MAX};
    return leg;
}

static void note_leg(struct find *f, const struct found_message *m, const struct trace_event *e)
{
    struct slice route = trace_event_text(e, TRACE_ROUTE);
    bool queued = e->kind == TRACE_QUEUED, final = is_final(e);
    if (!route.n || (!queued && !final))
        return;
    struct found_leg *leg = leg_of(f, m, chunk_hash(CHUNK_BY_ROUTE, route));
    if (leg && queued && e->time < leg->from)
        leg->from = e->time;
    if (leg && final && e->time > leg->to)
        leg->to = e->time;
    if (leg)
        leg->left += queued - final;
}

static bool note_line(void *arg, const struct trace_event *e, struct slice packed, int64_t first)
{
    struct find *f = arg;
    struct found_message *m = find_message(f, trace_event_text(e, TRACE_ID));
    if (!m)
        return true;
    if (e->kind == TRACE_STORED || e->kind == TRACE_REPORT)
        note_copy(f, m, e);
    note_leg(f, m, e);
    return add_line(f, m, packed, e->time);
}

/* ---- fetches, and routes that were down ---- */

static bool note_fetch(struct find *f, const struct trace_event *e, struct slice packed)
{
    uint64_t blob = trace_event_number(e, TRACE_BLOB);
    uint64_t account = trace_event_number(e, TRACE_ACCOUNT);
    for (size_t i = 0; i < f->copy_n; i++) {
        struct found_copy *c = &f->copies[i];
        if (c->blob != blob || c->account != account || (c->packed.n && c->fetched <= e->time))
            continue;
        c->packed = arena_copy(&f->answer->arena, packed);
        c->fetched = e->time;
        if (!c->packed.p) {
            f->answer->more = true;
            return false;
        }
    }
    return true;
}

static bool note_down(struct find *f, const struct trace_event *e, struct slice packed)
{
    uint64_t route = chunk_hash(CHUNK_BY_ROUTE, trace_event_text(e, TRACE_ROUTE));
    for (size_t i = 0; i < f->leg_n; i++) {
        const struct found_leg *leg = &f->legs[i];
        bool meanwhile = e->time >= leg->from && (leg->left > 0 || e->time <= leg->to);
        if (leg->route == route && meanwhile &&
            !add_line(f, find_message(f, leg->id), packed, e->time))
            return false;
    }
    return true;
}

static bool note_more(void *arg, const struct trace_event *e, struct slice packed, int64_t first)
{
    if (e->kind == TRACE_FETCHED)
        return note_fetch(arg, e, packed);
    bool of_route = e->kind == TRACE_ROUTE_DOWN || e->kind == TRACE_HOST;
    return !of_route || note_down(arg, e, packed);
}

static size_t more_keys(struct find *f)
{
    size_t n = 0;
    for (size_t i = 0; i < f->copy_n && n < SEARCH_KEYS_MAX; i++)
        f->keys[n++] = chunk_hash_number(CHUNK_BY_BLOB, f->copies[i].blob);
    for (size_t i = 0; i < f->leg_n && n < SEARCH_KEYS_MAX; i++)
        f->keys[n++] = f->legs[i].route;
    return search_sort(f->keys, n);
}

static void add_fetches(struct find *f)
{
    for (size_t i = 0; i < f->copy_n; i++) {
        const struct found_copy *c = &f->copies[i];
        if (c->packed.n && !add_line(f, find_message(f, c->id), c->packed, c->fetched))
            return;
    }
}

TASK_FN
enum outcome find_lines(struct find *f)
{
    struct search s = {.keys = f->keys, .since = INT64_MAX, .each = note_line, .arg = f};
    size_t n = 0;
    int64_t time;
    for (size_t i = 0; i < f->message_n; i++) {
        if (!trace_id_time(f->messages[i].id, &time))
            time = 0;
        s.since = time < s.since ? time : s.since;
        f->keys[n++] = chunk_hash(CHUNK_BY_ID, f->messages[i].id);
    }
    s.n = search_sort(f->keys, n);
    enum outcome o = search_trace(f->store, &s, f->until);
    if (o != OUTCOME_DONE)
        return o;
    s.n = more_keys(f);
    s.each = note_more;
    if (s.n)
        o = search_trace(f->store, &s, f->until);
    add_fetches(f);
    return o;
}
