#include "queue/row.h"
#include "unit/unit.h"

static char text[1024];

static const struct queue_message message = {
    .id = 77,
    .blob = 5,
    .size = 1234,
    .account = 9,
    .created = 1000,
    .hold_until = 2000,
    .deliver_by = 3000,
    .expires = 4000,
    .flags = QUEUE_UTF8 | QUEUE_IS_REPORT,
    .priority = -9,
    .entries = 3,
    .sender = {"a@b.example", 11},
    .envid = {"QQ+3D", 5},
    .trace = {"0123456789abcdef", 16},
};

static struct queue_entry entry_of(size_t n)
{
    return (struct queue_entry){
        .message = 77,
        .index = 2,
        .state = QUEUE_HELD,
        .attempts = 4,
        .next = 100,
        .notice = 200,
        .notify = QUEUE_NOTIFY_SUCCESS | QUEUE_NOTIFY_DELAY,
        .recipient = slice(text, n < QUEUE_ADDRESS_MAX ? n : QUEUE_ADDRESS_MAX),
        .route = slice(text, n < QUEUE_ROUTE_MAX ? n : QUEUE_ROUTE_MAX),
        .orcpt = slice(text, n < QUEUE_ORCPT_MAX ? n : QUEUE_ORCPT_MAX),
        .reply = slice(text, n),
        .remote = slice(text, n < QUEUE_REMOTE_MAX ? n : QUEUE_REMOTE_MAX),
    };
}

static void a_message_comes_back(void **state)
{
    char row[QUEUE_ROW_MESSAGE];
    struct queue_message m;
    size_t n = queue_row_pack_message(&message, row);
    assert_true(queue_row_unpack_message(slice(row, n), 77, &m));
    assert_int_equal(m.id, 77);
    assert_int_equal(m.blob, 5);
    assert_int_equal(m.size, 1234);
    assert_int_equal(m.account, 9);
    assert_int_equal(m.created, 1000);
    assert_int_equal(m.hold_until, 2000);
    assert_int_equal(m.deliver_by, 3000);
    assert_int_equal(m.expires, 4000);
    assert_int_equal(m.flags, QUEUE_UTF8 | QUEUE_IS_REPORT);
    assert_int_equal(m.priority, -9);
    assert_int_equal(m.entries, 3);
    assert_slice(m.sender, S("a@b.example"));
    assert_slice(m.envid, S("QQ+3D"));
    assert_slice(m.trace, S("0123456789abcdef"));
    for (size_t i = 0; i < n; i++)
        assert_false(queue_row_unpack_message(slice(row, i), 77, &m));
    row[0] = 2;
    assert_false(queue_row_unpack_message(slice(row, n), 77, &m));
}

static void an_alias_comes_back(void **state)
{
    char row[QUEUE_ROW_MESSAGE];
    struct queue_message in = message, m;
    size_t plain = queue_row_pack_message(&in, row);
    in.alias = slice(text, QUEUE_ADDRESS_MAX);
    size_t n = queue_row_pack_message(&in, row);
    assert_true(queue_row_unpack_message(slice(row, n), 77, &m));
    assert_slice(m.alias, in.alias);
    for (size_t i = plain + 1; i < n; i++)
        assert_false(queue_row_unpack_message(slice(row, i), 77, &m));
    assert_true(queue_row_unpack_message(slice(row, plain), 77, &m));
    assert_int_equal(m.alias.n, 0);
    row[plain] = row[plain + 1] = 0; /* none is not written */
    assert_false(queue_row_unpack_message(slice(row, plain + 2), 77, &m));
}

static void an_entry_comes_back_and_is_cut(void **state)
{
    char row[QUEUE_ROW_ENTRY];
    struct queue_entry in = entry_of(QUEUE_REPLY_MAX + 1), e;
    size_t n = queue_row_pack_entry(&in, row);
    assert_int_equal(n, QUEUE_ROW_ENTRY);
    assert_true(queue_row_unpack_entry(slice(row, n), 77, 2, &e));
    assert_int_equal(e.reply.n, QUEUE_REPLY_MAX);
    assert_int_equal(e.recipient.n, QUEUE_ADDRESS_MAX);
    assert_int_equal(e.state, QUEUE_HELD);
    assert_int_equal(e.attempts, 4);
    assert_int_equal(e.next, 100);
    assert_int_equal(e.notice, 200);
    assert_int_equal(e.notify, QUEUE_NOTIFY_SUCCESS | QUEUE_NOTIFY_DELAY);
    for (size_t i = 0; i < n; i++)
        assert_false(queue_row_unpack_entry(slice(row, i), 77, 2, &e));
    row[1] = QUEUE_DOOMED + 1;
    assert_false(queue_row_unpack_entry(slice(row, n), 77, 2, &e));
}

