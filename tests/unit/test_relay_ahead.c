/* Relay opens the next connection before one that is in use has had as many messages as it may: if
 * more follows, within the profile's numbers, and not again where that was one too many. */
#include "common/xalloc.h"
#include "tests/unit/relay_world.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

static const struct upstream_row kind[] = {{NULL, NULL, ACT_REPLY}};

struct scene {
	struct upstream_server server;
	struct relay_world world;
	unsigned sent;
};

/* Two messages on a connection; more follows. */
static int
set_up(void **state)
{
	struct scene *scene = xcalloc(1, sizeof(*scene));

	/* The role is forked before there are threads. */
	relay_world_start(&scene->world, 0);
	upstream_server_start(&scene->server, kind);
	scene->world.profile.port = scene->server.port;
	scene->world.profile.messages_per_connection = 2;
	scene->world.profile.connections = 2;
	scene->world.is_followed = true;
	*state = scene;
	return 0;
}

static int
tear_down(void **state)
{
	struct scene *scene = *state;

	relay_world_stop(&scene->world);
	upstream_server_stop(&scene->server);
	free(scene);
	return 0;
}

/* One after the other: each connection is free when the next message comes. */
static void
deliver(struct scene *scene, unsigned count)
{
	struct relay_world *world = &scene->world;
	static const uint8_t body[] = "Subject: x\r\n\r\nbody\r\n";

	for (unsigned i = 0; i < count; i++) {
		relay_world_deliver(
		    world, ++scene->sent, "a@x", (struct msg_bytes){body, sizeof(body) - 1});
		WAIT_UNTIL(world, world->reports == scene->sent);
		assert_int_equal(world->seen[scene->sent - 1].outcome, ATTEMPT_ATTEMPTED);
		assert_int_equal(world->seen[scene->sent - 1].fates[0].fate, FATE_DELIVERED);
	}
}

struct counts {
	unsigned connections, open, ended; /* all of them, with QUIT */
};

static struct counts
count(struct scene *scene)
{
	struct upstream_server *server = &scene->server;
	struct counts counts = {0};

	(void)pthread_mutex_lock(&server->lock);
	counts.connections = server->connections;
	counts.open = server->open_count;
	for (const char *at = server->commands.bytes; at != NULL && (at = strstr(at, "QUIT"));
	     at += 4)
		counts.ended++;
	(void)pthread_mutex_unlock(&server->lock);
	return counts;
}

static void
test_opened_before_it_is_needed(void **state)
{
	struct scene *scene = *state;

	deliver(scene, 1);
	assert_int_equal(count(scene).connections, 1);
	deliver(scene, 1);
	WAIT_UNTIL(&scene->world, count(scene).connections == 2);
	deliver(scene, 1); /* on that one */
	assert_int_equal(count(scene).connections, 2);
	scene->world.is_followed = false;
	deliver(scene, 1);
	WAIT_UNTIL(&scene->world, count(scene).ended == 2);
	assert_int_equal(count(scene).connections, 2);
}

static void
check_not_opened(struct scene *scene)
{
	deliver(scene, 2);
	WAIT_UNTIL(&scene->world, count(scene).open == 0);
	assert_int_equal(count(scene).connections, 1);
}

static void
test_not_without_a_backlog(void **state)
{
	struct scene *scene = *state;

	scene->world.is_followed = false;
	check_not_opened(scene);
}

static void
test_not_beyond_the_number_of_connections(void **state)
{
	struct scene *scene = *state;

	scene->world.profile.connections = 1;
	check_not_opened(scene);
	deliver(scene, 1);
	assert_int_equal(count(scene).connections, 2);
}

static void
test_not_beyond_the_rate_of_connections(void **state)
{
	struct scene *scene = *state;

	scene->world.profile.connection_rate = "1/d";
	check_not_opened(scene);
}

static void
await_connections(struct upstream_server *server, unsigned count)
{
	(void)pthread_mutex_lock(&server->lock);
	server->connections_awaited = count;
	(void)pthread_mutex_unlock(&server->lock);
}

/* What it was opened for goes on once there is room, and the next is not tried for long. */
static void
test_one_too_many_is_not_repeated(void **state)
{
	struct scene *scene = *state;

	scene->server.open_max = 1;
	deliver(scene, 1);
	/* The second is refused beside the first, not behind it. */
	await_connections(&scene->server, 2);
	deliver(scene, 1);
	WAIT_UNTIL(&scene->world, count(scene).open == 0);
	deliver(scene, 2);
	WAIT_UNTIL(&scene->world, count(scene).open == 0);
	assert_int_equal(count(scene).connections, 3);
	deliver(scene, 1);
	assert_int_equal(count(scene).connections, 4);
}

