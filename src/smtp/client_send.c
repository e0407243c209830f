/* One transaction: the envelope, in groups of commands where the server pipelines (RFC 2920). */
#include "base/clock.h"
#include "base/cursor.h"
#include "smtp/client_private.h"
#include "smtp/path.h"

#define PARAMETER_MAX 512       /* of ORCPT and ENVID (RFC 3461 §4) */
#define BY_MAX        999999999 /* s, either way (RFC 2852 §4) */

/* ---- may it be said? ---- */

static bool printable(struct slice s)
{
    for (size_t i = 0; i < s.n; i++)
        if (s.p[i] <= 32 || s.p[i] >= 127)
            return false;
    return s.n <= PARAMETER_MAX;
}

/* An address that goes between < and > as it is, and nothing else. NULL, or the enhanced code of
 * what is wrong. */
static const char *check_address(
    const struct smtp_client_mail *m, struct slice address, enum smtp_path_kind kind)
{
    char text[2 * SMTP_PATH_MAX];
    struct smtp_path path;
    if (address.n > sizeof text - 2)
        return "5.1.3";
    text[0] = '<';
    memcpy(text + 1, address.p, address.n);
    text[address.n + 1] = '>';
    struct cursor at = cursor(slice(text, address.n + 2));
    if (smtp_path_take(&at, kind, &path) != SMTP_PATH_OK || !cursor_end(&at))
        return kind == SMTP_REVERSE ? "5.1.7" : "5.1.3";
    return path.utf8 && !m->message->utf8 ? "5.6.7" : NULL;
}

static enum answer unsupported(struct smtp_client_mail *m, const char *code, const char *words)
{
    return smtp_client_fail(m->c, ANSWER_UNSUPPORTED, SMTP_AT_MAIL, code, words);
}

/* RFC 2852 §4.1.4: what is left, as near to MAIL as can be. */
static int64_t time_left(const struct smtp_send *s)
{
    int64_t left = s->deliver_by - clock_wall() / 1000000;
    return left > BY_MAX ? BY_MAX : left < -BY_MAX ? -BY_MAX : left;
}

/* What the sender demands of every server on the way. */
static enum answer check_demands(struct smtp_client_mail *m)
{
    const struct smtp_send *s = m->message;
    const struct smtp_offer *o = &m->c->offer;
    if (s->require_tls && !o->require_tls && s->sender.n) /* RFC 8689 §4.2.1 */
        return unsupported(m, "5.7.30", "the server does not offer REQUIRETLS");
    if (!s->deliver_by || !s->by_return)
        return ANSWER_OK;
    int64_t left = time_left(s);
    if (left <= 0)
        return unsupported(m, "5.4.7", "the time in which to deliver the message is over");
    if (!o->deliver_by) /* RFC 2852 §4.1.4.1 */
        return unsupported(m, "5.3.3", "the server does not offer DELIVERBY");
    if ((uint64_t)left < o->by_min)
        return unsupported(
            m, "5.3.3", "the server wants more time for the message than the sender gives");
    return ANSWER_OK;
}

static enum answer check_message(struct smtp_client_mail *m)
{
    const struct smtp_send *s = m->message;
    const struct smtp_offer *o = &m->c->offer;
    const char *code = s->sender.n ? check_address(m, s->sender, SMTP_REVERSE) : NULL;
    if (code || !printable(s->envid) || !printable(s->ret))
        return unsupported(m, code ? code : "5.5.4", "the sender cannot be sent as it is");
    if (s->utf8 && !o->smtputf8) /* RFC 6531 §3.4 */
        return unsupported(m, "5.6.7", "the server does not offer SMTPUTF8");
    if (s->eight_bit && !o->eight_bit_mime) /* RFC 6152 §3 */
        return unsupported(m, "5.6.3", "the server does not offer 8BITMIME");
    if (s->size && o->size_max && s->size > o->size_max) /* RFC 1870 §6.1 */
        return unsupported(m, "5.3.4", "the message is larger than the server takes");
    return check_demands(m);
}

/* ---- outcomes ---- */

static bool undecided(const struct smtp_send_recipient *r)
{
    return r->outcome.stage == SMTP_STAGES || smtp_client_accepted(r);
}

enum answer smtp_client_spread(struct smtp_client_mail *m, enum answer a)
{
    for (size_t i = 0; i < m->n; i++)
        if (undecided(&m->recipients[i]))
            m->recipients[i].outcome = m->c->outcome;
    return a;
}

