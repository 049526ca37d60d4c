/* worker - a mutex, a condition, and an eventfd back to the loop. */
#include "daemon/queue/worker.h"

#include "common/clock.h"
#include "common/err.h"
#include "common/xalloc.h"

#include <errno.h>
#include <event2/event.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

/* Runs from this long on are worth a wait for company, a part of their length and no longer. */
#define SLOW_MS 4
#define PATIENCE_PART 2
#define PATIENCE_MAX_MS 10
/* A row of lazy jobs this long is company enough. */
#define LAZY_COUNT_MAX 1000

struct worker {
	const struct worker_ops *ops;
	void *ctx;
	pthread_t thread;
	struct event *event;
	int event_fd;
	size_t load; /* the loop's */

	pthread_mutex_t mutex; /* guards what follows */
	pthread_cond_t changed;
	struct list writes, reads, done;
	int64_t write_due_ms; /* when the writes may wait no longer; monotonic */
	int64_t wakes_at_ms;  /* the thread, by itself; 0: it isn't waiting */
	unsigned lazy_count;
	unsigned urgent_count; /* of the writes */
	unsigned company;      /* so many are awaited */
	int64_t patience_ms;   /* so long */
	bool is_writing;       /* the batch that runs has writes */
	bool is_stopping;
};

static void
move_all(struct list *from, struct list *to)
{
	if (list_is_empty(from))
		return;
	from->next->prev = to->prev;
	to->prev->next = from->next;
	from->prev->next = to;
	to->prev = from->prev;
	list_init(from);
}

static bool
writes_are_due(const struct worker *worker, int64_t now_ms)
{
	return !list_is_empty(&worker->writes) &&
	       (worker->is_stopping || worker->write_due_ms <= now_ms);
}

static void
wait_until(struct worker *worker, int64_t due_ms)
{
	struct timespec until = {.tv_sec = due_ms / 1000, .tv_nsec = due_ms % 1000 * 1000000};

	worker->wakes_at_ms = due_ms;
	if (due_ms == INT64_MAX)
		(void)pthread_cond_wait(&worker->changed, &worker->mutex);
	else
		(void)pthread_cond_timedwait(&worker->changed, &worker->mutex, &until);
	worker->wakes_at_ms = 0;
}

static int64_t
run_idle(struct worker *worker)
{
	int64_t again_ms;

	(void)pthread_mutex_unlock(&worker->mutex);
	again_ms = worker->ops->idle(worker->ctx);
	(void)pthread_mutex_lock(&worker->mutex);
	return again_ms < 0 ? INT64_MAX : clock_monotonic_ms() + again_ms;
}

/* With the mutex held: waits for a batch; false when the thread is to end. */
static bool
take_batch(struct worker *worker, struct list *batch)
{
	int64_t idle_at_ms = worker->ops->idle == NULL
				 ? INT64_MAX
				 : clock_monotonic_ms() + worker->ops->idle_after_ms;

	for (;;) {
		int64_t now_ms = clock_monotonic_ms();
		int64_t due_ms = idle_at_ms;

		if (writes_are_due(worker, now_ms) || !list_is_empty(&worker->reads))
			break;
		if (worker->is_stopping)
			return false;
		if (now_ms >= idle_at_ms) {
			idle_at_ms = run_idle(worker);
			continue;
		}
		if (!list_is_empty(&worker->writes) && worker->write_due_ms < due_ms)
			due_ms = worker->write_due_ms;
		wait_until(worker, due_ms);
	}
	worker->is_writing = writes_are_due(worker, clock_monotonic_ms());
	if (worker->is_writing) {
		move_all(&worker->writes, batch);
		worker->company = worker->urgent_count;
		worker->lazy_count = worker->urgent_count = 0;
	}
	move_all(&worker->reads, batch);
	return true;
}

/* Whether the loop is to be told. */
static bool
give_back(struct worker *worker, struct list *batch)
{
	bool was_empty = list_is_empty(&worker->done);

	move_all(batch, &worker->done);
	return was_empty;
}

/* Those who were answered just now come back soon, mostly, and the next run would begin with the
 * first of them: all would wait for two. So a slow run waits a moment, until there are as many as
 * there were in the last, with those that came meanwhile. One alone waits for nobody. */
static void
be_patient(struct worker *worker, int64_t run_ms)
{
	if (!worker->is_writing)
		return;
	worker->company += worker->urgent_count;
	worker->patience_ms =
	    !worker->ops->gathers || run_ms < SLOW_MS ? 0 : run_ms / PATIENCE_PART;
	if (worker->patience_ms > PATIENCE_MAX_MS)
		worker->patience_ms = PATIENCE_MAX_MS;
	if (worker->urgent_count > 0)
		worker->write_due_ms = clock_monotonic_ms() + worker->patience_ms;
}

static void
tell_loop(struct worker *worker)
{
	uint64_t one = 1;

	ensure(write(worker->event_fd, &one, sizeof(one)) == sizeof(one));
}

