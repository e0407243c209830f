#include "base/clock.h"
#include "base/log.h"
#include "base/metrics.h"
#include "store/engine/commit_private.h"
#include <stdio.h>

METRIC(commits, METRIC_COUNTER, "barid_store_commits_total", "", "Commits of the store")
METRIC(committed, METRIC_COUNTER, "barid_store_mutations_total", "",
    "Mutations committed; by barid_store_commits_total: size of the groups")
METRIC(refusals, METRIC_COUNTER, "barid_store_failed_total", "",
    "Mutations that ended failed or unknown")
METRIC(commit_time, METRIC_HISTOGRAM, "barid_store_commit_seconds", "",
    "Time of one commit, syncs included")

static void finish(struct member *m, enum outcome outcome)
{
    m->outcome = outcome;
    if (outcome == OUTCOME_FAILED || outcome == OUTCOME_UNKNOWN) {
        for (size_t i = 0; i < m->count; i++)
            m->mutations[i].outcome = outcome;
        metric_add(&refusals, 1);
    }
    m->finish(m);
}

static void finish_all(struct list *members, enum outcome outcome)
{
    for (struct list *node; (node = list_pop_front(members));)
        finish(list_entry(node, struct member, node), outcome);
}

/* With what their functions said. */
static void finish_run(struct commit *c, struct list *run)
{
    metric_add(&commits, 1);
    for (struct list *node; (node = list_pop_front(run));) {
        struct member *m = list_entry(node, struct member, node);
        metric_add(&committed, (int64_t)m->count);
        atomic_fetch_add(&c->db->mutations, m->count);
        finish(m, m->outcome);
    }
}

static void stop_store(struct commit *c, const char *what, int error)
{
    char why[256];
    snprintf(why, sizeof why, "%s: %s", what, error > 0 ? strerror(error) : mdb_strerror(error));
    store_fail(&c->db->store, why);
}

/* The member in a transaction of its own. False: the store has failed. */
static bool run_alone(struct commit *c, struct list *node, bool last)
{
    struct member *m = list_entry(node, struct member, node);
    struct list run;
    int error = 0;
    bool fatal = false;
    for (unsigned trial = 0; trial < 2; trial++) {
        error = group_begin(c->group, &fatal);
        if (!error)
            error = group_run(c->group, m);
        if (!error)
            error = group_commit(c->group, last, &fatal);
        else
            group_abort(c->group);
        if (!error || fatal || error == MDB_MAP_FULL || !home_full(error))
            break;
        home_ballast_drop(c->db);
    }
    list_init(&run);
    list_push_back(&run, node);
    if (!error) {
        finish_run(c, &run);
        return true;
    }
    if (fatal)
        stop_store(c, "committing", error);
    else
        log_warn("store.mutation.failed",
            log_text("error", error == LMDB_BROKEN ? "part of it failed" : mdb_strerror(error)));
    finish_all(&run, fatal ? OUTCOME_UNKNOWN : OUTCOME_FAILED);
    return !fatal;
}

static bool run_each_alone(struct commit *c, struct list *members, struct list *rest)
{
    for (struct list *node; (node = list_pop_front(members));)
        if (!run_alone(c, node, list_empty(members) && list_empty(rest))) {
            finish_all(members, OUTCOME_UNKNOWN);
            return false;
        }
    return true;
}

/* Runs members until the time is up and commits those. False: the store has failed. */
static bool run_together(struct commit *c, struct list *members)
{
    struct list run;
    list_init(&run);
    bool fatal = false;
    int64_t start = clock_now();
    int error = group_begin(c->group, &fatal);
    while (!error && !list_empty(members)) {
        struct list *node = members->next;
        error = group_run(c->group, list_entry(node, struct member, node));
        list_remove(node);
        list_push_back(&run, node);
        if (clock_now() - start > COMMIT_GROUP_TIME)
            break;
    }
    if (error)
        group_abort(c->group);
    else
        error = group_commit(c->group, list_empty(members), &fatal);
    if (!error) {
        metric_observe(&commit_time, clock_now() - start);
        finish_run(c, &run);
        return true;
    }
    if (!fatal)
        return run_each_alone(c, &run, members);
    stop_store(c, "committing", error);
    finish_all(&run, OUTCOME_UNKNOWN);
    return false;
}

/* Members whose record found no room on the disk. */
static void refuse_unwritten(struct list *members)
{
    list_for_safe(members, node)
    {
        struct member *m = list_entry(node, struct member, node);
        bool written = true;
        for (size_t i = 0; i < m->append_count; i++)
            written = written && m->appends[i].segment;
        if (written)
            continue;
        list_remove(node);
        finish(m, OUTCOME_FAILED);
    }
}

void commit_group(struct commit *c, struct list *members)
{
    char why[256];
    if (!store_failed(&c->db->store) && !append_group(c->appender, members, why))
        store_fail(&c->db->store, why);
    if (!store_failed(&c->db->store))
        refuse_unwritten(members);
    while (!list_empty(members) && !store_failed(&c->db->store))
        if (!run_together(c, members))
            break;
    finish_all(members, OUTCOME_UNKNOWN);
}
