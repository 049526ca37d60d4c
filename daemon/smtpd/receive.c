/*
 * receive - from DATA or BDAT to the last reply: the text streams to queue as it comes.
 *
 * The header block is kept back until it is whole and has been judged; then it leaves, rewritten,
 * and everything behind it follows without being looked at. Once the message is to be refused the
 * text is still read to its end, because only there a reply may be sent.
 */
#include "daemon/smtpd/session_private.h"

#include "common/ident.h"
#include "common/log.h"
#include "daemon/smtpd/policy.h"

#include <string.h>

#define PIECE_SIZE (64u * 1024)
/* Less credit than this isn't worth a read: queue has the rest under way and gives it back. */
#define CREDIT_MARK (16u * 1024)

/* ---- sending ---- */

/* Eight bytes at a time: each byte of a message passes here. */
static bool
has_8bit(const uint8_t *bytes, size_t size)
{
	uint64_t all = 0;
	size_t at = 0;

	for (; at + sizeof(all) <= size; at += sizeof(all)) {
		uint64_t word;

		memcpy(&word, bytes + at, sizeof(word));
		all |= word;
	}
	for (; at < size; at++)
		all |= bytes[at];
	return (all & UINT64_C(0x8080808080808080)) != 0;
}

static void
send_piece(struct session *session, struct chunk *chunk, uint32_t offset, uint32_t size)
{
	struct transaction *transaction = session->transaction;
	struct slice slice;

	if (size == 0)
		return;
	slice = slice_of(chunk, offset, size);
	if (!transaction->has_8bit)
		transaction->has_8bit = has_8bit(slice_bytes(&slice), size);
	session->setup.ports->message_send(session->setup.ctx, &slice);
	slice_release(&slice);
	transaction->credit -= size;
	transaction->sent_size += size;
}

/* The rewritten header, as far as credit reaches. */
static void
send_unsent(struct session *session)
{
	struct transaction *transaction = session->transaction;
	struct chunk *chunk = transaction->unsent;

	while (chunk != NULL && transaction->credit > 0) {
		uint32_t size = chunk->size - transaction->unsent_offset;

		if (size > transaction->credit)
			size = transaction->credit;
		if (size > PIECE_SIZE)
			size = PIECE_SIZE;
		send_piece(session, chunk, transaction->unsent_offset, size);
		transaction->unsent_offset += size;
		if (transaction->unsent_offset == chunk->size) {
			chunk_release(chunk);
			chunk = transaction->unsent = NULL;
		}
	}
}

/* The end of data has been read. */
static void
finish_text(struct session *session)
{
	struct transaction *transaction = session->transaction;

	if (transaction->is_discarded) {
		receive_reply_refusal(session);
		receive_end_transaction(session);
	} else if (transaction->unsent != NULL) {
		session_enter(session, STATE_STALL);
	} else {
		receive_commit(session);
	}
}

/* ---- reading ---- */

/* Judges the header and makes it ready to leave, with what came behind it. */
static void
take_header(struct session *session)
{
	struct transaction *transaction = session->transaction;
	const struct buf *header = &transaction->header;
	size_t body_at = transaction->header_end.body_at;
	struct buf out;

	buf_init(&out);
	if (!policy_passes_header(session, &out)) {
		receive_stop_storing(session);
		buf_fini(&out);
		return;
	}
	transaction->has_header = true;
	buf_append(&out, header->bytes + body_at, header->size - body_at);
	transaction->unsent = chunk_from(out.bytes, (uint32_t)out.size);
	transaction->unsent_offset = 0;
	buf_fini(&out);
	buf_fini(&transaction->header);
	send_unsent(session);
}

static void
add_to_header(struct session *session, const struct chunk *text)
{
	struct transaction *transaction = session->transaction;
	struct buf *header = &transaction->header;
	uint64_t limit = session->setup.config->limits.header_size_bytes;
	bool is_whole;

	buf_append(header, text->bytes, text->size);
	is_whole = header_find_end(&transaction->header_end, header->bytes, header->size);
	if ((is_whole ? transaction->header_end.fields_size : header->size) > limit)
		receive_discard_malformed(session, "header too large");
	else if (is_whole)
		take_header(session);
}

