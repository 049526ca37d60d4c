/*
 * scheduler - begins attempts and ends them. What is ready stands in scheduler_flows.c; what is read
 * from disk comes in through refill.c.
 */
#include "daemon/queue/scheduler.h"

#include "common/log.h"
#include "common/xalloc.h"
#include "daemon/queue/backoff.h"
#include "daemon/queue/scheduler_private.h"

#include <stdlib.h>

#define REST_MS 1000
/* Each connection may have one of these in memory. */
#define LOADED_BODY_MAX (32u * 1024)
/* Clocks may be set: no timer waits longer without looking again. */
#define LOOK_EVERY_MS 60000

/* ---- entries ---- */

struct entry *
scheduler_new_entry(struct scheduler *scheduler, const struct ready_row *row)
{
	struct entry *entry = xcalloc(1, sizeof(*entry));

	entry->id = row->message_id;
	entry->user_id = row->user_id;
	entry->received_at_ms = row->received_at_ms;
	entry->size = row->size;
	entry->recipient_count = row->recipient_count;
	entry->priority = row->priority;
	list_init(&entry->link);
	idmap_put(&scheduler->entries, entry->id, entry);
	return entry;
}

void
scheduler_enter(struct scheduler *scheduler, struct entry *entry, enum entry_state state)
{
	bool was_sending = entry->state >= ENTRY_SENDING;

	if (was_sending && state < ENTRY_SENDING)
		list_remove(&entry->link);
	else if (!was_sending && state >= ENTRY_SENDING)
		list_append(&scheduler->sending, &entry->link);
	entry->state = (uint8_t)state;
}

