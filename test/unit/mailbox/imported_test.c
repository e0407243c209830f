#include "mailbox/imported.h"
#include "mailbox/row.h"
#include "unit/mailbox/fixture.h"

static struct imported_message message_of(uint8_t id)
{
    struct imported_message m = {.account = ACCOUNT, .mailbox = MAILBOX_INBOX, .date = 1000};
    memset(m.id, id, sizeof m.id);
    return m;
}

/* The harsh store ends some commits unknown: then the import is said again. */
static enum imported add(struct imported_message *m, struct slice text)
{
    struct spool_options options = {.tmp_dir = -1};
    struct spool *body = spool_create(&options);
    CHECK(body && spool_write(body, text) == SPOOL_OK && spool_end(body, SOON) == OUTCOME_DONE);
    m->body = body;
    enum imported r = imported_add(fixture_store, m, SOON);
    spool_destroy(body);
    return r;
}

struct look {
    uint32_t id;
    struct mailbox mailbox;
    struct mailbox_message message;
    int one, two;
};

static void look_fn(struct store_view *v, void *arg)
{
    struct look *l = arg;
    CHECK(mailbox_read(v, l->id, &l->mailbox));
    if (l->mailbox.messages)
        CHECK(mailbox_read_message(v, l->id, 1, &l->message));
    l->one = mailbox_find_keyword(v, l->id, S("one"));
    l->two = mailbox_find_keyword(v, l->id, S("two"));
}

static struct look look(uint32_t id)
{
    struct look l = {.id = id};
    store_partition p = mailbox_partition(ACCOUNT);
    CHECK(store_read(fixture_store, p, look_fn, &l, NULL, SOON) == OUTCOME_DONE);
    return l;
}

static void once(void *arg)
{
    const struct slice words[] = {S("one"), S("two")};
    struct imported_message m = message_of(1);
    fixture_open();
    CHECK(mailbox_open_account(fixture_store, ACCOUNT, SOON) == OUTCOME_DONE);
    m.flags = MAILBOX_SEEN | MAILBOX_FLAGGED;
    m.keywords = words;
    m.keyword_n = 2;
    m.zone = 60;
    CHECK(add(&m, S("Subject: x\r\n\r\n")) == IMPORTED_KEPT_NOW && m.uid == 1);
    for (int i = 0; i < 10; i++)
        CHECK(add(&m, S("Subject: x\r\n\r\n")) == IMPORTED_ALREADY);
    struct look l = look(MAILBOX_INBOX);
    CHECK(l.mailbox.messages == 1 && l.mailbox.unseen == 0 && l.message.flags == m.flags);
    CHECK(l.message.date == 1000 && l.message.zone == 60 && l.message.size == 14);
    CHECK(l.one >= 0 && l.two >= 0 &&
          l.message.keywords == (UINT64_C(1) << l.one | UINT64_C(1) << l.two));
    uint8_t ids[3][IMPORTED_ID] = {{0}};
    bool found[3];
    memset(ids[1], 1, IMPORTED_ID);
    memset(ids[2], 2, IMPORTED_ID);
    CHECK(imported_ask(fixture_store, ACCOUNT, (const uint8_t(*)[IMPORTED_ID])ids, 3, found,
              SOON) == OUTCOME_DONE);
    CHECK(!found[0] && found[1] && !found[2]);
    CHECK(imported_ask(fixture_store, ACCOUNT, (const uint8_t(*)[IMPORTED_ID])ids, IMPORTED_ASK + 1,
              found, SOON) == OUTCOME_FAILED);
    CHECK(fixture_faults(false) == 0);
    fixture_close();
}

static void quota(void *arg)
{
    struct imported_message m = message_of(1);
    fixture_open();
    CHECK(mailbox_open_account(fixture_store, ACCOUNT, SOON) == OUTCOME_DONE);
    m.quota = 9;
    CHECK(add(&m, S("0123456789")) == IMPORTED_OVER_QUOTA);
    m.quota = 10;
    CHECK(add(&m, S("0123456789")) == IMPORTED_KEPT_NOW);
    CHECK(add(&m, S("0123456789")) == IMPORTED_ALREADY); /* which needs no room */
    m = message_of(2);
    m.quota = 10;
    CHECK(add(&m, S("x")) == IMPORTED_OVER_QUOTA);
    m.quota = 0;
    CHECK(add(&m, S("x")) == IMPORTED_KEPT_NOW);
    m = message_of(3);
    m.mailbox = 99;
    CHECK(add(&m, S("x")) == IMPORTED_GONE);
    CHECK(fixture_faults(false) == 0);
    fixture_close();
}

