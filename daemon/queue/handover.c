/* handover - one attempt's body on its way to relay. */
#include "daemon/queue/handover.h"

#include "common/xalloc.h"
#include "daemon/core/link.h"
#include "daemon/core/values.h"
#include "daemon/queue/idmap.h"
#include "daemon/queue/routes.h"

#include <stdlib.h>

/* Read back at once. Rows are smaller than this. */
#define PIECE_BYTES (128u * 1024)

struct handover {
	struct handovers *all;
	struct link *relay; /* NULL: stopped while a piece is being read */
	uint64_t message_id, attempt;
	uint64_t size, offset;
	uint32_t next_row;
	uint32_t credit_bytes;
	struct slice *slices; /* held: the body is in memory */
	uint32_t slice_count, next_slice;
	uint64_t body_file;
	bool is_reading;
	struct body_job row_job;
	struct bodyfile_job file_job;
};

struct handovers {
	struct storage *storage;
	handover_end_fn on_end;
	void *ctx;
	struct idmap under_way; /* by attempt */
};

static void
send_deliver(struct link *relay, const struct entry *entry)
{
	const struct mail *mail = entry->mail;
	/* Where an upstream refuses a null one. Never in the row: the profile may change. */
	bool has_bounce_sender = mail->is_notice && *mail->sender == '\0';
	uint32_t round = mail_round(mail), left = entry->given_count;
	struct msg_list_builder builder = {0}, wishes = {0};
	struct msg_deliver deliver = {
	    .message_id = entry->id,
	    .attempt = entry->attempt,
	    .profile_id = entry->profile->id,
	    .priority = mail->priority,
	    .sender = has_bounce_sender ? entry->profile->bounce_sender : mail->sender,
	    .size = mail->size,
	    .has_8bit = mail->has_8bit,
	    .login = mail->login,
	    .list = mail->list,
	    .received_at_ms = mail->received_at_ms,
	    .is_notice = mail->is_notice,
	    .is_followed = entry->is_followed,
	};

	for (uint32_t i = 0; i < mail->recipient_count && left > 0; i++) {
		const struct recipient *recipient = &mail->recipients[i];
		struct rec_recipient record = {.index = recipient->index,
		    .address = recipient->address,
		    .notify = recipient->notify,
		    .orcpt = recipient->orcpt};

		if (!recipient_is_due(recipient, round))
			continue;
		message_list_add(&builder, REC_RECIPIENT, &record);
		left--;
	}
	if (mail->has_wishes)
		message_list_add(&wishes, REC_WISHES, &mail->wishes);
	deliver.recipients = message_list_value(&builder);
	deliver.wishes = message_list_value(&wishes);
	link_send(relay, MSG_DELIVER, &deliver);
	message_list_fini(&builder);
	message_list_fini(&wishes);
}

/* All of it fits into the credit that every stream has at its start. */
static void
send_slices(struct link *relay, const struct entry *entry)
{
	for (uint32_t i = 0; i < entry->slice_count; i++)
		link_send_body(
		    relay, entry->attempt, i + 1 == entry->slice_count, &entry->slices[i]);
}

static void
free_handover(struct handover *handover)
{
	for (uint32_t i = 0; i < handover->slice_count; i++)
		slice_release(&handover->slices[i]);
	free(handover->slices);
	free(handover);
}

static void
finish(struct handover *handover, bool is_whole)
{
	struct handovers *all = handover->all;
	struct msg_abort abort = {.stream = handover->attempt};

	(void)idmap_remove(&all->under_way, handover->attempt);
	if (!is_whole)
		link_send(handover->relay, MSG_ABORT, &abort);
	all->on_end(handover->message_id, handover->attempt, is_whole, all->ctx);
	free_handover(handover);
}

static void read_on(struct handover *handover);

/* Takes the chunk. */
static void
send_piece(struct handover *handover, struct chunk *chunk)
{
	struct slice slice;

	handover->is_reading = false;
	if (handover->relay == NULL) {
		chunk_release(chunk);
		free_handover(handover);
		return;
	}
	if (chunk == NULL || chunk->size > handover->size - handover->offset) {
		chunk_release(chunk);
		finish(handover, false);
		return;
	}
	slice = slice_of(chunk, 0, chunk->size);
	handover->offset += chunk->size;
	handover->credit_bytes -= chunk->size;
	link_send_body(
	    handover->relay, handover->attempt, handover->offset == handover->size, &slice);
	slice_release(&slice);
	chunk_release(chunk);
	if (handover->offset == handover->size)
		finish(handover, true);
	else
		read_on(handover);
}

static void
on_row(struct job *job)
{
	struct handover *handover = job->ctx;

	handover->next_row = handover->row_job.next_out;
	send_piece(handover, handover->row_job.chunk_out);
}

