/* job - bytes in, the answer, bytes out; and an alarm clock beside the bed. */
#include "daemon/mime/job.h"

#include "common/xalloc.h"
#include "daemon/core/values.h"
#include "daemon/mime/rework.h"

#include <stdlib.h>
#include <string.h>
#include <sys/time.h>

#define PIECE_BYTES (64u * 1024)
#define CREDIT_STEP (64u * 1024)
/* A message that takes more of a processor ends the process: relay then knows which it was. Some hundred
 * times what one needs; how busy the machine is doesn't count. */
#define PATIENCE_S 10
#define BYTES_PER_S (1u << 20)

struct job {
	struct list link;
	struct link *peer;
	uint64_t stream;
	uint32_t request_id;
	struct chunk *frame; /* the order's texts */
	struct rework_order order;
	uint64_t size, received;
	uint32_t used; /* credit that is not given back yet */
	struct rework rework;
	bool is_reworked;
	struct edits_reader reader;
	uint64_t left; /* to be sent */
	uint32_t credit;
};

static struct msg_bytes
keep(char **texts, struct msg_bytes from)
{
	struct msg_bytes kept = {.at = (uint8_t *)*texts, .size = from.size};

	if (from.size > 0)
		memcpy(*texts, from.at, from.size);
	(*texts)[from.size] = '\0';
	*texts += from.size + 1;
	return kept;
}

static const char *
keep_text(char **texts, const char *from)
{
	return (const char *)keep(
	    texts, (struct msg_bytes){(const uint8_t *)from, (uint32_t)strlen(from)})
	    .at;
}

static void
copy_order(struct job *job, const struct msg_rework *from)
{
	struct rework_order *order = &job->order;
	size_t room = strlen(from->from_name) + strlen(from->from) + strlen(from->reply_to) +
		      strlen(from->sender) + from->signature_text.size + from->signature_html.size +
		      from->global_text.size + from->global_html.size + 8;
	char *texts;

	job->frame = chunk_new((uint32_t)room);
	texts = (char *)job->frame->bytes;
	order->to_7bit = from->to_7bit;
	order->sender.policy = from->from_policy == FROM_REPLACE ? FROM_REPLACE : FROM_SUPPLY;
	order->sender.name = keep_text(&texts, from->from_name);
	order->sender.address = keep_text(&texts, from->from);
	order->sender.reply_to = keep_text(&texts, from->reply_to);
	order->sender.envelope = keep_text(&texts, from->sender);
	order->signatures.text = keep(&texts, from->signature_text);
	order->signatures.html = keep(&texts, from->signature_html);
	order->signatures.global_text = keep(&texts, from->global_text);
	order->signatures.global_html = keep(&texts, from->global_html);
}

struct job *
job_new(
    struct list *jobs, struct link *link, const struct link_message *message, uint64_t limit_bytes)
{
	const struct msg_rework *order = &message->body->rework;
	struct job *job;

	if (order->size > limit_bytes)
		return NULL;
	job = xcalloc(1, sizeof(*job));
	job->peer = link;
	job->stream = order->stream;
	job->request_id = message->request_id;
	job->size = order->size;
	job->credit = STREAM_CREDIT;
	job->rework.message = xmalloc(order->size + 1);
	copy_order(job, order);
	list_append(jobs, &job->link);
	return job;
}

void
job_free(struct job *job)
{
	list_remove(&job->link);
	rework_fini(&job->rework);
	chunk_release(job->frame);
	free(job);
}

void
jobs_free_all(struct list *jobs)
{
	LIST_EACH_SAFE (jobs, at, next)
		job_free(LIST_ENTRY(at, struct job, link));
}

struct job *
job_find(struct list *jobs, uint64_t stream)
{
	LIST_EACH (jobs, at) {
		struct job *job = LIST_ENTRY(at, struct job, link);

		if (job->stream == stream)
			return job;
	}
	return NULL;
}

/* ---- out ---- */

static void
send_piece(struct job *job, uint32_t size)
{
	struct chunk *chunk = chunk_new(size);
	struct slice slice;

	chunk->size = (uint32_t)edits_read(&job->rework.edits, &job->reader, job->rework.message,
	    job->rework.size, chunk->bytes, size);
	ensure(chunk->size == size);
	slice = slice_of(chunk, 0, size);
	job->left -= size;
	job->credit -= size;
	link_send_body(job->peer, job->stream, job->left == 0, &slice);
	slice_release(&slice);
	chunk_release(chunk);
}

/* Frees the job when all has gone. */
static void
send_on(struct job *job)
{
	const struct slice nothing = {0};

	if (job->left == 0)
		link_send_body(job->peer, job->stream, true, &nothing);
	while (job->left > 0 && job->credit > 0) {
		uint32_t size = job->credit < PIECE_BYTES ? job->credit : PIECE_BYTES;

		send_piece(job, job->left < size ? (uint32_t)job->left : size);
	}
	if (job->left == 0)
		job_free(job);
}

void
job_give_credit(struct job *job, uint32_t bytes)
{
	if (!job->is_reworked)
		return;
	job->credit = bytes > STREAM_CREDIT - job->credit ? STREAM_CREDIT : job->credit + bytes;
	send_on(job);
}

/* ---- the work ---- */

static void
answer(struct job *job)
{
	const struct rework *rework = &job->rework;
	struct msg_reworked reworked = {
	    .outcome = (uint8_t)rework->outcome,
	    .size = edits_result_size(&rework->edits, rework->size),
	    .is_7bit = rework->is_7bit,
	    .remark = rework->remark == NULL ? "" : rework->remark,
	};

	job->left = reworked.size;
	link_answer(job->peer, job->request_id, MSG_REWORKED, &reworked);
}

/* 0: for ever */
static void
set_patience(time_t seconds)
{
	const struct itimerval patience = {.it_value.tv_sec = seconds};

	(void)setitimer(ITIMER_PROF, &patience, NULL);
}

/* Frees the job when there is nothing left to do. */
static void
work(struct job *job)
{
	job->rework.size = job->size;
	set_patience(PATIENCE_S + (time_t)(job->size / BYTES_PER_S));
	rework_run(&job->rework, &job->order);
	set_patience(0);
	job->is_reworked = true;
	answer(job);
	if (job->rework.outcome == REWORK_DONE)
		send_on(job);
	else
		job_free(job);
}

/* ---- in ---- */

static void
give_back(struct job *job, uint32_t bytes)
{
	struct msg_credit credit = {.stream = job->stream};

	job->used += bytes;
	if (job->used < CREDIT_STEP || job->received == job->size)
		return;
	credit.bytes = job->used;
	job->used = 0;
	link_send(job->peer, MSG_CREDIT, &credit);
}

bool
job_take(struct job *job, const struct msg_body *body)
{
	if (job->is_reworked || body->bytes.size > job->size - job->received)
		return false;
	if (body->bytes.size > 0)
		memcpy(job->rework.message + job->received, body->bytes.at, body->bytes.size);
	job->received += body->bytes.size;
	if (body->is_last && job->received < job->size)
		return false;
	if (body->is_last)
		work(job);
	else
		give_back(job, body->bytes.size);
	return true;
}
