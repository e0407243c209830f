/* What is connected: `barid session`, and the end of an account's sessions. */
#pragma once
#include "admin/admin.h"

/* A row for each connection of a protocol (not of commands), in the order of the reactors; read in
 * batches, so that what comes and goes meanwhile may be in it or not. False: out of memory. */
TASK_FN
bool sessions_list(admin_emit emit, void *to);
/* As struct admin's kick: they say goodbye, and what is not gone after some seconds is cut off. */
TASK_FN
size_t sessions_kick(uint64_t id, struct slice address);
