/* BODYSTRUCTURE and BODY (RFC 9051 §7.5.2, §9 `body`) of a flat array of parts, without recursion.
 *
 * There is always room kept for the rest in its shortest form: RENDER_PART_MIN for each part that
 * was not begun and for each one that is open. What does not fit into the remaining room takes its
 * shortest form: so the text is whole and valid at every limit. */
#include "imap/out.h"
#include "imap/render.h"

struct writer {
    const struct mime *mime;
    const struct render_source *source;
    struct buffer *to;
    uint32_t begun; /* parts up to this index */
    bool extended;
};

static const struct mime_part *part_at(const struct writer *w, uint32_t index)
{
    return &w->mime->parts[index];
}

/* ---- values ---- */

static void put_nstring(struct buffer *to, struct slice s)
{
    buffer_add_char(to, ' ');
    imap_out_nstring(to, s);
}

static void put_number(struct buffer *to, uint64_t n)
{
    buffer_add_char(to, ' ');
    buffer_add_u64(to, n);
}

/* RFC 2231 §7: an extended value is shown under its name with a star. */
static void put_name(struct buffer *to, const struct parameter *p)
{
    char name[PARAMETER_NAME_MAX + 1];
    size_t n = p->name.n < PARAMETER_NAME_MAX ? p->name.n : PARAMETER_NAME_MAX;
    if (n)
        memcpy(name, p->name.p, n);
    if (p->extended)
        name[n++] = '*';
    imap_out_string(to, slice(name, n));
}

/* charset: the default of text is told. */
static void put_parameters(struct buffer *to, const struct parameter_value *v, bool charset)
{
    if (!v->first && !charset) {
        buffer_add(to, S(" NIL"));
        return;
    }
    buffer_add(to, S(" ("));
    if (charset)
        buffer_add(to, S("\"CHARSET\" \"US-ASCII\""));
    for (const struct parameter *p = v->first; p; p = p->next) {
        if (p != v->first || charset)
            buffer_add_char(to, ' ');
        put_name(to, p);
        buffer_add_char(to, ' ');
        imap_out_string(to, p->value);
    }
    buffer_add_char(to, ')');
}

static void put_disposition(struct buffer *to, const struct parameter_value *v)
{
    if (!v->type.p) {
        buffer_add(to, S(" NIL"));
        return;
    }
    buffer_add(to, S(" ("));
    imap_out_string(to, v->type);
    put_parameters(to, v, false);
    buffer_add_char(to, ')');
}

/* `en, fr`: one is a string, more are a list. */
static void put_language(struct buffer *to, struct slice value)
{
    if (slice_find(value, ',') == SLICE_NONE) {
        put_nstring(to, value);
        return;
    }
    buffer_add(to, S(" ("));
    for (bool first = true; first || value.n; first = false) {
        if (!first)
            buffer_add_char(to, ' ');
        imap_out_string(to, slice_trim(slice_cut(&value, ',')));
    }
    buffer_add_char(to, ')');
}

/* Extension data behind MD5 or the parameters of a multipart. */
static void put_extension(const struct writer *w, const struct mime_part *p)
{
    put_disposition(w->to, &p->disposition);
    put_language(w->to, p->language);
    put_nstring(w->to, p->location);
}

/* type, subtype and body-fields */
static void put_fields(const struct writer *w, const struct mime_part *p, bool text)
{
    struct buffer *to = w->to;
    buffer_add_char(to, '(');
    imap_out_string(to, p->content.type);
    buffer_add_char(to, ' ');
    imap_out_string(to, p->content.subtype);
    put_parameters(to, &p->content, text && !parameter_find(&p->content, S("charset")));
    put_nstring(to, p->id);
    put_nstring(to, p->description);
    buffer_add_char(to, ' ');
    imap_out_string(to, p->encoding.n ? p->encoding : S("7BIT"));
    put_number(to, p->end - p->body);
}

static void put_single_end(const struct writer *w, const struct mime_part *p)
{
    if (w->extended) {
        put_nstring(w->to, p->md5);
        put_extension(w, p);
    }
    buffer_add_char(w->to, ')');
}

/* ---- beginnings and ends ---- */

