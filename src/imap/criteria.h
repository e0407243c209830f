/* What SEARCH asks for (RFC 9051 §6.4.4, RFC 4731, RFC 7162 §3.1.5). A tree as a flat array,
 * children before their parents never: node 0 is the root. */
#pragma once
#include "imap/lex.h"

enum imap_key {
    IMAP_KEY_ALL,
    IMAP_KEY_AND, /* of its children */
    IMAP_KEY_OR,  /* of two or more */
    IMAP_KEY_NOT,
    IMAP_KEY_FLAG, /* flag; NOT stands before it for UNSEEN and such */
    IMAP_KEY_RECENT,
    IMAP_KEY_NEW,     /* RECENT UNSEEN */
    IMAP_KEY_KEYWORD, /* text */
    IMAP_KEY_BEFORE,  /* INTERNALDATE, without time and zone */
    IMAP_KEY_ON,
    IMAP_KEY_SINCE,
    IMAP_KEY_SENT_BEFORE, /* the Date field */
    IMAP_KEY_SENT_ON,
    IMAP_KEY_SENT_SINCE,
    IMAP_KEY_LARGER,
    IMAP_KEY_SMALLER,
    IMAP_KEY_SEQUENCE,
    IMAP_KEY_UID,
    IMAP_KEY_MODSEQ,
    IMAP_KEY_HEADER, /* name and text; FROM, TO, CC, BCC, SUBJECT too */
    IMAP_KEY_BODY,
    IMAP_KEY_TEXT,
};

#define IMAP_NODES_MAX 1000
#define IMAP_NODE_NONE UINT32_MAX

struct imap_node {
    enum imap_key key;
    uint32_t child, next; /* or IMAP_NODE_NONE */
    uint8_t flag;         /* enum mailbox_flag */
    int64_t day;          /* days since 1970-01-01 */
    uint64_t number;      /* sizes, MODSEQ */
    struct imap_set set;
    struct slice name, text; /* text in UTF-8, whatever CHARSET was */
};

enum imap_return {
    IMAP_RETURN_MIN = 1,
    IMAP_RETURN_MAX = 2,
    IMAP_RETURN_ALL = 4,
    IMAP_RETURN_COUNT = 8,
};

struct imap_criteria {
    bool extended;    /* RETURN (...): ESEARCH */
    unsigned returns; /* of () : ALL */
    bool modseq;      /* a MODSEQ key is in it: the reply tells the highest */
    bool bad_charset; /* NO [BADCHARSET (...)] */
    struct imap_node *nodes;
    uint32_t n;
};
/* From the space behind SEARCH to the end. A long row of ORs is one node with many children. */
bool imap_criteria_parse(struct imap_lex *l, struct imap_criteria *criteria);
