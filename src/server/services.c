#include "server/services.h"
#include "base/metrics.h"
#include "http/server.h"
#include "imap/imap.h"
#include "intake/intake.h"
#include "pop3/pop3.h"
#include "server/users.h"
#include <stdlib.h>

#define HANDSHAKE_TIME (60 * CLOCK_SEC)

struct services {
    struct intake_options intake;
    struct smtp_service mx, lmtp, submission, sendmail;
    struct intake_user *users;
    struct pop3_service pop3;
    struct imap_service imap;
    struct http_service metrics;
    struct store *store;
};

METRIC(
    live_bytes, METRIC_GAUGE, "barid_store_live_bytes", "", "Bytes of blobs that are referred to");
METRIC(segment_bytes, METRIC_GAUGE, "barid_store_segment_bytes", "", "Bytes of all segment files");
METRIC(garbage, METRIC_GAUGE, "barid_store_garbage_blobs", "", "Blobs that wait for their end");
METRIC(key_bytes, METRIC_GAUGE, "barid_store_key_bytes", "", "Size of the key-value file");

static TASK_FN
int get(void *arg, const struct http_request *request, struct buffer *body, const char **type)
{
    struct services *s = arg;
    if (slice_eq(request->path, S("/health"))) {
        buffer_add(body, S("ok\n"));
        return 200;
    }
    if (!slice_eq(request->path, S("/metrics"))) {
        buffer_add(body, S("There is /metrics and /health.\n"));
        return 404;
    }
    struct store_figures f;
    store_figures(s->store, &f);
    metric_set(&live_bytes, (int64_t)f.live_bytes);
    metric_set(&segment_bytes, (int64_t)f.segment_bytes);
    metric_set(&garbage, (int64_t)f.garbage);
    metric_set(&key_bytes, (int64_t)f.key_bytes);
    *type = "text/plain; version=0.0.4; charset=utf-8";
    metrics_render(body);
    return 200;
}

struct services *services_create(const struct services_options *options)
{
    struct services *s = calloc(1, sizeof *s);
    const struct config *c = options->config;
    if (!s)
        return NULL;
    size_t user_n;
    s->users = users_read(options->users, &user_n);
    if (!s->users) {
        free(s);
        return NULL;
    }
    s->store = options->store;
    s->intake = (struct intake_options){
        .store = options->store,
        .directory = options->directory,
        .tmp_dir = options->tmp_dir,
        .hostname = c->hostname.text,
        .message_size = (uint64_t)c->limits.message_size,
        .newline = c->smtp_bare_newline == CONFIG_NEWLINE_NORMALISE ? SMTP_NEWLINE_NORMALISE
                                                                    : SMTP_NEWLINE_REFUSE,
        .submission_newline = c->smtp_bare_newline == CONFIG_NEWLINE_REFUSE
                                  ? SMTP_NEWLINE_REFUSE
                                  : SMTP_NEWLINE_NORMALISE,
        .auth = options->auth,
        .connections_per_account = (unsigned)c->limits.connections_per_account,
        .queue = options->queue,
        .rules = options->rules,
        .limits = {.hour = (uint32_t)c->limits.recipients_per_hour,
            .day = (uint32_t)c->limits.recipients_per_day,
            .hold = (uint32_t)c->limits.hold_recipients},
        .users = s->users,
        .user_n = user_n,
        .starttls = true,
        .render = imap_render,
    };
    intake_mx(&s->intake, &s->mx);
    intake_lmtp(&s->intake, &s->lmtp);
    intake_submission(&s->intake, &s->submission);
    intake_sendmail(&s->intake, &s->sendmail);
    s->pop3 = (struct pop3_service){
        .hostname = c->hostname.text,
        .store = options->store,
        .auth = options->auth,
        .plaintext_without_tls = c->auth_plaintext_without_tls,
        .connections_per_account = (unsigned)c->limits.connections_per_account,
    };
    s->imap = (struct imap_service){
        .hostname = c->hostname.text,
        .store = options->store,
        .directory = options->directory,
        .auth = options->auth,
        .tmp_dir = options->tmp_dir,
        .starttls = true,
        .plaintext_without_tls = c->auth_plaintext_without_tls,
        .connections_per_account = (unsigned)c->limits.connections_per_account,
        .message_size = (uint64_t)c->limits.message_size,
        .idle_interval = c->imap_idle_interval,
    };
    s->metrics = (struct http_service){.protocol = "metrics", .get = get, .arg = s};
    return s;
}

bool services_find(struct services *s, const char *service, struct listener_options *options)
{
    const struct {
        const char *name;
        bool (*accept)(
            void *, const struct peer *, const struct conn_handler **, void **, struct slice *);
        void *arg;
    } known[] = {
        {"smtp", smtp_accept, &s->mx},
        {"submission", smtp_accept, &s->submission},
        {"submissions", smtp_accept, &s->submission},
        {"lmtp", smtp_accept, &s->lmtp},
        {"sendmail", smtp_accept, &s->sendmail},
        {"pop3", pop3_accept, &s->pop3},
        {"pop3s", pop3_accept, &s->pop3},
        {"imap", imap_accept, &s->imap},
        {"imaps", imap_accept, &s->imap},
        {"metrics", http_accept, &s->metrics},
    };
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (!strcmp(service, known[i].name)) {
            options->name = known[i].name; /* connections outlive the listener */
            options->accept = known[i].accept;
            options->arg = known[i].arg;
            options->timeout = HANDSHAKE_TIME;
            return true;
        }
    return false;
}
