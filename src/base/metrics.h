/* Counters, gauges and histograms of the process, in Prometheus text form. Any thread; adding is
 * one relaxed atomic. */
#pragma once
#include "base/buffer.h"
#include <stdatomic.h>

enum metric_kind { METRIC_COUNTER, METRIC_GAUGE, METRIC_HISTOGRAM };
#define METRIC_BUCKETS 16 /* upper bounds 2^k * 64 us: 64 us .. about 2 s, then +Inf */

struct metric {
    const char *name, *help, *labels; /* labels: "protocol=\"smtp\"" or "" */
    enum metric_kind kind;
    struct metric *next;
    _Atomic int64_t value; /* histogram: sum in ns */
    _Atomic int64_t buckets[METRIC_BUCKETS + 1];
};

/* At file scope: METRIC(accepted, METRIC_COUNTER, "barid_messages_accepted_total",
 * "protocol=\"smtp\"", "Messages ..."); */
#define METRIC(variable, kind_, name_, labels_, help_)                                             \
    static struct metric variable = {                                                              \
        .name = (name_), .help = (help_), .labels = (labels_), .kind = (kind_)};                   \
    __attribute__((constructor)) static void variable##_register_(void)                            \
    {                                                                                              \
        metrics_register(&variable);                                                               \
    }

void metrics_register(struct metric *m);
static inline void metric_add(struct metric *m, int64_t n)
{
    atomic_fetch_add_explicit(&m->value, n, memory_order_relaxed);
}
static inline void metric_set(struct metric *m, int64_t n)
{
    atomic_store_explicit(&m->value, n, memory_order_relaxed);
}
void metric_observe(struct metric *histogram, int64_t ns);
/* All metrics, grouped by name (HELP and TYPE once), as Prometheus text format 0.0.4. */
void metrics_render(struct buffer *out);
