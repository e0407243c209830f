/* The control socket, data_dir/control.sock: requests of `barid` commands to a running worker. Root
 * or the owner of data_dir. */
#pragma once
#include "admin/admin.h"

struct control;

/* Reactor. The admin outlives it. NULL: why. */
struct control *control_start(int data_dir, const struct admin *admin, char why[256]);
/* Reactor. No new requests, the socket file is gone; running requests go on. NULL is fine. */
void control_stop(struct control *c);

/* The same for one connection whose other end is here, in a process without a server: returns when
 * it has ended and everything it began is done. Takes fd over. False: out of memory. */
TASK_FN
bool control_serve(int fd, const struct admin *admin);

/* A connection to the server, blocking; patience: how long a word from it is awaited. -1: errno;
 * ENOENT and ECONNREFUSED: no server is there (no socket file, or a stale one). */
int control_connect(const char *data_dir, long patience_s);
/* The command's side, blocking: sends the request, gives each row to fn. ADMIN_SILENT: nobody
 * answers in time; -1: no server is there (no socket file, or a stale one). */
int control_ask(const char *data_dir, const json_t *request, void (*row)(void *arg, json_t *row),
    void *arg, struct admin_answer *answer);
