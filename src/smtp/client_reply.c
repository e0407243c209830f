/* Replies as a client reads them (RFC 5321 §4.2): bounded, cleaned, classified. */
#include "smtp/client_private.h"

deadline smtp_client_soon(const struct smtp_client *c, enum smtp_stage stage, deadline until)
{
    /* RFC 5321 §4.5.3.2 */
    static const int minutes[SMTP_STAGES] = {
        [SMTP_AT_DATA] = 2, [SMTP_AT_BODY] = 3, [SMTP_AT_END] = 10};
    int64_t ns = c->options.timeouts[stage];
    if (ns <= 0)
        ns = (minutes[stage] ? minutes[stage] : 5) * 60 * CLOCK_SEC;
    return deadline_min(until, deadline_in(ns));
}

enum answer smtp_client_fail(struct smtp_client *c, enum answer a, enum smtp_stage stage,
    const char *enhanced, const char *words)
{
    struct smtp_reply *r = &c->outcome.reply;
    c->outcome.answer = a;
    c->outcome.stage = stage;
    *r = (struct smtp_reply){0};
    if (enhanced)
        slice_to_cstr(slice_str(enhanced), r->enhanced, sizeof r->enhanced);
    answer_clean(slice_str(words), r->text, sizeof r->text);
    if (a != ANSWER_UNSUPPORTED)
        c->dead = true;
    return a;
}

enum answer smtp_client_broken(struct smtp_client *c, enum channel_result r, enum smtp_stage stage)
{
    const char *words = r == CHANNEL_TIMEOUT     ? "no reply in time"
                        : r == CHANNEL_CANCELLED ? "cancelled"
                        : r == CHANNEL_INPUT     ? "a reply before its command"
                                                 : channel_error(c->channel);
    return smtp_client_fail(c, answer_of(r), stage, NULL, words);
}

enum answer smtp_client_ready(struct smtp_client *c, enum smtp_stage stage)
{
    if (c->dead)
        return smtp_client_fail(c, ANSWER_LOST, stage, NULL, "the connection is over");
    enum channel_result r = channel_poll(c->channel);
    struct slice unread = channel_unread(c->channel);
    if (unread.n && !slice_starts(S("421"), slice_sub(unread, 0, 3)))
        return smtp_client_broken(c, CHANNEL_INPUT, stage);
    return r == CHANNEL_OK || unread.n ? ANSWER_OK : smtp_client_broken(c, r, stage);
}

/* ---- one reply ---- */

struct line {
    unsigned code;
    bool last;
    struct slice text;
};

/* Three digits, then a blank, a hyphen or nothing; servers that leave out the blank exist. */
static bool parse_line(struct slice s, struct line *line)
{
    if (s.n < 3 || s.p[0] < '2' || s.p[0] > '5' || !ascii_digit(s.p[1]) || !ascii_digit(s.p[2]))
        return false;
    if (s.n > 3 && s.p[3] != ' ' && s.p[3] != '-')
        return false;
    line->code = (unsigned)((s.p[0] - '0') * 100 + (s.p[1] - '0') * 10 + s.p[2] - '0');
    line->last = s.n == 3 || s.p[3] == ' ';
    line->text = slice_from(s, 4);
    return true;
}

/* Takes "5.1.1" off the front when it is an enhanced code of this class (RFC 2034 §4, RFC 3463 §2).
 */
static struct slice take_enhanced(struct slice *text, unsigned class)
{
    struct slice word = *text;
    struct slice rest = word;
    struct slice code = slice_cut(&rest, ' ');
    struct slice parts = code, none = {0};
    uint64_t number;
    for (int i = 0; i < 3; i++) {
        struct slice part = slice_cut(&parts, '.');
        if (part.n > 3 || !slice_to_u64(part, 999, &number) || (i == 0 && number != class))
            return none;
    }
    if (parts.n || code.p[code.n - 1] == '.')
        return none;
    *text = rest;
    return code;
}

static void add_line(struct smtp_reply *reply, struct slice text, bool first)
{
    size_t n = strlen(reply->text);
    struct slice enhanced = take_enhanced(&text, reply->code / 100);
    if (first && enhanced.n)
        slice_to_cstr(enhanced, reply->enhanced, sizeof reply->enhanced);
    if (n + 1 >= sizeof reply->text)
        return;
    if (!first)
        reply->text[n++] = '\n';
    answer_clean(text, reply->text + n, sizeof reply->text - n);
}

enum answer smtp_client_reply(struct smtp_client *c, enum smtp_stage stage,
    struct smtp_reply *reply, smtp_client_each each, void *arg, deadline until)
{
    *reply = (struct smtp_reply){0};
    until = smtp_client_soon(c, stage, until);
    channel_set_limit(c->channel, SMTP_CLIENT_REPLY);
    for (unsigned i = 0; i < SMTP_CLIENT_LINES; i++) {
        struct slice text;
        struct line line;
        enum channel_result r =
            channel_line(c->channel, SMTP_CLIENT_LINE, CHANNEL_CUT, &text, until);
        if (r != CHANNEL_OK)
            return smtp_client_broken(c, r, stage);
        if (!parse_line(text, &line) || (i && line.code != reply->code))
            return smtp_client_fail(c, ANSWER_PROTOCOL, stage, NULL, "a reply that is not SMTP");
        reply->code = (uint16_t)line.code;
        add_line(reply, line.text, i == 0);
        if (each)
            each(arg, line.text);
        if (line.last)
            return ANSWER_OK;
    }
    return smtp_client_fail(c, ANSWER_PROTOCOL, stage, NULL, "a reply without an end");
}

enum answer smtp_client_judge(
    struct smtp_client *c, enum smtp_stage stage, const struct smtp_reply *reply, unsigned class)
{
    unsigned is = reply->code / 100;
    if (reply->code == 421) /* RFC 5321 §3.8: whenever it comes, the server closes */
        c->dead = true;
    if (is == class)
        return ANSWER_OK;
    if (is != 4 && is != 5)
        return smtp_client_fail(
            c, ANSWER_PROTOCOL, stage, NULL, "a reply that does not belong to its command");
    c->outcome.answer = is == 4 ? ANSWER_TEMPORARY : ANSWER_PERMANENT;
    c->outcome.stage = stage;
    c->outcome.reply = *reply;
    return c->outcome.answer;
}

enum answer smtp_client_flush(struct smtp_client *c, enum smtp_stage stage, deadline until)
{
    enum channel_result r = channel_flush(c->channel, smtp_client_soon(c, stage, until));
    if (r == CHANNEL_BROKEN && channel_unread(c->channel).n)
        return ANSWER_OK; /* a 421 before it went away says more */
    return r == CHANNEL_OK ? ANSWER_OK : smtp_client_broken(c, r, stage);
}

enum answer smtp_client_ask(
    struct smtp_client *c, enum smtp_stage stage, unsigned class, deadline until)
{
    struct smtp_reply reply;
    enum answer a = smtp_client_flush(c, stage, until);
    if (a == ANSWER_OK)
        a = smtp_client_reply(c, stage, &reply, NULL, NULL, until);
    return a == ANSWER_OK ? smtp_client_judge(c, stage, &reply, class) : a;
}
