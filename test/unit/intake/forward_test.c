/* Aliases that lead elsewhere, over real connections with a directory, the memory store and a queue
 * whose couriers never go. */
#include "intake/srs.h"
#include "unit/intake/outward.h"

#define ENTRIES_MAX 2100

static uint64_t ann, bob;

static void open_all(void)
{
    open_world();
    open_queue();
    ann = add_account("ann@our.test", 0, false);
    bob = add_account("bob@our.test", 4096, false);
}

static void alias(const char *address, const char *target)
{
    add_alias(address, target, target);
}

/* ---- what is in the queue ---- */

struct found {
    char sender[QUEUE_ADDRESS_MAX + 1], alias[QUEUE_ADDRESS_MAX + 1];
    char recipient[QUEUE_ADDRESS_MAX + 1], orcpt[QUEUE_ORCPT_MAX + 1];
    uint32_t flags;
    uint8_t notify;
    uint64_t account, blob;
};

static struct found entries[ENTRIES_MAX];
static size_t entry_n;

static bool note(void *arg, const struct queue_listed *l)
{
    struct found *f = &entries[entry_n];
    CHECK(entry_n++ < ENTRIES_MAX);
    CHECK(slice_to_cstr(l->message.sender, f->sender, sizeof f->sender));
    CHECK(slice_to_cstr(l->message.alias, f->alias, sizeof f->alias));
    CHECK(slice_to_cstr(l->entry.recipient, f->recipient, sizeof f->recipient));
    CHECK(slice_to_cstr(l->entry.orcpt, f->orcpt, sizeof f->orcpt));
    f->flags = l->message.flags;
    f->notify = l->entry.notify;
    f->account = l->message.account;
    f->blob = l->message.blob;
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
    CHECK(changed == entry_n);
    return entry_n;
}

/* Whom do failures go to? */
static uint64_t account_of(const char *sender)
{
    uint8_t key[INTAKE_SRS_KEY];
    uint64_t account;
    size_t at = slice_rfind(slice_str(sender), '@');
    directory_key(directory, "srs", key);
    CHECK(intake_srs_decode(key, slice(sender, at), slice_str(sender + at + 1),
              clock_wall() / 1000000, &account) == INTAKE_SRS_OK);
    return account;
}

static void mail(struct client *c, const char *from)
{
    char line[400];
    snprintf(line, sizeof line, "MAIL FROM:<%s>\r\n", from);
    SAYS(c, line, "250 ");
}

static void to(struct client *c, const char *recipient, const char *wanted)
{
    char line[400];
    snprintf(line, sizeof line, "RCPT TO:<%s>\r\n", recipient);
    SAYS(c, line, wanted);
}

static void data(struct client *c, const char *text, const char *wanted)
{
    SAYS(c, DATA, "354 ");
    say_bytes(c, slice_str(text));
    SAYS(c, "\r\n.\r\n", wanted);
}

static void one(struct client *c, const char *from, const char *recipient)
{
    mail(c, from);
    to(c, recipient, "250 ");
    data(c, "Subject: x", "250 ");
}

/* ---- tests ---- */

static void both_task(void *arg)
{
    struct client c;
    open_all();
    add_alias("both@our.test", "ann@our.test", "Joe@Away.test");
    alias("away@our.test", "\"joe doe\"@b\u00fccher.test");
    hello(&c, &mx);
    one(&c, "sue@far.test", "Both@Our.Test");
    CHECK(count(ann) == 1 && queued() == 1);
    CHECK(!strcmp(entries[0].recipient, "Joe@away.test") && !entries[0].account);
    CHECK(!strcmp(entries[0].alias, "both@our.test"));
    CHECK(!strcmp(entries[0].orcpt, "rfc822;both@our.test"));
    CHECK(strstr(entries[0].sender, "=far.test=sue@our.test") &&
          account_of(entries[0].sender) == ann);
    CHECK(entries[0].notify == QUEUE_NOTIFY_FAILURE && entries[0].flags == 0);
    one(&c, "sue@far.test", "away@our.test");
    CHECK(count(ann) == 1 && queued() == 1 && account_of(entries[0].sender) == 0);
    CHECK(!strcmp(entries[0].recipient, "\"joe doe\"@xn--bcher-kva.test"));
    one(&c, "", "away+tag@our.test");
    CHECK(queued() == 1 && !entries[0].sender[0] && entries[0].notify == 0);
    CHECK(!strcmp(entries[0].alias, "away+tag@our.test"));
    CHECK(!strcmp(entries[0].orcpt, "rfc822;away+2Btag@our.test"));
    close_client(&c);
    close_all();
}

