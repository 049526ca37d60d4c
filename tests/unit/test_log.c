/* The log: what a line looks like, and that nobody can write one for us. */
#include "common/log.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static void
assert_line(const struct log_line *built, const char *expected)
{
	struct log_line line = *built;
	char text[LOG_LINE_SIZE] = "";
	int ends[2];

	assert_int_equal(pipe(ends), 0);
	log_open(ends[1], false);
	log_end(&line);
	assert_true(read(ends[0], text, sizeof(text) - 1) > 0);
	assert_string_equal(text, expected);
	log_open(STDERR_FILENO, false);
	(void)close(ends[0]);
	(void)close(ends[1]);
}

/* A quoted local part may have blanks: they must not begin another key. */
static void
test_a_mailbox_does_not_forge_a_key(void **state)
{
	static const struct {
		const char *address, *expected;
	} rows[] = {
	    {"a@example.com", "event=accepted to=<a@example.com>\n"},
	    {"", "event=accepted to=<>\n"},
	    {"\"x event=blocked user=boss\"@example.com",
		"event=accepted to=<\\x22x\\x20event=blocked\\x20user=boss\\x22@example.com>\n"},
	    {"\"a\\\nb\"@example.com", "event=accepted to=<\\x22a\\x5c\\x0ab\\x22@example.com>\n"},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct log_line line;

		assert_true(log_begin(&line, LOG_INFO, EVENT_ACCEPTED, 0));
		log_mailbox(&line, KEY_TO, rows[i].address);
		assert_line(&line, rows[i].expected);
	}
}

static void
test_a_text_does_not_forge_a_key(void **state)
{
	static const struct {
		const char *text, *expected;
	} rows[] = {
	    {"plain", "event=rejected helo=plain\n"},
	    {"", "event=rejected helo=\"\"\n"},
	    {"a event=accepted", "event=rejected helo=\"a event=accepted\"\n"},
	    {"a\" event=accepted \"", "event=rejected helo=\"a\\x22 event=accepted \\x22\"\n"},
	    {"a\nevent=accepted", "event=rejected helo=\"a\\x0aevent=accepted\"\n"},
	    {"\xff\x1b[31m", "event=rejected helo=\"\\xff\\x1b[31m\"\n"},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct log_line line;

		assert_true(log_begin(&line, LOG_INFO, EVENT_REJECTED, 0));
		log_text(&line, KEY_HELO, rows[i].text);
		assert_line(&line, rows[i].expected);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_a_mailbox_does_not_forge_a_key),
	    cmocka_unit_test(test_a_text_does_not_forge_a_key)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
