/* Certificate authorities: read once, before the sandbox closes. */
#include "net/dial_private.h"
#include <dirent.h>
#include <errno.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#define AUTHORITIES_MAX 4096
#define PEM_MAX         ((size_t)16 * 1024 * 1024)

struct dial_trust {
    atomic_uint references;
    SSL_CTX *context;
};

/* RFC 8996: nothing below 1.2. The level of strength is set per connection. */
static SSL_CTX *context_create(void)
{
    SSL_CTX *c = SSL_CTX_new(TLS_client_method());
    if (!c)
        return NULL;
    SSL_CTX_set_options(
        c, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION | SSL_OP_IGNORE_UNEXPECTED_EOF);
    SSL_CTX_set_mode(c, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE |
                            SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    SSL_CTX_set_session_cache_mode(c, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_max_cert_list(c, 128 * 1024);
    if (SSL_CTX_set_min_proto_version(c, TLS1_2_VERSION) == 1 && SSL_CTX_dane_enable(c) == 1)
        return c;
    SSL_CTX_free(c);
    return NULL;
}

static int no_passphrase(char *out, int room, int writing, void *arg)
{
    return -1;
}

static bool add_all(struct dial_trust *t, struct slice pem, char why[DIAL_WHY])
{
    X509_STORE *store = SSL_CTX_get_cert_store(t->context);
    BIO *in = pem.n <= PEM_MAX ? BIO_new_mem_buf(pem.p, (int)pem.n) : NULL;
    bool fine = in != NULL;
    X509 *one;
    for (size_t i = 0; fine && (one = PEM_read_bio_X509_AUX(in, NULL, no_passphrase, NULL)); i++) {
        fine = i < AUTHORITIES_MAX && X509_STORE_add_cert(store, one) == 1;
        X509_free(one);
    }
    bool rest = fine && ERR_GET_REASON(ERR_peek_last_error()) != PEM_R_NO_START_LINE;
    BIO_free(in);
    ERR_clear_error();
    if (!fine)
        snprintf(why, DIAL_WHY, "more than %d certificate authorities", AUTHORITIES_MAX);
    else if (rest)
        snprintf(why, DIAL_WHY, "a certificate is damaged");
    return fine && !rest;
}

struct dial_trust *dial_trust_create(struct slice pem, char why[DIAL_WHY])
{
    struct dial_trust *t = calloc(1, sizeof *t);
    why[0] = '\0';
    if (t) {
        atomic_init(&t->references, 1);
        t->context = context_create();
    }
    if (t && t->context && (pem.n == 0 || add_all(t, pem, why)))
        return t;
    if (!why[0])
        snprintf(why, DIAL_WHY, "out of memory");
    dial_trust_release(t);
    return NULL;
}

/* ---- from files ---- */

static bool read_file(const char *path, struct buffer *to, char why[DIAL_WHY])
{
    FILE *f = fopen(path, "rbe");
    bool fine = f != NULL;
    while (fine) {
        char *room = buffer_room(to, 65536);
        size_t n = room ? fread(room, 1, 65536, f) : 0;
        buffer_took(to, n);
        fine = room && !ferror(f);
        if (n == 0)
            break;
    }
    if (!fine)
        snprintf(why, DIAL_WHY, "%.160s: %s", path, to->overflow ? "too long" : strerror(errno));
    if (f)
        fclose(f);
    return fine && buffer_add_char(to, '\n');
}

static bool wanted(const char *name)
{
    struct slice s = slice_str(name);
    return s.p[0] != '.' && (slice_ends(s, S(".pem")) || slice_ends(s, S(".crt")) ||
                                (s.n > 2 && s.p[s.n - 2] == '.' && ascii_digit(s.p[s.n - 1])));
}

static bool read_folder(const char *path, struct buffer *to, char why[DIAL_WHY])
{
    DIR *folder = opendir(path);
    if (!folder) {
        snprintf(why, DIAL_WHY, "%.160s: %s", path, strerror(errno));
        return false;
    }
    bool fine = true;
    for (struct dirent *entry; fine && (entry = readdir(folder));) {
        char file[4096 - 512];
        if (!wanted(entry->d_name))
            continue;
        int n = snprintf(file, sizeof file, "%s/%s", path, entry->d_name);
        fine = n > 0 && (size_t)n < sizeof file && read_file(file, to, why);
    }
    closedir(folder);
    return fine;
}

struct dial_trust *dial_trust_load(const char *path, char why[DIAL_WHY])
{
    struct stat st;
    struct buffer pem;
    struct dial_trust *t = NULL;
    buffer_init(&pem, PEM_MAX);
    why[0] = '\0';
    if (stat(path, &st) != 0)
        snprintf(why, DIAL_WHY, "%.160s: %s", path, strerror(errno));
    else if (S_ISDIR(st.st_mode) ? read_folder(path, &pem, why) : read_file(path, &pem, why))
        t = dial_trust_create(buffer_slice(&pem), why);
    buffer_finish(&pem);
    return t;
}

struct dial_trust *dial_trust_retain(struct dial_trust *t)
{
    atomic_fetch_add_explicit(&t->references, 1, memory_order_relaxed);
    return t;
}

void dial_trust_release(struct dial_trust *t)
{
    if (!t || atomic_fetch_sub_explicit(&t->references, 1, memory_order_acq_rel) != 1)
        return;
    SSL_CTX_free(t->context);
    free(t);
}

SSL *dial_trust_session(struct dial_trust *t)
{
    return SSL_new(t->context);
}