static void
take_text(struct session *session, struct chunk *text)
{
	struct transaction *transaction = session->transaction;

	transaction->text_size += text->size;
	if (transaction->decoder.faults != 0)
		receive_discard_malformed(session, data_fault_text(&transaction->decoder));
	else if (transaction->text_size > session->setup.config->limits.message_size_bytes)
		receive_discard_too_big(session);
	if (transaction->is_discarded)
		return;
	if (transaction->has_header)
		send_piece(session, text, 0, text->size);
	else
		add_to_header(session, text);
}

/* How many bytes may be read now; 0: the client has to wait for queue. */
static size_t
readable_size(const struct transaction *transaction, size_t size)
{
	if (size > PIECE_SIZE)
		size = PIECE_SIZE;
	if (transaction->is_discarded || !transaction->has_header)
		return size;
	if (transaction->unsent != NULL || transaction->credit < CREDIT_MARK)
		return 0;
	/* once for what the decoder kept back, once for the end of a last line */
	if (size > transaction->credit - 2 * DATA_EXTRA_SIZE)
		size = transaction->credit - 2 * DATA_EXTRA_SIZE;
	return size;
}

/* A message may be nothing but a header, without the empty line. */
static void
end_text(struct session *session)
{
	struct transaction *transaction = session->transaction;

	if (!transaction->is_discarded && !transaction->has_header) {
		header_end_at(&transaction->header_end, transaction->header.size);
		take_header(session);
	}
	finish_text(session);
}

/* The last line's CRLF, if it has none. */
static void
finish_last_line(struct session *session)
{
	struct transaction *transaction = session->transaction;
	struct chunk *text = chunk_new(DATA_EXTRA_SIZE);
	size_t size;

	data_finish(&transaction->decoder, text->bytes, &size);
	text->size = (uint32_t)size;
	take_text(session, text);
	chunk_release(text);
}

/* Behind the last chunk. What the decoder adds there may have to wait for credit. */
static void
end_chunks(struct session *session)
{
	const struct transaction *transaction = session->transaction;

	if (!transaction->is_discarded && transaction->has_header &&
	    (transaction->unsent != NULL || transaction->credit < DATA_EXTRA_SIZE)) {
		session_enter(session, STATE_STALL);
		return;
	}
	finish_last_line(session);
	end_text(session);
}

/* All of a chunk has been read. */
static void
end_chunk(struct session *session)
{
	if (session->bdat.is_last) {
		end_chunks(session);
	} else if (session->transaction->is_discarded) {
		receive_reply_refusal(session);
		session_enter(session, STATE_FAILED);
	} else {
		session_enter(session, STATE_CHUNKS);
		session_reply(session, 250, "2.0.0", "%llu octets received",
		    (unsigned long long)session->bdat.size);
	}
}

static size_t
decode(struct session *session, const uint8_t *bytes, size_t size)
{
	struct transaction *transaction = session->transaction;
	struct chunk *text = chunk_new((uint32_t)size + DATA_EXTRA_SIZE);
	size_t used, text_size;

	used = data_decode(&transaction->decoder, bytes, size, text->bytes, &text_size);
	text->size = (uint32_t)text_size;
	take_text(session, text);
	chunk_release(text);
	return used;
}

size_t
receive_bytes(struct session *session, const uint8_t *bytes, size_t size)
{
	struct transaction *transaction = session->transaction;
	size_t used;

	if (transaction->decoder.is_chunked && size > session->bdat.left)
		size = (size_t)session->bdat.left;
	size = readable_size(transaction, size);
	if (size == 0) {
		session_enter(session, STATE_STALL);
		return 0;
	}
	used = decode(session, bytes, size);
	session_enter(session, STATE_DATA);
	if (transaction->decoder.is_chunked) {
		session->bdat.left -= used;
		if (session->bdat.left == 0)
			end_chunk(session);
	} else if (transaction->decoder.is_done) {
		end_text(session);
	}
	return used;
}

static bool
open_message(struct session *session, enum data_framing framing)
{
	struct transaction *transaction = session->transaction;

	transaction->id = session->setup.ports->message_open(session->setup.ctx);
	transaction->is_open = transaction->id != 0;
	transaction->credit = STREAM_CREDIT;
	data_init(&transaction->decoder, framing, session->setup.config->limits.line_length);
	return transaction->is_open;
}

