/* loop - the libevent base of a role, its clock, timers and deferred work. */
#include "daemon/core/loop.h"

#include "common/clock.h"
#include "common/err.h"
#include "common/list.h"
#include "common/xalloc.h"

#include <event2/event.h>
#include <stdlib.h>

struct job {
	struct list link;
	void (*fn)(void *ctx);
	void *ctx;
};

struct loop {
	struct event_base *base;
	struct event *turn_end; /* active while anything is deferred */
	struct list deferred;
	struct list to_free;
	int64_t now_ms, wall_ms;
	int64_t read_at_ms; /* by libevent's cached time; 0: not in this turn */
	bool has_set_clock;
	unsigned hurry;
	bool is_stopping;
};

struct timer {
	struct event *event;
	void (*on_timer)(void *ctx);
	void *ctx;
	struct loop *loop;
};

static void
read_clock(struct loop *loop)
{
	if (loop->has_set_clock)
		return;
	loop->now_ms = clock_monotonic_ms();
	loop->wall_ms = clock_wall_ms();
}

static void
take_all(struct list *batch, struct list *jobs)
{
	struct list *first;

	list_init(batch);
	while ((first = list_take_first(jobs)) != NULL)
		list_append(batch, first);
}

static void
run_batch(struct list *batch)
{
	struct list *first;

	while ((first = list_take_first(batch)) != NULL) {
		struct job *job = LIST_ENTRY(first, struct job, link);

		job->fn(job->ctx);
		free(job);
	}
}

/*
 * What these jobs defer runs in a batch of its own, so that I/O gets its turn. What they hand over
 * to be freed waits for the next batch too: a job that was deferred before its object was given up
 * always finds the object.
 */
static void
on_turn_end(int fd, short what, void *ctx)
{
	struct loop *loop = ctx;
	struct list deferred, to_free;

	take_all(&deferred, &loop->deferred);
	take_all(&to_free, &loop->to_free);
	run_batch(&deferred);
	run_batch(&to_free);
	if (!list_is_empty(&loop->deferred) || !list_is_empty(&loop->to_free))
		event_active(loop->turn_end, EV_TIMEOUT, 0);
}

struct loop *
loop_new(void)
{
	struct loop *loop = xcalloc(1, sizeof(*loop));
	struct event_config *config = event_config_new();

	ensure(config != NULL);
	(void)event_config_set_flag(config, EVENT_BASE_FLAG_EPOLL_USE_CHANGELIST);
	(void)event_config_set_flag(config, EVENT_BASE_FLAG_IGNORE_ENV);
	loop->base = event_base_new_with_config(config);
	ensure(loop->base != NULL);
	event_config_free(config);
	/* Two priorities: deferred work comes after the I/O of the turn. */
	ensure(event_base_priority_init(loop->base, 2) == 0);
	loop->turn_end = event_new(loop->base, -1, EV_PERSIST, on_turn_end, loop);
	ensure(loop->turn_end != NULL);
	list_init(&loop->deferred);
	list_init(&loop->to_free);
	loop->hurry = 1;
	read_clock(loop);
	return loop;
}

void
loop_free(struct loop *loop)
{
	struct list batch;

	while (!list_is_empty(&loop->to_free)) {
		take_all(&batch, &loop->to_free);
		run_batch(&batch);
	}
	LIST_EACH_SAFE (&loop->deferred, at, next)
		free(LIST_ENTRY(at, struct job, link));
	event_free(loop->turn_end);
	event_base_free(loop->base);
	free(loop);
}

struct event_base *
loop_base(struct loop *loop)
{
	return loop->base;
}

void
loop_turn(struct loop *loop, int64_t wait_ms)
{
	struct timeval wait = {.tv_sec = wait_ms / 1000, .tv_usec = wait_ms % 1000 * 1000};

	if (wait_ms > 0)
		(void)event_base_loopexit(loop->base, &wait);
	(void)event_base_loop(loop->base, wait_ms > 0 ? EVLOOP_ONCE : EVLOOP_NONBLOCK);
	read_clock(loop);
}

