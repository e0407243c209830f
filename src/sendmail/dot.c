#include "sendmail/dot.h"

/* One byte behind a dot that begins a line: does it end the message? Else *held is what was kept
 * back. */
static bool decide(struct sendmail_dot *d, char c, struct slice *held)
{
    *held = S("");
    if (c == '\n') {
        d->ended = true;
    } else if (d->at == SENDMAIL_DOT_SEEN && c == '\r') {
        d->at = SENDMAIL_DOT_CR;
    } else {
        *held = d->at == SENDMAIL_DOT_CR ? S(".\r") : S(".");
        d->at = SENDMAIL_DOT_INSIDE;
        return false;
    }
    return true;
}

bool sendmail_dot_feed(struct sendmail_dot *d, struct slice in,
    bool (*write)(void *arg, struct slice piece), void *arg)
{
    struct slice held;
    for (size_t at = 0; at < in.n && !d->ended;) {
        if (d->at == SENDMAIL_DOT_START && in.p[at] == '.') {
            d->at = SENDMAIL_DOT_SEEN;
            at++;
        } else if (d->at == SENDMAIL_DOT_SEEN || d->at == SENDMAIL_DOT_CR) {
            if (decide(d, in.p[at], &held))
                at++;
            else if (!write(arg, held))
                return false;
        } else {
            struct slice rest = slice_from(in, at);
            size_t dot = slice_find_slice(rest, S("\n."));
            if (dot != SLICE_NONE)
                rest.n = dot + 1;
            d->at = rest.p[rest.n - 1] == '\n' ? SENDMAIL_DOT_START : SENDMAIL_DOT_INSIDE;
            at += rest.n;
            if (!write(arg, rest))
                return false;
        }
    }
    return true;
}
