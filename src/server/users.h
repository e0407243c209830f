/* sendmail.users: which user of the machine sends as which account. The supervisor knows the users
 * (the worker cannot look them up behind its sandbox) and hands over lines "UID NAME ADDRESS". */
#pragma once
#include "base/buffer.h"
#include "config/config.h"
#include "intake/intake.h"

#define USERS_WHY 256

/* One row of the setting, appended as a line. False: why. */
bool users_add(struct buffer *lines, const char *row, char why[USERS_WHY]);
/* The worker's side: rows in one piece of memory, to be freed; their texts are in it. NULL: out of
 * memory. */
struct intake_user *users_read(struct slice lines, size_t *n);
