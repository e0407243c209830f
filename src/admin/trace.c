/* Where is my message? What was noted of it, as rows: one for each event. */
#include "trace/trace.h"
#include "admin/command_private.h"
#include "mailbox/mailbox.h"
#include "message/date.h"
#include <stdio.h>
#include <string.h>

#define LIMIT_DEFAULT 20
#define FIND_TIME     (300 * CLOCK_SEC)
#define ROWS_A_TURN   64

static const char *const kinds[TRACE_KINDS] = {
    [TRACE_ACCEPTED] = "accepted",
    [TRACE_REFUSED] = "refused",
    [TRACE_UNKNOWN] = "unknown",
    [TRACE_RECIPIENT] = "recipient",
    [TRACE_STORED] = "stored",
    [TRACE_QUEUED] = "queued",
    [TRACE_ATTEMPT] = "attempt",
    [TRACE_ROUTE_DOWN] = "unreachable",
    [TRACE_EXPIRED] = "expired",
    [TRACE_REPORT] = "report",
    [TRACE_HELD] = "held",
    [TRACE_RELEASED] = "released",
    [TRACE_RETRIED] = "retried",
    [TRACE_REMOVED] = "removed",
    [TRACE_FETCHED] = "fetched",
    [TRACE_LOOP] = "loop",
    [TRACE_HOST] = "host",
};

/* Keys of a row, in their order; a text, a number, or what add_special makes. */
static const struct {
    const char *key;
    enum trace_tag tag;
    enum { TEXT, NUMBER, TIME, ACCOUNT, MAILBOX } as;
} keys[] = {
    {"protocol", TRACE_PROTOCOL, TEXT},
    {"peer", TRACE_PEER, TEXT},
    {"helo", TRACE_HELO, TEXT},
    {"login", TRACE_LOGIN, TEXT},
    {"tls", TRACE_TLS, TEXT},
    {"sender", TRACE_FROM, TEXT},
    {"recipient", TRACE_TO, TEXT},
    {"recipients", TRACE_RECIPIENTS, NUMBER},
    {"size", TRACE_SIZE, NUMBER},
    {"message_id", TRACE_MESSAGE_ID, TEXT},
    {"queue", TRACE_QUEUE, TEXT},
    {"alias", TRACE_ALIAS, TEXT},
    {"route", TRACE_ROUTE, TEXT},
    {"what", TRACE_WHAT, TEXT},
    {"remote", TRACE_REMOTE, TEXT},
    {"code", TRACE_CODE, NUMBER},
    {"status", TRACE_STATUS, TEXT},
    {"reply", TRACE_REPLY, TEXT},
    {"attempts", TRACE_ATTEMPTS, NUMBER},
    {"next", TRACE_NEXT, TIME},
    {"account", TRACE_ACCOUNT, ACCOUNT},
    {"mailbox", TRACE_MAILBOX, MAILBOX},
    {"blob", TRACE_BLOB, NUMBER},
};

struct telling {
    struct command *c;
    struct directory_account account; /* looked up last */
};

static json_t *time_of(int64_t seconds)
{
    char text[DATE_TEXT_MAX];
    struct date date = date_from_unix(seconds, 0);
    struct slice s = date_format_rfc3339(&date, text);
    return json_stringn(s.p, s.n);
}

/* One that is gone is told as its number. */
TASK_FN
static json_t *account_of(struct telling *t, uint64_t id)
{
    char number[24];
    if (t->account.id != id && directory_account_get(t->c->admin->directory, id, &t->account,
                                   deadline_in(COMMAND_PATIENCE)) != DIRECTORY_OK) {
        t->account.id = 0;
        snprintf(number, sizeof number, "#%llu", (unsigned long long)id);
        return json_string(number);
    }
    return command_json_text(slice_str(t->account.address));
}

static json_t *mailbox_of(uint64_t id)
{
    char number[24];
    snprintf(number, sizeof number, "#%llu", (unsigned long long)id);
    return json_string(id == MAILBOX_INBOX ? "INBOX" : number);
}

TASK_FN
static json_t *value_of(struct telling *t, const struct trace_event *e, size_t k)
{
    struct slice text = trace_event_text(e, keys[k].tag);
    uint64_t number = trace_event_number(e, keys[k].tag);
    if (keys[k].as == TEXT)
        return text.n ? command_json_text(text) : json_null();
    if (!number)
        return json_null();
    switch (keys[k].as) {
    case TIME:
        return time_of((int64_t)number);
    case ACCOUNT:
        return account_of(t, number);
    case MAILBOX:
        return mailbox_of(number);
    default:
        return json_integer((json_int_t)number);
    }
}

TASK_FN
static bool tell_line(struct telling *t, const struct trace_line *line)
{
    struct trace_event e;
    trace_line_event(line, &e);
    if (e.kind >= TRACE_KINDS || !kinds[e.kind])
        return true; /* of a later version */
    json_t *row = json_pack("{s:o, s:o, s:s}", "id", command_json_text(line->id), "time",
        time_of(e.time / 1000000), "event", kinds[e.kind]);
    for (size_t k = 0; row && k < sizeof keys / sizeof *keys; k++)
        json_object_set_new(row, keys[k].key, value_of(t, &e, k));
    return command_emit(t->c, row);
}

