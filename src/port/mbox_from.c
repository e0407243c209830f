/* "From " lines, and what else a writer puts between messages. */
#include "message/date.h"
#include "port/mbox.h"
#include <stdio.h>

#define WORDS_MAX 24
#define FROM      S("From ")

static const char days[] = "SunMonTueWedThuFriSat";
static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";

/* Index of a name of three letters; -1. */
static int name_of(struct slice word, const char *names)
{
    for (int i = 0; word.n == 3 && names[3 * i]; i++)
        if (slice_eq_nocase(word, slice(names + 3 * i, 3)))
            return i;
    return -1;
}

static size_t cut_words(struct slice text, struct slice words[WORDS_MAX])
{
    size_t n = 0;
    while (n < WORDS_MAX && (text = slice_trim(text)).n) {
        size_t end = 0;
        while (end < text.n && text.p[end] != ' ' && text.p[end] != '\t')
            end++;
        words[n++] = slice_sub(text, 0, end);
        text = slice_from(text, end);
    }
    return n;
}

/* Day, month, day of the month, time, and a zone before or behind the year, as asctime and its
 * friends write them; UTC when none is told. */
static bool read_date(const struct slice *words, size_t n, int64_t *date, int *zone)
{
    char text[128];
    struct slice year = {0}, place = S("+0000");
    uint64_t number;
    struct date d;
    if (n < 5 || name_of(words[0], days) < 0 || name_of(words[1], months) < 0 ||
        !slice_to_u64(words[2], 31, &number) || slice_find(words[3], ':') == SLICE_NONE)
        return false;
    for (size_t i = 4; i < n && i < 7; i++) {
        if (!year.p && words[i].n == 4 && slice_to_u64(words[i], 9999, &number))
            year = words[i];
        else if (words[i].n <= 5 && (i == 4 || year.p) && place.n == 5 && place.p[0] == '+' &&
                 (ascii_alpha(words[i].p[0]) || words[i].p[0] == '+' || words[i].p[0] == '-'))
            place = words[i];
    }
    if (!year.p || words[3].n > 8)
        return false;
    snprintf(text, sizeof text, SLICE_FMT " " SLICE_FMT " " SLICE_FMT " " SLICE_FMT " " SLICE_FMT,
        SLICE_ARG(words[2]), SLICE_ARG(words[1]), SLICE_ARG(year), SLICE_ARG(words[3]),
        SLICE_ARG(place));
    if (!date_parse(slice_str(text), &d))
        return false;
    *date = date_to_unix(&d);
    *zone = d.zone;
    return true;
}

bool mbox_from_line(struct slice line, bool *dated, int64_t *date, int *zone)
{
    struct slice words[WORDS_MAX];
    *dated = false;
    *date = 0;
    *zone = 0;
    if (!slice_starts(line, FROM))
        return false;
    if (line.n && line.p[line.n - 1] == '\n')
        line.n--;
    if (line.n && line.p[line.n - 1] == '\r')
        line.n--;
    size_t n = cut_words(slice_from(line, FROM.n), words);
    for (size_t i = 0; i + 5 <= n && !*dated; i++)
        *dated = read_date(words + i, n - i, date, zone);
    return n > 0;
}

/* ---- writing ---- */

static bool word(struct slice s)
{
    for (size_t i = 0; i < s.n; i++)
        if (s.p[i] <= ' ' || s.p[i] >= 0x7f)
            return false;
    return s.n > 0 && s.n <= 320;
}

bool mbox_put_from(struct buffer *out, struct slice sender, int64_t date)
{
    struct date d = date_from_unix(date, 0);
    int64_t day = date / 86400 - (date % 86400 < 0);
    int weekday = (int)(((day + 4) % 7 + 7) % 7); /* 1970-01-01 was a Thursday */
    if (!word(sender))
        sender = S("MAILER-DAEMON");
    return buffer_printf(out, "From " SLICE_FMT " %.3s %.3s %2d %02d:%02d:%02d %04d\n",
        SLICE_ARG(sender), days + 3 * weekday, months + 3 * (d.month - 1), d.day, d.hour, d.minute,
        d.second, d.year);
}

bool mbox_put_status(struct buffer *out, uint8_t flags, struct slice keywords, uint32_t uid,
    uint32_t uidvalidity, bool base)
{
    static const struct {
        uint8_t flag;
        char letter;
    } letters[] = {{MAILBOX_ANSWERED, 'A'}, {MAILBOX_FLAGGED, 'F'}, {MAILBOX_DELETED, 'D'},
        {MAILBOX_DRAFT, 'T'}};
    if (base)
        buffer_printf(out, "X-IMAPbase: %u %u\n", uidvalidity, uid);
    buffer_printf(out, "Status: %sO\nX-Status: ", flags & MAILBOX_SEEN ? "R" : "");
    for (size_t i = 0; i < sizeof letters / sizeof *letters; i++)
        if (flags & letters[i].flag)
            buffer_add_char(out, letters[i].letter);
    buffer_add(out, S("\nX-Keywords: "));
    buffer_add(out, keywords);
    return buffer_printf(out, "\nX-UID: %u\n", uid);
}

/* As the reader looks for quotes. */
static void put_line(struct mbox_quote *q, struct buffer *out)
{
    struct slice line = slice(q->line, q->n);
    size_t n = 0;
    while (n < line.n && n + 1 < MBOX_LINE - FROM.n && line.p[n] == '>')
        n++;
    if (slice_starts(slice_from(line, n), FROM))
        buffer_add_char(out, '>');
    buffer_add(out, line);
    q->passing = line.n && line.p[line.n - 1] != '\n';
    q->n = 0;
}

bool mbox_quote(struct mbox_quote *q, struct slice text, struct buffer *out)
{
    while (text.n) {
        size_t lf = slice_find(text, '\n');
        size_t n = lf == SLICE_NONE ? text.n : lf + 1;
        if (q->passing) {
            buffer_add(out, slice_sub(text, 0, n));
            q->passing = lf == SLICE_NONE;
        } else {
            n = n < MBOX_LINE - q->n ? n : MBOX_LINE - q->n;
            memcpy(q->line + q->n, text.p, n);
            q->n += n;
            if (q->n == MBOX_LINE || q->line[q->n - 1] == '\n')
                put_line(q, out);
        }
        text = slice_from(text, n);
    }
    return !out->overflow;
}

bool mbox_quote_end(struct mbox_quote *q, struct buffer *out)
{
    put_line(q, out);
    q->passing = false;
    return !out->overflow;
}
