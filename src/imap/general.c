/* CAPABILITY, ID, NOOP, CHECK, LOGOUT, ENABLE. */
#include "imap/session_private.h"

#define CAPABILITY_MAX ((size_t)1024)
#define ID_PAIRS_MAX   30 /* RFC 2971 §3.3 */
#define ID_SHOWN       64 /* bytes of a value in the log */

static bool bare(struct imap_command *c)
{
    if (imap_lex_end(&c->lex))
        return true;
    imap_reply_syntax(c);
    return false;
}

/* ---- CAPABILITY ---- */

void imap_capability_code(const struct imap_talk *t, enum imap_when state, struct buffer *code)
{
    buffer_init(code, CAPABILITY_MAX);
    buffer_add(code, S("CAPABILITY "));
    struct buffer words;
    buffer_init(&words, CAPABILITY_MAX);
    imap_table_capabilities(t, state, &words);
    buffer_add(code, buffer_slice(&words));
    buffer_finish(&words);
}

static void capability(struct imap_talk *t, enum imap_when state, struct imap_command *c)
{
    struct buffer line;
    if (!bare(c))
        return;
    imap_capability_code(t, state, &line);
    imap_untagged(t, SLICE_FMT, (int)line.n, line.p);
    buffer_finish(&line);
}

void imap_capability_before(struct imap_preauth *s, struct imap_command *c)
{
    capability(&s->talk, IMAP_BEFORE, c);
}

void imap_capability_after(struct imap_session *s, struct imap_command *c)
{
    capability(&s->talk, s->selected ? IMAP_SELECTED : IMAP_AFTER, c);
}

/* ---- ID (RFC 2971) ---- */

struct client {
    struct slice name, version;
};

static bool take_pair(struct imap_lex *l, struct client *client)
{
    struct slice field, value;
    if (!imap_lex_string(l, &field) || !imap_lex_space(l) || !imap_lex_nstring(l, &value))
        return false;
    if (slice_eq_nocase(field, S("name")))
        client->name = value;
    else if (slice_eq_nocase(field, S("version")))
        client->version = value;
    return true;
}

static bool take_client(struct imap_lex *l, struct client *client)
{
    if (!imap_lex_space(l))
        return false;
    if (imap_lex_peek(l) != '(')
        return imap_lex_word(l, S("NIL")) && imap_lex_end(l);
    imap_lex_char(l, '(');
    for (int n = 0; imap_lex_peek(l) != ')'; n++) {
        if (n == ID_PAIRS_MAX) {
            l->why = "more than 30 fields";
            return false;
        }
        if ((n && !imap_lex_space(l)) || !take_pair(l, client))
            return false;
    }
    return imap_lex_char(l, ')') && imap_lex_end(l);
}

static void identify(struct imap_talk *t, struct imap_command *c)
{
    struct client client = {0};
    c->uncounted = true;
    if (!take_client(&c->lex, &client)) {
        imap_reply_syntax(c);
        return;
    }
    if (client.name.n || client.version.n)
        imap_journal_client(
            t, slice_sub(client.name, 0, ID_SHOWN), slice_sub(client.version, 0, ID_SHOWN));
    imap_untagged(t, "ID (\"name\" \"barid\" \"version\" \"" BARID_VERSION "\")");
}

void imap_id_before(struct imap_preauth *s, struct imap_command *c)
{
    identify(&s->talk, c);
}

void imap_id_after(struct imap_session *s, struct imap_command *c)
{
    identify(&s->talk, c);
}

/* ---- NOOP, CHECK, LOGOUT ---- */

void imap_noop_before(struct imap_preauth *s, struct imap_command *c)
{
    bare(c);
}

void imap_noop(struct imap_session *s, struct imap_command *c)
{
    bare(c);
}

static void logout(struct imap_talk *t, struct imap_command *c)
{
    if (!bare(c))
        return;
    imap_talk_bye(t, "", "Until next time");
    imap_reply(c, IMAP_OK, "", "Logged out");
}

void imap_logout_before(struct imap_preauth *s, struct imap_command *c)
{
    logout(&s->talk, c);
}

void imap_logout_after(struct imap_session *s, struct imap_command *c)
{
    logout(&s->talk, c);
}

/* ---- ENABLE (RFC 5161) ---- */

void imap_enable(struct imap_session *s, struct imap_command *c)
{
    static const struct slice known[] = {{"CONDSTORE", 9}, {"QRESYNC", 7}};
    bool asked[2] = {false, false};
    struct slice word;
    do {
        if (!imap_lex_space(&c->lex) || !imap_lex_atom(&c->lex, &word)) {
            imap_reply_syntax(c);
            return;
        }
        for (int i = 0; i < 2; i++)
            asked[i] |= slice_eq_nocase(word, known[i]);
    } while (!imap_lex_end(&c->lex));
    imap_put(&s->talk, S("* ENABLED"));
    for (int i = 0; i < 2; i++)
        if (asked[i]) {
            imap_put(&s->talk, S(" "));
            imap_put(&s->talk, known[i]);
        }
    imap_put(&s->talk, S("\r\n"));
    if (asked[0] || asked[1])
        imap_sync_condstore(s);
    s->qresync = s->qresync || asked[1]; /* RFC 7162 §3.2.3 */
}
