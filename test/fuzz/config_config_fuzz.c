/* The config file as a stranger might write it. */
#include "config/config.h"
#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void ignore(void *arg, const char *problem)
{
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    struct config c;
    /* @include reads other files: not what is tested here. */
    if (slice_find(slice(data, n), '@') == SLICE_NONE)
        config_parse(&c, slice(data, n), "fuzz", ignore, NULL);
    else
        config_parse(&c, S(""), "fuzz", ignore, NULL);
    config_finish(&c);
    return 0;
}
