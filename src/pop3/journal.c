/* What is logged and counted. */
#include "base/log.h"
#include "pop3/session_private.h"
#include "trace/trace.h"

METRIC(retrieved, METRIC_COUNTER, "barid_pop3_retrieved_total", "", "Messages given out by RETR")
METRIC(retrieved_bytes, METRIC_COUNTER, "barid_pop3_retrieved_bytes_total", "",
    "Octets of the messages given out by RETR")
METRIC(deleted, METRIC_COUNTER, "barid_pop3_deleted_total", "", "Messages removed at QUIT")
METRIC(faults, METRIC_COUNTER, "barid_pop3_faults_total", "",
    "POP3 commands that failed because of the store")

static struct log_field conn_field(const struct pop3_talk *t)
{
    return log_int("conn", (int64_t)conn_id(t->conn));
}

static struct log_field peer_field(const struct pop3_talk *t)
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

void pop3_journal_connected(const struct pop3_talk *t)
{
    log_info("connected", conn_field(t), log_text("protocol", "pop3"), peer_field(t),
        log_int("port", conn_peer(t->conn)->port),
        log_text("tls", conn_tls(t->conn)->on ? conn_tls(t->conn)->version : "none"));
}

void pop3_journal_opened(const struct pop3_session *s)
{
    log_info("maildrop opened", conn_field(&s->talk), peer_field(&s->talk),
        log_text("account", s->address), log_int("messages", (int64_t)s->left),
        log_int("size", (int64_t)s->octets));
}

void pop3_journal_preauth_closed(const struct pop3_preauth *s, enum conn_end why)
{
    log_info("disconnected", conn_field(&s->talk), log_text("protocol", "pop3"),
        peer_field(&s->talk), log_text("reason", reason(why)),
        log_int("failed_logins", s->failures), log_int("bad_commands", s->talk.bad));
}

void pop3_journal_closed(const struct pop3_session *s, enum conn_end why)
{
    log_info("disconnected", conn_field(&s->talk), log_text("protocol", "pop3"),
        peer_field(&s->talk), log_text("account", s->address), log_text("reason", reason(why)),
        log_int("retrieved", (int64_t)s->retrieved), log_int("deleted", (int64_t)s->deleted),
        log_int("bytes", (int64_t)s->bytes));
}

void pop3_journal_retrieved(
    struct pop3_session *s, uint64_t octets, store_blob_id blob, int64_t date)
{
    if (trace_covers(date))
        trace_note(TRACE_FETCHED, trace_number(TRACE_ACCOUNT, s->account),
            trace_number(TRACE_BLOB, blob), trace_text(TRACE_PROTOCOL, "pop3"),
            trace_text(TRACE_PEER, conn_peer(s->talk.conn)->address));
    s->retrieved++;
    s->bytes += octets;
    metric_add(&retrieved, 1);
    metric_add(&retrieved_bytes, (int64_t)octets);
}

void pop3_journal_fault(const struct pop3_session *s, const char *event, uint32_t uid)
{
    metric_add(&faults, 1);
    log_error(event, conn_field(&s->talk), peer_field(&s->talk), log_text("account", s->address),
        log_int("uid", uid));
}

void pop3_journal_update(struct pop3_session *s, size_t marked, enum outcome o)
{
    metric_add(&deleted, (int64_t)s->deleted);
    if (o == OUTCOME_DONE)
        return;
    metric_add(&faults, 1);
    log_error("deleted messages not removed", conn_field(&s->talk), peer_field(&s->talk),
        log_text("account", s->address), log_int("marked", (int64_t)marked),
        log_int("deleted", (int64_t)s->deleted), log_text("outcome", outcome_name(o)));
}
