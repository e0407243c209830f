#include "base/metrics.h"
#include <inttypes.h>

#define BUCKET_FIRST_NS INT64_C(64000)

/* Sorted by name, so that one name stands together; in order of registration within it. Filled
 * before main, read-only afterwards. */
static struct metric *first;

void metrics_register(struct metric *m)
{
    struct metric **at = &first;
    while (*at && strcmp((*at)->name, m->name) <= 0) {
        if (*at == m)
            return;
        at = &(*at)->next;
    }
    m->next = *at;
    *at = m;
}

void metric_observe(struct metric *histogram, int64_t ns)
{
    if (ns < 0)
        ns = 0;
    int bucket = 0;
    while (bucket < METRIC_BUCKETS && ns > BUCKET_FIRST_NS << bucket)
        bucket++;
    atomic_fetch_add_explicit(&histogram->buckets[bucket], 1, memory_order_relaxed);
    metric_add(histogram, ns);
}

static const char *kind_name(enum metric_kind kind)
{
    static const char *const names[] = {"counter", "gauge", "histogram"};
    return names[kind];
}

/* "name" or "name{labels}", and a blank. */
static void render_name(struct buffer *out, const struct metric *m, const char *suffix)
{
    bool labels = m->labels && *m->labels;
    buffer_printf(out, "%s%s%s%s%s ", m->name, suffix, labels ? "{" : "", labels ? m->labels : "",
        labels ? "}" : "");
}

/* ns as seconds, all nine decimals. */
static void render_seconds(struct buffer *out, int64_t ns)
{
    buffer_printf(out, "%" PRId64 ".%09" PRId64, ns / 1000000000, ns % 1000000000);
}

static void render_bucket(struct buffer *out, const struct metric *m, int bucket, int64_t below)
{
    bool labels = m->labels && *m->labels;
    buffer_printf(out, "%s_bucket{%s%sle=\"", m->name, labels ? m->labels : "", labels ? "," : "");
    if (bucket < METRIC_BUCKETS)
        render_seconds(out, BUCKET_FIRST_NS << bucket);
    else
        buffer_add(out, S("+Inf"));
    buffer_printf(out, "\"} %" PRId64 "\n", below);
}

static void render_histogram(struct buffer *out, struct metric *m)
{
    int64_t count = 0;
    for (int i = 0; i <= METRIC_BUCKETS; i++) {
        count += atomic_load_explicit(&m->buckets[i], memory_order_relaxed);
        render_bucket(out, m, i, count);
    }
    render_name(out, m, "_sum");
    render_seconds(out, atomic_load_explicit(&m->value, memory_order_relaxed));
    buffer_add_char(out, '\n');
    render_name(out, m, "_count");
    buffer_printf(out, "%" PRId64 "\n", count);
}

void metrics_render(struct buffer *out)
{
    const char *group = "";
    for (struct metric *m = first; m; m = m->next) {
        if (strcmp(group, m->name) != 0) {
            group = m->name;
            buffer_printf(out, "# HELP %s %s\n# TYPE %s %s\n", group, m->help ? m->help : "", group,
                kind_name(m->kind));
        }
        if (m->kind == METRIC_HISTOGRAM) {
            render_histogram(out, m);
            continue;
        }
        render_name(out, m, "");
        buffer_printf(out, "%" PRId64 "\n", atomic_load_explicit(&m->value, memory_order_relaxed));
    }
}
