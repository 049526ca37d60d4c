/* upstream - an upstream's settings, and which connection takes which message. */
#include "daemon/relay/upstream.h"

#include "common/xalloc.h"
#include "daemon/relay/capture.h"
#include "daemon/relay/capture_delivery.h"
#include "daemon/relay/upstream_private.h"

#include <stdlib.h>

#define FETCH_MS (10 * 1000) /* accounts' answer */
#define FETCH_AGAIN_MS 1000  /* after none came */

/* ---- what waits ---- */

/* One that is given back finds its old place: attempts are numbered as they come. */
static bool
goes_before(const struct delivery *one, const struct delivery *other)
{
	if (one->priority != other->priority)
		return one->priority < other->priority;
	return one->attempt < other->attempt;
}

void
upstream_wait(struct upstream *upstream, struct delivery *delivery)
{
	struct list *position = upstream->waiting.prev;

	while (position != &upstream->waiting &&
	       goes_before(delivery, LIST_ENTRY(position, struct delivery, link)))
		position = position->prev;
	list_insert_after(position, &delivery->link);
	delivery->is_waiting = true;
	upstream->waiting_count++;
}

struct delivery *
upstream_first_waiting(const struct upstream *upstream)
{
	if (upstream->waiting_count == 0)
		return NULL;
	return LIST_ENTRY(upstream->waiting.next, struct delivery, link);
}

static void
leave_waiting(struct upstream *upstream, struct delivery *delivery)
{
	list_remove(&delivery->link);
	delivery->is_waiting = false;
	upstream->waiting_count--;
}

struct delivery *
upstream_take_waiting(struct upstream *upstream)
{
	struct delivery *first = upstream_first_waiting(upstream);

	if (first == NULL)
		return NULL;
	leave_waiting(upstream, first);
	return first;
}

void
upstream_fail_waiting(struct upstream *upstream, const struct verdict *verdict,
    const struct reply *reply, const char *reason, const struct channel_facts *facts)
{
	struct delivery *delivery;

	while ((delivery = upstream_take_waiting(upstream)) != NULL)
		delivery_fail(delivery, verdict, reply, reason, facts);
}

void
upstream_put_off(struct upstream *upstream, const struct verdict *verdict,
    const struct reply *reply, const char *reason, const struct channel_facts *facts)
{
	LIST_EACH_SAFE (&upstream->slots, at, next) {
		struct slot *slot = LIST_ENTRY(at, struct slot, link);

		slot->is_last_message = true;
		if (slot->delivery == NULL && !slot->is_opening && channel_is_ready(slot->channel))
			slot_finish(slot);
	}
	upstream->is_followed = false;
	upstream_fail_waiting(upstream, verdict, reply, reason, facts);
}

static void
fail_misconfigured(struct upstream *upstream, const char *reason)
{
	const struct verdict verdict = classify_own(ATTEMPT_MISCONFIGURED);
	const struct reply none = {0};

	upstream_fail_waiting(upstream, &verdict, &none, reason, NULL);
}

/* ---- who takes it ---- */

static void
use_idle_slots(struct upstream *upstream)
{
	LIST_EACH_SAFE (&upstream->slots, at, next) {
		struct slot *slot = LIST_ENTRY(at, struct slot, link);

		if (upstream->waiting_count == 0)
			return;
		if (slot->delivery == NULL && channel_is_ready(slot->channel))
			slot_begin(slot, upstream_take_waiting(upstream));
	}
}

static void
capture(struct upstream *upstream, struct delivery *delivery)
{
	delivery_set_sender(delivery, upstream->profile->envelope_sender);
	capture_delivery_start(
	    delivery, upstream_loop(upstream), upstream->set->settings.pool, upstream->profile);
}

static void
capture_waiting(struct upstream *upstream)
{
	struct reworks *reworks = upstream->set->settings.reworks;
	struct delivery *delivery;

	while ((delivery = upstream_take_waiting(upstream)) != NULL) {
		if (!rework_is_needed(reworks, delivery, upstream->profile, false)) {
			capture(upstream, delivery);
			continue;
		}
		upstream->reworked_count++;
		rework_start(reworks, delivery, upstream->profile, false, upstream_on_rework);
	}
}

void
upstream_fail_absent(struct delivery *delivery)
{
	struct verdict verdict = classify_own(ATTEMPT_UNREACHABLE);

	verdict.is_alerted = true; /* it is our own trouble, and does not pass by waiting */
	delivery_fail(delivery, &verdict, NULL,
	    "the mime process, which changes messages as the profile asks, does not run", NULL);
}

