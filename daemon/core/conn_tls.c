/*
 * conn_tls - TLS as a filter of a connection: it begins behind what was written in clear, shakes
 * hands, and from then on stands between the wire's buffers and the owner's
 */
#include "common/err.h"
#include "daemon/core/conn_private.h"
#include "daemon/core/tls_session.h"

#include <event2/buffer.h>

#define WIRE_LIMIT (128u * 1024) /* no more is encrypted ahead */

static void
fail_with_tls(struct conn *conn)
{
	conn_fail(conn, tls_session_end(conn->tls), tls_session_words(conn->tls));
}

/* ---- the filter ---- */

static void
decrypt(struct conn *conn)
{
	size_t before = evbuffer_get_length(conn->input);

	switch (tls_session_decrypt(conn->tls, conn->input)) {
	case TLS_STEP_CLOSED:
		conn->is_at_end = true;
		break;
	case TLS_STEP_FAILED:
		fail_with_tls(conn);
		break;
	default:
		break;
	}
	conn->has_news |= evbuffer_get_length(conn->input) > before;
}

static void
shake_hands(struct conn *conn)
{
	switch (tls_session_handshake(conn->tls)) {
	case TLS_STEP_DONE:
		conn->state = STATE_SECURE;
		if (conn->callbacks->on_secured != NULL)
			conn->callbacks->on_secured(conn, conn->ctx);
		break;
	case TLS_STEP_WAITS:
		if (conn->is_at_end)
			conn_fail(conn, CONN_TLS_LEFT,
			    "the peer closed the connection during the TLS handshake");
		break;
	case TLS_STEP_CLOSED:
		conn->is_at_end = true;
		break;
	case TLS_STEP_FAILED:
		fail_with_tls(conn);
		break;
	}
}

void
conn_filter_input(struct conn *conn)
{
	if (conn->state == STATE_HANDSHAKE && !conn->has_failed)
		shake_hands(conn);
	if (conn->state == STATE_SECURE && !conn->has_failed)
		decrypt(conn);
}

void
conn_filter_output(struct conn *conn)
{
	bool is_secure =
	    conn->state == STATE_SECURE || (conn->state == STATE_FINISHING && conn->tls != NULL);

	if (is_secure && !conn->has_failed &&
	    tls_session_encrypt(conn->tls, conn->output, WIRE_LIMIT) == TLS_STEP_FAILED)
		fail_with_tls(conn);
}

/* ---- for the owner ---- */

/* What waits in wire_out was written in clear and leaves before the handshake. */
static void
start_tls(struct conn *conn, struct tls_session *session)
{
	conn->tls = session;
	conn->output = evbuffer_new();
	ensure(conn->output != NULL);
	conn->state = STATE_HANDSHAKE;
	/* Also from inside a callback: the handshake begins behind it. */
	event_active(&conn->work, EV_TIMEOUT, 0);
}

static bool
prepare_tls(struct conn *conn)
{
	if (conn_is_over(conn))
		return false;
	ensure(conn->state == STATE_OPEN);
	conn->wire_in = evbuffer_new();
	ensure(conn->wire_in != NULL);
	ensure(evbuffer_add_buffer(conn->wire_in, conn->input) == 0);
	return true;
}

void
conn_start_tls_server(struct conn *conn, struct tls_context *context)
{
	if (prepare_tls(conn))
		start_tls(conn, tls_session_new_server(context, conn->wire_in, conn->wire_out));
}

void
conn_start_tls_client(struct conn *conn, struct tls_context *context, const char *server_name)
{
	if (prepare_tls(conn))
		start_tls(conn,
		    tls_session_new_client(context, server_name, conn->wire_in, conn->wire_out));
}

bool
conn_has_tls(const struct conn *conn)
{
	return conn->tls != NULL && conn->state != STATE_HANDSHAKE;
}

const char *
conn_tls_version(const struct conn *conn)
{
	return conn_has_tls(conn) ? tls_session_version(conn->tls) : "";
}

bool
conn_has_old_tls(const struct conn *conn)
{
	return conn_has_tls(conn) && tls_session_is_old(conn->tls);
}

const char *
conn_tls_cipher(const struct conn *conn)
{
	return conn_has_tls(conn) ? tls_session_cipher(conn->tls) : "";
}

const char *
conn_tls_refused_fingerprint(const struct conn *conn)
{
	return conn->tls != NULL ? tls_session_fingerprint(conn->tls) : "";
}

bool
conn_tls_binding(const struct conn *conn, struct tls_binding *binding_out)
{
	return conn_has_tls(conn) && tls_session_binding(conn->tls, binding_out);
}
