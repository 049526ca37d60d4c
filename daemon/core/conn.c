/*
 * conn - makes connections, ends them, and is the owner's side of one: what it reads, writes and
 * sets. What happens between the socket and the owner is in conn_turn.c and conn_tls.c.
 */
#include "daemon/core/conn.h"

#include "common/err.h"
#include "common/format.h"
#include "common/netaddr.h"
#include "common/xalloc.h"
#include "daemon/core/conn_private.h"
#include "daemon/core/tls_session.h"

#include <errno.h>
#include <event2/buffer.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define COPY_SIZE 1024u /* a slice below this is copied */
#define HIGH_MARK_DEFAULT (256u * 1024)

void
conn_fail(struct conn *conn, enum conn_end end, const char *detail)
{
	if (conn->has_failed)
		return;
	conn->has_failed = true;
	conn->end = end;
	conn->detail = xstrdup(detail);
}

/* ---- addresses ---- */

static void
address_text(const struct sockaddr_storage *address, char text[static CONN_ADDRESS_TEXT_SIZE])
{
	char host[NETADDR_TEXT_SIZE];
	struct netaddr parsed;
	uint16_t port;

	if (!netaddr_from_sockaddr((const struct sockaddr *)address, &parsed, &port))
		(void)format_text(text, CONN_ADDRESS_TEXT_SIZE, "local");
	else
		(void)format_text(text, CONN_ADDRESS_TEXT_SIZE,
		    netaddr_is_ipv4(&parsed) ? "%s:%u" : "[%s]:%u", netaddr_format(&parsed, host),
		    port);
}

const char *
conn_peer_text(const struct conn *conn)
{
	return conn->peer_text;
}

const char *
conn_local_text(struct conn *conn)
{
	struct sockaddr_storage local = {0};
	socklen_t size = sizeof(local);

	(void)getsockname(conn->fd, (struct sockaddr *)&local, &size);
	address_text(&local, conn->local_text);
	return conn->local_text;
}

const struct sockaddr_storage *
conn_peer(const struct conn *conn)
{
	return &conn->peer;
}

/* ---- beginning ---- */

static struct conn *
conn_new(struct loop *loop, int fd, const struct conn_callbacks *callbacks, void *ctx)
{
	struct conn *conn = xcalloc(1, sizeof(*conn));

	conn->loop = loop;
	conn->fd = fd;
	conn->callbacks = callbacks;
	conn->ctx = ctx;
	conn->high_mark = HIGH_MARK_DEFAULT;
	conn->input = evbuffer_new();
	conn->wire_out = evbuffer_new();
	ensure(conn->input != NULL && conn->wire_out != NULL);
	conn_watch(conn);
	return conn;
}

