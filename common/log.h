/*
 * log - one line per finished fact, key=value, the queue id first
 *
 * Owns     nothing; a line is built on the caller's stack and leaves in one write
 * Context  any thread
 * Fails    never: a full pipe drops the line, and the next that fits says how many were lost
 *
 *	struct log_line line;
 *
 *	if (log_begin(&line, LOG_INFO, EVENT_DELIVERED, message->id)) {
 *		log_mailbox(&line, KEY_TO, recipient->address);
 *		log_number(&line, KEY_CODE, 250);
 *		log_end(&line);
 *	}
 *
 * Foreign text is escaped: control characters, quotes, backslashes and bytes that are not UTF-8
 * leave as \xNN, so no line can be forged. Secrets and bodies never come here.
 */
#ifndef POSTERN_COMMON_LOG_H
#define POSTERN_COMMON_LOG_H

#include "common/log_events.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum log_level { LOG_ERROR, LOG_WARNING, LOG_INFO, LOG_DEBUG };

#define LOG_LINE_SIZE 3072

struct log_line {
	size_t size;
	char text[LOG_LINE_SIZE];
};

/* Where lines go: to `fd`, each behind `<N>` (the syslog level) if `has_level_prefix`. Until this
 * is called they go to stderr without. */
void log_open(int fd, bool has_level_prefix);
/* How long a line may wait for a full pipe before it is lost; 0, as for the pipe's own reader: not
 * at all. A pipe that stays full makes nobody wait again for a second. */
void log_set_patience(int wait_ms);
void log_set_level(enum log_level level);
bool log_is_on(enum log_level level);

/* False, and nothing to do, when the level is off. `id` 0: the line has none. */
bool log_begin(struct log_line *line, enum log_level level, enum log_event event, uint64_t id);
void log_text(struct log_line *line, enum log_key key, const char *value);
/* key=<value>, as mailboxes are written; its blanks are escaped */
void log_mailbox(struct log_line *line, enum log_key key, const char *value);
void log_number(struct log_line *line, enum log_key key, int64_t value);
/* key=0.012s, from milliseconds */
void log_seconds(struct log_line *line, enum log_key key, int64_t value_ms);
/* key=2026-03-01T12:31:04Z */
void log_time(struct log_line *line, enum log_key key, int64_t at_ms);
void log_end(struct log_line *line);

/* A line of the event `problem` with nothing but a reason. */
void log_problem(enum log_level level, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/* A line of the event `trace` at level debug. */
void log_trace(const char *format, ...) __attribute__((format(printf, 1, 2)));

#endif
