/* Who exists: domains, accounts, aliases, credentials, limits. One partition of the store.
 *
 * Addresses are given as text "local@domain" in any case and spelling and are compared by
 * message/address.h's canonical form (NFC, case folding, lower-case A-labels). A catch-all is
 * "@domain". Texts that come out are canonical and NUL-terminated; the local part
 * is unquoted: address_write() makes what may stand in mail.
 *
 * Any reactor may call; a handle is read-only after directory_open. Every function takes an
 * absolute deadline; `why` gets one line in words for an administrator when the result is not OK.
 */
#pragma once
#include "base/slice.h"
#include "store/engine.h"
#include "task/task.h"
#include <stdbool.h>
#include <stdint.h>

#define DIRECTORY_LOCAL_MAX      192   /* bytes of a canonical local part (3 * ADDRESS_LOCAL_MAX) */
#define DIRECTORY_DOMAIN_MAX     253   /* bytes of a domain in A-labels */
#define DIRECTORY_ADDRESS_MAX    320   /* bytes of a canonical address that may exist here */
#define DIRECTORY_NAME_MAX       255   /* bytes of a display name, UTF-8 without controls */
#define DIRECTORY_TARGETS_MAX    1000  /* targets of one alias */
#define DIRECTORY_TARGETS_BYTES  60000 /* their canonical texts together */
#define DIRECTORY_DEPTH_MAX      10    /* aliases behind aliases */
#define DIRECTORY_RECIPIENTS_MAX 1000  /* accounts that one address may reach */
#define DIRECTORY_REMOTE_MAX     1000  /* addresses elsewhere that one may reach */
#define DIRECTORY_REMOTE_BYTES   ((size_t)DIRECTORY_REMOTE_MAX * (2 + DIRECTORY_ADDRESS_MAX))
#define DIRECTORY_PASSWORD_MAX   256 /* bytes of a PHC or crypt(3) string */
#define DIRECTORY_WHY            256

struct directory;

enum directory_result {
    DIRECTORY_OK,
    DIRECTORY_EXISTS,    /* the address or domain is taken */
    DIRECTORY_ABSENT,    /* no such object */
    DIRECTORY_NO_DOMAIN, /* the domain of the address is not ours */
    DIRECTORY_BAD,       /* not an address, a limit passed, a target that cannot be */
    DIRECTORY_LOOP,      /* the alias would lead back to itself; why names the way */
    DIRECTORY_IN_USE,    /* the domain still has accounts or aliases; why says which */
    DIRECTORY_BUSY,    /* nothing happened: the store is busy or failing, or the deadline passed */
    DIRECTORY_UNKNOWN, /* a change may or may not have happened: the store failed meanwhile */
};

struct directory_options {
    struct store *store;     /* outlives the directory */
    struct slice postmaster; /* address that <postmaster> of any domain goes to; empty: the domain's
                                first account, else the first account of all */
};

/* Makes the header row of a new store (first account id, the server's id, the secret). NULL: why.
 */
TASK_FN
struct directory *directory_open(
    const struct directory_options *options, char why[DIRECTORY_WHY], deadline until);
/* NULL is fine. Nobody is inside any more. */
void directory_close(struct directory *d);
/* 16 random bytes, the same for the life of the store. */
const uint8_t *directory_server_id(const struct directory *d);
/* The canonical text of an address, whether it exists here or not; false: it is none. Pure. */
bool directory_canonical(struct slice address, char canonical[DIRECTORY_ADDRESS_MAX + 1]);
/* A key of this store for one purpose, the same for its life: it tells nothing of the secret, of
 * salts or of the key with another label. */
void directory_key(const struct directory *d, const char *label, uint8_t key[32]);
/* What a login name that does not exist gets as its SCRAM salt: HMAC of the store's secret and its
 * canonical text, the same at each try and for each spelling, as the salt of an account is. */
void directory_salt(const struct directory *d, struct slice name, uint8_t salt[16]);

/* ---- domains ---- */

struct directory_domain {
    char name[DIRECTORY_DOMAIN_MAX + 1]; /* lower-case A-labels */
    uint64_t accounts, aliases;
    uint64_t postmaster; /* its first account; 0: none */
};

