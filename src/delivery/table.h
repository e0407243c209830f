/* Ways out that the administrator chose: which mail takes them, and what they are. Pure.
 *
 * The domain of the recipient decides first, then that of the sender, then the way of all mail;
 * what none of them names goes to the MX hosts of its domain. Ways that are alike in everything are
 * one hop, whose mail shares connections; mail of hops that differ in anything (login, TLS, source)
 * never does.
 *
 * The queue files an entry under its route, a text:
 *   example.net                       by MX
 *   example.net from 192.0.2.5        by MX, from this address
 *   smtp.example.net:587              that host; lmtp:host:24, lmtp:unix:/path
 *   smtp.example.net:587#2            the same host as another hop, in some other way
 * A name of a host has no colon and an address literal is in brackets, so that they differ. What
 * the text meant when it was filed does not count: a courier asks anew (remote_sort.c). */
#pragma once
#include "delivery/route.h"
#include "queue/queue.h"

#define DELIVERY_ROWS_MAX    256
#define DELIVERY_SOURCES_MAX 2 /* one IPv4 and one IPv6 address */
#define DELIVERY_TABLE_WHY   400

enum delivery_tls {
    DELIVERY_TLS_DEFAULT,       /* VERIFY with a login, else OPPORTUNISTIC */
    DELIVERY_TLS_VERIFY,        /* with a certificate of that name, or by DANE */
    DELIVERY_TLS_ENCRYPT,       /* with any certificate, but what DANE says */
    DELIVERY_TLS_OPPORTUNISTIC, /* as with MX hosts: where it is offered, or DANE wants it */
};

/* As the administrator writes it. The bytes outlive the table. */
struct delivery_way {
    struct slice via;             /* "HOST:PORT", "unix:PATH"; empty or "mx": the MX hosts */
    bool lmtp;                    /* a unix socket always speaks LMTP */
    struct slice login, password; /* both or none; never sent without TLS */
    enum delivery_tls tls;
    struct slice source[DELIVERY_SOURCES_MAX]; /* addresses to come from */
    size_t source_n;
};

/* Immutable once the table is built. */
struct delivery_hop {
    char name[QUEUE_ROUTE_MAX + 1]; /* of the route; MX: what stands behind the domain */
    char host[DELIVERY_HOST_MAX];   /* or the path of a socket; MX: "" */
    uint16_t port;                  /* 0: a unix socket, or MX */
    bool mx, socket, lmtp;
    bool tls_at_once; /* port 465: TLS from the first byte on (RFC 8314 §3.3) */
    enum delivery_tls tls;
    struct delivery_way way;
    struct sockaddr_storage source[DELIVERY_SOURCES_MAX]; /* IPv4, IPv6; family 0: none */
};

struct delivery_table;

/* NULL: out of memory. */
struct delivery_table *delivery_table_create(void);
/* NULL is fine. */
void delivery_table_destroy(struct delivery_table *t);

/* The addresses that all connections come from whose way names none. False: why. */
bool delivery_table_source(
    struct delivery_table *t, const struct slice *source, size_t n, char why[DELIVERY_TABLE_WHY]);

enum delivery_by { DELIVERY_BY_RECIPIENT, DELIVERY_BY_SENDER, DELIVERY_BY_ALL };
/* One row, or what BY_ALL is: once. domain: as people write it; empty with BY_ALL. False: why, in
 * words without secrets. */
bool delivery_table_add(struct delivery_table *t, enum delivery_by by, struct slice domain,
    const struct delivery_way *way, char why[DELIVERY_TABLE_WHY]);

/* ---- asking; t may be NULL: all by MX ---- */

/* The route of mail to and from these canonical domains (sender empty: none). Lies in the table, in
 * `recipient` or in out. */
struct slice delivery_table_route(const struct delivery_table *t, struct slice recipient,
    struct slice sender, char out[QUEUE_ROUTE_MAX]);
/* The same of addresses as the queue has them; sender empty: <>. False: no memory, or the recipient
 * cannot be read. */
bool delivery_table_route_of(const struct delivery_table *t, struct slice recipient,
    struct slice sender, char out[QUEUE_ROUTE_MAX], struct slice *route);
/* The hop of a route; NULL: its domain goes by MX, or the route names none that there is. *domain:
 * whose MX hosts are meant, empty when there is nothing to ask for. */
const struct delivery_hop *delivery_table_hop(
    const struct delivery_table *t, struct slice route, struct slice *domain);
/* Where a connection of this hop (NULL: none) comes from; NULL: the kernel's choice. */
const struct sockaddr *delivery_table_from(
    const struct delivery_table *t, const struct delivery_hop *hop, int family, socklen_t *n);
/* Stands for which mail takes which route; equal tables have equal marks. */
uint32_t delivery_table_mark(const struct delivery_table *t);
/* Each hop. */
size_t delivery_table_hops(const struct delivery_table *t, const struct delivery_hop **first);
/* Are they reached in the same way, secrets included? */
bool delivery_hop_same(const struct delivery_hop *a, const struct delivery_hop *b);
