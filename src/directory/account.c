#include "directory/scan.h"

void directory_copy_account(
    uint64_t id, const struct directory_row_account *row, struct directory_account *account)
{
    *account = (struct directory_account){.id = id,
        .quota = row->quota,
        .credentials_version = row->credentials_version,
        .disabled = row->disabled,
        .has_password = row->has_credentials};
    slice_to_cstr(row->address, account->address, sizeof account->address);
    slice_to_cstr(row->name, account->name, sizeof account->name);
}

static void row_set_credentials(
    struct directory_row_account *row, const struct directory_credentials *credentials)
{
    row->has_credentials = credentials && credentials->present;
    if (!row->has_credentials)
        return;
    row->password =
        slice(credentials->password, strnlen(credentials->password, sizeof credentials->password));
    row->scram_iterations = credentials->scram_iterations;
    row->scram_salt = credentials->scram_salt;
    row->scram_stored_key = credentials->scram_stored_key;
    row->scram_server_key = credentials->scram_server_key;
}

static bool put_account(
    struct store_txn *t, uint64_t id, const struct directory_row_account *row, char *why)
{
    struct directory_row_key key;
    char value[DIRECTORY_ROW_ACCOUNT];
    size_t n = directory_row_pack_account(row, value);
    if (n == 0) {
        directory_why(why, "the account does not fit its row: name or password hash too long");
        return false;
    }
    directory_row_key_id(&key, KEY_ACCOUNT, id);
    store_put(t, directory_row_key_slice(&key), slice(value, n));
    return true;
}

static enum directory_result bad_address(struct slice address, char *why)
{
    directory_why(
        why, "\"" SLICE_FMT "\" is not an address", SLICE_ARG(slice_sub(address, 0, 150)));
    return DIRECTORY_BAD;
}

/* ---- add ---- */

struct account_add {
    struct directory_change change;
    const struct directory_text *address;
    const struct directory_new_account *account;
    uint64_t id;
};

/* Takes the next id from the header. */
static enum directory_result take_id(struct store_txn *t, uint64_t *id, char *why)
{
    struct directory_row_key key;
    struct directory_row_header header;
    struct slice value;
    char packed[DIRECTORY_ROW_FIXED];
    directory_row_key_header(&key);
    if (!store_get(store_txn_view(t), directory_row_key_slice(&key), &value) ||
        !directory_row_unpack_header(value, &header))
        return directory_damaged(why, "header", S("directory"));
    *id = header.next_account++;
    store_put(t, directory_row_key_slice(&key),
        slice(packed, directory_row_pack_header(&header, packed)));
    return DIRECTORY_OK;
}

static enum outcome account_add_fn(struct store_txn *t, void *arg)
{
    struct account_add *a = arg;
    struct directory_row_domain domain;
    struct directory_row_key key;
    char value[DIRECTORY_ROW_FIXED];
    struct directory_row_account row = {.address = directory_text_all(a->address),
        .name = a->account->name,
        .quota = a->account->quota,
        .disabled = a->account->disabled,
        .credentials_version = 1};
    row_set_credentials(&row, a->account->credentials);
    a->change.result = directory_place_for(store_txn_view(t), a->address, &domain, a->change.why);
    if (a->change.result == DIRECTORY_OK)
        a->change.result = take_id(t, &a->id, a->change.why);
    if (a->change.result != DIRECTORY_OK)
        return OUTCOME_REFUSED;
    if (!put_account(t, a->id, &row, a->change.why)) {
        a->change.result = DIRECTORY_BAD;
        return OUTCOME_REFUSED;
    }
    directory_row_key_address(
        &key, directory_text_local(a->address), directory_text_domain(a->address));
    store_put(
        t, directory_row_key_slice(&key), slice(value, directory_row_pack_owner(a->id, value)));
    domain.accounts++;
    if (domain.postmaster == 0)
        domain.postmaster = a->id;
    directory_put_domain(t, directory_text_domain(a->address), &domain);
    return OUTCOME_DONE;
}

enum directory_result directory_account_add(struct directory *d,
    const struct directory_new_account *account, uint64_t *id, char why[DIRECTORY_WHY],
    deadline until)
{
    struct directory_text address;
    struct account_add a = {.change.why = why, .address = &address, .account = account};
    if (!directory_text_parse(account->address, &address))
        return bad_address(account->address, why);
    if (!directory_name_valid(account->name)) {
        directory_why(why, "the name is not UTF-8 text of at most %d bytes", DIRECTORY_NAME_MAX);
        return DIRECTORY_BAD;
    }
    enum directory_result result = directory_mutate(d, account_add_fn, &a.change, until);
    if (result == DIRECTORY_OK && id)
        *id = a.id;
    return result;
}

/* ---- change ---- */

struct account_set {
    struct directory_change change;
    const struct directory_text *address;
    const struct directory_account_change *fields; /* NULL: the credentials change */
    const struct directory_credentials *credentials;
};

/* The account whose own address this is. */
static enum directory_result find(struct store_view *v, const struct directory_text *address,
    uint64_t *id, struct directory_row_account *row, char *why)
{
    struct directory_row_address owner;
    enum directory_result found = directory_get_address(
        v, directory_text_local(address), directory_text_domain(address), &owner, why);
    if (found != DIRECTORY_OK)
        return found;
    if (owner.alias) {
        directory_why(why, "%s is an alias, no account", address->p);
        return DIRECTORY_ABSENT;
    }
    *id = owner.account;
    found = directory_get_account(v, owner.account, row, why);
    return found == DIRECTORY_ABSENT
               ? directory_damaged(why, "address", directory_text_all(address))
               : found;
}

