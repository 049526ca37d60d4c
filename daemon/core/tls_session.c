/*
 * tls_session - OpenSSL between two buffers: a BIO that reads wire_in and appends to wire_out, the
 * verification of the peer, and words for what went wrong.
 */
#include "daemon/core/tls_session.h"

#include "common/err.h"
#include "common/xalloc.h"
#include "daemon/core/tls_private.h"

#include <arpa/inet.h>
#include <event2/buffer.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define RECORD_SIZE 16384 /* plain text of one TLS record (RFC 8446 5.1) */

struct tls_session {
	SSL *ssl;
	struct tls_context *context;
	struct evbuffer *wire_in, *wire_out; /* borrowed */
	enum conn_end end;
	bool has_failed;
	char *name;                                  /* of the server, for a client */
	char *words;                                 /* allocated when there is something to say */
	char fingerprint[TLS_FINGERPRINT_TEXT_SIZE]; /* of a certificate that was not accepted */
};

static int
wire_write(BIO *bio, const char *bytes, size_t size, size_t *written_out)
{
	struct tls_session *session = BIO_get_data(bio);

	ensure(evbuffer_add(session->wire_out, bytes, size) == 0);
	*written_out = size;
	return 1;
}

static int
wire_read(BIO *bio, char *bytes, size_t size, size_t *read_out)
{
	struct tls_session *session = BIO_get_data(bio);
	int moved = evbuffer_remove(session->wire_in, bytes, size);

	BIO_clear_retry_flags(bio);
	*read_out = moved > 0 ? (size_t)moved : 0;
	if (moved > 0)
		return 1;
	BIO_set_retry_read(bio);
	return 0;
}

static long
wire_control(BIO *bio, int command, long number, void *pointer)
{
	return command == BIO_CTRL_FLUSH;
}

static const BIO_METHOD *
wire_method(void)
{
	static BIO_METHOD *method;

	if (method != NULL)
		return method;
	method = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "wire buffers");
	ensure(method != NULL);
	(void)BIO_meth_set_write_ex(method, wire_write);
	(void)BIO_meth_set_read_ex(method, wire_read);
	(void)BIO_meth_set_ctrl(method, wire_control);
	return method;
}

static void __attribute__((format(printf, 3, 4)))
fail(struct tls_session *session, enum conn_end end, const char *format, ...)
{
	struct err text;
	va_list arguments;

	session->has_failed = true;
	if (session->words != NULL)
		return; /* the verification has said it better */
	va_start(arguments, format);
	(void)vsnprintf(text.text, sizeof(text.text), format, arguments);
	va_end(arguments);
	session->end = end;
	session->words = xstrdup(text.text);
}

static void
say_what_is_bad(struct tls_session *session, X509_STORE_CTX *store)
{
	struct err words;

	tls_certificate_words(X509_STORE_CTX_get_error(store),
	    X509_STORE_CTX_get_error_depth(store), X509_STORE_CTX_get_current_cert(store),
	    session->name, &words);
	tls_fingerprint_text(X509_STORE_CTX_get0_cert(store), session->fingerprint);
	fail(session, CONN_CERTIFICATE_BAD, "%s", words.text);
}

static int
on_verify(int is_good, X509_STORE_CTX *store)
{
	SSL *ssl = X509_STORE_CTX_get_ex_data(store, SSL_get_ex_data_X509_STORE_CTX_idx());

	if (!is_good)
		say_what_is_bad(SSL_get_app_data(ssl), store);
	return is_good;
}

/* Takes the place of OpenSSL's verification: when the certificate itself is pinned, neither its
 * chain nor its dates matter. */
int
tls_verify_fingerprint(X509_STORE_CTX *store, void *unused)
{
	SSL *ssl = X509_STORE_CTX_get_ex_data(store, SSL_get_ex_data_X509_STORE_CTX_idx());
	struct tls_session *session = SSL_get_app_data(ssl);
	uint8_t digest[EVP_MAX_MD_SIZE];
	unsigned size = 0;

	ensure(X509_digest(X509_STORE_CTX_get0_cert(store), EVP_sha256(), digest, &size) == 1);
	if (memcmp(digest, session->context->fingerprint, TLS_FINGERPRINT_SIZE) == 0)
		return 1;
	tls_fingerprint_text(X509_STORE_CTX_get0_cert(store), session->fingerprint);
	X509_STORE_CTX_set_error(store, X509_V_ERR_CERT_REJECTED);
	fail(session, CONN_CERTIFICATE_BAD, "the certificate has another fingerprint: %s",
	    session->fingerprint);
	return 0;
}

