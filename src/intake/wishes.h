/* What MAIL asked for beyond being delivered (RFC 2852, 3461, 4865, 6710, 8689), kept until the
 * message is stored. */
#pragma once
#include "queue/queue.h"
#include "smtp/command.h"

#define INTAKE_HOLD_MAX (30 * 86400) /* s, of FUTURERELEASE */
#define INTAKE_BY_MIN   60           /* s, of DELIVERBY in mode R */

struct intake_wishes {
    uint32_t flags;     /* enum queue_flag */
    uint32_t hold_for;  /* s; 0: hold_until says it, or nothing */
    int64_t hold_until; /* wall s; 0: not to be held */
    int64_t deliver_by; /* wall s; 0: no matter when */
    int8_t priority;
    char envid[SMTP_ENVID_MAX + 1];
};

/* now: wall s, when MAIL came. */
void intake_wishes_set(struct intake_wishes *w, const struct smtp_mail *mail, int64_t now);
/* What holds for every copy (RFC 8689 §4.1, RFC 6710 §4.4, and a hold); created is set.
 * tls_optional: the header says "TLS-Required: No", which REQUIRETLS overrides. */
void intake_wishes_copy(const struct intake_wishes *w, bool tls_optional, struct queue_message *m);
/* What goes only with those that leave under the sender's own name: its reports, and its time. */
void intake_wishes_own(const struct intake_wishes *w, struct queue_message *m);
