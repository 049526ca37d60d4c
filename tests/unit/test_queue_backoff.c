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
	/* middle: the least, in seconds; a fifth more at the most */
	static const struct {
		enum reply_class class;
		struct reply_wait wait;
		uint32_t failures;
		int64_t least_s;
	} rows[] = {
	    {REPLY_UNREACHABLE, {0}, 1, 10},
	    {REPLY_TLS, {0}, 2, 20},
	    {REPLY_UNREACHABLE, {0}, 6, 320},
	    {REPLY_UNREACHABLE, {0}, 7, 600},
	    {REPLY_UNREACHABLE, {0}, 4000000000u, 600},
	    {REPLY_AUTH_BAD, {0}, 1, 900},
	    {REPLY_MISCONFIGURED, {0}, 2, 1800},
	    {REPLY_MISCONFIGURED, {0}, 9, 14400},
	    {REPLY_RATE_AUTH, {0}, 1, 900},
	    {REPLY_RATE_AUTH, {0}, 3, 3600},
	    {REPLY_RATE_AUTH, {0}, 30, 14400},
	    {REPLY_RATE, {120, 600, false}, 1, 120},
	    {REPLY_RATE, {120, 600, false}, 2, 240},
	    {REPLY_RATE, {120, 600, false}, 9, 600},
	    {REPLY_RATE, {4000000000u, 4000000000u, false}, 9, 86400},
	    /* What stands before MAIL is the account's, whatever its class. */
	    {REPLY_TEMPORARY, {0}, 1, 10},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		for (uint32_t chance = 0; chance < 4000000000u; chance += 99999937u) {
			int64_t ms = backoff_profile_ms(
			    rows[i].class, rows[i].wait, rows[i].failures, chance);

			assert_in_range(ms, rows[i].least_s * 1000, rows[i].least_s * 1200);
		}
}

static void
test_what_the_upstream_named_is_waited_for(void **state)
{
	const struct reply_wait named = {92, 92, true}, too_long = {200000, 200000, true};

	assert_int_equal(backoff_profile_ms(REPLY_RATE, named, 5, 12345), 92000);
	assert_int_equal(backoff_profile_ms(REPLY_RATE, too_long, 1, 0), 86400000);
	assert_int_equal(backoff_recipient_ms(named, 5), 92000);
	assert_int_equal(backoff_recipient_ms((struct reply_wait){0}, 5), 0);
	assert_int_equal(backoff_recipient_ms((struct reply_wait){60, 200, false}, 1), 60000);
	assert_int_equal(backoff_recipient_ms((struct reply_wait){60, 200, false}, 2), 120000);
	assert_int_equal(backoff_recipient_ms((struct reply_wait){60, 200, false}, 3), 200000);
	assert_int_equal(backoff_recipient_ms((struct reply_wait){60, 0, false}, 1), 60000);
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
	assert_true(backoff_is_over(now_ms, now_ms - 1, now_ms));
	assert_false(backoff_is_over(now_ms + 1, now_ms - 1, now_ms));
	/* A day is a day. */
	assert_false(backoff_is_over(now_ms + 86400000, now_ms, now_ms));
	/* It was set at a time that is yet to come. */
	assert_false(backoff_is_over(now_ms + 90000, now_ms + 60000, now_ms));
	assert_true(backoff_is_over(now_ms + 90000, now_ms + 60001, now_ms));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_message_follows_the_schedule),
	    cmocka_unit_test(test_profile_waits_longer_each_time),
	    cmocka_unit_test(test_what_the_upstream_named_is_waited_for),
	    cmocka_unit_test(test_limit_that_has_passed_is_shown_as_ok),
	    cmocka_unit_test(test_clock_set_back_makes_nobody_wait_longer),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
