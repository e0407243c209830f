/* What FETCH asks for (RFC 9051 §6.4.5, RFC 3501 for RFC822.*, RFC 7162 §3.1.4). */
#pragma once
#include "imap/lex.h"

enum imap_item {
    IMAP_ITEM_FLAGS = 1,
    IMAP_ITEM_UID = 2,
    IMAP_ITEM_INTERNALDATE = 4,
    IMAP_ITEM_SIZE = 8, /* RFC822.SIZE */
    IMAP_ITEM_ENVELOPE = 16,
    IMAP_ITEM_BODYSTRUCTURE = 32,
    IMAP_ITEM_BODY = 64, /* without extension data */
    IMAP_ITEM_MODSEQ = 128,
};

enum imap_section_kind {
    IMAP_SECTION_ALL,    /* BODY[], BODY[1.2], RFC822 */
    IMAP_SECTION_HEADER, /* HEADER, RFC822.HEADER */
    IMAP_SECTION_FIELDS,
    IMAP_SECTION_FIELDS_NOT,
    IMAP_SECTION_TEXT, /* TEXT, RFC822.TEXT */
    IMAP_SECTION_MIME,
};

#define IMAP_PATH_MAX 128 /* numbers in a section */

struct imap_section {
    enum imap_section_kind kind;
    uint32_t *path; /* part numbers */
    uint32_t path_n;
    struct slice *fields; /* names */
    uint32_t field_n;
    bool peek;
    bool partial; /* <offset.length> */
    uint32_t offset, length;
    struct slice label; /* as it is said in the reply: `BODY[HEADER.FIELDS (FROM)]<0>`, `RFC822` */
};

#define IMAP_SECTIONS_MAX 100 /* of one FETCH */

struct imap_items {
    unsigned items;
    struct imap_section *sections;
    uint32_t section_n;
    bool since; /* (CHANGEDSINCE n) */
    uint64_t changed_since;
    bool vanished;
};
/* ALL, FAST, FULL, one item or a list in parentheses, then fetch modifiers: from the space behind
 * the set to the end. VANISHED without CHANGEDSINCE is refused here, without UID or QRESYNC it is
 * the caller's to refuse. */
bool imap_items_parse(struct imap_lex *l, struct imap_items *items);
