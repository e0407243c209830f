#include "base/clock.h"
#include "config/config.h"
#include "unit/unit.h"

#define LEAST "hostname = \"mx.example.org\"\ndata_dir = \"/d\"\n"

static struct buffer told;

static void tell(void *arg, const char *problem)
{
    buffer_printf(&told, "%s\n", problem);
}

static bool parse(struct config *c, struct slice text)
{
    buffer_reset(&told);
    bool ok = config_parse(c, text, "f", tell, NULL);
    assert_int_equal(ok, told.n == 0);
    return ok;
}

static void defaults(void **state)
{
    struct config c;
    assert_true(parse(&c, S(LEAST)));
    assert_string_equal(c.hostname.text, "mx.example.org");
    assert_int_equal(c.listen.smtp.n, 3);
    assert_string_equal(c.listen.smtp.items[2].text, "[::]:25");
    assert_int_equal(c.limits.message_size, 50 * 1024 * 1024);
    assert_int_equal(c.imap_idle_interval, 300 * CLOCK_SEC);
    assert_int_equal(c.trace_keep, 30 * 86400 * CLOCK_SEC);
    assert_int_equal(c.log_level, 1);
    assert_string_equal(c.postmaster.text, "");
    assert_false(c.auth_plaintext_without_tls);
    assert_string_equal(c.outbound_authorities.text, "/etc/ssl/certs/ca-certificates.crt");
    assert_int_equal(c.outbound_policy_port, 443);
    assert_true(c.outbound_tls_reports);
    assert_string_equal(c.listen.sendmail.items[0].text, "unix:" CONFIG_SENDMAIL_SOCKET);
    assert_true(c.limits.recipients_per_hour == 1000 && c.limits.recipients_per_day == 5000);
    assert_true(c.limits.hold_recipients == 0 && c.sendmail_users.n == 0);
    config_finish(&c);
}

static void values(void **state)
{
    struct config c;
    assert_true(parse(&c,
        S(LEAST
            "listen = { smtp = [ ]; pop3 = [\"127.0.0.1:0\", \"[::1]:0\"]; }\n"
            "limits = { message_size = \"1 GB\"; connections_per_address = 0 }\n"
            "auth = { plaintext_without_tls = true }\nlog = { format = \"json\" }\n"
            "tls = { certificate = \"c\"; key = \"k\"; also = ( { server_name = \"a\";"
            " certificate = \"b\"; key = \"c\" } ) }\n"
            "sendmail = { users = [\"root a@b.test\"] }\n"
            "smtp = { bare_newline = \"normalise\" }\n"
            "outbound = { authorities = \"/ca\"; policy_port = 65535; tls_reports = false }\n")));
    assert_string_equal(c.outbound_authorities.text, "/ca");
    assert_int_equal(c.outbound_policy_port, 65535);
    assert_false(c.outbound_tls_reports);
    assert_int_equal(c.listen.smtp.n, 0);
    assert_int_equal(c.listen.pop3.n, 2);
    assert_int_equal(c.listen.pop3.items[1].line, 3);
    assert_int_equal(c.limits.message_size, 1024 * 1024 * 1024);
    assert_int_equal(c.log_format, 1);
    assert_int_equal(c.smtp_bare_newline, CONFIG_NEWLINE_NORMALISE);
    assert_int_equal(c.tls.also_n, 1);
    assert_string_equal(c.sendmail_users.items[0].text, "root a@b.test");
    assert_string_equal(c.tls.also[0].server_name.text, "a");
    config_finish(&c);
}

static void has(const char *text)
{
    if (slice_find_slice(buffer_slice(&told), slice_str(text)) == SLICE_NONE)
        fail_msg("'%s' is not in: " SLICE_FMT, text, SLICE_ARG(buffer_slice(&told)));
}

