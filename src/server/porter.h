/* An import on a connection of the control socket: items come framed, are spooled without a stack,
 * and are stored by tasks of their own, many at a time, so that they share group commits. Their
 * order stays: a message that does not fit into memory waits for those before it, and those behind
 * wait for it. */
#pragma once
#include "admin/stream.h"
#include "net/conn.h"

/* In run: from here on the connection speaks an import (admin/stream.h). False: out of memory. The
 * session of the handler before is the caller's to free. */
bool porter_start(struct conn *c, const struct stream_import *import);
/* Any thread: how many messages are being stored, also of connections that are gone. The store is
 * not closed before this is 0. */
size_t porter_busy(void);