void
scheduler_free_entry(struct scheduler *scheduler, struct entry *entry)
{
	/* It leaves what is being sent or parked, if it is there. */
	scheduler_enter(scheduler, entry, ENTRY_READY);
	list_remove(&entry->link);
	(void)idmap_remove(&scheduler->entries, entry->id);
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

	if (mail->body_file != 0 && scheduler->memory_bytes + footprint > budget) {
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

/* ---- attempts ---- */

static void
begin_attempt(struct scheduler *scheduler, struct entry *entry)
{
	scheduler_enter(scheduler, entry, ENTRY_SENDING);
	scheduler_fit(entry);
	entry->attempt = scheduler->next_attempt++;
	entry->began_at_ms = loop_wall_ms(scheduler->role->loop);
	entry->was_handed_over = false;
	entry->is_listed = false;
	entry->is_followed = scheduler_has_more(scheduler, entry->profile);
	scheduler->callbacks.on_attempt(entry, scheduler->relay, scheduler->ctx);
}

static bool
is_ordinary(const struct entry *entry)
{
	return (PRIORITY_BIT(entry->priority) & PRIORITY_BITS_URGENT) == 0;
}

static void
go_out(struct profile *profile, struct entry *entry)
{
	entry->profile = profile;
	profile->out++;
	profile->ordinary_out += is_ordinary(entry);
}

static void
come_back(struct entry *entry)
{
	if (entry->profile == NULL)
		return;
	entry->profile->out--;
	entry->profile->ordinary_out -= is_ordinary(entry);
}

/* Nothing of it is sent: it stands in no window, and operators may change it as if it did. */
static void
park(struct scheduler *scheduler, struct entry *entry)
{
	scheduler_take_back(entry, (struct usage_count){1, entry->given_count});
	come_back(entry);
	entry->profile = NULL;
	scheduler_enter(scheduler, entry, ENTRY_READY);
	list_append(&scheduler->parked, &entry->link);
}

/* It was chosen and its mail is known. */
static void
begin_or_park(struct scheduler *scheduler, struct entry *entry)
{
	if (scheduler_waits_for_its_own(scheduler, entry))
		park(scheduler, entry);
	else
		begin_attempt(scheduler, entry);
}

/* A small body comes along: it isn't asked for again. */
static uint32_t
body_limit(const struct scheduler *scheduler, const struct entry *entry)
{
	uint64_t budget = scheduler->role->config->queue.memory_bytes;

	return scheduler->memory_bytes + entry->size <= budget ? LOADED_BODY_MAX : 0;
}

void
scheduler_pump(struct scheduler *scheduler, struct profile *profile)
{
	struct entry *entry;

	if (!scheduler->is_relay_ready || !scheduler->has_all_flows ||
	    scheduler->routes.has_to_remember || scheduler->role->is_draining)
		return;
	while ((entry = scheduler_choose(scheduler, profile)) != NULL) {
		go_out(profile, entry);
		if (entry->mail != NULL) {
			begin_or_park(scheduler, entry);
		} else {
			scheduler_enter(scheduler, entry, ENTRY_LOADING);
			refill_load(scheduler->refill, entry->id, body_limit(scheduler, entry));
		}
	}
}

void
scheduler_pump_all(struct scheduler *scheduler)
{
	IDMAP_EACH(&scheduler->routes.profiles, slot)
	scheduler_pump(scheduler, slot->object);
}

static void
set_timer(struct scheduler *scheduler, struct profile *profile)
{
	int64_t now_ms = loop_wall_ms(scheduler->role->loop);
	int64_t wait_ms = 0;
	int64_t rest_ms = profile->pause_until_ms - loop_now_ms(scheduler->role->loop);

	if (profile_is_silent(&scheduler->routes, profile))
		wait_ms = profile->until_ms - now_ms;
	if (rest_ms > wait_ms)
		wait_ms = rest_ms;
	if (wait_ms > 0)
		timer_set(profile->timer, wait_ms < LOOK_EVERY_MS ? wait_ms + 1 : LOOK_EVERY_MS);
}

void
scheduler_settling(struct scheduler *scheduler, struct entry *entry)
{
	scheduler_enter(scheduler, entry, ENTRY_SETTLING);
	scheduler_end_charge(scheduler, entry);
	come_back(entry);
	/* It may have ended a trouble: the timer stands at the time of that. */
	if (entry->profile != NULL)
		scheduler_look(scheduler, entry->profile);
}

void
scheduler_settled(struct scheduler *scheduler, struct entry *entry, int64_t next_at_ms)
{
	scheduler_free_entry(scheduler, entry);
	if (next_at_ms != 0)
		refill_wake_at(scheduler->refill, next_at_ms);
}

void
scheduler_ready_again(struct scheduler *scheduler, struct entry *entry, uint64_t refund)
{
	entry->attempt = 0;
	if (entry->user_id == 0 || entry->is_removed || entry->is_to_hold)
		scheduler_leave_to_disk(scheduler, entry);
	else
		scheduler_readmit(scheduler, entry, refund);
}

void
scheduler_return(struct scheduler *scheduler, struct entry *entry)
{
	scheduler_take_back(entry, (struct usage_count){1, entry->given_count});
	come_back(entry);
	scheduler_ready_again(scheduler, entry, flow_cost(entry->size, entry->given_count));
}

void
scheduler_settled_in_part(struct scheduler *scheduler, struct entry *entry, uint32_t tried)
{
	struct profile *profile = entry->profile;
	uint32_t untried = entry->given_count > tried ? entry->given_count - tried : 0;

	scheduler_take_back(entry, (struct usage_count){0, untried});
	entry->recipient_count = mail_due_count(entry->mail);
	scheduler_ready_again(scheduler, entry, flow_cost(0, untried));
	if (profile != NULL)
		scheduler_pump(scheduler, profile);
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
	scheduler_look_at_fallback(scheduler, profile);
	set_timer(scheduler, profile);
	scheduler_pump(scheduler, profile);
}

/* ---- from disk ---- */

static void
on_woken(const struct wake_job *job, void *ctx)
{
	struct scheduler *scheduler = ctx;

	for (uint32_t i = 0; i < job->row_count_out; i++)
		if (scheduler_find(scheduler, job->rows_out[i].message_id) == NULL)
			(void)scheduler_admit(scheduler, &job->rows_out[i]);
	scheduler_pump_all(scheduler);
}

static void
drop_chosen(struct scheduler *scheduler, struct entry *entry)
{
	scheduler_take_back(entry, (struct usage_count){1, entry->given_count});
	come_back(entry);
	scheduler_free_entry(scheduler, entry);
}

/* Takes the mail and the chunk, which may be NULL. */
static void
keep_loaded(
    struct scheduler *scheduler, struct entry *entry, struct mail *mail, struct chunk *chunk)
{
	entry->mail = mail;
	entry->footprint = mail_footprint(mail);
	if (chunk != NULL) {
		entry->slices = xcalloc(1, sizeof(*entry->slices));
		entry->slices[0] = slice_of(chunk, 0, chunk->size);
		entry->slice_count = 1;
		entry->footprint += chunk->size;
	}
	chunk_release(chunk);
	scheduler->memory_bytes += entry->footprint;
}

static void
on_loaded(const struct load_job *job, void *ctx)
{
	struct scheduler *scheduler = ctx;
	struct entry *entry = scheduler_find(scheduler, job->message_id);
	struct profile *profile = entry->profile;
	struct mail *mail = job->mail_out;

	if (job->job.outcome != JOB_DONE)
		scheduler->callbacks.on_unreadable(job->message_id, scheduler->ctx);
	/* It may have been held, removed or deferred on disk meanwhile. */
	if (mail == NULL || mail->state != MAIL_WAITING || mail->next_at_ms != 0 ||
	    entry->is_removed || entry->is_to_hold) {
		free(mail);
		chunk_release(job->chunk_out);
		drop_chosen(scheduler, entry);
	} else if (!scheduler->is_relay_ready) {
		free(mail);
		chunk_release(job->chunk_out);
		scheduler_return(scheduler, entry);
	} else {
		keep_loaded(scheduler, entry, mail, job->chunk_out);
		begin_or_park(scheduler, entry);
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
	    .size = mail->size,
	    .recipient_count = mail->recipient_count,
	    .priority = mail->priority};
	struct profile *profile;
	struct entry *entry;

	routes_note_mail(&scheduler->routes, mail->user_id, mail->login, mail->list);
	if (mail->state == MAIL_SCHEDULED) {
		refill_wake_at(scheduler->refill, mail->next_at_ms);
		free(mail);
		return;
	}
	scheduler_send_scout(scheduler, mail->user_id);
	profile = routes_of_user(&scheduler->routes, mail->user_id);
	entry =
	    scheduler_find(scheduler, mail->id) == NULL ? scheduler_admit(scheduler, &row) : NULL;
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

struct entry *
scheduler_claim(struct scheduler *scheduler, uint64_t message_id, uint64_t user_id)
{
	struct ready_row row = {.message_id = message_id, .user_id = user_id, .priority = 1};
	struct entry *entry;

	scheduler_forget(scheduler, message_id);
	if (scheduler_find(scheduler, message_id) != NULL)
		return NULL;
	entry = scheduler_new_entry(scheduler, &row);
	scheduler_enter(scheduler, entry, ENTRY_SENDING);
	entry->attempt = scheduler->next_attempt++;
	return entry;
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
	uint64_t *ids;
	size_t count = 0;

	LIST_EACH (&scheduler->sending, at)
		count++;
	ids = xcalloc(count + 1, sizeof(*ids));
	*count_out = count;
	LIST_EACH (&scheduler->sending, at)
		ids[--count] = LIST_ENTRY(at, struct entry, link)->id;
	qsort(ids, *count_out, sizeof(*ids), compare_ids);
	return ids;
}

struct routes *
scheduler_routes(struct scheduler *scheduler)
{
	return &scheduler->routes;
}

static const struct scheduler_limits limits_in_force = {.ready = 20000, .flow = 2000, .read = 128};

void
scheduler_set_limits(struct scheduler *scheduler, const struct scheduler_limits *limits)
{
	scheduler->limits = *limits;
}

static const struct refill_callbacks refill_callbacks = {
    .on_window = scheduler_on_window,
    .on_flows = scheduler_on_flows,
    .on_woken = on_woken,
    .on_loaded = on_loaded,
};

struct scheduler *
scheduler_new(struct role_context *role, struct storage *storage,
    const struct scheduler_callbacks *callbacks, void *ctx)
{
	struct scheduler *scheduler = xcalloc(1, sizeof(*scheduler));

	scheduler->role = role;
	list_init(&scheduler->sending);
	list_init(&scheduler->parked);
	scheduler->storage = storage;
	scheduler->callbacks = *callbacks;
	scheduler->ctx = ctx;
	scheduler->limits = limits_in_force;
	scheduler->clock_offset_ms = loop_wall_ms(role->loop) - loop_now_ms(role->loop);
	/* Larger than any of an earlier start. */
	scheduler->next_attempt = ((uint64_t)storage_epoch(storage) << 32) + 1;
	scheduler->routes = (struct routes){.role = role,
	    .storage = storage,
	    .first_attempt = scheduler->next_attempt,
	    .on_user_moved = scheduler_on_user_moved,
	    .on_new_profile = scheduler_on_new_profile,
	    .on_profile_changed = scheduler_on_profile_changed,
	    .on_complete = scheduler_on_routes_complete,
	    .on_unrouted = scheduler_on_unrouted,
	    .ctx = scheduler};
	routes_init(&scheduler->routes);
	scheduler->orphans = orphans_new(role, storage, &scheduler->routes);
	scheduler->refill = refill_new(role->loop, storage, &refill_callbacks, scheduler);
	scheduler_read_book(scheduler);
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
	scheduler_free_senders(scheduler);
	refill_free(scheduler->refill);
	orphans_free(scheduler->orphans);
	routes_fini(&scheduler->routes);
	free(scheduler);
}
