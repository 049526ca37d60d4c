/* Times as they are written down, and read back. */
#include "common/clock.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

static void
test_rfc3339(void **state)
{
	static const struct {
		const char *text;
		int64_t at_ms; /* -1: refused */
	} rows[] = {
	    {"1970-01-01T00:00:00Z", 0},
	    {"2026-03-01T12:31:04Z", 1772368264000},
	    {"2026-03-01t12:31:04z", 1772368264000},
	    {"2026-03-01T12:31:04.5Z", 1772368264500},
	    {"2026-03-01T12:31:04.12345678Z", 1772368264123},
	    {"2026-03-01T14:31:04+02:00", 1772368264000},
	    {"2026-03-01T07:01:04-05:30", 1772368264000},
	    {"2028-02-29T00:00:00Z", 1835395200000},
	    {"2016-12-31T23:59:60Z", 1483228799000},
	    {"", -1},
	    {"2026-03-01", -1},
	    {"2026-03-01T12:31:04", -1},
	    {"2026-03-01T12:31:04.Z", -1},
	    {"2026-03-01 12:31:04Z", -1},
	    {"2026-03-01T12:31Z", -1},
	    {"2026-3-1T12:31:04Z", -1},
	    {"2026-02-29T00:00:00Z", -1},
	    {"2026-04-31T00:00:00Z", -1},
	    {"2026-00-01T00:00:00Z", -1},
	    {"2026-13-01T00:00:00Z", -1},
	    {"2026-01-00T00:00:00Z", -1},
	    {"2026-01-01T24:00:00Z", -1},
	    {"2026-01-01T00:60:00Z", -1},
	    {"2026-01-01T00:00:61Z", -1},
	    {"2026-01-01T00:00:00+24:00", -1},
	    {"2026-01-01T00:00:00+0200", -1},
	    {"2026-01-01T00:00:00ZZ", -1},
	    {"-026-01-01T00:00:00Z", -1},
	    {"20260101T000000Z", -1},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		int64_t at_ms = -1;
		bool is_read = clock_parse_rfc3339(rows[i].text, strlen(rows[i].text), &at_ms);

		if (is_read != (rows[i].at_ms >= 0) || at_ms != rows[i].at_ms)
			fail_msg("%s: %lld", rows[i].text, (long long)at_ms);
	}
}

static void
test_there_and_back(void **state)
{
	char text[CLOCK_RFC3339_SIZE];
	int64_t at_ms;

	for (int64_t day = 0; day < 40000; day += 13) {
		int64_t then_ms = (day * 86400 + day % 86400) * 1000;

		(void)clock_rfc3339(then_ms, text, sizeof(text));
		assert_true(clock_parse_rfc3339(text, strlen(text), &at_ms));
		assert_int_equal(at_ms, then_ms);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_rfc3339),
	    cmocka_unit_test(test_there_and_back),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
