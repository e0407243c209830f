#include "directory/scan.h"
#include <stdlib.h>

/* A record of the batch: id 8, key length 2, value length 4, key, value. */
#define RECORD_HEAD 14

bool directory_scan_init(struct directory_scan *s, struct directory *d,
    enum directory_scan_what what, struct slice prefix)
{
    *s = (struct directory_scan){.directory = d, .what = what};
    memcpy(s->prefix.p, prefix.p, prefix.n);
    s->prefix.n = prefix.n;
    s->next = s->prefix;
    s->room = malloc(DIRECTORY_SCAN_ROOM);
    return s->room != NULL;
}

void directory_scan_finish(struct directory_scan *s)
{
    free(s->room);
    s->room = NULL;
}

/* Is this row wanted, and what stands for it? A row that does not unpack is left to verify. */
static bool wanted(
    struct directory_scan *s, struct store_view *v, uint64_t *id, struct slice *value)
{
    struct directory_row_address row;
    struct directory_row_key key;
    if (s->what == DIRECTORY_SCAN_ALL)
        return true;
    if (!directory_row_unpack_address(*value, &row))
        return false;
    if (s->what == DIRECTORY_SCAN_ALIASES)
        return row.alias;
    if (row.alias)
        return false;
    *id = row.account;
    directory_row_key_id(&key, KEY_ACCOUNT, row.account);
    return store_get(v, directory_row_key_slice(&key), value);
}

static bool record(struct directory_scan *s, uint64_t id, struct slice key, struct slice value)
{
    char *to = s->room + s->used;
    if (DIRECTORY_SCAN_ROOM - s->used < RECORD_HEAD + key.n + value.n)
        return false;
    pack_u64(to, id);
    pack_u16(to + 8, (uint16_t)key.n);
    pack_u32(to + 10, (uint32_t)value.n);
    memcpy(to + RECORD_HEAD, key.p, key.n);
    memcpy(to + RECORD_HEAD + key.n, value.p, value.n);
    s->used += RECORD_HEAD + key.n + value.n;
    return true;
}

/* The batch may be read twice: `from` is the place to begin, s->next is written only at its end. */
struct batch {
    struct directory_scan *scan;
    struct directory_row_key from;
};

static void batch_fn(struct store_view *v, void *arg)
{
    struct batch *b = arg;
    struct directory_scan *s = b->scan;
    struct store_cursor c;
    struct slice key, value;
    s->used = s->at = 0;
    s->at_end = false;
    store_seek(v, directory_row_key_slice(&b->from), &c);
    for (unsigned i = 0;; i++) {
        uint64_t id = 0;
        if (!store_next_with(&c, directory_row_key_slice(&s->prefix), &key, &value)) {
            s->at_end = true;
            return;
        }
        s->next.n = key.n;
        memcpy(s->next.p, key.p, key.n);
        if (i == DIRECTORY_SCAN_BATCH)
            return;
        if (wanted(s, v, &id, &value) && !record(s, id, directory_row_key_slice(&s->next), value))
            return;
    }
}

bool directory_scan_next(
    struct directory_scan *s, struct slice *key, struct slice *value, uint64_t *id, deadline until)
{
    while (s->at >= s->used) {
        struct batch b = {.scan = s, .from = s->next};
        if (s->at_end)
            return false;
        if (store_read(s->directory->store, s->directory->partition, batch_fn, &b, NULL, until) !=
            OUTCOME_DONE) {
            s->failed = s->at_end = true;
            s->used = s->at = 0;
            return false;
        }
    }
    const char *p = s->room + s->at;
    *id = unpack_u64(p);
    *key = slice(p + RECORD_HEAD, unpack_u16(p + 8));
    *value = slice(key->p + key->n, unpack_u32(p + 10));
    s->at += RECORD_HEAD + key->n + value->n;
    return true;
}
