/* Files that are kept to be written anew: how many, how long, which first. */
#include "daemon/queue/spares.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#define MIB (UINT64_C(1) << 20)

static void
test_none_is_kept_before_there_is_a_limit(void **state)
{
	struct spares spares = {0};

	assert_false(spares_add(&spares, 7, 0x1000, 0));
	assert_int_equal(spares_take(&spares), 0);
	assert_int_equal(spares_take_due(&spares, INT64_MAX), 0);
}

static void
test_newest_is_taken_first_and_oldest_goes_first(void **state)
{
	struct spares spares = {0};

	spares_limit(&spares, 10 * MIB);
	for (uint64_t name = 1; name <= 4; name++)
		assert_true(spares_add(&spares, name, MIB, (int64_t)name * 1000));
	assert_int_equal(spares_take(&spares), 4);
	assert_int_equal(spares.bytes, 3 * MIB);
	assert_int_equal(spares_take_due(&spares, 1000 + SPARE_KEPT_MS - 1), 0);
	assert_int_equal(spares_take_due(&spares, 1000 + SPARE_KEPT_MS), 1);
	assert_int_equal(spares_take_due(&spares, 1000 + SPARE_KEPT_MS), 0);
	assert_int_equal(spares_take_due(&spares, INT64_MAX), 2);
	assert_int_equal(spares_take(&spares), 3);
	assert_int_equal(spares.bytes, 0);
	assert_int_equal(spares_take(&spares), 0);
}

static void
test_bytes_and_number_are_bounded(void **state)
{
	struct spares spares = {0};

	spares_limit(&spares, UINT64_MAX);
	assert_false(spares_add(&spares, 1, SPARES_BYTES_MAX + UINT64_C(1), 0));
	assert_false(spares_add(&spares, 1, UINT64_MAX, 0));
	assert_true(spares_add(&spares, 1, SPARES_BYTES_MAX, 0));
	assert_false(spares_add(&spares, 2, 1, 0));
	assert_int_equal(spares_take(&spares), 1);
	for (uint64_t name = 1; name <= SPARES_MAX; name++)
		assert_true(spares_add(&spares, name, 1, 0));
	assert_false(spares_add(&spares, 99, 1, 0));
}

static void
test_lower_limit_makes_the_oldest_due(void **state)
{
	struct spares spares = {0};

	spares_limit(&spares, 10 * MIB);
	for (uint64_t name = 1; name <= 4; name++)
		assert_true(spares_add(&spares, name, MIB, 0));
	spares_limit(&spares, 2 * MIB);
	assert_false(spares_add(&spares, 5, MIB, 0));
	assert_int_equal(spares_take_due(&spares, 0), 1);
	assert_int_equal(spares_take_due(&spares, 0), 2);
	assert_int_equal(spares_take_due(&spares, 0), 0);
	spares_limit(&spares, 0);
	assert_int_equal(spares_take_due(&spares, 0), 3);
	assert_int_equal(spares_take_due(&spares, 0), 4);
	assert_int_equal(spares_take_due(&spares, 0), 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_none_is_kept_before_there_is_a_limit),
	    cmocka_unit_test(test_newest_is_taken_first_and_oldest_goes_first),
	    cmocka_unit_test(test_bytes_and_number_are_bounded),
	    cmocka_unit_test(test_lower_limit_makes_the_oldest_due),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
