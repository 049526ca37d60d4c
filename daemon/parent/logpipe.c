/*
 * logpipe - reads whole lines from the pipe and hands each to the target.
 *
 * A line comes as `<N>text`, N being syslog's level; what comes without (a library's message, a
 * sanitizer's report) counts as a warning.
 */
#include "daemon/parent/logpipe.h"

#include "common/buf.h"
#include "common/xalloc.h"
#include "daemon/core/loop.h"

#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <syslog.h>
#include <unistd.h>

#define PIPE_SIZE (1 << 20)
#define READ_SIZE 65536
/* Lines that come meanwhile are read together: whoever writes one doesn't wake the parent each time.
 * The pipe holds more than what comes in such a time. */
#define REST_MS 5
#define LINE_MAX_SIZE 8192
#define JOURNAL_SOCKET "/run/systemd/journal/socket"

struct logpipe {
	struct event *readable;
	struct timer *rest; /* NULL: the pipe is too short for one */
	int read_fd, write_fd;
	int journal_fd;
	enum log_target target;
	struct buf partial; /* a line whose end has not come yet */
	struct buf output;  /* lines for stderr, written together */
};

static void
write_stderr(struct logpipe *pipe, const char *text, size_t size)
{
	buf_append(&pipe->output, text, size);
	buf_char(&pipe->output, '\n');
}

/* The journal's native protocol: fields, one a line, in one datagram. */
static bool
write_journal(struct logpipe *pipe, int level, const char *text, size_t size)
{
	struct buf entry;
	ssize_t sent;

	buf_init(&entry);
	buf_printf(&entry, "PRIORITY=%d\nSYSLOG_IDENTIFIER=postern\nMESSAGE=", level);
	buf_append(&entry, text, size);
	buf_char(&entry, '\n');
	sent = send(pipe->journal_fd, entry.bytes, entry.size, MSG_NOSIGNAL | MSG_DONTWAIT);
	buf_fini(&entry);
	return sent >= 0;
}

static int
connect_journal(void)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX, .sun_path = JOURNAL_SOCKET};
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	if (fd >= 0 && connect(fd, (struct sockaddr *)&address, sizeof(address)) != 0) {
		(void)close(fd);
		return -1;
	}
	return fd;
}

static void
write_line(struct logpipe *pipe, const char *line, size_t size)
{
	int level = 4;

	if (size >= 3 && line[0] == '<' && line[1] >= '0' && line[1] <= '7' && line[2] == '>') {
		level = line[1] - '0';
		line += 3;
		size -= 3;
	}
	if (size == 0)
		return;
	if (pipe->target == LOG_TARGET_SYSLOG) {
		syslog(level, "%.*s", (int)size, line);
		return;
	}
	if (pipe->target == LOG_TARGET_JOURNAL) {
		if (pipe->journal_fd < 0)
			pipe->journal_fd = connect_journal();
		if (pipe->journal_fd >= 0 && write_journal(pipe, level, line, size))
			return;
		if (pipe->journal_fd >= 0)
			(void)close(pipe->journal_fd);
		pipe->journal_fd = -1;
	}
	write_stderr(pipe, line, size);
}

static void
take_lines(struct logpipe *pipe)
{
	char *at = pipe->partial.bytes;
	size_t left = pipe->partial.size;
	char *end;

	while (left > 0 && (end = memchr(at, '\n', left)) != NULL) {
		write_line(pipe, at, (size_t)(end - at));
		left -= (size_t)(end + 1 - at);
		at = end + 1;
	}
	if (left > LINE_MAX_SIZE) {
		write_line(pipe, at, left);
		left = 0;
	}
	if (left > 0)
		memmove(pipe->partial.bytes, at, left);
	pipe->partial.size = left;
}

static void
flush_stderr(struct logpipe *pipe)
{
	size_t written = 0;

	while (written < pipe->output.size) {
		ssize_t n =
		    write(STDERR_FILENO, pipe->output.bytes + written, pipe->output.size - written);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			break;
		written += (size_t)n;
	}
	buf_clear(&pipe->output);
}

static bool
read_some(struct logpipe *pipe)
{
	char bytes[READ_SIZE];
	ssize_t got = read(pipe->read_fd, bytes, sizeof(bytes));

	if (got <= 0)
		return false;
	buf_append(&pipe->partial, bytes, (size_t)got);
	take_lines(pipe);
	flush_stderr(pipe);
	return (size_t)got == sizeof(bytes);
}

static void
on_readable(int fd, short what, void *ctx)
{
	struct logpipe *pipe = ctx;

	if (read_some(pipe) || pipe->rest == NULL)
		return;
	(void)event_del(pipe->readable);
	timer_set(pipe->rest, REST_MS);
}

static void
on_rested(void *ctx)
{
	struct logpipe *pipe = ctx;

	(void)event_add(pipe->readable, NULL);
}

struct logpipe *
logpipe_new(struct loop *loop, struct err *err_out)
{
	struct logpipe *pipe;
	int ends[2];

	if (pipe2(ends, O_CLOEXEC | O_NONBLOCK) != 0) {
		(void)err_set(err_out, "pipe for the log: %s", strerror(errno));
		return NULL;
	}
	pipe = xcalloc(1, sizeof(*pipe));
	if (fcntl(ends[1], F_SETPIPE_SZ, PIPE_SIZE) >= 0)
		pipe->rest = timer_new(loop, on_rested, pipe);
	pipe->read_fd = ends[0];
	pipe->write_fd = ends[1];
	pipe->journal_fd = -1;
	pipe->target = LOG_TARGET_STDERR;
	pipe->readable =
	    event_new(loop_base(loop), ends[0], EV_READ | EV_PERSIST, on_readable, pipe);
	ensure(pipe->readable != NULL && event_add(pipe->readable, NULL) == 0);
	log_open(pipe->write_fd, true);
	return pipe;
}

void
logpipe_free(struct logpipe *pipe)
{
	log_open(STDERR_FILENO, false);
	while (read_some(pipe))
		;
	event_free(pipe->readable);
	timer_free(pipe->rest);
	(void)close(pipe->read_fd);
	(void)close(pipe->write_fd);
	if (pipe->journal_fd >= 0)
		(void)close(pipe->journal_fd);
	buf_fini(&pipe->partial);
	buf_fini(&pipe->output);
	free(pipe);
}

int
logpipe_fd(const struct logpipe *pipe)
{
	return pipe->write_fd;
}

void
logpipe_set_target(struct logpipe *pipe, enum log_target target)
{
	if (target == LOG_TARGET_SYSLOG)
		openlog("postern", LOG_NDELAY, LOG_MAIL);
	pipe->target = target;
}
