/* The worker: everything that touches mail. Gets all it needs from the supervisor, closes the
 * sandbox, then starts threads.
 *
 * RECEIVING (snapshot) -> OPENING (store, directory) -> SERVING <-> RELOADING -> DRAINING -> exit
 */
#include "auth/auth.h"
#include "base/blame.h"
#include "base/budget.h"
#include "base/log.h"
#include "imap/imap.h"
#include "mailbox/mailbox.h"
#include "message/charset.h"
#include "server/control.h"
#include "server/everywhere.h"
#include "server/listeners.h"
#include "server/outbound.h"
#include "server/porter.h"
#include "server/sandbox.h"
#include "server/serve.h"
#include "server/sessions.h"
#include "server/status.h"
#include "trace/trace.h"
#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/sysinfo.h>
#include <unistd.h>

#define DRAIN_TIME    (8 * CLOCK_SEC)
#define ABORT_TIME    (2 * CLOCK_SEC) /* behind it */
#define COURIER_TIME  (1 * CLOCK_SEC) /* behind that; all less than the supervisor's patience */
#define PURGES_A_READ 64
#define LOCK_TIME     (3 * CLOCK_SEC) /* for a command that has the store at the moment */
#define LOCK_LOOK     (50 * CLOCK_MS)

/* A config and what serves by it. Sessions keep the one they began with, so that none is ever
 * freed. */
struct generation {
    struct config config;
    struct services *services;
    const struct delivery_rules *rules;
    struct generation *before;
};

struct worker {
    int sock, data_dir, tmp_dir;
    struct snapshot snapshot;
    int fds[SNAPSHOT_LISTENERS_MAX];
    struct generation *now;
    struct store *store;
    struct directory *directory;
    struct auth *auth;
    struct outbound *outbound;
    struct control *control;
    struct admin admin;
    int64_t started; /* wall, us */
    int exit;
    bool drain;
    /* A reload that somebody waits for: one at a time. */
    struct gate reload_gate;
    struct event reload_done;
    bool reload_ok;
    char reload_why[ADMIN_WHY];
};

/* ---- the snapshot ---- */

static void close_fds(struct worker *w)
{
    for (size_t i = 0; i < SNAPSHOT_LISTENERS_MAX; i++) {
        if (w->fds[i] >= 0)
            close(w->fds[i]);
        w->fds[i] = -1;
    }
}

static void receive_one(struct worker *w, struct handover_message *m)
{
    if (m->kind == HANDOVER_SNAPSHOT && m->fd >= 0) {
        snapshot_finish(&w->snapshot);
        close_fds(w);
        snapshot_read(m->fd, &w->snapshot);
        close(m->fd);
    } else if (m->kind == HANDOVER_DATA_DIR && w->data_dir < 0) {
        w->data_dir = m->fd;
    } else if (m->kind == HANDOVER_LISTENER && m->index < SNAPSHOT_LISTENERS_MAX &&
               w->fds[m->index] < 0) {
        w->fds[m->index] = m->fd;
    } else if (m->fd >= 0) {
        close(m->fd);
    }
}

static void report(void *arg, const char *problem)
{
    log_error("config problem", log_text("problem", problem));
}

/* The supervisor has checked all this; a failure here is one of memory. */
static bool publish_certificates(const struct snapshot *s)
{
    struct tls_certificate list[SNAPSHOT_CERTIFICATES_MAX];
    char why[256] = "";
    char *server_names[SNAPSHOT_CERTIFICATES_MAX] = {0};
    for (size_t i = 0; i < s->certificate_n; i++) {
        const struct snapshot_certificate *c = &s->certificates[i];
        server_names[i] = c->server_name.n ? slice_to_new(c->server_name) : NULL;
        list[i] = (struct tls_certificate){
            .server_name = server_names[i], .chain_pem = c->chain, .key_pem = c->key};
    }
    struct tls_server *t = tls_server_create(list, s->certificate_n, why);
    for (size_t i = 0; i < s->certificate_n; i++)
        free(server_names[i]);
    if (!t) {
        log_error("certificates refused", log_text("reason", why));
        return false;
    }
    tls_server_publish(t);
    return true;
}

static uint64_t memory_budget(const struct config *c)
{
    struct sysinfo info;
    if (c->limits.memory || sysinfo(&info))
        return (uint64_t)c->limits.memory;
    return (uint64_t)info.totalram * info.mem_unit / 2;
}

