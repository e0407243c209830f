#include "message/address.h"
#include "message_test.h"

/* "name|route|local|domain;" for each, "-" for what is absent, "{name" and "}" for groups. */
static void render(struct slice value, struct buffer *b, struct address_list *list)
{
    struct arena a;
    arena_init(&a, 1024 * 1024);
    address_list(value, &a, list);
    buffer_reset(b);
    for (const struct address *e = list->first; e; e = e->next) {
        if (e->kind == ADDRESS_GROUP_END) {
            buffer_add(b, S("};"));
            continue;
        }
        if (e->kind == ADDRESS_GROUP)
            buffer_add(b, S("{"));
        const struct slice texts[] = {e->name, e->route, e->local, e->domain};
        size_t n = e->kind == ADDRESS_GROUP ? 1 : 4;
        for (size_t i = 0; i < n; i++) {
            if (i)
                buffer_add(b, S("|"));
            buffer_add(b, texts[i].p ? texts[i] : S("-"));
        }
        buffer_add(b, S(";"));
    }
    arena_reset(&a);
}

struct list_case {
    const char *value, *rendered;
};

static void check_cases(const struct list_case *cases, size_t n, bool broken)
{
    struct buffer b;
    struct address_list list;
    buffer_init(&b, 65536);
    for (size_t i = 0; i < n; i++) {
        render(slice_str(cases[i].value), &b, &list);
        assert_slice(buffer_slice(&b), slice_str(cases[i].rendered));
        if (list.broken != broken)
            fail_msg("%s: %s", cases[i].value, broken ? "not broken" : "broken");
        assert_false(list.truncated);
    }
    buffer_finish(&b);
}

static void good_lists(void **state)
{
    static const struct list_case cases[] = {
        {"", ""},
        {" \r\n ", ""},
        {"a@b", "-|-|a|b;"},
        {"<a@b>", "-|-|a|b;"},
        {"Ann Bee <a@b>, c@d", "Ann Bee|-|a|b;-|-|c|d;"},
        {"\"Bee, Ann\" <a@b>", "Bee, Ann|-|a|b;"},
        {"\"a \\\"q\\\" b\"  x <a@b>", "a \"q\" b x|-|a|b;"},
        {"John Q. Public <j@p>", "John Q. Public|-|j|p;"},
        {"=?utf-8?q?=C3=A4?= =?utf-8?q?b?= <a@b>", "=?utf-8?q?=C3=A4?= =?utf-8?q?b?=|-|a|b;"},
        {"J\xc3\xb6rg <j\xc3\xb6@b\xc3\xbc>", "J\xc3\xb6rg|-|j\xc3\xb6|b\xc3\xbc;"},
        {"a@b (Ann (the) Bee)", "Ann (the) Bee|-|a|b;"},
        {"(x) a(y)@(z)b", "z|-|a|b;"},
        {"\"a b\"@c", "-|-|a b|c;"},
        {"a . b @ c . d", "-|-|a.b|c.d;"},
        {"a@[192.0.2.1], b@[IPv6:::1]", "-|-|a|[192.0.2.1];-|-|b|[IPv6:::1];"},
        {"<@x,@y:a@b>", "-|@x,@y|a|b;"},
        {"N <@x , @y : a@b>", "N|@x , @y|a|b;"},
        {"G:;", "{G;};"},
        {"My Group: a@b, C <c@d>;, e@f", "{My Group;-|-|a|b;C|-|c|d;};-|-|e|f;"},
        {",a@b,,c@d,", "-|-|a|b;-|-|c|d;"},
        {"Ann\r\n Bee\r\n\t<a@b>", "Ann Bee|-|a|b;"},
    };
    check_cases(cases, sizeof cases / sizeof *cases, false);
}

