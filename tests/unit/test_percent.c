/* percent: names and queries as clients encode them, and what is no encoding. */
#include "common/percent.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

static void
test_decode(void **state)
{
	static const struct {
		const char *name, *input, *expected;
	} rows[] = {
	    {"plain", "office", "office"},
	    {"empty", "", ""},
	    {"an escape", "a%20b", "a b"},
	    {"lower and upper digits", "%c3%A4", "\xc3\xa4"},
	    {"a slash in a name", "a%2Fb", "a/b"},
	    {"a plus is a plus", "a+b", "a+b"},
	    {"cut off", "a%2", NULL},
	    {"alone at the end", "a%", NULL},
	    {"no digits", "%zz", NULL},
	    {"one digit", "%1z", NULL},
	    {"a NUL", "a%00b", NULL},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		char *decoded = percent_decode(rows[i].input, strlen(rows[i].input));

		if ((decoded == NULL) != (rows[i].expected == NULL) ||
		    (decoded != NULL && strcmp(decoded, rows[i].expected) != 0))
			fail_msg("%s: %s", rows[i].name, decoded == NULL ? "refused" : decoded);
		free(decoded);
	}
}

static void
test_nothing_is_read_behind_the_end(void **state)
{
	assert_null(percent_decode("%20", 2));
	assert_null(percent_decode("%20", 1));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_decode),
	    cmocka_unit_test(test_nothing_is_read_behind_the_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
