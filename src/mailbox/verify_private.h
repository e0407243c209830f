/* The parts of verify: rows of one account against each other (verify_rows.c), references against
 * blobs (verify_refs.c). */
#pragma once
#include "mailbox/row.h"
#include "mailbox/uidmap.h"
#include "mailbox/verify.h"

#define VERIFY_TOLD_MAX 16 /* faults of one account that are told one by one */

/* What the rows of one mailbox add up to. changed: sums of hashes, so that order does not matter.
 */
struct verify_sum {
    struct mailbox row;
    uint32_t messages, unseen, mapped, mapped_unseen, keywords;
    uint64_t bytes, changed_wanted, changed_found, log_ranges;
};

struct verify_map {
    uint32_t mailbox, group;
    struct uidmap map;
};

/* Arrays ascend, as the rows do. */
struct verify_check {
    struct verify_refs *refs;
    struct verify_sum *sums;
    size_t sum_n, sum_room;
    struct verify_map *maps;
    size_t map_n, map_room;
    uint32_t *removed; /* mailboxes whose rows are still to go: these tell nothing */
    size_t removed_n, removed_room;
    struct mailbox_account account;
    uint64_t names_wanted, names_found; /* sums of hashes over names and ids */
    uint64_t names, subscriptions, faults;
    char told[VERIFY_TOLD_MAX][160];
};

void verify_check_reset(struct verify_check *c, struct verify_refs *refs);
void verify_check_finish(struct verify_check *c);
/* In the order of the partition, but KEY_REMOVED first: what it names has no mailbox any more. */
void verify_check_row(struct verify_check *c, struct slice key, struct slice row);
/* After all rows. */
void verify_check_sums(struct verify_check *c);

void verify_refs_add(struct verify_refs *r, const struct mailbox_message *m);
size_t verify_refs_mark(const struct verify_refs *r);
/* Forgets what was added since the mark. */
void verify_refs_return(struct verify_refs *r, size_t mark);
