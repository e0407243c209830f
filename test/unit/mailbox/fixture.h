/* A memory store in harsh mode, an account in it, and checks that hold on task stacks. */
#pragma once
#include "base/buffer.h"
#include "mailbox/mailbox.h"
#include "mailbox/verify.h"
#include "store/engine.h"
#include "store/spool.h"
#include "unit/task/check.h"
#include "unit/unit.h"

#define ACCOUNT UINT64_C(7)
#define SOON    deadline_in(60 * CLOCK_SEC)

static struct store *fixture_store;

struct fixture_append {
    struct mailbox_append append;
    struct store_new_blob *blob;
};

static inline void fixture_run(void (*fn)(void *))
{
    CHECK(runtime_run(&(struct runtime_options){.reactors = 1}, fn, NULL));
}

static inline void fixture_open(void)
{
    char why[512];
    enum store_open_error error;
    struct store_options options = {.engine = "memory", .dir = -1, .harsh = true, .seed = 1};
    fixture_store = store_open(&options, &error, why);
    CHECK(fixture_store);
}

static inline void fixture_close(void)
{
    store_close(fixture_store);
}

/* A mutation of the account, awaited. */
static inline enum outcome fixture_try(store_mutate_fn fn, void *arg)
{
    struct store_mutation m = {.partition = mailbox_partition(ACCOUNT), .fn = fn, .arg = arg};
    return store_mutate(fixture_store, &m, NULL, SOON);
}

static inline void fixture_mutate(store_mutate_fn fn, void *arg)
{
    CHECK(fixture_try(fn, arg) == OUTCOME_DONE);
}

static inline void fixture_read(store_read_fn fn, void *arg)
{
    CHECK(
        store_read(fixture_store, mailbox_partition(ACCOUNT), fn, arg, NULL, SOON) == OUTCOME_DONE);
}

static inline enum outcome fixture_append_fn(struct store_txn *t, void *arg)
{
    struct fixture_append *a = arg;
    a->append.blob = a->blob->id;
    a->append.size = a->blob->size;
    return mailbox_append(t, &a->append);
}

/* Appends text with flags; the UID, 0 when refused. */
static inline uint32_t fixture_append(uint32_t mailbox, struct slice text, uint8_t flags)
{
    struct spool_options options = {.tmp_dir = -1};
    struct spool *body = spool_create(&options);
    CHECK(body && spool_write(body, text) == SPOOL_OK);
    CHECK(spool_end(body, SOON) == OUTCOME_DONE);
    struct store_blob_owner owner = {ACCOUNT, mailbox};
    struct store_new_blob blob = {.body = body, .owners = &owner, .owner_count = 1};
    struct fixture_append a = {
        .append = {.mailbox = mailbox, .flags = flags, .date = 1000, .now = 1000}, .blob = &blob};
    struct store_mutation m = {
        .partition = mailbox_partition(ACCOUNT), .fn = fixture_append_fn, .arg = &a};
    enum outcome o = store_mutate(fixture_store, &m, &blob, SOON);
    spool_destroy(body);
    CHECK(o == OUTCOME_DONE || o == OUTCOME_REFUSED);
    return o == OUTCOME_DONE ? a.append.uid : 0;
}

static inline void fixture_print_fault(void *arg, uint64_t account, const char *text)
{
    if (!arg)
        fprintf(stderr, "account %llu: %s\n", (unsigned long long)account, text);
}

/* Faults of the account and of all references; quiet: they are expected. */
static inline uint64_t fixture_faults(bool quiet)
{
    struct verify_refs *refs = verify_refs_create();
    void *arg = quiet ? fixture_store : NULL;
    CHECK(refs);
    uint64_t faults = verify_account(fixture_store, ACCOUNT, refs, fixture_print_fault, arg);
    faults += verify_blobs(fixture_store, refs, fixture_print_fault, arg);
    verify_refs_destroy(refs);
    return faults;
}
