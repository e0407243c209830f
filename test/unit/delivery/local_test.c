/* Deliveries over a harsh memory store, to so many accounts; ACCOUNT of the fixture is not used. */
#include "delivery/local.h"
#include "unit/mailbox/fixture.h"

#define FIRST 100 /* account numbers from here on */
#define HEAD  "Return-Path: <a@x.example>\r\n"
#define BODY  "Subject: x\r\n\r\nhello\r\n"

static struct delivery_recipient recipients[DELIVERY_ACCOUNTS_MAX + 1];

static struct spool *body_of(struct slice text)
{
    struct spool_options options = {.tmp_dir = -1};
    struct spool *body = spool_create(&options);
    CHECK(body && spool_write(body, text) == SPOOL_OK);
    CHECK(spool_end(body, SOON) == OUTCOME_DONE);
    return body;
}

static enum outcome deliver_counted(
    size_t n, struct delivery_message *m, uint64_t sender, struct sent_add *sent)
{
    *m = (struct delivery_message){
        .head = S(HEAD), .body = body_of(S(BODY)), .now = 5000000, .sender = sender, .sent = sent};
    for (size_t i = 0; i < n; i++)
        recipients[i] =
            (struct delivery_recipient){.account = FIRST + i, .outcome = OUTCOME_UNKNOWN};
    enum outcome o = delivery_local(fixture_store, m, recipients, n, SOON);
    spool_destroy(m->body);
    return o;
}

static enum outcome deliver(size_t n, struct delivery_message *m)
{
    return deliver_counted(n, m, 0, NULL);
}

struct found {
    uint64_t account;
    size_t messages;
    struct mailbox_message last;
};

static void found_fn(struct store_view *v, void *arg)
{
    struct found *f = arg;
    struct store_cursor c;
    struct mailbox_message m;
    f->messages = 0;
    mailbox_seek_message(v, MAILBOX_INBOX, 1, &c);
    while (mailbox_next_message(&c, MAILBOX_INBOX, &m)) {
        f->messages++;
        f->last = m;
    }
}

static struct found look(uint64_t account)
{
    struct found f = {.account = account};
    CHECK(store_read(fixture_store, mailbox_partition(account), found_fn, &f, NULL, SOON) ==
          OUTCOME_DONE);
    return f;
}

static void count_blob(void *arg, store_blob_id id, uint32_t refs, uint64_t size)
{
    uint64_t *seen = arg;
    seen[0] += refs > 0;
    seen[1] += refs;
}

/* Blobs that are referred to, and references. */
static void check_blobs(uint64_t blobs, uint64_t refs)
{
    uint64_t seen[2] = {0};
    CHECK(store_each_blob(fixture_store, count_blob, seen) == OUTCOME_DONE);
    CHECK(seen[0] == blobs && seen[1] == refs);
}

static void check_clean(size_t accounts)
{
    struct verify_refs *refs = verify_refs_create();
    CHECK(refs);
    for (size_t i = 0; i < accounts; i++)
        CHECK(verify_account(fixture_store, FIRST + i, refs, fixture_print_fault, NULL) == 0);
    CHECK(verify_blobs(fixture_store, refs, fixture_print_fault, NULL) == 0);
    verify_refs_destroy(refs);
}

static void check_bytes(store_blob_id id)
{
    struct store_blob *blob;
    char bytes[256];
    size_t got;
    CHECK(store_blob_open(fixture_store, id, &blob, SOON) == OUTCOME_DONE);
    CHECK(store_blob_read(blob, 0, bytes, sizeof bytes, &got, SOON) == OUTCOME_DONE);
    CHECK(slice_eq(slice(bytes, got), S(HEAD BODY)));
    store_blob_close(blob);
}

static void deliver_to(void *arg)
{
    size_t n = *(size_t *)arg;
    struct delivery_message m;
    fixture_open();
    CHECK(deliver(n, &m) == OUTCOME_DONE);
    CHECK(m.size == sizeof HEAD BODY - 1);
    check_bytes(m.blob);
    for (size_t i = 0; i < n; i++) {
        struct found f = look(FIRST + i);
        CHECK(recipients[i].outcome == OUTCOME_DONE && recipients[i].uid == 1);
        CHECK(recipients[i].uidvalidity);
        CHECK(f.messages == 1 && f.last.uid == 1 && f.last.blob == m.blob);
        CHECK(f.last.size == m.size && f.last.date == 5 && f.last.flags == 0);
    }
    check_blobs(1, n);
    CHECK(deliver(1, &m) == OUTCOME_DONE && recipients[0].uid == 2);
    check_clean(n);
    fixture_close();
}

static void to_so_many(void **state)
{
    static const size_t counts[] = {1, 2, 4, 5, 100, DELIVERY_ACCOUNTS_MAX};
    for (size_t i = 0; i < sizeof counts / sizeof *counts; i++)
        CHECK(runtime_run(
            &(struct runtime_options){.reactors = 1}, deliver_to, (void *)(uintptr_t)&counts[i]));
}

static void none_and_too_many(void *arg)
{
    struct delivery_message m;
    fixture_open();
    CHECK(deliver(DELIVERY_ACCOUNTS_MAX + 1, &m) == OUTCOME_FAILED);
    CHECK(recipients[0].outcome == OUTCOME_FAILED);
    CHECK(recipients[DELIVERY_ACCOUNTS_MAX].outcome == OUTCOME_FAILED);
    CHECK(deliver(0, &m) == OUTCOME_FAILED);
    check_blobs(0, 0);
    CHECK(look(FIRST).messages == 0);
    fixture_close();
}

