#include "auth/auth_private.h"
#include "base/log.h"
#include "base/metrics.h"

#define LOGINS(protocol, result)                                                                   \
    {                                                                                              \
        .name = "barid_logins_total", .help = "Logins by protocol and result.",                    \
        .labels = "protocol=\"" protocol "\",result=\"" result "\"", .kind = METRIC_COUNTER        \
    }
#define LOGINS_OF(protocol)                                                                        \
    {                                                                                              \
        [AUTH_OK] = LOGINS(protocol, "ok"), [AUTH_WRONG] = LOGINS(protocol, "wrong"),              \
        [AUTH_DISABLED] = LOGINS(protocol, "disabled"), [AUTH_BUSY] = LOGINS(protocol, "busy"),    \
        [AUTH_FAILED] = LOGINS(protocol, "failed")                                                 \
    }

static struct metric logins[AUTH_PROTOCOLS][AUTH_RESULTS] = {
    [AUTH_SUBMISSION] = LOGINS_OF("submission"),
    [AUTH_POP3] = LOGINS_OF("pop3"),
    [AUTH_IMAP] = LOGINS_OF("imap"),
    [AUTH_HTTP] = LOGINS_OF("http"),
};

METRIC(waited, METRIC_HISTOGRAM, "barid_login_seconds", "",
    "Time from the credentials to the answer, queue and delay included.")

__attribute__((constructor)) static void register_logins(void)
{
    for (int p = 0; p < AUTH_PROTOCOLS; p++)
        for (int r = 0; r < AUTH_RESULTS; r++)
            metrics_register(&logins[p][r]);
}

const char *auth_result_name(enum auth_result r)
{
    static const char *const names[AUTH_RESULTS] = {"ok", "wrong", "disabled", "busy", "failed"};
    return names[r];
}

void auth_report(struct auth_attempt *a)
{
    static const char *const protocols[AUTH_PROTOCOLS] = {"submission", "pop3", "imap", "http"};
    const struct auth_reply *r = a->reply;
    metric_add(&logins[a->protocol][r->result], 1);
    metric_observe(&waited, clock_now() - a->started);
    log_info("login", log_int(a->conn ? "conn" : NULL, (int64_t)a->conn),
        log_text("protocol", protocols[a->protocol]),
        log_text("result", auth_result_name(r->result)), log_slice("user", a->user),
        log_slice("peer", a->peer), log_text(r->mechanism ? "mechanism" : NULL, r->mechanism),
        log_text(r->reason ? "reason" : NULL, r->reason),
        log_int("waited_ms", r->waited / CLOCK_MS));
}
