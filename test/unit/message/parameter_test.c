#include "message/parameter.h"
#include "message_test.h"

/* "type/subtype;name=value;name*=value;" */
static void render(struct slice value, struct buffer *b, struct parameter_value *v)
{
    struct arena a;
    arena_init(&a, 1024 * 1024);
    assert_true(parameter_parse(value, &a, v));
    buffer_reset(b);
    buffer_add(b, v->type.p ? v->type : S("-"));
    buffer_add_char(b, '/');
    buffer_add(b, v->subtype.p ? v->subtype : S("-"));
    for (const struct parameter *p = v->first; p; p = p->next) {
        buffer_add_char(b, ';');
        buffer_add(b, p->name);
        buffer_add(b, p->extended ? S("*=") : S("="));
        buffer_add(b, p->value);
    }
    arena_reset(&a);
}

static void values(void **state)
{
    static const struct {
        const char *value, *rendered;
        bool broken;
    } cases[] = {
        {"text/plain", "text/plain", false},
        {" (c) Text / (d) HTML (e); Charset = \"utf-8\" (f)", "Text/HTML;Charset=utf-8", false},
        {"text/plain; charset=us-ascii (Plain text)", "text/plain;charset=us-ascii", false},
        {"attachment; filename=\"a \\\"b\\\" ;c\"", "attachment/-;filename=a \"b\" ;c", false},
        {"attachment;\r\n filename=\"a\r\n b\"", "attachment/-;filename=a b", false},
        {"a/b;;x=1; ;y=2;", "a/b;x=1;y=2", false},
        {"a/b; x=", "a/b;x=", false},
        {"a/b; x=\"\"", "a/b;x=", false},
        {"attachment; filename=My File.pdf ; size=3", "attachment/-;filename=My File.pdf;size=3",
            true},
        {"a/b; x=\"1\" y=2", "a/b;x=1;y=2", false},
        {"a/b; x; y=2; =3; z=4", "a/b;y=2;z=4", true},
        {"a/b; x=\"unclosed; y=2", "a/b;x=unclosed; y=2", true},
        {"", "-/-", true},
        {"; x=1", "-/-;x=1", true},
        {"a/b c; x=1", "a/b;x=1", true},
        {"a/b; x=1; X=2", "a/b;x=1", true},
        {"/b", "-/b", true},
    };
    struct buffer b;
    struct parameter_value v;
    buffer_init(&b, 10000);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        render(slice_str(cases[i].value), &b, &v);
        assert_slice(buffer_slice(&b), slice_str(cases[i].rendered));
        if (v.broken != cases[i].broken)
            fail_msg("broken? %s", cases[i].value);
    }
    buffer_finish(&b);
}

static void continuations(void **state)
{
    static const struct {
        const char *value, *rendered;
    } cases[] = {
        {"a/b; n*0=x; n*1=y; n*2=\" z\"", "a/b;n=xy z"},
        {"a/b; n*2=z; n*0=x; n*1=y", "a/b;n=xyz"},
        {"a/b; n*=utf-8'en'%c3%a4", "a/b;n*=utf-8'en'%c3%a4"},
        {"a/b; n*0*=utf-8''%c3%a4; n*1=\"b c\"; n*2*=%20d", "a/b;n*=utf-8''%c3%a4b%20c%20d"},
        {"a/b; n*0=a; n*1*=%20b", "a/b;n*=''a%20b"},
        {"a/b; n*0=x; n*2=z", "a/b;n=x"},
        {"a/b; n*1=x", "a/b"},
        {"a/b; n*0=x; n*0=y; n*1=z", "a/b;n=xz"},
        {"a/b; n=plain; n*=utf-8''ext; n*0=c", "a/b;n*=utf-8''ext"},
        {"a/b; n=plain; n*0=c", "a/b;n=c"},
        {"a/b; n*=noquotes", "a/b;n=noquotes"},
        {"a/b; n*01=x; n*x=y; n*=a'b'c*; *=x; *0=y", "a/b;n*=a'b'c*"},
        {"a/b; n*128=x; n*99999999999999999999=y; n*-1=z; n*0=k", "a/b;n=k"},
    };
    struct buffer b;
    struct parameter_value v;
    buffer_init(&b, 10000);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        render(slice_str(cases[i].value), &b, &v);
        assert_slice(buffer_slice(&b), slice_str(cases[i].rendered));
    }
    buffer_finish(&b);
}

