/* Keyword names of a mailbox: a row, one bit of a message for each name. */
#pragma once
#include "mailbox/uids.h"

#define KEYWORD_MAX 255 /* bytes of a name */

/* Names in the row; -1: it is broken. */
int keyword_count(struct slice row);
/* Inside a mutation: for each bit that is set in `used`, which bit of `to` has the same name (made
 * where missing); -1: none, there is no more room. False: a broken row. */
bool keyword_map(struct store_txn *t, uint32_t from, uint32_t to, uint64_t used,
    signed char map[MAILBOX_KEYWORDS]);
/* The bits that these become. */
uint64_t keyword_apply(const signed char map[MAILBOX_KEYWORDS], uint64_t bits);
