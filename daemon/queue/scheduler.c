/* scheduler - which message goes next. What is read from disk comes in through refill.c. */
#include "daemon/queue/scheduler.h"

#include "common/log.h"
#include "common/xalloc.h"
#include "daemon/queue/refill.h"
#include "daemon/queue/scheduler_private.h"

#include <stdlib.h>

/* What a profile and priority may have in memory. */
#define WINDOW_MAX 10000
#define REST_MS 1000
/* Clocks may be set: no timer waits longer without looking again. */
#define LOOK_EVERY_MS 60000

/* ---- entries ---- */

struct entry *
scheduler_new_entry(
    struct scheduler *scheduler, const struct ready_row *row, struct profile *profile)
{
	struct entry *entry = xcalloc(1, sizeof(*entry));

	entry->id = row->message_id;
	entry->user_id = row->user_id;
	entry->received_at_ms = row->received_at_ms;
	entry->priority = row->priority;
	entry->profile = profile;
	if (profile != NULL)
		profile->known++;
	idmap_put(&scheduler->entries, entry->id, entry);
	return entry;
}

void
scheduler_free_entry(struct scheduler *scheduler, struct entry *entry)
{
	(void)idmap_remove(&scheduler->entries, entry->id);
	if (entry->profile != NULL)
		entry->profile->known--;
	scheduler->memory_bytes -= entry->footprint;
	for (uint32_t i = 0; i < entry->slice_count; i++)
		slice_release(&entry->slices[i]);
	free(entry->slices);
	free(entry->mail);
	free(entry);
}

/* Keeps the message in memory while the budget allows; takes the mail. A body in a file can do
 * without. */
static void
keep_body(struct scheduler *scheduler, struct entry *entry, struct mail *mail,
    const struct slice *slices, uint32_t slice_count)
{
	uint64_t budget = scheduler->role->config->queue.memory_bytes;
	size_t footprint = mail_footprint(mail) + (slice_count > 0 ? mail->size : 0);

	if (mail->is_in_file && scheduler->memory_bytes + footprint > budget) {
		footprint = mail_footprint(mail);
		slice_count = 0;
	}
	if (scheduler->memory_bytes + footprint > budget) {
		free(mail);
		return;
	}
	scheduler->memory_bytes += footprint;
	entry->footprint = footprint;
	entry->mail = mail;
	if (slice_count == 0)
		return;
	entry->slices = xcalloc(slice_count, sizeof(*slices));
	entry->slice_count = slice_count;
	for (uint32_t i = 0; i < slice_count; i++)
		entry->slices[i] = slice_of(slices[i].chunk, slices[i].offset, slices[i].size);
}

/* ---- windows ---- */

static void
make_ready(struct entry *entry)
{
	entry->state = ENTRY_READY;
	window_push(&entry->profile->ready[entry->priority - 1], entry);
}

/* Takes a ready message into memory if its profile has room for it; else it is found later. */
static struct entry *
admit(struct scheduler *scheduler, const struct ready_row *row)
{
	struct profile *profile = routes_of_user(&scheduler->routes, row->user_id);
	unsigned at = row->priority - 1u;
	struct entry *entry;

	if (profile == NULL || at >= PRIORITIES)
		return NULL;
	if (profile->is_spilled[at] || profile->ready[at].count >= WINDOW_MAX) {
		profile->is_spilled[at] = true;
		return NULL;
	}
	entry = scheduler_new_entry(scheduler, row, profile);
	make_ready(entry);
	return entry;
}

/* The next message of the profile, or NULL: none, or disk is being asked. */
static struct entry *
choose(struct scheduler *scheduler, struct profile *profile)
{
	for (int i = 0; i < PRIORITIES; i++) {
		struct entry *entry = window_pop(&profile->ready[i]);

		if (entry != NULL)
			return entry;
		if (profile->is_spilled[i] && !profile->is_loading[i]) {
			profile->is_spilled[i] = false;
			profile->is_loading[i] = true;
			refill_window(scheduler->refill, profile, (uint8_t)(i + 1), WINDOW_MAX);
		}
		/* What may be of a higher priority is waited for. */
		if (profile->is_loading[i])
			return NULL;
	}
	return NULL;
}

/* ---- attempts ---- */

static void
begin_attempt(struct scheduler *scheduler, struct entry *entry)
{
	entry->state = ENTRY_SENDING;
	entry->attempt = scheduler->next_attempt++;
	entry->began_at_ms = loop_wall_ms(scheduler->role->loop);
	entry->was_handed_over = false;
	entry->is_listed = false;
	scheduler->callbacks.on_attempt(entry, scheduler->relay, scheduler->ctx);
}

