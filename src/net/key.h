/* The one place that uses TLS private keys, so that they can later live in another process. */
#pragma once
#include "base/slice.h"

struct net_key;

/* PEM, unencrypted. NULL: *why (at least 256 bytes) says what is wrong and what to do. */
struct net_key *net_key_load(struct slice pem, char why[256]);
void net_key_destroy(struct net_key *k);
/* For net/tls.c: the EVP_PKEY behind it (not given away). */
struct evp_pkey_st *net_key_handle(struct net_key *k);
/* A new P-256 key with a self-signed certificate for the name (10 years), both PEM. False: no
 * randomness or memory. */
struct buffer;
bool net_key_self_signed(
    const char *hostname, struct buffer *certificate_pem, struct buffer *key_pem);
