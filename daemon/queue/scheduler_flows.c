/*
 * scheduler_flows - what is ready: of each user and priority the oldest in memory, the rest on disk
 *
 * What a flow has in memory are the first of its ready messages by id, which stands for age: all up
 * to `after`, or all there are unless it has_more. So a message is taken into memory when it comes to
 * stand in that part and there is room; otherwise `after` moves back before it, and it is read when
 * its turn comes.
 */
#include "common/err.h"
#include "common/xalloc.h"
#include "daemon/queue/scheduler_private.h"

#include <stdlib.h>

#define READ_COUNT_LEAST 4
/* It is read on when so much of a reading is left. */
#define LOW_WATER_PART 4
/* Flows of a ring that are read at a time when nothing of them is in memory. */
#define READS_AHEAD 4

/* ---- senders ---- */

static bool
is_resting(const struct flow *flow)
{
	return flow->where == FLOW_IDLE && flow->window.count == 0 && !flow->has_more &&
	       !flow->is_loading;
}

static void
free_if_idle(struct sender *sender)
{
	for (int i = 0; i < PRIORITIES; i++)
		if (!is_resting(&sender->flows[i]))
			return;
	(void)idmap_remove(&sender->scheduler->senders, sender->user_id);
	free(sender);
}

static struct sender *
sender_of(struct scheduler *scheduler, const struct flow *flow)
{
	return idmap_get(&scheduler->senders, flow->user_id);
}

void
scheduler_on_idle(struct flow *flow, void *ctx)
{
	free_if_idle(sender_of(ctx, flow));
}

static struct sender *
new_sender(struct scheduler *scheduler, uint64_t user_id)
{
	struct sender *sender = xcalloc(1, sizeof(*sender));

	sender->scheduler = scheduler;
	sender->user_id = user_id;
	sender->profile = routes_of_user(&scheduler->routes, user_id);
	for (int i = 0; i < PRIORITIES; i++) {
		flow_init(&sender->flows[i], user_id, (uint8_t)(i + 1));
		if (sender->profile != NULL)
			sender->flows[i].ring = &sender->profile->rings[i];
	}
	idmap_put(&scheduler->senders, user_id, sender);
	return sender;
}

static struct flow *
flow_of(struct scheduler *scheduler, uint64_t user_id, uint8_t priority)
{
	struct sender *sender = idmap_get(&scheduler->senders, user_id);

	if (sender == NULL)
		sender = new_sender(scheduler, user_id);
	return &sender->flows[priority - 1];
}

void
scheduler_free_senders(struct scheduler *scheduler)
{
	IDMAP_EACH(&scheduler->senders, slot)
	free(slot->object);
	idmap_fini(&scheduler->senders);
}

/* ---- memory and disk ---- */

/* This message is on disk only. */
static void
spill(struct flow *flow, uint64_t message_id)
{
	uint64_t *after = flow->is_loading ? &flow->spilled : &flow->after;
	bool *holds = flow->is_loading ? &flow->is_spilled : &flow->has_more;

	if (!*holds || message_id <= *after)
		*after = message_id - 1;
	*holds = true;
	flow->has_more = true;
}

/* The same of one that may have to go before some that are in memory. */
static void
spill_amid(struct flow *flow, uint64_t message_id)
{
	const struct entry *youngest = window_youngest(&flow->window);

	spill(flow, message_id);
	if (youngest == NULL || message_id >= youngest->id)
		return;
	flow->has_gap = true;
	flow->has_late_gap |= flow->is_loading;
}

static void
remove_ready(struct scheduler *scheduler, struct entry *entry)
{
	window_remove(&entry->flow->window, entry);
	entry->flow = NULL;
	scheduler->ready_count--;
}

static struct flow *
find_largest(const struct scheduler *scheduler)
{
	struct flow *largest = NULL;

	IDMAP_EACH(&scheduler->senders, slot)
	for (int i = 0; i < PRIORITIES; i++) {
		struct flow *flow = &((struct sender *)slot->object)->flows[i];

		if (largest == NULL || flow->window.count > largest->window.count)
			largest = flow;
	}
	return largest;
}

/* The younger half of the largest window goes to disk. */
static void
shed(struct scheduler *scheduler)
{
	struct flow *largest = find_largest(scheduler);

	ensure(largest != NULL);
	for (uint32_t left = largest->window.count / 2; largest->window.count > left;) {
		struct entry *youngest = window_youngest(&largest->window);

		spill(largest, youngest->id);
		remove_ready(scheduler, youngest);
		scheduler_free_entry(scheduler, youngest);
	}
	flow_place(largest);
}

