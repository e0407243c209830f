/* Mail that programs of this machine hand over (`barid sendmail`): submission by a unix socket,
 * where the system says which user is at the other end. What else it has to do is what programs
 * expect of a sendmail: addresses that mean a user of this machine (at localhost, or without a
 * domain in From and Sender) become real ones, and From comes where it is missing. */
#include "base/arena.h"
#include "intake/submission_private.h"
#include "message/address.h"
#include "message/compose.h"
#include "message/header.h"
#include "message/word.h"
#include <stdlib.h>
#include <unistd.h>

#define AUTHORS_MAX ((size_t)32 * 1024) /* From and Sender fields that are written anew */

/* ---- who it is ---- */

static const struct intake_user *find_uid(const struct intake_options *o, uint32_t uid)
{
    const struct intake_user *others = NULL;
    for (size_t i = 0; i < o->user_n; i++)
        if (o->users[i].everybody)
            others = &o->users[i];
        else if (o->users[i].uid == uid)
            return &o->users[i];
    return others;
}

static const struct intake_user *find_name(const struct intake_options *o, struct slice name)
{
    for (size_t i = 0; i < o->user_n; i++)
        if (!o->users[i].everybody && slice_eq(slice_str(o->users[i].name), name))
            return &o->users[i];
    return NULL;
}

static bool busy(struct smtp_reply *reply)
{
    smtp_reply_set(reply, 421, "4.3.0", "The directory does not answer now, try again later");
    return false;
}

/* Sends as this account from now on. */
TASK_FN
static bool become(
    struct intake_session *t, const struct intake_user *user, struct smtp_reply *reply)
{
    struct intake_submitter *u = t->submitter;
    struct directory_account a;
    enum directory_result r = directory_account_find(
        t->options->directory, slice_str(user->address), &a, deadline_in(INTAKE_LOOKUP));
    if (r == DIRECTORY_BUSY || r == DIRECTORY_UNKNOWN)
        return busy(reply);
    if (r != DIRECTORY_OK || a.disabled) {
        smtp_reply_set(reply, 554, "5.7.1",
            "sendmail.users says that uid %u sends as %s, which is %s account", u->caller.uid,
            user->address, r == DIRECTORY_OK ? "a disabled" : "no");
        return false;
    }
    if (!auth_place_take(&u->place, a.id, t->options->connections_per_account)) {
        smtp_reply_set(reply, 421, "4.7.0", "Too many connections of this account");
        return false;
    }
    u->account = a.id;
    memcpy(u->address, a.address, sizeof u->address);
    conn_set_account(smtp_conn(t->smtp), u->address);
    return true;
}

/* The administrator without an account: what is not said otherwise is from the postmaster. */
TASK_FN
static bool become_postmaster(struct intake_session *t, struct smtp_reply *reply)
{
    struct directory_resolution r = {.room = DIRECTORY_RECIPIENTS_MAX};
    r.recipients = calloc(r.room, sizeof *r.recipients);
    enum directory_resolved resolved = DIRECTORY_RESOLVE_BUSY;
    if (r.recipients)
        resolved = directory_resolve(
            t->options->directory, S("postmaster"), S(""), &r, deadline_in(INTAKE_LOOKUP));
    bool ok = resolved == DIRECTORY_RESOLVE_OK && (r.n || (r.via[0] && r.via[0] != '@'));
    if (ok) /* an alias may lead elsewhere */
        memcpy(t->submitter->address, r.n ? r.recipients[0].address : r.via,
            sizeof t->submitter->address);
    else if (resolved == DIRECTORY_RESOLVE_BUSY)
        busy(reply);
    else
        smtp_reply_set(reply, 554, "5.7.1", "There is no account yet: barid account add ADDRESS");
    free(r.recipients);
    return ok;
}

/* Is the server's name that of the machine only, and no domain that has mail? */
TASK_FN
static bool look_at_hostname(struct intake_session *t, struct smtp_reply *reply)
{
    struct directory_domain d;
    enum directory_result r = directory_domain_get(
        t->options->directory, slice_str(t->options->hostname), &d, deadline_in(INTAKE_LOOKUP));
    t->submitter->caller.hostname_too = r == DIRECTORY_ABSENT || r == DIRECTORY_NO_DOMAIN;
    return r != DIRECTORY_BUSY || busy(reply);
}

