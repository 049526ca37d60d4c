/* intake - ids, streams and their credit, towards queue. */
#include "daemon/smtpd/intake.h"

#include "common/err.h"
#include "common/list.h"
#include "common/xalloc.h"

#include <stdlib.h>

#define BUCKET_COUNT 1024

struct stream {
	struct list link; /* in its bucket */
	struct intake *intake;
	uint64_t id;
	struct link *asked; /* the link that COMMIT went out on; NULL: it didn't */
	uint32_t request_id;
	struct stream_callbacks callbacks;
	void *ctx;
};

/* Ids come in blocks; the second is there before the first is used up. */
struct block {
	uint64_t next_id;
	uint32_t count;
};

struct intake {
	struct link *link; /* NULL: away */
	enum intake_state state;
	struct block block, reserve;
	struct list streams[BUCKET_COUNT];
};

struct intake *
intake_new(void)
{
	struct intake *intake = xcalloc(1, sizeof(*intake));

	for (size_t i = 0; i < BUCKET_COUNT; i++)
		list_init(&intake->streams[i]);
	return intake;
}

void
intake_free(struct intake *intake)
{
	for (size_t i = 0; i < BUCKET_COUNT; i++)
		ensure(list_is_empty(&intake->streams[i]));
	free(intake);
}

enum intake_readiness
intake_readiness(const struct intake *intake)
{
	if (intake->link == NULL || intake->state == INTAKE_CLOSING || intake->block.count == 0)
		return INTAKE_AWAY;
	return intake->state == INTAKE_DISK_FULL ? INTAKE_FULL : INTAKE_READY;
}

static uint64_t
take_id(struct intake *intake)
{
	uint64_t id = intake->block.next_id++;

	if (--intake->block.count == 0) {
		intake->block = intake->reserve;
		intake->reserve = (struct block){0};
	}
	return id;
}

static struct list *
bucket_of(struct intake *intake, uint64_t id)
{
	return &intake->streams[id % BUCKET_COUNT];
}

struct stream *
intake_open(struct intake *intake, const struct stream_callbacks *callbacks, void *ctx)
{
	struct stream *stream;

	if (intake->link == NULL || intake->block.count == 0)
		return NULL;
	stream = xcalloc(1, sizeof(*stream));
	stream->intake = intake;
	stream->id = take_id(intake);
	stream->callbacks = *callbacks;
	stream->ctx = ctx;
	list_append(bucket_of(intake, stream->id), &stream->link);
	return stream;
}

uint64_t
stream_id(const struct stream *stream)
{
	return stream->id;
}

static void
stream_free(struct stream *stream)
{
	list_remove(&stream->link);
	free(stream);
}

void
stream_send(struct stream *stream, const struct slice *slice)
{
	if (stream->intake->link != NULL)
		link_send_body(stream->intake->link, stream->id, false, slice);
}

static void
on_commit_answer(const union message *answer, void *ctx)
{
	struct stream *stream = ctx;
	struct stream_callbacks callbacks = stream->callbacks;
	void *stream_ctx = stream->ctx;

	stream->asked = NULL;
	if (answer == NULL) {
		/* Too late is as good as never: what queue may still store is told so. */
		stream_abort(stream);
		callbacks.on_lost(stream_ctx);
		return;
	}
	stream_free(stream);
	callbacks.on_committed(answer->committed.outcome, stream_ctx);
}

void
stream_commit(struct stream *stream, const struct msg_commit *commit)
{
	ensure(stream->intake->link != NULL && stream->asked == NULL);
	stream->asked = stream->intake->link;
	stream->request_id = link_request(
	    stream->asked, MSG_COMMIT, commit, COMMIT_DEADLINE_MS, on_commit_answer, stream);
}

void
stream_abort(struct stream *stream)
{
	struct msg_abort message = {.stream = stream->id};

	if (stream->asked != NULL)
		link_cancel(stream->asked, stream->request_id);
	if (stream->intake->link != NULL)
		link_send(stream->intake->link, MSG_ABORT, &message);
	stream_free(stream);
}

void
intake_on_link(struct intake *intake, struct link *link)
{
	intake->link = link;
	intake->state = INTAKE_OPEN;
}

/* Streams whose COMMIT is under way hear of it as a request without an answer. */
void
intake_on_link_lost(struct intake *intake)
{
	intake->link = NULL;
	intake->block = intake->reserve = (struct block){0};
	for (size_t i = 0; i < BUCKET_COUNT; i++)
		LIST_EACH_SAFE (&intake->streams[i], at, next) {
			struct stream *stream = LIST_ENTRY(at, struct stream, link);
			struct stream_callbacks callbacks = stream->callbacks;
			void *ctx = stream->ctx;

			if (stream->asked != NULL)
				continue;
			stream_free(stream);
			callbacks.on_lost(ctx);
		}
}

void
intake_on_state(struct intake *intake, const struct msg_intake *message)
{
	struct block block = {.next_id = message->first_id, .count = message->count};

	intake->state = message->state;
	if (block.count == 0)
		return;
	if (intake->block.count == 0)
		intake->block = block;
	else
		intake->reserve = block;
}

void
intake_on_credit(struct intake *intake, const struct msg_credit *message)
{
	LIST_EACH_SAFE (bucket_of(intake, message->stream), at, next) {
		struct stream *stream = LIST_ENTRY(at, struct stream, link);

		if (stream->id != message->stream)
			continue;
		stream->callbacks.on_credit(message->bytes, stream->ctx);
		return;
	}
}
