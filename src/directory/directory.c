#include "base/random.h"
#include "base/utf8.h"
#include "directory/directory_private.h"
#include "message/address.h"
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <stdio.h>
#include <stdlib.h>

void directory_why_list(char why[DIRECTORY_WHY], const char *format, va_list args)
{
    vsnprintf(why, DIRECTORY_WHY, format, args);
    for (char *p = why; *p; p++)
        if ((unsigned char)*p < 0x20 || *p == 0x7f)
            *p = '?';
}

void directory_why(char *why, const char *format, ...)
{
    va_list args;
    if (!why)
        return;
    va_start(args, format);
    directory_why_list(why, format, args);
    va_end(args);
}

enum directory_result directory_damaged(char *why, const char *what, struct slice name)
{
    directory_why(
        why, "the %s row of \"" SLICE_FMT "\" is damaged: run barid verify", what, SLICE_ARG(name));
    return DIRECTORY_BUSY;
}

/* ---- names ---- */

/* A buffer over memory of the caller that never grows: no allocation. */
static struct buffer fixed_buffer(char *p, size_t room)
{
    return (struct buffer){.p = p, .cap = room, .max = room};
}

static bool text_set(struct directory_text *t, struct slice local, struct slice domain)
{
    if (local.n > DIRECTORY_LOCAL_MAX || domain.n == 0 || domain.n > DIRECTORY_DOMAIN_MAX ||
        domain.p[0] == '[' || local.n + 1 + domain.n > DIRECTORY_ADDRESS_MAX)
        return false;
    if (slice_find(local, '\0') != SLICE_NONE || slice_find(domain, '\0') != SLICE_NONE)
        return false;
    t->local_n = local.n;
    t->domain_n = domain.n;
    if (local.n)
        memcpy(t->p, local.p, local.n);
    t->p[local.n] = '@';
    memcpy(t->p + local.n + 1, domain.p, domain.n);
    t->p[local.n + 1 + domain.n] = '\0';
    return true;
}

bool directory_text_parse(struct slice text, struct directory_text *t)
{
    char room[ADDRESS_CANONICAL_MAX];
    struct buffer to = fixed_buffer(room, sizeof room);
    struct address_spec spec;
    struct slice local, domain;
    return address_parse(text, true, &spec) && !spec.literal && address_canonical(&spec, &to) &&
           address_split(buffer_slice(&to), &local, &domain) && text_set(t, local, domain);
}

bool directory_text_domain_parse(struct slice domain, struct directory_text *t)
{
    char room[ADDRESS_CANONICAL_MAX];
    struct buffer to = fixed_buffer(room, sizeof room);
    return address_domain_valid(domain, true) && address_canonical_domain(domain, &to) &&
           text_set(t, S(""), buffer_slice(&to));
}

bool directory_text_parse_alias(struct slice text, struct directory_text *t)
{
    if (text.n && text.p[0] == '@')
        return directory_text_domain_parse(slice_from(text, 1), t);
    return directory_text_parse(text, t);
}

bool directory_text_join(struct slice local, struct slice domain, struct directory_text *t)
{
    char local_room[DIRECTORY_LOCAL_MAX], domain_room[ADDRESS_CANONICAL_MAX];
    struct buffer l = fixed_buffer(local_room, sizeof local_room);
    struct buffer d = fixed_buffer(domain_room, sizeof domain_room);
    if (!address_domain_valid(domain, true) || !address_canonical_domain(domain, &d))
        return false;
    if (local.n && !address_canonical_local(local, &l))
        return false;
    return text_set(t, buffer_slice(&l), buffer_slice(&d));
}

bool directory_name_valid(struct slice name)
{
    if (name.n > DIRECTORY_NAME_MAX || !utf8_valid(name))
        return false;
    for (size_t i = 0; i < name.n; i++)
        if ((unsigned char)name.p[i] < 0x20 || name.p[i] == 0x7f)
            return false;
    return true;
}

/* ---- store ---- */

