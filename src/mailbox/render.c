/* The cache of renderings is filled. */
#include "mailbox/copy.h"
#include "mailbox/row.h"

struct keep {
    uint32_t mailbox;
    const struct mailbox_rendering *list;
    size_t n;
};

static enum outcome keep_fn(struct store_txn *t, void *arg)
{
    const struct keep *k = arg;
    struct mailbox_account a;
    struct mailbox m;
    enum outcome o = row_load(t, k->mailbox, &a, &m);
    for (size_t i = 0; o == OUTCOME_DONE && i < k->n; i++) {
        struct row_key message = row_key_uid(KEY_MESSAGE, k->mailbox, k->list[i].uid);
        struct row_key rendered = row_key_uid(KEY_RENDERED, k->mailbox, k->list[i].uid);
        struct slice row = k->list[i].row, there;
        if (row.n && row.n <= MAILBOX_RENDERED_MAX &&
            store_get(store_txn_view(t), row_key_slice(&message), &there))
            row_put(t, &rendered, row.p, row.n);
    }
    return o;
}

TASK_FN
enum outcome mailbox_keep_rendered(struct store *s, uint64_t account, uint32_t mailbox,
    const struct mailbox_rendering *list, size_t n, deadline until)
{
    struct keep k = {mailbox, list, n};
    struct store_mutation m = {.partition = mailbox_partition(account), .fn = keep_fn, .arg = &k};
    if (n > MAILBOX_RENDERINGS)
        return OUTCOME_FAILED;
    return store_mutate(s, &m, NULL, until);
}
