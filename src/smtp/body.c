/* DATA and BDAT: the body on its way to the hooks. */
#include "smtp/session_private.h"
#include <stdlib.h>

void smtp_body_offer(struct smtp_session *s, struct buffer *keywords)
{
    buffer_add(keywords, S("CHUNKING\n"));
}

static void refuse(struct smtp_reply *r, struct smtp_session *s)
{
    if (s->stage == SMTP_STAGE_MAIL && s->tried && !s->service->lmtp)
        smtp_reply_set(r, 554, "5.5.1", "No valid recipients");
    else /* RFC 2033 §4.2 wants 503 */
        smtp_reply_set(r, 503, "5.5.1", "RCPT comes first");
}

/* A client of LMTP that pipelines could not know that its recipients are refused. */
static void say_refused(struct smtp_session *s, const struct smtp_reply *r)
{
    if (s->service->lmtp && s->stage == SMTP_STAGE_MAIL && s->tried)
        smtp_session_say(s, r);
    else
        smtp_session_reply(s, r);
}

/* The hooks agree and the decoder is ready; else the transaction has ended. */
TASK_FN
static bool begin(struct smtp_session *s, bool chunked, struct smtp_reply *r)
{
    const struct smtp_service *v = s->service;
    if (!v->hooks->body_begin(s, r)) {
        smtp_session_reset(s);
        return false;
    }
    s->body = (struct smtp_body){.chunked = chunked};
    smtp_dot_init(&s->dot, v->newline, !chunked);
    s->stage = SMTP_STAGE_BODY;
    return true;
}

/* The body comes: 500 B/s at least, so that nobody holds a place for ever. */
static void expect(struct smtp_session *s, enum smtp_phase phase)
{
    s->phase = phase;
    conn_set_rate(s->conn, s->service->rate ? s->service->rate : 500);
}

void smtp_body_data(struct smtp_session *s, const struct smtp_command *c)
{
    struct smtp_reply r = {0};
    if (conn_unread(s->conn).n) {
        /* RFC 2920 §3.1: DATA is the last of a group. What came too early would be read as commands
         * if we refused. */
        smtp_session_bye(s, 554, "5.5.1", "The message was sent before 354 allowed it");
    } else if (!s->accepted) {
        refuse(&r, s);
        say_refused(s, &r);
    } else if (begin(s, false, &r)) {
        smtp_reply_set(&r, 354, NULL, "Send the message, end it with <CRLF>.<CRLF>");
        smtp_session_say(s, &r);
        expect(s, SMTP_PHASE_DATA);
    } else {
        smtp_session_reply(s, &r);
    }
}

/* ---- bytes ---- */

static enum smtp_sink take(struct smtp_session *s, struct slice piece)
{
    struct smtp_body *b = &s->body;
    b->received += piece.n;
    if (!piece.n || b->too_big || s->refusal)
        return SMTP_SINK_OK;
    if (piece.n > smtp_session_limit(s) - b->size) {
        b->too_big = true;
        return SMTP_SINK_OK;
    }
    b->size += piece.n;
    return s->service->hooks->body_write(s, piece);
}

static enum conn_next found(struct smtp_session *s, enum smtp_found what)
{
    s->found = what;
    return CONN_RUN;
}

/* Reads `in` through the decoder; returns how the session goes on before its end is looked at. */
static bool decode(struct smtp_session *s, struct slice in, size_t *at, bool *wait)
{
    bool ended = false;
    *wait = false;
    while (!ended && !*wait && *at < in.n) {
        struct slice piece;
        ended = smtp_dot_next(&s->dot, in, at, &piece);
        s->sink_waits = *wait = take(s, piece) == SMTP_SINK_WAIT;
    }
    return ended;
}

enum conn_next smtp_body_feed(struct smtp_session *s, struct slice in, size_t *used)
{
    bool wait, ended;
    if (s->phase == SMTP_PHASE_CHUNK && s->chunk.left < in.n)
        in.n = (size_t)s->chunk.left;
    if (s->refusal) {
        s->body.received += in.n;
        *used = in.n;
        wait = ended = false;
    } else {
        ended = decode(s, in, used, &wait);
    }
    if (s->phase == SMTP_PHASE_CHUNK) {
        smtp_chunk_take(&s->chunk, slice_sub(in, 0, *used));
        ended = s->chunk.left == 0;
    }
    if (wait && !ended)
        return CONN_HOLD;
    if (ended)
        return found(s, SMTP_FOUND_BODY);
    bool flood = s->body.received > smtp_session_limit(s) + SMTP_BODY_SWALLOW;
    return flood ? found(s, SMTP_FOUND_FLOOD) : CONN_MORE;
}

/* ---- the end ---- */

