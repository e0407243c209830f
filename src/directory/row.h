/* Rows of the directory partition: keys, and packing and unpacking of values. Unpacking takes any
 * bytes and says no. Slices of what was unpacked point into the value. Numbers are big-endian,
 * "text" is a length of 2 bytes and bytes without NUL.
 *
 * header   version 1, next account id 8, server id 16, secret 32
 * domain   version 1, accounts 8, aliases 8, postmaster 8
 * address  version 1, kind 1: account: id 8 | alias: count 2, text each
 * account  version 1, flags 1, quota 8, credentials version 8, address text, name text,
 *          with DIRECTORY_ROW_CREDENTIALS: password text, iterations 4, salt 16, stored key 32,
 *          server key 32
 * purge    version 1, wall time of the removal 8 */
#pragma once
#include "directory/directory.h"
#include "store/keyspace.h"

#define DIRECTORY_ROW_VERSION 1
#define DIRECTORY_ROW_FIXED   64   /* room for header, domain, purge and address rows of accounts */
#define DIRECTORY_ROW_ACCOUNT 1024 /* room for any account row */
#define DIRECTORY_ROW_ALIAS   ((size_t)2 + 2 + 2 * DIRECTORY_TARGETS_MAX + DIRECTORY_TARGETS_BYTES)

struct directory_row_key {
    size_t n;
    char p[STORE_KEY_MAX];
};

static inline struct slice directory_row_key_slice(const struct directory_row_key *k)
{
    return slice(k->p, k->n);
}

void directory_row_key_header(struct directory_row_key *k);
void directory_row_key_domain(struct directory_row_key *k, struct slice domain);
/* An empty local part: the catch-all. */
void directory_row_key_address(
    struct directory_row_key *k, struct slice local, struct slice domain);
/* kind: KEY_ACCOUNT or KEY_PURGE. */
void directory_row_key_id(
    struct directory_row_key *k, enum keyspace_directory kind, uint64_t account);
/* The parts of the key of an address row. */
bool directory_row_key_parse_address(struct slice key, struct slice *local, struct slice *domain);
bool directory_row_key_parse_id(struct slice key, uint64_t *account);

struct directory_row_header {
    uint64_t next_account;
    uint8_t server_id[16], secret[32];
};

struct directory_row_domain {
    uint64_t accounts, aliases, postmaster;
};

struct directory_row_targets {
    struct slice packed;
    size_t n;
};

struct directory_row_address {
    bool alias;
    uint64_t account;                     /* not an alias */
    struct directory_row_targets targets; /* an alias */
};

struct directory_row_account {
    bool disabled, has_credentials;
    uint64_t quota, credentials_version;
    struct slice address, name;
    struct slice password;
    uint32_t scram_iterations;
    const uint8_t *scram_salt, *scram_stored_key, *scram_server_key;
};

/* Each returns the bytes written to `to`, 0 when it does not fit or is over a limit. */
size_t directory_row_pack_header(
    const struct directory_row_header *row, char to[DIRECTORY_ROW_FIXED]);
size_t directory_row_pack_domain(
    const struct directory_row_domain *row, char to[DIRECTORY_ROW_FIXED]);
size_t directory_row_pack_owner(uint64_t account, char to[DIRECTORY_ROW_FIXED]);
size_t directory_row_pack_purge(int64_t removed_at, char to[DIRECTORY_ROW_FIXED]);
size_t directory_row_pack_account(
    const struct directory_row_account *row, char to[DIRECTORY_ROW_ACCOUNT]);
size_t directory_row_pack_alias(
    const struct slice *targets, size_t n, char to[DIRECTORY_ROW_ALIAS]);

bool directory_row_unpack_header(struct slice value, struct directory_row_header *row);
bool directory_row_unpack_domain(struct slice value, struct directory_row_domain *row);
bool directory_row_unpack_address(struct slice value, struct directory_row_address *row);
bool directory_row_unpack_account(struct slice value, struct directory_row_account *row);
/* False at the end. */
bool directory_row_target_next(struct directory_row_targets *rest, struct slice *target);
