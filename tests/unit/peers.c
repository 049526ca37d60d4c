/* peers - two connections that talk to each other on one loop. */
#include "tests/unit/peers.h"

#include "common/clock.h"

#include <arpa/inet.h>
#include <event2/buffer.h>
#include <event2/event.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#define LIMIT_MS 60000
#define BLOCK_SIZE 16384

static void
on_input(struct conn *conn, void *ctx)
{
	struct peer *peer = ctx;
	struct evbuffer *input = conn_input(conn);
	size_t size = evbuffer_get_length(input);

	assert_false(peer->is_in_call);
	peer->inputs++;
	if (peer->counts_only) {
		peer->received += size;
		(void)evbuffer_drain(input, size);
	} else if (!peer->keeps_input) {
		buf_append(&peer->got, evbuffer_pullup(input, -1), size);
		(void)evbuffer_drain(input, size);
	}
	if (peer->on_input != NULL)
		peer->on_input(peer);
}

static void
on_connected(struct conn *conn, void *ctx)
{
	struct peer *peer = ctx;

	assert_false(peer->is_in_call);
	peer->is_connected = true;
}

static void
on_secured(struct conn *conn, void *ctx)
{
	struct peer *peer = ctx;

	assert_false(peer->is_in_call);
	peer->is_secured = true;
	if (peer->on_secured != NULL)
		peer->on_secured(peer);
}

static void
stream_on(struct peer *peer)
{
	char block[BLOCK_SIZE];

	memset(block, 'x', sizeof(block));
	while (peer->to_send > 0 && conn_waiting_bytes(peer->conn) < 64 * 1024) {
		size_t size = peer->to_send < sizeof(block) ? peer->to_send : sizeof(block);

		conn_write(peer->conn, block, size);
		peer->to_send -= size;
		if (conn_waiting_bytes(peer->conn) > peer->most_waiting)
			peer->most_waiting = conn_waiting_bytes(peer->conn);
	}
}

static void
on_drained(struct conn *conn, void *ctx)
{
	struct peer *peer = ctx;

	assert_false(peer->is_in_call);
	peer->drains++;
	stream_on(peer);
	if (peer->on_drained != NULL)
		peer->on_drained(peer);
}

static void
on_closed(struct conn *conn, enum conn_end end, const char *detail, void *ctx)
{
	struct peer *peer = ctx;

	assert_false(peer->is_in_call);
	assert_false(peer->is_closed);
	peer->is_closed = true;
	peer->end = end;
	(void)snprintf(peer->detail, sizeof(peer->detail), "%s", detail);
	(void)snprintf(peer->refused_fingerprint, sizeof(peer->refused_fingerprint), "%s",
	    conn_tls_refused_fingerprint(conn));
	if (peer->on_closed != NULL)
		peer->on_closed(peer);
	peer->conn = NULL;
}

const struct conn_callbacks peer_callbacks = {
    .on_input = on_input,
    .on_connected = on_connected,
    .on_secured = on_secured,
    .on_drained = on_drained,
    .on_closed = on_closed,
};

void
peers_open(struct peers *peers)
{
	struct sockaddr_in address = {
	    .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t size = sizeof(address);
	int listener = socket(AF_INET, SOCK_STREAM, 0);

	memset(peers, 0, sizeof(*peers));
	peers->loop = loop_new();
	assert_int_equal(bind(listener, (struct sockaddr *)&address, size), 0);
	assert_int_equal(listen(listener, 1), 0);
	assert_int_equal(getsockname(listener, (struct sockaddr *)&address, &size), 0);
	peers->client.conn = conn_connect(peers->loop, (struct sockaddr *)&address, size, LIMIT_MS,
	    &peer_callbacks, &peers->client);
	peers->server.conn =
	    conn_open(peers->loop, accept(listener, NULL, NULL), &peer_callbacks, &peers->server);
	(void)close(listener);
	peers_wait_true(peers, &peers->client.is_connected);
}

int
peers_open_raw(struct peers *peers, int type)
{
	int fds[2];

	memset(peers, 0, sizeof(*peers));
	peers->loop = loop_new();
	assert_int_equal(socketpair(AF_UNIX, type | SOCK_NONBLOCK, 0, fds), 0);
	peers->server.conn = conn_open(peers->loop, fds[0], &peer_callbacks, &peers->server);
	return fds[1];
}

void
peers_close(struct peers *peers)
{
	if (peers->client.conn != NULL)
		conn_close(peers->client.conn);
	if (peers->server.conn != NULL)
		conn_close(peers->server.conn);
	peers_idle(peers); /* what was finishing ends */
	buf_fini(&peers->client.got);
	buf_fini(&peers->server.got);
	loop_free(peers->loop);
}

void
peers_idle(struct peers *peers)
{
	for (int i = 0; i < 20; i++)
		loop_turn(peers->loop, 0);
}

void
peers_wait_true(struct peers *peers, const bool *condition)
{
	int64_t until_ms = clock_monotonic_ms() + LIMIT_MS;

	while (!*condition) {
		assert_true(clock_monotonic_ms() < until_ms);
		loop_turn(peers->loop, 50);
	}
}

void
peers_wait_bytes(struct peers *peers, const struct peer *peer, size_t size)
{
	int64_t until_ms = clock_monotonic_ms() + LIMIT_MS;

	while (peer->got.size + peer->received < size) {
		assert_true(clock_monotonic_ms() < until_ms);
		loop_turn(peers->loop, 50);
	}
}

void
peers_wait_text(struct peers *peers, const struct peer *peer, const char *text)
{
	peers_wait_bytes(peers, peer, strlen(text));
	assert_string_equal(peer->got.bytes, text);
}

void
peer_stream(struct peer *peer, size_t size)
{
	peer->to_send = size;
	stream_on(peer);
}
