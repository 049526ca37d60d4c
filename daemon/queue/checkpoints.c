/* checkpoints - a thread beside the storage thread, and two flags between them. */
#include "daemon/queue/checkpoints.h"

#include "common/err.h"
#include "common/xalloc.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

/* Copied in some milliseconds. */
#define REST_BYTES (2u << 20)

struct checkpoints {
	struct checkpointer *checkpointer;
	struct worker *worker;
	uint64_t limit_bytes;
	struct job job;
	bool is_running;           /* the job is posted */
	pthread_mutex_t copying;   /* held while somebody checkpoints */
	atomic_bool is_wanted;     /* the log is long enough */
	atomic_bool is_to_finish;  /* little is left: the storage thread's */
	atomic_uint_least64_t log; /* bytes, as of the last commit */
	/* of the last run, guarded by copying */
	uint64_t copied;
	enum store_result result;
};

bool
checkpoints_after_commit(struct checkpoints *checkpoints, uint64_t log_bytes)
{
	atomic_store(&checkpoints->log, log_bytes);
	if (log_bytes >= checkpoints->limit_bytes)
		return true;
	if (atomic_exchange(&checkpoints->is_to_finish, false))
		return true;
	if (log_bytes >= checkpoints->limit_bytes / 4)
		atomic_store(&checkpoints->is_wanted, true);
	return false;
}

bool
checkpoints_begin(struct checkpoints *checkpoints)
{
	(void)pthread_mutex_lock(&checkpoints->copying);
	if (checkpoints->result != STORE_BROKEN)
		return true;
	(void)pthread_mutex_unlock(&checkpoints->copying);
	return false;
}

void
checkpoints_end(struct checkpoints *checkpoints)
{
	(void)pthread_mutex_unlock(&checkpoints->copying);
}

const char *
checkpoints_problem(const struct checkpoints *checkpoints)
{
	return checkpointer_problem(checkpoints->checkpointer);
}

static void
run(struct list *batch, void *ctx)
{
	struct checkpoints *checkpoints = ctx;

	if (!checkpoints_begin(checkpoints))
		return;
	checkpoints->result = checkpointer_run(checkpoints->checkpointer, &checkpoints->copied);
	checkpoints_end(checkpoints);
}

static void
start(struct checkpoints *checkpoints)
{
	checkpoints->is_running = true;
	worker_post(checkpoints->worker, &checkpoints->job);
}

static void
on_copied(struct job *job)
{
	struct checkpoints *checkpoints = job->ctx;
	uint64_t log = atomic_load(&checkpoints->log);

	checkpoints->is_running = false;
	/* The storage thread knows what to do about trouble. */
	if (checkpoints->result != STORE_OK || log <= checkpoints->copied + REST_BYTES)
		atomic_store(&checkpoints->is_to_finish, true);
	else
		atomic_store(&checkpoints->is_wanted, true);
}

void
checkpoints_look(struct checkpoints *checkpoints)
{
	if (!checkpoints->is_running && atomic_exchange(&checkpoints->is_wanted, false))
		start(checkpoints);
}

static const struct worker_ops ops = {.run = run};

struct checkpoints *
checkpoints_new(struct loop *loop, struct checkpointer *checkpointer, uint64_t limit_bytes)
{
	struct checkpoints *checkpoints = xcalloc(1, sizeof(*checkpoints));

	checkpoints->checkpointer = checkpointer;
	checkpoints->limit_bytes = limit_bytes;
	checkpoints->job =
	    (struct job){.on_done = on_copied, .ctx = checkpoints, .urgency = JOB_WRITES};
	ensure(pthread_mutex_init(&checkpoints->copying, NULL) == 0);
	checkpoints->worker = worker_start(loop, &ops, checkpoints);
	return checkpoints;
}

void
checkpoints_free(struct checkpoints *checkpoints)
{
	if (checkpoints == NULL)
		return;
	worker_stop(checkpoints->worker);
	checkpointer_close(checkpoints->checkpointer);
	(void)pthread_mutex_destroy(&checkpoints->copying);
	free(checkpoints);
}
