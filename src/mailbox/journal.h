/* The journal of a copy in batches: a row that tells which UIDs it has made so far. It goes with
 * the last batch; while it is there, the copy is either under way in this process or to be undone.
 */
#pragma once
#include "base/list.h"
#include "mailbox/mailbox.h"

#define JOURNAL_RANGES_MAX 8000 /* one a batch, when others append between them */

/* On the stack of who copies: as long as it is listed, nobody undoes the copy. */
struct journal {
    struct list node;
    uint64_t id; /* random: no other process has it */
};
/* Any thread. */
void journal_start(struct journal *j);
void journal_finish(struct journal *j);
bool journal_alive(uint64_t id);

/* Inside a mutation: UIDs [first, last] of the mailbox were made. REFUSED: no more room. */
enum outcome journal_add(
    struct store_txn *t, uint64_t id, uint32_t mailbox, uint32_t first, uint32_t last);
void journal_remove(struct store_txn *t, uint64_t id);

struct journal_row {
    uint32_t mailbox;
    struct slice ranges; /* first 4, last 4 each */
};
bool journal_unpack(struct slice row, struct journal_row *j);

/* Expunges what the journal names, in batches, and removes it. Idempotent. */
TASK_FN
enum outcome journal_undo(struct store *s, uint64_t account, uint64_t id, deadline until);
