#include "base/utf8.h"
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

/* Valid is what can be taken apart and put together again; every take moves. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    struct slice rest = slice(data, n);
    bool same = true, ascii = true;
    while (rest.n) {
        struct slice before = rest;
        char out[4];
        uint32_t code = utf8_take(&rest);
        size_t took = before.n - rest.n;
        if (took < 1 || took > 4 || code > 0x10FFFF)
            abort();
        same &= slice_eq(slice(out, utf8_put(code, out)), slice_sub(before, 0, took));
        ascii &= code < 0x80;
    }
    if (same != utf8_valid(slice(data, n)) || ascii != utf8_ascii(slice(data, n)))
        abort();
    return 0;
}
