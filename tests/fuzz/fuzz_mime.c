/*
 * Messages on their way through mime: the first octet says what is wanted, the rest is a message. What
 * comes out is a message again, with its lines, its parts and all that nobody wanted to change.
 */
#include "common/err.h"
#include "common/header_field.h"
#include "daemon/mime/rework.h"
#include "daemon/mime/seven.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

enum { WANTS_TEXT = 1, WANTS_HTML = 2, WANTS_7BIT = 4, WANTS_FROM = 8, WANTS_REPLACE = 16 };

/* As smtpd lets it in, with the empty line that it puts under the header. */
static struct buf
make_message(const uint8_t *bytes, size_t size)
{
	struct header_end end = {0};
	struct buf message = {0}, whole = {0};

	for (size_t i = 0; i < size; i++) {
		if (bytes[i] == '\n')
			buf_char(&message, '\r');
		if (bytes[i] != '\r' && bytes[i] != '\0')
			buf_char(&message, (char)bytes[i]);
	}
	buf_text(&message, "\r\n");
	if (!header_find_end(&end, message.bytes, message.size))
		header_end_at(&end, message.size);
	buf_append(&whole, message.bytes, end.fields_size);
	buf_text(&whole, "\r\n");
	buf_append(&whole, message.bytes + end.body_at, message.size - end.body_at);
	buf_fini(&message);
	return whole;
}

static struct msg_bytes
bytes_if(bool is_wanted, const char *text)
{
	if (!is_wanted)
		return (struct msg_bytes){0};
	return (struct msg_bytes){(const uint8_t *)text, (uint32_t)strlen(text)};
}

static void
check_lines(const struct buf *result)
{
	for (size_t i = 0; i < result->size; i++) {
		ensure(result->bytes[i] != '\n' || (i > 0 && result->bytes[i - 1] == '\r'));
		ensure(result->bytes[i] != '\r' ||
		       (i + 1 < result->size && result->bytes[i + 1] == '\n'));
	}
	ensure(result->size >= 2 && result->bytes[result->size - 1] == '\n');
}

/* The header is as long as it seems, and says what it was to say. */
static void
check_header(const struct buf *result, unsigned wishes)
{
	struct header_end end = {0};
	const char *at = result->bytes;
	struct header_field field;
	unsigned from_count = 0;

	ensure(header_find_end(&end, result->bytes, result->size));
	ensure(end.body_at == end.fields_size + 2);
	while (header_next_field(&at, result->bytes + end.fields_size, &field))
		from_count += header_field_is(&field, "From");
	ensure(at == result->bytes + end.fields_size);
	if ((wishes & WANTS_FROM) != 0)
		ensure(from_count > 0);
	if ((wishes & (WANTS_FROM | WANTS_REPLACE)) == (WANTS_FROM | WANTS_REPLACE))
		ensure(from_count == 1);
}

static void
check_result(const struct rework *rework, const struct buf *before, unsigned wishes)
{
	struct edits_reader reader = {0};
	struct buf result = {0};

	buf_reserve(&result, edits_result_size(&rework->edits, rework->size) + 1);
	result.size = edits_read(&rework->edits, &reader, rework->message, rework->size,
	    result.bytes, result.capacity - 1);
	ensure(result.size == edits_result_size(&rework->edits, rework->size));
	check_lines(&result);
	check_header(&result, wishes);
	if (wishes == 0)
		ensure(result.size == before->size &&
		       memcmp(result.bytes, before->bytes, result.size) == 0);
	if ((wishes & WANTS_7BIT) != 0)
		ensure(seven_is_done(result.bytes, result.size));
	buf_fini(&result);
}

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
	unsigned wishes = size > 0 ? bytes[0] & 31 : 0;
	struct rework_order order = {
	    .sender = {.policy = (wishes & WANTS_REPLACE) != 0 ? FROM_REPLACE : FROM_SUPPLY,
		.name = (wishes & WANTS_FROM) != 0 ? "N\xc3\xa4me" : "",
		.address = (wishes & WANTS_FROM) != 0 ? "own@p.example" : "",
		.reply_to = "",
		.envelope = "env@x.example"},
	    .signatures = {.text = bytes_if((wishes & WANTS_TEXT) != 0, "s\xc3\xbcg \n-- \n>x"),
		.html = bytes_if((wishes & WANTS_HTML) != 0, "<b>s\xc3\xbcg</b>")},
	    .to_7bit = (wishes & WANTS_7BIT) != 0,
	};
	struct buf before;
	struct rework rework = {0};

	rework_prepare();
	before = make_message(bytes + (size > 0), size > 0 ? size - 1 : 0);
	rework.message = malloc(before.size + 1);
	ensure(rework.message != NULL);
	memcpy(rework.message, before.bytes, before.size);
	rework.size = before.size;
	rework_run(&rework, &order);
	if (rework.outcome == REWORK_DONE)
		check_result(&rework, &before, wishes & ~(unsigned)WANTS_REPLACE & 31 ? wishes : 0);
	rework_fini(&rework);
	buf_fini(&before);
	return 0;
}
