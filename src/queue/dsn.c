#include "queue/dsn.h"
#include "base/utf8.h"
#include "message/compose.h"
#include "message/date.h"
#include "message/header.h"
#include <stdio.h>

#define REPLY_MAX  512
#define WIDTH      72
#define ADDRESS    512
#define LINE_BYTES 998

/* ---- for people ---- */

/* Words of one paragraph, folded, each line behind `indent`. */
static void fold(struct buffer *to, struct slice text, struct slice indent)
{
    size_t column = 0;
    while (text.n) {
        struct slice word = slice_sub(slice_cut(&text, ' '), 0, LINE_BYTES - 40);
        if (!word.n)
            continue;
        if (column && column + 1 + word.n > WIDTH) {
            buffer_add(to, S("\r\n"));
            column = 0;
        }
        buffer_add(to, column ? S(" ") : indent);
        buffer_add(to, word);
        column += (column ? 1 : indent.n) + word.n;
    }
    buffer_add(to, S("\r\n"));
}

static bool all(const struct dsn *d, enum dsn_action action)
{
    for (size_t i = 0; i < d->n; i++)
        if (d->recipients[i].action != action)
            return false;
    return true;
}

static bool any(const struct dsn *d, enum dsn_action action)
{
    for (size_t i = 0; i < d->n; i++)
        if (d->recipients[i].action == action)
            return true;
    return false;
}

static struct slice subject_of(const struct dsn *d)
{
    if (any(d, DSN_FAILED))
        return S("Your message could not be delivered");
    if (all(d, DSN_DELAYED))
        return S("Your message has not been delivered yet");
    return S("Your message was delivered");
}

static struct slice intro_of(enum dsn_action action)
{
    static const char *const intros[] = {
        [DSN_FAILED] = "Your message could not be delivered to the following address. It will not "
                       "be tried again:",
        [DSN_DELAYED] = "Your message could not be delivered to the following address so far. You "
                        "need not do anything: it is tried again by itself:",
        [DSN_DELIVERED] = "Your message was delivered to:",
        [DSN_RELAYED] = "Your message was handed on to the server of the following address, which "
                        "will not report whether it was delivered:",
        [DSN_EXPANDED] = "Your message was handed to the list behind:",
    };
    return slice_str(intros[action]);
}

static struct slice status_of(const struct dsn_recipient *r)
{
    static const char *const statuses[] = {[DSN_FAILED] = "5.0.0",
        [DSN_DELAYED] = "4.0.0",
        [DSN_DELIVERED] = "2.0.0",
        [DSN_RELAYED] = "2.0.0",
        [DSN_EXPANDED] = "2.0.0"};
    char class = r->action == DSN_FAILED ? '5' : r->action == DSN_DELAYED ? '4' : '2';
    bool fits = r->status.n >= 5 && r->status.n <= 9 && r->status.p[0] == class;
    for (size_t i = 0; i < r->status.n && fits; i++)
        fits = ascii_digit(r->status.p[i]) || r->status.p[i] == '.';
    return fits ? r->status : slice_str(statuses[r->action]);
}

static void person(struct buffer *to, const struct dsn *d, const struct dsn_recipient *r)
{
    struct buffer text;
    buffer_init(&text, ADDRESS + REPLY_MAX * 4);
    buffer_add(to, S("  <"));
    dsn_clean(to, r->address, d->utf8, ADDRESS);
    buffer_add(to, S(">\r\n"));
    dsn_clean(&text, r->why.n ? r->why : dsn_words(r->action, status_of(r)), d->utf8, REPLY_MAX);
    if (text.n && text.p[text.n - 1] != '.')
        buffer_add_char(&text, '.');
    fold(to, buffer_slice(&text), S("    "));
    buffer_reset(&text);
    if (r->reply.n) {
        if (r->remote_said && r->remote.n) {
            dsn_clean(&text, r->remote, d->utf8, ADDRESS);
            buffer_add(&text, S(" said: "));
        } else {
            buffer_add(&text, r->remote_said ? S("The server said: ") : S("In detail: "));
        }
        dsn_clean(&text, r->reply, d->utf8, REPLY_MAX);
        fold(to, buffer_slice(&text), S("    "));
    }
    buffer_add(to, S("\r\n"));
    buffer_finish(&text);
}

static void date_line(struct buffer *to, const char *before, int64_t seconds, const char *after)
{
    char text[DATE_TEXT_MAX];
    struct date date = date_from_unix(seconds, 0);
    struct slice s = date_format(&date, text);
    buffer_printf(to, "%s%.*s%s", before, SLICE_ARG(s), after);
}

