#include "admin/story.h"
#include "base/utf8.h"
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define TIME_TEXT 32

void story_clean(char *text)
{
    struct slice rest = slice_str(text);
    while (rest.n) {
        char *at = text + (rest.p - text);
        if (utf8_control(utf8_take(&rest)))
            memset(at, '?', (size_t)(rest.p - at));
    }
}

/* A text of the row; "" when there is none. */
static const char *text(const json_t *row, const char *key)
{
    const char *value = json_string_value(json_object_get(row, key));
    return value ? value : "";
}

static long long number(const json_t *row, const char *key)
{
    return (long long)json_integer_value(json_object_get(row, key));
}

static bool is(const char *a, const char *b)
{
    return !strcmp(a, b);
}

/* RFC 3339 in UTC to local time. */
static bool local_time(const char *utc, struct tm *local)
{
    struct tm tm = {0};
    const char *end = strptime(utc, "%Y-%m-%dT%H:%M:%SZ", &tm);
    time_t at = end && !*end ? timegm(&tm) : -1;
    return at != -1 && localtime_r(&at, local);
}

static void put_time(struct buffer *out, const char *utc)
{
    char written[TIME_TEXT] = "?";
    struct tm tm;
    if (local_time(utc, &tm))
        strftime(written, sizeof written, "%Y-%m-%d %H:%M:%S", &tm);
    buffer_add(out, slice_str(written));
}

/* "09:36", with its day when that is another one. */
static void put_next(struct buffer *out, const json_t *row)
{
    char written[TIME_TEXT] = "?";
    struct tm now, next;
    if (!local_time(text(row, "next"), &next))
        return;
    bool today = local_time(text(row, "time"), &now) && now.tm_yday == next.tm_yday &&
                 now.tm_year == next.tm_year;
    strftime(written, sizeof written, today ? "%H:%M" : "%Y-%m-%d %H:%M", &next);
    buffer_printf(out, "; next try %s", written);
}

/* Nothing when it is empty. */
static void put_if(struct buffer *out, const char *before, const char *value, const char *behind)
{
    if (*value)
        buffer_printf(out, "%s%s%s", before, value, behind);
}

/* A server's reply begins with its code, else the words are ours. */
static void put_words(struct buffer *out, const json_t *row)
{
    const char *remote = text(row, "remote"), *reply = text(row, "reply");
    bool said = ascii_digit(reply[0]) && ascii_digit(reply[1]);
    if (*remote && *reply)
        buffer_printf(out, "%s%s %s", remote, said ? " said:" : ":", reply);
    else
        buffer_printf(out, "%s", *reply ? reply : *remote ? remote : "no reason is known");
    if (!said)
        put_if(out, " (", text(row, "status"), ")");
}

static void put_reply(struct buffer *out, const json_t *row)
{
    const char *status = text(row, "status");
    if (number(row, "code"))
        buffer_printf(out, "%lld ", number(row, "code"));
    buffer_printf(out, "%s%s%s", status, *status ? " " : "", text(row, "reply"));
}

static void put_client(struct buffer *out, const json_t *row)
{
    buffer_printf(out, "%s", *text(row, "peer") ? text(row, "peer") : "a local client");
    put_if(out, " (", text(row, "helo"), ")");
    put_if(out, ", logged in as ", text(row, "login"), "");
}

/* ---- events ---- */

static void accepted(struct buffer *out, const json_t *row)
{
    buffer_add(out, S("accepted from "));
    put_client(out, row);
    put_if(out, " by ", text(row, "protocol"), "");
    put_if(out, ", ", text(row, "tls"), "");
    if (number(row, "recipients") > 1)
        buffer_printf(out, ", for %lld recipients", number(row, "recipients"));
}

static void refused(struct buffer *out, const json_t *row)
{
    bool one = *text(row, "recipient");
    buffer_add(out, S("REFUSED "));
    if (one)
        buffer_printf(out, "for %s ", text(row, "recipient"));
    buffer_add(out, S("from "));
    put_client(out, row);
    buffer_add(out, S(": "));
    put_reply(out, row);
}

static void unknown(struct buffer *out, const json_t *row)
{
    buffer_add(out, S("the store failed while it was taken: no reply was given to "));
    put_client(out, row);
    buffer_add(out, S(", who will send it again"));
}

static void recipient(struct buffer *out, const json_t *row)
{
    buffer_printf(out, "recipient %s accepted", text(row, "recipient"));
}

static void stored(struct buffer *out, const json_t *row)
{
    buffer_printf(
        out, "put into the mailbox of %s (%s)", text(row, "account"), text(row, "mailbox"));
}

static void queued(struct buffer *out, const json_t *row)
{
    const char *what = text(row, "what");
    if (is(what, "forwarded")) {
        buffer_printf(out, "sent on by %s to %s, queued as %s", text(row, "alias"),
            text(row, "recipient"), text(row, "queue"));
        put_if(out, ", from ", text(row, "sender"), "");
        return;
    }
    buffer_printf(out, "%squeued for %s%s as %s",
        is(what, "report")      ? "a report to the sender was "
        : !*text(row, "sender") ? "without a sender, "
                                : "",
        text(row, "recipient"), is(what, "held") ? " and held" : "", text(row, "queue"));
    if (!is(what, "report"))
        put_if(out, ", from ", text(row, "sender"), "");
}

