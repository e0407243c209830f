#include "admin/command_private.h"
#include "auth/password.h"
#include "mailbox/mailbox.h"
#include <string.h>

/* False: the command has ended. */
static bool make_credentials(struct command *c, struct directory_credentials *credentials)
{
    enum password_error e = password_make_offload(command_text(c, "password"), credentials);
    if (e != PASSWORD_OK)
        command_fail(c, ADMIN_FAULT, "%s", password_error_text(e));
    return e == PASSWORD_OK;
}

/* Absent is 0: no quota. */
static bool take_quota(struct command *c, uint64_t *quota)
{
    const json_t *value = json_object_get(c->request, "quota");
    json_int_t bytes = json_integer_value(value);
    if (value && (!json_is_integer(value) || bytes < 0)) {
        command_fail(c, ADMIN_FAULT, "the quota is no size");
        return false;
    }
    *quota = (uint64_t)bytes;
    return true;
}

TASK_FN
void command_account_add(struct command *c)
{
    char why[DIRECTORY_WHY] = "";
    struct directory_credentials credentials;
    struct directory_new_account account = {.address = command_text(c, "address")};
    uint64_t id;
    if (!take_quota(c, &account.quota) || !command_take_text(c, "name", &account.name))
        return;
    if (command_has(c, "password")) {
        if (!make_credentials(c, &credentials))
            return;
        account.credentials = &credentials;
    }
    deadline until = deadline_in(COMMAND_PATIENCE);
    enum directory_result r = directory_account_add(c->admin->directory, &account, &id, why, until);
    explicit_bzero(&credentials, sizeof credentials);
    if (command_directory(c, r, why) &&
        mailbox_open_account(c->admin->store, id, until) != OUTCOME_DONE)
        command_fail(c, ADMIN_FAULT,
            "the account was made, its mailboxes will be at first use: the store is busy");
}

TASK_FN
void command_account_remove(struct command *c)
{
    char why[DIRECTORY_WHY] = "";
    uint64_t id;
    struct directory_account account;
    deadline until = deadline_in(COMMAND_PATIENCE);
    struct slice address = command_text(c, "address");
    enum directory_result r = directory_account_find(c->admin->directory, address, &account, until);
    if (r == DIRECTORY_OK)
        r = directory_account_remove(c->admin->directory, address, &id, why, until);
    if (!command_directory(c, r, why))
        return;
    command_session_end(c, account.address);
    /* What a crash leaves over is purged at the next start. */
    if (mailbox_purge(c->admin->store, id, DEADLINE_NEVER) == OUTCOME_DONE)
        directory_purge_done(c->admin->directory, id, until);
}

TASK_FN
void command_account_password(struct command *c)
{
    char why[DIRECTORY_WHY] = "";
    struct directory_credentials credentials;
    struct directory_account account;
    deadline until = deadline_in(COMMAND_PATIENCE);
    struct slice address = command_text(c, "address");
    if (!command_directory(
            c, directory_account_find(c->admin->directory, address, &account, until), "") ||
        !make_credentials(c, &credentials))
        return;
    enum directory_result r = directory_account_credentials(
        c->admin->directory, address, &credentials, why, deadline_in(COMMAND_PATIENCE));
    explicit_bzero(&credentials, sizeof credentials);
    if (command_directory(c, r, why))
        command_session_end(c, account.address);
}

TASK_FN
void command_account_set(struct command *c)
{
    char why[DIRECTORY_WHY] = "";
    struct directory_account_change change = {
        .set_quota = command_has(c, "quota"),
        .set_disabled = command_has(c, "disabled"),
        .set_name = command_has(c, "name"),
    };
    if (!take_quota(c, &change.quota) || !command_take_flag(c, "disabled", &change.disabled) ||
        !command_take_text(c, "name", &change.name))
        return;
    struct directory_account account;
    struct slice address = command_text(c, "address");
    deadline until = deadline_in(COMMAND_PATIENCE);
    enum directory_result r =
        directory_account_set(c->admin->directory, address, &change, why, until);
    if (!command_directory(c, r, why) || !change.disabled)
        return;
    if (directory_account_find(c->admin->directory, address, &account, until) == DIRECTORY_OK)
        command_session_end(c, account.address);
}

static void usage_fn(struct store_view *v, void *arg)
{
    struct mailbox_account *a = arg;
    if (!mailbox_read_account(v, a))
        *a = (struct mailbox_account){0};
}

static bool emit_account(void *arg, const struct directory_account *a)
{
    struct command *c = arg;
    struct mailbox_account used = {0};
    if (store_read(c->admin->store, mailbox_partition(a->id), usage_fn, &used, NULL,
            deadline_in(COMMAND_PATIENCE)) != OUTCOME_DONE) {
        command_fail(c, ADMIN_FAULT, "the use of %s could not be read: see the log", a->address);
        return false;
    }
    json_t *row = json_pack("{s:o, s:o, s:o, s:I, s:I, s:b}", "address",
        command_json_text(slice_str(a->address)), "name", command_json_or_null(a->name), "quota",
        a->quota ? json_integer((json_int_t)a->quota) : json_null(), "used", (json_int_t)used.bytes,
        "messages", (json_int_t)used.messages, "disabled", (int)a->disabled);
    return command_emit(c, row);
}

TASK_FN
void command_account_list(struct command *c)
{
    struct slice domain;
    if (command_take_text(c, "domain", &domain))
        command_directory(c,
            directory_account_list(c->admin->directory, domain, emit_account, c, DEADLINE_NEVER),
            "");
}
