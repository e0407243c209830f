#include "base/pack.h"
#include "store/engine_private.h"
#include <stdlib.h>

/* Two skip lists in memory that is given out in order: rows by key, references by blob. 16,384
 * entries at a fan-out of 4 need 7 levels. */
#define LEVELS      7
#define FIRST_BLOCK ((size_t)256 * 1024)
#define BLOCK       ((size_t)1024 * 1024)

struct block {
    struct block *next;
    size_t n, cap;
    char bytes[];
};

/* The row or reference comes first, so that a pointer to it is a pointer to its node. */
struct node {
    union {
        struct writeset_row row;
        struct writeset_ref ref;
    };
    struct slice key;
    unsigned levels;
    struct node *next[];
};

struct skiplist {
    struct node *head[LEVELS];
    size_t count;
};

struct writeset {
    struct skiplist rows, refs;
    struct block *blocks; /* newest first; the last one is kept over resets */
    size_t bytes;
    uint64_t dice;
    bool over;
};

static struct block *block_create(size_t cap)
{
    struct block *b = malloc(sizeof *b + cap);
    if (b)
        *b = (struct block){.cap = cap};
    return b;
}

struct writeset *writeset_create(void)
{
    struct writeset *w = calloc(1, sizeof *w);
    if (!w)
        return NULL;
    w->blocks = block_create(FIRST_BLOCK);
    if (!w->blocks) {
        free(w);
        return NULL;
    }
    w->dice = 0x9e3779b97f4a7c15;
    return w;
}

void writeset_destroy(struct writeset *w)
{
    if (!w)
        return;
    for (struct block *b = w->blocks, *next; b; b = next) {
        next = b->next;
        free(b);
    }
    free(w);
}

void writeset_reset(struct writeset *w)
{
    while (w->blocks->next) {
        struct block *b = w->blocks;
        w->blocks = b->next;
        free(b);
    }
    w->blocks->n = 0;
    memset(&w->rows, 0, sizeof w->rows);
    memset(&w->refs, 0, sizeof w->refs);
    w->bytes = 0;
    w->over = false;
}

bool writeset_over(const struct writeset *w)
{
    return w->over;
}

bool writeset_empty(const struct writeset *w)
{
    return w->rows.count == 0 && w->refs.count == 0;
}

/* NULL: out of memory, which counts as over the limit. */
static void *take(struct writeset *w, size_t n)
{
    n = (n + 15) & ~(size_t)15;
    struct block *b = w->blocks;
    if (n > b->cap - b->n) {
        b = block_create(n > BLOCK ? n : BLOCK);
        if (!b) {
            w->over = true;
            return NULL;
        }
        b->next = w->blocks;
        w->blocks = b;
    }
    void *p = b->bytes + b->n;
    b->n += n;
    return p;
}

static struct slice keep(struct writeset *w, struct slice s)
{
    char *p = take(w, s.n);
    if (!p)
        return (struct slice){0};
    if (s.n)
        memcpy(p, s.p, s.n);
    return slice(p, s.n);
}

/* One in four climbs to the next level. */
static unsigned draw_levels(struct writeset *w)
{
    w->dice ^= w->dice << 13;
    w->dice ^= w->dice >> 7;
    w->dice ^= w->dice << 17;
    unsigned levels = 1;
    for (uint64_t bits = w->dice; levels < LEVELS && (bits & 3) == 0; bits >>= 2)
        levels++;
    return levels;
}

/* The first node with key >= at (strict: > at). links[i] is the pointer to it on level i; may be
 * NULL. */
static struct node *descend(
    const struct skiplist *l, struct slice at, bool strict, struct node **links[LEVELS])
{
    struct node *const *level = l->head;
    struct node *found = NULL;
    for (int i = LEVELS - 1; i >= 0; i--) {
        for (struct node *n = level[i]; n; n = level[i]) {
            int order = slice_cmp(n->key, at);
            if (order > 0 || (order == 0 && !strict))
                break;
            level = n->next;
        }
        if (links)
            links[i] = (struct node **)&level[i];
        found = level[i];
    }
    return found;
}

