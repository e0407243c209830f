#include "directory/walk.h"
#include "message/address.h"
#include <stdio.h>

static const char postmaster_local[] = "postmaster";

struct resolve {
    const struct directory *directory;
    const struct directory_text *address; /* NULL: <postmaster> without domain */
    struct directory_resolution *out;
    enum directory_resolved resolved;
    enum directory_result result; /* OK when the read ran */
};

/* Adds an account once; false ends the walk. */
static bool add_account(struct resolve *r, struct store_view *v, uint64_t id)
{
    struct directory_resolution *out = r->out;
    struct directory_row_account row;
    for (size_t i = 0; i < out->n; i++)
        if (out->recipients[i].account == id)
            return true;
    if (out->n == out->room || out->n == DIRECTORY_RECIPIENTS_MAX) {
        r->resolved = DIRECTORY_RESOLVE_TOO_MANY;
        return false;
    }
    if (directory_get_account(v, id, &row, NULL) != DIRECTORY_OK) {
        r->resolved = DIRECTORY_RESOLVE_BUSY;
        return false;
    }
    struct directory_recipient *to = &out->recipients[out->n++];
    to->account = id;
    to->quota = row.quota;
    to->disabled = row.disabled;
    slice_to_cstr(row.address, to->address, sizeof to->address);
    r->resolved = DIRECTORY_RESOLVE_OK;
    return true;
}

bool directory_remote_next(struct slice *rest, struct slice *address)
{
    if (rest->n < 2)
        return false;
    *address = slice_sub(*rest, 2, unpack_u16(rest->p));
    *rest = slice_from(*rest, 2 + address->n);
    return true;
}

/* Adds an address elsewhere once; false ends the walk. */
static bool add_remote(struct resolve *r, const struct directory_walk *w)
{
    struct directory_resolution *out = r->out;
    struct slice rest = slice(out->remote, out->remote_bytes), known;
    r->resolved = DIRECTORY_RESOLVE_OK;
    if (!out->via[0])
        snprintf(out->via, sizeof out->via, SLICE_FMT "@" SLICE_FMT, SLICE_ARG(w->level[0].local),
            SLICE_ARG(w->level[0].domain));
    if (!out->remote)
        return true;
    while (directory_remote_next(&rest, &known))
        if (slice_eq(known, w->target))
            return true;
    if (out->remote_n == DIRECTORY_REMOTE_MAX ||
        out->remote_room - out->remote_bytes < 2 + w->target.n) {
        r->resolved = DIRECTORY_RESOLVE_TOO_MANY;
        return false;
    }
    pack_u16(out->remote + out->remote_bytes, (uint16_t)w->target.n);
    memcpy(out->remote + out->remote_bytes + 2, w->target.p, w->target.n);
    out->remote_bytes += 2 + w->target.n;
    out->remote_n++;
    return true;
}

static void expand(struct resolve *r, struct store_view *v, const struct directory_found *found)
{
    struct directory_walk walk;
    directory_walk_start(&walk, v, found);
    for (;;) {
        switch (directory_walk_next(&walk)) {
        case DIRECTORY_WALK_ACCOUNT:
            if (!add_account(r, v, walk.account))
                return;
            break;
        case DIRECTORY_WALK_ELSEWHERE:
            if (!add_remote(r, &walk))
                return;
            break;
        case DIRECTORY_WALK_DANGLING:
        case DIRECTORY_WALK_LOOP:
            break;
        case DIRECTORY_WALK_DEEP:
        case DIRECTORY_WALK_MANY:
            r->resolved = DIRECTORY_RESOLVE_TOO_MANY;
            return;
        case DIRECTORY_WALK_BROKEN:
            r->resolved = DIRECTORY_RESOLVE_BUSY;
            return;
        case DIRECTORY_WALK_END:
            return;
        }
    }
}

/* False: nobody (resolved says so). */
static bool take(struct resolve *r, struct store_view *v, const struct directory_found *found)
{
    switch (found->how) {
    case DIRECTORY_FOUND_NOBODY:
        r->resolved = DIRECTORY_RESOLVE_UNKNOWN;
        return false;
    case DIRECTORY_FOUND_NOT_OURS:
        r->resolved = DIRECTORY_RESOLVE_NOT_OURS;
        return false;
    case DIRECTORY_FOUND_BROKEN:
        r->resolved = DIRECTORY_RESOLVE_BUSY;
        return true;
    default:
        break;
    }
    r->resolved = DIRECTORY_RESOLVE_UNKNOWN; /* all targets may be gone */
    slice_to_cstr(found->tag, r->out->tag, sizeof r->out->tag);
    r->out->catch_all = found->how == DIRECTORY_FOUND_CATCH_ALL;
    if (found->row.alias)
        expand(r, v, found);
    else
        add_account(r, v, found->row.account);
    return r->resolved != DIRECTORY_RESOLVE_UNKNOWN;
}