static void decoded(void **state)
{
    static const struct {
        const char *value, *text;
    } cases[] = {
        {"a; n*=utf-8'en'%c3%a4%0D%0a", "ä  "},
        {"a; n*=iso-8859-1''%e4%zz%4", "ä%zz%4"},
        {"a; n*=nope''%c3%a4%ff", "ä\uFFFD"},
        {"a; n*0*=utf-8''%c3; n*1*=%a4", "ä"},
        {"a; n=\"=?utf-8?q?=C3=A4?=\"", "ä"},
        {"a; n=plain", "plain"},
    };
    struct buffer b;
    buffer_init(&b, 1000);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct arena a;
        struct parameter_value v;
        arena_init(&a, 65536);
        buffer_reset(&b);
        assert_true(parameter_parse(slice_str(cases[i].value), &a, &v));
        assert_non_null(parameter_find(&v, S("N")));
        assert_null(parameter_find(&v, S("m")));
        assert_true(parameter_decode(parameter_find(&v, S("N")), &b));
        assert_slice(buffer_slice(&b), slice_str(cases[i].text));
        arena_reset(&a);
    }
    buffer_finish(&b);
}

static void at_most_128(void **state)
{
    struct buffer b;
    buffer_init(&b, 100000);
    for (int more = 0; more < 2; more++) {
        struct arena a;
        struct parameter_value v;
        arena_init(&a, 1024 * 1024);
        buffer_reset(&b);
        buffer_add(&b, S("a/b"));
        for (int i = 0; i < PARAMETER_MAX + more; i++)
            buffer_printf(&b, ";x%d=%d", i, i);
        assert_true(parameter_parse(buffer_slice(&b), &a, &v));
        assert_int_equal(v.n, PARAMETER_MAX);
        assert_null(parameter_find(&v, S("x128")));
        buffer_reset(&b);
        buffer_add(&b, S("a/b"));
        for (int i = 0; i < PARAMETER_MAX + more; i++)
            buffer_printf(&b, ";x*%d*=y", i);
        assert_true(parameter_parse(buffer_slice(&b), &a, &v));
        assert_int_equal(v.n, 1);
        assert_int_equal(v.first->value.n, PARAMETER_MAX + 2);
        buffer_reset(&b);
        buffer_add(&b, S("a/b; "));
        for (int i = 0; i < PARAMETER_NAME_MAX + more; i++)
            buffer_add_char(&b, 'n');
        buffer_add(&b, S("=1"));
        assert_true(parameter_parse(buffer_slice(&b), &a, &v));
        assert_int_equal(v.n, 1 - more);
        arena_reset(&a);
        arena_init(&a, 100);
        assert_false(parameter_parse(slice(b.p, 200), &a, &v));
        assert_null(v.type.p);
        arena_reset(&a);
    }
    buffer_finish(&b);
}

static void hostile_values_take_linear_time(void **state)
{
    static const char *const units[] = {"; a*0*=x", ";", "(", "\"", "; a", "=", "; a=\"", "%", "/",
        " ", "; a*1=", "\\", "; a=b (", "\r\n "};
    for (size_t i = 0; i < sizeof units / sizeof *units; i++) {
        struct slice value = repeated(S("a/b; x*=utf-8''"), slice_str(units[i]), TEN_MB);
        struct arena a;
        struct parameter_value v;
        struct buffer b;
        arena_init(&a, 5 * TEN_MB);
        buffer_init(&b, 4 * TEN_MB);
        int64_t start = cpu_now();
        assert_true(parameter_parse(value, &a, &v));
        for (const struct parameter *p = v.first; p; p = p->next)
            assert_true(parameter_decode(p, &b));
        assert_within_time(start);
        buffer_finish(&b);
        arena_reset(&a);
        drop(value);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(values),
        cmocka_unit_test(continuations),
        cmocka_unit_test(decoded),
        cmocka_unit_test(at_most_128),
        cmocka_unit_test(hostile_values_take_linear_time),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
