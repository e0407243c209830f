#include "imap/match.h"
#include "imap/render.h"
#include "message/date.h"
#include "message/header.h"
#include "message/word.h"

#define DAY       86400
#define FIELD_MAX ((size_t)8 * 1024 * 1024) /* of a field, decoded and folded */

static enum match_step step_of(enum imap_key key)
{
    switch (key) {
    case IMAP_KEY_SENT_BEFORE:
    case IMAP_KEY_SENT_ON:
    case IMAP_KEY_SENT_SINCE:
    case IMAP_KEY_HEADER:
        return MATCH_HEADER;
    case IMAP_KEY_BODY:
    case IMAP_KEY_TEXT:
        return MATCH_TEXT;
    default:
        return MATCH_ROW;
    }
}

static bool is_inner(enum imap_key key)
{
    return key == IMAP_KEY_AND || key == IMAP_KEY_OR || key == IMAP_KEY_NOT;
}

/* Is more than the UID and the number needed for it? */
static bool wants_row(enum imap_key key)
{
    return step_of(key) != MATCH_ROW ||
           (!is_inner(key) && key != IMAP_KEY_ALL && key != IMAP_KEY_SEQUENCE &&
               key != IMAP_KEY_UID && key != IMAP_KEY_RECENT);
}

/* ---- preparing ---- */

static bool fold_into(struct slice utf8, struct arena *arena, struct slice *out)
{
    struct buffer folded;
    buffer_init(&folded, utf8.n * NEEDLES_GROWTH + 1);
    bool fine = needles_fold(utf8, &folded);
    if (fine)
        *out = arena_copy(arena, buffer_slice(&folded));
    buffer_finish(&folded);
    return fine && out->p;
}

static bool init_node(struct match *m, uint32_t i, struct arena *arena)
{
    const struct imap_node *node = &m->criteria->nodes[i];
    if (wants_row(node->key))
        m->steps |= MATCH_ROW | step_of(node->key);
    switch (node->key) {
    case IMAP_KEY_HEADER:
        m->cached = m->cached && render_field_cached(node->name);
        return fold_into(node->text, arena, &m->folded[i]);
    case IMAP_KEY_BODY:
        return needles_add(&m->needles, node->text, NEEDLES_BODY, arena, &m->needle[i]);
    case IMAP_KEY_TEXT:
        return needles_add(
            &m->needles, node->text, NEEDLES_HEADER | NEEDLES_BODY, arena, &m->needle[i]);
    default:
        return true;
    }
}

bool match_init(struct match *m, const struct imap_criteria *criteria, struct arena *arena)
{
    uint32_t n = criteria->n, texts = 0;
    *m = (struct match){.criteria = criteria, .cached = true, .recent_from = UINT32_MAX};
    buffer_init(&m->decoded, FIELD_MAX);
    buffer_init(&m->text, FIELD_MAX);
    m->verdicts = arena_array(arena, uint8_t, n);
    m->needed = arena_array(arena, bool, n);
    m->keywords = arena_array(arena, int8_t, n);
    m->needle = arena_array(arena, uint32_t, n);
    m->folded = arena_array(arena, struct slice, n);
    if (!m->verdicts || !m->needed || !m->keywords || !m->needle || !m->folded)
        return false;
    for (uint32_t i = 0; i < n; i++)
        texts += step_of(criteria->nodes[i].key) == MATCH_TEXT;
    if (!needles_init(&m->needles, texts + 1, arena))
        return false;
    for (uint32_t i = 0; i < n; i++)
        if (!init_node(m, i, arena))
            return false;
    return true;
}

void match_finish(struct match *m)
{
    needles_finish(&m->needles);
    buffer_finish(&m->decoded);
    buffer_finish(&m->text);
}

void match_keywords(struct match *m, struct store_view *v, uint32_t mailbox)
{
    for (uint32_t i = 0; i < m->criteria->n; i++) {
        const struct imap_node *node = &m->criteria->nodes[i];
        if (node->key == IMAP_KEY_KEYWORD)
            m->keywords[i] = (int8_t)mailbox_find_keyword(v, mailbox, node->text);
    }
}

