/* connects: never more in a period than the rate says, also over a start, and no burst but a small
 * one; what the rate allows is used up to three quarters at the least. */
#include "daemon/relay/connects.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#define OPENED_MAX 20000

static struct {
	struct connects connects;
	struct rate rate;
	int64_t now_ms, opened_ms[OPENED_MAX];
	size_t opened;
} world;

static void
begin(const char *text)
{
	struct err err;

	memset(&world, 0, sizeof(world));
	world.now_ms = 1000000;
	assert_int_equal(rate_parse(text, &world.rate, &err), 0);
	connects_set(&world.connects, &world.rate, world.now_ms);
}

static void
restart(void)
{
	memset(&world.connects, 0, sizeof(world.connects));
	connects_set(&world.connects, &world.rate, world.now_ms);
}

static unsigned
open_all(void)
{
	unsigned count = 0;

	for (; connects_wait_ms(&world.connects, world.now_ms) == 0; count++) {
		assert_true(world.opened < OPENED_MAX);
		world.opened_ms[world.opened++] = world.now_ms;
		connects_note(&world.connects, world.now_ms);
	}
	return count;
}

/* As soon as each may be. */
static void
run(int64_t ms)
{
	for (int64_t end_ms = world.now_ms + ms; world.now_ms < end_ms;) {
		int64_t wait_ms;

		(void)open_all();
		wait_ms = connects_wait_ms(&world.connects, world.now_ms);
		assert_true(wait_ms > 0);
		world.now_ms += world.now_ms + wait_ms < end_ms ? wait_ms : end_ms - world.now_ms;
	}
}

static void
judge(void)
{
	for (size_t i = 0; i < world.rate.rule_count; i++) {
		const struct rate_rule *rule = &world.rate.rules[i];

		for (size_t last = rule->count; last < world.opened; last++)
			assert_true(world.opened_ms[last] - world.opened_ms[last - rule->count] >=
				    rule->period_ms);
	}
}

static void
test_rates(void **state)
{
	static const char *const rates[] = {
	    "20/m", "1/m", "3/m", "4/m", "10/s 100/m", "5/m 100/h", "7/5m"};

	for (size_t i = 0; i < sizeof(rates) / sizeof(rates[0]); i++) {
		const struct rate_rule *rule = &world.rate.rules[0];

		begin(rates[i]);
		run(100 * 60 * 1000);
		judge();
		if (world.rate.rule_count == 1)
			assert_true((int64_t)world.opened * rule->period_ms * 4 >=
				    (int64_t)rule->count * 100 * 60 * 1000 * 3);
	}
}

static void
test_burst(void **state)
{
	begin("20/m");
	/* Nobody knows what was before. */
	assert_int_equal(open_all(), 1);
	world.now_ms += 3600000;
	assert_int_equal(open_all(), 5);
	assert_int_equal(connects_wait_ms(&world.connects, world.now_ms), 4000);
	world.now_ms += 4000;
	assert_int_equal(open_all(), 1);
	judge();
	begin("none");
	assert_int_equal(connects_wait_ms(&world.connects, world.now_ms), 0);
}

static void
test_restarts(void **state)
{
	static const char *const rates[] = {"20/m", "4/m", "10/s 100/m", "60/h"};

	for (size_t i = 0; i < sizeof(rates) / sizeof(rates[0]); i++) {
		begin(rates[i]);
		for (unsigned starts = 1; starts < 30; starts++) {
			/* Long enough for a burst, which the restart is in the middle of. */
			world.now_ms += 7200000;
			run(starts * 1777);
			restart();
			run(120000);
		}
		judge();
	}
}

static void
test_change(void **state)
{
	struct err err;

	begin("20/m");
	world.now_ms += 60000;
	assert_int_equal(open_all(), 5);
	connects_set(&world.connects, &world.rate, world.now_ms);
	assert_int_equal(open_all(), 0);
	assert_int_equal(rate_parse("8/m", &world.rate, &err), 0);
	connects_set(&world.connects, &world.rate, world.now_ms);
	assert_int_equal(open_all(), 1);
	assert_int_equal(open_all(), 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_rates),
	    cmocka_unit_test(test_burst),
	    cmocka_unit_test(test_restarts),
	    cmocka_unit_test(test_change),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
