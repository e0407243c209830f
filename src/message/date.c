#include "message/date.h"
#include "base/cursor.h"
#include "message/lexis_private.h"

static const char month_names[12][4] = {
    "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
static const char day_names[7][4] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};

#define DAY_SECONDS 86400
#define ZONE_MAX    1439

/* Days from 1970-01-01 to a day; March is the first month, so that the leap day is the last. */
static int64_t days_from_civil(int year, int month, int day)
{
    int64_t y = month <= 2 ? year - 1 : year;
    int64_t era = (y >= 0 ? y : y - 399) / 400;
    int64_t of_era = y - era * 400;
    int64_t of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
    return era * 146097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719468;
}

static void civil_from_days(int64_t days, struct date *out)
{
    days += 719468;
    int64_t era = (days >= 0 ? days : days - 146096) / 146097;
    int64_t of_era = days - era * 146097;
    int64_t year = (of_era - of_era / 1460 + of_era / 36524 - of_era / 146096) / 365;
    int64_t of_year = of_era - (365 * year + year / 4 - year / 100);
    int64_t month = (5 * of_year + 2) / 153;
    out->day = (int)(of_year - (153 * month + 2) / 5 + 1);
    out->month = (int)(month < 10 ? month + 3 : month - 9);
    out->year = (int)(year + era * 400 + (out->month <= 2));
}

static int month_days(int year, int month)
{
    static const int days[12] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    return month == 2 && leap ? 29 : days[month - 1];
}

static bool date_valid(const struct date *d)
{
    return d->year >= 1 && d->year <= 9999 && d->month >= 1 && d->month <= 12 && d->day >= 1 &&
           d->day <= month_days(d->year, d->month) && d->hour >= 0 && d->hour <= 23 &&
           d->minute >= 0 && d->minute <= 59 && d->second >= 0 && d->second <= 60 &&
           d->zone >= -ZONE_MAX && d->zone <= ZONE_MAX;
}

int64_t date_to_unix(const struct date *d)
{
    return days_from_civil(d->year, d->month, d->day) * DAY_SECONDS + d->hour * 3600 +
           d->minute * 60 + d->second - d->zone * 60;
}

struct date date_from_unix(int64_t seconds, int zone)
{
    if (zone > ZONE_MAX || zone < -ZONE_MAX)
        zone = 0;
    const int64_t first = days_from_civil(1, 1, 1) * DAY_SECONDS;
    const int64_t last = days_from_civil(10000, 1, 1) * DAY_SECONDS - 1;
    const int64_t shift = (int64_t)zone * 60;
    if (seconds < first - shift)
        seconds = first - shift;
    if (seconds > last - shift)
        seconds = last - shift;
    seconds += shift;
    int64_t days = seconds / DAY_SECONDS;
    int64_t rest = seconds % DAY_SECONDS;
    if (rest < 0) {
        rest += DAY_SECONDS;
        days--;
    }
    struct date d = {.hour = (int)(rest / 3600),
        .minute = (int)(rest / 60 % 60),
        .second = (int)(rest % 60),
        .zone = zone};
    civil_from_days(days, &d);
    return d;
}

/* ---- RFC 5322 ---- */

static void skip_cfws(struct cursor *c)
{
    c->at = lexis_cfws(c->all, c->at);
}

/* Between min and max digits. */
static bool take_digits(struct cursor *c, size_t min, size_t max, int *value, size_t *digits)
{
    int sum = 0;
    size_t n = 0;
    while (!cursor_end(c) && ascii_digit((char)cursor_peek(c))) {
        if (++n > max)
            return false;
        sum = sum * 10 + (cursor_peek(c) - '0');
        c->at++;
    }
    *value = sum;
    if (digits)
        *digits = n;
    return n >= min;
}

static struct slice take_letters(struct cursor *c)
{
    size_t from = c->at;
    while (!cursor_end(c) && ascii_alpha((char)cursor_peek(c)))
        c->at++;
    return slice_sub(c->all, from, c->at - from);
}

/* 1..12; 0: none. Whole names ("November") are taken too. */
static int month_number(struct slice name)
{
    for (int i = 0; i < 12; i++)
        if (slice_starts_nocase(name, slice(month_names[i], 3)))
            return i + 1;
    return 0;
}

