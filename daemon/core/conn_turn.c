/*
 * conn_turn - moves a connection's bytes on libevent events. Whatever happened in a turn is settled
 * in one place, conn_settle(): input is handed over, output leaves, the end is told.
 */
#include "common/err.h"
#include "common/xalloc.h"
#include "daemon/core/conn_private.h"
#include "daemon/core/tls_session.h"

#include <errno.h>
#include <event2/buffer.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

#define READ_SIZE (64u * 1024)      /* at most so much a turn, so that all get theirs */
#define HAND_OVER_SIZE (16u * 1024) /* from here on a read is not copied */
#define INPUT_LIMIT (64u * 1024)    /* reading stops while so much input waits */
#define SEGMENT_SIZE 1400           /* about what one packet carries */
#define WRITE_VECTORS 32
#define REST_SIZE 4096

static void
fail_with_errno(struct conn *conn, int error)
{
	bool is_gone = error == ECONNRESET || error == EPIPE || error == ENOTCONN;

	if (is_gone && conn->state == STATE_HANDSHAKE)
		conn_fail(
		    conn, CONN_TLS_LEFT, "the peer reset the connection during the TLS handshake");
	else
		conn_fail(conn, is_gone ? CONN_PEER_CLOSED : CONN_BROKEN, strerror(error));
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
		conn->owes_ack = size < SEGMENT_SIZE;
		take_read(read_target(conn), &block, (size_t)size);
		conn->has_news |= conn->tls == NULL;
	} else if (size == 0) {
		conn->is_at_end = true;
	} else if (errno != EAGAIN && errno != EINTR) {
		fail_with_errno(conn, errno);
	}
}

/* A reset doesn't take away what came before it. */
static void
read_rest(struct conn *conn)
{
	char block[REST_SIZE];
	ssize_t size;

	while (evbuffer_get_length(read_target(conn)) < INPUT_LIMIT &&
	       (size = read(conn->fd, block, sizeof(block))) > 0) {
		ensure(evbuffer_add(read_target(conn), block, (size_t)size) == 0);
		conn->has_news |= conn->tls == NULL;
	}
}

/* ---- writing ---- */

static void
fail_writing(struct conn *conn, int error)
{
	if (conn->hears_out && (conn->state == STATE_OPEN || conn->state == STATE_SECURE))
		conn->write_error = error;
	else
		fail_with_errno(conn, error);
}

/* sendmsg() rather than writev(): no SIGPIPE, whatever the process does about it. The last bytes of a
 * connection wait for its end, which follows at once, and leave in the same packet. */
static void
write_socket(struct conn *conn)
{
	struct evbuffer_iovec parts[WRITE_VECTORS];
	struct msghdr message = {.msg_iov = (struct iovec *)parts};
	int count = evbuffer_peek(conn->wire_out, -1, NULL, parts, WRITE_VECTORS);
	bool is_last = conn->state == STATE_FINISHING && conn->tls == NULL;
	ssize_t size;

	message.msg_iovlen = count < WRITE_VECTORS ? (size_t)count : WRITE_VECTORS;
	size = sendmsg(conn->fd, &message, MSG_NOSIGNAL | (is_last ? MSG_MORE : 0));
	if (size > 0) {
		(void)evbuffer_drain(conn->wire_out, (size_t)size);
		conn->owes_ack = false; /* it went along */
	} else if (size < 0 && errno != EAGAIN && errno != EINTR)
		fail_writing(conn, errno);
}

static void
flush(struct conn *conn)
{
	if (conn->state == STATE_CONNECTING)
		return;
	conn_filter_output(conn);
	/* Also after a failure of TLS: the alert is to leave. */
	if (evbuffer_get_length(conn->wire_out) > 0 && conn->write_error == 0)
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

/* ---- what the state asks for ---- */

static bool
wants_to_read(const struct conn *conn)
{
	switch (conn->state) {
	case STATE_OPEN:
	case STATE_SECURE:
		return !conn->is_at_end && !conn->is_paused &&
		       (!conn->is_choked || conn->hears_out) &&
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

void
conn_arm_events(struct conn *conn)
{
	arm(&conn->readable, &conn->is_reading, wants_to_read(conn));
	arm(&conn->writable, &conn->is_awaiting_write,
	    conn->state == STATE_CONNECTING || conn_waiting_bytes(conn) > 0);
}

/* ---- the end ---- */

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
	if (conn_waiting_bytes(conn) == 0 && conn->forgoes_end) {
		conn_close(conn);
		return;
	}
	if (conn_waiting_bytes(conn) == 0 && !conn->is_shut) {
		conn->is_shut = true;
		say_goodbye(conn);
	}
	if (conn->has_failed || (conn->is_at_end && conn_waiting_bytes(conn) == 0))
		conn_close(conn);
	else
		conn_arm_events(conn);
}

/* ---- one turn ---- */

static bool
is_input_due(const struct conn *conn)
{
	return conn->has_news && !conn->is_paused && evbuffer_get_length(conn->input) > 0;
}

static void
hand_over_input(struct conn *conn)
{
	if (!is_input_due(conn))
		return;
	conn->has_news = false;
	conn->callbacks->on_input(conn, conn->ctx);
}

static void
hear_out(struct conn *conn)
{
	read_rest(conn);
	conn_filter_input(conn);
	if (!conn_is_over(conn))
		hand_over_input(conn);
	if (!conn_is_over(conn))
		fail_with_errno(conn, conn->write_error);
}

/* Returns false when a callback has ended the connection. */
static bool
run_callbacks(struct conn *conn)
{
	conn_filter_input(conn);
	if (conn_is_over(conn))
		return false;
	hand_over_input(conn);
	if (conn_is_over(conn))
		return false;
	flush(conn);
	if (conn->write_error != 0) {
		hear_out(conn);
		return !conn_is_over(conn);
	}
	if (is_drained(conn)) {
		conn->has_written = false;
		if (conn->callbacks->on_drained != NULL && !conn->has_failed)
			conn->callbacks->on_drained(conn, conn->ctx);
	}
	return !conn_is_over(conn);
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
	if (is_alive && conn->has_failed && !conn_is_over(conn))
		tell_end(conn);
	if (!conn_is_over(conn))
		conn_arm_events(conn);
	conn->is_settling = false;
	/* A callback resumed it. */
	if (!conn_is_over(conn) && is_input_due(conn))
		conn_settle_later(conn);
}

/* ---- events ---- */

/* A peer that writes line by line and has not set TCP_NODELAY (PHP's mailers in DATA) sends the next
 * piece when this one is acknowledged: the kernel would wait 40 ms for an answer to send that with.
 * The setting lasts until something is written. */
static void
acknowledge(struct conn *conn)
{
	int on = 1;

	conn->owes_ack = false;
	(void)setsockopt(conn->fd, IPPROTO_TCP, TCP_QUICKACK, &on, sizeof(on));
}

static void
on_readable(int fd, short what, void *ctx)
{
	struct conn *conn = ctx;

	read_socket(conn);
	conn_settle(conn);
	if (conn->owes_ack && !conn_is_over(conn))
		acknowledge(conn);
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

void
conn_watch(struct conn *conn)
{
	struct event_base *base = loop_base(conn->loop);

	conn->deadline = timer_new(conn->loop, on_deadline, conn);
	(void)event_assign(
	    &conn->readable, base, conn->fd, EV_READ | EV_PERSIST, on_readable, conn);
	(void)event_assign(
	    &conn->writable, base, conn->fd, EV_WRITE | EV_PERSIST, on_writable, conn);
	(void)event_assign(&conn->work, base, -1, EV_PERSIST, on_work, conn);
}
