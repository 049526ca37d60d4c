/* Text from outside: what is UTF-8 stays, the rest becomes `?`. */
#include "common/utf8.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

static void
test_clean(void **state)
{
	static const struct {
		const char *name, *input, *expected;
	} rows[] = {
	    {"ASCII", "a b", "a b"},
	    {"two octets", "\xc3\xa4", "\xc3\xa4"},
	    {"three octets", "\xe2\x82\xac", "\xe2\x82\xac"},
	    {"four octets", "\xf0\x9f\x93\xa7", "\xf0\x9f\x93\xa7"},
	    {"the last one", "\xf4\x8f\xbf\xbf", "\xf4\x8f\xbf\xbf"},
	    {"Latin-1", "J\xf6rg", "J?rg"},
	    {"cut", "a\xe2\x82", "a??"},
	    {"overlong", "\xc0\xaf",
		"?"
		"?"},
	    {"overlong in three", "\xe0\x80\xaf",
		"?"
		"?"
		"?"},
	    {"surrogate", "\xed\xa0\x80",
		"?"
		"?"
		"?"},
	    {"too large", "\xf4\x90\x80\x80",
		"?"
		"?"
		"?"
		"?"},
	    {"C1 control character", "\xc2\x85",
		"?"
		"?"},
	    {"line separator", "\xe2\x80\xa8",
		"?"
		"?"
		"?"},
	    {"what turns the text round", "\xe2\x80\xae",
		"?"
		"?"
		"?"},
	    {"an isolate", "\xe2\x81\xa9",
		"?"
		"?"
		"?"},
	    {"their neighbours", "\xe2\x80\xa7\xe2\x80\xaf\xe2\x81\xa5\xe2\x81\xaa",
		"\xe2\x80\xa7\xe2\x80\xaf\xe2\x81\xa5\xe2\x81\xaa"},
	    {"control characters", "a\tb\x01\x7f\r\n",
		"a b?"
		"?"
		"?"
		"?"},
	};
	struct buf out;

	buf_init(&out);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		buf_clear(&out);
		utf8_append_clean(&out, rows[i].input, strlen(rows[i].input));
		if (strcmp(out.bytes, rows[i].expected) != 0)
			fail_msg("%s: %s", rows[i].name, out.bytes);
	}
	buf_fini(&out);
}

static void
test_cut(void **state)
{
	static const char text[] = "a\xe2\x82\xac";

	assert_int_equal(utf8_cut(text, 4, 10), 4);
	assert_int_equal(utf8_cut(text, 4, 4), 4);
	assert_int_equal(utf8_cut(text, 4, 3), 1);
	assert_int_equal(utf8_cut(text, 4, 1), 1);
	assert_int_equal(utf8_cut(text, 4, 0), 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_clean),
	    cmocka_unit_test(test_cut),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