static enum outcome account_set_fn(struct store_txn *t, void *arg)
{
    struct account_set *a = arg;
    struct directory_row_account row;
    uint64_t id;
    a->change.result = find(store_txn_view(t), a->address, &id, &row, a->change.why);
    if (a->change.result != DIRECTORY_OK)
        return OUTCOME_REFUSED;
    if (!a->fields) {
        row_set_credentials(&row, a->credentials);
        row.credentials_version++;
    } else {
        if (a->fields->set_quota)
            row.quota = a->fields->quota;
        if (a->fields->set_disabled)
            row.disabled = a->fields->disabled;
        if (a->fields->set_name)
            row.name = a->fields->name;
    }
    if (put_account(t, id, &row, a->change.why))
        return OUTCOME_DONE;
    a->change.result = DIRECTORY_BAD;
    return OUTCOME_REFUSED;
}

enum directory_result directory_account_set(struct directory *d, struct slice address,
    const struct directory_account_change *change, char why[DIRECTORY_WHY], deadline until)
{
    struct directory_text text;
    struct account_set a = {.change.why = why, .address = &text, .fields = change};
    if (!directory_text_parse(address, &text))
        return bad_address(address, why);
    if (change->set_name && !directory_name_valid(change->name)) {
        directory_why(why, "the name is not UTF-8 text of at most %d bytes", DIRECTORY_NAME_MAX);
        return DIRECTORY_BAD;
    }
    return directory_mutate(d, account_set_fn, &a.change, until);
}

enum directory_result directory_account_credentials(struct directory *d, struct slice address,
    const struct directory_credentials *credentials, char why[DIRECTORY_WHY], deadline until)
{
    struct directory_text text;
    struct account_set a = {.change.why = why, .address = &text, .credentials = credentials};
    if (!directory_text_parse(address, &text))
        return bad_address(address, why);
    return directory_mutate(d, account_set_fn, &a.change, until);
}

/* ---- read ---- */

struct account_read {
    const struct directory_text *address; /* NULL: by id */
    uint64_t id;
    struct directory_account *account;
    struct directory_credentials *credentials; /* may be NULL */
    enum directory_result result;
};

static void copy_credentials(
    const struct directory_row_account *row, struct directory_credentials *credentials)
{
    *credentials = (struct directory_credentials){.present = row->has_credentials};
    if (!row->has_credentials)
        return;
    slice_to_cstr(row->password, credentials->password, sizeof credentials->password);
    credentials->scram_iterations = row->scram_iterations;
    memcpy(credentials->scram_salt, row->scram_salt, sizeof credentials->scram_salt);
    memcpy(
        credentials->scram_stored_key, row->scram_stored_key, sizeof credentials->scram_stored_key);
    memcpy(
        credentials->scram_server_key, row->scram_server_key, sizeof credentials->scram_server_key);
}

static void account_read_fn(struct store_view *v, void *arg)
{
    struct account_read *r = arg;
    struct directory_row_account row;
    uint64_t id = r->id;
    r->result = r->address ? find(v, r->address, &id, &row, NULL)
                           : directory_get_account(v, id, &row, NULL);
    if (r->result != DIRECTORY_OK)
        return;
    directory_copy_account(id, &row, r->account);
    if (r->credentials)
        copy_credentials(&row, r->credentials);
}

enum directory_result directory_account_get(
    struct directory *d, uint64_t id, struct directory_account *account, deadline until)
{
    struct account_read r = {.id = id, .account = account};
    return directory_read(d, account_read_fn, &r, &r.result, until);
}

enum directory_result directory_account_find(
    struct directory *d, struct slice address, struct directory_account *account, deadline until)
{
    return directory_account_login(d, address, account, NULL, until);
}

enum directory_result directory_account_login(struct directory *d, struct slice address,
    struct directory_account *account, struct directory_credentials *credentials, deadline until)
{
    struct directory_text text;
    struct account_read r = {.address = &text, .account = account, .credentials = credentials};
    if (!directory_text_parse(address, &text))
        return DIRECTORY_BAD;
    return directory_read(d, account_read_fn, &r, &r.result, until);
}

enum directory_result directory_account_list(struct directory *d, struct slice domain,
    bool (*fn)(void *arg, const struct directory_account *account), void *arg, deadline until)
{
    struct directory_scan scan;
    struct directory_row_key prefix;
    struct slice key, value;
    uint64_t id;
    directory_row_key_address(&prefix, S(""), S(""));
    prefix.n = 1;
    if (domain.n) {
        struct directory_text text;
        struct directory_domain found;
        enum directory_result result = directory_domain_get(d, domain, &found, until);
        if (result != DIRECTORY_OK)
            return result == DIRECTORY_BUSY ? result : DIRECTORY_NO_DOMAIN;
        directory_text_domain_parse(domain, &text);
        directory_row_key_address(&prefix, S(""), directory_text_domain(&text));
    }
    if (!directory_scan_init(&scan, d, DIRECTORY_SCAN_ACCOUNTS, directory_row_key_slice(&prefix)))
        return DIRECTORY_BUSY;
    while (directory_scan_next(&scan, &key, &value, &id, until)) {
        struct directory_row_account row;
        struct directory_account account;
        if (!directory_row_unpack_account(value, &row))
            continue;
        directory_copy_account(id, &row, &account);
        if (!fn(arg, &account))
            break;
    }
    directory_scan_finish(&scan);
    return scan.failed ? DIRECTORY_BUSY : DIRECTORY_OK;
}
