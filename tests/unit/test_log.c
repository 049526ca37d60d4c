/* The log: what a line looks like, and that nobody can write one for us. */
#include "common/log.h"

#include "common/clock.h"

#include <fcntl.h>
#include <pthread.h>
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

static void *
read_all(void *ctx)
{
	const int *fd = ctx;
	size_t lines = 0;
	char text[4096];
	ssize_t got;

	while ((got = read(*fd, text, sizeof(text))) > 0)
		for (ssize_t i = 0; i < got; i++)
			lines += text[i] == '\n';
	return (void *)lines;
}

static size_t
log_a_burst(size_t count, int patience_ms, bool has_reader)
{
	struct log_line line;
	pthread_t reader;
	void *lines;
	int ends[2];

	assert_int_equal(pipe(ends), 0);
	assert_int_equal(fcntl(ends[1], F_SETFL, O_NONBLOCK), 0);
	log_open(ends[1], false);
	log_set_patience(patience_ms);
	if (has_reader)
		assert_int_equal(pthread_create(&reader, NULL, read_all, &ends[0]), 0);
	for (size_t i = 0; i < count; i++) {
		assert_true(log_begin(&line, LOG_INFO, EVENT_DEFERRED, i + 1));
		log_text(&line, KEY_REPLY, "a text of some length, so that the pipe is soon full");
		log_end(&line);
	}
	log_set_patience(0);
	log_open(STDERR_FILENO, false);
	(void)close(ends[1]);
	if (has_reader)
		assert_int_equal(pthread_join(reader, &lines), 0);
	else
		lines = read_all(&ends[0]);
	(void)close(ends[0]);
	return (size_t)lines;
}

static void
test_a_burst_arrives_whole(void **state)
{
	assert_int_equal(log_a_burst(20000, 10000, true), 20000);
}

/* Nobody reads: one line waits, the others do not. */
static void
test_a_log_that_is_stuck_loses_lines(void **state)
{
	int64_t before_ms = clock_monotonic_ms();

	assert_in_range(log_a_burst(20000, 20, false), 1, 19999);
	assert_in_range(clock_monotonic_ms() - before_ms, 20, 10000);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_a_mailbox_does_not_forge_a_key),
	    cmocka_unit_test(test_a_text_does_not_forge_a_key),
	    cmocka_unit_test(test_a_burst_arrives_whole),
	    cmocka_unit_test(test_a_log_that_is_stuck_loses_lines)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
