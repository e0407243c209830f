#include "message/mime.h"
#include "message_fuzz.h"

static bool same_value(const struct parameter_value *a, const struct parameter_value *b)
{
    const struct parameter *q = b->first;
    for (const struct parameter *p = a->first; p; p = p->next, q = q->next)
        if (!q || !slice_eq(p->name, q->name) || !slice_eq(p->value, q->value))
            return false;
    return !q && slice_eq(a->type, b->type) && slice_eq(a->subtype, b->subtype);
}

static void check_same(const struct mime *a, const struct mime *b)
{
    CHECK(a->n == b->n && a->size == b->size && a->broken == b->broken);
    for (uint32_t i = 0; i < a->n; i++) {
        const struct mime_part *p = &a->parts[i], *q = &b->parts[i];
        CHECK(p->kind == q->kind && p->parent == q->parent && p->child == q->child);
        CHECK(p->next == q->next && p->header == q->header && p->body == q->body);
        CHECK(p->end == q->end && p->lines == q->lines && p->transfer == q->transfer);
        CHECK(same_value(&p->content, &q->content) && slice_eq(p->id, q->id));
    }
}

static uint64_t count_lines(struct slice s)
{
    uint64_t n = 0;
    for (size_t i = 0; i < s.n; i++)
        n += s.p[i] == '\n';
    return n;
}

static void check_tree(const struct mime *m, struct slice message)
{
    CHECK(m->n >= 1 && m->n <= MIME_PARTS_MAX && m->size == message.n);
    CHECK(m->parts[0].parent == MIME_NONE && m->parts[0].end == message.n);
    uint32_t seen = 1;
    for (uint32_t i = 0; i < m->n; i++) {
        const struct mime_part *p = &m->parts[i];
        CHECK(p->header <= p->body && p->body <= p->end && p->end <= message.n);
        CHECK(p->depth <= MIME_DEPTH_MAX);
        CHECK((p->kind == MIME_LEAF) == (p->child == MIME_NONE));
        CHECK(p->content.type.n && p->content.subtype.n && p->content.n <= PARAMETER_MAX);
        CHECK(p->lines == count_lines(mime_body(p, message)));
        CHECK(p->kind == MIME_MULTIPART || !mime_is(p, S("multipart"), S("")));
        CHECK((p->kind == MIME_MESSAGE) ==
              (mime_is(p, S("message"), S("rfc822")) || mime_is(p, S("message"), S("global"))));
        uint64_t from = p->body;
        uint32_t before = i;
        for (uint32_t c = p->child; c != MIME_NONE; c = m->parts[c].next) {
            const struct mime_part *child = &m->parts[c];
            CHECK(c < m->n && c > before && child->parent == i && child->depth == p->depth + 1);
            CHECK(child->header >= from && child->end <= p->end);
            CHECK(p->kind == MIME_MULTIPART || child->header == p->body);
            CHECK(p->kind == MIME_MULTIPART || child->next == MIME_NONE);
            from = child->end;
            before = c;
            seen++;
        }
    }
    CHECK(seen == m->n);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    if (!n)
        return 0;
    size_t step = data[0];
    struct slice message = slice(data + 1, n - 1);
    struct arena whole, pieces;
    arena_init(&whole, MIME_ARENA_MAX);
    arena_init(&pieces, MIME_ARENA_MAX);
    const struct mime *m = mime_parse(message, &whole);
    CHECK(m);
    check_tree(m, message);
    struct mime_parser *p = mime_begin(&pieces);
    CHECK(p);
    for (size_t at = 0; at < message.n; at += step ? step : 1)
        mime_feed(p, slice_sub(message, at, step ? step : 1));
    check_same(m, mime_end(p));
    arena_reset(&whole);
    arena_reset(&pieces);
    /* An arena that is nearly full. */
    arena_init(&whole, 12000 + step * 64);
    m = mime_parse(message, &whole);
    if (m)
        check_tree(m, message);
    arena_reset(&whole);
    return 0;
}