void
loop_run(struct loop *loop)
{
	loop->is_stopping = false;
	while (!loop->is_stopping) {
		loop->read_at_ms = 0;
		if (event_base_loop(loop->base, EVLOOP_ONCE | EVLOOP_NO_EXIT_ON_EMPTY) != 0)
			break;
	}
}

void
loop_stop(struct loop *loop)
{
	loop->is_stopping = true;
	(void)event_base_loopbreak(loop->base);
}

/* Read once a turn. While there is always something to do the turn doesn't end, but libevent's own
 * cached time moves every few milliseconds. */
static void
refresh(struct loop *loop)
{
	struct timeval cached;
	int64_t at_ms;

	if (loop->has_set_clock)
		return;
	if (event_base_gettimeofday_cached(loop->base, &cached) != 0) {
		read_clock(loop);
		return;
	}
	at_ms = (int64_t)cached.tv_sec * 1000 + cached.tv_usec / 1000;
	if (at_ms == loop->read_at_ms)
		return;
	loop->read_at_ms = at_ms;
	read_clock(loop);
}

int64_t
loop_now_ms(const struct loop *loop)
{
	refresh((struct loop *)(uintptr_t)loop);
	return loop->now_ms;
}

int64_t
loop_wall_ms(const struct loop *loop)
{
	refresh((struct loop *)(uintptr_t)loop);
	return loop->wall_ms;
}

void
loop_set_clock(struct loop *loop, int64_t now_ms, int64_t wall_ms)
{
	loop->has_set_clock = true;
	loop->now_ms = now_ms;
	loop->wall_ms = wall_ms;
}

/* Behind `at`. */
static void
add_job(struct loop *loop, struct list *at, void (*fn)(void *ctx), void *ctx)
{
	struct job *job = xmalloc(sizeof(*job));

	job->fn = fn;
	job->ctx = ctx;
	list_insert_after(at, &job->link);
	event_active(loop->turn_end, EV_TIMEOUT, 0);
}

void
loop_defer(struct loop *loop, void (*fn)(void *ctx), void *ctx)
{
	add_job(loop, loop->deferred.prev, fn, ctx);
}

void
loop_defer_first(struct loop *loop, void (*fn)(void *ctx), void *ctx)
{
	add_job(loop, &loop->deferred, fn, ctx);
}

void
loop_free_later(struct loop *loop, void (*free_fn)(void *object), void *object)
{
	add_job(loop, loop->to_free.prev, free_fn, object);
}

static void
on_timeout(int fd, short what, void *ctx)
{
	struct timer *timer = ctx;

	timer->on_timer(timer->ctx);
}

struct timer *
timer_new(struct loop *loop, void (*on_timer)(void *ctx), void *ctx)
{
	struct timer *timer = xcalloc(1, sizeof(*timer));

	timer->event = event_new(loop->base, -1, 0, on_timeout, timer);
	ensure(timer->event != NULL);
	timer->on_timer = on_timer;
	timer->ctx = ctx;
	timer->loop = loop;
	return timer;
}

void
timer_free(struct timer *timer)
{
	if (timer == NULL)
		return;
	event_free(timer->event);
	free(timer);
}

void
timer_set(struct timer *timer, int64_t after_ms)
{
	struct timeval after;

	if (after_ms < 0)
		after_ms = 0;
	after_ms /= timer->loop->hurry;
	after = (struct timeval){.tv_sec = after_ms / 1000, .tv_usec = after_ms % 1000 * 1000};
	(void)event_add(timer->event, &after);
}

void
loop_hurry(struct loop *loop, unsigned times)
{
	loop->hurry = times;
}

void
timer_stop(struct timer *timer)
{
	(void)event_del(timer->event);
}

bool
timer_is_set(const struct timer *timer)
{
	return event_pending(timer->event, EV_TIMEOUT, NULL) != 0;
}
