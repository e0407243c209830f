#include "mailbox/uidmap.h"
#include "mailbox/row.h"

#define UIDMAP_VERSION 1
#define RANGES_MAX     127    /* from there on 512 bytes of bits are smaller */
#define AS_BITS        0xffff /* in place of the number of ranges */

static bool bit(const uint64_t *words, unsigned i)
{
    return words[i / 64] >> (i % 64) & 1;
}

void uidmap_set(struct uidmap *map, uint32_t uid, bool unseen)
{
    unsigned i = uid % UIDMAP_UIDS;
    uint64_t one = UINT64_C(1) << (i % 64);
    map->existing[i / 64] |= one;
    if (unseen)
        map->unseen[i / 64] |= one;
    else
        map->unseen[i / 64] &= ~one;
}

void uidmap_clear(struct uidmap *map, uint32_t uid)
{
    unsigned i = uid % UIDMAP_UIDS;
    uint64_t one = UINT64_C(1) << (i % 64);
    map->existing[i / 64] &= ~one;
    map->unseen[i / 64] &= ~one;
}

bool uidmap_has(const struct uidmap *map, uint32_t uid)
{
    return bit(map->existing, uid % UIDMAP_UIDS);
}

bool uidmap_is_unseen(const struct uidmap *map, uint32_t uid)
{
    return bit(map->unseen, uid % UIDMAP_UIDS);
}

static unsigned count(const uint64_t words[UIDMAP_WORDS])
{
    unsigned sum = 0;
    for (unsigned i = 0; i < UIDMAP_WORDS; i++)
        sum += (unsigned)__builtin_popcountll(words[i]);
    return sum;
}

unsigned uidmap_count(const struct uidmap *map)
{
    return count(map->existing);
}

unsigned uidmap_count_unseen(const struct uidmap *map)
{
    return count(map->unseen);
}

/* First bit >= from that is (or, with `invert` all ones, is not) set; UIDMAP_UIDS when there is
 * none. */
static unsigned find_bit(const uint64_t words[UIDMAP_WORDS], unsigned from, uint64_t invert)
{
    for (unsigned w = from / 64; w < UIDMAP_WORDS; w++) {
        uint64_t word = words[w] ^ invert;
        if (w == from / 64)
            word &= ~UINT64_C(0) << (from % 64);
        if (word)
            return w * 64 + (unsigned)__builtin_ctzll(word);
    }
    return UIDMAP_UIDS;
}

bool uidmap_next(const struct uidmap *map, unsigned from, unsigned *first, unsigned *last)
{
    *first = find_bit(map->existing, from, 0);
    if (*first == UIDMAP_UIDS)
        return false;
    *last = find_bit(map->existing, *first, ~UINT64_C(0)) - 1;
    return true;
}

unsigned uidmap_find_unseen(const struct uidmap *map, unsigned from)
{
    return find_bit(map->unseen, from, 0);
}

static size_t pack_bits(const uint64_t words[UIDMAP_WORDS], char *out)
{
    size_t n = 2;
    unsigned ranges = 0;
    for (unsigned at = 0; (at = find_bit(words, at, 0)) < UIDMAP_UIDS; ranges++) {
        unsigned end = find_bit(words, at, ~UINT64_C(0));
        if (ranges == RANGES_MAX)
            goto bits;
        pack_u16(out + n, (uint16_t)at);
        pack_u16(out + n + 2, (uint16_t)(end - 1));
        n += 4;
        at = end;
    }
    pack_u16(out, (uint16_t)ranges);
    return n;
bits:
    pack_u16(out, AS_BITS);
    for (unsigned i = 0; i < UIDMAP_WORDS; i++)
        pack_u64(out + 2 + i * 8, words[i]);
    return 2 + UIDMAP_UIDS / 8;
}

size_t uidmap_pack(const struct uidmap *map, char out[UIDMAP_ROW_MAX])
{
    out[0] = UIDMAP_VERSION;
    size_t n = 1 + pack_bits(map->existing, out + 1);
    return n + pack_bits(map->unseen, out + n);
}

static void set_range(uint64_t words[UIDMAP_WORDS], unsigned first, unsigned last)
{
    for (unsigned w = first / 64; w <= last / 64; w++) {
        uint64_t mask = ~UINT64_C(0);
        if (w == first / 64)
            mask &= ~UINT64_C(0) << (first % 64);
        if (w == last / 64)
            mask &= ~UINT64_C(0) >> (63 - last % 64);
        words[w] |= mask;
    }
}

static bool unpack_bits(struct slice *row, uint64_t words[UIDMAP_WORDS])
{
    if (row->n < 2)
        return false;
    unsigned n = unpack_u16(row->p);
    *row = slice_from(*row, 2);
    if (n == AS_BITS) {
        if (row->n < UIDMAP_UIDS / 8)
            return false;
        for (unsigned i = 0; i < UIDMAP_WORDS; i++)
            words[i] = unpack_u64(row->p + i * 8);
        *row = slice_from(*row, UIDMAP_UIDS / 8);
        return true;
    }
    if (n > RANGES_MAX || row->n < n * 4)
        return false;
    for (unsigned i = 0; i < n; i++) {
        unsigned first = unpack_u16(row->p + i * 4), last = unpack_u16(row->p + i * 4 + 2);
        if (first > last || last >= UIDMAP_UIDS)
            return false;
        set_range(words, first, last);
    }
    *row = slice_from(*row, n * 4);
    return true;
}

bool uidmap_unpack(struct slice row, struct uidmap *map)
{
    memset(map, 0, sizeof *map);
    if (!row.n || row.p[0] != UIDMAP_VERSION)
        return false;
    row = slice_from(row, 1);
    if (!unpack_bits(&row, map->existing) || !unpack_bits(&row, map->unseen) || row.n)
        return false;
    for (unsigned i = 0; i < UIDMAP_WORDS; i++)
        if (map->unseen[i] & ~map->existing[i])
            return false;
    return true;
}

bool uidmap_load(struct store_view *v, uint32_t mailbox, uint32_t group, struct uidmap *map)
{
    struct row_key k = row_key_uid(KEY_UID_MAP, mailbox, group);
    struct slice row;
    if (store_get(v, row_key_slice(&k), &row))
        return uidmap_unpack(row, map);
    memset(map, 0, sizeof *map);
    return true;
}

void uidmap_save(struct store_txn *t, uint32_t mailbox, uint32_t group, const struct uidmap *map)
{
    struct row_key k = row_key_uid(KEY_UID_MAP, mailbox, group);
    char row[UIDMAP_ROW_MAX];
    if (!count(map->existing)) {
        store_del(t, row_key_slice(&k));
        return;
    }
    row_put(t, &k, row, uidmap_pack(map, row));
}

struct uidmap *uidmap_edit(struct uidmap_edit *e, uint32_t uid)
{
    if (e->loaded && e->group == uidmap_group(uid))
        return &e->map;
    uidmap_edit_finish(e);
    e->group = uidmap_group(uid);
    e->loaded = uidmap_load(store_txn_view(e->t), e->mailbox, e->group, &e->map);
    return e->loaded ? &e->map : NULL;
}

void uidmap_edit_finish(struct uidmap_edit *e)
{
    if (e->loaded)
        uidmap_save(e->t, e->mailbox, e->group, &e->map);
    e->loaded = false;
}