static void people(struct buffer *to, const struct dsn *d)
{
    buffer_add(to, S("This is the mail server at "));
    dsn_clean(to, d->hostname, false, 255);
    buffer_add(to, S(".\r\n\r\n"));
    for (int action = DSN_FAILED; action <= DSN_EXPANDED; action++) {
        if (!any(d, (enum dsn_action)action))
            continue;
        fold(to, intro_of((enum dsn_action)action), S(""));
        buffer_add(to, S("\r\n"));
        for (size_t i = 0; i < d->n; i++)
            if ((int)d->recipients[i].action == action)
                person(to, d, &d->recipients[i]);
    }
    if (any(d, DSN_DELAYED) && d->retry_until)
        date_line(to, "It is tried until ", d->retry_until, ".\r\n\r\n");
    if (d->original.n)
        buffer_add(to, d->whole ? S("Your message is attached.\r\n")
                                : S("The header of your message is attached.\r\n"));
}

/* ---- for programs: RFC 3464 §2 ---- */

static const char *const actions[] = {[DSN_FAILED] = "failed",
    [DSN_DELAYED] = "delayed",
    [DSN_DELIVERED] = "delivered",
    [DSN_RELAYED] = "relayed",
    [DSN_EXPANDED] = "expanded"};

static bool outside_ascii(struct slice s)
{
    for (size_t i = 0; i < s.n; i++)
        if ((unsigned char)s.p[i] >= 0x80)
            return true;
    return false;
}

static void message_fields(struct buffer *to, const struct dsn *d)
{
    buffer_add(to, S("Reporting-MTA: dns; "));
    dsn_clean(to, d->hostname, false, 255);
    if (d->envid.n) {
        buffer_add(to, S("\r\nOriginal-Envelope-Id: "));
        dsn_xtext(to, d->envid, d->utf8);
    }
    if (d->arrived)
        date_line(to, "\r\nArrival-Date: ", d->arrived, "");
    if (d->deliver_by)
        date_line(to, "\r\nDeliver-By-Date: ", d->deliver_by, "");
    if (d->hold.n) {
        buffer_add(to, S("\r\nFuture-Release-Request: "));
        dsn_clean(to, d->hold, false, DSN_HOLD_MAX);
    }
    buffer_add(to, S("\r\n"));
}

/* "type;xtext", decoded; a utf-8 address in its 7-bit form becomes UTF-8 where the report may hold
 * that (RFC 6533 §4.1), and stays as it is where not. */
static void original_recipient(struct buffer *to, struct slice orcpt, bool utf8)
{
    struct slice rest = orcpt, type = slice_cut(&rest, ';');
    buffer_add(to, S("Original-Recipient: "));
    dsn_clean(to, type, false, 64);
    buffer_add(to, S("; "));
    if (!slice_eq_nocase(type, S("utf-8")) || !utf8) {
        dsn_xtext(to, rest, utf8);
        buffer_add(to, S("\r\n"));
        return;
    }
    while (rest.n) {
        size_t at = slice_find_slice(rest, S("\\x{"));
        struct slice plain = slice_sub(rest, 0, at == SLICE_NONE ? rest.n : at);
        char bytes[4];
        uint32_t code = 0;
        dsn_xtext(to, plain, true);
        rest = slice_from(rest, plain.n);
        if (!rest.n)
            break;
        rest = slice_from(rest, 3);
        struct slice digits = slice_cut(&rest, '}');
        for (size_t i = 0; i < digits.n && i < 6; i++) {
            char c = ascii_lower(digits.p[i]);
            code = code * 16 + (uint32_t)(ascii_digit(c)         ? c - '0'
                                          : c >= 'a' && c <= 'f' ? c - 'a' + 10
                                                                 : 0);
        }
        bool legal = code && code < 0x110000 && (code < 0xd800 || code > 0xdfff);
        dsn_clean(to, slice(bytes, utf8_put(legal ? code : '?', bytes)), true, 8);
    }
    buffer_add(to, S("\r\n"));
}

static void recipient_fields(struct buffer *to, const struct dsn *d, const struct dsn_recipient *r)
{
    struct slice status = status_of(r), remote = r->remote;
    bool utf8 = d->utf8 && outside_ascii(r->address);
    buffer_add(to, S("\r\n"));
    if (r->orcpt.n)
        original_recipient(to, r->orcpt, d->utf8);
    buffer_printf(to, "Final-Recipient: %s; ", utf8 ? "utf-8" : "rfc822");
    dsn_clean(to, r->address, d->utf8, ADDRESS);
    buffer_printf(to, "\r\nAction: %s\r\nStatus: %.*s\r\n", actions[r->action], SLICE_ARG(status));
    if (r->remote_said && remote.n) {
        buffer_add(to, S("Remote-MTA: dns; "));
        dsn_clean(to, slice_cut(&remote, ' '), false, 255);
        buffer_add(to, S("\r\n"));
    }
    if (r->remote_said && r->reply.n) {
        struct buffer text;
        buffer_init(&text, REPLY_MAX + 8);
        dsn_clean(&text, r->reply, d->utf8, REPLY_MAX);
        buffer_add(to, S("Diagnostic-Code: smtp; "));
        buffer_add(to, slice_sub(buffer_slice(&text), 0, LINE_BYTES - 40));
        buffer_add(to, S("\r\n"));
        buffer_finish(&text);
    }
    if (r->attempted)
        date_line(to, "Last-Attempt-Date: ", r->attempted, "\r\n");
    if (r->action == DSN_DELAYED && d->retry_until)
        date_line(to, "Will-Retry-Until: ", d->retry_until, "\r\n");
}

