#include "mailbox/uids.h"
#include "mailbox/row.h"
#include "mailbox/uidmap.h"

/* Existing UIDs in order, range by range, over the rows of the map. */
struct scan {
    struct store_view *view;
    uint32_t mailbox, group;
    unsigned rows; /* read so far */
    bool started, loaded, ended, broken;
    struct store_cursor cursor;
    struct uidmap map;
};

/* Loads the first row that covers UIDs >= from. False: none, or broken. */
static bool scan_row(struct scan *s, uint32_t from)
{
    struct row_key prefix = row_key_mailbox(KEY_UID_MAP, s->mailbox);
    struct slice key, row;
    if (!s->started || uidmap_group(from) > s->group + 1) {
        struct row_key at = row_key_uid(KEY_UID_MAP, s->mailbox, uidmap_group(from));
        store_seek(s->view, row_key_slice(&at), &s->cursor);
        s->started = true;
    }
    s->loaded = false;
    s->rows++;
    if (!store_next_with(&s->cursor, row_key_slice(&prefix), &key, &row)) {
        s->ended = true;
        return false;
    }
    if (key.n != 9 || !uidmap_unpack(row, &s->map)) {
        s->broken = true;
        return false;
    }
    s->group = unpack_u32(key.p + 5);
    s->loaded = true;
    return true;
}

/* The first range of existing UIDs that ends at or behind `from`, cut to begin there; `from` only
 * grows. Ranges of neighbouring rows may touch. */
static bool scan_next(struct scan *s, uint32_t from, struct mailbox_uids *found)
{
    unsigned first, last;
    while (!s->ended && !s->broken) {
        if (s->loaded && uidmap_group(from) <= s->group) {
            uint32_t base = s->group * UIDMAP_UIDS;
            if (uidmap_next(&s->map, from > base ? from - base : 0, &first, &last)) {
                *found = (struct mailbox_uids){base + first, base + last};
                return true;
            }
            from = base + UIDMAP_UIDS;
            if (!from)
                s->ended = true;
        } else if (s->rows == UIDS_GROUPS_MAX || !scan_row(s, from)) {
            return false;
        }
    }
    return false;
}

/* Adds a range behind the others; joins what touches. False: no room. */
static bool add_range(struct mailbox_uids *ranges, size_t *n, size_t room, struct mailbox_uids more)
{
    if (*n && ranges[*n - 1].last < more.first && ranges[*n - 1].last + 1 == more.first) {
        ranges[*n - 1].last = more.last;
        return true;
    }
    if (*n == room)
        return false;
    ranges[(*n)++] = more;
    return true;
}

bool mailbox_read_uids(struct store_view *v, struct mailbox_uid_read *r)
{
    struct scan s = {.view = v, .mailbox = r->mailbox};
    struct mailbox_uids found;
    uint32_t at = r->from;
    r->n = 0;
    r->next = 0;
    while (scan_next(&s, at, &found)) {
        if (!add_range(r->ranges, &r->n, r->room, found)) {
            r->next = found.first;
            return true;
        }
        if (found.last == UINT32_MAX)
            return true;
        at = found.last + 1;
    }
    if (!s.ended && !s.broken)
        r->next = (s.group + 1) * UIDMAP_UIDS; /* 0 behind the last group: all was read */
    return !s.broken;
}

bool mailbox_first_unseen(
    struct store_view *v, uint32_t mailbox, uint32_t from, uint32_t uidnext, uint32_t *uid)
{
    struct row_key prefix = row_key_mailbox(KEY_UID_MAP, mailbox);
    struct row_key at = row_key_uid(KEY_UID_MAP, mailbox, uidmap_group(from));
    struct store_cursor c;
    struct slice key, row;
    struct uidmap map;
    struct mailbox m;
    *uid = 0;
    if (!mailbox_read(v, mailbox, &m))
        return false;
    if (!m.unseen)
        return true;
    store_seek(v, row_key_slice(&at), &c);
    while (store_next_with(&c, row_key_slice(&prefix), &key, &row)) {
        if (key.n != 9 || !uidmap_unpack(row, &map))
            return false;
        uint32_t base = unpack_u32(key.p + 5) * UIDMAP_UIDS;
        unsigned found = uidmap_find_unseen(&map, from > base ? from - base : 0);
        if (base >= uidnext || found < UIDMAP_UIDS) {
            *uid = base < uidnext && base + found < uidnext ? base + found : 0;
            return true;
        }
    }
    return true;
}

/* ---- expunged since ---- */

