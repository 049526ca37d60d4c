/*
 * scheduler_relay - the relay comes, says what it has in flight, and goes; what it had and does not
 * know any more may have been sent
 */
#include "common/xalloc.h"
#include "daemon/queue/scheduler_private.h"

#include <stdlib.h>

/* More attempts than all profiles together have at once. */
#define LISTED_MAX 100000u

void
scheduler_add_relay(struct scheduler *scheduler, struct link *link)
{
	scheduler->relay = link;
	scheduler->is_relay_ready = false;
	scheduler->listed_count = 0;
	IDMAP_EACH(&scheduler->entries, slot)
	((struct entry *)slot->object)->is_listed = false;
}

void
scheduler_drop_relay(struct scheduler *scheduler, struct link *link)
{
	if (scheduler->relay != link)
		return;
	scheduler->relay = NULL;
	scheduler->is_relay_ready = false;
}

/* Relay has it since before this queue's start, or it is one of ours. */
static void
note_listed(struct scheduler *scheduler, const struct rec_attempt *attempt)
{
	struct entry *entry = scheduler_find(scheduler, attempt->message_id);

	if (entry == NULL) {
		struct ready_row row = {.message_id = attempt->message_id, .priority = 1};

		entry = scheduler_new_entry(scheduler, &row);
		scheduler_enter(scheduler, entry, ENTRY_SENDING);
		entry->attempt = attempt->attempt;
		entry->was_handed_over = true;
	}
	if (entry->attempt == attempt->attempt)
		entry->is_listed = true;
}

/* What relay had and does not know any more: it died. */
static void
settle_lost(struct scheduler *scheduler)
{
	struct entry **lost = xcalloc(scheduler->entries.count + 1, sizeof(struct entry *));
	size_t count = 0;

	IDMAP_EACH(&scheduler->entries, slot)
	{
		struct entry *entry = slot->object;

		if (entry->state == ENTRY_SENDING && !entry->is_listed)
			lost[count++] = entry;
	}
	for (size_t i = 0; i < count; i++) {
		if (lost[i]->was_handed_over)
			scheduler->callbacks.on_uncertain(lost[i], scheduler->ctx);
		else
			scheduler_return(scheduler, lost[i]);
	}
	free(lost);
}

/* It may list what it was given, once, at the beginning. */
static bool
is_possible(const struct scheduler *scheduler, const struct msg_in_flight *in_flight)
{
	struct msg_list list = in_flight->attempts;
	struct rec_attempt attempt;

	if (scheduler->is_relay_ready || list.count > LISTED_MAX - scheduler->listed_count)
		return false;
	while (message_list_next(&list, REC_ATTEMPT, &attempt))
		if (attempt.message_id == 0 || attempt.attempt == 0 ||
		    attempt.attempt >= scheduler->next_attempt)
			return false;
	return true;
}

bool
scheduler_in_flight(struct scheduler *scheduler, const struct msg_in_flight *in_flight)
{
	struct msg_list list = in_flight->attempts;
	struct rec_attempt attempt;

	if (!is_possible(scheduler, in_flight))
		return false;
	scheduler->listed_count += list.count;
	while (message_list_next(&list, REC_ATTEMPT, &attempt))
		note_listed(scheduler, &attempt);
	if (!in_flight->is_last)
		return true;
	settle_lost(scheduler);
	scheduler->is_relay_ready = true;
	scheduler_pump_all(scheduler);
	return true;
}

struct link *
scheduler_relay(const struct scheduler *scheduler)
{
	return scheduler->relay;
}
