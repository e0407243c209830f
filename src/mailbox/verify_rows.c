/* Every row of an account against every other. */
#include "base/hash.h"
#include "mailbox/imported.h"
#include "mailbox/journal.h"
#include "mailbox/keyword.h"
#include "mailbox/sent.h"
#include "mailbox/verify_private.h"
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

static __attribute__((format(printf, 2, 3))) void fault(
    struct verify_check *c, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    if (c->faults < VERIFY_TOLD_MAX)
        vsnprintf(c->told[c->faults], sizeof c->told[0], format, args);
    va_end(args);
    c->faults++;
}

void verify_check_reset(struct verify_check *c, struct verify_refs *refs)
{
    c->refs = refs;
    c->sum_n = c->map_n = c->removed_n = 0;
    c->names_wanted = c->names_found = 0;
    c->names = c->subscriptions = c->faults = 0;
    c->account = (struct mailbox_account){0};
}

void verify_check_finish(struct verify_check *c)
{
    free(c->sums);
    free(c->maps);
    free(c->removed);
}

/* Room for one more of the given size; NULL (and a fault) when out of memory. */
static void *grow(struct verify_check *c, void **array, size_t n, size_t *room, size_t size)
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

/* ---- whose row is it ---- */

static struct verify_sum *sum_of(const struct verify_check *c, uint32_t mailbox)
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

static bool is_removed(const struct verify_check *c, uint32_t mailbox)
{
    size_t low = 0, high = c->removed_n;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (c->removed[middle] < mailbox)
            low = middle + 1;
        else
            high = middle;
    }
    return low < c->removed_n && c->removed[low] == mailbox;
}

static const struct uidmap *map_of(const struct verify_check *c, uint32_t mailbox, uint32_t uid)
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

static bool good_name(struct slice name)
{
    char normal[MAILBOX_NAME_MAX];
    size_t n;
    const char *why;
    return mailbox_name_normalise(name, normal, &n, &why) && slice_eq(slice(normal, n), name);
}

/* ---- rows of the account ---- */

static void check_name(struct verify_check *c, struct slice key, struct slice row)
{
    if (row.n != 4 || !good_name(slice_from(key, 1))) {
        fault(c, "a mailbox name row is broken");
        return;
    }
    c->names++;
    c->names_found += name_hash(unpack_u32(row.p), slice_from(key, 1));
}

static void check_subscribed(struct verify_check *c, struct slice key, struct slice row)
{
    if (!slice_eq(row, S("\1")) || !good_name(slice_from(key, 1)))
        fault(c, "a subscription is broken");
    c->subscriptions++;
}

static void check_mailbox(struct verify_check *c, struct slice key, struct slice row)
{
    struct mailbox m;
    if (key.n != 5 || !row_unpack_mailbox(row, unpack_u32(key.p + 1), &m)) {
        fault(c, "a mailbox row is broken");
        return;
    }
    struct verify_sum *sum = grow(c, (void **)&c->sums, c->sum_n, &c->sum_room, sizeof *sum);
    if (!sum)
        return;
    *sum = (struct verify_sum){.row = m};
    c->sum_n++;
    c->names_wanted += name_hash(m.id, mailbox_name(&m));
    if (m.highestmodseq > c->account.modseq || m.log_from > m.highestmodseq)
        fault(c, "mailbox %u: HIGHESTMODSEQ is above the account's or below its log", m.id);
    if (m.uidvalidity > c->account.uidvalidity || m.id >= c->account.next_mailbox)
        fault(c, "mailbox %u: UIDVALIDITY or id is above the account's counter", m.id);
    if (m.special && c->account.special[m.special] != m.id)
        fault(c, "mailbox %u: the account knows another one of its special use", m.id);
    if (is_removed(c, m.id))
        fault(c, "mailbox %u: is removed and still there", m.id);
}

static void check_removed(struct verify_check *c, struct slice key, struct slice row)
{
    struct mailbox m;
    if (key.n != 5 || !row_unpack_mailbox(row, unpack_u32(key.p + 1), &m)) {
        fault(c, "the row of a removed mailbox is broken");
        return;
    }
    uint32_t *id =
        grow(c, (void **)&c->removed, c->removed_n, &c->removed_room, sizeof *c->removed);
    if (!id)
        return;
    *id = m.id;
    c->removed_n++;
}

