/* Mailboxes and subscriptions in one walk by name. */
#include "mailbox/row.h"
#include "mailbox/tree.h"

static bool take(struct store_cursor *c, enum keyspace_account kind, struct mailbox_name_row *row)
{
    const char prefix[] = {(char)kind};
    struct slice key, value;
    if (!store_next_with(c, slice(prefix, 1), &key, &value) || key.n > 1 + MAILBOX_NAME_MAX)
        return false;
    *row = (struct mailbox_name_row){.name_n = (uint16_t)(key.n - 1)};
    memcpy(row->name, key.p + 1, key.n - 1);
    if (kind == KEY_NAME)
        row->id = value.n == 4 ? unpack_u32(value.p) : 0;
    else
        row->subscribed = true;
    return true;
}

void mailbox_walk_start(struct store_view *v, struct slice from, struct mailbox_walk *w)
{
    char key[1 + MAILBOX_NAME_MAX];
    store_seek(v, row_key_name(KEY_NAME, from, key), &w->names);
    store_seek(v, row_key_name(KEY_SUBSCRIBED, from, key), &w->subscriptions);
    w->has_name = take(&w->names, KEY_NAME, &w->name);
    w->has_subscription = take(&w->subscriptions, KEY_SUBSCRIBED, &w->subscription);
}

bool mailbox_walk_next(struct mailbox_walk *w, struct mailbox_name_row *row)
{
    int order = 0;
    if (!w->has_name && !w->has_subscription)
        return false;
    if (w->has_name && w->has_subscription)
        order = slice_cmp(slice(w->name.name, w->name.name_n),
            slice(w->subscription.name, w->subscription.name_n));
    bool name = w->has_name && (order <= 0 || !w->has_subscription);
    bool subscription = w->has_subscription && (order >= 0 || !w->has_name);
    *row = name ? w->name : w->subscription;
    row->subscribed = subscription;
    if (name)
        w->has_name = take(&w->names, KEY_NAME, &w->name);
    if (subscription)
        w->has_subscription = take(&w->subscriptions, KEY_SUBSCRIBED, &w->subscription);
    return true;
}

bool mailbox_has_children(struct store_view *v, struct slice name)
{
    char at[1 + MAILBOX_NAME_MAX];
    struct store_cursor c;
    struct slice key, row;
    if (name.n >= MAILBOX_NAME_MAX)
        return false;
    size_t n = row_key_name(KEY_NAME, name, at).n;
    at[n++] = MAILBOX_SEPARATOR;
    store_seek(v, slice(at, n), &c);
    return store_next_with(&c, slice(at, n), &key, &row);
}
