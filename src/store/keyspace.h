/* clang-format off */
/* The whole disk on one screen.
 *
 * data_dir/
 *   lock                      held (flock) by the one process that has the store open
 *   format                    "barid store 1\n"
 *   data.mdb                  LMDB: all rows                      (engine/lmdb.c)
 *   data.mdb-lock             LMDB: its table of readers
 *   segments/NNNNNNNNNNNNNNNN blob records, self-describing       (segment.c)
 *   ballast                   freed when the disk is full, so that EXPUNGE and DELETE stay possible
 *   tmp/                      unlinked spool files
 *   tls/                      the self-signed certificate, when none is configured
 *   control.sock              the control socket of a running server
 *
 * Partitions: kind << 56 | number. Keys inside a partition; numbers big-endian; [] one byte, <n> n
 * bytes.
 *
 * directory (kind 1, number 0)                                     directory/
 *   [1]                        header: format, next account id, UID of the server (16), secret for
 *                              salts (32)
 *   [2] domain                 domain row
 *   [3] domain 0 local         address row: account | alias
 *   [4] <8> account            account row: address, name, quota, flags, credentials
 *   [5] <8> account            removed, its partition is still to be emptied
 *
 * queue (kind 2, number 0)                                         queue/
 *   [1]                        header: entries, messages, bytes, held entries, last id
 *   [2] <8> message            message row
 *   [2] <8> message <4> index  entry row: one recipient
 *   [3] route 0 <8> account <8> next <8> message <4> index  waiting: due at next
 *   [4] <8> time <8> message <4> index  waiting: delay notice or expiry
 *   [5] route                  cannot be reached: since when, until when, why
 *   [6]                        by which routes entries are filed, as a mark
 *
 * account (kind 3, number = account id)                            mailbox/
 *   [1]                        account header: MODSEQ, last UIDVALIDITY, next mailbox id, bytes and
 *                              messages used
 *   [2] name                   mailbox id of a name
 *   [3] <4> mailbox            mailbox row
 *   [4] <4> mailbox            keyword names
 *   [5] <4> mailbox <4> uid/4096   UID map: existing, unseen
 *   [6] <4> mailbox <4> uid    message row
 *   [7] <4> mailbox <4> uid    rendered row (a cache, never part of the truth)
 *   [8] <4> mailbox <8> modseq <4> uid  changed
 *   [9] <4> mailbox <8> modseq          expunged UIDs as ranges
 *   [10] name                  subscribed
 *   [11] <4> mailbox           removed, its rows are still to go
 *   [12] <8> copy              a copy under way: who copies, what was copied so far
 *   [32] <16> identity         imported: when, and where to
 *   [33]                       recipients written to, in slots of five minutes over a day
 *
 * transport (kind 4, number 0)                                     delivery/
 *   [1]                        header: how many policies there are
 *   [2] domain                 MTA-STS policy
 *   [3] <4> day domain 0 [policy] <8> hash           TLSRPT: sessions under one policy
 *   [3] <4> day domain 0 [policy] <8> hash <8> hash  failures of one kind
 *   [4] <4> day                domains with sessions
 *   [5] <4> day domain         a report that could not be sent yet
 *
 * trace (kind 5, number 0)                                         trace/
 *   [1] <8> 2^63 - 1 - time <8> chance   events of messages, the latest first
 *
 * The layouts of the values stand with the code that packs them: directory/row.c, mailbox/row.c,
 * queue/row.h, delivery/sts_private.h, delivery/tlsrpt_private.h, trace/chunk.h. */
/* clang-format on */
#pragma once
#include "base/pack.h"
#include "store/engine.h"

enum keyspace_partition {
    KEYSPACE_DIRECTORY = 1,
    KEYSPACE_QUEUE = 2,
    KEYSPACE_ACCOUNT = 3,
    KEYSPACE_TRANSPORT = 4,
    KEYSPACE_TRACE = 5,
};

static inline store_partition keyspace_partition(enum keyspace_partition kind, uint64_t number)
{
    return (uint64_t)kind << 56 | (number & ((UINT64_C(1) << 56) - 1));
}
enum keyspace_directory {
    KEY_DIRECTORY_HEADER = 1,
    KEY_DOMAIN,
    KEY_ADDRESS,
    KEY_ACCOUNT,
    KEY_PURGE, /* <8> account: removed, its partition is still to be emptied */
};
enum keyspace_queue {
    KEY_QUEUE_HEADER = 1,
    KEY_QUEUE_MESSAGE, /* and, behind it, its entries */
    KEY_QUEUE_DUE,
    KEY_QUEUE_DEADLINE,
    KEY_QUEUE_ROUTE,
    KEY_QUEUE_FILED,
};
enum keyspace_trace { KEY_TRACE_CHUNK = 1 };
enum keyspace_account {
    KEY_HEADER = 1,
    KEY_NAME,
    KEY_MAILBOX,
    KEY_KEYWORDS,
    KEY_UID_MAP,
    KEY_MESSAGE,
    KEY_RENDERED,
    KEY_CHANGED,
    KEY_EXPUNGED,
    KEY_SUBSCRIBED,
    KEY_REMOVED,
    KEY_COPYING,
    KEY_IMPORTED = 32,
    KEY_SENT,
};
enum keyspace_transport {
    KEY_TRANSPORT_HEADER = 1,
    KEY_TRANSPORT_POLICY,
    KEY_TRANSPORT_SESSIONS,
    KEY_TRANSPORT_DAY,
    KEY_TRANSPORT_RETRY,
};
