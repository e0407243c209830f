#include "server/ways.h"
#include <stdio.h>

struct making {
    struct delivery_table *table;
    ways_problem problem;
    void *arg;
    unsigned problems;
};

static void tell(struct making *m, int line, const char *setting, const char *why)
{
    char text[DELIVERY_TABLE_WHY + 32];
    snprintf(text, sizeof text, "%s: %s", setting, why);
    m->problems++;
    m->problem(m->arg, line, text);
}

/* A setting of the wrong type has no text. */
static struct slice text_of(const struct config_item *item)
{
    return slice_str(item->text ? item->text : "");
}

static void add_sources(struct making *m, const struct config *c)
{
    struct slice source[DELIVERY_SOURCES_MAX];
    char why[DELIVERY_TABLE_WHY];
    const struct config_list *list = &c->outbound_source;
    size_t n = list->n < DELIVERY_SOURCES_MAX ? list->n : DELIVERY_SOURCES_MAX;
    if (!list->n)
        return;
    for (size_t i = 0; i < n; i++)
        source[i] = text_of(&list->items[i]);
    if (list->n > n)
        tell(m, list->items[n].line, "outbound.source", "more than one IPv4 and one IPv6 address");
    else if (!delivery_table_source(m->table, source, n, why))
        tell(m, list->items[n - 1].line, "outbound.source", why);
}

static enum delivery_tls tls_of(int64_t setting)
{
    static const enum delivery_tls tls[] = {[CONFIG_TLS_DEFAULT] = DELIVERY_TLS_DEFAULT,
        [CONFIG_TLS_VERIFY] = DELIVERY_TLS_VERIFY,
        [CONFIG_TLS_ENCRYPT] = DELIVERY_TLS_ENCRYPT,
        [CONFIG_TLS_OPPORTUNISTIC] = DELIVERY_TLS_OPPORTUNISTIC};
    return tls[setting];
}

static void add_relay(struct making *m, const struct config *c)
{
    char why[DELIVERY_TABLE_WHY];
    const struct delivery_way way = {.via = text_of(&c->outbound_relay),
        .login = text_of(&c->outbound_relay_login),
        .password = text_of(&c->outbound_relay_password),
        .tls = tls_of(c->outbound_relay_tls)};
    if (way.via.n && slice_starts(way.via, S("unix:")))
        tell(m, c->outbound_relay.line, "outbound.relay",
            "a smarthost is HOST:PORT; unix sockets are for outbound.routes");
    else if (way.via.n && !delivery_table_add(m->table, DELIVERY_BY_ALL, S(""), &way, why))
        tell(m, c->outbound_relay.line, "outbound.relay", why);
}

static void add_route(struct making *m, const struct config_route *r)
{
    bool of_sender = !text_of(&r->recipient).n;
    struct slice domain = text_of(of_sender ? &r->sender : &r->recipient);
    char why[DELIVERY_TABLE_WHY];
    struct delivery_way way = {.via = text_of(&r->via),
        .lmtp = r->lmtp,
        .login = text_of(&r->login),
        .password = text_of(&r->password),
        .tls = tls_of(r->tls),
        .source_n = r->source_n};
    for (size_t i = 0; i < r->source_n; i++)
        way.source[i] = text_of(&r->source[i]);
    if (!delivery_table_add(
            m->table, of_sender ? DELIVERY_BY_SENDER : DELIVERY_BY_RECIPIENT, domain, &way, why))
        tell(m, r->line, "outbound.routes", why);
}

struct delivery_table *ways_create(const struct config *c, ways_problem problem, void *arg)
{
    struct making m = {.table = delivery_table_create(), .problem = problem, .arg = arg};
    if (!m.table) {
        tell(&m, 0, "outbound", "out of memory");
        return NULL;
    }
    add_sources(&m, c);
    add_relay(&m, c);
    for (size_t i = 0; i < c->outbound_route_n; i++)
        add_route(&m, &c->outbound_routes[i]);
    if (!m.problems)
        return m.table;
    delivery_table_destroy(m.table);
    return NULL;
}
