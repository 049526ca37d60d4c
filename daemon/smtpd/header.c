/* header - one walk over the fields; from here go addresses, priority and trace. */
#include "daemon/smtpd/header.h"

#include "common/buf.h"
#include "common/octet.h"
#include "common/utf8.h"
#include "common/xalloc.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* The length of the name if this line begins a field, else 0. Blanks before the colon are obsolete
 * (RFC 5322 4.5) but a field still. */
static size_t
field_name_length(const char *line, size_t length)
{
	size_t name = 0, at;

	while (name < length && line[name] > ' ' && line[name] < 0x7f && line[name] != ':')
		name++;
	for (at = name; at < length && octet_is_blank(line[at]); at++)
		;
	return at < length && line[at] == ':' ? name : 0;
}

/* With its LF; 0 when the line isn't whole yet. */
static size_t
line_size(const char *bytes, size_t size)
{
	const char *lf = memchr(bytes, '\n', size);

	return lf != NULL ? (size_t)(lf - bytes) + 1 : 0;
}

static bool
is_empty_line(const char *line, size_t size)
{
	return size == 1 || (size == 2 && line[0] == '\r');
}

/* The size of the first line that wasn't looked at; 0 when it isn't whole yet. A long line is not
 * searched again from its beginning with each piece that comes. */
static size_t
next_line_size(struct header_end *end, const char *bytes, size_t size)
{
	size_t from = end->searched > end->seen ? end->searched : end->seen;
	size_t rest = line_size(bytes + from, size - from);

	end->searched = rest > 0 ? from + rest : size;
	return rest > 0 ? end->searched - end->seen : 0;
}

bool
header_find_end(struct header_end *end, const char *bytes, size_t size)
{
	size_t line;

	for (; (line = next_line_size(end, bytes, size)) > 0; end->seen += line) {
		const char *at = bytes + end->seen;

		if (end->seen > 0 && octet_is_blank(*at))
			continue;
		if (field_name_length(at, line) > 0)
			continue;
		end->fields_size = end->seen;
		end->body_at = end->seen + (is_empty_line(at, line) ? line : 0);
		return true;
	}
	return false;
}

void
header_end_at(struct header_end *end, size_t size)
{
	end->fields_size = end->body_at = size;
}

bool
header_next_field(const char **at, const char *end, struct header_field *field_out)
{
	const char *start = *at, *next = start, *colon, *last;
	size_t name = field_name_length(start, (size_t)(end - start));

	if (name == 0)
		return false;
	do {
		size_t line = line_size(next, (size_t)(end - next));

		next = line > 0 ? next + line : end;
	} while (next < end && octet_is_blank(*next));
	colon = memchr(start + name, ':', (size_t)(next - start) - name);
	for (last = next; last > colon + 1 && (last[-1] == '\n' || last[-1] == '\r'); last--)
		;
	*field_out = (struct header_field){.bytes = start,
	    .size = (size_t)(next - start),
	    .name_length = name,
	    .value = colon + 1,
	    .value_length = (size_t)(last - colon - 1)};
	*at = next;
	return true;
}

bool
header_field_is(const struct header_field *field, const char *name)
{
	return field->name_length == strlen(name) &&
	       strncasecmp(field->bytes, name, field->name_length) == 0;
}

/* The value without folds and the blanks around it, fit for a log line. */
static char *
one_line(const struct header_field *field)
{
	struct buf unfolded, text;

	buf_init(&unfolded);
	buf_init(&text);
	for (size_t i = 0; i < field->value_length && unfolded.size < 2 * HEADER_TEXT_MAX; i++) {
		char c = field->value[i];

		if (c != '\r' && c != '\n' && (unfolded.size > 0 || !octet_is_blank(c)))
			buf_char(&unfolded, c);
	}
	while (unfolded.size > 0 && octet_is_blank(unfolded.bytes[unfolded.size - 1]))
		unfolded.size--;
	utf8_append_clean(
	    &text, unfolded.bytes, utf8_cut(unfolded.bytes, unfolded.size, HEADER_TEXT_MAX));
	buf_fini(&unfolded);
	return buf_give(&text);
}

static void
note_text(char **text, const struct header_field *field)
{
	if (*text == NULL)
		*text = one_line(field);
}

