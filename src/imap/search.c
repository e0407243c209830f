/* SEARCH, UID SEARCH (RFC 3501 §6.4.4, RFC 4731, RFC 7162 §3.1.5). Rows are read in batches and
 * judged where they lie; only messages that the rows leave open are opened. Results are ranges. */
#include "base/blame.h"
#include "imap/match.h"
#include "imap/render.h"
#include "imap/results.h"
#include "imap/session_private.h"
#include "imap/texts.h"

#define ROWS_CACHED 32             /* rendered rows in one read */
#define STRETCH     (2 * CLOCK_MS) /* others wait no longer */

struct candidate {
    uint8_t verdict;
    uint32_t number;
    struct mailbox_message message; /* its UID before its row is read */
};

/* Messages of the view, in runs of neighbours. */
struct batch {
    uint32_t n, run_n;
    struct candidate list[IMAP_BATCH];
    struct {
        struct mailbox_uids uids;
        uint32_t at; /* of the first in the list */
    } runs[IMAP_BATCH];
};

struct cached_row {
    uint32_t uid;
    uint16_t n; /* 0: none */
    char bytes[MAILBOX_RENDERED_MAX];
};

struct search {
    struct imap_session *s;
    struct imap_command *c;
    struct imap_criteria criteria;
    struct match match;
    struct results results;
    struct batch *batch;
    struct cached_row *rows; /* ROWS_CACHED */
    uint32_t row_n;
    uint32_t rows_from; /* of the batch: those that are read next */
    char *piece;        /* TEXTS_PIECE */
    char *scratch;      /* RENDER_UNPACK_MAX */
    bool unreadable;    /* a message could not be read; told in the log once */
    deadline until;
};

/* ---- by the row ---- */

static void judge_run(struct search *q, struct store_view *v, uint32_t run)
{
    struct batch *b = q->batch;
    struct mailbox_uids uids = b->runs[run].uids;
    uint32_t at = b->runs[run].at, mailbox = q->s->selected->mailbox;
    struct mailbox_message m;
    struct store_cursor c;
    mailbox_seek_message(v, mailbox, uids.first, &c);
    while (mailbox_next_message(&c, mailbox, &m) && m.uid <= uids.last) {
        struct candidate *k = &b->list[at + (m.uid - uids.first)];
        k->verdict = (uint8_t)match_row(&q->match, k->number, &m);
        k->message = m;
        if (m.uid == uids.last)
            break;
    }
}

static void judge_fn(struct store_view *v, void *arg)
{
    struct search *q = arg;
    for (uint32_t i = 0; i < q->batch->n; i++)
        q->batch->list[i].verdict = MATCH_NO; /* of a message that is gone nothing matches */
    match_keywords(&q->match, v, q->s->selected->mailbox);
    for (uint32_t run = 0; run < q->batch->run_n; run++)
        judge_run(q, v, run);
}

/* By UID and number alone. */
static void judge_numbers(struct search *q)
{
    for (uint32_t i = 0; i < q->batch->n; i++) {
        struct candidate *k = &q->batch->list[i];
        k->verdict = (uint8_t)match_row(&q->match, k->number, &k->message);
    }
}

/* ---- by the header ---- */

/* Rendered rows of the next messages of the batch that are open. */
static void rows_fn(struct store_view *v, void *arg)
{
    struct search *q = arg;
    const struct batch *b = q->batch;
    q->row_n = 0;
    for (uint32_t i = q->rows_from; i < b->n; i++) {
        struct slice row;
        if (b->list[i].verdict != MATCH_OPEN)
            continue;
        if (q->row_n == ROWS_CACHED)
            break;
        struct cached_row *to = &q->rows[q->row_n++];
        to->uid = b->list[i].message.uid;
        to->n = 0;
        if (mailbox_read_rendered(v, q->s->selected->mailbox, to->uid, &row) &&
            row.n <= sizeof to->bytes) {
            memcpy(to->bytes, row.p, row.n);
            to->n = (uint16_t)row.n;
        }
    }
}

/* The cached fields of the i-th of the batch. False: they are not there. */
TASK_FN
static bool cached_fields(struct search *q, uint32_t i, struct slice *fields)
{
    uint32_t uid = q->batch->list[i].message.uid, at = 0;
    struct rendered rendered;
    if (!q->match.cached)
        return false;
    while (at < q->row_n && q->rows[at].uid != uid)
        at++;
    if (at == q->row_n) {
        store_partition p = mailbox_partition(q->s->account);
        q->rows_from = i;
        at = 0;
        if (store_read(imap_store(q->s), p, rows_fn, q, NULL, imap_soon()) != OUTCOME_DONE)
            q->row_n = 0;
    }
    if (at >= q->row_n || q->rows[at].uid != uid || !q->rows[at].n ||
        !render_row_unpack(slice(q->rows[at].bytes, q->rows[at].n), q->scratch, &rendered) ||
        !rendered.has_fields)
        return false;
    *fields = rendered.fields;
    return true;
}