/* What the language refuses, whatever the policy says. */
static void judge(struct smtp_session *s, struct smtp_reply *r)
{
    s->body.nul = s->dot.nul;
    s->body.bare_newline = s->dot.bare;
    if (s->body.too_big)
        smtp_reply_set(r, 552, "5.3.4", "Message too big; at most %llu octets are taken",
            (unsigned long long)smtp_session_limit(s));
    else if (s->dot.nul)
        smtp_reply_set(r, 550, "5.6.0", "The message has a NUL octet; encode it as base64");
    else if (s->dot.bare && s->service->newline == SMTP_NEWLINE_REFUSE)
        smtp_reply_set(r, 550, "5.6.0",
            "The message has a bare CR or LF; end every line with CRLF (RFC 5321 2.3.8)");
}

/* RFC 2033 §4.2: a reply for each accepted recipient, in order. */
TASK_FN
static void answer_each(struct smtp_session *s, const struct smtp_reply *all)
{
    struct buffer out;
    buffer_init(&out, (size_t)4 * SMTP_REPLY_TEXT);
    for (unsigned i = 0; i < s->accepted; i++) {
        struct smtp_reply r = *all;
        if (smtp_reply_ok(all) && s->service->hooks->outcome)
            s->service->hooks->outcome(s, i, &r);
        buffer_reset(&out);
        if (r.code)
            smtp_reply_write(&r, s->mail_utf8, &out);
        if (!r.code || !conn_send(s->conn, buffer_slice(&out))) {
            smtp_session_close(s);
            break;
        }
    }
    buffer_finish(&out);
}

TASK_FN
static void finish(struct smtp_session *s)
{
    struct smtp_reply r = {0};
    judge(s, &r);
    s->service->hooks->body_end(s, &s->body, &r);
    if (smtp_reply_ok(&r))
        s->errors = s->idle_commands = 0;
    if (!r.code)
        smtp_session_close(s);
    else if (s->service->lmtp)
        answer_each(s, &r);
    else
        smtp_session_reply(s, &r);
    smtp_session_reset(s);
}

static void chunk_complete(struct smtp_session *s)
{
    if (s->refusal) {
        struct smtp_reply r = *s->refusal;
        free(s->refusal);
        s->refusal = NULL;
        say_refused(s, &r);
    } else if (s->chunk.last) {
        struct slice rest;
        smtp_dot_finish(&s->dot, &rest);
        if (take(s, rest) == SMTP_SINK_WAIT)
            s->sink_waits = true;
        finish(s);
    } else if (s->body.too_big) { /* tell it now: the client need not send the rest */
        smtp_session_reset(s);
        smtp_session_answer(s, 552, "5.3.4", "Message too big");
    } else {
        struct smtp_reply r;
        smtp_reply_set(
            &r, 250, "2.0.0", "%llu octets so far", (unsigned long long)s->body.received);
        smtp_session_reply(s, &r);
    }
}

void smtp_body_complete(struct smtp_session *s)
{
    bool chunk = s->phase == SMTP_PHASE_CHUNK;
    conn_set_rate(s->conn, 0);
    s->phase = SMTP_PHASE_COMMAND;
    if (chunk)
        chunk_complete(s);
    else
        finish(s);
}

/* ---- BDAT ---- */

/* RFC 3030 §2: the chunk of a refused BDAT is read and thrown away before the reply. */
static bool refuse_chunk(struct smtp_session *s, const struct smtp_reply *r)
{
    s->refusal = malloc(sizeof *s->refusal);
    if (!s->refusal)
        return false;
    *s->refusal = *r;
    s->body.received = 0;
    return true;
}

TASK_FN
static bool begin_chunk(struct smtp_session *s, struct smtp_reply *r)
{
    if (s->stage == SMTP_STAGE_BODY)
        return true;
    if (s->stage != SMTP_STAGE_MAIL || !s->accepted) {
        refuse(r, s);
        return false;
    }
    return begin(s, true, r);
}

void smtp_body_bdat(struct smtp_session *s, const struct smtp_command *c)
{
    struct smtp_reply r = {0};
    if (!smtp_chunk_parse(c->args, &s->chunk, &r)) {
        smtp_session_bye(s, r.code, r.enhanced, r.text);
        return;
    }
    if (s->chunk.left > smtp_session_limit(s) + SMTP_BODY_SWALLOW) {
        smtp_session_bye(s, 552, "5.3.4", "Message too big by far");
        return;
    }
    if (!begin_chunk(s, &r) && !refuse_chunk(s, &r)) {
        smtp_session_bye(s, 421, "4.3.2", "Out of memory");
        return;
    }
    expect(s, SMTP_PHASE_CHUNK);
    if (!s->chunk.left)
        smtp_body_complete(s);
}
