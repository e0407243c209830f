#include "config/load_private.h"
#include <stdio.h>

static const char *const tls_words[] = {"default", "verify", "encrypt", "opportunistic"};

static bool given(const struct config_item *item)
{
    return item->text && *item->text;
}

/* Of a group; *there: it stands in it. */
static struct config_item text_of(
    struct load *l, config_setting_t *group, const char *name, bool *there)
{
    config_setting_t *s = config_setting_get_member(group, name);
    const char *text = s ? config_setting_get_string(s) : NULL;
    int line = config_setting_source_line(s ? s : group);
    *there = s != NULL;
    if (s && !text)
        config_problem(l, line, "outbound.routes: %s must be a text in quotes", name);
    return (struct config_item){config_keep(l, slice_str(text ? text : "")), line};
}

static int word_of(const char *text, const char *const *words, int n)
{
    for (int i = 0; i < n; i++)
        if (!strcmp(text, words[i]))
            return i;
    return -1;
}

static void take_words(struct load *l, config_setting_t *group, struct config_route *r)
{
    static const char *const protocols[] = {"smtp", "lmtp"};
    bool there;
    struct config_item protocol = text_of(l, group, "protocol", &there);
    int word = there ? word_of(protocol.text, protocols, 2) : -1;
    bool socket = slice_starts(slice_str(r->via.text), S("unix:"));
    if (there && word < 0)
        config_problem(l, protocol.line, "outbound.routes: protocol is none of: smtp lmtp");
    else if (word == 0 && socket)
        config_problem(l, protocol.line, "outbound.routes: a unix socket speaks lmtp only");
    r->lmtp = word == 1 || socket;
    struct config_item tls = text_of(l, group, "tls", &there);
    word = there ? word_of(tls.text, tls_words, 4) : 0;
    if (word < 0)
        config_problem(
            l, tls.line, "outbound.routes: tls is none of: verify encrypt opportunistic");
    r->tls = word < 0 ? CONFIG_TLS_DEFAULT : (enum config_tls)word;
}

static void add_source(struct load *l, struct config_route *r, config_setting_t *s)
{
    const char *text = config_setting_get_string(s);
    int line = config_setting_source_line(s);
    if (!text)
        config_problem(l, line, "outbound.routes: source must hold texts in quotes");
    else if (r->source_n == CONFIG_ROUTE_SOURCES_MAX)
        config_problem(l, line, "outbound.routes: source has more than %d addresses",
            CONFIG_ROUTE_SOURCES_MAX);
    else
        r->source[r->source_n++] = (struct config_item){config_keep(l, slice_str(text)), line};
}

/* One text, or a list of them. */
static void take_source(struct load *l, config_setting_t *group, struct config_route *r)
{
    config_setting_t *s = config_setting_get_member(group, "source");
    if (!s)
        return;
    int type = config_setting_type(s);
    if (type != CONFIG_TYPE_ARRAY && type != CONFIG_TYPE_LIST) {
        add_source(l, r, s);
        return;
    }
    for (int i = 0; i < config_setting_length(s) && i <= CONFIG_ROUTE_SOURCES_MAX; i++)
        add_source(l, r, config_setting_get_elem(s, (unsigned)i));
}

static void check_names(struct load *l, config_setting_t *group)
{
    static const char *const names[] = {
        "recipient", "sender", "via", "protocol", "login", "password", "tls", "source"};
    int known = sizeof names / sizeof *names;
    for (int i = 0; i < config_setting_length(group); i++) {
        config_setting_t *member = config_setting_get_elem(group, (unsigned)i);
        const char *name = config_setting_name(member);
        if (word_of(name, names, known) < 0)
            config_problem(l, config_setting_source_line(member),
                "unknown setting outbound.routes.%.64s (there are: recipient sender via protocol "
                "login password tls source)",
                name);
    }
}

static void check_route(struct load *l, const struct config_route *r, bool via)
{
    if (given(&r->recipient) == given(&r->sender))
        config_problem(l, r->line,
            "outbound.routes: each route needs either recipient = \"DOMAIN\" "
            "or sender = \"DOMAIN\"");
    if (!via)
        config_problem(l, r->line,
            "outbound.routes: each route needs via = \"HOST:PORT\", \"unix:PATH\" or \"mx\"");
}

void routes_set(struct load *l, config_setting_t *s)
{
    struct config *c = l->config;
    int n = config_setting_length(s), line = config_setting_source_line(s);
    if (config_setting_type(s) != CONFIG_TYPE_LIST || n > CONFIG_ROUTES_MAX) {
        config_problem(l, line,
            "outbound.routes must be a list of at most %d groups: ( { ... }, { ... } )",
            CONFIG_ROUTES_MAX);
        return;
    }
    c->outbound_routes = arena_array(&c->arena, struct config_route, (size_t)n + 1);
    for (int i = 0; c->outbound_routes && i < n; i++) {
        config_setting_t *group = config_setting_get_elem(s, (unsigned)i);
        struct config_route *r = &c->outbound_routes[c->outbound_route_n];
        bool there, via;
        if (!config_setting_is_group(group)) {
            config_problem(l, config_setting_source_line(group),
                "outbound.routes must hold groups: ( { recipient = ..., via = ... } )");
            continue;
        }
        *r = (struct config_route){.line = config_setting_source_line(group)};
        check_names(l, group);
        r->recipient = text_of(l, group, "recipient", &there);
        r->sender = text_of(l, group, "sender", &there);
        r->via = text_of(l, group, "via", &via);
        r->login = text_of(l, group, "login", &there);
        r->password = text_of(l, group, "password", &there);
        take_words(l, group, r);
        take_source(l, group, r);
        check_route(l, r, via);
        c->outbound_route_n++;
    }
}

void routes_check_relay(struct load *l)
{
    const struct config *c = l->config;
    const struct config_item *login = &c->outbound_relay_login;
    if (given(login) && !given(&c->outbound_relay))
        config_problem(l, login->line, "outbound.relay_login without outbound.relay");
}
