#include "server/control.h"
#include "admin/frame.h"
#include "admin/stream.h"
#include "base/log.h"
#include "net/listen.h"
#include "server/porter.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define PATIENCE        (60 * CLOCK_SEC)
#define STREAM_PATIENCE (600 * CLOCK_SEC) /* for a command that writes to a slow disk */

/* How long a command waits for a word of the server: for most of them, and for those that go
 * through a whole store. */
#define ANSWER_PATIENCE      60
#define ANSWER_PATIENCE_LONG (24 * 60 * 60)

struct control {
    int fd, data_dir;
    struct listener *listener;
    const struct admin *admin;
};

struct session {
    const struct admin *admin;
    json_t *request;
    struct conn *conn;
    bool gone, bad;
};

static enum conn_next feed(struct conn *c, struct slice in, bool eof, size_t *used)
{
    struct session *s = conn_session(c);
    json_decref(s->request);
    s->request = NULL;
    switch (frame_read(in, used, &s->request)) {
    case FRAME_MORE:
        return eof ? CONN_CLOSE : CONN_MORE;
    case FRAME_OK:
        return CONN_RUN;
    default:
        *used = in.n;
        s->bad = true;
        return CONN_RUN;
    }
}

static TASK_FN
bool send_value(struct session *s, json_t *value)
{
    struct buffer frame;
    buffer_init(&frame, FRAME_MAX + 4);
    bool ok = frame_write(value, &frame) && conn_send(s->conn, buffer_slice(&frame));
    buffer_finish(&frame);
    s->gone = !ok;
    return ok;
}

static bool emit(void *arg, json_t *row)
{
    struct session *s = arg;
    if (s->gone || !row) {
        json_decref(row);
        return !s->gone;
    }
    return send_value(s, json_pack("{s:o}", "row", row));
}

static bool raw(void *arg, struct slice bytes)
{
    struct session *s = arg;
    char head[FRAME_HEAD];
    frame_raw_head(bytes.n, head);
    s->gone =
        s->gone || !conn_send(s->conn, slice(head, sizeof head)) || !conn_send(s->conn, bytes);
    return !s->gone;
}

static bool asks(const struct session *s, const char *what)
{
    const char *name = json_string_value(json_object_get(s->request, "do"));
    return name && !strcmp(name, what);
}

/* True: the connection is an import's now, s is gone. */
static TASK_FN
bool hand_over(struct session *s, struct admin_answer *answer)
{
    struct stream_import import;
    if (!stream_import_open(s->admin, s->request, &import, answer))
        return false;
    if (!porter_start(s->conn, &import)) {
        *answer = (struct admin_answer){.exit = ADMIN_FAULT, .why = "out of memory"};
        return false;
    }
    json_decref(s->request);
    free(s);
    return true;
}

static TASK_FN
void run(struct conn *c, enum conn_event event)
{
    struct session *s = conn_session(c);
    struct admin_answer answer = {.exit = ADMIN_USAGE, .why = "the request is no frame of JSON"};
    if (event == CONN_OPENED) {
        conn_set_timeout(c, PATIENCE);
        return;
    }
    if (event != CONN_COMPLETE)
        return;
    s->conn = c;
    if (!s->bad && asks(s, "mailbox import")) {
        if (hand_over(s, &answer))
            return;
    } else if (!s->bad && asks(s, "mailbox export")) {
        conn_set_timeout(c, STREAM_PATIENCE);
        stream_export(s->admin, s->request, emit, raw, s, &answer);
        conn_set_timeout(c, PATIENCE);
    } else if (!s->bad) {
        admin_run(s->admin, s->request, emit, s, &answer);
    }
    json_decref(s->request);
    s->request = NULL;
    if (!s->gone)
        send_value(s, json_pack("{s:i, s:s}", "exit", (int)answer.exit, "why", answer.why));
    if (s->bad || s->gone)
        conn_close(c);
}

static void closed(struct conn *c, enum conn_end why)
{
    struct session *s = conn_session(c);
    json_decref(s->request);
    free(s);
}

static const struct conn_handler handler = {
    .protocol = "control",
    .input_max = FRAME_MAX + 4,
    .class = TASK_NORMAL,
    .feed = feed,
    .run = run,
    .closed = closed,
};

static const struct conn_handler *new_session(const struct admin *admin, void **session)
{
    struct session *s = calloc(1, sizeof *s);
    if (!s)
        return NULL;
    s->admin = admin;
    *session = s;
    return &handler;
}

static bool accept_one(void *arg, const struct peer *peer, const struct conn_handler **handler_,
    void **session, struct slice *refusal)
{
    struct control *c = arg;
    *refusal = (struct slice){0};
    *handler_ = new_session(c->admin, session);
    return *handler_ != NULL;
}

TASK_FN
bool control_serve(int fd, const struct admin *admin)
{
    struct conn_options o = {.fd = fd, .listener = "control", .timeout = PATIENCE};
    o.handler = new_session(admin, &o.session);
    if (!o.handler) {
        close(fd);
        return false;
    }
    o.stream = stream_socket(fd);
    if (!o.stream) {
        free(o.session);
        close(fd);
        return false;
    }
    if (!conn_create(&o)) {
        free(o.session);
        return false;
    }
    while (conn_count() || porter_busy())
        task_sleep(deadline_in(5 * CLOCK_MS));
    return true;
}

