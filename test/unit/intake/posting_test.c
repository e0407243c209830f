/* What the envelope asks for, as it is found in the queue: over real connections, with couriers
 * that never go. */
#include "unit/intake/local.h"
#include "unit/intake/outward.h"

#define ENTRIES_MAX 16

static const struct intake_user users[] = {{false, OTHER, "www", "ann@our.test"}};
static uint64_t ann, bob;

static void open_all(void)
{
    open_world();
    open_queue();
    ann = add_account("ann@our.test", 0, false);
    bob = add_account("bob@our.test", 4096, false);
    add_alias("both@our.test", "ann@our.test", "bob@our.test");
    add_alias("mixed@our.test", "bob@our.test", "joe@away.test");
    add_alias("away@our.test", "joe@away.test", "joe@away.test");
    options.users = users;
    options.user_n = 1;
    intake_mx(&options, &mx);
    intake_lmtp(&options, &lmtp);
    intake_sendmail(&options, &local);
    local.offered |= SMTP_PARAM_HOLD | SMTP_PARAM_BY | SMTP_PARAM_PRIORITY;
    local.hold_max = 1000;
}

/* ---- what is in the queue ---- */

struct found {
    char sender[64], recipient[64], route[64], orcpt[64], envid[64];
    struct queue_message message; /* without its texts */
    uint8_t notify;
    int64_t next, notice;
};

static struct found entries[ENTRIES_MAX];
static size_t entry_n;

static bool note(void *arg, const struct queue_listed *l)
{
    struct found *f = &entries[entry_n];
    CHECK(entry_n++ < ENTRIES_MAX);
    CHECK(slice_to_cstr(l->message.sender, f->sender, sizeof f->sender));
    CHECK(slice_to_cstr(l->message.envid, f->envid, sizeof f->envid));
    CHECK(slice_to_cstr(l->entry.recipient, f->recipient, sizeof f->recipient));
    CHECK(slice_to_cstr(l->entry.route, f->route, sizeof f->route));
    CHECK(slice_to_cstr(l->entry.orcpt, f->orcpt, sizeof f->orcpt));
    f->message = l->message;
    f->notify = l->entry.notify;
    f->next = l->entry.next;
    f->notice = l->entry.notice;
    return true;
}

/* Takes them out. */
static size_t queued(void)
{
    const struct queue_filter all = {0};
    uint64_t changed;
    entry_n = 0;
    CHECK(queue_list(store, &all, note, NULL, SOON) == OUTCOME_DONE);
    CHECK(queue_change(store, NULL, &all, QUEUE_REMOVE, &changed, SOON) == OUTCOME_DONE);
    return entry_n;
}

static const struct found *entry_of(const char *recipient)
{
    for (size_t i = 0; i < entry_n; i++)
        if (!strcmp(entries[i].recipient, recipient))
            return &entries[i];
    fprintf(stderr, "no entry of %s\n", recipient);
    abort();
}

static void begin(struct client *c, const char *sender, const char *parameters)
{
    char line[300];
    snprintf(line, sizeof line, "MAIL FROM:<%s>%s\r\n", sender, parameters);
    SAYS(c, line, "250 ");
}

static void to(struct client *c, const char *recipient, const char *parameters)
{
    char line[300];
    snprintf(line, sizeof line, "RCPT TO:<%s>%s\r\n", recipient, parameters);
    SAYS(c, line, "250 ");
}

static void end(struct client *c, const char *header)
{
    char text[300];
    snprintf(text, sizeof text, "From: ann@our.test\r\n%s\r\nx\r\n.\r\n", header);
    SAYS(c, DATA, "354 ");
    SAYS(c, text, "250 ");
}

/* ---- tests ---- */

