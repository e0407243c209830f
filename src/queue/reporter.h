/* Where reports go: whoever composes the server knows who exists, the queue does not. */
#pragma once
#include "queue/queue.h"

#define QUEUE_REPORT_ROUTE (QUEUE_ROUTE_MAX + 1)

struct queue_report_target {
    enum queue_report_to {
        QUEUE_REPORT_LOCAL,   /* into a mailbox of ours */
        QUEUE_REPORT_REMOTE,  /* into the queue, by this route */
        QUEUE_REPORT_NOWHERE, /* there is no such address: the report is logged and dropped */
        QUEUE_REPORT_LATER,   /* cannot be told now: the settling is tried again */
    } to;
    store_partition partition; /* LOCAL */
    uint64_t account;
    uint32_t mailbox;
    char route[QUEUE_REPORT_ROUTE];      /* REMOTE */
    char address[QUEUE_ADDRESS_MAX + 1]; /* who gets it, when that is not the sender; else empty */
};

struct queue_reporter {
    struct slice hostname; /* reports are from MAILER-DAEMON there */
    int tmp_dir;           /* for spools; -1: memory */
    /* Fills target->to and what belongs to it. */
    TASK_FN
    void (*find)(
        void *arg, struct slice address, struct queue_report_target *target, deadline until);
    /* Inside the mutation of target->partition: retains the blob and files it. REFUSED: the account
     * is gone; the settling goes on. */
    enum outcome (*deliver)(struct store_txn *t, void *arg,
        const struct queue_report_target *target, store_blob_id blob, uint64_t size, int64_t now_s);
    void *arg;
    unsigned per_hour; /* reports to one sender; 0: QUEUE_REPORTS_PER_HOUR */
};

#define QUEUE_REPORTS_PER_HOUR 1000
