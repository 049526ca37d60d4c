/* A channel in mid-stream: whose fault it is when nothing moves; and what comes at a bad time. */
#include "common/xalloc.h"
#include "daemon/relay/channel.h"
#include "tests/unit/relay_world.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <cmocka.h>

#define BLOCK_MS 200
#define CHUNKING "250-up\r\n250-PIPELINING\r\n250 CHUNKING\r\n"

struct scene {
	struct upstream_server server;
	struct loop *loop;
	struct dns *dns;
	struct profile *profile;
	struct channel *channel;
	struct client_recipient recipient;
	struct client_transaction mail;
	bool is_wanted, is_done, is_over;
	const char *said_ahead; /* as the message is handed over; NULL: nothing */
	int listener, peer;     /* where there is no server that answers by itself */
};

static void
tell(struct scene *scene, const char *line)
{
	assert_int_equal(send(scene->peer, line, strlen(line), MSG_NOSIGNAL), strlen(line));
}

static void
on_ready(struct channel *channel, void *ctx)
{
	struct scene *scene = ctx;

	if (!scene->is_done)
		channel_send(channel, &scene->mail);
	if (scene->said_ahead != NULL)
		tell(scene, scene->said_ahead);
	scene->said_ahead = NULL;
}

static void
on_body_wanted(struct channel *channel, void *ctx)
{
	struct scene *scene = ctx;

	scene->is_wanted = true;
}

static void
on_done(struct channel *channel, void *ctx)
{
	((struct scene *)ctx)->is_done = true;
}

static void
on_closed(struct channel *channel, const struct client_end *end, void *ctx)
{
	((struct scene *)ctx)->is_over = true;
}

static void
open_channel(struct scene *scene, uint16_t port, uint64_t bandwidth, struct reply_rules *rules)
{
	static const struct channel_callbacks callbacks = {.on_ready = on_ready,
	    .on_body_wanted = on_body_wanted,
	    .on_done = on_done,
	    .on_closed = on_closed};
	struct msg_profile settings = {.name = "office",
	    .problem = "",
	    .capture = "",
	    .host = "127.0.0.1",
	    .port = port,
	    .auth = "none",
	    .auth_worked = "",
	    .username = "",
	    .ehlo = "",
	    .pop3_host = "",
	    .pop3_fingerprint = "",
	    .pop3_auth = "",
	    .pop3_username = "",
	    .from_name = "",
	    .from = "",
	    .reply_to = "",
	    .envelope_sender = "",
	    .provider = "",
	    .connection_rate = "",
	    .fingerprint = "",
	    .bandwidth = bandwidth};
	struct profile_surroundings surroundings = {.hostname = "relay.example", .rules = rules};
	struct err err;

	scene->loop = loop_new();
	scene->dns = dns_new(scene->loop, (struct msg_bytes){0}, (struct msg_bytes){0}, &err);
	assert_non_null(scene->dns);
	scene->profile = profile_new(&settings, &surroundings);
	assert_null(scene->profile->problem);
	scene->recipient.address = "a@x";
	scene->mail = (struct client_transaction){
	    .sender = "s@x", .recipients = &scene->recipient, .recipient_count = 1};
	scene->channel = channel_open(scene->loop, scene->dns, scene->profile, &callbacks, scene);
}

static struct scene *
open_scene(void)
{
	static const struct upstream_row script[] = {{NULL, NULL, ACT_REPLY}};
	struct scene *scene = xcalloc(1, sizeof(*scene));

	upstream_server_start(&scene->server, script);
	open_channel(scene, scene->server.port, 1024, NULL);
	scene->profile->block_timeout_ms = BLOCK_MS;
	WAIT_UNTIL(scene, scene->is_wanted);
	return scene;
}

static void
close_channel(struct scene *scene)
{
	if (!scene->is_over)
		channel_close(scene->channel);
	client_transaction_reset(&scene->mail);
	profile_release(scene->profile);
	loop_turn(scene->loop, 0);
	dns_free(scene->dns);
	loop_free(scene->loop);
}

static void
close_scene(struct scene *scene)
{
	close_channel(scene);
	upstream_server_stop(&scene->server);
	free(scene);
}

static void
send_piece(struct scene *scene)
{
	struct slice slice = {.chunk = chunk_from("a line\r\n", 8), .size = 8};

	assert_int_equal(channel_body(scene->channel, &slice), 8);
	slice_release(&slice);
}

static void
pass(struct scene *scene, int64_t ms)
{
	for (int64_t until_ms = clock_monotonic_ms() + ms; clock_monotonic_ms() < until_ms;)
		loop_turn(scene->loop, 10);
}

