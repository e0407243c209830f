/* A control socket in a throw-away folder with a fake server behind it; the command's side asks on
 * an offload thread, raw peers speak on tasks. */
#include "admin/frame.h"
#include "server/control.h"
#include "unit/net/client.h"
#include "unit/net/echo.c" /* what client.h talks to by default */
#include "unit/unit.h"
#include <stdatomic.h>
#include <sys/stat.h>
#include <sys/un.h>

static char dir_path[] = "/tmp/barid-control-XXXXXX";
static int dir;
static char why[256];
static struct event go_on; /* what `reload` waits for when it is to be slow */
static bool slow;
static size_t row_size;
static atomic_uint asked;

static TASK_FN
json_t *status(void *arg)
{
    atomic_fetch_add(&asked, 1);
    char *text = malloc(row_size + 1);
    CHECK(text);
    memset(text, 'x', row_size);
    text[row_size] = '\0';
    json_t *row = json_pack("{s:s}", "text", text);
    free(text);
    return row;
}

static TASK_FN
bool reload(void *arg, char text[ADMIN_WHY])
{
    if (slow)
        event_wait(&go_on, deadline_in(20 * CLOCK_SEC));
    snprintf(text, ADMIN_WHY, "caf\xc3"); /* cut inside a code point */
    return false;
}

static const struct admin admin = {.status = status, .reload = reload};

/* ---- the command's side ---- */

struct ask {
    const char *what;
    size_t rows, bytes;
    struct admin_answer answer;
    int exit;
};

static void take_row(void *arg, json_t *row)
{
    struct ask *a = arg;
    a->rows++;
    a->bytes += json_string_length(json_object_get(row, "text"));
    json_decref(row);
}

static void ask_here(void *arg)
{
    struct ask *a = arg;
    json_t *request = json_pack("{s:i, s:s}", "v", ADMIN_VERSION, "do", a->what);
    a->exit = control_ask(dir_path, request, take_row, a, &a->answer);
    json_decref(request);
}

static struct ask ask(const char *what)
{
    struct ask a = {.what = what};
    CHECK(offload_run(OFFLOAD_DISK, ask_here, &a));
    return a;
}

static struct control *start(void)
{
    row_size = 10;
    slow = false;
    event_init(&go_on);
    struct control *c = control_start(dir, &admin, why);
    CHECK(c);
    return c;
}

static void stop(struct control *c)
{
    struct stat st;
    control_stop(c);
    CHECK(fstatat(dir, "control.sock", &st, 0) == -1);
    client_await_count(0);
}

static void answers(void *arg)
{
    struct stat st;
    CHECK(ask("status").exit == -1); /* no socket file */
    struct control *c = start();
    CHECK(fstatat(dir, "control.sock", &st, 0) == 0 && (st.st_mode & 0777) == 0600);
    struct ask a = ask("status");
    CHECK(a.exit == ADMIN_DONE && a.rows == 1 && a.bytes == 10);
    a = ask("nope");
    CHECK(a.exit == ADMIN_USAGE && a.rows == 0 && *a.answer.why);
    a = ask("reload");
    CHECK(a.exit == ADMIN_FAULT && !strcmp(a.answer.why, "caf?"));
    row_size = FRAME_MAX - 64;
    a = ask("status");
    CHECK(a.exit == ADMIN_DONE && a.bytes == row_size);
    row_size = FRAME_MAX; /* a row that fits no frame: the end, not silence */
    CHECK(ask("status").exit == ADMIN_SILENT);
    row_size = 10;
    CHECK(ask("status").exit == ADMIN_DONE);
    stop(c);
    CHECK(ask("status").exit == -1);
    control_stop(NULL);
}

static void stale(void *arg)
{
    struct control *c = start();
    CHECK(linkat(dir, "control.sock", dir, "kept", 0) == 0);
    stop(c);
    CHECK(renameat(dir, "kept", dir, "control.sock") == 0);
    CHECK(ask("status").exit == -1); /* a file that nobody serves: as if none were there */
    c = start();                     /* replaces it */
    CHECK(ask("status").exit == ADMIN_DONE);
    stop(c);
}

/* ---- raw peers ---- */

static struct client peer(void)
{
    struct sockaddr_un a = {.sun_family = AF_UNIX};
    struct client k = {.fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0)};
    snprintf(a.sun_path, sizeof a.sun_path, "%s/control.sock", dir_path);
    CHECK(k.fd >= 0 && connect(k.fd, (struct sockaddr *)&a, sizeof a) == 0);
    return k;
}

static void add_request(struct buffer *b, const char *what)
{
    CHECK(frame_write(json_pack("{s:i, s:s}", "v", ADMIN_VERSION, "do", what), b));
}

/* The next frame as compact JSON; an empty text at the end of the connection. */
static void next(struct client *k, struct buffer *in, char text[256])
{
    size_t used;
    json_t *value;
    text[0] = '\0';
    while (frame_read(buffer_slice(in), &used, &value) == FRAME_MORE) {
        char *room = buffer_room(in, 4096);
        size_t n = room ? client_read(k, room, 4096) : 0;
        if (!n)
            return;
        buffer_took(in, n);
    }
    CHECK(value);
    buffer_drop(in, used);
    char *dump = json_dumps(value, JSON_COMPACT | JSON_SORT_KEYS);
    snprintf(text, 256, "%s", dump);
    free(dump);
    json_decref(value);
}

