#include "server/sessions.h"
#include "message/date.h"
#include "net/listen.h"
#include "server/everywhere.h"
#include <stdlib.h>

#define BATCH   256 /* connections in one visit of a reactor */
#define GOODBYE (5 * CLOCK_SEC)
#define LOOK    (10 * CLOCK_MS)

struct session {
    uint64_t id;
    const char *listener;
    char account[DIRECTORY_ADDRESS_MAX + 1];
    char peer[PEER_TEXT];
    char tls[16];
    int64_t since, idle; /* wall us, ns */
};

/* Those of one reactor with an id above `after`: the list of a reactor ascends. */
struct batch {
    uint64_t after;
    size_t n;
    struct session sessions[BATCH];
};

static bool counts(const struct conn *c)
{
    return strcmp(conn_listener(c), "control") != 0;
}

static void take(struct conn *c, void *arg)
{
    struct batch *b = arg;
    if (b->n == BATCH || conn_id(c) <= b->after || !counts(c))
        return;
    struct session *s = &b->sessions[b->n++];
    *s = (struct session){
        .id = conn_id(c), .listener = conn_listener(c), .since = conn_opened_at(c)};
    slice_to_cstr(slice_str(conn_account(c)), s->account, sizeof s->account);
    slice_to_cstr(slice_str(conn_peer(c)->address), s->peer, sizeof s->peer);
    slice_to_cstr(slice_str(conn_tls(c)->version), s->tls, sizeof s->tls);
    s->idle = clock_now() - conn_heard_at(c);
}

static void take_here(void *arg)
{
    conn_each(take, arg);
}

/* "pop3s" is pop3 that began with TLS. */
static const char *protocol(const char *listener)
{
    static const struct {
        const char *listener, *protocol;
    } with_tls[] = {{"pop3s", "pop3"}, {"imaps", "imap"}, {"submissions", "submission"}};
    for (size_t i = 0; i < sizeof with_tls / sizeof *with_tls; i++)
        if (!strcmp(listener, with_tls[i].listener))
            return with_tls[i].protocol;
    return listener;
}

static json_t *text_or_null(const char *text)
{
    return *text ? json_string(text) : json_null();
}

static json_t *row(const struct session *s)
{
    char text[DATE_TEXT_MAX];
    struct date date = date_from_unix(s->since / 1000000, 0);
    struct slice since = date_format_rfc3339(&date, text);
    return json_pack("{s:I, s:s, s:o, s:s, s:o, s:s%, s:I}", "id", (json_int_t)s->id, "protocol",
        protocol(s->listener), "account", text_or_null(s->account), "peer", s->peer, "tls",
        text_or_null(s->tls), "since", since.p, since.n, "idle",
        (json_int_t)(s->idle > 0 ? s->idle / CLOCK_SEC : 0));
}

/* False: stop. */
static TASK_FN
bool emit_batch(const struct batch *b, admin_emit emit, void *to, bool *memory)
{
    for (size_t i = 0; i < b->n; i++) {
        json_t *one = row(&b->sessions[i]);
        *memory = one != NULL;
        if (!one || !emit(to, one))
            return false;
    }
    return true;
}

TASK_FN
bool sessions_list(admin_emit emit, void *to)
{
    struct batch *b = malloc(sizeof *b);
    bool go_on = b != NULL, memory = go_on;
    for (unsigned r = 0; go_on && r < runtime_reactors(); r++) {
        b->after = 0;
        do {
            b->n = 0;
            everywhere_on(r, take_here, b);
            go_on = emit_batch(b, emit, to, &memory);
            b->after = b->n ? b->sessions[b->n - 1].id : b->after;
        } while (go_on && b->n == BATCH);
    }
    free(b);
    return memory;
}

/* ---- ending them ---- */

struct kick {
    uint64_t id;
    const char *address; /* NULL: by id */
    bool abort;
    atomic_size_t found;
};

static bool meant(const struct conn *c, const struct kick *k)
{
    const char *account = conn_account(c);
    if (!k->address)
        return conn_id(c) == k->id && counts(c);
    return account && !strcmp(account, k->address);
}

static void kick_one(struct conn *c, void *arg)
{
    struct kick *k = arg;
    if (!meant(c, k))
        return;
    atomic_fetch_add(&k->found, 1);
    if (k->abort)
        conn_abort(c, CONN_END_SELF);
    else
        conn_drain(c);
}

static void kick_here(void *arg)
{
    conn_each(kick_one, arg);
}

static TASK_FN
size_t round_of(struct kick *k)
{
    atomic_store(&k->found, 0);
    everywhere(kick_here, k);
    return atomic_load(&k->found);
}

TASK_FN
size_t sessions_kick(uint64_t id, struct slice address)
{
    char text[DIRECTORY_ADDRESS_MAX + 1];
    struct kick k = {.id = id};
    deadline until = deadline_in(GOODBYE);
    if (address.n && !slice_to_cstr(address, text, sizeof text))
        return 0;
    if (address.n)
        k.address = text;
    size_t n = round_of(&k), left = n;
    while (left && clock_now() < until) {
        task_sleep(deadline_in(LOOK));
        left = round_of(&k);
    }
    k.abort = true;
    if (left)
        round_of(&k);
    return n;
}
