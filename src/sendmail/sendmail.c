#include "sendmail/sendmail.h"
#include "config/config.h"
#include "message/compose.h"
#include "sendmail/header.h"
#include "sendmail/pipe.h"
#include "sendmail/read.h"
#include "smtp/client.h"
#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define FRONT_MAX ((size_t)16 * 1024)

/* One call of the command. */
struct call {
    const struct sendmail_options *o;
    struct sendmail_message message;
    struct sendmail_header header;
    struct sendmail_list recipients, sender;
    struct slice from;   /* envelope; empty: <> */
    struct buffer front; /* what goes before the fields */
    enum { FRONT, FIELDS, BLANK, REST, FILE_ } next;
    struct smtp_send_recipient *list;
    char notify[64];
    int sock;
    enum sendmail_exit exit;
    char why[SENDMAIL_WHY];
};

/* ---- the server ---- */

static void first_problem(void *arg, const char *problem)
{
    char *why = arg;
    if (!*why)
        snprintf(why, SENDMAIL_WHY, "%s", problem);
}

static enum sendmail_exit set_path(struct sockaddr_un *to, const char *path, char why[SENDMAIL_WHY])
{
    *to = (struct sockaddr_un){.sun_family = AF_UNIX};
    if (slice_to_cstr(slice_str(path), to->sun_path, sizeof to->sun_path))
        return SENDMAIL_OK;
    snprintf(why, SENDMAIL_WHY, "the path of the socket is too long: %.200s", path);
    return SENDMAIL_CONFIG;
}

static int try_connect(const struct sockaddr_un *to)
{
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd >= 0 && connect(fd, (const struct sockaddr *)to, sizeof *to) == 0)
        return fd;
    int error = errno;
    if (fd >= 0)
        close(fd);
    errno = error;
    return -1;
}

/* A server that has no such socket, told by one that only its administrator may open. */
static bool runs(const char *data_dir)
{
    char path[sizeof((struct sockaddr_un *)0)->sun_path], why[SENDMAIL_WHY];
    struct sockaddr_un to;
    int n = snprintf(path, sizeof path, "%.90s/control.sock", data_dir);
    int fd = n > 0 && set_path(&to, path, why) == SENDMAIL_OK ? try_connect(&to) : -1;
    if (fd >= 0)
        close(fd);
    return fd >= 0;
}

static enum sendmail_exit not_connected(
    const struct sockaddr_un *to, const char *file, const char *data_dir, char why[SENDMAIL_WHY])
{
    int error = errno;
    if (data_dir && (error == ENOENT || error == ECONNREFUSED) && runs(data_dir)) {
        snprintf(why, SENDMAIL_WHY,
            "the server runs but does not listen on %s: set listen.sendmail = [\"unix:%s\"] in "
            "%.120s (the folder must exist), then barid reload",
            to->sun_path, to->sun_path, file);
        return SENDMAIL_CONFIG;
    }
    if (error == EACCES) {
        snprintf(why, SENDMAIL_WHY, "you may not open %s", to->sun_path);
        return SENDMAIL_NO_PERMISSION;
    }
    snprintf(why, SENDMAIL_WHY, "no server listens on %s (%s): is barid running?", to->sun_path,
        strerrordesc_np(error));
    return SENDMAIL_TRY_AGAIN;
}

/* Not everybody may read the config: then it is where it usually is. */
static enum sendmail_exit connect_server(
    const struct sendmail_options *o, int *sock, char why[SENDMAIL_WHY])
{
    const char *file = o->config ? o->config : CONFIG_DEFAULT_PATH;
    const char *path = CONFIG_SENDMAIL_SOCKET, *data_dir = NULL;
    struct config config = {0};
    struct sockaddr_un to;
    enum sendmail_exit e = SENDMAIL_OK;
    *why = '\0';
    if (o->config || access(file, R_OK) == 0) {
        e = config_load(&config, file, first_problem, why) ? SENDMAIL_OK : SENDMAIL_CONFIG;
        if (e == SENDMAIL_OK && !config.listen.sendmail.n) {
            snprintf(why, SENDMAIL_WHY,
                "listen.sendmail in %.200s is empty: set it to [\"unix:%s\"], then barid reload",
                file, path);
            e = SENDMAIL_CONFIG;
        }
        if (e == SENDMAIL_OK) {
            struct slice first = slice_str(config.listen.sendmail.items[0].text);
            path = first.p + (slice_starts(first, S("unix:")) ? 5 : 0);
            data_dir = config.data_dir.text;
        }
    }
    if (e == SENDMAIL_OK)
        e = set_path(&to, path, why);
    if (e == SENDMAIL_OK && (*sock = try_connect(&to)) < 0)
        e = not_connected(&to, file, data_dir, why);
    config_finish(&config);
    return e;
}

