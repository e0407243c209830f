/* What the end of an SMTP dialogue means for an entry of the queue. Pure. */
#pragma once
#include "queue/queue.h"
#include "smtp/client.h"

struct delivery_facts {
    bool dsn;         /* the server offers DSN (RFC 3461) */
    bool some_taken;  /* it took over other recipients of this transaction */
    bool without_tls; /* TLS was offered and failed, so it was left out */
    bool chosen;      /* the administrator chose the host */
};

/* Fills verdict, status, reply, remote_said. reply holds the words of *s.
 *
 * A permanent no before MAIL FROM is about the host, not about the message: deferred, unless it
 * says that it never takes mail (521, RFC 7504). A chosen host that wants another login, or none,
 * puts mail off. Lost after the final dot is deferred: twice is better than never. */
void delivery_verdict(const struct smtp_outcome *o, const struct delivery_facts *facts,
    char reply[QUEUE_REPLY_MAX], struct queue_settlement *s);
/* One of our own making. words: a sentence, also what is kept as the reply; lives as long as *s. */
void delivery_own_verdict(
    enum queue_verdict verdict, const char *status, struct slice words, struct queue_settlement *s);
