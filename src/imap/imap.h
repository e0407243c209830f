/* The server's side of IMAP: IMAP4rev1 (RFC 3501) and extensions; CAPABILITY is derived from the
 * table in table.c.
 *
 * States: not authenticated (imap_preauth: no store, no mailbox) -> login -> a mail session:
 * authenticated <-> selected -> logout. A session's view of its mailbox is UID ranges; it shrinks
 * at sync points only (view.h, sync.c). */
#pragma once
#include "auth/auth.h"
#include "directory/directory.h"
#include "net/conn.h"
#include "store/engine.h"

/* One for all IMAP listeners; constant while sessions live. Zeros mean the defaults. */
struct imap_service {
    const char *hostname;
    struct store *store;
    struct directory *directory;
    struct auth *auth;
    int tmp_dir;                      /* for spool files; -1 with the memory engine */
    bool starttls;                    /* certificates are set up */
    bool plaintext_without_tls;       /* LOGIN, PLAIN on connections without TLS */
    unsigned connections_per_account; /* that are logged in, over all reactors; 0: no limit */
    uint64_t message_size;            /* of APPEND; 50 MB */
    int64_t idle_interval;            /* ns between `* OK Still here`: 5 min */
    int64_t timeout;                  /* ns of idleness: 30 min (RFC 9051 §5.4) */
    int64_t timeout_preauth;          /* 60 s */
};

/* For listener_options.accept; service is a struct imap_service. */
bool imap_accept(void *service, const struct peer *peer, const struct conn_handler **handler,
    void **session, struct slice *refusal);

/* Renders a message that is being stored (ENVELOPE, BODYSTRUCTURE, common fields) as its rendered
 * row, so that the first sync is a range scan: for wiring into intake and import. head goes before
 * body; both are whole. False: no row (too large for one, or out of memory); nothing is lost. */
bool imap_render(struct slice head, struct slice body, struct buffer *row);
