#include "imap/out.h"
#include "imap/mutf7.h"
#include "message/date.h"

#define QUOTED_MAX ((size_t)1000) /* longer strings are literals */

/* What a quoted string may hold: 7-bit without CR, LF and NUL (RFC 3501 §9). */
static bool can_quote(struct slice s)
{
    if (s.n > QUOTED_MAX)
        return false;
    for (size_t i = 0; i < s.n; i++) {
        unsigned char c = (unsigned char)s.p[i];
        if (!c || c == '\r' || c == '\n' || c >= 0x80)
            return false;
    }
    return true;
}

static void put_quoted(struct buffer *to, struct slice s)
{
    buffer_add_char(to, '"');
    while (s.n) {
        size_t run = 0;
        while (run < s.n && s.p[run] != '"' && s.p[run] != '\\')
            run++;
        buffer_add(to, slice_sub(s, 0, run));
        s = slice_from(s, run);
        if (s.n) {
            buffer_add(to, slice((char[]){'\\', s.p[0]}, 2));
            s = slice_from(s, 1);
        }
    }
    buffer_add_char(to, '"');
}

static void put_literal(struct buffer *to, struct slice s)
{
    buffer_printf(to, "{%zu}\r\n", s.n);
    for (;;) {
        size_t nul = slice_find(s, '\0');
        buffer_add(to, slice_sub(s, 0, nul));
        if (nul == SLICE_NONE)
            return;
        buffer_add_char(to, (char)0x80);
        s = slice_from(s, nul + 1);
    }
}

void imap_out_string(struct buffer *to, struct slice s)
{
    if (can_quote(s))
        put_quoted(to, s);
    else
        put_literal(to, s);
}

void imap_out_nstring(struct buffer *to, struct slice s)
{
    if (s.p)
        imap_out_string(to, s);
    else
        buffer_add(to, S("NIL"));
}

static bool is_atom_char(unsigned char c)
{
    return c > 0x20 && c < 0x7f && !strchr("(){%*\"\\]", c);
}

static bool is_atom(struct slice s)
{
    for (size_t i = 0; i < s.n; i++)
        if (!is_atom_char((unsigned char)s.p[i]))
            return false;
    return s.n > 0;
}

void imap_out_astring(struct buffer *to, struct slice s)
{
    /* RFC 3501 §4.1: an atom NIL would read as one */
    if (s.n <= QUOTED_MAX && is_atom(s) && !slice_eq_nocase(s, S("NIL")))
        buffer_add(to, s);
    else
        imap_out_string(to, s);
}

/* Stands for itself in modified UTF-7. */
static bool is_plain(struct slice utf8)
{
    for (size_t i = 0; i < utf8.n; i++)
        if (utf8.p[i] < 0x20 || utf8.p[i] > 0x7e || utf8.p[i] == '&')
            return false;
    return true;
}

void imap_out_mailbox(struct buffer *to, struct slice utf8)
{
    struct buffer text;
    if (is_plain(utf8)) {
        imap_out_astring(to, utf8);
        return;
    }
    buffer_init(&text, MAILBOX_NAME_MAX * 8);
    if (mutf7_encode(utf8, &text))
        imap_out_astring(to, buffer_slice(&text));
    else
        to->overflow = true;
    buffer_finish(&text);
}

void imap_out_flags(
    struct buffer *to, uint8_t flags, bool recent, uint64_t keywords, const struct slice *names)
{
    static const struct {
        struct slice name;
        uint8_t flag;
    } known[] = {
        {{"\\Answered", 9}, MAILBOX_ANSWERED},
        {{"\\Flagged", 8}, MAILBOX_FLAGGED},
        {{"\\Deleted", 8}, MAILBOX_DELETED},
        {{"\\Seen", 5}, MAILBOX_SEEN},
        {{"\\Draft", 6}, MAILBOX_DRAFT},
    };
    const char *space = "";
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        if (!(flags & known[i].flag))
            continue;
        buffer_add(to, slice_str(space));
        buffer_add(to, known[i].name);
        space = " ";
    }
    if (recent) {
        buffer_add(to, slice_str(space));
        buffer_add(to, S("\\Recent"));
        space = " ";
    }
    for (unsigned i = 0; keywords && i < MAILBOX_KEYWORDS; i++, keywords >>= 1) {
        /* an import may have brought names that are no atoms */
        if (!(keywords & 1) || !is_atom(names[i]))
            continue;
        buffer_add(to, slice_str(space));
        buffer_add(to, names[i]);
        space = " ";
    }
}

void imap_out_date_time(struct buffer *to, int64_t seconds, int zone)
{
    char text[DATE_TEXT_MAX];
    struct date date = date_from_unix(seconds, zone);
    buffer_add_char(to, '"');
    buffer_add(to, date_format_imap(&date, text));
    buffer_add_char(to, '"');
}

void imap_out_uids(struct buffer *to, const struct mailbox_uids *ranges, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (i)
            buffer_add_char(to, ',');
        buffer_add_u64(to, ranges[i].first);
        if (ranges[i].last == ranges[i].first)
            continue;
        buffer_add_char(to, ':');
        buffer_add_u64(to, ranges[i].last);
    }
}
