/* An auth/ that knows one account, for the tests of this room. Its names are those of auth/auth.h
 * and auth/sasl.h, so that the real one is not linked. One mechanism beside PLAIN: ECHO, which
 * sends back what came and ends well at the second "open". */
#pragma once
#include "auth/sasl.h"

#define SPEAKER_ACCOUNT  UINT64_C(7)
#define SPEAKER_NAME     "ann@example.org"
#define SPEAKER_PASSWORD "open sesame"

/* What auth_check says to the right password. */
extern enum auth_result speaker_result;
/* Checks so far. */
extern unsigned speaker_checks;
