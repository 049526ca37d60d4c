/* Connections in clear: order, limits, deadlines, and every way to end. */
#include "tests/unit/peers.h"

#include "common/chunk.h"

#include <arpa/inet.h>
#include <errno.h>
#include <event2/buffer.h>
#include <malloc.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <cmocka.h>

static void
echo(struct peer *peer)
{
	conn_write(peer->conn, peer->got.bytes, peer->got.size);
	buf_clear(&peer->got);
}

static void
write_text(struct peer *peer, const char *text)
{
	peer->is_in_call = true;
	conn_write(peer->conn, text, strlen(text));
	peer->is_in_call = false;
}

static void
test_echo(void **state)
{
	struct peers peers;

	peers_open(&peers);
	peers.server.on_input = echo;
	write_text(&peers.client, "hello ");
	write_text(&peers.client, "there");
	peers_wait_text(&peers, &peers.client, "hello there");
	assert_int_equal(peers.client.drains, 1);
	assert_false(conn_has_tls(peers.client.conn));
	assert_string_equal(conn_tls_version(peers.client.conn), "");
	peers_close(&peers);
}

static void
test_addresses(void **state)
{
	struct peers peers;

	peers_open(&peers);
	assert_int_equal(strncmp(conn_peer_text(peers.client.conn), "127.0.0.1:", 10), 0);
	assert_string_equal(conn_peer_text(peers.client.conn), conn_local_text(peers.server.conn));
	assert_string_equal(conn_local_text(peers.client.conn), conn_peer_text(peers.server.conn));
	assert_int_equal(conn_peer(peers.client.conn)->ss_family, AF_INET);
	peers_close(&peers);
}

/* A client that has no TCP_NODELAY sends the next piece when this one is acknowledged. */
static bool
acknowledges_at_once(int fd)
{
	int is_quick = -1;
	socklen_t size = sizeof(is_quick);

	assert_int_equal(getsockopt(fd, IPPROTO_TCP, TCP_QUICKACK, &is_quick, &size), 0);
	return is_quick == 1;
}

static void
answer(struct peer *peer)
{
	conn_write(peer->conn, "250 Ok\r\n", 8);
}

static void
owe_nothing(struct peer *peer)
{
	conn_owe_no_ack(peer->conn);
}

