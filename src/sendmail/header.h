/* The header of a message as programs write it, and the addresses in it. Pure. */
#pragma once
#include "base/arena.h"

#define SENDMAIL_RECIPIENTS_MAX 1000

struct sendmail_header {
    struct slice fields; /* without the "From " line of an mbox; with line ends */
    size_t rest;         /* where the body begins, or the empty line before it */
    bool blank;          /* there is an empty line, or nothing behind the fields */
    bool has_from;
};

/* The header ends at the first line that is no field. False: it does not end in what is given,
 * though that is not all. */
bool sendmail_header_find(struct slice message, bool whole, struct sendmail_header *h);

/* Addresses as commands write them, each once. One without a domain means a user of this machine
 * and is at localhost. */
struct sendmail_list {
    struct arena arena;
    struct slice addresses[SENDMAIL_RECIPIENTS_MAX];
    size_t n;
    bool utf8;        /* one of them is not ASCII */
    bool overflow;    /* one more than SENDMAIL_RECIPIENTS_MAX, or no memory */
    struct slice bad; /* the first field or text that cannot be read; p NULL: none */
};

void sendmail_list_init(struct sendmail_list *l);
void sendmail_list_finish(struct sendmail_list *l);
/* The addresses of a text, as in a To field. */
void sendmail_list_add(struct sendmail_list *l, struct slice text);
/* Those of To, Cc and Bcc; of a resent message, those it is resent to (RFC 5322 §3.6.6). */
void sendmail_list_header(struct sendmail_list *l, struct slice fields);
