#include "auth/auth_private.h"
#include "base/hash.h"
#include "base/pack.h"
#include "base/random.h"
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <stdlib.h>
#include <unistd.h>

#define HASHERS_MAX      1024
#define QUEUE_NETWORK    64
#define QUEUE_PER_HASHER 128 /* about 3 s of hashing */
#define CACHE_ENTRIES    10000
#define CACHE_LIFE       (300 * CLOCK_SEC)
#define DELAY_FIRST      (250 * CLOCK_MS)
#define DELAY_MAX        (10 * CLOCK_SEC)

/* What a name that does not exist is checked against: no password gives this. */
static const char nobody_password[] = "$argon2id$v=19$m=19456,t=2,p=1$bm9ib2R5IGlzIGhlcmUhIQ"
                                      "$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

static unsigned cores(void)
{
    long n = sysconf(_SC_NPROCESSORS_ONLN);
    return n < 1 ? 1 : n > HASHERS_MAX ? HASHERS_MAX : (unsigned)n;
}

struct auth *auth_create(const struct auth_options *options)
{
    struct auth *a = calloc(1, sizeof *a);
    if (!a)
        return NULL;
    unsigned hashers = options->hashers ? options->hashers : cores();
    struct auth_hasher_options bounds = {.running = hashers,
        .queue_network = options->queue_network ? options->queue_network : QUEUE_NETWORK,
        .queue_total =
            options->queue_total ? options->queue_total : (size_t)hashers * QUEUE_PER_HASHER};
    a->directory = options->directory;
    a->delay_max = options->delay_max ? options->delay_max : DELAY_MAX;
    random_bytes(a->key, sizeof a->key);
    pthread_mutex_init(&a->lock, NULL);
    a->hasher = auth_hasher_create(&bounds);
    a->throttle = auth_throttle_create(
        options->delay_first ? options->delay_first : DELAY_FIRST, a->delay_max);
    a->cache = auth_cache_create(options->cache_entries ? options->cache_entries : CACHE_ENTRIES,
        options->cache_life ? options->cache_life : CACHE_LIFE);
    if (!a->hasher || !a->throttle || !a->cache || gsasl_init(&a->gsasl) != GSASL_OK) {
        auth_destroy(a);
        return NULL;
    }
    return a;
}

void auth_destroy(struct auth *a)
{
    if (!a)
        return;
    auth_hasher_destroy(a->hasher);
    auth_throttle_destroy(a->throttle);
    auth_cache_destroy(a->cache);
    if (a->gsasl)
        gsasl_done(a->gsasl);
    pthread_mutex_destroy(&a->lock);
    OPENSSL_cleanse(a->key, sizeof a->key);
    free(a);
}

uint64_t auth_hashes(struct auth *a)
{
    return auth_hasher_count(a->hasher);
}

/* ---- delays ---- */

/* False: too many sleep already. */
static bool sleep_for(struct auth_attempt *a, int64_t ns, deadline until)
{
    struct auth *auth = a->auth;
    int64_t before = clock_now();
    if (ns <= 0)
        return true;
    pthread_mutex_lock(&auth->lock);
    bool place = auth->sleepers < AUTH_SLEEPERS_MAX;
    auth->sleepers += place;
    pthread_mutex_unlock(&auth->lock);
    if (!place)
        return false;
    task_sleep(deadline_min(until, deadline_in(ns)));
    pthread_mutex_lock(&auth->lock);
    auth->sleepers--;
    pthread_mutex_unlock(&auth->lock);
    a->reply->waited += clock_now() - before;
    return true;
}

bool auth_admit(struct auth_attempt *a, deadline until)
{
    struct auth *auth = a->auth;
    pthread_mutex_lock(&auth->lock);
    int64_t delay = auth_throttle_before(auth->throttle, a->network, clock_now());
    pthread_mutex_unlock(&auth->lock);
    if (sleep_for(a, delay, until) && clock_now() < until)
        return true;
    a->reply->result = AUTH_BUSY;
    a->reply->reason = "this network has to wait";
    return false;
}

