/* aging - the walk over what has been waiting for long. */
#include "daemon/queue/aging.h"

#include "common/xalloc.h"
#include "daemon/queue/aging_private.h"

#include <stdlib.h>

/* How late a look may be, of the time that it looks for, and in all. */
#define LOOK_PART 8
#define LOOK_LEAST_MS 200
#define LOOK_MOST_MS 60000
/* Between two slices, which others' commits come between. */
#define PAUSE_MS 20
/* That are being written, those of traffic among them; with more no others are begun. */
#define FATES_MOST 1000

/* What is ended is not warned of, so that comes first. */
static const struct step {
	bool is_end; /* of its lifetime; otherwise it is late */
	uint8_t age, state;
} steps[] = {
    {true, AGE_OVERDUE, MAIL_WAITING},
    {true, AGE_OVERDUE, MAIL_UNCERTAIN},
    {true, AGE_DELAYED, MAIL_WAITING},
    {true, AGE_DELAYED, MAIL_UNCERTAIN},
    {true, AGE_FRESH, MAIL_WAITING},
    {true, AGE_FRESH, MAIL_UNCERTAIN},
    {false, AGE_FRESH, MAIL_WAITING},
    {false, AGE_FRESH, MAIL_UNCERTAIN},
};
#define STEPS (sizeof(steps) / sizeof(steps[0]))

/* ---- what waits beyond its lifetime ---- */

static bool
takes_nothing(const struct profile *profile)
{
	return profile != NULL && profile->trouble != TROUBLE_NONE;
}

static void
on_marked(struct job *job)
{
	((struct aging *)job->ctx)->is_marking = false;
}

/* They wait on; that an operator knows of them is remembered. */
static void
mark_overdue(struct aging *aging, uint32_t count)
{
	aging->is_marking = true;
	aging->overdue = (struct age_job){
	    .job = {.on_done = on_marked, .ctx = aging, .urgency = JOB_WRITES_LAZILY},
	    .ids = aging->overdue_ids,
	    .count = count,
	    .age = AGE_OVERDUE,
	    .last_attempt = INT64_MAX};
	storage_post(aging->storage, STORE_AGE, &aging->overdue.job);
}

static void
end_row(struct aging *aging, const struct aged_row *row)
{
	struct entry *entry = scheduler_claim(aging->scheduler, row->message_id, row->user_id);

	if (entry != NULL)
		fate_overdue(aging->fates, entry);
}

static void
take_overdue(struct aging *aging)
{
	const struct routes *routes = scheduler_routes(aging->scheduler);
	bool is_bounced = aging->role->config->queue.on_expiry == ON_EXPIRY_BOUNCE;
	uint32_t marked = 0;

	for (uint32_t i = 0; i < aging->slice.row_count_out; i++) {
		const struct aged_row *row = &aging->slice.rows[i];
		const struct profile *profile = routes_of_user(routes, row->user_id);

		/* The others go, or an operator must decide on them. */
		if (!takes_nothing(profile) ||
		    (aging->slice.state == MAIL_UNCERTAIN && row->next_at_ms == 0))
			continue;
		if (is_bounced) {
			end_row(aging, row);
			continue;
		}
		aging->overdue_ids[marked++] = row->message_id;
		/* Accounts makes one of all within its interval, and counts them. */
		role_alert(aging->role, "expired-waiting", "", "", profile->name,
		    "mail waits beyond queue.lifetime for a profile that takes nothing");
	}
	if (marked > 0)
		mark_overdue(aging, marked);
}

/* ---- the walk ---- */

static bool
is_wanted(const struct aging *aging, const struct step *step)
{
	const struct config *config = aging->role->config;

	if (!step->is_end)
		return config->queue.delay_warning_ms != 0;
	if (step->age == AGE_OVERDUE && config->queue.on_expiry == ON_EXPIRY_HOLD)
		return false;
	IDMAP_EACH(&scheduler_routes(aging->scheduler)->profiles, slot)
	if (takes_nothing(slot->object))
		return true;
	return false;
}

static int64_t
look_every_ms(const struct config *config)
{
	int64_t least_ms = config->queue.lifetime_ms, warning_ms = config->queue.delay_warning_ms;

	if (warning_ms != 0 && warning_ms < least_ms)
		least_ms = warning_ms;
	if (least_ms / LOOK_PART > LOOK_MOST_MS)
		return LOOK_MOST_MS;
	return least_ms / LOOK_PART < LOOK_LEAST_MS ? LOOK_LEAST_MS : least_ms / LOOK_PART;
}