/* Adds what of a range the client knows. False: no room; *at is the first UID that is missing. */
static bool add_known(struct mailbox_vanished *r, struct mailbox_uids gone, uint32_t *at)
{
    size_t low = 0, high = r->known_n;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (r->known[middle].last < gone.first)
            low = middle + 1;
        else
            high = middle;
    }
    for (; low < r->known_n && r->known[low].first <= gone.last; low++) {
        struct mailbox_uids both = r->known[low];
        both.first = both.first > gone.first ? both.first : gone.first;
        both.last = both.last < gone.last ? both.last : gone.last;
        if (!add_range(r->ranges, &r->n, r->room, both)) {
            *at = both.first;
            return false;
        }
    }
    return true;
}

static void pause(struct mailbox_vanished *r, bool complement, uint64_t modseq, uint32_t uid)
{
    r->more = true;
    r->next = (struct mailbox_vanished_at){complement, modseq, uid};
}

static bool read_log(struct store_view *v, struct mailbox_vanished *r, uint64_t modseq)
{
    struct mailbox_uids ranges[MAILBOX_EXPUNGED_RANGES];
    struct row_key prefix = row_key_mailbox(KEY_EXPUNGED, r->mailbox);
    struct row_key start = row_key_modseq(KEY_EXPUNGED, r->mailbox, modseq);
    struct store_cursor c;
    struct slice key, row;
    store_seek(v, row_key_slice(&start), &c);
    for (unsigned rows = 0; store_next_with(&c, row_key_slice(&prefix), &key, &row); rows++) {
        int64_t when;
        size_t n;
        uint32_t at = 0;
        if (key.n != 13 || !row_unpack_expunged(row, &when, ranges, &n))
            return false;
        uint64_t row_modseq = unpack_u64(key.p + 5);
        if (rows == UIDS_GROUPS_MAX) {
            pause(r, false, row_modseq, 0);
            return true;
        }
        uint32_t from = row_modseq == r->from.modseq ? r->from.uid : 0;
        for (size_t i = 0; i < n; i++) {
            if (ranges[i].last < from)
                continue;
            ranges[i].first = ranges[i].first > from ? ranges[i].first : from;
            if (!add_known(r, ranges[i], &at)) {
                pause(r, false, row_modseq, at);
                return true;
            }
        }
    }
    return true;
}

/* What is known, lies in [from, uidnext) and is not in the UID map: the holes between its ranges.
 */
static bool read_complement(
    struct store_view *v, struct mailbox_vanished *r, uint32_t from, uint32_t uidnext)
{
    struct scan s = {.view = v, .mailbox = r->mailbox};
    uint32_t at = from ? from : 1;
    for (size_t i = 0; i < r->known_n && at < uidnext; i++) {
        uint32_t end = r->known[i].last < uidnext ? r->known[i].last : uidnext - 1;
        at = at > r->known[i].first ? at : r->known[i].first;
        while (at <= end) {
            struct mailbox_uids found, hole = {at, end};
            bool some = scan_next(&s, at, &found);
            if (s.broken)
                return false;
            if (!some && !s.ended) {
                pause(r, true, 0, at);
                return true;
            }
            if (some && found.first <= end)
                hole.last = found.first - 1;
            if (hole.first <= hole.last && !add_range(r->ranges, &r->n, r->room, hole)) {
                pause(r, true, 0, at);
                return true;
            }
            at = some && found.first <= end ? found.last + 1 : end + 1;
        }
    }
    return true;
}

bool mailbox_read_vanished(struct store_view *v, struct mailbox_vanished *r)
{
    struct mailbox m;
    r->n = 0;
    r->more = false;
    if (!mailbox_read(v, r->mailbox, &m))
        return false;
    uint64_t modseq = r->from.modseq;
    if (!modseq && !r->from.complement) {
        if (r->since >= m.highestmodseq)
            return true;
        modseq = r->since + 1;
    }
    /* the row before `modseq` is the last that was answered, or that the client knows */
    if (r->from.complement || modseq - 1 < m.log_from)
        return read_complement(v, r, r->from.complement ? r->from.uid : 1, m.uidnext);
    return read_log(v, r, modseq);
}

/* ---- \Recent ---- */

struct recent {
    uint32_t mailbox, uidnext;
};

static enum outcome recent_fn(struct store_txn *t, void *arg)
{
    const struct recent *r = arg;
    struct mailbox_account a;
    struct mailbox m;
    enum outcome o = row_load(t, r->mailbox, &a, &m);
    if (o != OUTCOME_DONE)
        return o;
    uint32_t from = r->uidnext < m.uidnext ? r->uidnext : m.uidnext;
    if (m.recent_from >= from)
        return OUTCOME_REFUSED;
    m.recent_from = from;
    row_put_mailbox(t, &m);
    return OUTCOME_DONE;
}

void mailbox_post_recent(struct store *s, uint64_t account, uint32_t mailbox, uint32_t uidnext)
{
    struct recent r = {mailbox, uidnext};
    store_post(s, mailbox_partition(account), recent_fn, &r, sizeof r);
}
