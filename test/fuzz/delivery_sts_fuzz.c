/* Any bytes as an MTA-STS policy and as its record: what is taken keeps to its limits, and is taken
 * the same when it is written anew; a row of it is read back. */
#include "delivery/sts_private.h"
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void check(bool ok)
{
    if (!ok)
        abort();
}

static void policy(struct slice in)
{
    static char row[STS_ROW_MAX];
    struct sts_policy p, again;
    struct buffer mx, text, mx_again;
    const char *why;
    buffer_init(&mx, STS_MX_BYTES);
    buffer_init(&mx_again, STS_MX_BYTES);
    buffer_init(&text, 64 * 1024);
    if (sts_parse(in, &p, &mx, &why)) {
        check(p.max_age >= 0 && p.max_age <= STS_AGE_MAX && (p.mode == STS_NONE || p.mx.n));
        check(sts_write(&p, &text) && sts_parse(buffer_slice(&text), &again, &mx_again, &why));
        check(again.mode == p.mode && again.max_age == p.max_age && slice_eq(again.mx, p.mx));
        struct slice rest = p.mx, one = slice_cut(&rest, '\n');
        check(slice_starts(one, S("*")) || !one.n || sts_match(&p, one));
        size_t packed = sts_row_pack(&p, row);
        check(packed <= sizeof row && sts_row_unpack(slice(row, packed), &again));
        check(again.mode == p.mode && slice_eq(again.mx, p.mx));
    } else {
        check(why != NULL);
    }
    buffer_finish(&text);
    buffer_finish(&mx);
    buffer_finish(&mx_again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    struct slice in = slice(data, n);
    char id[STS_ID_MAX + 1];
    struct sts_policy p;
    struct buffer text;
    policy(in);
    if (sts_record(in, id))
        check(id[0] && strlen(id) <= STS_ID_MAX && sts_is_record(in));
    if (sts_row_unpack(in, &p))
        check(p.mx.n <= STS_MX_BYTES && p.mode <= STS_ENFORCE);
    buffer_init(&text, 1024);
    if (sts_fetch_text(in, &text))
        check(text.n < n || !n);
    buffer_finish(&text);
    return 0;
}
