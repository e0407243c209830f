/* First line: two domains. The others are rows of a table: by, domain, via, login, password,
 * source, LMTP, TLS, with blanks between them. Whatever the administrator writes, each route leads
 * back to its hop, fits into the queue, and none is mistaken for another. */
#include "delivery/table.h"
#include "message_fuzz.h"

#define ROWS_MAX 20

static void add_row(struct delivery_table *t, struct slice line)
{
    char why[DELIVERY_TABLE_WHY] = "";
    struct slice by = slice_cut(&line, ' '), domain = slice_cut(&line, ' ');
    struct delivery_way w = {.via = slice_cut(&line, ' ')};
    w.login = slice_cut(&line, ' ');
    w.password = slice_cut(&line, ' ');
    w.source[0] = slice_cut(&line, ' ');
    w.source_n = w.source[0].n != 0;
    w.lmtp = slice_eq(slice_cut(&line, ' '), S("lmtp"));
    w.tls = line.n ? (enum delivery_tls)((unsigned char)line.p[0] % 4) : DELIVERY_TLS_DEFAULT;
    enum delivery_by which = slice_eq(by, S("recipient")) ? DELIVERY_BY_RECIPIENT
                             : slice_eq(by, S("sender"))  ? DELIVERY_BY_SENDER
                                                          : DELIVERY_BY_ALL;
    CHECK(delivery_table_add(t, which, domain, &w, why) || *why);
}

static void check_hops(const struct delivery_table *t)
{
    const struct delivery_hop *hops;
    struct slice domain;
    size_t n = delivery_table_hops(t, &hops);
    for (size_t i = 0; i < n; i++) {
        const struct delivery_hop *h = &hops[i];
        CHECK(*h->name && strlen(h->name) <= QUEUE_ROUTE_MAX);
        CHECK(!h->way.login.n || (h->tls != DELIVERY_TLS_OPPORTUNISTIC && !h->socket && !h->mx));
        CHECK(!h->way.login.n == !h->way.password.n);
        if (!h->mx)
            CHECK(delivery_table_hop(t, slice_str(h->name), &domain) == h && !domain.n);
        for (size_t k = 0; k < i; k++)
            CHECK(strcmp(hops[k].name, h->name) && !delivery_hop_same(&hops[k], h));
    }
}

/* The domains stand for canonical ones: no colon but in a literal, no blank. */
static void check_route(const struct delivery_table *t, struct slice to, struct slice from)
{
    char out[QUEUE_ROUTE_MAX];
    struct slice domain, route = delivery_table_route(t, to, from, out);
    const struct delivery_hop *h = delivery_table_hop(t, route, &domain);
    CHECK(route.n && route.n <= QUEUE_ROUTE_MAX);
    if (!h)
        CHECK(slice_eq(route, to) && slice_eq(domain, to));
    else
        CHECK(h->mx ? slice_eq(domain, to) : slice_eq(route, slice_str(h->name)));
}

static bool canonical(struct slice domain)
{
    bool literal = slice_starts(domain, S("[")) && slice_ends(domain, S("]"));
    return domain.n && domain.n <= 255 && slice_find(domain, ' ') == SLICE_NONE &&
           (literal || slice_find(domain, ':') == SLICE_NONE);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    char out[QUEUE_ROUTE_MAX];
    struct slice rest = slice(data, n), route, domain;
    struct slice from = slice_cut(&rest, '\n'), to = slice_cut(&from, ' ');
    struct delivery_table *t = delivery_table_create();
    CHECK(t);
    for (int i = 0; i < ROWS_MAX && rest.n; i++)
        add_row(t, slice_cut(&rest, '\n'));
    check_hops(t);
    CHECK(delivery_table_mark(t) == delivery_table_mark(t));
    delivery_table_hop(t, to, &domain);
    if (canonical(to))
        check_route(t, to, from);
    if (delivery_table_route_of(t, from, to, out, &route))
        CHECK(route.n && route.n <= QUEUE_ROUTE_MAX);
    delivery_table_destroy(t);
    return 0;
}
