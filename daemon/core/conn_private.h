/*
 * conn_private - a connection's inside, for the files that make it up
 *
 * conn.c makes and ends it and is the owner's side, conn_turn.c moves the bytes and settles what
 * happened in a turn, conn_tls.c is the filter between wire and owner. Nobody else includes this.
 *
 * Buffers:	socket → (wire_in → decrypt) → input → the owner
 *		the owner → (output → encrypt) → wire_out → socket
 * In clear what is written goes into wire_out directly. Empty buffers hold no memory.
 */
#ifndef POSTERN_CORE_CONN_PRIVATE_H
#define POSTERN_CORE_CONN_PRIVATE_H

#include "daemon/core/conn.h"
#include "daemon/core/loop.h"

#include <event2/event.h>
#include <event2/event_struct.h>

#define CONN_ADDRESS_TEXT_SIZE 64

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
	bool owes_ack;    /* the last read was a short one, and nothing was written since */
	bool hears_out;   /* what the peer says is read whatever becomes of the output */
	int write_error;  /* the peer takes no more, and is heard out; then that fails */
	bool has_failed;  /* `end` and `detail` are set; told at once */
	bool forgoes_end; /* finishing: closed once all is written */
	bool is_shut;     /* finishing: all is written, what the peer still sends is thrown away */
	enum conn_end end;
	char *detail;

	struct sockaddr_storage peer;
	char peer_text[CONN_ADDRESS_TEXT_SIZE], local_text[CONN_ADDRESS_TEXT_SIZE];
};

static inline bool
conn_is_over(const struct conn *conn)
{
	return conn->state == STATE_FINISHING || conn->state == STATE_CLOSED;
}

/* Settles later in this turn, unless that is going on anyway. */
static inline void
conn_settle_later(struct conn *conn)
{
	if (!conn->is_settling && conn->state != STATE_CLOSED)
		event_active(&conn->work, EV_TIMEOUT, 0);
}

/* The connection ends with this; the first reason is the one that is told. */
void conn_fail(struct conn *conn, enum conn_end end, const char *detail);

/* conn_turn.c: makes the events and the deadline; arms those that the state asks for. */
void conn_watch(struct conn *conn);
void conn_arm_events(struct conn *conn);

/* conn_tls.c: wire_in to input, output to wire_out; nothing in clear. */
void conn_filter_input(struct conn *conn);
void conn_filter_output(struct conn *conn);

#endif
