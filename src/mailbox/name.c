#include "base/utf8.h"
#include "mailbox/mailbox.h"

const char *mailbox_special_name(enum mailbox_special special)
{
    static const char *const names[] = {
        NULL, "\\Drafts", "\\Sent", "\\Junk", "\\Trash", "\\Archive"};
    return names[special];
}

static const char *fault(struct slice name)
{
    if (!name.n)
        return "the name is empty";
    if (name.n > MAILBOX_NAME_MAX)
        return "the name is longer than 400 bytes";
    if (!utf8_valid(name))
        return "the name is not valid UTF-8";
    for (size_t i = 0; i < name.n; i++)
        if ((unsigned char)name.p[i] < 0x20 || name.p[i] == 0x7f)
            return "the name holds a control character";
    for (struct slice rest = name; rest.n;) {
        bool more = slice_find(rest, MAILBOX_SEPARATOR) != SLICE_NONE;
        struct slice level = slice_cut(&rest, MAILBOX_SEPARATOR);
        if (!level.n || (more && !rest.n))
            return "a level of the name is empty";
        if (level.n > MAILBOX_LEVEL_MAX)
            return "a level of the name is longer than 255 bytes";
    }
    return NULL;
}

bool mailbox_name_normalise(
    struct slice name, char out[MAILBOX_NAME_MAX], size_t *n, const char **why)
{
    *why = fault(name);
    if (*why)
        return false;
    memcpy(out, name.p, name.n);
    *n = name.n;
    struct slice first = name;
    if (slice_eq_nocase(slice_cut(&first, MAILBOX_SEPARATOR), S("INBOX")))
        memcpy(out, "INBOX", 5);
    return true;
}
