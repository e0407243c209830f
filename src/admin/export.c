/* The store's side of `barid mailbox export`. */
#include "admin/command_private.h"
#include "admin/frame.h"
#include "admin/stream.h"
#include "base/budget.h"
#include "mailbox/uids.h"
#include <stdlib.h>

#define MESSAGES_A_READ 64

/* What is read at once: a mailbox, some of its messages. */
struct look {
    uint32_t id, from;
    bool found;
    struct mailbox mailbox;
    struct buffer keywords; /* the row of names, as it is read by keywords_of */
    size_t n;
    struct mailbox_message messages[MESSAGES_A_READ];
};

struct run {
    struct command c;
    stream_raw raw;
    uint64_t account;
    struct look look;
    char piece[FRAME_RAW_MAX];
};

static TASK_FN
bool look(struct run *r, store_read_fn fn)
{
    if (store_read(r->c.admin->store, mailbox_partition(r->account), fn, &r->look, NULL,
            deadline_in(COMMAND_PATIENCE)) == OUTCOME_DONE)
        return true;
    command_fail(&r->c, ADMIN_FAULT, "the account could not be read: see the log");
    return false;
}

/* ---- messages ---- */

static void messages_fn(struct store_view *v, void *arg)
{
    struct look *l = arg;
    struct store_cursor c;
    l->n = 0;
    mailbox_seek_message(v, l->id, l->from, &c);
    while (l->n < MESSAGES_A_READ && mailbox_next_message(&c, l->id, &l->messages[l->n]))
        l->n++;
}

static TASK_FN
bool broken(struct run *r)
{
    return command_emit(
        &r->c, json_pack("{s:s}", "broken", "the message cannot be read: see barid verify"));
}

static TASK_FN
bool send_body(struct run *r, struct store_blob *blob)
{
    uint64_t size = store_blob_size(blob), at = 0;
    while (at < size) {
        size_t n = 0;
        enum outcome o =
            store_blob_read(blob, at, r->piece, FRAME_RAW_MAX, &n, deadline_in(COMMAND_PATIENCE));
        if (o != OUTCOME_DONE || !n)
            return broken(r);
        if (!r->raw(r->c.arg, slice(r->piece, n)))
            return false;
        at += n;
        task_yield();
    }
    return true;
}

/* False: stop. */
static TASK_FN
bool send_message(struct run *r, const struct mailbox_message *m)
{
    struct store_blob *blob = NULL;
    json_t *row = json_pack("{s:I, s:i, s:I, s:I, s:I}", "uid", (json_int_t)m->uid, "flags",
        (int)m->flags, "keywords", (json_int_t)m->keywords, "date", (json_int_t)m->date, "size",
        (json_int_t)m->size);
    if (!command_emit(&r->c, row))
        return false;
    enum outcome o =
        store_blob_open(r->c.admin->store, m->blob, &blob, deadline_in(COMMAND_PATIENCE));
    bool ok = o == OUTCOME_DONE ? send_body(r, blob) : broken(r);
    store_blob_close(blob);
    return ok;
}

/* ---- mailboxes ---- */

static void mailbox_fn(struct store_view *v, void *arg)
{
    struct look *l = arg;
    struct store_cursor c;
    mailbox_seek(v, l->id, &c);
    l->found = mailbox_next(&c, &l->mailbox);
    buffer_reset(&l->keywords);
    struct slice names[MAILBOX_KEYWORDS];
    bool known = l->found && mailbox_read_keywords(v, l->mailbox.id, names);
    for (size_t i = 0; known && i < MAILBOX_KEYWORDS; i++) {
        buffer_add_char(&l->keywords, (char)names[i].n);
        buffer_add(&l->keywords, names[i]);
    }
}

static json_t *keywords_of(const struct look *l)
{
    json_t *list = json_array();
    for (struct slice rest = buffer_slice(&l->keywords); rest.n;) {
        size_t n = (unsigned char)rest.p[0];
        json_array_append_new(list, command_json_text(slice_sub(rest, 1, n)));
        rest = slice_from(rest, 1 + n);
    }
    return list;
}

static TASK_FN
bool send_mailbox(struct run *r)
{
    struct look *l = &r->look;
    json_t *row =
        json_pack("{s:o, s:I, s:I, s:o}", "mailbox", command_json_text(mailbox_name(&l->mailbox)),
            "uidvalidity", (json_int_t)l->mailbox.uidvalidity, "uidnext",
            (json_int_t)l->mailbox.uidnext, "keywords", keywords_of(l));
    if (!command_emit(&r->c, row))
        return false;
    l->id = l->mailbox.id;
    l->from = 1;
    do {
        if (!look(r, messages_fn))
            return false;
        for (size_t i = 0; i < l->n; i++)
            if (!send_message(r, &l->messages[i]))
                return false;
        l->from = l->n ? l->messages[l->n - 1].uid + 1 : l->from;
    } while (l->n == MESSAGES_A_READ);
    return true;
}

static void total_fn(struct store_view *v, void *arg)
{
    struct mailbox_account *a = arg;
    if (!mailbox_read_account(v, a))
        *a = (struct mailbox_account){0};
}

static TASK_FN
void export_all(struct run *r)
{
    struct mailbox_account total = {0};
    store_partition p = mailbox_partition(r->account);
    deadline until = deadline_in(COMMAND_PATIENCE);
    enum outcome o = mailbox_open_account(r->c.admin->store, r->account, until);
    if (o == OUTCOME_DONE)
        o = store_read(r->c.admin->store, p, total_fn, &total, NULL, until);
    if (o != OUTCOME_DONE) {
        command_fail(&r->c, ADMIN_FAULT, "the account could not be opened: see the log");
        return;
    }
    if (!command_emit(&r->c, json_pack("{s:I, s:I}", "messages", (json_int_t)total.messages,
                                 "bytes", (json_int_t)total.bytes)))
        return;
    for (r->look.id = 0; look(r, mailbox_fn) && r->look.found && send_mailbox(r);)
        r->look.id = r->look.mailbox.id + 1;
}

TASK_FN
void stream_export(const struct admin *a, const json_t *request, admin_emit emit, stream_raw raw,
    void *arg, struct admin_answer *answer)
{
    struct command c = {.admin = a, .request = request, .emit = emit, .arg = arg, .answer = answer};
    struct directory_account account;
    *answer = (struct admin_answer){.exit = ADMIN_DONE};
    if (!command_version(&c) ||
        !command_directory(&c,
            directory_account_find(
                a->directory, command_text(&c, "address"), &account, deadline_in(COMMAND_PATIENCE)),
            ""))
        return;
    struct run *r = budget_take(sizeof *r) ? calloc(1, sizeof *r) : NULL;
    if (!r) {
        command_fail(&c, ADMIN_FAULT, "out of memory");
        return;
    }
    r->c = c;
    r->raw = raw;
    r->account = account.id;
    buffer_init(&r->look.keywords, MAILBOX_KEYWORDS * 256);
    export_all(r);
    buffer_finish(&r->look.keywords);
    free(r);
    budget_give(sizeof *r);
}
