/* Strangers' words in a report: whatever they are, no line of the report is theirs. */
#include "queue/dsn.h"
#include <stdlib.h>

#define LAST "--=_report_ID--" /* at the start of a line once */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void check(const struct buffer *out, bool utf8)
{
    size_t column = 0, ends = 0;
    for (size_t i = 0; i < out->n; i++) {
        unsigned char c = (unsigned char)out->p[i];
        bool end = c == '\r' && i + 1 < out->n && out->p[i + 1] == '\n';
        if ((c == '\r' && !end) || (c == '\n' && (i == 0 || out->p[i - 1] != '\r')))
            abort();
        ends += column == 0 && out->n - i >= sizeof LAST - 1 &&
                !memcmp(out->p + i, LAST, sizeof LAST - 1);
        if (c < 0x20 && c != '\r' && c != '\n' && c != '\t')
            abort();
        if (c >= 0x80 && !utf8)
            abort();
        column = end || c == '\n' ? 0 : column + 1;
        if (column > 998)
            abort();
    }
    if (ends != 1)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    struct slice rest = slice(data, n);
    struct slice address = slice_cut(&rest, '|'), orcpt = slice_cut(&rest, '|'),
                 status = slice_cut(&rest, '|'), reply = slice_cut(&rest, '|'),
                 remote = slice_cut(&rest, '|'), envid = slice_cut(&rest, '|');
    for (int i = 0; i < 10; i++) {
        struct buffer out;
        const struct dsn_recipient r = {
            .action = (enum dsn_action)(i % 5),
            .address = slice_sub(address, 0, 400),
            .orcpt = slice_sub(orcpt, 0, 500),
            .status = slice_sub(status, 0, 11),
            .reply = slice_sub(reply, 0, 512),
            .remote = slice_sub(remote, 0, 320),
            .remote_said = i % 2,
        };
        const struct dsn d = {
            .hostname = S("mail.example.org"),
            .to = S("a@b.example"),
            .id = S("ID"),
            .envid = slice_sub(envid, 0, 100),
            .utf8 = i >= 5,
            .recipients = &r,
            .n = 1,
        };
        buffer_init(&out, DSN_MAX);
        if (!dsn_compose(&out, &d))
            abort();
        check(&out, d.utf8);
        buffer_finish(&out);
    }
    return 0;
}