static void
go_on_without_slot(struct upstream *upstream, struct delivery *delivery, enum rework_end end)
{
	upstream->reworked_count--;
	if (end == REWORK_SETTLED) {
		delivery_end(delivery, NULL, true);
	} else if (end == REWORK_ABSENT) {
		upstream_fail_absent(delivery);
	} else if (upstream->profile == NULL ||
		   !rework_suits(delivery->rework, upstream->profile, false)) {
		delivery_cancelled(delivery, "the profile was changed");
	} else if (upstream->profile->capture[0] != '\0') {
		capture(upstream, delivery);
	} else {
		upstream_wait(upstream, delivery);
		upstream_dispatch(upstream);
	}
}

void
upstream_on_rework(struct delivery *delivery, enum rework_end end)
{
	struct slot *slot = delivery->slot;

	if (slot == NULL)
		go_on_without_slot(delivery->upstream, delivery, end);
	else
		slot_go_on(slot, delivery, end);
}

/* ---- settings ---- */

static void
on_profile(const union message *answer, void *ctx)
{
	struct upstream *upstream = ctx;

	upstream->fetch = 0;
	if (answer == NULL) {
		timer_set(upstream->again, FETCH_AGAIN_MS);
		return;
	}
	if (answer->profile.profile_id == 0 || answer->profile.is_gone) {
		fail_misconfigured(upstream, "the profile was removed");
		return;
	}
	profile_release(upstream->profile);
	upstream->profile = profile_new(&answer->profile, &upstream->set->settings.surroundings);
	upstream_set_bandwidth(upstream, upstream->profile->bandwidth);
	connects_set(&upstream->connects, &upstream->profile->connection_rate,
	    loop_now_ms(upstream_loop(upstream)));
	upstream_dispatch(upstream);
}

static void
fetch(struct upstream *upstream)
{
	struct link *accounts = role_link(upstream->set->settings.role, ROLE_ACCOUNTS, 0);
	struct msg_profile_get get = {.profile_id = upstream->profile_id, .name = ""};

	if (upstream->fetch != 0 || accounts == NULL)
		return; /* upstreams_on_accounts() comes here again */
	upstream->fetch =
	    link_request(accounts, MSG_PROFILE_GET, &get, FETCH_MS, on_profile, upstream);
}

void
upstream_dispatch(struct upstream *upstream)
{
	if (upstream->waiting_count == 0 || upstream->set->is_draining)
		return;
	if (upstream->profile == NULL) {
		fetch(upstream);
	} else if (upstream->profile->problem != NULL) {
		fail_misconfigured(upstream, upstream->profile->problem);
	} else if (upstream->profile->capture[0] != '\0') {
		capture_waiting(upstream);
	} else {
		use_idle_slots(upstream);
		upstream_open_slots(upstream);
	}
}

static void
on_again(void *ctx)
{
	upstream_dispatch(ctx);
}

static void
on_move(void *ctx)
{
	upstream_move(ctx);
}

static struct upstream *
find(struct upstreams *upstreams, uint64_t profile_id)
{
	LIST_EACH (&upstreams->all, at) {
		struct upstream *upstream = LIST_ENTRY(at, struct upstream, link);

		if (upstream->profile_id == profile_id)
			return upstream;
	}
	return NULL;
}

static struct upstream *
make(struct upstreams *upstreams, uint64_t profile_id)
{
	struct upstream *upstream = xcalloc(1, sizeof(*upstream));

	upstream->set = upstreams;
	upstream->profile_id = profile_id;
	list_init(&upstream->waiting);
	list_init(&upstream->slots);
	upstream->again = timer_new(upstream_loop(upstream), on_again, upstream);
	upstream->next_connect = timer_new(upstream_loop(upstream), on_again, upstream);
	upstream->move = timer_new(upstream_loop(upstream), on_move, upstream);
	pace_init(&upstream->pace);
	list_append(&upstreams->all, &upstream->link);
	return upstream;
}

/* The settings changed: no transaction begins with the old ones. */
static void
forget_profile(struct upstream *upstream)
{
	LIST_EACH_SAFE (&upstream->slots, at, next) {
		struct slot *slot = LIST_ENTRY(at, struct slot, link);

		slot->is_last_message = true;
		if (slot->delivery != NULL)
			delivery_forget_account(slot->delivery);
		if (slot->is_opening)
			slot_abandon(slot);
		else if (slot->delivery == NULL && channel_is_ready(slot->channel))
			slot_finish(slot);
	}
	profile_release(upstream->profile);
	upstream->profile = NULL;
	upstream->messages_taken = 0;
	upstream->ahead_at_ms = 0;
	timer_stop(upstream->again);
}

