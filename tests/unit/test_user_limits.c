/* What queue says of users' limits is known until its time, and no longer. */
#include "daemon/smtpd/user_limits.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

static void
put(struct user_limits *limits, uint64_t user_id, uint32_t recipients, int64_t until_ms)
{
	struct msg_user_limit message = {user_id, recipients, until_ms};

	user_limits_put(limits, &message);
}

static void
test_limit_holds_until_its_time(void **state)
{
	struct user_limits *limits = user_limits_new();
	int64_t until_ms;

	assert_int_equal(user_limits_find(limits, 7, 1000, &until_ms), UINT32_MAX);
	assert_int_equal(until_ms, 0);
	put(limits, 7, 0, 5000);
	put(limits, 7 + 1024, 3, 9000); /* its neighbour in the table */
	assert_int_equal(user_limits_find(limits, 7, 4999, &until_ms), 0);
	assert_int_equal(until_ms, 5000);
	assert_int_equal(user_limits_find(limits, 7 + 1024, 4999, &until_ms), 3);
	assert_int_equal(user_limits_find(limits, 7, 5000, &until_ms), UINT32_MAX);
	put(limits, 7, 2, 8000);
	put(limits, 7, 1, 8000);
	assert_int_equal(user_limits_find(limits, 7, 5000, &until_ms), 1);
	/* The limit was raised. */
	put(limits, 7, UINT32_MAX, 0);
	put(limits, 7, UINT32_MAX, 0);
	assert_int_equal(user_limits_find(limits, 7, 5000, &until_ms), UINT32_MAX);
	user_limits_forget_all(limits);
	assert_int_equal(user_limits_find(limits, 7 + 1024, 5000, &until_ms), UINT32_MAX);
	user_limits_free(limits);
	user_limits_free(NULL);
}

static void
test_no_more_users_than_the_table_may_have(void **state)
{
	struct user_limits *limits = user_limits_new();
	int64_t until_ms;

	for (uint64_t id = 1; id <= USER_LIMITS_MAX; id++)
		put(limits, id, 0, 5000);
	assert_int_equal(user_limits_find(limits, 1, 0, &until_ms), 0);
	put(limits, USER_LIMITS_MAX + 1, 0, 5000);
	assert_int_equal(user_limits_find(limits, 1, 0, &until_ms), UINT32_MAX);
	assert_int_equal(user_limits_find(limits, USER_LIMITS_MAX + 1, 0, &until_ms), 0);
	user_limits_free(limits);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_limit_holds_until_its_time),
	    cmocka_unit_test(test_no_more_users_than_the_table_may_have),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
