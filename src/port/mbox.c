#include "port/mbox.h"

#define FROM S("From ")

void mbox_init(struct mbox *m)
{
    mbox_init_at(m, false, true, 0);
    m->not_mbox = false;
}

void mbox_init_at(struct mbox *m, bool lenient, bool first, uint64_t at)
{
    m->has_date = m->internal = false;
    m->keywords_n = m->line_n = 0;
    m->flags = m->seen = m->held = 0;
    m->field = MBOX_OTHER;
    m->at = m->end = m->offset = at;
    m->in_message = m->in_header = m->passing = m->dropping = m->not_mbox = false;
    m->after_blank = true;
    m->lenient = lenient;
    m->first = first;
}

/* ---- the line at hand ---- */

struct line {
    struct slice text;
    bool whole; /* to its LF, or to the end of the file; else its first MBOX_LINE bytes */
    bool own;   /* in m->line */
};

/* False: more bytes are needed; what there was is kept. */
static bool get_line(struct mbox *m, struct slice *in, bool eof, struct line *l)
{
    size_t lf = slice_find(*in, '\n');
    size_t n = lf == SLICE_NONE ? in->n : lf + 1;
    if (!m->line_n && (lf != SLICE_NONE || in->n >= MBOX_LINE || (eof && in->n))) {
        l->text = slice_sub(*in, 0, n < MBOX_LINE ? n : MBOX_LINE);
        l->whole = l->text.p[l->text.n - 1] == '\n' || n < MBOX_LINE;
        l->own = false;
        return true;
    }
    bool ended = m->line_n && m->line[m->line_n - 1] == '\n';
    if (!ended && m->line_n < MBOX_LINE && n) {
        size_t room = MBOX_LINE - m->line_n;
        size_t take = n < room ? n : room;
        memcpy(m->line + m->line_n, in->p, take);
        m->line_n += take;
        *in = slice_from(*in, take);
        ended = m->line[m->line_n - 1] == '\n';
    }
    l->text = slice(m->line, m->line_n);
    l->whole = ended || (eof && !in->n && m->line_n < MBOX_LINE);
    l->own = true;
    return m->line_n && (ended || m->line_n == MBOX_LINE || l->whole);
}

static void use_line(struct mbox *m, struct slice *in, const struct line *l)
{
    m->offset += l->text.n;
    if (l->own)
        m->line_n = 0;
    else
        *in = slice_from(*in, l->text.n);
    m->passing = !l->whole;
}

static bool blank(const struct line *l)
{
    return slice_eq(l->text, S("\n")) || slice_eq(l->text, S("\r\n"));
}

/* ---- header fields that are flags ---- */

static enum mbox_field field_of(const struct mbox *m, struct slice line)
{
    static const struct {
        struct slice name;
        enum mbox_field field;
    } fields[] = {
        {S("Status:"), MBOX_STATUS},
        {S("X-Status:"), MBOX_X_STATUS},
        {S("X-Keywords:"), MBOX_X_KEYWORDS},
        {S("X-UID:"), MBOX_X_UID},
        {S("X-IMAP:"), MBOX_X_IMAP},
        {S("X-IMAPbase:"), MBOX_X_IMAP},
    };
    for (size_t i = 0; i < sizeof fields / sizeof *fields; i++)
        if (slice_starts_nocase(line, fields[i].name) && !(m->seen & 1 << fields[i].field) &&
            (fields[i].field != MBOX_X_IMAP || m->first))
            return fields[i].field;
    return MBOX_OTHER;
}

static void take_letters(
    struct mbox *m, struct slice value, const char *letters, const uint8_t *flags)
{
    for (size_t i = 0; i < value.n; i++) {
        const char *at = value.p[i] ? strchr(letters, value.p[i]) : NULL;
        if (at)
            m->flags |= flags[at - letters];
    }
}

static void take_value(struct mbox *m, struct slice value)
{
    static const uint8_t status[] = {MAILBOX_SEEN};
    static const uint8_t x_status[] = {
        MAILBOX_ANSWERED, MAILBOX_FLAGGED, MAILBOX_DELETED, MAILBOX_DRAFT};
    if (m->field == MBOX_STATUS)
        take_letters(m, value, "R", status);
    else if (m->field == MBOX_X_STATUS)
        take_letters(m, value, "AFDT", x_status);
    else if (m->field == MBOX_X_KEYWORDS && m->keywords_n + value.n < MBOX_KEYWORDS) {
        memcpy(m->keywords + m->keywords_n, value.p, value.n);
        m->keywords_n += value.n;
        m->keywords[m->keywords_n++] = ' ';
    }
}

