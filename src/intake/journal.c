/* What the log and the metrics tell of intake. Lines are tied by conn and, for a message, id. */
#include "base/log.h"
#include "base/metrics.h"
#include "intake/forward.h"
#include "intake/submission_private.h"
#include "mailbox/mailbox.h"
#include "message/header.h"
#include "trace/trace.h"
#include <stdio.h>

METRIC(mx_accepted, METRIC_COUNTER, "barid_messages_accepted_total", "protocol=\"smtp\"",
    "Messages taken and stored")
METRIC(lmtp_accepted, METRIC_COUNTER, "barid_messages_accepted_total", "protocol=\"lmtp\"",
    "Messages taken and stored")
METRIC(submission_accepted, METRIC_COUNTER, "barid_messages_accepted_total",
    "protocol=\"submission\"", "Messages taken and stored")
METRIC(sendmail_accepted, METRIC_COUNTER, "barid_messages_accepted_total", "protocol=\"sendmail\"",
    "Messages taken and stored")
METRIC(mx_refused, METRIC_COUNTER, "barid_messages_refused_total", "protocol=\"smtp\"",
    "Messages refused after their body")
METRIC(lmtp_refused, METRIC_COUNTER, "barid_messages_refused_total", "protocol=\"lmtp\"",
    "Messages refused after their body")
METRIC(submission_refused, METRIC_COUNTER, "barid_messages_refused_total",
    "protocol=\"submission\"", "Messages refused after their body")
METRIC(sendmail_refused, METRIC_COUNTER, "barid_messages_refused_total", "protocol=\"sendmail\"",
    "Messages refused after their body")
METRIC(rcpt_refused, METRIC_COUNTER, "barid_recipients_refused_total", "", "RCPT refused")
METRIC(bytes_accepted, METRIC_COUNTER, "barid_message_bytes_accepted_total", "",
    "Bytes of messages taken and stored")

static struct log_field conn_field(const struct intake_session *t)
{
    return log_int("conn", (int64_t)conn_id(smtp_conn(t->smtp)));
}

/* A field without a name is left out. */
static struct log_field account_field(const struct intake_session *t)
{
    return log_text(t->submitter ? "account" : NULL, t->submitter ? t->submitter->address : NULL);
}

static struct log_field uid_field(const struct intake_session *t)
{
    bool known = t->submitter && t->submitter->caller.on;
    return log_int(known ? "uid" : NULL, known ? t->submitter->caller.uid : 0);
}

void intake_journal_connected(const struct intake_session *t)
{
    struct conn *c = smtp_conn(t->smtp);
    log_info("connected", conn_field(t), log_text("protocol", smtp_service(t->smtp)->protocol),
        log_text("peer", conn_peer(c)->address), log_int("port", conn_peer(c)->port));
}

void intake_journal_closed(const struct intake_session *t, enum conn_end why)
{
    static const char *const words[] = {
        [CONN_END_PEER] = "the peer closed",
        [CONN_END_SELF] = "done",
        [CONN_END_TIMEOUT] = "timeout",
        [CONN_END_TLS] = "TLS failure",
        [CONN_END_SLOW] = "too slow",
        [CONN_END_OVERFLOW] = "input overflow",
    };
    log_info("disconnected", conn_field(t), log_text("reason", words[why]),
        log_int("accepted", (int64_t)t->accepted), log_int("refused", (int64_t)t->refused));
}

static struct slice path_text(const struct smtp_path *path, struct buffer *text)
{
    buffer_init(text, SMTP_PATH_TEXT);
    smtp_path_write(path, text);
    return buffer_slice(text);
}

/* ---- the trace ---- */

#define TRACED_FROM(t)                                                                             \
    trace_text(TRACE_ID, (t)->id),                                                                 \
        trace_text(TRACE_PROTOCOL, smtp_protocol((t)->smtp, (t)->utf8)),                           \
        trace_text(TRACE_PEER, conn_peer(smtp_conn((t)->smtp))->address),                          \
        trace_text(TRACE_HELO, smtp_helo((t)->smtp)),                                              \
        trace_text(TRACE_LOGIN, (t)->submitter ? (t)->submitter->address : NULL)

