/* File names of a Maildir, and its file of keywords: the flags of a name are written and read
 * again; keywords are names that a mailbox takes. The first byte chooses. */
#include "mailbox/imported.h"
#include "port/maildir.h"
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

#define CHECK(x)                                                                                   \
    do {                                                                                           \
        if (!(x))                                                                                  \
            abort();                                                                               \
    } while (0)

static void name(struct slice text)
{
    struct maildir_name one, two;
    char out[MAILDIR_INFO_MAX + 2] = "x";
    if (!maildir_name_parse(text, &one))
        return;
    CHECK(one.base.p == text.p && one.base.n && one.base.n <= text.n);
    CHECK(slice_find(one.base, ':') == SLICE_NONE && !(one.keywords >> MAILDIR_KEYWORDS));
    struct slice info = maildir_name_info(&one, out + 1);
    CHECK(maildir_name_parse(slice(out, 1 + info.n), &two));
    CHECK(two.flags == one.flags && two.forwarded == one.forwarded);
    CHECK(two.keywords == one.keywords);
}

static void keywords(struct slice text)
{
    struct maildir_keywords k;
    maildir_keywords_parse(text, &k);
    for (int i = 0; i < MAILDIR_KEYWORDS; i++)
        if (k.names[i].p)
            CHECK(imported_keyword_valid(k.names[i]) && k.names[i].p >= text.p &&
                  k.names[i].p + k.names[i].n <= text.p + text.n);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    if (!n)
        return 0;
    if (data[0] & 1)
        keywords(slice(data + 1, n - 1));
    else
        name(slice(data + 1, n - 1));
    return 0;
}
