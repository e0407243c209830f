#include "net/meter_private.h"
#include <string.h>

#define METER(name_)                                                                               \
    {                                                                                              \
        .name = (name_),                                                                           \
        .opened = {.name = "barid_connections_total",                                              \
            .help = "Connections accepted",                                                        \
            .labels = "listener=\"" name_ "\"",                                                    \
            .kind = METRIC_COUNTER},                                                               \
        .active = {.name = "barid_connections",                                                    \
            .help = "Connections open now",                                                        \
            .labels = "listener=\"" name_ "\"",                                                    \
            .kind = METRIC_GAUGE},                                                                 \
    }

/* The last one takes all other names. */
static struct meter meters[] = {METER("smtp"), METER("submission"), METER("submissions"),
    METER("imap"), METER("imaps"), METER("pop3"), METER("pop3s"), METER("lmtp"), METER("metrics"),
    METER("other")};

#define METERS (sizeof meters / sizeof *meters)

/* Metrics are registered before main. */
__attribute__((constructor)) static void meters_register(void)
{
    for (size_t i = 0; i < METERS; i++) {
        metrics_register(&meters[i].opened);
        metrics_register(&meters[i].active);
    }
}

struct meter *meter_of(const char *listener)
{
    size_t i = 0;
    while (i + 1 < METERS && strcmp(meters[i].name, listener) != 0)
        i++;
    return &meters[i];
}