/* ---- by the message itself ---- */

struct header_work {
    struct match *match;
    struct slice header;
    enum match_verdict verdict;
};

static void header_work(void *arg)
{
    struct header_work *w = arg;
    w->verdict = match_header(w->match, w->header);
}

#define HEADER_SHORT ((size_t)16 * 1024)

/* Long headers and long criteria not on the reactor. */
TASK_FN
static enum match_verdict judge_header(struct search *q, struct slice header)
{
    struct header_work w = {.match = &q->match, .header = header};
    bool small = header.n <= HEADER_SHORT && q->criteria.n <= 32;
    if (small || !offload_run(OFFLOAD_CPU, header_work, &w))
        header_work(&w);
    return w.verdict;
}

TASK_FN
static enum outcome judge_stored(
    struct search *q, const struct mailbox_message *m, enum match_step step, uint8_t *verdict)
{
    struct texts_source source;
    if (blame_work_listed(m->blob))
        return OUTCOME_FAILED;
    blame_now.work = m->blob;
    enum outcome o = texts_open(&source, imap_store(q->s), m->blob, q->piece, imap_soon());
    if (o == OUTCOME_DONE && step == MATCH_HEADER) {
        struct buffer header;
        buffer_init(&header, TEXTS_HEADER_MAX);
        o = texts_header(&source, &header);
        if (o == OUTCOME_DONE)
            *verdict = (uint8_t)judge_header(q, buffer_slice(&header));
        buffer_finish(&header);
    } else if (o == OUTCOME_DONE) {
        o = texts_feed(&source, &q->match.needles);
        if (o == OUTCOME_DONE)
            *verdict = (uint8_t)match_text(&q->match);
    }
    texts_close(&source);
    blame_now.work = 0;
    return o;
}

/* The i-th of the batch, which its row left open. A message that cannot be read does not match: the
 * search goes on. */
TASK_FN
static void judge_open(struct search *q, uint32_t i)
{
    struct candidate *k = &q->batch->list[i];
    struct slice fields;
    k->verdict = (uint8_t)match_row(&q->match, k->number, &k->message);
    while (k->verdict == MATCH_OPEN) {
        enum match_step step = match_next(&q->match);
        enum outcome o = OUTCOME_DONE;
        if (step == MATCH_HEADER && cached_fields(q, i, &fields))
            k->verdict = (uint8_t)judge_header(q, fields);
        else
            o = judge_stored(q, &k->message, step, &k->verdict);
        if (o == OUTCOME_DONE)
            continue;
        if (o != OUTCOME_REFUSED && !q->unreadable)
            imap_journal_fault(q->s, "message cannot be searched", o);
        q->unreadable = q->unreadable || o != OUTCOME_REFUSED;
        k->verdict = MATCH_NO;
    }
}

/* ---- the walk ---- */

/* A set that all that is found lies in, if there is one: only that is looked at. */
static const struct imap_node *narrowest(const struct imap_criteria *c)
{
    for (uint32_t i = c->nodes[0].child; i != IMAP_NODE_NONE; i = c->nodes[i].next)
        if (c->nodes[i].key == IMAP_KEY_UID || c->nodes[i].key == IMAP_KEY_SEQUENCE)
            return &c->nodes[i];
    return NULL;
}

/* False: c says why, or it is over early. */
TASK_FN
static bool judge_batch(struct search *q)
{
    struct batch *b = q->batch;
    enum outcome o = OUTCOME_DONE;
    int64_t since = clock_now();
    q->row_n = 0;
    if (q->match.steps & MATCH_ROW)
        o = store_read(
            imap_store(q->s), mailbox_partition(q->s->account), judge_fn, q, NULL, imap_soon());
    else
        judge_numbers(q);
    if (o != OUTCOME_DONE) {
        imap_reply_outcome(q->c, o, MAILBOX_REFUSED_NOT);
        return false;
    }
    for (uint32_t i = 0; i < b->n; i++) {
        const struct candidate *k = &b->list[i];
        if (k->verdict == MATCH_OPEN) {
            judge_open(q, i);
            if (clock_now() - since > STRETCH) {
                task_yield();
                since = clock_now();
            }
        }
        if (k->verdict != MATCH_YES)
            continue;
        uint32_t number = q->c->uid ? k->message.uid : k->number;
        if (!results_add(&q->results, number, k->message.modseq)) {
            imap_reply(q->c, IMAP_NO, "LIMIT", "Too many results for the memory that there is");
            return false;
        }
        if (q->criteria.extended && q->criteria.returns == IMAP_RETURN_MIN)
            return false;
    }
    return true;
}

