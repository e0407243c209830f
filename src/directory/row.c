#include "directory/row.h"

enum { KIND_ACCOUNT = 1, KIND_ALIAS = 2 };
enum { FLAG_DISABLED = 1, FLAG_CREDENTIALS = 2, FLAGS_ALL = 3 };

/* ---- keys ---- */

static void key_start(struct directory_row_key *k, enum keyspace_directory kind)
{
    k->p[0] = (char)kind;
    k->n = 1;
}

/* Callers hold canonical text of at most DIRECTORY_ADDRESS_MAX bytes; cut all the same. */
static void key_add(struct directory_row_key *k, struct slice s)
{
    s = slice_sub(s, 0, sizeof k->p - k->n);
    if (s.n)
        memcpy(k->p + k->n, s.p, s.n);
    k->n += s.n;
}

void directory_row_key_header(struct directory_row_key *k)
{
    key_start(k, KEY_DIRECTORY_HEADER);
}

void directory_row_key_domain(struct directory_row_key *k, struct slice domain)
{
    key_start(k, KEY_DOMAIN);
    key_add(k, domain);
}

void directory_row_key_address(struct directory_row_key *k, struct slice local, struct slice domain)
{
    key_start(k, KEY_ADDRESS);
    key_add(k, domain);
    key_add(k, slice("", 1));
    key_add(k, local);
}

void directory_row_key_id(
    struct directory_row_key *k, enum keyspace_directory kind, uint64_t account)
{
    key_start(k, kind);
    pack_u64(k->p + 1, account);
    k->n = 9;
}

bool directory_row_key_parse_address(struct slice key, struct slice *local, struct slice *domain)
{
    if (key.n < 1 || key.p[0] != KEY_ADDRESS)
        return false;
    struct slice rest = slice_from(key, 1);
    if (slice_find(rest, '\0') == SLICE_NONE)
        return false;
    *domain = slice_cut(&rest, '\0');
    *local = rest;
    return domain->n > 0 && domain->n + 1 + local->n <= DIRECTORY_ADDRESS_MAX &&
           slice_find(rest, '\0') == SLICE_NONE;
}

bool directory_row_key_parse_id(struct slice key, uint64_t *account)
{
    if (key.n != 9)
        return false;
    *account = unpack_u64(key.p + 1);
    return true;
}

/* ---- packing ---- */

/* Writes into a fixed room; what does not fit sets `bad` and the whole row is given up. */
struct packer {
    char *p;
    size_t n, room;
    bool bad;
};

static void put_bytes(struct packer *w, const void *p, size_t n)
{
    if (n > w->room - w->n) {
        w->bad = true;
        return;
    }
    if (n)
        memcpy(w->p + w->n, p, n);
    w->n += n;
}

static void put_u8(struct packer *w, uint8_t v)
{
    put_bytes(w, &v, 1);
}

static void put_u16(struct packer *w, uint16_t v)
{
    uint8_t b[2];
    pack_u16(b, v);
    put_bytes(w, b, sizeof b);
}

static void put_u32(struct packer *w, uint32_t v)
{
    uint8_t b[4];
    pack_u32(b, v);
    put_bytes(w, b, sizeof b);
}

static void put_u64(struct packer *w, uint64_t v)
{
    uint8_t b[8];
    pack_u64(b, v);
    put_bytes(w, b, sizeof b);
}

static void put_text(struct packer *w, struct slice s, size_t max)
{
    if (s.n > max || slice_find(s, '\0') != SLICE_NONE) {
        w->bad = true;
        return;
    }
    put_u16(w, (uint16_t)s.n);
    put_bytes(w, s.p, s.n);
}

static struct packer packer(char *to, size_t room)
{
    struct packer w = {.p = to, .room = room};
    put_u8(&w, DIRECTORY_ROW_VERSION);
    return w;
}

static size_t packed(const struct packer *w)
{
    return w->bad ? 0 : w->n;
}

