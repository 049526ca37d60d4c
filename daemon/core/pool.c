/*
 * pool - bounded threads beside a loop. Finished jobs wait in a list; an eventfd wakes the loop,
 * which calls their on_done. One mutex guards both lists: jobs are milliseconds long.
 */
#include "daemon/core/pool.h"

#include "common/err.h"
#include "common/list.h"
#include "common/xalloc.h"
#include "daemon/core/loop.h"

#include <event2/event.h>
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

struct job {
	struct list link;
	void (*work)(void *ctx);
	void (*on_done)(void *ctx);
	void *ctx;
};

struct pool {
	struct event *wake;
	int wake_fd;
	unsigned thread_count, waiting_max;
	pthread_t *threads;

	pthread_mutex_t mutex; /* guards what follows */
	pthread_cond_t has_work;
	struct list waiting, done;
	unsigned waiting_count;
	bool is_ending;
};

static void
notify_loop(struct pool *pool)
{
	uint64_t one = 1;

	/* EAGAIN means that the counter is full: the loop is awake anyway. */
	while (write(pool->wake_fd, &one, sizeof(one)) == -1 && errno == EINTR)
		;
}

static void *
run_jobs(void *arg)
{
	struct pool *pool = arg;
	struct list *first;

	ensure(pthread_mutex_lock(&pool->mutex) == 0);
	for (;;) {
		struct job *job;

		while (list_is_empty(&pool->waiting) && !pool->is_ending)
			ensure(pthread_cond_wait(&pool->has_work, &pool->mutex) == 0);
		if ((first = list_take_first(&pool->waiting)) == NULL)
			break;
		pool->waiting_count--;
		ensure(pthread_mutex_unlock(&pool->mutex) == 0);

		job = LIST_ENTRY(first, struct job, link);
		job->work(job->ctx);

		ensure(pthread_mutex_lock(&pool->mutex) == 0);
		list_append(&pool->done, &job->link);
		notify_loop(pool);
	}
	ensure(pthread_mutex_unlock(&pool->mutex) == 0);
	return NULL;
}

/* Takes what is done now: what a callback submits is for a later turn. */
static void
finish_jobs(struct pool *pool)
{
	struct list batch, *first;

	list_init(&batch);
	ensure(pthread_mutex_lock(&pool->mutex) == 0);
	while ((first = list_take_first(&pool->done)) != NULL)
		list_append(&batch, first);
	ensure(pthread_mutex_unlock(&pool->mutex) == 0);

	while ((first = list_take_first(&batch)) != NULL) {
		struct job *job = LIST_ENTRY(first, struct job, link);

		job->on_done(job->ctx);
		free(job);
	}
}

static void
on_wake(int fd, short what, void *ctx)
{
	uint64_t count;

	(void)!read(fd, &count, sizeof(count));
	finish_jobs(ctx);
}

static void
start_threads(struct pool *pool)
{
	sigset_t all, before;

	/* Signals are the loop's business. */
	(void)sigfillset(&all);
	(void)sigdelset(&all, SIGSYS); /* a call that the sandbox refused: said by its thread */
	ensure(pthread_sigmask(SIG_SETMASK, &all, &before) == 0);
	for (unsigned i = 0; i < pool->thread_count; i++)
		ensure(pthread_create(&pool->threads[i], NULL, run_jobs, pool) == 0);
	ensure(pthread_sigmask(SIG_SETMASK, &before, NULL) == 0);
}

struct pool *
pool_new(struct loop *loop, unsigned thread_count, unsigned waiting_max)
{
	struct pool *pool = xcalloc(1, sizeof(*pool));

	ensure(thread_count > 0 && waiting_max > 0);
	pool->thread_count = thread_count;
	pool->waiting_max = waiting_max;
	pool->threads = xcalloc(thread_count, sizeof(*pool->threads));
	list_init(&pool->waiting);
	list_init(&pool->done);
	ensure(pthread_mutex_init(&pool->mutex, NULL) == 0);
	ensure(pthread_cond_init(&pool->has_work, NULL) == 0);
	pool->wake_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	ensure(pool->wake_fd != -1);
	pool->wake = event_new(loop_base(loop), pool->wake_fd, EV_READ | EV_PERSIST, on_wake, pool);
	ensure(pool->wake != NULL && event_add(pool->wake, NULL) == 0);
	start_threads(pool);
	return pool;
}

void
pool_free(struct pool *pool)
{
	if (pool == NULL)
		return;
	ensure(pthread_mutex_lock(&pool->mutex) == 0);
	pool->is_ending = true;
	ensure(pthread_cond_broadcast(&pool->has_work) == 0);
	ensure(pthread_mutex_unlock(&pool->mutex) == 0);
	for (unsigned i = 0; i < pool->thread_count; i++)
		ensure(pthread_join(pool->threads[i], NULL) == 0);

	/* pool_submit() refuses by now, so this is the last of them. */
	finish_jobs(pool);
	event_free(pool->wake);
	(void)close(pool->wake_fd);
	(void)pthread_cond_destroy(&pool->has_work);
	(void)pthread_mutex_destroy(&pool->mutex);
	free(pool->threads);
	free(pool);
}

bool
pool_submit(struct pool *pool, void (*work)(void *ctx), void (*on_done)(void *ctx), void *ctx)
{
	struct job *job;
	bool is_taken = false;

	ensure(pthread_mutex_lock(&pool->mutex) == 0);
	if (!pool->is_ending && pool->waiting_count < pool->waiting_max) {
		job = xmalloc(sizeof(*job));
		*job = (struct job){.work = work, .on_done = on_done, .ctx = ctx};
		list_append(&pool->waiting, &job->link);
		pool->waiting_count++;
		ensure(pthread_cond_signal(&pool->has_work) == 0);
		is_taken = true;
	}
	ensure(pthread_mutex_unlock(&pool->mutex) == 0);
	return is_taken;
}
