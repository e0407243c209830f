#include "server/users.h"
#include "message/address.h"
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>

#define NAME_MAX_ 63

static bool refuse(char why[USERS_WHY], const char *format, struct slice text)
{
    snprintf(why, USERS_WHY, format, (int)(text.n < 100 ? text.n : 100), text.p);
    return false;
}

/* A name, or a number for a user without one. */
static bool find_user(struct slice user, uint32_t *uid, char name[NAME_MAX_ + 1])
{
    uint64_t number;
    const struct passwd *p;
    bool is_number = slice_to_u64(user, UINT32_MAX - 1, &number);
    if (!slice_to_cstr(user, name, NAME_MAX_ + 1))
        return false;
    p = is_number ? getpwuid((uid_t)number) : getpwnam(name);
    if (!p && !is_number)
        return false;
    *uid = p ? p->pw_uid : (uint32_t)number;
    slice_to_cstr(slice_str(p ? p->pw_name : "-"), name, NAME_MAX_ + 1);
    return true;
}

bool users_add(struct buffer *lines, const char *row, char why[USERS_WHY])
{
    struct slice address = slice_trim(slice_str(row)), user = slice_cut(&address, ' ');
    struct address_spec spec;
    char name[NAME_MAX_ + 1];
    uint32_t uid = 0;
    address = slice_trim(address);
    if (!user.n || !address_parse(address, true, &spec) || spec.literal ||
        slice_has_any(address, " \n"))
        return refuse(why, "\"%.*s\" is not \"USER ADDRESS\"", slice_str(row));
    bool everybody = slice_eq(user, S("*"));
    if (!everybody && !find_user(user, &uid, name))
        return refuse(why, "this machine has no user %.*s", user);
    if (everybody)
        buffer_add(lines, S("* -"));
    else
        buffer_printf(lines, "%u %s", uid, *name ? name : "-");
    buffer_printf(lines, " " SLICE_FMT "\n", SLICE_ARG(address));
    return true;
}

static struct slice line_word(struct slice *line)
{
    return slice_cut(line, ' ');
}

struct intake_user *users_read(struct slice lines, size_t *n)
{
    size_t count = 0;
    for (size_t i = 0; i < lines.n; i++)
        count += lines.p[i] == '\n';
    struct intake_user *users = calloc(1, count * sizeof *users + lines.n + 1);
    *n = 0;
    if (!users)
        return NULL;
    char *text = (char *)(users + count);
    while (lines.n && *n < count) {
        struct intake_user *u = &users[*n];
        struct slice line = slice_cut(&lines, '\n'), uid = line_word(&line);
        struct slice name = line_word(&line);
        uint64_t number = 0;
        u->everybody = slice_eq(uid, S("*"));
        if (!u->everybody && !slice_to_u64(uid, UINT32_MAX - 1, &number))
            continue;
        u->uid = (uint32_t)number;
        if (slice_eq(name, S("-")))
            name.n = 0;
        memcpy(text, name.p, name.n);
        u->name = text;
        text += name.n + 1;
        memcpy(text, line.p, line.n);
        u->address = text;
        text += line.n + 1;
        ++*n;
    }
    return users;
}
