/* Checks what the mail rooms keep: every row of an account against every other, and all references
 * against the store's counts. */
#pragma once
#include "mailbox/mailbox.h"

/* Collects the blobs that messages refer to. */
struct verify_refs;
struct verify_refs *verify_refs_create(void); /* NULL: out of memory */
void verify_refs_destroy(struct verify_refs *r);

typedef void (*verify_report)(void *arg, uint64_t account, const char *text);

/* One account: counters, names, UID maps, change log against message rows. Its messages are added
 * to refs. The number of faults, each told to report. UINT64_MAX: it kept changing for too long, or
 * could not be read; report says so. */
TASK_FN
uint64_t verify_account(
    struct store *s, uint64_t account, struct verify_refs *refs, verify_report report, void *arg);
/* A reference that another room keeps (a queued message). */
void verify_blob_ref(struct verify_refs *r, store_blob_id blob, uint64_t size);
/* After all accounts of the store and the queue: blobs with a wrong count, messages without a blob.
 */
TASK_FN
uint64_t verify_blobs(struct store *s, struct verify_refs *refs, verify_report report, void *arg);
uint64_t verify_messages(const struct verify_refs *refs);
