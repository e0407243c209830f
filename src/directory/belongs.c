/* The right to send as an address (DESIGN: names): own address, its +tags, aliases that name the
 * account directly. */
#include "directory/walk.h"

struct belongs {
    uint64_t account;
    const struct directory_text *address;
    bool belongs;
    enum directory_result result;
};

/* Does one of the direct targets mean this account? A target that only a catch-all takes does not
 * name it. */
static bool names_account(struct store_view *v, struct directory_row_targets targets, uint64_t id)
{
    struct slice target;
    while (directory_row_target_next(&targets, &target)) {
        struct directory_found found;
        char room[DIRECTORY_LOCAL_MAX];
        directory_walk_target(v, target, false, room, &found);
        if (found.how <= DIRECTORY_FOUND_TAG && !found.row.alias && found.row.account == id)
            return true;
    }
    return false;
}

static void belongs_fn(struct store_view *v, void *arg)
{
    struct belongs *b = arg;
    struct directory_found found;
    b->belongs = false;
    b->result = DIRECTORY_OK;
    directory_walk_lookup(
        v, directory_text_local(b->address), directory_text_domain(b->address), false, &found);
    if (found.how == DIRECTORY_FOUND_BROKEN)
        b->result = DIRECTORY_BUSY;
    else if (found.how == DIRECTORY_FOUND_EXACT && found.row.alias)
        b->belongs = names_account(v, found.row.targets, b->account);
    else if (found.how == DIRECTORY_FOUND_EXACT || found.how == DIRECTORY_FOUND_TAG)
        b->belongs = !found.row.alias && found.row.account == b->account;
}

enum directory_result directory_belongs(
    struct directory *d, uint64_t account, struct slice address, bool *belongs, deadline until)
{
    struct directory_text text;
    struct belongs b = {.account = account, .address = &text};
    *belongs = false;
    if (account == 0 || !directory_text_parse(address, &text))
        return DIRECTORY_OK;
    enum directory_result result = directory_read(d, belongs_fn, &b, &b.result, until);
    *belongs = result == DIRECTORY_OK && b.belongs;
    return result;
}
