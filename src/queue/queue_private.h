/* The life of the queue: what is in memory.
 *
 * Each reactor has a shard: the routes that hash to it, their schedule and their couriers; nobody
 * else touches it. A claim says who owns an entry: it is taken before the entry is read for the
 * last time and given back after its settling is durable, so that whoever takes it next reads what
 * became of it. Claims are the one thing that shards and the clerk share: a table under a mutex
 * that is held for a few instructions. */
#pragma once
#include "base/buffer.h"
#include "base/table.h"
#include "queue/reporter.h"
#include "queue/row.h"
#include "queue/schedule.h"
#include <pthread.h>

#define QUEUE_TEND_EVERY   (30 * CLOCK_SEC)
#define QUEUE_RESCAN_EVERY 300             /* s, while not all routes fit into memory */
#define QUEUE_WINDOW       128             /* due rows looked at in one read */
#define QUEUE_WINDOW_FIRST 16              /* in the first one: most are not owned yet */
#define QUEUE_BATCH_TIME   (CLOCK_SEC / 4) /* a courier may take before others' turn */
#define QUEUE_STORE_PAUSE  10              /* s, after the store failed */
#define QUEUE_EVICT        8               /* waiting couriers that leave at once for others */

struct claim {
    struct table_node node;
    struct list in; /* of its owner */
    uint64_t message, account;
    uint32_t index;
    int64_t next;
};

struct shard {
    struct queue *q;
    unsigned index;
    struct reactor *reactor;
    struct schedule *schedule;
    struct scope scope;
    struct event event;         /* something changed: look at the schedule */
    struct task_request keeper; /* the task that starts couriers */
    struct remote start, stopped, poke;
    atomic_bool spilled;                  /* not all routes are in memory */
    bool loading;                         /* they are being read */
    int64_t rescan, pause, looked;        /* wall s */
    _Atomic size_t routes, down, running; /* for figures */
};

struct queue {
    struct queue_options options;
    struct shard *shards;
    unsigned shard_n;
    struct reactor *home;
    atomic_bool stopping, started;
    deadline stop_until;
    unsigned stopped_n;
    struct event stopped;
    struct task_request tender;
    struct event tend;
    struct remote hurry;
    struct queue_row_key swept;
    bool tending;
    int64_t tended;        /* wall s of the last round */
    deadline tended_at;    /* the same moment */
    int64_t absent;        /* wall s: before it nobody was here to try anything */
    deadline calm;         /* what had to be done by then waits so long */
    pthread_mutex_t mutex; /* claims, rates */
    struct table claims;
    struct queue_rate *rates;
};

struct queue_batch {
    struct shard *shard;
    struct schedule_route *route;
    struct list claims;
    deadline turn; /* then it is others' turn */
    bool found;    /* something to do, since it was asked last */
    struct schedule_waiter waiter;
    struct event wake;
    bool waiting, leave;
    struct window *window;
    struct buffer rows;
};

static inline int64_t queue_now(void)
{
    return clock_wall() / 1000000;
}

/* Nobody was here to try anything until now. */
void clerk_begin(struct queue *q);
/* The clerk looks now. Any reactor. */
void queue_hurry(struct queue *q);

/* ---- claim.c: any thread ---- */

/* False: somebody owns it (or there is no room for one more claim). */
bool claim_take(struct queue *q, struct list *owner, const struct queue_row_due *due);
bool claim_owned(struct queue *q, uint64_t message, uint32_t index);
void claim_release(struct queue *q, struct claim *c);
struct claim *claim_of(struct list *owner, uint64_t message, uint32_t index);

/* ---- shard.c ---- */

bool shard_init(struct shard *s, struct queue *q, unsigned index);
void shard_start(struct shard *s);
/* Any thread: looks at its schedule again. */
void shard_poke(struct shard *s);
struct shard *shard_of(struct queue *q, struct slice route);
/* Any reactor: there is something for the lane at `at`. */
void shard_tell(struct queue *q, struct slice route, uint64_t account, int64_t at);
/* Any reactor: the back-off of a route is over. */
void shard_tell_up(struct queue *q, struct slice route);
/* Own reactor: nothing is taken for a while. */
void shard_pause(struct shard *s);

/* ---- load.c ---- */

/* Reads which lanes there are, due before `horizon`, into the shards (only: of this index; -1:
 * all). */
TASK_FN
enum outcome load_lanes(struct queue *q, int only, int64_t horizon, deadline until);

/* ---- sweep.c ---- */

/* One piece; *from: where it goes on, at first empty. */
TASK_FN
void sweep_routes(struct queue *q, struct queue_row_key *from);

/* ---- settle.c ---- */

enum settle_action {
    SETTLE_KEEP,    /* as it was */
    SETTLE_GONE,    /* delivered or failed */
    SETTLE_PUT_OFF, /* again at `next` */
    SETTLE_NOTICED, /* the delay notice was sent */
};

struct settle {
    struct queue *q;
    const struct queue_item *item;
    const struct queue_settlement *settlements;
    enum settle_action action[QUEUE_ITEM_MAX];
    bool delayed[QUEUE_ITEM_MAX]; /* to be told of a delay */
    int64_t now, next;
    int64_t heard; /* wall us: when what is settled happened */
    bool reached;  /* its route answered */
    bool quiet;    /* no report */
    bool by_time;  /* nobody was asked: it has expired, or waits for long */
    struct report *report;
};

/* Retried until it is durable or the time is up. */
TASK_FN
bool settle_run(struct settle *s, deadline until);

/* ---- report.c ---- */

struct report {
    struct store_new_blob blob;
    struct queue_report_target target;
    struct queue_new new; /* REMOTE */
    struct queue_recipient recipient;
    const struct queue_reporter *reporter;
    int64_t now;
    bool refused; /* LOCAL: the account was gone, nobody has the report */
};

/* What is to be told to the sender. True: *report is NULL when it is nothing. False: it could not
 * be made now. */
TASK_FN
bool report_make(const struct settle *s, struct report **report, deadline until);
void report_destroy(struct report *r);
/* Is the sender to be told at all of what happens to this entry? */
bool report_wanted(const struct settle *s, size_t i);
