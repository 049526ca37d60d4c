/*
 * history - moves what happened from the journal to the history, and answers questions about it
 *
 * Role     queue
 * Owns     a thread with history.db; a posted job until its on_done
 * Context  loop; on_done runs on the loop in a later turn, or from inside history_stop()
 * Units    milliseconds; *_at_ms are wall clock
 * Fails    a job's outcome: JOB_FAILED when the history can't be read
 *
 * Mail never waits for the history: while it can't be written, the journal keeps what happened.
 * About once a second what the journal has is moved, with one flush; before a question is answered
 * too, so that the answer has everything that had happened when it was asked.
 */
#ifndef POSTERN_QUEUE_HISTORY_H
#define POSTERN_QUEUE_HISTORY_H

#include "daemon/queue/history_query.h"
#include "daemon/queue/report.h"
#include "daemon/queue/storage.h"

#include <jansson.h>

struct history;
struct role_context;

/* Gives messages (see history_story.h), the newest first. */
struct history_find_job {
	struct job job;
	struct history_query query;
	bool has_transcripts;
	size_t size_max; /* of them as text */
	json_t *messages_out;
	struct history_extent extent_out; /* what didn't fit is told with the last message */
};

/* Fills the report with the hours' counts. */
struct history_report_job {
	struct job job;
	int64_t first_hour, last_hour;
	struct report *report;
};

/* A part of a copy of history.db, as in snapshot_job; without a history there is nothing to copy. */
struct history_copy_job {
	struct job job;
	const char *path;
	bool is_first;
	bool is_end_out;
	struct err problem;
};

enum history_question { HISTORY_FIND, HISTORY_REPORT };

struct history *history_start(
    struct role_context *role, struct storage *storage, const char *directory);
/* Moves nothing any more; questions that wait end as failed. Then the storage may be closed. */
void history_stop(struct history *history);
/* After storage_close(). */
void history_free(struct history *history);

/* Without room nothing is moved: mail goes first. */
void history_set_room(struct history *history, bool has_room);

void history_ask(struct history *history, enum history_question kind, struct job *job);
void history_copy(struct history *history, struct history_copy_job *job);

#endif