void
receive_begin(struct session *session)
{
	if (!open_message(session, DATA_DOTS)) {
		session_refuse(session, 451, "4.3.0", "Storage failed, try again later");
		receive_end_transaction(session);
		return;
	}
	session_enter(session, STATE_DATA);
	session_reply(session, 354, "", "End data with <CR><LF>.<CR><LF>");
}

void
receive_begin_chunk(struct session *session)
{
	struct transaction *transaction = session->transaction;
	uint64_t limit = session->setup.config->limits.message_size_bytes;

	if (session->state == STATE_RCPT && !open_message(session, DATA_CHUNKS))
		receive_discard_lost(session);
	/* said at its end, but not one octet of it is stored */
	if (session->bdat.size > limit || transaction->text_size > limit - session->bdat.size)
		receive_discard_too_big(session);
	session_enter(session, STATE_DATA);
	if (session->bdat.size == 0)
		end_chunk(session);
}

/* ---- what queue says ---- */

/* Reading goes on, or, when all has been read, the message is finished. */
static void
leave_stall(struct session *session)
{
	const struct data *decoder = &session->transaction->decoder;

	if (session->state != STATE_STALL)
		return;
	session_enter(session, STATE_DATA);
	if (decoder->is_done)
		finish_text(session);
	else if (decoder->is_chunked && session->bdat.left == 0)
		end_chunk(session);
}

void
receive_take_credit(struct session *session, uint32_t bytes)
{
	struct transaction *transaction = session->transaction;

	if (bytes > STREAM_CREDIT - transaction->credit)
		bytes = STREAM_CREDIT - transaction->credit;
	transaction->credit += bytes;
	send_unsent(session);
	leave_stall(session);
}

void
receive_end_stall(struct session *session)
{
	receive_discard_lost(session);
	leave_stall(session);
}

static void
log_accepted(struct session *session)
{
	const struct transaction *transaction = session->transaction;
	int64_t now_ms = session->setup.ports->now_ms(session->setup.ctx);
	struct log_line line;

	if (!log_begin(&line, LOG_INFO, EVENT_ACCEPTED, transaction->id))
		return;
	session_log(session, &line);
	log_text(&line, KEY_LIST, transaction->grant->list);
	log_mailbox(&line, KEY_FROM, transaction->sender.text);
	log_mailbox(&line, KEY_TO, transaction->recipients[0].address);
	log_number(&line, KEY_RECIPIENTS, (int64_t)transaction->recipient_count);
	log_number(&line, KEY_SIZE, (int64_t)transaction->sent_size);
	log_number(&line, KEY_PRIORITY, transaction->priority);
	if (transaction->message_id[0] != '\0')
		log_text(&line, KEY_MESSAGE_ID, transaction->message_id);
	log_seconds(&line, KEY_DELAY, now_ms - transaction->began_at_ms);
	log_end(&line);
}

static void
reply_stored(struct session *session)
{
	char ident[IDENT_SIZE];

	log_accepted(session);
	session->messages++;
	session->errors = session->idle_commands = 0;
	session_reply(session, 250, "2.0.0", "Ok: queued as %s",
	    ident_format(session->transaction->id, ident));
}

void
receive_take_commit(struct session *session, enum commit_outcome outcome)
{
	session->transaction->is_open = false;
	if (outcome == COMMIT_STORED)
		reply_stored(session);
	else if (outcome == COMMIT_LIMITED)
		mail_refuse_limit(session, session->transaction->grant);
	else if (outcome == COMMIT_DISK_FULL)
		session_refuse(session, 452, "4.3.1", "Insufficient storage");
	else
		session_refuse(session, 451, "4.3.0", "Storage failed, try again later");
	receive_end_transaction(session);
}

void
receive_lose_queue(struct session *session)
{
	session->transaction->is_open = false;
	if (session->state == STATE_COMMIT) {
		receive_take_commit(session, COMMIT_FAILED);
	} else {
		receive_discard_lost(session);
		leave_stall(session);
	}
}
