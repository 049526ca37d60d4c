/* Rates, as people write them. */
#include "common/rate.h"

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
		const char *back;
	} rows[] = {
	    {"none", 0, "none"},
	    {"10/s", 0, "10/s"},
	    {"10/s 20/m 30/h 40/d", 0, "10/s 20/m 30/h 40/d"},
	    {" 2000/d\t500/h ", 0, "500/h 2000/d"},
	    {"7/5m", 0, "7/5m"},
	    {"7/60s", 0, "7/m"},
	    {"1/90s", 0, "1/90s"},
	    {"1/24h", 0, "1/d"},
	    {"1/31d", 0, "1/31d"},
	    {"1/s 2/2s 3/3s 4/4s 5/5s 6/6s", 0, "1/s 2/2s 3/3s 4/4s 5/5s 6/6s"},
	    {"1000000000/2678400s 1000000000/2678399s 1000000000/2678398s 1000000000/2678397s"
	     " 1000000000/2678396s 1000000000/2678395s",
		0,
		"1000000000/2678395s 1000000000/2678396s 1000000000/2678397s"
		" 1000000000/2678398s 1000000000/2678399s 1000000000/31d"},
	    {"", -1, NULL},
	    {" ", -1, NULL},
	    {"None", -1, NULL},
	    {"none 1/h", -1, NULL},
	    {"100", -1, NULL},
	    {"/s", -1, NULL},
	    {"0/h", -1, NULL},
	    {"1/0h", -1, NULL},
	    {"-1/h", -1, NULL},
	    {"+1/h", -1, NULL},
	    {"1/w", -1, NULL},
	    {"1/ms", -1, NULL},
	    {"1/hour", -1, NULL},
	    {"1/h 2/h", -1, NULL},
	    {"1/60m 2/h", -1, NULL},
	    {"1/h2/d", -1, NULL},
	    {"1 /h", -1, NULL},
	    {"1/h,2/d", -1, NULL},
	    {"1/32d", -1, NULL},
	    {"1/s 2/2s 3/3s 4/4s 5/5s 6/6s 7/7s", -1, NULL},
	    {"1000000001/h", -1, NULL},
	    {"1/4294967297s", -1, NULL},
	    {"99999999999999999999999/d", -1, NULL},
	};
	char buffer[RATE_TEXT_SIZE];
	struct err err;

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct rate rate = {.rule_count = 99};

		print_message("%s\n", rows[i].text);
		assert_int_equal(rate_parse(rows[i].text, &rate, &err), rows[i].status);
		if (rows[i].status != 0) {
			assert_non_null(strstr(err.text, "must be none, or up to 6 of"));
			assert_int_equal(rate.rule_count, 99);
			continue;
		}
		assert_string_equal(rate_format(&rate, buffer), rows[i].back);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_what_people_write)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
