/* Queue ids: what is written is what is read, and nothing else is an id. */
#include "common/ident.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

static void
test_round_trip(void **state)
{
	static const struct {
		uint64_t id;
		const char *text;
	} rows[] = {
	    {0, "0"},
	    {31, "Z"},
	    {32, "10"},
	    {UINT64_MAX, "FZZZZZZZZZZZZ"},
	};
	char text[IDENT_SIZE];
	uint64_t id;

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		assert_string_equal(ident_format(rows[i].id, text), rows[i].text);
		assert_true(ident_parse(rows[i].text, &id));
		assert_int_equal(id, rows[i].id);
	}
}

static void
test_refused(void **state)
{
	static const char *const rows[] = {"", "U", "1-2", "GZZZZZZZZZZZZ", "00000000000000", " 1"};
	uint64_t id;

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		assert_false(ident_parse(rows[i], &id));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_round_trip),
	    cmocka_unit_test(test_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
