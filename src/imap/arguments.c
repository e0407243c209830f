#include "imap/arguments.h"
#include "mailbox/mailbox.h"

static bool take_mailbox(struct imap_lex *l, struct slice *name, bool *valid)
{
    return imap_lex_space(l) && imap_lex_mailbox(l, name, valid);
}

bool imap_arguments_mailbox(struct imap_lex *l, struct slice *name, bool *valid)
{
    return take_mailbox(l, name, valid) && imap_lex_finish(l);
}

bool imap_arguments_rename(struct imap_lex *l, struct imap_rename_arguments *a)
{
    *a = (struct imap_rename_arguments){0};
    return take_mailbox(l, &a->from, &a->from_valid) && take_mailbox(l, &a->to, &a->to_valid) &&
           imap_lex_finish(l);
}

bool imap_arguments_copy(struct imap_lex *l, struct imap_copy_arguments *a)
{
    *a = (struct imap_copy_arguments){0};
    return imap_lex_space(l) && imap_lex_set(l, &a->set) && take_mailbox(l, &a->name, &a->valid) &&
           imap_lex_finish(l);
}

/* ---- CREATE ---- */

static bool take_uses(struct imap_lex *l, struct imap_create_arguments *a)
{
    struct slice use;
    if (!imap_lex_space(l) || !imap_lex_char(l, '('))
        return false;
    if (imap_lex_peek(l) == ')')
        return imap_lex_char(l, ')');
    do {
        unsigned bit = 0;
        if (!imap_lex_char(l, '\\') || !imap_lex_atom(l, &use))
            return imap_lex_fault(l, "a special use is like \\Sent");
        for (unsigned i = 1; i < MAILBOX_SPECIALS; i++)
            if (slice_eq_nocase(slice_from(slice_str(mailbox_special_name(i)), 1), use))
                bit = 1U << i;
        a->uses |= bit;
        a->unknown_use = a->unknown_use || !bit;
    } while (imap_lex_more(l));
    return imap_lex_char(l, ')');
}

bool imap_arguments_create(struct imap_lex *l, struct imap_create_arguments *a)
{
    *a = (struct imap_create_arguments){0};
    if (!take_mailbox(l, &a->name, &a->valid))
        return false;
    if (imap_lex_end(l))
        return true;
    if (!imap_lex_space(l) || !imap_lex_char(l, '('))
        return false;
    if (!imap_lex_word(l, S("USE")))
        return imap_lex_fault(l, "an unknown CREATE parameter");
    return take_uses(l, a) && imap_lex_char(l, ')') && imap_lex_finish(l);
}

/* ---- SELECT, EXAMINE ---- */

/* "*" is not allowed in the sets of QRESYNC (RFC 7162 §7). */
static bool take_known(struct imap_lex *l, struct imap_set *set)
{
    if (!imap_lex_set(l, set))
        return false;
    return !set->star || imap_lex_fault(l, "* is not allowed in the sets of QRESYNC");
}

/* `(uidvalidity modseq [known-uids] [(numbers uids)])` */
static bool take_qresync(struct imap_lex *l, struct imap_select_arguments *a)
{
    if (!imap_lex_space(l) || !imap_lex_char(l, '(') || !imap_lex_number(l, &a->uidvalidity) ||
        !imap_lex_space(l) || !imap_lex_number64(l, &a->modseq))
        return false;
    if (!a->uidvalidity || !a->modseq)
        return imap_lex_fault(l, "UIDVALIDITY and MODSEQ of QRESYNC are at least 1");
    bool next = imap_lex_more(l);
    if (next && imap_lex_peek(l) != '(') {
        if (!take_known(l, &a->known))
            return false;
        a->has_known = true;
        next = imap_lex_more(l);
    }
    if (next) {
        if (!imap_lex_char(l, '(') || !take_known(l, &a->match_numbers) || !imap_lex_space(l) ||
            !take_known(l, &a->match_uids) || !imap_lex_char(l, ')'))
            return false;
        a->has_match = true;
    }
    return imap_lex_char(l, ')');
}

bool imap_arguments_select(struct imap_lex *l, struct imap_select_arguments *a)
{
    *a = (struct imap_select_arguments){0};
    if (!take_mailbox(l, &a->name, &a->valid))
        return false;
    if (imap_lex_end(l))
        return true;
    if (!imap_lex_space(l) || !imap_lex_char(l, '('))
        return false;
    do {
        if (imap_lex_word(l, S("CONDSTORE"))) {
            a->condstore = true;
        } else if (imap_lex_word(l, S("QRESYNC"))) {
            if (a->qresync)
                return imap_lex_fault(l, "QRESYNC twice");
            a->qresync = true;
            if (!take_qresync(l, a))
                return false;
        } else {
            return imap_lex_fault(l, "an unknown SELECT parameter");
        }
    } while (imap_lex_more(l));
    return imap_lex_char(l, ')') && imap_lex_finish(l);
}

