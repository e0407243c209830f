/* The Sender Rewriting Scheme: envelope senders of ours for mail that an alias sends on, and what
 * comes back to them. The local parts are
 *
 *   SRS0=HASH=STAMP=domain=local         of a sender "local@domain"
 *   SRS1=HASH+STAMP=host=rest            of a sender "SRS0rest@host" or "SRS1=...=host=rest@..."
 *
 * so that whoever forwards them in turn sees what they are. HASH is 8 letters (40 bits) of an HMAC
 * over all the rest, in which case does not count; STAMP is 2 letters for the day and then the
 * number of the account that hears of failures, none when that is the postmaster. What would be too
 * long, or needs quotes or SMTPUTF8, loses the sender's local part, then the domain too: reports go
 * by the stamp alone (DESIGN: no failure of forwarded mail goes to the original sender). Pure. */
#pragma once
#include "base/slice.h"

#define INTAKE_SRS_LOCAL_MAX 64
#define INTAKE_SRS_DAYS      21 /* that an address is good for */
#define INTAKE_SRS_KEY       32

struct intake_srs {
    struct slice local, domain; /* of the sender: unquoted, as written; not empty */
    struct slice ours;          /* the domain of the address to be made, canonical */
    uint64_t account;           /* 0: none */
    int64_t seconds;            /* now, wall */
};

/* The local part, a dot-string in ASCII; 0: `ours` is so long that none fits into a path. */
size_t intake_srs_encode(const uint8_t key[INTAKE_SRS_KEY], const struct intake_srs *sender,
    char to[INTAKE_SRS_LOCAL_MAX]);

enum intake_srs_result {
    INTAKE_SRS_OK,
    INTAKE_SRS_FORGED, /* not made here for this domain, or years ago */
    INTAKE_SRS_OLD,
};

/* Would it be one of ours? Such local parts are no accounts', aliases' or catch-alls'. */
bool intake_srs_is(struct slice local);
/* *account is set on OK and OLD. */
enum intake_srs_result intake_srs_decode(const uint8_t key[INTAKE_SRS_KEY], struct slice local,
    struct slice ours, int64_t seconds, uint64_t *account);