/* One conn, the server, whose socket this is; returns the other end. */
static int
open_tcp(struct peers *peers, int *server_out)
{
	struct sockaddr_in address = {
	    .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t size = sizeof(address);
	int listening = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	int client = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	int unused = peers_open_raw(peers, SOCK_STREAM);

	conn_close(peers->server.conn);
	(void)close(unused);
	assert_int_equal(bind(listening, (struct sockaddr *)&address, sizeof(address)), 0);
	assert_int_equal(listen(listening, 1), 0);
	assert_int_equal(getsockname(listening, (struct sockaddr *)&address, &size), 0);
	assert_int_equal(connect(client, (struct sockaddr *)&address, sizeof(address)), 0);
	assert_true((*server_out = accept4(listening, NULL, NULL, SOCK_CLOEXEC)) >= 0);
	(void)close(listening);
	peers->server.conn = conn_open(peers->loop, *server_out, &peer_callbacks, &peers->server);
	return client;
}

static void
test_short_pieces_without_an_answer_are_acknowledged(void **state)
{
	size_t received = 0;
	struct peers peers;
	int server, client = open_tcp(&peers, &server);

	peers.server.on_input = answer;
	/* only answers within 40 ms or so count as a dialogue */
	for (size_t commands = 0; acknowledges_at_once(server) || commands < 3;) {
		assert_int_equal(write(client, "a command\r\n", 11), 11);
		received = 11 * ++commands;
		peers_wait_bytes(&peers, &peers.server, received);
		assert_in_range(commands, 1, 500);
	}
	peers.server.on_input = owe_nothing;
	assert_int_equal(write(client, "an answer\r\n", 11), 11);
	peers_wait_bytes(&peers, &peers.server, received += 11);
	assert_false(acknowledges_at_once(server));
	peers.server.on_input = NULL;
	assert_int_equal(write(client, "a line", 6), 6);
	peers_wait_bytes(&peers, &peers.server, received + 6);
	assert_true(acknowledges_at_once(server));
	(void)close(client);
	peers_close(&peers);
}

static void
write_three(struct peer *peer)
{
	write_text(peer, "250-one\r\n");
	write_text(peer, "250-two\r\n");
	write_text(peer, "250 three\r\n");
}

/* Each write is a packet of its own on such a socket. */
static void
test_one_turn_is_one_write(void **state)
{
	static const char text[] = "250-one\r\n250-two\r\n250 three\r\n";
	struct peers peers;
	char packet[100];
	int fd = peers_open_raw(&peers, SOCK_SEQPACKET);

	peers.server.on_input = write_three;
	assert_int_equal(send(fd, "x", 1, 0), 1);
	peers_wait_bytes(&peers, &peers.server, 1);
	assert_int_equal(recv(fd, packet, sizeof(packet), 0), strlen(text));
	assert_memory_equal(packet, text, strlen(text));

	write_three(&peers.server);
	peers_idle(&peers);
	assert_int_equal(recv(fd, packet, sizeof(packet), 0), strlen(text));
	(void)close(fd);
	peers_close(&peers);
}

static void
test_slices_arrive_in_order(void **state)
{
	struct peers peers;
	struct chunk *chunk = chunk_new(8192);
	struct slice small, large;

	memset(chunk->bytes, 'a', 4096);
	memset(chunk->bytes + 4096, 'b', 4096);
	chunk->size = 8192;
	small = slice_of(chunk, 4090, 10);
	large = slice_of(chunk, 0, 8192);
	peers_open(&peers);
	conn_write_slice(peers.client.conn, &small);
	conn_write_slice(peers.client.conn, &large);
	slice_release(&small);
	slice_release(&large);
	chunk_release(chunk);
	peers_wait_bytes(&peers, &peers.server, 8202);
	assert_memory_equal(peers.server.got.bytes, "aaaaaabbbb", 10);
	assert_int_equal(peers.server.got.bytes[10 + 4095], 'a');
	assert_int_equal(peers.server.got.bytes[10 + 4096], 'b');
	peers_close(&peers);
}

static void
test_slow_reader_holds_the_writer(void **state)
{
	struct peers peers;
	size_t before;

	peers_open(&peers);
	conn_set_marks(peers.client.conn, 16 * 1024, 64 * 1024);
	peers.server.counts_only = true;
	conn_pause(peers.server.conn);
	peer_stream(&peers.client, 16 * 1024 * 1024);
	peers_idle(&peers);
	before = peers.client.to_send;
	assert_true(before > 0);
	peers_idle(&peers);
	assert_int_equal(peers.client.to_send, before);
	conn_resume(peers.server.conn);
	peers_wait_bytes(&peers, &peers.server, 16 * 1024 * 1024);
	assert_true(peers.client.most_waiting <= 80 * 1024);
	assert_int_equal(conn_waiting_bytes(peers.client.conn), 0);
	peers_close(&peers);
}

static void
test_both_ways_at_once(void **state)
{
	struct peers peers;
	const size_t size = 8 * 1024 * 1024;

	peers_open(&peers);
	peers.client.counts_only = peers.server.counts_only = true;
	peer_stream(&peers.client, size);
	peer_stream(&peers.server, size);
	peers_wait_bytes(&peers, &peers.server, size);
	peers_wait_bytes(&peers, &peers.client, size);
	peers_close(&peers);
}

/* Who leaves the input where it is gets no more than the limit and one read. */
static void
test_input_has_a_limit(void **state)
{
	struct peers peers;
	struct evbuffer *input;

	peers_open(&peers);
	peers.server.keeps_input = true;
	peer_stream(&peers.client, 4 * 1024 * 1024);
	peers_idle(&peers);
	input = conn_input(peers.server.conn);
	assert_in_range(evbuffer_get_length(input), 64 * 1024, 128 * 1024);
	peers.server.keeps_input = false;
	peers.server.counts_only = true;
	(void)evbuffer_drain(input, evbuffer_get_length(input));
	peers_wait_bytes(&peers, &peers.server, 3 * 1024 * 1024);
	peers_close(&peers);
}

static void
keep_one_line(struct peer *peer)
{
	conn_pause(peer->conn);
}

static void
test_pause_and_resume(void **state)
{
	struct peers peers;

	peers_open(&peers);
	peers.server.keeps_input = true;
	peers.server.on_input = keep_one_line;
	write_text(&peers.client, "one\r\n");
	while (peers.server.inputs == 0)
		loop_turn(peers.loop, 50);
	write_text(&peers.client, "two\r\n");
	peers_idle(&peers);
	assert_int_equal(peers.server.inputs, 1);
	peers.server.keeps_input = false;
	peers.server.on_input = NULL;
	peers.server.is_in_call = true;
	conn_resume(peers.server.conn);
	peers.server.is_in_call = false;
	peers_wait_text(&peers, &peers.server, "one\r\ntwo\r\n");
	peers_close(&peers);
}

static void
read_at_second_sight(struct peer *peer)
{
	if (peer->inputs > 1)
		return;
	peer->keeps_input = false;
	conn_resume(peer->conn);
}

static void
test_resume_inside_on_input(void **state)
{
	struct peers peers;

	peers_open(&peers);
	peers.server.keeps_input = true;
	peers.server.on_input = read_at_second_sight;
	write_text(&peers.client, "one\r\n");
	peers_wait_text(&peers, &peers.server, "one\r\n");
	assert_int_equal(peers.server.inputs, 2);
	peers_idle(&peers);
	assert_int_equal(peers.server.inputs, 2);
	peers_close(&peers);
}

/* A paused owner hears of the end only after it had the bytes before it. */
static void
test_end_waits_for_a_paused_owner(void **state)
{
	struct peers peers;

	peers_open(&peers);
	conn_pause(peers.server.conn);
	write_text(&peers.client, "QUIT\r\n");
	conn_finish(peers.client.conn, 1000);
	peers.client.conn = NULL;
	peers_idle(&peers);
	assert_false(peers.server.is_closed);
	conn_resume(peers.server.conn);
	peers_wait_true(&peers, &peers.server.is_closed);
	assert_string_equal(peers.server.got.bytes, "QUIT\r\n");
	assert_int_equal(peers.server.end, CONN_PEER_CLOSED);
	peers_close(&peers);
}

static void
say_goodbye(struct peer *peer)
{
	if (peer->end == CONN_TIMEOUT)
		conn_write(peer->conn, "421 bye\r\n", 9);
}

static void
test_deadline(void **state)
{
	struct peers peers;

	peers_open(&peers);
	conn_set_deadline(peers.client.conn, 20);
	conn_set_deadline(peers.client.conn, 0);
	peers.server.on_closed = say_goodbye;
	conn_set_deadline(peers.server.conn, 30);
	peers_wait_true(&peers, &peers.server.is_closed);
	assert_int_equal(peers.server.end, CONN_TIMEOUT);
	peers_wait_true(&peers, &peers.client.is_closed);
	assert_string_equal(peers.client.got.bytes, "421 bye\r\n");
	assert_int_equal(peers.client.end, CONN_PEER_CLOSED);
	peers_close(&peers);
}

static void
test_connection_refused(void **state)
{
	struct sockaddr_in address = {
	    .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t size = sizeof(address);
	struct peers peers = {0};
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	/* Bound but not listening: nobody else gets this port meanwhile. */
	assert_int_equal(bind(fd, (struct sockaddr *)&address, size), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &size), 0);
	peers.loop = loop_new();
	peers.client.is_in_call = true;
	peers.client.conn = conn_connect(
	    peers.loop, (struct sockaddr *)&address, size, 1000, &peer_callbacks, &peers.client);
	peers.client.is_in_call = false;
	peers_wait_true(&peers, &peers.client.is_closed);
	assert_int_equal(peers.client.end, CONN_CONNECT_FAILED);
	assert_string_equal(peers.client.detail, "Connection refused");
	assert_false(peers.client.is_connected);
	(void)close(fd);
	peers_close(&peers);
}

/* A full backlog: the kernel does not answer. */
static void
test_connection_times_out(void **state)
{
	struct sockaddr_in address = {
	    .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t size = sizeof(address);
	struct peers peers = {0};
	int listener = socket(AF_INET, SOCK_STREAM, 0);
	int fillers[4];

	assert_int_equal(bind(listener, (struct sockaddr *)&address, size), 0);
	assert_int_equal(listen(listener, 0), 0);
	assert_int_equal(getsockname(listener, (struct sockaddr *)&address, &size), 0);
	for (int i = 0; i < 4; i++) {
		fillers[i] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
		(void)connect(fillers[i], (struct sockaddr *)&address, size);
	}
	peers.loop = loop_new();
	peers.client.conn = conn_connect(
	    peers.loop, (struct sockaddr *)&address, size, 50, &peer_callbacks, &peers.client);
	peers_wait_true(&peers, &peers.client.is_closed);
	assert_int_equal(peers.client.end, CONN_TIMEOUT);
	for (int i = 0; i < 4; i++)
		(void)close(fillers[i]);
	(void)close(listener);
	peers_close(&peers);
}

/* Finishing sends everything first, and does not lose it to a reset because of unread input. */
static void
test_finish_sends_the_rest(void **state)
{
	struct peers peers;
	const size_t size = 4 * 1024 * 1024;
	char *bytes = calloc(1, size);

	peers_open(&peers);
	conn_pause(peers.client.conn);
	peers.client.counts_only = true;
	conn_write(peers.server.conn, bytes, size);
	conn_finish(peers.server.conn, 5000);
	peers.server.conn = NULL;
	write_text(&peers.client, "more that nobody will read");
	peers_idle(&peers);
	conn_resume(peers.client.conn);
	peers_wait_true(&peers, &peers.client.is_closed);
	assert_int_equal(peers.client.received, size);
	assert_int_equal(peers.client.end, CONN_PEER_CLOSED);
	free(bytes);
	peers_close(&peers);
}

static void
test_finish_has_a_limit(void **state)
{
	struct peers peers;
	char bytes[1000] = {0};
	int fd = peers_open_raw(&peers, SOCK_STREAM);

	conn_write(peers.server.conn, bytes, sizeof(bytes));
	conn_finish(peers.server.conn, 20);
	peers.server.conn = NULL;
	/* The peer neither reads nor closes; in the end it can't write any more. */
	while (send(fd, "x", 1, MSG_NOSIGNAL) == 1 || errno == EAGAIN)
		loop_turn(peers.loop, 5);
	assert_int_equal(errno, EPIPE);
	(void)close(fd);
	peers_close(&peers);
}

/* Whoever has said his last word need not close first: all is written, and the socket gone. */
static void
test_finish_without_the_peers_end(void **state)
{
	struct peers peers;
	char bytes[16];
	int fd = peers_open_raw(&peers, SOCK_STREAM);

	conn_write(peers.server.conn, "221 bye\r\n", 9);
	conn_finish(peers.server.conn, 60000);
	conn_forgo_end(peers.server.conn);
	peers.server.conn = NULL;
	for (int turns = 0; recv(fd, bytes, sizeof(bytes), MSG_DONTWAIT) != 9; turns++) {
		assert_in_range(turns, 0, 100);
		loop_turn(peers.loop, 5);
	}
	assert_int_equal(send(fd, "x", 1, MSG_NOSIGNAL), -1);
	(void)close(fd);
	peers_close(&peers);
}

/* The call that meets a broken socket returns before on_closed comes. */
static void
test_reset_while_writing(void **state)
{
	struct peers peers;
	int fd = peers_open_raw(&peers, SOCK_STREAM);

	(void)close(fd);
	write_text(&peers.server, "220 hello\r\n");
	assert_false(peers.server.is_closed);
	peers_wait_true(&peers, &peers.server.is_closed);
	assert_int_equal(peers.server.end, CONN_PEER_CLOSED);
	peers_close(&peers);
}

/* The last word of a server that refuses in the middle of a body, and goes: the socket is written to before
 * anybody looks whether there is something to read. */
static void
test_last_word_before_a_reset(void **state)
{
	struct peers peers;
	int server, client = open_tcp(&peers, &server);

	conn_hear_out(peers.server.conn);
	write_text(&peers.server, "what is not read\r\n");
	peers_idle(&peers);
	assert_int_equal(write(client, "552 no\r\n", 8), 8);
	(void)close(client);
	write_text(&peers.server, "what can't be written\r\n");
	peers_wait_true(&peers, &peers.server.is_closed);
	assert_int_equal(peers.server.inputs, 1);
	assert_string_equal(peers.server.got.bytes, "552 no\r\n");
	assert_int_equal(peers.server.end, CONN_PEER_CLOSED);
	peers_close(&peers);
}

static void close_it(struct peer *peer);

static void
test_last_word_that_is_enough(void **state)
{
	struct peers peers;
	int server, client = open_tcp(&peers, &server);

	conn_hear_out(peers.server.conn);
	peers.server.on_input = close_it;
	write_text(&peers.server, "what is not read\r\n");
	peers_idle(&peers);
	assert_int_equal(write(client, "552 no\r\n", 8), 8);
	(void)close(client);
	write_text(&peers.server, "what can't be written\r\n");
	peers_wait_text(&peers, &peers.server, "552 no\r\n");
	peers_idle(&peers);
	assert_false(peers.server.is_closed);
	peers_close(&peers);
}

static void
test_is_heard_while_output_waits(void **state)
{
	struct peers peers;
	int server, client = open_tcp(&peers, &server);

	conn_set_marks(peers.server.conn, 16 * 1024, 32 * 1024);
	conn_hear_out(peers.server.conn);
	peer_stream(&peers.server, 64 * 1024 * 1024);
	peers_idle(&peers);
	assert_true(conn_waiting_bytes(peers.server.conn) > 16 * 1024);
	assert_int_equal(write(client, "552 no\r\n", 8), 8);
	peers_wait_text(&peers, &peers.server, "552 no\r\n");
	assert_true(conn_waiting_bytes(peers.server.conn) > 16 * 1024);
	(void)close(client);
	peers_close(&peers);
}

static void
close_it(struct peer *peer)
{
	conn_close(peer->conn);
	conn_write(peer->conn, "x", 1);
	conn_set_deadline(peer->conn, 10);
	conn_finish(peer->conn, 10);
	conn_close(peer->conn);
	peer->conn = NULL;
}

static void
finish_it(struct peer *peer)
{
	conn_write(peer->conn, "221 bye\r\n", 9);
	conn_finish(peer->conn, 1000);
	peer->conn = NULL;
}

static void
test_closing_inside_callbacks(void **state)
{
	static const struct {
		void (*end)(struct peer *);
		bool is_on_drained;
		const char *text;
	} rows[] = {
	    {close_it, false, NULL},
	    {close_it, true, "y"},
	    {finish_it, false, "221 bye\r\n"},
	    {finish_it, true, "y221 bye\r\n"},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct peers peers;

		peers_open(&peers);
		if (rows[i].is_on_drained) {
			peers.server.on_drained = rows[i].end;
			write_text(&peers.server, "y");
		} else {
			peers.server.on_input = rows[i].end;
			write_text(&peers.client, "x");
		}
		peers_wait_true(&peers, &peers.client.is_closed);
		assert_false(peers.server.is_closed);
		if (rows[i].text != NULL)
			assert_string_equal(peers.client.got.bytes, rows[i].text);
		peers_close(&peers);
	}
}

/* A job that was asked for outlives no conn. */
static void
test_close_right_after_write(void **state)
{
	struct peers peers;

	peers_open(&peers);
	write_text(&peers.client, "x");
	conn_close(peers.client.conn);
	peers.client.conn = NULL;
	peers_wait_true(&peers, &peers.server.is_closed);
	assert_null(peers.server.got.bytes);
	peers_close(&peers);
}

#define IDLE_COUNT 200

static void
test_idle_is_small(void **state)
{
	struct peers peers;
	struct conn *conns[IDLE_COUNT];
	int fds[IDLE_COUNT][2];
	size_t before, each;
	int first = peers_open_raw(&peers, SOCK_STREAM);

	peers.server.counts_only = true;
	before = mallinfo2().uordblks;
	for (int i = 0; i < IDLE_COUNT; i++) {
		assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fds[i]), 0);
		conns[i] = conn_open(peers.loop, fds[i][0], &peer_callbacks, &peers.server);
		conn_write(conns[i], "220 hello\r\n", 11);
		assert_int_equal(write(fds[i][1], "EHLO there\r\n", 12), 12);
	}
	peers_wait_bytes(&peers, &peers.server, IDLE_COUNT * 12);
	each = (mallinfo2().uordblks - before) / IDLE_COUNT;
	print_message("an idle connection: %zu bytes\n", each);
	assert_true(each < 4096);
	for (int i = 0; i < IDLE_COUNT; i++) {
		conn_close(conns[i]);
		(void)close(fds[i][1]);
	}
	(void)close(first);
	peers_close(&peers);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_echo),
	    cmocka_unit_test(test_addresses),
	    cmocka_unit_test(test_short_pieces_without_an_answer_are_acknowledged),
	    cmocka_unit_test(test_one_turn_is_one_write),
	    cmocka_unit_test(test_slices_arrive_in_order),
	    cmocka_unit_test(test_slow_reader_holds_the_writer),
	    cmocka_unit_test(test_both_ways_at_once),
	    cmocka_unit_test(test_input_has_a_limit),
	    cmocka_unit_test(test_pause_and_resume),
	    cmocka_unit_test(test_resume_inside_on_input),
	    cmocka_unit_test(test_end_waits_for_a_paused_owner),
	    cmocka_unit_test(test_deadline),
	    cmocka_unit_test(test_connection_refused),
	    cmocka_unit_test(test_connection_times_out),
	    cmocka_unit_test(test_finish_sends_the_rest),
	    cmocka_unit_test(test_finish_has_a_limit),
	    cmocka_unit_test(test_finish_without_the_peers_end),
	    cmocka_unit_test(test_reset_while_writing),
	    cmocka_unit_test(test_last_word_before_a_reset),
	    cmocka_unit_test(test_last_word_that_is_enough),
	    cmocka_unit_test(test_is_heard_while_output_waits),
	    cmocka_unit_test(test_closing_inside_callbacks),
	    cmocka_unit_test(test_close_right_after_write),
	    cmocka_unit_test(test_idle_is_small),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
