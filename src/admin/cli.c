#include "admin/cli.h"
#include "base/clock.h"
#include "config/config.h"
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

#define PASSWORD_MAX  1024
#define PASSWORD_LINE (PASSWORD_MAX + 2) /* CR, NUL */

static const char usage[] =
    "barid: a mail server: SMTP, LMTP, IMAP and POP3 over one store\n"
    "\n"
    "  barid serve                              run in the foreground\n"
    "  barid check                              read the config, say every problem\n"
    "  barid status | reload\n"
    "  barid domain  add|remove NAME | list\n"
    "  barid account add ADDRESS [--password-stdin] [--quota SIZE] [--name TEXT]\n"
    "                list [DOMAIN] | remove ADDRESS | password ADDRESS [--password-stdin]\n"
    "                set ADDRESS [--quota SIZE] [--disabled | --enabled] [--name TEXT]\n"
    "  barid alias   add ADDRESS TARGET... | list | remove ADDRESS   (@example.org: catch-all)\n"
    "  barid mailbox list ADDRESS | import|export ADDRESS (maildir|mbox) PATH\n"
    "  barid queue   list | show ID | retry [ID] | hold ID | release ID | remove ID [--bounce]\n"
    "                all but show: [--state STATE] [--sender ADDRESS] [--recipient ADDRESS]\n"
    "                [--route DOMAIN] [--account ADDRESS]; @example.org as sender or\n"
    "                recipient: all of the domain\n"
    "  barid trace   ID | ADDRESS [--since TIME] [--limit N]   what happened to a message\n"
    "                ID: told in the 250, in Received, in the queue, or a Message-ID;\n"
    "                TIME: 2h, 3d, or 2026-11-22; the latest 20 messages\n"
    "  barid session list | kick ID\n"
    "  barid sendmail [OPTION...] [ADDRESS...]  takes a message on stdin, as sendmail(8) does:\n"
    "                -t -i -f ADDRESS -F NAME -bs -bp -v -N -R -V, and others without effect\n"
    "  barid verify                             check the whole store\n"
    "  barid settings                           every setting of the config file\n"
    "\n"
    "  -c FILE   config file (default " CONFIG_DEFAULT_PATH ")\n"
    "  --json    lists as one JSON array\n"
    "\n"
    "Exit codes: 0 done, 1 fault or refused, 2 usage or config, 3 no such object,\n"
    "4 server present but not answering.\n";

enum {
    OPTION_PASSWORD = 1,
    OPTION_QUOTA = 2,
    OPTION_NAME = 4,
    OPTION_DISABLED = 8,
    OPTION_FILTER = 16,
    OPTION_BOUNCE = 32,
    OPTION_TRACE = 64
};

static const struct command {
    const char *name;      /* of one or two words */
    const char *arguments; /* keys of the request, divided by blanks; "key?" may be absent; "key..."
                              takes all that follow */
    unsigned options;
    bool lists, tells;
} commands[] = {
    {"status", "", 0, false},
    {"reload", "", 0, false},
    {"domain add", "name", 0, false},
    {"domain list", "", 0, true},
    {"domain remove", "name", 0, false},
    {"account add", "address", OPTION_PASSWORD | OPTION_QUOTA | OPTION_NAME, false},
    {"account list", "domain?", 0, true},
    {"account remove", "address", 0, false},
    {"account password", "address", OPTION_PASSWORD, false},
    {"account set", "address", OPTION_QUOTA | OPTION_NAME | OPTION_DISABLED, false},
    {"alias add", "address targets...", 0, false},
    {"alias list", "", 0, true},
    {"alias remove", "address", 0, false},
    {"mailbox list", "address", 0, true},
    {"mailbox import", "address format path", 0, false},
    {"mailbox export", "address format path", 0, false},
    {"queue list", "", OPTION_FILTER, true},
    {"queue show", "id", 0, true},
    {"queue retry", "id?", OPTION_FILTER, false},
    {"queue hold", "id?", OPTION_FILTER, false},
    {"queue release", "id?", OPTION_FILTER, false},
    {"queue remove", "id?", OPTION_FILTER | OPTION_BOUNCE, false},
    {"session list", "", 0, true},
    {"session kick", "id", 0, false},
    {"trace", "what", OPTION_TRACE, true, true},
    {"verify", "", 0, true},
};

