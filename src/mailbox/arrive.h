/* Messages come into a mailbox: what delivery, APPEND, COPY and MOVE share. Inside a mutation. */
#pragma once
#include "mailbox/row.h"
#include "mailbox/uidmap.h"

struct arrive {
    struct store_txn *t;
    struct mailbox_account *account; /* counted in; the caller writes both rows */
    struct mailbox *mailbox;
    uint64_t modseq; /* of all that come with this change */
    uint32_t n;
    struct uidmap_edit map;
};

void arrive_start(struct arrive *a, struct store_txn *t, struct mailbox_account *account,
    struct mailbox *mailbox);
/* Sets m->uid and m->modseq. DONE, REFUSED (UIDs are used up), FAILED (a broken row). The blob is
 * the caller's to retain. */
enum outcome arrive_message(struct arrive *a, struct mailbox_message *m);
void arrive_finish(struct arrive *a);
