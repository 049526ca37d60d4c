/* When a profile may log in, on a clock of the test's own. */
#include "daemon/core/loop.h"
#include "daemon/relay/auth_method.h"
#include "daemon/relay/logins.h"
#include "daemon/relay/profile.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#define MINUTE_MS (60 * 1000)

struct world {
	struct loop *loop;
	struct logins *logins;
	struct profile office, other;
	int64_t now_ms;
	char worked[128];
};

struct waiter {
	struct login *login;
	unsigned turns;
	char problem[500];
};

static void
on_worked(uint64_t profile_id, uint32_t version, const char *method, void *ctx)
{
	struct world *world = ctx;

	(void)snprintf(world->worked, sizeof(world->worked), "%llu/%u %s",
	    (unsigned long long)profile_id, version, method);
}

static void
on_turn(const char *problem, void *ctx)
{
	struct waiter *waiter = ctx;

	waiter->turns++;
	(void)snprintf(waiter->problem, sizeof(waiter->problem), "%s", problem ? problem : "");
}

static void
start(struct world *world)
{
	*world = (struct world){.loop = loop_new(),
	    .office = {.id = 1, .version = 1},
	    .other = {.id = 2, .version = 1},
	    .now_ms = 1000 * MINUTE_MS};
	loop_set_clock(world->loop, world->now_ms, INT64_C(1700000000000));
	world->logins = logins_new(world->loop, on_worked, world);
}

static void
end(struct world *world)
{
	logins_free(world->logins);
	loop_free(world->loop);
}

static void
pass(struct world *world, int64_t ms)
{
	world->now_ms += ms;
	loop_set_clock(world->loop, world->now_ms, INT64_C(1700000000000) + world->now_ms);
	for (int i = 0; i < 3; i++)
		loop_turn(world->loop, 0);
}

static void
wait_for(struct world *world, const struct profile *profile, bool is_next, struct waiter *waiter)
{
	*waiter = (struct waiter){.turns = 0};
	waiter->login = login_wait(world->logins, profile, is_next, on_turn, waiter);
	assert_int_equal(waiter->turns, 0); /* never from inside */
	pass(world, 1);
}

static bool
may_begin(const struct waiter *waiter)
{
	return waiter->turns == 1 && waiter->problem[0] == '\0';
}

static void
finish(struct world *world, struct waiter *waiter, enum login_result result)
{
	login_note_method(waiter->login, AUTH_BIT(AUTH_PLAIN));
	login_end(waiter->login, result, result == LOGIN_REFUSED ? "535 no" : "");
	pass(world, 1);
}

static void
test_one_at_a_time_until_it_works(void **state)
{
	struct world world;
	struct waiter one, two, three, stranger;

	start(&world);
	wait_for(&world, &world.office, false, &one);
	wait_for(&world, &world.office, false, &two);
	wait_for(&world, &world.other, false, &stranger);
	assert_true(may_begin(&one));
	assert_int_equal(two.turns, 0);
	assert_true(may_begin(&stranger)); /* another profile, also of the same host */
	finish(&world, &one, LOGIN_GOOD);
	assert_string_equal(world.worked, "1/1 plain");
	assert_true(may_begin(&two));
	assert_int_equal(login_worked(two.login), AUTH_BIT(AUTH_PLAIN));
	/* then as many as may yet be refused */
	wait_for(&world, &world.office, false, &one);
	wait_for(&world, &world.office, false, &three);
	assert_true(may_begin(&one));
	assert_int_equal(three.turns, 0);
	world.worked[0] = '\0';
	finish(&world, &one, LOGIN_GOOD);
	assert_string_equal(world.worked, ""); /* it is known */
	assert_true(may_begin(&three));
	finish(&world, &two, LOGIN_GOOD);
	finish(&world, &three, LOGIN_UNDECIDED);
	finish(&world, &stranger, LOGIN_UNDECIDED);
	end(&world);
}

