/* What upstreams say of a profile's account: who waits, for how long, and what is learned. */
#include "daemon/config/reply_class.h"
#include "tests/lib/queue_world.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
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

/* A profile of so many connections, and so many messages for it. */
static void
start(struct queue_world *world, uint32_t connections, unsigned messages)
{
	struct msg_route profile = {.row = ROUTE_PROFILE,
	    .id = 5,
	    .version = 1,
	    .name = "office",
	    .connections = connections};

	assert_true(world_start(world, NULL));
	world_send_routes(world, 1);
	world_send_row(world, &profile);
	for (unsigned i = 0; i < messages; i++)
		(void)world_submit(world, 1, 500, 3);
	world_connect_relay(world, NULL, 0);
}

static void
report(struct queue_world *world, unsigned at, enum attempt_outcome outcome, enum reply_class class,
    const struct msg_report *more)
{
	const struct world_delivery *delivery = &world->deliveries[at];
	struct msg_report report = more != NULL ? *more : (struct msg_report){0};

	report.message_id = delivery->message_id;
	report.attempt = delivery->attempt;
	report.profile_id = delivery->profile_id;
	report.outcome = (uint8_t)outcome;
	report.class = (uint8_t) class;
	report.reason = "its words";
	report.rule = "a-rule";
	link_send(world->relay, MSG_REPORT, &report);
}

static bool
is_all_acknowledged(struct queue_world *world)
{
	for (unsigned i = 0; i < world->delivery_count; i++)
		if (!world->deliveries[i].is_acknowledged)
			return false;
	return true;
}

static bool
queue_has(struct queue_world *world, const char *text)
{
	assert_int_equal(world_call(world, "GET", "/v1/queue", ""), 200);
	if (strstr(world->result, text) != NULL)
		return true;
	print_message("%s\nlacks %s\n", world->result, text);
	return false;
}

static const enum fate delivered[] = {FATE_DELIVERED};

static void
test_wait_is_kept_over_a_kill(void **state)
{
	struct queue_world *world = *state;
	const struct msg_report named = {.wait_s = 3600, .wait_max_s = 3600, .is_wait_exact = true};
	char until[64], *at;

	start(world, 2, 1);
	assert_true(world_wait_deliveries(world, 1));
	report(world, 0, ATTEMPT_PUT_OFF, REPLY_QUOTA_DAILY, &named);
	assert_true(world_wait(world, is_all_acknowledged));
	assert_true(queue_has(world, "\"state\":\"limited\""));
	assert_true(
	    queue_has(world, "\"class\":\"quota-daily\",\"rule\":\"a-rule\",\"since\":\"2"));
	at = strstr(world->result, "\"rate_limited_until\":\"2");
	assert_non_null(at);
	(void)snprintf(until, sizeof(until), "%.43s", at);
	world_settle(world, 100);
	world_kill(world);
	assert_true(world_start(world, NULL));
	world_send_routes(world, 1);
	world_connect_relay(world, NULL, 0);
	world_settle(world, 100);
	assert_true(queue_has(world, until));
	assert_true(queue_has(world, "\"class\":\"quota-daily\""));
	assert_int_equal(world->delivery_count, 1);
}

/* What was on its way when the upstream said no proves nothing. */
static void
test_older_success_ends_no_wait(void **state)
{
	struct queue_world *world = *state;

	start(world, 3, 3);
	assert_true(world_wait_deliveries(world, 2));
	report(world, 1, ATTEMPT_PUT_OFF, REPLY_RATE, NULL);
	world_report(world, &world->deliveries[0], delivered, 1);
	assert_true(world_wait(world, is_all_acknowledged));
	world_settle(world, 50);
	assert_true(queue_has(world, "\"state\":\"limited\""));
	assert_int_equal(world->delivery_count, 2);
}

