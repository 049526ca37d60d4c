/* When memory is given back: after a crowd has left, once, and not for a handful. */
#include "daemon/core/loop.h"
#include "daemon/smtpd/ebb.h"

#include "common/clock.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

static unsigned trims;

static void
count_trim(void)
{
	trims++;
}

static void
come_and_go(struct ebb *ebb, unsigned come, unsigned go)
{
	while (come-- > 0)
		ebb_come(ebb);
	while (go-- > 0)
		ebb_go(ebb);
}

static void
turn_until_trimmed(struct loop *loop, unsigned wanted)
{
	int64_t until_ms = clock_monotonic_ms() + 10000;

	while (trims < wanted) {
		assert_true(clock_monotonic_ms() < until_ms);
		loop_turn(loop, 50);
	}
}

static void
test_a_crowd_that_left_leaves_its_memory(void **state)
{
	struct loop *loop = loop_new();
	struct ebb *ebb = ebb_new(loop, count_trim);

	trims = 0;
	come_and_go(ebb, 100, 100); /* so few: never */
	come_and_go(ebb, 2000, 1000);
	loop_turn(loop, 1);
	assert_int_equal(trims, 0);
	come_and_go(ebb, 0, 900);
	turn_until_trimmed(loop, 1);
	/* the next crowd counts anew: the 100 that are left don't make one */
	come_and_go(ebb, 0, 100);
	come_and_go(ebb, 600, 600);
	turn_until_trimmed(loop, 2);
	ebb_free(ebb);
	loop_free(loop);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_a_crowd_that_left_leaves_its_memory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
