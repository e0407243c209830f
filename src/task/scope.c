#include "task/reactor_private.h"
#include <stdlib.h>

struct child {
    struct task_request request;
    struct scope *scope;
    void (*fn)(void *);
    void *arg;
};

void scope_init(struct scope *s)
{
    *s = (struct scope){0};
    list_init(&s->tasks);
}

static void child_main(void *arg)
{
    struct child child = *(struct child *)arg;
    free(arg);
    struct task *t = task_self();
    struct scope *s = child.scope;
    t->scope = s;
    list_push_back(&s->tasks, &t->sibling);
    child.fn(child.arg);
    list_remove(&t->sibling);
    t->scope = NULL;
    if (--s->count == 0 && s->closer)
        task_wake(s->closer, WAIT_OK);
}

bool scope_spawn(struct scope *s, enum task_class class, void (*fn)(void *), void *arg)
{
    if (s->closing)
        return false;
    struct child *c = malloc(sizeof *c);
    if (!c)
        return false;
    *c = (struct child){.scope = s, .fn = fn, .arg = arg};
    task_request_init(&c->request, class, child_main, c);
    s->count++;
    task_start(&c->request);
    return true;
}

void scope_close(struct scope *s)
{
    struct task *self = task_current();
    if (s->closer || self->scope == s)
        task_die("a scope is closed twice or by its own child");
    s->closing = true;
    list_for_safe(&s->tasks, node)
    {
        struct task *t = list_entry(node, struct task, sibling);
        if (t->cancellable)
            task_wake(t, WAIT_CANCELLED);
    }
    /* Children without a stack yet still run: what they were given is theirs to free. */
    if (!s->count)
        return;
    s->closer = self;
    task_suspend(false, DEADLINE_NEVER);
    s->closer = NULL;
}
