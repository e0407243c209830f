/* Keys of TLS session tickets (RFC 5077, RFC 8446 §4.6.1): made here, kept in memory only, changed
 * every 12 hours; the one before is accepted for as long again. */
#pragma once
#include <openssl/ssl.h>

#define TICKET_LIFETIME (12 * 3600L) /* seconds; also how long a key makes new tickets */

/* For SSL_CTX_set_tlsext_ticket_key_evp_cb. Any thread. */
int tickets_callback(SSL *ssl, unsigned char name[16], unsigned char *iv, EVP_CIPHER_CTX *cipher,
    EVP_MAC_CTX *mac, int encrypt);
/* For tests: as if the key had reached its age. */
void tickets_rotate(void);