/* Called behind the verification, also for a server that shows nothing. */
int
tls_check_staple(SSL *ssl, void *unused)
{
	struct tls_session *session = SSL_get_app_data(ssl);
	struct err words;

	if (!tls_staple_is_revoked(ssl, &words))
		return 1;
	tls_fingerprint_text(SSL_get0_peer_certificate(ssl), session->fingerprint);
	fail(session, CONN_CERTIFICATE_BAD, "%s", words.text);
	return 0;
}

static struct tls_session *
session_new(struct tls_context *context, struct evbuffer *wire_in, struct evbuffer *wire_out)
{
	struct tls_session *session = xcalloc(1, sizeof(*session));
	BIO *bio = BIO_new(wire_method());

	ensure(bio != NULL);
	session->context = tls_hold(context);
	session->wire_in = wire_in;
	session->wire_out = wire_out;
	session->ssl = SSL_new(context->ssl);
	ensure(session->ssl != NULL);
	BIO_set_data(bio, session);
	BIO_set_init(bio, 1);
	SSL_set_bio(session->ssl, bio, bio);
	(void)SSL_set_app_data(session->ssl, session);
	return session;
}

struct tls_session *
tls_session_new_server(
    struct tls_context *context, struct evbuffer *wire_in, struct evbuffer *wire_out)
{
	struct tls_session *session = session_new(context, wire_in, wire_out);

	SSL_set_accept_state(session->ssl);
	return session;
}

static bool
is_address(const char *name)
{
	struct in6_addr address;

	return inet_pton(AF_INET, name, &address) == 1 || inet_pton(AF_INET6, name, &address) == 1;
}

