/* Whose fault it is that an upstream complains of its account. */
#include "daemon/relay/suspects.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

static void
test_again_while_others_pass(void **state)
{
	struct suspects suspects = {0};

	assert_false(suspects_hear(&suspects, 1, REPLY_AUTH_BAD));
	suspects_pass(&suspects, 2);
	assert_true(suspects_hear(&suspects, 1, REPLY_AUTH_BAD));
	suspects_pass(&suspects, 3);
	assert_true(suspects_hear(&suspects, 1, REPLY_AUTH_BAD));
	/* Something else of the account is new. */
	assert_false(suspects_hear(&suspects, 1, REPLY_RATE));
}

static void
test_again_and_again_with_nobody_else(void **state)
{
	struct suspects suspects = {0};

	for (int i = 0; i < 3; i++)
		assert_false(suspects_hear(&suspects, 1, REPLY_AUTH_BAD));
	assert_true(suspects_hear(&suspects, 1, REPLY_AUTH_BAD));
}

static void
test_who_is_not_alone_is_no_suspect(void **state)
{
	struct suspects suspects = {0};

	for (int i = 0; i < 10; i++) {
		assert_false(suspects_hear(&suspects, 1, REPLY_RATE));
		assert_false(suspects_hear(&suspects, 1, REPLY_RATE));
		assert_false(suspects_hear(&suspects, 2, REPLY_RATE));
	}
}

static void
test_who_passes_is_no_suspect(void **state)
{
	struct suspects suspects = {0};

	for (int i = 0; i < 10; i++) {
		assert_false(suspects_hear(&suspects, 1, REPLY_RATE));
		suspects_pass(&suspects, 2);
		suspects_pass(&suspects, 1);
	}
}

static void
test_only_the_latest_are_known(void **state)
{
	struct suspects suspects = {0};

	assert_false(suspects_hear(&suspects, 1, REPLY_RATE));
	suspects_pass(&suspects, 2);
	for (uint64_t id = 10; id < 10 + SUSPECTS_MAX; id++) {
		assert_false(suspects_hear(&suspects, id, REPLY_RATE));
		suspects_pass(&suspects, 2);
	}
	assert_false(suspects_hear(&suspects, 1, REPLY_RATE));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_again_while_others_pass),
	    cmocka_unit_test(test_again_and_again_with_nobody_else),
	    cmocka_unit_test(test_who_is_not_alone_is_no_suspect),
	    cmocka_unit_test(test_who_passes_is_no_suspect),
	    cmocka_unit_test(test_only_the_latest_are_known),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