/* One transaction, each alias with an envelope of its own, one blob; no copy twice. */
static void several_task(void *arg)
{
    struct client c;
    open_all();
    add_alias("a@our.test", "x@away.test", "y@away.test");
    add_alias("b@our.test", "y@away.test", "z@away.test");
    alias("c@our.test", "x@away.test");
    hello(&c, &mx);
    mail(&c, "sue@far.test");
    to(&c, "a@our.test", "250 ");
    to(&c, "b@our.test", "250 ");
    to(&c, "A@our.test", "250 ");
    to(&c, "ann@our.test", "250 ");
    to(&c, "c@our.test", "250 ");
    to(&c, "nobody@our.test", "550 5.1.1 ");
    data(&c, "Subject: x\r\n\r\n\xe9", "250 ");
    CHECK(count(ann) == 1 && queued() == 3);
    CHECK(!strcmp(entries[0].recipient, "x@away.test") && !strcmp(entries[0].alias, "a@our.test"));
    CHECK(!strcmp(entries[1].recipient, "y@away.test") && !strcmp(entries[1].alias, "a@our.test"));
    CHECK(!strcmp(entries[2].recipient, "z@away.test") && !strcmp(entries[2].alias, "b@our.test"));
    CHECK(entries[0].blob == entries[2].blob && entries[2].flags == QUEUE_8BIT);
    close_client(&c);
    close_all();
}

static void catch_all_task(void *arg)
{
    struct client c;
    open_all();
    alias("@our.test", "all@away.test");
    alias("postmaster@our.test", "admin@away.test");
    hello(&c, &mx);
    one(&c, "sue@far.test", "who@our.test");
    CHECK(queued() == 1 && !strcmp(entries[0].alias, "who@our.test"));
    one(&c, "sue@far.test", "postmaster@our.test");
    CHECK(queued() == 1 && !strcmp(entries[0].recipient, "admin@away.test"));
    to(&c, "x@away.test", "503 ");
    mail(&c, "sue@far.test");
    to(&c, "x@away.test", "550 5.7.1 Relaying denied");
    to(&c, "@our.test:x@away.test", "550 5.7.1 ");
    to(&c, "x%away.test@our.test", "250 "); /* a name like any other */
    SAYS(&c, "RSET\r\n", "250 ");
    close_client(&c);
    CHECK(queued() == 0);
    close_all();
}

/* An account that is full, disabled or gone does not keep the copy from leaving. */
static void one_of_two_task(void *arg)
{
    struct client c;
    open_all();
    add_account("off@our.test", 0, true);
    add_alias("full@our.test", "bob@our.test", "x@away.test");
    add_alias("off-too@our.test", "off@our.test", "x@away.test");
    hello(&c, &mx);
    SAYS(&c, "MAIL FROM:<sue@far.test> SIZE=10000\r\n", "250 ");
    to(&c, "bob@our.test", "552 5.2.2 ");
    to(&c, "full@our.test", "250 ");
    data(&c, "Subject: x", "250 ");
    CHECK(queued() == 1 && count(bob) == 1);
    one(&c, "sue@far.test", "off-too@our.test");
    CHECK(queued() == 1);
    /* and the other way round */
    mail(&c, "sue@far.test");
    to(&c, "ann@our.test", "250 ");
    data(&c, "Subject: x", "250 ");
    CHECK(count(ann) == 1 && queued() == 0);
    close_client(&c);
    close_all();
}

