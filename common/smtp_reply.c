/* smtp_reply - replies, read and written (RFC 5321 4.2). */
#include "common/smtp_reply.h"

#include "common/format.h"
#include "common/smtp_line.h"
#include "common/utf8.h"

#include <string.h>

void
smtp_reply_init(struct smtp_reply *reply)
{
	*reply = (struct smtp_reply){0};
}

void
smtp_reply_fini(struct smtp_reply *reply)
{
	buf_fini(&reply->text);
	smtp_reply_init(reply);
}

void
smtp_reply_clear(struct smtp_reply *reply)
{
	struct buf text = reply->text;

	buf_clear(&text);
	*reply = (struct smtp_reply){.text = text};
}

/* 0 when the line doesn't begin with a code. */
static unsigned
read_code(const char *line, size_t length)
{
	unsigned code = 0;

	if (length < 3)
		return 0;
	for (size_t i = 0; i < 3; i++) {
		if (line[i] < '0' || line[i] > '9')
			return 0;
		code = code * 10 + (unsigned)(line[i] - '0');
	}
	return code >= 200 && code <= 599 ? code : 0;
}

/* How much of a line's text is its enhanced code and the blank behind it. */
static size_t
read_enhanced(struct smtp_reply *reply, const char *text, size_t length)
{
	struct enhanced enhanced;
	size_t used = enhanced_parse(text, length, &enhanced);

	if (used == 0 || enhanced.class != reply->code / 100)
		return 0;
	if (!reply->has_enhanced)
		reply->enhanced = enhanced;
	reply->has_enhanced = true;
	return used < length ? used + 1 : used;
}

static int
check_line(const struct smtp_reply *reply, const char *line, size_t length, struct err *err_out)
{
	unsigned code = read_code(line, length);

	if (code == 0 || (length > 3 && line[3] != ' ' && line[3] != '-'))
		return err_set(err_out, "the server's reply is no SMTP: `%.*s`",
		    (int)(length < 80 ? length : 80), line);
	if (reply->line_count > 0 && code != reply->code)
		return err_set(err_out, "the server's reply changes its code from %u to %u",
		    reply->code, code);
	if (reply->line_count == SMTP_REPLY_LINES_MAX ||
	    reply->text.size + length > SMTP_REPLY_TEXT_MAX)
		return err_set(err_out,
		    "the server's reply is too long (at most %d lines, %d octets)",
		    SMTP_REPLY_LINES_MAX, SMTP_REPLY_TEXT_MAX);
	return 0;
}

static enum smtp_reply_outcome
read_line(struct smtp_reply *reply, const char *line, size_t length, struct err *err_out)
{
	bool is_last = length == 3 || (length > 3 && line[3] == ' ');
	size_t skipped;

	if (check_line(reply, line, length, err_out) != 0)
		return SMTP_REPLY_BROKEN;
	reply->code = read_code(line, length);
	skipped = length > 3 ? 4 : 3;
	skipped += read_enhanced(reply, line + skipped, length - skipped);
	if (reply->line_count++ > 0)
		buf_char(&reply->text, '\n');
	utf8_append_clean(&reply->text, line + skipped, length - skipped);
	return is_last ? SMTP_REPLY_COMPLETE : SMTP_REPLY_PARTIAL;
}

enum smtp_reply_outcome
smtp_reply_read(
    struct smtp_reply *reply, const char *bytes, size_t size, size_t *used_out, struct err *err_out)
{
	enum smtp_reply_outcome outcome = SMTP_REPLY_PARTIAL;

	*used_out = 0;
	while (outcome == SMTP_REPLY_PARTIAL) {
		struct smtp_line line;

		switch (smtp_line_find(
		    bytes + *used_out, size - *used_out, SMTP_REPLY_LINE_MAX, &line)) {
		case SMTP_LINE_PARTIAL:
			return SMTP_REPLY_PARTIAL;
		case SMTP_LINE_COMPLETE:
			outcome = read_line(reply, line.bytes, line.length, err_out);
			*used_out += line.used;
			break;
		case SMTP_LINE_TOO_LONG:
			(void)err_set(err_out,
			    "the server's reply has a line that is too long "
			    "(at most %d octets)",
			    SMTP_REPLY_LINE_MAX);
			return SMTP_REPLY_BROKEN;
		case SMTP_LINE_BARE:
			(void)err_set(err_out, "the server's reply has a CR or LF alone: `%.*s`",
			    (int)(line.length < 80 ? line.length : 80), line.bytes);
			return SMTP_REPLY_BROKEN;
		}
	}
	return outcome;
}

const char *
smtp_reply_text(const struct smtp_reply *reply)
{
	return reply->text.bytes != NULL ? reply->text.bytes : "";
}

size_t
smtp_reply_line_length(const char *at, const char **next_out)
{
	const char *end = strchrnul(at, '\n');

	*next_out = *end == '\n' ? end + 1 : NULL;
	return (size_t)(end - at);
}

const char *
smtp_reply_format(const struct smtp_reply *reply, char *buffer, size_t size)
{
	char enhanced[ENHANCED_SIZE];
	const char *text = smtp_reply_text(reply);
	size_t start = format_text(buffer, size, "%u %s%s", reply->code,
	    reply->has_enhanced ? enhanced_format(&reply->enhanced, enhanced) : "",
	    reply->has_enhanced ? " " : "");
	size_t length;

	if (start >= size)
		return buffer;
	length = utf8_cut(text, reply->text.size, size - 1 - start);
	for (size_t i = 0; i < length; i++)
		buffer[start + i] = text[i] == '\n' ? ' ' : text[i];
	buffer[start + length] = '\0';
	return buffer;
}

void
smtp_reply_write(struct buf *out, unsigned code, const char *enhanced, const char *text)
{
	const char *next;

	for (; text != NULL; text = next) {
		size_t length = smtp_reply_line_length(text, &next);
		size_t start = out->size, room;

		buf_printf(out, "%03u%c", code, next != NULL ? '-' : ' ');
		if (enhanced != NULL && enhanced[0] != '\0')
			buf_printf(out, "%s ", enhanced);
		room = 510 - (out->size - start);
		utf8_append_clean(out, text, utf8_cut(text, length, room));
		buf_text(out, "\r\n");
	}
}
