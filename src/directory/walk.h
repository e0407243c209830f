/* From an address to whoever takes it, inside one view: looking up one address, and following an
 * alias through others without recursion. All slices point into the view or into the caller's
 * address. */
#pragma once
#include "directory/directory_private.h"

#define DIRECTORY_WALK_LOOKUPS 2500 /* targets looked at for one address */

enum directory_found_how {
    DIRECTORY_FOUND_EXACT,
    DIRECTORY_FOUND_TAG, /* without its +tag */
    DIRECTORY_FOUND_CATCH_ALL,
    DIRECTORY_FOUND_NOBODY,
    DIRECTORY_FOUND_NOT_OURS,
    DIRECTORY_FOUND_BROKEN, /* a row does not unpack */
};

struct directory_found {
    enum directory_found_how how;
    struct slice local, domain; /* of the row that matched; local is empty for a catch-all */
    struct slice tag;           /* FOUND_TAG */
    struct directory_row_address row;
};

/* Exact address, then without +tag, then (if asked for) the catch-all. */
void directory_walk_lookup(struct store_view *v, struct slice local, struct slice domain,
    bool catch_all, struct directory_found *found);
/* The same for the target of an alias, whose local part may not be canonical: `room` holds it
 * then, and found->local and tag may point there. */
void directory_walk_target(struct store_view *v, struct slice target, bool catch_all,
    char room[DIRECTORY_LOCAL_MAX], struct directory_found *found);
/* The local part before the first '+' that does not stand at its beginning; false without one. */
bool directory_walk_untag(struct slice local, struct slice *base, struct slice *tag);

enum directory_walk_event {
    DIRECTORY_WALK_ACCOUNT,   /* `account` takes it */
    DIRECTORY_WALK_DANGLING,  /* `target` is nobody here; going on is fine */
    DIRECTORY_WALK_ELSEWHERE, /* `target` is in a domain that is not ours; going on is fine */
    DIRECTORY_WALK_LOOP,      /* `target` leads back to an alias we are in; going on is fine */
    DIRECTORY_WALK_DEEP,      /* more than DIRECTORY_DEPTH_MAX aliases; going on is fine */
    DIRECTORY_WALK_MANY,      /* too many targets; the end */
    DIRECTORY_WALK_BROKEN,    /* the end */
    DIRECTORY_WALK_END,
};

struct directory_walk {
    struct store_view *view;
    unsigned depth, lookups;
    struct {
        struct slice local, domain; /* of the alias */
        struct directory_row_targets rest;
        char room[DIRECTORY_LOCAL_MAX];
    } level[DIRECTORY_DEPTH_MAX];
    struct slice target; /* the target of the last event, as it is in the row */
    uint64_t account;
};

/* found->row is an alias. */
void directory_walk_start(
    struct directory_walk *w, struct store_view *v, const struct directory_found *found);
enum directory_walk_event directory_walk_next(struct directory_walk *w);
