/* A clock that is set wrong takes no history with it. */
#include "daemon/queue/wary_clock.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#define MINUTE INT64_C(60000)
#define HOUR (60 * MINUTE)
#define DAY (24 * HOUR)
#define WALL (20000 * DAY)

static void
test_follows_a_clock_that_runs(void **state)
{
	struct wary_clock clock;

	wary_clock_init(&clock, 0, WALL, 0);
	for (int64_t ms = 0; ms < 3 * DAY; ms += 7 * MINUTE)
		assert_int_equal(wary_clock_look(&clock, WALL + ms, ms), WALL + ms);
	/* Slewed by a little. */
	assert_int_equal(
	    wary_clock_look(&clock, WALL + 3 * DAY + 5000, 3 * DAY), WALL + 3 * DAY + 5000);
}

static void
test_set_ahead_by_years_and_right_again(void **state)
{
	struct wary_clock clock;

	wary_clock_init(&clock, 0, WALL, 0);
	assert_int_equal(wary_clock_look(&clock, WALL + HOUR, HOUR), WALL + HOUR);
	assert_int_equal(
	    wary_clock_look(&clock, WALL + 4000 * DAY, HOUR + MINUTE), WALL + HOUR + 24 * MINUTE);
	assert_int_equal(wary_clock_look(&clock, WALL + HOUR + 2 * MINUTE, HOUR + 2 * MINUTE),
	    WALL + HOUR + 2 * MINUTE);
	/* If it is meant so, it comes there. */
	assert_int_equal(wary_clock_look(&clock, WALL + 30 * DAY, 41 * HOUR), WALL + 30 * DAY);
}

static void
test_set_back(void **state)
{
	struct wary_clock clock;

	wary_clock_init(&clock, 0, WALL, 0);
	assert_int_equal(wary_clock_look(&clock, WALL - 100 * DAY, MINUTE), WALL - 100 * DAY);
}

static void
test_goes_on_from_what_is_known(void **state)
{
	struct wary_clock clock;

	wary_clock_init(&clock, WALL, WALL + 4000 * DAY, 5);
	assert_int_equal(
	    wary_clock_look(&clock, WALL + 4000 * DAY, 5 + MINUTE), WALL + 24 * MINUTE);
	wary_clock_init(&clock, WALL + DAY, WALL, 5);
	assert_int_equal(wary_clock_look(&clock, WALL, 5), WALL);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_follows_a_clock_that_runs),
	    cmocka_unit_test(test_set_ahead_by_years_and_right_again),
	    cmocka_unit_test(test_set_back),
	    cmocka_unit_test(test_goes_on_from_what_is_known),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