static void set_proxies(const struct config *c)
{
    struct peer_network networks[CONFIG_LIST_MAX];
    size_t n = 0;
    for (size_t i = 0; i < c->proxy_peers.n; i++)
        n += peer_network_parse(slice_str(c->proxy_peers.items[i].text), &networks[n]);
    listen_set_proxies(networks, n);
}

static void generation_free(struct generation *g)
{
    config_finish(&g->config);
    free(g);
}

/* Config, log, limits and certificates of the snapshot become the present generation. */
static bool take_settings(struct worker *w)
{
    char path[512];
    struct generation *g = calloc(1, sizeof *g);
    slice_to_cstr(w->snapshot.path, path, sizeof path);
    if (!g)
        return false;
    if (!config_parse(&g->config, w->snapshot.config, path, report, NULL) ||
        !publish_certificates(&w->snapshot)) {
        generation_free(g);
        return false;
    }
    const struct config *c = &g->config;
    log_start(STDERR_FILENO, (enum log_level)c->log_level, (enum log_format)c->log_format);
    trace_keep(c->trace_keep);
    budget_set(memory_budget(c));
    listen_set_limit((unsigned)c->limits.connections_per_address);
    set_proxies(c);
    g->before = w->now;
    w->now = g;
    return true;
}

/* What the present generation serves with; the store is open. */
static bool make_services(struct worker *w)
{
    if (!w->now->rules)
        w->now->rules = outbound_rules(w->outbound, &w->now->config, &w->snapshot, w->fds);
    if (!w->now->rules)
        return false;
    outbound_use(w->outbound, w->now->rules);
    struct services_options o = {.config = &w->now->config,
        .store = w->store,
        .directory = w->directory,
        .auth = w->auth,
        .queue = outbound_queue(w->outbound),
        .rules = w->now->rules,
        .users = w->snapshot.users,
        .tmp_dir = w->tmp_dir};
    w->now->services = services_create(&o);
    return w->now->services;
}

/* ---- opening ---- */

static void store_failed(void *arg, const char *why)
{
    log_error("store failed", log_text("reason", why),
        log_text("action", "the worker ends; recovery reads the truth from disk"));
    log_stop();
    _exit(SERVE_FAULT);
}

static TASK_FN
bool open_store(struct worker *w)
{
    char why[512];
    enum store_open_error error;
    struct store_options o = {.engine = w->now->config.store_engine.text, .dir = w->data_dir};
    deadline until = deadline_in(LOCK_TIME);
    while (!(w->store = store_open(&o, &error, why)) && error == STORE_OPEN_LOCKED &&
           clock_now() < until)
        task_sleep(deadline_in(LOCK_LOOK));
    if (w->store) {
        store_on_failure(w->store, store_failed, w);
        return true;
    }
    bool final = error == STORE_OPEN_FORMAT || error == STORE_OPEN_DENIED;
    w->exit = error == STORE_OPEN_LOCKED ? SERVE_LOCKED : final ? SERVE_NO_RESTART : SERVE_FAULT;
    log_error("cannot open the store", log_text("reason", why));
    return false;
}

/* Accounts whose removal a crash has cut off. */
static TASK_FN
void finish_purges(struct worker *w)
{
    uint64_t ids[PURGES_A_READ], after = 0;
    size_t n;
    while (directory_purge_list(w->directory, after, ids, PURGES_A_READ, &n, DEADLINE_NEVER) ==
               DIRECTORY_OK &&
           n)
        for (size_t i = 0; i < n; i++) {
            after = ids[i];
            if (mailbox_purge(w->store, after, DEADLINE_NEVER) == OUTCOME_DONE)
                directory_purge_done(w->directory, after, DEADLINE_NEVER);
        }
}

static TASK_FN
bool open_outbound(struct worker *w, char why[DIRECTORY_WHY])
{
    return outbound_open(
        w->outbound, w->store, w->directory, w->tmp_dir, w->now->config.hostname.text, why);
}

