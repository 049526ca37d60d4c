/*
 * conn - own I/O on libevent events: what the socket has is read into one buffer, TLS is a filter
 * behind it, and everything that happened in a turn is settled in one place, conn_settle(): input
 * is handed over, output leaves, the end is told.
 *
 * Buffers:	socket → (wire_in → decrypt) → input → the owner
 *		the owner → (output → encrypt) → wire_out → socket
 * In clear what is written goes into wire_out directly. Empty buffers hold no memory.
 */
#include "daemon/core/conn.h"

#include "common/err.h"
#include "common/xalloc.h"
#include "daemon/core/loop.h"
#include "daemon/core/tls_session.h"

#include <arpa/inet.h>
#include <errno.h>
#include <event2/buffer.h>
#include <event2/event.h>
#include <event2/event_struct.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

#define READ_SIZE (64u * 1024)      /* at most so much a turn, so that all get theirs */
#define HAND_OVER_SIZE (16u * 1024) /* from here on a read is not copied */
#define COPY_SIZE 1024u             /* a slice below this is copied */
#define INPUT_LIMIT (64u * 1024)    /* reading stops while so much input waits */
#define WIRE_LIMIT (128u * 1024)    /* no more is encrypted ahead */
#define HIGH_MARK_DEFAULT (256u * 1024)
#define WRITE_VECTORS 32
#define ADDRESS_TEXT_SIZE 64

enum conn_state {
	STATE_CONNECTING,
	STATE_OPEN,
	STATE_HANDSHAKE,
	STATE_SECURE,
	STATE_FINISHING, /* conn_finish(): no callbacks any more */
	STATE_CLOSED
};

struct conn {
	struct loop *loop;
	int fd;
	enum conn_state state;
	struct event readable, writable;
	struct event work; /* made active to settle later in this turn */
	struct timer *deadline;
	const struct conn_callbacks *callbacks;
	void *ctx;

	struct evbuffer *input, *wire_out;
	struct evbuffer *wire_in, *output; /* with TLS only */
	struct tls_session *tls;
	size_t low_mark, high_mark;

	bool is_settling;
	bool is_reading, is_awaiting_write; /* which events are armed */
	bool is_paused;
	bool is_choked;   /* the output went above the high mark */
	bool has_news;    /* on_input is due */
	bool has_written; /* on_drained is due once the output is empty */
	bool is_at_end;   /* the peer sends no more; told when the owner is not paused */
	bool has_failed;  /* `end` and `detail` are set; told at once */
	bool is_shut;     /* finishing: all is written, what the peer still sends is thrown away */
	enum conn_end end;
	char *detail;

	struct sockaddr_storage peer;
	char peer_text[ADDRESS_TEXT_SIZE], local_text[ADDRESS_TEXT_SIZE];
};

static void
conn_fail(struct conn *conn, enum conn_end end, const char *detail)
{
	if (conn->has_failed)
		return;
	conn->has_failed = true;
	conn->end = end;
	conn->detail = xstrdup(detail);
}

static void
fail_with_errno(struct conn *conn, int error)
{
	bool is_gone = error == ECONNRESET || error == EPIPE || error == ENOTCONN;

	conn_fail(conn, is_gone ? CONN_PEER_CLOSED : CONN_BROKEN, strerror(error));
}

static void
fail_with_tls(struct conn *conn)
{
	conn_fail(conn, tls_session_end(conn->tls), tls_session_words(conn->tls));
}

/* Settles later in this turn, unless that is going on anyway. */
static void
settle_later(struct conn *conn)
{
	if (!conn->is_settling && conn->state != STATE_CLOSED)
		event_active(&conn->work, EV_TIMEOUT, 0);
}

/* ---- addresses ---- */

