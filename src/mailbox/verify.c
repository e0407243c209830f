#include "base/buffer.h"
#include "mailbox/verify_private.h"
#include <stdlib.h>

#define ROWS_MAX 1000 /* copied in one read */
#define COPY_MAX ((size_t)256 * 1024)
#define TRIES    20 /* while the account keeps changing */

/* Rows copied out of one read: {key length 2, value length 4, key, value}. */
struct copy {
    char from[STORE_KEY_MAX + 1], next[STORE_KEY_MAX + 1];
    size_t from_n, next_n;
    uint64_t version;
    bool end;
    struct buffer rows;
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
        memcpy(c->next, key.p, key.n);
        c->next[key.n] = '\0';
        c->next_n = key.n + 1;
    }
}

/* Rows of the kinds [first, last]; those of later ones end the copy. */
static void check_copy(struct verify_check *check, struct copy *c, int first, int last)
{
    struct slice rest = buffer_slice(&c->rows);
    while (rest.n) {
        size_t key_n = unpack_u16(rest.p), row_n = unpack_u32(rest.p + 2);
        struct slice key = slice_sub(rest, 6, key_n);
        int kind = (unsigned char)key.p[0];
        if (kind > last)
            c->end = true;
        else if (kind >= first)
            verify_check_row(check, key, slice_sub(rest, 6 + key_n, row_n));
        rest = slice_from(rest, 6 + key_n + row_n);
    }
}

enum pass { PASS_DONE, PASS_CHANGED, PASS_FAILED };

static enum pass pass_over(struct store *s, uint64_t account, struct verify_check *check,
    struct copy *c, uint64_t *version, int first, int last)
{
    c->from[0] = (char)first;
    c->from_n = 1;
    do {
        deadline until = deadline_in(60 * CLOCK_SEC);
        if (store_read(s, mailbox_partition(account), copy_fn, c, NULL, until) != OUTCOME_DONE ||
            c->rows.overflow)
            return PASS_FAILED;
        if (*version && c->version != *version)
            return PASS_CHANGED;
        *version = c->version;
        check_copy(check, c, first, last);
        memcpy(c->from, c->next, c->next_n);
        c->from_n = c->next_n;
        task_yield();
    } while (!c->end);
    return PASS_DONE;
}

/* All rows at one version, each once. */
static enum pass pass(struct store *s, uint64_t account, struct verify_check *check, struct copy *c)
{
    static const int kinds[][2] = {
        {KEY_REMOVED, KEY_REMOVED}, {0, KEY_REMOVED - 1}, {KEY_REMOVED + 1, UINT8_MAX}};
    uint64_t version = 0;
    enum pass ended = PASS_DONE;
    for (size_t i = 0; ended == PASS_DONE && i < sizeof kinds / sizeof *kinds; i++)
        ended = pass_over(s, account, check, c, &version, kinds[i][0], kinds[i][1]);
    if (ended == PASS_DONE)
        verify_check_sums(check);
    return ended;
}

TASK_FN
uint64_t verify_account(
    struct store *s, uint64_t account, struct verify_refs *refs, verify_report report, void *arg)
{
    struct verify_check *check = calloc(1, sizeof *check);
    struct copy *copy = calloc(1, sizeof *copy);
    size_t before = verify_refs_mark(refs);
    uint64_t faults = UINT64_MAX;
    enum pass ended = PASS_FAILED;
    if (check && copy) {
        buffer_init(&copy->rows, COPY_MAX);
        for (int i = 0; i < TRIES; i++) {
            verify_refs_return(refs, before);
            verify_check_reset(check, refs);
            if ((ended = pass(s, account, check, copy)) != PASS_CHANGED)
                break;
        }
        buffer_finish(&copy->rows);
    }
    if (ended == PASS_DONE) {
        faults = check->faults;
        for (size_t i = 0; i < faults && i < VERIFY_TOLD_MAX; i++)
            report(arg, account, check->told[i]);
    } else {
        report(arg, account,
            ended == PASS_CHANGED ? "kept changing; verify it again when it is quiet"
                                  : "could not be read");
    }
    if (check)
        verify_check_finish(check);
    free(check);
    free(copy);
    return faults;
}
