/* The self-signed certificate of a server that was given none: made once, kept in data_dir/tls. */
#pragma once
#include <stdbool.h>
#include <stddef.h>

/* Reads or makes it; *chain and *key are malloc'ed PEM, to be freed in any case. New files belong
 * to data_dir's owner. data_dir -1: makes one that is kept nowhere. */
bool own_certificate(int data_dir, const char *hostname, char **chain, size_t *chain_n, char **key,
    size_t *key_n, char why[256]);
