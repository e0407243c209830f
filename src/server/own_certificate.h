/* The self-signed certificate of a server that was given none: made once, kept in data_dir/tls. */
#pragma once
#include <stdbool.h>
#include <stddef.h>

/* Reads or makes it; *chain and *key are malloc'ed PEM. New files belong to data_dir's owner. */
bool own_certificate(int data_dir, const char *hostname, char **chain, size_t *chain_n, char **key,
    size_t *key_n, char why[256]);
