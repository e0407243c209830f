#include "intake/bounce.h"
#include "intake/forward.h"
#include "intake/submission_private.h"
#include <stdlib.h>

/* Of one address that are looked up without an allocation: accounts, bytes of those elsewhere. */
#define FEW       4
#define FEW_BYTES 512

/* Room for n more elements. */
static bool grow(void **array, uint32_t *room, uint32_t n, uint32_t more, size_t size)
{
    if (more <= *room - n)
        return true;
    uint32_t wanted = *room ? *room * 2 : 4;
    if (wanted < n + more)
        wanted = n + more;
    void *p = reallocarray(*array, wanted, size);
    if (!p)
        return false;
    *array = p;
    *room = wanted;
    return true;
}

static bool no_memory(struct smtp_reply *reply)
{
    smtp_reply_set(reply, 451, "4.3.0", "Out of memory, try again later");
    return false;
}

/* ---- RCPT ---- */

static uint32_t find_account(const struct intake_session *t, uint64_t id)
{
    uint32_t i = 0;
    while (i < t->account_n && t->accounts[i].id != id)
        i++;
    return i;
}

/* A transaction is held to INTAKE_ACCOUNTS_MAX, but a first address that stands for more must get
 * through, or it could never be written to. */
static bool within_limits(
    const struct intake_session *t, const struct directory_resolution *r, struct smtp_reply *reply)
{
    uint32_t fresh = 0;
    for (size_t i = 0; i < r->n; i++)
        fresh += find_account(t, r->recipients[i].account) == t->account_n;
    bool fits = t->account_n == 0 || t->account_n + fresh <= INTAKE_ACCOUNTS_MAX;
    if (fits && t->member_n + r->n <= INTAKE_MEMBERS_MAX)
        return true;
    smtp_reply_set(
        reply, 452, "4.5.3", "Too many local recipients; send the rest in another transaction");
    return false;
}

/* Appends an account that is not there yet, and holds the announced bytes. */
TASK_FN
static void append_account(
    struct intake_session *t, const struct directory_recipient *r, bool exempt)
{
    struct intake_account *a = &t->accounts[t->account_n++];
    *a = (struct intake_account){.id = r->account, .quota = r->quota, .exempt = exempt};
    if (exempt)
        return;
    /* A local hold: the array may move while the store is asked. */
    struct quota_hold hold;
    uint32_t index = t->account_n - 1;
    enum quota_answer answer = quota_take(
        t->options->store, r->account, r->quota, t->announced, &hold, deadline_in(INTAKE_LOOKUP));
    t->accounts[index].answer = answer;
    t->accounts[index].hold = hold;
}

static void drop_accounts(struct intake_session *t, uint32_t from)
{
    for (uint32_t i = from; i < t->account_n; i++)
        quota_drop(&t->accounts[i].hold);
    t->account_n = from;
}

/* One RCPT is one recipient: it is refused when none of its accounts takes the message and nobody
 * elsewhere does. An account that another recipient brings along gets the message in any case.
 * forward: as in intake_rcpt. */
TASK_FN
static bool add_members(struct intake_session *t, const struct directory_resolution *r,
    uint32_t forward, struct smtp_reply *reply)
{
    uint32_t before = t->account_n, n = (uint32_t)r->n;
    if (!grow((void **)&t->accounts, &t->account_room, before, n, sizeof *t->accounts) ||
        !grow((void **)&t->members, &t->member_room, t->member_n, n, sizeof *t->members) ||
        !grow((void **)&t->rcpts, &t->rcpt_room, t->rcpt_n, 1, sizeof *t->rcpts))
        return no_memory(reply);
    bool taken = r->remote_n;
    enum quota_answer worst = QUOTA_NEVER;
    for (uint32_t i = 0; i < n; i++) {
        uint32_t at = find_account(t, r->recipients[i].account);
        if (at == t->account_n)
            append_account(t, &r->recipients[i], r->postmaster);
        t->accounts[at].exempt |= r->postmaster;
        t->members[t->member_n + i] = at;
        taken |= at < before || t->accounts[at].answer == QUOTA_OK || t->accounts[at].exempt;
        if (t->accounts[at].answer != QUOTA_NEVER)
            worst = t->accounts[at].answer;
    }
    if (!taken) {
        drop_accounts(t, before);
        intake_verdict_quota(worst, reply);
        return false;
    }
    t->rcpts[t->rcpt_n++] = (struct intake_rcpt){.first = t->member_n, .n = n, .forward = forward};
    t->member_n += n;
    return true;
}