static bool take_day_month_year(struct cursor *c, struct date *out)
{
    size_t digits;
    if (!take_digits(c, 1, 2, &out->day, NULL))
        return false;
    skip_cfws(c);
    cursor_take_char(c, '-');
    out->month = month_number(take_letters(c));
    skip_cfws(c);
    cursor_take_char(c, '-');
    if (!take_digits(c, 2, 4, &out->year, &digits))
        return false;
    /* RFC 5322 §4.3 */
    if (digits == 3 || (digits == 2 && out->year >= 50))
        out->year += 1900;
    else if (digits == 2)
        out->year += 2000;
    skip_cfws(c);
    return out->month != 0;
}

static bool take_time(struct cursor *c, struct date *out)
{
    if (!take_digits(c, 1, 2, &out->hour, NULL))
        return false;
    skip_cfws(c);
    if (!cursor_take_char(c, ':'))
        return false;
    skip_cfws(c);
    if (!take_digits(c, 1, 2, &out->minute, NULL))
        return false;
    skip_cfws(c);
    if (!cursor_take_char(c, ':'))
        return true;
    skip_cfws(c);
    bool ok = take_digits(c, 1, 2, &out->second, NULL);
    skip_cfws(c);
    return ok;
}

static bool take_zone_number(struct cursor *c, int sign, int *zone)
{
    int value;
    if (!take_digits(c, 4, 4, &value, NULL) || value % 100 > 59)
        return false;
    *zone = sign * (value / 100 * 60 + value % 100);
    return true;
}

/* Names of RFC 5322 §4.3; the letters of the military and unknown ones say nothing and are UTC. */
static int named_zone(struct slice name)
{
    static const struct {
        const char name[4];
        int hours;
    } zones[] = {{"EST", -5}, {"EDT", -4}, {"CST", -6}, {"CDT", -5}, {"MST", -7}, {"MDT", -6},
        {"PST", -8}, {"PDT", -7}};
    for (size_t i = 0; i < sizeof zones / sizeof zones[0]; i++)
        if (slice_eq_nocase(name, slice(zones[i].name, 3)))
            return zones[i].hours * 60;
    return 0;
}

bool date_parse(struct slice text, struct date *out)
{
    struct cursor c = {text, 0};
    struct date d = {0};
    skip_cfws(&c);
    if (take_letters(&c).n) {
        skip_cfws(&c);
        cursor_take_char(&c, ',');
        skip_cfws(&c);
    }
    if (!take_day_month_year(&c, &d) || !take_time(&c, &d))
        return false;
    if (cursor_take_char(&c, '+')) {
        if (!take_zone_number(&c, 1, &d.zone))
            return false;
    } else if (cursor_take_char(&c, '-')) {
        if (!take_zone_number(&c, -1, &d.zone))
            return false;
    } else {
        d.zone = named_zone(take_letters(&c));
    }
    if (!date_valid(&d))
        return false;
    *out = d;
    return true;
}

/* ---- IMAP ---- */

/* "-Nov-2026" behind the day, exactly. */
static bool take_imap_month_year(struct cursor *c, struct date *d)
{
    if (!cursor_take_char(c, '-'))
        return false;
    struct slice month = take_letters(c);
    d->month = month.n == 3 ? month_number(month) : 0;
    return d->month && cursor_take_char(c, '-') && take_digits(c, 4, 4, &d->year, NULL);
}

bool date_parse_imap(struct slice text, struct date *out)
{
    struct cursor c = {text, 0};
    struct date d = {0};
    size_t day_digits = cursor_take_char(&c, ' ') ? 1 : 2;
    if (!take_digits(&c, day_digits, day_digits, &d.day, NULL) || !take_imap_month_year(&c, &d) ||
        !cursor_take_char(&c, ' ') || !take_digits(&c, 2, 2, &d.hour, NULL) ||
        !cursor_take_char(&c, ':') || !take_digits(&c, 2, 2, &d.minute, NULL) ||
        !cursor_take_char(&c, ':') || !take_digits(&c, 2, 2, &d.second, NULL) ||
        !cursor_take_char(&c, ' '))
        return false;
    int sign = cursor_take_char(&c, '-') ? -1 : 1;
    if (sign == 1 && !cursor_take_char(&c, '+'))
        return false;
    if (!take_zone_number(&c, sign, &d.zone) || !cursor_end(&c) || !date_valid(&d))
        return false;
    *out = d;
    return true;
}

bool date_parse_imap_day(struct slice text, struct date *out)
{
    struct cursor c = {text, 0};
    struct date d = {0};
    if (!take_digits(&c, 1, 2, &d.day, NULL) || !take_imap_month_year(&c, &d) || !cursor_end(&c) ||
        !date_valid(&d))
        return false;
    *out = d;
    return true;
}

/* ---- RFC 3339 ---- */

