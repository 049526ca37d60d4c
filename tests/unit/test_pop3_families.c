/*
 * An upstream and a POP3 server whose name has an address of each family, and not each of them lives:
 * the login is to open the family in which the upstream can be reached.
 */
#include "common/xalloc.h"
#include "daemon/relay/channel.h"
#include "daemon/relay/logins.h"
#include "daemon/relay/pop3_keeper.h"
#include "tests/unit/pop3_server.h"
#include "tests/unit/relay_world.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <cmocka.h>

#define LITERAL(text) ((struct msg_bytes){(const uint8_t *)(text), sizeof(text) - 1})
#define BOTH_WAYS "::1 upstream.example pop.example\n127.0.0.1 upstream.example pop.example\n"
#define ONLY_SIX "::1 pop.example\n127.0.0.1 upstream.example\n"

struct scene {
	struct loop *loop;
	struct dns *dns;
	struct logins *logins;
	struct pop3_keeper *keeper;
	struct upstream_server upstream; /* on 127.0.0.1 alone */
	struct pop3_server four, six;    /* on the same port */
	bool has_four, has_six;
	struct profile *profile;
	struct channel *channel;
	bool is_ready, is_over;
	struct client_end end;
	char server[320]; /* of the channel, once it is ready */
};

static void
on_ready(struct channel *channel, void *ctx)
{
	struct scene *scene = ctx;

	scene->is_ready = true;
	(void)snprintf(
	    scene->server, sizeof(scene->server), "%s", channel_facts(channel)->upstream);
}

static void
on_closed(struct channel *channel, const struct client_end *end, void *ctx)
{
	struct scene *scene = ctx;

	scene->is_over = true;
	scene->end = *end;
}

static void
on_worked(uint64_t profile_id, uint32_t version, const char *method, void *ctx)
{
	/* methods are the upstream's */
}

static struct profile *
make_profile(struct scene *scene)
{
	const struct msg_profile settings = {.profile_id = 1,
	    .version = 1,
	    .name = "office",
	    .problem = "",
	    .capture = "",
	    .host = "upstream.example",
	    .port = scene->upstream.port,
	    .auth = "none",
	    .auth_worked = "",
	    .username = "",
	    .ehlo = "",
	    .from_name = "",
	    .from = "",
	    .reply_to = "",
	    .envelope_sender = "",
	    .provider = "",
	    .connection_rate = "",
	    .fingerprint = "",
	    .timeout_ms = 10000,
	    .pop3_host = "pop.example",
	    .pop3_port = scene->has_four ? scene->four.port : scene->six.port,
	    .pop3_fingerprint = "",
	    .pop3_auth = "login",
	    .pop3_username = "me",
	    .pop3_secret = LITERAL("pass"),
	    .pop3_valid_ms = 600 * 1000};
	const struct profile_surroundings surroundings = {
	    .hostname = "relay.example", .logins = scene->logins, .pop3_keeper = scene->keeper};
	struct profile *profile = profile_new(&settings, &surroundings);

	assert_null(profile->problem);
	return profile;
}

static struct scene *
open_scene(struct msg_bytes hosts, bool has_four, bool has_six)
{
	static const struct upstream_row script[] = {{NULL, NULL, ACT_REPLY}};
	struct scene *scene = xcalloc(1, sizeof(*scene));
	struct err err;

	scene->has_four = has_four;
	scene->has_six = has_six;
	upstream_server_start(&scene->upstream, script);
	if (has_four)
		pop3_server_start(&scene->four, AF_INET, 0);
	if (has_six)
		pop3_server_start(&scene->six, AF_INET6, scene->four.port);
	scene->loop = loop_new();
	scene->dns = dns_new(scene->loop, (struct msg_bytes){0}, hosts, &err);
	assert_non_null(scene->dns);
	scene->logins = logins_new(scene->loop, on_worked, NULL);
	scene->keeper = pop3_keeper_new(scene->loop, scene->dns);
	scene->profile = make_profile(scene);
	return scene;
}

