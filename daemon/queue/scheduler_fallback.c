/*
 * scheduler_fallback - flows go to their profile's fallback and come back; what may have been sent
 * already waits for its own
 */
#include "daemon/queue/scheduler_private.h"

/* ---- what may have been sent ---- */

static bool
may_have_been_sent(const struct mail *mail)
{
	uint32_t round = mail_round(mail);

	for (uint32_t i = 0; i < mail->recipient_count; i++)
		if (mail->recipients[i].state == RECIPIENT_UNCERTAIN &&
		    recipient_is_due(&mail->recipients[i], round))
			return true;
	return false;
}

bool
scheduler_waits_for_its_own(const struct scheduler *scheduler, const struct entry *entry)
{
	return entry->profile != routes_own_of(&scheduler->routes, entry->user_id) &&
	       may_have_been_sent(entry->mail);
}

void
scheduler_return_parked(struct scheduler *scheduler)
{
	struct list all, *first;

	list_init(&all);
	while ((first = list_take_first(&scheduler->parked)) != NULL)
		list_append(&all, first);
	while ((first = list_take_first(&all)) != NULL)
		scheduler_ready_again(scheduler, LIST_ENTRY(first, struct entry, link), 0);
}

/* ---- flows ---- */

static bool
has_mail(const struct sender *sender)
{
	for (int i = 0; i < PRIORITIES; i++)
		if (sender->flows[i].window.count > 0 || sender->flows[i].has_more)
			return true;
	return false;
}

/* One whose mail goes ahead and looks whether the profile works again; 0: nobody has any. */
static uint64_t
find_scout(const struct scheduler *scheduler, const struct profile *profile)
{
	LIST_EACH (&scheduler->parked, at) {
		const struct entry *entry = LIST_ENTRY(at, struct entry, link);

		if (routes_own_of(&scheduler->routes, entry->user_id) == profile)
			return entry->user_id;
	}
	IDMAP_EACH(&scheduler->senders, slot)
	{
		const struct sender *sender = slot->object;

		if (routes_own_of(&scheduler->routes, sender->user_id) == profile &&
		    has_mail(sender))
			return sender->user_id;
	}
	return 0;
}

static void
move(struct scheduler *scheduler, uint64_t flow_id)
{
	struct sender *sender = idmap_get(&scheduler->senders, flow_id);
	struct profile *to = routes_of_user(&scheduler->routes, flow_id);

	if (sender == NULL || sender->profile == to)
		return;
	scheduler_move(scheduler, sender, to);
	if (to != NULL)
		scheduler_pump(scheduler, to);
}

/* When its time has come one flow goes back; when that was in vain it follows the others again. */
static void
look_whether_it_works(struct scheduler *scheduler, struct profile *profile)
{
	uint64_t scout = profile->probe_flow;
	const struct sender *sender;

	if (profile_width(&scheduler->routes, profile) == 0) {
		profile->probe_flow = 0;
		if (scout != 0)
			move(scheduler, scout);
		return;
	}
	sender = scout == 0 ? NULL : idmap_get(&scheduler->senders, scout);
	if (profile->out > 0 || (sender != NULL && has_mail(sender)))
		return;
	profile->probe_flow = find_scout(scheduler, profile);
	if (profile->probe_flow == 0)
		return;
	move(scheduler, profile->probe_flow);
	scheduler_return_parked(scheduler);
}

/* Who has something new looks, if it is time and nobody does. */
void
scheduler_send_scout(struct scheduler *scheduler, uint64_t flow_id)
{
	struct profile *own = routes_own_of(&scheduler->routes, flow_id);

	if (own == NULL || !own->is_diverted || own->trouble == TROUBLE_NONE ||
	    own->probe_flow != 0 || own->out > 0 || profile_width(&scheduler->routes, own) == 0)
		return;
	own->probe_flow = flow_id;
	move(scheduler, flow_id);
}

void
scheduler_look_at_fallback(struct scheduler *scheduler, struct profile *profile)
{
	if (!scheduler->routes.is_complete)
		return;
	if (routes_look_at_fallback(&scheduler->routes, profile)) {
		scheduler_move_all(scheduler);
		scheduler_return_parked(scheduler);
		scheduler_pump_all(scheduler);
	}
	if (profile->is_diverted && profile->trouble != TROUBLE_NONE)
		look_whether_it_works(scheduler, profile);
}

void
scheduler_watch_fallbacks(struct scheduler *scheduler)
{
	IDMAP_EACH(&scheduler->routes.profiles, slot)
	{
		struct profile *profile = slot->object;

		if (profile->fallback_id != 0 || profile->is_diverted)
			scheduler_look_at_fallback(scheduler, profile);
	}
}