static void remove_account(uint64_t account)
{
    CHECK(mailbox_open_account(fixture_store, account, SOON) == OUTCOME_DONE);
    CHECK(mailbox_purge(fixture_store, account, SOON) == OUTCOME_DONE);
}

static void removed(void *arg)
{
    struct delivery_message m;
    fixture_open();
    remove_account(FIRST + 2);
    for (size_t n = 3; n <= 6; n++) { /* with and without an allocation */
        CHECK(deliver(n, &m) == OUTCOME_DONE);
        for (size_t i = 0; i < n; i++)
            CHECK(recipients[i].outcome == (i == 2 ? OUTCOME_REFUSED : OUTCOME_DONE));
        CHECK(look(FIRST + 2).messages == 0 && look(FIRST).last.blob == m.blob);
    }
    check_blobs(4, 2 + 3 + 4 + 5);
    for (size_t i = 0; i < 6; i++)
        if (i != 2)
            remove_account(FIRST + i);
    for (size_t n = 1; n <= 6; n++) {
        CHECK(deliver(n, &m) == OUTCOME_REFUSED);
        for (size_t i = 0; i < n; i++)
            CHECK(recipients[i].outcome == OUTCOME_REFUSED);
    }
    check_blobs(0, 0);
    fixture_close();
}

static void counts_fn(struct store_view *v, void *arg)
{
    const struct sent_limits none = {0};
    sent_read(v, 5, &none, arg);
}

static uint64_t counted(uint64_t account)
{
    struct sent_counts c;
    CHECK(store_read(fixture_store, mailbox_partition(account), counts_fn, &c, NULL, SOON) ==
          OUTCOME_DONE);
    return c.hour;
}

/* Who writes is among the recipients, or is not; over the limit nobody gets it; the count alone is
 * no delivery. */
static void senders(void *arg)
{
    struct delivery_message m;
    struct sent_add sent = {.now = 5, .limits = {.hour = 20}};
    fixture_open();
    for (size_t n = 1; n <= 5; n++) {
        sent.n = (uint32_t)n;
        uint64_t writer = n % 2 ? FIRST : FIRST + 50;
        CHECK(deliver_counted(n, &m, writer, &sent) == OUTCOME_DONE && !sent.over);
        for (size_t i = 0; i < n; i++)
            CHECK(recipients[i].outcome == OUTCOME_DONE && recipients[i].uid);
    }
    CHECK(counted(FIRST) == 9 && counted(FIRST + 50) == 6);
    for (size_t n = 1; n <= 5; n += 4) {
        size_t before = look(FIRST).messages;
        sent.n = 12;
        CHECK(deliver_counted(n, &m, FIRST, &sent) == OUTCOME_FAILED && sent.over);
        sent.n = 15;
        CHECK(deliver_counted(n, &m, FIRST + 50, &sent) == OUTCOME_FAILED && sent.over);
        CHECK(look(FIRST).messages == before && recipients[0].outcome == OUTCOME_FAILED);
    }
    CHECK(counted(FIRST) == 9 && counted(FIRST + 50) == 6);
    remove_account(FIRST);
    sent.n = 1;
    CHECK(deliver_counted(1, &m, FIRST + 50, &sent) == OUTCOME_REFUSED);
    CHECK(deliver_counted(1, &m, FIRST, &sent) == OUTCOME_REFUSED);
    CHECK(deliver_counted(2, &m, FIRST, &sent) == OUTCOME_DONE);
    CHECK(recipients[0].outcome == OUTCOME_REFUSED && recipients[1].outcome == OUTCOME_DONE);
    check_clean(51);
    fixture_close();
}

/* Commits whose end nobody learns: a message is then in all mailboxes or in none. */
static void unknown(void *arg)
{
    char why[512];
    enum store_open_error error;
    unsigned seen[4] = {0};
    size_t before[5] = {0};
    struct store_options options = {
        .engine = "memory", .dir = -1, .harsh = true, .seed = 3, .unknown_one_in = 3};
    fixture_store = store_open(&options, &error, why);
    CHECK(fixture_store);
    for (int round = 0; round < 60; round++) {
        struct delivery_message m;
        size_t n = (size_t)round % 5 + 1, got = 0;
        enum outcome o = deliver(n, &m);
        seen[o]++;
        CHECK(o == OUTCOME_DONE || o == OUTCOME_UNKNOWN);
        for (size_t i = 0; i < n; i++) {
            size_t messages = look(FIRST + i).messages;
            CHECK(recipients[i].outcome == o);
            CHECK(messages == before[i] || messages == before[i] + 1);
            got += messages - before[i];
            before[i] = messages;
        }
        CHECK(o == OUTCOME_DONE ? got == n : got == 0 || got == n);
    }
    CHECK(seen[OUTCOME_DONE] && seen[OUTCOME_UNKNOWN]);
    check_clean(5);
    fixture_close();
}

static void test_none_and_too_many(void **state)
{
    fixture_run(none_and_too_many);
}

static void test_removed(void **state)
{
    fixture_run(removed);
}

static void test_senders(void **state)
{
    fixture_run(senders);
}

static void test_unknown(void **state)
{
    fixture_run(unknown);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(to_so_many),
        cmocka_unit_test(test_none_and_too_many),
        cmocka_unit_test(test_removed),
        cmocka_unit_test(test_senders),
        cmocka_unit_test(test_unknown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