/* Whether the message belongs into the flow's window, room or not. */
static bool
is_within_window(const struct flow *flow, uint64_t message_id)
{
	if (flow->is_loading && flow->is_spilled && message_id > flow->spilled)
		return false;
	return !flow->has_more || message_id <= flow->after;
}

static bool
make_room(struct scheduler *scheduler, const struct flow *flow)
{
	if (flow->window.count >= scheduler->limits.flow)
		return false;
	if (scheduler->ready_count < scheduler->limits.ready)
		return true;
	/* Whoever has nothing here is not kept out by those who have much. */
	if (flow->window.count > 0)
		return false;
	shed(scheduler);
	return true;
}

/* Whether the message may be put into the flow's window; if not it is noted as on disk only. */
static bool
is_welcome(struct scheduler *scheduler, struct flow *flow, uint64_t message_id)
{
	if (flow->ring != NULL && is_within_window(flow, message_id) && make_room(scheduler, flow))
		return true;
	spill_amid(flow, message_id);
	flow_place(flow);
	return false;
}

static void
put_ready(struct scheduler *scheduler, struct flow *flow, struct entry *entry)
{
	scheduler_enter(scheduler, entry, ENTRY_READY);
	entry->flow = flow;
	window_insert(&flow->window, entry);
	scheduler->ready_count++;
	flow_place(flow);
}

struct entry *
scheduler_admit(struct scheduler *scheduler, const struct ready_row *row)
{
	struct flow *flow;
	struct entry *entry;

	if (row->priority < 1 || row->priority > PRIORITIES || row->user_id == 0)
		return NULL;
	scheduler_send_scout(scheduler, row->user_id);
	flow = flow_of(scheduler, row->user_id, row->priority);
	if (!is_welcome(scheduler, flow, row->message_id))
		return NULL;
	entry = scheduler_new_entry(scheduler, row);
	put_ready(scheduler, flow, entry);
	return entry;
}

void
scheduler_leave_to_disk(struct scheduler *scheduler, struct entry *entry)
{
	/* Of what an earlier start had sent not even the user is known. */
	if (entry->user_id == 0) {
		scheduler_look_everywhere(scheduler);
	} else {
		struct flow *flow = flow_of(scheduler, entry->user_id, entry->priority);

		spill_amid(flow, entry->id);
		flow_place(flow);
	}
	scheduler_free_entry(scheduler, entry);
}

void
scheduler_readmit(struct scheduler *scheduler, struct entry *entry, uint64_t refund)
{
	struct flow *flow = flow_of(scheduler, entry->user_id, entry->priority);

	struct profile *now = sender_of(scheduler, flow)->profile, *before = entry->profile;

	if (is_welcome(scheduler, flow, entry->id)) {
		put_ready(scheduler, flow, entry);
		flow_refund(flow, refund);
	} else {
		scheduler_free_entry(scheduler, entry);
	}
	/* Its user has moved meanwhile. */
	if (now != NULL && now != before)
		scheduler_pump(scheduler, now);
}

/* ---- from disk ---- */

/* What is read of a flow at a time: with many users less, so that all of theirs takes half of the
 * room. */
static uint32_t
read_count(const struct scheduler *scheduler)
{
	size_t count = scheduler->limits.ready / (2 * (scheduler->senders.count + 1));

	if (count > scheduler->limits.read)
		return scheduler->limits.read;
	return count < READ_COUNT_LEAST ? READ_COUNT_LEAST : (uint32_t)count;
}

static void
read_on(struct scheduler *scheduler, struct flow *flow)
{
	flow->is_loading = true;
	flow->is_spilled = flow->has_late_gap = false;
	refill_window(
	    scheduler->refill, flow->user_id, flow->priority, flow->after, read_count(scheduler));
}

/* What went to disk while it was being asked counts now. */
static void
note_unread(struct flow *flow)
{
	flow->is_loading = false;
	if (!flow->is_spilled)
		return;
	if (!flow->has_more || flow->spilled < flow->after)
		flow->after = flow->spilled;
	flow->has_more = true;
}

/* Where the flow's window ends now. */
static void
note_read(struct flow *flow, const struct window_job *job)
{
	flow->has_more = job->has_more_out;
	if (job->row_count_out > 0)
		flow->after = job->rows_out[job->row_count_out - 1].message_id;
	flow->has_gap = flow->has_late_gap;
	note_unread(flow);
}

static void
take_row(struct scheduler *scheduler, struct flow *flow, const struct ready_row *row)
{
	uint64_t id = row->message_id;

	if (scheduler_find(scheduler, id) != NULL || !is_within_window(flow, id))
		return;
	if (scheduler->ready_count >= scheduler->limits.ready)
		shed(scheduler);
	/* This flow may have been the largest itself. */
	if (is_within_window(flow, id))
		put_ready(scheduler, flow, scheduler_new_entry(scheduler, row));
}

