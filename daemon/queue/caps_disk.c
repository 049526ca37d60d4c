/*
 * caps_disk - what is on disk of the users' limits: loaded at start, swept now and then; and the
 * messages that wait for their user's limit, which go as soon as it allows.
 */
#include "common/xalloc.h"
#include "daemon/queue/caps_private.h"

#include <stdlib.h>

/* Slots leave their windows by the minute. */
#define LOOK_EVERY_MS 5000
#define SWEEP_EVERY_MS (10 * USAGE_MINUTE_MS)

/* ---- the start ---- */

static void
on_loaded(struct job *job)
{
	struct caps *caps = job->ctx;
	bool is_done = job->outcome == JOB_DONE;

	for (uint32_t i = 0; i < caps->load.row_count_out && is_done; i++) {
		const struct used_row *row = &caps->load.rows_out[i];

		if (row->user_id != 0 && row->slot > 0)
			usage_load(&caps_take_user(caps, row->user_id)->usage, row->slot_ms,
			    row->slot, row->count);
	}
	for (uint32_t i = 0; i < caps->load.waiting_count_out && is_done; i++)
		caps_take_user(caps, caps->load.waiting_out[i])->has_waiting = true;
	free(caps->load.rows_out);
	free(caps->load.waiting_out);
	/* Otherwise the storage is broken, and the role is about to end. */
	caps->is_loaded = is_done;
	caps_tell_all(caps);
	if (caps_are_ready(caps))
		caps->callbacks.on_ready(caps->ctx);
	timer_set(caps->timer, 0);
}

static void
on_swept(struct job *job)
{
	((struct caps *)job->ctx)->is_sweeping = false;
}

static void
post_sweep(struct caps *caps, enum urgency urgency)
{
	caps->is_sweeping = true;
	caps->swept_at_ms = loop_now_ms(caps->role->loop);
	caps->sweep = (struct used_job){
	    .job = {.on_done = on_swept, .ctx = caps, .urgency = urgency},
	    .now_ms = loop_wall_ms(caps->role->loop),
	};
	storage_post(caps->storage, STORE_SWEEP_USED, &caps->sweep.job);
}

/* Swept first: what is loaded is neither over nor in the future. */
void
caps_load(struct caps *caps)
{
	post_sweep(caps, JOB_WRITES);
	caps->load =
	    (struct used_job){.job = {.on_done = on_loaded, .ctx = caps, .urgency = JOB_READS}};
	storage_post(caps->storage, STORE_LOAD_USED, &caps->load.job);
}

/* ---- what waits ---- */

static void post_release(struct capped *capped);

static void
on_released(struct job *job)
{
	struct capped *capped = job->ctx;
	const struct release_job *release = &capped->release;

	capped->is_releasing = false;
	if (job->outcome != JOB_DONE)
		return;
	if (release->is_counted)
		usage_add(&capped->usage, release->charge.at_ms, release->charge.count);
	if (release->is_last_out && capped->held_count == capped->held_seen)
		capped->has_waiting = false;
	if (release->count_out == 0)
		return;
	caps_tell(capped);
	capped->caps->callbacks.on_released(capped->caps->ctx);
	if (release->count_out == RELEASES_A_JOB)
		post_release(capped);
}

static void
post_release(struct capped *capped)
{
	struct caps *caps = capped->caps;
	struct usage none = {0};
	struct usage_caps limits;
	bool is_counted =
	    caps_limits_of(caps, idmap_get(&caps->routes->users, capped->user_id), &limits);
	int64_t now_ms = loop_wall_ms(caps->role->loop);

	usage_move(&capped->usage, now_ms);
	capped->held_seen = capped->held_count;
	capped->release = (struct release_job){
	    .job = {.on_done = on_released, .ctx = capped, .urgency = JOB_WRITES},
	    .user_id = capped->user_id,
	    .left = usage_left(&capped->usage, &limits),
	    .most = usage_left(&none, &limits),
	    .is_counted = is_counted,
	    .charge = {.user_id = capped->user_id, .at_ms = now_ms},
	};
	if (capped->release.left.messages == 0 || capped->release.left.recipients == 0)
		return;
	capped->is_releasing = true;
	storage_post(caps->storage, STORE_RELEASE, &capped->release.job);
}

/* ---- now and then ---- */

static bool
is_idle(const struct capped *capped)
{
	const struct usage_count *day = &capped->usage.day;

	return day->messages == 0 && day->recipients == 0 && !capped->has_waiting &&
	       !capped->is_releasing;
}

static void
forget_idle(struct caps *caps)
{
	struct capped **idle = xcalloc(caps->users.count + 1, sizeof(struct capped *));
	size_t count = 0;

	IDMAP_EACH(&caps->users, slot)
	{
		struct capped *capped = slot->object;

		usage_move(&capped->usage, loop_wall_ms(caps->role->loop));
		if (is_idle(capped))
			idle[count++] = capped;
	}
	for (size_t i = 0; i < count; i++) {
		(void)idmap_remove(&caps->users, idle[i]->user_id);
		free(idle[i]);
	}
	free(idle);
}

void
caps_on_timer(void *ctx)
{
	struct caps *caps = ctx;

	timer_set(caps->timer, LOOK_EVERY_MS);
	if (!caps_are_ready(caps) || caps->role->is_draining)
		return;
	if (!caps->is_sweeping && caps->users.count > 0 &&
	    loop_now_ms(caps->role->loop) - caps->swept_at_ms >= SWEEP_EVERY_MS) {
		post_sweep(caps, JOB_WRITES_LAZILY);
		forget_idle(caps);
	}
	IDMAP_EACH(&caps->users, slot)
	{
		struct capped *capped = slot->object;

		if (capped->has_waiting && !capped->is_releasing)
			post_release(capped);
	}
}