static const char *const filter_keys[] = {
    "--state", "--sender", "--recipient", "--route", "--account"};

/* argv taken apart. */
struct words {
    char *plain[DIRECTORY_TARGETS_MAX + 8];
    int n;
    const char *quota, *name, *since, *limit;
    const char *filters[5]; /* as filter_keys has them */
    bool bounce;
    bool password_stdin, disabled, enabled;
    unsigned options;
};

static enum admin_exit fail(const char *what, const char *detail)
{
    fprintf(stderr, "barid: %s%s%s\n", what, detail ? ": " : "", detail ? detail : "");
    return ADMIN_USAGE;
}

/* "--key value" or "--key=value": the value, NULL when this is not the key; *bad when it has none.
 */
static const char *option_value(int argc, char **argv, int *i, const char *key, bool *bad)
{
    size_t n = strlen(key);
    if (strncmp(argv[*i], key, n) || (argv[*i][n] && argv[*i][n] != '='))
        return NULL;
    if (argv[*i][n] == '=')
        return argv[*i] + n + 1;
    *bad = *i + 1 >= argc;
    return *bad ? "" : argv[++*i];
}

/* "--state held" and such: true when it was one. */
static bool take_filter(struct words *w, int argc, char **argv, int *i, bool *bad)
{
    for (size_t k = 0; k < sizeof filter_keys / sizeof *filter_keys; k++) {
        const char *value = option_value(argc, argv, i, filter_keys[k], bad);
        if (value) {
            w->filters[k] = value;
            w->options |= OPTION_FILTER;
            *bad |= !*value; /* a variable that was empty must not mean all */
            return true;
        }
    }
    return false;
}

static bool take_trace_option(struct words *w, int argc, char **argv, int *i, bool *bad)
{
    const char *since = option_value(argc, argv, i, "--since", bad);
    const char *limit = since ? NULL : option_value(argc, argv, i, "--limit", bad);
    w->since = since ? since : w->since;
    w->limit = limit ? limit : w->limit;
    w->options |= since || limit ? OPTION_TRACE : 0;
    return since || limit;
}

static enum admin_exit take_option(struct cli *cli, struct words *w, int argc, char **argv, int *i)
{
    const char *value;
    bool bad = false;
    const char *word = argv[*i];
    if (!strcmp(word, "--json")) {
        cli->json = true;
    } else if (!strcmp(word, "--password-stdin")) {
        w->password_stdin = true;
        w->options |= OPTION_PASSWORD;
    } else if (!strcmp(word, "--bounce")) {
        w->bounce = true;
        w->options |= OPTION_BOUNCE;
    } else if (take_filter(w, argc, argv, i, &bad)) {
        ;
    } else if (!strcmp(word, "--disabled") || !strcmp(word, "--disabled=yes")) {
        w->disabled = true;
        w->options |= OPTION_DISABLED;
    } else if (!strcmp(word, "--enabled") || !strcmp(word, "--disabled=no")) {
        w->enabled = true;
        w->options |= OPTION_DISABLED;
    } else if ((value = option_value(argc, argv, i, "--quota", &bad))) {
        w->quota = value;
        w->options |= OPTION_QUOTA;
    } else if ((value = option_value(argc, argv, i, "--name", &bad))) {
        w->name = value;
        w->options |= OPTION_NAME;
    } else if (take_trace_option(w, argc, argv, i, &bad)) {
        ;
    } else if ((value = option_value(argc, argv, i, "-c", &bad))) {
        cli->config = value;
    } else {
        return fail("unknown option (see barid --help)", word);
    }
    return bad ? fail("the option needs a value", word) : ADMIN_DONE;
}

