/* addition - from an operator's texts to lines of a message. */
#include "daemon/mime/addition.h"

#include "common/utf8.h"

#include <stdint.h>
#include <string.h>

/* Takes the next line off, without its end (LF or CRLF). */
static bool
next_line(struct msg_bytes *text, const char **line_out, size_t *size_out)
{
	const uint8_t *lf;
	uint32_t size;

	if (text->size == 0)
		return false;
	lf = memchr(text->at, '\n', text->size);
	size = lf == NULL ? text->size : (uint32_t)(lf - text->at);
	*line_out = (const char *)text->at;
	*size_out = size > 0 && text->at[size - 1] == '\r' ? size - 1 : size;
	size += lf != NULL;
	text->at += size;
	text->size -= size;
	return true;
}

/* ---- plain text ---- */

static bool
is_delimiter(const char *line, size_t size)
{
	return size == 3 && memcmp(line, "-- ", 3) == 0;
}

static void
put_flowed(struct buf *out, const char *line, size_t size)
{
	if (size > 0 &&
	    (line[0] == ' ' || line[0] == '>' || (size >= 5 && memcmp(line, "From ", 5) == 0)))
		buf_char(out, ' ');
	while (size > 0 && line[size - 1] == ' ' && !is_delimiter(line, size))
		size--;
	buf_append(out, line, size);
}

static void
put_text(struct msg_bytes text, bool is_flowed, struct buf *out)
{
	const char *line;
	size_t size;

	if (text.size > 0)
		buf_text(out, "\r\n");
	while (next_line(&text, &line, &size)) {
		if (is_flowed)
			put_flowed(out, line, size);
		else
			buf_append(out, line, size);
		buf_text(out, "\r\n");
	}
}

void
addition_text(const struct signatures *signatures, bool is_flowed, struct buf *out)
{
	put_text(signatures->text, is_flowed, out);
	put_text(signatures->global_text, is_flowed, out);
}

/* ---- HTML ---- */

static uint32_t
read_character(const char *at, size_t size)
{
	uint32_t character = (unsigned char)*at & (0xffu >> (size + 1));

	for (size_t i = 1; i < size; i++)
		character = character << 6 | ((unsigned char)at[i] & 0x3f);
	return character;
}

/* What utf8_length() has no good opinion of is a character all the same. */
static size_t
sequence_length(const char *at, size_t left)
{
	unsigned char first = (unsigned char)*at;
	size_t size = first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4;

	if (first < 0xc2 || first > 0xf4 || size > left)
		return 0;
	for (size_t i = 1; i < size; i++)
		if (((unsigned char)at[i] & 0xc0) != 0x80)
			return 0;
	return size;
}

static void
put_references(const char *line, size_t size, struct buf *out)
{
	for (size_t at = 0; at < size;) {
		size_t length;

		if ((unsigned char)line[at] < 0x80) {
			buf_char(out, line[at++]);
			continue;
		}
		length = sequence_length(line + at, size - at);
		if (length == 0)
			buf_char(out, '?');
		else
			buf_printf(out, "&#%u;", read_character(line + at, length));
		at += length == 0 ? 1 : length;
	}
}

static void
put_escaped(const char *line, size_t size, struct buf *out)
{
	for (size_t at = 0, run; at < size; at += run) {
		run = 1;
		if (line[at] == '&')
			buf_text(out, "&amp;");
		else if (line[at] == '<')
			buf_text(out, "&lt;");
		else if (line[at] == '>')
			buf_text(out, "&gt;");
		else {
			while (at + run < size && strchr("&<>", line[at + run]) == NULL)
				run++;
			put_references(line + at, run, out);
		}
	}
}

static void
put_html(struct msg_bytes html, struct msg_bytes text, struct buf *out)
{
	bool is_text = html.size == 0;
	struct msg_bytes *from = is_text ? &text : &html;
	const char *line;
	size_t size;

	if (from->size == 0)
		return;
	buf_text(out, "<div><br>\r\n");
	while (next_line(from, &line, &size)) {
		if (is_text)
			put_escaped(line, size, out);
		else
			put_references(line, size, out);
		buf_text(out, is_text && from->size > 0 ? "<br>\r\n" : "\r\n");
	}
	buf_text(out, "</div>\r\n");
}

void
addition_html(const struct signatures *signatures, struct buf *out)
{
	put_html(signatures->html, signatures->text, out);
	put_html(signatures->global_html, signatures->global_text, out);
}
