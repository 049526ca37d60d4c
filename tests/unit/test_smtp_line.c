/* Lines end in CRLF, within a limit, and a CR or LF alone is an error at once. */
#include "common/smtp_line.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

static void
test_find(void **state)
{
	static const struct {
		const char *name, *input;
		enum smtp_line_outcome outcome;
		size_t length, used;
	} rows[] = {
	    {"one", "NOOP\r\n", SMTP_LINE_COMPLETE, 4, 6},
	    {"first of two", "NOOP\r\nQUIT\r\n", SMTP_LINE_COMPLETE, 4, 6},
	    {"empty line", "\r\n", SMTP_LINE_COMPLETE, 0, 2},
	    {"just within", "12345678\r\n", SMTP_LINE_COMPLETE, 8, 10},
	    {"nothing", "", SMTP_LINE_PARTIAL, 0, 0},
	    {"no end", "NOOP", SMTP_LINE_PARTIAL, 4, 4},
	    {"half an end", "NOOP\r", SMTP_LINE_PARTIAL, 4, 5},
	    {"LF alone", "NOOP\nQUIT\r\n", SMTP_LINE_BARE, 4, 5},
	    {"CR alone", "NOOP\rQ\r\n", SMTP_LINE_BARE, 4, 5},
	    {"CR twice", "NOOP\r\r\n", SMTP_LINE_BARE, 4, 5},
	    {"LF first", "\n", SMTP_LINE_BARE, 0, 1},
	    {"too long", "123456789\r\n", SMTP_LINE_TOO_LONG, 9, 10},
	    {"far too long", "123456789012345", SMTP_LINE_TOO_LONG, 10, 10},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct smtp_line line;
		enum smtp_line_outcome outcome =
		    smtp_line_find(rows[i].input, strlen(rows[i].input), 10, &line);

		if (outcome != rows[i].outcome || line.length != rows[i].length ||
		    line.used != rows[i].used)
			fail_msg("%s: %d %zu %zu", rows[i].name, outcome, line.length, line.used);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_find)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
