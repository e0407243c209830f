/* Any bytes as a row of the trace and as its events: what comes out of them is within bounds, and
 * goes in again. */
#include "base/hash.h"
#include "base/pack.h"
#include "trace/chunk.h"
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void events(struct slice rest)
{
    static char to[TRACE_EVENT_MAX];
    struct trace_event e, again;
    while (chunk_next(&rest, &e)) {
        for (size_t i = 0; i < e.n; i++)
            chunk_hash_field(&e, i);
        size_t took = chunk_put(to, sizeof to, e.kind, e.time, e.fields, e.n);
        struct slice packed = slice(to, took);
        if (!took || !chunk_next(&packed, &again) || packed.n || again.kind != e.kind ||
            again.time != e.time || again.n > e.n)
            abort();
    }
}

/* With checksums made right, so that what is behind them is reached. */
static void mended(const uint8_t *data, size_t n, struct chunk_zstd *zstd)
{
    static char unpacked[CHUNK_EVENTS];
    struct chunk c;
    char *row = malloc(n);
    if (!row || n < CHUNK_HEAD) {
        free(row);
        return;
    }
    memcpy(row, data, n);
    size_t filter_n = unpack_u32(row + 36);
    if (filter_n <= n - CHUNK_HEAD) {
        pack_u32(row + 32, crc32c(0, row + CHUNK_HEAD + filter_n, n - CHUNK_HEAD - filter_n));
        pack_u32(row + 4, crc32c(0, row + 8, CHUNK_HEAD - 8 + filter_n));
    }
    if (chunk_open(slice(row, n), &c)) {
        chunk_may_have(&c, chunk_hash(CHUNK_BY_ID, S("x")));
        if (chunk_unpack(zstd, &c, unpacked))
            events(slice(unpacked, c.size));
    }
    free(row);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    static struct chunk_zstd *zstd;
    if (!zstd)
        zstd = chunk_zstd_create();
    if (zstd)
        mended(data, n, zstd);
    events(slice(data, n));
    return 0;
}
