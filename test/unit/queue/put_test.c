#include "unit/queue/fixture.h"

static struct queue_recipient recipients[QUEUE_PUT_MAX + 1];
static char many[QUEUE_ORCPT_MAX + 1];

static struct queue_new new_of(size_t n)
{
    for (size_t i = 0; i < n; i++)
        recipients[i] =
            (struct queue_recipient){.address = S("x@far.example"), .route = S("far.example")};
    return (struct queue_new){
        .message = {.account = 7, .created = 1000, .sender = S("a@b.example")},
        .recipients = recipients,
        .n = n};
}

struct look {
    uint64_t id;
    uint32_t index;
    struct queue_row_header header;
    struct queue_message message;
    struct queue_entry entry;
};

static void look_fn(struct store_view *v, void *arg)
{
    struct look *l = arg;
    CHECK(queue_row_get_header(v, &l->header));
    CHECK(queue_row_get_message(v, l->id, &l->message));
    CHECK(queue_row_get_entry(v, l->id, l->index, &l->entry));
    CHECK(slice_eq(l->entry.recipient, S("x@far.example")));
}

static struct look look(uint64_t id, uint32_t index)
{
    struct look l = {.id = id, .index = index};
    CHECK(
        store_read(fixture_store, queue_partition(NULL), look_fn, &l, NULL, SOON) == OUTCOME_DONE);
    return l;
}

static void enters(void *arg)
{
    fixture_open(3);
    struct queue_new new = new_of(2);
    recipients[1].held = true;
    recipients[1].orcpt = slice(many, sizeof many);
    CHECK(fixture_put(&new, S("Subject: x\r\n\r\nhello\r\n")) == OUTCOME_DONE);
    struct look l = look(new.message.id, 0);
    CHECK(l.header.entries == 2 && l.header.messages == 1 && l.header.bytes == 21);
    CHECK(l.message.entries == 2 && l.message.expires == 1000 + QUEUE_RETRY_FOR);
    CHECK(l.entry.next == 1000 && l.entry.notice == 1000 + QUEUE_NOTICE_AFTER);
    CHECK(l.entry.state == QUEUE_WAITING && l.entry.attempts == 0);
    l = look(new.message.id, 1);
    CHECK(l.entry.state == QUEUE_HELD && l.entry.orcpt.n == 0 && l.header.held == 1);
    CHECK(fixture_count(KEY_QUEUE_MESSAGE) == 3);
    CHECK(fixture_count(KEY_QUEUE_DUE) == 1 && fixture_count(KEY_QUEUE_DEADLINE) == 1);
    CHECK(fixture_refs() == 1);
    uint64_t first = new.message.id;
    new = new_of(1);
    CHECK(fixture_put(&new, S("y")) == OUTCOME_DONE && new.message.id > first);
    uint64_t blobs;
    CHECK(fixture_verify(&blobs) == 0 && blobs == 2);
    fixture_close();
}

static void a_message_enters_with_its_entries(void **state)
{
    run_on(1, enters, NULL);
}

static void limits(void *arg)
{
    fixture_open(4);
    struct queue_new new = new_of(QUEUE_PUT_MAX + 1);
    CHECK(fixture_put(&new, S("x")) == OUTCOME_REFUSED);
    new = new_of(0);
    CHECK(fixture_put(&new, S("x")) == OUTCOME_REFUSED);
    new = new_of(1);
    recipients[0].route = slice("a\0b", 3);
    CHECK(fixture_put(&new, S("x")) == OUTCOME_REFUSED);
    new = new_of(1);
    recipients[0].address = slice(many, QUEUE_ADDRESS_MAX + 1);
    CHECK(fixture_put(&new, S("x")) == OUTCOME_REFUSED);
    CHECK(fixture_refs() == 0);
    new = new_of(QUEUE_PUT_MAX);
    CHECK(fixture_put(&new, S("x")) == OUTCOME_DONE);
    CHECK(fixture_count(KEY_QUEUE_DUE) == QUEUE_PUT_MAX);
    fixture_close();
}

static void what_is_over_a_limit_is_refused(void **state)
{
    memset(many, 'x', sizeof many);
    run_on(1, limits, NULL);
}

static enum outcome fill_fn(struct store_txn *t, void *arg)
{
    struct queue_row_header h = {.entries = 9, .entries_max = 10};
    queue_row_put_header(t, &h);
    return OUTCOME_DONE;
}

