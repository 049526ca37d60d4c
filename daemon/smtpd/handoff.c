/* handoff - ids, streams and their credit, towards queue. */
#include "daemon/smtpd/handoff.h"

#include "common/clock.h"
#include "common/err.h"
#include "common/list.h"
#include "common/xalloc.h"

#include <stdlib.h>

#define BUCKET_COUNT 1024

struct stream {
	struct list link; /* in its bucket */
	struct handoff *handoff;
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

struct handoff {
	struct link *link; /* NULL: away */
	enum intake_state state;
	struct block block, reserve;
	struct list streams[BUCKET_COUNT];
};

struct handoff *
handoff_new(void)
{
	struct handoff *handoff = xcalloc(1, sizeof(*handoff));

	for (size_t i = 0; i < BUCKET_COUNT; i++)
		list_init(&handoff->streams[i]);
	return handoff;
}

void
handoff_free(struct handoff *handoff)
{
	for (size_t i = 0; i < BUCKET_COUNT; i++)
		ensure(list_is_empty(&handoff->streams[i]));
	free(handoff);
}

enum handoff_readiness
handoff_readiness(const struct handoff *handoff)
{
	if (handoff->link == NULL || handoff->state == INTAKE_CLOSED || handoff->block.count == 0)
		return HANDOFF_AWAY;
	return handoff->state == INTAKE_DISK_FULL ? HANDOFF_FULL : HANDOFF_READY;
}

static uint64_t
take_id(struct handoff *handoff)
{
	uint64_t id = handoff->block.next_id++;

	if (--handoff->block.count == 0) {
		handoff->block = handoff->reserve;
		handoff->reserve = (struct block){0};
	}
	return id;
}

static struct list *
bucket_of(struct handoff *handoff, uint64_t id)
{
	return &handoff->streams[id % BUCKET_COUNT];
}

struct stream *
handoff_open(struct handoff *handoff, const struct stream_callbacks *callbacks, void *ctx)
{
	struct stream *stream;

	if (handoff->link == NULL || handoff->block.count == 0)
		return NULL;
	stream = xcalloc(1, sizeof(*stream));
	stream->handoff = handoff;
	stream->id = take_id(handoff);
	stream->callbacks = *callbacks;
	stream->ctx = ctx;
	list_append(bucket_of(handoff, stream->id), &stream->link);
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
	if (stream->handoff->link != NULL)
		link_send_body(stream->handoff->link, stream->id, false, slice);
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
	struct msg_commit message = *commit;

	ensure(stream->handoff->link != NULL && stream->asked == NULL);
	message.expires_at_ms = clock_monotonic_ms() + COMMIT_DEADLINE_MS - COMMIT_MARGIN_MS;
	stream->asked = stream->handoff->link;
	stream->request_id = link_request(
	    stream->asked, MSG_COMMIT, &message, COMMIT_DEADLINE_MS, on_commit_answer, stream);
}

void
stream_abort(struct stream *stream)
{
	struct msg_abort message = {.stream = stream->id};

	if (stream->asked != NULL)
		link_cancel(stream->asked, stream->request_id);
	if (stream->handoff->link != NULL)
		link_send(stream->handoff->link, MSG_ABORT, &message);
	stream_free(stream);
}

void
handoff_on_link(struct handoff *handoff, struct link *link)
{
	handoff->link = link;
	handoff->state = INTAKE_OPEN;
}

/* Streams whose COMMIT is under way hear of it as a request without an answer. */
void
handoff_on_link_lost(struct handoff *handoff)
{
	handoff->link = NULL;
	handoff->block = handoff->reserve = (struct block){0};
	for (size_t i = 0; i < BUCKET_COUNT; i++)
		LIST_EACH_SAFE (&handoff->streams[i], at, next) {
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
handoff_on_state(struct handoff *handoff, const struct msg_intake *message)
{
	struct block block = {.next_id = message->first_id, .count = message->count};

	handoff->state = message->state;
	if (block.count == 0)
		return;
	if (handoff->block.count == 0)
		handoff->block = block;
	else
		handoff->reserve = block;
}

void
handoff_on_credit(struct handoff *handoff, const struct msg_credit *message)
{
	LIST_EACH_SAFE (bucket_of(handoff, message->stream), at, next) {
		struct stream *stream = LIST_ENTRY(at, struct stream, link);

		if (stream->id != message->stream)
			continue;
		stream->callbacks.on_credit(message->bytes, stream->ctx);
		return;
	}
}
