/* Who is connected to a running server. */
#include "admin/command_private.h"

#define NO_SERVER "no server is running on this data_dir"

TASK_FN
void command_session_list(struct command *c)
{
    if (!c->admin->sessions)
        command_fail(c, ADMIN_FAULT, NO_SERVER);
    else if (!c->admin->sessions(c->admin->arg, c->emit, c->arg))
        command_fail(c, ADMIN_FAULT, "out of memory");
}

TASK_FN
void command_session_kick(struct command *c)
{
    uint64_t id;
    if (!slice_to_u64(command_text(c, "id"), UINT64_MAX, &id))
        command_fail(c, ADMIN_USAGE, "the id is a number: see barid session list");
    else if (!c->admin->kick)
        command_fail(c, ADMIN_FAULT, NO_SERVER);
    else if (!c->admin->kick(c->admin->arg, id, S("")))
        command_fail(c, ADMIN_ABSENT, "there is no such session");
}

TASK_FN
void command_session_end(struct command *c, const char *address)
{
    if (c->admin->kick)
        c->admin->kick(c->admin->arg, 0, slice_str(address));
}
