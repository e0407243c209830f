/* What is logged and counted. */
#include "base/log.h"
#include "base/metrics.h"
#include "imap/session_private.h"

METRIC(faults, METRIC_COUNTER, "barid_imap_faults_total", "",
    "IMAP commands that failed because of the store")
METRIC(commands, METRIC_COUNTER, "barid_imap_commands_total", "",
    "IMAP commands of sessions that have ended")
METRIC(fetched, METRIC_COUNTER, "barid_imap_fetched_total", "",
    "Messages of which FETCH told something")
METRIC(appended, METRIC_COUNTER, "barid_imap_appended_total", "", "Messages taken by APPEND")

static struct log_field conn_field(const struct imap_talk *t)
{
    return log_int("conn", (int64_t)conn_id(t->conn));
}

static struct log_field peer_field(const struct imap_talk *t)
{
    return log_text("peer", conn_peer(t->conn)->address);
}

static const char *reason(enum conn_end why)
{
    static const char *const words[] = {
        [CONN_END_PEER] = "the peer closed",
        [CONN_END_SELF] = "done",
        [CONN_END_TIMEOUT] = "timeout",
        [CONN_END_TLS] = "tls failure",
        [CONN_END_SLOW] = "too slow",
        [CONN_END_OVERFLOW] = "input overflow",
    };
    return words[why];
}

void imap_journal_connected(const struct imap_talk *t)
{
    log_info("connected", conn_field(t), log_text("protocol", "imap"), peer_field(t),
        log_int("port", conn_peer(t->conn)->port),
        log_text("tls", conn_tls(t->conn)->on ? conn_tls(t->conn)->version : "none"));
}

void imap_journal_client(const struct imap_talk *t, struct slice name, struct slice version)
{
    log_info("client", conn_field(t), log_text("protocol", "imap"), log_slice("name", name),
        log_slice("version", version));
}

void imap_journal_opened(const struct imap_session *s)
{
    log_info("session opened", conn_field(&s->talk), log_text("protocol", "imap"),
        peer_field(&s->talk), log_text("account", s->address));
}

void imap_journal_preauth_closed(const struct imap_preauth *s, enum conn_end why)
{
    log_info("disconnected", conn_field(&s->talk), log_text("protocol", "imap"),
        peer_field(&s->talk), log_text("reason", reason(why)),
        log_int("failed_logins", s->failures), log_int("bad_commands", s->talk.bad));
}

void imap_journal_closed(const struct imap_session *s, enum conn_end why)
{
    metric_add(&commands, (int64_t)s->commands);
    metric_add(&fetched, (int64_t)s->fetched);
    metric_add(&appended, (int64_t)s->appended);
    log_info("disconnected", conn_field(&s->talk), log_text("protocol", "imap"),
        peer_field(&s->talk), log_text("account", s->address), log_text("reason", reason(why)),
        log_int("commands", (int64_t)s->commands), log_int("fetched", (int64_t)s->fetched),
        log_int("appended", (int64_t)s->appended));
}

void imap_journal_fault(const struct imap_session *s, const char *event, enum outcome o)
{
    metric_add(&faults, 1);
    log_error(event, conn_field(&s->talk), log_text("protocol", "imap"), peer_field(&s->talk),
        log_text("account", s->address), log_text("outcome", outcome_name(o)));
}

void imap_journal_damage(
    const struct imap_session *s, const char *event, uint32_t uid, enum outcome o)
{
    metric_add(&faults, 1);
    log_error(event, conn_field(&s->talk), log_text("protocol", "imap"), peer_field(&s->talk),
        log_text("account", s->address), log_int("uid", uid), log_text("outcome", outcome_name(o)));
}