static void
test_held_by_us(void **state)
{
	struct scene *scene = open_scene();

	send_piece(scene);
	scene->is_wanted = false;
	WAIT_UNTIL(scene, scene->is_wanted); /* it has left */
	channel_hold_body(scene->channel);
	pass(scene, 3 * BLOCK_MS);
	assert_false(scene->is_over);
	send_piece(scene);
	(void)channel_body_end(scene->channel, NULL);
	WAIT_UNTIL(scene, scene->is_done);
	assert_int_equal(scene->mail.verdict.fate, FATE_DELIVERED);
	close_scene(scene);
}

/* Nobody says why no more of the body comes. */
static void
test_not_held(void **state)
{
	struct scene *scene = open_scene();

	send_piece(scene);
	WAIT_UNTIL(scene, scene->is_over);
	assert_true(scene->is_done);
	assert_int_equal(scene->mail.verdict.fate, FATE_DEFERRED);
	close_scene(scene);
}

/* ---- a server that answers when the test says so ---- */

static uint16_t
listen_anywhere(struct scene *scene)
{
	struct sockaddr_in address = {
	    .sin_family = AF_INET, .sin_addr = {.s_addr = htonl(INADDR_LOOPBACK)}};
	socklen_t size = sizeof(address);

	scene->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	assert_int_equal(bind(scene->listener, (struct sockaddr *)&address, size), 0);
	assert_int_equal(listen(scene->listener, 8), 0);
	assert_int_equal(getsockname(scene->listener, (struct sockaddr *)&address, &size), 0);
	return ntohs(address.sin_port);
}

/* The next connection, up to EHLO. */
static void
greet(struct scene *scene, const char *extensions)
{
	char line[256];

	WAIT_UNTIL(scene, (scene->peer = accept(scene->listener, NULL, NULL)) >= 0);
	tell(scene, "220 up\r\n");
	WAIT_UNTIL(scene, recv(scene->peer, line, sizeof(line), MSG_DONTWAIT) > 0);
	assert_memory_equal(line, "EHLO ", 5);
	tell(scene, extensions);
}

/* The upstream minds our name before it has heard of a message that is to go in one group: that goes on
 * another connection, with another name. */
static void
test_refused_before_a_group(void **state)
{
	struct scene *scene = xcalloc(1, sizeof(*scene));
	struct reply_rules *rules;
	struct err err;

	assert_int_equal(reply_rules_parse("none", "", 0, &rules, &err), 0);
	open_channel(scene, listen_anywhere(scene), 0, rules);
	scene->profile->takes_chunks = true;
	scene->mail.is_whole = true;
	scene->said_ahead = "550 5.5.0 Invalid HELO name\r\n";
	greet(scene, CHUNKING);
	WAIT_UNTIL(scene, scene->said_ahead == NULL);
	(void)close(scene->peer);
	greet(scene, CHUNKING);
	WAIT_UNTIL(scene, scene->is_wanted);
	assert_true(scene->mail.is_grouped);
	(void)channel_body_end(scene->channel, NULL);
	tell(scene, "250 ok\r\n250 ok\r\n250 taken\r\n");
	WAIT_UNTIL(scene, scene->is_done);
	assert_int_equal(scene->mail.verdict.fate, FATE_DELIVERED);
	close_channel(scene);
	reply_rules_release(rules);
	(void)close(scene->peer);
	(void)close(scene->listener);
	free(scene);
}

/* A message fails without a word to the upstream, which ends the connection before that is told: it has
 * failed all the same. */
static void
test_left_before_it_was_told(void **state)
{
	struct scene *scene = xcalloc(1, sizeof(*scene));

	open_channel(scene, listen_anywhere(scene), 0, NULL);
	scene->mail.size_bytes = 2000;
	scene->said_ahead = "421 4.4.2 idle\r\n";
	greet(scene, "250-up\r\n250 SIZE 1000\r\n");
	WAIT_UNTIL(scene, scene->is_over);
	assert_true(scene->is_done);
	assert_int_equal(scene->mail.verdict.fate, FATE_FAILED);
	assert_int_equal(scene->mail.reply.code, 552);
	close_channel(scene);
	(void)close(scene->peer);
	(void)close(scene->listener);
	free(scene);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_held_by_us),
	    cmocka_unit_test(test_not_held),
	    cmocka_unit_test(test_refused_before_a_group),
	    cmocka_unit_test(test_left_before_it_was_told),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