static void mailboxes(void *arg)
{
    uint32_t id, again, parent;
    fixture_open();
    CHECK(imported_mailbox(fixture_store, ACCOUNT, S("a/b/c"), &id, SOON) == OUTCOME_DONE && id);
    CHECK(imported_mailbox(fixture_store, ACCOUNT, S("a/b/c"), &again, SOON) == OUTCOME_DONE);
    CHECK(imported_mailbox(fixture_store, ACCOUNT, S("a"), &parent, SOON) == OUTCOME_DONE);
    CHECK(again == id && parent && parent < id);
    CHECK(imported_mailbox(fixture_store, ACCOUNT, S("INBOX"), &again, SOON) == OUTCOME_DONE);
    CHECK(again == MAILBOX_INBOX);
    struct imported_message m = message_of(1);
    m.mailbox = id;
    CHECK(add(&m, S("x")) == IMPORTED_KEPT_NOW && look(id).mailbox.messages == 1);
    CHECK(fixture_faults(false) == 0);
    CHECK(mailbox_purge(fixture_store, ACCOUNT, SOON) == OUTCOME_DONE);
    m = message_of(2);
    CHECK(add(&m, S("x")) == IMPORTED_GONE);
    CHECK(imported_mailbox(fixture_store, ACCOUNT, S("b"), &id, SOON) == OUTCOME_REFUSED);
    CHECK(fixture_faults(false) == 0);
    fixture_close();
}

static void keywords_end(void *arg)
{
    struct imported_message m = message_of(1);
    char names[MAILBOX_KEYWORDS][8];
    struct slice words[MAILBOX_KEYWORDS];
    fixture_open();
    CHECK(mailbox_open_account(fixture_store, ACCOUNT, SOON) == OUTCOME_DONE);
    for (size_t i = 0; i < MAILBOX_KEYWORDS; i++)
        words[i] = slice(names[i], (size_t)snprintf(names[i], 8, "k%zu", i));
    m.keywords = words;
    m.keyword_n = MAILBOX_KEYWORDS;
    CHECK(add(&m, S("x")) == IMPORTED_KEPT_NOW && !m.keywords_lost);
    CHECK(look(MAILBOX_INBOX).message.keywords == UINT64_MAX);
    m = message_of(2);
    const struct slice more = S("more");
    m.keywords = &more;
    m.keyword_n = 1;
    CHECK(add(&m, S("x")) == IMPORTED_KEPT_NOW && m.keywords_lost);
    CHECK(imported_keyword_valid(S("$Forwarded")) && imported_keyword_valid(S("a")));
    CHECK(!imported_keyword_valid(S("")) && !imported_keyword_valid(S("a b")));
    CHECK(!imported_keyword_valid(S("\\Seen")) && !imported_keyword_valid(S("a\x80")));
    char longest[256];
    memset(longest, 'k', sizeof longest);
    CHECK(imported_keyword_valid(slice(longest, 255)));
    CHECK(!imported_keyword_valid(slice(longest, 256)));
    fixture_close();
}

static void pruned(void *arg)
{
    int64_t now = clock_wall() / 1000000;
    fixture_open();
    CHECK(mailbox_open_account(fixture_store, ACCOUNT, SOON) == OUTCOME_DONE);
    for (uint8_t id = 1; id <= 20; id++) {
        struct imported_message m = message_of(id);
        CHECK(add(&m, S("x")) == IMPORTED_KEPT_NOW);
    }
    CHECK(imported_prune(fixture_store, ACCOUNT, now - 10, SOON) == OUTCOME_DONE);
    struct imported_message m = message_of(20);
    CHECK(add(&m, S("x")) == IMPORTED_ALREADY);
    CHECK(imported_prune(fixture_store, ACCOUNT, now + 3600, SOON) == OUTCOME_DONE);
    CHECK(add(&m, S("x")) == IMPORTED_KEPT_NOW);
    CHECK(fixture_faults(false) == 0);
    fixture_close();
}

/* verify sees a row that is none. */
static enum outcome spoil_fn(struct store_txn *t, void *arg)
{
    char key[] = {KEY_IMPORTED, 1, 2};
    store_put(t, slice(key, sizeof key), S("x"));
    return OUTCOME_DONE;
}

static void damage(void *arg)
{
    fixture_open();
    CHECK(mailbox_open_account(fixture_store, ACCOUNT, SOON) == OUTCOME_DONE);
    struct store_mutation m = {.partition = mailbox_partition(ACCOUNT), .fn = spoil_fn};
    CHECK(store_mutate(fixture_store, &m, NULL, SOON) == OUTCOME_DONE);
    CHECK(fixture_faults(true) == 1);
    fixture_close();
}

#define TEST(name)                                                                                 \
    static void test_##name(void **state)                                                          \
    {                                                                                              \
        fixture_run(name);                                                                         \
    }
TEST(once)
TEST(quota)
TEST(mailboxes)
TEST(keywords_end)
TEST(pruned)
TEST(damage)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_once),
        cmocka_unit_test(test_quota),
        cmocka_unit_test(test_mailboxes),
        cmocka_unit_test(test_keywords_end),
        cmocka_unit_test(test_pruned),
        cmocka_unit_test(test_damage),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
