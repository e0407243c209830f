#pragma once
#include "dns/dns.h"

/* A name on the wire, uncompressed, to text: lower case, no last dot, "" for the root. *used: its
 * bytes. False: cut off, too long, or a label that no host has (anything but letters, digits, '-',
 * '_'). */
#define DNS_NAME_MAX 254
bool dns_name_read(struct slice wire, char text[DNS_NAME_MAX], size_t *n, size_t *used);
