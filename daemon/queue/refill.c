/* refill - the scheduler's questions to the store. */
#include "daemon/queue/refill.h"

#include "common/xalloc.h"

#include <stdlib.h>

/* In one commit: others wait a few milliseconds for it at most. */
#define WAKE_MAX 500
#define FLOWS_MAX 1000
/* Clocks may be set: look at least this often while something is deferred. */
#define WAKE_LOOK_MS 60000
/* Not at once again after a failure, a full disk say. */
#define WAKE_RETRY_MS 1000

struct refill {
	struct loop *loop;
	struct storage *storage;
	struct refill_callbacks callbacks;
	void *ctx;
	struct timer *timer;
	int64_t wake_at_ms; /* 0: nothing is deferred */
	bool is_waking, looks_again;
	int64_t longest_ms; /* what waits for longer is due as well; 0: it isn't looked for */
	struct wake_job wake;
	bool is_asking, wants_again;
	struct flows_job flows;
};

/* ---- windows ---- */

static void
on_window(struct job *job)
{
	struct window_job *window = (struct window_job *)(void *)job;
	struct refill *refill = job->ctx;

	refill->callbacks.on_window(window, refill->ctx);
	free(window->rows_out);
	free(window);
}

void
refill_window(
    struct refill *refill, uint64_t user_id, uint8_t priority, uint64_t after, uint32_t limit)
{
	struct window_job *window = xcalloc(1, sizeof(*window));

	*window = (struct window_job){
	    .job = {.on_done = on_window, .ctx = refill, .urgency = JOB_READS},
	    .user_id = user_id,
	    .priority = priority,
	    .after = after,
	    .limit = limit,
	};
	storage_post(refill->storage, STORE_WINDOW, &window->job);
}

/* ---- who has something ready ---- */

static void on_flows(struct job *job);

static void
ask_for_flows(struct refill *refill, struct flow_row after)
{
	refill->is_asking = true;
	refill->flows = (struct flows_job){
	    .job = {.on_done = on_flows, .ctx = refill, .urgency = JOB_READS},
	    .after = after,
	    .limit = FLOWS_MAX,
	};
	storage_post(refill->storage, STORE_FLOWS, &refill->flows.job);
}

static void
on_flows(struct job *job)
{
	struct refill *refill = job->ctx;
	struct flows_job done = refill->flows;

	refill->is_asking = false;
	if (done.row_count_out == done.limit) {
		ask_for_flows(refill, done.rows_out[done.row_count_out - 1]);
	} else if (refill->wants_again) {
		refill->wants_again = false;
		refill_flows(refill);
	}
	refill->callbacks.on_flows(&done, refill->ctx);
	free(done.rows_out);
}

void
refill_flows(struct refill *refill)
{
	if (refill->is_asking)
		refill->wants_again = true;
	else
		ask_for_flows(refill, (struct flow_row){0});
}

/* ---- single messages ---- */

static void
on_loaded(struct job *job)
{
	struct load_job *load = (struct load_job *)(void *)job;
	struct refill *refill = job->ctx;

	refill->callbacks.on_loaded(load, refill->ctx);
	free(load);
}

void
refill_load(struct refill *refill, uint64_t message_id, uint32_t body_limit_bytes)
{
	struct load_job *load = xcalloc(1, sizeof(*load));

	load->message_id = message_id;
	load->body_limit_bytes = body_limit_bytes;
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
	if (job->outcome != JOB_DONE) {
		next_ms = now_ms + WAKE_RETRY_MS;
		refill->wake.row_count_out = 0;
	}
	if (refill->looks_again)
		next_ms = now_ms;
	else if (job->outcome == JOB_DONE && refill->wake.row_count_out < WAKE_MAX)
		refill->longest_ms = 0;
	if (next_ms != 0 && (refill->wake_at_ms == 0 || next_ms < refill->wake_at_ms))
		refill->wake_at_ms = next_ms;
	set_timer(refill);
	refill->callbacks.on_woken(&refill->wake, refill->ctx);
	free(refill->wake.rows_out);
}

static void
wake(struct refill *refill)
{
	refill->is_waking = true;
	refill->looks_again = false;
	refill->wake_at_ms = 0;
	refill->wake = (struct wake_job){
	    .job = {.on_done = on_woken, .ctx = refill, .urgency = JOB_WRITES_LAZILY},
	    .now_ms = loop_wall_ms(refill->loop),
	    .latest_ms =
		refill->longest_ms == 0 ? 0 : loop_wall_ms(refill->loop) + refill->longest_ms,
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

void
refill_look(struct refill *refill, int64_t longest_ms)
{
	refill->longest_ms = longest_ms;
	if (refill->is_waking)
		refill->looks_again = true;
	else
		wake(refill);
}

struct refill *
refill_new(
    struct loop *loop, struct storage *storage, const struct refill_callbacks *callbacks, void *ctx)
{
	struct refill *refill = xcalloc(1, sizeof(*refill));

	refill->loop = loop;
	refill->storage = storage;
	refill->callbacks = *callbacks;
	refill->ctx = ctx;
	refill->timer = timer_new(loop, on_timer, refill);
	wake(refill);
	refill_flows(refill);
	return refill;
}

void
refill_free(struct refill *refill)
{
	timer_free(refill->timer);
	free(refill);
}
