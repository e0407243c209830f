/* "local@domain": as a sender it becomes one of ours, which is a dot-string, fits, comes back with
 * its account and is nothing to another key; as a recipient it is none of ours. The first byte
 * gives account and domain. */
#include "intake/srs.h"
#include "message/address.h"
#include "message_fuzz.h"

static const uint8_t key[INTAKE_SRS_KEY] = {1, 2, 3}, other[INTAKE_SRS_KEY] = {3, 2, 1};

static void comes_back(struct slice made, const struct intake_srs *s)
{
    uint64_t account = 1;
    CHECK(made.n <= INTAKE_SRS_LOCAL_MAX && intake_srs_is(made));
    for (size_t i = 0; i < made.n; i++)
        CHECK((unsigned char)made.p[i] > ' ' && (unsigned char)made.p[i] < 0x7f);
    char text[INTAKE_SRS_LOCAL_MAX + 10];
    size_t n = made.n;
    memcpy(text, made.p, n);
    memcpy(text + n, "@our.test", 9);
    struct address_spec spec;
    CHECK(address_parse(slice(text, n + 9), false, &spec) && !spec.quoted);
    CHECK(intake_srs_decode(key, made, s->ours, s->seconds, &account) == INTAKE_SRS_OK);
    CHECK(account == s->account);
    CHECK(intake_srs_decode(other, made, s->ours, s->seconds, &account) == INTAKE_SRS_FORGED);
    CHECK(intake_srs_decode(key, made, S("x.test"), s->seconds, &account) == INTAKE_SRS_FORGED);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    char made[INTAKE_SRS_LOCAL_MAX];
    static char ours[254];
    uint64_t account;
    if (n < 2 || n > 600)
        return 0;
    struct slice in = slice(data + 1, n - 1);
    size_t at = slice_rfind(in, '@');
    memset(ours, 'o', sizeof ours);
    struct intake_srs s = {.local = slice_sub(in, 0, at == SLICE_NONE ? in.n : at),
        .domain = at == SLICE_NONE ? S("") : slice_from(in, at + 1),
        .ours = slice(ours, data[0] % 253 + 1u),
        .account = data[0] % 3 ? (uint64_t)data[0] << (data[0] % 57) : 0,
        .seconds = INT64_C(1700000000) + data[0]};
    CHECK(intake_srs_decode(key, s.local, s.ours, s.seconds, &account) != INTAKE_SRS_OK);
    size_t length = intake_srs_encode(key, &s, made);
    CHECK(length || s.ours.n > 200);
    if (length)
        comes_back(slice(made, length), &s);
    return 0;
}
