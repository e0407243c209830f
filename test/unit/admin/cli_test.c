/* argv to requests. stdin and stderr are files of the test. */
#include "admin/cli.h"
#include "unit/unit.h"
#include <string.h>
#include <unistd.h>

static struct cli cli;
static char said[4096]; /* on stderr */

static void feed_stdin(struct slice text)
{
    char path[] = "/tmp/barid-cli-XXXXXX";
    int fd = mkstemp(path);
    assert_int_equal(write(fd, text.p, text.n), (ssize_t)text.n);
    close(fd);
    assert_non_null(freopen(path, "r", stdin));
    unlink(path);
}

/* "barid" and words divided by '|'. */
static enum admin_exit parse(const char *line)
{
    static char words[65536];
    static char barid[] = "barid";
    char *argv[2048] = {barid};
    int argc = 1, was = dup(STDERR_FILENO);
    FILE *f = tmpfile();
    snprintf(words, sizeof words, "%s", line);
    for (char *at = *line ? words : NULL; at; argc++) {
        argv[argc] = at;
        if ((at = strchr(at, '|')))
            *at++ = '\0';
    }
    cli_finish(&cli);
    fflush(stderr);
    dup2(fileno(f), STDERR_FILENO);
    enum admin_exit e = cli_parse(argc, argv, &cli);
    fflush(stderr);
    dup2(was, STDERR_FILENO);
    close(was);
    rewind(f);
    said[fread(said, 1, sizeof said - 1, f)] = '\0';
    fclose(f);
    return e;
}

static void request(const char *line, const char *want)
{
    assert_int_equal(parse(line), ADMIN_DONE);
    assert_string_equal(said, "");
    assert_int_equal(cli.kind, CLI_REQUEST);
    char *text = json_dumps(cli.request, JSON_COMPACT | JSON_SORT_KEYS);
    assert_string_equal(text, want);
    free(text);
}

/* Refused with one line. */
static void usage(const char *line)
{
    if (parse(line) != ADMIN_USAGE)
        fail_msg("'%s' was taken", line);
    assert_true(!strncmp(said, "barid: ", 7) && strchr(said, '\n') == said + strlen(said) - 1);
}

