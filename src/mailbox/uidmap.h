/* The UID map: for each 4,096 UIDs of a mailbox one row that tells which exist and which of them
 * are unseen. Sequence numbers, SELECT, STATUS and QRESYNC are answered from it without touching
 * message rows. */
#pragma once
#include "mailbox/mailbox.h"

#define UIDMAP_UIDS  4096
#define UIDMAP_WORDS (UIDMAP_UIDS / 64)

/* Bit i: UID group * 4096 + i. unseen is a subset of existing. */
struct uidmap {
    uint64_t existing[UIDMAP_WORDS];
    uint64_t unseen[UIDMAP_WORDS];
};

static inline uint32_t uidmap_group(uint32_t uid)
{
    return uid / UIDMAP_UIDS;
}

/* An absent row is an empty map. False: the row is broken. */
bool uidmap_load(struct store_view *v, uint32_t mailbox, uint32_t group, struct uidmap *map);
/* Writes the row; deletes it when nothing exists. */
void uidmap_save(struct store_txn *t, uint32_t mailbox, uint32_t group, const struct uidmap *map);

/* The rows of a mailbox that a mutation changes, one at a time: cheap when UIDs ascend. */
struct uidmap_edit {
    struct store_txn *t;
    uint32_t mailbox, group;
    bool loaded;
    struct uidmap map;
};
/* The map of this UID, to be changed; written when another group is asked for. NULL: the row is
 * broken. */
struct uidmap *uidmap_edit(struct uidmap_edit *e, uint32_t uid);
void uidmap_edit_finish(struct uidmap_edit *e);

void uidmap_set(struct uidmap *map, uint32_t uid, bool unseen);
void uidmap_clear(struct uidmap *map, uint32_t uid);
bool uidmap_has(const struct uidmap *map, uint32_t uid);
bool uidmap_is_unseen(const struct uidmap *map, uint32_t uid);
unsigned uidmap_count(const struct uidmap *map);
unsigned uidmap_count_unseen(const struct uidmap *map);
/* The first range of existing bits that ends at or behind `from`, cut to begin there; bits, not
 * UIDs. False: none. */
bool uidmap_next(const struct uidmap *map, unsigned from, unsigned *first, unsigned *last);
/* First unseen bit >= from; UIDMAP_UIDS: none. */
unsigned uidmap_find_unseen(const struct uidmap *map, unsigned from);

/* Version, then existing and unseen, each as ranges while there are few, else as bits. */
#define UIDMAP_ROW_MAX (1 + 2 * (2 + UIDMAP_UIDS / 8))
size_t uidmap_pack(const struct uidmap *map, char out[UIDMAP_ROW_MAX]);
bool uidmap_unpack(struct slice row, struct uidmap *map);
