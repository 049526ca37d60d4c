/* What senders and operators hear of what the queue does: a queue role between fake ones. */
#include "common/clock.h"
#include "common/ident.h"
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

static void
start(struct queue_world *world, const char *config)
{
	assert_true(world_start(world, config));
	world_send_routes(world, 1);
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
result_has(struct queue_world *world, const char *text)
{
	if (strstr(world->result, text) != NULL)
		return true;
	print_message("%s\nlacks %s\n", world->result, text);
	return false;
}

static bool
queue_has(struct queue_world *world, const char *text)
{
	assert_int_equal(world_call(world, "GET", "/v1/queue", ""), 200);
	return result_has(world, text);
}

static bool
is_one_uncertain(struct queue_world *world)
{
	return world_call(world, "GET", "/v1/queue", "") == 200 &&
	       strstr(world->result, "\"uncertain\":1") != NULL;
}

static const enum fate broken[] = {FATE_DELIVERED, FATE_UNCERTAIN, FATE_DEFERRED};

static void
test_uncertain_recipient_waits_for_an_operator_if_the_profile_says_so(void **state)
{
	struct queue_world *world = *state;
	char path[64], ident[IDENT_SIZE];
	uint64_t id;

	world->is_uncertain_held = true;
	world->retry = "300ms";
	start(world, NULL);
	world_connect_relay(world, NULL, 0);
	id = world_submit(world, 3, 500, 3);
	assert_true(world_wait_deliveries(world, 1));
	world_report(world, &world->deliveries[0], broken, 3);
	assert_true(world_wait(world, is_one_uncertain));
	assert_non_null(strstr(world->alert, "uncertain r1@example.net"));
	/* The other goes on, by the profile's own schedule. */
	assert_true(world_wait_deliveries(world, 2));
	assert_string_equal(world->deliveries[1].recipients, "r2@example.net");
	world_kill(world);
	start(world, NULL);
	world_connect_relay(world, NULL, 0);
	assert_true(world_wait_deliveries(world, 3));
	assert_string_equal(world->deliveries[2].recipients, "r2@example.net");
	world_report_of(world, &world->deliveries[2], 2, FATE_DELIVERED);
	assert_true(world_wait(world, is_one_uncertain));
	(void)snprintf(path, sizeof(path), "/v1/messages/%s", ident_format(id, ident));
	assert_int_equal(world_call(world, "GET", path, ""), 200);
	assert_true(result_has(world, "waits for an operator to retry or remove it"));
	assert_true(result_has(world, "\"to\":\"r1@example.net\",\"state\":\"uncertain\""));
	assert_true(result_has(world, "\"next_attempt_at\":null"));
	assert_int_equal(world_call(world, "POST", "/v1/messages/release", "{\"all\":true}"), 200);
	assert_true(result_has(world, "\"count\":1"));
	assert_true(world_wait_deliveries(world, 4));
	assert_string_equal(world->deliveries[3].recipients, "r1@example.net");
}

static void
test_notice_bears_the_bounce_sender_of_its_profile(void **state)
{
	struct queue_world *world = *state;

	world->bounce_sender = "bounce@example.org";
	start(world, NULL);
	world_connect_relay(world, NULL, 0);
	(void)world_submit(world, 1, 500, 3);
	assert_true(world_wait_deliveries(world, 1));
	world_report_of(world, &world->deliveries[0], 0, FATE_FAILED);
	assert_true(world_wait_deliveries(world, 2));
	assert_string_equal(world->deliveries[1].sender, "bounce@example.org");
	assert_string_equal(world->deliveries[1].recipients, "shop@example.org");
	assert_int_equal(world->deliveries[1].notify, NOTIFY_NEVER);
	/* It fails: an alert, not another notice. */
	world_report_of(world, &world->deliveries[1], 0, FATE_FAILED);
	assert_true(world_wait(world, is_all_acknowledged));
	assert_int_equal(world->delivery_count, 2);
	assert_non_null(strstr(world->alert, "undeliverable shop@example.org"));
	/* Neither for what comes back to it. */
	world->sender = "bounce@example.org";
	(void)world_submit(world, 1, 500, 3);
	assert_true(world_wait_deliveries(world, 3));
	world_report_of(world, &world->deliveries[2], 0, FATE_FAILED);
	assert_true(world_wait(world, is_all_acknowledged));
	assert_true(queue_has(world, "\"ready\":0,\"deferred\":0"));
	assert_non_null(strstr(world->alert, "undeliverable r0@example.net"));
}

int
main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(test_##name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
	    T(uncertain_recipient_waits_for_an_operator_if_the_profile_says_so),
	    T(notice_bears_the_bounce_sender_of_its_profile),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