static void
address_text(const struct sockaddr_storage *address, char text[static ADDRESS_TEXT_SIZE])
{
	char host[INET6_ADDRSTRLEN];
	const struct sockaddr_in *v4 = (const void *)address;
	const struct sockaddr_in6 *v6 = (const void *)address;

	if (address->ss_family == AF_INET &&
	    inet_ntop(AF_INET, &v4->sin_addr, host, sizeof(host)) != NULL)
		(void)snprintf(text, ADDRESS_TEXT_SIZE, "%s:%d", host, ntohs(v4->sin_port));
	else if (address->ss_family == AF_INET6 && IN6_IS_ADDR_V4MAPPED(&v6->sin6_addr) &&
		 inet_ntop(AF_INET, &v6->sin6_addr.s6_addr[12], host, sizeof(host)) != NULL)
		(void)snprintf(text, ADDRESS_TEXT_SIZE, "%s:%d", host, ntohs(v6->sin6_port));
	else if (address->ss_family == AF_INET6 &&
		 inet_ntop(AF_INET6, &v6->sin6_addr, host, sizeof(host)) != NULL)
		(void)snprintf(text, ADDRESS_TEXT_SIZE, "[%s]:%d", host, ntohs(v6->sin6_port));
	else
		(void)snprintf(text, ADDRESS_TEXT_SIZE, "local");
}

static void
note_local(struct conn *conn)
{
	struct sockaddr_storage local = {0};
	socklen_t size = sizeof(local);

	(void)getsockname(conn->fd, (struct sockaddr *)&local, &size);
	address_text(&local, conn->local_text);
}

/* ---- reading ---- */

static struct evbuffer *
read_target(const struct conn *conn)
{
	return conn->wire_in != NULL ? conn->wire_in : conn->input;
}

static void
free_block(const void *bytes, size_t size, void *block)
{
	free(block);
}

/* A long read is handed over with its block, a short one is copied out of it: so an idle
 * connection with half a line holds little. */
static void
take_read(struct evbuffer *target, char **block, size_t size)
{
	if (size < HAND_OVER_SIZE) {
		ensure(evbuffer_add(target, *block, size) == 0);
		return;
	}
	ensure(evbuffer_add_reference(target, *block, size, free_block, *block) == 0);
	*block = NULL;
}

static void
read_socket(struct conn *conn)
{
	static char *block; /* one for all: nothing stays in it between two reads */
	ssize_t size;

	if (block == NULL)
		block = xmalloc(READ_SIZE);
	size = read(conn->fd, block, READ_SIZE);
	if (size > 0 && conn->state == STATE_FINISHING)
		return;
	if (size > 0) {
		take_read(read_target(conn), &block, (size_t)size);
		conn->has_news |= conn->tls == NULL;
	} else if (size == 0) {
		conn->is_at_end = true;
	} else if (errno != EAGAIN && errno != EINTR) {
		fail_with_errno(conn, errno);
	}
}

