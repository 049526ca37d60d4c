/*
 * log - builds a line on the stack and writes it at once.
 *
 * The roles' lines go through a pipe that the parent owns. A line is at most PIPE_BUF long, so
 * that lines of several roles never mix, and the pipe does not block: a log that is stuck must
 * not stop the mail. A role waits a moment for a full pipe, so that a burst of lines arrives whole.
 */
#include "common/log.h"

#include "common/clock.h"
#include "common/format.h"
#include "common/ident.h"
#include "common/octet.h"
#include "common/utf8.h"

#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static const char *const event_names[] = {
#define X(name, text) text,
    LOG_EVENTS(X)
#undef X
};

static const char *const key_names[] = {
#define X(name, text) text,
    LOG_KEYS(X)
#undef X
};

#define STUCK_MS 1000 /* so long nobody waits for a pipe that stayed full */

static const int syslog_levels[] = {3, 4, 6, 7};

static struct {
	int fd;
	bool has_level_prefix;
	enum log_level level;
	int patience_ms;
	atomic_llong stuck_until_ms; /* monotonic */
	atomic_uint lost;
} sink = {.fd = STDERR_FILENO, .level = LOG_INFO};

void
log_open(int fd, bool has_level_prefix)
{
	sink.fd = fd;
	sink.has_level_prefix = has_level_prefix;
}

void
log_set_patience(int wait_ms)
{
	sink.patience_ms = wait_ms;
}

void
log_set_level(enum log_level level)
{
	sink.level = level;
}

bool
log_is_on(enum log_level level)
{
	return level <= sink.level;
}

/* A line that is too long is cut; room is kept for a closing quote and the newline. */
static void
put(struct log_line *line, const char *bytes, size_t size)
{
	size_t limit = sizeof(line->text) - 2;
	size_t room = line->size < limit ? limit - line->size : 0;

	if (size > room)
		size = room;
	memcpy(line->text + line->size, bytes, size);
	line->size += size;
}

static void
put_text(struct log_line *line, const char *text)
{
	put(line, text, strlen(text));
}