static enum admin_exit take_words(struct cli *cli, struct words *w, int argc, char **argv)
{
    bool literal = false; /* behind -- */
    for (int i = 1; i < argc; i++) {
        if (!literal && !strcmp(argv[i], "--")) {
            literal = true;
        } else if (!literal && argv[i][0] == '-' && argv[i][1]) {
            enum admin_exit e = take_option(cli, w, argc, argv, &i);
            if (e != ADMIN_DONE)
                return e;
        } else if (w->n == (int)(sizeof w->plain / sizeof *w->plain)) {
            return fail("too many arguments", NULL);
        } else {
            w->plain[w->n++] = argv[i];
        }
    }
    return ADMIN_DONE;
}

/* The command whose words begin w; *used counts them. */
static const struct command *find_command(const struct words *w, int *used)
{
    for (size_t i = 0; i < sizeof commands / sizeof *commands; i++) {
        char name[64];
        *used = strchr(commands[i].name, ' ') ? 2 : 1;
        if (w->n < *used)
            continue;
        snprintf(name, sizeof name, "%.30s%s%.30s", w->plain[0], *used == 2 ? " " : "",
            *used == 2 ? w->plain[1] : "");
        if (!strcmp(name, commands[i].name))
            return &commands[i];
    }
    return NULL;
}

/* ---- passwords ---- */

/* One line without its end, of at most 1,024 bytes and no NUL. */
static bool read_line(FILE *f, char line[PASSWORD_LINE])
{
    size_t n = 0;
    int c;
    while ((c = getc(f)) != EOF && c != '\n') {
        if (c == '\0' || n == PASSWORD_LINE - 1)
            return false;
        line[n++] = (char)c;
    }
    if (n && line[n - 1] == '\r')
        n--;
    line[n] = '\0';
    return n <= PASSWORD_MAX && (n || c == '\n');
}

/* What a signal that ends us has to put right: the terminal would stay without its echo. */
static struct {
    int tty;
    struct termios was;
} asking;

static void interrupted(int number)
{
    tcsetattr(asking.tty, TCSANOW, &asking.was);
    signal(number, SIG_DFL);
    raise(number); /* when this returns */
}

static void catch_signal(int number, struct sigaction *before)
{
    struct sigaction caught = {.sa_handler = interrupted};
    if (!sigaction(number, NULL, before) && before->sa_handler != SIG_IGN)
        sigaction(number, &caught, NULL);
}

static bool ask(const char *prompt, char line[PASSWORD_LINE])
{
    struct termios hidden;
    struct sigaction before[2];
    FILE *tty = fopen("/dev/tty", "r+e");
    if (!tty)
        return false;
    asking.tty = fileno(tty);
    bool ok = !tcgetattr(asking.tty, &asking.was);
    hidden = asking.was;
    hidden.c_lflag &= ~(tcflag_t)ECHO;
    if (ok) {
        catch_signal(SIGINT, &before[0]);
        catch_signal(SIGTERM, &before[1]);
        ok = !tcsetattr(asking.tty, TCSAFLUSH, &hidden);
        if (ok) {
            fputs(prompt, tty);
            fflush(tty);
            ok = read_line(tty, line);
            tcsetattr(asking.tty, TCSAFLUSH, &asking.was);
            fputs("\n", tty);
        }
        sigaction(SIGINT, &before[0], NULL);
        sigaction(SIGTERM, &before[1], NULL);
    }
    fclose(tty);
    return ok;
}

static enum admin_exit take_password(struct cli *cli, bool from_stdin)
{
    char one[PASSWORD_LINE] = "", two[PASSWORD_LINE] = "";
    enum admin_exit e = ADMIN_DONE;
    if (from_stdin) {
        if (!read_line(stdin, one))
            e = fail("no password of at most 1,024 bytes came on stdin", NULL);
    } else if (!isatty(STDIN_FILENO)) {
        e = fail("no terminal to ask for the password: use --password-stdin", NULL);
    } else if (!ask("Password: ", one) || !ask("Once more: ", two)) {
        e = fail("the password could not be read", NULL);
    } else if (strcmp(one, two)) {
        e = fail("the two passwords differ", NULL);
    }
    if (e == ADMIN_DONE)
        e = json_object_set_new(cli->request, "password", json_string(one))
                ? fail("the password is not UTF-8", NULL)
                : ADMIN_DONE;
    explicit_bzero(one, sizeof one);
    explicit_bzero(two, sizeof two);
    return e;
}

