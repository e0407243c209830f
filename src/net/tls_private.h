/* What a conn asks of its TLS stream beside the stream's own functions. */
#pragma once
#include "net/tls.h"

/* Did the failure come from below (the peer reset), not from TLS itself? */
bool tls_lost_below(const struct stream *tls);
struct ssl_st;
/* A stream that speaks TLS over the one below, as client or server, which is set in ssl. Both
 * belong to it. NULL: out of memory; both are still the caller's. */
struct stream *tls_over(struct ssl_st *ssl, struct stream *below);
/* The context to answer this server name with. */
struct ssl_ctx_st *tls_server_choose(struct tls_server *t, const char *server_name);
/* A new session under the default certificate; the name that the client sends may change it. */
struct ssl_st *tls_server_session(struct tls_server *t);
/* A host name as clients may send in SNI: letters, digits, '-', '_', '.'; at most 255 bytes. */
bool tls_host_name(const char *name);
