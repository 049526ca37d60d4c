/* Enhanced status codes: what is one, and where it ends. */
#include "common/enhanced.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

static void
test_parse(void **state)
{
	static const struct {
		const char *input, *expected; /* NULL: none */
		size_t used;
	} rows[] = {
	    {"5.7.1", "5.7.1", 5},
	    {"2.0.0 Ok", "2.0.0", 5},
	    {"4.999.999\tx", "4.999.999", 9},
	    {"", NULL, 0},
	    {"5", NULL, 0},
	    {"5.7", NULL, 0},
	    {"5.7.", NULL, 0},
	    {"3.0.0", NULL, 0},
	    {"5.7.1000", NULL, 0},
	    {"5.07.1", NULL, 0},
	    {"5.7.1-x", NULL, 0},
	    {"25.7.1", NULL, 0},
	    {"5..1", NULL, 0},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct enhanced code;
		char text[ENHANCED_SIZE];
		size_t used = enhanced_parse(rows[i].input, strlen(rows[i].input), &code);

		if (used != rows[i].used)
			fail_msg("%s: %zu", rows[i].input, used);
		if (used > 0)
			assert_string_equal(enhanced_format(&code, text), rows[i].expected);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_parse)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
