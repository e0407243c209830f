#include "config/config.h"
#include "config/load_private.h"
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define ARENA_MAX ((size_t)4 * 1024 * 1024)
#define NAME_MAX_ 128 /* of a setting with its groups */

void config_problem(struct load *l, int line, const char *format, ...)
{
    char text[512], whole[1024];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    if (line > 0)
        snprintf(whole, sizeof whole, "%.400s:%d: %s", l->path, line, text);
    else
        snprintf(whole, sizeof whole, "%.400s: %s", l->path, text);
    l->problems++;
    l->report(l->arg, whole);
}

const char *config_keep(struct load *l, struct slice text)
{
    struct slice kept = arena_copy(&l->config->arena, text);
    return kept.p ? kept.p : "";
}

static void *field(struct load *l, const struct row *row)
{
    return (char *)l->config + row->offset;
}

/* Edits between two short names: at most one row of the table of distances is needed. */
static unsigned distance(struct slice a, struct slice b)
{
    unsigned row[NAME_MAX_ + 1];
    if (a.n > NAME_MAX_ || b.n > NAME_MAX_)
        return NAME_MAX_;
    for (unsigned j = 0; j <= b.n; j++)
        row[j] = j;
    for (unsigned i = 1; i <= a.n; i++) {
        unsigned corner = row[0];
        row[0] = i;
        for (unsigned j = 1; j <= b.n; j++) {
            unsigned change = corner + (ascii_lower(a.p[i - 1]) != ascii_lower(b.p[j - 1]));
            unsigned least = row[j] < row[j - 1] ? row[j] + 1 : row[j - 1] + 1;
            corner = row[j];
            row[j] = change < least ? change : least;
        }
    }
    return row[b.n];
}

static const char *nearest(const char *name)
{
    const char *best = NULL;
    unsigned least = 4;
    for (size_t i = 0; i < table_row_count; i++) {
        const char *known = table_rows[i].name, *last = strrchr(known, '.');
        unsigned d = distance(slice_str(name), slice_str(known));
        /* The right key in the wrong group, or in none. */
        const char *own = strrchr(name, '.');
        if (last && !strcmp(last + 1, own ? own + 1 : name))
            d = d < 1 ? d : 1;
        if (d < least) {
            least = d;
            best = known;
        }
    }
    return best;
}

static void unknown(struct load *l, int line, const char *name)
{
    const char *near = nearest(name);
    if (near)
        config_problem(l, line, "unknown setting %s (did you mean %s?)", name, near);
    else
        config_problem(l, line, "unknown setting %s", name);
}

static void range(struct load *l, const struct row *row, int line, int64_t value)
{
    char least[VALUE_TEXT], most[VALUE_TEXT];
    if (value < row->min || value > row->max) {
        value_text(row->kind, row->min, least);
        value_text(row->kind, row->max, most);
        config_problem(l, line, "%s is out of its range: from %s to %s", row->name, least, most);
        return;
    }
    *(int64_t *)field(l, row) = value;
}

static void choice(struct load *l, const struct row *row, int line, struct slice text)
{
    struct slice rest = slice_str(row->choices);
    for (int64_t i = 0; rest.n; i++)
        if (slice_eq(slice_cut(&rest, ' '), text)) {
            *(int64_t *)field(l, row) = i;
            return;
        }
    config_problem(l, line, "%s is none of: %s", row->name, row->choices);
}

/* One value as text, from the file or the default. */
static void set_text(struct load *l, const struct row *row, int line, struct slice text)
{
    int64_t value;
    switch (row->kind) {
    case KIND_TEXT:
        if (line && (text.n < (size_t)row->min || text.n > (size_t)row->max))
            config_problem(l, line, "%s must have %lld to %lld characters", row->name,
                (long long)row->min, (long long)row->max);
        *(struct config_item *)field(l, row) = (struct config_item){config_keep(l, text), line};
        return;
    case KIND_SIZE:
        if (config_size(text, &value))
            range(l, row, line, value);
        else
            config_problem(
                l, line, "%s is not a size: write \"500KB\", \"50MB\", \"2GB\"", row->name);
        return;
    case KIND_TIME:
        if (config_time(text, &value))
            range(l, row, line, value);
        else
            config_problem(
                l, line, "%s is not a time: write \"90s\", \"5min\", \"2h\", \"3d\"", row->name);
        return;
    case KIND_CHOICE:
        choice(l, row, line, text);
        return;
    case KIND_BOOL:
        *(bool *)field(l, row) = slice_eq(text, S("true"));
        return;
    case KIND_NUMBER:
        range(l, row, line, strtoll(text.p, NULL, 10));
        return;
    case KIND_LIST:
    case KIND_ALSO:
    case KIND_ROUTES:
        return;
    }
}

