/* What dial.c asks of dial_trust.c. */
#pragma once
#include "net/dial.h"
#include <openssl/ssl.h>

/* A new session as a client; NULL: out of memory. */
SSL *dial_trust_session(struct dial_trust *t);
