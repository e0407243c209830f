/* An import spoken over a pair of sockets with control_serve, over a memory store in harsh mode. */
#include "admin/frame.h"
#include "base/pack.h"
#include "server/control.h"
#include "server/porter.h"
#include "unit/admin/office.h"
#include <errno.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#define REQUEST "{\"v\":1,\"do\":\"mailbox import\",\"address\":\"a@a.example\"}"
#define ID      "000102030405060708090a0b0c0d0e0f"
#define ITEM(n, id)                                                                                \
    "{\"item\":{\"n\":" #n ",\"id\":\"" id                                                         \
    "\",\"flags\":1,\"keywords\":[\"k\"],\"date\":5,\"zone\":0}}"

static int fd; /* the command's end */
static struct event served;
static struct buffer in;

static TASK_FN
void serve(void *arg)
{
    CHECK(control_serve(*(int *)arg, &office_admin));
    event_raise(&served);
}

/* ---- the command's end ---- */

static TASK_FN
void send_bytes(struct slice s)
{
    while (s.n) {
        ssize_t n = send(fd, s.p, s.n, MSG_NOSIGNAL);
        if (n < 0 && errno != EAGAIN)
            return;
        if (n < 0)
            CHECK(task_wait_fd(fd, WATCH_WRITE, NULL, SOON) == WAIT_OK);
        else
            s = slice_from(s, (size_t)n);
    }
}

static TASK_FN
void say(const char *json)
{
    char head[4];
    pack_u32(head, (uint32_t)strlen(json));
    send_bytes(slice(head, 4));
    send_bytes(slice_str(json));
}

static TASK_FN
void raw(struct slice bytes)
{
    char head[FRAME_HEAD];
    frame_raw_head(bytes.n, head);
    send_bytes(slice(head, sizeof head));
    send_bytes(bytes);
}

/* The next frame as compact JSON; empty at the end. */
static TASK_FN
const char *next(void)
{
    static char text[1024];
    size_t used;
    json_t *value;
    text[0] = '\0';
    while (frame_read(buffer_slice(&in), &used, &value) == FRAME_MORE) {
        char *room = buffer_room(&in, 4096);
        ssize_t n = recv(fd, room, 4096, 0);
        if (n < 0 && errno == EAGAIN) {
            CHECK(task_wait_fd(fd, WATCH_READ, NULL, SOON) == WAIT_OK);
            continue;
        }
        if (n <= 0)
            return text;
        buffer_took(&in, (size_t)n);
    }
    CHECK(value);
    buffer_drop(&in, used);
    char *dump = json_dumps(value, JSON_COMPACT | JSON_SORT_KEYS);
    CHECK(dump);
    snprintf(text, sizeof text, "%s", dump);
    free(dump);
    json_decref(value);
    return text;
}

static TASK_FN
void expect(const char *want, int line)
{
    const char *got = next();
    bool fits = slice_starts(slice_str(got), slice_str(want)) && (*want || !*got);
    if (!fits)
        fprintf(stderr, "line %d: %s\n", line, got);
    CHECK(fits);
}

#define NEXT(want) expect(want, __LINE__)

static TASK_FN
void begin(struct scope *scope, int *server)
{
    int ends[2];
    CHECK(!socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends));
    fd = ends[0];
    *server = ends[1];
    buffer_init(&in, 65536);
    event_init(&served);
    scope_init(scope);
    CHECK(scope_spawn(scope, TASK_NORMAL, serve, server));
}

/* The server's end comes to its end too, with everything stored. */
static TASK_FN
void end(struct scope *scope)
{
    close(fd);
    event_await(&served);
    scope_close(scope);
    CHECK(porter_busy() == 0);
    buffer_finish(&in);
}

static TASK_FN
void open_all(void)
{
    office_open();
    office_admin.tmp_dir = -1;
    office_admin.message_size = 1000000;
    CHECK(office_ask("{\"v\":1,\"do\":\"domain add\",\"name\":\"a.example\"}") == ADMIN_DONE);
    CHECK(office_ask("{\"v\":1,\"do\":\"account add\",\"address\":\"a@a.example\"}") == ADMIN_DONE);
}

static TASK_FN
void close_all(unsigned messages)
{
    char want[64];
    CHECK(office_ask("{\"v\":1,\"do\":\"verify\"}") == ADMIN_DONE);
    snprintf(want, sizeof want, "\"messages\":%u,", messages);
    CHECK(strstr(office_rows.p, want));
    office_close();
}

/* ---- cases ---- */

static void spoken_well(void *arg)
{
    struct scope scope;
    int server;
    open_all();
    begin(&scope, &server);
    say(REQUEST);
    NEXT("{\"row\":{\"message_size\":1000000}}");
    say("{\"ask\":[\"" ID "\"]}");
    NEXT("{\"row\":{\"there\":\"0\"}}");
    say("{\"mailbox\":\"a/b\"}");
    NEXT("{\"row\":{\"mailbox\":\"a/b\"}}");
    say(ITEM(1, ID));
    raw(S("Subject: x\r\n"));
    raw(S(""));
    raw(S("\r\nbody\r\n"));
    say("{\"done\":true}");
    NEXT("{\"row\":{\"is\":\"kept\",\"lost\":false,\"n\":1,\"why\":\"\"}}");
    say(ITEM(2, ID));
    raw(S("Subject: other\r\n"));
    say("{\"done\":true}");
    NEXT("{\"row\":{\"is\":\"already\",");
    say(ITEM(3, ID));
    raw(S("half of"));
    say("{\"drop\":true}");
    say("{\"drop\":true}");
    say(ITEM(4, "ff0102030405060708090a0b0c0d0e0f"));
    say("{\"done\":true}");
    NEXT("{\"row\":{\"is\":\"bad\",\"n\":4,\"why\":\"empty\"}}");
    say(ITEM(5, "ff0102030405060708090a0b0c0d0e0f"));
    raw(S("A: b\0\r\n"));
    say("{\"done\":true}");
    NEXT("{\"row\":{\"is\":\"bad\",\"n\":5,\"why\":\"holds NUL bytes\"}}");
    say("{\"ask\":[\"" ID "\",\"ff0102030405060708090a0b0c0d0e0f\"]}");
    NEXT("{\"row\":{\"there\":\"10\"}}");
    say("{\"end\":true}");
    NEXT("{\"exit\":0,\"why\":\"\"}");
    NEXT("");
    end(&scope);
    close_all(1);
}

