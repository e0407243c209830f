/* Rows for people: aligned columns with the keys as heads; for programs: one JSON array. */
#include "admin/cli.h"
#include "admin/story.h"
#include "base/utf8.h"
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#define COLUMNS_MAX 16
#define CELL_MAX    2048
#define KEY_SIZE    32
#define HELD_MAX    1000 /* rows of a list that are held back; columns are as wide as they need */

struct cli_print {
    bool json, lists;
    json_t *rows; /* held back */
    bool begun;   /* rows were written */
    size_t columns, widths[COLUMNS_MAX];
    char keys[COLUMNS_MAX][KEY_SIZE];
    json_t *last; /* a row of other keys (the summary of verify) */
    bool tells;
    struct story story;
};

struct cli_print *cli_print_create(const struct cli *cli)
{
    struct cli_print *p = calloc(1, sizeof *p);
    if (p) {
        p->json = cli->json;
        p->lists = cli->lists;
        p->tells = cli->tells && !cli->json;
        p->rows = json_array();
    }
    return p;
}

static void cell(const json_t *value, char out[CELL_MAX])
{
    if (json_is_string(value)) {
        snprintf(out, CELL_MAX, "%s", json_string_value(value));
    } else if (json_is_integer(value)) {
        snprintf(out, CELL_MAX, "%" JSON_INTEGER_FORMAT, json_integer_value(value));
    } else if (json_is_boolean(value)) {
        snprintf(out, CELL_MAX, "%s", json_is_true(value) ? "yes" : "no");
    } else if (json_is_array(value)) {
        size_t n = 0;
        out[0] = '\0';
        for (size_t i = 0; i < json_array_size(value) && n < CELL_MAX; i++)
            n += (size_t)snprintf(out + n, CELL_MAX - n, "%s%.*s", i ? " " : "",
                (int)json_string_length(json_array_get(value, i)),
                json_string_value(json_array_get(value, i)));
    } else if (json_is_real(value)) {
        snprintf(out, CELL_MAX, "%.1f", json_real_value(value));
    } else {
        snprintf(out, CELL_MAX, "-");
    }
    story_clean(out);
}

/* Code points, which is what most terminals give one place each. */
static size_t width(const char *text)
{
    size_t n = 0;
    for (; *text; text++)
        n += ((unsigned char)*text & 0xc0) != 0x80;
    return n;
}

static void print_cell(const char *text, size_t to, bool last)
{
    size_t n = width(text);
    fputs(text, stdout);
    if (last)
        putchar('\n');
    else
        printf("%*s", (int)(to > n ? to - n : 0) + 2, "");
}

static void begin_table(struct cli_print *p)
{
    char text[CELL_MAX];
    const json_t *first = json_array_get(p->rows, 0);
    void *at = json_object_iter((json_t *)first);
    for (; at && p->columns < COLUMNS_MAX; at = json_object_iter_next((json_t *)first, at)) {
        char *key = p->keys[p->columns];
        snprintf(key, KEY_SIZE, "%s", json_object_iter_key(at));
        p->widths[p->columns++] = strlen(key);
    }
    for (size_t r = 0; r < json_array_size(p->rows); r++)
        for (size_t k = 0; k < p->columns; k++) {
            cell(json_object_get(json_array_get(p->rows, r), p->keys[k]), text);
            if (width(text) > p->widths[k])
                p->widths[k] = width(text);
        }
    for (size_t k = 0; k < p->columns; k++)
        print_cell(p->keys[k], p->widths[k], k + 1 == p->columns);
}

static void print_table(struct cli_print *p)
{
    char text[CELL_MAX];
    if (!p->begun)
        begin_table(p);
    for (size_t r = 0; r < json_array_size(p->rows); r++)
        for (size_t k = 0; k < p->columns; k++) {
            cell(json_object_get(json_array_get(p->rows, r), p->keys[k]), text);
            print_cell(text, p->widths[k], k + 1 == p->columns);
        }
}

/* JSON as it is, but nothing in it that a terminal would obey or that turns a line round. */
static void put_json(const char *text)
{
    struct slice rest = slice_str(text);
    while (rest.n) {
        const char *at = rest.p;
        uint32_t code = utf8_take(&rest);
        if (code >= 0x7f && utf8_control(code))
            printf("\\u%04" PRIx32, code);
        else
            fwrite(at, 1, (size_t)(rest.p - at), stdout);
    }
}

static void print_array(struct cli_print *p)
{
    for (size_t r = 0; r < json_array_size(p->rows); r++) {
        char *text = json_dumps(json_array_get(p->rows, r), JSON_INDENT(2) | JSON_PRESERVE_ORDER);
        if (text) {
            fputs(r || p->begun ? ",\n" : "[\n", stdout);
            put_json(text);
        }
        free(text);
    }
}

/* A list of a million rows is held in pieces. */
static void flush(struct cli_print *p)
{
    if (!json_array_size(p->rows))
        return;
    if (p->json)
        print_array(p);
    else
        print_table(p);
    p->begun = true;
    json_array_clear(p->rows);
}

static void print_story(struct cli_print *p, json_t *row)
{
    struct buffer lines;
    buffer_init(&lines, STORY_MAX);
    story_tell(&p->story, row, &lines);
    fwrite(lines.p ? lines.p : "", 1, lines.n, stdout);
    buffer_finish(&lines);
    json_decref(row);
}

void cli_print_row(struct cli_print *p, json_t *row)
{
    if (p->tells) {
        print_story(p, row);
    } else if (json_object_get(row, "faults")) {
        json_decref(p->last);
        p->last = row;
    } else {
        json_array_append_new(p->rows, row);
        if (p->lists && json_array_size(p->rows) == HELD_MAX)
            flush(p);
    }
}

static void print_value(const char *group, const char *key, const json_t *value)
{
    char text[CELL_MAX];
    cell(value, text);
    printf("%s%s%s %s\n", group, *group ? "." : "", key, text);
}

/* "key value" lines; a group's as "group.key value". */
static void print_object(json_t *row)
{
    for (void *at = json_object_iter(row); at; at = json_object_iter_next(row, at)) {
        const char *key = json_object_iter_key(at);
        json_t *value = json_object_iter_value(at);
        void *in = json_object_iter(value);
        if (!json_is_object(value))
            print_value("", key, value);
        for (; in; in = json_object_iter_next(value, in))
            print_value(key, json_object_iter_key(in), json_object_iter_value(in));
    }
}

static void print_json(json_t *value)
{
    char *text = json_dumps(value, JSON_INDENT(2) | JSON_PRESERVE_ORDER);
    if (text) {
        put_json(text);
        putchar('\n');
    }
    free(text);
}

static void print_people(struct cli_print *p)
{
    if (!p->lists && json_array_size(p->rows) == 1)
        print_object(json_array_get(p->rows, 0));
    else
        flush(p);
    if (p->last)
        print_object(p->last);
}

void cli_print_end(struct cli_print *p, bool ok)
{
    if (!p)
        return;
    if (p->json && p->lists) {
        flush(p);
        puts(p->begun ? "\n]" : "[]");
    } else if (p->json && json_array_size(p->rows)) {
        print_json(json_array_get(p->rows, 0));
    } else if (!p->json) {
        print_people(p);
    }
    fflush(stdout);
    json_decref(p->rows);
    json_decref(p->last);
    free(p);
}
