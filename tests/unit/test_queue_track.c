/*
 * The queue and its history together, in a process of their own: what is asked is answered with all
 * that had happened, whatever was killed, and mail goes on when the history can't.
 */
#include "common/clock.h"
#include "tests/lib/queue_world.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <jansson.h>
#include <cmocka.h>

static int
set_up(void **state)
{
	struct queue_world *world = malloc(sizeof(*world));

	world_init(world);
	*state = world;
	return 0;
}

static int
tear_down(void **state)
{
	world_fini(*state);
	free(*state);
	return 0;
}

static void
start(struct queue_world *world)
{
	assert_true(world_start(world, NULL));
	world_send_routes(world, 1);
	world_connect_relay(world, NULL, 0);
}

/* The answer, which the caller decrefs. */
static json_t *
get(struct queue_world *world, const char *path)
{
	json_t *answer;

	assert_int_equal(world_call(world, "GET", path, ""), 200);
	answer = json_loads(world->result, 0, NULL);
	assert_non_null(answer);
	return answer;
}

static json_int_t
total(struct queue_world *world, const char *name)
{
	json_t *answer = get(world, "/v1/stats?since=2h");
	json_int_t number =
	    json_integer_value(json_object_get(json_object_get(answer, "total"), name));

	json_decref(answer);
	return number;
}

/* The field of the newest message that was found, "" if it is null; the caller frees. */
static char *
tracked(struct queue_world *world, const char *query, const char *field)
{
	char path[128];
	json_t *answer;
	const char *text;
	char *copy;

	(void)snprintf(path, sizeof(path), "/v1/track?%s", query);
	answer = get(world, path);
	text = json_string_value(json_object_get(json_array_get(answer, 0), field));
	copy = strdup(text == NULL ? "" : text);
	json_decref(answer);
	return copy;
}

static void
check_tracked(struct queue_world *world, const char *query, const char *field, const char *expected)
{
	char *text = tracked(world, query, field);

	assert_string_equal(text, expected);
	free(text);
}

static bool
is_last_acknowledged(struct queue_world *world)
{
	return world->deliveries[world->delivery_count - 1].is_acknowledged;
}

/* Relay delivers the latest one. */
static void
deliver_latest(struct queue_world *world)
{
	static const enum fate delivered[] = {FATE_DELIVERED};

	world_report(world, &world->deliveries[world->delivery_count - 1], delivered, 1);
}

static void
test_message_is_known_from_its_acceptance_on(void **state)
{
	struct queue_world *world = *state;

	start(world);
	(void)world_submit(world, 1, 500, 2);
	assert_true(world_wait_deliveries(world, 1));
	check_tracked(world, "to=r0@example.net", "state", "sending");
	check_tracked(world, "to=r0@example.net", "fate", "");
	deliver_latest(world);
	assert_true(world_wait(world, is_last_acknowledged));
	check_tracked(world, "to=r0@example.net", "fate", "delivered");
	check_tracked(world, "message_id=1@example.org", "subject", "Your order");
	assert_int_equal(total(world, "sent"), 1);
	assert_int_equal(total(world, "bytes"), 500);
}

/* At any time: before and after what happened was moved. */
static void
test_figures_add_up_after_kills(void **state)
{
	struct queue_world *world = *state;

	start(world);
	for (unsigned i = 0; i < 12; i++) {
		unsigned before = world->delivery_count;

		(void)world_submit(world, 1, 500, 3);
		assert_int_equal(world->committed, COMMIT_STORED);
		assert_true(world_wait_deliveries(world, before + 1));
		deliver_latest(world);
		assert_true(world_wait(world, is_last_acknowledged));
		if (i % 4 == 1)
			(void)total(world, "sent"); /* moves what there is */
		if (i % 3 == 2) {
			world_kill(world);
			start(world);
		}
	}
	assert_int_equal(total(world, "accepted"), 12);
	assert_int_equal(total(world, "sent"), 12);
	assert_int_equal(total(world, "delivered"), 12);
}