static void begin_multipart(const struct writer *w, uint32_t index)
{
    buffer_add_char(w->to, '(');
}

static void end_multipart(const struct writer *w, uint32_t index)
{
    const struct mime_part *p = part_at(w, index);
    buffer_add_char(w->to, ' ');
    imap_out_string(w->to, p->content.subtype);
    if (w->extended) {
        put_parameters(w->to, &p->content, false);
        put_extension(w, p);
    }
    buffer_add_char(w->to, ')');
}

static void begin_message(const struct writer *w, uint32_t index)
{
    const struct mime_part *p = part_at(w, index);
    put_fields(w, p, false);
    buffer_add_char(w->to, ' ');
    render_envelope(w->source->header_of(w->source->arg, p->child), w->to);
    buffer_add_char(w->to, ' ');
}

static void end_message(const struct writer *w, uint32_t index)
{
    const struct mime_part *p = part_at(w, index);
    put_number(w->to, p->lines);
    put_single_end(w, p);
}

static void put_leaf(const struct writer *w, uint32_t index)
{
    const struct mime_part *p = part_at(w, index);
    bool text = mime_is(p, S("text"), S(""));
    put_fields(w, p, text);
    if (text)
        put_number(w->to, p->lines);
    put_single_end(w, p);
}

/* ---- their shortest forms: at most RENDER_PART_MIN for one part ---- */

static void put_nils(const struct writer *w)
{
    buffer_add(w->to, w->extended ? S(" NIL NIL NIL NIL)") : S(")"));
}

static void put_plain(const struct writer *w, uint32_t index)
{
    const struct mime_part *p = part_at(w, index);
    buffer_add(w->to, S("(\"TEXT\" \"PLAIN\" (\"CHARSET\" \"US-ASCII\") NIL NIL \"7BIT\""));
    put_number(w->to, p->end - p->body);
    put_number(w->to, p->lines);
    put_nils(w);
}

static void put_short_end(const struct writer *w, uint32_t index)
{
    const struct mime_part *p = part_at(w, index);
    if (p->kind == MIME_MULTIPART)
        buffer_add(w->to, S(" \"MIXED\""));
    else
        put_number(w->to, p->lines);
    put_nils(w);
}

/* ---- the walk ---- */

typedef void (*put_fn)(const struct writer *w, uint32_t index);

/* False: it did not fit beside what must come; nothing was written. */
static bool attempt(const struct writer *w, uint32_t index, put_fn put)
{
    struct buffer *to = w->to;
    size_t open = part_at(w, index)->depth + 1;
    size_t kept = (w->mime->n - 1 - w->begun + open) * RENDER_PART_MIN;
    size_t start = to->n, max = to->max;
    if (to->overflow || max < kept || max - kept <= start)
        return false;
    to->max = max - kept;
    put(w, index);
    to->max = max;
    if (!to->overflow)
        return true;
    to->n = start;
    to->overflow = false;
    return false;
}

/* True: its children follow. */
static bool begin_part(struct writer *w, uint32_t index)
{
    static const put_fn begin[] = {put_leaf, begin_multipart, begin_message};
    enum mime_kind kind = part_at(w, index)->kind;
    w->begun = index;
    if (attempt(w, index, begin[kind]))
        return kind != MIME_LEAF;
    put_plain(w, index);
    return false;
}

static void end_part(const struct writer *w, uint32_t index)
{
    bool multipart = part_at(w, index)->kind == MIME_MULTIPART;
    if (!attempt(w, index, multipart ? end_multipart : end_message))
        put_short_end(w, index);
}

void render_structure(
    const struct mime *mime, bool extended, const struct render_source *source, struct buffer *to)
{
    struct writer w = {.mime = mime, .source = source, .to = to, .extended = extended};
    uint32_t at = 0;
    for (;;) {
        if (begin_part(&w, at)) {
            at = part_at(&w, at)->child;
            continue;
        }
        while (part_at(&w, at)->next == MIME_NONE) {
            at = part_at(&w, at)->parent;
            if (at == MIME_NONE)
                return;
            end_part(&w, at);
        }
        at = part_at(&w, at)->next;
    }
}
