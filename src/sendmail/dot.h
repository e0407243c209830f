/* Without -i a line that holds nothing but a dot ends the message. Lines end in LF or CRLF. Pure.
 */
#pragma once
#include "base/slice.h"

struct sendmail_dot {
    enum { SENDMAIL_DOT_START, SENDMAIL_DOT_SEEN, SENDMAIL_DOT_CR, SENDMAIL_DOT_INSIDE } at;
    bool ended;
};

/* Gives what belongs to the message, in pieces, to write(); false: write() said so. Zeroed at the
 * start. What comes when it has ended is not looked at; a dot that waits for its line end when
 * there is no more ends it, too. */
bool sendmail_dot_feed(struct sendmail_dot *d, struct slice in,
    bool (*write)(void *arg, struct slice piece), void *arg);
