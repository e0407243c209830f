#include "base/base64.h"
#include "net/login_private.h"
#include <gsasl.h>
#include <openssl/crypto.h>
#include <stdlib.h>

/* Best first. */
static const struct mechanism {
    const char *name;
    enum login_kind kind;
} mechanisms[] = {
    {"SCRAM-SHA-256-PLUS", LOGIN_SCRAM_PLUS},
    {"SCRAM-SHA-256", LOGIN_SCRAM},
    {"PLAIN", LOGIN_PLAIN},
    {"LOGIN", LOGIN_LOGIN},
};

static bool holds(struct slice offered, const char *name)
{
    while (offered.n) {
        struct slice word = slice_cut(&offered, ' ');
        if (slice_eq_nocase(word, slice_str(name)))
            return true;
    }
    return false;
}

static const struct mechanism *choose(const struct login_options *o, struct slice offered)
{
    for (size_t i = 0; i < sizeof mechanisms / sizeof *mechanisms; i++) {
        const struct mechanism *m = &mechanisms[i];
        bool scram = m->kind == LOGIN_SCRAM || m->kind == LOGIN_SCRAM_PLUS;
        if (o->only.n && !slice_eq_nocase(o->only, slice_str(m->name)))
            continue;
        if (!holds(offered, m->name) || (m->kind == LOGIN_SCRAM_PLUS && !o->binding_type))
            continue;
        if (scram || o->plaintext)
            return m;
    }
    return NULL;
}

/* RFC 4013; RFC 4616 §2 and RFC 5802 §2.2 ask for it. */
static bool prepare(struct slice text, char *out, size_t room, size_t *n)
{
    char plain[LOGIN_PASSWORD_MAX + 1];
    char *prepared = NULL;
    bool fine = slice_to_cstr(text, plain, sizeof plain) &&
                gsasl_saslprep(plain, GSASL_ALLOW_UNASSIGNED, &prepared, NULL) == GSASL_OK;
    OPENSSL_cleanse(plain, sizeof plain);
    size_t length = fine ? strlen(prepared) : 0;
    fine = fine && length <= room;
    if (fine)
        memcpy(out, prepared, *n = length);
    if (prepared)
        OPENSSL_cleanse(prepared, length);
    gsasl_free(prepared);
    return fine;
}

struct login *login_create(const struct login_options *o, struct slice offered, const char **why)
{
    const struct mechanism *m = choose(o, offered);
    if (!m) {
        *why = o->plaintext ? "the server offers no way to log in that we know"
                            : "the server offers no way to log in that is safe without TLS";
        return NULL;
    }
    struct login *l = calloc(1, sizeof *l);
    if (!l) {
        *why = "out of memory";
        return NULL;
    }
    l->kind = m->kind;
    l->name = m->name;
    l->plus_offered = holds(offered, mechanisms[0].name);
    if (o->user.n == 0 || !prepare(o->user, l->user, sizeof l->user, &l->user_n) ||
        !prepare(o->password, l->password, sizeof l->password, &l->password_n) ||
        !prepare(o->act_as, l->act_as, sizeof l->act_as, &l->act_as_n)) {
        *why = "the name or password cannot be used";
        login_destroy(l);
        return NULL;
    }
    if (o->binding_type && o->binding.n <= sizeof l->binding) {
        l->binding_type = o->binding_type;
        l->binding_n = o->binding.n;
        memcpy(l->binding, o->binding.p, o->binding.n);
    }
    return l;
}

void login_destroy(struct login *l)
{
    if (!l)
        return;
    OPENSSL_cleanse(l, sizeof *l);
    free(l);
}

const char *login_mechanism(const struct login *l)
{
    return l->name;
}

bool login_speaks_first(const struct login *l)
{
    return l->kind != LOGIN_LOGIN;
}

bool login_complete(const struct login *l)
{
    return l->complete;
}

/* ---- steps ---- */

static bool step_plain(struct login *l, struct buffer *out)
{
    l->complete = true;
    return buffer_add(out, slice(l->act_as, l->act_as_n)) && buffer_add_char(out, '\0') &&
           buffer_add(out, slice(l->user, l->user_n)) && buffer_add_char(out, '\0') &&
           buffer_add(out, slice(l->password, l->password_n));
}

static bool step_login(struct login *l, struct buffer *out)
{
    l->complete = l->steps == 2;
    if (l->steps == 1)
        return buffer_add(out, slice(l->user, l->user_n));
    return l->steps == 2 && buffer_add(out, slice(l->password, l->password_n));
}

static bool step(struct login *l, struct slice challenge, struct buffer *out)
{
    switch (l->kind) {
    case LOGIN_PLAIN:
        return l->steps == 1 && step_plain(l, out);
    case LOGIN_LOGIN:
        return step_login(l, out);
    default:
        return login_scram_step(l, challenge, out);
    }
}

bool login_step(struct login *l, struct slice challenge, struct buffer *response)
{
    struct buffer in, out;
    buffer_init(&in, LOGIN_RESPONSE_MAX / 4 * 3);
    buffer_init(&out, LOGIN_RESPONSE_MAX / 4 * 3);
    bool fine = ++l->steps <= LOGIN_STEPS_MAX && base64_decode(challenge, &in) &&
                step(l, buffer_slice(&in), &out) && base64_encode(buffer_slice(&out), response);
    if (out.p)
        OPENSSL_cleanse(out.p, out.n);
    buffer_finish(&in);
    buffer_finish(&out);
    return fine;
}