/* What failures about a name are counted by: the account, or the name in any spelling. */
static uint64_t account_key(const struct auth_attempt *a)
{
    char canonical[DIRECTORY_ADDRESS_MAX + 1];
    struct slice name = a->user;
    if (a->reply->account)
        return a->reply->account;
    if (name.n <= AUTH_USER_MAX && directory_canonical(name, canonical))
        name = slice_str(canonical);
    return hash_slice(name) | UINT64_C(1) << 63;
}

void auth_refuse(
    struct auth_attempt *a, const char *reason, const uint8_t digest[AUTH_DIGEST], deadline until)
{
    struct auth *auth = a->auth;
    pthread_mutex_lock(&auth->lock);
    int64_t delay =
        auth_throttle_failed(auth->throttle, account_key(a), a->network, digest, clock_now());
    pthread_mutex_unlock(&auth->lock);
    int64_t left = auth->delay_max - a->reply->waited;
    sleep_for(a, delay < left ? delay : left, until);
    a->reply->result = AUTH_WRONG;
    a->reply->reason = reason;
    a->reply->account = 0;
    a->reply->address[0] = '\0';
}

/* ---- names ---- */

enum auth_result auth_lookup(struct auth_attempt *a, struct directory_account *account,
    struct directory_credentials *credentials, deadline until)
{
    *account = (struct directory_account){0};
    *credentials = (struct directory_credentials){0};
    if (a->user.n > AUTH_USER_MAX)
        return AUTH_WRONG;
    switch (directory_account_login(a->auth->directory, a->user, account, credentials, until)) {
    case DIRECTORY_OK:
        a->reply->account = account->id;
        a->reply->credentials_version = account->credentials_version;
        memcpy(a->reply->address, account->address, sizeof a->reply->address);
        return AUTH_OK;
    case DIRECTORY_BUSY:
        a->reply->result = AUTH_FAILED;
        a->reply->reason = "the directory did not answer";
        return AUTH_FAILED;
    default:
        return AUTH_WRONG;
    }
}

void auth_accept(struct auth_attempt *a, const struct directory_account *account,
    struct slice authzid, deadline until)
{
    struct directory_account other;
    if (authzid.n && !slice_eq(authzid, a->user)) {
        enum directory_result found =
            directory_account_find(a->auth->directory, authzid, &other, until);
        if (found == DIRECTORY_BUSY) {
            a->reply->result = AUTH_FAILED;
            a->reply->reason = "the directory did not answer";
            return;
        }
        if (found != DIRECTORY_OK || other.id != account->id) {
            auth_refuse(a, "authzid of another account", NULL, until);
            return;
        }
    }
    a->reply->result = account->disabled ? AUTH_DISABLED : AUTH_OK;
    a->reply->reason = account->disabled ? "the account is disabled" : NULL;
}

/* ---- passwords ---- */

/* Names this account, this state of its credentials and this password. Of an unknown name: the
 * name. */
static void password_digest(const struct auth_attempt *a, const struct directory_account *account,
    struct slice prepared, uint8_t digest[AUTH_DIGEST])
{
    uint8_t head[32];
    unsigned n = AUTH_DIGEST;
    pack_u64(head, account->id);
    pack_u64(head + 8, account->credentials_version);
    pack_u64(head + 16, account->id ? 0 : account_key(a));
    pack_u64(head + 24, prepared.n);
    char text[sizeof head + PASSWORD_MAX];
    memcpy(text, head, sizeof head);
    memcpy(text + sizeof head, prepared.p, prepared.n);
    if (!HMAC(EVP_sha256(), a->auth->key, sizeof a->auth->key, (const unsigned char *)text,
            sizeof head + prepared.n, digest, &n))
        abort();
    OPENSSL_cleanse(text, sizeof text);
}

