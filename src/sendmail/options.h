/* The command line of sendmail(8), as Postfix's sendmail takes it: what programs rely on is done,
 * what only a daemon or a config of Sendmail's could mean is taken and ignored. Pure. */
#pragma once
#include "base/slice.h"

/* Exit codes (sysexits.h). */
enum sendmail_exit {
    SENDMAIL_OK = 0,
    SENDMAIL_USAGE = 64,
    SENDMAIL_DATA = 65,        /* the message or an address cannot be read */
    SENDMAIL_NO_USER = 67,     /* a recipient does not exist */
    SENDMAIL_UNAVAILABLE = 69, /* refused for another reason */
    SENDMAIL_SOFTWARE = 70,
    SENDMAIL_TRY_AGAIN = 75,
    SENDMAIL_NO_PERMISSION = 77,
    SENDMAIL_CONFIG = 78,
};

#define SENDMAIL_WHY 512

enum sendmail_mode {
    SENDMAIL_POST,    /* -bm: a message comes on stdin */
    SENDMAIL_SMTP,    /* -bs: SMTP on stdin and stdout */
    SENDMAIL_QUEUE,   /* -bp, mailq: the list of the queue */
    SENDMAIL_NOTHING, /* -bi, newaliases; -q, for the queue runs by itself */
};

/* Pointers into argv; NULL: not given. */
struct sendmail_options {
    enum sendmail_mode mode;
    const char *config;               /* -C */
    const char *sender;               /* -f, -r */
    const char *name;                 /* -F */
    const char *notify, *ret, *envid; /* -N, -R, -V */
    bool from_header;                 /* -t */
    bool dot_is_text; /* -i, -oi: a line with a dot alone does not end the message */
    bool verbose;
    char **recipients; /* the rest of argv, moved to its end */
    int recipient_n;
};

/* argv[0] may say mailq or newaliases. SENDMAIL_OK, or SENDMAIL_USAGE and why. */
enum sendmail_exit sendmail_options_parse(
    int argc, char **argv, struct sendmail_options *o, char why[SENDMAIL_WHY]);