static void every_problem_is_told(void **state)
{
    struct config c;
    assert_false(
        parse(&c, S("hostnam = \"x\"\n"
                    "limits = {\n message_size = \"12 apples\"\n mesage_size = \"1MB\"\n"
                    " memory = 5\n connections_per_account = 0\n"
                    " recipients_per_hour = -1; hold_recipients = 1000001 }\n"
                    "pop3s = [\"1.2.3.4:995\"]\n"
                    "log = { level = \"loud\" }\n"
                    "listen = [ ]\n"
                    "tls = { key = \"k\"; also = ( { certificate = \"c\"; nme = \"\" } ) }\n"
                    "data_dir = \"relative\"\n")));
    has("f:1: unknown setting hostnam (did you mean hostname?)");
    has("f:3: limits.message_size is not a size");
    has("f:4: unknown setting limits.mesage_size (did you mean limits.message_size?)");
    has("f:5: limits.memory must be a text");
    has("f:6: limits.connections_per_account is out of its range: from 1 to 1000000\n");
    has("f:7: limits.recipients_per_hour is out of its range: from 0 to 1000000\n");
    has("f:7: limits.hold_recipients is out of its range: from 0 to 1000000\n");
    has("f:8: unknown setting pop3s (did you mean listen.pop3s?)");
    has("f:9: log.level is none of: debug info warn error");
    has("f:10: listen must be a group");
    has("f:11: unknown setting tls.also.nme");
    has("tls.also: each entry needs server_name");
    has("tls.certificate and tls.key belong together");
    has("f:12: data_dir must be an absolute path");
    has("hostname is missing");
    config_finish(&c);
}

static void ranges(void **state)
{
    struct config c;
    assert_false(
        parse(&c, S(LEAST "limits = { message_size = \"65535\" }\n"
                          "imap = { idle_interval = \"3601s\" }\ntrace = { keep = \"3651d\" }\n")));
    has("f:3: limits.message_size is out of its range: from 64KB to 2GB\n");
    has("f:4: imap.idle_interval is out of its range: from 1s to 1h\n");
    has("f:5: trace.keep is out of its range: from 0 to 3650d\n");
    config_finish(&c);
    assert_true(
        parse(&c, S(LEAST "limits = { message_size = \"64KB\" }\n"
                          "imap = { idle_interval = \"1h\" }\ntrace = { keep = \"3650d\" }\n")));
    config_finish(&c);
}

static void routes(void **state)
{
    struct config c;
    assert_true(parse(&c,
        S(LEAST
            "outbound = { relay = \"h:587\"; relay_login = \"me\"; relay_password = \"p\";\n"
            " relay_tls = \"encrypt\"; source = [\"192.0.2.5\"];\n"
            " routes = ( { recipient = \"a.test\"; via = \"unix:/l\" },\n"
            "  { sender = \"b.test\"; via = \"\"; source = \"192.0.2.6\" },\n"
            "  { sender = \"c.test\"; via = \"h:24\"; protocol = \"lmtp\"; login = \"l\";\n"
            "    password = \"p\"; tls = \"verify\"; source = [\"192.0.2.7\", \"::1\"] } ) }\n")));
    assert_string_equal(c.outbound_relay_login.text, "me");
    assert_int_equal(c.outbound_relay_tls, CONFIG_TLS_ENCRYPT);
    assert_int_equal(c.outbound_source.n, 1);
    assert_int_equal(c.outbound_route_n, 3);
    const struct config_route *r = c.outbound_routes;
    assert_true(r[0].lmtp && !r[1].lmtp && r[2].lmtp);
    assert_string_equal(r[0].recipient.text, "a.test");
    assert_string_equal(r[0].sender.text, "");
    assert_string_equal(r[1].source[0].text, "192.0.2.6");
    assert_int_equal(r[1].tls, CONFIG_TLS_DEFAULT);
    assert_int_equal(r[1].line, 6);
    assert_string_equal(r[2].login.text, "l");
    assert_int_equal(r[2].tls, CONFIG_TLS_VERIFY);
    assert_int_equal(r[2].source_n, 2);
    config_finish(&c);
}

static void bad_routes(void **state)
{
    struct config c;
    assert_false(parse(&c,
        S(LEAST
            "outbound = { relay_login = \"me\"; relay_tls = \"none\"; routes = (\n"
            "  { via = \"h:25\" },\n"
            "  { recipient = \"a.test\" },\n"
            "  { recipient = \"a.test\"; sender = \"b.test\"; via = \"h:25\"; pasword = \"S3\" },\n"
            "  { recipient = \"a.test\"; via = 25; tls = \"on\"; protocol = \"http\" },\n"
            "  { recipient = \"a.test\"; via = \"unix:/x\"; protocol = \"smtp\"; password = 1 },\n"
            "  { recipient = \"a.test\"; via = \"mx\"; source = [\"1\", \"2\", \"3\"] },\n"
            "  \"a.test\" ) }\n")));
    has("f:3: outbound.relay_tls is none of: default verify");
    has("f:3: outbound.relay_login without outbound.relay");
    has("f:4: outbound.routes: each route needs either recipient");
    has("f:5: outbound.routes: each route needs via");
    has("f:6: outbound.routes: each route needs either recipient");
    has("f:6: unknown setting outbound.routes.pasword");
    has("f:7: outbound.routes: via must be a text");
    has("f:7: outbound.routes: tls is none of");
    has("f:7: outbound.routes: protocol is none of");
    has("f:8: outbound.routes: a unix socket speaks lmtp only");
    has("f:8: outbound.routes: password must be a text");
    has("f:9: outbound.routes: source has more than 2");
    has("outbound.routes must hold groups");
    assert_true(slice_find_slice(buffer_slice(&told), S("S3")) == SLICE_NONE);
    config_finish(&c);
    assert_false(parse(&c, S(LEAST "outbound = { routes = [\"a\"] }\n")));
    has("f:3: outbound.routes must be a list of at most 256");
    config_finish(&c);
}

