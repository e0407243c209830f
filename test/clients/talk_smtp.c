#include "smtp/client.h"
#include "talk.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool step(struct talk *t, struct smtp_client *c, const char *what, enum answer a)
{
    const struct smtp_outcome *o = smtp_client_outcome(c);
    char text[600] = "";
    if (a != ANSWER_OK)
        snprintf(text, sizeof text, "%s: %u %s %s", smtp_stage_name(o->stage), o->reply.code,
            o->reply.enhanced, o->reply.text);
    return talk_step(t, what, a, text);
}

static bool read_input(void *arg, struct slice *piece, deadline until)
{
    struct slice *rest = arg;
    *piece = slice_sub(*rest, 0, 10000);
    *rest = slice_from(*rest, piece->n);
    return true;
}

static void send_mail(struct talk *t, struct smtp_client *c)
{
    size_t n = (size_t)t->word_n - 1;
    struct slice rest = t->input;
    struct smtp_send_recipient *to = calloc(n, sizeof *to);
    struct smtp_send m = {.sender = slice_str(t->words[0]),
        .size = t->input.n,
        .eight_bit = smtp_client_offer(c)->eight_bit_mime,
        .read = read_input,
        .arg = &rest};
    for (size_t i = 0; to && i < n; i++)
        to[i].address = slice_str(t->words[i + 1]);
    step(t, c, "send", smtp_client_send(c, &m, to, n, TALK_PATIENCE));
    for (size_t i = 0; i < n; i++)
        printf("to %s: %s %s: %u %s %s\n", t->words[i + 1], answer_name(to[i].outcome.answer),
            smtp_stage_name(to[i].outcome.stage), to[i].outcome.reply.code,
            to[i].outcome.reply.enhanced, to[i].outcome.reply.text);
    free(to);
}

void talk_smtp(struct talk *t, struct channel *channel)
{
    struct smtp_client_options o = {.hello = "client.away.test",
        .lmtp = strcmp(t->protocol, "lmtp") == 0,
        .no_chunking = t->no_chunking};
    struct login_options login = talk_login(t);
    struct smtp_client *c = smtp_client_create(channel, &o);
    bool fine = step(t, c, "greet", smtp_client_greet(c, TALK_PATIENCE));
    if (fine && t->starttls)
        fine = step(t, c, "starttls", smtp_client_start_tls(c, &t->dial_tls, TALK_PATIENCE));
    if (fine)
        talk_tls(channel);
    if (fine && t->user)
        fine = step(t, c, "login", smtp_client_login(c, &login, TALK_PATIENCE));
    for (int i = 0; fine && t->word_n > 1 && i < 2; i++) /* twice over one connection */
        send_mail(t, c);
    if (fine && smtp_client_alive(c))
        step(t, c, "quit", smtp_client_quit(c, TALK_PATIENCE));
    smtp_client_destroy(c);
}