/* False: no more. */
static bool fill_batch(struct batch *b, struct view_pick *pick)
{
    struct mailbox_uids uids;
    uint32_t number;
    b->n = b->run_n = 0;
    while (b->n < IMAP_BATCH && view_pick_next(pick, IMAP_BATCH - b->n, &uids, &number)) {
        b->runs[b->run_n].uids = uids;
        b->runs[b->run_n++].at = b->n;
        for (uint32_t i = 0; i <= uids.last - uids.first; i++)
            b->list[b->n++] =
                (struct candidate){.number = number + i, .message.uid = uids.first + i};
    }
    return b->n > 0;
}

TASK_FN
static void walk(struct search *q)
{
    const struct imap_node *in = narrowest(&q->criteria);
    struct imap_range all = {1, UINT32_MAX};
    struct imap_set everything = {.ranges = &all, .n = 1};
    struct view_pick pick;
    bool uids = !in || in->key == IMAP_KEY_UID;
    view_pick_start(&pick, &q->s->selected->view, in ? &in->set : &everything, uids);
    while (fill_batch(q->batch, &pick)) {
        if (!judge_batch(q))
            return;
        task_yield();
        if (!imap_send(&q->s->talk, S("")))
            return; /* nobody waits for it any more */
        if (clock_now() > q->until) {
            imap_reply(q->c, IMAP_NO, "LIMIT", "The search takes too long");
            return;
        }
    }
}

/* ---- the command ---- */

/* "*" and numbers become those of the view. False: c says BAD. */
static bool resolve(struct search *q)
{
    const struct view *v = &q->s->selected->view;
    for (uint32_t i = 0; i < q->criteria.n; i++) {
        struct imap_node *node = &q->criteria.nodes[i];
        bool uids = node->key == IMAP_KEY_UID;
        if (!uids && node->key != IMAP_KEY_SEQUENCE)
            continue;
        /* RFC 7162 §3.2.10: not during a UID SEARCH with numbers in it */
        q->c->numbers |= !uids;
        if (!v->count && node->set.star) /* clients ask 1:* of an empty mailbox */
            imap_set_resolve(&node->set, 0);
        else if (!imap_sync_resolve(q->s, q->c, &node->set, uids))
            return false;
    }
    return true;
}

static bool prepare(struct search *q)
{
    struct arena *arena = q->c->arena;
    if (!match_init(&q->match, &q->criteria, arena))
        return false;
    q->match.recent_from = q->s->selected->recent_from;
    q->batch = arena_new(arena, struct batch);
    if (q->match.steps & MATCH_HEADER) {
        q->rows = arena_array(arena, struct cached_row, ROWS_CACHED);
        q->scratch = arena_alloc(arena, RENDER_UNPACK_MAX);
    }
    if (q->match.steps & (MATCH_HEADER | MATCH_TEXT))
        q->piece = arena_alloc(arena, TEXTS_PIECE);
    return q->batch && (!(q->match.steps & MATCH_HEADER) || (q->rows && q->scratch)) &&
           (!(q->match.steps & (MATCH_HEADER | MATCH_TEXT)) || q->piece);
}

TASK_FN
static void run(struct search *q)
{
    if (!resolve(q))
        return;
    if (!prepare(q)) {
        imap_reply(q->c, IMAP_NO, "LIMIT", "That is too much to search for at once");
        return;
    }
    if (q->criteria.modseq)
        imap_sync_condstore(q->s);
    if (!q->s->selected->gone)
        walk(q);
    if (q->c->reply.status == IMAP_OK)
        results_tell(&q->results, q->s, q->c, &q->criteria);
}

void imap_search(struct imap_session *s, struct imap_command *c)
{
    struct search *q = arena_new(c->arena, struct search);
    if (!q) {
        imap_reply(c, IMAP_NO, "LIMIT", "Not enough memory");
        return;
    }
    *q = (struct search){.s = s, .c = c, .until = deadline_in(IMAP_COMMAND_TIME)};
    if (!imap_criteria_parse(&c->lex, &q->criteria)) {
        imap_reply_syntax(c);
        return;
    }
    if (q->criteria.bad_charset) {
        imap_reply(c, IMAP_NO, "BADCHARSET (US-ASCII UTF-8 ISO-8859-1 ISO-8859-15 WINDOWS-1252)",
            "That charset is not known here");
        return;
    }
    run(q);
    match_finish(&q->match);
    results_finish(&q->results);
}
