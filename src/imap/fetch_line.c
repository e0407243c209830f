#include "imap/fetch_private.h"
#include "trace/trace.h"

#define OUT_LONG  ((size_t)32 * 1024) /* sent when more than this is gathered */
#define OUT_SMALL ((size_t)16 * 1024) /* what is longer goes out by itself */

/* ---- output ---- */

void fetch_line_flush(struct fetch *f)
{
    if (f->alive && f->out.overflow) { /* the line may be begun: it cannot be taken back */
        f->alive = false;
        conn_close(f->session->talk.conn);
    }
    if (f->alive && f->out.n)
        f->alive = imap_send(&f->session->talk, buffer_slice(&f->out));
    buffer_reset(&f->out);
}

TASK_FN
static void put(struct fetch *f, struct slice s)
{
    if (s.n <= OUT_SMALL) {
        buffer_add(&f->out, s);
        if (f->out.n > OUT_LONG)
            fetch_line_flush(f);
        return;
    }
    fetch_line_flush(f);
    if (f->alive)
        f->alive = imap_send(&f->session->talk, s);
}

/* The name of an item, a blank before all but the first. */
static void put_name(struct fetch *f, struct slice name)
{
    if (f->begun)
        buffer_add_char(&f->out, ' ');
    f->begun = true;
    buffer_add(&f->out, name);
}

static void put_literal_size(struct fetch *f, struct slice label, uint64_t n)
{
    put_name(f, label);
    buffer_add(&f->out, S(" {"));
    buffer_add_u64(&f->out, n);
    buffer_add(&f->out, S("}\r\n"));
}

/* ---- before the line is begun: all that may fail ---- */

/* ENVELOPE, BODYSTRUCTURE and cached fields: from the row, else live. */
TASK_FN
static bool show(struct fetch *f, const struct fetch_message *m)
{
    bool body = f->items.items & IMAP_ITEM_BODY;
    bool live = !m->rendered.p || !render_row_unpack(m->rendered, f->scratch, &f->shown);
    if (!live && body) {
        buffer_reset(&f->body);
        live = !render_body_of_structure(f->shown.structure, &f->body);
    }
    if (!live)
        return true;
    if (!fetch_live(f, m))
        return false;
    buffer_reset(&f->body);
    return !body || render_body_of_structure(f->shown.structure, &f->body);
}

/* Which bytes a section is, or comes from. */
TASK_FN
static bool locate(struct fetch *f, const struct imap_section *section, struct section_bytes *bytes)
{
    struct fetch_source *src = &f->source;
    if (section->path_n) {
        const struct mime *mime = fetch_source_mime(src);
        if (mime)
            section_find(mime, section, bytes);
        return mime != NULL;
    }
    *bytes = (struct section_bytes){true, 0, src->size};
    if (section->kind == IMAP_SECTION_ALL)
        return true;
    if (!fetch_source_header(src))
        return false;
    if (section->kind == IMAP_SECTION_TEXT)
        *bytes = (struct section_bytes){true, src->body_at, src->size - src->body_at};
    else
        bytes->n = src->body_at;
    return true;
}

static void cut(const struct imap_section *section, struct section_bytes *bytes)
{
    uint64_t offset = section->offset < bytes->n ? section->offset : bytes->n;
    if (!section->partial)
        return;
    bytes->offset += offset;
    bytes->n -= offset;
    if (bytes->n > section->length)
        bytes->n = section->length;
}

static bool of_fields(const struct imap_section *section)
{
    return section->kind == IMAP_SECTION_FIELDS || section->kind == IMAP_SECTION_FIELDS_NOT;
}

/* A literal that was begun must be completed, so all of it is read once before. */
TASK_FN
static bool prepare(struct fetch *f, const struct fetch_message *m, uint32_t i)
{
    const struct imap_section *section = &f->items.sections[i];
    struct fetch_part *part = &f->parts[i];
    part->cached = f->cached[i] && f->shown.has_fields;
    if (part->cached)
        return true;
    if (!fetch_source_open(&f->source, &m->row) || !locate(f, section, &part->bytes))
        return false;
    if (of_fields(section)) {
        if (part->bytes.n > RENDER_HEADER_MAX)
            part->bytes.n = RENDER_HEADER_MAX;
    } else {
        cut(section, &part->bytes);
    }
    return fetch_source_verify(&f->source, part->bytes.offset, part->bytes.n);
}

