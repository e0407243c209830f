/* A channel's inside, shared by its files and dial's. */
#pragma once
#include "net/channel.h"

/* Invariants: at <= n <= cap <= max; in[at..n) has been read and not taken; the first `seen` bytes
 * of it hold no LF. sent <= out.n. */
struct channel {
    struct stream *stream;
    int fd;
    size_t line_max;
    char *in;
    size_t at, n, cap, max, seen;
    struct buffer out;
    size_t sent;
    bool cutting;   /* the rest of an overlong line is being thrown away */
    bool interrupt; /* channel_set_interrupt */
    enum channel_result in_end, out_end;
    uint64_t left; /* channel_set_limit */
    size_t turn;   /* bytes in and out since the last wait */
    uint64_t bytes_in, bytes_out;
    const char *words; /* why it ended, when the stream does not know */
};

struct stream *channel_stream(const struct channel *c);
void channel_set_stream(struct channel *c, struct stream *stream);
/* Waits for what a stream wanted (STREAM_WANT_*). */
TASK_FN
enum channel_result channel_await(struct channel *c, ssize_t wanted, deadline until);
/* Nothing can be read or written from now on; why is told by channel_error. */
void channel_break(struct channel *c, const char *why);
/* Waits for any of the armed events. */
TASK_FN
enum channel_result channel_wait(struct channel *c, unsigned arm, unsigned *events, deadline until);
/* A peer that always has something to say neither keeps the reactor nor outlives its deadline. */
TASK_FN
enum channel_result channel_take_turns(struct channel *c, deadline until);
/* One read, no wait. OK: at least one byte more; otherwise *wanted is what the stream waits for, or
 * (0) the input has ended. */
enum channel_result channel_fill(struct channel *c, ssize_t *wanted);