static void
close_scene(struct scene *scene)
{
	pop3_keeper_free(scene->keeper);
	profile_release(scene->profile);
	logins_free(scene->logins);
	loop_turn(scene->loop, 0);
	dns_free(scene->dns);
	loop_free(scene->loop);
	if (scene->has_four)
		pop3_server_stop(&scene->four);
	if (scene->has_six)
		pop3_server_stop(&scene->six);
	upstream_server_stop(&scene->upstream);
	free(scene);
}

/* A connection, until it is ready or has failed. */
static void
connect_once(struct scene *scene)
{
	static const struct channel_callbacks callbacks = {
	    .on_ready = on_ready, .on_closed = on_closed};

	scene->is_ready = scene->is_over = false;
	scene->channel = channel_open(scene->loop, scene->dns, scene->profile, &callbacks, scene);
	WAIT_UNTIL(scene, scene->is_ready || scene->is_over);
	if (!scene->is_over)
		channel_close(scene->channel);
}

static bool
is_reached(const struct scene *scene)
{
	return scene->is_ready && strncmp(scene->server, "upstream.example[127.0.0.1]:", 28) == 0;
}

/* Wherever the first login went, the upstream is open for its address of the right family; and the next
 * connection begins with that. */
static void
test_login_of_the_family_that_lives(void **state)
{
	struct scene *scene = open_scene(LITERAL(BOTH_WAYS), true, true);
	unsigned logins;

	connect_once(scene);
	assert_true(is_reached(scene));
	assert_int_equal(scene->four.passwords, 1);
	assert_in_range(scene->six.passwords, 0, 1);
	logins = scene->four.passwords + scene->six.passwords;
	connect_once(scene);
	assert_true(is_reached(scene));
	assert_int_equal(scene->four.passwords + scene->six.passwords, logins);
	close_scene(scene);
}

/* One of the POP3 server's own addresses is dead. */
static void
test_dead_address_of_the_pop3_server(void **state)
{
	struct scene *scene = open_scene(LITERAL(BOTH_WAYS), true, false);

	connect_once(scene);
	assert_true(is_reached(scene));
	assert_int_equal(scene->four.passwords, 1);
	close_scene(scene);
}

/* Where the POP3 server has only the other family, there is nothing better. */
static void
test_pop3_server_of_the_other_family(void **state)
{
	struct scene *scene = open_scene(LITERAL(ONLY_SIX), false, true);

	connect_once(scene);
	assert_true(is_reached(scene));
	assert_int_equal(scene->six.passwords, 1);
	close_scene(scene);
	/* The upstream has both, and lives in the one that no login opens. */
	scene = open_scene(LITERAL(BOTH_WAYS), false, true);
	connect_once(scene);
	assert_true(scene->is_over);
	assert_int_equal(scene->end.phase, PHASE_CONNECT);
	close_scene(scene);
}

/* It ends, and the words are the upstream's. */
static void
test_nothing_lives(void **state)
{
	struct scene *scene = open_scene(LITERAL(BOTH_WAYS), true, true);

	upstream_server_stop(&scene->upstream);
	connect_once(scene);
	assert_true(scene->is_over);
	assert_int_equal(scene->end.phase, PHASE_CONNECT);
	assert_non_null(strstr(scene->end.reply.text, "upstream.example:"));
	assert_int_equal(scene->four.passwords + scene->six.passwords, 2); /* each family once */
	scene->upstream = (struct upstream_server){0};
	upstream_server_start(
	    &scene->upstream, (const struct upstream_row[]){{NULL, NULL, ACT_REPLY}});
	close_scene(scene);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_login_of_the_family_that_lives),
	    cmocka_unit_test(test_dead_address_of_the_pop3_server),
	    cmocka_unit_test(test_pop3_server_of_the_other_family),
	    cmocka_unit_test(test_nothing_lives),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
