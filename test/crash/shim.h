/* What stands between the server and the disk in the crash tests. Preloaded; steered and watched by
 * the driver (test/crash/shim.py) through a shared file, CRASH_STATE. */
#pragma once
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
#include <sys/uio.h>

enum shim_kind { /* bits of shim_state.kinds */
    SHIM_WRITE = 1,
    SHIM_SYNC = 2,
    SHIM_ALLOCATE = 4, /* fallocate */
    SHIM_TRUNCATE = 8,
    SHIM_NAME = 16,   /* unlink, rename, link, mkdir */
    SHIM_CREATE = 32, /* open with O_CREAT */
    SHIM_READ = 64,
};

enum shim_action {
    SHIM_COUNT,
    SHIM_KILL_BEFORE,
    SHIM_KILL_AFTER,
    SHIM_TORN,  /* a write is made up to a sector boundary, then as KILL_BEFORE */
    SHIM_FAIL,  /* with shim_state.error */
    SHIM_SHORT, /* a write writes half of it */
    SHIM_LIE,   /* a sync is not made and says it was */
};

#define SHIM_TRACE 65536

/* One file of this size, shared by driver and all processes of the server; shim.py knows the
 * layout. */
struct shim_state {
    _Atomic uint64_t calls;    /* of the kinds below, so far */
    _Atomic uint64_t at, last; /* the action is for calls at..last; at 0: none */
    _Atomic uint32_t action, kinds;
    _Atomic uint32_t error;
    _Atomic uint32_t torn;  /* thousandths of the write that are made */
    _Atomic uint32_t fired; /* number of calls that the action was done to */
    _Atomic uint32_t spare; /* 1: the supervisor lives when the worker is killed */
    _Atomic uint32_t alone; /* 1: the program itself is meant, not its child */
    _Atomic uint32_t fired_kind;
    uint8_t trace[SHIM_TRACE]; /* kind of call i */
};

/* ---- the journal (journal.c): what a power failure could take back ---- */

/* CRASH_JOURNAL names a file that gets a record of every change that is not yet synced. */
void journal_open(const char *path);
/* Before a change of fd. Holds a lock until journal_made. op: 'w' a write of n bytes at `at`; 't' a
 * change of the size to `at`. */
void journal_change(int fd, char op, uint64_t at, uint64_t n);
void journal_made(void);
/* Around a sync: the token of what was written so far, then its success. */
uint64_t journal_mark(void);
void journal_synced(int fd, uint64_t mark);
/* A name was made in the folder. */
void journal_created(int dirfd, const char *name, int fd);
