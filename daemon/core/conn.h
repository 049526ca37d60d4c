/*
 * conn - a byte connection on a non-blocking socket, plain or TLS, for both automata
 *
 * Owns     the socket, the buffers and the TLS session
 * Context  loop; callbacks never run inside the call that caused them, except on_input's own turn
 * Units    milliseconds, bytes
 * Fails    whatever ends the connection reaches on_closed once, with a reason and words
 *
 * Reads at most 64 KiB a turn into one buffer and hands it over; stops reading while the input
 * waits above its limit or the output above its high mark. Writes at once, and arms EV_WRITE only
 * for the rest; what one turn writes leaves in one piece (replies in one segment). TCP_NODELAY is
 * on.
 */
#ifndef POSTERN_CORE_CONN_H
#define POSTERN_CORE_CONN_H

#include "common/chunk.h"
#include "common/err.h"
#include "daemon/core/tls.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

struct conn;
struct evbuffer;
struct loop;

enum conn_end {
	CONN_PEER_CLOSED,          /* the peer closed or reset the connection */
	CONN_TIMEOUT,              /* the deadline passed */
	CONN_TLS_FAILED,           /* the handshake failed; the text says how */
	CONN_TLS_LEFT,             /* the peer closed or reset the connection in the handshake */
	CONN_CERTIFICATE_REJECTED, /* the peer did not accept our certificate (an alert said so) */
	CONN_CERTIFICATE_BAD,      /* we did not accept the peer's */
	CONN_CONNECT_FAILED,
	CONN_BROKEN /* any other error of the socket */
};

struct conn_callbacks {
	/* There are new bytes in conn_input(); what is not drained stays there and counts. */
	void (*on_input)(struct conn *conn, void *ctx);
	/* conn_connect() succeeded. */
	void (*on_connected)(struct conn *conn, void *ctx);
	/* The TLS handshake is done. */
	void (*on_secured)(struct conn *conn, void *ctx);
	/* The output fell below the low mark after it was above it, or is empty now. */
	void (*on_drained)(struct conn *conn, void *ctx);
	/* The last callback; the conn is freed after it has returned. After CONN_TIMEOUT it may
	 * write a last reply, which leaves as far as the socket takes it. */
	void (*on_closed)(struct conn *conn, enum conn_end end, const char *detail, void *ctx);
};

/* Takes a connected socket. Reading starts at once. */
struct conn *conn_open(
    struct loop *loop, int fd, const struct conn_callbacks *callbacks, void *ctx);
/* The same for one that accept4() gave from `peer`, non-blocking and with its listening socket's
 * TCP_NODELAY: so nothing has to be asked or set. */
struct conn *conn_take(struct loop *loop, int fd, const struct sockaddr_storage *peer,
    const struct conn_callbacks *callbacks, void *ctx);
/* Connects within `deadline_ms`; the socket is made here. `source` may be NULL. */
struct conn *conn_connect(struct loop *loop, const struct sockaddr *address, socklen_t size,
    int64_t deadline_ms, const struct conn_callbacks *callbacks, void *ctx);

/* Ends it now, without on_closed; freed in a later turn. */
void conn_close(struct conn *conn);
/* Ends it once the output is written (with a TLS close_notify) or `within_ms` has passed; input
 * is thrown away, and there is no callback any more. */
void conn_finish(struct conn *conn, int64_t within_ms);
/* After conn_finish(): the peer has said its last word, so in clear its end needn't be waited for. */
void conn_forgo_end(struct conn *conn);

/* The bytes that were read. Drain what was understood. */
struct evbuffer *conn_input(struct conn *conn);
/* What was read last is a whole answer, behind which the peer waits for us: it needs no
 * acknowledgement of its own. */
void conn_owe_no_ack(struct conn *conn);
void conn_pause(struct conn *conn);  /* no on_input until conn_resume() */
void conn_resume(struct conn *conn); /* on_input again, also for bytes that wait already */

void conn_write(struct conn *conn, const void *bytes, size_t size);
void conn_write_slice(struct conn *conn, const struct slice *slice); /* no copy while plain */
size_t conn_waiting_bytes(const struct conn *conn);
/* Marks for on_drained; default 0 and 256 KiB. Above the high mark reading stops as well. */
void conn_set_marks(struct conn *conn, size_t low, size_t high);

/* The peer may have its last word while it is written to, and close: so it is read from also above the high
 * mark; and when it takes nothing more, what it had said comes to on_input before on_closed. */
void conn_hear_out(struct conn *conn);

/* The connection ends with CONN_TIMEOUT after so long without being set again; 0: never. */
void conn_set_deadline(struct conn *conn, int64_t after_ms);

/* Begins TLS behind what was written before. Bytes that are in the input are taken for the peer's
 * handshake (a listener that tells TLS from SMTP by the first byte needs that); behind STARTTLS
 * they are an attack (RFC 3207, they came in clear): the caller looks before. `server_name`
 * (client): for SNI and, with VERIFY_NAME, the name to verify. */
void conn_start_tls_server(struct conn *conn, struct tls_context *context);
void conn_start_tls_client(struct conn *conn, struct tls_context *context, const char *server_name);

bool conn_has_tls(const struct conn *conn);
/* `TLSv1.3`, or "" in clear. */
const char *conn_tls_version(const struct conn *conn);
/* Below TLS 1.2. */
bool conn_has_old_tls(const struct conn *conn);
const char *conn_tls_cipher(const struct conn *conn);
/* Of the peer's certificate that we did not accept, SHA-256 in hex; also in on_closed. "": none. */
const char *conn_tls_refused_fingerprint(const struct conn *conn);
/* The channel bindings of what is on; false if there are none that are safe. */
bool conn_tls_binding(const struct conn *conn, struct tls_binding *binding_out);

/* "192.0.2.1:587", "[2001:db8::1]:587" */
const char *conn_peer_text(const struct conn *conn);
/* Looked up when it is asked for. */
const char *conn_local_text(struct conn *conn);
const struct sockaddr_storage *conn_peer(const struct conn *conn);

#endif
