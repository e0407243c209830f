#include "port/folder.h"
#include "base/base64.h"
#include "base/utf8.h"
#include "imap/mutf7.h"
#include <openssl/sha.h>
#include <stdio.h>

#define DOT      S("&AC4-")
#define SBD      S(".sbd")
#define HASH_HEX 16

static struct slice slice_of(const struct folder_name *name)
{
    return slice(name->text, name->n);
}

/* ---- from disk ---- */

/* Appends the text behind the dots that are written out. */
static bool decode_level(struct slice level, struct buffer *out)
{
    while (level.n) {
        size_t at = slice_find_slice(level, DOT);
        if (at == SLICE_NONE)
            return mutf7_decode(level, out);
        if (at && !mutf7_decode(slice_sub(level, 0, at), out))
            return false;
        buffer_add_char(out, '.');
        level = slice_from(level, at + DOT.n);
    }
    return true;
}

/* Appends what is legal of a level; the longest that fits. */
static void add_legal(struct folder_name *name, struct slice level)
{
    size_t start = name->n + (name->n > 0);
    size_t max = MAILBOX_NAME_MAX - start;
    size_t n = 0;
    char legal[MAILBOX_LEVEL_MAX];
    max = start > MAILBOX_NAME_MAX ? 0 : max < sizeof legal ? max : sizeof legal;
    while (level.n) {
        char bytes[4];
        size_t before = level.n;
        char first = level.p[0];
        uint32_t code = utf8_take(&level);
        bool bad = code < 0x20 || code == 0x7f || code == MAILBOX_SEPARATOR ||
                   (code == 0xfffd && before - level.n == 1 && (unsigned char)first >= 0x80);
        size_t length = utf8_put(bad ? '_' : code, bytes);
        name->changed |= bad || n + length > max;
        if (n + length > max)
            break;
        memcpy(legal + n, bytes, length);
        n += length;
    }
    name->changed |= !n;
    if (!n)
        return;
    if (name->n)
        name->text[name->n++] = MAILBOX_SEPARATOR;
    memcpy(name->text + name->n, legal, n);
    name->n += n;
}

static void add_level(struct folder_name *name, struct slice level)
{
    struct buffer text;
    buffer_init(&text, 8 * FOLDER_PATH_MAX);
    if (decode_level(level, &text) && utf8_valid(buffer_slice(&text))) {
        add_legal(name, buffer_slice(&text));
    } else {
        /* No name of modified UTF-7: then it is what it looks like. */
        add_legal(name, level);
    }
    buffer_finish(&text);
}

void folder_to_mailbox(struct slice path, bool maildir, struct folder_name *name)
{
    char normal[MAILBOX_NAME_MAX];
    const char *why;
    struct slice fallback = path.n ? S("_") : S("INBOX");
    *name = (struct folder_name){0};
    while (path.n) {
        struct slice level = slice_cut(&path, '/');
        bool levels = maildir && slice_starts(level, S("."));
        if (!maildir && path.n && slice_ends(level, SBD) && level.n > SBD.n)
            level.n -= SBD.n;
        struct slice rest = levels ? slice_from(level, 1) : level;
        do
            add_level(name, levels ? slice_cut(&rest, '.') : rest);
        while (levels && rest.n);
    }
    if (!name->n)
        memcpy(name->text, fallback.p, name->n = fallback.n);
    if (mailbox_name_normalise(slice_of(name), normal, &name->n, &why))
        memcpy(name->text, normal, name->n);
}

