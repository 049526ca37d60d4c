/* operators_body - a message's body, or its recipients, a piece for each call. */
#include "daemon/queue/operators_private.h"

#include <stdlib.h>

#define BODY_PIECE_BYTES (256u * 1024)

static void
answer_body(struct call *call, const uint8_t *bytes, size_t size)
{
	call_send_result(call, 200, "application/octet-stream", bytes, size);
}

static void
load(struct call *call, void (*on_done)(struct job *job))
{
	call->load =
	    (struct load_job){.job = {.on_done = on_done, .ctx = call, .urgency = JOB_READS},
		.message_id = call->single_id};
	storage_post(call->operators->storage, STORE_LOAD, &call->load.job);
}

/* Was the message still there when its file had been read? If not, another's body may have been
 * written into it. */
static void
on_body_owner(struct job *job)
{
	struct call *call = job->ctx;
	struct chunk *chunk = call->file.chunk_out;
	bool is_there = call->load.mail_out != NULL;

	free(call->load.mail_out);
	if (job->outcome != JOB_DONE || (is_there && call->file.job.outcome != JOB_DONE))
		call_answer_storage_error(call, JOB_FAILED);
	else if (!is_there)
		call_answer_unknown(call);
	else
		answer_body(
		    call, chunk == NULL ? NULL : chunk->bytes, chunk == NULL ? 0 : chunk->size);
	chunk_release(chunk);
}

static void
on_body_file(struct job *job)
{
	load(job->ctx, on_body_owner);
}

/* A body in rows is below 128 KiB: it is read as a whole, and the part asked for is answered. */
static void
on_body_rows(struct job *job)
{
	struct call *call = job->ctx;
	struct chunk *chunk = call->body.chunk_out;
	uint32_t size = chunk == NULL ? 0 : chunk->size;

	if (job->outcome != JOB_DONE)
		call_answer_storage_error(call, job->outcome);
	else if (call->offset >= size)
		answer_body(call, NULL, 0);
	else
		answer_body(call, chunk->bytes + call->offset, size - call->offset);
	chunk_release(chunk);
}

static void
on_body_mail(struct job *job)
{
	struct call *call = job->ctx;
	struct mail *mail = call->load.mail_out;
	uint64_t body_file = mail == NULL ? 0 : mail->body_file;

	free(mail);
	if (job->outcome != JOB_DONE) {
		call_answer_storage_error(call, job->outcome);
	} else if (mail == NULL) {
		call_answer_unknown(call);
	} else if (body_file != 0) {
		call->file = (struct bodyfile_job){.job = {.on_done = on_body_file, .ctx = call},
		    .name = body_file,
		    .offset = call->offset,
		    .size = BODY_PIECE_BYTES};
		storage_post_file(call->operators->storage, BODYFILE_READ, &call->file);
	} else {
		call->body = (struct body_job){
		    .job = {.on_done = on_body_rows, .ctx = call, .urgency = JOB_READS},
		    .message_id = call->single_id,
		    .limit_bytes = BODY_PIECE_BYTES};
		storage_post(call->operators->storage, STORE_BODY, &call->body.job);
	}
}

void
call_start_body(struct call *call, uint64_t id, const char *path)
{
	char *offset = operator_query(path, "offset");
	bool is_valid =
	    offset == NULL || call_parse_number(offset, 0, UINT64_MAX >> 1, &call->offset);

	free(offset);
	if (!is_valid) {
		call_answer_error(call, 400, "invalid", "offset is a number of bytes", "offset");
		return;
	}
	call->single_id = id;
	call->load = (struct load_job){
	    .job = {.on_done = on_body_mail, .ctx = call, .urgency = JOB_READS}, .message_id = id};
	storage_post(call->operators->storage, STORE_LOAD, &call->load.job);
}

static void
on_recipients_mail(struct job *job)
{
	struct call *call = job->ctx;
	struct mail *mail = call->load.mail_out;
	const struct entry *entry = scheduler_find(call->operators->scheduler, call->single_id);
	bool is_sending = entry != NULL && entry->state >= ENTRY_SENDING;

	if (job->outcome != JOB_DONE)
		call_answer_storage_error(call, job->outcome);
	else if (mail == NULL)
		call_answer_unknown(call);
	else
		call_answer_json(
		    call, 200, operator_recipients(mail, is_sending, (uint32_t)call->offset));
	free(mail);
}

void
call_start_recipients(struct call *call, uint64_t id, const char *path)
{
	char *after = operator_query(path, "after");
	bool is_valid = after == NULL || call_parse_number(after, 0, UINT16_MAX, &call->offset);

	free(after);
	if (!is_valid) {
		call_answer_error(call, 400, "invalid", "after is a number of recipients", "after");
		return;
	}
	call->single_id = id;
	call->load = (struct load_job){
	    .job = {.on_done = on_recipients_mail, .ctx = call, .urgency = JOB_READS},
	    .message_id = id};
	storage_post(call->operators->storage, STORE_LOAD, &call->load.job);
}