/* ---- from leaves to the root ---- */

static uint8_t combine(const struct match *m, const struct imap_node *node)
{
    const struct imap_node *nodes = m->criteria->nodes;
    if (node->key == IMAP_KEY_NOT) {
        static const uint8_t opposite[] = {MATCH_YES, MATCH_NO, MATCH_OPEN};
        return opposite[m->verdicts[node->child]];
    }
    uint8_t decides = node->key == IMAP_KEY_OR ? MATCH_YES : MATCH_NO;
    uint8_t verdict = decides == MATCH_YES ? MATCH_NO : MATCH_YES;
    for (uint32_t i = node->child; i != IMAP_NODE_NONE; i = nodes[i].next) {
        if (m->verdicts[i] == decides)
            return decides;
        if (m->verdicts[i] == MATCH_OPEN)
            verdict = MATCH_OPEN;
    }
    return verdict;
}

/* Inner nodes anew, once leaves are known. */
static enum match_verdict settle(struct match *m)
{
    for (uint32_t i = m->criteria->n; i--;)
        if (is_inner(m->criteria->nodes[i].key))
            m->verdicts[i] = combine(m, &m->criteria->nodes[i]);
    return (enum match_verdict)m->verdicts[0];
}

/* ---- the row ---- */

static int64_t day_of(int64_t seconds, int zone)
{
    int64_t local = seconds + (int64_t)zone * 60;
    return local >= 0 ? local / DAY : -((-local + DAY - 1) / DAY);
}

static bool row_has(
    const struct match *m, uint32_t i, uint32_t number, const struct mailbox_message *message)
{
    const struct imap_node *node = &m->criteria->nodes[i];
    bool recent = message->uid >= m->recent_from;
    switch (node->key) {
    case IMAP_KEY_FLAG:
        return message->flags & node->flag;
    case IMAP_KEY_RECENT:
        return recent;
    case IMAP_KEY_NEW:
        return recent && !(message->flags & MAILBOX_SEEN);
    case IMAP_KEY_KEYWORD:
        return m->keywords[i] >= 0 && message->keywords >> m->keywords[i] & 1;
    case IMAP_KEY_BEFORE:
        return day_of(message->date, message->zone) < node->day;
    case IMAP_KEY_ON:
        return day_of(message->date, message->zone) == node->day;
    case IMAP_KEY_SINCE:
        return day_of(message->date, message->zone) >= node->day;
    case IMAP_KEY_LARGER:
        return message->size > node->number;
    case IMAP_KEY_SMALLER:
        return message->size < node->number;
    case IMAP_KEY_SEQUENCE:
        return imap_set_has(&node->set, number);
    case IMAP_KEY_UID:
        return imap_set_has(&node->set, message->uid);
    case IMAP_KEY_MODSEQ:
        return message->modseq >= node->number;
    default: /* ALL */
        return true;
    }
}

enum match_verdict match_row(
    struct match *m, uint32_t number, const struct mailbox_message *message)
{
    for (uint32_t i = m->criteria->n; i--;) {
        enum imap_key key = m->criteria->nodes[i].key;
        if (is_inner(key))
            m->verdicts[i] = combine(m, &m->criteria->nodes[i]);
        else if (step_of(key) == MATCH_ROW)
            m->verdicts[i] = row_has(m, i, number, message) ? MATCH_YES : MATCH_NO;
        else if (step_of(key) == MATCH_TEXT && !m->criteria->nodes[i].text.n)
            m->verdicts[i] = MATCH_YES; /* the empty text is in all */
        else
            m->verdicts[i] = MATCH_OPEN;
    }
    return (enum match_verdict)m->verdicts[0];
}

/* ---- what is open ---- */

