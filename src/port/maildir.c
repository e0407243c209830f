#include "port/maildir.h"
#include "mailbox/imported.h"

static const struct {
    char letter;
    uint8_t flag; /* 0: forwarded */
} letters[] = {
    {'D', MAILBOX_DRAFT},
    {'F', MAILBOX_FLAGGED},
    {'P', 0},
    {'R', MAILBOX_ANSWERED},
    {'S', MAILBOX_SEEN},
    {'T', MAILBOX_DELETED},
};

#define LETTERS (sizeof letters / sizeof *letters)

static void take_letter(struct maildir_name *name, char c)
{
    if (c >= 'a' && c <= 'z')
        name->keywords |= UINT32_C(1) << (c - 'a');
    for (size_t i = 0; i < LETTERS; i++)
        if (letters[i].letter == c) {
            name->flags |= letters[i].flag;
            name->forwarded |= !letters[i].flag;
        }
}

bool maildir_name_parse(struct slice file, struct maildir_name *name)
{
    size_t colon = slice_find(file, ':');
    *name = (struct maildir_name){.base = slice_sub(file, 0, colon)};
    if (!name->base.n || name->base.p[0] == '.')
        return false;
    struct slice info = colon == SLICE_NONE ? S("") : slice_from(file, colon + 1);
    if (!slice_starts(info, S("2,")))
        return true;
    for (size_t i = 2; i < info.n && info.p[i] != ','; i++)
        take_letter(name, info.p[i]);
    return true;
}

struct slice maildir_name_info(const struct maildir_name *name, char out[MAILDIR_INFO_MAX])
{
    size_t n = 0;
    out[n++] = ':';
    out[n++] = '2';
    out[n++] = ',';
    for (size_t i = 0; i < LETTERS; i++)
        if (letters[i].flag ? name->flags & letters[i].flag : name->forwarded)
            out[n++] = letters[i].letter;
    for (int i = 0; i < MAILDIR_KEYWORDS; i++)
        if (name->keywords & UINT32_C(1) << i)
            out[n++] = (char)('a' + i);
    return slice(out, n);
}

void maildir_keywords_parse(struct slice text, struct maildir_keywords *keywords)
{
    *keywords = (struct maildir_keywords){0};
    while (text.n) {
        struct slice line = slice_trim(slice_cut(&text, '\n'));
        struct slice number = slice_cut(&line, ' ');
        uint64_t i;
        if (line.n && line.p[line.n - 1] == '\r')
            line.n--;
        if (slice_to_u64(number, MAILDIR_KEYWORDS - 1, &i) && !keywords->names[i].p &&
            imported_keyword_valid(line))
            keywords->names[i] = line;
    }
}