enum known { KNOWN_RIGHT, KNOWN_WRONG, UNKNOWN };

static enum known look_up(struct auth_attempt *a, const uint8_t digest[AUTH_DIGEST], bool exists)
{
    struct auth *auth = a->auth;
    enum known known = UNKNOWN;
    pthread_mutex_lock(&auth->lock);
    if (exists && auth_cache_has(auth->cache, digest, clock_now()))
        known = KNOWN_RIGHT;
    else if (auth_throttle_known_wrong(auth->throttle, account_key(a), digest))
        known = KNOWN_WRONG;
    pthread_mutex_unlock(&auth->lock);
    return known;
}

static void remember(struct auth *auth, const uint8_t digest[AUTH_DIGEST])
{
    pthread_mutex_lock(&auth->lock);
    auth_cache_add(auth->cache, digest, clock_now());
    pthread_mutex_unlock(&auth->lock);
}

/* One hash, whoever asks; nobody's password is no password. */
static void check_hash(struct auth_attempt *a, const struct directory_account *account,
    const struct directory_credentials *credentials, struct slice prepared, struct slice authzid,
    const uint8_t digest[AUTH_DIGEST], deadline until)
{
    int64_t before = clock_now();
    enum auth_hashed hashed = auth_hasher_check(a->auth->hasher, a->network, digest, prepared,
        credentials->present ? credentials->password : nobody_password, until);
    a->reply->waited += clock_now() - before;
    if (hashed == AUTH_HASHED_BUSY) {
        a->reply->result = AUTH_BUSY;
        a->reply->reason = "too many passwords are being checked";
    } else if (hashed == AUTH_HASHED_MATCH && credentials->present) {
        remember(a->auth, digest);
        auth_accept(a, account, authzid, until);
    } else {
        const char *reason = !account->id            ? "unknown user"
                             : !credentials->present ? "the account has no password"
                                                     : "wrong password";
        auth_refuse(a, reason, digest, until);
    }
}

static void check(struct auth_attempt *a, const struct auth_request *request,
    struct directory_credentials *credentials, char *prepared, deadline until)
{
    struct directory_account account;
    uint8_t digest[AUTH_DIGEST];
    size_t n;
    if (auth_lookup(a, &account, credentials, until) == AUTH_FAILED)
        return;
    if (password_prepare(request->password, prepared, &n) != PASSWORD_OK) {
        if (auth_admit(a, until))
            auth_refuse(a, "not a possible password", NULL, until);
        return;
    }
    password_digest(a, &account, slice(prepared, n), digest);
    switch (look_up(a, digest, credentials->present)) {
    case KNOWN_RIGHT:
        auth_accept(a, &account, request->authzid, until);
        return;
    case KNOWN_WRONG:
        auth_refuse(a, "the same wrong password", digest, until);
        return;
    case UNKNOWN:
        break;
    }
    if (auth_admit(a, until))
        check_hash(a, &account, credentials, slice(prepared, n), request->authzid, digest, until);
}

void auth_check(
    struct auth *a, const struct auth_request *request, struct auth_reply *reply, deadline until)
{
    char prepared[PASSWORD_MAX];
    struct directory_credentials credentials;
    struct auth_attempt attempt = {.auth = a,
        .protocol = request->protocol,
        .network = request->network,
        .user = request->user,
        .peer = request->peer,
        .conn = request->conn,
        .started = clock_now(),
        .reply = reply};
    *reply = (struct auth_reply){.result = AUTH_FAILED, .mechanism = request->mechanism};
    check(&attempt, request, &credentials, prepared, until);
    OPENSSL_cleanse(prepared, sizeof prepared);
    OPENSSL_cleanse(&credentials, sizeof credentials);
    if (reply->result != AUTH_OK && reply->result != AUTH_DISABLED) {
        reply->account = 0;
        reply->address[0] = '\0';
    }
    auth_report(&attempt);
}