static void set_default(struct load *l, const struct row *row)
{
    if (row->kind != KIND_LIST) {
        set_text(l, row, 0, slice_str(row->initial));
        return;
    }
    struct config_list *list = field(l, row);
    struct slice rest = slice_str(row->initial);
    list->items = arena_array(&l->config->arena, struct config_item, 8);
    while (list->items && rest.n && list->n < 8)
        list->items[list->n++] = (struct config_item){config_keep(l, slice_cut(&rest, ' ')), 0};
}

static void set_list(struct load *l, const struct row *row, config_setting_t *s)
{
    struct config_list *list = field(l, row);
    int n = config_setting_length(s), line = config_setting_source_line(s);
    if (config_setting_type(s) != CONFIG_TYPE_ARRAY && config_setting_type(s) != CONFIG_TYPE_LIST) {
        config_problem(l, line, "%s must be a list: [\"...\", \"...\"]", row->name);
        return;
    }
    if (n > CONFIG_LIST_MAX) {
        config_problem(l, line, "%s has more than %d entries", row->name, CONFIG_LIST_MAX);
        return;
    }
    list->items = arena_array(&l->config->arena, struct config_item, (size_t)n + 1);
    for (int i = 0; list->items && i < n; i++) {
        config_setting_t *item = config_setting_get_elem(s, (unsigned)i);
        const char *text = config_setting_get_string(item);
        if (text)
            list->items[list->n++] = (struct config_item){
                config_keep(l, slice_str(text)), config_setting_source_line(item)};
        else
            config_problem(l, line, "%s must hold texts in quotes", row->name);
    }
}

static struct config_item also_text(struct load *l, config_setting_t *group, const char *name)
{
    config_setting_t *s = config_setting_get_member(group, name);
    const char *text = s ? config_setting_get_string(s) : NULL;
    int line = config_setting_source_line(s ? s : group);
    if (!text || !*text)
        config_problem(l, line, "tls.also: each entry needs %s = \"...\"", name);
    return (struct config_item){config_keep(l, slice_str(text ? text : "")), line};
}

static void set_also(struct load *l, config_setting_t *s)
{
    struct config *c = l->config;
    int n = config_setting_length(s), line = config_setting_source_line(s);
    if (config_setting_type(s) != CONFIG_TYPE_LIST || n > CONFIG_LIST_MAX) {
        config_problem(l, line,
            "tls.also must be a list of at most %d groups: ( { ... }, { ... } )", CONFIG_LIST_MAX);
        return;
    }
    c->tls.also = arena_array(&c->arena, struct config_certificate, (size_t)n + 1);
    for (int i = 0; c->tls.also && i < n; i++) {
        config_setting_t *group = config_setting_get_elem(s, (unsigned)i);
        if (!config_setting_is_group(group)) {
            config_problem(l, line, "tls.also must hold groups: ( { server_name = ... } )");
            return;
        }
        for (int k = 0; k < config_setting_length(group); k++) {
            config_setting_t *member = config_setting_get_elem(group, (unsigned)k);
            const char *name = config_setting_name(member);
            if (strcmp(name, "server_name") && strcmp(name, "certificate") && strcmp(name, "key"))
                config_problem(
                    l, config_setting_source_line(member), "unknown setting tls.also.%s", name);
        }
        c->tls.also[c->tls.also_n++] = (struct config_certificate){
            .server_name = also_text(l, group, "server_name"),
            .certificate = also_text(l, group, "certificate"),
            .key = also_text(l, group, "key"),
        };
    }
}

static void set_row(struct load *l, const struct row *row, config_setting_t *s)
{
    int line = config_setting_source_line(s), type = config_setting_type(s);
    switch (row->kind) {
    case KIND_LIST:
        set_list(l, row, s);
        return;
    case KIND_ALSO:
        set_also(l, s);
        return;
    case KIND_ROUTES:
        routes_set(l, s);
        return;
    case KIND_BOOL:
        if (type == CONFIG_TYPE_BOOL)
            *(bool *)field(l, row) = config_setting_get_bool(s);
        else
            config_problem(l, line, "%s must be true or false", row->name);
        return;
    case KIND_NUMBER:
        if (type == CONFIG_TYPE_INT || type == CONFIG_TYPE_INT64)
            range(l, row, line, config_setting_get_int64(s));
        else
            config_problem(l, line, "%s must be a number", row->name);
        return;
    default:
        if (type == CONFIG_TYPE_STRING)
            set_text(l, row, line, slice_str(config_setting_get_string(s)));
        else
            config_problem(l, line, "%s must be a text in quotes", row->name);
    }
}

