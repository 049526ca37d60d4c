/*
 * journal - the records' format, described once for both directions.
 *
 *	version, kind        a byte each
 *	number               a varint
 *	text                 its length as a number, its bytes, a NUL
 *	rows                 their number, then one behind the other
 */
#include "daemon/queue/journal.h"

#include "common/err.h"
#include "common/varint.h"

#include <string.h>

/* 2: rows of attempts have class and rule */
#define FORMAT_VERSION 2
#define FORMAT_VERSION_OLDEST 1

/* Either writes to `out` or reads from `at`. */
struct coder {
	struct buf *out; /* NULL: reads */
	const uint8_t *at, *end;
	bool is_broken;
};

static uint64_t
read_number(struct coder *coder)
{
	uint64_t number = 0;

	coder->is_broken |= !varint_take(&coder->at, coder->end, &number);
	return number;
}

static uint64_t
code_number(struct coder *coder, uint64_t number)
{
	if (coder->out == NULL)
		return read_number(coder);
	varint_append(coder->out, number);
	return number;
}

static unsigned
code_unsigned(struct coder *coder, unsigned number)
{
	uint64_t coded = code_number(coder, number);

	coder->is_broken |= coded > UINT32_MAX;
	return (unsigned)coded;
}

static int64_t
code_time(struct coder *coder, int64_t at_ms)
{
	uint64_t coded = code_number(coder, at_ms < 0 ? 0 : (uint64_t)at_ms);

	coder->is_broken |= coded > INT64_MAX;
	return (int64_t)coded;
}

static const char *
read_text(struct coder *coder)
{
	uint64_t size = read_number(coder);
	const char *text = (const char *)coder->at;

	/* The NUL must be there, and the only one. */
	if (size >= (uint64_t)(coder->end - coder->at) ||
	    memchr(text, '\0', (size_t)size + 1) != text + size) {
		coder->is_broken = true;
		return "";
	}
	coder->at += size + 1;
	return text;
}

static const char *
code_text(struct coder *coder, const char *text)
{
	size_t size;

	if (coder->out == NULL)
		return read_text(coder);
	text = text == NULL ? "" : text;
	size = strlen(text);
	varint_append(coder->out, size);
	buf_append(coder->out, text, size + 1);
	return text;
}

/* ---- the kinds ---- */

static void
code_owner(struct coder *coder, struct journal_record *record)
{
	record->login = code_text(coder, record->login);
	record->list = code_text(coder, record->list);
}

static void
code_message(struct coder *coder, struct journal_record *record)
{
	code_owner(coder, record);
	record->profile = code_text(coder, record->profile);
	record->sender = code_text(coder, record->sender);
	record->size = code_number(coder, record->size);
}

static void
code_accepted(struct coder *coder, struct journal_record *record)
{
	code_message(coder, record);
	record->header_from = code_text(coder, record->header_from);
	record->message_id_header = code_text(coder, record->message_id_header);
	record->subject = code_text(coder, record->subject);
	record->client = code_text(coder, record->client);
	record->begins_at_ms = code_time(coder, record->begins_at_ms);
	record->priority = code_unsigned(coder, record->priority);
	record->is_notice = code_unsigned(coder, record->is_notice) != 0;
	record->row_count = code_unsigned(coder, record->row_count);
}

static void
code_attempt(struct coder *coder, struct journal_record *record)
{
	unsigned end = code_unsigned(coder, record->end);

	coder->is_broken |= end > JOURNAL_WAS_REMOVED;
	record->end = (enum journal_end)end;
	code_message(coder, record);
	record->begins_at_ms = code_time(coder, record->begins_at_ms);
	record->attempt = code_number(coder, record->attempt);
	record->next_at_ms = code_time(coder, record->next_at_ms);
	record->upstream = code_text(coder, record->upstream);
	record->tls = code_text(coder, record->tls);
	record->queue_ms = code_number(coder, record->queue_ms);
	record->connect_ms = code_number(coder, record->connect_ms);
	record->tls_ms = code_number(coder, record->tls_ms);
	record->send_ms = code_number(coder, record->send_ms);
	record->row_count = code_unsigned(coder, record->row_count);
}

static void
code_by_kind(struct coder *coder, struct journal_record *record)
{
	switch (record->kind) {
	case JOURNAL_ACCEPTED:
		code_accepted(coder, record);
		return;
	case JOURNAL_ATTEMPT:
		code_attempt(coder, record);
		return;
	case JOURNAL_REMOVED:
		code_owner(coder, record);
		record->recipients = code_unsigned(coder, record->recipients);
		return;
	case JOURNAL_REFUSED:
		code_owner(coder, record);
		record->profile = code_text(coder, record->profile);
		record->blocked = code_unsigned(coder, record->blocked);
		record->rejected = code_unsigned(coder, record->rejected);
		return;
	case JOURNAL_TRANSCRIPT:
		record->attempt = code_number(coder, record->attempt);
		record->transcript = code_text(coder, record->transcript);
		return;
	}
	coder->is_broken = true;
}

