#include "fake_hooks.h"
#include <assert.h>

void fake_policy_init(struct fake_policy *p)
{
    *p = (struct fake_policy){0};
    buffer_init(&p->journal, (size_t)1024 * 1024);
    buffer_init(&p->body, (size_t)64 * 1024 * 1024);
}

void fake_policy_finish(struct fake_policy *p)
{
    buffer_finish(&p->journal);
    buffer_finish(&p->body);
}

static struct fake_policy *policy(struct smtp_session *s)
{
    return smtp_arg(s);
}

static bool on_connect(struct smtp_session *s, struct smtp_reply *reply)
{
    if (policy(s)->refuse_connect)
        smtp_reply_set(reply, 554, NULL, "not you");
    return !policy(s)->refuse_connect;
}

static void note_path(struct fake_policy *p, const char *what, const struct smtp_path *path)
{
    buffer_printf(&p->journal, "%s ", what);
    smtp_path_write(path, &p->journal);
    buffer_add_char(&p->journal, ';');
}

static bool on_mail(struct smtp_session *s, const struct smtp_mail *mail, struct smtp_reply *reply)
{
    if (slice_eq(smtp_path_local(&mail->sender), S("refused"))) {
        smtp_reply_set(reply, 550, "5.7.1", "sender refused");
        return false;
    }
    policy(s)->mails++;
    note_path(policy(s), "mail", &mail->sender);
    return true;
}

static bool on_rcpt(struct smtp_session *s, const struct smtp_rcpt *rcpt, struct smtp_reply *reply)
{
    struct slice local = smtp_path_local(&rcpt->recipient);
    if (slice_eq(local, S("unknown")))
        smtp_reply_set(reply, 550, "5.1.1", "no such user");
    else if (slice_eq(local, S("busy")))
        smtp_reply_set(reply, 451, "4.3.0", "busy");
    else
        note_path(policy(s), "rcpt", &rcpt->recipient);
    return !reply->code;
}

static bool on_begin(struct smtp_session *s, struct smtp_reply *reply)
{
    struct fake_policy *p = policy(s);
    p->begun++;
    buffer_reset(&p->body);
    buffer_add(&p->journal, S("begin;"));
    if (p->refuse_begin)
        smtp_reply_set(reply, 452, "4.3.1", "no room");
    return !p->refuse_begin;
}

static enum smtp_sink on_write(struct smtp_session *s, struct slice bytes)
{
    assert(bytes.n);
    buffer_add(&policy(s)->body, bytes);
    return policy(s)->wait ? SMTP_SINK_WAIT : SMTP_SINK_OK;
}

static void on_end(struct smtp_session *s, const struct smtp_body *body, struct smtp_reply *reply)
{
    struct fake_policy *p = policy(s);
    buffer_printf(&p->journal, "end %zu;", (size_t)body->size);
    assert(body->size == p->body.n);
    if (reply->code || p->unknown)
        return;
    p->messages++;
    smtp_reply_set(reply, 250, "2.0.0", "kept %u", p->messages);
}

static void on_outcome(struct smtp_session *s, unsigned index, struct smtp_reply *reply)
{
    if (policy(s)->outcome_unknown_at == index + 1)
        reply->code = 0;
    else if (index % 2)
        smtp_reply_set(reply, 452, "4.2.2", "%u is full", index);
    else
        smtp_reply_set(reply, 250, "2.1.5", "%u has it", index);
}

static void on_reset(struct smtp_session *s)
{
    policy(s)->resets++;
    buffer_add(&policy(s)->journal, S("reset;"));
}

static struct slice on_mechanisms(struct smtp_session *s)
{
    return policy(s)->auth ? S("PLAIN LOGIN") : (struct slice){0};
}

static enum smtp_auth_step on_auth(struct smtp_session *s, const struct smtp_auth_request *request,
    struct buffer *challenge, struct smtp_reply *reply)
{
    if (request->cancelled)
        return SMTP_AUTH_REFUSED;
    if (!request->has_response)
        return SMTP_AUTH_CHALLENGE;
    return slice_eq(request->response, S("AGEAYg==")) ? SMTP_AUTH_DONE : SMTP_AUTH_REFUSED;
}

static void on_closed(struct smtp_session *s, enum conn_end why)
{
    policy(s)->closed++;
}

const struct smtp_hooks fake_hooks = {
    .connect = on_connect,
    .mail = on_mail,
    .rcpt = on_rcpt,
    .body_begin = on_begin,
    .body_write = on_write,
    .body_end = on_end,
    .outcome = on_outcome,
    .reset = on_reset,
    .mechanisms = on_mechanisms,
    .auth = on_auth,
    .closed = on_closed,
};
