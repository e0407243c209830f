/* `barid serve`: a supervisor and its worker. */
#pragma once

enum {
    SERVE_DONE = 0,
    SERVE_FAULT = 1,
    SERVE_USAGE = 2,
    SERVE_ABSENT = 3,
    SERVE_SILENT = 4,
    /* The worker: */
    SERVE_LOCKED = 75, /* somebody else has the store: a second server, or a command for a while */
    SERVE_NO_RESTART = 78, /* format, permissions: starting again would not help */
};

/* Runs until SIGTERM or SIGINT; SIGHUP reloads. The exit code. */
int serve(const char *config_path);
/* `barid check`. */
int serve_check(const char *config_path);
/* The worker's whole life, in its own process; sock leads to the supervisor. The board may be NULL.
 * The exit code. */
struct blame_board;
int serve_worker(int sock, struct blame_board *board);
