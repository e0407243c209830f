/* Administration: requests as JSON values, run over the module interfaces, in a running server or
 * without one.
 *
 * A request is {"v": 1, "do": "account add", ...}; each command answers with rows (JSON objects),
 * then its end: an exit code and, when that is not 0, one line that says why. docs/admin.md lists
 * requests and keys. */
#pragma once
#include "base/buffer.h"
#include "directory/directory.h"
#include "queue/queue.h"
#include "store/engine.h"
#include <jansson.h>

#define ADMIN_VERSION 1
#define ADMIN_WHY     512

enum admin_exit {
    ADMIN_DONE = 0,
    ADMIN_FAULT = 1, /* a fault, or refused */
    ADMIN_USAGE = 2,
    ADMIN_ABSENT = 3, /* no such object */
    ADMIN_SILENT = 4, /* server present but not answering */
};

/* Takes the row over. False: nobody reads any more, the command may stop. May suspend. */
typedef bool (*admin_emit)(void *arg, json_t *row);

struct admin {
    struct store *store;
    struct directory *directory;
    int tmp_dir;           /* data_dir/tmp, for spools; -1: none */
    struct queue *queue;   /* of a running server; NULL without one */
    uint64_t message_size; /* limits.message_size, of what is imported; 0: none */
    /* NULL, or makes what lists of messages show of one that is whole in memory
     * (mailbox_append.rendered). False: nothing is kept. */
    bool (*render)(struct slice head, struct slice body, struct buffer *row);
    /* Of a running server; NULL without one: the request then says that there is none. */
    json_t *(*status)(void *arg); /* new reference; NULL: out of memory */
    /* Has the config been read again and applied? */
    TASK_FN
    bool (*reload)(void *arg, char why[ADMIN_WHY]);
    /* Sessions of all protocols, as rows. False: out of memory. */
    TASK_FN
    bool (*sessions)(void *arg, admin_emit emit, void *to);
    /* Ends the session of this id, or (address not empty) all that are logged in as this account,
     * and returns when they are gone. How many they were. */
    TASK_FN
    size_t (*kick)(void *arg, uint64_t id, struct slice address);
    void *arg;
};

struct admin_answer {
    enum admin_exit exit;
    char why[ADMIN_WHY]; /* when exit is not 0 */
};

/* Never trusts the request. */
TASK_FN
void admin_run(const struct admin *a, const json_t *request, admin_emit emit, void *arg,
    struct admin_answer *answer);