static void check_copying(struct verify_check *c, struct slice key, struct slice row)
{
    struct journal_row j;
    if (key.n != 9 || !journal_unpack(row, &j) || j.mailbox >= c->account.next_mailbox) {
        fault(c, "the journal of a copy is broken");
        return;
    }
    const struct verify_sum *sum = sum_of(c, j.mailbox);
    for (size_t at = 0; sum && at < j.ranges.n; at += 8)
        if (unpack_u32(j.ranges.p + at + 4) >= sum->row.uidnext) {
            fault(c, "mailbox %u: the journal of a copy names UIDs that are to come", j.mailbox);
            return;
        }
}

/* ---- rows of a mailbox ---- */

static void check_keywords(
    struct verify_check *c, struct verify_sum *sum, struct slice key, struct slice row)
{
    int n = keyword_count(row);
    if (key.n != 5 || n < 0)
        fault(c, "mailbox %u: its keyword row is broken", sum->row.id);
    else
        sum->keywords = (uint32_t)n;
}

static void check_map(
    struct verify_check *c, struct verify_sum *sum, struct slice key, struct slice row)
{
    struct verify_map *map = grow(c, (void **)&c->maps, c->map_n, &c->map_room, sizeof *map);
    if (!map)
        return;
    if (key.n != 9 || !uidmap_unpack(row, &map->map)) {
        fault(c, "mailbox %u: a UID map row is broken", sum->row.id);
        return;
    }
    map->mailbox = sum->row.id;
    map->group = unpack_u32(key.p + 5);
    c->map_n++;
    sum->mapped += uidmap_count(&map->map);
    sum->mapped_unseen += uidmap_count_unseen(&map->map);
}

static void check_message(
    struct verify_check *c, struct verify_sum *sum, struct slice key, struct slice row)
{
    struct mailbox_message m;
    uint32_t uid = key.n == 9 ? unpack_u32(key.p + 5) : 0;
    if (!uid || !row_unpack_message(row, uid, &m)) {
        fault(c, "mailbox %u: a message row is broken", sum->row.id);
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
    if (sum->keywords < MAILBOX_KEYWORDS && m.keywords >> sum->keywords)
        fault(c, "mailbox %u UID %u: has a keyword without a name", sum->row.id, uid);
    verify_refs_add(c->refs, &m);
}

static void check_rendered(struct verify_check *c, struct verify_sum *sum, struct slice key)
{
    uint32_t uid = key.n == 9 ? unpack_u32(key.p + 5) : 0;
    const struct uidmap *map = map_of(c, sum->row.id, uid);
    if (!map || !uidmap_has(map, uid))
        fault(c, "mailbox %u: a rendered row has no message", sum->row.id);
}

static void check_changed(struct verify_check *c, struct verify_sum *sum, struct slice key)
{
    if (key.n == 17)
        sum->changed_found += change_hash(unpack_u64(key.p + 5), unpack_u32(key.p + 13));
    else
        fault(c, "mailbox %u: a change log row is broken", sum->row.id);
}

static bool some_exist(
    const struct verify_check *c, uint32_t mailbox, const struct mailbox_uids *range)
{
    unsigned first, last;
    for (uint64_t at = range->first; at <= range->last; at = (at / UIDMAP_UIDS + 1) * UIDMAP_UIDS) {
        const struct uidmap *map = map_of(c, mailbox, (uint32_t)at);
        if (map && uidmap_next(map, at % UIDMAP_UIDS, &first, &last) &&
            at / UIDMAP_UIDS * UIDMAP_UIDS + first <= range->last)
            return true;
    }
    return false;
}

static void check_expunged(
    struct verify_check *c, struct verify_sum *sum, struct slice key, struct slice row)
{
    struct mailbox_uids ranges[MAILBOX_EXPUNGED_RANGES];
    size_t n = 0;
    int64_t when;
    uint64_t modseq = key.n == 13 ? unpack_u64(key.p + 5) : 0;
    if (!row_unpack_expunged(row, &when, ranges, &n) || modseq > sum->row.highestmodseq ||
        modseq <= sum->row.log_from)
        fault(c, "mailbox %u: an expunge log row is broken or not of its time", sum->row.id);
    sum->log_ranges += n;
    for (size_t i = 0; i < n; i++)
        if ((i && ranges[i].first <= ranges[i - 1].last) || ranges[i].last >= sum->row.uidnext ||
            some_exist(c, sum->row.id, &ranges[i])) {
            fault(c, "mailbox %u: the expunge log names UIDs that exist, or are to come",
                sum->row.id);
            return;
        }
}

/* Its mailbox is there, or is removed and has left it behind. */
static void check_of_mailbox(struct verify_check *c, struct slice key, struct slice row)
{
    struct mailbox_message m;
    uint32_t mailbox = key.n >= 5 ? unpack_u32(key.p + 1) : 0;
    struct verify_sum *sum = sum_of(c, mailbox);
    bool leftover = !sum && is_removed(c, mailbox);
    if (!sum && !leftover) {
        fault(c, "a row of kind %d has no mailbox", key.p[0]);
    } else if (leftover) {
        if (key.p[0] == KEY_MESSAGE && key.n == 9 &&
            row_unpack_message(row, unpack_u32(key.p + 5), &m))
            verify_refs_add(c->refs, &m);
    } else if (key.p[0] == KEY_KEYWORDS) {
        check_keywords(c, sum, key, row);
    } else if (key.p[0] == KEY_UID_MAP) {
        check_map(c, sum, key, row);
    } else if (key.p[0] == KEY_MESSAGE) {
        check_message(c, sum, key, row);
    } else if (key.p[0] == KEY_RENDERED) {
        check_rendered(c, sum, key);
    } else if (key.p[0] == KEY_CHANGED) {
        check_changed(c, sum, key);
    } else {
        check_expunged(c, sum, key, row);
    }
}

void verify_check_row(struct verify_check *c, struct slice key, struct slice row)
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
    case KEY_UID_MAP:
    case KEY_MESSAGE:
    case KEY_RENDERED:
    case KEY_CHANGED:
    case KEY_EXPUNGED:
        check_of_mailbox(c, key, row);
        return;
    case KEY_SUBSCRIBED:
        check_subscribed(c, key, row);
        return;
    case KEY_REMOVED:
        check_removed(c, key, row);
        return;
    case KEY_COPYING:
        check_copying(c, key, row);
        return;
    case KEY_IMPORTED:
        if (!imported_row_valid(key, row))
            fault(c, "a row of an imported message is broken");
        return;
    case KEY_SENT:
        if (!sent_row_valid(key, row))
            fault(c, "the row that counts recipients is broken");
        return;
    default:
        fault(c, "a row of an unknown kind");
    }
}