/* From a little before what couldn't be read on, but as much as there is room for. */
static size_t
place_start(size_t bad_at, size_t length)
{
	if (length <= HEADER_PLACE_MAX)
		return 0;
	if (bad_at > length - HEADER_PLACE_MAX)
		return length - HEADER_PLACE_MAX;
	return bad_at > 10 ? bad_at - 10 : 0;
}

static void
note_place(struct header_mailboxes *mailboxes, const struct header_field *field)
{
	size_t size = 0;
	char *place = mailboxes->place;

	for (size_t i = place_start(mailboxes->addresses.bad_at, field->value_length);
	     i < field->value_length && size < HEADER_PLACE_MAX; i++) {
		char c = field->value[i];
		bool is_blank = octet_is_blank(c) || c == '\r' || c == '\n';

		if (!is_blank)
			place[size++] = c > ' ' && c <= '~' ? c : '?';
		else if (size > 0 && place[size - 1] != ' ')
			place[size++] = ' ';
	}
	if (size > 0 && place[size - 1] == ' ')
		size--;
	place[size] = '\0';
}

typedef bool parse_addresses(struct addresses *addresses, const char *value, size_t length);

static void
note_mailboxes(
    struct header_mailboxes *mailboxes, const struct header_field *field, parse_addresses *parse)
{
	note_text(&mailboxes->text, field);
	if (mailboxes->outcome != HEADER_ABSENT) {
		mailboxes->outcome = HEADER_SEVERAL;
		addresses_fini(&mailboxes->addresses);
		return;
	}
	mailboxes->outcome = HEADER_PARSED;
	if (parse(&mailboxes->addresses, field->value, field->value_length))
		return;
	mailboxes->outcome = HEADER_UNPARSABLE;
	note_place(mailboxes, field);
}

static void
note_lines(struct header *header, const struct header_field *field)
{
	const char *at = field->bytes, *end = at + field->size;
	size_t line;

	for (; at < end; at += line) {
		size_t length;

		line = line_size(at, (size_t)(end - at));
		length = line > 0 ? line - 2 : (size_t)(end - at);
		line = line > 0 ? line : length;
		if (length > header->longest_line)
			header->longest_line = length;
	}
}

static void
note_field(struct header *header, const struct header_field *field, parse_addresses *parse)
{
	header->field_count++;
	note_lines(header, field);
	if (header_field_is(field, "Received"))
		header->received_count++;
	else if (header_field_is(field, "From"))
		note_mailboxes(&header->from, field, parse);
	else if (header_field_is(field, "Sender"))
		note_mailboxes(&header->sender, field, parse);
	else if (header_field_is(field, "Date"))
		header->has_date = true;
	else if (header_field_is(field, "Subject"))
		note_text(&header->subject, field);
	else if (header_field_is(field, "Message-ID")) {
		header->has_message_id = true;
		note_text(&header->message_id, field);
	} else
		priority_note(&header->hints, field->bytes, field->name_length, field->value,
		    field->value_length);
}

static void
set_default(char **text)
{
	if (*text == NULL)
		*text = xstrdup("");
}

static void
scan(struct header *header, const char *bytes, size_t size, parse_addresses *parse)
{
	const char *at = bytes;
	struct header_field field;

	*header = (struct header){0};
	while (header_next_field(&at, bytes + size, &field))
		note_field(header, &field, parse);
	set_default(&header->from.text);
	set_default(&header->sender.text);
	set_default(&header->subject);
	set_default(&header->message_id);
}

void
header_scan(struct header *header, const char *bytes, size_t size)
{
	scan(header, bytes, size, addresses_parse);
}

void
header_scan_utf8(struct header *header, const char *bytes, size_t size)
{
	scan(header, bytes, size, addresses_parse_utf8);
}

static void
mailboxes_fini(struct header_mailboxes *mailboxes)
{
	addresses_fini(&mailboxes->addresses);
	free(mailboxes->text);
}

void
header_fini(struct header *header)
{
	mailboxes_fini(&header->from);
	mailboxes_fini(&header->sender);
	free(header->subject);
	free(header->message_id);
	*header = (struct header){0};
}
