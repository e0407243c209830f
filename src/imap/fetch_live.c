#include "imap/fetch_private.h"

struct embedded {
    struct fetch *fetch;
    const struct mime *mime;
    bool failed;
};

TASK_FN
static struct slice header_of(void *arg, uint32_t part)
{
    struct embedded *e = arg;
    const struct mime_part *p = &e->mime->parts[part];
    struct buffer *to = &e->fetch->fields;
    uint64_t n = p->body - p->header;
    if (n > RENDER_HEADER_MAX)
        n = RENDER_HEADER_MAX;
    buffer_reset(to);
    task_yield();
    if (e->failed || !fetch_source_copy(&e->fetch->source, p->header, n, to)) {
        e->failed = true;
        return S("");
    }
    return buffer_slice(to);
}

static void remember(struct fetch *f, uint32_t uid)
{
    uint32_t at = (uint32_t)f->kept.n;
    if (f->keep_n == FETCH_KEEP || !render_row_pack(&f->shown, &f->kept))
        return;
    f->keep_at[f->keep_n] = at;
    f->keep[f->keep_n++] = (struct mailbox_rendering){.uid = uid, .row.n = f->kept.n - at};
}

bool fetch_live(struct fetch *f, const struct fetch_message *m)
{
    struct fetch_source *src = &f->source;
    struct embedded e = {.fetch = f};
    struct render_source source = {.header_of = header_of, .arg = &e};
    if (!fetch_source_open(src, &m->row) || !fetch_source_header(src) ||
        !(e.mime = fetch_source_mime(src)))
        return false;
    buffer_reset(&f->text);
    if (!render_message(buffer_slice(&src->header), e.mime, &source, &f->text, &f->shown)) {
        imap_journal_damage(f->session, "no memory for a rendering", m->row.uid, OUTCOME_FAILED);
        return false;
    }
    if (e.failed)
        return false;
    /* a header that was cut may have other fields behind */
    f->shown.has_fields &= src->body_at == src->header.n;
    remember(f, m->row.uid);
    return true;
}

/* A cache: what is lost here is made again by the next one who asks. */
void fetch_live_keep(struct fetch *f, bool all)
{
    struct imap_session *s = f->session;
    if (!f->keep_n || (!all && f->keep_n < FETCH_KEEP))
        return;
    for (uint32_t i = 0; i < f->keep_n; i++)
        f->keep[i].row.p = f->kept.p + f->keep_at[i];
    mailbox_keep_rendered(
        imap_store(s), s->account, s->selected->mailbox, f->keep, f->keep_n, imap_soon());
    f->keep_n = 0;
    buffer_reset(&f->kept);
}