void
scheduler_pump(struct scheduler *scheduler, struct profile *profile)
{
	struct entry *entry;

	if (!scheduler->is_relay_ready || scheduler->role->is_draining)
		return;
	while (profile->out < profile_width(&scheduler->routes, profile) &&
	       (entry = choose(scheduler, profile)) != NULL) {
		profile->out++;
		if (entry->mail != NULL) {
			begin_attempt(scheduler, entry);
		} else {
			entry->state = ENTRY_LOADING;
			refill_load(scheduler->refill, entry->id);
		}
	}
}

void
scheduler_settling(struct scheduler *scheduler, struct entry *entry)
{
	entry->state = ENTRY_SETTLING;
	if (entry->profile == NULL)
		return;
	entry->profile->out--;
	scheduler_pump(scheduler, entry->profile);
}

void
scheduler_settled(struct scheduler *scheduler, struct entry *entry, int64_t next_at_ms)
{
	scheduler_free_entry(scheduler, entry);
	if (next_at_ms != 0)
		refill_wake_at(scheduler->refill, next_at_ms);
}

static void
ready_again(struct scheduler *scheduler, struct entry *entry)
{
	struct profile *profile = entry->profile;

	entry->attempt = 0;
	/* Its user may have moved; what is not in a window is found on disk. */
	if (profile == NULL || entry->is_removed || entry->is_to_hold ||
	    routes_of_user(&scheduler->routes, entry->user_id) != profile) {
		scheduler_free_entry(scheduler, entry);
		scheduler_look_everywhere(scheduler);
		return;
	}
	make_ready(entry);
}

void
scheduler_return(struct scheduler *scheduler, struct entry *entry)
{
	if (entry->profile != NULL)
		entry->profile->out--;
	ready_again(scheduler, entry);
}

void
scheduler_settled_in_part(struct scheduler *scheduler, struct entry *entry)
{
	struct profile *profile = entry->profile;

	ready_again(scheduler, entry);
	if (profile != NULL)
		scheduler_pump(scheduler, profile);
}

static void
set_timer(struct scheduler *scheduler, struct profile *profile)
{
	int64_t wait_ms = 0;
	int64_t rest_ms = profile->pause_until_ms - loop_now_ms(scheduler->role->loop);

	if (profile->trouble != TROUBLE_NONE)
		wait_ms = profile->until_ms - loop_wall_ms(scheduler->role->loop);
	if (rest_ms > wait_ms)
		wait_ms = rest_ms;
	if (wait_ms > 0)
		timer_set(profile->timer, wait_ms < LOOK_EVERY_MS ? wait_ms + 1 : LOOK_EVERY_MS);
}

void
scheduler_rest(struct scheduler *scheduler, struct profile *profile)
{
	profile->pause_until_ms = loop_now_ms(scheduler->role->loop) + REST_MS;
	set_timer(scheduler, profile);
}

void
scheduler_look(struct scheduler *scheduler, struct profile *profile)
{
	set_timer(scheduler, profile);
	scheduler_pump(scheduler, profile);
}

/* ---- from disk ---- */

static void
on_window(struct profile *profile, uint8_t priority, const struct window_job *job, void *ctx)
{
	struct scheduler *scheduler = ctx;

	profile->is_loading[priority - 1] = false;
	if (job->has_more_out || job->job.outcome != JOB_DONE)
		profile->is_spilled[priority - 1] = true;
	for (uint32_t i = 0; i < job->row_count_out; i++) {
		const struct ready_row *row = &job->rows_out[i];

		if (scheduler_find(scheduler, row->message_id) == NULL &&
		    routes_of_user(&scheduler->routes, row->user_id) == profile)
			make_ready(scheduler_new_entry(scheduler, row, profile));
	}
	scheduler_pump(scheduler, profile);
}

static void
on_woken(const struct ready_row *row, void *ctx)
{
	struct scheduler *scheduler = ctx;
	struct profile *profile = routes_of_user(&scheduler->routes, row->user_id);

	if (scheduler_find(scheduler, row->message_id) == NULL)
		(void)admit(scheduler, row);
	if (profile != NULL)
		scheduler_pump(scheduler, profile);
}

static void
drop_chosen(struct scheduler *scheduler, struct entry *entry)
{
	entry->profile->out--;
	scheduler_free_entry(scheduler, entry);
}

