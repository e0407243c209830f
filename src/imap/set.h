/* Sequence sets (RFC 9051 §9). */
#pragma once
#include "base/arena.h"
#include "base/slice.h"

#define IMAP_SET_MAX 10000 /* ranges */

struct imap_range {
    uint32_t first, last; /* as parsed: any order, 0 is "*"; resolved: first <= last, no 0 */
};
struct imap_set {
    struct imap_range *ranges; /* in the arena */
    uint32_t n;
    bool star; /* a "*" is in it */
};

/* The whole slice. False: no set; more than IMAP_SET_MAX ranges after neighbours were merged; no
 * room. */
bool imap_set_parse(struct slice text, struct arena *arena, struct imap_set *set);
/* "*" becomes max (a set of nothing when max is 0 and all is "*"); ranges ascend and do not touch.
 * For UIDs "559:*" with max 500 is 500:559. */
void imap_set_resolve(struct imap_set *set, uint32_t max);
/* Resolved sets. */
bool imap_set_has(const struct imap_set *set, uint32_t number);
uint32_t imap_set_last(const struct imap_set *set); /* 0: empty */
