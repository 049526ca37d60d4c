/*
 * intake - the way of messages from this process to queue
 *
 * Role     smtpd; called by the sessions and, for INTAKE, CREDIT and the loss of the link, by the
 *          role's entry
 * Owns     the ids that queue gave, and a stream for each message that is being received
 * Context  loop; a stream's callbacks run from intake_on_…(), never inside a call of its session
 * Units    bytes
 * Fails    intake_open() gives NULL when there is no link or no id left
 *
 * A message's bytes go out as fast as they come, but never more than STREAM_CREDIT that queue has
 * not given back: a slow disk slows the client down instead of filling memory.
 */
#ifndef POSTERN_SMTPD_INTAKE_H
#define POSTERN_SMTPD_INTAKE_H

#include "common/chunk.h"
#include "daemon/core/link.h"
#include "daemon/core/values.h"

#include <stdint.h>

struct intake;
struct stream;

enum intake_readiness {
	INTAKE_READY,
	INTAKE_FULL, /* 452 4.3.1: queue's disk */
	INTAKE_AWAY  /* 451 4.3.0: no link, no ids, or queue is closing */
};

struct stream_callbacks {
	void (*on_credit)(uint32_t bytes, void *ctx);
	void (*on_committed)(enum commit_outcome outcome, void *ctx);
	/* The link went: the stream is gone, nothing of it was kept. */
	void (*on_lost)(void *ctx);
};

/* How long queue may take to store a message before the client hears 451. */
#define COMMIT_DEADLINE_MS 60000

struct intake *intake_new(void);
void intake_free(struct intake *intake);

enum intake_readiness intake_readiness(const struct intake *intake);

/* The next message's stream, or NULL. */
struct stream *intake_open(
    struct intake *intake, const struct stream_callbacks *callbacks, void *ctx);
uint64_t stream_id(const struct stream *stream);
/* Never more than the credit that was given. */
void stream_send(struct stream *stream, const struct slice *slice);
/* on_committed or on_lost follows, and the stream is gone then. */
void stream_commit(struct stream *stream, const struct msg_commit *commit);
/* The message will not be finished, or nobody waits for its end. Frees the stream. */
void stream_abort(struct stream *stream);

/* The link to queue is there. */
void intake_on_link(struct intake *intake, struct link *link);
void intake_on_link_lost(struct intake *intake);
void intake_on_state(struct intake *intake, const struct msg_intake *message);
void intake_on_credit(struct intake *intake, const struct msg_credit *message);

#endif
