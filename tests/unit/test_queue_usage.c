/*
 * What a user sent in the last hour and day: never more than the limit in any window, every place
 * comes back, and no clock that is set makes counts appear or vanish for longer than a window.
 */
#include "daemon/queue/usage.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <cmocka.h>

#define MINUTE USAGE_MINUTE_MS
#define HOUR (60 * MINUTE)
#define DAY (24 * HOUR)
/* 2026-03-01 00:00 UTC, and not at the edge of a slot. */
#define START (INT64_C(1772323200000) + 12345)

static const struct usage_count one = {1, 1};

static struct usage_caps
caps(uint32_t messages_hour, uint32_t messages_day, uint32_t recipients_hour,
    uint32_t recipients_day)
{
	return (struct usage_caps){
	    {messages_hour, messages_day}, {recipients_hour, recipients_day}};
}

static void
test_hour_and_day_pass(void **state)
{
	struct usage usage = {0};

	usage_add(&usage, START, (struct usage_count){2, 5});
	usage_add(&usage, START + 30 * MINUTE, one);
	assert_int_equal(usage.hour.messages, 3);
	assert_int_equal(usage.hour.recipients, 6);
	/* Never early, at most a minute late. */
	usage_move(&usage, START + HOUR);
	assert_int_equal(usage.hour.messages, 3);
	usage_move(&usage, START + HOUR + MINUTE);
	assert_int_equal(usage.hour.messages, 1);
	assert_int_equal(usage.hour.recipients, 1);
	assert_int_equal(usage.day.messages, 3);
	usage_move(&usage, START + DAY);
	assert_int_equal(usage.hour.messages, 0);
	assert_int_equal(usage.day.messages, 3);
	usage_move(&usage, START + DAY + 30 * MINUTE);
	assert_int_equal(usage.day.messages, 1);
	usage_move(&usage, START + 10 * DAY);
	assert_int_equal(usage.day.messages, 0);
	assert_int_equal(usage.day.recipients, 0);
}

/* As a plain list of times would have it: in no hour or day more than the limit, and whatever is
 * refused would be in no window that is longer by one slot. */
static void
test_no_window_has_more_than_the_limit(void **state)
{
	struct usage_caps limits = caps(20, 150, 0, 0);
	static int64_t sent[20000];
	struct usage usage = {0};
	size_t count = 0;
	int64_t now = START;

	srand(7);
	while (now < START + 3 * DAY && count < 20000) {
		size_t in_hour = 0, in_day = 0, in_long_hour = 0, in_long_day = 0;
		bool is_fitting;

		now += rand() % (4 * MINUTE);
		usage_move(&usage, now);
		is_fitting = usage_fits(&usage, &limits, one);
		for (size_t i = 0; i < count; i++) {
			in_hour += sent[i] > now - HOUR;
			in_day += sent[i] > now - DAY;
			in_long_hour += sent[i] > now - HOUR - MINUTE;
			in_long_day += sent[i] > now - DAY - 30 * MINUTE;
		}
		if (is_fitting) {
			assert_true(in_hour < 20 && in_day < 150);
			usage_add(&usage, now, one);
			sent[count++] = now;
		} else {
			assert_true(in_long_hour >= 20 || in_long_day >= 150);
			/* The time that is said is the first that helps. */
			int64_t at = usage_fits_at(&usage, &limits, one);
			struct usage then = usage;

			usage_move(&then, at - 1);
			assert_false(usage_fits(&then, &limits, one));
			usage_move(&then, at);
			assert_true(usage_fits(&then, &limits, one));
			assert_true(usage_next_change(&usage, &limits) <= at);
		}
	}
	assert_true(count > 400);
}

static void
test_when_it_fits(void **state)
{
	struct usage_caps limits = caps(0, 0, 10, 0);
	struct usage usage = {0};
	int64_t minute = START / MINUTE;

	assert_int_equal(usage_next_change(&usage, &limits), 0);
	usage_move(&usage, START);
	assert_int_equal(usage_fits_at(&usage, &limits, (struct usage_count){1, 11}), 0);
	assert_true(usage_fits_at(&usage, &limits, (struct usage_count){1, 10}) <= START);
	usage_add(&usage, START, (struct usage_count){1, 4});
	usage_add(&usage, START + 5 * MINUTE, (struct usage_count){1, 6});
	assert_int_equal(usage_left(&usage, &limits).recipients, 0);
	assert_int_equal(usage_left(&usage, &limits).messages, UINT32_MAX);
	assert_int_equal(usage_fits_at(&usage, &limits, one), (minute + 61) * MINUTE);
	assert_int_equal(usage_next_change(&usage, &limits), (minute + 61) * MINUTE);
	assert_int_equal(
	    usage_fits_at(&usage, &limits, (struct usage_count){1, 5}), (minute + 66) * MINUTE);
}

