/* How an attempt to change durable state ended (DESIGN of the store contract; see store/engine.h).
 */
#pragma once

enum outcome {
    OUTCOME_DONE,    /* durable */
    OUTCOME_REFUSED, /* the caller's own function said no; nothing happened, trying again gives the
                        same */
    OUTCOME_FAILED,  /* nothing happened; a later attempt may succeed (no space, busy, deadline) */
    OUTCOME_UNKNOWN, /* it may or may not have happened: give no success reply, do not retry */
};

/* "done", "refused", "failed", "unknown". */
static inline const char *outcome_name(enum outcome o)
{
    static const char *const names[] = {"done", "refused", "failed", "unknown"};
    return names[o];
}
