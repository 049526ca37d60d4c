/*
 * upstream_open - when an upstream has one more connection: for what waits, and ahead of it, when one
 * that is in use will soon have had as many messages as it may.
 */
#include "daemon/relay/upstream_private.h"

#include <limits.h>

#define AHEAD_AGAIN_MS (60 * 60 * 1000) /* after one that was opened ahead was refused */

/* The first is always worth a try: without one, queue could not be told what is wrong. */
static bool
may_open(struct upstream *upstream)
{
	int64_t wait_ms =
	    connects_wait_ms(&upstream->connects, loop_now_ms(upstream_loop(upstream)));

	if (wait_ms > 0) {
		timer_set(upstream->next_connect, wait_ms);
		return false;
	}
	if (upstream->slot_count == 0)
		return true;
	return upstream->slot_count < upstream->profile->connections &&
	       !timer_is_set(upstream->again);
}

/* Connections that are opening already may take long, and began for others. */
static bool
owes_connection(struct upstream *upstream)
{
	const struct delivery *first = upstream_first_waiting(upstream);
	bool is_owed = upstream->has_urgent && first != NULL && first->priority <= URGENT;

	upstream->has_urgent = false;
	return is_owed;
}

void
upstream_open_slots(struct upstream *upstream)
{
	bool is_owed = owes_connection(upstream);

	for (; upstream->opening_count < upstream->waiting_count && may_open(upstream);
	     is_owed = false)
		slot_open(upstream);
	if (is_owed && may_open(upstream))
		slot_open(upstream);
}

/* ---- ahead ---- */

/* Its last messages take no longer than a new connection until it is ready. A message that is the
 * first on it says nothing yet of how long they take. */
static bool
is_near_its_end(const struct slot *slot)
{
	const struct channel_facts *facts = channel_facts(slot->channel);
	unsigned left = slot_places_behind(slot, slot->sent_count + 1);

	if (left == 0 || left == UINT_MAX || slot->sent_count == 0)
		return left == 0;
	return slot->sending_ms / slot->sent_count * left <= facts->connect_ms + facts->tls_ms;
}

/* Those that are free between two messages don't count: something follows. */
static bool
has_spare(const struct upstream *upstream)
{
	LIST_EACH (&upstream->slots, at) {
		const struct slot *slot = LIST_ENTRY(at, struct slot, link);

		if (slot->delivery == NULL && slot->sent_count == 0 &&
		    channel_is_ready(slot->channel))
			return true;
	}
	return false;
}

void
upstream_note_refused_ahead(struct upstream *upstream)
{
	upstream->ahead_at_ms = loop_now_ms(upstream_loop(upstream)) + AHEAD_AGAIN_MS;
}

/* No message waits that could fail for it. There is none on its way either if queue had no more: then
 * the next one finds out. */
void
upstream_tell_refused_ahead(
    struct upstream *upstream, const struct client_end *end, const char *reason)
{
	if (!reply_class_is_account(end->verdict.class))
		return;
	LIST_EACH (&upstream->slots, at) {
		struct delivery *delivery = LIST_ENTRY(at, struct slot, link)->delivery;

		if (delivery != NULL) {
			delivery_note_account(delivery, &end->verdict, &end->reply, reason);
			return;
		}
	}
}

void
upstream_open_ahead(struct upstream *upstream, const struct slot *ending)
{
	if (!upstream->is_followed || !is_near_its_end(ending) || ending->is_last_message ||
	    loop_now_ms(upstream_loop(upstream)) < upstream->ahead_at_ms)
		return;
	/* One at a time: queue counts on no more. */
	if (upstream->opening_count <= upstream->waiting_count && !has_spare(upstream) &&
	    may_open(upstream))
		slot_open(upstream);
}
