/* Whole commands out of the bytes of a connection: lines and the literals in them (RFC 9051 §4.3,
 * RFC 7888). No stack, no knowledge of commands.
 *
 * A command without literals is not copied: it lies in the connection's input. With literals it is
 * gathered in a bounded buffer. Each literal is shown when it is announced; the owner takes it
 * (then a synchronising one gets its `+`), streams it elsewhere (the message of APPEND), or refuses
 * it (a synchronising one will not come; a non-synchronising one is thrown away with the rest of
 * the command). Lines end with CRLF; one that ends with LF alone is thrown away like one that is
 * too long. */
#pragma once
#include "base/buffer.h"
#include "base/slice.h"

struct imap_frame_limits {
    size_t line;            /* of all lines of a command together, CRLFs counted */
    size_t literal;         /* one */
    size_t literals;        /* sum */
    unsigned literal_count; /* of one command */
    uint64_t thrown;        /* of one command; more is FLOOD */
};
extern const struct imap_frame_limits imap_frame_preauth; /* 8 KiB, 8 KiB in total */
extern const struct imap_frame_limits imap_frame_id;      /* 33 KiB (RFC 2971 §3.3) */
extern const struct imap_frame_limits imap_frame_mail;    /* 64 KiB; 128 KiB, 1 MiB, 1,000 */

enum imap_framed {
    IMAP_FRAMED_MORE,
    IMAP_FRAMED_COMMAND,  /* text is a whole command without its CRLF */
    IMAP_FRAMED_LITERAL,  /* text is what came before, up to `{10}` CRLF; literal_n, literal_sync
                             say which one */
    IMAP_FRAMED_STREAM,   /* bytes of a literal that is streamed: text; left counts down */
    IMAP_FRAMED_STREAMED, /* that was its end */
    IMAP_FRAMED_TOO_LONG, /* over a limit: thrown away up to the end of the command; text is its
                             beginning (for the tag), why what was over, code the response code */
    IMAP_FRAMED_FLOOD,    /* more was thrown away than anybody should send: close */
};

struct imap_frame {
    const struct imap_frame_limits *limits; /* may be changed while nothing of a command is here */
    struct buffer gathered; /* holds something only while a command with literals is coming */
    struct slice text;
    const char *why, *code;   /* code: "TOOBIG", "LIMIT" or "" */
    uint64_t literal_n, left; /* bytes of the present literal: all, still to come */
    uint64_t thrown;
    size_t line;     /* bytes of the lines so far */
    size_t literals; /* bytes of the literals that were taken; held from the memory budget */
    unsigned literal_count;
    bool literal_sync, literal8;
    bool busy;   /* what is thrown away is not the client's fault: NO, not BAD */
    bool silent; /* what is thrown away was answered already */
    uint8_t state;
};

void imap_frame_init(struct imap_frame *f, const struct imap_frame_limits *limits);
void imap_frame_finish(struct imap_frame *f);
/* Looks at unread bytes, takes *used of them. Text lies in `in` or in the frame, until the next
 * call. When it has said COMMAND or TOO_LONG, imap_frame_reset comes before the next call. */
enum imap_framed imap_frame_feed(struct imap_frame *f, struct slice in, size_t *used);
/* After LITERAL, one of these three. */
/* False: over a limit or out of memory; the next call of feed goes on to TOO_LONG. */
bool imap_frame_take(struct imap_frame *f);
void imap_frame_stream(struct imap_frame *f);
/* The owner has answered the command; it is thrown away in silence. */
void imap_frame_refuse(struct imap_frame *f);
/* After COMMAND and TOO_LONG were dealt with: ready for the next one; memory is given back. */
void imap_frame_reset(struct imap_frame *f);
/* Nothing of a command is here yet. */
bool imap_frame_fresh(const struct imap_frame *f);
