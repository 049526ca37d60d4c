/* upstream - which connection takes which message. */
#include "daemon/relay/upstream.h"

#include "common/log.h"
#include "common/xalloc.h"
#include "daemon/relay/capture.h"
#include "daemon/relay/capture_delivery.h"
#include "daemon/relay/diagnosis.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define IDLE_MS (20 * 1000)         /* a connection is kept so long for the next message */
#define MESSAGES_PER_CONNECTION 100 /* most providers allow so many */
#define FETCH_MS (10 * 1000)        /* accounts' answer */
#define FETCH_AGAIN_MS 1000         /* after none came */
#define OPEN_AGAIN_MS (10 * 1000)   /* after one of several connections was refused */

struct upstreams {
	struct upstreams_settings settings;
	struct list all;
	bool is_draining;
};

struct upstream {
	struct list link;
	struct upstreams *set;
	uint64_t profile_id;
	struct profile *profile; /* NULL: to be fetched */
	uint32_t fetch;          /* the request, 0: none */
	struct list waiting;     /* deliveries, in the order they came */
	size_t waiting_count;
	struct list slots;
	size_t slot_count, opening_count;
	struct timer *again; /* to fetch, or to open more connections */
};

/* A connection and what it carries. */
struct slot {
	struct list link;
	struct upstream *upstream;
	struct channel *channel;
	struct delivery *delivery;
	struct timer *idle;
	unsigned sent_count;
	bool is_opening, is_last_message;
};

static struct loop *
loop_of(const struct upstream *upstream)
{
	return upstream->set->settings.role->loop;
}

/* ---- what waits ---- */

static void
wait_last(struct upstream *upstream, struct delivery *delivery)
{
	list_append(&upstream->waiting, &delivery->link);
	upstream->waiting_count++;
}

static void
wait_first(struct upstream *upstream, struct delivery *delivery)
{
	list_prepend(&upstream->waiting, &delivery->link);
	upstream->waiting_count++;
}

static struct delivery *
take_waiting(struct upstream *upstream)
{
	struct list *first = list_take_first(&upstream->waiting);

	if (first == NULL)
		return NULL;
	upstream->waiting_count--;
	return LIST_ENTRY(first, struct delivery, link);
}

/* Everything that waits shares the problem, so that queue hears of it at once. */
static void
fail_waiting(struct upstream *upstream, enum attempt_outcome outcome, const struct reply *reply,
    const char *reason, const struct channel_facts *facts)
{
	struct delivery *delivery;

	while ((delivery = take_waiting(upstream)) != NULL)
		delivery_fail(delivery, outcome, reply, reason, facts);
}

/* ---- connections ---- */

static void dispatch(struct upstream *upstream);
static void open_slots(struct upstream *upstream);

static void
free_slot(void *object)
{
	struct slot *slot = object;

	timer_free(slot->idle);
	free(slot);
}

/* Out of the upstream's books; its channel has been ended or is about to. */
static void
remove_slot(struct slot *slot)
{
	struct upstream *upstream = slot->upstream;

	list_remove(&slot->link);
	upstream->slot_count--;
	if (slot->is_opening)
		upstream->opening_count--;
	slot->is_opening = false;
	timer_stop(slot->idle);
	loop_free_later(loop_of(upstream), free_slot, slot);
}

static void
finish_slot(struct slot *slot)
{
	channel_finish(slot->channel);
	remove_slot(slot);
}

static void
abandon_slot(struct slot *slot)
{
	channel_close(slot->channel);
	remove_slot(slot);
}

static void
begin(struct slot *slot, struct delivery *delivery)
{
	timer_stop(slot->idle);
	slot->delivery = delivery;
	delivery->slot = slot;
	delivery->begun_at_ms = loop_now_ms(loop_of(slot->upstream));
	channel_send(slot->channel, &delivery->transaction);
}

static void
on_ready(struct channel *channel, void *ctx)
{
	struct slot *slot = ctx;
	struct upstream *upstream = slot->upstream;
	struct delivery *delivery;

	if (slot->is_opening)
		upstream->opening_count--;
	slot->is_opening = false;
	if (slot->is_last_message || slot->sent_count >= MESSAGES_PER_CONNECTION) {
		finish_slot(slot);
		dispatch(upstream);
		return;
	}
	delivery = take_waiting(upstream);
	if (delivery != NULL)
		begin(slot, delivery);
	else if (upstream->set->is_draining)
		finish_slot(slot);
	else
		timer_set(slot->idle, IDLE_MS);
}