/* Fails on sockets that are not TCP, which do without. */
static void
send_at_once(int fd)
{
	int on = 1;

	(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
}

struct conn *
conn_take(struct loop *loop, int fd, const struct sockaddr_storage *peer,
    const struct conn_callbacks *callbacks, void *ctx)
{
	struct conn *conn = conn_new(loop, fd, callbacks, ctx);

	conn->peer = *peer;
	address_text(&conn->peer, conn->peer_text);
	conn->state = STATE_OPEN;
	conn_arm_events(conn);
	return conn;
}

struct conn *
conn_open(struct loop *loop, int fd, const struct conn_callbacks *callbacks, void *ctx)
{
	struct sockaddr_storage peer = {0};
	socklen_t size = sizeof(peer);

	ensure(evutil_make_socket_nonblocking(fd) == 0);
	send_at_once(fd);
	(void)getpeername(fd, (struct sockaddr *)&peer, &size);
	return conn_take(loop, fd, &peer, callbacks, ctx);
}

static int
begin_connect(int fd, const struct sockaddr *address, socklen_t size)
{
	if (fd < 0)
		return errno;
	send_at_once(fd);
	if (connect(fd, address, size) == 0 || errno == EINPROGRESS)
		return 0;
	return errno;
}

struct conn *
conn_connect(struct loop *loop, const struct sockaddr *address, socklen_t size, int64_t deadline_ms,
    const struct conn_callbacks *callbacks, void *ctx)
{
	int fd = socket(address->sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	int error = begin_connect(fd, address, size);
	struct conn *conn = conn_new(loop, fd, callbacks, ctx);

	ensure(size <= sizeof(conn->peer));
	memcpy(&conn->peer, address, size);
	address_text(&conn->peer, conn->peer_text);
	conn->state = STATE_CONNECTING;
	if (error != 0) {
		conn_fail(conn, CONN_CONNECT_FAILED, strerror(error));
		conn_settle_later(conn);
		return conn;
	}
	timer_set(conn->deadline, deadline_ms);
	conn_arm_events(conn);
	return conn;
}

/* ---- the end ---- */

static void
free_buffer(struct evbuffer *buffer)
{
	if (buffer != NULL)
		evbuffer_free(buffer);
}

static void
conn_free(void *object)
{
	struct conn *conn = object;

	timer_free(conn->deadline);
	tls_session_free(conn->tls);
	free_buffer(conn->input);
	free_buffer(conn->wire_out);
	free_buffer(conn->wire_in);
	free_buffer(conn->output);
	free(conn->detail);
	free(conn);
}

void
conn_close(struct conn *conn)
{
	if (conn->state == STATE_CLOSED)
		return;
	conn->state = STATE_CLOSED;
	(void)event_del(&conn->readable);
	(void)event_del(&conn->writable);
	(void)event_del(&conn->work);
	timer_stop(conn->deadline);
	if (conn->fd >= 0)
		(void)close(conn->fd);
	conn->fd = -1;
	loop_free_later(conn->loop, conn_free, conn);
}

void
conn_finish(struct conn *conn, int64_t within_ms)
{
	if (conn_is_over(conn))
		return;
	if (conn->state == STATE_CONNECTING || conn->state == STATE_HANDSHAKE || conn->has_failed) {
		conn_close(conn);
		return;
	}
	conn->state = STATE_FINISHING;
	timer_set(conn->deadline, within_ms);
	conn_settle_later(conn);
}

void
conn_forgo_end(struct conn *conn)
{
	if (conn->state != STATE_FINISHING || conn->tls != NULL)
		return;
	conn->forgoes_end = true;
	conn_settle_later(conn);
}

/* ---- for the owner ---- */

void
conn_owe_no_ack(struct conn *conn)
{
	conn->owes_ack = false;
}

struct evbuffer *
conn_input(struct conn *conn)
{
	/* The owner drains it after this call: then reading may go on. */
	if (!conn->is_reading)
		conn_settle_later(conn);
	return conn->input;
}

void
conn_pause(struct conn *conn)
{
	conn->is_paused = true;
	conn_settle_later(conn);
}

void
conn_resume(struct conn *conn)
{
	conn->is_paused = false;
	conn->has_news = true;
	conn_settle_later(conn);
}

static struct evbuffer *
write_target(const struct conn *conn)
{
	return conn->output != NULL ? conn->output : conn->wire_out;
}

static void
note_write(struct conn *conn)
{
	conn->has_written = true;
	if (conn_waiting_bytes(conn) > conn->high_mark)
		conn->is_choked = true;
	conn_settle_later(conn);
}

void
conn_write(struct conn *conn, const void *bytes, size_t size)
{
	if (conn_is_over(conn) || size == 0)
		return;
	ensure(evbuffer_add(write_target(conn), bytes, size) == 0);
	note_write(conn);
}

static void
release_chunk(const void *bytes, size_t size, void *chunk)
{
	chunk_release(chunk);
}

void
conn_write_slice(struct conn *conn, const struct slice *slice)
{
	if (slice->size < COPY_SIZE || conn_is_over(conn)) {
		conn_write(conn, slice->size > 0 ? slice_bytes(slice) : NULL, slice->size);
		return;
	}
	ensure(evbuffer_add_reference(write_target(conn), slice_bytes(slice), slice->size,
		   release_chunk, chunk_hold(slice->chunk)) == 0);
	note_write(conn);
}

size_t
conn_waiting_bytes(const struct conn *conn)
{
	return evbuffer_get_length(conn->wire_out) +
	       (conn->output != NULL ? evbuffer_get_length(conn->output) : 0);
}

void
conn_set_marks(struct conn *conn, size_t low, size_t high)
{
	ensure(low <= high);
	conn->low_mark = low;
	conn->high_mark = high;
}

void
conn_hear_out(struct conn *conn)
{
	conn->hears_out = true;
	conn_settle_later(conn);
}

void
conn_set_deadline(struct conn *conn, int64_t after_ms)
{
	if (conn_is_over(conn))
		return;
	if (after_ms > 0)
		timer_set(conn->deadline, after_ms);
	else
		timer_stop(conn->deadline);
}
