/* A courier at work: a batch, the hosts of its route, at most one connection. */
#pragma once
#include "delivery/remote.h"
#include "delivery/table.h"
#include "delivery/verdict.h"

#define DELIVERY_PIECE ((size_t)64 * 1024)
/* Entries with their texts, outcomes and replies. */
#define DELIVERY_ITEM_MAX     ((size_t)2 * 1024 * 1024)
#define DELIVERY_DELIVERED_TO (QUEUE_ADDRESS_MAX + 32)
#define DELIVERY_DNS_MAX      ((size_t)512 * 1024)

enum reach {
    REACH_OK,    /* c->client speaks SMTP */
    REACH_DOWN,  /* not now: c->why */
    REACH_NEVER, /* not at all: c->why */
    REACH_STOP,  /* cancelled, or out of memory: all goes back */
};

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
    uint16_t port;
    bool chosen;     /* the administrator named the host: no MX */
    bool host_known; /* addresses and tlsa are those of the host */
    bool dane;       /* of the host: TLS that is verified, or nothing */
    bool bad_dane;   /* of the host: its TLSA records cannot be had */
    bool any_later, any_refused, any_ours, any_private; /* why hosts were left out */
    unsigned tries;
    /* the connection */
    struct smtp_client *client;
    bool without_tls;
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