static TASK_FN
bool open_all(struct worker *w)
{
    char why[DIRECTORY_WHY] = "";
    if (!open_store(w))
        return false;
    w->tmp_dir = openat(w->data_dir, "tmp", O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    struct directory_options d = {
        .store = w->store, .postmaster = slice_str(w->now->config.postmaster.text)};
    w->directory = directory_open(&d, why, deadline_in(60 * CLOCK_SEC));
    struct auth_options a = {.directory = w->directory};
    w->auth = w->directory ? auth_create(&a) : NULL;
    if (w->auth && w->tmp_dir >= 0 && trace_start(w->store, w->now->config.trace_keep) &&
        open_outbound(w, why)) {
        finish_purges(w);
        return true;
    }
    log_error("cannot start", log_text("reason", *why ? why : "out of memory, or no data_dir/tmp"));
    w->exit = SERVE_FAULT;
    return false;
}

/* ---- reload and status, asked for by a command ---- */

static TASK_FN
bool reload(void *arg, char why[ADMIN_WHY])
{
    struct worker *w = arg;
    gate_enter(&w->reload_gate, DEADLINE_NEVER);
    w->reload_ok = false;
    snprintf(w->reload_why, sizeof w->reload_why, "the supervisor did not answer in 30 s");
    w->reload_done.raised = false;
    handover_send(w->sock, HANDOVER_RELOAD, 0, -1, S(""));
    event_wait(&w->reload_done, deadline_in(30 * CLOCK_SEC));
    bool ok = w->reload_ok;
    snprintf(why, ADMIN_WHY, "%s", w->reload_why);
    gate_leave(&w->reload_gate);
    return ok;
}

static json_t *status(void *arg)
{
    struct worker *w = arg;
    return status_row(w->store, w->admin.queue, w->started);
}

static TASK_FN
bool sessions(void *arg, admin_emit emit, void *to)
{
    return sessions_list(emit, to);
}

static TASK_FN
size_t kick(void *arg, uint64_t id, struct slice address)
{
    return sessions_kick(id, address);
}

static void reload_ended(struct worker *w, bool ok, const char *why)
{
    w->reload_ok = ok;
    snprintf(w->reload_why, sizeof w->reload_why, "%.*s", ADMIN_WHY - 1, why);
    event_raise(&w->reload_done);
}

static TASK_FN
void apply_reload(struct worker *w)
{
    char why[256];
    if (take_settings(w) && make_services(w)) {
        if (!outbound_names(w->outbound, &w->now->config, w->snapshot.anchor, why))
            log_error("dns.* stays as it was", log_text("reason", why));
        w->admin.message_size = (uint64_t)w->now->config.limits.message_size;
        listeners_apply(&w->snapshot, w->fds, w->now->services);
        log_info("reloaded");
        reload_ended(w, true, "");
    } else {
        close_fds(w); /* what nobody accepts from must not be open here */
        log_error("reload refused", log_text("reason", "out of memory or a broken snapshot"));
        reload_ended(w, false, "the worker could not apply the config: see the log");
    }
}

/* ---- the main task ---- */

static TASK_FN
void hear_supervisor(struct worker *w)
{
    struct handover_message m;
    int got;
    while (!w->drain && (got = handover_receive(w->sock, &m)) != 0) {
        if (got < 0) {
            log_warn("the supervisor is gone");
            w->drain = true;
        } else if (m.kind == HANDOVER_DRAIN) {
            w->drain = true;
        } else if (m.kind == HANDOVER_GO) {
            apply_reload(w);
        } else if (m.kind == HANDOVER_REFUSED) {
            m.text[m.n < HANDOVER_TEXT_MAX ? m.n : HANDOVER_TEXT_MAX - 1] = '\0';
            reload_ended(w, false, m.text);
        } else {
            receive_one(w, &m);
        }
    }
}

static void drain_conn(struct conn *c, void *arg)
{
    conn_drain(c);
}

static void abort_conn(struct conn *c, void *arg)
{
    conn_abort(c, CONN_END_SELF);
}

static void drain_here(void *arg)
{
    conn_each(drain_conn, NULL);
}

static void abort_here(void *arg)
{
    conn_each(abort_conn, NULL);
}

static void count_here(void *arg)
{
    atomic_fetch_add((atomic_size_t *)arg, conn_count());
}

/* Waits until no connection is left; how many there still are when the time is over. */
static TASK_FN
size_t await_none(deadline until)
{
    atomic_size_t left;
    do {
        atomic_store(&left, 0);
        everywhere(count_here, &left);
        atomic_fetch_add(&left, porter_busy());
    } while (atomic_load(&left) && clock_now() < until &&
             task_sleep(deadline_in(20 * CLOCK_MS)) == WAIT_OK);
    return atomic_load(&left);
}

static TASK_FN
void drain(struct worker *w)
{
    listeners_stop();
    control_stop(w->control);
    w->control = NULL;
    reload_ended(w, false, "the server is stopping");
    everywhere(drain_here, NULL);
    deadline couriers = deadline_in(DRAIN_TIME);
    size_t left = await_none(deadline_in(DRAIN_TIME));
    if (left) {
        log_warn("connections cut off", log_int("connections", (int64_t)left));
        everywhere(abort_here, NULL);
        left = await_none(deadline_in(ABORT_TIME));
    }
    if (!left) {
        deadline least = deadline_in(COURIER_TIME);
        outbound_stop(w->outbound, couriers > least ? couriers : least);
        return;
    }
    /* Sessions that still run hold the store and the directory: nothing may be closed under them.
     * What they were told is done is durable. */
    log_warn("sessions do not end", log_text("action", "the worker ends without them"));
    log_stop();
    _exit(SERVE_DONE);
}

static TASK_FN
void close_all(struct worker *w)
{
    control_stop(w->control);
    outbound_stop(w->outbound, deadline_in(COURIER_TIME));
    if (w->auth)
        auth_destroy(w->auth);
    trace_stop();
    directory_close(w->directory);
    if (w->store)
        store_close(w->store);
}

static TASK_FN
void serve_task(void *arg)
{
    struct worker *w = arg;
    char why[256];
    gate_init(&w->reload_gate, 1);
    event_init(&w->reload_done);
    w->admin = (struct admin){.render = imap_render,
        .status = status,
        .reload = reload,
        .sessions = sessions,
        .kick = kick,
        .arg = w};
    if (!open_all(w)) {
        close_all(w);
        return;
    }
    w->admin.store = w->store;
    w->admin.directory = w->directory;
    w->admin.tmp_dir = w->tmp_dir;
    w->admin.queue = outbound_queue(w->outbound);
    w->admin.message_size = (uint64_t)w->now->config.limits.message_size;
    w->control = control_start(w->data_dir, &w->admin, why);
    if (!w->control || !make_services(w)) {
        log_error("cannot start", log_text("reason", w->control ? "out of memory" : why));
        w->exit = SERVE_FAULT;
        close_all(w);
        return;
    }
    outbound_start(w->outbound);
    listeners_apply(&w->snapshot, w->fds, w->now->services);
    log_info("ready", log_text("version", BARID_VERSION),
        log_text("hostname", w->now->config.hostname.text), log_int("pid", getpid()));
    handover_send(w->sock, HANDOVER_READY, 0, -1, S(""));
    while (!w->drain) {
        task_wait_fd(w->sock, WATCH_READ, NULL, DEADLINE_NEVER);
        hear_supervisor(w);
    }
    drain(w);
    close_all(w);
    w->exit = SERVE_DONE;
}

/* Blocks until the first GO. */
static bool receive_snapshot(struct worker *w)
{
    struct handover_message m;
    for (;;) {
        struct pollfd fd = {w->sock, POLLIN, 0};
        if (poll(&fd, 1, -1) < 0 && errno != EINTR)
            return false;
        int got = handover_receive(w->sock, &m);
        if (got < 0)
            return false;
        if (got && m.kind == HANDOVER_GO)
            return w->snapshot.bytes && w->data_dir >= 0;
        if (got)
            receive_one(w, &m);
    }
}

/* glibc would learn from the first password that is hashed, which takes 19 MiB, to keep twice that
 * in each arena for good. */
static void steady_malloc(void)
{
    mallopt(M_MMAP_THRESHOLD, 1024 * 1024);
    mallopt(M_TRIM_THRESHOLD, 1024 * 1024);
}

int serve_worker(int sock, struct blame_board *board)
{
    static struct worker w;
    char why[256];
    w.sock = sock;
    w.started = clock_wall();
    w.data_dir = w.tmp_dir = -1;
    w.exit = SERVE_FAULT;
    for (size_t i = 0; i < SNAPSHOT_LISTENERS_MAX; i++)
        w.fds[i] = -1;
    umask(077);
    steady_malloc();
    if (!receive_snapshot(&w) || !take_settings(&w))
        return SERVE_FAULT;
    log_stop(); /* threads come behind the sandbox, which binds the thread that closes it and its
                   children */
    charset_setup();
#ifndef TASK_SANITIZED
    blame_watch(board);
#endif
    if (!sandbox_enter(w.data_dir, why))
        log_warn("sandbox incomplete", log_text("reason", why));
    log_start(STDERR_FILENO, (enum log_level)w.now->config.log_level,
        (enum log_format)w.now->config.log_format);
    w.outbound = outbound_create(&w.now->config, w.snapshot.anchor, why);
    struct runtime_options o = {.reactors = w.snapshot.reactors};
    if (!w.outbound)
        log_error("cannot start", log_text("reason", why));
    else if (!runtime_run(&o, serve_task, &w))
        log_error("cannot start", log_text("reason", "no memory or threads"));
    outbound_destroy(w.outbound);
    log_stop();
    return w.exit;
}
