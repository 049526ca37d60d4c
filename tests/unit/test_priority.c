/* Priorities: what clients write when someone clicks "important", and the user's limits. */
#include "daemon/smtpd/header.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

static void
test_own(void **state)
{
	static const struct {
		const char *name, *bytes;
		unsigned expected;
	} rows[] = {
	    {"nothing", "Subject: x\r\n", 0},
	    {"Importance high", "Importance: High\r\n", 2},
	    {"Importance low", "importance: low\r\n", 4},
	    {"Importance normal", "Importance: normal\r\nX-Priority: 1\r\n", 3},
	    {"high beside 1", "X-Priority: 1\r\nImportance: high\r\n", 1},
	    {"high beside 2", "X-Priority: 2\r\nImportance: high\r\n", 2},
	    {"low beside 5", "X-Priority: 5\r\nImportance: low\r\n", 5},
	    {"low beside 1", "X-Priority: 1\r\nImportance: low\r\n", 4},
	    {"X-Priority", "X-Priority: 2\r\n", 2},
	    {"Thunderbird", "X-Priority: 1 (Highest)\r\n", 1},
	    {"wrong comment", "X-Priority: 5 (Highest)\r\n", 5},
	    {"X-Priority before X-MSMail-Priority", "X-MSMail-Priority: Low\r\nX-Priority: 2\r\n",
		2},
	    {"zero", "X-Priority: 0\r\n", 0},
	    {"ten", "X-Priority: 10\r\n", 0},
	    {"a word", "X-Priority: high\r\n", 0},
	    {"X-MSMail-Priority", "X-MSMail-Priority: High\r\nPriority: non-urgent\r\n", 2},
	    {"urgent", "Priority: urgent\r\n", 2},
	    {"non-urgent", "Priority: Non-Urgent\r\n", 4},
	    {"unknown words", "Importance: whatever\r\nPriority: urgent\r\n", 2},
	    {"the first of two", "X-Priority: 4\r\nX-Priority: 1\r\n", 4},
	    {"folded", "Importance:\r\n high\r\n", 2},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct header header;

		header_scan(&header, rows[i].bytes, strlen(rows[i].bytes));
		if (priority_own(&header.hints) != rows[i].expected)
			fail_msg("%s: %u", rows[i].name, priority_own(&header.hints));
		header_fini(&header);
	}
}

static void
test_effective(void **state)
{
	static const struct {
		unsigned own, user, user_max, expected;
	} rows[] = {
	    {0, 3, 1, 3},
	    {0, 5, 1, 5},
	    {1, 3, 1, 1},
	    {1, 3, 2, 2},
	    {5, 3, 1, 3},
	    {3, 5, 1, 3},
	    {2, 4, 3, 3},
	    {0, 1, 3, 3},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		assert_int_equal(priority_effective(rows[i].own, rows[i].user, rows[i].user_max),
		    rows[i].expected);
}

static void
test_from_mt(void **state)
{
	static const struct {
		int from, to;
		unsigned expected;
	} rows[] = {{4, 9, 1}, {1, 3, 2}, {0, 0, 3}, {-3, -1, 4}, {-9, -4, 5}};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		for (int mt = rows[i].from; mt <= rows[i].to; mt++)
			assert_int_equal(priority_from_mt(mt), rows[i].expected);
}

/* What goes on to the upstream is no higher than what counts here. */
static void
test_limit_mt(void **state)
{
	static const int highest[] = {[1] = 9, [2] = 3, [3] = 0, [4] = -1, [5] = -4};

	for (unsigned user_max = 1; user_max <= 5; user_max++)
		for (int mt = -9; mt <= 9; mt++) {
			int limited = priority_limit_mt(mt, user_max);

			assert_int_equal(limited, mt < highest[user_max] ? mt : highest[user_max]);
			assert_true(priority_from_mt(limited) >= user_max);
		}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_own),
	    cmocka_unit_test(test_effective),
	    cmocka_unit_test(test_from_mt),
	    cmocka_unit_test(test_limit_mt),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