static void plain_commands(void **state)
{
    request("status", "{\"do\":\"status\",\"v\":1}");
    assert_false(cli.lists || cli.json);
    assert_string_equal(cli.config, "/etc/barid/barid.conf");
    request("reload", "{\"do\":\"reload\",\"v\":1}");
    request("domain|add|x.example", "{\"do\":\"domain add\",\"name\":\"x.example\",\"v\":1}");
    request("domain|remove|x.example", "{\"do\":\"domain remove\",\"name\":\"x.example\",\"v\":1}");
    request("domain|list", "{\"do\":\"domain list\",\"v\":1}");
    assert_true(cli.lists);
    request("account|list", "{\"do\":\"account list\",\"v\":1}");
    request("account|list|x.example", "{\"do\":\"account list\",\"domain\":\"x.example\",\"v\":1}");
    request("account|remove|a@b", "{\"address\":\"a@b\",\"do\":\"account remove\",\"v\":1}");
    request("alias|add|a@b|c@d|e@f",
        "{\"address\":\"a@b\",\"do\":\"alias add\",\"targets\":[\"c@d\",\"e@f\"],\"v\":1}");
    request("alias|list", "{\"do\":\"alias list\",\"v\":1}");
    request("alias|remove|@b", "{\"address\":\"@b\",\"do\":\"alias remove\",\"v\":1}");
    request("mailbox|list|a@b", "{\"address\":\"a@b\",\"do\":\"mailbox list\",\"v\":1}");
    request("mailbox|import|a@b|maildir|/x y",
        "{\"address\":\"a@b\",\"do\":\"mailbox import\",\"format\":\"maildir\",\"path\":\"/x y\","
        "\"v\":1}");
    request("mailbox|export|a@b|mbox|z", "{\"address\":\"a@b\",\"do\":\"mailbox "
                                         "export\",\"format\":\"mbox\",\"path\":\"z\",\"v\":1}");
    assert_false(cli.lists);
    usage("mailbox|import|a@b|eml|/x");
    usage("mailbox|import|a@b|mbox");
    usage("mailbox|export|a@b|mbox|x|y");
    request("queue|list|--state|held|--route=a.example",
        "{\"do\":\"queue list\",\"route\":\"a.example\",\"state\":\"held\",\"v\":1}");
    request("queue|retry", "{\"do\":\"queue retry\",\"v\":1}");
    request("queue|remove|00000000001|--bounce",
        "{\"bounce\":true,\"do\":\"queue remove\",\"id\":\"00000000001\",\"v\":1}");
    usage("queue|show");
    usage("queue|hold|00000000001|--bounce");
    usage("queue|list|--state");
    usage("queue|remove|--sender|a@b|--recipient="); /* a variable without a value */
    assert_non_null(strstr(said, "the option needs a value: --recipient="));
    request("trace|a@b", "{\"do\":\"trace\",\"v\":1,\"what\":\"a@b\"}");
    assert_true(cli.lists && cli.tells);
    request("trace|0abc|--limit=1000|--since|1970-01-02 03:04",
        "{\"do\":\"trace\",\"limit\":1000,\"since\":97440,\"v\":1,\"what\":\"0abc\"}");
    request("trace|0abc|--since=1970-01-02",
        "{\"do\":\"trace\",\"since\":86400,\"v\":1,\"what\":\"0abc\"}");
    usage("trace");
    usage("trace|a@b|c@d");
    usage("trace|a@b|--limit");
    usage("trace|a@b|--limit=0");
    usage("trace|a@b|--limit=1001");
    usage("trace|a@b|--since=1970");
    usage("trace|a@b|--since=1970-01-02 03");
    usage("queue|list|--limit=5");
    request("session|list", "{\"do\":\"session list\",\"v\":1}");
    assert_true(cli.lists);
    request("session|kick|12", "{\"do\":\"session kick\",\"id\":\"12\",\"v\":1}");
    request("verify", "{\"do\":\"verify\",\"v\":1}");
}

static void options(void **state)
{
    request("-c|/x|status|--json", "{\"do\":\"status\",\"v\":1}");
    assert_string_equal(cli.config, "/x");
    assert_true(cli.json);
    request("status|-c=/y", "{\"do\":\"status\",\"v\":1}");
    assert_string_equal(cli.config, "/y");
    request("account|set|a@b|--quota|2KB|--name=N N|--disabled",
        "{\"address\":\"a@b\",\"disabled\":true,\"do\":\"account set\",\"name\":\"N N\","
        "\"quota\":2048,\"v\":1}");
    request("account|set|--enabled|a@b",
        "{\"address\":\"a@b\",\"disabled\":false,\"do\":\"account set\",\"v\":1}");
    request("account|set|a@b|--disabled=no|--name=|--quota=0",
        "{\"address\":\"a@b\",\"disabled\":false,\"do\":\"account set\",\"name\":\"\",\"quota\":0,"
        "\"v\":1}");
    request("account|remove|--|-a@b", "{\"address\":\"-a@b\",\"do\":\"account remove\",\"v\":1}");
    assert_int_equal(parse("serve|-c|/x"), ADMIN_DONE);
    assert_int_equal(cli.kind, CLI_SERVE);
    assert_int_equal(parse("check"), ADMIN_DONE);
    assert_int_equal(cli.kind, CLI_CHECK);
}

static void texts(void **state)
{
    static const char *const lines[] = {"", "--help", "-h", "help", "--version", "settings"};
    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++) {
        assert_int_equal(parse(lines[i]), ADMIN_DONE);
        assert_true(cli.kind == CLI_TEXT && *cli.text);
    }
}

