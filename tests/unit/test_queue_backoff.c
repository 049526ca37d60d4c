/* backoff: how long messages and profiles wait. */
#include "daemon/queue/backoff.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

static const int64_t schedule[] = {60000, 120000, 3600000};

static void
test_message_follows_the_schedule(void **state)
{
	/* chance: the least, and the most */
	static const struct {
		uint32_t attempts;
		int64_t least, most;
	} rows[] = {
	    {0, 54000, 66000},
	    {1, 54000, 66000},
	    {2, 108000, 132000},
	    {3, 3240000, 3960000},
	    {50, 3240000, 3960000},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		for (uint32_t chance = 0; chance < 4000000000u; chance += 99999937u) {
			int64_t ms = backoff_message_ms(schedule, 3, rows[i].attempts, chance);

			assert_in_range(ms, rows[i].least, rows[i].most);
		}
}

static void
test_profile_waits_longer_each_time(void **state)
{
	static const struct {
		enum attempt_outcome outcome;
		uint32_t failures;
		int64_t middle;
	} rows[] = {
	    {ATTEMPT_UNREACHABLE, 1, 10000},
	    {ATTEMPT_TLS, 2, 20000},
	    {ATTEMPT_AUTH_LATER, 6, 320000},
	    {ATTEMPT_UNREACHABLE, 7, 600000},
	    {ATTEMPT_UNREACHABLE, 4000000000u, 600000},
	    {ATTEMPT_AUTH_REFUSED, 1, 900000},
	    {ATTEMPT_MISCONFIGURED, 9, 900000},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		int64_t ms = backoff_profile_ms(rows[i].outcome, rows[i].failures, 12345);

		assert_in_range(ms, rows[i].middle * 8 / 10, rows[i].middle * 12 / 10);
	}
}

static void
test_limit_that_has_passed_is_shown_as_ok(void **state)
{
	static const struct {
		enum profile_trouble trouble;
		bool is_over;
		uint64_t waiting;
		enum profile_trouble shown;
	} rows[] = {
	    {TROUBLE_LIMITED, false, 0, TROUBLE_LIMITED},
	    {TROUBLE_LIMITED, true, 0, TROUBLE_NONE},
	    {TROUBLE_LIMITED, true, 3, TROUBLE_LIMITED},
	    {TROUBLE_STOPPED, true, 0, TROUBLE_STOPPED},
	    {TROUBLE_NONE, true, 0, TROUBLE_NONE},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		assert_int_equal(backoff_shown(rows[i].trouble, rows[i].is_over, rows[i].waiting),
		    rows[i].shown);
}

static void
test_clock_set_back_makes_nobody_wait_longer(void **state)
{
	static const int64_t schedule_ms[] = {60000, 7200000, 3600000};
	const int64_t now_ms = 1700000000000;

	assert_int_equal(backoff_longest_ms(schedule_ms, 3), 7200000 + 720000);
	/* What a message without any schedule waits. */
	assert_int_equal(backoff_longest_ms(NULL, 0), 660000);
	assert_true(backoff_is_over(now_ms, now_ms));
	assert_false(backoff_is_over(now_ms + 1, now_ms));
	assert_false(backoff_is_over(now_ms + 990000, now_ms));
	assert_true(backoff_is_over(now_ms + 990001, now_ms));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_message_follows_the_schedule),
	    cmocka_unit_test(test_profile_waits_longer_each_time),
	    cmocka_unit_test(test_limit_that_has_passed_is_shown_as_ok),
	    cmocka_unit_test(test_clock_set_back_makes_nobody_wait_longer),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
