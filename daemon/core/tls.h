/*
 * tls - TLS contexts for servers and clients; the only part that includes <openssl/ssl.h>
 *
 * Owns     a context is counted: connections hold it, a reload replaces it without disturbing them
 * Fails    -1/NULL and *err_out, with OpenSSL's words
 *
 * Server contexts: TLS 1.2 and 1.3 with forward secrecy unless the listener says otherwise, one
 * session ticket at the end of the handshake (it carries the client's ACK: without it a client
 * waits 40 ms), no session cache, no early data, SSL_MODE_RELEASE_BUFFERS, no renegotiation, no
 * compression, our preference of ciphers. Only a context whose lowest version is below 1.2 has
 * OpenSSL's security level 0, and ciphers without forward secrecy; as a client it then also talks to
 * servers without secure renegotiation (RFC 5746), which are as old.
 */
#ifndef POSTERN_CORE_TLS_H
#define POSTERN_CORE_TLS_H

#include "common/err.h"
#include "daemon/core/messages.h"
#include "daemon/core/values.h"

#define TLS_FINGERPRINT_TEXT_SIZE 65 /* SHA-256 in hex */

struct tls_context;
struct tls_tickets;
struct tls_store; /* trusted CAs, parsed once */

/* PEM: a certificate with its chain, and its key. */
struct tls_pair {
	struct msg_bytes certificate, key;
};
struct tls_server_settings {
	const struct tls_pair *pairs; /* the first is for clients that name no host we know */
	unsigned pair_count;
	struct tls_tickets *tickets; /* held; NULL: no tickets */
	long ticket_lifetime_s;
	enum tls_version min_version;
};
struct tls_context *tls_server_new(const struct tls_server_settings *settings, struct err *err_out);

struct tls_store *tls_store_new(struct msg_bytes pem, struct err *err_out);
struct tls_store *tls_store_hold(struct tls_store *store);
void tls_store_release(struct tls_store *store);

struct tls_client_settings {
	enum tls_version min_version, max_version;
	enum tls_verify verify;
	const char *fingerprint;     /* SHA-256 of the certificate in hex, colons allowed */
	struct tls_store *store;     /* borrowed; for VERIFY_NAME */
	const struct tls_pair *pair; /* our own, for servers that ask for it; NULL: none */
};
struct tls_context *tls_client_new(const struct tls_client_settings *settings, struct err *err_out);

struct tls_context *tls_hold(struct tls_context *context);
void tls_release(struct tls_context *context); /* NULL is allowed */

#endif
