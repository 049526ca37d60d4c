/*
 * worker - a thread that takes jobs from the loop in batches and gives them back done
 *
 * Owns     a job from worker_post() until on_done is called
 * Context  worker_* on the loop; run() and idle() on the thread; on_done on the loop, in a later
 *          turn than worker_post()
 * Units    milliseconds
 *
 * While one batch runs, the next one gathers. Jobs that write keep their order; one that nobody
 * waits for (lazy) may wait for company, but goes with the next urgent one. Jobs that only read
 * start no commit for lazy ones.
 */
#ifndef POSTERN_QUEUE_WORKER_H
#define POSTERN_QUEUE_WORKER_H

#include "common/list.h"
#include "daemon/core/loop.h"

/* How long a write that nobody waits for may wait for company. */
#define WORKER_LAZY_MS 25

enum urgency { JOB_READS, JOB_WRITES, JOB_WRITES_LAZILY };
/* Late: it would have been done after its deadline, and was not begun. */
enum job_outcome { JOB_DONE, JOB_DISK_FULL, JOB_FAILED, JOB_LATE };

struct job {
	struct list link;
	void (*on_done)(struct job *job);
	void *ctx;
	int kind; /* of whoever runs it */
	enum urgency urgency;
	enum job_outcome outcome;
};

struct worker_ops {
	void (*run)(struct list *batch, void *ctx);
	/* On the loop, when a batch has been given back. May be NULL. */
	void (*after)(void *ctx);
	/* Nothing came for a while. Returns after how many ms to be called again, -1: not before
	 * the next batch. May be NULL. */
	int64_t (*idle)(void *ctx);
	int64_t idle_after_ms;
	/* Runs that turn out slow wait a moment for those who are about to post. */
	bool gathers;
};

struct worker *worker_start(struct loop *loop, const struct worker_ops *ops, void *ctx);
void worker_post(struct worker *worker, struct job *job);
/* How many jobs it has that were not given back. */
size_t worker_load(const struct worker *worker);
/* Lets the thread finish what was posted, calls on_done for all of it, ends the thread. */
void worker_stop(struct worker *worker);

#endif