static void
test_too_many_connections_halve_them(void **state)
{
	struct queue_world *world = *state;

	start(world, 9, 20);
	assert_true(world_wait_deliveries(world, 8)); /* the ninth is for what is urgent */
	report(world, 7, ATTEMPT_PUT_OFF, REPLY_RATE_CONN, NULL);
	/* Connections that fail together are one failure. */
	report(world, 6, ATTEMPT_PUT_OFF, REPLY_RATE_CONN, NULL);
	world_settle(world, 50);
	assert_true(queue_has(world, "\"state\":\"ok\""));
	assert_true(queue_has(world, "\"connections_learned\":4,"));
	assert_int_equal(world->delivery_count, 8);
	for (unsigned i = 0; i < 4; i++)
		world_report(world, &world->deliveries[i], delivered, 1);
	/* Two are left of the six: one more for four, and the fourth is for what is urgent. */
	assert_true(world_wait_deliveries(world, 9));
	world_settle(world, 50);
	assert_int_equal(world->delivery_count, 9);
	world_kill(world);
	assert_true(world_start(world, NULL));
	world_send_routes(world, 1);
	world_settle(world, 50);
	assert_true(queue_has(world, "\"connections_learned\":4,"));
}

/* Then it may open a connection ahead: only if more waits, and only within the profile's number. */
static void
test_relay_hears_whether_more_follows(void **state)
{
	struct queue_world *world = *state;

	start(world, 3, 4);
	assert_true(world_wait_deliveries(world, 2));
	world_report(world, &world->deliveries[0], delivered, 1);
	assert_true(world_wait_deliveries(world, 3));
	world_report(world, &world->deliveries[1], delivered, 1);
	assert_true(world_wait_deliveries(world, 4));
	for (unsigned i = 0; i < 4; i++)
		assert_int_equal(world->deliveries[i].is_followed, i < 3);
}

static void
test_nothing_follows_on_the_only_connection(void **state)
{
	struct queue_world *world = *state;

	start(world, 1, 2);
	assert_true(world_wait_deliveries(world, 1));
	assert_false(world->deliveries[0].is_followed);
}

/* All wait before any goes: the first is followed by the second, which is the last of the rate. */
static void
test_nothing_follows_before_a_rate_allows_it(void **state)
{
	struct queue_world *world = *state;
	struct msg_route profile = {.row = ROUTE_PROFILE,
	    .id = 5,
	    .version = 1,
	    .name = "office",
	    .connections = 3,
	    .rate = "2/h"};

	assert_true(world_start(world, NULL));
	world_send_routes(world, 1);
	world_send_row(world, &profile);
	for (unsigned i = 0; i < 3; i++)
		(void)world_submit(world, 1, 500, 3);
	world_connect_relay(world, NULL, 0);
	assert_true(world_wait_deliveries(world, 2));
	assert_true(world->deliveries[0].is_followed);
	assert_false(world->deliveries[1].is_followed);
}

static void
test_the_only_connection_is_one_too_many(void **state)
{
	struct queue_world *world = *state;

	start(world, 9, 1);
	assert_true(world_wait_deliveries(world, 1));
	report(world, 0, ATTEMPT_PUT_OFF, REPLY_RATE_CONN, NULL);
	assert_true(world_wait(world, is_all_acknowledged));
	assert_true(queue_has(world, "\"state\":\"limited\""));
}

static void
test_fewer_recipients_at_a_time(void **state)
{
	struct queue_world *world = *state;
	const struct msg_report learned = {.recipients_max = 2};
	const struct msg_route chosen = {.row = ROUTE_PROFILE,
	    .id = 5,
	    .version = 1,
	    .name = "office",
	    .connections = 2,
	    .recipients_per_message = 500};

	start(world, 2, 0);
	world_send_row(world, &chosen);
	world_settle(world, 50);
	/* What was chosen isn't learned. */
	assert_true(queue_has(world, "\"recipients_learned\":null"));
	(void)world_submit(world, 5, 500, 3);
	assert_true(world_wait_deliveries(world, 1));
	assert_int_equal(world->deliveries[0].recipient_count, 5);
	report(world, 0, ATTEMPT_SPLIT, REPLY_SPLIT, &learned);
	assert_true(world_wait_deliveries(world, 2));
	assert_string_equal(world->deliveries[1].recipients, "r0@example.net r1@example.net");
	world_report(
	    world, &world->deliveries[1], (const enum fate[]){FATE_DELIVERED, FATE_DELIVERED}, 2);
	assert_true(world_wait_deliveries(world, 3));
	assert_string_equal(world->deliveries[2].recipients, "r2@example.net r3@example.net");
	assert_true(queue_has(world, "\"recipients_learned\":2"));
	assert_true(queue_has(world, "\"state\":\"ok\""));
}

