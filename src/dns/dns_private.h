#pragma once
#include "dns/dns.h"

/* A name on the wire, uncompressed, to text: lower case, no last dot, "" for the root. *used: its
 * bytes. False: cut off, too long, or a label that no host has (anything but letters, digits, '-',
 * '_'). */
#define DNS_NAME_MAX 254
bool dns_name_read(struct slice wire, char text[DNS_NAME_MAX], size_t *n, size_t *used);

/* A question in two steps, so that several can be under way. NULL: *answer says why. */
struct dns_question;
struct dns_question *dns_begin(
    struct dns *d, struct slice name, enum dns_type type, struct dns_answer *answer);
/* Once for each begun; NULL: *answer stays. name: as asked. */
TASK_FN
void dns_end(struct dns_question *q, struct slice name, struct arena *arena,
    struct dns_answer *answer, deadline until);

/* mail.c: what the records of a FOUND answer say, in place of the hosts that out has. */
void dns_mx_take(const struct dns_answer *answer, struct arena *arena, struct dns_mx_answer *out);
/* The addresses of one family, behind those that out has. */
void dns_addresses_take(const struct dns_answer *answer, int family, struct dns_addresses *out);