static void *
work(void *arg)
{
	struct worker *worker = arg;
	struct list batch;
	int64_t began_ms;
	bool is_news;

	list_init(&batch);
	(void)pthread_mutex_lock(&worker->mutex);
	while (take_batch(worker, &batch)) {
		(void)pthread_mutex_unlock(&worker->mutex);
		began_ms = clock_monotonic_ms();
		worker->ops->run(&batch, worker->ctx);
		(void)pthread_mutex_lock(&worker->mutex);
		be_patient(worker, clock_monotonic_ms() - began_ms);
		is_news = give_back(worker, &batch);
		/* Whoever is woken with the lock held goes back to sleep at once. */
		(void)pthread_mutex_unlock(&worker->mutex);
		if (is_news)
			tell_loop(worker);
		(void)pthread_mutex_lock(&worker->mutex);
	}
	(void)pthread_mutex_unlock(&worker->mutex);
	return NULL;
}

static void
finish(struct worker *worker)
{
	struct list done;
	struct list *first;

	list_init(&done);
	(void)pthread_mutex_lock(&worker->mutex);
	move_all(&worker->done, &done);
	(void)pthread_mutex_unlock(&worker->mutex);
	while ((first = list_take_first(&done)) != NULL) {
		struct job *job = LIST_ENTRY(first, struct job, link);

		worker->load--;
		job->on_done(job);
	}
	if (worker->ops->after != NULL)
		worker->ops->after(worker->ctx);
}

static void
on_done(evutil_socket_t fd, short what, void *ctx)
{
	uint64_t count;

	if (read(fd, &count, sizeof(count)) < 0)
		ensure(errno == EAGAIN || errno == EINTR);
	finish(ctx);
}

static void
init_lock(struct worker *worker)
{
	pthread_condattr_t attributes;

	ensure(pthread_mutex_init(&worker->mutex, NULL) == 0);
	ensure(pthread_condattr_init(&attributes) == 0);
	ensure(pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC) == 0);
	ensure(pthread_cond_init(&worker->changed, &attributes) == 0);
	(void)pthread_condattr_destroy(&attributes);
}

struct worker *
worker_start(struct loop *loop, const struct worker_ops *ops, void *ctx)
{
	struct worker *worker = xcalloc(1, sizeof(*worker));
	sigset_t all, before;

	worker->ops = ops;
	worker->ctx = ctx;
	list_init(&worker->writes);
	list_init(&worker->reads);
	list_init(&worker->done);
	init_lock(worker);
	worker->event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	ensure(worker->event_fd >= 0);
	worker->event =
	    event_new(loop_base(loop), worker->event_fd, EV_READ | EV_PERSIST, on_done, worker);
	ensure(worker->event != NULL && event_add(worker->event, NULL) == 0);
	/* Signals are the loop's. */
	(void)sigfillset(&all);
	(void)sigdelset(&all, SIGSYS); /* a call that the sandbox refused: said by its thread */
	(void)pthread_sigmask(SIG_SETMASK, &all, &before);
	ensure(pthread_create(&worker->thread, NULL, work, worker) == 0);
	(void)pthread_sigmask(SIG_SETMASK, &before, NULL);
	return worker;
}

/* Whether the thread has to look again. */
static int64_t
wait_of(struct worker *worker, enum urgency urgency)
{
	if (urgency == JOB_WRITES)
		return ++worker->urgent_count < worker->company ? worker->patience_ms : 0;
	return ++worker->lazy_count < LAZY_COUNT_MAX ? WORKER_LAZY_MS : 0;
}

/* Gives when the job is due. */
static int64_t
add_write(struct worker *worker, struct job *job)
{
	int64_t due_ms = clock_monotonic_ms() + wait_of(worker, job->urgency);

	if (list_is_empty(&worker->writes) || due_ms < worker->write_due_ms)
		worker->write_due_ms = due_ms;
	list_append(&worker->writes, &job->link);
	return due_ms;
}

void
worker_post(struct worker *worker, struct job *job)
{
	int64_t due_ms = 0;
	bool is_to_wake;

	worker->load++;
	(void)pthread_mutex_lock(&worker->mutex);
	if (job->urgency == JOB_READS)
		list_append(&worker->reads, &job->link);
	else
		due_ms = add_write(worker, job);
	is_to_wake = due_ms < worker->wakes_at_ms;
	/* Once is enough. */
	if (is_to_wake)
		worker->wakes_at_ms = 0;
	(void)pthread_mutex_unlock(&worker->mutex);
	if (is_to_wake)
		(void)pthread_cond_signal(&worker->changed);
}

size_t
worker_load(const struct worker *worker)
{
	return worker->load;
}

void
worker_stop(struct worker *worker)
{
	(void)pthread_mutex_lock(&worker->mutex);
	worker->is_stopping = true;
	(void)pthread_cond_signal(&worker->changed);
	(void)pthread_mutex_unlock(&worker->mutex);
	ensure(pthread_join(worker->thread, NULL) == 0);
	finish(worker);
	ensure(list_is_empty(&worker->writes) && list_is_empty(&worker->reads));
	event_free(worker->event);
	(void)close(worker->event_fd);
	(void)pthread_cond_destroy(&worker->changed);
	(void)pthread_mutex_destroy(&worker->mutex);
	free(worker);
}