TASK_FN
enum directory_result directory_domain_add(
    struct directory *d, struct slice name, char why[DIRECTORY_WHY], deadline until);
TASK_FN
enum directory_result directory_domain_remove(
    struct directory *d, struct slice name, char why[DIRECTORY_WHY], deadline until);
TASK_FN
enum directory_result directory_domain_get(
    struct directory *d, struct slice name, struct directory_domain *domain, deadline until);
/* In order of the name, in batches: the callback runs on the calling task and may suspend; false
 * from it ends the list. */
TASK_FN
enum directory_result directory_domain_list(struct directory *d,
    bool (*fn)(void *arg, const struct directory_domain *domain), void *arg, deadline until);

/* ---- accounts ---- */

/* What a password becomes (auth/password.h makes it). No password: nobody can log in. */
struct directory_credentials {
    bool present;
    char password[DIRECTORY_PASSWORD_MAX]; /* PHC or crypt(3) string, NUL-terminated */
    uint32_t scram_iterations;             /* 0: no SCRAM keys (an imported hash) */
    uint8_t scram_salt[16], scram_stored_key[32], scram_server_key[32]; /* SHA-256 */
};

struct directory_account {
    uint64_t id;                  /* never reused; the number of the account's partition */
    uint64_t quota;               /* bytes; 0: none */
    uint64_t credentials_version; /* grows with each change of the credentials */
    bool disabled;                /* cannot log in; mail is put off (450 4.2.1) */
    bool has_password;
    char address[DIRECTORY_ADDRESS_MAX + 1];
    char name[DIRECTORY_NAME_MAX + 1];
};

struct directory_new_account {
    struct slice address, name;
    uint64_t quota;
    bool disabled;
    const struct directory_credentials *credentials; /* NULL: no password yet */
};

/* Which of the fields are to change; the others keep their value. */
struct directory_account_change {
    bool set_quota, set_disabled, set_name;
    uint64_t quota;
    bool disabled;
    struct slice name;
};

/* *id: out, may be NULL. */
TASK_FN
enum directory_result directory_account_add(struct directory *d,
    const struct directory_new_account *account, uint64_t *id, char why[DIRECTORY_WHY],
    deadline until);
TASK_FN
enum directory_result directory_account_get(
    struct directory *d, uint64_t id, struct directory_account *account, deadline until);
/* The account whose own address this is: no alias, tag or catch-all. */
TASK_FN
enum directory_result directory_account_find(
    struct directory *d, struct slice address, struct directory_account *account, deadline until);
/* As find, with the credentials, in one read. For auth. */
TASK_FN
enum directory_result directory_account_login(struct directory *d, struct slice address,
    struct directory_account *account, struct directory_credentials *credentials, deadline until);
/* In order of domain, then local part; an empty domain lists all. As directory_domain_list.
 * NO_DOMAIN: not ours. */
TASK_FN
enum directory_result directory_account_list(struct directory *d, struct slice domain,
    bool (*fn)(void *arg, const struct directory_account *account), void *arg, deadline until);
TASK_FN
enum directory_result directory_account_set(struct directory *d, struct slice address,
    const struct directory_account_change *change, char why[DIRECTORY_WHY], deadline until);
/* NULL takes the password away. */
TASK_FN
enum directory_result directory_account_credentials(struct directory *d, struct slice address,
    const struct directory_credentials *credentials, char why[DIRECTORY_WHY], deadline until);
/* Takes the account out of the directory and leaves a purge row: its mail is emptied by the mailbox
 * room, which then calls directory_purge_done. *id (may be NULL): the account that was. */
TASK_FN
enum directory_result directory_account_remove(struct directory *d, struct slice address,
    uint64_t *id, char why[DIRECTORY_WHY], deadline until);

/* Accounts removed whose partition is not known to be empty: up to `room` ids above `after`,
 * ascending. Asked at start, so that a crash in between is finished. */
TASK_FN
enum directory_result directory_purge_list(
    struct directory *d, uint64_t after, uint64_t *ids, size_t room, size_t *n, deadline until);
TASK_FN
enum directory_result directory_purge_done(struct directory *d, uint64_t id, deadline until);

/* ---- aliases ---- */