static void
test_what_was_not_stored_is_taken_back(void **state)
{
	struct usage usage = {0};

	usage_add(&usage, START, one);
	usage_add(&usage, START, (struct usage_count){1, 7});
	usage_take_back(&usage, START, (struct usage_count){1, 7});
	assert_int_equal(usage.hour.recipients, 1);
	assert_int_equal(usage.day.messages, 1);
	/* Long after, when it no longer counts. */
	usage_move(&usage, START + 2 * HOUR);
	usage_take_back(&usage, START, one);
	assert_int_equal(usage.hour.messages, 0);
	assert_int_equal(usage.day.messages, 0);
	usage_take_back(&usage, START, one);
	assert_int_equal(usage.day.messages, 0);
}

static void
test_clock_is_set_back(void **state)
{
	static const int64_t steps[] = {1, MINUTE, 30 * MINUTE, HOUR, 5 * HOUR, DAY, 365 * DAY};

	for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
		struct usage usage = {0};
		int64_t now = START + 40 * MINUTE;

		usage_add(&usage, START, (struct usage_count){3, 3});
		usage_add(&usage, now, one);
		now -= steps[i];
		usage_move(&usage, now);
		assert_int_equal(usage.hour.messages, 4);
		assert_int_equal(usage.day.messages, 4);
		usage_add(&usage, now, one);
		usage_take_back(&usage, START + 40 * MINUTE, one);
		assert_int_equal(usage.hour.messages, 4);
		/* What was older stays so much older. */
		usage_move(&usage, now + 22 * MINUTE);
		assert_int_equal(usage.hour.messages, 1);
		usage_move(&usage, now + HOUR + MINUTE);
		assert_int_equal(usage.hour.messages, 0);
		assert_int_equal(usage.day.messages, 4);
		usage_move(&usage, now + DAY + 30 * MINUTE);
		assert_int_equal(usage.day.messages, 0);
	}
}

/* What was counted a moment ago and is stored only now: the slots in between stay where they are. */
static void
test_what_comes_late_moves_nothing(void **state)
{
	struct usage usage = {0};
	int64_t now = START / (30 * MINUTE) * 30 * MINUTE + 30 * MINUTE;

	usage_add(&usage, now - MINUTE, one);
	usage_move(&usage, now);
	usage_add(&usage, now, one);
	usage_add(&usage, now - 1, one);
	assert_int_equal(usage.hour.messages, 3);
	usage_move(&usage, now + HOUR);
	assert_int_equal(usage.hour.messages, 1);
	usage_move(&usage, now + DAY);
	assert_int_equal(usage.day.messages, 1);
}

static void
test_clock_is_set_forward(void **state)
{
	struct usage usage = {0};

	usage_add(&usage, START, one);
	usage_move(&usage, START + 365 * DAY);
	assert_int_equal(usage.day.messages, 0);
	usage_add(&usage, START + 365 * DAY, one);
	assert_int_equal(usage.day.messages, 1);
	assert_int_equal(usage.hour.messages, 1);
}

static void
test_slots_are_loaded_in_any_order(void **state)
{
	struct usage usage = {0};
	int64_t minute = START / MINUTE, half_hour = START / (30 * MINUTE);

	usage_load(&usage, MINUTE, minute, one);
	usage_load(&usage, MINUTE, minute - 60, one);
	usage_load(&usage, MINUTE, minute - 61, one);
	usage_load(&usage, MINUTE, minute - 30, (struct usage_count){5, 9});
	usage_load(&usage, 30 * MINUTE, half_hour - 48, one);
	usage_load(&usage, 30 * MINUTE, half_hour, (struct usage_count){7, 11});
	usage_load(&usage, 30 * MINUTE, half_hour - 1000, one);
	usage_load(&usage, 12345, minute, one);
	usage_move(&usage, START);
	assert_int_equal(usage.hour.messages, 7);
	assert_int_equal(usage.hour.recipients, 11);
	assert_int_equal(usage.day.messages, 8);
	assert_int_equal(usage.day.recipients, 12);
	usage_move(&usage, START + 31 * MINUTE);
	assert_int_equal(usage.hour.messages, 1);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_hour_and_day_pass),
	    cmocka_unit_test(test_no_window_has_more_than_the_limit),
	    cmocka_unit_test(test_when_it_fits),
	    cmocka_unit_test(test_what_was_not_stored_is_taken_back),
	    cmocka_unit_test(test_clock_is_set_back),
	    cmocka_unit_test(test_what_comes_late_moves_nothing),
	    cmocka_unit_test(test_clock_is_set_forward),
	    cmocka_unit_test(test_slots_are_loaded_in_any_order),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
