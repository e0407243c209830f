/* What is stored of a password: an argon2id hash and the SCRAM-SHA-256 keys, made together from its
 * SASLprep form (RFC 4013), so that every mechanism can check it. The password itself is wiped.
 *
 * password_make and password_check take about 25 ms and 19 MiB: never on a reactor, always in
 * OFFLOAD_CPU. */
#pragma once
#include "base/slice.h"
#include "directory/directory.h"
#include <stdbool.h>
#include <stddef.h>

#define PASSWORD_MAX              1024 /* bytes, before and after SASLprep */
#define PASSWORD_SCRAM_ITERATIONS 10000

enum password_error {
    PASSWORD_OK,
    PASSWORD_EMPTY,
    PASSWORD_LONG,
    PASSWORD_BAD_TEXT, /* not UTF-8, or code points that SASLprep prohibits */
    PASSWORD_SYSTEM,   /* out of memory */
};

/* "the password is empty", ... */
const char *password_error_text(enum password_error e);
/* SASLprep, unassigned code points allowed; out holds PASSWORD_MAX bytes. Any thread. */
enum password_error password_prepare(struct slice password, char out[PASSWORD_MAX], size_t *n);
/* Offload thread. */
enum password_error password_make(struct slice password, struct directory_credentials *credentials);
/* Offload thread. `stored` is a PHC string of argon2id or argon2i, or a crypt(3) string ($2b$, $5$,
 * $6$, $y$); anything else never matches. `prepared` went through password_prepare. */
bool password_check(struct slice prepared, const char *stored);
/* Task: password_make in OFFLOAD_CPU. For admin. PASSWORD_SYSTEM: the pool is full. */
TASK_FN
enum password_error password_make_offload(
    struct slice password, struct directory_credentials *credentials);