/* Relay talks to strangers. Whatever it says, nothing is lost, and nothing turns in a circle. */
static void
test_nonsense_is_a_trouble_like_others(void **state)
{
	static const struct {
		enum attempt_outcome outcome;
		unsigned class;
		struct msg_report more;
	} rows[] = {
	    {ATTEMPT_SPLIT, REPLY_SPLIT, {.recipients_max = 0}},
	    {ATTEMPT_SPLIT, REPLY_SPLIT, {.recipients_max = 60000}},
	    {ATTEMPT_PUT_OFF, 250, {.wait_s = UINT32_MAX, .wait_max_s = UINT32_MAX}},
	    {(enum attempt_outcome)77, REPLY_NONE, {.wait_s = UINT32_MAX, .is_wait_exact = true}},
	    {ATTEMPT_PUT_OFF, REPLY_BAD_RECIPIENT, {.is_alerted = true}},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct queue_world world;

		world_init(&world);
		start(&world, 2, 1);
		assert_true(world_wait_deliveries(&world, 1));
		report(&world, 0, rows[i].outcome, rows[i].class, &rows[i].more);
		assert_true(world_wait(&world, is_all_acknowledged));
		world_settle(&world, 30);
		assert_true(queue_has(&world, "\"state\":\"limited\""));
		assert_int_equal(world.delivery_count, 1);
		world_fini(&world);
	}
}

static void
test_limit_is_told(void **state)
{
	struct queue_world *world = *state;

	start(world, 2, 1);
	assert_true(world_wait_deliveries(world, 1));
	report(
	    world, 0, ATTEMPT_PUT_OFF, REPLY_QUOTA_DAILY, &(struct msg_report){.is_alerted = true});
	assert_true(world_wait(world, is_all_acknowledged));
	assert_true(queue_has(world, "\"state\":\"limited\""));
	assert_int_equal(world->alerts, 1);
	assert_non_null(strstr(world->alert, "profile-limited office its words"));
}

static void
test_stop_is_told_and_resumed(void **state)
{
	struct queue_world *world = *state;

	start(world, 2, 1);
	assert_true(world_wait_deliveries(world, 1));
	report(world, 0, ATTEMPT_PUT_OFF, REPLY_ACCOUNT_DISABLED, NULL);
	assert_true(world_wait(world, is_all_acknowledged));
	assert_true(queue_has(world, "\"state\":\"stopped\""));
	assert_int_equal(world->alerts, 1);
	assert_non_null(strstr(world->alert, "profile-stopped office its words"));
	world_send_routes(world, 2);
	assert_true(world_wait_deliveries(world, 2));
	assert_true(queue_has(world, "\"class\":null,\"rule\":null,\"since\":null"));
}

int
main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(test_##name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
	    T(wait_is_kept_over_a_kill),
	    T(older_success_ends_no_wait),
	    T(too_many_connections_halve_them),
	    T(relay_hears_whether_more_follows),
	    T(nothing_follows_on_the_only_connection),
	    T(nothing_follows_before_a_rate_allows_it),
	    T(the_only_connection_is_one_too_many),
	    T(fewer_recipients_at_a_time),
	    cmocka_unit_test(test_nonsense_is_a_trouble_like_others),
	    T(limit_is_told),
	    T(stop_is_told_and_resumed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
