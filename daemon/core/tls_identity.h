/*
 * tls_identity - the certificates of a server, and which of them a client is shown
 *
 * Owns     certificates, chains and keys as OpenSSL has them; the PEM texts are not kept
 * Context  loop
 * Fails    -1 and *err_out, with OpenSSL's words
 *
 * A client names the host that it wants (SNI). It is shown the certificates that have exactly this
 * name, or else those with a wildcard for it, or else the first one and what has the first one's
 * name: several only if their keys are of different kinds (RSA, ECDSA), from which OpenSSL takes
 * what the client can do.
 */
#ifndef POSTERN_CORE_TLS_IDENTITY_H
#define POSTERN_CORE_TLS_IDENTITY_H

#include "daemon/core/tls.h"

#include <openssl/ssl.h>

struct tls_identities;

struct tls_identities *tls_identities_new(
    const struct tls_pair *pairs, unsigned count, struct err *err_out);
void tls_identities_free(struct tls_identities *identities); /* NULL is allowed */

/* Gives `ssl` the default ones and has it ask for others; borrowed while `ssl` lives. */
int tls_identities_use(struct tls_identities *identities, SSL_CTX *ssl, struct err *err_out);

#endif
