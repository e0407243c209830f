#include "directory/scan.h"

struct domain_change {
    struct directory_change change;
    const struct directory_text *name;
};

static enum outcome domain_add_fn(struct store_txn *t, void *arg)
{
    struct domain_change *c = arg;
    struct slice name = directory_text_domain(c->name);
    struct directory_row_domain row = {0};
    enum directory_result found =
        directory_get_domain(store_txn_view(t), name, &row, c->change.why);
    c->change.result = found;
    if (found == DIRECTORY_OK) {
        directory_why(
            c->change.why, SLICE_FMT " is a domain of this server already", SLICE_ARG(name));
        c->change.result = DIRECTORY_EXISTS;
    }
    if (found != DIRECTORY_ABSENT)
        return OUTCOME_REFUSED;
    row = (struct directory_row_domain){0};
    directory_put_domain(t, name, &row);
    c->change.result = DIRECTORY_OK;
    return OUTCOME_DONE;
}

static bool parse(struct slice name, struct directory_text *t, char *why)
{
    if (directory_text_domain_parse(name, t))
        return true;
    directory_why(
        why, "\"" SLICE_FMT "\" is not a domain name", SLICE_ARG(slice_sub(name, 0, 100)));
    return false;
}

enum directory_result directory_domain_add(
    struct directory *d, struct slice name, char why[DIRECTORY_WHY], deadline until)
{
    struct directory_text text;
    struct domain_change c = {.change.why = why, .name = &text};
    if (!parse(name, &text, why))
        return DIRECTORY_BAD;
    return directory_mutate(d, domain_add_fn, &c.change, until);
}

/* Names one of the addresses that keep the domain. */
static void why_in_use(
    struct store_txn *t, struct slice name, const struct directory_row_domain *row, char *why)
{
    struct directory_row_key prefix;
    struct store_cursor c;
    struct slice key, value, local = S("?"), domain;
    directory_row_key_address(&prefix, S(""), name);
    store_seek(store_txn_view(t), directory_row_key_slice(&prefix), &c);
    if (store_next_with(&c, directory_row_key_slice(&prefix), &key, &value))
        directory_row_key_parse_address(key, &local, &domain);
    directory_why(why,
        SLICE_FMT " still has %llu accounts and %llu aliases, among them " SLICE_FMT "@" SLICE_FMT,
        SLICE_ARG(name), (unsigned long long)row->accounts, (unsigned long long)row->aliases,
        SLICE_ARG(local), SLICE_ARG(name));
}

static enum outcome domain_remove_fn(struct store_txn *t, void *arg)
{
    struct domain_change *c = arg;
    struct slice name = directory_text_domain(c->name);
    struct directory_row_domain row;
    struct directory_row_key key;
    c->change.result = directory_get_domain(store_txn_view(t), name, &row, c->change.why);
    if (c->change.result != DIRECTORY_OK)
        return OUTCOME_REFUSED;
    if (row.accounts || row.aliases) {
        why_in_use(t, name, &row, c->change.why);
        c->change.result = DIRECTORY_IN_USE;
        return OUTCOME_REFUSED;
    }
    directory_row_key_domain(&key, name);
    store_del(t, directory_row_key_slice(&key));
    return OUTCOME_DONE;
}

enum directory_result directory_domain_remove(
    struct directory *d, struct slice name, char why[DIRECTORY_WHY], deadline until)
{
    struct directory_text text;
    struct domain_change c = {.change.why = why, .name = &text};
    if (!parse(name, &text, why))
        return DIRECTORY_BAD;
    return directory_mutate(d, domain_remove_fn, &c.change, until);
}

static void copy_domain(
    struct slice name, const struct directory_row_domain *row, struct directory_domain *domain)
{
    *domain = (struct directory_domain){
        .accounts = row->accounts, .aliases = row->aliases, .postmaster = row->postmaster};
    slice_to_cstr(name, domain->name, sizeof domain->name);
}

struct domain_read {
    struct slice name;
    struct directory_domain *domain;
    enum directory_result result;
};

static void domain_get_fn(struct store_view *v, void *arg)
{
    struct domain_read *r = arg;
    struct directory_row_domain row;
    r->result = directory_get_domain(v, r->name, &row, NULL);
    if (r->result == DIRECTORY_OK)
        copy_domain(r->name, &row, r->domain);
}

enum directory_result directory_domain_get(
    struct directory *d, struct slice name, struct directory_domain *domain, deadline until)
{
    struct directory_text text;
    if (!directory_text_domain_parse(name, &text))
        return DIRECTORY_BAD;
    struct domain_read r = {.name = directory_text_domain(&text), .domain = domain};
    return directory_read(d, domain_get_fn, &r, &r.result, until);
}

enum directory_result directory_domain_list(struct directory *d,
    bool (*fn)(void *arg, const struct directory_domain *domain), void *arg, deadline until)
{
    struct directory_scan scan;
    struct directory_row_key prefix;
    struct slice key, value;
    uint64_t id;
    directory_row_key_domain(&prefix, S(""));
    if (!directory_scan_init(&scan, d, DIRECTORY_SCAN_ALL, directory_row_key_slice(&prefix)))
        return DIRECTORY_BUSY;
    while (directory_scan_next(&scan, &key, &value, &id, until)) {
        struct directory_row_domain row;
        struct directory_domain domain;
        if (!directory_row_unpack_domain(value, &row))
            continue;
        copy_domain(slice_from(key, 1), &row, &domain);
        if (!fn(arg, &domain))
            break;
    }
    directory_scan_finish(&scan);
    return scan.failed ? DIRECTORY_BUSY : DIRECTORY_OK;
}
