#include "directory/scan.h"
#include "directory/walk.h"
#include "message/address.h"
#include <stdio.h>
#include <stdlib.h>

/* The targets, each once, in two spellings. */
struct targets {
    size_t n;
    struct spelling {
        size_t bytes;
        struct slice list[DIRECTORY_TARGETS_MAX];
        char text[DIRECTORY_TARGETS_BYTES];
    } canonical, written; /* written: the local part as it was given */
    struct slice chosen[DIRECTORY_TARGETS_MAX];
    char packed[DIRECTORY_ROW_ALIAS];
};

struct alias_add {
    struct directory_change change;
    const struct directory_text *address;
    struct targets *targets;
};

/* "a@x -> b@x -> a@x" of the walk at hand. */
static void why_loop(const struct directory_walk *w, char *why)
{
    char way[DIRECTORY_WHY];
    size_t n = 0;
    for (unsigned i = 0; i < w->depth && n < sizeof way; i++)
        n += (size_t)snprintf(way + n, sizeof way - n, SLICE_FMT "@" SLICE_FMT " -> ",
            SLICE_ARG(w->level[i].local), SLICE_ARG(w->level[i].domain));
    directory_why(why, "a loop: %s" SLICE_FMT, way, SLICE_ARG(w->target));
}

/* Follows the new alias, whose row is in the write set already. */
static enum directory_result check_ways(
    struct store_view *v, const struct directory_text *address, char *why)
{
    struct directory_walk w;
    struct directory_found found = {
        .local = directory_text_local(address), .domain = directory_text_domain(address)};
    enum directory_result result =
        directory_get_address(v, found.local, found.domain, &found.row, why);
    if (result != DIRECTORY_OK)
        return result;
    directory_walk_start(&w, v, &found);
    for (;;) {
        switch (directory_walk_next(&w)) {
        case DIRECTORY_WALK_ACCOUNT:
            break;
        case DIRECTORY_WALK_DANGLING:
            if (w.depth > 1)
                break;
            directory_why(why, SLICE_FMT " does not exist here", SLICE_ARG(w.target));
            return DIRECTORY_BAD;
        case DIRECTORY_WALK_ELSEWHERE:
            break;
        case DIRECTORY_WALK_LOOP:
            why_loop(&w, why);
            return DIRECTORY_LOOP;
        case DIRECTORY_WALK_DEEP:
            directory_why(why, "more than %d aliases behind each other, at " SLICE_FMT,
                DIRECTORY_DEPTH_MAX, SLICE_ARG(w.target));
            return DIRECTORY_BAD;
        case DIRECTORY_WALK_MANY:
            directory_why(why, "the alias reaches more than %d targets", DIRECTORY_WALK_LOOKUPS);
            return DIRECTORY_BAD;
        case DIRECTORY_WALK_BROKEN:
            return directory_damaged(why, "address", w.target);
        case DIRECTORY_WALK_END:
            return DIRECTORY_OK;
        }
    }
}

/* Our addresses are kept in their canonical form; how others spell theirs is their matter (RFC 5321
 * §2.4). */
static struct slice pack_row(struct store_view *v, struct targets *ts)
{
    struct directory_row_domain ours;
    for (size_t i = 0; i < ts->n; i++) {
        struct slice text = ts->canonical.list[i];
        size_t at = slice_rfind(text, '@');
        enum directory_result r = directory_get_domain(v, slice_from(text, at + 1), &ours, NULL);
        ts->chosen[i] = r == DIRECTORY_ABSENT ? ts->written.list[i] : text;
    }
    return slice(ts->packed, directory_row_pack_alias(ts->chosen, ts->n, ts->packed));
}

static enum outcome alias_add_fn(struct store_txn *t, void *arg)
{
    struct alias_add *a = arg;
    struct directory_row_domain domain;
    struct directory_row_key key;
    a->change.result = directory_place_for(store_txn_view(t), a->address, &domain, a->change.why);
    if (a->change.result != DIRECTORY_OK)
        return OUTCOME_REFUSED;
    domain.aliases++;
    directory_put_domain(t, directory_text_domain(a->address), &domain);
    directory_row_key_address(
        &key, directory_text_local(a->address), directory_text_domain(a->address));
    store_put(t, directory_row_key_slice(&key), pack_row(store_txn_view(t), a->targets));
    a->change.result = check_ways(store_txn_view(t), a->address, a->change.why);
    return a->change.result == DIRECTORY_OK ? OUTCOME_DONE : OUTCOME_REFUSED;
}

static bool known(const struct targets *ts, struct slice target)
{
    for (size_t i = 0; i < ts->n; i++)
        if (slice_eq(ts->canonical.list[i], target))
            return true;
    return false;
}

static bool keep(struct spelling *s, size_t i, struct slice text)
{
    if (text.n > sizeof s->text - s->bytes)
        return false;
    memcpy(s->text + s->bytes, text.p, text.n);
    s->list[i] = slice(s->text + s->bytes, text.n);
    s->bytes += text.n;
    return true;
}

/* local@domain, with the local part unquoted as it was written. */
static struct slice as_written(
    struct slice target, const struct directory_text *canonical, struct buffer *to)
{
    struct address_spec spec;
    bool ok = address_parse(target, true, &spec) && address_unquote(&spec, to) &&
              buffer_add_char(to, '@') && buffer_add(to, directory_text_domain(canonical));
    return ok ? buffer_slice(to) : directory_text_all(canonical);
}

