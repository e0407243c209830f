/* Sizes and times as people write them. */
#include "base/clock.h"
#include "config/load_private.h"
#include <stdio.h>

struct unit {
    struct slice name;
    int64_t factor;
};

/* From the least on. */
static const struct unit sizes[] = {
    {{"", 0}, 1},
    {{"B", 1}, 1},
    {{"KB", 2}, 1024},
    {{"MB", 2}, 1024 * 1024},
    {{"GB", 2}, 1024 * 1024 * 1024},
};
static const struct unit times[] = {
    {{"s", 1}, CLOCK_SEC},
    {{"min", 3}, 60 * CLOCK_SEC},
    {{"h", 1}, 3600 * CLOCK_SEC},
    {{"d", 1}, 86400 * CLOCK_SEC},
};

static bool with_unit(struct slice text, const struct unit *units, size_t n, int64_t *value)
{
    size_t digits = 0;
    uint64_t number;
    text = slice_trim(text);
    while (digits < text.n && ascii_digit(text.p[digits]))
        digits++;
    struct slice unit = slice_trim(slice_from(text, digits));
    for (size_t i = 0; i < n; i++)
        if (slice_eq_nocase(unit, units[i].name)) {
            uint64_t max = (uint64_t)(INT64_MAX / units[i].factor);
            if (!slice_to_u64(slice_sub(text, 0, digits), max, &number))
                return false;
            *value = (int64_t)number * units[i].factor;
            return true;
        }
    return false;
}

bool config_size(struct slice text, int64_t *bytes)
{
    return with_unit(text, sizes, sizeof sizes / sizeof *sizes, bytes);
}

bool config_time(struct slice text, int64_t *ns)
{
    if (slice_eq(slice_trim(text), S("0"))) { /* of any unit */
        *ns = 0;
        return true;
    }
    return with_unit(text, times, sizeof times / sizeof *times, ns);
}

void value_text(enum kind kind, int64_t value, char out[VALUE_TEXT])
{
    const struct unit *units = kind == KIND_SIZE ? sizes : times, *best = &sizes[0];
    size_t n = kind == KIND_SIZE ? sizeof sizes / sizeof *sizes : sizeof times / sizeof *times;
    for (size_t i = 0; (kind == KIND_SIZE || kind == KIND_TIME) && value && i < n; i++)
        if (value % units[i].factor == 0)
            best = &units[i];
    snprintf(out, VALUE_TEXT, "%lld" SLICE_FMT, (long long)(value / best->factor),
        SLICE_ARG(best->name));
}