/* Who asks for a report of a delivery here gets an entry beside it. */
static void told_task(void *arg)
{
    struct client c;
    open_all();
    hello(&c, &mx);
    begin(&c, "\"a b\"@far.test", " RET=HDRS ENVID=x+2B");
    to(&c, "Bob@Our.test", " NOTIFY=SUCCESS,DELAY ORCPT=rfc822;b@x.test");
    to(&c, "bob@our.test", " NOTIFY=FAILURE");
    to(&c, "both@our.test", " NOTIFY=SUCCESS");
    to(&c, "mixed@our.test", " NOTIFY=SUCCESS");
    to(&c, "away@our.test", " NOTIFY=SUCCESS");
    end(&c, "");
    CHECK(count(bob) == 1 && count(ann) == 1);
    CHECK(queued() == 5); /* joe gets one copy */
    const struct found *f = entry_of("Bob@Our.test");
    CHECK(!strcmp(f->route, "!told") && f->notify == QUEUE_NOTIFY_SUCCESS && !f->notice);
    CHECK(!strcmp(f->orcpt, "rfc822;b@x.test") && !strcmp(f->envid, "x+2B"));
    CHECK(!strcmp(f->sender, "\"a b\"@far.test") && f->message.flags == QUEUE_RET_HEADERS);
    CHECK(!f->message.account);
    CHECK(!strcmp(entry_of("both@our.test")->route, "!expanded"));
    CHECK(!strcmp(entry_of("mixed@our.test")->route, "!expanded"));
    CHECK(!strcmp(entry_of("away@our.test")->route, "!relayed"));
    f = entry_of("joe@away.test"); /* under a sender of ours: nothing of it is passed on */
    CHECK(!f->envid[0] && !f->message.flags && f->notify == QUEUE_NOTIFY_FAILURE);
    begin(&c, "", ""); /* nobody to tell */
    to(&c, "bob@our.test", " NOTIFY=SUCCESS");
    end(&c, "");
    begin(&c, "a@far.test", "");
    to(&c, "bob@our.test", " NOTIFY=NEVER");
    end(&c, "");
    CHECK(count(bob) == 3 && queued() == 0);
    begin(&c, "a@far.test", ""); /* the next transaction begins anew */
    to(&c, "bob@our.test", " NOTIFY=SUCCESS");
    SAYS(&c, "RSET\r\n", "250 ");
    begin(&c, "a@far.test", "");
    to(&c, "bob@our.test", "");
    end(&c, "");
    CHECK(queued() == 0);
    close_client(&c);
    close_all();
}

/* LMTP: whom it does not reach is not told of. */
static void each_task(void *arg)
{
    struct client c;
    char text[8192];
    open_all();
    hello(&c, &lmtp);
    begin(&c, "a@far.test", "");
    to(&c, "bob@our.test", " NOTIFY=SUCCESS");
    to(&c, "ann@our.test", " NOTIFY=SUCCESS");
    memset(text, 'x', sizeof text);
    memcpy(text + sizeof text - 6, "\r\n.\r\n", 6);
    SAYS(&c, DATA, "354 ");
    SAYS(&c, text, "552 5.2.2 ");
    HEARS(&c, "250 ");
    CHECK(queued() == 1 && !strcmp(entries[0].recipient, "ann@our.test"));
    begin(&c, "a@far.test", "");
    to(&c, "bob@our.test", " NOTIFY=SUCCESS");
    SAYS(&c, DATA, "354 ");
    SAYS(&c, text, "552 5.2.2 ");
    CHECK(queued() == 0 && count(ann) == 1 && count(bob) == 0);
    close_client(&c);
    close_all();
}