struct directory_alias {
    char address[DIRECTORY_ADDRESS_MAX + 1]; /* "@domain": catch-all */
    const struct slice *targets;             /* valid during the callback */
    size_t n;
};

/* Targets are addresses that exist here: accounts (with or without a tag), aliases, or anything
 * that a catch-all takes; or any in domains that are not ours, whose local parts keep their
 * spelling. Equal ones are folded. Whose domain it is is asked again at each resolving. */
TASK_FN
enum directory_result directory_alias_add(struct directory *d, struct slice address,
    const struct slice *targets, size_t n, char why[DIRECTORY_WHY], deadline until);
TASK_FN
enum directory_result directory_alias_remove(
    struct directory *d, struct slice address, char why[DIRECTORY_WHY], deadline until);
/* In order of domain, then local part (the catch-all first). As directory_domain_list. */
TASK_FN
enum directory_result directory_alias_list(struct directory *d,
    bool (*fn)(void *arg, const struct directory_alias *alias), void *arg, deadline until);

/* ---- resolving: the hot path; one store_read, no allocation ---- */

enum directory_resolved {
    DIRECTORY_RESOLVE_OK,
    DIRECTORY_RESOLVE_UNKNOWN,  /* the domain is ours, nobody is there: 550 5.1.1 */
    DIRECTORY_RESOLVE_NOT_OURS, /* 550 5.7.1, unless it may be relayed */
    DIRECTORY_RESOLVE_TOO_MANY, /* more than `room`, `remote_room` or the limits; too deep */
    DIRECTORY_RESOLVE_BUSY,     /* 451 4.3.0 */
};

struct directory_recipient {
    uint64_t account, quota;
    bool disabled;                           /* put off: 450 4.2.1 */
    char address[DIRECTORY_ADDRESS_MAX + 1]; /* the account's own */
};

struct directory_resolution {
    struct directory_recipient *recipients; /* in: the caller's memory */
    size_t room;                            /* in: at most DIRECTORY_RECIPIENTS_MAX are filled */
    size_t n;                               /* out: distinct accounts, in order of the targets */
    char *remote; /* in: the caller's memory for addresses elsewhere, each once; NULL: they are
                     passed over, and OK may come with nobody */
    size_t remote_room;                  /* in: at most DIRECTORY_REMOTE_BYTES are filled */
    size_t remote_bytes;                 /* out: for directory_remote_next */
    size_t remote_n;                     /* out: how many */
    char via[DIRECTORY_ADDRESS_MAX + 1]; /* out: the alias ("@domain": catch-all) that led there */
    bool postmaster;                     /* out: <postmaster>: never over quota, never refused */
    bool catch_all;                      /* out: nobody but the catch-all took it */
    char tag[DIRECTORY_LOCAL_MAX + 1]; /* out: what stood behind '+'; empty when it was not used */
};

/* local: without quoting, as message/address.h gives it; domain: empty only for <postmaster>
 * (RFC 5321 §4.1.1.3). Order: the exact address, then without +tag, then the catch-all.
 * "postmaster" that is no address of its own goes to the configured one, else to the domain's first
 * account, else to the catch-all, else to the first account of all. */
TASK_FN
enum directory_resolved directory_resolve(struct directory *d, struct slice local,
    struct slice domain, struct directory_resolution *resolution, deadline until);
/* Takes the next address elsewhere off `rest`, which is the resolution's remote_bytes at first;
 * false at the end. Local part unquoted and as the administrator wrote it; canonical domain. */
bool directory_remote_next(struct slice *rest, struct slice *address);
/* May this account send as this address? Its own, its +tags, each alias whose direct targets
 * include it; a catch-all gives no right. *belongs is set on OK only (or BUSY). */
TASK_FN
enum directory_result directory_belongs(
    struct directory *d, uint64_t account, struct slice address, bool *belongs, deadline until);

/* ---- verify ---- */

/* Reads every row; calls fn (on the calling task) with one line for each fault: rows that do not
 * unpack, counts of domains, ids at or above the next one, addresses without their account and the
 * reverse, aliases whose targets are gone or that go in circles. *faults: how many. */
TASK_FN
enum directory_result directory_verify(struct directory *d, void (*fn)(void *arg, const char *text),
    void *arg, uint64_t *faults, deadline until);
