/* How many recipients an account may write to. Looked at for MAIL, asked at each RCPT, and decided
 * in the intent that stores the message: sessions side by side cannot pass a limit together. */
#include "base/log.h"
#include "base/metrics.h"
#include "delivery/here.h"
#include "intake/submission_private.h"
#include "mailbox/mailbox.h"
#include "message/date.h"

METRIC(over, METRIC_COUNTER, "barid_sender_limits_total", "",
    "Recipients and messages refused because of limits.recipients_per_hour or _per_day")
METRIC(bursts, METRIC_COUNTER, "barid_sender_bursts_total", "",
    "Accounts that used half of their hour's recipients within ten minutes")
METRIC(held, METRIC_COUNTER, "barid_messages_held_total", "",
    "Messages held in the queue because of limits.hold_recipients")

static bool counted(const struct intake_session *t)
{
    const struct sent_limits *l = &t->options->limits;
    return t->submitter->account && (l->hour || l->day || l->hold);
}

struct look {
    const struct sent_limits *limits;
    struct sent_counts counts;
    int64_t now;
};

static void look_fn(struct store_view *v, void *arg)
{
    struct look *l = arg;
    sent_read(v, l->now, l->limits, &l->counts);
}

TASK_FN
static bool look(struct intake_session *t)
{
    struct look l = {.limits = &t->options->limits, .now = clock_wall() / 1000000};
    bool ok = store_read(t->options->store, mailbox_partition(t->submitter->account), look_fn, &l,
                  NULL, deadline_in(INTAKE_LOOKUP)) == OUTCOME_DONE;
    t->submitter->sent = l.counts;
    return ok;
}

bool intake_limits_begin(struct intake_session *t, struct smtp_reply *reply)
{
    if (!counted(t) || look(t))
        return true;
    smtp_reply_set(reply, 451, "4.3.0", "The account cannot be looked at now, try again later");
    return false;
}

static void refuse(const struct intake_session *t, struct smtp_reply *reply)
{
    const struct sent_limits *l = &t->options->limits;
    const struct sent_counts *c = &t->submitter->sent;
    bool day = l->day && c->day_free > c->hour_free;
    int64_t now = clock_wall() / 1000000, at = day ? c->day_free : c->hour_free;
    char text[DATE_TEXT_MAX];
    metric_add(&over, 1);
    if (at <= now) { /* this transaction alone fills it */
        smtp_reply_set(reply, 452, "4.7.1",
            "Over the limit of %u recipients a%s for one account; send the rest later",
            l->hour ? l->hour : l->day, l->hour ? "n hour" : " day");
        return;
    }
    struct date date = date_from_unix(at, 0);
    smtp_reply_set(reply, 452, "4.7.1",
        "This account has reached its limit of %u recipients a%s; again in %lld min, at " SLICE_FMT,
        day ? l->day : l->hour, day ? " day" : "n hour", (long long)(at - now + 59) / 60,
        SLICE_ARG(date_format_rfc3339(&date, text)));
}

bool intake_limits_recipient(struct intake_session *t, struct smtp_reply *reply)
{
    uint64_t so_far = (uint64_t)t->rcpt_n + intake_elsewhere(t);
    if (!counted(t) || !sent_over(&t->options->limits, &t->submitter->sent, so_far + 1))
        return true;
    refuse(t, reply);
    return false;
}

/* Mail for our own domains is never held. */
TASK_FN
bool intake_limits_prepare(struct intake_session *t, struct sent_add *add)
{
    struct intake_outgoing *o = &t->outgoing;
    const struct sent_limits *l = &t->options->limits;
    if (!counted(t))
        return false;
    uint32_t away = 0;
    for (uint32_t i = 0; i < o->n; i++)
        away += !delivery_here_route(o->list[i].route);
    *add = (struct sent_add){
        .n = t->rcpt_n + intake_elsewhere(t), .now = clock_wall() / 1000000, .limits = *l};
    add->hold = away && l->hold && look(t) && t->submitter->sent.burst + add->n > l->hold;
    for (uint32_t i = 0; i < o->n; i++)
        o->list[i].held = add->hold && !delivery_here_route(o->list[i].route);
    return true;
}

TASK_FN
void intake_limits_over(struct intake_session *t, struct smtp_reply *reply)
{
    look(t);
    refuse(t, reply);
}

void intake_limits_stored(
    struct intake_session *t, const struct sent_add *add, enum outcome outcome)
{
    const struct sent_limits *l = &t->options->limits;
    const char *address = t->submitter->address;
    t->submitter->over_limit = outcome == OUTCOME_FAILED && add->over;
    if (outcome != OUTCOME_DONE)
        return;
    if (add->burst) {
        metric_add(&bursts, 1);
        log_warn("sender in a hurry", log_text("account", address), log_text("id", t->id),
            log_int("limit_hour", l->hour),
            log_text("reason", "more than half of the hour's recipients within ten minutes"));
    }
    if (add->hold)
        metric_add(&held, 1);
    if (add->began)
        log_warn("mail held", log_text("account", address), log_text("id", t->id),
            log_int("limit", l->hold),
            log_text("action", "barid queue release --account lets it go, remove takes it out"));
}