static void trace_refused(const struct intake_session *t, struct slice from, struct slice to,
    const struct smtp_reply *reply)
{
    trace_note(reply->code ? TRACE_REFUSED : TRACE_UNKNOWN, TRACED_FROM(t),
        trace_slice(TRACE_FROM, from), trace_slice(TRACE_TO, to),
        trace_number(TRACE_CODE, reply->code), trace_text(TRACE_STATUS, reply->enhanced),
        trace_text(TRACE_REPLY, reply->text));
}

/* Without its brackets; empty when there is none to be found. */
static struct slice message_id(const struct intake_session *t, char made[INTAKE_ADDRESS + 1])
{
    struct header_field field;
    struct slice head = t->spool ? spool_head(t->spool) : S("");
    if (!header_find(head, S("Message-ID"), &field)) {
        snprintf(made, INTAKE_ADDRESS + 1, "%s@%s", t->id, t->options->hostname);
        return t->submitter ? slice_str(made) : S(""); /* intake_submission_head */
    }
    size_t from = slice_find(field.value, '<'), to = slice_rfind(field.value, '>');
    if (from == SLICE_NONE || to == SLICE_NONE || to < from)
        return slice_trim(field.value);
    return slice_sub(field.value, from + 1, to - from - 1);
}

/* As of when it was whole: a courier may have been faster than we. */
static void trace_accepted(
    const struct intake_session *t, uint64_t size, const struct smtp_reply *reply)
{
    const struct tls_facts *tls = conn_tls(smtp_conn(t->smtp));
    char made[INTAKE_ADDRESS + 1], secured[sizeof tls->version + sizeof tls->cipher + 1] = "";
    uint32_t recipients = t->rcpt_n + intake_elsewhere(t);
    if (!trace_on())
        return;
    if (tls->on)
        snprintf(secured, sizeof secured, "%s %s", tls->version, tls->cipher);
    trace_note_at(TRACE_ACCEPTED, t->ended, TRACED_FROM(t), trace_text(TRACE_TLS, secured),
        trace_text(TRACE_FROM, t->sender), trace_text(TRACE_TO, t->recipient),
        trace_slice(TRACE_MESSAGE_ID, message_id(t, made)), trace_number(TRACE_SIZE, size),
        trace_number(TRACE_RECIPIENTS, recipients), trace_number(TRACE_CODE, reply->code),
        trace_text(TRACE_STATUS, reply->enhanced), trace_text(TRACE_REPLY, reply->text));
    for (uint32_t i = 0; i < t->account_n; i++)
        if (t->accounts[i].deliver && t->accounts[i].outcome == OUTCOME_DONE)
            trace_note_at(TRACE_STORED, t->ended, trace_text(TRACE_ID, t->id),
                trace_number(TRACE_ACCOUNT, t->accounts[i].id),
                trace_number(TRACE_MAILBOX, MAILBOX_INBOX), trace_number(TRACE_BLOB, t->blob));
}

/* The first one stands in the line of the message. */
void intake_journal_taken(const struct intake_session *t, const struct smtp_path *recipient)
{
    struct buffer text;
    if (t->rcpt_n < 2 || t->single || !trace_on())
        return;
    struct slice to = path_text(recipient, &text);
    trace_note(TRACE_RECIPIENT, trace_text(TRACE_ID, t->id), trace_slice(TRACE_TO, to));
    buffer_finish(&text);
}

/* ---- recipients, senders, messages ---- */

void intake_journal_rcpt(const struct intake_session *t, const struct smtp_path *recipient,
    const struct smtp_reply *reply)
{
    metric_add(&rcpt_refused, 1);
    if (!log_enabled(LOG_INFO) && !trace_on())
        return;
    struct buffer text;
    struct slice to = path_text(recipient, &text);
    trace_refused(t, slice_str(t->sender), to, reply);
    log_info("recipient refused", conn_field(t),
        log_text("peer", conn_peer(smtp_conn(t->smtp))->address), account_field(t),
        log_text("from", t->sender), log_slice("to", to), log_int("code", reply->code),
        log_text("status", reply->enhanced), log_text("reason", reply->text));
    buffer_finish(&text);
}