static bool add_target(
    struct targets *ts, struct slice target, const struct directory_text *canonical)
{
    char room[ADDRESS_MAX];
    struct buffer written = {.p = room, .cap = sizeof room, .max = sizeof room};
    if (ts->n == DIRECTORY_TARGETS_MAX ||
        !keep(&ts->canonical, ts->n, directory_text_all(canonical)) ||
        !keep(&ts->written, ts->n, as_written(target, canonical, &written)))
        return false;
    ts->n++;
    return true;
}

static enum directory_result collect(
    struct targets *ts, const struct slice *targets, size_t n, char *why)
{
    for (size_t i = 0; i < n; i++) {
        struct directory_text text;
        if (!directory_text_parse(targets[i], &text)) {
            directory_why(why, "target \"" SLICE_FMT "\" is not an address",
                SLICE_ARG(slice_sub(targets[i], 0, 150)));
            return DIRECTORY_BAD;
        }
        if (!known(ts, directory_text_all(&text)) && !add_target(ts, targets[i], &text)) {
            directory_why(why, "an alias has at most %d targets and %d bytes of them",
                DIRECTORY_TARGETS_MAX, DIRECTORY_TARGETS_BYTES);
            return DIRECTORY_BAD;
        }
    }
    if (ts->n)
        return DIRECTORY_OK;
    directory_why(why, "an alias needs a target");
    return DIRECTORY_BAD;
}

static bool parse_alias(struct slice address, struct directory_text *text, char *why)
{
    if (directory_text_parse_alias(address, text))
        return true;
    directory_why(why, "\"" SLICE_FMT "\" is neither an address nor @domain",
        SLICE_ARG(slice_sub(address, 0, 150)));
    return false;
}

enum directory_result directory_alias_add(struct directory *d, struct slice address,
    const struct slice *targets, size_t n, char why[DIRECTORY_WHY], deadline until)
{
    struct directory_text text;
    struct alias_add a = {.change.why = why, .address = &text};
    if (!parse_alias(address, &text, why))
        return DIRECTORY_BAD;
    struct targets *ts = malloc(sizeof *ts);
    if (!ts) {
        directory_why(why, "out of memory");
        return DIRECTORY_BUSY;
    }
    ts->n = ts->canonical.bytes = ts->written.bytes = 0;
    enum directory_result result = collect(ts, targets, n, why);
    a.targets = ts;
    if (result == DIRECTORY_OK)
        result = directory_mutate(d, alias_add_fn, &a.change, until);
    free(ts);
    return result;
}

static enum outcome alias_remove_fn(struct store_txn *t, void *arg)
{
    struct alias_add *a = arg;
    struct slice local = directory_text_local(a->address);
    struct slice name = directory_text_domain(a->address);
    struct directory_row_address row;
    struct directory_row_domain domain;
    struct directory_row_key key;
    a->change.result = directory_get_address(store_txn_view(t), local, name, &row, a->change.why);
    if (a->change.result == DIRECTORY_OK && !row.alias) {
        directory_why(a->change.why, "%s is an account, no alias", a->address->p);
        a->change.result = DIRECTORY_ABSENT;
    }
    if (a->change.result == DIRECTORY_OK)
        a->change.result = directory_get_domain(store_txn_view(t), name, &domain, a->change.why);
    if (a->change.result != DIRECTORY_OK)
        return OUTCOME_REFUSED;
    domain.aliases -= domain.aliases > 0;
    directory_put_domain(t, name, &domain);
    directory_row_key_address(&key, local, name);
    store_del(t, directory_row_key_slice(&key));
    return OUTCOME_DONE;
}

enum directory_result directory_alias_remove(
    struct directory *d, struct slice address, char why[DIRECTORY_WHY], deadline until)
{
    struct directory_text text;
    struct alias_add a = {.change.why = why, .address = &text};
    if (!parse_alias(address, &text, why))
        return DIRECTORY_BAD;
    return directory_mutate(d, alias_remove_fn, &a.change, until);
}

/* False: not an alias row. */
static bool unpack_alias(struct slice key, struct slice value, struct directory_alias *alias,
    struct slice targets[DIRECTORY_TARGETS_MAX])
{
    struct directory_row_address row;
    struct slice local, domain;
    if (!directory_row_key_parse_address(key, &local, &domain) ||
        !directory_row_unpack_address(value, &row) || !row.alias)
        return false;
    snprintf(alias->address, sizeof alias->address, SLICE_FMT "@" SLICE_FMT, SLICE_ARG(local),
        SLICE_ARG(domain));
    alias->targets = targets;
    alias->n = 0;
    while (alias->n < DIRECTORY_TARGETS_MAX &&
           directory_row_target_next(&row.targets, &targets[alias->n]))
        alias->n++;
    return true;
}

enum directory_result directory_alias_list(struct directory *d,
    bool (*fn)(void *arg, const struct directory_alias *alias), void *arg, deadline until)
{
    struct directory_scan scan;
    struct slice key, value;
    uint64_t id;
    const char prefix = KEY_ADDRESS;
    struct slice *targets = malloc(DIRECTORY_TARGETS_MAX * sizeof *targets);
    if (!targets)
        return DIRECTORY_BUSY;
    if (!directory_scan_init(&scan, d, DIRECTORY_SCAN_ALIASES, slice(&prefix, 1))) {
        free(targets);
        return DIRECTORY_BUSY;
    }
    while (directory_scan_next(&scan, &key, &value, &id, until)) {
        struct directory_alias alias;
        if (unpack_alias(key, value, &alias, targets) && !fn(arg, &alias))
            break;
    }
    directory_scan_finish(&scan);
    free(targets);
    return scan.failed ? DIRECTORY_BUSY : DIRECTORY_OK;
}