/* Through /proc, so that a long path of data_dir fits into sockaddr_un. */
static int bind_socket(int data_dir)
{
    struct sockaddr_un a = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    snprintf(a.sun_path, sizeof a.sun_path, "/proc/self/fd/%d/control.sock", data_dir);
    unlinkat(data_dir, "control.sock", 0);
    mode_t mask = umask(0177);
    bool ok = fd >= 0 && !bind(fd, (struct sockaddr *)&a, sizeof a) && !listen(fd, 64);
    umask(mask);
    if (!ok && fd >= 0)
        close(fd);
    return ok ? fd : -1;
}

struct control *control_start(int data_dir, const struct admin *admin, char why[256])
{
    struct control *c = calloc(1, sizeof *c);
    if (!c) {
        snprintf(why, 256, "out of memory");
        return NULL;
    }
    c->admin = admin;
    c->data_dir = data_dir;
    c->fd = bind_socket(data_dir);
    struct listener_options o = {
        .fd = c->fd, .name = "control", .timeout = PATIENCE, .accept = accept_one, .arg = c};
    if (c->fd >= 0)
        c->listener = listener_start(&o);
    if (c->listener)
        return c;
    snprintf(why, 256, "data_dir/control.sock: %s", strerror(errno));
    if (c->fd >= 0)
        close(c->fd);
    free(c);
    return NULL;
}

void control_stop(struct control *c)
{
    if (!c)
        return;
    unlinkat(c->data_dir, "control.sock", 0); /* we hold the lock: it is ours */
    listener_stop(c->listener);
    close(c->fd);
    free(c);
}

/* ---- the command's side ---- */

static bool goes_through_the_store(const json_t *request)
{
    struct slice name = slice_str(json_string_value(json_object_get(request, "do")));
    return slice_eq(name, S("verify")) || slice_eq(name, S("account remove")) ||
           slice_eq(name, S("trace"));
}

int control_connect(const char *data_dir, long patience_s)
{
    struct sockaddr_un a = {.sun_family = AF_UNIX};
    struct timeval patience = {.tv_sec = 10};
    struct timeval answer = {.tv_sec = patience_s};
    int dir = open(data_dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
    int fd = dir < 0 ? -1 : socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    bool ok = fd >= 0;
    if (ok) {
        snprintf(a.sun_path, sizeof a.sun_path, "/proc/self/fd/%d/control.sock", dir);
        setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
        setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &answer, sizeof answer);
        ok = !connect(fd, (struct sockaddr *)&a, sizeof a);
    }
    int error = errno;
    if (dir >= 0)
        close(dir);
    if (!ok && fd >= 0)
        close(fd);
    errno = error;
    return ok ? fd : -1;
}

static bool send_all(int fd, struct slice bytes)
{
    while (bytes.n) {
        ssize_t n = send(fd, bytes.p, bytes.n, MSG_NOSIGNAL);
        if (n <= 0)
            return false;
        bytes = slice_from(bytes, (size_t)n);
    }
    return true;
}

/* One frame of the answer: 1 more to come, 0 the end was there, -1 nonsense. */
static int take_frame(
    json_t *value, void (*row)(void *, json_t *), void *arg, struct admin_answer *answer)
{
    json_t *one = json_object_get(value, "row");
    json_t *exit = json_object_get(value, "exit");
    if (one) {
        row(arg, json_incref(one));
        return 1;
    }
    if (!json_is_integer(exit))
        return -1;
    answer->exit = (enum admin_exit)json_integer_value(exit);
    const char *why = json_string_value(json_object_get(value, "why"));
    snprintf(answer->why, sizeof answer->why, "%s", why ? why : "");
    return 0;
}

static int read_answer(
    int fd, void (*row)(void *, json_t *), void *arg, struct admin_answer *answer)
{
    struct buffer in;
    int state = 1;
    buffer_init(&in, 2 * FRAME_MAX);
    while (state == 1) {
        char *room = buffer_room(&in, 16384);
        ssize_t n = room ? recv(fd, room, 16384, 0) : -1;
        if (n <= 0)
            break;
        buffer_took(&in, (size_t)n);
        size_t used;
        json_t *value;
        enum frame_answer got;
        while (state == 1 && (got = frame_read(buffer_slice(&in), &used, &value)) != FRAME_MORE) {
            state = got == FRAME_OK ? take_frame(value, row, arg, answer) : -1;
            if (got == FRAME_OK)
                json_decref(value);
            buffer_drop(&in, used);
        }
    }
    buffer_finish(&in);
    return state;
}

int control_ask(const char *data_dir, const json_t *request, void (*row)(void *arg, json_t *row),
    void *arg, struct admin_answer *answer)
{
    struct buffer out;
    int fd = control_connect(
        data_dir, goes_through_the_store(request) ? ANSWER_PATIENCE_LONG : ANSWER_PATIENCE);
    if (fd < 0 && errno == EACCES) {
        answer->exit = ADMIN_FAULT;
        snprintf(answer->why, sizeof answer->why,
            "data_dir belongs to another user: run the command as root or as its owner");
        return ADMIN_FAULT;
    }
    if (fd < 0) /* ENOTDIR: whoever goes on without a server says what is wrong with data_dir */
        return errno == ENOENT || errno == ENOTDIR || errno == ECONNREFUSED ? -1 : ADMIN_SILENT;
    buffer_init(&out, FRAME_MAX + 4);
    json_incref((json_t *)(uintptr_t)request);
    bool sent = frame_write((json_t *)(uintptr_t)request, &out) && send_all(fd, buffer_slice(&out));
    buffer_finish(&out);
    int state = sent ? read_answer(fd, row, arg, answer) : -1;
    close(fd);
    return state == 0 ? (int)answer->exit : ADMIN_SILENT;
}