enum match_step match_next(struct match *m)
{
    const struct imap_node *nodes = m->criteria->nodes;
    unsigned steps = 0;
    memset(m->needed, 0, m->criteria->n * sizeof *m->needed);
    m->needed[0] = true;
    for (uint32_t i = 0; i < m->criteria->n; i++) {
        if (!m->needed[i])
            continue;
        if (!is_inner(nodes[i].key))
            steps |= step_of(nodes[i].key);
        for (uint32_t k = nodes[i].child; k != IMAP_NODE_NONE; k = nodes[k].next)
            m->needed[k] = m->verdicts[k] == MATCH_OPEN;
    }
    if (steps & MATCH_HEADER)
        return MATCH_HEADER;
    /* only what is needed is looked for */
    for (uint32_t i = 0; i < m->criteria->n; i++)
        if (step_of(nodes[i].key) == MATCH_TEXT)
            m->needles.list[m->needle[i]].found = !m->needed[i];
    return MATCH_TEXT;
}

/* ---- the header ---- */

static bool is_open(const struct match *m, uint32_t i)
{
    return m->needed[i] && m->verdicts[i] == MATCH_OPEN;
}

/* The value as folded text; done once a field. */
static bool fold_value(struct match *m, const struct header_field *field, bool *folded)
{
    if (*folded)
        return true;
    buffer_reset(&m->decoded);
    buffer_reset(&m->text);
    *folded =
        word_decode(field->value, &m->decoded) && needles_fold(buffer_slice(&m->decoded), &m->text);
    return *folded;
}

static void try_field(struct match *m, const struct header_field *field)
{
    bool folded = false;
    for (uint32_t i = 0; i < m->criteria->n; i++) {
        const struct imap_node *node = &m->criteria->nodes[i];
        if (node->key != IMAP_KEY_HEADER || !is_open(m, i) || !header_is(field, node->name))
            continue;
        if (!m->folded[i].n ||
            (fold_value(m, field, &folded) &&
                slice_find_slice(buffer_slice(&m->text), m->folded[i]) != SLICE_NONE))
            m->verdicts[i] = MATCH_YES;
    }
}

/* Without time and zone (RFC 3501 §6.4.4). */
static void try_date(struct match *m, const struct header_field *field)
{
    struct date date;
    if (!date_parse(field->value, &date))
        return;
    date.zone = 0;
    int64_t day = day_of(date_to_unix(&date), 0);
    for (uint32_t i = 0; i < m->criteria->n; i++) {
        const struct imap_node *node = &m->criteria->nodes[i];
        if (!is_open(m, i))
            continue;
        if (node->key == IMAP_KEY_SENT_BEFORE)
            m->verdicts[i] = day < node->day ? MATCH_YES : MATCH_NO;
        else if (node->key == IMAP_KEY_SENT_ON)
            m->verdicts[i] = day == node->day ? MATCH_YES : MATCH_NO;
        else if (node->key == IMAP_KEY_SENT_SINCE)
            m->verdicts[i] = day >= node->day ? MATCH_YES : MATCH_NO;
    }
}

enum match_verdict match_header(struct match *m, struct slice header)
{
    struct header_reader r = header_reader(header);
    struct header_field field;
    bool dated = false;
    while (header_next(&r, &field)) {
        try_field(m, &field);
        if (!dated && header_is(&field, S("Date"))) {
            dated = true;
            try_date(m, &field);
        }
    }
    for (uint32_t i = 0; i < m->criteria->n; i++)
        if (is_open(m, i) && step_of(m->criteria->nodes[i].key) == MATCH_HEADER)
            m->verdicts[i] = MATCH_NO;
    return settle(m);
}

enum match_verdict match_text(struct match *m)
{
    for (uint32_t i = 0; i < m->criteria->n; i++)
        if (is_open(m, i) && step_of(m->criteria->nodes[i].key) == MATCH_TEXT)
            m->verdicts[i] = m->needles.list[m->needle[i]].found ? MATCH_YES : MATCH_NO;
    return settle(m);
}
