/*
 * history_private - what the loop and the thread of the history share
 *
 * history.c is the loop's side: when to move, who waits, what operators are told. history_thread.c
 * is the thread's: it owns history.db. Nobody else includes this.
 */
#ifndef POSTERN_QUEUE_HISTORY_PRIVATE_H
#define POSTERN_QUEUE_HISTORY_PRIVATE_H

#include "common/place.h"
#include "daemon/queue/history.h"
#include "daemon/queue/history_db.h"
#include "daemon/queue/wary_clock.h"

#include <stdatomic.h>

enum history_job_kind { HISTORY_JOB_FIND, HISTORY_JOB_REPORT, HISTORY_JOB_MOVE, HISTORY_JOB_COPY };

struct move_job {
	struct job job;
	const struct journal_read_job *records;
	uint64_t moved_out;
	char problem_out[256];
};

/* The thread's, after the start. */
struct history_thread {
	const char *directory;
	void *owner;           /* the loop's side */
	struct history_db *db; /* NULL: not open */
	struct place place;    /* of the file that is open */
	struct wary_clock clock;
	unsigned idle_turns;
	char problem[256]; /* why it isn't open, or what went wrong last */

	_Atomic int64_t keep_ms, stats_keep_ms;
	atomic_bool was_set_aside; /* the loop is to be told */
	atomic_bool is_misplaced;  /* what is open doesn't stand under its name any more */
};

void history_run(struct list *batch, void *thread);
int64_t history_idle(void *thread);

#endif
