/*
 * tls_session - one TLS connection as a filter between buffers, without a socket
 *
 * Owns     the OpenSSL session; borrows both wire buffers until tls_session_free()
 * Context  loop
 * Fails    TLS_STEP_FAILED, once; tls_session_end() and tls_session_words() say how
 *
 * What came from the socket stands in `wire_in`; what is to be sent is appended to `wire_out`,
 * also alerts of a step that failed. So no step ever waits for a socket to become writable.
 */
#ifndef POSTERN_CORE_TLS_SESSION_H
#define POSTERN_CORE_TLS_SESSION_H

#include "daemon/core/conn.h"
#include "daemon/core/tls.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct evbuffer;
struct tls_session;

enum tls_step {
	TLS_STEP_DONE,   /* the handshake is complete; all there was has been encrypted */
	TLS_STEP_WAITS,  /* needs more bytes in wire_in */
	TLS_STEP_CLOSED, /* the peer sent close_notify */
	TLS_STEP_FAILED
};

struct tls_session *tls_session_new_server(
    struct tls_context *context, struct evbuffer *wire_in, struct evbuffer *wire_out);
/* `name` as conn_start_tls_client() has it; a final dot is left out. */
struct tls_session *tls_session_new_client(struct tls_context *context, const char *name,
    struct evbuffer *wire_in, struct evbuffer *wire_out);
void tls_session_free(struct tls_session *session); /* NULL is allowed */

enum tls_step tls_session_handshake(struct tls_session *session);
/* Moves what can be decrypted to the end of `input`. */
enum tls_step tls_session_decrypt(struct tls_session *session, struct evbuffer *input);
/* Moves `output` into wire_out until that holds `limit_bytes` or more. */
enum tls_step tls_session_encrypt(
    struct tls_session *session, struct evbuffer *output, size_t limit_bytes);
/* Appends the close_notify to wire_out, once. */
void tls_session_shut_down(struct tls_session *session);

/* Of the step that failed. */
enum conn_end tls_session_end(const struct tls_session *session);
const char *tls_session_words(const struct tls_session *session);
/* Of the certificate that was not accepted (SHA-256, hex); "": it was not that. */
const char *tls_session_fingerprint(const struct tls_session *session);

const char *tls_session_version(const struct tls_session *session);
bool tls_session_is_old(const struct tls_session *session); /* below TLS 1.2 */
const char *tls_session_cipher(const struct tls_session *session);
/* Of a session that is secured; false if it has none that is safe: before TLS 1.3 that takes the
 * extended master secret (RFC 7627). */
bool tls_session_binding(const struct tls_session *session, struct tls_binding *binding_out);

#endif
