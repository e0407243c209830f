#include "server/command.h"
#include "base/log.h"
#include "config/config.h"
#include "server/control.h"
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

struct local {
    struct cli *cli;
    struct cli_print *print;
    const struct config *config;
    int data_dir;
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
    struct admin admin = {.store = store_open(&o, &error, why)};
    if (!admin.store) {
        l->answer.exit = error == STORE_OPEN_LOCKED ? ADMIN_SILENT : ADMIN_FAULT;
        snprintf(l->answer.why, sizeof l->answer.why, "%s", why);
        return;
    }
    struct directory_options d = {
        .store = admin.store, .postmaster = slice_str(l->config->postmaster.text)};
    admin.directory = directory_open(&d, why, deadline_in(60 * CLOCK_SEC));
    if (admin.directory) {
        admin_run(&admin, l->cli->request, emit, l->print, &l->answer);
    } else {
        l->answer.exit = ADMIN_FAULT;
        snprintf(l->answer.why, sizeof l->answer.why, "%s", why);
    }
    directory_close(admin.directory);
    store_close(admin.store);
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
            "data_dir belongs to root: give it to a user of its own (chown barid: DIR)");
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

int command_run(struct cli *cli)
{
    struct config config;
    int exit = ADMIN_USAGE;
    if (config_load(&config, cli->config, problem, NULL)) {
        struct local l = {.cli = cli, .config = &config, .print = cli_print_create(cli)};
        if (!l.print)
            snprintf(l.answer.why, sizeof l.answer.why, "out of memory");
        log_start(STDERR_FILENO, LOG_WARN, LOG_LOGFMT);
        exit = l.print
                   ? control_ask(config.data_dir.text, cli->request, print_row, l.print, &l.answer)
                   : ADMIN_FAULT;
        if (exit == -1) {
            alone(&l);
            exit = l.answer.exit;
        }
        log_stop();
        cli_print_end(l.print, exit == ADMIN_DONE);
        if (exit == ADMIN_SILENT && !*l.answer.why)
            snprintf(l.answer.why, sizeof l.answer.why, "the server on %s does not answer",
                config.data_dir.text);
        if (exit)
            fprintf(stderr, "barid: %s\n", l.answer.why);
    }
    config_finish(&config);
    return exit;
}
