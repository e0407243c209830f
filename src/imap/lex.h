/* A parser's place in the text of a command, without its last CRLF; literals stand in it as they
 * were sent: `{3}` CRLF and three bytes. Takers answer yes or no, move only on yes, and set `why`
 * on no. What a taker gives lies in the text or in the arena. */
#pragma once
#include "base/arena.h"
#include "imap/set.h"
#include "message/date.h"

#define IMAP_DEPTH_MAX  100 /* parentheses */
#define IMAP_STRING_MAX ((size_t)128 * 1024)

struct imap_lex {
    struct slice all;
    size_t at;
    struct arena *arena;
    const char *why; /* static */
};

struct imap_lex imap_lex(struct slice text, struct arena *arena);
bool imap_lex_end(const struct imap_lex *l);
int imap_lex_peek(const struct imap_lex *l); /* -1 at the end */
bool imap_lex_char(struct imap_lex *l, char c);
bool imap_lex_space(struct imap_lex *l);  /* exactly one */
bool imap_lex_more(struct imap_lex *l);   /* one, if there is one; says nothing */
bool imap_lex_finish(struct imap_lex *l); /* the end, or why */
/* Sets why, returns false. */
bool imap_lex_fault(struct imap_lex *l, const char *why);
/* These letters, in any case, and nothing of an atom behind them. */
bool imap_lex_word(struct imap_lex *l, struct slice word);
bool imap_lex_tag(struct imap_lex *l, struct slice *tag);
bool imap_lex_atom(struct imap_lex *l, struct slice *atom);
bool imap_lex_number(struct imap_lex *l, uint32_t *value);   /* 0 to 2^32-1 */
bool imap_lex_number64(struct imap_lex *l, uint64_t *value); /* 0 to 2^63-1 */
/* Quoted or literal; quoted without NUL, CR, LF. 8-bit is taken in both. */
bool imap_lex_string(struct imap_lex *l, struct slice *string);
bool imap_lex_astring(struct imap_lex *l, struct slice *string);
/* p == NULL: NIL */
bool imap_lex_nstring(struct imap_lex *l, struct slice *string);
bool imap_lex_set(struct imap_lex *l, struct imap_set *set);
/* A mailbox name, decoded from modified UTF-7, not yet normalised. Taken is also what no name can
 * be: `valid` is false then, and the command gets NO, not BAD. */
bool imap_lex_mailbox(struct imap_lex *l, struct slice *name, bool *valid);
/* list-mailbox: also % and *. Decoded likewise. */
bool imap_lex_pattern(struct imap_lex *l, struct slice *pattern, bool *valid);
bool imap_lex_day(struct imap_lex *l, struct date *day);        /* with or without quotes */
bool imap_lex_date_time(struct imap_lex *l, struct date *date); /* with quotes */

/* One flag: a system flag, or a keyword. */
struct imap_flag_list {
    uint8_t flags;          /* enum mailbox_flag */
    struct slice *keywords; /* names, in the arena, no repeats */
    uint32_t keyword_n;
    struct slice unknown; /* the first system flag that is none of ours; p NULL: no such */
};
/* `(\Seen $Forwarded)`; bare: also without parentheses. \Recent is passed over; an unknown
 * \Flag is told in `unknown`, for a NO. More than 64 keywords: false. */
bool imap_lex_flags(struct imap_lex *l, bool bare, struct imap_flag_list *list);
