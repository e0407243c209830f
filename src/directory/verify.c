#include "directory/scan.h"
#include "directory/walk.h"
#include <stdlib.h>

/* The pass reads in many steps; when a change came in between and something looks wrong, it is
 * repeated. */
#define PASSES     3
#define FAULTS_MAX 200 /* told; all are counted */

struct verify {
    struct directory *directory;
    deadline until;
    uint64_t next_account;
    bool header, failed;
    uint64_t faults;
    char (*text)[DIRECTORY_WHY]; /* FAULTS_MAX of them */
};

__attribute__((format(printf, 2, 3))) static void fault(struct verify *v, const char *format, ...)
{
    if (v->faults < FAULTS_MAX) {
        va_list args;
        va_start(args, format);
        directory_why_list(v->text[v->faults], format, args);
        va_end(args);
    }
    v->faults++;
}

/* ---- domains ---- */

static void check_domain(struct verify *v, struct slice name, struct slice value)
{
    struct directory_row_domain row;
    struct directory_row_key prefix;
    struct directory_scan scan;
    struct slice key, member;
    uint64_t id, accounts = 0, aliases = 0;
    bool postmaster = false;
    if (!directory_row_unpack_domain(value, &row)) {
        fault(v, "domain " SLICE_FMT ": its row is damaged", SLICE_ARG(name));
        return;
    }
    directory_row_key_address(&prefix, S(""), name);
    if (!directory_scan_init(
            &scan, v->directory, DIRECTORY_SCAN_ALL, directory_row_key_slice(&prefix))) {
        v->failed = true;
        return;
    }
    while (directory_scan_next(&scan, &key, &member, &id, v->until)) {
        struct directory_row_address address;
        if (!directory_row_unpack_address(member, &address))
            continue;
        accounts += !address.alias;
        aliases += address.alias;
        postmaster |= !address.alias && address.account == row.postmaster;
    }
    directory_scan_finish(&scan);
    v->failed |= scan.failed;
    if (accounts != row.accounts || aliases != row.aliases)
        fault(v, "domain " SLICE_FMT ": counts %llu accounts and %llu aliases, has %llu and %llu",
            SLICE_ARG(name), (unsigned long long)row.accounts, (unsigned long long)row.aliases,
            (unsigned long long)accounts, (unsigned long long)aliases);
    if (!postmaster && (row.postmaster || accounts))
        fault(v, "domain " SLICE_FMT ": its postmaster, account %llu, is none of its accounts",
            SLICE_ARG(name), (unsigned long long)row.postmaster);
}

/* ---- addresses ---- */

struct address_check {
    struct slice local, domain, value;
    char why[DIRECTORY_WHY]; /* empty: nothing is wrong */
};

static void check_alias(
    struct store_view *v, struct address_check *c, const struct directory_row_address *row)
{
    struct directory_walk w;
    struct directory_found found = {.local = c->local, .domain = c->domain, .row = *row};
    directory_walk_start(&w, v, &found);
    for (;;) {
        switch (directory_walk_next(&w)) {
        case DIRECTORY_WALK_ACCOUNT:
        case DIRECTORY_WALK_ELSEWHERE:
        case DIRECTORY_WALK_DANGLING: /* an administrator removed it: resolve passes over it */
            break;
        case DIRECTORY_WALK_LOOP:
            directory_why(c->why, "it goes in a circle at " SLICE_FMT, SLICE_ARG(w.target));
            return;
        case DIRECTORY_WALK_DEEP:
            directory_why(c->why, "more than %d aliases behind each other", DIRECTORY_DEPTH_MAX);
            return;
        case DIRECTORY_WALK_MANY:
            directory_why(c->why, "it reaches more than %d targets", DIRECTORY_WALK_LOOKUPS);
            return;
        case DIRECTORY_WALK_BROKEN:
        case DIRECTORY_WALK_END:
            return;
        }
    }
}

static void address_fn(struct store_view *v, void *arg)
{
    struct address_check *c = arg;
    struct directory_row_address row;
    struct directory_row_account account;
    struct directory_row_domain domain;
    c->why[0] = '\0';
    if (!directory_row_unpack_address(c->value, &row)) {
        directory_why(c->why, "its row is damaged");
    } else if (directory_get_domain(v, c->domain, &domain, NULL) == DIRECTORY_ABSENT) {
        directory_why(c->why, "its domain does not exist");
    } else if (row.alias) {
        check_alias(v, c, &row);
    } else if (directory_get_account(v, row.account, &account, NULL) == DIRECTORY_ABSENT) {
        directory_why(c->why, "its account %llu does not exist", (unsigned long long)row.account);
    }
}

