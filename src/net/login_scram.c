/* SCRAM-SHA-256 by hand: libgsasl would do the iterations that a server asks for, however many, on
 * the reactor. */
#include "base/base64.h"
#include "base/random.h"
#include "net/login_private.h"
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

#define KEY  32
#define SALT 1024

/* ---- client-first ---- */

/* saslname (RFC 5802 §5.1) */
static bool add_name(struct buffer *b, struct slice name)
{
    for (size_t i = 0; i < name.n; i++) {
        struct slice as = name.p[i] == '='   ? S("=3D")
                          : name.p[i] == ',' ? S("=2C")
                                             : slice(name.p + i, 1);
        if (!buffer_add(b, as))
            return false;
    }
    return true;
}

static struct buffer over(char *p, size_t n)
{
    return (struct buffer){.p = p, .cap = n, .max = n};
}

/* RFC 5802 §6: 'y' says that we could bind and were not offered it. */
static bool make_header(struct login *l)
{
    struct buffer b = over(l->header, sizeof l->header);
    bool fine = l->kind == LOGIN_SCRAM_PLUS           ? buffer_printf(&b, "p=%s", l->binding_type)
                : l->binding_type && !l->plus_offered ? buffer_add(&b, S("y"))
                                                      : buffer_add(&b, S("n"));
    fine = fine && buffer_add(&b, S(","));
    if (l->act_as_n)
        fine = fine && buffer_add(&b, S("a=")) && add_name(&b, slice(l->act_as, l->act_as_n));
    l->header_n = b.n;
    return fine && buffer_add(&b, S(",")) && ++l->header_n;
}

static bool first(struct login *l, struct buffer *out)
{
    uint8_t bytes[LOGIN_NONCE / 4 * 3];
    random_bytes(bytes, sizeof bytes);
    struct buffer nonce = over(l->nonce, LOGIN_NONCE);
    struct buffer bare = over(l->first_bare, sizeof l->first_bare);
    bool fine = base64_encode(slice(bytes, sizeof bytes), &nonce) && make_header(l) &&
                buffer_add(&bare, S("n=")) && add_name(&bare, slice(l->user, l->user_n)) &&
                buffer_add(&bare, S(",r=")) && buffer_add(&bare, buffer_slice(&nonce));
    l->first_bare_n = bare.n;
    return fine && buffer_add(out, slice(l->header, l->header_n)) &&
           buffer_add(out, buffer_slice(&bare));
}

/* ---- client-final ---- */

struct server_first {
    struct slice nonce, salt;
    uint64_t iterations;
};

static bool attribute(struct slice *rest, struct slice name, struct slice *value)
{
    struct slice one = slice_cut(rest, ',');
    *value = slice_from(one, name.n);
    return slice_starts(one, name);
}

/* RFC 5802 §7: a mandatory extension comes first, and so is refused. */
static bool parse_first(const struct login *l, struct slice message, struct server_first *f)
{
    struct slice count, rest = message;
    return message.n <= LOGIN_MESSAGE && attribute(&rest, S("r="), &f->nonce) &&
           attribute(&rest, S("s="), &f->salt) && attribute(&rest, S("i="), &count) &&
           f->nonce.n > LOGIN_NONCE && slice_starts(f->nonce, slice(l->nonce, LOGIN_NONCE)) &&
           slice_to_u64(count, LOGIN_ITERATIONS_MAX, &f->iterations) &&
           f->iterations >= LOGIN_ITERATIONS_MIN;
}

struct salted {
    struct slice password, salt;
    int iterations;
    uint8_t key[KEY];
    bool done;
};

static void compute_salted(void *arg)
{
    struct salted *s = arg;
    s->done = PKCS5_PBKDF2_HMAC(s->password.p, (int)s->password.n, (const unsigned char *)s->salt.p,
                  (int)s->salt.n, s->iterations, EVP_sha256(), KEY, s->key) == 1;
}

static bool salt_password(struct salted *s)
{
    if (!task_self())
        compute_salted(s);
    else if (!offload_run(OFFLOAD_CPU, compute_salted, s))
        return false;
    return s->done;
}