/* The last host says what is then told of the whole route. */
static bool told_next(const struct trace_answer *a, size_t i)
{
    struct trace_event host, route;
    trace_line_event(&a->lines[i], &host);
    if (host.kind != TRACE_HOST || i + 1 == a->n)
        return false;
    trace_line_event(&a->lines[i + 1], &route);
    return route.kind == TRACE_ROUTE_DOWN &&
           slice_eq(
               trace_event_text(&host, TRACE_REMOTE), trace_event_text(&route, TRACE_REMOTE)) &&
           slice_eq(trace_event_text(&host, TRACE_REPLY), trace_event_text(&route, TRACE_REPLY));
}

static enum trace_kind kind_of(const struct trace_line *line)
{
    struct trace_event e;
    trace_line_event(line, &e);
    return e.kind;
}

/* Further recipients are noted while the message is not there yet, which is told first: who sent
 * it, and what it is. */
static void accepted_first(struct trace_answer *a)
{
    for (size_t i = 0; i < a->n; i++) {
        size_t k = i;
        struct slice id = a->lines[i].id;
        if ((i && slice_eq(id, a->lines[i - 1].id)) || kind_of(&a->lines[i]) != TRACE_RECIPIENT)
            continue;
        while (k < a->n && slice_eq(id, a->lines[k].id) && kind_of(&a->lines[k]) != TRACE_ACCEPTED)
            k++;
        if (k == a->n || !slice_eq(id, a->lines[k].id))
            continue;
        struct trace_line accepted = a->lines[k];
        memmove(&a->lines[i + 1], &a->lines[i], (k - i) * sizeof accepted);
        a->lines[i] = accepted;
    }
}

TASK_FN
static void tell(struct command *c, struct trace_answer *a)
{
    struct telling t = {.c = c};
    accepted_first(a);
    for (size_t i = 0; i < a->n; i++) {
        if (!told_next(a, i) && !tell_line(&t, &a->lines[i]))
            return;
        if (i % ROWS_A_TURN == ROWS_A_TURN - 1)
            task_yield();
    }
    if (a->more)
        command_emit(c, json_pack("{s:n, s:n, s:s}", "id", "time", "event", "more"));
}

/* ---- the question ---- */

/* A whole number that may be absent. False: the command has ended. */
static bool take_number(struct command *c, const char *key, int64_t most, int64_t *value)
{
    const json_t *v = json_object_get(c->request, key);
    if (!v)
        return true;
    *value = json_integer_value(v);
    if (json_is_integer(v) && *value >= 0 && *value <= most)
        return true;
    command_fail(c, ADMIN_USAGE, "%s is no number up to %lld", key, (long long)most);
    return false;
}

/* Addresses: as it was said, as the directory spells it, and whose mailbox it is. An id of a
 * message elsewhere looks like an address. */
TASK_FN
static void ask_about(struct command *c, struct slice what, struct trace_question *q,
    char canonical[DIRECTORY_ADDRESS_MAX + 1])
{
    struct directory_account account;
    q->id = what;
    if (slice_find(what, '@') == SLICE_NONE || slice_starts(what, S("<")))
        return;
    q->addresses[q->address_n++] = what;
    if (directory_canonical(what, canonical))
        q->addresses[q->address_n++] = slice_str(canonical);
    if (directory_account_find(
            c->admin->directory, what, &account, deadline_in(COMMAND_PATIENCE)) == DIRECTORY_OK)
        q->account = account.id;
}

TASK_FN
void command_trace(struct command *c)
{
    char canonical[DIRECTORY_ADDRESS_MAX + 1];
    struct trace_question q = {0};
    struct trace_answer answer;
    struct slice what;
    int64_t since = 0, limit = LIMIT_DEFAULT;
    if (!command_take_text(c, "what", &what) ||
        !take_number(c, "since", INT64_MAX / 1000000, &since) ||
        !take_number(c, "limit", TRACE_MESSAGES_MAX, &limit))
        return;
    if (!what.n || !limit) {
        command_fail(c, ADMIN_USAGE, "the id of a message or an address is wanted");
        return;
    }
    ask_about(c, what, &q, canonical);
    q.since = since * 1000000;
    q.messages = (size_t)limit;
    trace_flush();
    enum outcome o = trace_find(c->admin->store, &q, &answer, deadline_in(FIND_TIME));
    if (o != OUTCOME_DONE)
        command_fail(c, ADMIN_FAULT, "the trace could not be read: see the log");
    else if (!answer.n)
        command_fail(c, ADMIN_ABSENT, "nothing is known of it%s",
            trace_on() ? "" : ": nothing is noted while trace.keep is 0");
    else
        tell(c, &answer);
    trace_answer_finish(&answer);
}
