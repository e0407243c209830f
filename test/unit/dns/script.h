/* A name server that is played by the test: UDP and TCP on one port of 127.0.0.1, in a thread of
 * its own. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct script_question {
    char name[256]; /* lower case, no last dot */
    unsigned type;
    bool tcp;
};

enum script_way {
    SCRIPT_SAY,
    SCRIPT_SILENT,
    SCRIPT_HOLD, /* asked again when script_let_go says so */
};

struct script_reply {
    unsigned rcode;
    bool truncated, other_id, other_name, raw; /* raw: bytes are all of it */
    size_t n, records;
    uint8_t bytes[65535];
};

/* On the server's thread. The reply is empty: NOERROR without data. */
typedef enum script_way (*script_fn)(const struct script_question *q, struct script_reply *r);

/* Starts it; *server is what dns_options takes. */
void script_start(script_fn fn, char server[32]);
void script_stop(void);
/* Any thread: what is held is asked again, and nothing is held from here on. */
void script_let_go(void);
/* How many questions came, repeated ones too. */
unsigned script_asked(void);

/* ---- records of a reply; owner NULL: the name that was asked for ---- */

void script_add(
    struct script_reply *r, const char *owner, unsigned type, const void *data, size_t n);
void script_a(struct script_reply *r, const char *owner, const char *address);
void script_aaaa(struct script_reply *r, const char *owner, const char *address);
void script_cname(struct script_reply *r, const char *owner, const char *target);
void script_mx(struct script_reply *r, const char *owner, unsigned preference, const char *host);
/* A name as on the wire; its bytes. "" is the root. */
size_t script_name(uint8_t *to, const char *name);