static void keys_sort_and_come_apart(void **state)
{
    struct queue_row_due due = {S("b.example"), 7, 500, 9, 1}, back;
    struct queue_row_key k = queue_row_key_due(&due), later, lane;
    int64_t time;
    uint64_t id;
    uint32_t index;
    assert_true(queue_row_parse_due(queue_row_key_slice(&k), &back));
    assert_slice(back.route, due.route);
    assert_true(back.account == 7 && back.next == 500 && back.message == 9 && back.index == 1);
    due.next = 501;
    later = queue_row_key_due(&due);
    lane = queue_row_key_lane(due.route, 7);
    assert_true(slice_cmp(queue_row_key_slice(&k), queue_row_key_slice(&later)) < 0);
    assert_true(slice_starts(queue_row_key_slice(&k), queue_row_key_slice(&lane)));
    for (size_t i = 0; i < k.n; i++)
        assert_false(queue_row_parse_due(slice(k.p, i), &back));
    k = queue_row_key_deadline(88, 9, 3);
    assert_true(queue_row_parse_deadline(queue_row_key_slice(&k), &time, &id, &index));
    assert_true(time == 88 && id == 9 && index == 3);
    k = queue_row_key_entry(9, 3);
    assert_true(queue_row_parse_entry(queue_row_key_slice(&k), &id, &index));
    assert_false(queue_row_parse_message(queue_row_key_slice(&k), &id));
    due.route = slice(text, QUEUE_ROUTE_MAX);
    k = queue_row_key_due(&due);
    assert_int_equal(k.n, QUEUE_ROW_KEY_MAX);
    assert_true(k.n <= STORE_KEY_MAX);
    assert_true(queue_row_parse_due(queue_row_key_slice(&k), &back));
}

static void headers_and_routes_come_back(void **state)
{
    char row[QUEUE_ROW_ROUTE];
    struct queue_row_header h = {1, 2, 3, 4, 5}, header;
    struct queue_row_route r = {3, 10, 20, S("4.4.1"), S("no"), S("mx")}, route;
    size_t n = queue_row_pack_header(&h, row);
    assert_true(queue_row_unpack_header(slice(row, n), &header));
    assert_memory_equal(&h, &header, sizeof h);
    assert_false(queue_row_unpack_header(slice(row, n + 1), &header));
    n = queue_row_pack_route(&r, row);
    assert_true(queue_row_unpack_route(slice(row, n), &route));
    assert_true(route.failures == 3 && route.since == 10 && route.until == 20);
    assert_slice(route.reply, S("no"));
    assert_false(queue_row_unpack_route(slice(row, n - 1), &route));
}

static void ids_are_eleven_letters(void **state)
{
    static const uint64_t ids[] = {1, 61, 62, UINT64_C(1) << 62, UINT64_MAX};
    char one[16], two[16] = "";
    uint64_t id;
    for (size_t i = 0; i < sizeof ids / sizeof *ids; i++) {
        queue_id_text(ids[i], one);
        assert_int_equal(strlen(one), 11);
        assert_true(strcmp(two, one) < 0);
        assert_true(queue_id_parse(slice_str(one), &id) && id == ids[i]);
        memcpy(two, one, sizeof two);
    }
    assert_false(queue_id_parse(S("00000000000"), &id));
    assert_false(queue_id_parse(S("zzzzzzzzzzz"), &id)); /* above 2^64 */
    assert_false(queue_id_parse(S("0000000001"), &id));
    assert_false(queue_id_parse(S("0000000000-"), &id));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_message_comes_back),
        cmocka_unit_test(an_alias_comes_back),
        cmocka_unit_test(an_entry_comes_back_and_is_cut),
        cmocka_unit_test(keys_sort_and_come_apart),
        cmocka_unit_test(headers_and_routes_come_back),
        cmocka_unit_test(ids_are_eleven_letters),
    };
    memset(text, 'x', sizeof text);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
