/* Every parser of arguments, chosen by the first byte: it never passes the end, says why when it
 * refuses, and what it gives lies in the text or in the arena. */
#include "imap/arguments.h"
#include "message_fuzz.h"

static void check_sets(struct imap_set *set)
{
    imap_set_resolve(set, 77);
    CHECK(imap_set_last(set) == 0 || imap_set_has(set, imap_set_last(set)));
}

static bool lists(struct imap_lex *l, bool lsub)
{
    struct imap_list_arguments a;
    bool taken = lsub ? imap_arguments_lsub(l, &a) : imap_arguments_list(l, &a);
    CHECK(!taken || (a.pattern_n >= 1 && a.pattern_n <= IMAP_PATTERNS_MAX));
    CHECK(!taken || !(a.options & IMAP_LIST_RECURSIVE) || a.options & IMAP_LIST_SUBSCRIBED);
    return taken;
}

static bool selects(struct imap_lex *l)
{
    struct imap_select_arguments a;
    bool taken = imap_arguments_select(l, &a);
    if (taken && a.qresync) {
        check_sets(&a.known);
        check_sets(&a.match_uids);
    }
    return taken;
}

static bool stores(struct imap_lex *l)
{
    struct imap_store_arguments a;
    bool taken = imap_arguments_store(l, &a);
    CHECK(!taken || a.list.keyword_n <= 64);
    if (taken)
        check_sets(&a.set);
    return taken;
}

static bool run(struct imap_lex *l, unsigned which)
{
    struct imap_status_arguments status;
    struct imap_create_arguments create;
    struct imap_rename_arguments name;
    struct imap_copy_arguments copy;
    struct imap_append_arguments append;
    struct slice one;
    bool valid;
    switch (which % 10) {
    case 0:
        return selects(l);
    case 1:
        return imap_arguments_status(l, &status);
    case 2:
        return imap_arguments_create(l, &create);
    case 3:
        return imap_arguments_rename(l, &name);
    case 4:
        return imap_arguments_copy(l, &copy);
    case 5:
        return lists(l, false);
    case 6:
        return lists(l, true);
    case 7:
        return stores(l);
    case 8:
        return imap_arguments_append(l, &append);
    default:
        return imap_arguments_mailbox(l, &one, &valid);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    struct arena arena;
    if (!n)
        return 0;
    arena_init(&arena, 1 << 20);
    struct imap_lex l = imap_lex(slice(data + 1, n - 1), &arena);
    bool taken = run(&l, data[0]);
    CHECK(l.at <= l.all.n && (taken ? imap_lex_end(&l) : l.why != NULL));
    arena_reset(&arena);
    return 0;
}
