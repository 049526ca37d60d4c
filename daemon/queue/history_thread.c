/*
 * history_thread - the thread that owns history.db: opens it when it is needed, sets a damaged one
 * aside, and cleans up while nobody wants anything.
 */
#include "common/clock.h"
#include "common/log.h"
#include "daemon/queue/history_private.h"
#include "daemon/queue/history_story.h"

#include <stdio.h>
#include <unistd.h>

/* A longer log is checkpointed at once, one like that when there is time. */
#define WAL_LIMIT_BYTES (16u << 20)
#define WAL_IDLE_BYTES (4u << 20)
/* A pause between two slices of cleaning: others want the processor and the disk. */
#define CLEAN_PAUSE_MS 40
#define IDLE_MS 1000
#define IDLE_TURNS_MAX 30

static void
file_path(const struct history_thread *thread, const char *suffix, char *path, size_t size)
{
	(void)snprintf(path, size, "%s/history.db%s", thread->directory, suffix);
}

/* One such file is kept, for whoever wants to read what can be read. */
static void
set_aside(struct history_thread *thread)
{
	char from[4096], to[4096];

	history_db_close(thread->db);
	thread->db = NULL;
	/* The log first: it must not be found beside the new file. */
	file_path(thread, "-wal", from, sizeof(from));
	file_path(thread, ".damaged-wal", to, sizeof(to));
	(void)unlink(to);
	(void)rename(from, to);
	file_path(thread, "", from, sizeof(from));
	file_path(thread, ".damaged", to, sizeof(to));
	if (rename(from, to) != 0)
		log_problem(LOG_ERROR, "%s is damaged and can't be moved away", from);
	log_problem(LOG_ERROR, "%s is damaged (%s): it was moved to %s, a new history begins", from,
	    thread->problem, to);
	atomic_store(&thread->was_set_aside, true);
}

static enum history_result
open_once(struct history_thread *thread)
{
	char path[4096];
	struct err err;
	int64_t newest_ms;
	enum history_result result;

	file_path(thread, "", path, sizeof(path));
	result = history_db_open(path, &thread->db, &err);
	if (result != HISTORY_OK) {
		(void)snprintf(thread->problem, sizeof(thread->problem), "%.255s", err.text);
		return result;
	}
	if (place_note(&thread->place, path) != 0)
		thread->place = (struct place){0}; /* gone already: nothing is there */
	result = history_db_newest(thread->db, &newest_ms);
	wary_clock_init(&thread->clock, newest_ms, clock_wall_ms(), clock_monotonic_ms());
	return result;
}

static enum history_result
open_db(struct history_thread *thread)
{
	enum history_result result;

	if (thread->db != NULL)
		return HISTORY_OK;
	result = open_once(thread);
	if (result != HISTORY_DAMAGED)
		return result;
	set_aside(thread);
	return open_once(thread);
}

/* What failed is not trusted any further: it is opened again for the next job. */
static enum job_outcome
outcome_of(struct history_thread *thread, enum history_result result)
{
	if (result == HISTORY_OK)
		return JOB_DONE;
	if (thread->db != NULL)
		(void)snprintf(thread->problem, sizeof(thread->problem), "%.255s",
		    history_db_problem(thread->db));
	if (result == HISTORY_DAMAGED) {
		set_aside(thread);
	} else if (result == HISTORY_BROKEN) {
		history_db_close(thread->db);
		thread->db = NULL;
	}
	return result == HISTORY_FULL ? JOB_DISK_FULL : JOB_FAILED;
}

static void
watch_place(struct history_thread *thread)
{
	char path[4096];

	file_path(thread, "", path, sizeof(path));
	atomic_store(
	    &thread->is_misplaced, thread->db != NULL && !place_is_kept(&thread->place, path));
}

/* ---- jobs ---- */

static struct history_keep
keep_of(struct history_thread *thread)
{
	return (struct history_keep){
	    .now_ms = wary_clock_look(&thread->clock, clock_wall_ms(), clock_monotonic_ms()),
	    .keep_ms = atomic_load(&thread->keep_ms),
	    .stats_keep_ms = atomic_load(&thread->stats_keep_ms)};
}