static void visit(struct load *l, config_setting_t *s, const char *group)
{
    char name[NAME_MAX_];
    int line = config_setting_source_line(s);
    snprintf(name, sizeof name, "%s%s%s", group, *group ? "." : "", config_setting_name(s));
    for (size_t i = 0; i < table_row_count; i++)
        if (!strcmp(table_rows[i].name, name)) {
            l->set[i] = true;
            set_row(l, &table_rows[i], s);
            return;
        }
    size_t n = strlen(name);
    bool is_group = false;
    for (size_t i = 0; i < table_row_count; i++)
        is_group |= !strncmp(table_rows[i].name, name, n) && table_rows[i].name[n] == '.';
    if (!is_group || *group)
        unknown(l, line, name);
    else if (!config_setting_is_group(s))
        config_problem(l, line, "%s must be a group: %s = { ... }", name, name);
    else
        for (int i = 0; i < config_setting_length(s); i++)
            visit(l, config_setting_get_elem(s, (unsigned)i), name);
}

/* A setting of the wrong type has no text. */
static bool empty(const char *text)
{
    return !text || !*text;
}

/* What holds between settings. */
static void check_whole(struct load *l)
{
    const struct config *c = l->config;
    if (empty(c->hostname.text))
        config_problem(l, 0, "hostname is missing: hostname = \"mail.example.org\"");
    if (empty(c->data_dir.text))
        config_problem(l, 0, "data_dir is missing: data_dir = \"/var/lib/barid\"");
    else if (c->data_dir.text[0] != '/')
        config_problem(l, c->data_dir.line, "data_dir must be an absolute path");
    if (empty(c->tls.certificate.text) != empty(c->tls.key.text))
        config_problem(l, c->tls.certificate.line + c->tls.key.line,
            "tls.certificate and tls.key belong together: set both or none");
    routes_check_relay(l);
    if (!empty(c->store_engine.text) && strcmp(c->store_engine.text, "lmdb"))
        config_problem(l, c->store_engine.line, "store.engine: there is only \"lmdb\"");
}

bool config_parse(
    struct config *c, struct slice text, const char *path, config_report report, void *arg)
{
    struct load l = {.config = c, .path = path, .report = report, .arg = arg};
    *c = (struct config){0};
    arena_init(&c->arena, ARENA_MAX);
    struct slice copy = arena_copy(&c->arena, text);
    config_t file;
    config_init(&file);
    if (slice_find(text, '\0') != SLICE_NONE || !copy.p) {
        config_problem(&l, 0, "the file holds a NUL byte or is too large");
    } else if (!config_read_string(&file, copy.p)) {
        config_problem(&l, config_error_line(&file), "%s", config_error_text(&file));
    } else {
        config_setting_t *root = config_root_setting(&file);
        for (int i = 0; i < config_setting_length(root); i++)
            visit(&l, config_setting_get_elem(root, (unsigned)i), "");
        for (size_t i = 0; i < table_row_count; i++)
            if (!l.set[i])
                set_default(&l, &table_rows[i]);
        check_whole(&l);
    }
    config_destroy(&file);
    return l.problems == 0;
}

bool config_load(struct config *c, const char *path, config_report report, void *arg)
{
    struct load l = {.path = path, .report = report, .arg = arg};
    struct buffer text;
    *c = (struct config){0};
    buffer_init(&text, CONFIG_FILE_MAX);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    char *room = NULL;
    ssize_t n = -1;
    while (fd >= 0 && (room = buffer_room(&text, 4096)) && (n = read(fd, room, 4096)) > 0)
        buffer_took(&text, (size_t)n);
    bool ok = false;
    if (fd < 0 || n < 0)
        config_problem(&l, 0, "cannot be read: %s", strerror(errno));
    else if (text.overflow)
        config_problem(&l, 0, "is larger than 1 MiB");
    else
        ok = config_parse(c, buffer_slice(&text), path, report, arg);
    if (fd >= 0)
        close(fd);
    buffer_finish(&text);
    return ok;
}

void config_finish(struct config *c)
{
    arena_reset(&c->arena);
}

void config_describe(struct buffer *out)
{
    static const char *const kinds[] = {
        "text", "list", "true/false", "number", "size", "time", "one of", "list", "list"};
    for (size_t i = 0; i < table_row_count; i++) {
        const struct row *row = &table_rows[i];
        buffer_printf(out, "%s (%s%s%s, default %s%s)\n    %s\n", row->name, kinds[row->kind],
            row->choices ? " " : "", row->choices ? row->choices : "",
            *row->initial ? row->initial : "empty", "", row->doc);
    }
}