/* ---- what is sent ---- */

static enum sendmail_exit refuse(
    struct call *c, enum sendmail_exit e, const char *text, struct slice what)
{
    snprintf(c->why, sizeof c->why, "%s%s" SLICE_FMT, text, what.n ? ": " : "",
        (int)(what.n < 200 ? what.n : 200), what.p);
    return e;
}

static enum sendmail_exit take_recipients(struct call *c)
{
    struct sendmail_list *l = &c->recipients;
    for (int i = 0; i < c->o->recipient_n; i++)
        sendmail_list_add(l, slice_str(c->o->recipients[i]));
    if (c->o->from_header)
        sendmail_list_header(l, c->header.fields);
    if (l->bad.p)
        return refuse(c, SENDMAIL_DATA, "cannot be read as addresses", slice_trim(l->bad));
    if (l->overflow)
        return refuse(c, SENDMAIL_UNAVAILABLE,
            "more than 1,000 recipients: send it in several messages", S(""));
    if (!l->n)
        return refuse(c, SENDMAIL_DATA, "the message names no recipients", S(""));
    return SENDMAIL_OK;
}

/* -f, or the caller, whom the server knows by another name. */
static enum sendmail_exit take_sender(struct call *c)
{
    struct slice given = slice_trim(slice_str(c->o->sender));
    const struct passwd *p = getpwuid(getuid());
    struct sendmail_list *l = &c->sender;
    if (c->o->sender && (!given.n || slice_eq(given, S("<>"))))
        return SENDMAIL_OK;
    sendmail_list_add(l, c->o->sender ? given : slice_str(p ? p->pw_name : "user"));
    if (l->bad.p || l->overflow || l->n != 1)
        return refuse(c, SENDMAIL_USAGE, "-f wants one address", given);
    c->from = l->addresses[0];
    return SENDMAIL_OK;
}

/* -F, $NAME, or the full name of the caller, who may have written anything there. */
static struct slice full_name(const struct call *c)
{
    const struct passwd *p = getpwuid(getuid());
    const char *name = c->o->name ? c->o->name : getenv("NAME");
    if (name)
        return slice_sub(slice_str(name), 0, 256);
    struct slice gecos = slice_str(p && p->pw_gecos ? p->pw_gecos : "");
    return slice_sub(slice_cut(&gecos, ','), 0, 256);
}

/* Everything but From is added by the server. */
static bool add_front(struct call *c)
{
    struct compose_mailbox box = {full_name(c), c->from.n ? c->from : S("user@localhost")};
    if (!c->header.has_from)
        compose_mailboxes(&c->front, S("From"), &box, 1);
    return !c->front.overflow;
}

static enum sendmail_exit prepare(struct call *c)
{
    enum sendmail_exit e = sendmail_read(&c->message, STDIN_FILENO, c->o->dot_is_text, c->why);
    if (e != SENDMAIL_OK)
        return e;
    if (c->message.scan.nul)
        return refuse(c, SENDMAIL_DATA, "the message holds a NUL byte", S(""));
    if (!sendmail_header_find(buffer_slice(&c->message.memory), c->message.fd < 0, &c->header))
        return refuse(c, SENDMAIL_DATA, "the header is longer than 2 MiB", S(""));
    e = take_recipients(c);
    if (e == SENDMAIL_OK)
        e = take_sender(c);
    if (e == SENDMAIL_OK && !add_front(c))
        e = refuse(c, SENDMAIL_SOFTWARE, "out of memory", S(""));
    return e;
}

