/* What was held and is due now, into accounts of a directory over a harsh memory store. */
#include "base/log.h"
#include "delivery/here.h"
#include "mailbox/mailbox.h"
#include "unit/queue/fixture.h"
#include <stdlib.h>

#define BODY "Return-Path: <joe@away.test>\r\nSubject: x\r\n\r\nhello\r\n"

static struct directory *directory;
static struct delivery_here here;
static struct queue *q;

static uint64_t add_account(const char *address, uint64_t quota)
{
    char why[DIRECTORY_WHY];
    uint64_t id = 0;
    const struct directory_new_account a = {.address = slice_str(address), .quota = quota};
    CHECK(directory_account_add(directory, &a, &id, why, SOON) == DIRECTORY_OK);
    return id;
}

static void add_alias(const char *address, const char *one, const char *two)
{
    char why[DIRECTORY_WHY];
    const struct slice targets[] = {slice_str(one), slice_str(two)};
    CHECK(directory_alias_add(directory, slice_str(address), targets, *two ? 2 : 1, why, SOON) ==
          DIRECTORY_OK);
}

static void disable(const char *address, bool on)
{
    char why[DIRECTORY_WHY];
    const struct directory_account_change change = {.set_disabled = true, .disabled = on};
    CHECK(directory_account_set(directory, slice_str(address), &change, why, SOON) == DIRECTORY_OK);
}

static uint64_t ann, bob, tiny;

static void begin(void)
{
    char why[512];
    fixture_open(3);
    const struct directory_options d = {.store = fixture_store};
    CHECK(directory = directory_open(&d, why, SOON));
    CHECK(directory_domain_add(directory, S("our.test"), why, SOON) == DIRECTORY_OK);
    ann = add_account("ann@our.test", 0);
    bob = add_account("bob@our.test", 0);
    tiny = add_account("tiny@our.test", 10);
    add_alias("both@our.test", "ann@our.test", "bob@our.test");
    add_alias("desk@our.test", "bob@our.test", "");
    here = (struct delivery_here){.store = fixture_store, .directory = directory};
    const struct queue_options o = {
        .store = fixture_store, .carry = delivery_here_carry, .arg = &here};
    CHECK(q = queue_open(&o, why, SOON));
    queue_start(q);
}

static void end(void)
{
    uint64_t blobs;
    queue_stop(q, SOON);
    queue_close(q);
    CHECK(fixture_verify(&blobs) == 0);
    directory_close(directory);
    fixture_close();
}

/* Recipients divided by blanks. */
static void put(const char *route, const char *to)
{
    struct queue_recipient r[8];
    struct slice rest = slice_str(to);
    struct queue_new new = {
        .message = {.created = clock_wall() / 1000000, .sender = S("joe@away.test")},
        .recipients = r};
    while (rest.n)
        r[new.n++] =
            (struct queue_recipient){.address = slice_cut(&rest, ' '), .route = slice_str(route)};
    CHECK(fixture_put(&new, S(BODY)) == OUTCOME_DONE);
    queue_wake(q, &new);
}

static uint64_t entries(void)
{
    struct queue_figures f;
    CHECK(queue_figures(q, &f, SOON));
    return f.entries;
}

static void await(uint64_t wanted)
{
    while (entries() != wanted)
        task_sleep(deadline_in(CLOCK_MS));
}

static size_t count(uint64_t account)
{
    struct mailbox_listing l = {0};
    enum outcome o = mailbox_list_messages(fixture_store, account, MAILBOX_INBOX, &l, SOON);
    size_t n = o == OUTCOME_DONE ? l.n : 0;
    mailbox_listing_finish(&l);
    return n;
}

/* The one entry that is left was tried once and waits. */
struct left {
    uint32_t attempts;
    char reply[128];
};

static void left_fn(struct store_view *v, void *arg)
{
    struct left *l = arg;
    struct store_cursor c;
    struct slice key, row, prefix = slice(&(const char){KEY_QUEUE_MESSAGE}, 1);
    uint64_t message;
    uint32_t index;
    struct queue_entry e;
    store_seek(v, prefix, &c);
    while (store_next_with(&c, prefix, &key, &row))
        if (queue_row_parse_entry(key, &message, &index)) {
            CHECK(queue_row_unpack_entry(row, message, index, &e));
            l->attempts = e.attempts;
            slice_to_cstr(e.reply, l->reply, sizeof l->reply);
        }
}

static void waits(const char *why)
{
    struct left l = {0};
    while (!l.attempts) {
        CHECK(
            store_read(fixture_store, queue_partition(q), left_fn, &l, NULL, SOON) == OUTCOME_DONE);
        task_sleep(deadline_in(CLOCK_MS));
    }
    CHECK(strstr(l.reply, why) && entries() == 1);
}

static void delivers_task(void *arg)
{
    begin();
    put("!here", "ann@our.test");
    await(0);
    CHECK(count(ann) == 1 && count(bob) == 0);
    put("!here", "both@our.test bob@our.test desk@our.test Bob+tag@our.test");
    await(0);
    CHECK(count(ann) == 2 && count(bob) == 1); /* one copy each */
    put("!here", "postmaster");
    await(0);
    CHECK(count(ann) == 3);
    put("!told", "ann@our.test"); /* it is there already */
    put("!expanded", "both@our.test");
    put("!relayed", "away@our.test");
    await(0);
    CHECK(count(ann) == 3 && count(bob) == 1);
    end();
}

static void delivers(void **state)
{
    CHECK(runtime_run(&(struct runtime_options){.reactors = 1}, delivers_task, NULL));
}

static void refuses_task(void *arg)
{
    begin();
    put("!here", "gone@our.test x@away.test tiny@our.test ann@our.test"); /* too large for tiny */
    await(0);
    CHECK(count(ann) == 1 && count(tiny) == 0);
    end();
    begin();
    disable("bob@our.test", true);
    put("!here", "bob@our.test");
    waits("disabled");
    CHECK(count(bob) == 0);
    end();
}

static void refuses(void **state)
{
    CHECK(runtime_run(&(struct runtime_options){.reactors = 1}, refuses_task, NULL));
}

static void routes(void **state)
{
    assert_true(delivery_here_route(DELIVERY_HERE) && delivery_here_route(DELIVERY_TOLD) &&
                delivery_here_route(DELIVERY_EXPANDED));
    assert_false(delivery_here_route(S("away.test")) || delivery_here_route(S("[192.0.2.1]")) ||
                 delivery_here_route(S("")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(routes),
        cmocka_unit_test(delivers),
        cmocka_unit_test(refuses),
    };
    log_start(2, LOG_ERROR, LOG_LOGFMT);
    int bad = cmocka_run_group_tests(tests, NULL, NULL);
    log_stop();
    return bad;
}
