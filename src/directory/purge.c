/* Removing accounts: the directory rows go at once, a purge row stays until the mail is gone. */
#include "base/clock.h"
#include "directory/directory_private.h"

/* When a domain loses its first account, the oldest among this many others follows; aliases between
 * them are passed over, so many at most. */
#define SUCCESSORS_MAX 1000
#define ROWS_MAX       100000

struct account_remove {
    struct directory_change change;
    const struct directory_text *address;
    int64_t now;
    uint64_t id;
};

/* The oldest account of the domain but `gone`; 0: none. */
static uint64_t successor(struct store_view *v, struct slice domain, uint64_t gone)
{
    struct directory_row_key prefix;
    struct directory_row_address row;
    struct store_cursor c;
    struct slice key, value;
    uint64_t oldest = 0;
    unsigned accounts = 0;
    directory_row_key_address(&prefix, S(""), domain);
    store_seek(v, directory_row_key_slice(&prefix), &c);
    for (unsigned i = 0; i < ROWS_MAX && accounts < SUCCESSORS_MAX; i++) {
        if (!store_next_with(&c, directory_row_key_slice(&prefix), &key, &value))
            break;
        if (!directory_row_unpack_address(value, &row) || row.alias || row.account == gone)
            continue;
        accounts++;
        if (oldest == 0 || row.account < oldest)
            oldest = row.account;
    }
    return oldest;
}

static enum outcome remove_fn(struct store_txn *t, void *arg)
{
    struct account_remove *a = arg;
    struct slice local = directory_text_local(a->address);
    struct slice name = directory_text_domain(a->address);
    struct store_view *v = store_txn_view(t);
    struct directory_row_address owner;
    struct directory_row_domain domain;
    struct directory_row_key key;
    char value[DIRECTORY_ROW_FIXED];
    a->change.result = directory_get_address(v, local, name, &owner, a->change.why);
    if (a->change.result == DIRECTORY_OK && owner.alias) {
        directory_why(a->change.why, "%s is an alias, no account", a->address->p);
        a->change.result = DIRECTORY_ABSENT;
    }
    if (a->change.result == DIRECTORY_OK)
        a->change.result = directory_get_domain(v, name, &domain, a->change.why);
    if (a->change.result != DIRECTORY_OK)
        return OUTCOME_REFUSED;
    a->id = owner.account;
    domain.accounts -= domain.accounts > 0;
    if (domain.postmaster == a->id)
        domain.postmaster = successor(v, name, a->id);
    directory_put_domain(t, name, &domain);
    directory_row_key_address(&key, local, name);
    store_del(t, directory_row_key_slice(&key));
    directory_row_key_id(&key, KEY_ACCOUNT, a->id);
    store_del(t, directory_row_key_slice(&key));
    directory_row_key_id(&key, KEY_PURGE, a->id);
    store_put(
        t, directory_row_key_slice(&key), slice(value, directory_row_pack_purge(a->now, value)));
    return OUTCOME_DONE;
}

enum directory_result directory_account_remove(struct directory *d, struct slice address,
    uint64_t *id, char why[DIRECTORY_WHY], deadline until)
{
    struct directory_text text;
    struct account_remove a = {.change.why = why, .address = &text, .now = clock_wall()};
    if (!directory_text_parse(address, &text)) {
        directory_why(
            why, "\"" SLICE_FMT "\" is not an address", SLICE_ARG(slice_sub(address, 0, 150)));
        return DIRECTORY_BAD;
    }
    enum directory_result result = directory_mutate(d, remove_fn, &a.change, until);
    if (result == DIRECTORY_OK && id)
        *id = a.id;
    return result;
}

struct purge_read {
    uint64_t after, *ids;
    size_t room, n;
    enum directory_result result;
};

static void purge_read_fn(struct store_view *v, void *arg)
{
    struct purge_read *r = arg;
    struct directory_row_key at;
    struct store_cursor c;
    struct slice key, value;
    directory_row_key_id(&at, KEY_PURGE, r->after + 1);
    store_seek(v, directory_row_key_slice(&at), &c);
    r->n = 0;
    while (r->n < r->room &&
           store_next_with(&c, slice_sub(directory_row_key_slice(&at), 0, 1), &key, &value))
        if (directory_row_key_parse_id(key, &r->ids[r->n]))
            r->n++;
    r->result = DIRECTORY_OK;
}

enum directory_result directory_purge_list(
    struct directory *d, uint64_t after, uint64_t *ids, size_t room, size_t *n, deadline until)
{
    struct purge_read r = {.after = after, .ids = ids, .room = room};
    *n = 0;
    if (after == UINT64_MAX)
        return DIRECTORY_OK;
    enum directory_result result = directory_read(d, purge_read_fn, &r, &r.result, until);
    if (result == DIRECTORY_OK)
        *n = r.n;
    return result;
}

struct purge_done {
    struct directory_change change;
    uint64_t id;
};

static enum outcome purge_done_fn(struct store_txn *t, void *arg)
{
    struct purge_done *p = arg;
    struct directory_row_key key;
    directory_row_key_id(&key, KEY_PURGE, p->id);
    store_del(t, directory_row_key_slice(&key));
    p->change.result = DIRECTORY_OK;
    return OUTCOME_DONE;
}

enum directory_result directory_purge_done(struct directory *d, uint64_t id, deadline until)
{
    struct purge_done p = {.id = id};
    return directory_mutate(d, purge_done_fn, &p.change, until);
}
