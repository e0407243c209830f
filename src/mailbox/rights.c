#include "mailbox/tree.h"

unsigned mailbox_rights(struct store_view *v, uint64_t owner, uint64_t actor, struct slice name)
{
    struct mailbox_account a;
    if (actor != owner || !name.n || name.n > MAILBOX_NAME_MAX)
        return 0;
    if (mailbox_read_account(v, &a) && a.removed)
        return 0;
    return MAILBOX_RIGHTS_ALL;
}
