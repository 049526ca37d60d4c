/* format: the same as snprintf, whatever is asked for and however little room there is. */
#include "common/format.h"

#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#define ROOM 64

static void check(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* With room for all of it, for some, and for none. */
static void
check(const char *format, ...)
{
	for (size_t size = 0; size <= ROOM; size++) {
		char expected[ROOM + 1], actual[ROOM + 1];
		size_t expected_length, actual_length;
		va_list args;

		memset(expected, '#', sizeof(expected));
		memset(actual, '#', sizeof(actual));
		va_start(args, format);
		expected_length = (size_t)vsnprintf(expected, size, format, args);
		va_end(args);
		va_start(args, format);
		actual_length = format_arguments(actual, size, format, args);
		va_end(args);
		if (actual_length != expected_length ||
		    (size > 0 && strcmp(actual, expected) != 0) || actual[size] != '#')
			fail_msg("`%s` in %zu: %zu octets `%.*s`, not %zu `%.*s`", format, size,
			    actual_length, (int)size, actual, expected_length, (int)size, expected);
	}
}

static void
test_texts(void **state)
{
	check("%s", "");
	check("no conversion, 100%%");
	check("<%s> and <%s>", "kate@example.net", "");
	check("%.*s|%.*s|%.*s", 3, "abcdef", 0, "abc", 9, "abc");
	check("%.*s", -1, "all of it");
	check("%.3s%.10s", "Monday", "March");
	check("%c%c", 'a', '-');
}

static void
test_numbers(void **state)
{
	check("%d %d %d", 0, INT_MAX, INT_MIN);
	check("%u %u", 0u, UINT_MAX);
	check("%ld %lu", LONG_MIN, ULONG_MAX);
	check("%lld %llu", LLONG_MIN, ULLONG_MAX);
	check("%zu %zd", SIZE_MAX, (ssize_t)-7);
	check("%03u|%03u|%03u", 7u, 250u, 1234u);
	check("%02d:%02d %04d", 5, 59, -3);
	check("%010d", -12345);
}

/* Also behind what it knows itself: the arguments are taken from the first one on. */
static void
test_what_it_does_not_know(void **state)
{
	check("%s %d \\x%02x", "text", 12, 0xc3u);
	check("%u %s %.3f", 1u, "two", 3.25);
	check("%8s|%-8s|%5d|%+d", "right", "left", 42, 7);
	check("%hhu|%.3d", (unsigned char)200, 4);
	check("%X %o", 0xbeefu, 8u);
	check("%024d", 1);
}

static void
test_seconds(void **state)
{
	static const struct {
		int64_t ms;
		const char *expected;
	} rows[] = {{0, "0.000"}, {7, "0.007"}, {12345, "12.345"}, {-1, "-0.001"},
	    {-61000, "-61.000"}, {INT64_MAX, "9223372036854775.807"},
	    {INT64_MIN, "-9223372036854775.808"}};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		char text[FORMAT_SECONDS_SIZE];

		assert_string_equal(format_seconds(rows[i].ms, text), rows[i].expected);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_texts),
	    cmocka_unit_test(test_numbers),
	    cmocka_unit_test(test_what_it_does_not_know),
	    cmocka_unit_test(test_seconds),
	};

	return cmocka_run_group_tests_name("format", tests, NULL, NULL);
}