/* ---- loops ---- */

static void loop_task(void *arg)
{
    struct client c;
    open_all();
    add_alias("out@our.test", "ann@our.test", "x@away.test");
    alias("other@our.test", "y@away.test");
    hello(&c, &mx);
    mail(&c, "sue@far.test");
    to(&c, "out@our.test", "250 ");
    data(&c, "Received: x\r\ndelivered-to:\r\n Out@Our.test\r\nSubject: x",
        "554 5.4.6 Mail loop: the message has been forwarded by out@our.test before");
    CHECK(queued() == 0 && count(ann) == 0);
    /* Somebody else's, the body's, and one that is not of this recipient are no reason. */
    mail(&c, "sue@far.test");
    to(&c, "out@our.test", "250 ");
    data(&c,
        "Delivered-To: out@away.test\r\nDelivered-To: other@our.test\r\nDelivered-To: (\r\n\r\n"
        "Delivered-To: out@our.test",
        "250 ");
    CHECK(queued() == 1 && count(ann) == 1);
    /* With another recipient the message is taken, but does not go round again. */
    mail(&c, "sue@far.test");
    to(&c, "other@our.test", "250 ");
    to(&c, "out@our.test", "250 ");
    data(&c, "Delivered-To: out@our.test", "250 ");
    CHECK(queued() == 1 && !strcmp(entries[0].alias, "other@our.test") && count(ann) == 2);
    /* For accounts alone it says nothing. */
    mail(&c, "sue@far.test");
    to(&c, "ann@our.test", "250 ");
    data(&c, "Delivered-To: ann@our.test", "250 ");
    CHECK(queued() == 0 && count(ann) == 3);
    close_client(&c);
    close_all();
}

/* Behind 300 KB of header, which is no longer in memory; and at most 100 of them. */
static void far_loop_task(void *arg)
{
    struct client c;
    open_all();
    alias("out@our.test", "x@away.test");
    hello(&c, &mx);
    for (int loop = 0; loop < 2; loop++) {
        mail(&c, "sue@far.test");
        to(&c, "out@our.test", "250 ");
        SAYS(&c, DATA, "354 ");
        for (int i = 0; i < 300; i++) {
            say_bytes(&c, S("X: "));
            filler(&c, 1024);
        }
        say_bytes(
            &c, loop ? S("Delivered-To: out@our.test\r\n") : S("Delivered-To: o@our.test\r\n"));
        SAYS(&c, ".\r\n", loop ? "554 5.4.6 " : "250 ");
        CHECK(queued() == (loop ? 0 : 1));
    }
    for (int more = 0; more < 2; more++) {
        mail(&c, "sue@far.test");
        to(&c, "out@our.test", "250 ");
        SAYS(&c, DATA, "354 ");
        for (int i = 0; i < INTAKE_RECEIVED_MAX + more; i++)
            say_bytes(&c, S("Delivered-To: x@x.test\r\n"));
        SAYS(&c, ".\r\n", more ? "554 5.4.6 Too many hops: 101 Delivered-To" : "250 ");
    }
    for (int more = 0; more < 2; more++) {
        mail(&c, "sue@far.test");
        to(&c, "out@our.test", "250 ");
        SAYS(&c, DATA, "354 ");
        for (int i = 0; i < INTAKE_RECEIVED_MAX - 1 + more; i++)
            say_bytes(&c, S("Received: x\r\n"));
        SAYS(&c, ".\r\n", more ? "554 5.4.6 Too many hops: 100 Received" : "250 ");
    }
    CHECK(queued() == 2);
    close_client(&c);
    close_all();
}

