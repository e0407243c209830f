/* Patterns against the definition: a table over all beginnings of the pattern and of the name. The
 * input is name, NUL, pattern. */
#include "imap/pattern.h"
#include "mailbox/mailbox.h"
#include "message_fuzz.h"

#define LENGTH_MAX 64

static bool defined(struct slice pattern, struct slice name)
{
    bool at[LENGTH_MAX + 1][LENGTH_MAX + 1] = {[0] = {[0] = true}};
    for (size_t i = 1; i <= pattern.n; i++) {
        char c = pattern.p[i - 1];
        bool wild = c == '*' || c == '%';
        for (size_t k = 0; k <= name.n; k++) {
            if (wild)
                at[i][k] = at[i - 1][k] ||
                           (k && at[i][k - 1] && (c == '*' || name.p[k - 1] != MAILBOX_SEPARATOR));
            else
                at[i][k] = k && at[i - 1][k - 1] && name.p[k - 1] == c;
        }
    }
    return at[pattern.n][name.n];
}

static bool is_inbox(struct slice s)
{
    return slice_starts_nocase(s, S("INBOX"));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    struct slice pattern = slice(data, n), name = slice_cut(&pattern, '\0');
    struct imap_pattern p;
    struct arena arena;
    if (name.n > LENGTH_MAX || pattern.n > LENGTH_MAX)
        return 0;
    arena_init(&arena, 1 << 20);
    size_t reference = pattern.n ? (unsigned char)pattern.p[0] % pattern.n : 0;
    CHECK(imap_pattern_make(
        slice_sub(pattern, 0, reference), slice_from(pattern, reference), &arena, &p));
    CHECK(slice_starts(p.text, p.literal));
    if (!is_inbox(pattern))
        CHECK(imap_pattern_match(&p, name) == defined(pattern, name));
    arena_reset(&arena);
    return 0;
}