static void attempt(struct buffer *out, const json_t *row)
{
    const char *what = text(row, "what"), *to = text(row, "recipient");
    if (is(what, "deferred"))
        buffer_printf(out, "not yet delivered to %s: ", to);
    else if (is(what, "failed"))
        buffer_printf(out, "FAILED for %s: ", to);
    else
        buffer_printf(out, "delivered to %s: ", to);
    put_words(out, row);
    put_if(out, " (", text(row, "tls"), ")");
    put_next(out, row);
}

static void unreachable(struct buffer *out, const json_t *row)
{
    buffer_printf(out, "%s cannot be reached: ", text(row, "route"));
    put_words(out, row);
    put_next(out, row);
}

static void expired(struct buffer *out, const json_t *row)
{
    if (is(text(row, "what"), "administrator"))
        buffer_printf(out, "FAILED for %s: taken out of the queue by the administrator",
            text(row, "recipient"));
    else {
        buffer_printf(out,
            "FAILED for %s: it could not be delivered in time; at last: ", text(row, "recipient"));
        put_words(out, row);
    }
}

static void report(struct buffer *out, const json_t *row)
{
    const char *what = text(row, "what"), *to = text(row, "recipient"), *alias = text(row, "alias");
    /* The sender of what an alias sends on is an address of ours (SRS). */
    if (*alias && !strncmp(to, "SRS", 3))
        buffer_printf(out, "not the sender but whoever answers for %s", alias);
    else
        buffer_printf(out, "the sender %s", to);
    buffer_printf(out, " was told that it %s",
        is(what, "failure") ? "failed"
        : is(what, "delay") ? "is delayed"
                            : "was delivered");
    put_if(out, ", in the mailbox of ", text(row, "account"), "");
}

static void held(struct buffer *out, const json_t *row)
{
    buffer_printf(out, "held back for %s by the administrator", text(row, "recipient"));
}

static void released(struct buffer *out, const json_t *row)
{
    buffer_printf(out, "released for %s by the administrator", text(row, "recipient"));
}

static void retried(struct buffer *out, const json_t *row)
{
    buffer_printf(out, "to be tried at once for %s: the administrator", text(row, "recipient"));
}

static void removed(struct buffer *out, const json_t *row)
{
    buffer_printf(out, "REMOVED from the queue for %s by the administrator; nobody was told",
        text(row, "recipient"));
}

static void fetched(struct buffer *out, const json_t *row)
{
    buffer_printf(out, "first fetched by %s over %s from %s", text(row, "account"),
        is(text(row, "protocol"), "pop3") ? "POP3" : "IMAP", text(row, "peer"));
}

static void loop(struct buffer *out, const json_t *row)
{
    buffer_printf(
        out, "NOT sent on by %s: it has been there before, this is a loop", text(row, "alias"));
}

static void host(struct buffer *out, const json_t *row)
{
    buffer_printf(out, "on the way to %s: ", text(row, "route"));
    put_words(out, row);
}

static const struct {
    const char *event;
    void (*tell)(struct buffer *out, const json_t *row);
} events[] = {
    {"accepted", accepted},
    {"refused", refused},
    {"unknown", unknown},
    {"recipient", recipient},
    {"stored", stored},
    {"queued", queued},
    {"attempt", attempt},
    {"unreachable", unreachable},
    {"expired", expired},
    {"report", report},
    {"held", held},
    {"released", released},
    {"retried", retried},
    {"removed", removed},
    {"fetched", fetched},
    {"loop", loop},
    {"host", host},
};

/* ---- lines ---- */

static void begin_message(struct story *s, const json_t *row, struct buffer *out)
{
    const char *sender = text(row, "sender");
    bool known = is(text(row, "event"), "accepted") || is(text(row, "event"), "refused");
    snprintf(s->id, sizeof s->id, "%s", text(row, "id"));
    buffer_printf(out, "%sMessage %s", s->begun ? "\n" : "", s->id);
    if (known)
        buffer_printf(out, " from %s", *sender ? sender : "<>");
    if (known)
        put_if(out, " to ", text(row, "recipient"), number(row, "recipients") > 1 ? " ..." : "");
    if (number(row, "size"))
        buffer_printf(out, ", %lld bytes", number(row, "size"));
    put_if(out, ", Message-ID <", text(row, "message_id"), ">");
    buffer_add_char(out, '\n');
    s->begun = true;
}

static void clean_row(json_t *row)
{
    for (void *at = json_object_iter(row); at; at = json_object_iter_next(row, at)) {
        json_t *value = json_object_iter_value(at);
        char *copy =
            json_is_string(value) ? slice_to_new(slice_str(json_string_value(value))) : NULL;
        if (copy)
            story_clean(copy);
        if (copy)
            json_string_set_nocheck(value, copy);
        free(copy);
    }
}

void story_tell(struct story *s, json_t *row, struct buffer *out)
{
    clean_row(row);
    const char *event = text(row, "event");
    if (is(event, "more")) {
        buffer_add(out, S("\nThere is more: see --limit and --since.\n"));
        return;
    }
    if (!s->begun || strncmp(s->id, text(row, "id"), sizeof s->id - 1) != 0)
        begin_message(s, row, out);
    buffer_add(out, S("  "));
    put_time(out, text(row, "time"));
    buffer_add_char(out, ' ');
    for (size_t i = 0; i < sizeof events / sizeof *events; i++)
        if (is(event, events[i].event))
            events[i].tell(out, row);
    buffer_add_char(out, '\n');
}
