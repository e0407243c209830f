/* Mail that has to leave: looked at and changed, with a running server or without one. */
#include "admin/command_private.h"
#include "message/date.h"
#include "queue/manage.h"

static const char *const states[] = {
    [QUEUE_WAITING] = "waiting", [QUEUE_HELD] = "held", [QUEUE_DOOMED] = "removed"};

static bool take_state(struct command *c, struct queue_filter *f)
{
    struct slice state;
    if (!command_take_text(c, "state", &state))
        return false;
    if (!state.n)
        return true;
    f->only_state = true;
    for (size_t i = 0; i < sizeof states / sizeof *states; i++)
        if (slice_eq(state, slice_str(states[i]))) {
            f->state = (enum queue_state)i;
            return true;
        }
    command_fail(c, ADMIN_USAGE, "the state is waiting, held or removed");
    return false;
}

TASK_FN
static bool take_account(struct command *c, struct queue_filter *f)
{
    struct slice address;
    struct directory_account a;
    if (!command_take_text(c, "account", &address))
        return false;
    if (!address.n)
        return true;
    bool ok = command_directory(c,
        directory_account_find(c->admin->directory, address, &a, deadline_in(COMMAND_PATIENCE)),
        "");
    f->account = ok ? a.id : 0;
    return ok;
}

TASK_FN
static bool take_filter(struct command *c, struct queue_filter *f, bool *any)
{
    struct slice id;
    *f = (struct queue_filter){0};
    if (!take_state(c, f) || !command_take_text(c, "id", &id) ||
        !command_take_text(c, "sender", &f->sender) ||
        !command_take_text(c, "recipient", &f->recipient) ||
        !command_take_text(c, "route", &f->route) || !take_account(c, f))
        return false;
    *any = id.n || f->account || f->sender.n || f->recipient.n || f->route.n || f->only_state;
    if (!id.n || queue_id_parse(id, &f->message))
        return true;
    command_fail(c, ADMIN_ABSENT, "there is no such message: see barid queue list");
    return false;
}

/* ---- looking ---- */

struct listing {
    struct command *c;
    bool all; /* every key */
    bool stopped;
    uint64_t n;
};

static json_t *time_of(int64_t seconds)
{
    char text[DATE_TEXT_MAX];
    struct date date = date_from_unix(seconds, 0);
    struct slice s = date_format_rfc3339(&date, text);
    return seconds ? json_stringn(s.p, s.n) : json_null();
}

static json_t *text_or_null(struct slice s)
{
    return s.n ? command_json_text(s) : json_null();
}

/* Exactly these keys: programs read them (DESIGN: queue). */
static json_t *row_of(const struct queue_listed *l)
{
    const struct queue_message *m = &l->message;
    const struct queue_entry *e = &l->entry;
    char id[16];
    queue_id_text(m->id, id);
    return json_pack("{s:s, s:o, s:o, s:I, s:s, s:I, s:o, s:o}", "id", id, "sender",
        command_json_text(m->sender), "recipient", command_json_text(e->recipient), "size",
        (json_int_t)m->size, "state", states[e->state], "attempts", (json_int_t)l->attempts, "next",
        e->state == QUEUE_WAITING ? time_of(l->next) : json_null(), "last_reply",
        text_or_null(l->reply));
}

static void add_details(json_t *row, const struct queue_listed *l)
{
    const struct queue_message *m = &l->message;
    json_object_set_new(row, "route", command_json_text(l->entry.route));
    json_object_set_new(row, "remote", text_or_null(l->remote));
    json_object_set_new(row, "trace", text_or_null(m->trace));
    json_object_set_new(row, "alias", text_or_null(m->alias));
    json_object_set_new(row, "created", time_of(m->created));
    json_object_set_new(row, "expires", time_of(m->expires));
}

static bool emit(void *arg, const struct queue_listed *l)
{
    struct listing *list = arg;
    json_t *row = row_of(l);
    if (row && list->all)
        add_details(row, l);
    list->n++;
    list->stopped = !command_emit(list->c, row);
    return !list->stopped;
}

TASK_FN
static void list(struct command *c, const struct queue_filter *f, bool show)
{
    struct listing list = {.c = c, .all = show};
    if (queue_list(c->admin->store, f, emit, &list, DEADLINE_NEVER) != OUTCOME_DONE)
        command_fail(c, ADMIN_FAULT, "the queue could not be read: see the log");
    else if (show && !list.n)
        command_fail(c, ADMIN_ABSENT, "there is no such message: see barid queue list");
}

TASK_FN
void command_queue_list(struct command *c)
{
    struct queue_filter f;
    bool any;
    if (take_filter(c, &f, &any))
        list(c, &f, false);
}

TASK_FN
void command_queue_show(struct command *c)
{
    struct queue_filter f;
    bool any;
    if (!take_filter(c, &f, &any))
        return;
    if (f.message)
        list(c, &f, true);
    else
        command_fail(c, ADMIN_USAGE, "show wants the id of a message");
}

/* ---- changing ---- */

TASK_FN
static void change(struct command *c, enum queue_change what, bool all_is_fine)
{
    struct queue_filter f;
    uint64_t n = 0;
    bool any;
    if (!take_filter(c, &f, &any))
        return;
    if (!any && !all_is_fine) {
        command_fail(c, ADMIN_USAGE, "an id or a filter is wanted (see barid --help)");
        return;
    }
    enum outcome o =
        queue_change(c->admin->store, c->admin->queue, &f, what, &n, deadline_in(COMMAND_PATIENCE));
    if (o != OUTCOME_DONE)
        command_fail(c, ADMIN_FAULT,
            "the store is busy or failing; %llu entries were changed: see the log",
            (unsigned long long)n);
    else if (!n && any)
        command_fail(c, ADMIN_ABSENT, "nothing in the queue is so: see barid queue list");
    else
        command_emit(c, json_pack("{s:I}", "changed", (json_int_t)n));
}

TASK_FN
void command_queue_retry(struct command *c)
{
    change(c, QUEUE_RETRY, true);
}

TASK_FN
void command_queue_hold(struct command *c)
{
    change(c, QUEUE_HOLD, false);
}

TASK_FN
void command_queue_release(struct command *c)
{
    change(c, QUEUE_RELEASE, false);
}

TASK_FN
void command_queue_remove(struct command *c)
{
    bool bounce;
    if (command_take_flag(c, "bounce", &bounce))
        change(c, bounce ? QUEUE_BOUNCE : QUEUE_REMOVE, false);
}
