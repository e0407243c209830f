#include "mailbox/verify.h"
#include "base/buffer.h"
#include "base/hash.h"
#include "mailbox/imported.h"
#include "mailbox/row.h"
#include "mailbox/uidmap.h"
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#define ROWS_MAX 1000 /* copied in one read */
#define COPY_MAX ((size_t)256 * 1024)
#define TRIES    20 /* while the account keeps changing */
#define TOLD_MAX 16 /* faults of one account that are told one by one */

struct ref {
    store_blob_id blob;
    uint64_t size;
};

struct verify_refs {
    struct ref *refs;
    size_t n, room;
    bool lost; /* out of memory: counts cannot be compared */
};

/* What the rows of one mailbox add up to. names, changed: sums of hashes, so that order does not
 * matter. */
struct sum {
    struct mailbox row;
    uint32_t messages, unseen, mapped, mapped_unseen;
    uint64_t bytes, names, changed_wanted, changed_found;
};

struct map {
    uint32_t mailbox, group;
    struct uidmap map;
};

struct check {
    struct verify_refs *refs;
    struct sum *sums;
    size_t sum_n, sum_room;
    struct map *maps;
    size_t map_n, map_room;
    struct mailbox_account account;
    uint64_t names_wanted, names_found; /* sums of hashes over names and ids */
    uint64_t faults;
    char told[TOLD_MAX][160];
};

static __attribute__((format(printf, 2, 3))) void fault(struct check *c, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    if (c->faults < TOLD_MAX)
        vsnprintf(c->told[c->faults], sizeof c->told[0], format, args);
    va_end(args);
    c->faults++;
}

struct verify_refs *verify_refs_create(void)
{
    return calloc(1, sizeof(struct verify_refs));
}

void verify_refs_destroy(struct verify_refs *r)
{
    if (r)
        free(r->refs);
    free(r);
}

uint64_t verify_messages(const struct verify_refs *refs)
{
    return refs->n;
}

static void add_ref(struct verify_refs *r, const struct mailbox_message *m)
{
    if (r->n == r->room) {
        size_t room = r->room ? r->room * 2 : 1024;
        struct ref *grown = realloc(r->refs, room * sizeof *grown);
        if (!grown) {
            r->lost = true;
            return;
        }
        r->refs = grown;
        r->room = room;
    }
    r->refs[r->n++] = (struct ref){m->blob, m->size};
}

/* Room for one more of the given size; NULL (and a fault) when out of memory. */
static void *grow(struct check *c, void **array, size_t n, size_t *room, size_t size)
{
    if (n == *room) {
        size_t more = *room ? *room * 2 : 16;
        void *grown = realloc(*array, more * size);
        if (!grown) {
            fault(c, "out of memory while checking");
            return NULL;
        }
        *array = grown;
        *room = more;
    }
    return (char *)*array + n * size;
}

static struct sum *sum_of(struct check *c, uint32_t mailbox)
{
    size_t low = 0, high = c->sum_n;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (c->sums[middle].row.id < mailbox)
            low = middle + 1;
        else
            high = middle;
    }
    return low < c->sum_n && c->sums[low].row.id == mailbox ? &c->sums[low] : NULL;
}

static const struct uidmap *map_of(const struct check *c, uint32_t mailbox, uint32_t uid)
{
    uint64_t wanted = (uint64_t)mailbox << 32 | uidmap_group(uid);
    size_t low = 0, high = c->map_n;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (((uint64_t)c->maps[middle].mailbox << 32 | c->maps[middle].group) < wanted)
            low = middle + 1;
        else
            high = middle;
    }
    return low < c->map_n && c->maps[low].mailbox == mailbox &&
                   c->maps[low].group == uidmap_group(uid)
               ? &c->maps[low].map
               : NULL;
}

static uint64_t name_hash(uint32_t id, struct slice name)
{
    return hash_slice(name) * (2 * (uint64_t)id + 1);
}

static uint64_t change_hash(uint64_t modseq, uint32_t uid)
{
    struct row_key k = row_key_changed(0, modseq, uid);
    return hash_slice(row_key_slice(&k));
}

static void check_name(struct check *c, struct slice key, struct slice row)
{
    if (row.n != 4)
        fault(c, "a mailbox name row is broken");
    else
        c->names_found += name_hash(unpack_u32(row.p), slice_from(key, 1));
}

