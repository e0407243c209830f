/* Recipients of a message under way that go into the queue: those elsewhere, and those of ours that
 * get it later or whose delivery is to be reported. */
#pragma once
#include "base/arena.h"
#include "queue/queue.h"
#include "smtp/command.h"

struct delivery_rules;

#define INTAKE_OUTGOING_BYTES ((size_t)2 * 1024 * 1024)

struct intake_outgoing {
    struct arena arena;
    struct queue_recipient *list; /* distinct */
    uint32_t n, room;
    uint32_t to_reach;   /* of them: all but those that are only reported on */
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
/* The same from "local@domain", unquoted. */
bool intake_outgoing_sender_text(struct intake_outgoing *o, struct slice sender);
/* With NOTIFY and ORCPT as given. */
enum intake_outgoing_result intake_outgoing_add(
    struct intake_outgoing *o, const struct delivery_rules *rules, const struct smtp_rcpt *rcpt);
/* One of ours, by a route of delivery/here.h. DELIVERY_HERE: as add. Others, which only report:
 * *index says where it is in the list when it is new there, and is not touched else. */
enum intake_outgoing_result intake_outgoing_add_here(
    struct intake_outgoing *o, struct slice route, const struct smtp_rcpt *rcpt, uint32_t *index);
/* Is the message for this address already? */
bool intake_outgoing_has(const struct intake_outgoing *o, struct slice address);
/* It shall not be reported after all: leaves a hole in the list. */
void intake_outgoing_drop(struct intake_outgoing *o, uint32_t index);
/* Before the list is used: closes the holes. */
void intake_outgoing_close(struct intake_outgoing *o);
