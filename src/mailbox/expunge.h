/* Messages leave a mailbox: what EXPUNGE and MOVE share. Inside a mutation. */
#pragma once
#include "mailbox/row.h"
#include "mailbox/uidmap.h"

#define EXPUNGE_LOG_RANGES INT64_C(100000)       /* of UIDs, of one mailbox; older ones go */
#define EXPUNGE_LOG_AGE    (90 * INT64_C(86400)) /* s */

struct expunge {
    struct store_txn *t;
    struct mailbox_account *account; /* counted in; the caller writes both rows */
    struct mailbox *mailbox;
    int64_t now;
    bool moved; /* blob and rendering stay: the caller takes them along */
    uint32_t n; /* messages so far */
    uint32_t ranges;
    struct uidmap_edit map;
    struct row_expunged log;
};

void expunge_start(struct expunge *e, struct store_txn *t, struct mailbox_account *account,
    struct mailbox *mailbox, int64_t now);
/* In ascending order of UIDs. False: a broken row. */
bool expunge_message(struct expunge *e, const struct mailbox_message *gone);
/* Writes UID map and log; prunes the log. False: a broken row. */
bool expunge_finish(struct expunge *e);