static void check_mailbox(struct check *c, struct slice key, struct slice row)
{
    struct mailbox m;
    if (key.n != 5 || !row_unpack_mailbox(row, unpack_u32(key.p + 1), &m)) {
        fault(c, "a mailbox row is broken");
        return;
    }
    struct sum *sum = grow(c, (void **)&c->sums, c->sum_n, &c->sum_room, sizeof *sum);
    if (!sum)
        return;
    *sum = (struct sum){.row = m};
    c->sum_n++;
    c->names_wanted += name_hash(m.id, mailbox_name(&m));
    if (m.highestmodseq > c->account.modseq)
        fault(c, "mailbox %u: HIGHESTMODSEQ is above the account's", m.id);
    if (m.uidvalidity > c->account.uidvalidity || m.id >= c->account.next_mailbox)
        fault(c, "mailbox %u: UIDVALIDITY or id is above the account's counter", m.id);
}

static void check_map(struct check *c, struct slice key, struct slice row)
{
    struct sum *sum = key.n == 9 ? sum_of(c, unpack_u32(key.p + 1)) : NULL;
    struct map *map = grow(c, (void **)&c->maps, c->map_n, &c->map_room, sizeof *map);
    if (!map)
        return;
    if (!sum || !uidmap_unpack(row, &map->map)) {
        fault(c, "a UID map row is broken or has no mailbox");
        return;
    }
    map->mailbox = sum->row.id;
    map->group = unpack_u32(key.p + 5);
    c->map_n++;
    sum->mapped += uidmap_count(&map->map);
    sum->mapped_unseen += uidmap_count_unseen(&map->map);
}

static void check_message(struct check *c, struct slice key, struct slice row)
{
    struct mailbox_message m;
    struct sum *sum = key.n == 9 ? sum_of(c, unpack_u32(key.p + 1)) : NULL;
    uint32_t uid = key.n == 9 ? unpack_u32(key.p + 5) : 0;
    if (!sum || !row_unpack_message(row, uid, &m)) {
        fault(c, "a message row is broken or has no mailbox");
        return;
    }
    bool unseen = !(m.flags & MAILBOX_SEEN);
    const struct uidmap *map = map_of(c, sum->row.id, uid);
    sum->messages++;
    sum->bytes += m.size;
    sum->unseen += unseen;
    sum->changed_wanted += change_hash(m.modseq, uid);
    if (uid >= sum->row.uidnext || m.modseq > sum->row.highestmodseq)
        fault(c, "mailbox %u UID %u: not below UIDNEXT, or above HIGHESTMODSEQ", sum->row.id, uid);
    if (!map || !uidmap_has(map, uid) || uidmap_is_unseen(map, uid) != unseen)
        fault(c, "mailbox %u UID %u: the UID map disagrees", sum->row.id, uid);
    add_ref(c->refs, &m);
}

static void check_rendered(struct check *c, struct slice key)
{
    const struct uidmap *map =
        key.n == 9 ? map_of(c, unpack_u32(key.p + 1), unpack_u32(key.p + 5)) : NULL;
    if (!map || !uidmap_has(map, unpack_u32(key.p + 5)))
        fault(c, "a rendered row has no message");
}

static void check_changed(struct check *c, struct slice key)
{
    struct sum *sum = key.n == 17 ? sum_of(c, unpack_u32(key.p + 1)) : NULL;
    if (!sum)
        fault(c, "a change log row is broken or has no mailbox");
    else
        sum->changed_found += change_hash(unpack_u64(key.p + 5), unpack_u32(key.p + 13));
}

static void check_expunged(struct check *c, struct slice key, struct slice row)
{
    struct mailbox_uids ranges[MAILBOX_EXPUNGED_RANGES];
    size_t n;
    int64_t when;
    struct sum *sum = key.n == 13 ? sum_of(c, unpack_u32(key.p + 1)) : NULL;
    if (!sum || !row_unpack_expunged(row, &when, ranges, &n) ||
        unpack_u64(key.p + 5) > sum->row.highestmodseq ||
        (n && ranges[n - 1].last >= sum->row.uidnext))
        fault(c, "an expunge log row is broken or has no mailbox");
}

