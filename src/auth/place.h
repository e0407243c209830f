/* How many connections of an account are logged in, over all reactors and protocols
 * (limits.connections_per_account). Any thread. */
#pragma once
#include "base/table.h"

/* A logged-in connection, counted under its account. In the session's memory; zeroed: not taken. */
struct auth_place {
    struct table_node node;
    uint64_t account;
    bool taken;
};

/* False: the account has `max` connections already (0: no limit), or no memory. */
bool auth_place_take(struct auth_place *p, uint64_t account, unsigned max);
/* Harmless when it was not taken. */
void auth_place_give(struct auth_place *p);