struct slice folder_special(struct slice name)
{
    static const struct {
        struct slice usual, special;
    } names[] = {
        {S("Sent Items"), S("Sent")},
        {S("Sent Messages"), S("Sent")},
        {S("Sent Mail"), S("Sent")},
        {S("Sent"), S("Sent")},
        {S("Draft"), S("Drafts")},
        {S("Drafts"), S("Drafts")},
        {S("Junk"), S("Junk")},
        {S("Junk E-mail"), S("Junk")},
        {S("Junk Mail"), S("Junk")},
        {S("Spam"), S("Junk")},
        {S("Trash"), S("Trash")},
        {S("Deleted Items"), S("Trash")},
        {S("Deleted Messages"), S("Trash")},
        {S("Archive"), S("Archive")},
        {S("Archives"), S("Archive")},
    };
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (slice_eq_nocase(name, names[i].usual))
            return slice_eq(name, names[i].special) ? S("") : names[i].special;
    return S("");
}

/* ---- to disk ---- */

/* Appends with dots written out. */
static void add_dotless(struct buffer *out, struct slice text)
{
    while (text.n) {
        size_t at = slice_find(text, '.');
        buffer_add(out, slice_sub(text, 0, at));
        if (at != SLICE_NONE)
            buffer_add(out, DOT);
        text = at == SLICE_NONE ? S("") : slice_from(text, at + 1);
    }
}

/* A level as it stands on disk. A dot inside base64 is none of the file system's. */
static void encode_level(struct slice level, bool dots, struct buffer *out)
{
    struct buffer text;
    buffer_init(&text, 4 * MAILBOX_NAME_MAX);
    mutf7_encode(level, &text);
    if (dots)
        add_dotless(out, buffer_slice(&text));
    else
        buffer_add(out, buffer_slice(&text));
    buffer_finish(&text);
}

/* False: it had to be cut; a hash of the mailbox's name keeps it apart from others. */
static bool put_name(struct slice text, struct slice mailbox, size_t max, char *out, size_t *n)
{
    unsigned char digest[SHA256_DIGEST_LENGTH];
    bool fits = text.n <= max;
    size_t kept = fits ? text.n : max - HASH_HEX - 1;
    memcpy(out, text.p, kept);
    *n = kept;
    if (fits)
        return true;
    SHA256((const unsigned char *)mailbox.p, mailbox.n, digest);
    out[(*n)++] = '~';
    for (int i = 0; i < HASH_HEX / 2; i++, *n += 2)
        snprintf(out + *n, 3, "%02x", digest[i]);
    return false;
}

bool folder_of_maildir(struct slice mailbox, char out[FOLDER_FILE_MAX + 1])
{
    struct buffer text;
    size_t n;
    out[0] = '\0';
    if (slice_eq(mailbox, S("INBOX")))
        return true;
    buffer_init(&text, 16 * MAILBOX_NAME_MAX);
    for (struct slice rest = mailbox; rest.n;) {
        buffer_add_char(&text, '.');
        encode_level(slice_cut(&rest, MAILBOX_SEPARATOR), true, &text);
    }
    bool whole = put_name(buffer_slice(&text), mailbox, FOLDER_FILE_MAX, out, &n);
    out[n] = '\0';
    buffer_finish(&text);
    return whole;
}

/* Hidden, or of an ending that means something to us or to Thunderbird. */
static bool special_file(struct slice level)
{
    return slice_starts(level, S(".")) || slice_ends(level, SBD) || slice_ends(level, S(".msf"));
}

bool folder_of_file(struct slice mailbox, char out[FOLDER_PATH_MAX])
{
    bool whole = true;
    size_t n = 0;
    for (struct slice rest = mailbox; rest.n;) {
        struct slice level = slice_cut(&rest, MAILBOX_SEPARATOR);
        struct buffer text;
        size_t added;
        buffer_init(&text, 16 * MAILBOX_NAME_MAX);
        encode_level(level, special_file(level), &text);
        whole &= put_name(buffer_slice(&text), mailbox, FOLDER_FILE_MAX - SBD.n, out + n, &added);
        n += added;
        buffer_finish(&text);
        if (rest.n) {
            memcpy(out + n, ".sbd/", 5);
            n += 5;
        }
    }
    out[n] = '\0';
    return whole;
}
