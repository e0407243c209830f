/* What is told of a message: every line that belongs to it, and no other. */
#include "base/log.h"
#include "unit/trace/fixture.h"

/* As intake makes them, of the present. */
static void make_id(char id[TRACE_ID_SIZE + 1], unsigned tail)
{
    static const char letters[] = "0123456789abcdefghjkmnpqrstvwxyz";
    uint64_t time = (uint64_t)fixture_wall();
    for (int i = 10; i >= 0; i--, time >>= 5)
        id[i] = letters[time & 31];
    for (int i = 11; i < TRACE_ID_SIZE; i++, tail >>= 5)
        id[i] = letters[tail & 31];
    id[TRACE_ID_SIZE] = '\0';
}

static void accept(const char *id, const char *from, const char *to)
{
    trace_note(TRACE_ACCEPTED, trace_text(TRACE_ID, id), trace_text(TRACE_FROM, from),
        trace_text(TRACE_TO, to), trace_text(TRACE_MESSAGE_ID, "x@y.example"));
}

static void store(const char *id, uint64_t account, uint64_t blob)
{
    trace_note(TRACE_STORED, trace_text(TRACE_ID, id), trace_number(TRACE_ACCOUNT, account),
        trace_number(TRACE_BLOB, blob));
}

static void fetch(uint64_t account, uint64_t blob, const char *peer)
{
    trace_note(TRACE_FETCHED, trace_number(TRACE_ACCOUNT, account), trace_number(TRACE_BLOB, blob),
        trace_text(TRACE_PEER, peer));
}

static void queue(const char *id, const char *queue, const char *to, const char *route)
{
    trace_note(TRACE_QUEUED, trace_text(TRACE_ID, id), trace_text(TRACE_QUEUE, queue),
        trace_text(TRACE_TO, to), trace_text(TRACE_ROUTE, route));
}

static void attempt(const char *id, const char *to, const char *route, const char *what)
{
    trace_note(TRACE_ATTEMPT, trace_text(TRACE_ID, id), trace_text(TRACE_TO, to),
        trace_text(TRACE_ROUTE, route), trace_text(TRACE_WHAT, what));
}

static void down(const char *route)
{
    trace_note(
        TRACE_ROUTE_DOWN, trace_text(TRACE_ROUTE, route), trace_text(TRACE_REPLY, "refused"));
}

static void expect(size_t i, enum trace_kind kind)
{
    CHECK(fixture_line(i).kind == kind);
}

static void links(void *arg)
{
    char one[TRACE_ID_SIZE + 1], two[TRACE_ID_SIZE + 1];
    fixture_open();
    make_id(one, 1);
    make_id(two, 2);
    accept(one, "a@here.example", "b@there.example");
    store(one, 7, 100);
    queue(one, "00000000001", "b@there.example", "there.example");
    accept(two, "z@here.example", "b@there.example");
    store(two, 7, 200);
    trace_note(TRACE_HOST, trace_text(TRACE_ROUTE, "there.example"));
    down("there.example");
    fetch(7, 200, "later");
    fetch(8, 100, "another mailbox");
    fetch(7, 100, "first");
    fetch(7, 100, "again");
    attempt(one, "b@there.example", "there.example", "delivered");
    down("there.example"); /* nothing of this message is there any more */
    CHECK(fixture_ask_id(one) == 7);
    expect(0, TRACE_ACCEPTED);
    expect(1, TRACE_STORED);
    expect(2, TRACE_QUEUED);
    expect(3, TRACE_HOST);
    expect(4, TRACE_ROUTE_DOWN);
    expect(5, TRACE_FETCHED);
    expect(6, TRACE_ATTEMPT);
    struct trace_event e = fixture_line(5);
    CHECK(slice_eq(trace_event_text(&e, TRACE_PEER), S("first")));
    for (size_t i = 0; i < 7; i++)
        CHECK(slice_eq(fixture_answer.lines[i].id, slice_str(one)));
    CHECK(fixture_ask_id("00000000001") == 7 && !fixture_answer.more);
    CHECK(fixture_ask_id("<x@y.example>") == 10); /* both have it */
    CHECK(slice_eq(fixture_answer.lines[0].id, slice_str(two)));
    CHECK(fixture_ask_id("X@y.example") == 0);
    CHECK(fixture_ask_id("0000000000000000") == 0);
    CHECK(fixture_ask_id(two) == 3);
    one[0] = ascii_upper(one[0]); /* as somebody may type it */
    one[11] = ascii_upper(one[11]);
    CHECK(fixture_ask_id(one) == 7);
    fixture_close();
}