/* ---- TLS ---- */

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
			conn_fail(conn, CONN_TLS_FAILED,
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

static void
filter_input(struct conn *conn)
{
	if (conn->state == STATE_HANDSHAKE && !conn->has_failed)
		shake_hands(conn);
	if (conn->state == STATE_SECURE && !conn->has_failed)
		decrypt(conn);
}

static void
filter_output(struct conn *conn)
{
	bool is_secure =
	    conn->state == STATE_SECURE || (conn->state == STATE_FINISHING && conn->tls != NULL);

	if (is_secure && !conn->has_failed &&
	    tls_session_encrypt(conn->tls, conn->output, WIRE_LIMIT) == TLS_STEP_FAILED)
		fail_with_tls(conn);
}

/* ---- writing ---- */

/* sendmsg() rather than writev(): no SIGPIPE, whatever the process does about it. */
static void
write_socket(struct conn *conn)
{
	struct evbuffer_iovec parts[WRITE_VECTORS];
	struct msghdr message = {.msg_iov = (struct iovec *)parts};
	int count = evbuffer_peek(conn->wire_out, -1, NULL, parts, WRITE_VECTORS);
	ssize_t size;

	message.msg_iovlen = count < WRITE_VECTORS ? (size_t)count : WRITE_VECTORS;
	size = sendmsg(conn->fd, &message, MSG_NOSIGNAL);
	if (size > 0)
		(void)evbuffer_drain(conn->wire_out, (size_t)size);
	else if (size < 0 && errno != EAGAIN && errno != EINTR)
		fail_with_errno(conn, errno);
}

static void
flush(struct conn *conn)
{
	if (conn->state == STATE_CONNECTING)
		return;
	filter_output(conn);
	/* Also after a failure of TLS: the alert is to leave. */
	if (evbuffer_get_length(conn->wire_out) > 0)
		write_socket(conn);
	if (conn->is_choked && conn_waiting_bytes(conn) <= conn->low_mark) {
		conn->is_choked = false;
		conn->has_written = true;
	}
}

static bool
is_drained(const struct conn *conn)
{
	return conn->has_written && !conn->is_choked && conn_waiting_bytes(conn) <= conn->low_mark;
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

/* After a timeout, what the last callback wrote (a 421, say) goes as far as the socket takes it. */
static void
tell_end(struct conn *conn)
{
	conn->callbacks->on_closed(conn, conn->end, conn->detail, conn->ctx);
	if (conn->end == CONN_TIMEOUT && conn->state != STATE_CLOSED) {
		conn->has_failed = false;
		flush(conn);
	}
	conn_close(conn);
}

/* ---- one turn ---- */

static bool
wants_to_read(const struct conn *conn)
{
	switch (conn->state) {
	case STATE_OPEN:
	case STATE_SECURE:
		return !conn->is_at_end && !conn->is_paused && !conn->is_choked &&
		       evbuffer_get_length(conn->input) < INPUT_LIMIT;
	case STATE_HANDSHAKE:
	case STATE_FINISHING:
		return !conn->is_at_end;
	default:
		return false;
	}
}

static void
arm(struct event *event, bool *is_armed, bool is_wanted)
{
	if (*is_armed == is_wanted)
		return;
	*is_armed = is_wanted;
	if (is_wanted)
		(void)event_add(event, NULL);
	else
		(void)event_del(event);
}

static void
arm_events(struct conn *conn)
{
	arm(&conn->readable, &conn->is_reading, wants_to_read(conn));
	arm(&conn->writable, &conn->is_awaiting_write,
	    conn->state == STATE_CONNECTING || conn_waiting_bytes(conn) > 0);
}

/* Closing with input unread would reset the connection, and the peer might lose the last reply: so
 * only this direction is shut, and the peer closes. */
static void
say_goodbye(struct conn *conn)
{
	if (conn->tls != NULL && !conn->has_failed) {
		tls_session_shut_down(conn->tls);
		flush(conn);
	}
	(void)shutdown(conn->fd, SHUT_WR);
}

static void
settle_finish(struct conn *conn)
{
	flush(conn);
	if (conn_waiting_bytes(conn) == 0 && !conn->is_shut) {
		conn->is_shut = true;
		say_goodbye(conn);
	}
	if (conn->has_failed || (conn->is_at_end && conn_waiting_bytes(conn) == 0))
		conn_close(conn);
	else
		arm_events(conn);
}

static void
hand_over_input(struct conn *conn)
{
	if (!conn->has_news || conn->is_paused || evbuffer_get_length(conn->input) == 0)
		return;
	conn->has_news = false;
	conn->callbacks->on_input(conn, conn->ctx);
}

static bool
is_over(const struct conn *conn)
{
	return conn->state == STATE_FINISHING || conn->state == STATE_CLOSED;
}

/* Returns false when a callback has ended the connection. */
static bool
run_callbacks(struct conn *conn)
{
	filter_input(conn);
	if (is_over(conn))
		return false;
	hand_over_input(conn);
	if (is_over(conn))
		return false;
	flush(conn);
	if (is_drained(conn)) {
		conn->has_written = false;
		if (conn->callbacks->on_drained != NULL && !conn->has_failed)
			conn->callbacks->on_drained(conn, conn->ctx);
	}
	return !is_over(conn);
}

static void
conn_settle(struct conn *conn)
{
	bool is_alive = true;

	if (conn->state == STATE_CLOSED)
		return;
	conn->is_settling = true;
	if (conn->state != STATE_FINISHING && !conn->has_failed)
		is_alive = run_callbacks(conn);
	if (conn->state == STATE_FINISHING)
		settle_finish(conn);
	else if (is_alive && conn->is_at_end && !conn->is_paused)
		conn_fail(conn, CONN_PEER_CLOSED, "the peer closed the connection");
	if (is_alive && conn->has_failed && !is_over(conn))
		tell_end(conn);
	if (!is_over(conn))
		arm_events(conn);
	conn->is_settling = false;
}

static void
on_readable(int fd, short what, void *ctx)
{
	struct conn *conn = ctx;

	read_socket(conn);
	conn_settle(conn);
}

static void
finish_connect(struct conn *conn)
{
	int error = 0;
	socklen_t size = sizeof(error);

	if (getsockopt(conn->fd, SOL_SOCKET, SO_ERROR, &error, &size) != 0)
		error = errno;
	if (error != 0) {
		conn_fail(conn, CONN_CONNECT_FAILED, strerror(error));
		return;
	}
	conn->state = STATE_OPEN;
	note_local(conn);
	timer_stop(conn->deadline);
	if (conn->callbacks->on_connected != NULL)
		conn->callbacks->on_connected(conn, conn->ctx);
}

static void
on_writable(int fd, short what, void *ctx)
{
	struct conn *conn = ctx;

	conn->is_settling = true;
	if (conn->state == STATE_CONNECTING)
		finish_connect(conn);
	conn_settle(conn);
}

static void
on_work(int fd, short what, void *ctx)
{
	conn_settle(ctx);
}

static void
on_deadline(void *ctx)
{
	struct conn *conn = ctx;

	if (conn->state == STATE_FINISHING) {
		conn_close(conn);
		return;
	}
	conn_fail(conn, CONN_TIMEOUT,
	    conn->state == STATE_CONNECTING ? "no connection in time" : "nothing came in time");
	conn_settle(conn);
}

const char *
conn_peer_text(const struct conn *conn)
{
	return conn->peer_text;
}

const char *
conn_local_text(const struct conn *conn)
{
	return conn->local_text;
}

const struct sockaddr_storage *
conn_peer(const struct conn *conn)
{
	return &conn->peer;
}

/* ---- for the owner ---- */

static struct conn *
conn_new(struct loop *loop, int fd, const struct conn_callbacks *callbacks, void *ctx)
{
	struct conn *conn = xcalloc(1, sizeof(*conn));
	struct event_base *base = loop_base(loop);

	conn->loop = loop;
	conn->fd = fd;
	conn->callbacks = callbacks;
	conn->ctx = ctx;
	conn->high_mark = HIGH_MARK_DEFAULT;
	conn->input = evbuffer_new();
	conn->wire_out = evbuffer_new();
	ensure(conn->input != NULL && conn->wire_out != NULL);
	conn->deadline = timer_new(loop, on_deadline, conn);
	(void)event_assign(&conn->readable, base, fd, EV_READ | EV_PERSIST, on_readable, conn);
	(void)event_assign(&conn->writable, base, fd, EV_WRITE | EV_PERSIST, on_writable, conn);
	(void)event_assign(&conn->work, base, -1, EV_PERSIST, on_work, conn);
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
conn_open(struct loop *loop, int fd, const struct conn_callbacks *callbacks, void *ctx)
{
	struct conn *conn = conn_new(loop, fd, callbacks, ctx);
	socklen_t size = sizeof(conn->peer);

	ensure(evutil_make_socket_nonblocking(fd) == 0);
	send_at_once(fd);
	(void)getpeername(fd, (struct sockaddr *)&conn->peer, &size);
	address_text(&conn->peer, conn->peer_text);
	note_local(conn);
	conn->state = STATE_OPEN;
	arm_events(conn);
	return conn;
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
		settle_later(conn);
		return conn;
	}
	timer_set(conn->deadline, deadline_ms);
	arm_events(conn);
	return conn;
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
	if (is_over(conn))
		return;
	if (conn->state == STATE_CONNECTING || conn->state == STATE_HANDSHAKE || conn->has_failed) {
		conn_close(conn);
		return;
	}
	conn->state = STATE_FINISHING;
	timer_set(conn->deadline, within_ms);
	settle_later(conn);
}

struct evbuffer *
conn_input(struct conn *conn)
{
	/* The owner drains it after this call: then reading may go on. */
	if (!conn->is_reading)
		settle_later(conn);
	return conn->input;
}

void
conn_pause(struct conn *conn)
{
	conn->is_paused = true;
	settle_later(conn);
}

void
conn_resume(struct conn *conn)
{
	conn->is_paused = false;
	conn->has_news = true;
	settle_later(conn);
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
	settle_later(conn);
}

void
conn_write(struct conn *conn, const void *bytes, size_t size)
{
	if (is_over(conn) || size == 0)
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
	if (slice->size < COPY_SIZE || is_over(conn)) {
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
conn_set_deadline(struct conn *conn, int64_t after_ms)
{
	if (is_over(conn))
		return;
	if (after_ms > 0)
		timer_set(conn->deadline, after_ms);
	else
		timer_stop(conn->deadline);
}

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
	if (is_over(conn))
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

const char *
conn_tls_cipher(const struct conn *conn)
{
	return conn_has_tls(conn) ? tls_session_cipher(conn->tls) : "";
}
