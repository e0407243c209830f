/* APPEND (RFC 9051 §6.3.12, RFC 7889): everything that can refuse is asked before the `+`; the
 * message streams into a spool without a stack. */
#include "base/budget.h"
#include "base/pace.h"
#include "imap/arguments.h"
#include "imap/session_private.h"
#include "mailbox/copy.h"
#include "mailbox/quota.h"
#include <stdlib.h>

#define UPLOAD_ARENA  ((size_t)256 * 1024) /* arguments: flags */
#define UPLOAD_MEMORY ((size_t)256 * 1024) /* what a spool keeps in memory at most */
#define ROW_MAX       ((size_t)2048)

/* From the announcement of the message to the end of the command. */
struct imap_upload {
    struct imap_session *session;
    struct spool *spool;
    struct quota_hold hold;
    struct arena arena;
    struct imap_append_arguments arguments; /* keywords are in the arena, the name is not kept */
    uint32_t mailbox;
    uint64_t quota;
    size_t text_n; /* of the command up to the message */
    bool nul;
};

bool imap_append_offered(const struct imap_talk *t, struct buffer *words)
{
    return buffer_add_u64(words, imap_message_size(t->service));
}

void imap_append_forget(struct imap_session *s)
{
    struct imap_upload *u = s->upload;
    if (!u)
        return;
    quota_drop(&u->hold);
    spool_destroy(u->spool);
    arena_reset(&u->arena);
    free(u);
    s->upload = NULL;
}

/* ---- the announcement ---- */

/* What stands before the literal: "a APPEND INBOX (\Seen) ". */
static struct slice before_literal(struct slice text)
{
    size_t brace = slice_rfind(text, '{');
    return slice_sub(text, 0, brace == SLICE_NONE ? text.n : brace);
}

bool imap_append_begins(struct slice text)
{
    size_t space = slice_find(text, ' ');
    return space != SLICE_NONE && slice_starts_nocase(slice_from(text, space), S(" APPEND "));
}

/* The text moves when more of the command comes: what is kept of it is copied. */
static bool keep_keywords(struct imap_upload *u)
{
    struct imap_flag_list *list = &u->arguments.list;
    for (uint32_t i = 0; i < list->keyword_n; i++) {
        list->keywords[i] = arena_copy(&u->arena, list->keywords[i]);
        if (!list->keywords[i].p)
            return false;
    }
    return true;
}

/* Can a message of this size be taken at all? */
static bool size_fits(struct imap_session *s, struct imap_command *c, uint64_t size)
{
    uint64_t most = imap_message_size(s->talk.service);
    if (!size) { /* RFC 3502 §6.3.11: that cancels */
        imap_reply(c, IMAP_NO, "", "A message of no bytes is not kept");
        return false;
    }
    if (size > most) {
        imap_reply(c, IMAP_NO, "TOOBIG", "The message is larger than %llu bytes",
            (unsigned long long)most);
        return false;
    }
    size_t memory = size < UPLOAD_MEMORY ? (size_t)size : UPLOAD_MEMORY;
    if (!budget_take(memory)) {
        imap_reply(c, IMAP_NO, "LIMIT", "The server is short of memory, try again later");
        return false;
    }
    budget_give(memory);
    return true;
}

TASK_FN
static bool quota_fits(struct imap_upload *u, struct imap_command *c, uint64_t size)
{
    struct imap_session *s = u->session;
    enum quota_answer answer = QUOTA_BUSY;
    if (imap_names_quota(s, &u->quota))
        answer = quota_take(imap_store(s), s->account, u->quota, size, &u->hold, imap_soon());
    switch (answer) {
    case QUOTA_OK:
        return true;
    case QUOTA_NEVER:
        imap_reply(c, IMAP_NO, "OVERQUOTA", "The message is larger than the quota");
        break;
    case QUOTA_FULL:
        imap_reply(c, IMAP_NO, "OVERQUOTA", "The message does not fit into the quota");
        break;
    case QUOTA_BUSY:
        imap_reply(c, IMAP_NO, "UNAVAILABLE", "The store does not answer, try again later");
        break;
    }
    return false;
}

static void spool_ready(void *arg)
{
    struct imap_upload *u = arg;
    conn_resume(u->session->talk.conn);
}

static bool open_spool(struct imap_upload *u, struct imap_command *c)
{
    const struct imap_service *service = u->session->talk.service;
    const struct spool_options options = {.tmp_dir = service->tmp_dir,
        .max = imap_message_size(service),
        .ready = spool_ready,
        .arg = u};
    u->spool = spool_create(&options);
    if (!u->spool)
        imap_reply(c, IMAP_NO, "LIMIT", "The server is short of memory, try again later");
    return u->spool;
}

/* Everything that can refuse. False: c says why. */
TASK_FN
static bool admit(struct imap_upload *u, struct imap_command *c)
{
    struct imap_session *s = u->session;
    struct imap_append_arguments *a = &u->arguments;
    struct mailbox m;
    uint64_t size = s->talk.frame.literal_n;
    if (!imap_arguments_append(&c->lex, a)) {
        imap_reply_syntax(c);
        return false;
    }
    if (!imap_names_open(s, c, a->name, a->valid, MAILBOX_RIGHT_INSERT, true, &m) ||
        !size_fits(s, c, size) || !quota_fits(u, c, size))
        return false;
    u->mailbox = m.id;
    if (!keep_keywords(u)) {
        imap_reply(c, IMAP_NO, "LIMIT", "Too many flags");
        return false;
    }
    return open_spool(u, c);
}

