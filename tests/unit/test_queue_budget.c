/* budget: never more than a rate in any time of its length, also over a crash, and what is left to
 * ordinary messages is less by the reserve. */
#include "daemon/queue/budget.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#define START INT64_C(1800000000000)
#define HOUR INT64_C(3600000)
#define LOG_MAX 200000

static struct {
	struct budget budget;
	int64_t now_ms;
	uint64_t seed;
	/* what went */
	struct {
		int64_t at_ms;
		uint32_t recipients;
	} log[LOG_MAX];
	unsigned log_count;
	/* what is on disk */
	struct booking disk[4000];
	size_t disk_count;
} world;

static uint32_t
chance(uint32_t below)
{
	world.seed = world.seed * 6364136223846793005u + 1442695040888963407u;
	return (uint32_t)(world.seed >> 33) % below;
}

static struct rate
parse(const char *text)
{
	struct rate rate;
	struct err err;

	assert_int_equal(rate_parse(text, &rate, &err), 0);
	return rate;
}

static void
set(const char *messages, const char *recipients, unsigned reserve)
{
	struct rate a = parse(messages), b = parse(recipients);

	budget_set(&world.budget, &a, &b, reserve, world.now_ms);
}

static void
begin(const char *messages, const char *recipients, unsigned reserve)
{
	budget_fini(&world.budget);
	memset(&world, 0, sizeof(world));
	world.now_ms = START;
	world.seed = 7;
	set(messages, recipients, reserve);
}

static int64_t
goes_at(bool is_urgent)
{
	return budget_goes_at(&world.budget, world.now_ms, is_urgent);
}

static uint32_t
places(bool is_urgent)
{
	return budget_places(&world.budget, world.now_ms, is_urgent);
}

static void
write_lines(const struct booking *lines, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		size_t at = 0;

		while (at < world.disk_count && (world.disk[at].period_ms != lines[i].period_ms ||
						    world.disk[at].slot != lines[i].slot))
			at++;
		assert_in_range(at, 0, 3999);
		world.disk[at] = lines[i];
		world.disk_count += at == world.disk_count;
	}
}

static void
book(uint32_t recipients)
{
	struct booking lines[BUDGET_LINES_MAX];
	size_t count = budget_book(&world.budget, world.now_ms, recipients, lines);

	assert_in_range(count, 1, BUDGET_LINES_MAX);
	write_lines(lines, count);
	budget_note_booked(&world.budget, lines, count);
}

/* Sends it now, if it may go to so many. */
static bool
try_send(uint32_t recipients, bool is_urgent)
{
	if (goes_at(is_urgent) != 0 || recipients > places(is_urgent))
		return false;
	if (!budget_is_booked(&world.budget, world.now_ms, recipients))
		book(recipients);
	assert_true(budget_is_booked(&world.budget, world.now_ms, recipients));
	budget_charge(&world.budget, world.now_ms, recipients);
	world.log[world.log_count].at_ms = world.now_ms;
	world.log[world.log_count++].recipients = recipients;
	return true;
}

/* The most that went in any time of this length. */
static void
assert_rate(int64_t period_ms, uint32_t messages, uint32_t recipients)
{
	uint64_t sum = 0;

	for (unsigned first = 0, next = 0; next < world.log_count; next++) {
		sum += world.log[next].recipients;
		while (world.log[next].at_ms - world.log[first].at_ms >= period_ms)
			sum -= world.log[first++].recipients;
		if (messages != 0)
			assert_in_range(next - first + 1, 1, messages);
		if (recipients != 0)
			assert_in_range(sum, 1, recipients);
	}
}

static void
test_no_time_has_more_than_the_rate(void **state)
{
	begin("10/s 100/m 900/h", "2000/h 7/5s", 0);
	while (world.now_ms < START + 3 * HOUR) {
		if (!try_send(1 + chance(9), false) && chance(4) == 0)
			world.now_ms = goes_at(false) != 0 ? goes_at(false) : world.now_ms;
		world.now_ms += chance(300);
	}
	assert_rate(1000, 10, 0);
	assert_rate(60000, 100, 0);
	assert_rate(HOUR, 900, 2000);
	assert_rate(5000, 0, 7);
	/* And not much less. */
	assert_true(world.log_count > 800);
}

