#include "intake/bounce.h"
#include "message/address.h"

/* May it come, and to which account? */
static bool open_address(struct intake_session *t, struct slice local, struct slice ours,
    uint64_t *account, struct smtp_reply *reply)
{
    uint8_t key[INTAKE_SRS_KEY];
    if (t->sender[0]) { /* reports have none (RFC 5321 §4.5.5) */
        smtp_reply_set(reply, 550, "5.7.1",
            "This address takes reports about forwarded mail only, from the null sender");
        return false;
    }
    directory_key(t->options->directory, "srs", key);
    switch (intake_srs_decode(key, local, ours, clock_wall() / 1000000, account)) {
    case INTAKE_SRS_OK:
        return true;
    case INTAKE_SRS_FORGED:
        smtp_reply_set(reply, 550, "5.1.1", "No such address: it was not made by this server");
        return false;
    case INTAKE_SRS_OLD:
        smtp_reply_set(reply, 550, "5.7.1", "This address was good for %d days, which are over",
            INTAKE_SRS_DAYS);
        return false;
    }
    return false;
}

/* False: it is gone, or takes no mail. */
TASK_FN
static bool take_account(
    struct intake_session *t, uint64_t id, struct directory_resolution *r, deadline until)
{
    struct directory_account account;
    struct directory_recipient *to = r->recipients;
    if (!id || directory_account_get(t->options->directory, id, &account, until) != DIRECTORY_OK ||
        account.disabled)
        return false;
    *to = (struct directory_recipient){.account = id, .quota = account.quota};
    memcpy(to->address, account.address, sizeof to->address);
    r->n = 1;
    r->remote_n = r->remote_bytes = 0;
    r->postmaster = r->catch_all = false;
    r->tag[0] = r->via[0] = '\0';
    return true;
}

enum directory_resolved intake_bounce_resolve(struct intake_session *t,
    const struct smtp_path *recipient, struct directory_resolution *r, struct smtp_reply *reply)
{
    struct slice domain = smtp_path_domain(recipient);
    struct directory_domain ours;
    uint64_t account = 0;
    deadline until = deadline_in(INTAKE_LOOKUP);
    enum directory_result found = directory_domain_get(t->options->directory, domain, &ours, until);
    if (found == DIRECTORY_BUSY)
        return DIRECTORY_RESOLVE_BUSY;
    if (found != DIRECTORY_OK)
        return DIRECTORY_RESOLVE_NOT_OURS;
    if (!open_address(t, smtp_path_local(recipient), slice_str(ours.name), &account, reply))
        return DIRECTORY_RESOLVE_UNKNOWN;
    if (take_account(t, account, r, until))
        return DIRECTORY_RESOLVE_OK;
    return directory_resolve(
        t->options->directory, S("postmaster"), slice_str(ours.name), r, until);
}