TASK_FN
static bool add(struct intake_session *t, const struct smtp_path *path,
    const struct directory_resolution *r, struct smtp_reply *reply)
{
    uint32_t before = t->forward_n, forward = 0;
    if (!r->remote_n)
        return add_members(t, r, 0, reply);
    if (!intake_forward_add(t, path, r, &forward, reply))
        return false;
    if (add_members(t, r, forward + 1, reply))
        return true;
    intake_forward_drop(t, before);
    return false;
}

/* An alias goes on reaching those of its accounts that are disabled; an account alone does not. */
static bool someone_enabled(const struct directory_resolution *r, struct smtp_reply *reply)
{
    bool enabled = r->postmaster || r->remote_n;
    for (size_t i = 0; i < r->n; i++)
        enabled |= !r->recipients[i].disabled;
    if (!enabled)
        smtp_reply_set(reply, 450, "4.2.1", "The account is disabled, try again later");
    return enabled;
}

struct large {
    struct directory_recipient recipients[DIRECTORY_RECIPIENTS_MAX];
    char remote[DIRECTORY_REMOTE_BYTES];
};

TASK_FN
static enum directory_resolved look_up(struct intake_session *t, const struct smtp_path *path,
    struct directory_resolution *r, struct smtp_reply *reply)
{
    if (intake_srs_is(smtp_path_local(path)))
        return intake_bounce_resolve(t, path, r, reply);
    return directory_resolve(t->options->directory, smtp_path_local(path), smtp_path_domain(path),
        r, deadline_in(INTAKE_LOOKUP));
}

TASK_FN
static enum directory_resolved resolve(struct intake_session *t, const struct smtp_path *path,
    struct directory_resolution *r, struct large **large, struct smtp_reply *reply)
{
    enum directory_resolved resolved = look_up(t, path, r, reply);
    if (resolved != DIRECTORY_RESOLVE_TOO_MANY)
        return resolved;
    *large = calloc(1, sizeof **large);
    if (!*large)
        return DIRECTORY_RESOLVE_BUSY;
    *r = (struct directory_resolution){.recipients = (*large)->recipients,
        .room = DIRECTORY_RECIPIENTS_MAX,
        .remote = (*large)->remote,
        .remote_room = DIRECTORY_REMOTE_BYTES};
    return look_up(t, path, r, reply);
}

/* Of an accepted one. */
static void note_address(struct intake_session *t, const struct smtp_path *path)
{
    char text[SMTP_PATH_TEXT];
    struct buffer to = {.p = text, .cap = sizeof text, .max = sizeof text};
    smtp_path_write(path, &to);
    if (t->rcpt_n == 1)
        t->single = slice_to_cstr(buffer_slice(&to), t->recipient, sizeof t->recipient);
    else
        t->single &= slice_eq_nocase(buffer_slice(&to), slice_str(t->recipient));
}

TASK_FN
static bool take(struct intake_session *t, const struct smtp_rcpt *rcpt,
    const struct directory_resolution *r, struct smtp_reply *reply)
{
    uint32_t report;
    if (!intake_posting_report(t, rcpt, r, &report, reply))
        return false;
    if (add(t, &rcpt->recipient, r, reply)) {
        t->rcpts[t->rcpt_n - 1].report = report;
        return true;
    }
    intake_posting_no_report(t, report);
    return false;
}

/* Later: what is ours is looked up again when it is due, what leads elsewhere waits as it is. */
TASK_FN
static bool hold(struct intake_session *t, const struct smtp_rcpt *rcpt,
    const struct directory_resolution *r, struct smtp_reply *reply)
{
    uint32_t before = t->forward_n, forward;
    struct directory_resolution elsewhere = *r;
    elsewhere.n = 0;
    if (r->remote_n && (!intake_forward_add(t, &rcpt->recipient, r, &forward, reply) ||
                           !add_members(t, &elsewhere, forward + 1, reply))) {
        intake_forward_drop(t, before);
        return false;
    }
    if (!r->n || intake_posting_held(t, rcpt, reply))
        return true;
    intake_forward_drop(t, before);
    t->rcpt_n -= r->remote_n > 0;
    return false;
}