static void lmtp_task(void *arg)
{
    struct client c;
    open_all();
    add_alias("out@our.test", "bob@our.test", "x@away.test");
    alias("other@our.test", "y@away.test");
    hello(&c, &lmtp);
    mail(&c, "sue@far.test");
    to(&c, "ann@our.test", "250 ");
    to(&c, "out@our.test", "250 ");
    to(&c, "other@our.test", "250 ");
    data(&c, "Delivered-To: out@our.test", "250 ");
    HEARS(&c, "554 5.4.6 ");
    HEARS(&c, "250 ");
    CHECK(count(ann) == 1 && count(bob) == 0 && queued() == 1);
    CHECK(!strcmp(entries[0].alias, "other@our.test"));
    /* Larger than bob's mailbox: the copy leaves all the same. */
    mail(&c, "sue@far.test");
    to(&c, "out@our.test", "250 ");
    to(&c, "bob@our.test", "250 ");
    SAYS(&c, DATA, "354 ");
    say_bytes(&c, S("Subject: x\r\n\r\n"));
    filler(&c, 8192);
    SAYS(&c, ".\r\n", "250 ");
    HEARS(&c, "250 ");
    CHECK(count(bob) == 1 && queued() == 1);
    close_client(&c);
    close_all();
}

/* ---- limits ---- */

static void wide(const char *address, size_t n, const char *domain)
{
    static char names[DIRECTORY_TARGETS_MAX][64];
    static struct slice targets[DIRECTORY_TARGETS_MAX];
    char why[DIRECTORY_WHY];
    for (size_t i = 0; i < n; i++) {
        snprintf(names[i], sizeof names[i], "u%zu@%s", i, domain);
        targets[i] = slice_str(names[i]);
    }
    CHECK(
        directory_alias_add(directory, slice_str(address), targets, n, why, SOON) == DIRECTORY_OK);
}

static void limits_task(void *arg)
{
    struct client c;
    char name[64];
    open_all();
    wide("most@our.test", 999, "away.test");
    wide("two@our.test", 2, "far.test");
    wide("all@our.test", 1000, "away.test");
    alias("one@our.test", "one@far.test");
    alias("@our.test", "any@away.test");
    hello(&c, &mx);
    one(&c, "sue@far.test", "all@our.test");
    CHECK(queued() == 1000);
    mail(&c, "sue@far.test");
    to(&c, "most@our.test", "250 ");
    to(&c, "two@our.test", "452 4.5.3 ");
    to(&c, "one@our.test", "250 ");
    to(&c, "MOST@our.test", "250 ");
    to(&c, "any@our.test", "452 4.5.3 ");
    data(&c, "Subject: x", "250 ");
    CHECK(queued() == 1000);
    mail(&c, "sue@far.test");
    for (int i = 0; i <= 100; i++) {
        snprintf(name, sizeof name, "u%d@our.test", i);
        to(&c, name, i < 100 ? "250 " : "452 4.5.3 ");
    }
    to(&c, "ann@our.test", "250 ");
    data(&c, "Subject: x", "250 ");
    CHECK(queued() == 1 && count(ann) == 1); /* all to one address */
    close_client(&c);
    close_all();
}

/* ---- senders ---- */