static bool
is_told(struct queue_world *world)
{
	return world_call(world, "GET", "/v1/track?to=r0@example.net", "") == 200 &&
	       strstr(world->result, "\"fate\":\"not-sent\"") != NULL;
}

/* Nobody's fate changes by it, but whoever asks wants to know why the message waited. */
static void
test_trouble_of_the_profile_is_part_of_the_story(void **state)
{
	struct queue_world *world = *state;

	start(world);
	(void)world_submit(world, 1, 500, 3);
	assert_true(world_wait_deliveries(world, 1));
	world_report_trouble(world, &world->deliveries[0], ATTEMPT_UNREACHABLE);
	assert_true(world_wait(world, is_told));
	assert_non_null(strstr(world->result, "\"reply\":\"connection refused\""));
	check_tracked(world, "to=r0@example.net", "fate", "");
	assert_int_equal(total(world, "deferred"), 0);
}

static bool
are_counted(struct queue_world *world)
{
	return total(world, "rejected") == 2;
}

static void
test_refusals_are_counted(void **state)
{
	struct queue_world *world = *state;
	struct msg_refused refused = {.user_id = 7, .login = "shop", .list = "web"};
	struct msg_refused nobody = {.login = "", .list = ""};

	start(world);
	link_send(world->smtpd, MSG_REFUSED, &refused);
	link_send(world->smtpd, MSG_REFUSED, &refused);
	link_send(world->smtpd, MSG_REFUSED, &nobody);
	refused.is_blocked = true;
	link_send(world->smtpd, MSG_REFUSED, &refused);
	assert_true(world_wait(world, are_counted));
	assert_int_equal(total(world, "blocked"), 1);
	assert_int_equal(total(world, "accepted"), 0);
}

static void
test_history_that_cannot_be_opened_stops_no_mail(void **state)
{
	struct queue_world *world = *state;
	char path[128];

	(void)snprintf(path, sizeof(path), "%s/history.db", world->directory);
	assert_int_equal(mkdir(path, 0700), 0);
	start(world);
	(void)world_submit(world, 1, 500, 3);
	assert_int_equal(world->committed, COMMIT_STORED);
	assert_true(world_wait_deliveries(world, 1));
	deliver_latest(world);
	assert_true(world_wait(world, is_last_acknowledged));
	assert_int_equal(world_call(world, "GET", "/v1/track?to=r0@example.net", ""), 503);
	assert_int_equal(world_call(world, "GET", "/v1/stats", ""), 503);
	assert_int_equal(world->alerts, 1);
	/* What happened meanwhile was kept. */
	assert_int_equal(rmdir(path), 0);
	check_tracked(world, "to=r0@example.net", "fate", "delivered");
	assert_int_equal(total(world, "sent"), 1);
}

static void
test_queries_that_make_no_sense(void **state)
{
	static const char *const paths[] = {"/v1/track?limit=0", "/v1/track?limit=1001",
	    "/v1/track?id=!", "/v1/track?since=soon", "/v1/track?since=1h&until=2h",
	    "/v1/stats?by=moon", "/v1/stats?since=", "/v1/stats?until=-1h"};
	struct queue_world *world = *state;

	start(world);
	for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++)
		if (world_call(world, "GET", paths[i], "") != 400)
			fail_msg("%s: %u %s", paths[i], world->status, world->result);
	assert_int_equal(world_call(world, "POST", "/v1/track", ""), 404);
}

int
main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(test_##name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
	    T(message_is_known_from_its_acceptance_on),
	    T(figures_add_up_after_kills),
	    T(trouble_of_the_profile_is_part_of_the_story),
	    T(refusals_are_counted),
	    T(history_that_cannot_be_opened_stops_no_mail),
	    T(queries_that_make_no_sense),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
#undef T
}
