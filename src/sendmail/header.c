#include "sendmail/header.h"
#include "base/utf8.h"
#include "message/address.h"
#include "message/header.h"

#define LIST_BYTES ((size_t)16 * 1024 * 1024)

/* ---- where it ends ---- */

/* The first line with its end; the whole when it has none. */
static struct slice first_line(struct slice s)
{
    size_t lf = slice_find(s, '\n');
    return slice_sub(s, 0, lf == SLICE_NONE ? s.n : lf + 1);
}

static bool is_empty(struct slice line)
{
    return slice_eq(line, S("\n")) || slice_eq(line, S("\r\n"));
}

/* RFC 5322 §2.2: printable characters, then a colon (before which older mail has blanks). */
static bool is_field(struct slice line)
{
    size_t n = 0;
    while (n < line.n && line.p[n] > ' ' && line.p[n] < 0x7f && line.p[n] != ':')
        n++;
    size_t colon = n;
    while (colon < line.n && (line.p[colon] == ' ' || line.p[colon] == '\t'))
        colon++;
    return n && colon < line.n && line.p[colon] == ':';
}

bool sendmail_header_find(struct slice message, bool whole, struct sendmail_header *h)
{
    struct header_field field;
    size_t start = slice_starts(message, S("From ")) ? first_line(message).n : 0, at = start;
    *h = (struct sendmail_header){0};
    for (; at < message.n; at += first_line(slice_from(message, at)).n) {
        struct slice line = first_line(slice_from(message, at));
        bool folded = at > start && (line.p[0] == ' ' || line.p[0] == '\t');
        if (!folded && !is_field(line))
            break;
    }
    h->fields = slice_sub(message, start, at - start);
    h->rest = at;
    h->blank = at == message.n || is_empty(first_line(slice_from(message, at)));
    h->has_from = header_find(h->fields, S("From"), &field);
    return at < message.n || whole;
}

/* ---- addresses ---- */

void sendmail_list_init(struct sendmail_list *l)
{
    l->n = 0;
    l->utf8 = l->overflow = false;
    l->bad = (struct slice){0};
    arena_init(&l->arena, LIST_BYTES);
}

void sendmail_list_finish(struct sendmail_list *l)
{
    arena_reset(&l->arena);
}

static bool is_there(const struct sendmail_list *l, struct slice address)
{
    size_t i = 0;
    while (i < l->n && !slice_eq(l->addresses[i], address))
        i++;
    return i < l->n;
}

static void keep(struct sendmail_list *l, struct slice address)
{
    if (is_there(l, address))
        return;
    struct slice kept = {0};
    if (l->n < SENDMAIL_RECIPIENTS_MAX)
        kept = arena_copy(&l->arena, address);
    if (!kept.p) {
        l->overflow = true;
        return;
    }
    l->utf8 |= !utf8_ascii(kept);
    l->addresses[l->n++] = kept;
}

/* False: no address, or not for sure. */
static bool add_one(struct sendmail_list *l, const struct address *a)
{
    char text[2 * ADDRESS_MAX];
    struct buffer to = {.p = text, .cap = sizeof text, .max = sizeof text};
    struct address_spec spec;
    bool bare = !a->domain.p;
    if (!a->local.n || (a->broken && !bare) || !address_quote(a->local, &to))
        return false;
    if (bare && text[0] == '"') /* words that lie about, not a name */
        return false;
    bool ok = buffer_add_char(&to, '@') && buffer_add(&to, bare ? S("localhost") : a->domain) &&
              address_parse(buffer_slice(&to), true, &spec);
    if (ok)
        keep(l, buffer_slice(&to));
    return ok;
}

void sendmail_list_add(struct sendmail_list *l, struct slice text)
{
    struct address_reader r;
    struct address a;
    struct arena arena;
    bool ok = true;
    arena_init(&arena, text.n + 64);
    address_reader_init(&r, text, &arena);
    while (ok && !l->overflow && address_next(&r, &a))
        ok = a.kind != ADDRESS_MAILBOX || add_one(l, &a);
    l->overflow |= r.truncated;
    if (!ok && !l->bad.p)
        l->bad = text;
    arena_reset(&arena);
}

static bool is_one_of(const struct header_field *f, const struct slice *names, size_t n)
{
    size_t i = 0;
    while (i < n && !header_is(f, names[i]))
        i++;
    return i < n;
}

void sendmail_list_header(struct sendmail_list *l, struct slice fields)
{
    static const struct slice names[2][3] = {
        {{"To", 2}, {"Cc", 2}, {"Bcc", 3}},
        {{"Resent-To", 9}, {"Resent-Cc", 9}, {"Resent-Bcc", 10}},
    };
    struct header_reader r = header_reader(fields);
    struct header_field f;
    bool resent = false;
    while (!resent && header_next(&r, &f))
        resent = is_one_of(&f, names[1], 3);
    r = header_reader(fields);
    while (header_next(&r, &f))
        if (is_one_of(&f, names[resent], 3))
            sendmail_list_add(l, f.value);
}