static void senders_task(void *arg)
{
    struct client c;
    char domain[DIRECTORY_DOMAIN_MAX + 1], address[400], why[DIRECTORY_WHY];
    open_all();
    alias("out@our.test", "x@away.test");
    hello(&c, &mx);
    one(&c, "SRS0=hhh=tt=first.test=joe@hop.test", "out@our.test");
    CHECK(queued() == 1 && strstr(entries[0].sender, "=hop.test==hhh=tt=first.test=joe@our.test"));
    CHECK(!strncmp(entries[0].sender, "SRS1=", 5));
    one(&c, "\"a b\"@far.test", "out@our.test");
    CHECK(queued() == 1 && strstr(entries[0].sender, "=far.test=@our.test"));
    one(&c, "0123456789012345678901234567890123456789012345678901234567890123@far.test",
        "out@our.test");
    CHECK(queued() == 1 && strstr(entries[0].sender, "=far.test=@our.test"));
    SAYS(&c, "MAIL FROM:<j\u00f6@far.test> SMTPUTF8\r\n", "250 ");
    to(&c, "out@our.test", "250 ");
    data(&c, "Subject: x", "250 ");
    CHECK(queued() == 1 && strstr(entries[0].sender, "=far.test=@our.test"));
    CHECK(entries[0].flags == 0); /* nothing in it needs SMTPUTF8 */
    SAYS(&c, "MAIL FROM:<joe@far.test> SMTPUTF8\r\n", "250 ");
    to(&c, "out@our.test", "250 ");
    data(&c, "Subject: j\u00f6", "250 ");
    CHECK(queued() == 1 && entries[0].flags == (QUEUE_UTF8 | QUEUE_8BIT));
    /* A domain so long that no such sender fits. */
    memset(domain, 'd', sizeof domain);
    for (size_t i = 60; i < 240; i += 60)
        domain[i] = '.';
    memcpy(domain + 240, ".test", 6);
    CHECK(directory_domain_add(directory, slice_str(domain), why, SOON) == DIRECTORY_OK);
    snprintf(address, sizeof address, "o@%s", domain);
    alias(address, "x@away.test");
    one(&c, "sue@far.test", address);
    CHECK(queued() == 1 && !strcmp(entries[0].sender, address));
    close_client(&c);
    close_all();
}

/* An alias in Unicode needs SMTPUTF8 on its way, for the field that names it. */
static void unicode_task(void *arg)
{
    struct client c;
    open_all();
    alias("j\u00f6@our.test", "x@away.test");
    hello(&c, &mx);
    SAYS(&c, "MAIL FROM:<sue@far.test> SMTPUTF8\r\n", "250 ");
    to(&c, "J\u00d6@our.test", "250 ");
    data(&c, "Subject: x", "250 ");
    CHECK(queued() == 1 && !strcmp(entries[0].alias, "j\u00f6@our.test"));
    CHECK(entries[0].flags == QUEUE_UTF8 && !entries[0].orcpt[0]);
    SAYS(&c, "MAIL FROM:<sue@far.test> SMTPUTF8\r\n", "250 ");
    to(&c, "j\u00f6@our.test", "250 ");
    data(&c, "Delivered-To: j\u00f6@our.test", "554 5.4.6 ");
    close_client(&c);
    close_all();
}

/* ---- what comes back ---- */

