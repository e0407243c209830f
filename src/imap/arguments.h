/* The arguments of the other commands. Each parser begins at the space in front of the first of its
 * arguments (where imap_command.lex stands) and takes all to the end of the text, unless it says
 * otherwise. False: l->why, for a BAD. */
#pragma once
#include "imap/lex.h"

/* SELECT, EXAMINE (RFC 7162 §3.1.8, §3.2.5) */
struct imap_select_arguments {
    struct slice name;
    bool valid;
    bool condstore, qresync;
    uint32_t uidvalidity;
    uint64_t modseq;
    bool has_known;
    struct imap_set known; /* UIDs */
    bool has_match;
    struct imap_set match_numbers, match_uids;
};
bool imap_arguments_select(struct imap_lex *l, struct imap_select_arguments *a);

enum imap_status_item {
    IMAP_STATUS_MESSAGES = 1,
    IMAP_STATUS_RECENT = 2,
    IMAP_STATUS_UIDNEXT = 4,
    IMAP_STATUS_UIDVALIDITY = 8,
    IMAP_STATUS_UNSEEN = 16,
    IMAP_STATUS_HIGHESTMODSEQ = 32,
    IMAP_STATUS_SIZE = 64,
    IMAP_STATUS_APPENDLIMIT = 128,
};
/* `(MESSAGES UIDNEXT)`: from the parenthesis to the parenthesis */
bool imap_arguments_status_items(struct imap_lex *l, unsigned *items);

/* STATUS */
struct imap_status_arguments {
    struct slice name;
    bool valid;
    unsigned items; /* enum imap_status_item */
};
bool imap_arguments_status(struct imap_lex *l, struct imap_status_arguments *a);

/* DELETE, SUBSCRIBE, UNSUBSCRIBE: one mailbox */
bool imap_arguments_mailbox(struct imap_lex *l, struct slice *name, bool *valid);

/* CREATE (RFC 6154 §5.2) */
struct imap_create_arguments {
    struct slice name;
    bool valid;
    bool unknown_use; /* NO [USEATTR] */
    unsigned uses;    /* bit n: enum mailbox_special n */
};
bool imap_arguments_create(struct imap_lex *l, struct imap_create_arguments *a);

/* RENAME */
struct imap_rename_arguments {
    struct slice from, to;
    bool from_valid, to_valid;
};
bool imap_arguments_rename(struct imap_lex *l, struct imap_rename_arguments *a);

/* COPY, MOVE: a set and a mailbox */
struct imap_copy_arguments {
    struct imap_set set;
    struct slice name;
    bool valid;
};
bool imap_arguments_copy(struct imap_lex *l, struct imap_copy_arguments *a);

/* LIST, LSUB (RFC 5258, RFC 5819, RFC 6154) */
enum {
    IMAP_LIST_SUBSCRIBED = 1, /* selection options */
    IMAP_LIST_REMOTE = 2,
    IMAP_LIST_RECURSIVE = 4,
    IMAP_LIST_SPECIAL = 8,
    IMAP_LIST_RETURN_SUBSCRIBED = 16,
    IMAP_LIST_RETURN_CHILDREN = 32,
    IMAP_LIST_RETURN_SPECIAL = 64,
    IMAP_LIST_RETURN_STATUS = 128,
    IMAP_LIST_EXTENDED = 256, /* some extended syntax was used */
};
#define IMAP_PATTERNS_MAX 64
struct imap_list_arguments {
    unsigned options;
    struct slice reference;
    struct slice patterns[IMAP_PATTERNS_MAX];
    bool valid[IMAP_PATTERNS_MAX];
    bool reference_valid;
    uint32_t pattern_n;
    unsigned status; /* enum imap_status_item */
};
bool imap_arguments_list(struct imap_lex *l, struct imap_list_arguments *a);
bool imap_arguments_lsub(struct imap_lex *l, struct imap_list_arguments *a);

/* STORE (RFC 7162 §3.1.3) */
struct imap_store_arguments {
    struct imap_set set;
    bool conditional;
    uint64_t unchanged_since;
    enum { IMAP_STORE_REPLACE, IMAP_STORE_ADD, IMAP_STORE_REMOVE } how;
    bool silent;
    struct imap_flag_list list;
};
bool imap_arguments_store(struct imap_lex *l, struct imap_store_arguments *a);

/* APPEND up to the literal of its message: the text ends before `{`, so it ends with a space. */
struct imap_append_arguments {
    struct slice name;
    bool valid;
    struct imap_flag_list list;
    bool has_date;
    struct date date;
};
bool imap_arguments_append(struct imap_lex *l, struct imap_append_arguments *a);