TASK_FN
static bool start(struct imap_session *s, struct slice text, struct imap_command *c)
{
    struct imap_upload *u = calloc(1, sizeof *u);
    if (!u) {
        imap_reply(c, IMAP_NO, "LIMIT", "The server is short of memory, try again later");
        return false;
    }
    u->session = s;
    u->text_n = text.n;
    arena_init(&u->arena, UPLOAD_ARENA);
    c->lex.arena = c->arena = &u->arena;
    s->upload = u;
    if (admit(u, c)) {
        conn_set_rate(s->talk.conn, IMAP_RATE);
        return true;
    }
    imap_append_forget(s);
    return false;
}

bool imap_append_begin(struct imap_session *s, struct slice text, bool *refused)
{
    struct imap_command c;
    bool streams = false;
    imap_talk_command(&s->talk, before_literal(text), NULL, &c);
    *refused = false;
    if (s->upload) { /* RFC 3502 is not offered */
        imap_append_forget(s);
        imap_reply(&c, IMAP_BAD_COMMAND, "", "One message in each APPEND");
    } else if (c.lex.at + 1 >= c.lex.all.n) {
        return false; /* the name of the mailbox */
    } else {
        streams = start(s, text, &c);
    }
    *refused = !streams;
    if (!streams)
        imap_talk_tagged(&s->talk, &c);
    return streams;
}

/* ---- the message ---- */

bool imap_append_feed(struct imap_session *s, struct slice bytes)
{
    struct imap_upload *u = s->upload;
    if (bytes.n && memchr(bytes.p, '\0', bytes.n))
        u->nul = true;
    return u->nul || spool_write(u->spool, bytes) != SPOOL_WAIT;
}

/* A message in memory gets its row for FETCH now; others, and those of a flood, when they are
 * asked for. */
static void render(const struct imap_upload *u, struct buffer *row)
{
    static _Thread_local struct pace pace;
    buffer_init(row, ROW_MAX);
    if (!spool_in_memory(u->spool) || !pace_take(&pace, MAILBOX_RENDERS, MAILBOX_RENDERS_IN) ||
        !imap_render(S(""), spool_head(u->spool), row))
        buffer_reset(row);
}

TASK_FN
static void keep(struct imap_upload *u, struct imap_command *c)
{
    struct imap_session *s = u->session;
    const struct imap_append_arguments *a = &u->arguments;
    struct buffer row;
    struct mailbox_new m = {
        .mailbox = u->mailbox,
        .body = u->spool,
        .flags = a->list.flags,
        .keywords = a->list.keywords,
        .keyword_n = a->list.keyword_n,
        .date = a->has_date ? date_to_unix(&a->date) : clock_wall() / 1000000,
        .zone = a->has_date ? (int16_t)a->date.zone : 0,
        .quota = u->quota,
    };
    render(u, &row);
    m.rendered = buffer_slice(&row);
    quota_drop(&u->hold); /* mailbox_add takes its own */
    enum outcome o = mailbox_add(imap_store(s), s->account, &m, imap_soon());
    buffer_finish(&row);
    if (o == OUTCOME_DONE) {
        s->appended++;
        imap_reply(c, IMAP_OK, "", "Kept");
        buffer_printf(&c->long_code, "APPENDUID %u %u", m.uidvalidity, m.uid);
        return;
    }
    if (o != OUTCOME_REFUSED)
        imap_journal_fault(s, "message not kept", o);
    imap_reply_outcome(c, o, m.refusal);
    if (o == OUTCOME_REFUSED && m.refusal == MAILBOX_REFUSED_ABSENT)
        imap_reply(c, IMAP_NO, "TRYCREATE", "The mailbox was removed meanwhile");
}

TASK_FN
static void finish(struct imap_upload *u, struct imap_command *c)
{
    if (slice_from(c->lex.all, u->text_n).n) {
        imap_reply(c, IMAP_BAD_COMMAND, "", "Nothing may follow the message");
    } else if (u->nul) { /* RFC 9051 §4.3: CHAR8 */
        imap_reply(c, IMAP_NO, "", "The message has a NUL octet; encode it as base64");
    } else if (spool_end(u->spool, imap_soon()) != OUTCOME_DONE) {
        bool full = spool_no_space(u->spool);
        imap_journal_fault(u->session, "spool failed", OUTCOME_FAILED);
        imap_reply(c, IMAP_NO,
            !full                       ? "UNAVAILABLE"
            : spool_no_memory(u->spool) ? "LIMIT"
                                        : "OVERQUOTA",
            "%s, try again later",
            full ? "There is no room for the message now" : "The message cannot be written");
    } else {
        keep(u, c);
    }
}

void imap_append(struct imap_session *s, struct imap_command *c)
{
    if (!s->upload) {
        imap_reply(c, IMAP_BAD_COMMAND, "",
            "APPEND is mailbox [(flags)] [\"date-time\"] and the message as a literal");
        return;
    }
    finish(s->upload, c);
    imap_append_forget(s);
}
