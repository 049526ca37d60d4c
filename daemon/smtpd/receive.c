/*
 * receive - from DATA to the last reply: the text streams to queue as it comes.
 *
 * The header block is kept back until it is whole and has been judged; then it leaves, rewritten,
 * and everything behind it follows without being looked at. Once the message is to be refused the
 * text is still read to its end, because only there a reply may be sent.
 */
#include "daemon/smtpd/session_private.h"

#include "common/err.h"
#include "common/ident.h"
#include "common/log.h"
#include "daemon/smtpd/policy.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PIECE_SIZE (64u * 1024)
/* Less credit than this isn't worth a read: queue has the rest under way and gives it back. */
#define CREDIT_MARK (16u * 1024)

/* ---- refusing ---- */

/* The message won't be stored, and queue may forget what it has of it. */
static void
stop_storing(struct session *session)
{
	struct transaction *transaction = session->transaction;

	transaction->is_discarded = true;
	if (transaction->is_open)
		session->setup.ports->message_abort(session->setup.ctx);
	transaction->is_open = false;
	buf_fini(&transaction->header);
	chunk_release(transaction->unsent);
	transaction->unsent = NULL;
}

/* The client hears it at the end of its text. The first refusal stands. */
static void
discard(struct session *session, unsigned code, const char *enhanced, const char *text)
{
	struct transaction *transaction = session->transaction;

	if (transaction->is_discarded)
		return;
	transaction->refusal.code = code;
	transaction->refusal.enhanced = enhanced;
	(void)snprintf(transaction->refusal.text, sizeof(transaction->refusal.text), "%s", text);
	stop_storing(session);
}

static void
discard_malformed(struct session *session, const char *what)
{
	char text[128];

	(void)snprintf(text, sizeof(text), "Malformed message (%s)", what);
	discard(session, 554, "5.6.0", text);
}

static void
discard_too_big(struct session *session)
{
	char text[64];

	(void)snprintf(text, sizeof(text), "Message too big (limit %llu bytes)",
	    (unsigned long long)session->setup.config->limits.message_size_bytes);
	discard(session, 552, "5.3.4", text);
}

static void
discard_lost(struct session *session)
{
	discard(session, 451, "4.3.0", "Storage failed, try again later");
}

static void
end_transaction(struct session *session)
{
	session_abandon_transaction(session);
	session_enter(session, STATE_READY);
}

static void
reply_refusal(struct session *session)
{
	const struct refusal *refusal = &session->transaction->refusal;

	if (refusal->is_logged) {
		session->errors++;
		session_reply(session, refusal->code, refusal->enhanced, "%s", refusal->text);
	} else {
		session_refuse(session, refusal->code, refusal->enhanced, "%s", refusal->text);
	}
	end_transaction(session);
}

/* ---- sending ---- */

static void
note_8bit(struct transaction *transaction, const uint8_t *bytes, size_t size)
{
	uint8_t all = 0;

	if (transaction->has_8bit)
		return;
	for (size_t i = 0; i < size; i++)
		all |= bytes[i];
	transaction->has_8bit = all >= 0x80;
}