static void check_row(struct check *c, struct slice key, struct slice row)
{
    switch (key.n ? key.p[0] : 0) {
    case KEY_HEADER:
        if (!row_unpack_account(row, &c->account))
            fault(c, "the account header is broken");
        return;
    case KEY_NAME:
        check_name(c, key, row);
        return;
    case KEY_MAILBOX:
        check_mailbox(c, key, row);
        return;
    case KEY_KEYWORDS:
        if (key.n != 5 || !sum_of(c, unpack_u32(key.p + 1)))
            fault(c, "a keyword row has no mailbox");
        return;
    case KEY_UID_MAP:
        check_map(c, key, row);
        return;
    case KEY_MESSAGE:
        check_message(c, key, row);
        return;
    case KEY_RENDERED:
        check_rendered(c, key);
        return;
    case KEY_CHANGED:
        check_changed(c, key);
        return;
    case KEY_EXPUNGED:
        check_expunged(c, key, row);
        return;
    case KEY_IMPORTED:
        if (!imported_row_valid(key, row))
            fault(c, "a row of an imported message is broken");
        return;
    default:
        fault(c, "a row of an unknown kind");
    }
}

static void check_sums(struct check *c)
{
    uint64_t bytes = 0, messages = 0;
    for (size_t i = 0; i < c->sum_n; i++) {
        const struct sum *sum = &c->sums[i];
        bytes += sum->bytes;
        messages += sum->messages;
        if (sum->messages != sum->row.messages || sum->unseen != sum->row.unseen ||
            sum->bytes != sum->row.bytes)
            fault(c, "mailbox %u: counts %u messages, %u unseen; found %u and %u", sum->row.id,
                sum->row.messages, sum->row.unseen, sum->messages, sum->unseen);
        if (sum->mapped != sum->messages || sum->mapped_unseen != sum->unseen)
            fault(c, "mailbox %u: the UID map counts %u messages, %u unseen; found %u and %u",
                sum->row.id, sum->mapped, sum->mapped_unseen, sum->messages, sum->unseen);
        if (sum->changed_wanted != sum->changed_found)
            fault(c, "mailbox %u: the change log does not fit the messages", sum->row.id);
    }
    if (bytes != c->account.bytes || messages != c->account.messages)
        fault(c, "the account counts %llu bytes in %llu messages, found %llu in %llu",
            (unsigned long long)c->account.bytes, (unsigned long long)c->account.messages,
            (unsigned long long)bytes, (unsigned long long)messages);
    if (c->names_wanted != c->names_found)
        fault(c, "the mailbox names do not fit the mailboxes");
}

/* Rows copied out of one read: {key length 2, value length 4, key, value}. */
struct copy {
    char at[STORE_KEY_MAX + 1]; /* where it begins, then where the next one does */
    size_t at_n, from_n;
    uint64_t version;
    bool end;
    struct buffer rows;
    char from[STORE_KEY_MAX + 1];
};

static void copy_fn(struct store_view *v, void *arg)
{
    struct copy *c = arg;
    struct store_cursor cursor;
    struct slice key, row;
    buffer_reset(&c->rows);
    c->end = false;
    c->version = store_version(v);
    store_seek(v, slice(c->from, c->from_n), &cursor);
    for (int i = 0; i < ROWS_MAX; i++) {
        char head[6];
        if (!store_next(&cursor, &key, &row)) {
            c->end = true;
            return;
        }
        if (c->rows.n + sizeof head + key.n + row.n > c->rows.max)
            return;
        pack_u16(head, (uint16_t)key.n);
        pack_u32(head + 2, (uint32_t)row.n);
        buffer_add(&c->rows, slice(head, sizeof head));
        buffer_add(&c->rows, key);
        buffer_add(&c->rows, row);
        memcpy(c->at, key.p, key.n);
        c->at[key.n] = '\0';
        c->at_n = key.n + 1;
    }
}

static void check_copy(struct check *check, const struct copy *c)
{
    struct slice rest = buffer_slice(&c->rows);
    while (rest.n) {
        size_t key_n = unpack_u16(rest.p), row_n = unpack_u32(rest.p + 2);
        check_row(check, slice_sub(rest, 6, key_n), slice_sub(rest, 6 + key_n, row_n));
        rest = slice_from(rest, 6 + key_n + row_n);
    }
}

enum pass { PASS_DONE, PASS_CHANGED, PASS_FAILED };

