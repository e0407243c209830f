/* Any bytes as the record of a domain that wants reports, as rows of counts, and as a report made
 * of such rows. */
#include "delivery/tlsrpt_private.h"
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void check(bool ok)
{
    if (!ok)
        abort();
}

static void record(struct slice in)
{
    static struct tlsrpt_uri uris[TLSRPT_URIS_MAX];
    size_t n = tlsrpt_record_parse(in, uris);
    check(n <= TLSRPT_URIS_MAX && (!n || tlsrpt_record_is(in)));
    for (size_t i = 0; i < n; i++) {
        if (uris[i].mail)
            check(strchr(uris[i].address, '@') && !strpbrk(uris[i].address, "\r\n<>"));
        else
            check(uris[i].host[0] && uris[i].port && uris[i].path[0] == '/' &&
                  !strpbrk(uris[i].path, " \r\n") && !strpbrk(uris[i].host, " \r\n/:"));
    }
}

static void rows(struct slice in)
{
    static char out[TLSRPT_ROW_SESSIONS];
    struct tlsrpt_sessions s;
    struct tlsrpt_failures f;
    struct slice domain;
    uint32_t day;
    bool failures;
    if (tlsrpt_row_parse(in, &day, &domain, &failures))
        check(domain.n > 0 && domain.n < in.n);
    if (tlsrpt_row_unpack_sessions(in, &s))
        check(tlsrpt_row_pack_sessions(&s, out) <= sizeof out);
    if (tlsrpt_row_unpack_failures(in, &f))
        check(tlsrpt_row_pack_failures(&f, out) <= TLSRPT_ROW_FAILURES);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    struct slice in = slice(data, n);
    struct buffer json;
    const struct tlsrpt_report r = {.day = 20000,
        .domain = S("b.test"),
        .hostname = S("mx.a.test"),
        .contact = S("postmaster@a.test"),
        .id = S("x"),
        .rows = in};
    record(in);
    rows(in);
    buffer_init(&json, TLSRPT_JSON_MAX);
    if (tlsrpt_report_json(&r, &json))
        check(json.n > 2 && json.p[0] == '{' && json.p[json.n - 1] == '}');
    buffer_finish(&json);
    return 0;
}