/* ---- the dialogue ---- */

/* All or nobody: the body is not begun when a recipient was refused. */
static bool all_accepted(const struct call *c)
{
    for (size_t i = 0; i < c->recipients.n; i++)
        if (c->list[i].outcome.answer != ANSWER_OK)
            return false;
    return true;
}

TASK_FN
static bool read_next(void *arg, struct slice *piece, deadline until)
{
    struct call *c = arg;
    *piece = S("");
    if (c->next == FRONT && !all_accepted(c))
        return false;
    while (!piece->n && c->next != FILE_)
        switch (c->next++) {
        case FRONT:
            *piece = buffer_slice(&c->front);
            break;
        case FIELDS:
            *piece = c->header.fields;
            break;
        case BLANK:
            *piece = c->header.blank ? S("") : S("\r\n");
            break;
        default:
            *piece = slice_from(buffer_slice(&c->message.memory), c->header.rest);
        }
    return piece->n || sendmail_read_back(&c->message, piece);
}

static enum sendmail_exit exit_of(const struct smtp_outcome *o)
{
    struct slice code = slice_str(o->reply.enhanced);
    if (o->answer == ANSWER_UNSUPPORTED)
        return slice_eq(code, S("5.3.4")) ? SENDMAIL_UNAVAILABLE : SENDMAIL_DATA;
    if (o->answer != ANSWER_PERMANENT)
        return o->answer == ANSWER_OK ? SENDMAIL_OK : SENDMAIL_TRY_AGAIN;
    if (slice_starts(code, S("5.7.")) || o->stage == SMTP_AT_GREETING)
        return SENDMAIL_NO_PERMISSION;
    if (slice_eq(code, S("5.1.1")))
        return SENDMAIL_NO_USER;
    if (slice_starts(code, S("5.6.")) || slice_eq(code, S("5.1.2")) || slice_eq(code, S("5.1.3")))
        return SENDMAIL_DATA;
    return SENDMAIL_UNAVAILABLE;
}

static void tell(struct call *c, const struct smtp_outcome *o, struct slice whom, size_t others)
{
    struct buffer b = {.p = c->why, .cap = sizeof c->why, .max = sizeof c->why - 1};
    c->exit = exit_of(o);
    if (whom.n)
        buffer_printf(&b, SLICE_FMT ": ", (int)(whom.n < 120 ? whom.n : 120), whom.p);
    if (o->reply.code)
        buffer_printf(&b, "%u ", o->reply.code);
    if (o->reply.enhanced[0])
        buffer_printf(&b, "%s ", o->reply.enhanced);
    buffer_printf(&b, "%.300s", o->reply.text);
    if (others)
        buffer_printf(&b, " (and %zu more)", others);
    if (whom.n && c->recipients.n > 1)
        buffer_add(&b, S("; nothing was sent"));
    for (size_t i = 0; i < b.n; i++)
        if (b.p[i] == '\n')
            b.p[i] = ' ';
    b.p[b.n] = '\0';
}

/* A recipient that will never do says more than one that will not do now. */
static bool tell_refused(struct call *c)
{
    const struct smtp_send_recipient *worst = NULL;
    size_t refused = 0;
    for (size_t i = 0; i < c->recipients.n; i++) {
        const struct smtp_send_recipient *r = &c->list[i];
        if (r->outcome.stage != SMTP_AT_RCPT ||
            (r->outcome.answer != ANSWER_TEMPORARY && r->outcome.answer != ANSWER_PERMANENT &&
                r->outcome.answer != ANSWER_UNSUPPORTED))
            continue;
        refused++;
        if (!worst ||
            (worst->outcome.answer == ANSWER_TEMPORARY && r->outcome.answer != ANSWER_TEMPORARY))
            worst = r;
    }
    if (worst)
        tell(c, &worst->outcome, worst->address, refused - 1);
    return worst;
}

