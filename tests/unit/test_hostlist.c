/* hostlist: which host is next, while some fail. */
#include "daemon/relay/hostlist.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <cmocka.h>

static void
test_order(void **state)
{
	struct hostlist *list = hostlist_new("a;b;c");

	assert_int_equal(hostlist_count(list), 3);
	assert_string_equal(hostlist_name(list, 2), "c");
	assert_string_equal(hostlist_name(list, 3), "");
	assert_int_equal(hostlist_next(list, 0, 0), 0);
	assert_int_equal(hostlist_next(list, 1, 0), 1);
	assert_int_equal(hostlist_next(list, 3, 0), 2);
	assert_int_equal(hostlist_next(list, 7, 0), HOSTLIST_NONE);
	hostlist_free(list);
}

static void
test_failed_is_left_out(void **state)
{
	struct hostlist *list = hostlist_new("a;b");

	assert_true(hostlist_note_failed(list, 0, 1000));
	assert_int_equal(hostlist_next(list, 0, 1001), 1);
	assert_int_equal(hostlist_next(list, 2, 1001), 0); /* but not if nothing else is left */
	assert_true(hostlist_note_failed(list, 1, 1002));
	assert_int_equal(hostlist_next(list, 0, 1003), 0);
	assert_true(hostlist_note_worked(list, 1));
	assert_false(hostlist_note_worked(list, 1));
	assert_int_equal(hostlist_next(list, 0, 1004), 1);
	hostlist_free(list);
}

static void
test_one_tries_again(void **state)
{
	struct hostlist *list = hostlist_new("a;b");
	int64_t now_ms = 1000;

	(void)hostlist_note_failed(list, 0, now_ms);
	assert_false(hostlist_note_failed(list, 0, now_ms + 60000)); /* they had begun before */
	assert_int_equal(hostlist_next(list, 0, now_ms + HOST_AGAIN_MS - 1), 1);
	now_ms += HOST_AGAIN_MS;
	assert_int_equal(hostlist_next(list, 0, now_ms), 0);
	assert_int_equal(hostlist_next(list, 0, now_ms + 1), 1);
	/* Each time later, up to an hour. */
	for (int64_t wait_ms = 2LL * HOST_AGAIN_MS; wait_ms < 8LL * HOST_AGAIN_MAX_MS;
	     wait_ms *= 2) {
		int64_t real_ms = wait_ms < HOST_AGAIN_MAX_MS ? wait_ms : HOST_AGAIN_MAX_MS;

		assert_false(hostlist_note_failed(list, 0, now_ms));
		assert_int_equal(hostlist_next(list, 0, now_ms + real_ms - 1), 1);
		now_ms += real_ms;
		assert_int_equal(hostlist_next(list, 0, now_ms), 0);
	}
	(void)hostlist_note_worked(list, 0);
	assert_int_equal(hostlist_next(list, 0, now_ms), 0);
	assert_int_equal(hostlist_next(list, 0, now_ms), 0);
	hostlist_free(list);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_order),
	    cmocka_unit_test(test_failed_is_left_out),
	    cmocka_unit_test(test_one_tries_again),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