static void nonsense(void *arg)
{
    static const char *const frames[] = {"{}", "[]", "7", "{\"ask\":7}", "{\"ask\":[7]}",
        "{\"ask\":[\"00\"]}", "{\"ask\":[\"zz0102030405060708090a0b0c0d0e0f\"]}", "{\"mailbox\":7}",
        "{\"mailbox\":\"\"}", "{\"mailbox\":\"a\\u0000\"}", "{\"mailbox\":\"/\"}",
        "{\"done\":true}", ITEM(1, ID), "{\"item\":7}"};
    static const char *const items[] = {"{\"item\":{}}", ITEM(-1, ID), ITEM(1, "00"),
        "{\"item\":{\"n\":1,\"id\":\"" ID "\",\"flags\":32,\"keywords\":[],\"date\":5,\"zone\":0}}",
        "{\"item\":{\"n\":1,\"id\":\"" ID
        "\",\"flags\":1,\"keywords\":[\"a b\"],\"date\":5,\"zone\":0}}",
        "{\"item\":{\"n\":1,\"id\":\"" ID "\",\"flags\":1,\"keywords\":7,\"date\":5,\"zone\":0}}",
        "{\"item\":{\"n\":1,\"id\":\"" ID
        "\",\"flags\":1,\"keywords\":[],\"date\":1e3,\"zone\":0}}",
        "{\"item\":{\"n\":1,\"id\":\"" ID
        "\",\"flags\":1,\"keywords\":[],\"date\":253402300800,\"zone\":0}}",
        "{\"item\":{\"n\":1,\"id\":\"" ID
        "\",\"flags\":1,\"keywords\":[],\"date\":5,\"zone\":1440}}"};
    size_t n = sizeof frames / sizeof *frames, m = sizeof items / sizeof *items;
    open_all();
    for (size_t i = 0; i < n + m + 2; i++) {
        struct scope scope;
        int server;
        begin(&scope, &server);
        say(REQUEST);
        NEXT("{\"row\"");
        if (i >= n) { /* in a mailbox */
            say("{\"mailbox\":\"INBOX\"}");
            NEXT("{\"row\"");
        }
        if (i < n)
            say(frames[i]);
        else if (i < n + m)
            say(items[i - n]);
        else if (i == n + m)
            raw(S("bytes of nothing"));
        else
            send_bytes(S("\xff\xff\xff\xff"));
        NEXT("{\"exit\":");
        NEXT("");
        end(&scope);
    }
    close_all(0);
}

/* The command goes away at any moment: what was whole is stored, the rest is not. */
static void gone(void *arg)
{
    char item[256];
    unsigned whole = 0;
    open_all();
    for (int i = 0; i < 40; i++) {
        struct scope scope;
        int server;
        begin(&scope, &server);
        say(REQUEST);
        say("{\"mailbox\":\"INBOX\"}");
        NEXT("{\"row\"");
        NEXT("{\"row\"");
        for (int k = 0; k < i; k++) {
            snprintf(item, sizeof item,
                "{\"item\":{\"n\":%d,\"id\":\"%032x\",\"flags\":0,\"keywords\":[],\"date\":1,"
                "\"zone\":0}}",
                k, ++whole);
            say(item);
            raw(S("A: b\r\n\r\n"));
            say("{\"done\":true}");
        }
        say(ITEM(100, ID));
        raw(S("A: b\r\n"));
        shutdown(fd, SHUT_WR);
        for (int k = 0; k < i; k++)
            NEXT("{\"row\":{\"is\":\"kept\"");
        end(&scope);
    }
    close_all(whole);
}

static void strangers(void *arg)
{
    static const char *const requests[] = {
        "{\"v\":1,\"do\":\"mailbox import\",\"address\":\"b@a.example\"}",
        "{\"v\":1,\"do\":\"mailbox import\"}", "{\"v\":2,\"do\":\"mailbox import\"}",
        "{\"v\":1,\"do\":\"mailbox export\",\"address\":\"b@a.example\"}",
        "{\"v\":7,\"do\":\"mailbox export\",\"address\":\"a@a.example\"}"};
    struct scope scope;
    int server;
    open_all();
    begin(&scope, &server);
    for (size_t i = 0; i < sizeof requests / sizeof *requests; i++) {
        say(requests[i]);
        const char *got = next();
        CHECK(!strncmp(got, "{\"exit\":", 8) && got[8] >= '1' && got[8] <= '3');
    }
    end(&scope);
    close_all(0);
}

#define TEST(name)                                                                                 \
    static void test_##name(void **state)                                                          \
    {                                                                                              \
        fixture_run(name);                                                                         \
    }
TEST(spoken_well)
TEST(nonsense)
TEST(gone)
TEST(strangers)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_spoken_well),
        cmocka_unit_test(test_nonsense),
        cmocka_unit_test(test_gone),
        cmocka_unit_test(test_strangers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