bool intake_sendmail_identify(struct intake_session *t, struct smtp_reply *reply)
{
    struct intake_caller *c = &t->submitter->caller;
    const struct peer *peer = conn_peer(smtp_conn(t->smtp));
    if (!peer->has_uid) {
        smtp_reply_set(reply, 554, "5.7.1", "The system does not say which user you are");
        return false;
    }
    c->on = true;
    c->uid = peer->uid;
    c->any = c->uid == 0 || c->uid == geteuid();
    const struct intake_user *user = find_uid(t->options, c->uid);
    c->name = user && !user->everybody ? user->name : c->uid == 0 ? "root" : "";
    if (!user && !c->any) {
        smtp_reply_set(reply, 554, "5.7.1",
            "The user with uid %u may not send mail: the administrator has to add \"%u ADDRESS\", "
            "with the account that it sends as, to sendmail.users in the config of barid",
            c->uid, c->uid);
        return false;
    }
    return look_at_hostname(t, reply) &&
           (user ? become(t, user, reply) : become_postmaster(t, reply));
}

TASK_FN
bool intake_sendmail_belongs(struct intake_session *t, struct slice address, bool *yes)
{
    struct directory_domain d;
    struct slice domain = slice_from(address, slice_rfind(address, '@') + 1);
    enum directory_result r =
        directory_domain_get(t->options->directory, domain, &d, deadline_in(INTAKE_LOOKUP));
    *yes = r == DIRECTORY_OK;
    return r != DIRECTORY_BUSY && r != DIRECTORY_UNKNOWN;
}

/* ---- users of this machine ---- */

bool intake_sendmail_here(const struct intake_session *t, struct slice domain)
{
    if (!t->submitter->caller.on)
        return false;
    return !domain.n || slice_eq_nocase(domain, S("localhost")) ||
           slice_eq_nocase(domain, S("localhost.localdomain")) ||
           (t->submitter->caller.hostname_too &&
               slice_eq_nocase(domain, slice_str(t->options->hostname)));
}

/* What a user of this machine sends as; others than the caller can be meant by who may send as
 * anybody. Canonical. */
static struct slice sender_of(const struct intake_session *t, struct slice local)
{
    const struct intake_user *user = t->submitter->caller.any ? find_name(t->options, local) : NULL;
    return slice_str(user ? user->address : t->submitter->address);
}

/* False: it stays as it is. */
static bool set_path(struct smtp_path *path, struct slice canonical, enum smtp_path_kind kind)
{
    char text[SMTP_PATH_TEXT + 2];
    struct buffer to = {.p = text, .cap = sizeof text, .max = sizeof text};
    struct smtp_path made;
    bool written =
        buffer_add_char(&to, '<') && address_write(canonical, &to) && buffer_add_char(&to, '>');
    struct cursor at = cursor(buffer_slice(&to));
    if (!written || smtp_path_take(&at, kind, &made) != SMTP_PATH_OK)
        return false;
    *path = made;
    return true;
}

const struct smtp_mail *intake_sendmail_mail(
    const struct intake_session *t, const struct smtp_mail *mail, struct smtp_mail *own)
{
    const struct smtp_path *p = &mail->sender;
    if (p->null || !intake_sendmail_here(t, smtp_path_domain(p)))
        return mail;
    *own = *mail;
    set_path(&own->sender, sender_of(t, smtp_path_local(p)), SMTP_REVERSE);
    return own;
}

/* A name in the domain of who writes. */
static void set_domain(struct smtp_path *path, struct slice address)
{
    struct slice domain = slice_from(address, slice_rfind(address, '@') + 1);
    memcpy(path->domain, domain.p, domain.n);
    path->domain_n = (uint16_t)domain.n;
    path->literal = false;
}

