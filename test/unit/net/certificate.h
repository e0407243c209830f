/* Certificates made on the spot. */
#pragma once
#include "base/buffer.h"
#include "net/tls.h"
#include <stdlib.h>

struct pair {
    struct buffer certificate, key;
};

static inline struct pair pair_make(const char *name)
{
    struct pair p;
    buffer_init(&p.certificate, 8192);
    buffer_init(&p.key, 8192);
    if (!net_key_self_signed(name, &p.certificate, &p.key))
        abort();
    return p;
}

static inline void pair_finish(struct pair *p)
{
    buffer_finish(&p->certificate);
    buffer_finish(&p->key);
}

static inline struct tls_certificate pair_for(const struct pair *p, const char *server_name)
{
    return (struct tls_certificate){
        server_name, buffer_slice(&p->certificate), buffer_slice(&p->key)};
}

/* Publishes one certificate of this name. */
static inline void pair_publish(const char *name)
{
    char why[256];
    struct pair p = pair_make(name);
    struct tls_certificate c = pair_for(&p, NULL);
    struct tls_server *t = tls_server_create(&c, 1, why);
    if (!t)
        abort();
    tls_server_publish(t);
    pair_finish(&p);
}
