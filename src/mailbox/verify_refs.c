/* References of messages against the blobs that the store counts. */
#include "mailbox/verify_private.h"
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

struct ref {
    store_blob_id blob;
    uint64_t size;
};

struct verify_refs {
    struct ref *refs;
    size_t n, room;
    size_t others; /* of n: not of messages in mailboxes */
    bool lost;     /* out of memory: counts cannot be compared */
};

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
    return refs->n - refs->others;
}

static void add(struct verify_refs *r, store_blob_id blob, uint64_t size)
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
    r->refs[r->n++] = (struct ref){blob, size};
}

void verify_refs_add(struct verify_refs *r, const struct mailbox_message *m)
{
    add(r, m->blob, m->size);
}

void verify_blob_ref(struct verify_refs *r, store_blob_id blob, uint64_t size)
{
    size_t before = r->n;
    add(r, blob, size);
    r->others += r->n - before;
}

size_t verify_refs_mark(const struct verify_refs *r)
{
    return r->n;
}

void verify_refs_return(struct verify_refs *r, size_t mark)
{
    r->n = mark;
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