static void
on_file(struct job *job)
{
	struct handover *handover = job->ctx;

	send_piece(handover, handover->file_job.chunk_out);
}

/* Out of memory, as far as the credit goes. */
static void
send_on(struct handover *handover)
{
	while (handover->next_slice < handover->slice_count) {
		const struct slice *slice = &handover->slices[handover->next_slice];

		if (slice->size > handover->credit_bytes)
			return;
		handover->credit_bytes -= slice->size;
		handover->next_slice++;
		link_send_body(handover->relay, handover->attempt,
		    handover->next_slice == handover->slice_count, slice);
	}
	finish(handover, true);
}

static void
read_on(struct handover *handover)
{
	struct storage *storage = handover->all->storage;

	if (handover->slice_count > 0) {
		send_on(handover);
		return;
	}
	if (handover->is_reading || handover->credit_bytes < PIECE_BYTES)
		return;
	handover->is_reading = true;
	if (handover->body_file != 0) {
		handover->file_job = (struct bodyfile_job){
		    .job = {.on_done = on_file, .ctx = handover},
		    .name = handover->body_file,
		    .offset = handover->offset,
		    .size = PIECE_BYTES,
		};
		storage_post_file(storage, BODYFILE_READ, &handover->file_job);
		return;
	}
	handover->row_job = (struct body_job){
	    .job = {.on_done = on_row, .ctx = handover, .urgency = JOB_READS},
	    .message_id = handover->message_id,
	    .first = handover->next_row,
	    .limit_bytes = PIECE_BYTES,
	};
	storage_post(storage, STORE_BODY, &handover->row_job.job);
}

/* Of its own: the entry's may go before the last of them was sent. */
static void
hold_slices(struct handover *handover, const struct entry *entry)
{
	handover->slices = xcalloc(entry->slice_count, sizeof(*handover->slices));
	handover->slice_count = entry->slice_count;
	for (uint32_t i = 0; i < entry->slice_count; i++)
		handover->slices[i] = slice_of(
		    entry->slices[i].chunk, entry->slices[i].offset, entry->slices[i].size);
}

static void
begin_piecewise(struct handovers *handovers, const struct entry *entry, struct link *relay)
{
	struct handover *handover = xcalloc(1, sizeof(*handover));

	handover->all = handovers;
	handover->relay = relay;
	handover->message_id = entry->id;
	handover->attempt = entry->attempt;
	handover->size = entry->mail->size;
	handover->body_file = entry->mail->body_file;
	handover->credit_bytes = STREAM_CREDIT;
	if (entry->slice_count > 0)
		hold_slices(handover, entry);
	idmap_put(&handovers->under_way, entry->attempt, handover);
	read_on(handover);
}

void
handover_start(struct handovers *handovers, struct entry *entry, struct link *relay)
{
	struct msg_body empty = {.stream = entry->attempt, .is_last = true};

	send_deliver(relay, entry);
	if (entry->mail->size > STREAM_CREDIT ||
	    (entry->slice_count == 0 && entry->mail->size > 0)) {
		begin_piecewise(handovers, entry, relay);
		return;
	}
	if (entry->slice_count > 0)
		send_slices(relay, entry);
	else
		link_send(relay, MSG_BODY, &empty);
	handovers->on_end(entry->id, entry->attempt, true, handovers->ctx);
}

void
handover_credit(struct handovers *handovers, uint64_t attempt, uint32_t bytes)
{
	struct handover *handover = idmap_get(&handovers->under_way, attempt);

	if (handover == NULL)
		return;
	if (bytes > STREAM_CREDIT - handover->credit_bytes)
		bytes = STREAM_CREDIT - handover->credit_bytes;
	handover->credit_bytes += bytes;
	read_on(handover);
}

static void
let_go(struct handover *handover)
{
	handover->relay = NULL;
	if (!handover->is_reading)
		free_handover(handover);
}

void
handover_stop(struct handovers *handovers, uint64_t attempt)
{
	struct handover *handover = idmap_remove(&handovers->under_way, attempt);

	if (handover != NULL)
		let_go(handover);
}

void
handover_stop_all(struct handovers *handovers)
{
	IDMAP_EACH(&handovers->under_way, slot)
	let_go(slot->object);
	idmap_fini(&handovers->under_way);
}

struct handovers *
handovers_new(struct storage *storage, handover_end_fn on_end, void *ctx)
{
	struct handovers *handovers = xcalloc(1, sizeof(*handovers));

	handovers->storage = storage;
	handovers->on_end = on_end;
	handovers->ctx = ctx;
	return handovers;
}

void
handovers_free(struct handovers *handovers)
{
	handover_stop_all(handovers);
	idmap_fini(&handovers->under_way);
	free(handovers);
}
