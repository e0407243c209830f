/* A connection as a client's task uses it: lines and bytes in, gathered output, an absolute
 * deadline for each wait, a maximum for each buffer. Owned by one task at a time; a conn is what
 * servers use.
 *
 * Results other than OK, TIMEOUT and INPUT are final for their direction: the same is answered from
 * then on. After a TIMEOUT reading goes on where it was. */
#pragma once
#include "base/buffer.h"
#include "net/stream.h"
#include "net/tls.h"
#include "task/task.h"

struct channel;

enum channel_result {
    CHANNEL_OK,
    CHANNEL_TIMEOUT,
    CHANNEL_INPUT,     /* flush with channel_set_interrupt: something came in between */
    CHANNEL_EOF,       /* the peer has closed; part of a line before it is dropped */
    CHANNEL_CANCELLED, /* the task's scope is being closed */
    CHANNEL_TOO_LONG,  /* a line over its maximum */
    CHANNEL_LIMIT,     /* over channel_set_limit */
    CHANNEL_BROKEN,    /* the stream failed, or no memory; channel_error says why */
};

#define CHANNEL_LINE_MAX   ((size_t)1024 * 1024) /* the most that a line_max may be */
#define CHANNEL_OUTPUT_MAX ((size_t)64 * 1024)   /* held before a flush */

/* Over a stream (owned from here on). fd: the bottom's, to wait on; -1 for a memory stream, where
 * each wait is a TIMEOUT at once and no task is needed. line_max: the longest line, without its
 * end. NULL: out of memory; the stream is destroyed. */
struct channel *channel_create(struct stream *stream, int fd, size_t line_max);
/* Says goodbye to the peer if that does not block, closes, frees. NULL is fine. */
void channel_destroy(struct channel *c);

/* ---- in ---- */

enum channel_overlong {
    CHANNEL_REFUSE, /* an overlong line is CHANNEL_TOO_LONG */
    CHANNEL_CUT,    /* ... is cut to max bytes; the rest is read and thrown away */
};

/* The next line, without its CRLF or LF; max is at most line_max. Valid until the next call on this
 * channel. */
TASK_FN
enum channel_result channel_line(struct channel *c, size_t max, enum channel_overlong overlong,
    struct slice *line, deadline until);
/* Waits until at least one byte is here, gives all that is (valid until the next call); what
 * channel_take does not take stays. */
TASK_FN
enum channel_result channel_more(struct channel *c, struct slice *bytes, deadline until);
void channel_take(struct channel *c, size_t n);
/* Exactly n bytes. */
TASK_FN
enum channel_result channel_read(struct channel *c, void *to, size_t n, deadline until);
/* Bytes that are here and not taken. */
struct slice channel_unread(const struct channel *c);
/* Reads what has arrived, without waiting. OK: the peer is still there, as far as one can see. */
enum channel_result channel_poll(struct channel *c);
/* From now on at most so many bytes are read off the stream; what is here already is not counted.
 * UINT64_MAX: no limit, as at the start. */
void channel_set_limit(struct channel *c, uint64_t bytes);

/* ---- out: gathered, so that what is pipelined is one write ---- */

/* Never wait. Over CHANNEL_OUTPUT_MAX the output is BROKEN, which flush tells. */
void channel_put(struct channel *c, struct slice s);
void channel_printf(struct channel *c, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/* Of any length: flushes whenever the output is full. */
TASK_FN
enum channel_result channel_write(struct channel *c, struct slice s, deadline until);
/* All is with the kernel. While the peer takes nothing, what it sends is read as far as there is
 * room, so that two sides that both write do not wait for each other (RFC 2920 §3.1). */
TASK_FN
enum channel_result channel_flush(struct channel *c, deadline until);
/* Should a flush that has to wait end with CHANNEL_INPUT when the peer speaks? */
void channel_set_interrupt(struct channel *c, bool on);

/* ---- about it ---- */

/* Words for the log: why it is BROKEN, TOO_LONG ...; never NULL. */
const char *channel_error(const struct channel *c);
/* Read bytes in all, written bytes in all. */
uint64_t channel_bytes_in(const struct channel *c);
uint64_t channel_bytes_out(const struct channel *c);
void channel_tls_facts(const struct channel *c, struct tls_facts *facts);
/* Where we come from, as text ("192.0.2.1"); false: not over IP. */
bool channel_local(const struct channel *c, char address[64]);
/* As tls_channel_binding. */
bool channel_binding(const struct channel *c, const char **type, char data[64], size_t *n);