/* ---- the request ---- */

static bool set_text(struct cli *cli, struct slice key, const char *value)
{
    char name[32];
    slice_to_cstr(key, name, sizeof name);
    return json_object_set_new(cli->request, name, json_string(value)) == 0;
}

static enum admin_exit take_arguments(
    struct cli *cli, const struct command *command, const struct words *w, int at)
{
    struct slice keys = slice_str(command->arguments);
    while (keys.n) {
        struct slice key = slice_cut(&keys, ' ');
        if (slice_ends(key, S("..."))) {
            json_t *list = json_array();
            for (; at < w->n; at++)
                if (json_array_append_new(list, json_string(w->plain[at]))) {
                    json_decref(list);
                    return fail("the argument is not UTF-8", w->plain[at]);
                }
            json_object_set_new(cli->request, "targets", list);
            if (!json_array_size(list))
                return fail("an argument is missing (see barid --help)", command->name);
            return ADMIN_DONE;
        }
        bool optional = slice_ends(key, S("?"));
        key.n -= optional;
        if (at >= w->n && optional)
            return ADMIN_DONE;
        if (at >= w->n)
            return fail("an argument is missing (see barid --help)", command->name);
        if (!set_text(cli, key, w->plain[at++]))
            return fail("the argument is not UTF-8", w->plain[at - 1]);
        if (slice_eq(key, S("format")) && strcmp(w->plain[at - 1], "maildir") != 0 &&
            strcmp(w->plain[at - 1], "mbox") != 0)
            return fail("the format is maildir or mbox", w->plain[at - 1]);
    }
    return at < w->n ? fail("one argument too many", w->plain[at]) : ADMIN_DONE;
}

/* "2h": so long ago; "2026-11-22", "2026-11-22 09:30": here. */
static bool since_when(const char *text, int64_t *seconds)
{
    struct tm tm = {.tm_isdst = -1};
    int64_t ago;
    if (config_time(slice_str(text), &ago)) {
        *seconds = clock_wall() / 1000000 - ago / CLOCK_SEC;
        *seconds = *seconds < 0 ? 0 : *seconds;
        return true;
    }
    const char *end = strptime(text, "%Y-%m-%d", &tm);
    if (end && (*end == ' ' || *end == 'T')) {
        const char *behind = strptime(end + 1, "%H:%M:%S", &tm);
        end = behind ? behind : strptime(end + 1, "%H:%M", &tm);
    }
    *seconds = end && !*end ? (int64_t)mktime(&tm) : -1;
    return *seconds >= 0;
}

static enum admin_exit take_trace(struct cli *cli, const struct words *w)
{
    int64_t since;
    uint64_t limit;
    if (w->since && !since_when(w->since, &since))
        return fail(
            "--since is no time: write 2h, 3d, 2026-11-22 or \"2026-11-22 09:30\"", w->since);
    if (w->since)
        json_object_set_new(cli->request, "since", json_integer(since));
    if (w->limit && (!slice_to_u64(slice_str(w->limit), 1000, &limit) || !limit))
        return fail("--limit is a number from 1 to 1000", w->limit);
    if (w->limit)
        json_object_set_new(cli->request, "limit", json_integer((json_int_t)limit));
    return ADMIN_DONE;
}