static void two_requests(void *arg)
{
    struct control *c = start();
    struct client k = peer();
    struct buffer out, in;
    char text[256];
    buffer_init(&out, FRAME_MAX);
    buffer_init(&in, FRAME_MAX);
    add_request(&out, "status");
    add_request(&out, "nope");
    for (size_t i = 0; i < out.n; i += 5) /* in pieces */
        client_send(&k, slice_sub(buffer_slice(&out), i, 5));
    next(&k, &in, text);
    CHECK(!strcmp(text, "{\"row\":{\"text\":\"xxxxxxxxxx\"}}"));
    next(&k, &in, text);
    CHECK(!strcmp(text, "{\"exit\":0,\"why\":\"\"}"));
    next(&k, &in, text);
    CHECK(!strncmp(text, "{\"exit\":2,\"why\":", 16));
    client_send(&k, buffer_slice(&out)); /* and again on the same connection */
    for (int i = 0; i < 3; i++) {
        next(&k, &in, text);
        CHECK(*text);
    }
    client_close(&k);
    buffer_finish(&out);
    buffer_finish(&in);
    stop(c);
}

static void bad_frames(void *arg)
{
    static const struct slice frames[] = {S("\0\x10\0\1"), S("\xff\xff\xff\xff"), S("\0\0\0\4nope"),
        S("\0\0\0\0"), S("GET / HTTP/1.1\r\n\r\n")};
    struct control *c = start();
    unsigned before = atomic_load(&asked);
    for (size_t i = 0; i < sizeof frames / sizeof *frames; i++) {
        struct client k = peer();
        struct buffer in;
        char text[256];
        buffer_init(&in, FRAME_MAX);
        client_send(&k, frames[i]);
        next(&k, &in, text);
        CHECK(!strncmp(text, "{\"exit\":2,\"why\":", 16));
        next(&k, &in, text);
        CHECK(!*text); /* closed */
        client_close(&k);
        buffer_finish(&in);
    }
    CHECK(atomic_load(&asked) == before);
    stop(c);
}

static void peers_that_go_away(void *arg)
{
    struct control *c = start();
    struct buffer out;
    buffer_init(&out, FRAME_MAX);
    add_request(&out, "status");
    row_size = FRAME_MAX - 64; /* more than the socket takes */
    for (int i = 0; i < 10; i++) {
        struct client k = peer();
        client_send(&k, slice_sub(buffer_slice(&out), 0, i == 0 ? 7 : out.n));
        if (i & 1) {
            char some[16];
            CHECK(client_read(&k, some, sizeof some) > 0);
        }
        client_close(&k);
    }
    client_await_count(0);
    row_size = 10;
    CHECK(ask("status").exit == ADMIN_DONE);
    buffer_finish(&out);
    stop(c);
}

#define MANY 100

static void many_at_once(void *arg)
{
    static struct client k[MANY];
    struct control *c = start();
    struct buffer out, in;
    char text[256];
    buffer_init(&out, FRAME_MAX);
    buffer_init(&in, FRAME_MAX);
    add_request(&out, "status");
    for (int i = 0; i < MANY; i++) {
        k[i] = peer();
        client_send(&k[i], buffer_slice(&out));
        if (i % 32 == 31) /* the kernel queues 64 */
            client_await_count((size_t)i + 1);
    }
    for (int i = MANY; i--;) {
        next(&k[i], &in, text);
        next(&k[i], &in, text);
        CHECK(!strcmp(text, "{\"exit\":0,\"why\":\"\"}"));
        client_close(&k[i]);
    }
    buffer_finish(&out);
    buffer_finish(&in);
    stop(c);
}

/* What runs when the socket stops has its answer. */
static void stopped_meanwhile(void *arg)
{
    struct control *c = start();
    struct client k = peer();
    struct buffer out, in;
    char text[256];
    buffer_init(&out, FRAME_MAX);
    buffer_init(&in, FRAME_MAX);
    slow = true;
    add_request(&out, "reload");
    client_send(&k, buffer_slice(&out));
    client_await_count(1);
    control_stop(c);
    event_raise(&go_on);
    next(&k, &in, text);
    CHECK(!strcmp(text, "{\"exit\":1,\"why\":\"caf?\"}"));
    client_close(&k);
    client_await_count(0);
    buffer_finish(&out);
    buffer_finish(&in);
}

#define TEST(name)                                                                                 \
    static void test_##name(void **state)                                                          \
    {                                                                                              \
        client_run(name, NULL);                                                                    \
    }
TEST(answers)
TEST(stale)
TEST(two_requests)
TEST(bad_frames)
TEST(peers_that_go_away)
TEST(many_at_once)
TEST(stopped_meanwhile)

static int setup(void **state)
{
    return mkdtemp(dir_path) && (dir = open(dir_path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)) >= 0
               ? 0
               : -1;
}

static int teardown(void **state)
{
    close(dir);
    return rmdir(dir_path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_answers),
        cmocka_unit_test(test_stale),
        cmocka_unit_test(test_two_requests),
        cmocka_unit_test(test_bad_frames),
        cmocka_unit_test(test_peers_that_go_away),
        cmocka_unit_test(test_many_at_once),
        cmocka_unit_test(test_stopped_meanwhile),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
