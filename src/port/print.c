#include "port/port.h"
#include <stdio.h>

static long long number(const json_t *summary, const char *key)
{
    return (long long)json_integer_value(json_object_get(summary, key));
}

void port_print(const json_t *summary)
{
    double seconds = json_real_value(json_object_get(summary, "seconds"));
    bool import = json_object_get(summary, "imported");
    long long n = number(summary, import ? "imported" : "exported");
    printf("%s %lld messages (%.1f MB) %s %lld mailboxes in %.1f s (%.0f a second)",
        import ? "imported" : "exported", n, (double)number(summary, "bytes") / (1024 * 1024),
        import ? "into" : "of", number(summary, "mailboxes"), seconds,
        seconds > 0 ? (double)n / seconds : 0);
    if (import)
        printf("; %lld were there already", number(summary, "already"));
    printf("; %lld skipped\n", number(summary, "skipped"));
    fflush(stdout);
}
