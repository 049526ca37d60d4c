/* A channel in mid-stream: whose fault it is when nothing moves. */
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
#include <cmocka.h>

#define BLOCK_MS 200

struct scene {
	struct upstream_server server;
	struct loop *loop;
	struct dns *dns;
	struct profile *profile;
	struct channel *channel;
	struct client_recipient recipient;
	struct client_transaction mail;
	bool is_wanted, is_done, is_over;
};

static void
on_ready(struct channel *channel, void *ctx)
{
	struct scene *scene = ctx;

	if (!scene->is_done)
		channel_send(channel, &scene->mail);
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

static struct scene *
open_scene(void)
{
	static const struct upstream_row script[] = {{NULL, NULL, ACT_REPLY}};
	static const struct channel_callbacks callbacks = {.on_ready = on_ready,
	    .on_body_wanted = on_body_wanted,
	    .on_done = on_done,
	    .on_closed = on_closed};
	struct scene *scene = xcalloc(1, sizeof(*scene));
	struct msg_profile settings = {.name = "office",
	    .problem = "",
	    .capture = "",
	    .host = "127.0.0.1",
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
	    .bandwidth = 1024};
	struct profile_surroundings surroundings = {.hostname = "relay.example"};
	struct err err;

	upstream_server_start(&scene->server, script);
	settings.port = scene->server.port;
	scene->loop = loop_new();
	scene->dns = dns_new(scene->loop, (struct msg_bytes){0}, (struct msg_bytes){0}, &err);
	assert_non_null(scene->dns);
	scene->profile = profile_new(&settings, &surroundings);
	assert_null(scene->profile->problem);
	scene->profile->block_timeout_ms = BLOCK_MS;
	scene->recipient.address = "a@x";
	scene->mail = (struct client_transaction){
	    .sender = "s@x", .recipients = &scene->recipient, .recipient_count = 1};
	scene->channel = channel_open(scene->loop, scene->dns, scene->profile, &callbacks, scene);
	WAIT_UNTIL(scene, scene->is_wanted);
	return scene;
}

static void
close_scene(struct scene *scene)
{
	if (!scene->is_over)
		channel_close(scene->channel);
	client_transaction_reset(&scene->mail);
	profile_release(scene->profile);
	loop_turn(scene->loop, 0);
	dns_free(scene->dns);
	loop_free(scene->loop);
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

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_held_by_us),
	    cmocka_unit_test(test_not_held),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