enum directory_result directory_mutate(
    struct directory *d, store_mutate_fn fn, struct directory_change *change, deadline until)
{
    struct store_mutation m = {.partition = d->partition, .fn = fn, .arg = change};
    change->result = DIRECTORY_BUSY;
    switch (store_mutate(d->store, &m, NULL, until)) {
    case OUTCOME_DONE:
    case OUTCOME_REFUSED:
        return change->result;
    case OUTCOME_FAILED:
        directory_why(change->why, "the store is busy or out of space: try again");
        return DIRECTORY_BUSY;
    case OUTCOME_UNKNOWN:
        break;
    }
    directory_why(change->why, "the store failed: it is not known whether this was done");
    return DIRECTORY_UNKNOWN;
}

enum directory_result directory_read(struct directory *d, store_read_fn fn, void *arg,
    const enum directory_result *result, deadline until)
{
    if (store_read(d->store, d->partition, fn, arg, NULL, until) != OUTCOME_DONE)
        return DIRECTORY_BUSY;
    return *result;
}

enum directory_result directory_get_domain(
    struct store_view *v, struct slice domain, struct directory_row_domain *row, char *why)
{
    struct directory_row_key key;
    struct slice value;
    directory_row_key_domain(&key, domain);
    if (!store_get(v, directory_row_key_slice(&key), &value)) {
        directory_why(why, SLICE_FMT " is not a domain of this server", SLICE_ARG(domain));
        return DIRECTORY_ABSENT;
    }
    if (!directory_row_unpack_domain(value, row))
        return directory_damaged(why, "domain", domain);
    return DIRECTORY_OK;
}

enum directory_result directory_get_address(struct store_view *v, struct slice local,
    struct slice domain, struct directory_row_address *row, char *why)
{
    struct directory_row_key key;
    struct slice value;
    directory_row_key_address(&key, local, domain);
    if (!store_get(v, directory_row_key_slice(&key), &value)) {
        directory_why(
            why, "there is no " SLICE_FMT "@" SLICE_FMT, SLICE_ARG(local), SLICE_ARG(domain));
        return DIRECTORY_ABSENT;
    }
    if (!directory_row_unpack_address(value, row))
        return directory_damaged(why, "address", local);
    return DIRECTORY_OK;
}

enum directory_result directory_get_account(
    struct store_view *v, uint64_t id, struct directory_row_account *row, char *why)
{
    struct directory_row_key key;
    struct slice value;
    directory_row_key_id(&key, KEY_ACCOUNT, id);
    if (!store_get(v, directory_row_key_slice(&key), &value)) {
        directory_why(why, "there is no account %llu", (unsigned long long)id);
        return DIRECTORY_ABSENT;
    }
    if (!directory_row_unpack_account(value, row)) {
        directory_why(
            why, "the row of account %llu is damaged: run barid verify", (unsigned long long)id);
        return DIRECTORY_BUSY;
    }
    return DIRECTORY_OK;
}

/* Senders made for forwarded mail (intake/srs.h): nothing else is looked up for them. */
static bool is_reserved(struct slice local)
{
    return slice_starts_nocase(local, S("srs0=")) || slice_starts_nocase(local, S("srs1="));
}

enum directory_result directory_place_for(struct store_view *v,
    const struct directory_text *address, struct directory_row_domain *domain, char *why)
{
    struct directory_row_address taken;
    if (is_reserved(directory_text_local(address))) {
        directory_why(why, "addresses that begin with SRS0= or SRS1= are those of forwarded mail");
        return DIRECTORY_BAD;
    }
    enum directory_result found =
        directory_get_domain(v, directory_text_domain(address), domain, why);
    if (found != DIRECTORY_OK)
        return found == DIRECTORY_ABSENT ? DIRECTORY_NO_DOMAIN : found;
    found = directory_get_address(
        v, directory_text_local(address), directory_text_domain(address), &taken, why);
    if (found != DIRECTORY_OK)
        return found == DIRECTORY_ABSENT ? DIRECTORY_OK : found;
    directory_why(
        why, "there is %s %s already", taken.alias ? "an alias" : "an account", address->p);
    return DIRECTORY_EXISTS;
}

bool directory_put_domain(
    struct store_txn *t, struct slice domain, const struct directory_row_domain *row)
{
    struct directory_row_key key;
    char value[DIRECTORY_ROW_FIXED];
    size_t n = directory_row_pack_domain(row, value);
    if (n == 0)
        return false;
    directory_row_key_domain(&key, domain);
    store_put(t, directory_row_key_slice(&key), slice(value, n));
    return true;
}

