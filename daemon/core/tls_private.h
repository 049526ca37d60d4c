/*
 * tls_private - what contexts (tls.c) and sessions (tls_session.c) share; nobody else includes it
 */
#ifndef POSTERN_CORE_TLS_PRIVATE_H
#define POSTERN_CORE_TLS_PRIVATE_H

#include "daemon/core/tls.h"
#include "daemon/core/tls_tickets.h"

#include <openssl/ssl.h>
#include <stdbool.h>
#include <stdint.h>

#define TLS_FINGERPRINT_SIZE 32 /* SHA-256 */

struct tls_context {
	SSL_CTX *ssl;
	unsigned references;
	struct tls_identities *identities;         /* of a client at most one */
	struct tls_tickets *tickets;               /* servers only, may be NULL */
	enum tls_verify verify;                    /* clients only */
	uint8_t fingerprint[TLS_FINGERPRINT_SIZE]; /* with VERIFY_FINGERPRINT */
};

BIO *tls_bio_of(struct msg_bytes bytes);
/* The end of a PEM text looks like an error to OpenSSL; it is taken from its queue. */
bool tls_is_end_of_pem(void);
/* For SSL_CTX_set_tlsext_ticket_key_evp_cb(); the keys are the context's app data. */
int tls_tickets_callback(
    SSL *ssl, uint8_t *name, uint8_t *iv, EVP_CIPHER_CTX *cipher, EVP_MAC_CTX *mac, int is_writing);
/* OpenSSL's words for the newest error; empties its queue. */
const char *tls_error_words(void);
/* What OpenSSL's verification of this certificate, `depth` above the server's, found. */
void tls_certificate_words(
    int error, int depth, X509 *certificate, const char *server, struct err *words_out);
/* Whether the server itself shows that its verified certificate was revoked. */
bool tls_staple_is_revoked(SSL *ssl, struct err *words_out);
void tls_fingerprint_text(X509 *certificate, char text[static TLS_FINGERPRINT_TEXT_SIZE]);
/* For SSL_CTX_set_tlsext_status_cb(). */
int tls_check_staple(SSL *ssl, void *unused);
/* For SSL_CTX_set_cert_verify_callback(). */
int tls_verify_fingerprint(X509_STORE_CTX *store, void *unused);

#endif
