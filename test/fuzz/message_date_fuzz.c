#include "message/date.h"
#include "message_fuzz.h"

static void check_round(const struct date *d)
{
    char text[DATE_TEXT_MAX];
    struct date again;
    CHECK(date_parse(date_format(d, text), &again));
    CHECK(memcmp(d, &again, sizeof again) == 0);
    CHECK(date_parse_imap(date_format_imap(d, text), &again));
    CHECK(memcmp(d, &again, sizeof again) == 0);
    CHECK(date_parse_rfc3339(date_format_rfc3339(d, text), &again));
    CHECK(memcmp(d, &again, sizeof again) == 0);
    if (d->second < 60 && d->year > 1 && d->year < 9999) {
        again = date_from_unix(date_to_unix(d), d->zone);
        CHECK(memcmp(d, &again, sizeof again) == 0);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    struct slice text = slice(data, n);
    struct date d;
    if (date_parse(text, &d))
        check_round(&d);
    if (date_parse_imap(text, &d))
        check_round(&d);
    if (date_parse_imap_day(text, &d))
        check_round(&d);
    if (date_parse_rfc3339(text, &d))
        check_round(&d);
    if (n >= 10) {
        int64_t seconds;
        int16_t zone;
        memcpy(&seconds, data, 8);
        memcpy(&zone, data + 8, 2);
        d = date_from_unix(seconds, zone);
        check_round(&d);
    }
    return 0;
}