static void
code_record(struct coder *coder, struct journal_record *record)
{
	record->version = code_unsigned(coder, FORMAT_VERSION);
	coder->is_broken |=
	    record->version < FORMAT_VERSION_OLDEST || record->version > FORMAT_VERSION;
	record->kind = (enum journal_kind)code_unsigned(coder, record->kind);
	record->message_id = code_number(coder, record->message_id);
	record->at_ms = code_time(coder, record->at_ms);
	record->received_at_ms = code_time(coder, record->received_at_ms);
	code_by_kind(coder, record);
}

static void
code_row(struct coder *coder, unsigned version, enum journal_kind kind, struct journal_row *row)
{
	unsigned fate;

	row->index = code_unsigned(coder, row->index);
	row->address = code_text(coder, row->address);
	if (kind == JOURNAL_ACCEPTED)
		return;
	fate = code_unsigned(coder, row->fate);
	coder->is_broken |= fate < JOURNAL_DELIVERED || fate > JOURNAL_NOT_SENT;
	row->fate = (enum journal_fate)fate;
	row->code = code_unsigned(coder, row->code);
	row->enhanced = code_text(coder, row->enhanced);
	row->reply = code_text(coder, row->reply);
	if (version < 2)
		return;
	row->class = code_text(coder, row->class);
	row->rule = code_text(coder, row->rule);
}

/* ---- */

void
journal_write(struct buf *out, const struct journal_record *record)
{
	struct coder coder = {.out = out};
	struct journal_record copy = *record;

	code_record(&coder, &copy);
	ensure(!coder.is_broken);
}

void
journal_add_row(struct buf *out, enum journal_kind kind, const struct journal_row *row)
{
	struct coder coder = {.out = out};
	struct journal_row copy = *row;

	code_row(&coder, FORMAT_VERSION, kind, &copy);
	ensure(!coder.is_broken);
}

void
journal_write_accepted(struct buf *out, const struct mail *mail, const char *profile)
{
	struct journal_record record = {
	    .kind = JOURNAL_ACCEPTED,
	    .message_id = mail->id,
	    .at_ms = mail->received_at_ms,
	    .received_at_ms = mail->received_at_ms,
	    .login = mail->login,
	    .list = mail->list,
	    .profile = profile,
	    .sender = mail->sender,
	    .size = mail->size,
	    .header_from = mail->header_from,
	    .message_id_header = mail->message_id,
	    .subject = mail->subject,
	    .client = mail->client,
	    .begins_at_ms = mail->begins_at_ms,
	    .priority = mail->priority,
	    .is_notice = mail->is_notice,
	    .row_count = mail->recipient_count,
	};

	journal_write(out, &record);
	for (uint32_t i = 0; i < mail->recipient_count; i++)
		journal_add_row(out, JOURNAL_ACCEPTED,
		    &(struct journal_row){.index = mail->recipients[i].index,
			.address = mail->recipients[i].address});
}

bool
journal_read(const void *bytes, size_t size, struct journal_record *record_out)
{
	struct coder coder = {.at = bytes, .end = (const uint8_t *)bytes + size};

	*record_out = (struct journal_record){.login = "",
	    .list = "",
	    .profile = "",
	    .sender = "",
	    .header_from = "",
	    .message_id_header = "",
	    .subject = "",
	    .client = "",
	    .upstream = "",
	    .tls = "",
	    .transcript = ""};
	if (size == 0)
		return false;
	code_record(&coder, record_out);
	record_out->rows_at = coder.at;
	record_out->end_at = coder.end;
	/* A row has two bytes at least: nobody counts beyond what is there. */
	return !coder.is_broken && record_out->row_count <= (size_t)(coder.end - coder.at) / 2;
}

bool
journal_next_row(struct journal_record *record, struct journal_row *row_out)
{
	struct coder coder = {.at = record->rows_at, .end = record->end_at};

	if (record->row_count == 0)
		return false;
	*row_out = (struct journal_row){.enhanced = "", .reply = "", .class = "", .rule = ""};
	code_row(&coder, record->version, record->kind, row_out);
	record->rows_at = coder.at;
	record->row_count = coder.is_broken ? 0 : record->row_count - 1;
	return !coder.is_broken;
}