/* ---- STATUS ---- */

struct word {
    struct slice name;
    unsigned value;
};

static unsigned find_word(const struct word *words, size_t n, struct slice name)
{
    for (size_t i = 0; i < n; i++)
        if (slice_eq_nocase(words[i].name, name))
            return words[i].value;
    return 0;
}

bool imap_arguments_status_items(struct imap_lex *l, unsigned *items)
{
    static const struct word words[] = {
        {{"MESSAGES", 8}, IMAP_STATUS_MESSAGES},
        {{"RECENT", 6}, IMAP_STATUS_RECENT},
        {{"UIDNEXT", 7}, IMAP_STATUS_UIDNEXT},
        {{"UIDVALIDITY", 11}, IMAP_STATUS_UIDVALIDITY},
        {{"UNSEEN", 6}, IMAP_STATUS_UNSEEN},
        {{"HIGHESTMODSEQ", 13}, IMAP_STATUS_HIGHESTMODSEQ},
        {{"SIZE", 4}, IMAP_STATUS_SIZE},
        {{"APPENDLIMIT", 11}, IMAP_STATUS_APPENDLIMIT},
    };
    struct slice name;
    *items = 0;
    if (!imap_lex_char(l, '('))
        return false;
    do {
        if (!imap_lex_atom(l, &name))
            return false;
        unsigned item = find_word(words, sizeof words / sizeof *words, name);
        if (!item)
            return imap_lex_fault(l, "an unknown STATUS item");
        *items |= item;
    } while (imap_lex_more(l));
    return imap_lex_char(l, ')');
}

bool imap_arguments_status(struct imap_lex *l, struct imap_status_arguments *a)
{
    *a = (struct imap_status_arguments){0};
    return take_mailbox(l, &a->name, &a->valid) && imap_lex_space(l) &&
           imap_arguments_status_items(l, &a->items) && imap_lex_finish(l);
}

/* ---- LIST, LSUB ---- */

/* `(SUBSCRIBED RECURSIVEMATCH)` */
static bool take_selection(struct imap_lex *l, struct imap_list_arguments *a)
{
    static const struct word words[] = {
        {{"SUBSCRIBED", 10}, IMAP_LIST_SUBSCRIBED},
        {{"REMOTE", 6}, IMAP_LIST_REMOTE},
        {{"RECURSIVEMATCH", 14}, IMAP_LIST_RECURSIVE},
        {{"SPECIAL-USE", 11}, IMAP_LIST_SPECIAL},
    };
    struct slice name;
    if (!imap_lex_char(l, '('))
        return false;
    a->options |= IMAP_LIST_EXTENDED;
    if (imap_lex_peek(l) == ')')
        return imap_lex_char(l, ')');
    do {
        if (!imap_lex_atom(l, &name))
            return false;
        unsigned option = find_word(words, sizeof words / sizeof *words, name);
        if (!option)
            return imap_lex_fault(l, "an unknown LIST selection option");
        a->options |= option;
    } while (imap_lex_more(l));
    if (a->options & IMAP_LIST_RECURSIVE && !(a->options & IMAP_LIST_SUBSCRIBED))
        return imap_lex_fault(l, "RECURSIVEMATCH needs SUBSCRIBED beside it");
    return imap_lex_char(l, ')');
}

/* `RETURN (CHILDREN STATUS (MESSAGES))` */
static bool take_return(struct imap_lex *l, struct imap_list_arguments *a)
{
    static const struct word words[] = {
        {{"SUBSCRIBED", 10}, IMAP_LIST_RETURN_SUBSCRIBED},
        {{"CHILDREN", 8}, IMAP_LIST_RETURN_CHILDREN},
        {{"SPECIAL-USE", 11}, IMAP_LIST_RETURN_SPECIAL},
        {{"STATUS", 6}, IMAP_LIST_RETURN_STATUS},
    };
    struct slice name;
    if (!imap_lex_word(l, S("RETURN")))
        return imap_lex_fault(l, "only RETURN (...) may follow the pattern");
    if (!imap_lex_space(l) || !imap_lex_char(l, '('))
        return false;
    a->options |= IMAP_LIST_EXTENDED;
    if (imap_lex_peek(l) == ')')
        return imap_lex_char(l, ')');
    do {
        if (!imap_lex_atom(l, &name))
            return false;
        unsigned option = find_word(words, sizeof words / sizeof *words, name);
        if (!option)
            return imap_lex_fault(l, "an unknown LIST return option");
        a->options |= option;
        if (option == IMAP_LIST_RETURN_STATUS &&
            (!imap_lex_space(l) || !imap_arguments_status_items(l, &a->status)))
            return false;
    } while (imap_lex_more(l));
    return imap_lex_char(l, ')');
}

