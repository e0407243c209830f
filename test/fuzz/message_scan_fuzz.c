#include "message/header.h"
#include "message/scan.h"
#include "message_fuzz.h"

static void check_same(const struct scan *a, const struct scan *b)
{
    CHECK(a->bytes == b->bytes && a->header_bytes == b->header_bytes);
    CHECK(a->longest_line == b->longest_line && a->in_body == b->in_body);
    CHECK(memcmp(a->field, b->field, sizeof a->field) == 0);
    CHECK(a->header_8bit == b->header_8bit && a->body_8bit == b->body_8bit && a->nul == b->nul);
    CHECK(a->bare_cr == b->bare_cr && a->bare_lf == b->bare_lf);
    CHECK(a->ends_in_line == b->ends_in_line && a->tls_optional == b->tls_optional);
    CHECK(!a->tls_optional || a->field[SCAN_TLS_REQUIRED]);
}

/* The same facts, byte by byte. */
static void check_facts(const struct scan *s, struct slice m)
{
    size_t body = header_end(m);
    bool cr = false, lf = false, nul = false, high = false, low = false;
    for (size_t i = 0; i < m.n; i++) {
        cr |= m.p[i] == '\r' && (i + 1 == m.n || m.p[i + 1] != '\n');
        lf |= m.p[i] == '\n' && (i == 0 || m.p[i - 1] != '\r');
        nul |= !m.p[i];
        bool eight = (unsigned char)m.p[i] >= 0x80;
        high |= i < body && eight;
        low |= i >= body && eight;
    }
    CHECK(s->bytes == m.n && s->header_bytes == body);
    CHECK(s->bare_cr == cr && s->bare_lf == lf && s->nul == nul);
    CHECK(s->header_8bit == high && s->body_8bit == low);
    CHECK(s->field[SCAN_RECEIVED] == header_count(m, S("Received")));
    CHECK(s->field[SCAN_FROM] == header_count(m, S("From")));
    CHECK(s->field[SCAN_TLS_REQUIRED] == header_count(m, S("TLS-Required")));
    CHECK(s->field[SCAN_MESSAGE_ID] == header_count(m, S("Message-ID")));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    if (!n)
        return 0;
    struct slice message = slice(data + 1, n - 1);
    size_t step = data[0] ? data[0] : 1;
    struct scan whole, pieces;
    scan_init(&whole);
    scan_feed(&whole, message);
    scan_end(&whole);
    check_facts(&whole, message);
    scan_init(&pieces);
    for (size_t at = 0; at < message.n; at += step)
        scan_feed(&pieces, slice_sub(message, at, step));
    scan_end(&pieces);
    check_same(&whole, &pieces);
    return 0;
}