/* Those whose address cannot be said are out before it begins. */
static void sort_out(struct smtp_client_mail *m)
{
    for (size_t i = 0; i < m->n; i++) {
        struct smtp_send_recipient *r = &m->recipients[i];
        const char *code = check_address(m, r->address, SMTP_FORWARD);
        r->outcome = (struct smtp_outcome){.answer = ANSWER_LOST, .stage = SMTP_STAGES};
        if (!code && printable(r->notify) && printable(r->orcpt))
            continue;
        smtp_client_fail(m->c, ANSWER_UNSUPPORTED, SMTP_AT_RCPT, code ? code : "5.5.4",
            "the recipient cannot be sent as it is");
        r->outcome = m->c->outcome;
    }
}

/* ---- commands ---- */

static void put_parameter(struct channel *c, struct slice name, struct slice value)
{
    if (!value.n)
        return;
    channel_put(c, name);
    channel_put(c, value);
}

static void put_mail(struct smtp_client_mail *m)
{
    const struct smtp_send *s = m->message;
    const struct smtp_offer *o = &m->c->offer;
    struct channel *c = m->c->channel;
    channel_put(c, S("MAIL FROM:<"));
    channel_put(c, s->sender);
    channel_put(c, S(">"));
    if (s->size && o->size)
        channel_printf(c, " SIZE=%llu", (unsigned long long)s->size);
    if (s->eight_bit)
        channel_put(c, S(" BODY=8BITMIME"));
    if (s->utf8)
        channel_put(c, S(" SMTPUTF8"));
    if (o->dsn) {
        put_parameter(c, S(" RET="), s->ret);
        put_parameter(c, S(" ENVID="), s->envid);
    }
    if (s->require_tls && o->require_tls)
        channel_put(c, S(" REQUIRETLS"));
    if (s->priority && o->mt_priority)
        channel_printf(c, " MT-PRIORITY=%d", s->priority);
    if (s->deliver_by && o->deliver_by)
        channel_printf(c, " BY=%lld;%s%s", (long long)time_left(s), s->by_return ? "R" : "N",
            s->by_trace ? "T" : "");
    channel_put(c, S("\r\n"));
}

static void put_rcpt(struct smtp_client_mail *m, const struct smtp_send_recipient *r)
{
    struct channel *c = m->c->channel;
    channel_put(c, S("RCPT TO:<"));
    channel_put(c, r->address);
    channel_put(c, S(">"));
    if (m->c->offer.dsn) {
        put_parameter(c, S(" NOTIFY="), r->notify);
        put_parameter(c, S(" ORCPT="), r->orcpt);
    }
    channel_put(c, S("\r\n"));
}

/* ---- replies ---- */

static enum answer read_rcpt(struct smtp_client_mail *m, struct smtp_send_recipient *r)
{
    struct smtp_outcome o = {.stage = SMTP_AT_RCPT};
    enum answer a = smtp_client_reply(m->c, SMTP_AT_RCPT, &o.reply, NULL, NULL, m->until);
    if (a == ANSWER_OK)
        a = smtp_client_judge(m->c, SMTP_AT_RCPT, &o.reply, 2);
    if (m->c->dead)
        return a;
    o.answer = a;
    r->outcome = o;
    m->accepted += a == ANSWER_OK;
    return a;
}

/* What belongs to the commands of one group, in their order. */
struct group {
    size_t from, to;
    bool mail, data;
};

static void put_group(struct smtp_client_mail *m, const struct group *g)
{
    if (g->mail)
        put_mail(m);
    for (size_t i = g->from; i < g->to; i++)
        if (undecided(&m->recipients[i]))
            put_rcpt(m, &m->recipients[i]);
    if (g->data)
        channel_put(m->c->channel, S("DATA\r\n"));
}

/* 354 although nobody is there to get it (RFC 2920 §3.1): an empty message. */
static enum answer send_nothing(struct smtp_client_mail *m)
{
    struct smtp_outcome before = m->c->outcome;
    struct smtp_reply reply;
    channel_put(m->c->channel, S(".\r\n"));
    enum answer a = smtp_client_flush(m->c, SMTP_AT_END, m->until);
    if (a == ANSWER_OK)
        a = smtp_client_reply(m->c, SMTP_AT_END, &reply, NULL, NULL, m->until);
    if (a == ANSWER_OK)
        m->c->outcome = before;
    return a;
}