static void route_limit(void **state)
{
    struct config c;
    struct buffer text;
    buffer_init(&text, 100000);
    for (int n = CONFIG_ROUTES_MAX; n <= CONFIG_ROUTES_MAX + 1; n++) {
        buffer_reset(&text);
        buffer_printf(&text, LEAST "outbound = { routes = (");
        for (int i = 0; i < n; i++)
            buffer_printf(&text, "%s{ sender = \"d%d.test\"; via = \"mx\" }", i ? "," : "", i);
        buffer_printf(&text, ") }");
        assert_int_equal(parse(&c, buffer_slice(&text)), n == CONFIG_ROUTES_MAX);
        config_finish(&c);
    }
    buffer_finish(&text);
}

static void not_a_config(void **state)
{
    struct config c;
    assert_false(parse(&c, S("hostname = \n")));
    has("f:2: syntax error");
    config_finish(&c);
    assert_false(parse(&c, S("hostname = \"a\";\nhostname = \"b\";\n")));
    has("f:2: duplicate setting name");
    config_finish(&c);
    assert_false(parse(&c, S("a\0b")));
    config_finish(&c);
    buffer_reset(&told);
    assert_false(config_load(&c, "/nonexistent/barid.conf", tell, NULL));
    has("cannot be read: No such file");
    config_finish(&c);
}

static void limits(void **state)
{
    struct config c;
    struct buffer text;
    buffer_init(&text, 100000);
    buffer_printf(&text, LEAST "listen = { smtp = [");
    for (int i = 0; i < CONFIG_LIST_MAX; i++)
        buffer_printf(&text, "%s\"1.2.3.4:%d\"", i ? "," : "", i);
    size_t n = text.n;
    buffer_printf(&text, "] }");
    assert_true(parse(&c, buffer_slice(&text)));
    config_finish(&c);
    text.n = n;
    buffer_printf(&text, ", \"1.2.3.4:99\"] }");
    assert_false(parse(&c, buffer_slice(&text)));
    has("more than 64 entries");
    config_finish(&c);
    buffer_finish(&text);
}

static void sizes_and_times(void **state)
{
    int64_t v;
    assert_true(config_size(S("10KB"), &v) && v == 10240);
    assert_true(config_size(S(" 2 mb "), &v) && v == 2097152);
    assert_true(config_size(S("8589934591GB"), &v));
    assert_false(config_size(S("8589934592GB"), &v));
    assert_false(config_size(S("-1"), &v));
    assert_false(config_size(S("1TB"), &v));
    assert_false(config_size(S(""), &v));
    assert_true(config_time(S("90s"), &v) && v == 90 * CLOCK_SEC);
    assert_true(config_time(S("5min"), &v) && v == 300 * CLOCK_SEC);
    assert_true(config_time(S("2d"), &v) && v == 172800 * CLOCK_SEC);
    assert_true(config_time(S("0"), &v) && v == 0);
    assert_false(config_time(S("5"), &v));
    assert_false(config_time(S("99999999999999999999s"), &v));
}

static void the_description_names_every_setting(void **state)
{
    buffer_reset(&told);
    config_describe(&told);
    has("limits.message_size (size");
    has("log.format (one of logfmt json");
}

static int setup(void **state)
{
    buffer_init(&told, 65536);
    return 0;
}

static int teardown(void **state)
{
    buffer_finish(&told);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(defaults),
        cmocka_unit_test(values),
        cmocka_unit_test(every_problem_is_told),
        cmocka_unit_test(ranges),
        cmocka_unit_test(routes),
        cmocka_unit_test(bad_routes),
        cmocka_unit_test(route_limit),
        cmocka_unit_test(not_a_config),
        cmocka_unit_test(limits),
        cmocka_unit_test(sizes_and_times),
        cmocka_unit_test(the_description_names_every_setting),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
