/*
 * history - the loop's side: a cycle reads what the journal has, has it moved, and says so with the
 * next reading; the journal deletes what stands in the history.
 */
#include "daemon/queue/history.h"

#include "common/log.h"
#include "common/xalloc.h"
#include "daemon/core/role.h"
#include "daemon/queue/history_private.h"

#include <stdio.h>
#include <stdlib.h>

#define CYCLE_MS 1000
/* While it fails. */
#define TROUBLE_CYCLE_MS 10000
#define IDLE_AFTER_MS 200
/* So many in one reading: there is more, the next cycle follows at once. */
#define BUSY_COUNT (JOURNAL_ENTRIES_A_JOB / 2)
/* A question waits for so many readings at most: a long journal is moved without it. */
#define QUESTION_READINGS_MAX 20

struct history {
	struct role_context *role;
	struct storage *storage;
	struct worker *worker;
	struct history_thread thread;
	struct timer *timer;
	bool is_moving, is_stopping, has_room;
	bool has_trouble;  /* an operator was told */
	bool is_misplaced; /* the same */
	uint64_t moved;
	uint64_t writes; /* that had been posted a turn ago */
	unsigned quiet_turns;
	uint64_t reading; /* the number of the latest */
	struct journal_read_job read;
	struct move_job move;
	struct list waiting; /* questions */
};

/* A question's place in the row: the reading that it came behind. */
struct waiting {
	struct list link;
	enum history_job_kind kind;
	uint64_t behind;
	struct job *job;
};

/* ---- questions ---- */

/* Those that came before the latest reading; all: whatever they wait for. */
static void
release_questions(struct history *history, bool is_complete)
{
	struct list keep;
	struct list *first;

	list_init(&keep);
	while ((first = list_take_first(&history->waiting)) != NULL) {
		struct waiting *waiting = LIST_ENTRY(first, struct waiting, link);
		uint64_t readings = history->reading - waiting->behind;

		if (!(is_complete && readings > 0) && readings < QUESTION_READINGS_MAX) {
			list_append(&keep, &waiting->link);
			continue;
		}
		waiting->job->kind = (int)waiting->kind;
		worker_post(history->worker, waiting->job);
		free(waiting);
	}
	while ((first = list_take_first(&keep)) != NULL)
		list_append(&history->waiting, first);
}

static void
fail_questions(struct history *history)
{
	struct list *first;

	while ((first = list_take_first(&history->waiting)) != NULL) {
		struct waiting *waiting = LIST_ENTRY(first, struct waiting, link);

		waiting->job->outcome = JOB_FAILED;
		waiting->job->on_done(waiting->job);
		free(waiting);
	}
}

/* ---- the cycle ---- */

static void
free_reading(struct history *history)
{
	free(history->read.entries_out);
	buf_fini(&history->read.bytes_out);
	history->read = (struct journal_read_job){0};
	history->is_moving = false;
}

static void
note_trouble(struct history *history, const char *problem)
{
	char detail[512];

	if (history->has_trouble)
		return;
	history->has_trouble = true;
	(void)snprintf(detail, sizeof(detail),
	    "what becomes of messages is not moved to the history for now: %.300s", problem);
	log_problem(LOG_ERROR, "%s", detail);
	role_alert(history->role, "history-stopped", "", "", "", detail);
}

static void
note_well(struct history *history)
{
	if (history->has_trouble)
		log_problem(LOG_INFO, "what becomes of messages is moved to the history again");
	history->has_trouble = false;
}

static void
note_lost(struct history *history, uint64_t count)
{
	char detail[128];

	(void)snprintf(detail, sizeof(detail),
	    "the disk or the journal was full: %llu records never came into the history",
	    (unsigned long long)count);
	log_problem(LOG_ERROR, "%s", detail);
	role_alert(history->role, "history-lost", "", "", "", detail);
}

/* Nothing is made anew in its place while it is open: a backup has all of it. */
static void
tell_of_place(struct history *history)
{
	static const char reason[] =
	    "history.db was removed or replaced while it is in use: mail goes on, and what becomes "
	    "of it is kept until a stop: posternctl queue backup saves it";
	bool is_misplaced = atomic_load(&history->thread.is_misplaced);

	if (is_misplaced && !history->is_misplaced) {
		log_problem(LOG_ERROR, "%s", reason);
		role_alert(history->role, "history-removed", "", "", "", reason);
	}
	history->is_misplaced = is_misplaced;
}

static void begin_cycle(struct history *history);

