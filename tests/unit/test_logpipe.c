/* The log's pipe: every line gets through, in order, and many of them wake the parent once. */
#include "common/log.h"
#include "daemon/core/loop.h"
#include "daemon/parent/logpipe.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#define LINES 200

struct capture {
	struct loop *loop;
	struct logpipe *pipe;
	int read_fd, stderr_fd;
	char text[1 << 16];
	size_t size;
	unsigned reads;
};

static int
set_up(void **state)
{
	static struct capture capture;
	struct err err;
	int ends[2];

	capture = (struct capture){.loop = loop_new()};
	if (pipe2(ends, O_NONBLOCK | O_CLOEXEC) != 0)
		return -1;
	capture.read_fd = ends[0];
	capture.stderr_fd = dup(STDERR_FILENO);
	(void)dup2(ends[1], STDERR_FILENO);
	(void)close(ends[1]);
	capture.pipe = logpipe_new(capture.loop, &err);
	*state = &capture;
	return capture.pipe == NULL ? -1 : 0;
}

static int
tear_down(void **state)
{
	struct capture *capture = *state;

	if (capture->pipe != NULL)
		logpipe_free(capture->pipe);
	(void)dup2(capture->stderr_fd, STDERR_FILENO);
	(void)close(capture->stderr_fd);
	(void)close(capture->read_fd);
	loop_free(capture->loop);
	return 0;
}

static void
take(struct capture *capture)
{
	ssize_t got = read(capture->read_fd, capture->text + capture->size,
	    sizeof(capture->text) - 1 - capture->size);

	if (got <= 0)
		return;
	capture->size += (size_t)got;
	capture->reads++;
}

static void
check_lines(struct capture *capture)
{
	char *at = capture->text;
	char expected[64];

	capture->text[capture->size] = '\0';
	for (int i = 0; i < LINES; i++) {
		(void)snprintf(expected, sizeof(expected), "line %d is here", i);
		at = strstr(at, expected);
		assert_non_null(at);
	}
}

static bool
has_last(struct capture *capture)
{
	char expected[64];

	capture->text[capture->size] = '\0';
	(void)snprintf(expected, sizeof(expected), "line %d is here", LINES - 1);
	return strstr(capture->text, expected) != NULL;
}

/* A line at a time, a turn of the loop for each: they come out together. */
static void
test_many_lines_are_read_together(void **state)
{
	struct capture *capture = *state;

	for (int i = 0; i < LINES; i++) {
		log_problem(LOG_WARNING, "line %d is here", i);
		loop_turn(capture->loop, 0);
		take(capture);
	}
	for (int turns = 0; !has_last(capture) && turns < 5000; turns++) {
		loop_turn(capture->loop, 1);
		take(capture);
	}
	check_lines(capture);
	assert_true(capture->reads < LINES / 2);
}

/* Also those that came while it rested. */
static void
test_end_loses_no_line(void **state)
{
	struct capture *capture = *state;

	for (int i = 0; i < LINES; i++) {
		log_problem(LOG_WARNING, "line %d is here", i);
		if (i == 0)
			loop_turn(capture->loop, 0);
	}
	logpipe_free(capture->pipe);
	capture->pipe = NULL;
	while (!has_last(capture)) {
		size_t before = capture->size;

		take(capture);
		assert_true(capture->size > before);
	}
	check_lines(capture);
}

int
main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(test_##name, set_up, tear_down)
	const struct CMUnitTest tests[] = {T(many_lines_are_read_together), T(end_loses_no_line)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
