/*
 * Users' limits in a queue of its own process: judged at COMMIT, never before they are known, kept
 * over kill -9; and commits that come when their client has given up.
 */
#include "common/clock.h"
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
	world->messages_per_hour = 3;
	*state = world;
	assert_true(world_start(world, NULL));
	return 0;
}

static int
tear_down(void **state)
{
	world_fini(*state);
	free(*state);
	return 0;
}

static bool
has_committed(struct queue_world *world)
{
	return world->has_committed;
}

static bool
is_limited(struct queue_world *world)
{
	return world->limit.user_id == 7 && world->limit.recipients == 0;
}

static bool
queue_has(struct queue_world *world, const char *text)
{
	assert_int_equal(world_call(world, "GET", "/v1/queue", ""), 200);
	return strstr(world->result, text) != NULL;
}

static void
submit(struct queue_world *world, enum commit_outcome expected)
{
	(void)world_submit(world, 1, 500, 3);
	assert_int_equal(world->committed, expected);
}

static void
test_commit_waits_until_the_limits_are_known(void **state)
{
	struct queue_world *world = *state;

	for (int i = 0; i < 4; i++)
		world_begin_submit(world, 1, 500, 3);
	world_settle(world, 200);
	assert_int_equal(world->commits, 0);
	world_send_routes(world, 1);
	assert_true(world_wait(world, is_limited));
	assert_true(world_wait(world, has_committed));
	world_settle(world, 100);
	assert_int_equal(world->commits, 4);
	assert_int_equal(world->stored, 3);
	assert_true(queue_has(world, "\"ready\":3"));
}

static void
test_limit_holds_over_a_kill(void **state)
{
	struct queue_world *world = *state;

	world_send_routes(world, 1);
	submit(world, COMMIT_STORED);
	submit(world, COMMIT_STORED);
	assert_false(is_limited(world));
	world_kill(world);
	assert_true(world_start(world, NULL));
	world_send_routes(world, 1);
	submit(world, COMMIT_STORED);
	/* Before the answer, so that it can be said why. */
	assert_true(is_limited(world));
	assert_true(world->limit.until_ms > clock_wall_ms() + 3590000);
	submit(world, COMMIT_LIMITED);
	world_kill(world);
	world->limit = (struct msg_user_limit){0};
	assert_true(world_start(world, NULL));
	world_send_routes(world, 1);
	assert_true(world_wait(world, is_limited));
	submit(world, COMMIT_LIMITED);
	assert_true(queue_has(world, "\"ready\":3"));
	assert_int_equal(world_call(world, "GET", "/v1/users/SHOP", ""), 200);
	assert_non_null(strstr(world->result, "\"messages_used_hour\":3,\"messages_left_hour\":0"));
	world->messages_per_hour = 4;
	world_send_routes(world, 1);
	submit(world, COMMIT_STORED);
	/* Unknown here, so without a limit. */
	assert_int_equal(world_call(world, "GET", "/v1/users/nobody", ""), 200);
	assert_non_null(strstr(world->result, "\"messages_used_hour\":null"));
}

/* The client has heard 451 and sends it again: it must not go out twice. */
static void
test_commit_after_its_time_is_not_stored(void **state)
{
	static const size_t sizes[] = {500, 300000};
	struct queue_world *world = *state;

	world_send_routes(world, 1);
	for (int i = 0; i < 6; i++) {
		world->expires_at_ms = clock_monotonic_ms() - 1;
		(void)world_submit(world, 1, sizes[i % 2], 3);
		assert_int_equal(world->committed, COMMIT_FAILED);
	}
	assert_true(queue_has(world, "\"ready\":0"));
	/* The places were given back. */
	world->expires_at_ms = clock_monotonic_ms() + 60000;
	for (int i = 0; i < 3; i++)
		submit(world, COMMIT_STORED);
	submit(world, COMMIT_LIMITED);
	world_settle(world, 100);
	assert_int_equal(world_count_bodies(world), 0);
}

int
main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(test_##name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
	    T(commit_waits_until_the_limits_are_known),
	    T(limit_holds_over_a_kill),
	    T(commit_after_its_time_is_not_stored),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
