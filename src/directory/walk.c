#include "directory/walk.h"
#include "message/address.h"

bool directory_walk_untag(struct slice local, struct slice *base, struct slice *tag)
{
    size_t plus = slice_find(slice_from(local, 1), '+');
    if (plus == SLICE_NONE)
        return false;
    *base = slice_sub(local, 0, plus + 1);
    *tag = slice_from(local, plus + 2);
    return true;
}

/* True: found, or broken. */
static bool try_row(struct store_view *v, struct slice local, enum directory_found_how how,
    struct directory_found *found)
{
    switch (directory_get_address(v, local, found->domain, &found->row, NULL)) {
    case DIRECTORY_OK:
        found->how = how;
        found->local = local;
        return true;
    case DIRECTORY_ABSENT:
        return false;
    default:
        found->how = DIRECTORY_FOUND_BROKEN;
        return true;
    }
}

void directory_walk_lookup(struct store_view *v, struct slice local, struct slice domain,
    bool catch_all, struct directory_found *found)
{
    struct directory_row_domain ours;
    struct slice base;
    *found = (struct directory_found){.how = DIRECTORY_FOUND_NOBODY, .domain = domain};
    enum directory_result mine = directory_get_domain(v, domain, &ours, NULL);
    if (mine != DIRECTORY_OK) {
        found->how = mine == DIRECTORY_ABSENT ? DIRECTORY_FOUND_NOT_OURS : DIRECTORY_FOUND_BROKEN;
        return;
    }
    if (local.n && try_row(v, local, DIRECTORY_FOUND_EXACT, found))
        return;
    if (directory_walk_untag(local, &base, &found->tag) &&
        try_row(v, base, DIRECTORY_FOUND_TAG, found))
        return;
    found->tag = S("");
    if (catch_all)
        try_row(v, S(""), DIRECTORY_FOUND_CATCH_ALL, found);
}

/* Texts elsewhere are kept as they were written. */
static bool is_folded(struct slice local)
{
    for (size_t i = 0; i < local.n; i++)
        if ((unsigned char)local.p[i] >= 0x80 || ascii_lower(local.p[i]) != local.p[i])
            return false;
    return true;
}

void directory_walk_target(struct store_view *v, struct slice target, bool catch_all,
    char room[DIRECTORY_LOCAL_MAX], struct directory_found *found)
{
    size_t at = slice_rfind(target, '@');
    struct slice local = slice_sub(target, 0, at);
    struct buffer folded = {.p = room, .cap = DIRECTORY_LOCAL_MAX, .max = DIRECTORY_LOCAL_MAX};
    if (!is_folded(local) && address_canonical_local(local, &folded))
        local = buffer_slice(&folded);
    directory_walk_lookup(v, local, slice_from(target, at + 1), catch_all, found);
}

static void push(struct directory_walk *w, const struct directory_found *found)
{
    struct slice local = slice_sub(found->local, 0, DIRECTORY_LOCAL_MAX);
    if (local.n)
        memcpy(w->level[w->depth].room, local.p, local.n);
    w->level[w->depth].local = slice(w->level[w->depth].room, local.n);
    w->level[w->depth].domain = found->domain;
    w->level[w->depth].rest = found->row.targets;
    w->depth++;
}

void directory_walk_start(
    struct directory_walk *w, struct store_view *v, const struct directory_found *found)
{
    w->view = v;
    w->depth = w->lookups = 0;
    push(w, found);
}

static bool inside(const struct directory_walk *w, const struct directory_found *found)
{
    for (unsigned i = 0; i < w->depth; i++)
        if (slice_eq(w->level[i].local, found->local) &&
            slice_eq(w->level[i].domain, found->domain))
            return true;
    return false;
}

enum directory_walk_event directory_walk_next(struct directory_walk *w)
{
    while (w->depth > 0) {
        struct directory_found found;
        char room[DIRECTORY_LOCAL_MAX];
        if (!directory_row_target_next(&w->level[w->depth - 1].rest, &w->target)) {
            w->depth--;
            continue;
        }
        if (++w->lookups > DIRECTORY_WALK_LOOKUPS)
            return DIRECTORY_WALK_MANY;
        directory_walk_target(w->view, w->target, true, room, &found);
        if (found.how == DIRECTORY_FOUND_BROKEN)
            return DIRECTORY_WALK_BROKEN;
        if (found.how == DIRECTORY_FOUND_NOT_OURS)
            return DIRECTORY_WALK_ELSEWHERE;
        if (found.how == DIRECTORY_FOUND_NOBODY)
            return DIRECTORY_WALK_DANGLING;
        if (!found.row.alias) {
            w->account = found.row.account;
            return DIRECTORY_WALK_ACCOUNT;
        }
        if (inside(w, &found))
            return DIRECTORY_WALK_LOOP;
        if (w->depth == DIRECTORY_DEPTH_MAX)
            return DIRECTORY_WALK_DEEP;
        push(w, &found);
    }
    return DIRECTORY_WALK_END;
}
