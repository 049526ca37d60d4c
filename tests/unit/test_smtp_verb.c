/* Command lines: verb and argument. */
#include "common/smtp_verb.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

static void
test_split(void **state)
{
	static const struct {
		const char *line, *name, *argument; /* name NULL: refused */
	} rows[] = {
	    {"NOOP", "NOOP", ""},
	    {"noop", "NOOP", ""},
	    {"NOOP  ", "NOOP", ""},
	    {"MAIL FROM:<a@b.example> SIZE=1", "MAIL", "FROM:<a@b.example> SIZE=1"},
	    {"Ehlo\t[192.0.2.1] ", "EHLO", "[192.0.2.1]"},
	    {"", "", ""},
	    {" NOOP", "", "NOOP"},
	    {"ABCDEFGHIJKLMNO x", "ABCDEFGHIJKLMNO", "x"},
	    {"ABCDEFGHIJKLMNOP x", "", "x"},
	    {"NO\x01P", NULL, NULL},
	    {"EHLO \x7f", NULL, NULL},
	};
	struct smtp_verb verb;

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		bool is_split = smtp_verb_split(rows[i].line, strlen(rows[i].line), &verb);

		assert_int_equal(is_split, rows[i].name != NULL);
		if (!is_split)
			continue;
		assert_string_equal(verb.name, rows[i].name);
		assert_int_equal(verb.argument_length, strlen(rows[i].argument));
		assert_memory_equal(verb.argument, rows[i].argument, verb.argument_length);
	}
}

static void
test_nul_is_refused(void **state)
{
	struct smtp_verb verb;

	assert_false(smtp_verb_split("NOOP\0x", 6, &verb));
}

static void
test_keyword(void **state)
{
	struct smtp_verb verb;

	assert_true(smtp_verb_split("mail from:<>", 12, &verb));
	assert_false(smtp_verb_drop_keyword(&verb, "TO:"));
	assert_true(smtp_verb_drop_keyword(&verb, "FROM:"));
	assert_int_equal(verb.argument_length, 2);
	assert_memory_equal(verb.argument, "<>", 2);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_split),
	    cmocka_unit_test(test_nul_is_refused),
	    cmocka_unit_test(test_keyword),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