static void
on_idle(void *ctx)
{
	finish_slot(ctx);
}

static void
on_body_wanted(struct channel *channel, void *ctx)
{
	struct slot *slot = ctx;

	delivery_pump(slot->delivery, channel);
}

/* A kept connection that the upstream had closed meanwhile: nothing was said, nothing is lost. This
 * ends with a fresh connection at the latest. */
static bool
may_move(const struct slot *slot, const struct client_transaction *transaction)
{
	return slot->sent_count > 0 && !transaction->is_answered && transaction->verdict.is_over &&
	       transaction->phase == PHASE_MAIL && !slot->upstream->set->is_draining;
}

static void
report_problem(struct slot *slot, struct delivery *delivery)
{
	const struct client_transaction *transaction = &delivery->transaction;
	const struct client_end end = {
	    .phase = transaction->phase,
	    .verdict = transaction->verdict,
	    .reply = transaction->reply,
	};
	struct upstream *upstream = slot->upstream;
	const struct channel_facts *facts = channel_facts(slot->channel);
	struct profile *profile = upstream->profile;
	char reason[1000];

	if (profile != NULL)
		(void)diagnosis_reason(profile, &end, reason, sizeof(reason));
	else
		(void)diagnosis_fact(&end, reason, sizeof(reason));
	fail_waiting(upstream, end.verdict.outcome, &end.reply, reason, facts);
	delivery_fail(delivery, end.verdict.outcome, &end.reply, reason, facts);
}

static void
on_done(struct channel *channel, void *ctx)
{
	struct slot *slot = ctx;
	struct delivery *delivery = slot->delivery;

	delivery->slot = NULL;
	if (may_move(slot, &delivery->transaction))
		wait_first(slot->upstream, delivery);
	else if (delivery->transaction.verdict.outcome != ATTEMPT_ATTEMPTED)
		report_problem(slot, delivery);
	else
		delivery_end(delivery, channel_facts(channel), slot->sent_count > 0);
	slot->delivery = NULL;
	slot->sent_count++;
}

static void
log_disconnected(const struct upstream *upstream, const struct client_end *end,
    const struct channel_facts *facts)
{
	struct log_line line;
	char fact[700];

	if (!log_begin(&line, LOG_DEBUG, EVENT_DISCONNECTED, 0))
		return;
	log_text(&line, KEY_PROFILE, upstream->profile != NULL ? upstream->profile->name : "");
	log_text(&line, KEY_UPSTREAM, facts->upstream);
	log_text(&line, KEY_REASON, diagnosis_fact(end, fact, sizeof(fact)));
	log_end(&line);
}

static void
close_opening(struct upstream *upstream)
{
	LIST_EACH_SAFE (&upstream->slots, at, next) {
		struct slot *slot = LIST_ENTRY(at, struct slot, link);

		if (slot->is_opening)
			abandon_slot(slot);
	}
}

/* A connection could not be made. Beside others that work it is one too many. */
static void
on_open_failed(
    struct upstream *upstream, const struct client_end *end, const struct channel_facts *facts)
{
	char reason[1000];

	close_opening(upstream);
	if (upstream->slot_count > 0) {
		timer_set(upstream->again, OPEN_AGAIN_MS);
		return;
	}
	(void)diagnosis_reason(upstream->profile, end, reason, sizeof(reason));
	fail_waiting(upstream, end->verdict.outcome, &end->reply, reason, facts);
}

static void
on_closed(struct channel *channel, const struct client_end *end, void *ctx)
{
	struct slot *slot = ctx;
	struct upstream *upstream = slot->upstream;
	bool was_opening = slot->is_opening;

	log_disconnected(upstream, end, channel_facts(channel));
	remove_slot(slot);
	if (was_opening)
		on_open_failed(upstream, end, channel_facts(channel));
	dispatch(upstream);
}

static void
open_slot(struct upstream *upstream)
{
	static const struct channel_callbacks callbacks = {
	    .on_ready = on_ready,
	    .on_body_wanted = on_body_wanted,
	    .on_done = on_done,
	    .on_closed = on_closed,
	};
	struct slot *slot = xcalloc(1, sizeof(*slot));

	slot->upstream = upstream;
	slot->is_opening = true;
	slot->idle = timer_new(loop_of(upstream), on_idle, slot);
	list_append(&upstream->slots, &slot->link);
	upstream->slot_count++;
	upstream->opening_count++;
	slot->channel = channel_open(
	    loop_of(upstream), upstream->set->settings.dns, upstream->profile, &callbacks, slot);
}