const struct smtp_rcpt *intake_sendmail_rcpt(
    const struct intake_session *t, const struct smtp_rcpt *rcpt, struct smtp_rcpt *own)
{
    const struct smtp_path *p = &rcpt->recipient;
    struct slice local = smtp_path_local(p);
    if (p->postmaster || !intake_sendmail_here(t, smtp_path_domain(p)))
        return rcpt;
    const struct intake_user *user = find_name(t->options, local);
    *own = *rcpt;
    if (user)
        set_path(&own->recipient, slice_str(user->address), SMTP_FORWARD);
    else if (slice_eq_nocase(local, S("root")) || slice_eq_nocase(local, S("postmaster")))
        own->recipient =
            (struct smtp_path){.postmaster = true, .local = "postmaster", .local_n = 10};
    else
        set_domain(&own->recipient, slice_str(t->submitter->address));
    return own;
}

/* ---- From and Sender ---- */

/* Is there one that means a user of this machine? */
static bool means_user(const struct intake_session *t, const struct address_list *list)
{
    for (const struct address *a = list->first; a; a = a->next)
        if (a->kind == ADDRESS_MAILBOX && intake_sendmail_here(t, a->domain))
            return true;
    return false;
}

/* p NULL: no memory. */
static struct slice text_of(
    const struct intake_session *t, const struct address *a, struct arena *arena)
{
    struct buffer text;
    struct slice kept = {0};
    buffer_init(&text, AUTHORS_MAX);
    bool ok = intake_sendmail_here(t, a->domain)
                  ? address_write(sender_of(t, a->local), &text)
                  : address_quote(a->local, &text) && buffer_add_char(&text, '@') &&
                        buffer_add(&text, a->domain);
    if (ok)
        kept = arena_copy(arena, buffer_slice(&text));
    buffer_finish(&text);
    return kept;
}

static struct slice name_of(const struct address *a, struct arena *arena)
{
    struct buffer text;
    buffer_init(&text, 4 * AUTHORS_MAX);
    struct slice kept = S("");
    if (a->name.n && word_decode(a->name, &text))
        kept = arena_copy(arena, buffer_slice(&text));
    buffer_finish(&text);
    return kept;
}

static bool write_mailboxes(const struct intake_session *t, struct slice name,
    const struct address_list *list, struct arena *arena, struct buffer *head)
{
    struct compose_mailbox *boxes = arena_array(arena, struct compose_mailbox, list->n);
    size_t n = 0;
    for (const struct address *a = list->first; a && boxes; a = a->next) {
        if (a->kind != ADDRESS_MAILBOX)
            continue;
        boxes[n] = (struct compose_mailbox){name_of(a, arena), text_of(t, a, arena)};
        if (!boxes[n++].address.p)
            return false;
    }
    return boxes && compose_mailboxes(head, name, boxes, n);
}

static bool write_field(
    const struct intake_session *t, const struct header_field *field, struct buffer *head)
{
    struct arena arena;
    struct address_list list;
    arena_init(&arena, 16 * AUTHORS_MAX);
    address_list(field->value, &arena, &list);
    bool ok;
    if (means_user(t, &list)) {
        struct slice name = header_is(field, S("Sender")) ? S("Sender") : S("From");
        ok = write_mailboxes(t, name, &list, &arena, head);
    } else {
        ok = buffer_add(head, field->raw) &&
             (slice_ends(field->raw, S("\n")) || buffer_add(head, S("\r\n")));
    }
    arena_reset(&arena);
    return ok;
}

bool intake_sendmail_head(const struct intake_session *t, struct buffer *head)
{
    const struct intake_rewrite *w = &t->submitter->rewrite;
    struct header_reader r = header_reader(buffer_slice(&w->authors));
    struct header_field field;
    char text[ADDRESS_MAX];
    struct buffer own = {.p = text, .cap = sizeof text, .max = sizeof text};
    if (!t->submitter->caller.on)
        return true;
    while (header_next(&r, &field))
        if (!write_field(t, &field, head))
            return false;
    if (w->count[INTAKE_FIELD_FROM])
        return true;
    address_write(slice_str(t->submitter->address), &own);
    const struct compose_mailbox box = {S(""), buffer_slice(&own)};
    return compose_mailboxes(head, S("From"), &box, 1);
}
