#include "task/offload_private.h"
#include "task/reactor_private.h"
#include <errno.h>
#include <pthread.h>

static struct pool {
    pthread_mutex_t lock;
    pthread_cond_t more;
    struct list jobs; /* waiting, first come first served */
    size_t waiting, limit;
    bool stopping;
    unsigned threads;
    pthread_t thread[OFFLOAD_THREADS_MAX];
} pools[OFFLOAD_CLASSES];

static struct offload_job *next_job(struct pool *p)
{
    pthread_mutex_lock(&p->lock);
    while (list_empty(&p->jobs) && !p->stopping)
        pthread_cond_wait(&p->more, &p->lock);
    struct list *node = list_pop_front(&p->jobs);
    if (node)
        p->waiting--;
    pthread_mutex_unlock(&p->lock);
    return node ? list_entry(node, struct offload_job, node) : NULL;
}

static void *work(void *arg)
{
    struct offload_job *job;
    while ((job = next_job(arg))) {
        job->work(job);
        reactor_send(job->home, &job->back);
    }
    return NULL;
}

bool offload_start(const unsigned threads[OFFLOAD_CLASSES], size_t waiting)
{
    for (unsigned c = 0; c < OFFLOAD_CLASSES; c++) {
        struct pool *p = &pools[c];
        p->limit = waiting;
        p->waiting = 0;
        p->stopping = false;
        p->threads = 0;
        pthread_mutex_init(&p->lock, NULL);
        pthread_cond_init(&p->more, NULL);
        list_init(&p->jobs);
    }
    for (unsigned c = 0; c < OFFLOAD_CLASSES; c++) {
        struct pool *p = &pools[c];
        while (p->threads < threads[c] && p->threads < OFFLOAD_THREADS_MAX) {
            int error = pthread_create(&p->thread[p->threads], NULL, work, p);
            if (error) {
                offload_stop();
                errno = error;
                return false;
            }
            p->threads++;
        }
    }
    return true;
}

void offload_stop(void)
{
    for (unsigned c = 0; c < OFFLOAD_CLASSES; c++) {
        struct pool *p = &pools[c];
        pthread_mutex_lock(&p->lock);
        p->stopping = true;
        pthread_cond_broadcast(&p->more);
        pthread_mutex_unlock(&p->lock);
        for (unsigned i = 0; i < p->threads; i++)
            pthread_join(p->thread[i], NULL);
        p->threads = 0;
        pthread_cond_destroy(&p->more);
        pthread_mutex_destroy(&p->lock);
    }
}

static void back(struct remote *m)
{
    struct offload_job *job = list_entry(m, struct offload_job, back);
    job->done(job);
    reactor_here->live--;
}

bool offload_submit(enum offload_class class, struct offload_job *job)
{
    struct pool *p = &pools[class];
    job->home = reactor_here;
    job->back = (struct remote){.fn = back};
    pthread_mutex_lock(&p->lock);
    bool room = p->waiting < p->limit;
    if (room) {
        p->waiting++;
        list_push_back(&p->jobs, &job->node);
        reactor_here->live++;
        pthread_cond_signal(&p->more);
    }
    pthread_mutex_unlock(&p->lock);
    return room;
}

/* ---- from a task ---- */

struct call {
    struct offload_job job;
    struct task *task;
    void (*fn)(void *);
    void *arg;
};

static void call_work(struct offload_job *job)
{
    struct call *c = list_entry(job, struct call, job);
    c->fn(c->arg);
}

static void call_done(struct offload_job *job)
{
    task_wake(list_entry(job, struct call, job)->task, WAIT_OK);
}

bool offload_run(enum offload_class class, void (*fn)(void *), void *arg)
{
    struct call c = {.job = {.work = call_work, .done = call_done},
        .task = task_current(),
        .fn = fn,
        .arg = arg};
    if (!offload_submit(class, &c.job))
        return false;
    task_suspend(false, DEADLINE_NEVER);
    return true;
}
