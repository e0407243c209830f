/* Who a message says it is from: every address of From and Sender belongs to who is logged in. */
#include "base/arena.h"
#include "intake/submission_private.h"
#include "message/address.h"
#include "message/header.h"

#define AUTHORS_MAX 100 /* addresses looked up for one message */
#define SHOWN_MAX   200 /* bytes of an address in a reply */

TASK_FN
static bool belongs(struct intake_session *t, struct slice address, bool *yes)
{
    if (t->submitter->caller.any)
        return intake_sendmail_belongs(t, address, yes);
    return directory_belongs(t->options->directory, t->submitter->account, address, yes,
               deadline_in(INTAKE_LOOKUP)) == DIRECTORY_OK;
}

static bool busy(struct smtp_reply *reply)
{
    smtp_reply_set(reply, 451, "4.3.0", "The directory does not answer now, try again later");
    return false;
}

bool intake_author_envelope(
    struct intake_session *t, const struct smtp_path *sender, struct smtp_reply *reply)
{
    char text[SMTP_PATH_TEXT];
    struct buffer to = {.p = text, .cap = sizeof text, .max = sizeof text};
    bool yes = false;
    if (sender->null) /* notifications of mail programs (RFC 6409 §3.2) */
        return true;
    smtp_path_write(sender, &to);
    if (!belongs(t, buffer_slice(&to), &yes))
        return busy(reply);
    if (yes)
        return true;
    struct slice shown = slice_sub(buffer_slice(&to), 0, SHOWN_MAX);
    smtp_reply_set(reply, 553, "5.7.1", "You may not send as <" SLICE_FMT ">: it is not yours",
        SLICE_ARG(shown));
    return false;
}

/* ---- From and Sender ---- */

static bool malformed(struct smtp_reply *reply, struct slice name)
{
    smtp_reply_set(reply, 554, "5.6.0",
        "The " SLICE_FMT " field cannot be read as addresses (RFC 5322 3.4)", SLICE_ARG(name));
    return false;
}

TASK_FN
static bool check_address(
    struct intake_session *t, const struct address *a, struct slice name, struct smtp_reply *reply)
{
    char text[ADDRESS_MAX];
    struct buffer to = {.p = text, .cap = sizeof text, .max = sizeof text};
    bool yes = false;
    if (intake_sendmail_here(t, a->domain)) /* it is written anew */
        return true;
    bool written =
        address_quote(a->local, &to) && buffer_add_char(&to, '@') && buffer_add(&to, a->domain);
    if (written && !belongs(t, buffer_slice(&to), &yes))
        return busy(reply);
    if (yes)
        return true;
    struct slice local = slice_sub(a->local, 0, SHOWN_MAX);
    struct slice domain = slice_sub(a->domain, 0, SHOWN_MAX);
    smtp_reply_set(reply, 550, "5.7.1",
        "You may not send as <" SLICE_FMT "@" SLICE_FMT ">: the address in " SLICE_FMT
        " is not yours",
        SLICE_ARG(local), SLICE_ARG(domain), SLICE_ARG(name));
    return false;
}

/* *n: addresses looked up so far. */
TASK_FN
static bool check_each(struct intake_session *t, struct address_reader *r, struct slice name,
    unsigned *n, struct smtp_reply *reply)
{
    struct address a;
    unsigned before = *n;
    for (bool broken = false; address_next(r, &a); broken = r->broken) {
        if (a.kind == ADDRESS_MAILBOX && a.local.n && !a.domain.p && intake_sendmail_here(t, S("")))
            r->broken = broken; /* a user of this machine */
        else if (a.route.n)
            r->broken = true; /* nobody may write one (RFC 5322 §4.4), and readers differ */
        if (r->broken)
            break;
        if (a.kind != ADDRESS_MAILBOX)
            continue;
        if (++*n > AUTHORS_MAX) {
            smtp_reply_set(
                reply, 554, "5.6.0", "More than %d addresses in From and Sender", AUTHORS_MAX);
            return false;
        }
        if (!check_address(t, &a, name, reply))
            return false;
    }
    return (*n > before && !r->broken && !r->truncated) || malformed(reply, name);
}

TASK_FN
static bool check_field(struct intake_session *t, const struct header_field *field,
    struct slice name, unsigned *n, struct smtp_reply *reply)
{
    struct address_reader r;
    struct arena arena;
    if (!header_is(field, name)) /* nothing but blanks may stand between name and colon */
        return malformed(reply, name);
    arena_init(&arena, 2 * INTAKE_AUTHORS_MAX);
    address_reader_init(&r, field->value, &arena);
    bool ok = check_each(t, &r, name, n, reply);
    arena_reset(&arena);
    return ok;
}

static bool check_form(const struct intake_rewrite *w, struct smtp_reply *reply)
{
    /* What is aside is written before the message. */
    const size_t authors_max = w->authors_aside ? INTAKE_AUTHORS_MAX / 2 : INTAKE_AUTHORS_MAX;
    if (w->folded_start)
        smtp_reply_set(reply, 554, "5.6.0", "The message begins with a blank, not with a field");
    else if (!w->count[INTAKE_FIELD_FROM] && !w->authors_aside)
        smtp_reply_set(
            reply, 554, "5.6.0", "The message has no From field; add one with your address");
    else if (w->count[INTAKE_FIELD_FROM] > 1)
        smtp_reply_set(reply, 554, "5.6.0", "The message has more than one From field");
    else if (w->count[INTAKE_FIELD_SENDER] > 1)
        smtp_reply_set(reply, 554, "5.6.0", "The message has more than one Sender field");
    else if (w->authors.overflow || w->authors.n > authors_max)
        smtp_reply_set(
            reply, 554, "5.6.0", "From and Sender are longer than %zu octets", authors_max);
    else if (w->broken)
        smtp_reply_set(reply, 554, "5.6.0", "The header has a field whose name does not end");
    return !reply->code;
}

bool intake_author_header(struct intake_session *t, struct smtp_reply *reply)
{
    const struct intake_rewrite *w = &t->submitter->rewrite;
    struct header_reader r = header_reader(buffer_slice(&w->authors));
    struct header_field field;
    unsigned n = 0;
    if (!check_form(w, reply))
        return false;
    while (header_next(&r, &field)) {
        struct slice name = header_is(&field, S("Sender")) ? S("Sender") : S("From");
        if (!check_field(t, &field, name, &n, reply))
            return false;
    }
    return true;
}
