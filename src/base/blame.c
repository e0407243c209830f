#include "base/blame.h"
#include "base/clock.h"
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#define STACK_SIZE ((size_t)64 * 1024)

enum kind { KIND_PEER = 1, KIND_WORK };

struct suspect {
    uint64_t key;
    uint32_t kind, crashes;
};

struct listed {
    _Atomic uint64_t key; /* 0: free */
    uint32_t kind;
    int64_t until; /* wall, us */
};

struct blame_board {
    atomic_bool noted; /* the first fault of a process writes */
    uint64_t peer, work;
    char name[BLAME_TEXT];
    /* The supervisor's. */
    struct suspect suspects[BLAME_SUSPECTS];
    unsigned next_suspect, next_listed;
    /* Written by the supervisor while no worker runs, read by workers. */
    struct listed listed[BLAME_LISTED];
};

_Thread_local struct blame blame_now;
static _Thread_local void *signal_stack;
static struct blame_board *board;

struct blame_board *blame_board_create(void)
{
    void *b = mmap(NULL, sizeof(struct blame_board), PROT_READ | PROT_WRITE,
        MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    return b == MAP_FAILED ? NULL : b;
}

void blame_board_destroy(struct blame_board *b)
{
    if (b)
        munmap(b, sizeof *b);
}

/* Only memory is touched: safe in a handler. */
static void note(void)
{
    if (!board || atomic_exchange(&board->noted, true))
        return;
    board->peer = blame_now.peer;
    board->work = blame_now.work;
    const char *name = blame_now.name;
    for (unsigned i = 0; name && i < BLAME_TEXT - 1 && name[i]; i++)
        board->name[i] = name[i];
}

/* The disposition is the default again: the signal kills when it is let through. */
static void on_fault(int signal)
{
    note();
    raise(signal);
}

void blame_watch(struct blame_board *b)
{
    static const int faults[] = {SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGABRT};
    struct sigaction action = {.sa_handler = on_fault, .sa_flags = SA_ONSTACK | (int)SA_RESETHAND};
    board = b;
    if (!b)
        return;
    memset(b->name, 0, sizeof b->name);
    atomic_store(&b->noted, false);
    for (unsigned i = 0; i < sizeof faults / sizeof *faults; i++)
        sigaction(faults[i], &action, NULL);
}

bool blame_thread_start(void)
{
    if (!board || signal_stack)
        return true;
    signal_stack = malloc(STACK_SIZE);
    stack_t stack = {.ss_sp = signal_stack, .ss_size = STACK_SIZE};
    return signal_stack && sigaltstack(&stack, NULL) == 0;
}

void blame_thread_end(void)
{
    stack_t none = {.ss_flags = SS_DISABLE};
    if (!signal_stack)
        return;
    sigaltstack(&none, NULL);
    free(signal_stack);
    signal_stack = NULL;
}

/* ---- counting ---- */

static uint32_t count(struct blame_board *b, enum kind kind, uint64_t key)
{
    for (unsigned i = 0; i < BLAME_SUSPECTS; i++)
        if (b->suspects[i].key == key && b->suspects[i].kind == kind)
            return ++b->suspects[i].crashes;
    b->suspects[b->next_suspect++ % BLAME_SUSPECTS] =
        (struct suspect){.key = key, .kind = kind, .crashes = 1};
    return 1;
}

static bool accuse(struct blame_board *b, enum kind kind, uint64_t key)
{
    if (!key || count(b, kind, key) < BLAME_CRASHES)
        return false;
    struct listed *l = &b->listed[b->next_listed++ % BLAME_LISTED];
    l->kind = kind;
    l->until = clock_wall() + BLAME_TIME;
    atomic_store(&l->key, key);
    return true;
}

bool blame_count(struct blame_board *b, char name[BLAME_TEXT])
{
    if (!b || !atomic_exchange(&b->noted, false))
        return false;
    memcpy(name, b->name, BLAME_TEXT);
    name[BLAME_TEXT - 1] = '\0';
    bool peer = accuse(b, KIND_PEER, b->peer);
    return accuse(b, KIND_WORK, b->work) || peer;
}

static bool listed(enum kind kind, uint64_t key)
{
    if (!board || !key)
        return false;
    for (unsigned i = 0; i < BLAME_LISTED; i++) {
        const struct listed *l = &board->listed[i];
        if (atomic_load_explicit(&l->key, memory_order_relaxed) == key && l->kind == kind &&
            clock_wall() < l->until)
            return true;
    }
    return false;
}

bool blame_peer_listed(uint64_t peer)
{
    return listed(KIND_PEER, peer);
}

bool blame_work_listed(uint64_t work)
{
    return listed(KIND_WORK, work);
}
