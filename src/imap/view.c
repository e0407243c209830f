#include "imap/view.h"
#include "base/budget.h"
#include <stdlib.h>

#define ROOM_FIRST 8

static uint32_t size_of(const struct view_range *r)
{
    return r->last - r->first + 1;
}

void view_init(struct view *v)
{
    *v = (struct view){0};
    v->ranges = &v->one;
}

void view_finish(struct view *v)
{
    if (v->ranges != &v->one) {
        free(v->ranges);
        budget_give(v->room * sizeof *v->ranges);
    }
    view_init(v);
}

/* Room for n ranges on the heap. */
static bool reserve(struct view *v, size_t n)
{
    bool inside = v->ranges == &v->one;
    size_t room = v->room ? v->room : ROOM_FIRST;
    if (n <= 1 || (!inside && n <= v->room))
        return true;
    while (room < n)
        room *= 2;
    if (room > UINT32_MAX / 2 || !budget_take((room - v->room) * sizeof *v->ranges))
        return false;
    struct view_range *ranges = realloc(inside ? NULL : v->ranges, room * sizeof *ranges);
    if (!ranges) {
        budget_give((room - v->room) * sizeof *v->ranges);
        return false;
    }
    if (inside)
        ranges[0] = v->one;
    v->ranges = ranges;
    v->room = (uint32_t)room;
    return true;
}

/* Gives back what is no longer needed: one range lies in place. */
static void shrink(struct view *v)
{
    if (v->ranges == &v->one)
        return;
    if (v->n <= 1) {
        struct view_range *old = v->ranges;
        v->one = v->n ? old[0] : (struct view_range){0};
        v->ranges = &v->one;
        free(old);
        budget_give(v->room * sizeof *old);
        v->room = 0;
        return;
    }
    uint32_t room = v->room;
    while (room > ROOM_FIRST && v->n < room / 4)
        room /= 2;
    struct view_range *ranges =
        room < v->room ? realloc(v->ranges, room * sizeof *ranges) : v->ranges;
    if (!ranges || room == v->room)
        return;
    v->ranges = ranges;
    budget_give((v->room - room) * sizeof *ranges);
    v->room = room;
}

bool view_append(struct view *v, uint32_t first, uint32_t last)
{
    struct view_range *end = v->n ? &v->ranges[v->n - 1] : NULL;
    if (end && end->last + 1 == first) {
        end->last = last;
        v->count += last - first + 1;
        return true;
    }
    if (!reserve(v, (size_t)v->n + 1))
        return false;
    v->ranges[v->n++] = (struct view_range){first, last, v->count};
    v->count += last - first + 1;
    return true;
}