static void
on_moved(struct job *job)
{
	struct history *history = job->ctx;
	bool is_done = job->outcome == JOB_DONE;
	bool is_busy = is_done && history->read.count_out >= BUSY_COUNT;

	if (is_done)
		history->moved = history->move.moved_out;
	free_reading(history);
	if (history->is_stopping)
		return;
	if (is_done)
		note_well(history);
	else
		note_trouble(history, history->move.problem_out);
	release_questions(history, !is_busy);
	if (is_busy || !list_is_empty(&history->waiting))
		begin_cycle(history);
	else
		timer_set(history->timer, is_done ? CYCLE_MS : TROUBLE_CYCLE_MS);
}

static void
on_read(struct job *job)
{
	struct history *history = job->ctx;

	if (job->outcome != JOB_DONE || history->is_stopping) {
		free_reading(history); /* the role ends */
		return;
	}
	if (history->read.lost_out > 0)
		note_lost(history, history->read.lost_out);
	history->move = (struct move_job){
	    .job = {.on_done = on_moved, .ctx = history, .kind = HISTORY_JOB_MOVE},
	    .records = &history->read};
	worker_post(history->worker, &history->move.job);
}

static void
set_keep(struct history *history)
{
	const struct config *config = history->role->config;

	atomic_store(&history->thread.keep_ms, config->history.keep_ms);
	atomic_store(&history->thread.stats_keep_ms, config->history.stats_keep_ms);
}

static void
begin_cycle(struct history *history)
{
	history->is_moving = true;
	history->reading++;
	history->read = (struct journal_read_job){
	    .job = {.on_done = on_read, .ctx = history, .urgency = JOB_READS},
	    .moved = history->moved};
	storage_post(history->storage, STORE_JOURNAL_READ, &history->read.job);
}

/* Soon, if it isn't under way. */
static void
look(struct history *history)
{
	if (history->is_moving || history->is_stopping)
		return;
	if (history->has_room) {
		begin_cycle(history);
		return;
	}
	history->reading++; /* of nothing */
	release_questions(history, true);
	timer_set(history->timer, CYCLE_MS);
}

/* Reads while something is written, and once more: a write that nobody waits for may be behind the
 * reading that came after it. */
static void
on_timer(void *ctx)
{
	struct history *history = ctx;
	uint64_t writes = storage_writes(history->storage);

	set_keep(history); /* the config may be another one */
	tell_of_place(history);
	history->quiet_turns = writes == history->writes ? history->quiet_turns + 1 : 0;
	history->writes = writes;
	if (history->quiet_turns < 2 || !list_is_empty(&history->waiting) || history->has_trouble)
		look(history);
	else
		timer_set(history->timer, CYCLE_MS);
}

static void
on_batch(void *ctx)
{
	struct history_thread *thread = ctx;
	struct history *history = thread->owner;

	if (!atomic_exchange(&thread->was_set_aside, false) || history->is_stopping)
		return;
	role_alert(history->role, "history-damaged", "", "", "",
	    "history.db was damaged and moved to history.db.damaged: a new history begins");
}

/* ---- */

static const struct worker_ops ops = {
    .run = history_run,
    .after = on_batch,
    .idle = history_idle,
    .idle_after_ms = IDLE_AFTER_MS,
};

void
history_ask(struct history *history, enum history_question kind, struct job *job)
{
	struct waiting *waiting = xcalloc(1, sizeof(*waiting));

	job->urgency = JOB_READS;
	waiting->kind = kind == HISTORY_FIND ? HISTORY_JOB_FIND : HISTORY_JOB_REPORT;
	waiting->behind = history->reading;
	waiting->job = job;
	list_append(&history->waiting, &waiting->link);
	look(history);
}

void
history_copy(struct history *history, struct history_copy_job *job)
{
	job->job.urgency = JOB_READS;
	job->job.kind = HISTORY_JOB_COPY;
	job->job.outcome = JOB_FAILED;
	if (history->is_stopping)
		job->job.on_done(&job->job);
	else
		worker_post(history->worker, &job->job);
}

void
history_set_room(struct history *history, bool has_room)
{
	if (history->has_room && !has_room)
		note_trouble(history, "too little space is free on the disk");
	history->has_room = has_room;
}

struct history *
history_start(struct role_context *role, struct storage *storage, const char *directory)
{
	struct history *history = xcalloc(1, sizeof(*history));

	history->role = role;
	history->storage = storage;
	history->has_room = true;
	history->thread.directory = directory;
	history->thread.owner = history;
	set_keep(history);
	list_init(&history->waiting);
	history->worker = worker_start(role->loop, &ops, &history->thread);
	history->timer = timer_new(role->loop, on_timer, history);
	timer_set(history->timer, 0);
	return history;
}

void
history_stop(struct history *history)
{
	history->is_stopping = true;
	timer_stop(history->timer);
	fail_questions(history);
}

void
history_free(struct history *history)
{
	worker_stop(history->worker);
	history_db_close(history->thread.db);
	timer_free(history->timer);
	free(history);
}
