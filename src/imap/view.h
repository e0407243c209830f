/* The sequence numbers of a selected mailbox: UIDs as ranges. Pure; a contiguous mailbox of a
 * million messages is one range. */
#pragma once
#include "base/buffer.h"
#include "imap/set.h"
#include "mailbox/mailbox.h"

struct view_range {
    uint32_t first, last; /* UIDs */
    uint32_t before;      /* messages in the ranges before */
};
/* Ranges ascend and do not touch. Memory counts against the process budget. Does not move: it may
 * point into itself. */
struct view {
    struct view_range *ranges; /* &one while n <= 1 */
    uint32_t n, room;
    uint32_t count;
    struct view_range one;
};

void view_init(struct view *v);
void view_finish(struct view *v);
/* UIDs above all that are there. False: out of memory or budget; nothing changed. */
bool view_append(struct view *v, uint32_t first, uint32_t last);
uint32_t view_uid(const struct view *v, uint32_t number); /* 0: no such number */
uint32_t view_number(const struct view *v, uint32_t uid); /* 0: not in it */
uint32_t view_below(const struct view *v, uint32_t uid);  /* how many have a lower UID */
uint32_t view_last(const struct view *v);                 /* highest UID; 0: empty */
/* Removes what of these (ascending, disjoint) is there; told is called for each removed message in
 * ascending order of UID with the number that EXPUNGE must say at that moment; the view is still
 * as it was then. told may be NULL. False: out of memory; nothing changed, nothing was told. */
bool view_remove(struct view *v, const struct mailbox_uids *gone, size_t n,
    void (*told)(void *arg, uint32_t number, uint32_t uid), void *arg);

/* ---- the messages that a resolved set names, ascending, without an allocation ---- */

struct view_pick {
    const struct view *view;
    const struct imap_set *set;
    bool uids;      /* the set is of UIDs, else of numbers */
    uint32_t range; /* of the view */
    uint32_t part;  /* of the set */
    uint32_t at;    /* the next UID or number to look at */
};
void view_pick_start(
    struct view_pick *p, const struct view *v, const struct imap_set *resolved, bool uids);
/* A run of neighbours: UIDs first..last are numbers number..number+last-first. At most `most`.
 * False: no more. The view must not change meanwhile. */
bool view_pick_next(struct view_pick *p, uint32_t most, struct mailbox_uids *run, uint32_t *number);
