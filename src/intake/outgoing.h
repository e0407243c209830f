/* Recipients elsewhere of a message under way: what will go into the queue. */
#pragma once
#include "base/arena.h"
#include "queue/queue.h"
#include "smtp/path.h"

struct delivery_rules;

#define INTAKE_OUTGOING_BYTES ((size_t)2 * 1024 * 1024)

struct intake_outgoing {
    struct arena arena;
    struct queue_recipient *list; /* distinct */
    uint32_t n, room;
    bool utf8;           /* an address needs SMTPUTF8 */
    struct slice sender; /* quoted where needed; empty: <> */
    bool sender_utf8;
    struct slice sender_domain; /* canonical, once it was asked for */
};

void intake_outgoing_init(struct intake_outgoing *o);
/* Forgets the transaction. */
void intake_outgoing_reset(struct intake_outgoing *o);

enum intake_outgoing_result {
    INTAKE_OUTGOING_OK,
    INTAKE_OUTGOING_BAD,  /* no domain that mail could go to */
    INTAKE_OUTGOING_MANY, /* over QUEUE_PUT_MAX */
    INTAKE_OUTGOING_FULL, /* no memory */
};
bool intake_outgoing_sender(struct intake_outgoing *o, const struct smtp_path *sender);
enum intake_outgoing_result intake_outgoing_add(struct intake_outgoing *o,
    const struct delivery_rules *rules, const struct smtp_path *recipient);
