/* Listings of a maildrop of a million messages. */
#include "pop3/session_private.h"
#include "unit/mailbox/fixture.h"
#include <time.h>

#define MANY        ((size_t)1000000)
#define ROWS_A_TURN 5000 /* at most, so that others come in between */

static struct pop3_session session;
static struct event done;
static bool finished;
static size_t turns;    /* of the watching task */
static int64_t longest; /* CPU time of the reactor between two turns of the watching task, ns */

static enum conn_next feed(struct conn *c, struct slice in, bool eof, size_t *used)
{
    *used = 0;
    return CONN_MORE;
}

static void run(struct conn *c, enum conn_event event)
{
    const struct pop3_command all = {0};
    const struct pop3_command last = {.has_message = true, .message = MANY};
    const struct pop3_command behind = {.has_message = true, .message = MANY + 1};
    session.talk.conn = c;
    pop3_maildrop_list(&session, &all);
    pop3_maildrop_uidl(&session, &all);
    pop3_maildrop_uidl(&session, &last);
    pop3_maildrop_uidl(&session, &behind);
    pop3_maildrop_dele(&session, &last);
    pop3_maildrop_rset(&session, &all);
    conn_close(c);
}

static void closed(struct conn *c, enum conn_end why)
{
    finished = true;
    event_raise(&done);
}

static const struct conn_handler handler = {
    .protocol = "pop3", .input_max = 4096, .feed = feed, .run = run, .closed = closed};

static int64_t cpu(void)
{
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return t.tv_sec * CLOCK_SEC + t.tv_nsec;
}

static void watch(void *arg)
{
    while (!finished) {
        int64_t before = cpu();
        task_yield();
        turns++;
        int64_t gap = cpu() - before;
        if (gap > longest)
            longest = gap;
    }
}

static void make_list(void)
{
    session.list.entries = calloc(MANY, sizeof *session.list.entries);
    CHECK(session.list.entries);
    session.list.n = session.left = MANY;
    session.list.mailbox.uidvalidity = UINT32_MAX;
    for (size_t i = 0; i < MANY; i++)
        session.list.entries[i] =
            (struct mailbox_entry){.uid = UINT32_MAX - (uint32_t)(MANY - i), .size = i};
}

static void check_output(const struct buffer *out)
{
    struct slice s = buffer_slice(out);
    size_t lines = 0, longest_id = 0;
    for (struct slice rest = s; rest.n; lines++) {
        struct slice line = slice_cut(&rest, '\n'), id = line;
        slice_cut(&id, ' ');
        if (slice_find(id, '.') != SLICE_NONE && id.n > longest_id)
            longest_id = id.n - 1;
    }
    CHECK(lines == 2 * (MANY + 2) + 4);
    CHECK(longest_id <= 70); /* RFC 1939 §7 */
    CHECK(slice_find_slice(s, S("\r\n1000000 999999\r\n.\r\n+OK Unique-ids follow\r\n"
                                "1 4294967295.4293967295\r\n")) != SLICE_NONE);
    CHECK(slice_ends(s, S("\r\n1000000 4294967295.4294967294\r\n.\r\n"
                          "+OK 1000000 4294967295.4294967294\r\n"
                          "-ERR No such message, only 1000000 in the maildrop\r\n"
                          "+OK Message 1000000 is deleted at QUIT\r\n"
                          "+OK Maildrop has 1000000 messages (0 octets)\r\n")));
}

static void list_many(void *arg)
{
    struct buffer out;
    struct scope scope;
    event_init(&done);
    scope_init(&scope);
    make_list();
    buffer_init(&out, (size_t)128 << 20);
    struct conn_options options = {.stream = stream_memory(S(""), 0, false, &out),
        .fd = -1,
        .listener = "pop3",
        .handler = &handler};
    CHECK(conn_create(&options));
    CHECK(scope_spawn(&scope, TASK_NORMAL, watch, NULL));
    CHECK(event_wait(&done, SOON) == WAIT_OK);
    scope_close(&scope);
    check_output(&out);
    buffer_finish(&out);
    free(session.list.entries);
}

static void a_million_messages_hold_up_nobody(void **state)
{
    fixture_run(list_many);
    printf("%zu turns, the longest %lld us\n", turns, (long long)longest / 1000);
    assert_true(turns > 2 * MANY / ROWS_A_TURN);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_million_messages_hold_up_nobody),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
