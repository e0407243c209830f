/* The body sink: a message being received. In memory up to 256 KiB, then in an unlinked file under
 * data_dir/tmp, written by offload threads, never by a reactor. The memory counts against the
 * process budget. */
#pragma once
#include "base/outcome.h"
#include "base/slice.h"
#include "task/task.h"

struct spool;

enum spool_state {
    SPOOL_OK,
    SPOOL_WAIT,    /* bytes taken; its memory is full and being written: give no more until ready is
                      called */
    SPOOL_TOO_BIG, /* over max; nothing more is kept, writing on is harmless (the protocol reads on
                      to the end) */
    SPOOL_FAILED,  /* no space, no memory budget, I/O error: spool_error; writing on is harmless */
};

struct spool_options {
    int tmp_dir; /* for files; -1: memory only (memory engine, tests): beyond 256 KiB goes to memory
                    too */
    uint64_t max;             /* message_size; 0: no limit */
    void (*ready)(void *arg); /* reactor, no task: takes bytes again, or has failed */
    void *arg;
};

/* Reactor. NULL: out of memory. */
struct spool *spool_create(const struct spool_options *options);
/* Reactor. Waits for no write in flight: it ends by itself. NULL is fine. */
void spool_destroy(struct spool *s);
/* Reactor, no stack needed. Takes all of the bytes or none (TOO_BIG, FAILED). */
enum spool_state spool_write(struct spool *s, struct slice bytes);
enum spool_state spool_state(const struct spool *s);
const char *spool_error(
    const struct spool *s); /* words for log; no space is told apart by spool_no_space */
/* Neither on the disk nor in the memory budget. */
bool spool_no_space(const struct spool *s);
/* It was the memory budget. */
bool spool_no_memory(const struct spool *s);
/* Task, after the last write: waits for what is in flight. DONE or FAILED. */
TASK_FN
enum outcome spool_end(struct spool *s, deadline until);
uint64_t spool_size(const struct spool *s);
/* The first bytes, always in memory: all of a message up to 256 KiB, else its first 64 KiB. */
struct slice spool_head(const struct spool *s);
/* Task, after spool_end: any range. */
TASK_FN
enum outcome spool_read(struct spool *s, uint64_t offset, void *to, size_t n, size_t *got);
/* Everything is in memory (spool_head is all): */
bool spool_in_memory(const struct spool *s);