/* The node of this key, made when there is none; NULL: over a limit. */
static struct node *obtain(struct writeset *w, struct skiplist *l, struct slice key, bool *made)
{
    struct node **links[LEVELS];
    struct node *found = descend(l, key, false, links);
    *made = false;
    if (found && slice_eq(found->key, key))
        return found;
    if (w->rows.count + w->refs.count >= STORE_WRITE_KEYS_MAX) {
        w->over = true;
        return NULL;
    }
    unsigned levels = draw_levels(w);
    struct node *n = take(w, sizeof *n + levels * sizeof n->next[0]);
    struct slice kept = keep(w, key);
    if (w->over || !n)
        return NULL;
    *n = (struct node){.key = kept, .levels = levels};
    for (unsigned i = 0; i < levels; i++) {
        n->next[i] = *links[i];
        *links[i] = n;
    }
    l->count++;
    *made = true;
    return n;
}

static void write_row(struct writeset *w, struct slice key, struct slice value, bool deleted)
{
    if (w->over)
        return;
    if (key.n == 0 || key.n > STORE_KEY_MAX || value.n > STORE_VALUE_MAX ||
        (value.n == 0 && !deleted)) {
        w->over = true;
        return;
    }
    bool made;
    struct node *n = obtain(w, &w->rows, key, &made);
    if (!n)
        return;
    size_t size = made ? key.n : 0;
    struct slice kept = slice(n->row.value.p, value.n);
    if (deleted) {
        kept.p = NULL;
    } else if (value.n <= n->row.value.n) { /* the value may be the row's own, read before */
        memmove((char *)n->row.value.p, value.p, value.n);
    } else {
        size += value.n;
        kept = keep(w, value);
    }
    n->row = (struct writeset_row){.key = n->key, .value = kept, .deleted = deleted};
    w->bytes += size;
    if (w->bytes > STORE_WRITE_BYTES_MAX)
        w->over = true;
}

void writeset_put(struct writeset *w, struct slice key, struct slice value)
{
    write_row(w, key, value, false);
}

void writeset_del(struct writeset *w, struct slice key)
{
    write_row(w, key, (struct slice){0}, true);
}

static struct writeset_ref *ref_of(struct writeset *w, store_blob_id blob)
{
    if (w->over)
        return NULL;
    if (blob == 0) {
        w->over = true;
        return NULL;
    }
    char key[8];
    pack_u64(key, blob);
    bool made;
    struct node *n = obtain(w, &w->refs, slice(key, sizeof key), &made);
    if (!n)
        return NULL;
    if (made)
        n->ref = (struct writeset_ref){.blob = blob};
    return &n->ref;
}

void writeset_retain(struct writeset *w, store_blob_id blob)
{
    struct writeset_ref *r = ref_of(w, blob);
    if (r && r->retains++ == UINT32_MAX)
        w->over = true;
}

void writeset_release(struct writeset *w, store_blob_id blob)
{
    struct writeset_ref *r = ref_of(w, blob);
    if (r && r->releases++ == UINT32_MAX)
        w->over = true;
}

static const struct node *node_of(const void *entry)
{
    return entry;
}

const struct writeset_row *writeset_find(const struct writeset *w, struct slice key)
{
    const struct node *n = descend(&w->rows, key, false, NULL);
    return n && slice_eq(n->key, key) ? &n->row : NULL;
}

const struct writeset_row *writeset_seek(const struct writeset *w, struct slice at, bool strict)
{
    const struct node *n = descend(&w->rows, at, strict, NULL);
    return n ? &n->row : NULL;
}

const struct writeset_row *writeset_next(const struct writeset_row *row)
{
    const struct node *n = node_of(row)->next[0];
    return n ? &n->row : NULL;
}

const struct writeset_ref *writeset_first_ref(const struct writeset *w)
{
    return w->refs.head[0] ? &w->refs.head[0]->ref : NULL;
}

const struct writeset_ref *writeset_next_ref(const struct writeset_ref *ref)
{
    const struct node *n = node_of(ref)->next[0];
    return n ? &n->ref : NULL;
}
