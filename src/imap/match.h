/* Does a message meet the criteria of SEARCH? Decided in steps, cheap ones first: by its row, by
 * its header, by its texts; each step only where the ones before leave it open. Pure, no recursion:
 * nodes are settled from the last to the first, since children stand behind their parents. */
#pragma once
#include "imap/criteria.h"
#include "imap/needles.h"
#include "mailbox/mailbox.h"

enum match_verdict { MATCH_NO, MATCH_YES, MATCH_OPEN };

enum match_step {
    MATCH_ROW = 1,
    MATCH_HEADER = 2,
    MATCH_TEXT = 4,
};

struct match {
    const struct imap_criteria *criteria;
    uint8_t *verdicts;    /* of the nodes: enum match_verdict */
    bool *needed;         /* nodes on which it depends */
    int8_t *keywords;     /* bits of KEYWORD nodes; -1: nobody has it */
    uint32_t *needle;     /* of BODY and TEXT nodes */
    struct slice *folded; /* texts of HEADER nodes */
    struct needles needles;
    unsigned steps;       /* that occur in the criteria: enum match_step */
    bool cached;          /* all fields that are asked for are in rendered rows */
    uint32_t recent_from; /* UIDs from here on are \Recent */
    struct buffer decoded, text;
};

/* Sets of the criteria are resolved. False: no room. */
bool match_init(struct match *m, const struct imap_criteria *criteria, struct arena *arena);
void match_finish(struct match *m); /* zeroed is fine */
/* Bits of the keywords, in a view. */
void match_keywords(struct match *m, struct store_view *v, uint32_t mailbox);

/* By the row; without MATCH_ROW in steps only its UID is looked at. */
enum match_verdict match_row(
    struct match *m, uint32_t number, const struct mailbox_message *message);
/* After OPEN: what must be looked at next, HEADER or TEXT. */
enum match_step match_next(struct match *m);
/* After HEADER: with the header (to its empty line), or the cached fields. */
enum match_verdict match_header(struct match *m, struct slice header);
/* After TEXT: m->needles were fed with the texts. */
enum match_verdict match_text(struct match *m);
