/* Limits by the hour and the day, as people write them. */
#include "common/cap.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <cmocka.h>

static void
test_what_people_write(void **state)
{
	static const struct {
		const char *text;
		int status;
		uint32_t per_hour, per_day;
		const char *back;
	} rows[] = {
	    {"none", 0, 0, 0, "none"},
	    {"100/h", 0, 100, 0, "100/h"},
	    {"1000/d", 0, 0, 1000, "1000/d"},
	    {"100/h 1000/d", 0, 100, 1000, "100/h 1000/d"},
	    {" 1000/d\t 100/h ", 0, 100, 1000, "100/h 1000/d"},
	    {"1000000000/h 1000000000/d", 0, CAP_MAX, CAP_MAX, "1000000000/h 1000000000/d"},
	    {"", -1, 0, 0, NULL},
	    {" ", -1, 0, 0, NULL},
	    {"None", -1, 0, 0, NULL},
	    {"none 1/h", -1, 0, 0, NULL},
	    {"100", -1, 0, 0, NULL},
	    {"0/h", -1, 0, 0, NULL},
	    {"-1/h", -1, 0, 0, NULL},
	    {"+1/h", -1, 0, 0, NULL},
	    {"1/m", -1, 0, 0, NULL},
	    {"1/hour", -1, 0, 0, NULL},
	    {"1/h 2/h", -1, 0, 0, NULL},
	    {"1/h2/d", -1, 0, 0, NULL},
	    {"1 /h", -1, 0, 0, NULL},
	    {"1/h,2/d", -1, 0, 0, NULL},
	    {"1000000001/h", -1, 0, 0, NULL},
	    {"99999999999999999999999/d", -1, 0, 0, NULL},
	};
	char buffer[CAP_TEXT_SIZE];
	struct err err;

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct cap cap = {7, 7};

		print_message("%s\n", rows[i].text);
		assert_int_equal(cap_parse(rows[i].text, &cap, &err), rows[i].status);
		if (rows[i].status != 0) {
			assert_non_null(strstr(err.text, "must be none, or one or both"));
			assert_int_equal(cap.per_hour, 7);
			continue;
		}
		assert_int_equal(cap.per_hour, rows[i].per_hour);
		assert_int_equal(cap.per_day, rows[i].per_day);
		assert_string_equal(cap_format(&cap, buffer), rows[i].back);
		assert_int_equal(cap_is_none(&cap), strcmp(rows[i].back, "none") == 0);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_what_people_write)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