void
scheduler_on_window(const struct window_job *job, void *ctx)
{
	struct scheduler *scheduler = ctx;
	struct sender *sender = idmap_get(&scheduler->senders, job->user_id);
	struct flow *flow = &sender->flows[job->priority - 1];
	struct profile *profile;

	/* Without a way out nothing of it is kept; it is read once it has one. */
	if (flow->ring == NULL || job->job.outcome != JOB_DONE) {
		note_unread(flow);
		return;
	}
	note_read(flow, job);
	for (uint32_t i = 0; i < job->row_count_out; i++)
		take_row(scheduler, flow, &job->rows_out[i]);
	profile = sender->profile;
	flow_place(flow);
	/* It is gone if that was all it had. */
	sender = idmap_get(&scheduler->senders, job->user_id);
	if (sender != NULL)
		free_if_idle(sender);
	scheduler_pump(scheduler, profile);
}

/* The store says that this flow has something ready, from there on. */
static void
note_mail(struct scheduler *scheduler, const struct flow_row *row)
{
	struct flow *flow;

	if (row->priority < 1 || row->priority > PRIORITIES || row->user_id == 0)
		return;
	flow = flow_of(scheduler, row->user_id, row->priority);
	spill_amid(flow, row->first_id);
	flow_place(flow);
}

void
scheduler_on_flows(const struct flows_job *job, void *ctx)
{
	struct scheduler *scheduler = ctx;

	for (uint32_t i = 0; i < job->row_count_out; i++)
		note_mail(scheduler, &job->rows_out[i]);
	scheduler->has_all_flows |= job->job.outcome == JOB_DONE && job->row_count_out < job->limit;
	scheduler_pump_all(scheduler);
}

/* ---- turns ---- */

struct entry *
scheduler_next(struct scheduler *scheduler, struct ring *ring)
{
	struct flow *flow;

	while ((flow = ring_unread(ring, READS_AHEAD)) != NULL)
		read_on(scheduler, flow);
	flow = ring_turn(ring);
	return flow == NULL ? NULL : window_oldest(&flow->window);
}

void
scheduler_take(struct scheduler *scheduler, struct entry *entry)
{
	struct flow *flow = entry->flow;

	flow_charge(flow, flow_cost(entry->size, entry->given_count));
	remove_ready(scheduler, entry);
	if (flow->has_more && !flow->is_loading &&
	    flow->window.count < read_count(scheduler) / LOW_WATER_PART &&
	    scheduler->ready_count < scheduler->limits.ready)
		read_on(scheduler, flow);
	flow_place(flow);
}

void
scheduler_forget(struct scheduler *scheduler, uint64_t message_id)
{
	struct entry *entry = scheduler_find(scheduler, message_id);
	struct flow *flow;

	if (entry == NULL || entry->state != ENTRY_READY)
		return;
	flow = entry->flow;
	/* Parked. */
	if (flow == NULL) {
		scheduler_free_entry(scheduler, entry);
		return;
	}
	remove_ready(scheduler, entry);
	scheduler_free_entry(scheduler, entry);
	flow_place(flow);
}

/* ---- other ways ---- */

static void
leave_all_to_disk(struct scheduler *scheduler, struct flow *flow)
{
	struct entry *entry;

	while ((entry = window_oldest(&flow->window)) != NULL) {
		spill(flow, entry->id);
		remove_ready(scheduler, entry);
		scheduler_free_entry(scheduler, entry);
	}
}

void
scheduler_move(struct scheduler *scheduler, struct sender *sender, struct profile *to)
{
	struct profile *from = sender->profile;

	if (from == to)
		return;
	sender->profile = to;
	for (int i = 0; i < PRIORITIES; i++) {
		if (to == NULL)
			leave_all_to_disk(scheduler, &sender->flows[i]);
		flow_move(&sender->flows[i], to == NULL ? NULL : &to->rings[i]);
	}
	free_if_idle(sender);
	/* It may have waited for this user's. */
	if (from != NULL)
		scheduler_pump(scheduler, from);
}

void
scheduler_move_all(struct scheduler *scheduler)
{
	struct sender **all = xcalloc(scheduler->senders.count + 1, sizeof(struct sender *));
	size_t count = 0;

	IDMAP_EACH(&scheduler->senders, slot)
	all[count++] = slot->object;
	for (size_t i = 0; i < count; i++)
		scheduler_move(
		    scheduler, all[i], routes_of_user(&scheduler->routes, all[i]->user_id));
	free(all);
}