static void usage_errors(void **state)
{
    static const char *const lines[] = {"nope", "domain", "domain|nope", "domain|add",
        "domain|add|x|y", "domain|list|x", "account|list|x|y", "account|remove", "alias|add|a@b",
        "alias|add", "mailbox|list", "mailbox|list|a|b", "status|x", "verify|x", "-c", "status|-c",
        "status|--nope", "status|--json=1", "status|-x", "account|set|a@b|--quota",
        "account|set|a@b|--quota|x", "account|set|a@b|--quota|-1",
        "account|set|a@b|--quota=", "account|set|a@b|--quota|99999999999GB",
        "account|set|a@b|--name", "account|set|a@b|--disabled|--enabled",
        "account|set|a@b|--disabled=maybe", "account|set|a@b|--password-stdin",
        "domain|add|x|--quota|1", "status|--name|x", "serve|--quota|1", "serve|x",
        "domain|add|\xff", "alias|add|a@b|\xff", "account|set|a@b|--name|\xc3", "add|domain|x",
        "Domain|list", "domain list", "--"};
    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++)
        usage(lines[i]);
}

static void as_many_words(void **state)
{
    static char line[65536];
    snprintf(line, sizeof line, "alias|add|a@b");
    size_t n = strlen(line);
    for (int i = 0; i < DIRECTORY_TARGETS_MAX; i++)
        n += (size_t)snprintf(line + n, sizeof line - n, "|t%d", i);
    assert_int_equal(parse(line), ADMIN_DONE);
    assert_int_equal(
        json_array_size(json_object_get(cli.request, "targets")), DIRECTORY_TARGETS_MAX);
    for (int i = 0; i < 100; i++)
        n += (size_t)snprintf(line + n, sizeof line - n, "|u%d", i);
    usage(line);
}

#define ADD "account|add|a@b|--password-stdin"

static void password_is(struct slice in, const char *want)
{
    feed_stdin(in);
    assert_int_equal(parse(ADD), ADMIN_DONE);
    assert_string_equal(json_string_value(json_object_get(cli.request, "password")), want);
}

static void no_password(struct slice in)
{
    feed_stdin(in);
    usage(ADD);
}

static void passwords(void **state)
{
    char most[1026], over[1026];
    password_is(S("secret\nmore\n"), "secret");
    password_is(S("secret\r\n"), "secret");
    password_is(S("no end"), "no end");
    password_is(S(" a\rb \n"), " a\rb ");
    password_is(S("p\xc3\xa4ss\n"), "p\xc3\xa4ss");
    no_password(S(""));
    no_password(S("a\0b\n"));
    no_password(S("a\0b"));
    no_password(S("\xff\n"));
    memset(most, 'x', sizeof most);
    memset(over, 'x', sizeof over);
    most[1024] = '\n';
    over[1025] = '\n';
    feed_stdin(slice(most, 1025));
    assert_int_equal(parse(ADD), ADMIN_DONE);
    assert_int_equal(json_string_length(json_object_get(cli.request, "password")), 1024);
    no_password(slice(over, 1026));
    no_password(slice(over, 1025)); /* without an end */
    feed_stdin(S("new\n"));
    request("account|password|a@b|--password-stdin",
        "{\"address\":\"a@b\",\"do\":\"account password\",\"password\":\"new\",\"v\":1}");
    feed_stdin(S("new\n"));
    usage("account|add|a@b"); /* no terminal */
}

static int finish(void **state)
{
    cli_finish(&cli);
    return 0;
}

int main(void)
{
    setenv("TZ", "UTC", 1);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(plain_commands),
        cmocka_unit_test(options),
        cmocka_unit_test(texts),
        cmocka_unit_test(usage_errors),
        cmocka_unit_test(as_many_words),
        cmocka_unit_test(passwords),
    };
    return cmocka_run_group_tests(tests, NULL, finish);
}
