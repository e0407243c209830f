#include "base/log_private.h"
#include "base/utf8.h"
#include <jansson.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void one_line(struct slice line)
{
    if (line.n > LOG_LINE_MAX || slice_find(line, '\n') != line.n - 1 || !utf8_valid(line))
        abort();
    for (size_t i = 0; i + 1 < line.n; i++)
        if ((unsigned char)line.p[i] < 0x20 || line.p[i] == 0x7F)
            abort();
}

/* Whatever a value holds, the line is one line, and as JSON one object that gives no key but ours.
 */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    static char out[LOG_LINE_MAX];
    struct slice second = slice(data, n), first = slice_cut(&second, '|');
    const struct log_field fields[] = {
        log_slice("a", first), log_int("n", (int64_t)n), log_slice("b", second)};
    one_line(
        slice(out, log_format_line(out, LOG_LOGFMT, (int64_t)n, LOG_INFO, "event", fields, 3)));
    size_t length = log_format_line(out, LOG_JSON, (int64_t)n, LOG_INFO, "event", fields, 3);
    one_line(slice(out, length));
    json_t *object = json_loadb(out, length, JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, NULL);
    if (!object || json_object_size(object) > (json_object_get(object, "cut") ? 7 : 6))
        abort();
    if (!json_object_get(object, "cut") &&
        json_integer_value(json_object_get(object, "n")) != (json_int_t)n)
        abort();
    json_decref(object);
    return 0;
}
