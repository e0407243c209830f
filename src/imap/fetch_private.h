/* FETCH in parts: rows of messages in batches (fetch_rows.c), the bytes of one message
 * (fetch_source.c), its rendering where no row has it (fetch_live.c), its response (fetch_line.c),
 * the command (fetch.c). */
#pragma once
#include "imap/items.h"
#include "imap/render.h"
#include "imap/section.h"
#include "imap/session_private.h"
#include "mailbox/copy.h"

/* ---- rows ---- */

#define FETCH_ROWS ((size_t)160 * 1024) /* bytes of the rendered rows of one batch */

struct fetch_run {
    struct mailbox_uids uids;
    uint32_t number; /* of the first */
};

struct fetch_message {
    struct mailbox_message row;
    uint32_t number;
    struct slice rendered; /* in rows; p NULL: none */
};

/* All up to this change was looked at: rows of one MODSEQ in order of UID. */
struct fetch_mark {
    uint64_t modseq;
    uint32_t uid;
};

/* What one store_read gives: the messages of `runs` from UID `from` on; with `since` those of the
 * set that changed behind `mark`. */
struct fetch_batch {
    uint32_t mailbox;
    bool rendered; /* rendered rows are wanted */
    bool since, uids;
    const struct view *view;
    const struct imap_set *set;
    struct fetch_run runs[IMAP_BATCH];
    uint32_t run_n;
    uint32_t from;
    struct fetch_mark mark;
    /* out */
    struct fetch_message messages[IMAP_BATCH];
    uint32_t n;
    uint32_t absent; /* are in the view and nowhere else */
    bool more;       /* read again with from = next, mark = mark_next */
    uint32_t next;
    struct fetch_mark mark_next;
    size_t used;
    char rows[FETCH_ROWS];
};
void fetch_rows_read(struct store_view *v, void *arg); /* arg: struct fetch_batch */

/* ---- the bytes of a message ---- */

#define FETCH_PIECE ((size_t)64 * 1024) /* what the store checks at once */

/* The structure of a large message that was parsed last: clients ask for part after part, and for
 * each in pieces. */
struct imap_parsed {
    store_blob_id blob;
    struct arena arena;
    const struct mime *mime;
};

struct fetch_source {
    struct imap_session *session;
    struct store_blob *blob; /* NULL: not open */
    store_blob_id id;
    uint32_t uid;
    uint64_t size;
    bool gone; /* open failed because there is no such blob any more */
    char *piece;
    uint64_t piece_at;
    size_t piece_n;
    struct buffer header; /* of the message, at most RENDER_HEADER_MAX of it */
    bool has_header;
    uint64_t body_at;
    struct imap_parsed *parsed; /* NULL: nothing; else of this blob or of an earlier one */
};

/* All false: the message cannot be read (logged), or it is gone. */
TASK_FN
bool fetch_source_open(struct fetch_source *src, const struct mailbox_message *m);
void fetch_source_close(struct fetch_source *src);
/* The bytes from `at` on, as many as lie in the same block; none behind the end. Valid until the
 * next call. */
TASK_FN
bool fetch_source_read(struct fetch_source *src, uint64_t at, struct slice *bytes);
/* Knows header and body_at afterwards. */
TASK_FN
bool fetch_source_header(struct fetch_source *src);
/* Knows the structure too: NULL as above. */
TASK_FN
const struct mime *fetch_source_mime(struct fetch_source *src);
/* Can all of these bytes be read? */
TASK_FN
bool fetch_source_verify(struct fetch_source *src, uint64_t at, uint64_t n);
/* Appends them. */
TASK_FN
bool fetch_source_copy(struct fetch_source *src, uint64_t at, uint64_t n, struct buffer *to);
/* Gives memory back, but for what the session keeps. */
void fetch_source_finish(struct fetch_source *src);

/* ---- the command ---- */

#define FETCH_KEEP 64 /* renderings in one mutation */
#define FETCH_TURN (4 * CLOCK_MS)

/* How a section of the present message is answered. */
struct fetch_part {
    bool cached;
    struct section_bytes bytes;
};

struct fetch {
    struct imap_session *session;
    struct imap_command *command;
    struct imap_items items;
    struct imap_set set, vanished;  /* the latter: the same for VANISHED */
    bool rendered;                  /* something is asked for that rendered rows have */
    bool seen;                      /* \Seen is set */
    bool cached[IMAP_SECTIONS_MAX]; /* sections that rendered rows answer */
    bool alive;                     /* the connection is not ending */
    uint32_t absent, damaged;
    int64_t turn; /* others have their turn when this is FETCH_TURN ago */
    struct slice names[MAILBOX_KEYWORDS];
    uint64_t named;
    struct fetch_source source;
    struct buffer out;
    /* of the present message */
    bool begun; /* an item was written */
    struct rendered shown;
    struct buffer body;   /* BODY; behind it the header of a part */
    struct buffer text;   /* rendered live */
    struct buffer fields; /* HEADER.FIELDS */
    struct fetch_part parts[IMAP_SECTIONS_MAX];
    char scratch[RENDER_UNPACK_MAX];
    /* \Seen to be set */
    struct mailbox_uids seen_runs[MAILBOX_SEEN_RUNS];
    uint32_t seen_n;
    /* renderings to be kept */
    struct buffer kept;
    struct mailbox_rendering keep[FETCH_KEEP];
    uint32_t keep_at[FETCH_KEEP], keep_n;
    struct fetch_batch batch;
};

/* fetch_live.c */
/* Shows a message that has no row, in f->text, and remembers it for keeping. */
TASK_FN
bool fetch_live(struct fetch *f, const struct fetch_message *m);
/* Keeps what is remembered: all, or only a full group. */
TASK_FN
void fetch_live_keep(struct fetch *f, bool all);

/* fetch_line.c */
/* The response for one message; nothing when it cannot be read (counted). */
TASK_FN
void fetch_line(struct fetch *f, const struct fetch_message *m);
/* Sends what was gathered. */
TASK_FN
void fetch_line_flush(struct fetch *f);
/* Sets \Seen of what was shown since the last call; not awaited. */
void fetch_line_seen(struct fetch *f);