static void put_formatted(struct log_line *line, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

static void
put_formatted(struct log_line *line, const char *format, ...)
{
	char text[128];
	va_list args;
	size_t length;

	va_start(args, format);
	length = format_arguments(text, sizeof(text), format, args);
	va_end(args);
	put(line, text, length < sizeof(text) ? length : sizeof(text) - 1);
}

/* `also`: an octet to escape beside those that always are; '\0': none. */
static bool
is_escaped(char c, char also)
{
	return octet_is_control(c) || c == '"' || c == '\\' || c == also;
}

/* How many characters of one octet stand there that leave as they are. */
static size_t
plain_length(const char *value, char also)
{
	const char *at = value;

	while (*at != '\0' && (unsigned char)*at < 0x80 && !is_escaped(*at, also))
		at++;
	return (size_t)(at - value);
}

static void
put_escaped(struct log_line *line, const char *value, char also)
{
	const char *end = value + strlen(value);

	for (size_t length; value < end; value += length) {
		length = plain_length(value, also);
		if (length == 0 && !is_escaped(*value, also))
			length = utf8_length(value, (size_t)(end - value));
		if (length == 0) {
			put_formatted(line, "\\x%02x", (unsigned char)*value);
			length = 1;
		} else {
			put(line, value, length);
		}
	}
}

static void
put_key(struct log_line *line, enum log_key key)
{
	put(line, " ", 1);
	put_text(line, key_names[key]);
	put(line, "=", 1);
}

bool
log_begin(struct log_line *line, enum log_level level, enum log_event event, uint64_t id)
{
	char ident[IDENT_SIZE];

	if (!log_is_on(level))
		return false;
	line->size = 0;
	if (sink.has_level_prefix)
		put_formatted(line, "<%d>", syslog_levels[level]);
	if (id != 0) {
		put_text(line, "id=");
		put_text(line, ident_format(id, ident));
		put(line, " ", 1);
	}
	put_text(line, "event=");
	put_text(line, event_names[event]);
	return true;
}

static bool
is_plain(const char *value)
{
	for (const char *at = value; *at != '\0'; at++)
		if (*at <= ' ' || *at == '"' || *at == '=' || (unsigned char)*at >= 0x7f)
			return false;
	return *value != '\0';
}

void
log_text(struct log_line *line, enum log_key key, const char *value)
{
	bool is_quoted = value == NULL || !is_plain(value);

	put_key(line, key);
	if (is_quoted)
		put(line, "\"", 1);
	put_escaped(line, value == NULL ? "" : value, '\0');
	if (is_quoted && line->size < sizeof(line->text) - 1)
		line->text[line->size++] = '"';
}

void
log_mailbox(struct log_line *line, enum log_key key, const char *value)
{
	put_key(line, key);
	put(line, "<", 1);
	/* a quoted local part may have blanks, and what is behind one would look like a key */
	put_escaped(line, value, ' ');
	put(line, ">", 1);
}

void
log_number(struct log_line *line, enum log_key key, int64_t value)
{
	put_key(line, key);
	put_formatted(line, "%lld", (long long)value);
}

void
log_seconds(struct log_line *line, enum log_key key, int64_t value_ms)
{
	char text[FORMAT_SECONDS_SIZE];

	put_key(line, key);
	put_text(line, format_seconds(value_ms, text));
	put(line, "s", 1);
}

void
log_time(struct log_line *line, enum log_key key, int64_t at_ms)
{
	char text[CLOCK_RFC3339_SIZE];

	put_key(line, key);
	put_text(line, clock_rfc3339(at_ms, text, sizeof(text)));
}

static bool
write_once(const char *text, size_t size)
{
	ssize_t written;

	do {
		written = write(sink.fd, text, size);
	} while (written < 0 && errno == EINTR);
	return written == (ssize_t)size;
}

/* A burst waits for the reader, a reader that is stuck is not waited for again and again. */
static bool
wait_for_room(void)
{
	struct pollfd pipe = {.fd = sink.fd, .events = POLLOUT};
	int64_t now_ms;

	if (sink.patience_ms == 0 || errno != EAGAIN)
		return false;
	now_ms = clock_monotonic_ms();
	if (now_ms < atomic_load(&sink.stuck_until_ms))
		return false;
	if (poll(&pipe, 1, sink.patience_ms) > 0)
		return true;
	atomic_store(&sink.stuck_until_ms, now_ms + STUCK_MS);
	return false;
}

static bool
write_line(const char *text, size_t size)
{
	while (!write_once(text, size))
		if (!wait_for_room())
			return false;
	return true;
}

static void
report_lost(void)
{
	unsigned lost = atomic_exchange(&sink.lost, 0);
	char text[128];
	int length;

	if (lost == 0)
		return;
	length =
	    snprintf(text, sizeof(text), "%sevent=problem reason=\"log lines lost\" count=%u\n",
		sink.has_level_prefix ? "<4>" : "", lost);
	if (!write_line(text, (size_t)length))
		atomic_fetch_add(&sink.lost, lost);
}

void
log_end(struct log_line *line)
{
	line->text[line->size++] = '\n';
	if (write_line(line->text, line->size))
		report_lost();
	else
		atomic_fetch_add(&sink.lost, 1);
}

static void __attribute__((format(printf, 3, 0)))
log_reason(enum log_level level, enum log_event event, const char *format, va_list args)
{
	struct log_line line;
	char reason[1024];

	if (!log_begin(&line, level, event, 0))
		return;
	(void)vsnprintf(reason, sizeof(reason), format, args);
	log_text(&line, KEY_REASON, reason);
	log_end(&line);
}

void
log_problem(enum log_level level, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	log_reason(level, EVENT_PROBLEM, format, args);
	va_end(args);
}

void
log_trace(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	log_reason(LOG_DEBUG, EVENT_TRACE, format, args);
	va_end(args);
}