static void
test_place_comes_back_a_sixtieth_late_at_most(void **state)
{
	begin("7/5m", "none", 0);
	for (int i = 0; i < 7; i++)
		assert_true(try_send(1, false));
	assert_false(try_send(1, true));
	assert_in_range(goes_at(true), START + 300000, START + 305000);
	world.now_ms = goes_at(true);
	assert_true(try_send(1, false));
}

static void
test_message_goes_to_as_many_as_there_are_places(void **state)
{
	begin("none", "100/h 60/m", 10);
	assert_int_equal(places(false), 60);
	assert_true(try_send(60, false));
	assert_int_equal(places(true), 0);
	assert_true(goes_at(true) != 0);
	world.now_ms = goes_at(true);
	/* Ten are kept of the hour. */
	assert_int_equal(places(false), 30);
	assert_int_equal(places(true), 40);
	assert_true(try_send(30, false));
	assert_true(goes_at(false) >= START + HOUR);
	assert_int_equal(goes_at(true), 0);
	begin("10/h", "none", 0);
	assert_int_equal(places(false), UINT32_MAX);
}

/* Of thousands of recipients too: each time to all there are places for. */
static void
test_parts_keep_the_rate(void **state)
{
	uint32_t left = 2000;

	begin("none", "50/m 300/h", 0);
	while (left > 0) {
		uint32_t part;

		world.now_ms += chance(3000);
		if (goes_at(false) != 0)
			continue;
		part = places(false) < left ? places(false) : left;
		assert_in_range(part, 1, 50);
		assert_true(try_send(part, false));
		left -= part;
	}
	assert_rate(60000, 0, 50);
	assert_rate(HOUR, 0, 300);
	/* And not much slower. */
	assert_true(world.now_ms - START < 7 * HOUR);
}

/* Seven in five minutes: one after the other, all at the same distance, and not too few. */
static void
test_spread(void **state)
{
	begin("7/5m", "none", 0);
	budget_spread(&world.budget, true);
	while (world.now_ms < START + 10 * HOUR) {
		if (goes_at(false) != 0) {
			/* A timer is late now and then. */
			world.now_ms = goes_at(false) + chance(3) * 100;
			continue;
		}
		assert_true(try_send(1, false));
		assert_false(try_send(1, true));
		assert_true(budget_only_spreads(&world.budget, world.now_ms, true));
	}
	assert_rate(300000, 7, 0);
	for (unsigned i = 1; i < world.log_count; i++)
		assert_in_range(world.log[i].at_ms - world.log[i - 1].at_ms, 42500, 44600);
	assert_in_range(world.log_count, 7 * 12 * 10 * 97 / 100, 7 * 12 * 10);
	/* After a while without, it isn't made up for. */
	world.now_ms += HOUR;
	assert_true(try_send(1, false));
	assert_false(try_send(1, false));
}

static void
test_spread_over_recipients(void **state)
{
	begin("none", "600/h", 0);
	budget_spread(&world.budget, true);
	assert_true(try_send(100, false));
	assert_in_range(goes_at(false), START + 600000, START + 620000);
	world.now_ms = goes_at(false);
	assert_true(try_send(1, false));
	assert_in_range(goes_at(false), world.now_ms + 6000, world.now_ms + 6200);
	/* The longest period says how far, and of many in a second none is left out. */
	begin("100/s 86400/d", "none", 0);
	budget_spread(&world.budget, true);
	assert_true(try_send(1, false));
	assert_in_range(goes_at(false), START + 1000, START + 1020);
	begin("5000/s", "none", 0);
	budget_spread(&world.budget, true);
	for (; world.now_ms < START + 1000; world.now_ms += 1)
		while (try_send(1, false))
			;
	assert_in_range(world.log_count, 4800, 5000);
}

