#include "admin/command_private.h"
#include <stdlib.h>

TASK_FN
void command_alias_add(struct command *c)
{
    char why[DIRECTORY_WHY] = "";
    const json_t *list = json_object_get(c->request, "targets");
    size_t n = json_array_size(list);
    if (!n || n > DIRECTORY_TARGETS_MAX) {
        command_fail(c, ADMIN_FAULT, "an alias needs 1 to %d targets", DIRECTORY_TARGETS_MAX);
        return;
    }
    struct slice *targets = calloc(n, sizeof *targets);
    if (!targets) {
        command_fail(c, ADMIN_FAULT, "out of memory");
        return;
    }
    for (size_t i = 0; i < n; i++) {
        const json_t *target = json_array_get(list, i);
        if (json_is_string(target))
            targets[i] = slice(json_string_value(target), json_string_length(target));
    }
    command_directory(c,
        directory_alias_add(c->admin->directory, command_text(c, "address"), targets, n, why,
            deadline_in(COMMAND_PATIENCE)),
        why);
    free(targets);
}

TASK_FN
void command_alias_remove(struct command *c)
{
    char why[DIRECTORY_WHY] = "";
    command_directory(c,
        directory_alias_remove(
            c->admin->directory, command_text(c, "address"), why, deadline_in(COMMAND_PATIENCE)),
        why);
}

static bool emit_alias(void *arg, const struct directory_alias *a)
{
    struct command *c = arg;
    json_t *targets = json_array();
    for (size_t i = 0; i < a->n; i++)
        json_array_append_new(targets, command_json_text(a->targets[i]));
    return command_emit(c, json_pack("{s:o, s:o}", "address",
                               command_json_text(slice_str(a->address)), "targets", targets));
}

TASK_FN
void command_alias_list(struct command *c)
{
    command_directory(
        c, directory_alias_list(c->admin->directory, emit_alias, c, DEADLINE_NEVER), "");
}
