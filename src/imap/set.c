#include "imap/set.h"
#include <stdlib.h>

#define ROOM_FIRST 8

/* The two ends of a range, smaller first; "*" is the largest. */
static struct imap_range ordered(struct imap_range r)
{
    bool swap = !r.first || (r.last && r.last < r.first);
    return swap ? (struct imap_range){r.last, r.first} : r;
}

/* Joins r with the range before it when they touch and no "*" is in them. */
static bool merge(struct imap_range *before, struct imap_range r)
{
    if (!before->first || !before->last || !r.first || !r.last)
        return false;
    struct imap_range a = ordered(*before), b = ordered(r);
    if ((uint64_t)b.first > (uint64_t)a.last + 1 || (uint64_t)a.first > (uint64_t)b.last + 1)
        return false;
    before->first = a.first < b.first ? a.first : b.first;
    before->last = a.last > b.last ? a.last : b.last;
    return true;
}

static bool add(struct imap_set *set, struct imap_range r, struct arena *arena, uint32_t *room)
{
    if (set->n && merge(&set->ranges[set->n - 1], r))
        return true;
    if (set->n == IMAP_SET_MAX)
        return false;
    if (set->n == *room) {
        uint32_t wanted = *room ? *room * 2 : ROOM_FIRST;
        struct imap_range *grown = arena_array(arena, struct imap_range, wanted);
        if (!grown)
            return false;
        if (set->n)
            memcpy(grown, set->ranges, set->n * sizeof *grown);
        set->ranges = grown;
        *room = wanted;
    }
    set->ranges[set->n++] = r;
    return true;
}

/* seq-number: a number without leading zeros, or "*" as 0. */
static bool take_number(struct slice text, size_t *at, uint32_t *value)
{
    uint64_t sum = 0;
    size_t i = *at;
    if (i < text.n && text.p[i] == '*') {
        *value = 0;
        *at = i + 1;
        return true;
    }
    if (i == text.n || text.p[i] < '1' || text.p[i] > '9')
        return false;
    for (; i < text.n && ascii_digit(text.p[i]); i++) {
        sum = sum * 10 + (uint64_t)(text.p[i] - '0');
        if (sum > UINT32_MAX)
            return false;
    }
    *value = (uint32_t)sum;
    *at = i;
    return true;
}

bool imap_set_parse(struct slice text, struct arena *arena, struct imap_set *set)
{
    uint32_t room = 0;
    size_t at = 0;
    *set = (struct imap_set){0};
    for (;;) {
        struct imap_range r;
        if (!take_number(text, &at, &r.first))
            return false;
        r.last = r.first;
        if (at < text.n && text.p[at] == ':') {
            at++;
            if (!take_number(text, &at, &r.last))
                return false;
        }
        set->star = set->star || !r.first || !r.last;
        if (!add(set, r, arena, &room))
            return false;
        if (at == text.n)
            return true;
        if (text.p[at++] != ',')
            return false;
    }
}

static int by_first(const void *a, const void *b)
{
    const struct imap_range *x = a, *y = b;
    return x->first < y->first ? -1 : x->first > y->first;
}

void imap_set_resolve(struct imap_set *set, uint32_t max)
{
    uint32_t n = 0;
    bool sorted = true;
    for (uint32_t i = 0; i < set->n; i++) {
        struct imap_range r = set->ranges[i];
        if ((!r.first || !r.last) && !max)
            continue; /* "*" of an empty mailbox is nothing */
        r.first = r.first ? r.first : max;
        r.last = r.last ? r.last : max;
        set->ranges[n] = ordered(r);
        sorted = sorted && (!n || set->ranges[n - 1].first <= set->ranges[n].first);
        n++;
    }
    if (!sorted)
        qsort(set->ranges, n, sizeof *set->ranges, by_first);
    set->n = n ? 1 : 0;
    for (uint32_t i = 1; i < n; i++) {
        struct imap_range r = set->ranges[i];
        if (!merge(&set->ranges[set->n - 1], r))
            set->ranges[set->n++] = r;
    }
    set->star = false;
}

bool imap_set_has(const struct imap_set *set, uint32_t number)
{
    uint32_t low = 0, high = set->n;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (set->ranges[middle].last < number)
            low = middle + 1;
        else
            high = middle;
    }
    return low < set->n && set->ranges[low].first <= number;
}

uint32_t imap_set_last(const struct imap_set *set)
{
    return set->n ? set->ranges[set->n - 1].last : 0;
}