static void wishes_task(void *arg)
{
    struct client c;
    int64_t now = clock_wall() / 1000000;
    open_all();
    call_as(&c, OTHER, "220 ");
    begin(&c, "ann@our.test", " RET=FULL ENVID=e BY=-5;NT MT-PRIORITY=4");
    to(&c, "x@away.test", " NOTIFY=NEVER ORCPT=rfc822;y@away.test");
    to(&c, "y@away.test", "");
    end(&c, "TLS-Required: No\r\n");
    CHECK(queued() == 2);
    const struct found *f = entry_of("x@away.test");
    CHECK(f->notify == QUEUE_NOTIFY_NEVER && !strcmp(f->orcpt, "rfc822;y@away.test"));
    CHECK(!strcmp(f->envid, "e") && f->message.priority == 4 && !f->notice);
    CHECK(f->message.flags == (QUEUE_RET_FULL | QUEUE_DELIVERBY_TRACE | QUEUE_TLS_OPTIONAL));
    CHECK(f->message.deliver_by >= now - 5 && f->message.deliver_by <= now + 60);
    CHECK(f->next == f->message.created - 240); /* before what came up to four minutes earlier */
    f = entry_of("y@away.test");
    CHECK(f->notice == f->message.deliver_by && !f->orcpt[0] && !f->notify);
    begin(&c, "ann@our.test", " BY=500;R");
    to(&c, "x@away.test", "");
    end(&c, "");
    CHECK(queued() == 1 && entries[0].message.flags == QUEUE_DELIVERBY_RETURN);
    CHECK(entries[0].message.expires == entries[0].message.deliver_by);
    close_client(&c);
    close_all();
}

/* Everybody waits, wherever they are. */
static void held_task(void *arg)
{
    struct client c;
    open_all();
    call_as(&c, OTHER, "220 ");
    begin(&c, "ann@our.test", " HOLDFOR=500 ENVID=h");
    to(&c, "bob@our.test", " NOTIFY=SUCCESS,FAILURE ORCPT=rfc822;b@x.test");
    to(&c, "mixed@our.test", "");
    to(&c, "away@our.test", "");
    to(&c, "x@away.test", "");
    SAYS(&c, "RCPT TO:<nobody@our.test>\r\n", "550 5.1.1 ");
    end(&c, "");
    CHECK(count(bob) == 0 && count(ann) == 0);
    CHECK(queued() == 4); /* joe gets one copy */
    for (size_t i = 0; i < entry_n; i++) {
        const struct queue_message *m = &entries[i].message;
        CHECK(m->hold_until == m->created + 501 && entries[i].next == m->hold_until);
        CHECK(m->flags & QUEUE_HELD_FOR);
    }
    const struct found *f = entry_of("bob@our.test");
    CHECK(!strcmp(f->route, "!here") && !strcmp(f->orcpt, "rfc822;b@x.test"));
    CHECK(f->notify == (QUEUE_NOTIFY_SUCCESS | QUEUE_NOTIFY_FAILURE));
    CHECK(!strcmp(entry_of("mixed@our.test")->route, "!here"));
    CHECK(!strcmp(entry_of("joe@away.test")->route, "away.test"));
    CHECK(!strcmp(entry_of("x@away.test")->envid, "h"));
    SAYS(&c, "MAIL FROM:<ann@our.test> HOLDFOR=1001\r\n", "501 5.5.4 ");
    close_client(&c);
    close_all();
}

/* By himself and by aliases: one copy, the one with the sender's own wishes. */
static void once_task(void *arg)
{
    struct client c;
    open_all();
    call_as(&c, OTHER, "220 ");
    begin(&c, "ann@our.test", "");
    to(&c, "away@our.test", "");
    to(&c, "JOE@away.test", " NOTIFY=NEVER");
    to(&c, "joe@AWAY.test", " NOTIFY=NEVER");
    to(&c, "mixed@our.test", "");
    end(&c, "");
    CHECK(count(bob) == 1 && queued() == 2);
    CHECK(entry_of("JOE@away.test")->notify == QUEUE_NOTIFY_NEVER); /* perhaps another */
    CHECK(entry_of("joe@AWAY.test")->notify == QUEUE_NOTIFY_NEVER);
    close_client(&c);
    close_all();
}

#define WORLD_TEST(name)                                                                           \
    static void name(void **state)                                                                 \
    {                                                                                              \
        world(name##_task);                                                                        \
    }
WORLD_TEST(told)
WORLD_TEST(each)
WORLD_TEST(wishes)
WORLD_TEST(held)
WORLD_TEST(once)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(told),
        cmocka_unit_test(each),
        cmocka_unit_test(wishes),
        cmocka_unit_test(held),
        cmocka_unit_test(once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
