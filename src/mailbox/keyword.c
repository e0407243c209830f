/* Keyword names of a mailbox: a row of {length 1, name}, bit i is the i-th name. */
#include "mailbox/keyword.h"
#include "base/buffer.h"
#include "mailbox/row.h"

#define ROW_VERSION 1

/* The bit of the name, or -1; *n counts the names; false when the row is broken. */
static bool search(struct slice row, struct slice name, int *found, int *n)
{
    *found = -1;
    *n = 0;
    if (!row.n || row.p[0] != ROW_VERSION)
        return false;
    for (row = slice_from(row, 1); row.n; ++*n) {
        size_t length = (unsigned char)row.p[0];
        if (row.n < 1 + length || *n == MAILBOX_KEYWORDS)
            return false;
        if (slice_eq_nocase(slice_sub(row, 1, length), name))
            *found = *n;
        row = slice_from(row, 1 + length);
    }
    return true;
}

int mailbox_find_keyword(struct store_view *v, uint32_t mailbox, struct slice name)
{
    struct row_key k = row_key_mailbox(KEY_KEYWORDS, mailbox);
    struct slice row;
    int found, n;
    if (!store_get(v, row_key_slice(&k), &row) || !search(row, name, &found, &n))
        return -1;
    return found;
}

bool mailbox_read_keywords(
    struct store_view *v, uint32_t mailbox, struct slice names[MAILBOX_KEYWORDS])
{
    struct row_key k = row_key_mailbox(KEY_KEYWORDS, mailbox);
    struct slice row;
    int found, n;
    memset(names, 0, MAILBOX_KEYWORDS * sizeof *names);
    if (!store_get(v, row_key_slice(&k), &row))
        return true;
    if (!search(row, (struct slice){0}, &found, &n))
        return false;
    row = slice_from(row, 1);
    for (int i = 0; i < n; i++) {
        size_t length = (unsigned char)row.p[0];
        names[i] = slice_sub(row, 1, length);
        row = slice_from(row, 1 + length);
    }
    return true;
}

int mailbox_keyword(struct store_txn *t, uint32_t mailbox, struct slice name, bool make)
{
    struct row_key k = row_key_mailbox(KEY_KEYWORDS, mailbox);
    struct slice row = S("\1");
    int found = -1, n = 0;
    store_get(store_txn_view(t), row_key_slice(&k), &row);
    if (!search(row, name, &found, &n) || found >= 0 || !make || n == MAILBOX_KEYWORDS || !name.n ||
        name.n > KEYWORD_MAX)
        return found;
    struct buffer grown;
    buffer_init(&grown, STORE_VALUE_MAX);
    buffer_add(&grown, row);
    buffer_add_char(&grown, (char)name.n);
    buffer_add(&grown, name);
    if (!grown.overflow)
        store_put(t, row_key_slice(&k), buffer_slice(&grown));
    found = grown.overflow ? -1 : n;
    buffer_finish(&grown);
    return found;
}

int keyword_count(struct slice row)
{
    int found, n;
    return search(row, (struct slice){0}, &found, &n) ? n : -1;
}

bool keyword_map(struct store_txn *t, uint32_t from, uint32_t to, uint64_t used,
    signed char map[MAILBOX_KEYWORDS])
{
    for (int bit = 0; bit < MAILBOX_KEYWORDS; bit++) {
        struct slice names[MAILBOX_KEYWORDS];
        char name[KEYWORD_MAX];
        map[bit] = from == to ? (signed char)bit : -1;
        if (from == to || !(used >> bit & 1))
            continue;
        if (!mailbox_read_keywords(store_txn_view(t), from, names))
            return false;
        if (!names[bit].n)
            continue;
        size_t n = names[bit].n;
        memcpy(name, names[bit].p, n); /* the row's slices end with the first put */
        map[bit] = (signed char)mailbox_keyword(t, to, slice(name, n), true);
    }
    return true;
}

uint64_t keyword_apply(const signed char map[MAILBOX_KEYWORDS], uint64_t bits)
{
    uint64_t out = 0;
    for (; bits; bits &= bits - 1) {
        int to = map[__builtin_ctzll(bits)];
        if (to >= 0)
            out |= UINT64_C(1) << to;
    }
    return out;
}