static void broken_lists(void **state)
{
    static const struct list_case cases[] = {
        {"root", "-|-|root|-;"},
        {"John Doe", "John Doe|-||-;"},
        {"a@b@c", "-|-|a@b|c;"},
        {"foo@bar <foo@bar>", "foo@bar|-|foo|bar;"},
        {"a b@c", "-|-|a b|c;"},
        {"<a@b", "-|-|a|b;"},
        {"N <a@b, c@d", "N|-|a|b;-|-|c|d;"},
        {"N <>", "N|-||-;"},
        {"<@x>", "-|-||x;"},
        {"a@", "-|-|a|;"},
        {"@b", "-|-||b;"},
        {"a@b; c@d", "-|-|a|b;-|-|c|d;"},
        {"G: a@b", "{G;-|-|a|b;};"},
        {"G: H: a@b;", "{G;-|-|H: a|b;};"},
        {"N <a@b> x", "N|-|a|b;"},
        {"a@[1.2.3.4", "-|-|a|[1.2.3.4;"},
        {"a@b)", "-|-|a|b);"},
        {"N <a@b><c@d>", "N|-|a|b;"},
        {"a@b (c <d@e>", "c <d@e>|-|a|b;"},
        {"a@b (c (d)", "c (d|-|a|b;"},
        {"a@b, (c <d@e>", "-|-|a|b;"},
        {"N (x <a@b>", "x <a@b>|-|N|-;"},
        {"(x a@b", ""},
    };
    check_cases(cases, sizeof cases / sizeof *cases, true);
    struct buffer b;
    struct address_list list;
    buffer_init(&b, 1000);
    render(S("a\0b@c\r\n.d"), &b, &list);
    assert_slice(buffer_slice(&b), S("-|-|a?b|c.d;"));
    assert_true(list.broken);
    render(S("\"never closed <a@b>"), &b, &list);
    assert_slice(buffer_slice(&b), S("never closed <a@b>|-||-;"));
    buffer_finish(&b);
}

static void a_thousand_and_no_more(void **state)
{
    struct arena a;
    struct address_list list;
    struct slice many = repeated(S(""), S("a@b,"), 4 * ADDRESS_LIST_MAX);
    arena_init(&a, 1024 * 1024);
    address_list(many, &a, &list);
    assert_int_equal(list.n, ADDRESS_LIST_MAX);
    assert_false(list.truncated);
    drop(many);
    many = repeated(S(""), S("a@b,"), 4 * ADDRESS_LIST_MAX + 4);
    address_list(many, &a, &list);
    assert_int_equal(list.n, ADDRESS_LIST_MAX);
    assert_true(list.truncated);
    drop(many);
    many = repeated(S("G:"), S("a@b,"), 4 * ADDRESS_LIST_MAX + 4);
    address_list(many, &a, &list);
    assert_int_equal(list.n, ADDRESS_LIST_MAX + 1); /* with the group's end */
    assert_true(list.truncated);
    drop(many);
    arena_reset(&a);
}

static void a_full_arena_leaves_no_group_open(void **state)
{
    struct slice value = S("G:a@b,c@d,e@f;, H:a@b;");
    for (size_t max = 0; max < 2000; max += 8) {
        struct arena a;
        struct address_list list;
        arena_init(&a, max);
        address_list(value, &a, &list);
        int open = 0;
        for (const struct address *e = list.first; e; e = e->next)
            open += e->kind == ADDRESS_GROUP ? 1 : e->kind == ADDRESS_GROUP_END ? -1 : 0;
        assert_int_equal(open, 0);
        assert_true(list.truncated || list.n == 8);
        arena_reset(&a);
    }
}

static void hostile_lists_take_linear_time(void **state)
{
    static const char *const units[] = {"(", "(((\\", "\"", "<", "a@b,", ":", ";", "@", "[", "\\",
        ",", "a ", "<@a,", "a@[", "G:;", "a@b (x)", "\r\n ", "\".\"", "]", "a<b>", "(a)"};
    for (size_t i = 0; i < sizeof units / sizeof *units; i++) {
        struct slice value = repeated(S("x@"), slice_str(units[i]), TEN_MB);
        struct arena a;
        struct address_list list;
        arena_init(&a, 2 * TEN_MB);
        int64_t start = cpu_now();
        address_list(value, &a, &list);
        assert_within_time(start);
        assert_true(list.n <= 2 * ADDRESS_LIST_MAX);
        arena_reset(&a);
        drop(value);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(good_lists),
        cmocka_unit_test(broken_lists),
        cmocka_unit_test(a_thousand_and_no_more),
        cmocka_unit_test(a_full_arena_leaves_no_group_open),
        cmocka_unit_test(hostile_lists_take_linear_time),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
