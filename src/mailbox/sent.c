#include "mailbox/sent.h"
#include "mailbox/mailbox.h"
#include "mailbox/row.h"

/* version 1, reserved 3, slot of the last alarm 4, last slot with something held 4, then for each
 * slot with recipients, ascending: slot 4, recipients 4 */
#define ROW_VERSION 1
#define FIXED       12
#define EACH        8

static const char key[] = {KEY_SENT};

static uint32_t slot_of(int64_t now)
{
    return now > 0 ? (uint32_t)(now / SENT_SLOT) : 0;
}

bool sent_row_valid(struct slice k, struct slice row)
{
    if (k.n != sizeof key || row.n < FIXED || row.n > SENT_ROW || (row.n - FIXED) % EACH ||
        unpack_u32(row.p) != (uint32_t)ROW_VERSION << 24)
        return false;
    for (size_t at = FIXED + EACH; at < row.n; at += EACH)
        if (unpack_u32(row.p + at) <= unpack_u32(row.p + at - EACH))
            return false;
    return true;
}

/* False: there is none (or none that can be read: it is begun anew). */
static bool get(struct store_view *v, struct slice *row)
{
    return store_get(v, slice(key, sizeof key), row) &&
           sent_row_valid(slice(key, sizeof key), *row);
}

/* Recipients of the `slots` slots up to now. What lies in the future was counted by a clock that
 * was wrong. */
static uint64_t sum(struct slice row, uint32_t now, uint32_t slots)
{
    uint64_t n = 0;
    for (size_t at = FIXED; at < row.n; at += EACH) {
        uint32_t slot = unpack_u32(row.p + at);
        n += slot <= now && now - slot < slots ? unpack_u32(row.p + at + 4) : 0;
    }
    return n;
}

/* When slots enough have left the window for one more recipient. */
static int64_t free_at(struct slice row, uint32_t now, uint32_t slots, uint64_t n, uint64_t limit)
{
    for (size_t at = FIXED; limit && n >= limit && at < row.n; at += EACH) {
        uint32_t slot = unpack_u32(row.p + at);
        if (slot > now || now - slot >= slots)
            continue;
        n -= unpack_u32(row.p + at + 4);
        if (n < limit)
            return ((int64_t)slot + slots) * SENT_SLOT;
    }
    return 0;
}

static void count(
    struct slice row, uint32_t now, const struct sent_limits *limits, struct sent_counts *c)
{
    c->burst = sum(row, now, SENT_BURST);
    c->hour = sum(row, now, SENT_HOUR);
    c->day = sum(row, now, SENT_DAY);
    c->hour_free = free_at(row, now, SENT_HOUR, c->hour, limits->hour);
    c->day_free = free_at(row, now, SENT_DAY, c->day, limits->day);
}

void sent_read(
    struct store_view *v, int64_t now, const struct sent_limits *limits, struct sent_counts *counts)
{
    struct slice row;
    *counts = (struct sent_counts){0};
    if (get(v, &row))
        count(row, slot_of(now), limits, counts);
}

/* ---- adding ---- */

/* Copies what is not older than a day, and adds n to the slot of now. Bytes written. */
static size_t add(struct slice row, uint32_t now, uint32_t n, char out[SENT_ROW])
{
    size_t size = FIXED;
    uint32_t here = 0;
    for (size_t at = FIXED; at < row.n; at += EACH) {
        uint32_t slot = unpack_u32(row.p + at);
        if (slot == now)
            here = unpack_u32(row.p + at + 4);
        else if (slot < now && now - slot < SENT_DAY) {
            memcpy(out + size, row.p + at, EACH);
            size += EACH;
        }
    }
    if (__builtin_add_overflow(here, n, &here))
        here = UINT32_MAX;
    pack_u32(out + size, now);
    pack_u32(out + size + 4, here);
    return size + EACH;
}

/* Did it happen in the slots before now? 0: never. */
static bool lately(uint32_t last, uint32_t now, uint32_t slots)
{
    return last && last <= now && now - last < slots;
}

enum outcome sent_add(struct store_txn *t, struct sent_add *a)
{
    char out[SENT_ROW];
    struct mailbox_account account;
    struct sent_counts c = {0};
    struct slice row;
    uint32_t now = slot_of(a->now), alarmed = 0, held = 0;
    a->over = a->burst = a->began = false;
    enum outcome o = mailbox_ensure(t, a->now, &account);
    if (o != OUTCOME_DONE)
        return o;
    if (!get(store_txn_view(t), &row))
        row = S("");
    count(row, now, &a->limits, &c);
    a->over = sent_over(&a->limits, &c, a->n);
    if (a->over)
        return OUTCOME_FAILED;
    if (row.n) {
        alarmed = unpack_u32(row.p + 4);
        held = unpack_u32(row.p + 8);
    }
    a->burst =
        a->limits.hour && c.burst + a->n > a->limits.hour / 2 && !lately(alarmed, now, SENT_HOUR);
    a->began = a->hold && !lately(held, now, SENT_BURST);
    size_t n = add(row, now, a->n, out);
    pack_u32(out, (uint32_t)ROW_VERSION << 24);
    pack_u32(out + 4, a->burst ? now : alarmed);
    pack_u32(out + 8, a->hold ? now : held);
    store_put(t, slice(key, sizeof key), slice(out, n));
    return OUTCOME_DONE;
}