/* ---- what the rows add up to ---- */

static void check_sum(struct verify_check *c, const struct verify_sum *sum)
{
    if (sum->messages != sum->row.messages || sum->unseen != sum->row.unseen ||
        sum->bytes != sum->row.bytes)
        fault(c, "mailbox %u: counts %u messages, %u unseen; found %u and %u", sum->row.id,
            sum->row.messages, sum->row.unseen, sum->messages, sum->unseen);
    if (sum->mapped != sum->messages || sum->mapped_unseen != sum->unseen)
        fault(c, "mailbox %u: the UID map counts %u messages, %u unseen; found %u and %u",
            sum->row.id, sum->mapped, sum->mapped_unseen, sum->messages, sum->unseen);
    if (sum->changed_wanted != sum->changed_found)
        fault(c, "mailbox %u: the change log does not fit the messages", sum->row.id);
    if (sum->log_ranges != sum->row.log_ranges)
        fault(c, "mailbox %u: counts %u ranges of expunged UIDs, found %llu", sum->row.id,
            sum->row.log_ranges, (unsigned long long)sum->log_ranges);
}

void verify_check_sums(struct verify_check *c)
{
    const struct mailbox_account *a = &c->account;
    uint64_t bytes = 0, messages = 0;
    for (size_t i = 0; i < c->sum_n; i++) {
        check_sum(c, &c->sums[i]);
        bytes += c->sums[i].bytes;
        messages += c->sums[i].messages;
    }
    if (bytes != a->bytes || messages != a->messages)
        fault(c, "the account counts %llu bytes in %llu messages, found %llu in %llu",
            (unsigned long long)a->bytes, (unsigned long long)a->messages,
            (unsigned long long)bytes, (unsigned long long)messages);
    if (c->names_wanted != c->names_found || c->names != c->sum_n || a->mailboxes != c->names)
        fault(c, "the mailbox names do not fit the mailboxes");
    if (a->subscriptions != c->subscriptions)
        fault(c, "the account counts %u subscriptions, found %llu", a->subscriptions,
            (unsigned long long)c->subscriptions);
    for (int i = 1; i < MAILBOX_SPECIALS; i++) {
        const struct verify_sum *sum = sum_of(c, a->special[i]);
        if (a->special[i] && (!sum || (int)sum->row.special != i))
            fault(c, "%s: the mailbox that has this use does not know it",
                mailbox_special_name((enum mailbox_special)i));
    }
    for (size_t i = 0; i < c->removed_n; i++)
        if (c->removed[i] >= a->next_mailbox)
            fault(c, "mailbox %u: is removed and was never made", c->removed[i]);
}