static void
free_upstream(struct upstream *upstream)
{
	struct link *accounts = role_link(upstream->set->settings.role, ROLE_ACCOUNTS, 0);

	if (upstream->fetch != 0 && accounts != NULL)
		link_cancel(accounts, upstream->fetch);
	forget_profile(upstream);
	LIST_EACH_SAFE (&upstream->slots, at, next)
		slot_abandon(LIST_ENTRY(at, struct slot, link));
	list_remove(&upstream->link);
	timer_free(upstream->again);
	timer_free(upstream->next_connect);
	timer_free(upstream->move);
	free(upstream);
}

/* ---- for the role ---- */

struct upstreams *
upstreams_new(const struct upstreams_settings *settings)
{
	struct upstreams *upstreams = xcalloc(1, sizeof(*upstreams));

	upstreams->settings = *settings;
	list_init(&upstreams->all);
	return upstreams;
}

void
upstreams_free(struct upstreams *upstreams)
{
	LIST_EACH_SAFE (&upstreams->all, at, next)
		free_upstream(LIST_ENTRY(at, struct upstream, link));
	free(upstreams);
}

void
upstreams_set_surroundings(
    struct upstreams *upstreams, const struct profile_surroundings *surroundings)
{
	upstreams->settings.surroundings = *surroundings;
	LIST_EACH (&upstreams->all, at) {
		forget_profile(LIST_ENTRY(at, struct upstream, link));
		upstream_dispatch(LIST_ENTRY(at, struct upstream, link));
	}
}

void
upstreams_on_accounts(struct upstreams *upstreams)
{
	/* What changed while accounts was away was said to nobody. */
	LIST_EACH (&upstreams->all, at) {
		forget_profile(LIST_ENTRY(at, struct upstream, link));
		upstream_dispatch(LIST_ENTRY(at, struct upstream, link));
	}
}

void
upstreams_on_stale(struct upstreams *upstreams, uint64_t profile_id, bool is_gone)
{
	struct upstream *upstream = find(upstreams, profile_id);

	if (upstream == NULL)
		return;
	forget_profile(upstream);
	if (is_gone && upstream->waiting_count == 0 && upstream->slot_count == 0 &&
	    upstream->reworked_count == 0) {
		free_upstream(upstream);
		return;
	}
	if (upstream->slot_count > 0)
		fetch(upstream); /* what is on its way goes at the new pace */
	upstream_dispatch(upstream);
}

void
upstreams_deliver(struct upstreams *upstreams, struct delivery *delivery)
{
	struct upstream *upstream = find(upstreams, delivery->profile_id);

	if (upstreams->is_draining) {
		delivery_cancelled(delivery, "the relay is stopping");
		return;
	}
	if (upstream == NULL)
		upstream = make(upstreams, delivery->profile_id);
	upstream_wait(upstream, delivery);
	upstream->has_urgent |= delivery->priority <= URGENT;
	upstream->is_followed = delivery->is_followed;
	delivery->upstream = upstream;
	upstream_dispatch(upstream);
}

void
upstreams_on_body(struct delivery *delivery)
{
	if (delivery->capture != NULL)
		capture_delivery_continue(delivery);
	else if (delivery->slot != NULL && channel_takes_body(delivery->slot->channel))
		slot_move_body(delivery->slot);
}

bool
upstreams_cancel(struct delivery *delivery, const char *reason)
{
	struct slot *slot = delivery->slot;
	struct upstream *upstream = delivery->upstream;

	if (slot != NULL && channel_is_past_dot(slot->channel))
		return false;
	if (delivery->capture != NULL && capture_is_finishing(delivery->capture))
		return false;
	if (slot != NULL)
		slot_abandon(slot);
	else if (delivery->capture != NULL)
		capture_delivery_stop(delivery);
	else if (delivery->is_waiting)
		leave_waiting(upstream, delivery);
	else
		upstream->reworked_count--;
	delivery_cancelled(delivery, reason);
	timer_set(upstream->again, 0); /* the others go on in a later turn */
	return true;
}

void
upstreams_give_up(struct delivery *delivery)
{
	struct slot *slot = delivery->slot;
	struct client_transaction *transaction = &delivery->transaction;

	transaction->verdict = classify_loss(PHASE_DOT);
	reply_set(&transaction->reply, 0, "",
	    "The relay stopped before the upstream answered the final dot");
	slot_give_transcript(slot, delivery);
	delivery_end(delivery, channel_facts(slot->channel), slot->sent_count > 0);
	slot_abandon(slot);
}

void
upstreams_drain(struct upstreams *upstreams)
{
	upstreams->is_draining = true;
	LIST_EACH (&upstreams->all, at)
		forget_profile(LIST_ENTRY(at, struct upstream, link));
}
