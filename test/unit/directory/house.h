/* A directory on a harsh memory store, for tests that run as a task; short names for what they ask.
 */
#pragma once
#include "unit/unit.h"
/* after unit/unit.h */
#include "directory/directory_private.h"
#include "task/task.h"

#define CHECK(x)                                                                                   \
    do {                                                                                           \
        if (!(x)) {                                                                                \
            fprintf(stderr, "%s:%d: %s (why: %s)\n", __FILE__, __LINE__, #x, why);                 \
            abort();                                                                               \
        }                                                                                          \
    } while (0)

static char why[DIRECTORY_WHY];

struct house {
    struct store *store;
    struct directory *directory;
    void (*test)(struct directory *d);
    struct slice postmaster;
    unsigned unknown_one_in;
};

static inline void house_run(void *arg)
{
    struct house *h = arg;
    enum store_open_error error;
    char text[512];
    struct store_options options = {.engine = "memory",
        .dir = -1,
        .harsh = true,
        .seed = 7,
        .unknown_one_in = h->unknown_one_in};
    h->store = store_open(&options, &error, text);
    CHECK(h->store);
    h->directory =
        directory_open(&(struct directory_options){.store = h->store, .postmaster = h->postmaster},
            why, DEADLINE_NEVER);
    CHECK(h->directory);
    h->test(h->directory);
    directory_close(h->directory);
    store_close(h->store);
}

static inline void house_with(void (*test)(struct directory *d), struct slice postmaster)
{
    struct house h = {.test = test, .postmaster = postmaster};
    struct runtime_options options = {.reactors = 1};
    CHECK(runtime_run(&options, house_run, &h));
}

static inline void house(void (*test)(struct directory *d))
{
    house_with(test, S(""));
}

static inline struct slice text(const char *s)
{
    return slice_str(s);
}

/* all: 1,000 bytes, NUL-terminated. */
static inline void append(char *all, struct slice s)
{
    size_t n = strlen(all);
    snprintf(all + n, 1000 - n, SLICE_FMT, SLICE_ARG(s));
}

static inline enum directory_result domain_add(struct directory *d, const char *name)
{
    return directory_domain_add(d, text(name), why, DEADLINE_NEVER);
}

static inline uint64_t account_add(struct directory *d, const char *address)
{
    uint64_t id = 0;
    struct directory_new_account account = {.address = text(address), .name = S("Name")};
    CHECK(directory_account_add(d, &account, &id, why, DEADLINE_NEVER) == DIRECTORY_OK);
    return id;
}

static inline enum directory_result alias_add(
    struct directory *d, const char *address, const char *target)
{
    struct slice t = text(target);
    return directory_alias_add(d, text(address), &t, 1, why, DEADLINE_NEVER);
}

static inline void print_fault(void *arg, const char *fault)
{
    snprintf(arg, DIRECTORY_WHY, "%s", fault);
}

/* Faults that verify finds; the text of the last one is in why. */
static inline uint64_t verify(struct directory *d)
{
    uint64_t faults;
    CHECK(directory_verify(d, print_fault, why, &faults, DEADLINE_NEVER) == DIRECTORY_OK);
    return faults;
}
