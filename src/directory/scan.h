/* Going through many rows in batches: each batch is one store_read that copies rows into memory of
 * its own, so that no read view stays open and the caller may suspend between two rows. */
#pragma once
#include "directory/directory_private.h"

#define DIRECTORY_SCAN_ROOM  ((size_t)128 * 1024) /* more than one row of any kind */
#define DIRECTORY_SCAN_BATCH 500                  /* rows looked at in one read */

enum directory_scan_what {
    DIRECTORY_SCAN_ALL,      /* rows as they are */
    DIRECTORY_SCAN_ACCOUNTS, /* address rows of accounts, the value being the account's row */
    DIRECTORY_SCAN_ALIASES,  /* address rows of aliases */
};

struct directory_scan {
    struct directory *directory;
    enum directory_scan_what what;
    struct directory_row_key prefix, next; /* next: where the following batch begins */
    bool at_end, failed;
    char *room;
    size_t used, at;
};

/* False: out of memory. */
bool directory_scan_init(struct directory_scan *s, struct directory *d,
    enum directory_scan_what what, struct slice prefix);
void directory_scan_finish(struct directory_scan *s);
/* False at the end, or when the store failed (failed is set). Slices are valid until the next call.
 * id: of the account, in DIRECTORY_SCAN_ACCOUNTS. */
TASK_FN
bool directory_scan_next(
    struct directory_scan *s, struct slice *key, struct slice *value, uint64_t *id, deadline until);