static bool take_pattern(struct imap_lex *l, struct imap_list_arguments *a)
{
    if (a->pattern_n == IMAP_PATTERNS_MAX)
        return imap_lex_fault(l, "more than 64 patterns in one LIST");
    if (!imap_lex_pattern(l, &a->patterns[a->pattern_n], &a->valid[a->pattern_n]))
        return false;
    a->pattern_n++;
    return true;
}

static bool take_patterns(struct imap_lex *l, struct imap_list_arguments *a)
{
    if (imap_lex_peek(l) != '(')
        return take_pattern(l, a);
    l->at++;
    a->options |= IMAP_LIST_EXTENDED;
    do {
        if (!take_pattern(l, a))
            return false;
    } while (imap_lex_more(l));
    return imap_lex_char(l, ')');
}

bool imap_arguments_list(struct imap_lex *l, struct imap_list_arguments *a)
{
    *a = (struct imap_list_arguments){0};
    if (!imap_lex_space(l))
        return false;
    if (imap_lex_peek(l) == '(' && (!take_selection(l, a) || !imap_lex_space(l)))
        return false;
    if (!imap_lex_mailbox(l, &a->reference, &a->reference_valid) || !imap_lex_space(l) ||
        !take_patterns(l, a))
        return false;
    if (!imap_lex_end(l) && (!imap_lex_space(l) || !take_return(l, a)))
        return false;
    return imap_lex_finish(l);
}

bool imap_arguments_lsub(struct imap_lex *l, struct imap_list_arguments *a)
{
    *a = (struct imap_list_arguments){0};
    return imap_lex_space(l) && imap_lex_mailbox(l, &a->reference, &a->reference_valid) &&
           imap_lex_space(l) && take_pattern(l, a) && imap_lex_finish(l);
}

/* ---- STORE ---- */

/* `FLAGS`, `+FLAGS.SILENT` */
static bool take_how(struct imap_lex *l, struct imap_store_arguments *a)
{
    a->how = IMAP_STORE_REPLACE;
    if (imap_lex_peek(l) == '+' || imap_lex_peek(l) == '-') {
        a->how = imap_lex_peek(l) == '+' ? IMAP_STORE_ADD : IMAP_STORE_REMOVE;
        l->at++;
    }
    a->silent = imap_lex_word(l, S("FLAGS.SILENT"));
    if (a->silent || imap_lex_word(l, S("FLAGS")))
        return true;
    return imap_lex_fault(l, "FLAGS, +FLAGS or -FLAGS is expected, with or without .SILENT");
}

bool imap_arguments_store(struct imap_lex *l, struct imap_store_arguments *a)
{
    *a = (struct imap_store_arguments){0};
    if (!imap_lex_space(l) || !imap_lex_set(l, &a->set) || !imap_lex_space(l))
        return false;
    if (imap_lex_peek(l) == '(') {
        l->at++;
        if (!imap_lex_word(l, S("UNCHANGEDSINCE")))
            return imap_lex_fault(l, "an unknown STORE modifier");
        if (!imap_lex_space(l) || !imap_lex_number64(l, &a->unchanged_since) ||
            !imap_lex_char(l, ')') || !imap_lex_space(l))
            return false;
        a->conditional = true;
    }
    return take_how(l, a) && imap_lex_space(l) && imap_lex_flags(l, true, &a->list) &&
           imap_lex_finish(l);
}

/* ---- APPEND ---- */

bool imap_arguments_append(struct imap_lex *l, struct imap_append_arguments *a)
{
    *a = (struct imap_append_arguments){0};
    if (!take_mailbox(l, &a->name, &a->valid) || !imap_lex_space(l))
        return false;
    if (imap_lex_peek(l) == '(' && (!imap_lex_flags(l, false, &a->list) || !imap_lex_space(l)))
        return false;
    if (imap_lex_peek(l) == '"') {
        if (!imap_lex_date_time(l, &a->date) || !imap_lex_space(l))
            return false;
        a->has_date = true;
    }
    return imap_lex_end(l) ||
           imap_lex_fault(l, "APPEND is mailbox [(flags)] [\"date-time\"] {size}");
}
