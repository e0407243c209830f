#include "base/buffer.h"
#include "imap/client.h"
#include "pop3/client.h"
#include "talk.h"
#include <stdio.h>
#include <stdlib.h>

static bool write_piece(void *arg, struct slice piece)
{
    return fwrite(piece.p, 1, piece.n, arg) == piece.n;
}

/* ---- POP3 ---- */

static bool count(void *arg, uint32_t number, struct slice value)
{
    uint32_t *n = arg;
    return ++*n == number && value.n > 0;
}

static bool fetch_one(struct talk *t, struct pop3_client *c, uint32_t number)
{
    char path[512];
    snprintf(path, sizeof path, "%s/%u", t->words[0], number);
    FILE *f = fopen(path, "w");
    if (!f)
        return false;
    enum answer a = pop3_client_retr(c, number, (uint64_t)1 << 30, write_piece, f, TALK_PATIENCE);
    if (fclose(f) != 0)
        a = ANSWER_LOCAL;
    return talk_step(t, "retr", a, pop3_client_text(c)) &&
           talk_step(t, "dele", pop3_client_dele(c, number, TALK_PATIENCE), pop3_client_text(c));
}

static bool fetch_all(struct talk *t, struct pop3_client *c)
{
    uint32_t messages, listed = 0, uids = 0;
    uint64_t bytes;
    enum answer a = pop3_client_stat(c, &messages, &bytes, TALK_PATIENCE);
    if (a == ANSWER_OK)
        a = pop3_client_list(c, count, &listed, TALK_PATIENCE);
    if (a == ANSWER_OK)
        a = pop3_client_uidl(c, count, &uids, TALK_PATIENCE);
    if (a == ANSWER_OK && (messages != listed || messages != uids))
        a = ANSWER_PROTOCOL;
    bool fine = talk_step(t, "list", a, pop3_client_text(c));
    for (uint32_t i = 1; fine && i <= messages; i++)
        fine = fetch_one(t, c, i);
    return fine;
}

void talk_pop3(struct talk *t, struct channel *channel)
{
    struct login_options login = talk_login(t);
    struct pop3_client *c = pop3_client_create(channel, 0);
    bool fine = talk_step(t, "greet", pop3_client_greet(c, TALK_PATIENCE), pop3_client_text(c));
    if (fine && t->starttls)
        fine = talk_step(t, "starttls", pop3_client_start_tls(c, &t->dial_tls, TALK_PATIENCE),
            pop3_client_text(c));
    if (fine)
        talk_tls(channel);
    if (fine && t->user)
        fine =
            talk_step(t, "login", pop3_client_login(c, &login, TALK_PATIENCE), pop3_client_text(c));
    if (fine && t->word_n)
        fine = fetch_all(t, c);
    if (fine)
        talk_step(t, "quit", pop3_client_quit(c, TALK_PATIENCE), pop3_client_text(c));
    pop3_client_destroy(c);
}

/* ---- IMAP ---- */

static bool read_input(void *arg, struct slice *piece, deadline until)
{
    struct slice *rest = arg;
    *piece = slice_sub(*rest, 0, 10000);
    *rest = slice_from(*rest, piece->n);
    return true;
}

static bool print_listed(void *arg, struct slice attributes, char separator, struct slice mailbox)
{
    printf("listed: " SLICE_FMT "\n", SLICE_ARG(mailbox));
    return true;
}

static bool print_message(void *arg, const struct imap_client_fetched *m)
{
    printf("message: uid %u flags " SLICE_FMT " day %d bytes %d\n", m->uid, SLICE_ARG(m->flags),
        m->has_date ? m->date.day : 0, (int)m->size);
    return true;
}

static bool print_untagged(void *arg, struct slice response)
{
    printf("idle: " SLICE_FMT "\n", SLICE_ARG(response));
    return false;
}

static bool say(struct talk *t, struct imap_client *c, const char *what, enum answer a)
{
    return talk_step(t, what, a, imap_client_text(c));
}

static bool append(struct talk *t, struct imap_client *c, struct slice mailbox)
{
    struct date date = {2026, 11, 22, 3, 12, 16, 60};
    struct slice rest = t->input;
    struct imap_client_append a = {.mailbox = mailbox,
        .flags = S("\\Seen $Forwarded"),
        .date = &date,
        .size = rest.n,
        .read = read_input,
        .arg = &rest};
    bool fine = say(t, c, "append", imap_client_append(c, &a, TALK_PATIENCE));
    printf("appended: uid %u\n", a.uid);
    return fine;
}

static bool fetch(struct talk *t, struct imap_client *c)
{
    struct imap_client_fetch f = {
        .body = write_piece, .message = print_message, .arg = fopen(t->words[1], "w")};
    if (!f.arg)
        return false;
    bool fine = say(t, c, "fetch", imap_client_fetch(c, S("1:*"), &f, TALK_PATIENCE));
    return fclose(f.arg) == 0 && fine;
}

static bool use(struct talk *t, struct imap_client *c)
{
    struct slice mailbox = slice_str(t->words[0]);
    struct imap_client_selected selected;
    struct imap_client_status status;
    struct buffer copy;
    buffer_init(&copy, 1000);
    buffer_add(&copy, S("UID COPY 1:* "));
    imap_client_add_string(&copy, mailbox);
    bool fine =
        say(t, c, "create", imap_client_create_mailbox(c, mailbox, TALK_PATIENCE)) &&
        append(t, c, mailbox) &&
        say(t, c, "list", imap_client_list(c, S(""), S("*"), print_listed, NULL, TALK_PATIENCE)) &&
        say(t, c, "status",
            imap_client_status(c, mailbox, S("MESSAGES"), &status, TALK_PATIENCE)) &&
        status.messages == 1 &&
        say(t, c, "select", imap_client_select(c, mailbox, false, &selected, TALK_PATIENCE)) &&
        selected.exists == 1 && selected.uidvalidity && fetch(t, c) &&
        say(t, c, "copy", imap_client_command(c, buffer_slice(&copy), NULL, NULL, TALK_PATIENCE)) &&
        say(t, c, "idle",
            imap_client_idle(c, print_untagged, NULL, deadline_in(CLOCK_SEC), TALK_PATIENCE));
    buffer_finish(&copy);
    return fine;
}

void talk_imap(struct talk *t, struct channel *channel)
{
    struct login_options login = talk_login(t);
    struct imap_client *c = imap_client_create(channel, 0);
    bool fine = say(t, c, "greet", imap_client_greet(c, TALK_PATIENCE));
    if (fine && t->starttls)
        fine = say(t, c, "starttls", imap_client_start_tls(c, &t->dial_tls, TALK_PATIENCE));
    if (fine)
        talk_tls(channel);
    if (fine && t->user)
        fine = say(t, c, "login", imap_client_login(c, &login, TALK_PATIENCE));
    if (fine && t->word_n == 2 && !use(t, c))
        t->failed = 1;
    if (imap_client_alive(c))
        say(t, c, "logout", imap_client_logout(c, TALK_PATIENCE));
    imap_client_destroy(c);
}
