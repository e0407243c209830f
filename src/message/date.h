/* Dates of mail. Proleptic Gregorian calendar, years 1 to 9999, arithmetic of our own: no locale,
 * no time zone database. */
#pragma once
#include "base/slice.h"

/* A local time and its distance from UTC. */
struct date {
    int year, month, day;     /* 1..9999, 1..12, 1..31 */
    int hour, minute, second; /* second 60 is a leap second */
    int zone;                 /* minutes east of UTC, -1439..1439 */
};

#define DATE_TEXT_MAX 32 /* the longest text of any format below */

/* RFC 5322 §3.3 with the obsolete forms of §4.3: names of zones, years of two and three digits,
 * comments; a missing zone is UTC; the day of the week is not compared. Anything else: false. */
bool date_parse(struct slice text, struct date *out);
/* IMAP date-time without its quotes: "22-Nov-2026 03:12:16 +0000", " 2-Nov-2026 ..." (RFC 9051
 * §9). Strict. */
bool date_parse_imap(struct slice text, struct date *out);
/* IMAP date: "2-Nov-2026" (RFC 9051 §9); time 0:00, zone 0. Strict. */
bool date_parse_imap_day(struct slice text, struct date *out);
/* "2026-11-22T03:12:16Z", "2026-11-22t04:12:16.25+01:00" (RFC 3339 §5.6); parts of a second are
 * dropped. Strict. */
bool date_parse_rfc3339(struct slice text, struct date *out);

/* Seconds since 1970-01-01T00:00:00Z; a leap second counts as the next one. */
int64_t date_to_unix(const struct date *date);
/* Back, as seen in that zone (minutes east); outside the years 1 to 9999 the nearest end. */
struct date date_from_unix(int64_t seconds, int zone);

/* "Sun, 22 Nov 2026 03:12:16 +0000" (RFC 5322 §3.3). These return a slice over `out`. */
struct slice date_format(const struct date *date, char out[DATE_TEXT_MAX]);
/* "22-Nov-2026 03:12:16 +0000", a day of one digit with a blank (RFC 9051 §9). */
struct slice date_format_imap(const struct date *date, char out[DATE_TEXT_MAX]);
/* "2026-11-22T03:12:16Z", or with "+01:00" (RFC 3339 §5.6). */
struct slice date_format_rfc3339(const struct date *date, char out[DATE_TEXT_MAX]);
