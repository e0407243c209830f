/* Which route is worked on next, and for which sender: a pure schedule over (routes, clock), one
 * for each reactor. No I/O, nothing for each entry.
 *
 * A lane is what one account has waiting for one route. It stands at the time when its first entry
 * is due; when it has been served and has more, it goes behind all that wait already. Routes stand
 * at the time of their first lane, or of the end of their back-off, and go round in the same way.
 * So 100,000 messages of one account delay another's single one by one message, and a route that
 * is dead costs others nothing but its attempts.
 *
 * A route: idle (no lane due) -> due -> running (1 to `limit` couriers); limit grows by one for a
 * few successes of each courier while more is due, shrinks by one when a courier has nothing to do,
 * and is halved by each deferral; down: nothing starts until its back-off has passed, then one
 * courier, until there is a success. Routes that failed last time have at most a quarter of all
 * couriers, those without a success so far half: slow dead hosts do not use up all. */
#pragma once
#include "base/list.h"
#include "base/slice.h"

#define SCHEDULE_NEVER INT64_MAX
/* Defaults. */
#define SCHEDULE_COURIERS       200
#define SCHEDULE_COURIERS_ROUTE 20
#define SCHEDULE_LANES_MAX      ((size_t)256 * 1024)
#define SCHEDULE_IDLE_MAX       1024 /* routes without work whose pace is remembered */
#define SCHEDULE_FIRST_LIMIT    2    /* couriers of a route that is not known yet */
#define SCHEDULE_WAITERS_ROUTE  2
#define SCHEDULE_GROWTH         4   /* successes of each courier until there is one more */
#define SCHEDULE_GAP_FIRST      300 /* s */
#define SCHEDULE_GAP_MAX        (4 * 3600)

struct schedule;
struct schedule_route;
/* A courier that has nothing to do and keeps its connection for what comes next. */
struct schedule_waiter {
    struct list of_route, of_all;
    struct schedule_route *route;
};
struct schedule_options {
    unsigned couriers, couriers_route;  /* 0: the defaults above */
    size_t lanes_max;                   /* 0: SCHEDULE_LANES_MAX */
    uint64_t (*random)(uint64_t below); /* NULL: random_below */
};

/* NULL: out of memory. */
struct schedule *schedule_create(const struct schedule_options *options);
void schedule_destroy(struct schedule *s);

/* How long to wait after so many failures (from 1): 5 min, doubling to 4 h, a fifth more or less.
 */
int64_t schedule_gap(const struct schedule *s, uint32_t failures);

/* There is an entry of this account for this route that is due at (wall s). False: full, or out of
 * memory: the caller finds it again in the store. */
bool schedule_note(struct schedule *s, struct slice route, uint64_t account, int64_t at);
/* A back-off that was written down. False: as schedule_note. */
bool schedule_restore(struct schedule *s, struct slice route, uint32_t failures, int64_t until);
/* Forgets the back-off: the administrator wants it tried now. */
void schedule_up(struct schedule *s, struct slice route);
/* Forgets lanes that nobody works on and that are not due before `from`: they are in the store. */
void schedule_shed(struct schedule *s, int64_t from);
/* Forgets nothing and tells when something is to be started next; SCHEDULE_NEVER: nothing, or only
 * the end of a courier allows it. */
int64_t schedule_next(const struct schedule *s);

/* The wall clock was set back to `now`: whoever was served in what was the present does not wait
 * until it is the present again, and no back-off is longer than one can be. */
void schedule_set_back(struct schedule *s, int64_t now);

/* The next route for which a courier should start now; NULL: none. Balanced by schedule_ended
 * (found: it found something to do). *waiter: not NULL when a waiting courier of the route is to
 * go on instead, whose wait is over. waiter may be NULL where none waits. */
struct schedule_route *schedule_start(
    struct schedule *s, int64_t now, struct schedule_waiter **waiter);
void schedule_ended(struct schedule *s, struct schedule_route *r, bool found, int64_t now);
struct slice schedule_name(const struct schedule_route *r);
/* May a courier of this route take another message? Not when it is down, when its limit shrank, or
 * when another route is due and finds no courier free. */
bool schedule_stay(const struct schedule *s, const struct schedule_route *r, int64_t now);

/* A courier of this route waits until schedule_start or schedule_evict tells of it. False: so many
 * wait already, or it is wanted elsewhere. */
bool schedule_wait(struct schedule *s, struct schedule_route *r, bool found,
    struct schedule_waiter *waiter, int64_t now);
/* The wait is over by itself. */
void schedule_wait_over(struct schedule *s, struct schedule_waiter *waiter);
/* The one that has waited longest, when a due route finds no courier free, more than three quarters
 * of all wait, or `all` shall go; its wait is over. NULL: none. */
struct schedule_waiter *schedule_evict(struct schedule *s, bool all, int64_t now);

/* The lane of this route whose turn it is; false: none is due. The caller then looks into the store
 * and tells with schedule_picked what it found. */
struct schedule_pick {
    uint64_t account;
    struct schedule_lane *lane;
    uint64_t notes;
};
bool schedule_pick(
    struct schedule *s, struct schedule_route *r, int64_t now, struct schedule_pick *pick);
/* next: when the lane's first entry that nobody owns is due, as seen after the pick; what was noted
 * since counts too. found: there was something for the courier to do. */
void schedule_picked(struct schedule *s, struct schedule_route *r, const struct schedule_pick *pick,
    int64_t next, bool found, int64_t now);

void schedule_success(struct schedule *s, struct schedule_route *r, int64_t now);
void schedule_deferred(struct schedule *s, struct schedule_route *r);
/* The route cannot be reached. Several couriers that say so at once count as one failure. */
void schedule_down(struct schedule *s, struct schedule_route *r, int64_t now);
/* Failures in a row and the end of the back-off; 0 when it is up. */
uint32_t schedule_failures(const struct schedule_route *r, int64_t *until);

struct schedule_figures {
    size_t routes, lanes, down, running;
};
void schedule_figures(const struct schedule *s, struct schedule_figures *f);