size_t directory_row_pack_header(
    const struct directory_row_header *row, char to[DIRECTORY_ROW_FIXED])
{
    struct packer w = packer(to, DIRECTORY_ROW_FIXED);
    put_u64(&w, row->next_account);
    put_bytes(&w, row->server_id, sizeof row->server_id);
    put_bytes(&w, row->secret, sizeof row->secret);
    return packed(&w);
}

size_t directory_row_pack_domain(
    const struct directory_row_domain *row, char to[DIRECTORY_ROW_FIXED])
{
    struct packer w = packer(to, DIRECTORY_ROW_FIXED);
    put_u64(&w, row->accounts);
    put_u64(&w, row->aliases);
    put_u64(&w, row->postmaster);
    return packed(&w);
}

size_t directory_row_pack_owner(uint64_t account, char to[DIRECTORY_ROW_FIXED])
{
    struct packer w = packer(to, DIRECTORY_ROW_FIXED);
    put_u8(&w, KIND_ACCOUNT);
    put_u64(&w, account);
    return packed(&w);
}

size_t directory_row_pack_purge(int64_t removed_at, char to[DIRECTORY_ROW_FIXED])
{
    struct packer w = packer(to, DIRECTORY_ROW_FIXED);
    put_u64(&w, (uint64_t)removed_at);
    return packed(&w);
}

size_t directory_row_pack_account(
    const struct directory_row_account *row, char to[DIRECTORY_ROW_ACCOUNT])
{
    struct packer w = packer(to, DIRECTORY_ROW_ACCOUNT);
    put_u8(&w, (uint8_t)((row->disabled ? FLAG_DISABLED : 0) |
                         (row->has_credentials ? FLAG_CREDENTIALS : 0)));
    put_u64(&w, row->quota);
    put_u64(&w, row->credentials_version);
    put_text(&w, row->address, DIRECTORY_ADDRESS_MAX);
    put_text(&w, row->name, DIRECTORY_NAME_MAX);
    if (row->has_credentials) {
        put_text(&w, row->password, DIRECTORY_PASSWORD_MAX - 1);
        put_u32(&w, row->scram_iterations);
        put_bytes(&w, row->scram_salt, 16);
        put_bytes(&w, row->scram_stored_key, 32);
        put_bytes(&w, row->scram_server_key, 32);
    }
    return packed(&w);
}

size_t directory_row_pack_alias(const struct slice *targets, size_t n, char to[DIRECTORY_ROW_ALIAS])
{
    struct packer w = packer(to, DIRECTORY_ROW_ALIAS);
    if (n == 0 || n > DIRECTORY_TARGETS_MAX)
        return 0;
    put_u8(&w, KIND_ALIAS);
    put_u16(&w, (uint16_t)n);
    for (size_t i = 0; i < n; i++)
        put_text(&w, targets[i], DIRECTORY_ADDRESS_MAX);
    return packed(&w);
}

/* ---- unpacking ---- */

/* Takers answer no at the end and for what is out of range. */
static bool get_bytes(struct slice *rest, size_t n, const uint8_t **p)
{
    if (rest->n < n)
        return false;
    *p = (const uint8_t *)rest->p;
    *rest = slice_from(*rest, n);
    return true;
}

static bool get_u8(struct slice *rest, uint8_t *v)
{
    const uint8_t *p;
    if (!get_bytes(rest, 1, &p))
        return false;
    *v = *p;
    return true;
}

static bool get_u16(struct slice *rest, uint16_t *v)
{
    const uint8_t *p;
    if (!get_bytes(rest, 2, &p))
        return false;
    *v = unpack_u16(p);
    return true;
}

static bool get_u32(struct slice *rest, uint32_t *v)
{
    const uint8_t *p;
    if (!get_bytes(rest, 4, &p))
        return false;
    *v = unpack_u32(p);
    return true;
}

static bool get_u64(struct slice *rest, uint64_t *v)
{
    const uint8_t *p;
    if (!get_bytes(rest, 8, &p))
        return false;
    *v = unpack_u64(p);
    return true;
}

