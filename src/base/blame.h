/* A poison message cannot kill twice: what a thread works on is noted, a crash leaves the note on a
 * board that outlives the process, and what was noted at two crashes is listed: that peer and that
 * message are refused for a while, everybody else is served.
 *
 * The board is shared memory, made by the supervisor before its worker. Without a board all of this
 * does nothing. */
#pragma once
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#define BLAME_CRASHES  2
#define BLAME_SUSPECTS 256 /* remembered; the oldest goes */
#define BLAME_LISTED   64
#define BLAME_TEXT     64
#define BLAME_TIME     (600 * INT64_C(1000000)) /* us: refused for so long */

/* What a thread works on; 0 and NULL: nothing, nobody. */
struct blame {
    uint64_t peer;    /* peer_network_key() */
    uint64_t work;    /* a blob id */
    const char *name; /* the peer's address, for the log; lives as long as the work */
};

/* Of this thread. A task keeps its own: task/ swaps them. */
extern _Thread_local struct blame blame_now;

struct blame_board;

/* NULL: no memory. Before the fork. */
struct blame_board *blame_board_create(void);
void blame_board_destroy(struct blame_board *b);
/* In the worker, once: faults (SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGABRT) leave a note before they
 * kill. NULL: no board. */
void blame_watch(struct blame_board *b);
/* Each thread that works for peers: a stack for the note, so that an overflow leaves one too.
 * False: no memory. */
bool blame_thread_start(void);
void blame_thread_end(void);

/* In the supervisor, after a worker died by a signal: counts what it noted. True: something is
 * listed now that was not; name tells which peer was served. */
bool blame_count(struct blame_board *b, char name[BLAME_TEXT]);

/* In the worker, any thread. */
bool blame_peer_listed(uint64_t peer);
bool blame_work_listed(uint64_t work);
