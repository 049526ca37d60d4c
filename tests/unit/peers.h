/*
 * peers - two connections that talk to each other on one loop, and note what they hear
 *
 * Owns     the loop, both conns and what they read
 */
#ifndef POSTERN_TESTS_PEERS_H
#define POSTERN_TESTS_PEERS_H

#include "common/buf.h"
#include "daemon/core/conn.h"
#include "daemon/core/loop.h"

#include <stdbool.h>

struct peer {
	struct conn *conn; /* NULL once it is closed */
	struct buf got;
	bool keeps_input; /* on_input leaves everything where it is */
	bool is_connected, is_secured, is_closed;
	unsigned inputs, drains;
	enum conn_end end;
	char detail[256], refused_fingerprint[65];
	/* Called from on_input after the bytes were noted, if set. */
	void (*on_input)(struct peer *peer);
	void (*on_drained)(struct peer *peer);
	void (*on_secured)(struct peer *peer);
	void (*on_closed)(struct peer *peer);
	size_t to_send, most_waiting; /* for peer_stream() */
	size_t received;              /* while counts_only */
	bool counts_only;
	bool is_in_call; /* the test is inside a call of conn: no callback may come */
};

struct peers {
	struct loop *loop;
	struct peer client, server;
};

extern const struct conn_callbacks peer_callbacks;

/* Two conns over TCP on loopback: the client's by conn_connect(). */
void peers_open(struct peers *peers);
void peers_close(struct peers *peers);
/* One conn, the server, on a socketpair of `type`; returns the other end. */
int peers_open_raw(struct peers *peers, int type);

/* Turns the loop until *condition is true; fails the test after ten seconds. */
void peers_wait_true(struct peers *peers, const bool *condition);
void peers_wait_bytes(struct peers *peers, const struct peer *peer, size_t size);
void peers_wait_text(struct peers *peers, const struct peer *peer, const char *text);
/* Some turns in which nothing is expected. */
void peers_idle(struct peers *peers);

/* Sends `size` bytes in blocks, waiting for on_drained whenever the high mark is passed. */
void peer_stream(struct peer *peer, size_t size);

#endif