static bool get_text(struct slice *rest, size_t max, struct slice *text)
{
    uint16_t n;
    const uint8_t *p;
    if (!get_u16(rest, &n) || n > max || !get_bytes(rest, n, &p))
        return false;
    *text = slice(p, n);
    return slice_find(*text, '\0') == SLICE_NONE;
}

static bool get_version(struct slice *rest)
{
    uint8_t version;
    return get_u8(rest, &version) && version == DIRECTORY_ROW_VERSION;
}

bool directory_row_unpack_header(struct slice value, struct directory_row_header *row)
{
    const uint8_t *id, *secret;
    if (!get_version(&value) || !get_u64(&value, &row->next_account) ||
        !get_bytes(&value, sizeof row->server_id, &id) ||
        !get_bytes(&value, sizeof row->secret, &secret))
        return false;
    memcpy(row->server_id, id, sizeof row->server_id);
    memcpy(row->secret, secret, sizeof row->secret);
    return value.n == 0 && row->next_account > 0;
}

bool directory_row_unpack_domain(struct slice value, struct directory_row_domain *row)
{
    return get_version(&value) && get_u64(&value, &row->accounts) &&
           get_u64(&value, &row->aliases) && get_u64(&value, &row->postmaster) && value.n == 0;
}

static bool unpack_targets(struct slice value, struct directory_row_targets *targets)
{
    uint16_t n;
    if (!get_u16(&value, &n) || n == 0 || n > DIRECTORY_TARGETS_MAX)
        return false;
    *targets = (struct directory_row_targets){.packed = value, .n = n};
    for (unsigned i = 0; i < n; i++) {
        struct slice text;
        size_t at;
        if (!get_text(&value, DIRECTORY_ADDRESS_MAX, &text))
            return false;
        at = slice_rfind(text, '@');
        if (at == SLICE_NONE || at == 0 || at + 1 == text.n)
            return false;
    }
    return value.n == 0;
}

bool directory_row_unpack_address(struct slice value, struct directory_row_address *row)
{
    uint8_t kind;
    *row = (struct directory_row_address){0};
    if (!get_version(&value) || !get_u8(&value, &kind))
        return false;
    row->alias = kind == KIND_ALIAS;
    if (row->alias)
        return unpack_targets(value, &row->targets);
    return kind == KIND_ACCOUNT && get_u64(&value, &row->account) && value.n == 0;
}

bool directory_row_target_next(struct directory_row_targets *rest, struct slice *target)
{
    if (rest->n == 0 || !get_text(&rest->packed, DIRECTORY_ADDRESS_MAX, target))
        return false;
    rest->n--;
    return true;
}

static bool unpack_credentials(struct slice *value, struct directory_row_account *row)
{
    return get_text(value, DIRECTORY_PASSWORD_MAX - 1, &row->password) &&
           get_u32(value, &row->scram_iterations) && get_bytes(value, 16, &row->scram_salt) &&
           get_bytes(value, 32, &row->scram_stored_key) &&
           get_bytes(value, 32, &row->scram_server_key);
}

bool directory_row_unpack_account(struct slice value, struct directory_row_account *row)
{
    uint8_t flags;
    *row = (struct directory_row_account){0};
    if (!get_version(&value) || !get_u8(&value, &flags) || (flags & ~FLAGS_ALL) ||
        !get_u64(&value, &row->quota) || !get_u64(&value, &row->credentials_version) ||
        !get_text(&value, DIRECTORY_ADDRESS_MAX, &row->address) ||
        !get_text(&value, DIRECTORY_NAME_MAX, &row->name))
        return false;
    row->disabled = flags & FLAG_DISABLED;
    row->has_credentials = flags & FLAG_CREDENTIALS;
    if (row->has_credentials && !unpack_credentials(&value, row))
        return false;
    size_t at = slice_rfind(row->address, '@');
    return value.n == 0 && at != SLICE_NONE && at > 0 && at + 1 < row->address.n;
}
