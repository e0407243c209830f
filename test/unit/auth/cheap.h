/* Credentials whose hash costs next to nothing, so that tests can make many. */
#pragma once
#include "unit/directory/house.h"
/* after house.h */
#include "auth/password.h"
#include <argon2.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

#define CHEAP_ITERATIONS 4096

static inline void cheap_hmac(const uint8_t key[32], const char *text_, uint8_t out[32])
{
    unsigned n = 32;
    HMAC(EVP_sha256(), key, 32, (const uint8_t *)text_, strlen(text_), out, &n);
}

static inline struct directory_credentials cheap(const char *password)
{
    struct directory_credentials c = {
        .present = true, .scram_iterations = CHEAP_ITERATIONS, .scram_salt = "0123456789abcde"};
    uint8_t salted[32], client[32];
    unsigned n = 32;
    CHECK(argon2id_hash_encoded(1, 8, 1, password, strlen(password), "saltsalt", 8, 32, c.password,
              sizeof c.password) == ARGON2_OK);
    PKCS5_PBKDF2_HMAC(password, (int)strlen(password), c.scram_salt, 16, CHEAP_ITERATIONS,
        EVP_sha256(), 32, salted);
    cheap_hmac(salted, "Client Key", client);
    cheap_hmac(salted, "Server Key", c.scram_server_key);
    EVP_Digest(client, 32, c.scram_stored_key, &n, EVP_sha256(), NULL);
    return c;
}

static inline uint64_t cheap_account(struct directory *d, const char *address, const char *password)
{
    uint64_t id = account_add(d, address);
    struct directory_credentials c = cheap(password);
    CHECK(directory_account_credentials(d, text(address), &c, why, DEADLINE_NEVER) == DIRECTORY_OK);
    return id;
}