static void
verify_name(struct tls_session *session)
{
	X509_VERIFY_PARAM *wanted = SSL_get0_param(session->ssl);

	SSL_set_verify(session->ssl, SSL_VERIFY_PEER, on_verify);
	X509_VERIFY_PARAM_set_hostflags(wanted, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
	if (is_address(session->name))
		ensure(X509_VERIFY_PARAM_set1_ip_asc(wanted, session->name) == 1);
	else if (X509_VERIFY_PARAM_set1_host(wanted, session->name, 0) != 1)
		fail(session, CONN_TLS_FAILED, "%s is no name of a server", session->name);
}

struct tls_session *
tls_session_new_client(struct tls_context *context, const char *name, struct evbuffer *wire_in,
    struct evbuffer *wire_out)
{
	struct tls_session *session = session_new(context, wire_in, wire_out);
	size_t size = strlen(name);

	if (size > 0 && name[size - 1] == '.')
		size--;
	session->name = xstrndup(name, size);
	SSL_set_connect_state(session->ssl);
	if (size > 0 && !is_address(session->name))
		(void)SSL_set_tlsext_host_name(session->ssl, session->name);
	if (context->verify == VERIFY_NAME)
		verify_name(session);
	else if (context->verify == VERIFY_FINGERPRINT)
		SSL_set_verify(session->ssl, SSL_VERIFY_PEER, NULL);
	return session;
}

void
tls_session_free(struct tls_session *session)
{
	if (session == NULL)
		return;
	SSL_free(session->ssl);
	tls_release(session->context);
	free(session->name);
	free(session->words);
	free(session);
	ERR_clear_error();
}

static bool
is_about_our_certificate(int reason)
{
	switch (reason) {
	case SSL_R_SSLV3_ALERT_BAD_CERTIFICATE:
	case SSL_R_SSLV3_ALERT_UNSUPPORTED_CERTIFICATE:
	case SSL_R_SSLV3_ALERT_CERTIFICATE_REVOKED:
	case SSL_R_SSLV3_ALERT_CERTIFICATE_EXPIRED:
	case SSL_R_SSLV3_ALERT_CERTIFICATE_UNKNOWN:
	case SSL_R_TLSV1_ALERT_UNKNOWN_CA:
		return true;
	default:
		return false;
	}
}

static void
fail_from_queue(struct tls_session *session)
{
	unsigned long code = ERR_peek_error();
	int reason = ERR_GET_LIB(code) == ERR_LIB_SSL ? ERR_GET_REASON(code) : 0;

	if (is_about_our_certificate(reason))
		fail(session, CONN_CERTIFICATE_REJECTED,
		    "the peer does not accept our certificate (%s)", tls_error_words());
	else if (reason == SSL_R_WRONG_VERSION_NUMBER || reason == SSL_R_HTTP_REQUEST)
		fail(session, CONN_TLS_FAILED, "the peer speaks no TLS here (%s)",
		    tls_error_words());
	else
		fail(session, CONN_TLS_FAILED, "TLS failed: %s", tls_error_words());
	ERR_clear_error();
}

static enum tls_step
judge(struct tls_session *session, int result)
{
	switch (SSL_get_error(session->ssl, result)) {
	case SSL_ERROR_NONE:
		return TLS_STEP_DONE;
	case SSL_ERROR_WANT_READ:
	case SSL_ERROR_WANT_WRITE:
		return TLS_STEP_WAITS;
	case SSL_ERROR_ZERO_RETURN:
		return TLS_STEP_CLOSED;
	default:
		fail_from_queue(session);
		return TLS_STEP_FAILED;
	}
}

enum tls_step
tls_session_handshake(struct tls_session *session)
{
	if (session->has_failed)
		return TLS_STEP_FAILED;
	ERR_clear_error();
	return judge(session, SSL_do_handshake(session->ssl));
}

/* Reads until OpenSSL says that there is no more: only then it frees its buffer. */
enum tls_step
tls_session_decrypt(struct tls_session *session, struct evbuffer *input)
{
	char record[RECORD_SIZE];
	enum tls_step step;
	size_t size;

	if (evbuffer_get_length(session->wire_in) == 0)
		return TLS_STEP_WAITS;
	ERR_clear_error();
	for (;;) {
		step = judge(session, SSL_read_ex(session->ssl, record, sizeof(record), &size));
		if (step != TLS_STEP_DONE)
			return step;
		ensure(evbuffer_add(input, record, size) == 0);
	}
}

enum tls_step
tls_session_encrypt(struct tls_session *session, struct evbuffer *output, size_t limit_bytes)
{
	size_t size, written;

	ERR_clear_error();
	while ((size = evbuffer_get_length(output)) > 0 &&
	       evbuffer_get_length(session->wire_out) < limit_bytes) {
		int result;

		if (size > RECORD_SIZE)
			size = RECORD_SIZE;
		result = SSL_write_ex(
		    session->ssl, evbuffer_pullup(output, (ssize_t)size), size, &written);
		if (result != 1)
			return judge(session, result);
		(void)evbuffer_drain(output, written);
	}
	return TLS_STEP_DONE;
}

void
tls_session_shut_down(struct tls_session *session)
{
	/* OpenSSL forbids it after an error and in the middle of a handshake. */
	if (!session->has_failed && SSL_is_init_finished(session->ssl))
		(void)SSL_shutdown(session->ssl);
	ERR_clear_error();
}

enum conn_end
tls_session_end(const struct tls_session *session)
{
	return session->end;
}

const char *
tls_session_words(const struct tls_session *session)
{
	return session->words != NULL ? session->words : "";
}

const char *
tls_session_fingerprint(const struct tls_session *session)
{
	return session->fingerprint;
}

const char *
tls_session_version(const struct tls_session *session)
{
	return SSL_get_version(session->ssl);
}

bool
tls_session_is_old(const struct tls_session *session)
{
	return SSL_version(session->ssl) < TLS1_2_VERSION;
}

const char *
tls_session_cipher(const struct tls_session *session)
{
	return SSL_get_cipher_name(session->ssl);
}

/* Without a context, as GnuTLS and Cyrus SASL have it; in TLS 1.3 an empty one is the same. */
static bool export(
    const struct tls_session *session, uint8_t exporter_out[static TLS_EXPORTER_SIZE])
{
	static const char label[] = "EXPORTER-Channel-Binding";
	bool is_done = SSL_export_keying_material(session->ssl, exporter_out, TLS_EXPORTER_SIZE,
			   label, sizeof(label) - 1, NULL, 0, 0) == 1;

	ERR_clear_error();
	return is_done;
}

/* The first Finished of the handshake: the client's, or of a session that was resumed the
 * server's (RFC 5929 3.1). There is no renegotiation. */
static uint32_t
finished(const struct tls_session *session, uint8_t unique_out[static TLS_UNIQUE_MAX])
{
	bool is_ours = SSL_is_server(session->ssl) == SSL_session_reused(session->ssl);
	size_t size = is_ours ? SSL_get_finished(session->ssl, unique_out, TLS_UNIQUE_MAX)
			      : SSL_get_peer_finished(session->ssl, unique_out, TLS_UNIQUE_MAX);

	return size <= TLS_UNIQUE_MAX ? (uint32_t)size : 0;
}

bool
tls_session_binding(const struct tls_session *session, struct tls_binding *binding_out)
{
	*binding_out = (struct tls_binding){0};
	if (SSL_version(session->ssl) < TLS1_3_VERSION) {
		if (SSL_get_extms_support(session->ssl) != 1)
			return false;
		binding_out->unique_size = finished(session, binding_out->unique);
	}
	return export(session, binding_out->exporter);
}
