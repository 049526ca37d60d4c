/* header - one walk over the fields; from here go addresses, priority and trace. */
#include "daemon/smtpd/header.h"

#include "common/buf.h"
#include "common/octet.h"
#include "common/utf8.h"
#include "common/xalloc.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

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

		line = header_line_size(at, (size_t)(end - at));
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