static void
next_step(struct aging *aging)
{
	aging->step++;
	aging->slice.after_begins_at_ms = 0;
	aging->slice.after_id = 0;
}

static void
on_slice(struct job *job)
{
	struct aging *aging = job->ctx;
	struct aged_job *slice = &aging->slice;

	aging->is_asking = false;
	if (job->outcome == JOB_DONE && !aging->role->is_draining && slice->row_count_out > 0) {
		const struct aged_row *last = &slice->rows[slice->row_count_out - 1];

		if (steps[aging->step].is_end)
			take_overdue(aging);
		else
			for (uint32_t i = 0; i < slice->row_count_out; i++)
				aging_warn(aging, slice->rows[i].message_id);
		slice->after_begins_at_ms = last->begins_at_ms;
		slice->after_id = last->message_id;
	}
	if (job->outcome != JOB_DONE || slice->is_end_out)
		next_step(aging);
	timer_set(aging->timer, PAUSE_MS);
}

static void
ask(struct aging *aging)
{
	const struct config *config = aging->role->config;
	const struct step *step = &steps[aging->step];
	int64_t age_ms = step->is_end ? config->queue.lifetime_ms : config->queue.delay_warning_ms;
	struct aged_job *slice = &aging->slice;

	aging->is_asking = true;
	slice->job = (struct job){.on_done = on_slice, .ctx = aging, .urgency = JOB_READS};
	slice->age = step->age;
	slice->state = step->state;
	slice->until_ms = loop_wall_ms(aging->role->loop) - age_ms;
	slice->row_count_out = 0;
	storage_post(aging->storage, STORE_AGED, &slice->job);
}

static void
on_entered(struct job *job)
{
	struct aging *aging = job->ctx;

	aging->is_asking = false;
	aging->has_entered = job->outcome != JOB_DONE || aging->entering.is_end_out;
	timer_set(aging->timer, aging->has_entered ? 0 : PAUSE_MS);
}

static void
enter(struct aging *aging)
{
	aging->is_asking = true;
	aging->entering.job =
	    (struct job){.on_done = on_entered, .ctx = aging, .urgency = JOB_WRITES_LAZILY};
	storage_post(aging->storage, STORE_ENTER_AGES, &aging->entering.job);
}

/* What a slice began is ended before the next one is read: this bounds what is in memory. */
static bool
is_busy(const struct aging *aging)
{
	return aging->warnings > 0 || aging->is_marking ||
	       fates_under_way(aging->fates) > FATES_MOST;
}

static void
on_timer(void *ctx)
{
	struct aging *aging = ctx;

	if (aging->is_asking)
		return;
	if (is_busy(aging)) {
		timer_set(aging->timer, PAUSE_MS);
		return;
	}
	/* Until then nobody knows whose profile is how. */
	if (!scheduler_routes(aging->scheduler)->is_complete) {
		timer_set(aging->timer, LOOK_LEAST_MS);
		return;
	}
	while (aging->step < STEPS && !is_wanted(aging, &steps[aging->step]))
		next_step(aging);
	if (aging->step < STEPS) {
		if (aging->has_entered)
			ask(aging);
		else
			enter(aging);
		return;
	}
	aging->step = 0;
	aging->has_entered = false;
	timer_set(aging->timer, look_every_ms(aging->role->config));
}

void
aging_reload(struct aging *aging)
{
	timer_set(aging->timer, PAUSE_MS);
}

struct aging *
aging_new(struct role_context *role, struct storage *storage, struct scheduler *scheduler,
    struct fates *fates, struct notices *notices)
{
	struct aging *aging = xcalloc(1, sizeof(*aging));

	aging->role = role;
	aging->storage = storage;
	aging->scheduler = scheduler;
	aging->fates = fates;
	aging->notices = notices;
	aging->timer = timer_new(role->loop, on_timer, aging);
	timer_set(aging->timer, LOOK_LEAST_MS);
	return aging;
}

void
aging_free(struct aging *aging)
{
	timer_free(aging->timer);
	free(aging);
}
