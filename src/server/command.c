#include "server/command.h"
#include "admin/frame.h"
#include "base/log.h"
#include "config/config.h"
#include "imap/imap.h"
#include "port/port.h"
#include "sendmail/sendmail.h"
#include "server/control.h"
#include "trace/trace.h"
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

struct local {
    struct cli *cli;
    struct cli_print *print;
    const struct config *config;
    int data_dir;
    int stream;  /* -1, or the store's end of a streaming command's connection */
    bool served; /* ... which was taken over */
    struct admin_answer answer;
};

static void print_row(void *arg, json_t *row)
{
    cli_print_row(arg, row);
}

static bool emit(void *arg, json_t *row)
{
    if (row)
        cli_print_row(arg, row);
    return row != NULL;
}

static TASK_FN
void run_local(void *arg)
{
    struct local *l = arg;
    enum store_open_error error;
    char why[512] = "";
    struct store_options o = {.engine = l->config->store_engine.text, .dir = l->data_dir};
    struct admin admin = {.store = store_open(&o, &error, why), .render = imap_render};
    if (!admin.store) {
        l->answer.exit = error == STORE_OPEN_LOCKED ? ADMIN_SILENT : ADMIN_FAULT;
        snprintf(l->answer.why, sizeof l->answer.why, "%s", why);
        return;
    }
    struct directory_options d = {
        .store = admin.store, .postmaster = slice_str(l->config->postmaster.text)};
    admin.directory = directory_open(&d, why, deadline_in(60 * CLOCK_SEC));
    trace_start(admin.store, l->config->trace_keep);
    admin.message_size = (uint64_t)l->config->limits.message_size;
    admin.tmp_dir = openat(l->data_dir, "tmp", O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (admin.directory && l->stream >= 0) {
        l->served = true;
        control_serve(l->stream, &admin);
    } else if (admin.directory) {
        admin_run(&admin, l->cli->request, emit, l->print, &l->answer);
    } else {
        l->answer.exit = ADMIN_FAULT;
        snprintf(l->answer.why, sizeof l->answer.why, "%s", why);
    }
    trace_stop();
    directory_close(admin.directory);
    store_close(admin.store);
    if (admin.tmp_dir >= 0)
        close(admin.tmp_dir);
}

/* The store's files belong to the owner of data_dir: so does whoever writes them. */
static bool become_owner(int data_dir, char why[ADMIN_WHY])
{
    struct stat st;
    if (fstat(data_dir, &st)) {
        snprintf(why, ADMIN_WHY, "data_dir: %s", strerror(errno));
        return false;
    }
    if (geteuid() == st.st_uid && geteuid() != 0)
        return true;
    if (geteuid() == 0 && st.st_uid == 0) {
        snprintf(why, ADMIN_WHY,
            "data_dir belongs to root: give it to a user of its own (chown -R barid: DIR)");
        return false;
    }
    if (geteuid() == 0 && !setgroups(0, NULL) && !setgid(st.st_gid) && !setuid(st.st_uid))
        return true;
    snprintf(why, ADMIN_WHY,
        "data_dir belongs to another user: run the command as root or as its owner");
    return false;
}

static void alone(struct local *l)
{
    struct runtime_options o = {.reactors = 1};
    l->data_dir = open(l->config->data_dir.text, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (l->data_dir < 0) {
        l->answer.exit = ADMIN_USAGE;
        snprintf(l->answer.why, sizeof l->answer.why, "data_dir %s: %s", l->config->data_dir.text,
            strerror(errno));
        return;
    }
    umask(077);
    if (!become_owner(l->data_dir, l->answer.why)) {
        l->answer.exit = ADMIN_USAGE;
    } else if (!runtime_run(&o, run_local, l)) {
        l->answer.exit = ADMIN_FAULT;
        snprintf(l->answer.why, sizeof l->answer.why, "no memory or threads");
    }
    close(l->data_dir);
}

static void problem(void *arg, const char *text)
{
    fprintf(stderr, "barid: %s\n", text);
}

/* ---- commands that stream files ---- */

/* Without a server: a process of its own has the store, as the owner of data_dir; this one reads or
 * writes the files with the rights of its caller. */
static void serve_store(struct local *l)
{
    struct buffer frame;
    signal(
        SIGINT, SIG_IGN); /* it ends when the command's end is closed, and then closes the store */
    signal(SIGTERM, SIG_IGN);
    signal(SIGHUP, SIG_IGN);
    log_start(STDERR_FILENO, LOG_WARN, LOG_LOGFMT);
    alone(l);
    log_stop();
    if (l->served)
        return;
    buffer_init(&frame, FRAME_MAX);
    if (frame_write(
            json_pack("{s:i, s:s}", "exit", (int)l->answer.exit, "why", l->answer.why), &frame))
        send(l->stream, frame.p, frame.n, MSG_NOSIGNAL);
    buffer_finish(&frame);
}

/* -1: errno. */
static int start_store(struct local *l, pid_t *child)
{
    int ends[2];
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends))
        return -1;
    *child = fork();
    if (*child == 0) {
        close(ends[0]);
        l->stream = ends[1];
        serve_store(l);
        _exit(0);
    }
    close(ends[1]);
    if (*child < 0)
        close(ends[0]);
    return *child < 0 ? -1 : ends[0];
}

