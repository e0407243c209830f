/* How slow the next answer is: failures of a network and about an account, remembered in two tables
 * of fixed size, halved every five minutes. Pure but for its tables; the caller brings the time and
 * the lock. */
#pragma once
#include "base/slice.h"

#define AUTH_THROTTLE_ENTRIES 16384 /* of each table */
#define AUTH_THROTTLE_WRONG   4     /* wrong passwords remembered of an account */
#define AUTH_THROTTLE_DIGEST  16
#define AUTH_THROTTLE_FREE    3 /* failures of a network before it waits in advance */

struct auth_throttle;

/* NULL: out of memory. */
struct auth_throttle *auth_throttle_create(int64_t delay_first, int64_t delay_max);
void auth_throttle_destroy(struct auth_throttle *t);
/* ns that a check from this network waits before it is looked at. */
int64_t auth_throttle_before(struct auth_throttle *t, uint64_t network, int64_t now);
/* Has this password been wrong for this account lately? */
bool auth_throttle_known_wrong(
    struct auth_throttle *t, uint64_t account, const uint8_t digest[AUTH_THROTTLE_DIGEST]);
/* Counts a failure; ns until its answer may leave. A digest that is known to be wrong counts
 * nothing; NULL: always counts. */
int64_t auth_throttle_failed(struct auth_throttle *t, uint64_t account, uint64_t network,
    const uint8_t digest[AUTH_THROTTLE_DIGEST], int64_t now);