/* A reserve makes the others go at greater distances; urgent ones needn't. */
static void
test_spread_with_reserve(void **state)
{
	begin("60/h", "none", 50);
	budget_spread(&world.budget, true);
	assert_true(try_send(1, false));
	assert_in_range(goes_at(true), START + 60000, START + 61100);
	assert_in_range(goes_at(false), START + 120000, START + 122100);
}

static void
test_reserve_is_for_urgent_messages(void **state)
{
	unsigned sent = 0;

	begin("1000/m 100/h", "none", 10);
	while (try_send(1, false))
		sent++;
	assert_int_equal(sent, 90);
	assert_int_equal(budget_left(&world.budget, 1, world.now_ms, false).messages, 0);
	assert_int_equal(budget_left(&world.budget, 1, world.now_ms, true).messages, 10);
	while (try_send(1, true))
		sent++;
	assert_int_equal(sent, 100);
	/* Of one there is no tenth, and of all of it something is left. */
	begin("1/h", "none", 10);
	assert_true(try_send(1, false));
	begin("10/h", "none", 100);
	assert_true(try_send(1, false));
	assert_false(try_send(1, false));
	assert_true(try_send(1, true));
	/* Short periods have none. */
	begin("10/m", "none", 50);
	for (int i = 0; i < 10; i++)
		assert_true(try_send(1, false));
}

static void
restart(void)
{
	struct booking disk[4000];
	size_t count = world.disk_count;

	memcpy(disk, world.disk, sizeof(disk));
	budget_fini(&world.budget);
	for (size_t i = 0; i < count; i++)
		budget_load(&world.budget, &disk[i], world.now_ms);
	set("60/m 500/h", "1200/h", 0);
}

/* What stands on disk says when the last one went, nearly. */
static void
test_spread_over_a_start(void **state)
{
	begin("60/m 500/h", "1200/h", 0);
	budget_spread(&world.budget, true);
	assert_true(try_send(1, false));
	restart();
	budget_spread(&world.budget, true);
	assert_in_range(goes_at(false), START + 7200, START + 7400);
	world.now_ms += HOUR;
	restart();
	budget_spread(&world.budget, true);
	assert_int_equal(goes_at(false), 0);
}

/* What went on a booking counts, whenever it ends; what comes from disk is never less. */
static void
test_crash_opens_no_gate(void **state)
{
	begin("60/m 500/h", "1200/h", 0);
	while (world.now_ms < START + 4 * HOUR) {
		(void)try_send(1 + chance(5), false);
		if (chance(500) == 0)
			restart();
		world.now_ms += 1000 + chance(8000);
	}
	assert_rate(60000, 60, 0);
	assert_rate(HOUR, 500, 1200);
	assert_true(world.log_count > 1000);
}

static void
test_crash_costs_a_little_only(void **state)
{
	begin("60/m 500/h", "1200/h", 0);
	for (int i = 0; i < 50; i++)
		assert_true(try_send(1, false));
	restart();
	assert_in_range(budget_left(&world.budget, 1, world.now_ms, true).messages, 440, 450);
	assert_in_range(budget_left(&world.budget, 1, world.now_ms, true).recipients, 1126, 1150);
}

static void
test_booking_is_for_its_time(void **state)
{
	struct booking lines[BUDGET_LINES_MAX];
	size_t count;

	begin("600/m", "none", 0);
	assert_true(try_send(1, false));
	assert_true(budget_is_booked(&world.budget, world.now_ms + 5000, 1));
	world.now_ms += 60000;
	assert_false(budget_is_booked(&world.budget, world.now_ms, 1));
	/* The old line is put right, the new one is ahead of the time that the commit takes. */
	count = budget_book(&world.budget, world.now_ms, 1, lines);
	assert_int_equal(count, 2);
	assert_int_equal(lines[0].count.messages, 1);
	assert_true(lines[1].slot > world.now_ms / 1000);
	world.now_ms += 5000;
	budget_note_booked(&world.budget, lines, count);
	assert_true(budget_is_booked(&world.budget, world.now_ms, 1));
}