/* The first range, not before `from`, that ends at or behind the UID; v->n: none. */
static uint32_t find_uid(const struct view *v, uint32_t from, uint32_t uid)
{
    uint32_t low = from, high = v->n;
    if (low < high && v->ranges[low].last >= uid)
        return low;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (v->ranges[middle].last < uid)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

/* The range that holds the number, which exists. */
static uint32_t find_number(const struct view *v, uint32_t number)
{
    uint32_t low = 0, high = v->n;
    while (high - low > 1) {
        uint32_t middle = low + (high - low) / 2;
        if (v->ranges[middle].before < number)
            low = middle;
        else
            high = middle;
    }
    return low;
}

uint32_t view_uid(const struct view *v, uint32_t number)
{
    if (number == 0 || number > v->count)
        return 0;
    const struct view_range *r = &v->ranges[find_number(v, number)];
    return r->first + (number - 1 - r->before);
}

uint32_t view_number(const struct view *v, uint32_t uid)
{
    uint32_t i = find_uid(v, 0, uid);
    if (i == v->n || v->ranges[i].first > uid)
        return 0;
    return v->ranges[i].before + (uid - v->ranges[i].first) + 1;
}

uint32_t view_below(const struct view *v, uint32_t uid)
{
    uint32_t i = find_uid(v, 0, uid);
    if (i == v->n)
        return v->count;
    const struct view_range *r = &v->ranges[i];
    return r->before + (uid > r->first ? uid - r->first : 0);
}

uint32_t view_last(const struct view *v)
{
    return v->n ? v->ranges[v->n - 1].last : 0;
}

/* ---- removal ---- */

/* The numbers are those of the view as it was, less what went before. */
static void tell(const struct view *v, const struct mailbox_uids *gone, size_t n,
    void (*told)(void *arg, uint32_t number, uint32_t uid), void *arg)
{
    uint32_t i = 0, removed = 0;
    for (size_t g = 0; g < n; g++)
        for (i = find_uid(v, i, gone[g].first); i < v->n; i++) {
            const struct view_range *r = &v->ranges[i];
            uint32_t first = gone[g].first > r->first ? gone[g].first : r->first;
            uint32_t last = gone[g].last < r->last ? gone[g].last : r->last;
            for (uint64_t uid = first; uid <= last; uid++)
                told(arg, r->before + ((uint32_t)uid - r->first) + 1 - removed++, (uint32_t)uid);
            if (r->last >= gone[g].last)
                break;
        }
}

/* Cuts one range of gone out of the ranges from `in` on, of `end`; what is left before it goes to
 * `out`. in may become a rest. */
static void cut(struct view_range *ranges, uint32_t *out, uint32_t *in, uint32_t end,
    const struct mailbox_uids *gone)
{
    while (*in < end && ranges[*in].first <= gone->last) {
        struct view_range r = ranges[*in];
        if (r.first < gone->first) {
            ranges[(*out)++] = (struct view_range){
                .first = r.first,
                .last = r.last < gone->first ? r.last : gone->first - 1,
            };
        }
        if (r.last > gone->last) {
            ranges[*in].first = gone->last + 1;
            return;
        }
        (*in)++;
    }
}

/* Each range of gone can leave one range more, so the ranges in question move up by as many places
 * and are written down again from below: what is written never passes what is read. */
static void remove_all(struct view *v, const struct mailbox_uids *gone, size_t n)
{
    uint32_t out = find_uid(v, 0, gone[0].first);
    uint32_t start = out, in = out + (uint32_t)n, end = v->n + (uint32_t)n;
    struct view_range *ranges = v->ranges;
    memmove(ranges + in, ranges + out, (v->n - out) * sizeof *ranges);
    for (size_t g = 0; g < n && in < end; g++)
        cut(ranges, &out, &in, end, &gone[g]);
    memmove(ranges + out, ranges + in, (end - in) * sizeof *ranges);
    v->n = out + (end - in);
    v->count = start ? ranges[start - 1].before + size_of(&ranges[start - 1]) : 0;
    for (uint32_t i = start; i < v->n; i++) {
        ranges[i].before = v->count;
        v->count += size_of(&ranges[i]);
    }
}

/* Leaves out what is below and above the view, so that little room is asked for. */
static void clip(const struct view *v, const struct mailbox_uids **gone, size_t *n)
{
    while (*n && (*gone)->last < v->ranges[0].first) {
        (*gone)++;
        (*n)--;
    }
    while (*n && (*gone)[*n - 1].first > view_last(v))
        (*n)--;
}

bool view_remove(struct view *v, const struct mailbox_uids *gone, size_t n,
    void (*told)(void *arg, uint32_t number, uint32_t uid), void *arg)
{
    if (v->n)
        clip(v, &gone, &n);
    if (!v->n || !n)
        return true;
    if (n >= UINT32_MAX / 2 || !reserve(v, v->n + n))
        return false;
    if (told)
        tell(v, gone, n, told, arg);
    remove_all(v, gone, n);
    shrink(v);
    return true;
}

/* ---- picking ---- */

void view_pick_start(
    struct view_pick *p, const struct view *v, const struct imap_set *resolved, bool uids)
{
    *p = (struct view_pick){.view = v, .set = resolved, .uids = uids};
}

/* The next piece of the set's present range: from `from` on. False: nothing of it is there. */
static bool pick_uids(
    struct view_pick *p, uint32_t from, uint32_t to, struct mailbox_uids *run, uint32_t *number)
{
    const struct view *v = p->view;
    p->range = find_uid(v, p->range, from);
    if (p->range == v->n || v->ranges[p->range].first > to)
        return false;
    const struct view_range *r = &v->ranges[p->range];
    run->first = from > r->first ? from : r->first;
    run->last = to < r->last ? to : r->last;
    *number = r->before + (run->first - r->first) + 1;
    return true;
}

static bool pick_numbers(
    struct view_pick *p, uint32_t from, uint32_t to, struct mailbox_uids *run, uint32_t *number)
{
    const struct view *v = p->view;
    if (from > v->count)
        return false;
    const struct view_range *r = &v->ranges[find_number(v, from)];
    run->first = r->first + (from - 1 - r->before);
    run->last = to - from < r->last - run->first ? run->first + (to - from) : r->last;
    *number = from;
    return true;
}

bool view_pick_next(struct view_pick *p, uint32_t most, struct mailbox_uids *run, uint32_t *number)
{
    for (; p->part < p->set->n; p->part++) {
        const struct imap_range *part = &p->set->ranges[p->part];
        uint32_t from = p->at > part->first ? p->at : part->first;
        if (from > part->last)
            continue;
        if (!(p->uids ? pick_uids : pick_numbers)(p, from, part->last, run, number))
            continue;
        if (run->last - run->first >= most)
            run->last = run->first + most - 1;
        p->at = p->uids ? run->last + 1 : *number + (run->last - run->first) + 1;
        return true;
    }
    return false;
}