static void
test_two_refusals_in_ten_minutes(void **state)
{
	struct world world;
	struct waiter one, two, second;

	start(&world);
	wait_for(&world, &world.office, false, &one);
	wait_for(&world, &world.office, false, &two);
	login_end(one.login, LOGIN_REFUSED, "535 no");
	/* the second method of the same connection goes before others */
	wait_for(&world, &world.office, true, &second);
	assert_true(may_begin(&second));
	assert_int_equal(two.turns, 0);
	finish(&world, &second, LOGIN_REFUSED);
	assert_int_equal(two.turns, 1);
	assert_non_null(strstr(two.problem, "refused 2 logins within ten minutes (535 no)"));
	finish(&world, &two, LOGIN_UNDECIDED);

	pass(&world, LOGINS_PERIOD_MS - MINUTE_MS);
	wait_for(&world, &world.office, false, &one);
	assert_true(one.turns == 1 && one.problem[0] != '\0');
	finish(&world, &one, LOGIN_UNDECIDED);
	pass(&world, MINUTE_MS);
	wait_for(&world, &world.office, false, &one);
	assert_true(may_begin(&one));
	finish(&world, &one, LOGIN_UNDECIDED);
	end(&world);
}

static void
test_refusals_of_logins_that_had_worked(void **state)
{
	struct world world;
	struct waiter waiters[5];

	start(&world);
	wait_for(&world, &world.office, false, &waiters[0]);
	finish(&world, &waiters[0], LOGIN_GOOD);
	for (int i = 0; i < 5; i++)
		wait_for(&world, &world.office, false, &waiters[i]);
	assert_true(may_begin(&waiters[0]) && may_begin(&waiters[1]));
	assert_int_equal(waiters[2].turns, 0);
	finish(&world, &waiters[0], LOGIN_REFUSED);
	assert_int_equal(waiters[2].turns, 0); /* one is under way, one was refused */
	finish(&world, &waiters[1], LOGIN_REFUSED);
	for (int i = 2; i < 5; i++) {
		assert_true(waiters[i].turns == 1 && waiters[i].problem[0] != '\0');
		login_end(waiters[i].login, LOGIN_UNDECIDED, "");
	}
	end(&world);
}

static void
test_change_of_the_profile_begins_anew(void **state)
{
	struct world world;
	struct waiter one;

	start(&world);
	for (int i = 0; i < LOGINS_REFUSED_MAX; i++) {
		wait_for(&world, &world.office, false, &one);
		finish(&world, &one, LOGIN_REFUSED);
	}
	wait_for(&world, &world.office, false, &one);
	assert_true(one.problem[0] != '\0');
	finish(&world, &one, LOGIN_UNDECIDED);
	world.office.version = 2;
	world.office.auth_worked = AUTH_BIT(AUTH_LOGIN);
	wait_for(&world, &world.office, false, &one);
	assert_true(may_begin(&one));
	assert_int_equal(login_worked(one.login), AUTH_BIT(AUTH_LOGIN));
	finish(&world, &one, LOGIN_GOOD);
	assert_string_equal(world.worked, "1/2 plain");
	end(&world);
}

static void
test_who_gives_up_while_waiting(void **state)
{
	struct world world;
	struct waiter one, two, three;

	start(&world);
	wait_for(&world, &world.office, false, &one);
	wait_for(&world, &world.office, false, &two);
	wait_for(&world, &world.office, false, &three);
	finish(&world, &two, LOGIN_UNDECIDED);
	assert_int_equal(three.turns, 0);
	logins_forget(world.logins, 1); /* not while somebody is under way */
	finish(&world, &one, LOGIN_UNDECIDED);
	assert_true(may_begin(&three));
	finish(&world, &three, LOGIN_UNDECIDED);
	logins_forget(world.logins, 1);
	logins_forget(world.logins, 7);
	end(&world);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_one_at_a_time_until_it_works),
	    cmocka_unit_test(test_two_refusals_in_ten_minutes),
	    cmocka_unit_test(test_refusals_of_logins_that_had_worked),
	    cmocka_unit_test(test_change_of_the_profile_begins_anew),
	    cmocka_unit_test(test_who_gives_up_while_waiting),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
