#include "base/clock.h"
#include "base/random.h"
#include "net/tickets_private.h"
#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <pthread.h>
#include <stdbool.h>
#include <string.h>

struct ticket_key {
    unsigned char name[16], cipher[32], mac[32];
    int64_t made; /* clock_now() */
};

/* keys[0] makes tickets; both open them. */
static struct {
    pthread_mutex_t lock;
    struct ticket_key keys[2];
    int count;
} tickets = {.lock = PTHREAD_MUTEX_INITIALIZER};

static void tickets_next(int64_t now)
{
    tickets.keys[1] = tickets.keys[0];
    struct ticket_key *k = &tickets.keys[0];
    random_bytes(k->name, sizeof k->name);
    random_bytes(k->cipher, sizeof k->cipher);
    random_bytes(k->mac, sizeof k->mac);
    k->made = now;
    if (tickets.count < 2)
        tickets.count++;
}

/* The key of this name (NULL: the one to make tickets with); *old: it makes none any more. */
static bool tickets_get(const unsigned char *name, struct ticket_key *key, bool *old)
{
    int64_t now = clock_now(), age = TICKET_LIFETIME * CLOCK_SEC;
    bool found = false;
    pthread_mutex_lock(&tickets.lock);
    if (tickets.count == 0 || now - tickets.keys[0].made >= age)
        tickets_next(now);
    for (int i = 0; i < tickets.count && !found; i++) {
        const struct ticket_key *k = &tickets.keys[i];
        if (now - k->made >= 2 * age)
            continue;
        found = !name || CRYPTO_memcmp(k->name, name, sizeof k->name) == 0;
        *key = *k;
        *old = i > 0;
    }
    pthread_mutex_unlock(&tickets.lock);
    return found;
}

void tickets_rotate(void)
{
    pthread_mutex_lock(&tickets.lock);
    tickets_next(clock_now());
    pthread_mutex_unlock(&tickets.lock);
}

static bool tickets_set_mac(EVP_MAC_CTX *mac, struct ticket_key *key)
{
    char digest[] = "SHA256";
    OSSL_PARAM params[] = {
        OSSL_PARAM_construct_octet_string(OSSL_MAC_PARAM_KEY, key->mac, sizeof key->mac),
        OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, digest, 0),
        OSSL_PARAM_construct_end(),
    };
    return EVP_MAC_CTX_set_params(mac, params) == 1;
}

/* Answers: -1 failed, 0 no such key (a full handshake follows), 1 good, 2 good and the client gets
 * a fresh ticket. */
int tickets_callback(SSL *ssl, unsigned char name[16], unsigned char *iv, EVP_CIPHER_CTX *cipher,
    EVP_MAC_CTX *mac, int encrypt)
{
    struct ticket_key key;
    bool old = false;
    int answer = -1;
    if (!tickets_get(encrypt ? NULL : name, &key, &old))
        return 0;
    if (encrypt) {
        memcpy(name, key.name, sizeof key.name);
        random_bytes(iv, (size_t)EVP_CIPHER_get_iv_length(EVP_aes_256_cbc()));
    }
    if (EVP_CipherInit_ex(cipher, EVP_aes_256_cbc(), NULL, key.cipher, iv, encrypt) == 1 &&
        tickets_set_mac(mac, &key))
        answer = old ? 2 : 1;
    OPENSSL_cleanse(&key, sizeof key);
    return answer;
}