static void addresses(void *arg)
{
    char ids[30][TRACE_ID_SIZE + 1];
    fixture_open();
    for (unsigned i = 0; i < 30; i++) {
        make_id(ids[i], i);
        accept(ids[i], i % 2 ? "Odd@here.example" : "even@here.example", "b@there.example");
        store(ids[i], 40 + i, 100 + i);
    }
    attempt(ids[3], "c@there.example", "there.example", "deferred");
    CHECK(fixture_ask_address("odd@HERE.example", 100) == 31 && !fixture_answer.more);
    CHECK(slice_eq(fixture_answer.lines[0].id, slice_str(ids[29])));
    CHECK(slice_eq(fixture_answer.lines[30].id, slice_str(ids[1])));
    /* The one that was last heard of is among the latest two. */
    CHECK(fixture_ask_address("odd@here.example", 15) == 31 && !fixture_answer.more);
    CHECK(fixture_ask_address("odd@here.example", 14) == 29 && fixture_answer.more);
    CHECK(fixture_ask_address("b@there.example", 30) == 61 && !fixture_answer.more);
    CHECK(fixture_ask_address("nobody@here.example", 30) == 0);
    const struct trace_question account = {.account = 45};
    CHECK(fixture_ask(&account) == 2);
    const struct trace_question later = {
        .addresses = {S("odd@here.example")}, .address_n = 1, .since = fixture_wall() + 1000000};
    CHECK(fixture_ask(&later) == 0);
    fixture_close();
}

/* More than an answer holds: what fits is told, and that there is more. */
static void too_much(void *arg)
{
    char id[TRACE_ID_SIZE + 1];
    fixture_open();
    make_id(id, 1);
    for (size_t i = 0; i < TRACE_EVENTS_MAX; i++) {
        attempt(id, "b@there.example", "there.example", "deferred");
        if (i % 200 == 0)
            trace_flush();
    }
    CHECK(fixture_ask_id(id) == TRACE_EVENTS_MAX && !fixture_answer.more);
    attempt(id, "b@there.example", "there.example", "deferred");
    CHECK(fixture_ask_id(id) == TRACE_EVENTS_MAX && fixture_answer.more);
    fixture_close();
}

static void forwards(void *arg)
{
    char why[8] = "";
    struct trace_event e;
    fixture_open();
    trace_write(
        (enum trace_kind)200, 0, &(const struct trace_field){.tag = TRACE_ID, .text = S("0")}, 1);
    trace_write(TRACE_HELD, 0,
        (const struct trace_field[]){trace_text(TRACE_ID, "0"), {.tag = 60, .text = S("later")}},
        2);
    CHECK(fixture_ask_id("0") == 2); /* of a later version: whoever tells leaves them out */
    e = fixture_line(1);
    CHECK(e.kind == TRACE_HELD && e.n == 2 && !*why);
    fixture_close();
}

static void a_message_is_followed(void **state)
{
    run_on(2, links, NULL);
}

static void messages_of_an_address(void **state)
{
    run_on(1, addresses, NULL);
}

static void an_answer_has_an_end(void **state)
{
    run_on(1, too_much, NULL);
}

static void later_versions_are_read(void **state)
{
    run_on(1, forwards, NULL);
}

static void ids_tell_their_time(void **state)
{
    char id[TRACE_ID_SIZE + 1];
    int64_t time, before = fixture_wall();
    make_id(id, 5);
    assert_true(trace_id_time(slice_str(id), &time));
    assert_true(time >= before && time <= fixture_wall());
    assert_false(trace_id_time(S("000000000000000"), &time));
    assert_false(trace_id_time(S("00000000000000000"), &time));
    assert_false(trace_id_time(S("000000000000000l"), &time));
    assert_false(trace_id_time(S("zzzzzzzzzzzzzzzz"), &time)); /* not yet */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_message_is_followed),
        cmocka_unit_test(messages_of_an_address),
        cmocka_unit_test(an_answer_has_an_end),
        cmocka_unit_test(later_versions_are_read),
        cmocka_unit_test(ids_tell_their_time),
    };
    log_start(2, LOG_ERROR, LOG_LOGFMT);
    clock_set(&fixture_clock);
    int bad = cmocka_run_group_tests(tests, NULL, NULL);
    log_stop();
    return bad;
}