/* *go: 354 has come and somebody gets the message. */
static enum answer read_data(struct smtp_client_mail *m, bool mail_refused, bool *go)
{
    struct smtp_outcome before = m->c->outcome;
    struct smtp_reply reply;
    enum answer a = smtp_client_reply(m->c, SMTP_AT_DATA, &reply, NULL, NULL, m->until);
    if (a == ANSWER_OK)
        a = smtp_client_judge(m->c, SMTP_AT_DATA, &reply, 3);
    *go = a == ANSWER_OK && m->accepted && !mail_refused;
    if (m->c->dead || *go)
        return a;
    if (a == ANSWER_OK)
        return send_nothing(m);
    if (!m->accepted || mail_refused) /* it could only refuse */
        m->c->outcome = before;
    return ANSWER_OK;
}

/* OK: the dialogue goes on, *refused tells whether MAIL was; else the connection is over. */
static enum answer read_group(
    struct smtp_client_mail *m, const struct group *g, bool *refused, bool *go)
{
    struct smtp_client *c = m->c;
    struct smtp_outcome mail = {0};
    *refused = false;
    if (g->mail) {
        struct smtp_reply reply;
        enum answer a = smtp_client_reply(c, SMTP_AT_MAIL, &reply, NULL, NULL, m->until);
        if (a == ANSWER_OK)
            a = smtp_client_judge(c, SMTP_AT_MAIL, &reply, 2);
        if (c->dead)
            return a;
        *refused = a != ANSWER_OK;
        mail = c->outcome;
    }
    for (size_t i = g->from; i < g->to; i++) {
        struct smtp_send_recipient *r = &m->recipients[i];
        if (!undecided(r))
            continue;
        enum answer a = read_rcpt(m, r);
        if (c->dead)
            return a;
        if (*refused)
            r->outcome = mail;
    }
    if (*refused)
        c->outcome = mail;
    return g->data ? read_data(m, *refused, go) : ANSWER_OK;
}

/* ---- the envelope ---- */

static enum answer one_group(
    struct smtp_client_mail *m, const struct group *g, bool *refused, bool *go)
{
    enum smtp_stage stage = g->mail ? SMTP_AT_MAIL : g->from < g->to ? SMTP_AT_RCPT : SMTP_AT_DATA;
    enum answer a = smtp_client_ready(m->c, stage);
    if (a != ANSWER_OK)
        return a;
    put_group(m, g);
    a = smtp_client_flush(m->c, stage, m->until);
    return a == ANSWER_OK ? read_group(m, g, refused, go) : a;
}

/* *go: the server waits for the body. */
static enum answer envelope(struct smtp_client_mail *m, bool chunked, bool *go)
{
    bool pipelining = m->c->offer.pipelining, refused = false;
    struct group g = {.mail = true};
    *go = false;
    do {
        size_t window = pipelining ? SMTP_CLIENT_IN_FLIGHT : !g.mail;
        g.to = m->n - g.from < window ? m->n : g.from + window;
        g.data = pipelining && !chunked && g.to == m->n;
        enum answer a = one_group(m, &g, &refused, go);
        if (a != ANSWER_OK)
            return a;
        m->c->dirty = !refused;
        g.mail = false;
        g.from = g.to;
    } while (g.from < m->n && !refused);
    if (refused)
        return m->c->outcome.answer;
    if (g.data || !m->accepted)
        return ANSWER_OK;
    if (chunked) {
        *go = true;
        return ANSWER_OK;
    }
    g.data = true;
    return one_group(m, &g, &refused, go);
}

static size_t undecided_among(const struct smtp_client_mail *m)
{
    size_t count = 0;
    for (size_t i = 0; i < m->n; i++)
        count += undecided(&m->recipients[i]);
    return count;
}

enum answer smtp_client_send(struct smtp_client *c, const struct smtp_send *message,
    struct smtp_send_recipient *recipients, size_t n, deadline until)
{
    struct smtp_client_mail m = {
        .c = c, .message = message, .recipients = recipients, .n = n, .until = until};
    bool go = false, chunked = c->offer.chunking && !c->options.no_chunking;
    sort_out(&m);
    enum answer a = check_message(&m);
    if (a == ANSWER_OK && c->dirty)
        a = smtp_client_reset(c, until);
    if (a == ANSWER_OK && !undecided_among(&m))
        return ANSWER_UNSUPPORTED;
    if (a == ANSWER_OK)
        a = envelope(&m, chunked, &go);
    if (a == ANSWER_OK && go)
        a = chunked ? smtp_client_bdat(&m) : smtp_client_data(&m);
    if (a == ANSWER_OK && !go)
        a = c->outcome.answer;
    return a == ANSWER_OK ? a : smtp_client_spread(&m, a);
}
