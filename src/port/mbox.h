/* mbox files: messages behind "From " lines (RFC 4155), mboxrd quoting (">From " is "From "). Pure:
 * a reader in pieces, cut anywhere, and the lines that a writer puts in between.
 *
 * A message begins at a line "From SENDER DATE" at the start of the file or behind an empty line;
 * without a date it does so when the first line of the file has none either. The empty line before
 * the next message, or at the end, is none of its bytes. Content-Length is not believed. The first
 * Status, X-Status, X-Keywords and X-UID field of a message (and X-IMAPbase of the first message)
 * become flags and are taken out, as usual; what is repeated is the message's own. */
#pragma once
#include "base/buffer.h"
#include "mailbox/mailbox.h"

#define MBOX_LINE     1024 /* the longest "From " line, and the most '>' before "From " */
#define MBOX_KEYWORDS ((size_t)4096)

enum mbox_event {
    MBOX_MORE,  /* in is used up */
    MBOX_BEGIN, /* a message begins; date and zone are those of its "From " line */
    MBOX_DATA,  /* bytes of it through *out, as they stand in the file */
    MBOX_END,   /* it is over; flags and keywords are known */
    MBOX_NOT,   /* the file begins with something else: it is no mbox */
};

/* Of the line that is being read. */
enum mbox_field {
    MBOX_OTHER,
    MBOX_STATUS,
    MBOX_X_STATUS,
    MBOX_X_KEYWORDS,
    MBOX_X_UID,
    MBOX_X_IMAP
};

struct mbox {
    /* of the message, valid from BEGIN, END on */
    bool has_date;
    int64_t date; /* wall, s */
    int zone;     /* minutes east */
    uint8_t flags;
    bool internal;                /* no mail but UW IMAP's note to itself: to be left out */
    char keywords[MBOX_KEYWORDS]; /* divided by blanks */
    size_t keywords_n;
    uint64_t at;  /* bytes of the file before the message: its "From " line */
    uint64_t end; /* ... and behind it (END) */
    /* own state */
    uint64_t offset; /* of the line in the file */
    char line[MBOX_LINE];
    size_t line_n;
    bool in_message, in_header, after_blank, passing, dropping, lenient, not_mbox, first;
    uint8_t seen; /* fields taken out of this message: 1 << enum mbox_field */
    uint8_t field;
    uint8_t held; /* an empty line that may be the one before "From ": its bytes, 1 or 2; 0: none */
};

void mbox_init(struct mbox *m);
/* The same for one message of a file that was read before (its bytes [at, end)): later ones' rules
 * hold as they did there. */
void mbox_init_at(struct mbox *m, bool lenient, bool first, uint64_t at);
/* The next event. Takes what it used off *in; *out is valid until the next call. eof: in is the end
 * of the file; MORE then says that all is told. */
enum mbox_event mbox_next(struct mbox *m, struct slice *in, bool eof, struct slice *out);

/* "From SENDER DATE": false when it is none; *dated: the date could be read. */
bool mbox_from_line(struct slice line, bool *dated, int64_t *date, int *zone);

/* ---- writing ---- */

/* "From SENDER Thu Nov 26 10:00:00 2026" and LF; a sender that is no word becomes MAILER-DAEMON. */
bool mbox_put_from(struct buffer *out, struct slice sender, int64_t date);
/* Status, X-Status, X-Keywords, X-UID, with LF: they stand before the message's own fields. base:
 * an X-IMAPbase line before them, for the first message of a file. */
bool mbox_put_status(struct buffer *out, uint8_t flags, struct slice keywords, uint32_t uid,
    uint32_t uidvalidity, bool base);
/* Quotes lines: text in LF form, in pieces. */
struct mbox_quote {
    char line[MBOX_LINE]; /* the start of a line */
    size_t n;
    bool passing; /* the rest of a line goes through as it is */
};
bool mbox_quote(struct mbox_quote *q, struct slice text, struct buffer *out);
bool mbox_quote_end(struct mbox_quote *q, struct buffer *out);