/* ---- open ---- */

struct open_change {
    struct directory_change change;
    struct directory_row_header fresh, found;
};

static enum outcome open_fn(struct store_txn *t, void *arg)
{
    struct open_change *o = arg;
    struct directory_row_key key;
    struct slice value;
    char packed[DIRECTORY_ROW_FIXED];
    directory_row_key_header(&key);
    o->change.result = DIRECTORY_OK;
    if (store_get(store_txn_view(t), directory_row_key_slice(&key), &value)) {
        if (directory_row_unpack_header(value, &o->found))
            return OUTCOME_DONE;
        directory_why(o->change.why, value.n && (uint8_t)value.p[0] > DIRECTORY_ROW_VERSION
                                         ? "the directory was written by a newer version of barid"
                                         : "the header row of the directory is damaged");
        o->change.result = DIRECTORY_BAD;
        return OUTCOME_REFUSED;
    }
    o->found = o->fresh;
    store_put(t, directory_row_key_slice(&key),
        slice(packed, directory_row_pack_header(&o->fresh, packed)));
    return OUTCOME_DONE;
}

struct directory *directory_open(
    const struct directory_options *options, char why[DIRECTORY_WHY], deadline until)
{
    struct directory *d = calloc(1, sizeof *d);
    struct open_change o = {.change.why = why, .fresh.next_account = 1};
    if (!d) {
        directory_why(why, "out of memory");
        return NULL;
    }
    d->store = options->store;
    d->partition = keyspace_partition(KEYSPACE_DIRECTORY, 0);
    d->has_postmaster = options->postmaster.n > 0;
    if (d->has_postmaster && !directory_text_parse(options->postmaster, &d->postmaster)) {
        directory_why(
            why, "postmaster: \"" SLICE_FMT "\" is not an address", SLICE_ARG(options->postmaster));
        free(d);
        return NULL;
    }
    random_bytes(o.fresh.server_id, sizeof o.fresh.server_id);
    random_bytes(o.fresh.secret, sizeof o.fresh.secret);
    if (directory_mutate(d, open_fn, &o.change, until) != DIRECTORY_OK) {
        free(d);
        return NULL;
    }
    memcpy(d->server_id, o.found.server_id, sizeof d->server_id);
    memcpy(d->secret, o.found.secret, sizeof d->secret);
    return d;
}

void directory_close(struct directory *d)
{
    if (d)
        OPENSSL_cleanse(d->secret, sizeof d->secret);
    free(d);
}

const uint8_t *directory_server_id(const struct directory *d)
{
    return d->server_id;
}

bool directory_canonical(struct slice address, char canonical[DIRECTORY_ADDRESS_MAX + 1])
{
    struct directory_text text;
    bool is_address = directory_text_parse(address, &text);
    return slice_to_cstr(is_address ? directory_text_all(&text) : S(""), canonical,
               DIRECTORY_ADDRESS_MAX + 1) &&
           is_address;
}

/* Another hash than that of salts, so that no name can have a key's bytes as its salt. */
void directory_key(const struct directory *d, const char *label, uint8_t key[32])
{
    uint8_t mac[EVP_MAX_MD_SIZE];
    unsigned n = sizeof mac;
    if (!HMAC(EVP_sha512(), d->secret, sizeof d->secret, (const unsigned char *)label,
            strlen(label), mac, &n))
        abort();
    memcpy(key, mac, 32);
    OPENSSL_cleanse(mac, sizeof mac);
}

void directory_salt(const struct directory *d, struct slice name, uint8_t salt[16])
{
    char canonical[DIRECTORY_ADDRESS_MAX + 1];
    uint8_t mac[EVP_MAX_MD_SIZE];
    unsigned n = sizeof mac;
    if (directory_canonical(name, canonical))
        name = slice_str(canonical);
    if (!HMAC(EVP_sha256(), d->secret, sizeof d->secret, (const unsigned char *)name.p, name.n, mac,
            &n))
        abort();
    memcpy(salt, mac, 16);
}