static enum admin_exit take_options(
    struct cli *cli, const struct command *command, const struct words *w)
{
    int64_t bytes = 0;
    if (w->options & ~command->options)
        return fail("an option does not belong to this command (see barid --help)", command->name);
    if (w->disabled && w->enabled)
        return fail("--disabled and --enabled exclude each other", NULL);
    if (w->quota && !config_size(slice_str(w->quota), &bytes))
        return fail("--quota is not a size: write 500MB, 2GB, or 0 for none", w->quota);
    if (w->quota)
        json_object_set_new(cli->request, "quota", json_integer(bytes));
    if (w->name && !set_text(cli, S("name"), w->name))
        return fail("--name is not UTF-8", NULL);
    for (size_t k = 0; k < sizeof filter_keys / sizeof *filter_keys; k++)
        if (w->filters[k] && !set_text(cli, slice_str(filter_keys[k] + 2), w->filters[k]))
            return fail("the option is not UTF-8", filter_keys[k]);
    if (w->bounce)
        json_object_set_new(cli->request, "bounce", json_true());
    if (w->options & OPTION_DISABLED)
        json_object_set_new(cli->request, "disabled", json_boolean(w->disabled));
    if (w->options & OPTION_TRACE)
        return take_trace(cli, w);
    return command->options & OPTION_PASSWORD ? take_password(cli, w->password_stdin) : ADMIN_DONE;
}

static enum admin_exit text(struct cli *cli, const char *text)
{
    cli->kind = CLI_TEXT;
    cli->text = text;
    return ADMIN_DONE;
}

static enum admin_exit settings(struct cli *cli)
{
    static struct buffer page;
    buffer_init(&page, 65536);
    config_describe(&page);
    buffer_add_char(&page, '\0');
    return text(cli, page.p ? page.p : "");
}

/* Called as sendmail (or mailq, newaliases), or with that command behind -c. */
static bool is_sendmail(int argc, char **argv, struct cli *cli)
{
    static const char *const names[] = {"sendmail", "mailq", "newaliases"};
    int at = 1;
    for (size_t i = 0; argc && i < sizeof names / sizeof *names; i++)
        if (slice_ends(slice_str(argv[0]), slice_str(names[i])))
            at = 0;
    if (at && argc > 3 && !strcmp(argv[1], "-c")) {
        at = 3;
        cli->config = argv[2];
    }
    if (at && (at >= argc || strcmp(argv[at], "sendmail") != 0))
        return false;
    cli->kind = CLI_SENDMAIL;
    cli->argc = argc - at;
    cli->argv = argv + at;
    return true;
}

enum admin_exit cli_parse(int argc, char **argv, struct cli *cli)
{
    static struct words w;
    int used;
    w = (struct words){0};
    *cli = (struct cli){.kind = CLI_REQUEST, .config = CONFIG_DEFAULT_PATH};
    if (is_sendmail(argc, argv, cli))
        return ADMIN_DONE;
    if (argc < 2 || !strcmp(argv[1], "--help") || !strcmp(argv[1], "-h") ||
        !strcmp(argv[1], "help"))
        return text(cli, usage);
    if (!strcmp(argv[1], "--version") || !strcmp(argv[1], "version"))
        return text(cli, "barid " BARID_VERSION "\n");
    enum admin_exit e = take_words(cli, &w, argc, argv);
    if (e != ADMIN_DONE)
        return e;
    if (w.n == 1 && !strcmp(w.plain[0], "settings"))
        return settings(cli);
    if (w.n == 1 && (!strcmp(w.plain[0], "serve") || !strcmp(w.plain[0], "check"))) {
        cli->kind = w.plain[0][0] == 's' ? CLI_SERVE : CLI_CHECK;
        return w.options ? fail("serve and check take no options but -c", NULL) : ADMIN_DONE;
    }
    const struct command *command = find_command(&w, &used);
    if (!command)
        return fail("there is no such command (see barid --help)", w.n ? w.plain[0] : NULL);
    cli->lists = command->lists;
    cli->tells = command->tells;
    cli->request = json_pack("{s:i, s:s}", "v", ADMIN_VERSION, "do", command->name);
    e = take_arguments(cli, command, &w, used);
    return e == ADMIN_DONE ? take_options(cli, command, &w) : e;
}

void cli_finish(struct cli *cli)
{
    json_decref(cli->request);
    cli->request = NULL;
}