TASK_FN
static bool prepare_all(struct fetch *f, const struct fetch_message *m)
{
    if (f->rendered && !show(f, m))
        return false;
    for (uint32_t i = 0; i < f->items.section_n; i++)
        if (!prepare(f, m, i))
            return false;
    return true;
}

/* ---- sections ---- */

TASK_FN
static void put_fields(struct fetch *f, const struct imap_section *section, struct fetch_part *part)
{
    struct fetch_source *src = &f->source;
    bool chosen;
    buffer_reset(&f->fields);
    if (part->cached) {
        chosen = section_fields(f->shown.fields, section, &f->fields) &&
                 buffer_add(&f->fields, S("\r\n"));
    } else if (!section->path_n) {
        chosen = section_fields(buffer_slice(&src->header), section, &f->fields);
    } else { /* BODY has gone out; f->text is still needed, f->shown may lie in it */
        buffer_reset(&f->body);
        chosen = fetch_source_copy(src, part->bytes.offset, part->bytes.n, &f->body) &&
                 section_fields(buffer_slice(&f->body), section, &f->fields);
    }
    if (!chosen) { /* the line is begun: it cannot be taken back */
        f->alive = false;
        conn_close(f->session->talk.conn);
        return;
    }
    struct section_bytes bytes = {true, 0, f->fields.n};
    cut(section, &bytes);
    put_literal_size(f, section->label, bytes.n);
    put(f, slice_sub(buffer_slice(&f->fields), (size_t)bytes.offset, (size_t)bytes.n));
}

/* NUL is never sent (RFC 9051 §4.3.1). */
static struct slice without_nul(struct slice s)
{
    char *p = (char *)(uintptr_t)s.p;
    for (char *nul = p; (nul = memchr(nul, '\0', (size_t)(p + s.n - nul)));)
        *nul = (char)0x80;
    return s;
}

TASK_FN
static void put_bytes(
    struct fetch *f, const struct imap_section *section, const struct section_bytes *bytes)
{
    uint64_t at = bytes->offset, end = at + bytes->n;
    struct slice s;
    put_literal_size(f, section->label, bytes->n);
    while (f->alive && at < end) {
        if (!fetch_source_read(&f->source, at, &s) || !s.n) {
            f->alive = false;
            conn_close(f->session->talk.conn);
            return;
        }
        s = slice_sub(s, 0, (size_t)(end - at));
        at += s.n;
        put(f, without_nul(s));
        if (at < end)
            task_yield();
    }
}

TASK_FN
static void put_section(struct fetch *f, uint32_t i)
{
    const struct imap_section *section = &f->items.sections[i];
    struct fetch_part *part = &f->parts[i];
    if (!part->cached && !part->bytes.exists) {
        put_name(f, section->label);
        put(f, S(" NIL")); /* labels are long: many must not gather */
    } else if (of_fields(section)) {
        put_fields(f, section, part);
    } else {
        put_bytes(f, section, &part->bytes);
    }
}

/* ---- items ---- */

static void put_flags(struct fetch *f, const struct mailbox_message *m, bool seen)
{
    uint8_t flags = m->flags | (seen ? MAILBOX_SEEN : 0);
    bool recent = m->uid >= f->session->selected->recent_from;
    put_name(f, S("FLAGS ("));
    imap_out_flags(&f->out, flags, recent, m->keywords, f->names);
    buffer_add_char(&f->out, ')');
}