/* All rows at one version. */
static enum pass pass(struct store *s, uint64_t account, struct check *check, struct copy *c)
{
    uint64_t version = 0;
    c->from_n = 0;
    do {
        deadline until = deadline_in(60 * CLOCK_SEC);
        if (store_read(s, mailbox_partition(account), copy_fn, c, NULL, until) != OUTCOME_DONE ||
            c->rows.overflow)
            return PASS_FAILED;
        if (version && c->version != version)
            return PASS_CHANGED;
        version = c->version;
        check_copy(check, c);
        memcpy(c->from, c->at, c->at_n);
        c->from_n = c->at_n;
        task_yield();
    } while (!c->end);
    check_sums(check);
    return PASS_DONE;
}

static void reset(struct check *c, struct verify_refs *refs, size_t refs_before)
{
    refs->n = refs_before;
    c->refs = refs;
    c->sum_n = c->map_n = 0;
    c->names_wanted = c->names_found = c->faults = 0;
    c->account = (struct mailbox_account){0};
}

TASK_FN
uint64_t verify_account(
    struct store *s, uint64_t account, struct verify_refs *refs, verify_report report, void *arg)
{
    struct check *check = calloc(1, sizeof *check);
    struct copy *copy = calloc(1, sizeof *copy);
    size_t before = refs->n;
    uint64_t faults = UINT64_MAX;
    enum pass ended = PASS_FAILED;
    if (check && copy) {
        buffer_init(&copy->rows, COPY_MAX);
        for (int i = 0; i < TRIES; i++) {
            reset(check, refs, before);
            if ((ended = pass(s, account, check, copy)) != PASS_CHANGED)
                break;
        }
        buffer_finish(&copy->rows);
    }
    if (ended == PASS_DONE) {
        faults = check->faults;
        for (size_t i = 0; i < faults && i < TOLD_MAX; i++)
            report(arg, account, check->told[i]);
    } else {
        report(arg, account,
            ended == PASS_CHANGED ? "kept changing; verify it again when it is quiet"
                                  : "could not be read");
    }
    if (check) {
        free(check->sums);
        free(check->maps);
    }
    free(check);
    free(copy);
    return faults;
}

static int by_blob(const void *a, const void *b)
{
    const struct ref *x = a, *y = b;
    return (x->blob > y->blob) - (x->blob < y->blob);
}

struct compare {
    struct verify_refs *refs;
    size_t at;
    uint64_t faults;
    verify_report report;
    void *arg;
};

static __attribute__((format(printf, 2, 3))) void tell(struct compare *c, const char *format, ...)
{
    char text[160];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    c->faults++;
    c->report(c->arg, 0, text);
}

/* Both lists ascend by blob id: a merge. */
static void compare_blob(void *arg, store_blob_id id, uint32_t counted, uint64_t size)
{
    struct compare *c = arg;
    const struct verify_refs *r = c->refs;
    uint32_t found = 0;
    for (; c->at < r->n && r->refs[c->at].blob < id; c->at++)
        tell(c, "blob %llu: a message refers to it, and it does not exist",
            (unsigned long long)r->refs[c->at].blob);
    for (; c->at < r->n && r->refs[c->at].blob == id; c->at++, found++)
        if (r->refs[c->at].size != size)
            tell(c, "blob %llu: has %llu bytes, a message says %llu", (unsigned long long)id,
                (unsigned long long)size, (unsigned long long)r->refs[c->at].size);
    if (found != counted)
        tell(
            c, "blob %llu: counts %u references, found %u", (unsigned long long)id, counted, found);
}

TASK_FN
uint64_t verify_blobs(struct store *s, struct verify_refs *refs, verify_report report, void *arg)
{
    struct compare c = {.refs = refs, .report = report, .arg = arg};
    if (refs->lost) {
        tell(&c, "out of memory: references were not compared");
        return c.faults;
    }
    if (refs->n)
        qsort(refs->refs, refs->n, sizeof *refs->refs, by_blob);
    if (store_each_blob(s, compare_blob, &c) != OUTCOME_DONE)
        tell(&c, "the blobs could not be read");
    for (; c.at < refs->n; c.at++)
        tell(&c, "blob %llu: a message refers to it, and it does not exist",
            (unsigned long long)refs->refs[c.at].blob);
    return c.faults;
}
