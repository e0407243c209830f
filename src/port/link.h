/* The command's end of a control connection while mail is streamed: both sides speak when they
 * like, so that neither may wait for the other without reading. Blocking, one thread. */
#pragma once
#include "admin/admin.h"
#include "base/buffer.h"

struct link {
    int fd;
    struct buffer in, out;
    size_t in_at, out_at; /* what is used of them */
    bool lost;            /* the other side is gone, talks nonsense, or does not answer in time */
    bool ended;           /* its last frame was there: answer */
    struct admin_answer answer;
};

/* fd: connected; owned. */
void link_init(struct link *l, int fd);
void link_finish(struct link *l);
/* Takes value over. Waits while much is unsent. False: lost. */
bool link_put(struct link *l, json_t *value);
/* At most FRAME_RAW_MAX bytes. */
bool link_put_raw(struct link *l, struct slice bytes);

enum link_frame { LINK_NONE, LINK_ROW, LINK_RAW, LINK_END };
/* The next frame: a row (a new reference), raw bytes (valid until the next call), the end (also
 * when it is lost). wait: for one, else NONE when none is here; what is unsent goes out meanwhile.
 */
enum link_frame link_next(struct link *l, bool wait, json_t **row, struct slice *raw);
