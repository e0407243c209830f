/* Our smtp, pop3 and imap clients as a program of the tests. */
#pragma once
#include "net/answer.h"
#include "net/login.h"

struct talk {
    const char *protocol; /* smtp, lmtp, pop3, imap */
    const char *address;  /* HOST:PORT or unix:PATH */
    const char *ca, *name, *user, *password, *only;
    bool tls, starttls, verify, no_chunking;
    const char **words; /* what remains of the arguments */
    int word_n;
    struct slice input; /* of stdin */
    struct dial_tls dial_tls;
    int failed; /* the exit status */
};

#define TALK_PATIENCE deadline_in(60 * CLOCK_SEC)

/* Prints "what: answer text" and notes a failure. True: it was OK. */
bool talk_step(struct talk *t, const char *what, enum answer a, const char *text);
void talk_tls(const struct channel *c);
struct login_options talk_login(const struct talk *t);

/* On a task; the channel is given away. */
void talk_smtp(struct talk *t, struct channel *c);
void talk_pop3(struct talk *t, struct channel *c);
void talk_imap(struct talk *t, struct channel *c);