static void
on_loaded(uint64_t message_id, struct mail *mail, bool is_failed, void *ctx)
{
	struct scheduler *scheduler = ctx;
	struct entry *entry = scheduler_find(scheduler, message_id);
	struct profile *profile = entry->profile;

	if (is_failed)
		scheduler->callbacks.on_unreadable(message_id, scheduler->ctx);
	/* It may have been held, removed or deferred on disk meanwhile. */
	if (mail == NULL || mail->state != MAIL_WAITING || mail->next_at_ms != 0 ||
	    entry->is_removed || entry->is_to_hold) {
		free(mail);
		drop_chosen(scheduler, entry);
	} else if (!scheduler->is_relay_ready) {
		free(mail);
		scheduler_return(scheduler, entry);
	} else {
		entry->mail = mail;
		entry->footprint = mail_footprint(mail);
		scheduler->memory_bytes += entry->footprint;
		begin_attempt(scheduler, entry);
	}
	scheduler_pump(scheduler, profile);
}

/* ---- what others ask ---- */

void
scheduler_add(struct scheduler *scheduler, struct mail *mail, const struct slice *slices,
    uint32_t slice_count)
{
	struct ready_row row = {.message_id = mail->id,
	    .user_id = mail->user_id,
	    .received_at_ms = mail->received_at_ms,
	    .priority = mail->priority};
	struct profile *profile;
	struct entry *entry;

	routes_note_mail(&scheduler->routes, mail->user_id, mail->login, mail->list);
	if (mail->state == MAIL_SCHEDULED) {
		refill_wake_at(scheduler->refill, mail->next_at_ms);
		free(mail);
		return;
	}
	profile = routes_of_user(&scheduler->routes, mail->user_id);
	entry = scheduler_find(scheduler, mail->id) == NULL ? admit(scheduler, &row) : NULL;
	if (entry != NULL)
		keep_body(scheduler, entry, mail, slices, slice_count);
	else
		free(mail);
	if (profile != NULL)
		scheduler_pump(scheduler, profile);
}

struct entry *
scheduler_find(const struct scheduler *scheduler, uint64_t message_id)
{
	return idmap_get(&scheduler->entries, message_id);
}

uint64_t
scheduler_next_attempt(const struct scheduler *scheduler)
{
	return scheduler->next_attempt;
}

void
scheduler_forget(struct scheduler *scheduler, uint64_t message_id)
{
	struct entry *entry = scheduler_find(scheduler, message_id);

	if (entry == NULL || entry->state != ENTRY_READY)
		return;
	window_remove(&entry->profile->ready[entry->priority - 1], entry);
	scheduler_free_entry(scheduler, entry);
}

static int
compare_ids(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

uint64_t *
scheduler_sending(const struct scheduler *scheduler, size_t *count_out)
{
	uint64_t *ids = xcalloc(scheduler->entries.count + 1, sizeof(*ids));
	size_t count = 0;

	IDMAP_EACH(&scheduler->entries, slot)
	if (((struct entry *)slot->object)->state >= ENTRY_SENDING)
		ids[count++] = slot->id;
	qsort(ids, count, sizeof(*ids), compare_ids);
	*count_out = count;
	return ids;
}

struct routes *
scheduler_routes(struct scheduler *scheduler)
{
	return &scheduler->routes;
}

static const struct refill_callbacks refill_callbacks = {
    .on_window = on_window,
    .on_woken = on_woken,
    .on_loaded = on_loaded,
};

struct scheduler *
scheduler_new(struct role_context *role, struct storage *storage,
    const struct scheduler_callbacks *callbacks, void *ctx)
{
	struct scheduler *scheduler = xcalloc(1, sizeof(*scheduler));

	scheduler->role = role;
	scheduler->storage = storage;
	scheduler->callbacks = *callbacks;
	scheduler->ctx = ctx;
	/* Larger than any of an earlier start. */
	scheduler->next_attempt = ((uint64_t)storage_epoch(storage) << 32) + 1;
	scheduler->routes = (struct routes){.role = role,
	    .storage = storage,
	    .on_user_moved = scheduler_on_user_moved,
	    .on_profile_changed = scheduler_on_profile_changed,
	    .on_complete = scheduler_on_routes_complete,
	    .on_unrouted = scheduler_on_unrouted,
	    .ctx = scheduler};
	routes_init(&scheduler->routes);
	scheduler->orphans = orphans_new(role, storage, &scheduler->routes);
	scheduler->refill =
	    refill_new(role->loop, storage, &scheduler->routes, &refill_callbacks, scheduler);
	return scheduler;
}

void
scheduler_free(struct scheduler *scheduler)
{
	while (scheduler->entries.count > 0)
		IDMAP_EACH(&scheduler->entries, slot)
		{
			scheduler_free_entry(scheduler, slot->object);
			break;
		}
	idmap_fini(&scheduler->entries);
	refill_free(scheduler->refill);
	orphans_free(scheduler->orphans);
	routes_fini(&scheduler->routes);
	free(scheduler);
}
