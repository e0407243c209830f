/* The header of a submitted message on its way into the spool (RFC 6409 §8): fields that must not
 * go out are left away, From and Sender are kept aside, since they have to belong to who is logged
 * in; every other byte passes as it is. Fed in pieces of any size, gives pieces back. Pure.
 *
 * Left away, however folded and wherever they stand: Bcc and Resent-Bcc (RFC 5322 §3.6.3);
 * Return-Path (RFC 5321 §4.4) and Authentication-Results (RFC 8601 §5), which only servers may
 * make.
 *
 * A field's name is what stands before the first colon of its line, taken without blanks and
 * control characters, so that no reader who is more tolerant sees a field that we did not. */
#pragma once
#include "base/buffer.h"

#define INTAKE_NAME_MAX    256                 /* of a line looked at for the name of its field */
#define INTAKE_AUTHORS_MAX ((size_t)64 * 1024) /* From and Sender fields together */

enum intake_field {
    INTAKE_FIELD_OTHER,
    INTAKE_FIELD_DROPPED,
    INTAKE_FIELD_FROM,
    INTAKE_FIELD_SENDER,
    INTAKE_FIELD_DATE,
    INTAKE_FIELD_MESSAGE_ID,
    INTAKE_FIELDS
};

struct intake_rewrite {
    uint32_t count[INTAKE_FIELDS];
    bool authors_aside; /* set behind init: From and Sender do not stay, `authors` alone has them */
    bool folded_start;  /* the first line is a continuation: of what stands before it, then */
    bool broken;        /* blanks without end behind a name that matters */
    bool in_body;
    struct buffer authors; /* the From and Sender fields, raw; overflow: longer than the maximum */
    /* own state */
    bool in_line;            /* behind the name; else at the start of a line */
    enum intake_field field; /* that the line belongs to */
    size_t lines;
    size_t held_n; /* bytes of the start of a line that is not known yet, in `held` */
    char held[INTAKE_NAME_MAX];
};

void intake_rewrite_init(struct intake_rewrite *r);
/* Frees; may be used again after init. */
void intake_rewrite_finish(struct intake_rewrite *r);
/* Reads on from in.p[*at], moves *at, and sets *piece to the next bytes that stay (possibly none;
 * valid as long as the input, until the next call). Call it until *at is in.n. */
void intake_rewrite_next(
    struct intake_rewrite *r, struct slice in, size_t *at, struct slice *piece);
/* The message is over. *piece: what is still to be added. */
void intake_rewrite_end(struct intake_rewrite *r, struct slice *piece);