static enum history_result
run_move(struct history_thread *thread, struct move_job *job)
{
	struct history_keep keep = keep_of(thread);
	enum history_result result = history_db_move(thread->db, job->records, &keep);

	job->moved_out = history_db_moved(thread->db);
	return result;
}

/* What is too old is cleaned by the hour, and of some of it the end was not kept. */
static enum history_result
run_find(struct history_thread *thread, struct history_find_job *job)
{
	struct stories *stories = stories_new(job->has_transcripts, job->size_max);
	struct history_keep keep = keep_of(thread);
	enum history_result result;

	if (job->query.since_ms <= keep.now_ms - keep.keep_ms)
		job->query.since_ms = keep.now_ms - keep.keep_ms + 1;
	result =
	    history_db_search(thread->db, &job->query, &stories_ops, stories, &job->extent_out);
	job->messages_out = stories_give(stories);
	if (job->extent_out.has_more)
		stories_mark_cut(job->messages_out);
	stories_free(stories);
	return result;
}

static enum history_result
run_report(struct history_thread *thread, struct history_report_job *job)
{
	return history_db_statistics(
	    thread->db, job->first_hour, job->last_hour, report_add, job->report);
}

/* It fails alone: the history is none the worse. */
static void
run_copy(struct history_thread *thread, struct history_copy_job *job)
{
	int result = history_db_copy_part(thread->db, job->path, job->is_first, &job->problem);

	job->is_end_out = result > 0;
	job->job.outcome = result < 0 ? JOB_FAILED : JOB_DONE;
}

static void
run_job(struct history_thread *thread, struct job *job)
{
	void *at = job; /* each job begins with its struct job */
	enum history_result result = open_db(thread);

	if (result == HISTORY_OK && job->kind == HISTORY_JOB_COPY) {
		run_copy(thread, at);
		return;
	}
	if (result == HISTORY_OK) {
		if (job->kind == HISTORY_JOB_MOVE)
			result = run_move(thread, at);
		else if (job->kind == HISTORY_JOB_FIND)
			result = run_find(thread, at);
		else
			result = run_report(thread, at);
	}
	job->outcome = outcome_of(thread, result);
	if (job->kind == HISTORY_JOB_MOVE)
		(void)snprintf(((struct move_job *)at)->problem_out,
		    sizeof(((struct move_job *)at)->problem_out), "%s", thread->problem);
}

void
history_run(struct list *batch, void *ctx)
{
	struct history_thread *thread = ctx;

	thread->idle_turns = 0;
	LIST_EACH (batch, at)
		run_job(thread, LIST_ENTRY(at, struct job, link));
	if (thread->db != NULL && history_db_wal_bytes(thread->db) >= WAL_LIMIT_BYTES)
		(void)outcome_of(thread, history_db_checkpoint(thread->db));
	watch_place(thread);
}

/* ---- idle ---- */

/* A slice of it; whether there was anything to do. */
static enum history_result
tidy(struct history_thread *thread, bool *is_done_out)
{
	struct history_keep keep = keep_of(thread);
	enum history_result result = history_db_clean(thread->db, &keep, is_done_out);

	if (result == HISTORY_OK && *is_done_out)
		result = history_db_shrink(thread->db, is_done_out);
	return result;
}

int64_t
history_idle(void *ctx)
{
	struct history_thread *thread = ctx;
	bool is_done = true;
	uint64_t waiting;

	watch_place(thread);
	if (thread->db == NULL)
		return -1;
	if (outcome_of(thread, tidy(thread, &is_done)) != JOB_DONE)
		return IDLE_MS;
	waiting = history_db_wal_bytes(thread->db);
	if (waiting >= WAL_IDLE_BYTES || (waiting > 0 && ++thread->idle_turns >= IDLE_TURNS_MAX)) {
		thread->idle_turns = 0;
		(void)outcome_of(thread, history_db_checkpoint(thread->db));
	}
	return is_done ? IDLE_MS : CLEAN_PAUSE_MS;
}
