/*
 * handoff - the way of messages from this process to queue
 *
 * Role     smtpd; called by the sessions and, for INTAKE, CREDIT and the loss of the link, by the
 *          role's entry
 * Owns     the ids that queue gave, and a stream for each message that is being received
 * Context  loop; a stream's callbacks run from handoff_on_…(), never inside a call of its session
 * Units    bytes
 * Fails    handoff_open() gives NULL when there is no link or no id left
 *
 * A message's bytes go out as fast as they come, but never more than STREAM_CREDIT that queue has
 * not given back: a slow disk slows the client down instead of filling memory.
 */
#ifndef POSTERN_SMTPD_HANDOFF_H
#define POSTERN_SMTPD_HANDOFF_H

#include "common/chunk.h"
#include "daemon/core/link.h"
#include "daemon/core/values.h"

#include <stdint.h>

struct handoff;
struct stream;

enum handoff_readiness {
	HANDOFF_READY,
	HANDOFF_FULL, /* 452 4.3.1: queue's disk */
	HANDOFF_AWAY  /* 451 4.3.0: no link, no ids, or queue is closing */
};

struct stream_callbacks {
	void (*on_credit)(uint32_t bytes, void *ctx);
	void (*on_committed)(enum commit_outcome outcome, void *ctx);
	/* The link went: the stream is gone, nothing of it was kept. */
	void (*on_lost)(void *ctx);
};

/* How long queue may take to store a message before the client hears 451. */
#define COMMIT_DEADLINE_MS 60000
/* So long before that queue begins it no more: what it began takes a moment. */
#define COMMIT_MARGIN_MS 10000

struct handoff *handoff_new(void);
void handoff_free(struct handoff *handoff);

enum handoff_readiness handoff_readiness(const struct handoff *handoff);

/* The next message's stream, or NULL. */
struct stream *handoff_open(
    struct handoff *handoff, const struct stream_callbacks *callbacks, void *ctx);
uint64_t stream_id(const struct stream *stream);
/* Never more than the credit that was given. */
void stream_send(struct stream *stream, const struct slice *slice);
/* on_committed or on_lost follows, and the stream is gone then. */
void stream_commit(struct stream *stream, const struct msg_commit *commit);
/* The message will not be finished, or nobody waits for its end. Frees the stream. */
void stream_abort(struct stream *stream);

/* The link to queue is there. */
void handoff_on_link(struct handoff *handoff, struct link *link);
void handoff_on_link_lost(struct handoff *handoff);
void handoff_on_state(struct handoff *handoff, const struct msg_intake *message);
void handoff_on_credit(struct handoff *handoff, const struct msg_credit *message);

#endif
