/*
 * smtp_reply - replies: reads an upstream's, line by line as they come, and writes ours
 *
 * Owns     the text, until smtp_reply_fini()
 * Units    octets
 * Fails    SMTP_REPLY_BROKEN and *err_out: this is no SMTP, or more than a reply may be
 *
 * Text that was read is UTF-8 without control characters: all else becomes `?`. An enhanced code
 * is taken out of every line when its class fits the code (RFC 2034).
 */
#ifndef POSTERN_COMMON_SMTP_REPLY_H
#define POSTERN_COMMON_SMTP_REPLY_H

#include "common/buf.h"
#include "common/enhanced.h"
#include "common/err.h"

#include <stdbool.h>
#include <stddef.h>

#define SMTP_REPLY_LINE_MAX 4096  /* 512 by RFC 5321, but servers write more */
#define SMTP_REPLY_LINES_MAX 256  /* of one reply */
#define SMTP_REPLY_TEXT_MAX 16384 /* of one reply */

struct smtp_reply {
	unsigned code; /* 200 to 599; 0 before the first line */
	unsigned line_count;
	bool has_enhanced;
	struct enhanced enhanced; /* the first one that a line had */
	struct buf text;          /* the lines, with `\n` between */
};

enum smtp_reply_outcome { SMTP_REPLY_PARTIAL, SMTP_REPLY_COMPLETE, SMTP_REPLY_BROKEN };

void smtp_reply_init(struct smtp_reply *reply);
void smtp_reply_fini(struct smtp_reply *reply);
/* Ready for the next one. */
void smtp_reply_clear(struct smtp_reply *reply);

/* Reads the lines that are whole, up to the reply's last. `*used_out` bytes were understood; the
 * caller keeps the others and brings them again with those that follow. */
enum smtp_reply_outcome smtp_reply_read(struct smtp_reply *reply, const char *bytes, size_t size,
    size_t *used_out, struct err *err_out);

/* The line at `at`, and in `*next_out` where the next one begins, NULL behind the last. Begin with
 * smtp_reply_text(). */
const char *smtp_reply_text(const struct smtp_reply *reply);
size_t smtp_reply_line_length(const char *at, const char **next_out);

/* All lines in one, `550 5.1.1 no such user`; cut to the buffer's size. */
const char *smtp_reply_format(const struct smtp_reply *reply, char *buffer, size_t size);

/* Writes a reply of ours. `enhanced` may be NULL; `\n` in `text` begins another line. Lines are
 * cut at 512 octets, control characters become `?`. */
void smtp_reply_write(struct buf *out, unsigned code, const char *enhanced, const char *text);

#endif