static void
open_slots(struct upstream *upstream)
{
	while (upstream->opening_count < upstream->waiting_count &&
	       upstream->slot_count < upstream->profile->connections &&
	       !timer_is_set(upstream->again))
		open_slot(upstream);
}

static void
use_idle_slots(struct upstream *upstream)
{
	LIST_EACH_SAFE (&upstream->slots, at, next) {
		struct slot *slot = LIST_ENTRY(at, struct slot, link);

		if (upstream->waiting_count == 0)
			return;
		if (slot->delivery == NULL && channel_is_ready(slot->channel))
			begin(slot, take_waiting(upstream));
	}
}

static void
capture_waiting(struct upstream *upstream)
{
	struct delivery *delivery;

	while ((delivery = take_waiting(upstream)) != NULL)
		capture_delivery_start(
		    delivery, loop_of(upstream), upstream->set->settings.pool, upstream->profile);
}

/* ---- settings ---- */

static void
on_profile(const union message *answer, void *ctx)
{
	struct upstream *upstream = ctx;
	struct reply none = {0};

	upstream->fetch = 0;
	if (answer == NULL) {
		timer_set(upstream->again, FETCH_AGAIN_MS);
		return;
	}
	if (answer->profile.profile_id == 0 || answer->profile.is_gone) {
		fail_waiting(
		    upstream, ATTEMPT_MISCONFIGURED, &none, "the profile was removed", NULL);
		return;
	}
	profile_release(upstream->profile);
	upstream->profile = profile_new(&answer->profile, &upstream->set->settings.surroundings);
	dispatch(upstream);
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

/* Finds a connection for what waits, or makes one. */
static void
dispatch(struct upstream *upstream)
{
	struct reply none = {0};

	if (upstream->waiting_count == 0 || upstream->set->is_draining)
		return;
	if (upstream->profile == NULL) {
		fetch(upstream);
	} else if (upstream->profile->problem != NULL) {
		fail_waiting(
		    upstream, ATTEMPT_MISCONFIGURED, &none, upstream->profile->problem, NULL);
	} else if (upstream->profile->capture[0] != '\0') {
		capture_waiting(upstream);
	} else {
		use_idle_slots(upstream);
		open_slots(upstream);
	}
}

static void
on_again(void *ctx)
{
	dispatch(ctx);
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
	upstream->again = timer_new(loop_of(upstream), on_again, upstream);
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
		if (slot->is_opening)
			abandon_slot(slot);
		else if (channel_is_ready(slot->channel))
			finish_slot(slot);
	}
	profile_release(upstream->profile);
	upstream->profile = NULL;
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
		abandon_slot(LIST_ENTRY(at, struct slot, link));
	list_remove(&upstream->link);
	timer_free(upstream->again);
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
		dispatch(LIST_ENTRY(at, struct upstream, link));
	}
}

void
upstreams_on_accounts(struct upstreams *upstreams)
{
	/* What changed while accounts was away was said to nobody. */
	LIST_EACH (&upstreams->all, at) {
		forget_profile(LIST_ENTRY(at, struct upstream, link));
		dispatch(LIST_ENTRY(at, struct upstream, link));
	}
}

void
upstreams_on_stale(struct upstreams *upstreams, uint64_t profile_id, bool is_gone)
{
	struct upstream *upstream = find(upstreams, profile_id);

	if (upstream == NULL)
		return;
	forget_profile(upstream);
	if (is_gone && upstream->waiting_count == 0 && upstream->slot_count == 0)
		free_upstream(upstream);
	else
		dispatch(upstream);
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
	wait_last(upstream, delivery);
	delivery->upstream = upstream;
	dispatch(upstream);
}

void
upstreams_on_body(struct delivery *delivery)
{
	if (delivery->capture != NULL)
		capture_delivery_continue(delivery);
	else if (delivery->slot != NULL && channel_takes_body(delivery->slot->channel))
		delivery_pump(delivery, delivery->slot->channel);
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
		abandon_slot(slot);
	else if (delivery->capture != NULL)
		capture_delivery_stop(delivery);
	else
		upstream->waiting_count--;
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
	delivery_end(delivery, channel_facts(slot->channel), slot->sent_count > 0);
	abandon_slot(slot);
}

void
upstreams_drain(struct upstreams *upstreams)
{
	upstreams->is_draining = true;
	LIST_EACH (&upstreams->all, at)
		forget_profile(LIST_ENTRY(at, struct upstream, link));
}