static void put_rows(struct fetch *f, const struct mailbox_message *m, bool seen)
{
    unsigned items = f->items.items;
    if (f->command->uid || items & IMAP_ITEM_UID || (seen && f->session->condstore)) {
        put_name(f, S("UID "));
        buffer_add_u64(&f->out, m->uid);
    }
    if (items & IMAP_ITEM_FLAGS || seen)
        put_flags(f, m, seen);
    if (items & IMAP_ITEM_INTERNALDATE) {
        put_name(f, S("INTERNALDATE "));
        imap_out_date_time(&f->out, m->date, m->zone);
    }
    if (items & IMAP_ITEM_SIZE) {
        put_name(f, S("RFC822.SIZE "));
        buffer_add_u64(&f->out, m->size);
    }
    if (items & IMAP_ITEM_MODSEQ || f->items.since) {
        put_name(f, S("MODSEQ ("));
        buffer_add_u64(&f->out, m->modseq);
        buffer_add_char(&f->out, ')');
    }
}

TASK_FN
static void put_rendered(struct fetch *f)
{
    if (f->items.items & IMAP_ITEM_ENVELOPE) {
        put_name(f, S("ENVELOPE "));
        put(f, f->shown.envelope);
    }
    if (f->items.items & IMAP_ITEM_BODYSTRUCTURE) {
        put_name(f, S("BODYSTRUCTURE "));
        put(f, f->shown.structure);
    }
    if (f->items.items & IMAP_ITEM_BODY) {
        put_name(f, S("BODY "));
        put(f, buffer_slice(&f->body));
    }
}

TASK_FN
static void put_line(struct fetch *f, const struct fetch_message *m, bool seen)
{
    f->begun = false;
    buffer_add(&f->out, S("* "));
    buffer_add_u64(&f->out, m->number);
    buffer_add(&f->out, S(" FETCH ("));
    put_rows(f, &m->row, seen);
    put_rendered(f);
    for (uint32_t i = 0; i < f->items.section_n && f->alive; i++)
        put_section(f, i);
    put(f, S(")\r\n"));
}

void fetch_line_seen(struct fetch *f)
{
    struct imap_session *s = f->session;
    if (f->seen_n)
        mailbox_post_seen_runs(
            imap_store(s), s->account, s->selected->mailbox, f->seen_runs, f->seen_n);
    f->seen_n = 0;
}

static void note_seen(struct fetch *f, uint32_t uid)
{
    struct mailbox_uids *last = f->seen_n ? &f->seen_runs[f->seen_n - 1] : NULL;
    if (last && last->last + 1 == uid && uid - last->first < MAILBOX_SEEN_EACH) {
        last->last = uid;
        return;
    }
    if (f->seen_n == MAILBOX_SEEN_RUNS)
        fetch_line_seen(f);
    f->seen_runs[f->seen_n++] = (struct mailbox_uids){uid, uid};
}

/* All of the message, of its text or of a part, up to the end. */
static bool is_read(const struct fetch *f, uint32_t i)
{
    const struct imap_section *section = &f->items.sections[i];
    const struct section_bytes *bytes = &f->parts[i].bytes;
    if ((section->kind != IMAP_SECTION_ALL && section->kind != IMAP_SECTION_TEXT) ||
        f->parts[i].cached || !bytes->exists)
        return false;
    return !section->partial || (bytes->n && bytes->offset + bytes->n == f->source.size);
}

static void trace_fetch(const struct fetch *f, const struct mailbox_message *m)
{
    bool read = false;
    for (uint32_t i = 0; i < f->items.section_n && !read; i++)
        read = is_read(f, i);
    if (read && trace_covers(m->date))
        trace_note(TRACE_FETCHED, trace_number(TRACE_ACCOUNT, f->session->account),
            trace_number(TRACE_BLOB, m->blob), trace_text(TRACE_PROTOCOL, "imap"),
            trace_text(TRACE_PEER, conn_peer(f->session->talk.conn)->address));
}

void fetch_line(struct fetch *f, const struct fetch_message *m)
{
    bool seen = f->seen && !(m->row.flags & MAILBOX_SEEN);
    if (prepare_all(f, m)) {
        put_line(f, m, seen);
        f->session->fetched += f->alive;
        if (f->alive)
            trace_fetch(f, &m->row);
        if (seen && f->alive)
            note_seen(f, m->row.uid);
    } else if (f->source.gone) {
        f->absent++;
    } else {
        f->damaged++;
    }
    fetch_source_close(&f->source);
}
