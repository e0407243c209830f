/* A policy for tests: refuses what its name says, keeps what it is given, writes down what is asked
 * of it. */
#pragma once
#include "smtp/server.h"

#define FAKE_MESSAGES_MAX 64

struct fake_policy {
    struct buffer journal; /* "mail a@b;rcpt c@d;begin;end 12;reset;" */
    struct buffer body;    /* of the message under way, then of the last one */
    unsigned messages;     /* ended with 2yz */
    unsigned begun, resets, mails, closed;
    bool unknown; /* body_end gives code 0 */
    bool wait;    /* each write makes the sink wait */
    bool refuse_begin, refuse_connect;
    bool auth;                   /* offer AUTH PLAIN */
    unsigned outcome_unknown_at; /* LMTP: index + 1 of a recipient without an outcome */
};

extern const struct smtp_hooks fake_hooks;
void fake_policy_init(struct fake_policy *p);
void fake_policy_finish(struct fake_policy *p);
