/* Any path becomes a legal mailbox name; a legal name becomes names of files that stay below their
 * folder, and comes back from them. The first byte chooses. */
#include "port/folder.h"
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

#define CHECK(x)                                                                                   \
    do {                                                                                           \
        if (!(x))                                                                                  \
            abort();                                                                               \
    } while (0)

static void from_disk(struct slice path, bool maildir, struct folder_name *name)
{
    char normal[MAILBOX_NAME_MAX];
    size_t n;
    const char *why;
    folder_to_mailbox(path, maildir, name);
    CHECK(mailbox_name_normalise(slice(name->text, name->n), normal, &n, &why));
    CHECK(slice_eq(slice(normal, n), slice(name->text, name->n)));
}

static void check_levels(struct slice path, bool hidden)
{
    for (struct slice rest = path; rest.n;) {
        struct slice level = slice_cut(&rest, '/');
        CHECK(level.n && level.n <= FOLDER_FILE_MAX && (hidden || level.p[0] != '.'));
    }
}

static void to_disk(struct slice name)
{
    char dir[FOLDER_FILE_MAX + 1], path[FOLDER_PATH_MAX];
    struct folder_name back;
    bool whole = folder_of_maildir(name, dir);
    CHECK(!strchr(dir, '/') && !strstr(dir, "..") && strlen(dir) <= FOLDER_FILE_MAX);
    from_disk(slice_str(dir), true, &back);
    CHECK(!whole || slice_eq(slice(back.text, back.n), name));
    whole = folder_of_file(name, path);
    check_levels(slice_str(path), false);
    from_disk(slice_str(path), false, &back);
    CHECK(!whole || slice_eq(slice(back.text, back.n), name));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    struct folder_name name;
    if (!n || n > 2000)
        return 0;
    struct slice path = slice(data + 1, n - 1);
    from_disk(path, data[0] & 1, &name);
    CHECK(folder_special(slice(name.text, name.n)).n <= MAILBOX_LEVEL_MAX);
    if (slice_find(path, '\0') == SLICE_NONE)
        to_disk(slice(name.text, name.n));
    return 0;
}
