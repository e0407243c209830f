#include "admin/command_private.h"

TASK_FN
void command_domain_add(struct command *c)
{
    char why[DIRECTORY_WHY] = "";
    command_directory(c,
        directory_domain_add(
            c->admin->directory, command_text(c, "name"), why, deadline_in(COMMAND_PATIENCE)),
        why);
}

TASK_FN
void command_domain_remove(struct command *c)
{
    char why[DIRECTORY_WHY] = "";
    command_directory(c,
        directory_domain_remove(
            c->admin->directory, command_text(c, "name"), why, deadline_in(COMMAND_PATIENCE)),
        why);
}

static bool emit_domain(void *arg, const struct directory_domain *d)
{
    struct command *c = arg;
    return command_emit(c, json_pack("{s:s, s:I, s:I}", "name", d->name, "accounts",
                               (json_int_t)d->accounts, "aliases", (json_int_t)d->aliases));
}

TASK_FN
void command_domain_list(struct command *c)
{
    command_directory(
        c, directory_domain_list(c->admin->directory, emit_domain, c, DEADLINE_NEVER), "");
}