static void show(const struct local *l, const json_t *summary)
{
    char *text = l->cli->json ? json_dumps(summary, JSON_INDENT(2) | JSON_PRESERVE_ORDER) : NULL;
    if (text)
        puts(text);
    else if (summary)
        port_print(summary);
    free(text);
}

static const char *argument(const struct local *l, const char *key)
{
    const char *text = json_string_value(json_object_get(l->cli->request, key));
    return text ? text : "";
}

static void stream(struct local *l)
{
    struct port_options o = {.address = argument(l, "address"), .path = argument(l, "path")};
    struct port_result result = {0};
    pid_t child = -1;
    o.maildir = !strcmp(argument(l, "format"), "maildir");
    o.fd = control_connect(l->config->data_dir.text, 0);
    if (o.fd < 0 && (errno == ENOENT || errno == ENOTDIR || errno == ECONNREFUSED))
        o.fd = start_store(l, &child);
    if (o.fd < 0) {
        bool foreign = errno == EACCES;
        l->answer.exit = foreign ? ADMIN_FAULT : ADMIN_SILENT;
        snprintf(l->answer.why, sizeof l->answer.why, "%s%s%s",
            foreign ? "data_dir belongs to another user: run the command as root or as its owner"
                    : l->config->data_dir.text,
            foreign ? "" : ": ", foreign ? "" : strerror(errno));
        return;
    }
    if (!strcmp(argument(l, "do"), "mailbox import"))
        port_import(&o, &result);
    else
        port_export(&o, &result);
    l->answer = result.answer;
    show(l, result.summary);
    json_decref(result.summary);
    if (child > 0)
        waitpid(child, NULL, 0);
}

static bool streams(const struct cli *cli)
{
    const char *name = json_string_value(json_object_get(cli->request, "do"));
    return !strcmp(name, "mailbox import") || !strcmp(name, "mailbox export");
}

/* ---- all of them ---- */

static int ask(struct local *l)
{
    int exit;
    if (!(l->print = cli_print_create(l->cli))) {
        snprintf(l->answer.why, sizeof l->answer.why, "out of memory");
        return ADMIN_FAULT;
    }
    log_start(STDERR_FILENO, LOG_WARN, LOG_LOGFMT);
    exit = control_ask(l->config->data_dir.text, l->cli->request, print_row, l->print, &l->answer);
    if (exit == -1) {
        alone(l);
        exit = l->answer.exit;
    }
    log_stop();
    cli_print_end(l->print, exit == ADMIN_DONE);
    return exit;
}

int command_run(struct cli *cli)
{
    struct config config;
    int exit = ADMIN_USAGE;
    if (config_load(&config, cli->config, problem, NULL)) {
        struct local l = {.cli = cli, .config = &config, .stream = -1};
        if (streams(cli)) {
            stream(&l);
            exit = l.answer.exit;
        } else {
            exit = ask(&l);
        }
        if (exit == ADMIN_SILENT && !*l.answer.why)
            snprintf(l.answer.why, sizeof l.answer.why, "the server on %s does not answer",
                config.data_dir.text);
        if (exit)
            fprintf(stderr, "barid: %s\n", l.answer.why);
    }
    config_finish(&config);
    return exit;
}

/* -bp: what `barid queue list` says. */
static int list_queue(const char *config)
{
    static const int exits[] = {[ADMIN_DONE] = SENDMAIL_OK,
        [ADMIN_FAULT] = SENDMAIL_UNAVAILABLE,
        [ADMIN_USAGE] = SENDMAIL_CONFIG,
        [ADMIN_ABSENT] = SENDMAIL_UNAVAILABLE,
        [ADMIN_SILENT] = SENDMAIL_TRY_AGAIN};
    char name[] = "barid", queue[] = "queue", list[] = "list";
    char *words[] = {name, queue, list};
    struct cli cli;
    int exit = cli_parse(3, words, &cli);
    cli.config = config;
    if (exit == ADMIN_DONE)
        exit = command_run(&cli);
    cli_finish(&cli);
    return exits[exit];
}

int command_sendmail(const struct cli *cli)
{
    struct sendmail_options o;
    char why[SENDMAIL_WHY];
    enum sendmail_exit e = sendmail_options_parse(cli->argc, cli->argv, &o, why);
    if (e != SENDMAIL_OK) {
        fprintf(stderr, "sendmail: %s\n", why);
        return (int)e;
    }
    if (!o.config && strcmp(cli->config, CONFIG_DEFAULT_PATH) != 0)
        o.config = cli->config;
    if (o.mode == SENDMAIL_QUEUE)
        return list_queue(o.config ? o.config : CONFIG_DEFAULT_PATH);
    return o.mode == SENDMAIL_NOTHING ? SENDMAIL_OK : sendmail_run(&o);
}