/* ---- the whole ---- */

static struct slice original_of(const struct dsn *d)
{
    struct slice s = slice_sub(d->original, 0, DSN_ORIGINAL_MAX);
    if (d->whole)
        return s;
    s = slice_sub(s, 0, header_end(s));
    return slice_sub(s, 0, DSN_HEADER_MAX);
}

/* Lines end in CRLF, whatever was there; NUL goes. A header that was cut ends with a whole line. */
static void add_original(struct buffer *to, struct slice s, bool whole)
{
    if (!whole && s.n == DSN_HEADER_MAX) {
        size_t end = slice_rfind(s, '\n');
        s = slice_sub(s, 0, end == SLICE_NONE ? s.n : end + 1);
    }
    while (s.n) {
        size_t line = slice_find(s, '\n');
        struct slice one = slice_sub(s, 0, line == SLICE_NONE ? s.n : line);
        s = slice_from(s, line == SLICE_NONE ? s.n : line + 1);
        for (size_t i = 0, from = 0; i <= one.n; i++)
            if (i == one.n || one.p[i] == '\r' || one.p[i] == '\0') {
                buffer_add(to, slice_sub(one, from, i - from));
                from = i + 1;
            }
        buffer_add(to, S("\r\n"));
    }
}

static void head(struct buffer *to, const struct dsn *d, struct slice boundary, bool eight)
{
    char from[300];
    struct slice host = slice_sub(d->hostname, 0, 255);
    int n = snprintf(from, sizeof from, "MAILER-DAEMON@%.*s", SLICE_ARG(host));
    const struct compose_mailbox sender = {S("Mail Delivery System"), slice(from, (size_t)n)};
    const struct compose_mailbox recipient = {S(""), d->to};
    compose_mailboxes(to, S("From"), &sender, 1);
    compose_mailboxes(to, S("To"), &recipient, 1);
    compose_text(to, S("Subject"), subject_of(d));
    compose_date(to, S("Date"), d->now, 0);
    compose_message_id(to, d->id, d->hostname);
    buffer_add(to, S("Auto-Submitted: auto-replied\r\n")); /* RFC 3834 §5 */
    buffer_printf(to,
        "MIME-Version: 1.0\r\n"
        "Content-Type: multipart/report; report-type=%s;\r\n boundary=\"%.*s\"\r\n",
        d->utf8 ? "global-delivery-status" : "delivery-status", SLICE_ARG(boundary));
    if (eight)
        buffer_add(to, S("Content-Transfer-Encoding: 8bit\r\n"));
    buffer_add(to, S("\r\n"));
}

static void part(struct buffer *to, struct slice boundary, const char *type, bool eight)
{
    buffer_printf(to, "\r\n--%.*s\r\nContent-Type: %s\r\n", SLICE_ARG(boundary), type);
    if (eight)
        buffer_add(to, S("Content-Transfer-Encoding: 8bit\r\n"));
    buffer_add(to, S("\r\n"));
}

bool dsn_compose(struct buffer *to, const struct dsn *d)
{
    char boundary_room[64];
    struct slice original = original_of(d), boundary, unique = slice_sub(d->id, 0, 32);
    bool eight = d->utf8 || outside_ascii(original);
    boundary.p = boundary_room;
    boundary.n =
        (size_t)snprintf(boundary_room, sizeof boundary_room, "=_report_%.*s", SLICE_ARG(unique));
    head(to, d, boundary, eight);
    part(to, boundary, "text/plain; charset=utf-8", d->utf8);
    people(to, d);
    part(to, boundary, d->utf8 ? "message/global-delivery-status" : "message/delivery-status",
        d->utf8);
    message_fields(to, d);
    for (size_t i = 0; i < d->n; i++)
        recipient_fields(to, d, &d->recipients[i]);
    if (original.n) {
        bool original_eight = outside_ascii(original);
        const char *type = d->whole  ? (d->utf8 ? "message/global" : "message/rfc822")
                           : d->utf8 ? "message/global-headers"
                                     : "text/rfc822-headers";
        part(to, boundary, type, original_eight);
        add_original(to, original, d->whole);
    }
    buffer_printf(to, "\r\n--%.*s--\r\n", SLICE_ARG(boundary));
    return !to->overflow;
}