/* "Z", "+01:00" */
static bool take_offset(struct cursor *c, struct date *d)
{
    int hours, minutes;
    if (cursor_take_char(c, 'Z') || cursor_take_char(c, 'z'))
        return true;
    int sign = cursor_take_char(c, '-') ? -1 : 1;
    if ((sign == 1 && !cursor_take_char(c, '+')) || !take_digits(c, 2, 2, &hours, NULL) ||
        !cursor_take_char(c, ':') || !take_digits(c, 2, 2, &minutes, NULL) || hours > 23 ||
        minutes > 59)
        return false;
    d->zone = sign * (hours * 60 + minutes);
    return true;
}

static bool is_digit(unsigned char c)
{
    return ascii_digit((char)c);
}

bool date_parse_rfc3339(struct slice text, struct date *out)
{
    struct cursor c = {text, 0};
    struct date d = {0};
    struct slice fraction;
    if (!take_digits(&c, 4, 4, &d.year, NULL) || !cursor_take_char(&c, '-') ||
        !take_digits(&c, 2, 2, &d.month, NULL) || !cursor_take_char(&c, '-') ||
        !take_digits(&c, 2, 2, &d.day, NULL) ||
        !(cursor_take_char(&c, 'T') || cursor_take_char(&c, 't')) ||
        !take_digits(&c, 2, 2, &d.hour, NULL) || !cursor_take_char(&c, ':') ||
        !take_digits(&c, 2, 2, &d.minute, NULL) || !cursor_take_char(&c, ':') ||
        !take_digits(&c, 2, 2, &d.second, NULL))
        return false;
    if (cursor_take_char(&c, '.') && !cursor_take_while(&c, is_digit, 1, &fraction))
        return false;
    if (!take_offset(&c, &d) || !cursor_end(&c) || !date_valid(&d))
        return false;
    *out = d;
    return true;
}

/* ---- writing ---- */

static char *put(char *to, struct slice s)
{
    memcpy(to, s.p, s.n);
    return to + s.n;
}

static char *put_digits(char *to, int value, int digits)
{
    for (int i = digits; i-- > 0; value /= 10)
        to[i] = (char)('0' + value % 10);
    return to + digits;
}

static char *put_time(char *to, const struct date *d)
{
    to = put_digits(to, d->hour, 2);
    *to++ = ':';
    to = put_digits(to, d->minute, 2);
    *to++ = ':';
    return put_digits(to, d->second, 2);
}

static char *put_zone(char *to, int zone, bool colon)
{
    int minutes = zone < 0 ? -zone : zone;
    *to++ = zone < 0 ? '-' : '+';
    to = put_digits(to, minutes / 60, 2);
    if (colon)
        *to++ = ':';
    return put_digits(to, minutes % 60, 2);
}

struct slice date_format(const struct date *date, char out[DATE_TEXT_MAX])
{
    int64_t days = days_from_civil(date->year, date->month, date->day);
    char *to = put(out, slice(day_names[((days + 4) % 7 + 7) % 7], 3));
    to = put(to, S(", "));
    to = put_digits(to, date->day, date->day < 10 ? 1 : 2);
    *to++ = ' ';
    to = put(to, slice(month_names[date->month - 1], 3));
    *to++ = ' ';
    to = put_digits(to, date->year, 4);
    *to++ = ' ';
    to = put_time(to, date);
    *to++ = ' ';
    to = put_zone(to, date->zone, false);
    return slice(out, (size_t)(to - out));
}

struct slice date_format_imap(const struct date *date, char out[DATE_TEXT_MAX])
{
    char *to = put_digits(out, date->day, 2);
    if (date->day < 10)
        out[0] = ' ';
    *to++ = '-';
    to = put(to, slice(month_names[date->month - 1], 3));
    *to++ = '-';
    to = put_digits(to, date->year, 4);
    *to++ = ' ';
    to = put_time(to, date);
    *to++ = ' ';
    to = put_zone(to, date->zone, false);
    return slice(out, (size_t)(to - out));
}

struct slice date_format_rfc3339(const struct date *date, char out[DATE_TEXT_MAX])
{
    char *to = put_digits(out, date->year, 4);
    *to++ = '-';
    to = put_digits(to, date->month, 2);
    *to++ = '-';
    to = put_digits(to, date->day, 2);
    *to++ = 'T';
    to = put_time(to, date);
    if (date->zone)
        to = put_zone(to, date->zone, true);
    else
        *to++ = 'Z';
    return slice(out, (size_t)(to - out));
}
