#include "admin/cli.h"
#include "unit/unit.h"
#include <unistd.h>

static char said[65536];

/* What the rows look like on stdout. */
static void print(bool json, bool lists, bool ok, size_t n, json_t **rows)
{
    struct cli cli = {.json = json, .lists = lists};
    FILE *f = tmpfile();
    fflush(stdout);
    int was = dup(STDOUT_FILENO);
    dup2(fileno(f), STDOUT_FILENO);
    struct cli_print *p = cli_print_create(&cli);
    for (size_t i = 0; i < n; i++)
        cli_print_row(p, rows[i]);
    cli_print_end(p, ok);
    dup2(was, STDOUT_FILENO);
    close(was);
    rewind(f);
    said[fread(said, 1, sizeof said - 1, f)] = '\0';
    fclose(f);
}

#define PRINT(json, lists, ...)                                                                    \
    print(json, lists, true, sizeof((json_t *[]){__VA_ARGS__}) / sizeof(json_t *),                 \
        (json_t *[]){__VA_ARGS__})

static json_t *account(const char *address, json_int_t used)
{
    return json_pack("{s:s, s:n, s:I, s:b}", "address", address, "name", "used", used, "off", 0);
}

static void columns(void **state)
{
    PRINT(false, true, account("a@b", 12345), account("longer@b.example", 1));
    assert_string_equal(said, "address           name  used   off\n"
                              "a@b               -     12345  no\n"
                              "longer@b.example  -     1      no\n");
    /* One place a code point. */
    PRINT(false, true, account("\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4@b", 1),
        account("0123456@b", 2));
    assert_string_equal(said,
        "address    name  used  off\n"
        "\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4@b  -     1     no\n"
        "0123456@b  -     2     no\n");
    PRINT(false, true, json_pack("{s:[s,s,i], s:f}", "targets", "a@b", "c@d", 5, "rate", 0.25));
    assert_string_equal(said, "targets   rate\na@b c@d   0.2\n");
}

static void one_object(void **state)
{
    PRINT(false, false,
        json_pack("{s:s, s:{s:i, s:i}}", "version", "1", "connections", "smtp", 2, "lmtp", 3));
    assert_string_equal(said, "version 1\nconnections.smtp 2\nconnections.lmtp 3\n");
}

static void json_for_terminals(void **state)
{
    PRINT(true, true,
        json_pack("{s:s}", "a",
            "\xc3\xa9\xc2\x9b"
            "31m\x7f\xe2\x80\xae\x1b\"\\"));
    assert_string_equal(
        said, "[\n{\n  \"a\": \"\xc3\xa9\\u009b31m\\u007f\\u202e\\u001B\\\"\\\\\"\n}\n]\n");
    PRINT(true, false, json_pack("{s:s}", "a", "\xc2\x85"));
    assert_string_equal(said, "{\n  \"a\": \"\\u0085\"\n}\n");
}

static void nothing(void **state)
{
    print(false, true, true, 0, NULL);
    assert_string_equal(said, "");
    print(true, true, true, 0, NULL);
    assert_string_equal(said, "[]\n");
    print(true, false, true, 0, NULL);
    assert_string_equal(said, "");
    cli_print_end(NULL, false);
}

/* More rows than are held back: in pieces, and whole. */
static void long_lists(void **state)
{
    enum { N = 2001 };
    static json_t *rows[N];
    for (int i = 0; i < N; i++)
        rows[i] = json_pack("{s:i}", "n", i == 1500 ? 12345 : i);
    print(true, true, true, N, rows);
    json_t *list = json_loads(said, 0, NULL);
    assert_int_equal(json_array_size(list), N);
    assert_int_equal(json_integer_value(json_object_get(json_array_get(list, N - 1), "n")), N - 1);
    json_decref(list);
    for (int i = 0; i < N; i++)
        rows[i] = json_pack("{s:i}", "n", i);
    print(false, true, true, N, rows);
    size_t lines = 0;
    for (const char *at = said; (at = strchr(at, '\n')); at++)
        lines++;
    assert_int_equal(lines, N + 1);
    assert_null(strchr(said + 1, 'n')); /* one head */
}

static void as_json(void **state)
{
    PRINT(true, true, account("a@b", 1), account("\x1b[2J", 2));
    json_t *list = json_loads(said, 0, NULL);
    assert_int_equal(json_array_size(list), 2);
    assert_string_equal(
        json_string_value(json_object_get(json_array_get(list, 1), "address")), "\x1b[2J");
    assert_null(strchr(said, '\x1b')); /* escaped */
    json_decref(list);
    PRINT(true, false, json_pack("{s:i}", "pid", 5));
    list = json_loads(said, 0, NULL);
    assert_true(json_is_object(list));
    json_decref(list);
}

static void control_characters(void **state)
{
    PRINT(false, true, account("a\x1b[2J\r\n\t\x7f\xc2\x9b\xc2\xa0", 1));
    assert_non_null(strstr(said, "a?[2J????"
                                 "??"
                                 "\xc2\xa0"));
    assert_true(strchr(said, '\x1b') == NULL && strchr(said, '\r') == NULL);
}

static void long_cells(void **state)
{
    static char text[5000];
    memset(text, 'x', sizeof text - 1);
    json_t *many = json_array();
    for (int i = 0; i < 1000; i++)
        json_array_append_new(many, json_string("0123456789"));
    PRINT(false, true, json_pack("{s:s, s:o}", "text", text, "many", many));
    assert_true(strlen(said) < 10000 && strstr(said, "xxxx") && strstr(said, "0123456789 01234"));
}

/* The summary of verify comes behind the faults. */
static void summary(void **state)
{
    PRINT(false, true, json_pack("{s:i, s:i}", "faults", 1, "blobs", 2),
        json_pack("{s:s, s:s}", "what", "blob", "text", "gone"));
    assert_string_equal(said, "what  text\nblob  gone\nfaults 1\nblobs 2\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(columns),
        cmocka_unit_test(one_object),
        cmocka_unit_test(json_for_terminals),
        cmocka_unit_test(nothing),
        cmocka_unit_test(as_json),
        cmocka_unit_test(long_lists),
        cmocka_unit_test(control_characters),
        cmocka_unit_test(long_cells),
        cmocka_unit_test(summary),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
