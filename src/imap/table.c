/* The commands and the words of CAPABILITY on one page: an extension is a file and its rows. */
#include "imap/session_private.h"

/* clang-format off */
static const struct imap_row rows[] = {
    /* name, states, UID form, expunges may be told, nothing is told, before login, after it */
    {"CAPABILITY", IMAP_ALWAYS, false, true, false, imap_capability_before, imap_capability_after},
    {"ID", IMAP_ALWAYS, false, true, false, imap_id_before, imap_id_after},
    {"NOOP", IMAP_ALWAYS, false, true, false, imap_noop_before, imap_noop},
    {"LOGOUT", IMAP_ALWAYS, false, false, true, imap_logout_before, imap_logout_after},
    {"STARTTLS", IMAP_BEFORE, false, false, true, imap_starttls, NULL},
    {"LOGIN", IMAP_BEFORE, false, false, true, imap_login, NULL},
    {"AUTHENTICATE", IMAP_BEFORE, false, false, true, imap_authenticate, NULL},
    {"ENABLE", IMAP_LOGGED_IN, false, true, false, NULL, imap_enable},
    {"FETCH", IMAP_SELECTED, true, false, false, NULL, imap_fetch},
    {"CHECK", IMAP_SELECTED, false, true, false, NULL, imap_noop},
    {"SELECT", IMAP_LOGGED_IN, false, false, true, NULL, imap_select},
    {"EXAMINE", IMAP_LOGGED_IN, false, false, true, NULL, imap_examine},
    {"CLOSE", IMAP_SELECTED, false, false, true, NULL, imap_close},
    {"UNSELECT", IMAP_SELECTED, false, false, true, NULL, imap_unselect},
    {"CREATE", IMAP_LOGGED_IN, false, true, false, NULL, imap_create},
    {"DELETE", IMAP_LOGGED_IN, false, true, false, NULL, imap_delete},
    {"RENAME", IMAP_LOGGED_IN, false, true, false, NULL, imap_rename},
    {"SUBSCRIBE", IMAP_LOGGED_IN, false, true, false, NULL, imap_subscribe},
    {"UNSUBSCRIBE", IMAP_LOGGED_IN, false, true, false, NULL, imap_unsubscribe},
    {"LIST", IMAP_LOGGED_IN, false, true, false, NULL, imap_list},
    {"LSUB", IMAP_LOGGED_IN, false, true, false, NULL, imap_lsub},
    {"NAMESPACE", IMAP_LOGGED_IN, false, true, false, NULL, imap_namespace},
    {"STATUS", IMAP_LOGGED_IN, false, true, false, NULL, imap_status},
    {"IDLE", IMAP_LOGGED_IN, false, false, true, NULL, imap_idle},
    {"APPEND", IMAP_LOGGED_IN, false, true, false, NULL, imap_append},
    {"SEARCH", IMAP_SELECTED, true, false, false, NULL, imap_search},
    {"STORE", IMAP_SELECTED, true, false, false, NULL, imap_store_flags},
    {"COPY", IMAP_SELECTED, true, true, false, NULL, imap_copy},
    {"MOVE", IMAP_SELECTED, true, true, false, NULL, imap_move},
    {"EXPUNGE", IMAP_SELECTED, true, true, false, NULL, imap_expunge},
};

static const struct imap_capability words[] = {
    {"IMAP4rev1", IMAP_ALWAYS, NULL},
    {"LITERAL+", IMAP_ALWAYS, NULL},
    {"ID", IMAP_ALWAYS, NULL},
    {"SASL-IR", IMAP_BEFORE, NULL},
    {"STARTTLS", IMAP_BEFORE, imap_starttls_offered},
    {"LOGINDISABLED", IMAP_BEFORE, imap_login_disabled},
    {"AUTH=", IMAP_BEFORE, imap_login_mechanisms},
    {"ENABLE", IMAP_ALWAYS, NULL},
    {"IDLE", IMAP_ALWAYS, NULL},
    {"UNSELECT", IMAP_ALWAYS, NULL},
    {"UIDPLUS", IMAP_ALWAYS, NULL},
    {"ESEARCH", IMAP_ALWAYS, NULL},
    {"MOVE", IMAP_ALWAYS, NULL},
    {"NAMESPACE", IMAP_ALWAYS, NULL},
    {"CHILDREN", IMAP_ALWAYS, NULL},
    {"LIST-EXTENDED", IMAP_ALWAYS, NULL},
    {"LIST-STATUS", IMAP_ALWAYS, NULL},
    {"SPECIAL-USE", IMAP_ALWAYS, NULL},
    {"CREATE-SPECIAL-USE", IMAP_ALWAYS, NULL},
    {"CONDSTORE", IMAP_ALWAYS, NULL},
    {"QRESYNC", IMAP_ALWAYS, NULL},
    {"STATUS=SIZE", IMAP_ALWAYS, NULL},
    {"APPENDLIMIT=", IMAP_ALWAYS, imap_append_offered},
};
/* clang-format on */

const struct imap_row *imap_table_find(struct slice name)
{
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        if (slice_eq_nocase(name, slice_str(rows[i].name)))
            return &rows[i];
    return NULL;
}

void imap_table_capabilities(const struct imap_talk *t, enum imap_when state, struct buffer *to)
{
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        size_t before = to->n;
        if (!(words[i].when & state))
            continue;
        buffer_add(to, before ? S(" ") : S(""));
        buffer_add(to, slice_str(words[i].word));
        if (words[i].offered && !words[i].offered(t, to))
            to->n = before;
    }
}
