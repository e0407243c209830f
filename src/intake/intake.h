/* Everything that is decided before 250: the hooks for MX, for LMTP and for submission.
 *
 * At RCPT: existence, who is ours, disabled accounts, quota against SIZE= (the bytes are held until
 * the transaction ends). After the body: the message is refused for all or stored for all; when it
 * is stored it is durable in every mailbox before the reply leaves. LMTP gets an outcome for each
 * recipient.
 *
 * Submission (RFC 6409): behind TLS and AUTH only; the envelope sender, unless it is <>, and every
 * address of From and Sender belong to the account (directory_belongs); Bcc goes, Date and
 * Message-ID come where they are missing; recipients elsewhere go into the queue, in the same
 * intent as the local copies. So does everybody when the message is to be held (RFC 4865), and so
 * does, on all services, each delivery that is to be reported (RFC 3461 §5.2.3). */
#pragma once
#include "auth/auth.h"
#include "directory/directory.h"
#include "mailbox/sent.h"
#include "queue/queue.h"
#include "smtp/server.h"
#include "store/engine.h"

struct delivery_rules;

/* Distinct local accounts of a transaction; its first RCPT may pass it. */
#define INTAKE_ACCOUNTS_MAX 100
/* Accounts over all RCPT of a transaction, repeats counted. */
#define INTAKE_MEMBERS_MAX 10000
/* Received fields (RFC 5321 §6.3). */
#define INTAKE_RECEIVED_MAX 100
#define INTAKE_HEADER_MAX   ((uint64_t)2 * 1024 * 1024)

/* A user of this machine, and the account that barid sendmail hands its mail over for. */
struct intake_user {
    bool everybody; /* who has no row of its own */
    uint32_t uid;
    const char *name, *address;
};

struct intake_options {
    struct store *store;
    struct directory *directory;
    int tmp_dir; /* for spool files; -1 with the memory engine */
    const char *hostname;
    uint64_t message_size;     /* 0: 50 MB */
    enum smtp_newline newline; /* of MX; LMTP always normalises */
    enum smtp_newline submission_newline;
    struct auth *auth;                /* of submission */
    unsigned connections_per_account; /* of submission: auth_place_take; 0: no limit */
    /* Of submission, where recipients elsewhere go; NULL: they are refused. */
    struct queue *queue;
    const struct delivery_rules *rules; /* with a queue */
    struct sent_limits limits;          /* of submission and sendmail */
    const struct intake_user *users;    /* of sendmail */
    size_t user_n;
    bool starttls;
    /* NULL, or makes what lists of messages show (mailbox_append.rendered) of a message that is
     * whole in memory. False: nothing is kept. */
    bool (*render)(struct slice head, struct slice body, struct buffer *row);
};

/* Fills in a service for listeners. options and what they point at outlive its sessions. */
void intake_mx(const struct intake_options *options, struct smtp_service *service);
void intake_lmtp(const struct intake_options *options, struct smtp_service *service);
void intake_submission(const struct intake_options *options, struct smtp_service *service);
/* Submission on a unix socket, from programs of this machine: who it is says the system. Root and
 * the user that the worker runs as may send as any address of our domains, others as the account
 * that `users` has for them. */
void intake_sendmail(const struct intake_options *options, struct smtp_service *service);
