/* The config file (libconfig syntax): every setting is one row of a table with its type, range,
 * default and doc. Loading reads the whole file and reports every problem, so that an administrator
 * mends it in one go. */
#pragma once
#include "base/arena.h"
#include "base/buffer.h"
#include "base/slice.h"

#define CONFIG_DEFAULT_PATH "/etc/barid/barid.conf"
/* Known without the file, which not everybody may read. */
#define CONFIG_SENDMAIL_SOCKET "/run/barid/sendmail.sock"
#define CONFIG_FILE_MAX        ((size_t)1024 * 1024)
#define CONFIG_LIST_MAX        64

/* line 0: a default. */
struct config_item {
    const char *text;
    int line;
};
struct config_list {
    struct config_item *items;
    size_t n;
};

/* A further certificate. */
struct config_certificate {
    struct config_item server_name, certificate, key;
};

enum config_tls {
    CONFIG_TLS_DEFAULT, /* VERIFY with a login, else OPPORTUNISTIC */
    CONFIG_TLS_VERIFY,
    CONFIG_TLS_ENCRYPT,
    CONFIG_TLS_OPPORTUNISTIC
};

#define CONFIG_ROUTES_MAX        256
#define CONFIG_ROUTE_SOURCES_MAX 2

/* Where mail of a domain goes. Texts that were not given are empty. */
struct config_route {
    struct config_item recipient, sender; /* one of them */
    struct config_item via, login, password;
    bool lmtp;
    enum config_tls tls;
    struct config_item source[CONFIG_ROUTE_SOURCES_MAX];
    size_t source_n;
    int line;
};

enum config_bare_newline {
    CONFIG_NEWLINE_DEFAULT,
    CONFIG_NEWLINE_REFUSE,
    CONFIG_NEWLINE_NORMALISE
};

/* Texts live in the arena, NUL-terminated, never NULL. Sizes in bytes, times in ns. */
struct config {
    struct arena arena;
    struct config_item hostname, data_dir, postmaster;
    struct {
        struct config_item certificate, key;
        struct config_certificate *also;
        size_t also_n;
    } tls;
    struct {
        struct config_list smtp, submission, submissions, imap, imaps, pop3, pop3s, lmtp, sendmail,
            metrics;
    } listen;
    bool auth_plaintext_without_tls;
    int64_t smtp_bare_newline; /* enum config_bare_newline */
    int64_t imap_idle_interval;
    struct {
        int64_t message_size, connections_per_account, connections_per_address, memory;
        int64_t recipients_per_hour, recipients_per_day, hold_recipients;
    } limits;
    struct config_list dns_servers;
    struct config_item dns_trust_anchor;
    int64_t outbound_port;
    bool outbound_allow_private_addresses;
    struct config_item outbound_relay, outbound_relay_login, outbound_relay_password;
    int64_t outbound_relay_tls; /* enum config_tls */
    struct config_list outbound_source;
    struct config_route *outbound_routes;
    size_t outbound_route_n;
    struct config_item outbound_authorities;
    int64_t outbound_policy_port;
    bool outbound_tls_reports;
    struct config_list proxy_peers;
    struct config_list sendmail_users;
    struct config_item store_engine;
    int64_t trace_keep;
    int64_t log_level, log_format; /* enum log_level, enum log_format */
};

/* Told once a problem, "FILE:LINE: TEXT" without line end; LINE is left out where there is none. */
typedef void (*config_report)(void *arg, const char *problem);

/* Reads the file. False: it could not be read, or there were problems; all were reported. c must be
 * finished in both cases. */
bool config_load(struct config *c, const char *path, config_report report, void *arg);
/* The same from text; path is for the reports. */
bool config_parse(
    struct config *c, struct slice text, const char *path, config_report report, void *arg);
void config_finish(struct config *c);

/* Every setting with type, default and doc, as a page for people. */
void config_describe(struct buffer *out);

/* "50MB", "1 GB", "500", powers of 1,024; "5min", "90s", "2h", "3d". False: not such a text, or
 * over INT64_MAX. */
bool config_size(struct slice text, int64_t *bytes);
bool config_time(struct slice text, int64_t *ns);
