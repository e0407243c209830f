#include "mailbox/mailbox.h"
#include "admin/command_private.h"

#define MAILBOXES_A_READ 4

struct batch {
    uint32_t from;
    size_t n;
    struct mailbox rows[MAILBOXES_A_READ];
};

static void batch_fn(struct store_view *v, void *arg)
{
    struct batch *b = arg;
    struct store_cursor cursor;
    b->n = 0;
    mailbox_seek(v, b->from, &cursor);
    while (b->n < MAILBOXES_A_READ && mailbox_next(&cursor, &b->rows[b->n]))
        b->n++;
}

static bool emit_mailbox(struct command *c, const struct mailbox *m)
{
    const char *special = mailbox_special_name(m->special);
    json_t *row = json_pack("{s:o, s:I, s:I, s:I, s:I, s:I, s:I, s:o}", "name",
        command_json_text(mailbox_name(m)), "messages", (json_int_t)m->messages, "unseen",
        (json_int_t)m->unseen, "bytes", (json_int_t)m->bytes, "uidvalidity",
        (json_int_t)m->uidvalidity, "uidnext", (json_int_t)m->uidnext, "highestmodseq",
        (json_int_t)m->highestmodseq, "special_use", command_json_or_null(special ? special : ""));
    return command_emit(c, row);
}

TASK_FN
void command_mailbox_list(struct command *c)
{
    struct directory_account account;
    struct batch b = {0};
    deadline until = deadline_in(COMMAND_PATIENCE);
    enum directory_result r =
        directory_account_find(c->admin->directory, command_text(c, "address"), &account, until);
    if (!command_directory(c, r, ""))
        return;
    enum outcome o = mailbox_open_account(c->admin->store, account.id, until);
    do {
        if (o == OUTCOME_DONE)
            o = store_read(
                c->admin->store, mailbox_partition(account.id), batch_fn, &b, NULL, until);
        if (o != OUTCOME_DONE) {
            command_fail(c, ADMIN_FAULT, "the mailboxes could not be read: see the log");
            return;
        }
        for (size_t i = 0; i < b.n; i++) {
            b.from = b.rows[i].id + 1;
            if (!emit_mailbox(c, &b.rows[i]))
                return;
        }
    } while (b.n == MAILBOXES_A_READ);
}
