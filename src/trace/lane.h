/* The notes of one reactor on their way into the store. Of its own thread alone, but for what says
 * otherwise.
 *
 * A sheet is a row in the making: it is written whole again, under its key, each second in which
 * something came to it, until it is full or some minutes old; so rows are few and large even when
 * little happens. A sheet is open (the one that notes go to), full (waits to be written for the
 * last time) or spare. */
#pragma once
#include "trace/chunk.h"

#define LANE_SHEETS    32 /* what is waiting when all are full: then notes are dropped */
#define LANE_EVERY     CLOCK_SEC
#define LANE_BATCH     16 /* rows of one mutation */
#define LANE_ROWS      ((size_t)256 * 1024)
#define LANE_SHEET_AGE (600 * CLOCK_SEC)

struct sheet {
    struct list node;
    uint64_t tail;    /* of its key */
    int64_t first;    /* wall us */
    deadline opened;  /* clock_now */
    size_t n, stored; /* bytes of events; those that are in the store */
    char events[CHUNK_EVENTS];
};

struct lane {
    struct store *store;
    struct timer timer;
    struct task_request request;
    bool writing;
    atomic_bool closing;
    struct sheet *open; /* NULL: none */
    int64_t last;       /* wall us, of the latest note */
    deadline pause;     /* the store took nothing: not again before */
    struct list full, spare;
    size_t full_n;
    struct sheet *sheets;
    struct chunk_zstd *zstd;
    char *rows; /* packed, LANE_ROWS of them */
    /* A wish to have all written, and its answer to the reactor that asked. */
    bool wished;
    struct remote wish, granted;
    struct reactor *home;
    void (*done)(void *arg);
    void *arg;
};

/* Any thread. False: out of memory; finish it all the same. */
bool lane_init(struct lane *l, struct store *s);
/* Any thread, when it is closed or was never used. */
void lane_finish(struct lane *l);
/* time 0: now. False: no room, the event is lost. */
bool lane_put(
    struct lane *l, enum trace_kind kind, int64_t time, const struct trace_field *fields, size_t n);
/* Any reactor: writes what is there (or finds that the store does not take it), then calls done on
 * the reactor that calls. One wish at a time. close: no note is taken any more. */
void lane_flush(struct lane *l, struct reactor *of, bool close, void (*done)(void *arg), void *arg);
