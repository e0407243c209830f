#include "auth/password.h"
#include "base/random.h"
#include "base/utf8.h"
#include "task/task.h"
#include <argon2.h>
#include <crypt.h>
#include <gsasl.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <stdlib.h>

#define ARGON2_MEMORY_KIB 19456
#define ARGON2_PASSES     2
#define ARGON2_LANES      1
#define SALT_SIZE         16
#define HASH_SIZE         32
/* What a stored hash, made elsewhere or damaged, may ask for. */
#define MEMORY_KIB_MAX 262144
#define PASSES_MAX     64

const char *password_error_text(enum password_error e)
{
    static const char *const texts[] = {
        [PASSWORD_OK] = "ok",
        [PASSWORD_EMPTY] = "the password is empty",
        [PASSWORD_LONG] = "the password is longer than 1,024 bytes",
        [PASSWORD_BAD_TEXT] = "the password is not UTF-8 text without control characters",
        [PASSWORD_SYSTEM] = "out of memory, or too many passwords are being computed",
    };
    return texts[e];
}

static bool plain_ascii(struct slice s)
{
    for (size_t i = 0; i < s.n; i++)
        if (s.p[i] < 0x20 || s.p[i] > 0x7e)
            return false;
    return true;
}

enum password_error password_prepare(struct slice password, char out[PASSWORD_MAX], size_t *n)
{
    char text[PASSWORD_MAX + 1];
    char *prepared = NULL;
    *n = 0;
    if (password.n == 0)
        return PASSWORD_EMPTY;
    if (password.n > PASSWORD_MAX)
        return PASSWORD_LONG;
    if (plain_ascii(password)) { /* SASLprep leaves it as it is */
        memcpy(out, password.p, password.n);
        *n = password.n;
        return PASSWORD_OK;
    }
    if (!utf8_valid(password) || !slice_to_cstr(password, text, sizeof text))
        return PASSWORD_BAD_TEXT;
    int rc = gsasl_saslprep(text, GSASL_ALLOW_UNASSIGNED, &prepared, NULL);
    OPENSSL_cleanse(text, sizeof text);
    if (rc != GSASL_OK)
        return rc == GSASL_MALLOC_ERROR ? PASSWORD_SYSTEM : PASSWORD_BAD_TEXT;
    enum password_error error = PASSWORD_OK;
    size_t length = strlen(prepared);
    if (length == 0)
        error = PASSWORD_EMPTY;
    else if (length > PASSWORD_MAX)
        error = PASSWORD_LONG;
    else
        memcpy(out, prepared, *n = length);
    OPENSSL_cleanse(prepared, length);
    gsasl_free(prepared);
    return error;
}

static bool mac(const uint8_t key[HASH_SIZE], const char *text, uint8_t out[HASH_SIZE])
{
    unsigned n = HASH_SIZE;
    return HMAC(EVP_sha256(), key, HASH_SIZE, (const unsigned char *)text, strlen(text), out, &n);
}

/* RFC 5802 §3: StoredKey and ServerKey. */
static bool make_scram(struct slice prepared, struct directory_credentials *credentials)
{
    uint8_t salted[HASH_SIZE], client[HASH_SIZE];
    unsigned n = HASH_SIZE;
    random_bytes(credentials->scram_salt, sizeof credentials->scram_salt);
    credentials->scram_iterations = PASSWORD_SCRAM_ITERATIONS;
    bool done = PKCS5_PBKDF2_HMAC(prepared.p, (int)prepared.n, credentials->scram_salt,
                    sizeof credentials->scram_salt, PASSWORD_SCRAM_ITERATIONS, EVP_sha256(),
                    sizeof salted, salted) == 1 &&
                mac(salted, "Client Key", client) &&
                mac(salted, "Server Key", credentials->scram_server_key) &&
                EVP_Digest(client, sizeof client, credentials->scram_stored_key, &n, EVP_sha256(),
                    NULL) == 1;
    OPENSSL_cleanse(salted, sizeof salted);
    OPENSSL_cleanse(client, sizeof client);
    return done;
}

enum password_error password_make(struct slice password, struct directory_credentials *credentials)
{
    char prepared[PASSWORD_MAX];
    uint8_t salt[SALT_SIZE];
    size_t n;
    *credentials = (struct directory_credentials){0};
    enum password_error error = password_prepare(password, prepared, &n);
    if (error != PASSWORD_OK)
        return error;
    random_bytes(salt, sizeof salt);
    bool done = argon2id_hash_encoded(ARGON2_PASSES, ARGON2_MEMORY_KIB, ARGON2_LANES, prepared, n,
                    salt, sizeof salt, HASH_SIZE, credentials->password,
                    sizeof credentials->password) == ARGON2_OK &&
                make_scram(slice(prepared, n), credentials);
    OPENSSL_cleanse(prepared, sizeof prepared);
    credentials->present = done;
    return done ? PASSWORD_OK : PASSWORD_SYSTEM;
}

/* The number behind "m=" or "t=" in the parameters of a PHC string. */
static bool parameter(struct slice stored, struct slice name, uint64_t max)
{
    uint64_t value;
    size_t at = slice_find_slice(stored, name);
    if (at == SLICE_NONE)
        return false;
    struct slice rest = slice_from(stored, at + name.n);
    size_t n = 0;
    while (n < rest.n && ascii_digit(rest.p[n]))
        n++;
    return slice_to_u64(slice_sub(rest, 0, n), max, &value);
}

static bool check_argon2(struct slice prepared, const char *stored)
{
    struct slice s = slice_str(stored);
    if (!parameter(s, S("$m="), MEMORY_KIB_MAX) || !parameter(s, S(",t="), PASSES_MAX))
        return false;
    if (slice_starts(s, S("$argon2id$")))
        return argon2id_verify(stored, prepared.p, prepared.n) == ARGON2_OK;
    return slice_starts(s, S("$argon2i$")) &&
           argon2i_verify(stored, prepared.p, prepared.n) == ARGON2_OK;
}

static bool check_crypt(struct slice prepared, const char *stored)
{
    static const char *const kinds[] = {"$2a$", "$2b$", "$2y$", "$5$", "$6$", "$y$"};
    char text[PASSWORD_MAX + 1];
    bool known = false, right = false;
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        known |= slice_starts(slice_str(stored), slice_str(kinds[i]));
    struct crypt_data *data = known ? calloc(1, sizeof *data) : NULL;
    if (!data)
        return false;
    if (slice_to_cstr(prepared, text, sizeof text)) {
        const char *made = crypt_rn(text, stored, data, sizeof *data);
        right = made && slice_eq_secret(slice_str(made), slice_str(stored));
    }
    OPENSSL_cleanse(text, sizeof text);
    OPENSSL_cleanse(data, sizeof *data);
    free(data);
    return right;
}

bool password_check(struct slice prepared, const char *stored)
{
    if (prepared.n == 0 || prepared.n > PASSWORD_MAX)
        return false;
    if (slice_starts(slice_str(stored), S("$argon2")))
        return check_argon2(prepared, stored);
    return check_crypt(prepared, stored);
}

struct make {
    struct slice password;
    struct directory_credentials *credentials;
    enum password_error error;
};

static void make_work(void *arg)
{
    struct make *m = arg;
    m->error = password_make(m->password, m->credentials);
}

enum password_error password_make_offload(
    struct slice password, struct directory_credentials *credentials)
{
    struct make m = {password, credentials, PASSWORD_SYSTEM};
    *credentials = (struct directory_credentials){0};
    offload_run(OFFLOAD_CPU, make_work, &m);
    return m.error;
}