static void check_address(struct verify *v, struct slice key, struct slice value)
{
    struct address_check c = {.value = value};
    if (!directory_row_key_parse_address(key, &c.local, &c.domain)) {
        fault(v, "an address row has a damaged key");
        return;
    }
    if (store_read(v->directory->store, v->directory->partition, address_fn, &c, NULL, v->until) !=
        OUTCOME_DONE)
        v->failed = true;
    else if (c.why[0])
        fault(v, "address " SLICE_FMT "@" SLICE_FMT ": %s", SLICE_ARG(c.local), SLICE_ARG(c.domain),
            c.why);
}

/* ---- accounts and purges ---- */

struct account_check {
    struct slice local, domain;
    uint64_t id;
    bool owned, account;
};

static void account_fn(struct store_view *v, void *arg)
{
    struct account_check *c = arg;
    struct directory_row_address row;
    struct directory_row_account account;
    c->owned = c->domain.n &&
               directory_get_address(v, c->local, c->domain, &row, NULL) == DIRECTORY_OK &&
               !row.alias && row.account == c->id;
    c->account = directory_get_account(v, c->id, &account, NULL) != DIRECTORY_ABSENT;
}

static void check_account(struct verify *v, struct slice key, struct slice value, bool purge)
{
    struct directory_row_account row = {0};
    struct account_check c = {0};
    if (!directory_row_key_parse_id(key, &c.id)) {
        fault(v, "an account row has a damaged key");
        return;
    }
    unsigned long long id = c.id;
    if (c.id == 0 || c.id >= v->next_account)
        fault(v, "account %llu: the number was never given out (next is %llu)", id,
            (unsigned long long)v->next_account);
    if (!purge && !directory_row_unpack_account(value, &row)) {
        fault(v, "account %llu: its row is damaged", id);
        return;
    }
    size_t at = slice_rfind(row.address, '@');
    c.local = slice_sub(row.address, 0, purge ? 0 : at);
    c.domain = purge ? S("") : slice_from(row.address, at + 1);
    if (store_read(v->directory->store, v->directory->partition, account_fn, &c, NULL, v->until) !=
        OUTCOME_DONE)
        v->failed = true;
    else if (purge && c.account)
        fault(v, "account %llu: is removed and still there", id);
    else if (!purge && !c.owned)
        fault(v, "account %llu: its address " SLICE_FMT " does not lead to it", id,
            SLICE_ARG(row.address));
}

/* ---- all ---- */

static void check_row(struct verify *v, struct slice key, struct slice value)
{
    struct directory_row_header header;
    switch (key.n ? key.p[0] : 0) {
    case KEY_DIRECTORY_HEADER:
        v->header = key.n == 1 && directory_row_unpack_header(value, &header);
        if (v->header)
            v->next_account = header.next_account;
        return;
    case KEY_DOMAIN:
        check_domain(v, slice_from(key, 1), value);
        return;
    case KEY_ADDRESS:
        check_address(v, key, value);
        return;
    case KEY_ACCOUNT:
        check_account(v, key, value, false);
        return;
    case KEY_PURGE:
        check_account(v, key, value, true);
        return;
    default:
        fault(v, "a row of unknown kind %d", key.n ? key.p[0] : 0);
    }
}

static void version_fn(struct store_view *v, void *arg)
{
    (void)v;
    (void)arg;
}

static uint64_t version(struct verify *v)
{
    uint64_t now = 0;
    if (store_read(v->directory->store, v->directory->partition, version_fn, NULL, &now,
            v->until) != OUTCOME_DONE)
        v->failed = true;
    return now;
}

static void pass(struct verify *v)
{
    struct directory_scan scan;
    struct slice key, value;
    uint64_t id;
    v->faults = 0;
    v->header = false;
    v->next_account = 0;
    if (!directory_scan_init(&scan, v->directory, DIRECTORY_SCAN_ALL, S(""))) {
        v->failed = true;
        return;
    }
    while (!v->failed && directory_scan_next(&scan, &key, &value, &id, v->until))
        check_row(v, key, value);
    v->failed |= scan.failed;
    directory_scan_finish(&scan);
    if (!v->header)
        fault(v, "the header row is missing or damaged");
}

enum directory_result directory_verify(struct directory *d, void (*fn)(void *arg, const char *text),
    void *arg, uint64_t *faults, deadline until)
{
    struct verify v = {.directory = d, .until = until};
    *faults = 0;
    v.text = calloc(FAULTS_MAX, sizeof *v.text);
    if (!v.text)
        return DIRECTORY_BUSY;
    for (int i = 0; i < PASSES && !v.failed; i++) {
        uint64_t before = version(&v);
        pass(&v);
        if (v.faults == 0 || version(&v) == before)
            break;
    }
    for (uint64_t i = 0; i < v.faults && i < FAULTS_MAX && !v.failed; i++)
        fn(arg, v.text[i]);
    *faults = v.faults;
    free(v.text);
    return v.failed ? DIRECTORY_BUSY : DIRECTORY_OK;
}
