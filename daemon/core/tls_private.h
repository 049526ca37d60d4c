/*
 * tls_private - what contexts (tls.c) and sessions (tls_session.c) share; nobody else includes it
 */
#ifndef POSTERN_CORE_TLS_PRIVATE_H
#define POSTERN_CORE_TLS_PRIVATE_H

#include "daemon/core/tls.h"

#include <openssl/ssl.h>
#include <stdint.h>

#define TLS_FINGERPRINT_SIZE 32 /* SHA-256 */

struct tls_context {
	SSL_CTX *ssl;
	unsigned references;
	enum tls_verify verify;                    /* clients only */
	uint8_t fingerprint[TLS_FINGERPRINT_SIZE]; /* with VERIFY_FINGERPRINT */
};

/* OpenSSL's words for the newest error; empties its queue. */
const char *tls_error_words(void);
/* For SSL_CTX_set_cert_verify_callback(). */
int tls_verify_fingerprint(X509_STORE_CTX *store, void *unused);

#endif