TASK_FN
static enum answer send_message(struct call *c, struct smtp_client *s)
{
    for (size_t i = 0; i < c->recipients.n; i++)
        c->list[i] = (struct smtp_send_recipient){
            .address = c->recipients.addresses[i], .notify = slice_str(c->notify)};
    const struct smtp_send message = {
        .sender = c->from,
        .size = c->front.n + c->message.size,
        .eight_bit = c->message.scan.header_8bit || c->message.scan.body_8bit,
        .utf8 = c->recipients.utf8 || c->sender.utf8,
        .envid = slice_str(c->o->envid),
        .ret = !c->o->ret                       ? S("")
               : ascii_lower(*c->o->ret) == 'f' ? S("FULL")
                                                : S("HDRS"),
        .read = read_next,
        .arg = c,
    };
    return smtp_client_send(s, &message, c->list, c->recipients.n, DEADLINE_NEVER);
}

static void talk(void *arg)
{
    struct call *c = arg;
    struct stream *stream = stream_socket(c->sock);
    struct channel *channel = stream ? channel_create(stream, c->sock, SMTP_CLIENT_LINE) : NULL;
    const struct smtp_client_options options = {.hello = "localhost"};
    struct smtp_client *s = channel ? smtp_client_create(channel, &options) : NULL;
    c->exit = SENDMAIL_TRY_AGAIN;
    snprintf(c->why, sizeof c->why, "out of memory");
    if (!s)
        return;
    enum answer a = smtp_client_greet(s, DEADLINE_NEVER);
    if (a == ANSWER_OK)
        a = send_message(c, s);
    if (a == ANSWER_OK) {
        c->exit = SENDMAIL_OK;
        if (c->o->verbose)
            fprintf(stderr, "sent: %s\n", c->list[0].outcome.reply.text);
        smtp_client_quit(s, deadline_in(5 * CLOCK_SEC));
    } else if (!tell_refused(c)) {
        tell(c, smtp_client_outcome(s), S(""), 0);
    }
    smtp_client_destroy(s);
}

static enum sendmail_exit post(struct call *c)
{
    struct runtime_options o = {
        .reactors = 1, .stacks = 16, .disk_threads = 1, .read_threads = 1, .cpu_threads = 1};
    enum sendmail_exit e = prepare(c);
    for (size_t i = 0; c->o->notify && c->o->notify[i] && i < sizeof c->notify - 1; i++)
        c->notify[i] = ascii_upper(c->o->notify[i]);
    if (e == SENDMAIL_OK)
        e = connect_server(c->o, &c->sock, c->why);
    if (e != SENDMAIL_OK)
        return e;
    fcntl(c->sock, F_SETFL, O_NONBLOCK);
    c->list = calloc(c->recipients.n, sizeof *c->list);
    if (!c->list || !runtime_run(&o, talk, c))
        return refuse(c, SENDMAIL_TRY_AGAIN, "no memory or threads", S(""));
    return c->exit;
}

/* ---- the command ---- */

static enum sendmail_exit smtp(const struct sendmail_options *o, char why[SENDMAIL_WHY])
{
    int sock;
    enum sendmail_exit e = connect_server(o, &sock, why);
    if (e == SENDMAIL_OK)
        sendmail_pipe(sock);
    else
        printf("421 4.3.2 %s\r\n", why);
    return e;
}

int sendmail_run(const struct sendmail_options *o)
{
    static struct call c;
    c = (struct call){.o = o, .sock = -1};
    signal(SIGPIPE, SIG_IGN);
    if (o->mode == SENDMAIL_SMTP) {
        c.exit = smtp(o, c.why);
    } else {
        sendmail_read_init(&c.message);
        sendmail_list_init(&c.recipients);
        sendmail_list_init(&c.sender);
        buffer_init(&c.front, FRONT_MAX);
        c.exit = post(&c);
        free(c.list);
        sendmail_list_finish(&c.recipients);
        sendmail_list_finish(&c.sender);
        buffer_finish(&c.front);
        sendmail_read_finish(&c.message);
    }
    if (c.exit != SENDMAIL_OK)
        fprintf(stderr, "sendmail: %s\n", c.why);
    return (int)c.exit;
}