static void
send_piece(struct session *session, struct chunk *chunk, uint32_t offset, uint32_t size)
{
	struct transaction *transaction = session->transaction;
	struct slice slice;

	if (size == 0)
		return;
	slice = slice_of(chunk, offset, size);
	note_8bit(transaction, slice_bytes(&slice), size);
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

static struct msg_list
list_recipients(const struct transaction *transaction, struct msg_list_builder *builder)
{
	for (size_t i = 0; i < transaction->recipient_count; i++) {
		struct rec_recipient recipient = {
		    .index = (uint16_t)i, .address = transaction->recipients[i]};

		message_list_add(builder, REC_RECIPIENT, &recipient);
	}
	return message_list_value(builder);
}

static void
commit(struct session *session)
{
	struct transaction *transaction = session->transaction;
	struct msg_list_builder recipients = {0};
	struct msg_commit message = {
	    .message_id = transaction->id,
	    .user_id = transaction->grant->user_id,
	    .login = transaction->grant->login,
	    .list = transaction->grant->list,
	    .sender = transaction->sender.text,
	    .recipients = list_recipients(transaction, &recipients),
	    .priority = (uint8_t)transaction->priority,
	    .size = transaction->sent_size,
	    .has_8bit = transaction->has_8bit,
	    .header_from = transaction->header_from,
	    .message_id_header = transaction->message_id,
	    .subject = transaction->subject,
	    .client = session->client,
	};

	session_enter(session, STATE_COMMIT);
	session->setup.ports->message_commit(session->setup.ctx, &message);
	message_list_fini(&recipients);
}

/* The end of data has been read. */
static void
finish_text(struct session *session)
{
	struct transaction *transaction = session->transaction;

	if (transaction->is_discarded)
		reply_refusal(session);
	else if (transaction->unsent != NULL)
		session_enter(session, STATE_STALL);
	else
		commit(session);
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
		stop_storing(session);
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
		discard_malformed(session, "header too large");
	else if (is_whole)
		take_header(session);
}

static void
take_text(struct session *session, struct chunk *text)
{
	struct transaction *transaction = session->transaction;

	transaction->text_size += text->size;
	if (transaction->decoder.faults != 0)
		discard_malformed(session, data_fault_text(&transaction->decoder));
	else if (transaction->text_size > session->setup.config->limits.message_size_bytes)
		discard_too_big(session);
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
	if (size > transaction->credit - DATA_EXTRA_SIZE)
		size = transaction->credit - DATA_EXTRA_SIZE;
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

size_t
receive_bytes(struct session *session, const uint8_t *bytes, size_t size)
{
	struct transaction *transaction = session->transaction;
	struct chunk *text;
	size_t used, text_size;

	size = readable_size(transaction, size);
	if (size == 0) {
		session_enter(session, STATE_STALL);
		return 0;
	}
	text = chunk_new((uint32_t)size + DATA_EXTRA_SIZE);
	used = data_decode(&transaction->decoder, bytes, size, text->bytes, &text_size);
	text->size = (uint32_t)text_size;
	take_text(session, text);
	chunk_release(text);
	session_enter(session, STATE_DATA);
	if (transaction->decoder.is_done)
		end_text(session);
	return used;
}

void
receive_begin(struct session *session)
{
	struct transaction *transaction = session->transaction;

	transaction->id = session->setup.ports->message_open(session->setup.ctx);
	if (transaction->id == 0) {
		session_refuse(session, 451, "4.3.0", "Storage failed, try again later");
		end_transaction(session);
		return;
	}
	transaction->is_open = true;
	transaction->credit = STREAM_CREDIT;
	data_init(&transaction->decoder);
	session_enter(session, STATE_DATA);
	session_reply(session, 354, "", "End data with <CR><LF>.<CR><LF>");
}

/* ---- what queue says ---- */

/* Reading goes on, or, when all has been read, the message is finished. */
static void
leave_stall(struct session *session)
{
	if (session->state != STATE_STALL)
		return;
	session_enter(session, STATE_DATA);
	if (session->transaction->decoder.is_done)
		finish_text(session);
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
	discard_lost(session);
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
	log_mailbox(&line, KEY_TO, transaction->recipients[0]);
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
	else if (outcome == COMMIT_DISK_FULL)
		session_refuse(session, 452, "4.3.1", "Insufficient storage");
	else
		session_refuse(session, 451, "4.3.0", "Storage failed, try again later");
	end_transaction(session);
}

void
receive_lose_queue(struct session *session)
{
	session->transaction->is_open = false;
	if (session->state == STATE_COMMIT) {
		receive_take_commit(session, COMMIT_FAILED);
	} else {
		discard_lost(session);
		leave_stall(session);
	}
}
