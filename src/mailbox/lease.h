/* POP3's exclusive access to an INBOX (RFC 1939 §4): a lease in memory that excludes neither IMAP
 * nor delivery. An idle holder is taken over by a new connection from the same address (a client
 * that lost its connection comes back). Any reactor. */
#pragma once
#include "base/slice.h"
#include "base/table.h"

#define LEASES_MAX 1048576

/* In the session's memory, from take to release. */
struct lease {
    struct table_node node;
    uint64_t account, address;
    bool held, busy;
};

/* address: the peer's, as text. False: somebody else has it, or too many leases. On true the
 * session is busy. */
bool lease_take(struct lease *l, uint64_t account, struct slice address);
/* Before each command; false: it was taken over, the session must end. */
bool lease_begin(struct lease *l);
/* Idle from now on. */
void lease_idle(struct lease *l);
/* Harmless on what is not held. */
void lease_release(struct lease *l);