/* A reply that puts the account off: nothing more is opened. */
static void
test_not_for_a_profile_in_trouble(void **state)
{
	static const struct upstream_row limits[] = {
	    {"MAIL", "451 4.7.0 Rate limit exceeded, try again later\r\n", ACT_REPLY},
	    {NULL, NULL, ACT_REPLY}};
	struct scene *scene = *state;
	struct relay_world *world = &scene->world;

	deliver(scene, 1);
	(void)pthread_mutex_lock(&scene->server.lock);
	scene->server.script = limits;
	(void)pthread_mutex_unlock(&scene->server.lock);
	relay_world_deliver(
	    world, ++scene->sent, "a@x", (struct msg_bytes){(const uint8_t *)"x", 1});
	WAIT_UNTIL(world, world->reports == 2);
	assert_int_equal(world->seen[1].outcome, ATTEMPT_PUT_OFF);
	/* The one that was opened ahead meanwhile is given up. */
	WAIT_UNTIL(world, count(scene).open == 0);
	assert_in_range(count(scene).connections, 1, 2);
}

static void
set_script(struct scene *scene, const struct upstream_row *script)
{
	(void)pthread_mutex_lock(&scene->server.lock);
	scene->server.script = script;
	(void)pthread_mutex_unlock(&scene->server.lock);
}

static const uint8_t late_body[] = "Subject: x\r\n\r\nbody\r\n";

/* The password was changed meanwhile: of the second message, whose body is to come yet, the connection
 * that was opened ahead hears that. */
static void
be_refused_ahead(struct scene *scene)
{
	static const struct upstream_row takes[] = {
	    {"EHLO", "250-x\r\n250 AUTH PLAIN\r\n", ACT_REPLY},
	    {"AUTH", "235 2.7.0 ok\r\n", ACT_REPLY}, {NULL, NULL, ACT_REPLY}};
	static const struct upstream_row refuses[] = {
	    {"EHLO", "250-x\r\n250 AUTH PLAIN\r\n", ACT_REPLY},
	    {"AUTH", "535 5.7.8 bad\r\n", ACT_REPLY}, {NULL, NULL, ACT_REPLY}};
	struct relay_world *world = &scene->world;

	set_script(scene, takes);
	world->profile.auth = "plain";
	world->profile.auth_in_clear = true;
	world->profile.username = "me";
	world->profile.secret = (struct msg_bytes){(const uint8_t *)"secret", 6};
	deliver(scene, 1);
	assert_string_equal(world->seen[0].reason, "");
	set_script(scene, refuses);
	relay_world_begin(world, ++scene->sent, "a@x", sizeof(late_body) - 1);
	WAIT_UNTIL(world, count(scene).connections == 2 && count(scene).open == 1);
	relay_world_settle(world);
}

static void
end_late_message(struct scene *scene)
{
	struct relay_world *world = &scene->world;
	const struct msg_body piece = {
	    .stream = scene->sent, .bytes = {late_body, sizeof(late_body) - 1}, .is_last = true};

	link_send(world->queue, MSG_BODY, &piece);
	WAIT_UNTIL(world, world->reports == 2);
	assert_int_equal(world->seen[1].outcome, ATTEMPT_ATTEMPTED);
	assert_int_equal(world->seen[1].fates[0].fate, FATE_DELIVERED);
}

/* The message that is on its way takes the news to queue, though none waits for the connection. */
static void
test_refused_login_is_told_at_once(void **state)
{
	struct scene *scene = *state;

	be_refused_ahead(scene);
	end_late_message(scene);
	assert_non_null(strstr(scene->world.seen[1].reason, "auth: 535 5.7.8 bad"));
	WAIT_UNTIL(&scene->world, count(scene).open == 0);
	assert_int_equal(count(scene).connections, 2);
}

/* An operator was quicker: what was said of the old password stops nothing any more. */
static void
test_refused_login_of_a_profile_that_was_changed_since(void **state)
{
	struct scene *scene = *state;
	struct relay_world *world = &scene->world;
	const struct msg_profile stale = {.profile_id = 7, .version = world->profile.version + 1};

	be_refused_ahead(scene);
	world->profile.version++;
	link_send(world->accounts, MSG_PROFILE, &stale);
	WAIT_UNTIL(world, world->fetches == 2);
	relay_world_settle(world);
	end_late_message(scene);
	assert_string_equal(world->seen[1].reason, "");
}

int
main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(test_##name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
	    T(opened_before_it_is_needed),
	    T(not_without_a_backlog),
	    T(not_beyond_the_number_of_connections),
	    T(not_beyond_the_rate_of_connections),
	    T(one_too_many_is_not_repeated),
	    T(not_for_a_profile_in_trouble),
	    T(refused_login_is_told_at_once),
	    T(refused_login_of_a_profile_that_was_changed_since),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