static void bounces_task(void *arg)
{
    struct client c;
    char to_ann[QUEUE_ADDRESS_MAX + 1], to_nobody[QUEUE_ADDRESS_MAX + 1],
        bad[QUEUE_ADDRESS_MAX + 1];
    char why[DIRECTORY_WHY];
    struct directory_account_change off = {.set_disabled = true, .disabled = true};
    open_all();
    uint64_t carl = add_account("carl@our.test", 0, false);
    add_alias("out@our.test", "x@away.test", "carl@our.test");
    alias("away@our.test", "x@away.test");
    hello(&c, &mx);
    one(&c, "sue@far.test", "out@our.test");
    CHECK(queued() == 1 && count(carl) == 1);
    memcpy(to_ann, entries[0].sender, sizeof to_ann);
    one(&c, "sue@far.test", "away@our.test");
    CHECK(queued() == 1);
    memcpy(to_nobody, entries[0].sender, sizeof to_nobody);
    alias("@our.test", "bob@our.test"); /* a catch-all takes none of these */
    one(&c, "", to_ann);
    CHECK(count(carl) == 2 && queued() == 0);
    one(&c, "", to_nobody); /* the domain's first account */
    CHECK(count(ann) == 1 && queued() == 0);
    mail(&c, "sue@far.test");
    to(&c, to_ann, "550 5.7.1 This address takes reports");
    SAYS(&c, "RSET\r\n", "250 ");
    mail(&c, "");
    memcpy(bad, to_ann, sizeof bad);
    bad[6] = bad[6] == 'x' ? 'y' : 'x';
    to(&c, bad, "550 5.1.1 No such address");
    to(&c, "SRS0=x@our.test", "550 5.1.1 No such address");
    to(&c, "SRS0=x@away.test", "550 5.7.1 Relaying denied");
    struct intake_srs old = {.local = S("joe"),
        .domain = S("far.test"),
        .ours = S("our.test"),
        .account = carl,
        .seconds = clock_wall() / 1000000 - (int64_t)22 * 86400};
    uint8_t key[INTAKE_SRS_KEY];
    directory_key(directory, "srs", key);
    size_t n = intake_srs_encode(key, &old, bad);
    snprintf(bad + n, sizeof bad - n, "@our.test");
    to(&c, bad, "550 5.7.1 This address was good for 21 days");
    SAYS(&c, "RSET\r\n", "250 ");
    CHECK(directory_account_set(directory, S("carl@our.test"), &off, why, SOON) == DIRECTORY_OK);
    one(&c, "", to_ann);
    CHECK(count(carl) == 2 && count(ann) == 2);
    CHECK(directory_account_remove(directory, S("carl@our.test"), NULL, why, SOON) == DIRECTORY_OK);
    one(&c, "", to_ann);
    CHECK(count(ann) == 3 && count(bob) == 0);
    /* A postmaster elsewhere gets them, still without a sender. */
    alias("postmaster@our.test", "admin@away.test");
    one(&c, "", to_ann);
    CHECK(queued() == 1 && !strcmp(entries[0].recipient, "admin@away.test"));
    CHECK(!entries[0].sender[0]);
    /* However many the postmaster is. */
    CHECK(directory_alias_remove(directory, S("postmaster@our.test"), why, SOON) == DIRECTORY_OK);
    struct slice crew[6] = {S("ann@our.test"), S("c1@our.test"), S("c2@our.test"), S("c3@our.test"),
        S("c4@our.test"), S("c5@our.test")};
    for (size_t i = 1; i < 6; i++) {
        char address[32];
        slice_to_cstr(crew[i], address, sizeof address);
        add_account(address, 0, false);
    }
    CHECK(directory_alias_add(directory, S("postmaster@our.test"), crew, 6, why, SOON) ==
          DIRECTORY_OK);
    one(&c, "", to_ann);
    CHECK(count(ann) == 4);
    close_client(&c);
    close_all();
}

static void no_queue_task(void *arg)
{
    struct client c;
    struct queue *q;
    open_all();
    q = options.queue;
    options.queue = NULL;
    add_alias("out@our.test", "ann@our.test", "x@away.test");
    hello(&c, &mx);
    mail(&c, "sue@far.test");
    to(&c, "out@our.test", "550 5.7.1 This server does not send to other domains");
    close_client(&c);
    options.queue = q;
    close_all();
}

#define WORLD_TEST(name)                                                                           \
    static void test_##name(void **state)                                                          \
    {                                                                                              \
        world(name##_task);                                                                        \
    }
WORLD_TEST(both)
WORLD_TEST(several)
WORLD_TEST(catch_all)
WORLD_TEST(one_of_two)
WORLD_TEST(loop)
WORLD_TEST(far_loop)
WORLD_TEST(lmtp)
WORLD_TEST(limits)
WORLD_TEST(senders)
WORLD_TEST(unicode)
WORLD_TEST(bounces)
WORLD_TEST(no_queue)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_both),
        cmocka_unit_test(test_several),
        cmocka_unit_test(test_catch_all),
        cmocka_unit_test(test_one_of_two),
        cmocka_unit_test(test_loop),
        cmocka_unit_test(test_far_loop),
        cmocka_unit_test(test_lmtp),
        cmocka_unit_test(test_limits),
        cmocka_unit_test(test_senders),
        cmocka_unit_test(test_unicode),
        cmocka_unit_test(test_bounces),
        cmocka_unit_test(test_no_queue),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