/* The first account of the store. */
static bool take_first(struct resolve *r, struct store_view *v)
{
    struct directory_row_key prefix;
    struct store_cursor c;
    struct slice key, value;
    uint64_t id;
    directory_row_key_id(&prefix, KEY_ACCOUNT, 0);
    prefix.n = 1;
    store_seek(v, directory_row_key_slice(&prefix), &c);
    return store_next_with(&c, directory_row_key_slice(&prefix), &key, &value) &&
           directory_row_key_parse_id(key, &id) && add_account(r, v, id);
}

/* For a postmaster without an address of its own. domain: empty for <postmaster>. */
static void take_postmaster(struct resolve *r, struct store_view *v, struct slice domain)
{
    const struct directory_text *configured = &r->directory->postmaster;
    struct directory_row_domain row;
    struct directory_found found;
    if (r->directory->has_postmaster) {
        directory_walk_lookup(
            v, directory_text_local(configured), directory_text_domain(configured), true, &found);
        if (take(r, v, &found))
            return;
    }
    r->resolved = DIRECTORY_RESOLVE_UNKNOWN;
    r->out->tag[0] = '\0';
    r->out->catch_all = false;
    if (domain.n) {
        if (directory_get_domain(v, domain, &row, NULL) == DIRECTORY_OK && row.postmaster &&
            add_account(r, v, row.postmaster))
            return;
        directory_walk_lookup(v, S(""), domain, true, &found);
        if (take(r, v, &found))
            return;
    }
    if (!take_first(r, v))
        r->resolved = DIRECTORY_RESOLVE_UNKNOWN;
}

static void clear(struct directory_resolution *out)
{
    out->n = out->remote_n = out->remote_bytes = 0;
    out->via[0] = out->tag[0] = '\0';
    out->catch_all = false;
}

static void resolve_fn(struct store_view *v, void *arg)
{
    struct resolve *r = arg;
    struct directory_resolution *out = r->out;
    struct directory_found found;
    bool postmaster = !r->address;
    r->result = DIRECTORY_OK;
    clear(out);
    if (r->address) {
        struct slice local = directory_text_local(r->address);
        postmaster = slice_eq(local, slice_str(postmaster_local));
        directory_walk_lookup(v, local, directory_text_domain(r->address), !postmaster, &found);
        if (take(r, v, &found) || !postmaster || found.how == DIRECTORY_FOUND_NOT_OURS) {
            out->postmaster = postmaster && r->resolved != DIRECTORY_RESOLVE_NOT_OURS;
            return;
        }
    }
    out->postmaster = true;
    take_postmaster(r, v, r->address ? directory_text_domain(r->address) : S(""));
}

enum directory_resolved directory_resolve(struct directory *d, struct slice local,
    struct slice domain, struct directory_resolution *resolution, deadline until)
{
    struct directory_text address;
    struct resolve r = {.directory = d, .out = resolution, .address = &address};
    clear(resolution);
    resolution->postmaster = false;
    if (domain.n == 0) {
        if (!slice_eq_nocase(local, slice_str(postmaster_local)))
            return DIRECTORY_RESOLVE_NOT_OURS;
        r.address = NULL;
    } else if (local.n == 0 || !directory_text_join(local, domain, &address)) {
        /* Is it at least our domain? A literal and what is no name are not. */
        if (!directory_text_domain_parse(domain, &address))
            return DIRECTORY_RESOLVE_NOT_OURS;
        struct directory_domain ours;
        switch (directory_domain_get(d, domain, &ours, until)) {
        case DIRECTORY_OK:
            return DIRECTORY_RESOLVE_UNKNOWN;
        case DIRECTORY_BUSY:
            return DIRECTORY_RESOLVE_BUSY;
        default:
            return DIRECTORY_RESOLVE_NOT_OURS;
        }
    }
    if (directory_read(d, resolve_fn, &r, &r.result, until) != DIRECTORY_OK)
        return DIRECTORY_RESOLVE_BUSY;
    if (r.resolved != DIRECTORY_RESOLVE_OK)
        resolution->n = resolution->remote_n = resolution->remote_bytes = 0;
    return r.resolved;
}
