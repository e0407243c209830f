/* The layouts of an account's rows: keys and values to structs and back. Every row begins with a
 * version; a row that does not fit its layout is a fault, never a crash. */
#pragma once
#include "mailbox/mailbox.h"
#include "store/keyspace.h"

struct row_key {
    char bytes[20];
    uint8_t n;
};

static inline struct slice row_key_slice(const struct row_key *k)
{
    return slice(k->bytes, k->n);
}

/* KEY_NAME, KEY_SUBSCRIBED: kind name; name is at most MAILBOX_NAME_MAX. */
struct slice row_key_name(
    enum keyspace_account kind, struct slice name, char out[1 + MAILBOX_NAME_MAX]);
struct row_key row_key_header(void);
/* KEY_MAILBOX, KEY_KEYWORDS, KEY_REMOVED: kind mailbox */
struct row_key row_key_mailbox(enum keyspace_account kind, uint32_t mailbox);
/* KEY_UID_MAP, KEY_MESSAGE, KEY_RENDERED: kind mailbox number */
struct row_key row_key_uid(enum keyspace_account kind, uint32_t mailbox, uint32_t number);
/* KEY_EXPUNGED: kind mailbox modseq */
struct row_key row_key_modseq(enum keyspace_account kind, uint32_t mailbox, uint64_t modseq);
struct row_key row_key_changed(uint32_t mailbox, uint64_t modseq, uint32_t uid);
/* KEY_COPYING: kind copy */
struct row_key row_key_copy(uint64_t copy);

#define ROW_ACCOUNT_SIZE (42 + 4 * (MAILBOX_SPECIALS - 1))
#define ROW_MAILBOX_MAX  (64 + MAILBOX_NAME_MAX)
#define ROW_MESSAGE_SIZE 60

size_t row_pack_account(const struct mailbox_account *a, char out[ROW_ACCOUNT_SIZE]);
bool row_unpack_account(struct slice row, struct mailbox_account *a);
size_t row_pack_mailbox(const struct mailbox *m, char out[ROW_MAILBOX_MAX]);
bool row_unpack_mailbox(struct slice row, uint32_t id, struct mailbox *m);
size_t row_pack_message(const struct mailbox_message *m, char out[ROW_MESSAGE_SIZE]);
bool row_unpack_message(struct slice row, uint32_t uid, struct mailbox_message *m);

/* A row of the expunge log, filled in its packed form: the time and the ranges, ascending, not
 * touching. */
struct row_expunged {
    uint32_t n; /* ranges */
    char bytes[13 + 8 * MAILBOX_EXPUNGED_RANGES];
};
void row_expunged_start(struct row_expunged *row, int64_t now);
/* False: full; nothing was added. UIDs come in ascending order. */
bool row_expunged_add(struct row_expunged *row, uint32_t uid);
struct slice row_expunged_slice(const struct row_expunged *row);
bool row_unpack_expunged(struct slice row, int64_t *when,
    struct mailbox_uids ranges[MAILBOX_EXPUNGED_RANGES], size_t *n);

void row_put(struct store_txn *t, const struct row_key *k, const void *bytes, size_t n);
void row_put_account(struct store_txn *t, const struct mailbox_account *a);
void row_put_mailbox(struct store_txn *t, const struct mailbox *m);
void row_put_message(struct store_txn *t, uint32_t mailbox, const struct mailbox_message *m);
/* DONE, REFUSED when there is no such mailbox, FAILED when a row is broken. */
enum outcome row_load(
    struct store_txn *t, uint32_t mailbox, struct mailbox_account *a, struct mailbox *m);
