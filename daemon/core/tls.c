/* tls - contexts: certificates, keys, trusted CAs and versions, made once and shared by sessions. */
#include "daemon/core/tls.h"

#include "common/err.h"
#include "common/xalloc.h"
#include "daemon/core/tls_identity.h"
#include "daemon/core/tls_private.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <stdlib.h>
#include <string.h>

struct tls_store {
	X509_STORE *store;
	unsigned references;
};

const char *
tls_error_words(void)
{
	unsigned long code = ERR_peek_last_error();
	const char *words = code != 0 ? ERR_reason_error_string(code) : NULL;

	ERR_clear_error();
	return words != NULL ? words : "unknown error";
}

static int
protocol_of(enum tls_version version)
{
	switch (version) {
	case TLS_VERSION_1_0:
		return TLS1_VERSION;
	case TLS_VERSION_1_1:
		return TLS1_1_VERSION;
	case TLS_VERSION_1_3:
		return TLS1_3_VERSION;
	case TLS_VERSION_1_2:
		break;
	}
	return TLS1_2_VERSION;
}

static struct tls_context *
context_new(const SSL_METHOD *method, enum tls_version min_version, enum tls_version max_version)
{
	struct tls_context *context = xcalloc(1, sizeof(*context));

	ERR_clear_error();
	context->references = 1;
	context->ssl = SSL_CTX_new(method);
	ensure(context->ssl != NULL);
	ensure(SSL_CTX_set_min_proto_version(context->ssl, protocol_of(min_version)) == 1);
	ensure(SSL_CTX_set_max_proto_version(context->ssl, protocol_of(max_version)) == 1);
	/* OpenSSL 3 has the hashes that TLS 1.0 and 1.1 need on its lowest level only. */
	if (min_version < TLS_VERSION_1_2)
		SSL_CTX_set_security_level(context->ssl, 0);
	SSL_CTX_set_mode(context->ssl, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE |
					   SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
	SSL_CTX_set_options(context->ssl, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION);
	return context;
}

BIO *
tls_bio_of(struct msg_bytes bytes)
{
	BIO *bio = BIO_new_mem_buf(bytes.size > 0 ? (const void *)bytes.at : "", (int)bytes.size);

	ensure(bio != NULL);
	return bio;
}

/* The end of a PEM text looks like an error to OpenSSL. */
bool
tls_is_end_of_pem(void)
{
	unsigned long code = ERR_peek_last_error();
	bool is_end =
	    ERR_GET_LIB(code) == ERR_LIB_PEM && ERR_GET_REASON(code) == PEM_R_NO_START_LINE;

	if (is_end)
		ERR_clear_error();
	return is_end;
}

/* ---- servers ---- */

/* Forward secrecy for everybody. Those with CBC are what Windows up to 2012 R2 and their like have
 * in common with an RSA certificate. */
static const char modern_ciphers[] = "ECDHE+AESGCM:ECDHE+CHACHA20:ECDHE+AES:!AESCCM:!aNULL:!eNULL";
/* For devices that can do no better: with these RSA encrypts, and recorded traffic can be read by
 * who gets the key one day. */
static const char legacy_ciphers[] =
    "ECDHE+AESGCM:ECDHE+CHACHA20:ECDHE+AES:kRSA+AES:!AESCCM:!aNULL:!eNULL:@SECLEVEL=0";
static const char suites_of_1_3[] =
    "TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256:TLS_AES_128_GCM_SHA256";

static void
use_ciphers(SSL_CTX *ssl, bool is_legacy)
{
	/* The level says which keys and hashes are too weak: 2 is RSA and DH from 2048 bits on. TLS
	 * 1.0 and 1.1 need hashes that only the lowest one has. */
	SSL_CTX_set_security_level(ssl, is_legacy ? 0 : 2);
	ensure(SSL_CTX_set_cipher_list(ssl, is_legacy ? legacy_ciphers : modern_ciphers) == 1);
	ensure(SSL_CTX_set_ciphersuites(ssl, suites_of_1_3) == 1);
	SSL_CTX_set_options(ssl, SSL_OP_CIPHER_SERVER_PREFERENCE | SSL_OP_PRIORITIZE_CHACHA |
				     SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION);
}

/* No early data: what it carries can be sent again by anybody (RFC 8446 8). */
static void
use_tickets(struct tls_context *context, struct tls_tickets *tickets, long lifetime_s)
{
	(void)SSL_CTX_set_session_cache_mode(context->ssl, SSL_SESS_CACHE_OFF);
	ensure(SSL_CTX_set_session_id_context(context->ssl, (const uint8_t *)"postern", 7) == 1);
	ensure(SSL_CTX_set_num_tickets(context->ssl, 1) == 1);
	ensure(SSL_CTX_set_max_early_data(context->ssl, 0) == 1);
	if (tickets == NULL) {
		SSL_CTX_set_options(context->ssl, SSL_OP_NO_TICKET);
		return;
	}
	context->tickets = tls_tickets_hold(tickets);
	(void)SSL_CTX_set_timeout(context->ssl, lifetime_s);
	(void)SSL_CTX_set_app_data(context->ssl, tickets);
	ensure(SSL_CTX_set_tlsext_ticket_key_evp_cb(context->ssl, tls_tickets_callback) == 1);
}

struct tls_context *
tls_server_new(const struct tls_server_settings *settings, struct err *err_out)
{
	struct tls_context *context =
	    context_new(TLS_server_method(), settings->min_version, TLS_VERSION_1_3);

	use_ciphers(context->ssl, settings->min_version < TLS_VERSION_1_2);
	use_tickets(context, settings->tickets, settings->ticket_lifetime_s);
	context->identities = tls_identities_new(settings->pairs, settings->pair_count, err_out);
	if (context->identities != NULL &&
	    tls_identities_use(context->identities, context->ssl, err_out) == 0)
		return context;
	tls_release(context);
	return NULL;
}

/* ---- trusted CAs ---- */

struct tls_store *
tls_store_new(struct msg_bytes pem, struct err *err_out)
{
	struct tls_store *store = xcalloc(1, sizeof(*store));
	BIO *bio = tls_bio_of(pem);
	X509 *certificate;
	unsigned count = 0;

	ERR_clear_error();
	store->references = 1;
	store->store = X509_STORE_new();
	ensure(store->store != NULL);
	/* What an operator trusts is trusted, also an intermediate or a server's own certificate. */
	ensure(X509_STORE_set_flags(store->store, X509_V_FLAG_PARTIAL_CHAIN) == 1);
	while ((certificate = PEM_read_bio_X509_AUX(bio, NULL, NULL, NULL)) != NULL) {
		count += X509_STORE_add_cert(store->store, certificate) == 1;
		X509_free(certificate);
	}
	BIO_free(bio);
	if (tls_is_end_of_pem() && count > 0)
		return store;
	if (count == 0)
		(void)err_set(err_out, "trusted CAs: there is no certificate in the PEM text");
	else
		(void)err_set(
		    err_out, "trusted CAs: behind certificate %u: %s", count, tls_error_words());
	tls_store_release(store);
	return NULL;
}

struct tls_store *
tls_store_hold(struct tls_store *store)
{
	store->references++;
	return store;
}

void
tls_store_release(struct tls_store *store)
{
	if (store == NULL || --store->references > 0)
		return;
	X509_STORE_free(store->store);
	free(store);
}

/* ---- clients ---- */

static int
parse_fingerprint(const char *text, uint8_t out[static TLS_FINGERPRINT_SIZE])
{
	long size = 0;
	unsigned char *bytes = text != NULL ? OPENSSL_hexstr2buf(text, &size) : NULL;
	int is_good = bytes != NULL && size == TLS_FINGERPRINT_SIZE;

	if (is_good)
		memcpy(out, bytes, TLS_FINGERPRINT_SIZE);
	OPENSSL_free(bytes);
	ERR_clear_error();
	return is_good ? 0 : -1;
}

static int
use_verification(
    struct tls_context *context, const struct tls_client_settings *settings, struct err *err_out)
{
	context->verify = settings->verify;
	if (settings->verify == VERIFY_FINGERPRINT &&
	    parse_fingerprint(settings->fingerprint, context->fingerprint) != 0)
		return err_set(err_out, "fingerprint of the certificate: it is 64 hex digits "
					"(SHA-256), colons allowed");
	if (settings->verify == VERIFY_FINGERPRINT)
		SSL_CTX_set_cert_verify_callback(context->ssl, tls_verify_fingerprint, NULL);
	if (settings->verify != VERIFY_NAME)
		return 0;
	if (settings->store == NULL)
		return err_set(err_out, "there are no trusted CAs to verify certificates with");
	ensure(SSL_CTX_set1_verify_cert_store(context->ssl, settings->store->store) == 1);
	ensure(SSL_CTX_set_tlsext_status_type(context->ssl, TLSEXT_STATUSTYPE_ocsp) == 1);
	(void)SSL_CTX_set_tlsext_status_cb(context->ssl, tls_check_staple);
	return 0;
}

static int
use_pair(struct tls_context *context, const struct tls_pair *pair, struct err *err_out)
{
	if (pair == NULL)
		return 0;
	context->identities = tls_identities_new(pair, 1, err_out);
	if (context->identities == NULL)
		return -1;
	return tls_identities_use(context->identities, context->ssl, err_out);
}

struct tls_context *
tls_client_new(const struct tls_client_settings *settings, struct err *err_out)
{
	struct tls_context *context =
	    context_new(TLS_client_method(), settings->min_version, settings->max_version);

	if (settings->min_version < TLS_VERSION_1_2)
		SSL_CTX_set_options(context->ssl, SSL_OP_LEGACY_SERVER_CONNECT);

	if (use_verification(context, settings, err_out) == 0 &&
	    use_pair(context, settings->pair, err_out) == 0)
		return context;
	tls_release(context);
	return NULL;
}

struct tls_context *
tls_hold(struct tls_context *context)
{
	context->references++;
	return context;
}

void
tls_release(struct tls_context *context)
{
	if (context == NULL || --context->references > 0)
		return;
	SSL_CTX_free(context->ssl);
	tls_identities_free(context->identities);
	tls_tickets_release(context->tickets);
	free(context);
}