static void full(void *arg)
{
    fixture_open(5);
    struct store_mutation m = {.partition = queue_partition(NULL), .fn = fill_fn};
    CHECK(store_mutate(fixture_store, &m, NULL, SOON) == OUTCOME_DONE);
    struct queue_new new = new_of(2);
    CHECK(fixture_put(&new, S("x")) == OUTCOME_REFUSED);
    new = new_of(1);
    CHECK(fixture_put(&new, S("x")) == OUTCOME_DONE);
    new = new_of(1);
    CHECK(fixture_put(&new, S("x")) == OUTCOME_REFUSED);
    fixture_close();
}

static void a_full_queue_refuses(void **state)
{
    run_on(1, full, NULL);
}

static void times(void *arg)
{
    fixture_open(6);
    struct queue_new new = new_of(1);
    new.message.hold_until = 5000;
    CHECK(fixture_put(&new, S("x")) == OUTCOME_DONE);
    struct look l = look(new.message.id, 0);
    CHECK(l.entry.next == 5000 && l.message.expires == 5000 + QUEUE_RETRY_FOR);
    new = new_of(1);
    new.message.priority = 3;
    CHECK(fixture_put(&new, S("x")) == OUTCOME_DONE);
    CHECK(look(new.message.id, 0).entry.next == 820);
    new = new_of(1);
    new.message.deliver_by = 1060;
    new.message.flags = QUEUE_DELIVERBY_RETURN;
    CHECK(fixture_put(&new, S("x")) == OUTCOME_DONE);
    CHECK(look(new.message.id, 0).message.expires == 1060);
    new = new_of(1);
    new.message.deliver_by = 1060;
    CHECK(fixture_put(&new, S("x")) == OUTCOME_DONE);
    CHECK(look(new.message.id, 0).entry.notice == 1060);
    new = new_of(1);
    recipients[0].notify = QUEUE_NOTIFY_FAILURE;
    CHECK(fixture_put(&new, S("x")) == OUTCOME_DONE);
    CHECK(look(new.message.id, 0).entry.notice == 0);
    new = new_of(1);
    new.message.sender = S("");
    CHECK(fixture_put(&new, S("x")) == OUTCOME_DONE);
    CHECK(look(new.message.id, 0).entry.notice == 0);
    fixture_close();
}

static void times_follow_from_the_message(void **state)
{
    run_on(1, times, NULL);
}

/* ---- damage of each kind is told ---- */

struct damage {
    char key[64];
    size_t key_n;
    bool put;
};

static enum outcome damage_fn(struct store_txn *t, void *arg)
{
    struct damage *d = arg;
    if (d->put)
        store_put(t, slice(d->key, d->key_n), S("\1"));
    else
        store_del(t, slice(d->key, d->key_n));
    return OUTCOME_DONE;
}

static void hurt(struct queue_row_key k, bool put)
{
    struct damage d = {.key_n = k.n, .put = put};
    memcpy(d.key, k.p, k.n);
    struct store_mutation m = {.partition = queue_partition(NULL), .fn = damage_fn, .arg = &d};
    CHECK(store_mutate(fixture_store, &m, NULL, SOON) == OUTCOME_DONE);
}

static void damaged(void *arg)
{
    for (int kind = 0; kind < 6; kind++) {
        uint64_t blobs;
        fixture_open(20);
        struct queue_new new = new_of(2);
        CHECK(fixture_put(&new, S("x")) == OUTCOME_DONE && fixture_verify(&blobs) == 0);
        const struct queue_row_due due = {S("far.example"), 7, 1000, new.message.id, 0};
        const struct queue_row_due other = {S("far.example"), 7, 1001, new.message.id, 0};
        hurt(kind == 0   ? queue_row_key_header()
             : kind == 1 ? queue_row_key_message(new.message.id)
             : kind == 2 ? queue_row_key_entry(new.message.id, 1)
             : kind == 3 ? queue_row_key_due(&due)
             : kind == 4 ? queue_row_key_due(&other)
                         : queue_row_key_deadline(5, new.message.id, 0),
            kind >= 4);
        CHECK(fixture_verify(&blobs) > 0);
        fixture_close();
    }
}

static void damage_is_told(void **state)
{
    run_on(1, damaged, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_message_enters_with_its_entries),
        cmocka_unit_test(what_is_over_a_limit_is_refused),
        cmocka_unit_test(a_full_queue_refuses),
        cmocka_unit_test(times_follow_from_the_message),
        cmocka_unit_test(damage_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