void intake_journal_sender(
    const struct intake_session *t, const struct smtp_path *sender, const struct smtp_reply *reply)
{
    struct buffer text;
    if (!log_enabled(LOG_INFO) && !trace_on())
        return;
    struct slice from = path_text(sender, &text);
    trace_refused(t, from, S(""), reply);
    log_info("sender refused", conn_field(t),
        log_text("peer", conn_peer(smtp_conn(t->smtp))->address), account_field(t),
        log_slice("from", from), log_int("code", reply->code), log_text("status", reply->enhanced),
        log_text("reason", reply->text));
    buffer_finish(&text);
}

static void tell_forwarded(const struct intake_session *t, const struct queue_new *q)
{
    char id[16];
    queue_id_text(q->message.id, id);
    for (size_t i = 0; i < q->n; i++)
        log_info("forwarded", conn_field(t), log_text("id", t->id), log_text("queue", id),
            log_slice("alias", q->message.alias), log_slice("from", q->message.sender),
            log_slice("to", q->recipients[i].address));
}

void intake_journal_forwarded(const struct intake_session *t, const struct queue_new *list)
{
    for (uint32_t i = 0; i < t->forward_n; i++) {
        if (!t->forwards[i].loop)
            continue;
        log_warn("loop ended", conn_field(t), log_text("id", t->id),
            log_text("alias", t->forwards[i].alias),
            log_text("reason", "the message has been forwarded by this alias before"));
        trace_note(
            TRACE_LOOP, trace_text(TRACE_ID, t->id), trace_text(TRACE_ALIAS, t->forwards[i].alias));
    }
    for (const struct queue_new *q = list; q && log_enabled(LOG_INFO); q = q->next)
        if (q->message.alias.n)
            tell_forwarded(t, q);
}

void intake_journal_outcome(
    const struct intake_session *t, unsigned index, const struct smtp_reply *reply)
{
    metric_add(&rcpt_refused, 1);
    log_info("recipient not reached", conn_field(t), log_text("id", t->id),
        log_int("recipient", index + 1), log_int("code", reply->code),
        log_text("status", reply->enhanced), log_text("reason", reply->text));
    trace_refused(t, slice_str(t->sender), slice_str(index ? NULL : t->recipient), reply);
}

static void count(const struct intake_session *t, bool ok)
{
    if (t->submitter && t->submitter->caller.on)
        metric_add(ok ? &sendmail_accepted : &sendmail_refused, 1);
    else if (t->submitter)
        metric_add(ok ? &submission_accepted : &submission_refused, 1);
    else if (smtp_service(t->smtp)->lmtp)
        metric_add(ok ? &lmtp_accepted : &lmtp_refused, 1);
    else
        metric_add(ok ? &mx_accepted : &mx_refused, 1);
}

void intake_journal_message(struct intake_session *t, uint64_t size, const struct smtp_reply *reply)
{
    bool ok = smtp_reply_ok(reply);
    count(t, ok);
    if (ok) {
        t->accepted++;
        metric_add(&bytes_accepted, (int64_t)size);
        trace_accepted(t, size, reply);
    } else {
        t->refused++;
        trace_refused(t, slice_str(t->sender), slice_str(t->recipient), reply);
    }
    const char *event = ok ? "accepted" : reply->code ? "refused" : "outcome unknown";
    log_info(event, conn_field(t), log_text("id", t->id),
        log_text("peer", conn_peer(smtp_conn(t->smtp))->address),
        log_text("helo", smtp_helo(t->smtp)), account_field(t), uid_field(t),
        log_text("from", t->sender), log_text("to", t->recipient),
        log_int("recipients", t->rcpt_n + intake_elsewhere(t)), log_int("accounts", t->account_n),
        log_int("size", (int64_t)size),
        t->wishes.priority ? log_int("priority", t->wishes.priority) : (struct log_field){0},
        log_int("code", reply->code), log_text("status", reply->enhanced),
        log_text("reason", reply->code ? reply->text : "the store does not know"));
}
