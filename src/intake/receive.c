/* The body: into the spool, then into the mailboxes. */
#include "base/log.h"
#include "base/pace.h"
#include "delivery/local.h"
#include "intake/forward.h"
#include "intake/submission_private.h"
#include <stdlib.h>

#define FEW 4 /* accounts that are delivered to without an allocation */

static void spool_ready(void *arg)
{
    struct intake_session *t = arg;
    smtp_body_resume(t->smtp);
}

bool intake_receive_begin(struct smtp_session *s, struct smtp_reply *reply)
{
    struct intake_session *t = intake_of(s);
    const struct spool_options options = {
        .tmp_dir = t->options->tmp_dir, .ready = spool_ready, .arg = t};
    t->spool = spool_create(&options);
    if (!t->spool) {
        intake_verdict_spool(true, reply);
        return false;
    }
    scan_init(&t->scan);
    return true;
}

/* A spool that has failed takes no more; the body is read to its end all the same. */
enum smtp_sink intake_receive_write(struct smtp_session *s, struct slice bytes)
{
    struct intake_session *t = intake_of(s);
    scan_feed(&t->scan, bytes);
    return spool_write(t->spool, bytes) == SPOOL_WAIT ? SMTP_SINK_WAIT : SMTP_SINK_OK;
}

/* ---- storing ---- */

/* One intent for all; outcomes go back to the accounts. */
TASK_FN
static enum outcome store(
    struct intake_session *t, struct delivery_message *m, struct delivery_recipient *list)
{
    size_t n = 0;
    for (uint32_t i = 0; i < t->account_n; i++)
        if (t->accounts[i].deliver)
            list[n++] = (struct delivery_recipient){.account = t->accounts[i].id};
    struct sent_add sent;
    if (t->submitter && intake_limits_prepare(t, &sent)) {
        m->sent = &sent;
        m->sender = t->submitter->account;
    }
    enum outcome o = delivery_local(t->options->store, m, list, n, deadline_in(INTAKE_DELIVERY));
    t->blob = m->blob;
    if (m->sent)
        intake_limits_stored(t, &sent, o);
    m->sent = NULL;
    n = 0;
    for (uint32_t i = 0; i < t->account_n; i++)
        if (t->accounts[i].deliver)
            t->accounts[i].outcome = list[n++].outcome;
    return o;
}

/* Not of what is not whole in memory, and not while mail pours in: it is rendered when somebody
 * asks. */
static void render(struct intake_session *t, struct slice head, struct buffer *row)
{
    static _Thread_local struct pace pace;
    buffer_init(row, MAILBOX_RENDERED_MAX);
    if (t->options->render && t->account_n && spool_in_memory(t->spool) &&
        pace_take(&pace, MAILBOX_RENDERS, MAILBOX_RENDERS_IN))
        t->options->render(head, spool_head(t->spool), row);
}

/* What was asked for by the envelope itself, and then what aliases send on. */
static struct queue_new *outgoing(struct intake_session *t, int64_t now, struct queue_new *list)
{
    struct queue_new *first = NULL;
    if (t->forward_n)
        first = intake_forward_queue(t, now, list + 1);
    if (!intake_posting_message(t, now, list))
        return first;
    list->next = first;
    return list;
}

static void enqueued(const struct intake_session *t, const struct queue_new *list)
{
    for (const struct queue_new *q = list; q; q = q->next)
        queue_wake(t->options->queue, q);
    if (t->forward_n)
        intake_journal_forwarded(t, list);
}

TASK_FN
static enum outcome deliver(struct intake_session *t, struct slice head, int64_t now)
{
    struct delivery_recipient few[FEW], *list = few;
    struct delivery_message m = {.head = head, .body = t->spool, .now = now};
    struct buffer rendered;
    struct queue_new one, *queue = &one;
    if (t->account_n > FEW)
        list = calloc(t->account_n, sizeof *list);
    if (t->forward_n)
        queue = calloc(1 + (size_t)t->forward_n, sizeof *queue);
    if (!list || !queue) {
        free(list == few ? NULL : list);
        free(queue == &one ? NULL : queue);
        return OUTCOME_FAILED;
    }
    render(t, head, &rendered);
    m.rendered = buffer_slice(&rendered);
    m.queue = outgoing(t, now, queue);
    enum outcome o = store(t, &m, list);
    if (o == OUTCOME_DONE)
        enqueued(t, m.queue);
    buffer_finish(&rendered);
    if (queue != &one)
        free(queue);
    if (list != few)
        free(list);
    return o;
}

TASK_FN
static void conclude(struct intake_session *t, enum outcome o, struct smtp_reply *reply)
{
    if (o == OUTCOME_FAILED && t->submitter && t->submitter->over_limit)
        intake_limits_over(t, reply);
    else
        intake_verdict_stored(o, t->id, reply);
}

/* Fills *reply; 2yz when the message is kept. */
TASK_FN
static void decide(struct intake_session *t, struct smtp_reply *reply)
{
    struct buffer head;
    int64_t now = clock_wall();
    if (spool_end(t->spool, deadline_in(INTAKE_DELIVERY)) != OUTCOME_DONE) {
        log_warn("spool failed", log_int("conn", (int64_t)conn_id(smtp_conn(t->smtp))),
            log_text("id", t->id), log_text("reason", spool_error(t->spool)));
        intake_verdict_spool(spool_no_space(t->spool), reply);
        return;
    }
    scan_end(&t->scan);
    if (!intake_verdict_content(&t->scan, reply))
        return;
    if (t->submitter && !intake_author_header(t, reply))
        return;
    if (t->forward_n && !intake_forward_judge(t, reply))
        return;
    if (t->submitter)
        intake_submission_single(t);
    if (!intake_trace_head(t, now, &head) ||
        (t->submitter && !intake_submission_head(t, now, &head)))
        intake_verdict_spool(true, reply);
    else if (intake_recipients_fit(t, head.n + spool_size(t->spool), reply))
        conclude(t, deliver(t, buffer_slice(&head), now), reply);
    buffer_finish(&head);
}

void intake_receive_end(
    struct smtp_session *s, const struct smtp_body *body, struct smtp_reply *reply)
{
    struct intake_session *t = intake_of(s);
    t->ended = clock_wall();
    if (!reply->code)
        decide(t, reply);
    intake_journal_message(t, body->received, reply);
}

/* ---- LMTP: one outcome each ---- */

void intake_receive_outcome(struct smtp_session *s, unsigned index, struct smtp_reply *reply)
{
    const struct intake_session *t = intake_of(s);
    const struct intake_rcpt *r = &t->rcpts[index];
    enum quota_answer answer = QUOTA_OK;
    bool looped = r->forward && t->forwards[r->forward - 1].loop;
    bool stored = r->forward && !looped, tried = stored;
    for (uint32_t i = 0; i < r->n; i++) {
        const struct intake_account *a = &t->accounts[t->members[r->first + i]];
        tried |= a->deliver;
        stored |= a->deliver && a->outcome == OUTCOME_DONE;
        answer = a->answer;
    }
    if (looped)
        intake_verdict_loop(t->forwards[r->forward - 1].alias, reply);
    else if (!tried)
        intake_verdict_quota(answer, reply);
    else if (!stored) /* an intent that is done leaves out only those that are gone */
        intake_verdict_stored(OUTCOME_REFUSED, t->id, reply);
    if (reply->code != 250)
        intake_journal_outcome(t, index, reply);
}
