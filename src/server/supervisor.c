/* The supervisor: reads and binds with its rights, hands over, restarts. Single-threaded; handles
 * no byte of mail.
 *
 * STARTING (worker forked, snapshot sent) -> RUNNING (READY came) -> STOPPING (SIGTERM: DRAIN sent)
 * -> exit
 *     ^-------------- back-off ----------------- worker died */
#include "base/blame.h"
#include "base/clock.h"
#include "base/log.h"
#include "server/gather.h"
#include "server/notify.h"
#include "server/serve.h"
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define BACKOFF_FIRST (100 * CLOCK_MS)
#define BACKOFF_MAX   (10 * CLOCK_SEC)
#define BACKOFF_CALM  (60 * CLOCK_SEC) /* a worker that lived so long starts the back-off anew */
#define STOP_PATIENCE (12 * CLOCK_SEC) /* then SIGKILL */
#define SEND_PATIENCE 10               /* s: a worker that takes no message must not stop us */

struct supervisor {
    const char *path;
    struct blame_board *board;
    struct gather current;
    int signals, sock; /* sock -1: no worker */
    pid_t worker;      /* 0: none */
    bool ready, ever_ready, stopping, kill_sent;
    int64_t started, backoff;
    deadline next; /* of the restart, or of SIGKILL */
};

static void report(void *arg, const char *problem)
{
    log_error("config problem", log_text("problem", problem));
}

static bool write_text(void *arg, const char *text)
{
    return fprintf(arg, "%s\n", text) > 0;
}

static void report_to(void *arg, const char *problem)
{
    write_text(arg, problem);
}

int serve_check(const char *config_path)
{
    if (!gather_check(config_path, report_to, stderr))
        return SERVE_USAGE;
    printf("%s: no problems\n", config_path);
    return SERVE_DONE;
}

/* As root the worker becomes the owner of data_dir, who must not be root; otherwise we must own it.
 */
static bool check_owner(const struct gather *g)
{
    struct stat st;
    if (fstat(g->data_dir, &st))
        return false;
    const char *why = NULL;
    if (geteuid() == 0 && st.st_uid == 0)
        why = "data_dir belongs to root: give it to a user of its own (chown -R barid: DIR)";
    else if (geteuid() != 0 && st.st_uid != geteuid())
        why = "data_dir does not belong to the user that runs barid";
    if (why)
        log_error(
            "cannot start", log_text("reason", why), log_text("data_dir", g->config.data_dir.text));
    return !why;
}

static bool become_owner(int data_dir)
{
    struct stat st;
    if (geteuid() != 0)
        return true;
    return !fstat(data_dir, &st) && st.st_uid && !setgroups(0, NULL) && !setgid(st.st_gid) &&
           !setuid(st.st_uid);
}

/* In the child. */
static _Noreturn void be_worker(struct supervisor *s, int sock)
{
    sigset_t none;
    sigemptyset(&none);
    close(s->signals);
    signal(SIGINT, SIG_IGN);
    signal(SIGTERM, SIG_IGN);
    signal(SIGHUP, SIG_IGN);
    signal(SIGPIPE, SIG_IGN);
    sigprocmask(SIG_SETMASK, &none, NULL);
    prctl(PR_SET_NAME, "barid-worker");
    bool ok = become_owner(s->current.data_dir);
    if (!ok)
        log_error("cannot start", log_text("reason", "cannot become the owner of data_dir"));
    gather_finish(&s->current, NULL);
    exit(ok ? serve_worker(sock, s->board) : SERVE_NO_RESTART);
}

static void start_later(struct supervisor *s)
{
    s->next = deadline_in(s->backoff);
    s->backoff = s->backoff * 2 > BACKOFF_MAX ? BACKOFF_MAX : s->backoff * 2;
}

static void drop_socket(struct supervisor *s)
{
    if (s->sock >= 0)
        close(s->sock);
    s->sock = -1;
}

static void start_worker(struct supervisor *s)
{
    static const struct timeval patience = {.tv_sec = SEND_PATIENCE};
    int pair[2];
    s->next = DEADLINE_NEVER;
    s->ready = false;
    s->started = clock_now();
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair)) {
        log_error("worker not started", log_text("reason", strerror(errno)));
        start_later(s);
        return;
    }
    pid_t pid = fork();
    if (pid == 0) {
        close(pair[0]);
        be_worker(s, pair[1]);
    }
    close(pair[1]);
    if (pid < 0) {
        log_error("worker not started", log_text("reason", strerror(errno)));
        close(pair[0]);
        start_later(s);
        return;
    }
    s->worker = pid;
    s->sock = pair[0];
    setsockopt(s->sock, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
    /* Without its GO the worker would wait for ever; the end of the socket ends it. */
    if (!gather_send(&s->current, s->path, s->sock)) {
        log_error("worker not started", log_text("reason", "it did not take the snapshot"));
        drop_socket(s);
    }
}

static void reload(struct supervisor *s)
{
    struct gather fresh;
    notify("RELOADING=1");
    if (!gather_all(&fresh, &s->current, s->path, report, NULL)) {
        log_error(
            "reload refused", log_text("reason", "the config has problems; the old one stays"));
        if (s->sock >= 0)
            handover_send(
                s->sock, HANDOVER_REFUSED, 0, -1, S("the config has problems: see barid check"));
        notify("READY=1");
        return;
    }
    gather_finish(&s->current, &fresh);
    s->current = fresh;
    if (s->sock >= 0 && !gather_send(&s->current, s->path, s->sock))
        log_error("reload not applied", log_text("reason", "the worker did not take the snapshot"));
    notify("READY=1");
}