/* True: the line is taken out. */
static bool header_line(struct mbox *m, struct slice line)
{
    bool folded = line.n && (line.p[0] == ' ' || line.p[0] == '\t');
    if (!folded) {
        m->field = (uint8_t)field_of(m, line);
        m->seen |= (uint8_t)(1 << m->field);
        m->internal |= m->field == MBOX_X_IMAP && slice_starts_nocase(line, S("X-IMAP:"));
        slice_cut(&line, ':');
    }
    /* A UID is never folded: what follows belongs to the message. */
    if (m->field == MBOX_OTHER || (folded && m->field == MBOX_X_UID)) {
        m->field = MBOX_OTHER;
        return false;
    }
    if (line.n && line.p[line.n - 1] == '\n')
        line.n--;
    if (line.n && line.p[line.n - 1] == '\r')
        line.n--;
    take_value(m, line);
    return true;
}

/* ---- events ---- */

static void begin(struct mbox *m)
{
    m->in_message = m->in_header = true;
    m->after_blank = false;
    m->flags = m->seen = 0;
    m->field = MBOX_OTHER;
    m->internal = false;
    m->keywords_n = 0;
    m->at = m->offset;
}

static void end(struct mbox *m)
{
    m->end = m->offset;
    m->in_message = false;
    m->first = false;
    m->held = 0;
}

/* Does the line begin a message? Fills in its date. */
static bool begins(struct mbox *m, const struct line *l)
{
    bool dated, start = m->offset == 0;
    int64_t date;
    int zone;
    if (!m->after_blank || !l->whole || !mbox_from_line(l->text, &dated, &date, &zone))
        return false;
    if (!dated && !start && !m->lenient)
        return false;
    m->lenient |= !dated && start;
    return true;
}

/* Length of the quote before "From ": 0 when it is none. */
static size_t quoted(struct slice line)
{
    size_t n = 0;
    while (n < line.n && n < MBOX_LINE - FROM.n && line.p[n] == '>')
        n++;
    return slice_starts(slice_from(line, n), FROM) ? n : 0;
}

/* A line of the message; true: *out has bytes. */
static bool message_line(struct mbox *m, struct slice *in, const struct line *l, struct slice *out)
{
    bool empty = blank(l);
    *out = l->text;
    m->after_blank = empty;
    if (m->in_header && !empty) {
        m->dropping = header_line(m, l->text);
        use_line(m, in, l);
        if (m->dropping)
            return false;
        *out = slice_from(*out, quoted(*out) > 0);
        return true;
    }
    m->dropping = false;
    if (empty && !m->in_header) {
        m->held = (uint8_t)l->text.n;
        use_line(m, in, l);
        return false;
    }
    m->in_header = m->in_header && !empty;
    *out = slice_from(*out, quoted(*out) > 0);
    use_line(m, in, l);
    return true;
}

/* The rest of a line that is longer than MBOX_LINE. True: *out has bytes. */
static bool pass(struct mbox *m, struct slice *in, struct slice *out)
{
    size_t lf = slice_find(*in, '\n');
    size_t n = lf == SLICE_NONE ? in->n : lf + 1;
    *out = slice_sub(*in, 0, n);
    *in = slice_from(*in, n);
    m->offset += n;
    m->passing = lf == SLICE_NONE;
    return n && !m->dropping;
}

enum mbox_event mbox_next(struct mbox *m, struct slice *in, bool eof, struct slice *out)
{
    struct line l;
    for (;;) {
        *out = S("");
        if (m->not_mbox) {
            *in = S("");
            return MBOX_MORE;
        }
        if (m->passing && in->n) {
            if (pass(m, in, out))
                return MBOX_DATA;
            continue;
        }
        if (m->passing ? !in->n : !get_line(m, in, eof, &l)) {
            if (!eof || !m->in_message)
                return MBOX_MORE;
            end(m);
            return MBOX_END;
        }
        if (begins(m, &l)) {
            if (m->in_message) {
                end(m);
                return MBOX_END;
            }
            begin(m);
            mbox_from_line(l.text, &m->has_date, &m->date, &m->zone);
            use_line(m, in, &l);
            return MBOX_BEGIN;
        }
        if (!m->in_message) {
            if (blank(&l)) { /* before the first message */
                use_line(m, in, &l);
                continue;
            }
            m->not_mbox = true;
            return MBOX_NOT;
        }
        if (m->held) {
            *out = m->held == 2 ? S("\r\n") : S("\n");
            m->held = 0;
            return MBOX_DATA;
        }
        if (message_line(m, in, &l, out))
            return MBOX_DATA;
    }
}