bool intake_recipients_add(
    struct intake_session *t, const struct smtp_rcpt *rcpt, struct smtp_reply *reply)
{
    struct directory_recipient few[FEW];
    char few_bytes[FEW_BYTES];
    struct large *large = NULL;
    struct directory_resolution r = {
        .recipients = few, .room = FEW, .remote = few_bytes, .remote_room = sizeof few_bytes};
    const struct smtp_path *path = &rcpt->recipient;
    bool lmtp = smtp_service(t->smtp)->lmtp;
    enum directory_resolved resolved = resolve(t, path, &r, &large, reply);
    if (resolved == DIRECTORY_RESOLVE_NOT_OURS && t->submitter)
        return intake_submission_elsewhere(t, rcpt, reply);
    if (!reply->code)
        intake_verdict_resolved(resolved, smtp_path_domain(path), lmtp, reply);
    bool ok = resolved == DIRECTORY_RESOLVE_OK && someone_enabled(&r, reply) &&
              within_limits(t, &r, reply);
    if (ok && t->wishes.hold_until)
        ok = hold(t, rcpt, &r, reply);
    else if (ok && (ok = take(t, rcpt, &r, reply)))
        note_address(t, path);
    free(large);
    return ok;
}

/* ---- after the body ---- */

/* The message is larger than what was announced: is there room all the same? */
TASK_FN
static bool ask_again(struct intake_session *t, struct intake_account *a, uint64_t size)
{
    if (a->exempt || !a->quota || (a->answer == QUOTA_OK && size <= t->announced))
        return true;
    quota_drop(&a->hold);
    a->answer =
        quota_take(t->options->store, a->id, a->quota, size, &a->hold, deadline_in(INTAKE_LOOKUP));
    return a->answer == QUOTA_OK;
}

/* All accounts of a recipient that one of them takes, for the others overdraw by this message. */
static void deliver_to(struct intake_session *t, const struct intake_rcpt *r)
{
    bool taken = r->forward;
    if (taken && t->forwards[r->forward - 1].loop)
        return;
    for (uint32_t i = 0; i < r->n; i++) {
        const struct intake_account *a = &t->accounts[t->members[r->first + i]];
        taken |= a->answer == QUOTA_OK || a->exempt;
    }
    for (uint32_t i = 0; taken && i < r->n; i++)
        t->accounts[t->members[r->first + i]].deliver = true;
}

static bool some_leave(const struct intake_session *t)
{
    uint32_t i = 0;
    while (i < t->forward_n && t->forwards[i].loop)
        i++;
    return i < t->forward_n || intake_elsewhere(t);
}

bool intake_recipients_fit(struct intake_session *t, uint64_t size, struct smtp_reply *reply)
{
    bool someone = some_leave(t);
    enum quota_answer worst = QUOTA_NEVER;
    for (uint32_t i = 0; i < t->account_n; i++) {
        bool fits = ask_again(t, &t->accounts[i], size);
        someone |= fits;
        if (!fits && t->accounts[i].answer != QUOTA_NEVER)
            worst = t->accounts[i].answer;
    }
    if (!someone) {
        intake_verdict_quota(worst, reply);
        return false;
    }
    bool each = smtp_service(t->smtp)->lmtp;
    for (uint32_t i = 0; i < t->account_n; i++)
        t->accounts[i].deliver = !each;
    for (uint32_t i = 0; each && i < t->rcpt_n; i++)
        deliver_to(t, &t->rcpts[i]);
    return true;
}

void intake_recipients_reset(struct intake_session *t)
{
    drop_accounts(t, 0);
    if (t->forwards)
        intake_forward_drop(t, 0);
    free(t->accounts);
    free(t->rcpts);
    free(t->members);
    t->accounts = NULL;
    t->rcpts = NULL;
    t->members = NULL;
    t->account_room = t->rcpt_n = t->rcpt_room = t->member_n = t->member_room = 0;
}
