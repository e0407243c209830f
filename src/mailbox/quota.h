/* Quota before the fact: bytes are held for a message from RCPT until its transaction ends, so that
 * two senders cannot both be promised the last free bytes. In memory, of this process. Any reactor.
 */
#pragma once
#include "store/engine.h"

enum quota_answer {
    QUOTA_OK,
    QUOTA_NEVER, /* larger than the whole quota */
    QUOTA_FULL,  /* does not fit now */
    QUOTA_BUSY,  /* the store did not answer, or too many holds */
};

#define QUOTA_HOLDS_MAX 65536 /* accounts with holds in each of 64 shards */

struct quota_hold {
    uint64_t account, bytes;
    bool held;
};

/* quota: bytes, 0 is none. bytes: the announced size, 0 when not known: then only a full mailbox is
 * refused. OK: *hold counts until quota_drop. */
TASK_FN
enum quota_answer quota_take(struct store *s, uint64_t account, uint64_t quota, uint64_t bytes,
    struct quota_hold *hold, deadline until);
/* Harmless on what is not held. */
void quota_drop(struct quota_hold *hold);
