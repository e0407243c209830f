/* A courier at work: a batch, the hosts of its route, at most one connection. */
#pragma once
#include "delivery/remote.h"
#include "delivery/sts.h"
#include "delivery/table.h"
#include "delivery/tlsrpt.h"
#include "delivery/verdict.h"

#define DELIVERY_PIECE ((size_t)64 * 1024)
/* Entries with their texts, outcomes and replies. */
#define DELIVERY_ITEM_MAX     ((size_t)2 * 1024 * 1024)
#define DELIVERY_DELIVERED_TO (QUEUE_ADDRESS_MAX + 32)
#define DELIVERY_DNS_MAX      ((size_t)512 * 1024)

enum reach {
    REACH_OK,      /* c->client speaks SMTP */
    REACH_MESSAGE, /* not for the message under way, because of TLS: c->why */
    REACH_DOWN,    /* not now: c->why */
    REACH_NEVER,   /* not at all: c->why */
    REACH_STOP,    /* cancelled, or out of memory: all goes back */
};

/* What a message asks of the way to its host. */
enum need {
    NEED_POLICY,   /* what the domain asks for */
    NEED_VERIFIED, /* REQUIRETLS (RFC 8689 §4.2.1) */
    NEED_NOTHING,  /* "TLS-Required: No" (RFC 8689 §4.2.2) */
};

/* What a host must keep to. */
enum guard {
    GUARD_NONE, /* TLS if it can be had */
    GUARD_TLS,  /* TLS with whatever certificate (RFC 7672 §2.2) */
    GUARD_NAME, /* its name, by an authority (RFC 8461 §4.2) */
    GUARD_DANE, /* its TLSA records */
};

enum level { LEVEL_PLAIN, LEVEL_ENCRYPTED, LEVEL_VERIFIED };

struct courier {
    struct delivery_remote *remote;
    const struct delivery_rules *rules;
    struct queue_batch *batch;
    struct arena names, scratch, item; /* of the route, of the host, of the message */
    /* the way */
    const struct delivery_hop *hop; /* NULL: by MX, with nothing special about it */
    struct slice domain;            /* whose MX hosts are asked; empty: none's */
    struct dns_mx_answer mx;
    struct dns_addresses addresses; /* of mx.hosts[host] */
    struct dial_tlsa tlsa[DIAL_TLSA_MAX];
    size_t host, address, tlsa_n;
    struct slice tlsa_base; /* the name under which the TLSA records stand */
    struct slice policy;    /* domain of the MTA-STS policy; empty: none can apply */
    struct sts_found sts;   /* of that domain */
    uint16_t port;
    bool chosen;      /* the administrator named the host: no MX */
    bool host_known;  /* addresses and tlsa are those of the host */
    bool dane;        /* of the host: it has TLSA records, so TLS or nothing */
    bool dane_usable; /* and verified by them */
    bool bad_dane;    /* of the host: its TLSA records cannot be had */
    bool any_later, any_refused, any_ours, any_private, any_tls; /* why hosts were left out */
    unsigned tries;
    enum need need; /* of the message under way */
    bool blocked;   /* no host serves a message of blocked_need: why */
    enum need blocked_need;
    unsigned left_out; /* messages settled without a connection */
    /* the connection */
    struct smtp_client *client;
    bool without_tls;
    enum level level;
    bool keeps;        /* to what the domain asks for */
    unsigned messages; /* that it took */
    deadline old;      /* when it takes no further one */
    char peer[QUEUE_REMOTE_MAX];
    /* why it is not there */
    struct queue_settlement why;
    char why_reply[QUEUE_REPLY_MAX], why_remote[QUEUE_REMOTE_MAX];
    /* the message under way */
    struct store_blob *blob;
    uint64_t at;
    char delivered_to[DELIVERY_DELIVERED_TO]; /* of what an alias sends on; else empty */
    struct slice first;                       /* what is left of the first piece */
    enum { GIVE_DELIVERED_TO, GIVE_FIRST, GIVE_REST } give;
    char piece[DELIVERY_PIECE];
};

/* remote_hosts.c: whom to ask. OK: mx has hosts. */
TASK_FN
enum reach remote_find(struct courier *c);
/* Sees that addresses of the host under way are known; false: it has none to be used. */
TASK_FN
bool remote_host(struct courier *c);
/* No host is left: what does it mean? */
enum reach remote_nobody(struct courier *c);
void remote_why(
    struct courier *c, enum queue_verdict verdict, const char *status, struct slice words);

/* remote_connect.c: from the present address on. */
TASK_FN
enum reach remote_connect(struct courier *c);
/* Connects to the present address and greets; tls: from the first byte on, or NULL. False: noted.
 */
TASK_FN
bool remote_dial(struct courier *c, const struct dial_tls *tls);
/* The client's last failure, in case that it is the last of all. */
void remote_note_outcome(struct courier *c);
/* A connection for this message: the present one, or one from the first host on. */
TASK_FN
enum reach remote_ready(struct courier *c, const struct queue_item *item);
/* The host under way fails, and this is why; deferred unless it says 5.y.z. */
void remote_note(struct courier *c);
/* The present address is done with. */
void remote_next_address(struct courier *c);
/* Politely or not; harmless without a connection. */
TASK_FN
void remote_disconnect(struct courier *c);

/* remote_hop.c: a host that the administrator chose. */
bool remote_hop_is(const struct courier *c);
enum reach remote_hop_find(struct courier *c);
/* remote_host of a unix socket. */
bool remote_hop_socket(struct courier *c);
enum reach remote_hop_nobody(struct courier *c);
/* The present address, when it wants more than opportunistic TLS, or less. */
TASK_FN
bool remote_hop_try(struct courier *c);
/* LMTP: there is nobody behind it. */
void remote_hop_judge(const struct courier *c, struct queue_settlement *s);

/* remote_sort.c: what takes another route by now is filed there; false: the store failed. */
TASK_FN
bool remote_sort(struct courier *c, struct queue_item *item, deadline until);
/* As queue_move_route; arg: struct delivery_rules. */
struct slice remote_sort_route(void *arg, const struct queue_message *m,
    const struct queue_entry *e, char room[QUEUE_ROUTE_MAX]);

/* remote_send.c: one transaction; settlements has room for each entry. */
TASK_FN
enum reach remote_send(
    struct courier *c, const struct queue_item *item, struct queue_settlement *settlements);

/* remote_tls.c: what hosts have to keep to, and whether they do. */

/* The MTA-STS policy for mail to c->policy. */
TASK_FN
void remote_tls_find(struct courier *c);
/* May the host under way be asked at all? False: why is noted. */
bool remote_tls_admit(struct courier *c);
enum guard remote_tls_guard(const struct courier *c);
/* STARTTLS as the guard has it. True: the connection is as it has to be, its level set. False: why
 * is noted. */
TASK_FN
bool remote_tls_start(struct courier *c, enum guard guard);
/* The same behind remote_hop_try, which has its own idea of TLS: is it enough for the message? */
bool remote_tls_hop(struct courier *c);
/* The server offers no STARTTLS. True: it may be spoken to all the same. */
bool remote_tls_missing(struct courier *c, enum guard guard);
/* Does the present connection do for such a message? */
bool remote_tls_fits(const struct courier *c, enum need need);
/* For reports (RFC 8460): a session that ended so. */
void remote_tls_count(
    struct courier *c, enum tlsrpt_policy policy, enum tlsrpt_result result, struct slice reason);
