/* shares: the highest priority goes first, lower ones get their share of a steady stream, and a
 * trickle of urgent messages never waits for it. */
#include "daemon/queue/shares.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

static uint8_t
pick(struct shares *shares, unsigned waiting, unsigned percent)
{
	uint8_t due = shares_due(shares, waiting, percent);
	uint8_t picked = due != 0 ? due : shares_highest(waiting);

	shares_note(shares, picked, waiting);
	return picked;
}

static void
test_highest(void **state)
{
	assert_int_equal(shares_highest(0), 0);
	assert_int_equal(shares_highest(PRIORITY_BIT(5)), 5);
	assert_int_equal(shares_highest(PRIORITY_BIT(5) | PRIORITY_BIT(2)), 2);
}

/* Of any so many picks in a row, at least the share goes to lower ones. */
static void
test_lower_ones_have_their_share(void **state)
{
	static const unsigned percents[] = {0, 1, 5, 10, 30, 33, 50};
	unsigned waiting = PRIORITY_BIT(2) | PRIORITY_BIT(4) | PRIORITY_BIT(5);

	for (unsigned i = 0; i < sizeof(percents) / sizeof(percents[0]); i++) {
		struct shares shares = {0};
		unsigned picks[PRIORITIES + 1] = {0};

		for (unsigned n = 0; n < 1000; n++)
			picks[pick(&shares, waiting, percents[i])]++;
		assert_true(picks[4] + picks[5] >= 10 * percents[i]);
		assert_in_range(picks[4] + picks[5], 0, 10 * percents[i] + 200);
		assert_in_range(picks[4], picks[5], picks[5] + 1); /* in turn */
		if (percents[i] == 0)
			assert_int_equal(picks[2], 1000);
	}
}

/* Low ones go all the time: an urgent one now and then is always the next. */
static void
test_trickle_is_not_delayed(void **state)
{
	struct shares shares = {0};

	for (unsigned n = 0; n < 1000; n++) {
		unsigned waiting = PRIORITY_BIT(3) | PRIORITY_BIT(5);

		if (n % 7 == 0) {
			waiting |= PRIORITY_BIT(1);
			assert_int_equal(pick(&shares, waiting, 10), 1);
		} else {
			(void)pick(&shares, waiting, 10);
		}
	}
}

static void
test_alone_owes_nothing(void **state)
{
	struct shares shares = {0};

	for (unsigned n = 0; n < 100; n++)
		assert_int_equal(pick(&shares, PRIORITY_BIT(1), 50), 1);
	/* Nobody waited while those went. */
	assert_int_equal(pick(&shares, PRIORITY_BIT(1) | PRIORITY_BIT(3), 50), 1);
	assert_int_equal(pick(&shares, PRIORITY_BIT(1) | PRIORITY_BIT(3), 50), 3);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_highest),
	    cmocka_unit_test(test_lower_ones_have_their_share),
	    cmocka_unit_test(test_trickle_is_not_delayed),
	    cmocka_unit_test(test_alone_owes_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