static void
test_short_periods_are_spent_after_a_start(void **state)
{
	begin("10/s 100/h", "none", 0);
	budget_assume_spent(&world.budget, world.now_ms);
	assert_false(try_send(1, true));
	assert_in_range(goes_at(true), START + 1000, START + 1040);
	assert_int_equal(budget_left(&world.budget, 1, world.now_ms, true).messages, 100);
}

static void
test_taken_back_is_free_again(void **state)
{
	begin("1/h", "100/d", 0);
	assert_true(try_send(60, false));
	budget_take_back(&world.budget, &(struct budget_time){.charged_ms = world.now_ms},
	    (struct usage_count){.messages = 1, .recipients = 60});
	assert_true(try_send(60, false));
	budget_take_back(&world.budget, &(struct budget_time){.charged_ms = world.now_ms},
	    (struct usage_count){.recipients = 50});
	assert_int_equal(budget_left(&world.budget, 1, world.now_ms, true).recipients, 90);
	assert_false(try_send(1, false));
}

/* A slow one counts for a minute since its end, and a part of it that did not go is free again. */
static void
test_counts_from_its_end_on(void **state)
{
	struct budget_time time;

	begin("10/s 2/m", "100/m", 0);
	time = (struct budget_time){.charged_ms = world.now_ms};
	assert_true(try_send(50, false));
	assert_true(try_send(1, false));
	world.now_ms += 20000;
	budget_end(&world.budget, &time, world.now_ms, 50);
	assert_in_range(goes_at(true), START + 60000, START + 61100);
	world.now_ms = goes_at(true);
	assert_true(try_send(1, false));
	assert_in_range(goes_at(true), START + 80000, START + 81100);
	assert_int_equal(budget_left(&world.budget, 1, world.now_ms, true).recipients, 49);
	budget_take_back(&world.budget, &time, (struct usage_count){.recipients = 40});
	assert_int_equal(budget_left(&world.budget, 1, world.now_ms, true).recipients, 89);
}

static void
test_new_rates_keep_what_was_counted(void **state)
{
	begin("10/h", "none", 0);
	for (int i = 0; i < 10; i++)
		assert_true(try_send(1, false));
	set("12/h 5/m", "none", 0);
	assert_true(try_send(1, false));
	assert_true(try_send(1, false));
	assert_false(try_send(1, false));
	set("none", "none", 0);
	assert_false(budget_has_limits(&world.budget));
	assert_true(goes_at(false) == 0);
	set("12/h", "none", 0);
	assert_false(try_send(1, false));
	/* Forgotten once it doesn't count any more. */
	world.now_ms += 2 * HOUR;
	set("none", "none", 0);
	assert_int_equal(world.budget.count, 0);
	budget_fini(&world.budget);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_no_time_has_more_than_the_rate),
	    cmocka_unit_test(test_place_comes_back_a_sixtieth_late_at_most),
	    cmocka_unit_test(test_message_goes_to_as_many_as_there_are_places),
	    cmocka_unit_test(test_parts_keep_the_rate),
	    cmocka_unit_test(test_spread),
	    cmocka_unit_test(test_spread_over_recipients),
	    cmocka_unit_test(test_spread_with_reserve),
	    cmocka_unit_test(test_spread_over_a_start),
	    cmocka_unit_test(test_reserve_is_for_urgent_messages),
	    cmocka_unit_test(test_crash_opens_no_gate),
	    cmocka_unit_test(test_crash_costs_a_little_only),
	    cmocka_unit_test(test_booking_is_for_its_time),
	    cmocka_unit_test(test_short_periods_are_spent_after_a_start),
	    cmocka_unit_test(test_taken_back_is_free_again),
	    cmocka_unit_test(test_counts_from_its_end_on),
	    cmocka_unit_test(test_new_rates_keep_what_was_counted),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