static void stop(struct supervisor *s)
{
    if (s->stopping)
        return;
    s->stopping = true;
    notify("STOPPING=1");
    log_info("stopping");
    s->next = deadline_in(STOP_PATIENCE);
    if (s->sock >= 0)
        handover_send(s->sock, HANDOVER_DRAIN, 0, -1, S(""));
}

static void hear_worker(struct supervisor *s)
{
    struct handover_message m;
    int got;
    while ((got = handover_receive(s->sock, &m)) > 0) {
        if (m.fd >= 0)
            close(m.fd);
        if (m.kind == HANDOVER_READY) {
            s->ready = s->ever_ready = true;
            notify("READY=1");
        } else if (m.kind == HANDOVER_RELOAD) {
            reload(s);
        }
    }
    if (got < 0)
        drop_socket(s);
}

static void tell_blamed(struct supervisor *s)
{
    char name[BLAME_TEXT];
    if (blame_count(s->board, name))
        log_error("refused for 10 minutes", log_text("peer", *name ? name : "none"),
            log_text("reason", "the worker died twice over the same peer or message"));
}

/* What the end of the worker means: an exit code to leave with, or -1 to go on. */
static int bury_worker(struct supervisor *s, int status)
{
    int code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
    s->worker = 0;
    drop_socket(s);
    if (s->stopping)
        return code == 0 ? SERVE_DONE : SERVE_FAULT;
    /* Later it is a command that came while there was no worker to ask: it ends. */
    if (code == SERVE_LOCKED && !s->ever_ready)
        code = SERVE_NO_RESTART;
    if (code == SERVE_NO_RESTART || !s->ever_ready)
        return code == SERVE_NO_RESTART ? SERVE_NO_RESTART : code ? code : SERVE_FAULT;
    if (clock_now() - s->started > BACKOFF_CALM)
        s->backoff = BACKOFF_FIRST;
    log_error("worker died",
        WIFSIGNALED(status) ? log_int("signal", WTERMSIG(status))
                            : log_int("exit", WEXITSTATUS(status)),
        log_real("restart_in_s", (double)s->backoff / CLOCK_SEC));
    tell_blamed(s);
    start_later(s);
    return -1;
}

static int hear_signals(struct supervisor *s)
{
    struct signalfd_siginfo info;
    while (read(s->signals, &info, sizeof info) == sizeof info) {
        if (info.ssi_signo == SIGHUP)
            reload(s);
        else if (info.ssi_signo == SIGTERM || info.ssi_signo == SIGINT)
            stop(s);
    }
    int status;
    pid_t pid;
    while ((pid = waitpid(-1, &status, WNOHANG)) > 0)
        if (pid == s->worker) {
            int code = bury_worker(s, status);
            if (code >= 0)
                return code;
        }
    return s->stopping && !s->worker ? SERVE_DONE : -1;
}

static void on_time(struct supervisor *s)
{
    if (clock_now() < s->next)
        return;
    s->next = DEADLINE_NEVER;
    if (!s->stopping)
        start_worker(s);
    else if (s->worker) {
        log_error("worker does not stop", log_text("action", "killed"));
        kill(s->worker, SIGKILL);
    }
}

static int loop(struct supervisor *s)
{
    int code = -1;
    start_worker(s);
    while (code < 0) {
        struct pollfd fds[] = {{s->signals, POLLIN, 0}, {s->sock, POLLIN, 0}};
        int64_t left = s->next == DEADLINE_NEVER ? 0 : s->next - clock_now();
        poll(fds, 2, s->next == DEADLINE_NEVER ? -1 : left <= 0 ? 0 : (int)(left / CLOCK_MS + 1));
        if (s->sock >= 0 && fds[1].revents)
            hear_worker(s);
        code = hear_signals(s);
        on_time(s);
    }
    return code;
}

int serve(const char *config_path)
{
    struct supervisor s = {.path = config_path, .sock = -1, .backoff = BACKOFF_FIRST};
    struct rlimit files;
    sigset_t heard;
    if (!getrlimit(RLIMIT_NOFILE, &files)) {
        files.rlim_cur = files.rlim_max;
        setrlimit(RLIMIT_NOFILE, &files);
    }
    sigemptyset(&heard);
    sigaddset(&heard, SIGHUP);
    sigaddset(&heard, SIGTERM);
    sigaddset(&heard, SIGINT);
    sigaddset(&heard, SIGCHLD);
    sigprocmask(SIG_BLOCK, &heard, NULL);
    signal(SIGPIPE, SIG_IGN);
    s.signals = signalfd(-1, &heard, SFD_CLOEXEC | SFD_NONBLOCK);
    s.board = blame_board_create();
    if (s.signals < 0 || !gather_all(&s.current, NULL, config_path, report, NULL))
        return SERVE_USAGE;
    int code = check_owner(&s.current) ? loop(&s) : SERVE_USAGE;
    gather_finish(&s.current, NULL);
    close(s.signals);
    return code;
}
