#include "imap/results.h"
#include "base/budget.h"
#include <stdlib.h>

#define LINE_PIECE ((size_t)16 * 1024)

static bool grow(struct results *f)
{
    size_t room = f->room ? f->room * 2 : 64;
    size_t bytes = (room - f->room) * sizeof *f->ranges;
    if (!budget_take(bytes))
        return false;
    struct mailbox_uids *grown = realloc(f->ranges, room * sizeof *grown);
    if (!grown) {
        budget_give(bytes);
        return false;
    }
    f->ranges = grown;
    f->room = room;
    return true;
}

bool results_add(struct results *f, uint32_t number, uint64_t modseq)
{
    if (f->n && f->ranges[f->n - 1].last + 1 == number) {
        f->ranges[f->n - 1].last = number;
    } else {
        if (f->n == f->room && !grow(f))
            return false;
        f->ranges[f->n++] = (struct mailbox_uids){number, number};
    }
    if (!f->count++)
        f->first_modseq = modseq;
    f->last_modseq = modseq;
    f->modseq = modseq > f->modseq ? modseq : f->modseq;
    return true;
}

void results_finish(struct results *f)
{
    budget_give(f->room * sizeof *f->ranges);
    free(f->ranges);
}

/* ---- telling ---- */

struct telling {
    const struct results *results;
    struct imap_session *s;
    const struct imap_command *c;
    const struct imap_criteria *criteria;
};

/* Sends what is there when it is much. */
TASK_FN
static bool drain(struct telling *q, struct buffer *out)
{
    if (out->n < LINE_PIECE)
        return true;
    bool alive = imap_send(&q->s->talk, buffer_slice(out));
    buffer_reset(out);
    return alive;
}

/* * SEARCH 1 2 3 (MODSEQ 12) */
TASK_FN
static void tell_numbers(struct telling *q, struct buffer *out)
{
    buffer_add(out, S("* SEARCH"));
    for (size_t i = 0; i < q->results->n; i++) {
        const struct mailbox_uids *r = &q->results->ranges[i];
        for (uint64_t number = r->first; number <= r->last; number++) {
            buffer_add_char(out, ' ');
            buffer_add_u64(out, number);
            if (!drain(q, out))
                return;
        }
    }
    if (q->criteria->modseq && q->results->count)
        buffer_printf(out, " (MODSEQ %llu)", (unsigned long long)q->results->modseq);
}

/* RFC 7162 §3.1.10: of what is told, when only ends of it are. */
static uint64_t told_modseq(const struct telling *q)
{
    unsigned returns = q->criteria->returns;
    if (returns & (IMAP_RETURN_ALL | IMAP_RETURN_COUNT))
        return q->results->modseq;
    uint64_t first = returns & IMAP_RETURN_MIN ? q->results->first_modseq : 0;
    uint64_t last = returns & IMAP_RETURN_MAX ? q->results->last_modseq : 0;
    return first > last ? first : last;
}

/* * ESEARCH (TAG "a1") UID MIN 1 MAX 9 COUNT 3 ALL 1,5,9 MODSEQ 12 */
TASK_FN
static void tell_extended(struct telling *q, struct buffer *out)
{
    const struct results *f = q->results;
    unsigned returns = q->criteria->returns;
    buffer_add(out, S("* ESEARCH (TAG "));
    imap_out_string(out, q->c->tag);
    buffer_add(out, q->c->uid ? S(") UID") : S(")"));
    if (returns & IMAP_RETURN_MIN && f->n)
        buffer_printf(out, " MIN %u", f->ranges[0].first);
    if (returns & IMAP_RETURN_MAX && f->n)
        buffer_printf(out, " MAX %u", f->ranges[f->n - 1].last);
    if (returns & IMAP_RETURN_COUNT)
        buffer_printf(out, " COUNT %u", f->count);
    if (returns & IMAP_RETURN_ALL && f->n) {
        buffer_add(out, S(" ALL "));
        for (size_t i = 0; i < f->n; i++) {
            buffer_add(out, i ? S(",") : S(""));
            imap_out_uids(out, &f->ranges[i], 1);
            if (!drain(q, out))
                return;
        }
    }
    if (q->criteria->modseq && f->n)
        buffer_printf(out, " MODSEQ %llu", (unsigned long long)told_modseq(q));
}

void results_tell(const struct results *r, struct imap_session *s, const struct imap_command *c,
    const struct imap_criteria *criteria)
{
    struct telling q = {r, s, c, criteria};
    struct buffer out;
    buffer_init(&out, LINE_PIECE * 2 + c->tag.n); /* the tag is said, and may be long */
    if (criteria->extended)
        tell_extended(&q, &out);
    else
        tell_numbers(&q, &out);
    buffer_add(&out, S("\r\n"));
    imap_send(&s->talk, buffer_slice(&out));
    buffer_finish(&out);
}
