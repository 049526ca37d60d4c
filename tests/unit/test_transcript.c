/* Transcripts: what a line looks like, and what is left of too many. */
#include "daemon/relay/transcript.h"

#include "daemon/core/values.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

static void
test_lines(void **state)
{
	struct transcript transcript;
	char *text;

	transcript_init(&transcript);
	assert_null(transcript_give(&transcript));
	transcript_begin(&transcript, 5000);
	transcript_add(&transcript, 5000, TRANSCRIPT_EVENT, "begun");
	transcript_add(&transcript, 5012, TRANSCRIPT_CLIENT, "EHLO relay");
	transcript_add(&transcript, 66012, TRANSCRIPT_SERVER, "250 mx");
	text = transcript_give(&transcript);
	assert_string_equal(text, "0.000 * begun\n0.012 C: EHLO relay\n61.012 S: 250 mx\n");
	free(text);
	assert_null(transcript_give(&transcript));
}

static void
test_long_line(void **state)
{
	struct transcript transcript;
	char line[4000], *text;

	memset(line, 'x', sizeof(line));
	line[999] = '\xc3'; /* a character of two octets where the cut would be */
	line[1000] = '\xa4';
	line[sizeof(line) - 1] = '\0';
	transcript_init(&transcript);
	transcript_begin(&transcript, 0);
	transcript_add(&transcript, 0, TRANSCRIPT_SERVER, line);
	text = transcript_give(&transcript);
	assert_int_equal(strlen(text), strlen("0.000 S: ") + 999 + 1);
	assert_ptr_equal(strchr(text, '\n'), text + strlen(text) - 1);
	assert_null(strchr(text, '\xc3'));
	free(text);
}

/* The beginning and the end stay, whole lines, and the others are counted. */
static void
test_too_many_lines(void **state)
{
	static const unsigned counts[] = {100, 1000, 2000, 100000};

	for (size_t i = 0; i < sizeof(counts) / sizeof(counts[0]); i++) {
		struct transcript transcript;
		unsigned lines = 0, left_out = 0, last = 0, number;
		char *text, *at;

		transcript_init(&transcript);
		transcript_begin(&transcript, 0);
		for (number = 1; number <= counts[i]; number++) {
			char line[80];

			(void)snprintf(line, sizeof(line), "%08u%.*s", number, (int)(number % 40),
			    "........................................");
			transcript_add(&transcript, 0, TRANSCRIPT_CLIENT, line);
		}
		text = transcript_give(&transcript);
		assert_true(strlen(text) <= TRANSCRIPT_BYTES);
		for (at = text; *at != '\0'; at = strchr(at, '\n') + 1, lines++) {
			if (sscanf(at, "0.000 C: %8u", &number) == 1) {
				assert_int_equal(number, last + 1);
				last = number;
			} else {
				assert_int_equal(sscanf(at, "(%u lines", &left_out), 1);
				last += left_out;
			}
		}
		assert_int_equal(last, counts[i]);
		assert_int_equal(lines, counts[i] - left_out + (left_out > 0));
		assert_int_equal(left_out > 0, counts[i] >= 2000);
		assert_true(left_out == 0 || strlen(text) > TRANSCRIPT_BYTES - 8192);
		free(text);
	}
}

static void
test_begun_anew(void **state)
{
	struct transcript transcript;
	char *text;

	transcript_init(&transcript);
	transcript_begin(&transcript, 0);
	for (unsigned i = 0; i < 3000; i++)
		transcript_add(&transcript, 0, TRANSCRIPT_CLIENT, "RCPT TO:<somebody@example.net>");
	transcript_begin(&transcript, 100);
	transcript_add(&transcript, 101, TRANSCRIPT_CLIENT, "MAIL");
	text = transcript_give(&transcript);
	assert_string_equal(text, "0.001 C: MAIL\n");
	free(text);
	transcript_fini(&transcript);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_lines),
	    cmocka_unit_test(test_long_line),
	    cmocka_unit_test(test_too_many_lines),
	    cmocka_unit_test(test_begun_anew),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
