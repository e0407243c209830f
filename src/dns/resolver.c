/* One libunbound context with a thread of its own: setting it up and ending it. */
#include "dns/resolver.h"
#include <pthread.h>
#include <signal.h>
#include <stdio.h>

/* libunbound is made for a question now and then: with its 16 sockets as many silent name servers
 * hold up all others. */
#define SOCKETS_UDP 512
#define SOCKETS_TCP 32

/* RFC 7958: the root's key-signing keys of 2017 and 2024. */
static const char *const root_anchors[] = {
    ". IN DS 20326 8 2 E06D44B80B8F1D39A95C0B0D7C65D08458E880409BBC683457104237C7F8EC8D",
    ". IN DS 38696 8 2 683D2D0ACB8C9B712A1948B27F741219298D0A450D612C483AF444A4C0FB2B16",
};

/* libunbound answers these by itself unless told not to; whoever is asked shall know them. */
static const char *const plain_zones[] = {"test.", "10.in-addr.arpa.", "168.192.in-addr.arpa.",
    "254.169.in-addr.arpa.", "127.in-addr.arpa.", "d.f.ip6.arpa.", "localhost.", "invalid."};

static int add_anchors(struct ub_ctx *ctx, struct slice anchor)
{
    char line[1024];
    while (anchor.n) {
        struct slice text = slice_trim(slice_cut(&anchor, '\n'));
        if (!text.n || text.p[0] == ';' || text.p[0] == '#')
            continue;
        if (!slice_to_cstr(text, line, sizeof line))
            return UB_SYNTAX;
        int code = ub_ctx_add_ta(ctx, line);
        if (code)
            return code;
    }
    return 0;
}

static int set_option(struct ub_ctx *ctx, const char *name, size_t number)
{
    char value[24];
    snprintf(value, sizeof value, "%zu", number);
    return ub_ctx_set_option(ctx, name, value);
}

static int set_up(struct ub_ctx *ctx, const struct dns_options *o)
{
    size_t cache = o->cache ? o->cache : (size_t)16 * 1024 * 1024;
    char server[128];
    const struct {
        const char *name;
        size_t value;
    } numbers[] = {{"msg-cache-size:", cache / 3}, {"rrset-cache-size:", cache / 3 * 2},
        {"edns-buffer-size:", 1232}, {"outgoing-range:", SOCKETS_UDP},
        {"outgoing-num-tcp:", SOCKETS_TCP}, {"infra-host-ttl:", 60}};
    int code = ub_ctx_async(ctx, 1);
    for (size_t i = 0; !code && i < sizeof numbers / sizeof *numbers; i++)
        code = set_option(ctx, numbers[i].name, numbers[i].value);
    /* A name server that was down is asked again, not first in a quarter of an hour. */
    if (!code)
        code = ub_ctx_set_option(ctx, "infra-keep-probing:", "yes");
    /* A stranger's delegation to 127.0.0.1 is not followed. */
    if (!code && !o->server_n)
        code = ub_ctx_set_option(ctx, "do-not-query-localhost:", "yes");
    for (size_t i = 0; !code && i < o->server_n; i++) {
        snprintf(server, sizeof server, "%s", o->servers[i]);
        char *colon = strrchr(server, ':');
        if (colon)
            *colon = '@';
        size_t n = strlen(server);
        char *close = server[0] == '[' ? strstr(server, "]@") : NULL;
        if (close)
            memmove(close, close + 1, n - (size_t)(close - server));
        code = ub_ctx_set_fwd(ctx, close ? server + 1 : server);
    }
    for (size_t i = 0; !code && o->root_anchor && i < 2; i++)
        code = ub_ctx_add_ta(ctx, root_anchors[i]);
    if (!code)
        code = add_anchors(ctx, o->anchor);
    for (size_t i = 0; !code && i < sizeof plain_zones / sizeof *plain_zones; i++)
        code = ub_ctx_zone_add(ctx, plain_zones[i], "transparent");
    return code;
}

static void ignore(void *arg, int error, struct ub_result *result)
{
    ub_resolve_free(result);
}

/* Starts libunbound's thread, with all signals blocked, and answers from a zone of its own. */
static int warm(struct ub_ctx *ctx)
{
    sigset_t all, before;
    int id;
    sigfillset(&all);
    int code = ub_ctx_zone_add(ctx, "barid.invalid.", "static");
    pthread_sigmask(SIG_SETMASK, &all, &before);
    if (!code)
        code = ub_resolve_async(ctx, "barid.invalid.", DNS_A, 1, NULL, ignore, &id);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return code ? code : ub_wait(ctx);
}

struct ub_ctx *resolver_create(const struct dns_options *options, char why[256])
{
    struct ub_ctx *ctx = ub_ctx_create();
    int code = ctx ? set_up(ctx, options) : UB_NOMEM;
    if (!code)
        code = warm(ctx);
    if (!code)
        return ctx;
    snprintf(why, 256, "the resolver cannot be set up: %s", ub_strerror(code));
    if (ctx)
        ub_ctx_delete(ctx);
    return NULL;
}
