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
    {"CHECK", IMAP_SELECTED, false, true, false, NULL, imap_noop},
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

bool imap_table_supports(struct slice word)
{
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (slice_eq_nocase(word, slice_str(words[i].word)))
            return true;
    return false;
}
