/* refill - the scheduler's questions to the store. */
#include "daemon/queue/refill.h"

#include "common/xalloc.h"

#include <stdlib.h>

/* However many users share a profile, each gets a look in. */
#define USER_SHARE_MIN 100
#define WAKE_MAX 2000
/* Clocks may be set: look at least this often while something is deferred. */
#define WAKE_LOOK_MS 60000
/* Not at once again after a failure, a full disk say. */
#define WAKE_RETRY_MS 1000

struct refill {
	struct loop *loop;
	struct storage *storage;
	struct routes *routes;
	struct refill_callbacks callbacks;
	void *ctx;
	struct timer *timer;
	int64_t wake_at_ms; /* 0: nothing is deferred */
	bool is_waking;
	struct wake_job wake;
};

/* ---- windows ---- */

struct window_request {
	struct window_job job;
	struct refill *refill;
	struct profile *profile;
};

static void
on_window(struct job *job)
{
	struct window_request *request = (struct window_request *)(void *)job;
	struct refill *refill = request->refill;

	refill->callbacks.on_window(
	    request->profile, request->job.priority, &request->job, refill->ctx);
	free(request->job.user_ids);
	free(request->job.rows_out);
	free(request);
}

void
refill_window(struct refill *refill, struct profile *profile, uint8_t priority, uint32_t limit)
{
	struct window_request *request = xcalloc(1, sizeof(*request));
	size_t count;

	request->refill = refill;
	request->profile = profile;
	request->job.user_ids = routes_users_of(refill->routes, profile, &count);
	request->job.user_count = (uint32_t)count;
	request->job.priority = priority;
	if (count > 0)
		limit /= (uint32_t)count;
	if (limit < USER_SHARE_MIN)
		limit = USER_SHARE_MIN;
	/* What is known already comes up again. */
	request->job.limit = limit + profile->known;
	request->job.job.on_done = on_window;
	request->job.job.urgency = JOB_READS;
	storage_post(refill->storage, STORE_WINDOW, &request->job.job);
}

/* ---- single messages ---- */

static void
on_loaded(struct job *job)
{
	struct load_job *load = (struct load_job *)(void *)job;
	struct refill *refill = job->ctx;

	refill->callbacks.on_loaded(
	    load->message_id, load->mail_out, job->outcome != JOB_DONE, refill->ctx);
	free(load);
}

void
refill_load(struct refill *refill, uint64_t message_id)
{
	struct load_job *load = xcalloc(1, sizeof(*load));

	load->message_id = message_id;
	load->job.on_done = on_loaded;
	load->job.ctx = refill;
	load->job.urgency = JOB_READS;
	storage_post(refill->storage, STORE_LOAD, &load->job);
}

/* ---- deferred messages ---- */

static void
set_timer(struct refill *refill)
{
	int64_t wait_ms = refill->wake_at_ms - loop_wall_ms(refill->loop);

	if (refill->wake_at_ms != 0 && !refill->is_waking)
		timer_set(refill->timer, wait_ms < WAKE_LOOK_MS ? wait_ms : WAKE_LOOK_MS);
}

static void
on_woken(struct job *job)
{
	struct refill *refill = job->ctx;
	int64_t now_ms = loop_wall_ms(refill->loop);
	int64_t next_ms = refill->wake.next_at_ms_out;

	refill->is_waking = false;
	if (job->outcome != JOB_DONE)
		next_ms = now_ms + WAKE_RETRY_MS;
	if (next_ms != 0 && (refill->wake_at_ms == 0 || next_ms < refill->wake_at_ms))
		refill->wake_at_ms = next_ms;
	set_timer(refill);
	for (uint32_t i = 0; i < refill->wake.row_count_out && job->outcome == JOB_DONE; i++)
		refill->callbacks.on_woken(&refill->wake.rows_out[i], refill->ctx);
	free(refill->wake.rows_out);
}

static void
wake(struct refill *refill)
{
	refill->is_waking = true;
	refill->wake_at_ms = 0;
	refill->wake = (struct wake_job){
	    .job = {.on_done = on_woken, .ctx = refill, .urgency = JOB_WRITES_LAZILY},
	    .now_ms = loop_wall_ms(refill->loop),
	    .limit = WAKE_MAX,
	};
	storage_post(refill->storage, STORE_WAKE, &refill->wake.job);
}

static void
on_timer(void *ctx)
{
	struct refill *refill = ctx;

	if (refill->is_waking)
		return;
	if (loop_wall_ms(refill->loop) >= refill->wake_at_ms)
		wake(refill);
	else
		set_timer(refill);
}

void
refill_wake_at(struct refill *refill, int64_t at_ms)
{
	if (refill->wake_at_ms != 0 && refill->wake_at_ms <= at_ms)
		return;
	refill->wake_at_ms = at_ms;
	set_timer(refill);
}

struct refill *
refill_new(struct loop *loop, struct storage *storage, struct routes *routes,
    const struct refill_callbacks *callbacks, void *ctx)
{
	struct refill *refill = xcalloc(1, sizeof(*refill));

	refill->loop = loop;
	refill->storage = storage;
	refill->routes = routes;
	refill->callbacks = *callbacks;
	refill->ctx = ctx;
	refill->timer = timer_new(loop, on_timer, refill);
	wake(refill);
	return refill;
}

void
refill_free(struct refill *refill)
{
	timer_free(refill->timer);
	free(refill);
}
