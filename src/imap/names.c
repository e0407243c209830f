/* The one way from a mailbox name to a mailbox: normalised, looked up, allowed. */
#include "imap/session_private.h"

bool imap_names_only(
    struct imap_command *c, struct slice name, bool valid, char out[MAILBOX_NAME_MAX], size_t *n)
{
    const char *why = "Not a mailbox name: modified UTF-7 is expected";
    if (valid && mailbox_name_normalise(name, out, n, &why))
        return true;
    imap_reply(c, IMAP_NO, "CANNOT", "%s", why);
    return false;
}

struct look {
    uint64_t account;
    struct slice name;
    bool broken;
    unsigned rights; /* 0: none */
    uint32_t id;     /* 0: no such mailbox */
    struct mailbox *mailbox;
};

static void look_up(struct store_view *v, void *arg)
{
    struct look *l = arg;
    l->broken = false;
    l->rights = mailbox_rights(v, l->account, l->account, l->name);
    l->id = l->rights ? mailbox_find(v, l->name) : 0;
    if (l->id)
        l->broken = !mailbox_read(v, l->id, l->mailbox);
}

bool imap_names_open(struct imap_session *s, struct imap_command *c, struct slice name, bool valid,
    unsigned rights, bool trycreate, struct mailbox *m)
{
    char normal[MAILBOX_NAME_MAX];
    size_t n;
    if (!imap_names_only(c, name, valid, normal, &n))
        return false;
    struct look l = {.account = s->account, .name = slice(normal, n), .mailbox = m};
    store_partition p = mailbox_partition(s->account);
    enum outcome o = store_read(imap_store(s), p, look_up, &l, NULL, imap_soon());
    if (o == OUTCOME_DONE && l.broken)
        o = OUTCOME_FAILED;
    if (o != OUTCOME_DONE) {
        imap_reply_outcome(c, o, MAILBOX_REFUSED_NOT);
    } else if (!l.id) {
        imap_reply(c, IMAP_NO, trycreate ? "TRYCREATE" : "NONEXISTENT", "There is no such mailbox");
    } else if ((l.rights & rights) != rights) {
        imap_reply(c, IMAP_NO, "NOPERM", "You may not do that with this mailbox");
    } else {
        return true;
    }
    return false;
}

bool imap_names_quota(struct imap_session *s, uint64_t *quota)
{
    struct directory_account a;
    if (directory_account_get(s->talk.service->directory, s->account, &a, imap_soon()) !=
        DIRECTORY_OK)
        return false;
    *quota = a.quota;
    return true;
}
