/* client-talk PROTOCOL ADDRESS [--tls|--starttls] [--ca FILE --name NAME] [--user U --password P
 * [--only MECHANISM]] [--no-chunking] WORDS...
 *
 * smtp, lmtp: WORDS are the sender and the recipients, stdin the message.
 * pop3: fetches all messages into files in the folder WORD, deletes them.
 * imap: appends stdin to the mailbox WORD, made before, and fetches it back into the file WORD 2.
 *
 * Each step is a line "STEP: ANSWER TEXT"; exit 0 when all are ok. */
#include "talk.h"
#include "base/buffer.h"
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>
#include <unistd.h>

#define INPUT_MAX ((size_t)64 << 20)

bool talk_step(struct talk *t, const char *what, enum answer a, const char *text)
{
    printf("%s: %s %s\n", what, answer_name(a), text);
    fflush(stdout);
    if (a != ANSWER_OK)
        t->failed = 1;
    return a == ANSWER_OK;
}

void talk_tls(const struct channel *c)
{
    struct tls_facts f;
    channel_tls_facts(c, &f);
    if (f.on)
        printf("tls: %s %s %s\n", f.version, f.cipher, f.verified ? "verified" : "unverified");
}

struct login_options talk_login(const struct talk *t)
{
    return (struct login_options){.user = slice_str(t->user),
        .password = slice_str(t->password),
        .only = slice_str(t->only),
        .plaintext = true};
}

/* ---- the connection ---- */

static socklen_t parse_address(const char *text, struct sockaddr_storage *to)
{
    struct sockaddr_un *un = (struct sockaddr_un *)to;
    struct sockaddr_in *in = (struct sockaddr_in *)to;
    struct slice rest = slice_str(text);
    char host[64];
    uint64_t port;
    if (slice_starts(rest, S("unix:"))) {
        un->sun_family = AF_UNIX;
        slice_to_cstr(slice_from(rest, 5), un->sun_path, sizeof un->sun_path);
        return sizeof *un;
    }
    in->sin_family = AF_INET;
    if (!slice_to_cstr(slice_cut(&rest, ':'), host, sizeof host) ||
        inet_pton(AF_INET, host, &in->sin_addr) != 1 || !slice_to_u64(rest, 65535, &port))
        return 0;
    in->sin_port = htons((uint16_t)port);
    return sizeof *in;
}

static void run(void *arg)
{
    struct talk *t = arg;
    struct sockaddr_storage to = {0};
    struct channel *c;
    char why[DIAL_WHY];
    struct dial_options o = {.to = (struct sockaddr *)&to,
        .to_n = parse_address(t->address, &to),
        .tls = t->tls ? &t->dial_tls : NULL,
        .line_max = CHANNEL_LINE_MAX};
    enum dial_result r = dial_connect(&o, &c, why, TALK_PATIENCE);
    if (!talk_step(t, "connect", answer_of_dial(r), why))
        return;
    if (strcmp(t->protocol, "pop3") == 0)
        talk_pop3(t, c);
    else if (strcmp(t->protocol, "imap") == 0)
        talk_imap(t, c);
    else
        talk_smtp(t, c);
}

/* ---- arguments ---- */

static bool take_option(struct talk *t, char **arguments, int *at)
{
    const struct {
        const char *name;
        bool *flag;
        const char **value;
    } options[] = {
        {"--tls", &t->tls, NULL},
        {"--starttls", &t->starttls, NULL},
        {"--no-chunking", &t->no_chunking, NULL},
        {"--ca", NULL, &t->ca},
        {"--name", NULL, &t->name},
        {"--user", NULL, &t->user},
        {"--password", NULL, &t->password},
        {"--only", NULL, &t->only},
    };
    for (size_t i = 0; i < sizeof options / sizeof *options; i++) {
        if (strcmp(arguments[*at], options[i].name) != 0)
            continue;
        if (options[i].flag)
            *options[i].flag = true;
        else if (arguments[*at + 1])
            *options[i].value = arguments[++*at];
        return true;
    }
    return false;
}

static bool read_input(struct buffer *input)
{
    while (!input->overflow) {
        char *room = buffer_room(input, 65536);
        ssize_t n = room ? read(0, room, 65536) : -1;
        if (n <= 0)
            return n == 0;
        buffer_took(input, (size_t)n);
    }
    return false;
}

int main(int argc, char **argv)
{
    struct talk t = {.words = calloc((size_t)argc, sizeof(char *))};
    struct runtime_options options = {.reactors = 1};
    struct buffer input;
    char why[DIAL_WHY] = "";
    buffer_init(&input, INPUT_MAX);
    if (argc < 3 || !t.words || !read_input(&input))
        return 2;
    t.protocol = argv[1];
    t.address = argv[2];
    for (int i = 3; i < argc; i++)
        if (!take_option(&t, argv, &i))
            t.words[t.word_n++] = argv[i];
    t.input = buffer_slice(&input);
    t.dial_tls.trust = t.ca ? dial_trust_load(t.ca, why) : dial_trust_create(slice_str(""), why);
    t.dial_tls.server_name = t.name;
    t.dial_tls.verify = t.ca ? DIAL_VERIFY_NAME : DIAL_VERIFY_NONE;
    if (!t.dial_tls.trust || !runtime_run(&options, run, &t)) {
        fprintf(stderr, "%s\n", why);
        return 2;
    }
    dial_trust_release(t.dial_tls.trust);
    buffer_finish(&input);
    free(t.words);
    return t.failed;
}
