/* What dial.c does to a channel: TLS comes between it and its stream. */
#pragma once
#include "net/channel.h"

struct stream *channel_stream(const struct channel *c);
void channel_set_stream(struct channel *c, struct stream *stream);
/* Waits for what a stream wanted (STREAM_WANT_*). */
TASK_FN
enum channel_result channel_await(struct channel *c, ssize_t wanted, deadline until);
/* Nothing can be read or written from now on; why is told by channel_error. */
void channel_break(struct channel *c, const char *why);
