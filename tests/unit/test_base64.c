/* base64: the vectors of RFC 4648, and what a strict reader refuses. */
#include "common/base64.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

static void
test_round_trip(void **state)
{
	static const struct {
		const char *octets, *text;
	} rows[] = {
	    {"", ""},
	    {"f", "Zg=="},
	    {"fo", "Zm8="},
	    {"foo", "Zm9v"},
	    {"foob", "Zm9vYg=="},
	    {"fooba", "Zm9vYmE="},
	    {"foobar", "Zm9vYmFy"},
	    {"\xfb\xff\xfe", "+//+"},
	};
	char text[16], octets[16];
	size_t size;

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		size_t length = base64_encode(rows[i].octets, strlen(rows[i].octets), text);

		assert_string_equal(text, rows[i].text);
		assert_int_equal(length, strlen(text));
		assert_true(base64_decode(text, length, octets, &size));
		assert_int_equal(size, strlen(rows[i].octets));
		assert_memory_equal(octets, rows[i].octets, size);
	}
}

static void
test_refused(void **state)
{
	static const char *const rows[] = {"Z", "Zg",
	    "Zg=", "Zg===", "====", "Z===", "Zh==", "Zm9=", "Zg==Zg==", "Zm 8=", "Zm8=\n", "Zm-_",
	    "=Zg=", "Z\xc3\xa4=="};
	char octets[16];
	size_t size;

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		if (base64_decode(rows[i], strlen(rows[i]), octets, &size))
			fail_msg("%s", rows[i]);
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
