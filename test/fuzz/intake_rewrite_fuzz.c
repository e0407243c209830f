/* What comes out is the message without the fields that must not go out, whatever the pieces; From
 * and Sender are kept aside whole. The first byte chooses the cut. */
#include "intake/rewrite.h"
#include "message/header.h"
#include "message_fuzz.h"

/* Returns the state for the caller to look at and finish. */
static struct intake_rewrite rewrite(struct slice in, size_t piece_max, struct buffer *out)
{
    struct intake_rewrite w;
    struct slice piece;
    intake_rewrite_init(&w);
    for (size_t from = 0; from < in.n; from += piece_max) {
        struct slice part = slice_sub(in, from, piece_max);
        char *exact = malloc(part.n);
        CHECK(exact);
        memcpy(exact, part.p, part.n);
        for (size_t at = 0; at < part.n;) {
            size_t before = at;
            intake_rewrite_next(&w, slice(exact, part.n), &at, &piece);
            CHECK(at > before && at <= part.n);
            buffer_add(out, piece);
        }
        free(exact);
    }
    intake_rewrite_end(&w, &piece);
    buffer_add(out, piece);
    return w;
}

static bool squeezed_is(struct slice name, struct slice wanted)
{
    size_t n = 0;
    for (size_t i = 0; i < name.n; i++) {
        unsigned char c = (unsigned char)name.p[i];
        if (c <= ' ' || c == 0x7f)
            continue;
        if (n >= wanted.n || ascii_lower((char)c) != wanted.p[n++])
            return false;
    }
    return n == wanted.n;
}

/* The name of a field as it may be read: to its first colon, at most to its first line end. */
static struct slice name_of(struct slice raw)
{
    size_t n = 0;
    while (n < raw.n && n < INTAKE_NAME_MAX && raw.p[n] != ':' && raw.p[n] != '\n')
        n++;
    return slice_sub(raw, 0, n);
}

static bool is_dropped(struct slice name)
{
    return squeezed_is(name, S("bcc")) || squeezed_is(name, S("resent-bcc")) ||
           squeezed_is(name, S("return-path")) || squeezed_is(name, S("authentication-results"));
}

static void check(struct slice in, const struct intake_rewrite *w, struct slice out)
{
    struct buffer wanted, authors;
    struct header_reader r = header_reader(in);
    struct header_field field;
    size_t fields = 0, counted = 0, end = 0;
    buffer_init(&wanted, in.n + 1);
    buffer_init(&authors, in.n + 1);
    while (header_next(&r, &field)) {
        bool blank = field.raw.p[0] == ' ' || field.raw.p[0] == '\t';
        struct slice name = name_of(field.raw);
        fields += !blank;
        end = r.at;
        if (blank)
            CHECK(w->folded_start);
        if (blank || !is_dropped(name))
            buffer_add(&wanted, field.raw);
        if (!blank && (squeezed_is(name, S("from")) || squeezed_is(name, S("sender"))))
            buffer_add(&authors, field.raw);
    }
    buffer_add(&wanted, slice_from(in, end));
    CHECK(slice_eq(buffer_slice(&wanted), out));
    CHECK(w->authors.overflow || slice_eq(buffer_slice(&authors), buffer_slice(&w->authors)));
    for (int i = 0; i < INTAKE_FIELDS; i++)
        counted += w->count[i];
    CHECK(counted == fields);
    buffer_finish(&wanted);
    buffer_finish(&authors);
}

/* No reader of headers finds one in what goes out. */
static void check_gone(struct slice out)
{
    CHECK(header_count(out, S("Bcc")) == 0 && header_count(out, S("Resent-Bcc")) == 0);
    CHECK(header_count(out, S("Return-Path")) == 0);
    CHECK(header_count(out, S("Authentication-Results")) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    struct buffer whole, cut;
    if (!n)
        return 0;
    struct slice in = slice(data + 1, n - 1);
    buffer_init(&whole, n);
    buffer_init(&cut, n);
    struct intake_rewrite a = rewrite(in, in.n + 1, &whole);
    struct intake_rewrite b = rewrite(in, data[0] % 32 + 1, &cut);
    CHECK(!whole.overflow && slice_eq(buffer_slice(&whole), buffer_slice(&cut)));
    CHECK(memcmp(a.count, b.count, sizeof a.count) == 0);
    CHECK(slice_eq(buffer_slice(&a.authors), buffer_slice(&b.authors)));
    CHECK(a.broken == b.broken && a.folded_start == b.folded_start && a.in_body == b.in_body);
    check(in, &a, buffer_slice(&whole));
    if (!a.folded_start && !a.broken)
        check_gone(buffer_slice(&whole));
    intake_rewrite_finish(&a);
    intake_rewrite_finish(&b);
    buffer_finish(&whole);
    buffer_finish(&cut);
    return 0;
}