static bool mac(const uint8_t key[KEY], struct slice text, uint8_t out[KEY])
{
    unsigned n = KEY;
    return HMAC(EVP_sha256(), key, KEY, (const unsigned char *)text.p, text.n, out, &n) != NULL;
}

/* client-final-message-without-proof: "c=" and "r=". */
static bool add_final(const struct login *l, struct slice nonce, struct buffer *out)
{
    char text[sizeof l->header + sizeof l->binding];
    struct buffer binding = over(text, sizeof text);
    bool fine = buffer_add(&binding, slice(l->header, l->header_n));
    if (l->kind == LOGIN_SCRAM_PLUS)
        fine = fine && buffer_add(&binding, slice(l->binding, l->binding_n));
    return fine && buffer_add(out, S("c=")) && base64_encode(buffer_slice(&binding), out) &&
           buffer_add(out, S(",r=")) && buffer_add(out, nonce);
}

/* RFC 5802 §3: ClientProof and ServerSignature over AuthMessage. */
static bool prove(
    struct login *l, const uint8_t salted[KEY], struct slice auth_message, uint8_t proof[KEY])
{
    uint8_t client[KEY], stored[KEY], signature[KEY], server[KEY];
    unsigned n = KEY;
    bool fine = mac(salted, S("Client Key"), client) &&
                EVP_Digest(client, KEY, stored, &n, EVP_sha256(), NULL) == 1 &&
                mac(stored, auth_message, signature) && mac(salted, S("Server Key"), server) &&
                mac(server, auth_message, l->server_signature);
    for (size_t i = 0; i < KEY; i++)
        proof[i] = client[i] ^ signature[i];
    OPENSSL_cleanse(client, sizeof client);
    OPENSSL_cleanse(server, sizeof server);
    return fine;
}

/* AuthMessage: the first messages of both and the final one without its proof. */
static bool sign(struct login *l, const uint8_t salted[KEY], struct slice server_first,
    struct slice final, uint8_t proof[KEY])
{
    struct buffer all;
    buffer_init(&all, 4 * LOGIN_MESSAGE);
    bool fine = buffer_add(&all, slice(l->first_bare, l->first_bare_n)) &&
                buffer_add_char(&all, ',') && buffer_add(&all, server_first) &&
                buffer_add_char(&all, ',') && buffer_add(&all, final) &&
                prove(l, salted, buffer_slice(&all), proof);
    buffer_finish(&all);
    return fine;
}

static bool final(struct login *l, struct slice message, struct buffer *out)
{
    struct server_first f;
    char salt[SALT];
    struct buffer salt_bytes = over(salt, sizeof salt);
    uint8_t proof[KEY];
    if (!parse_first(l, message, &f) || !base64_decode(f.salt, &salt_bytes) || !salt_bytes.n)
        return false;
    struct salted s = {.password = slice(l->password, l->password_n),
        .salt = buffer_slice(&salt_bytes),
        .iterations = (int)f.iterations};
    bool fine = salt_password(&s) && add_final(l, f.nonce, out) &&
                sign(l, s.key, message, buffer_slice(out), proof) && buffer_add(out, S(",p=")) &&
                base64_encode(slice(proof, KEY), out);
    OPENSSL_cleanse(&s, sizeof s);
    return fine;
}

/* ---- server-final ---- */

static bool verify(struct login *l, struct slice message)
{
    struct slice value;
    char bytes[KEY + 2];
    struct buffer signature = over(bytes, sizeof bytes);
    l->complete = attribute(&message, S("v="), &value) && base64_decode(value, &signature) &&
                  slice_eq_secret(buffer_slice(&signature), slice(l->server_signature, KEY));
    return l->complete;
}

bool login_scram_step(struct login *l, struct slice challenge, struct buffer *out)
{
    switch (l->steps) {
    case 1:
        return challenge.n == 0 && first(l, out);
    case 2:
        return final(l, challenge, out);
    default:
        return l->steps == 3 && verify(l, challenge);
    }
}
