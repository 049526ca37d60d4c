/* upstream_slot - one connection of an upstream: given messages, kept for more, ended. */
#include "common/log.h"
#include "common/xalloc.h"
#include "daemon/relay/diagnosis.h"
#include "daemon/relay/upstream_private.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

#define IDLE_MS (20 * 1000)       /* a connection is kept so long for the next message */
#define OPEN_AGAIN_MS (10 * 1000) /* after one of several connections was refused */

/* ---- its end ---- */

static void
free_slot(void *object)
{
	struct slot *slot = object;

	timer_free(slot->idle);
	transcript_fini(&slot->transcript);
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
	slot_leave_transfers(slot);
	timer_stop(slot->idle);
	loop_free_later(upstream_loop(upstream), free_slot, slot);
}

void
slot_finish(struct slot *slot)
{
	channel_finish(slot->channel);
	remove_slot(slot);
}

void
slot_abandon(struct slot *slot)
{
	channel_close(slot->channel);
	remove_slot(slot);
}

/* ---- its messages ---- */

unsigned
slot_places_behind(const struct slot *slot, unsigned count)
{
	const unsigned limits[] = {
	    channel_mail_max(slot->channel), slot->messages_max, slot->upstream->messages_taken};
	unsigned places = UINT_MAX;

	for (size_t i = 0; i < sizeof(limits) / sizeof(limits[0]); i++) {
		unsigned left = limits[i] > count ? limits[i] - count : 0;

		if (limits[i] != 0 && left < places)
			places = left;
	}
	return places;
}

static bool
is_used_up(const struct slot *slot)
{
	return slot->is_last_message || slot_places_behind(slot, slot->sent_count) == 0;
}

static bool
lacks_8bitmime(const struct slot *slot)
{
	return channel_lacks_8bitmime(slot->channel);
}

static void
send_delivery(struct slot *slot)
{
	struct delivery *delivery = slot->delivery;
	const struct profile *profile = slot->upstream->profile;

	delivery_set_sender(delivery, profile->envelope_sender);
	delivery->begun_at_ms = loop_now_ms(upstream_loop(slot->upstream));
	slot_join_transfers(slot);
	slot_begin_transcript(slot);
	channel_send(slot->channel, &delivery->transaction);
	upstream_open_ahead(slot->upstream, slot);
}

/* It was changed for other settings, or for an upstream that takes more: queue gives it again. */
static void
give_back(struct slot *slot)
{
	struct delivery *delivery = slot->delivery;

	slot->delivery = NULL;
	delivery->slot = NULL;
	delivery_cancelled(delivery, "the profile was changed");
	slot_be_free(slot);
}

static void
begin_reworked(struct slot *slot)
{
	struct upstream *upstream = slot->upstream;
	struct delivery *delivery = slot->delivery;

	if (!rework_is_ready(delivery->rework))
		return; /* slot_go_on() comes */
	if (upstream->profile != NULL && !slot->is_last_message &&
	    rework_suits(delivery->rework, upstream->profile, lacks_8bitmime(slot)))
		send_delivery(slot);
	else
		give_back(slot);
}

void
slot_begin(struct slot *slot, struct delivery *delivery)
{
	struct upstream *upstream = slot->upstream;
	struct reworks *reworks = upstream->set->settings.reworks;

	timer_stop(slot->idle);
	slot->delivery = delivery;
	delivery->slot = slot;
	if (delivery->rework != NULL)
		begin_reworked(slot);
	else if (rework_is_needed(reworks, delivery, upstream->profile, lacks_8bitmime(slot)))
		rework_start(
		    reworks, delivery, upstream->profile, lacks_8bitmime(slot), upstream_on_rework);
	else
		send_delivery(slot);
}

void
slot_go_on(struct slot *slot, struct delivery *delivery, enum rework_end end)
{
	if (end == REWORK_READY) {
		begin_reworked(slot);
		return;
	}
	slot->delivery = NULL;
	delivery->slot = NULL;
	if (end == REWORK_SETTLED)
		delivery_end(delivery, channel_facts(slot->channel), true);
	else
		upstream_fail_absent(delivery);
	slot_be_free(slot);
}

void
slot_be_free(struct slot *slot)
{
	struct upstream *upstream = slot->upstream;
	struct delivery *delivery;

	if (is_used_up(slot)) {
		slot_finish(slot);
		upstream_dispatch(upstream);
		return;
	}
	delivery = upstream_take_waiting(upstream);
	if (delivery != NULL)
		slot_begin(slot, delivery);
	else if (upstream->set->is_draining)
		slot_finish(slot);
	else
		timer_set(slot->idle, IDLE_MS);
}

static void
on_ready(struct channel *channel, void *ctx)
{
	struct slot *slot = ctx;

	if (slot->is_opening)
		slot->upstream->opening_count--;
	slot->is_opening = false;
	slot_be_free(slot);
}

static void
on_idle(void *ctx)
{
	slot_finish(ctx);
}

static void
on_body_wanted(struct channel *channel, void *ctx)
{
	slot_move_body(ctx);
}

/* A kept connection that the upstream had closed meanwhile: nothing was said, nothing is lost. This
 * ends with a fresh connection at the latest. */
static bool
may_move(const struct slot *slot, const struct client_transaction *transaction)
{
	return slot->sent_count > 0 && !transaction->is_answered && transaction->verdict.is_over &&
	       transaction->phase == PHASE_MAIL && !slot->upstream->set->is_draining;
}

/* The upstream has had enough messages on this connection, and takes this one on another; so
 * connections are changed before that from now on. */
static bool
has_had_enough(struct slot *slot, const struct client_transaction *transaction)
{
	const char *rule = transaction->verdict.rule;

	if (slot->sent_count == 0 || transaction->phase != PHASE_MAIL || rule == NULL ||
	    strcmp(rule, "messages-per-connection") != 0 || slot->upstream->set->is_draining)
		return false;
	slot->upstream->messages_taken = slot->sent_count;
	return true;
}

/* What failed and what to look at; without a profile any more, the first alone. */
static void
explain(const struct upstream *upstream, const struct client_end *end, char *reason, size_t size)
{
	if (upstream->profile != NULL)
		(void)diagnosis_reason(upstream->profile, end, reason, size);
	else
		(void)diagnosis_fact(end, reason, size);
}

/* Others may go on: the upstream minds the number of connections, not what is sent. */
static bool
is_this_connection(const struct upstream *upstream, enum reply_class class)
{
	return class == REPLY_RATE_CONN && upstream->slot_count > 1;
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
	char reason[1000];

	explain(upstream, &end, reason, sizeof(reason));
	delivery_fail(delivery, &end.verdict, &end.reply, reason, facts);
	if (end.verdict.outcome != ATTEMPT_SPLIT &&
	    !is_this_connection(upstream, end.verdict.class))
		upstream_put_off(upstream, &end.verdict, &end.reply, reason, facts);
}

/* A part of the recipients was taken, then the account was told to wait. */
static void
report_put_off(struct slot *slot, struct delivery *delivery)
{
	const struct client_transaction *transaction = &delivery->transaction;
	const struct client_end end = {
	    .phase = PHASE_RCPT,
	    .verdict = transaction->put_off,
	    .reply = transaction->put_off_reply,
	};
	struct upstream *upstream = slot->upstream;
	const struct channel_facts *facts = channel_facts(slot->channel);
	char reason[1000];

	explain(upstream, &end, reason, sizeof(reason));
	delivery_note_account(delivery, &end.verdict, &end.reply, reason);
	delivery_end(delivery, facts, slot->sent_count > 0);
	upstream_put_off(upstream, &end.verdict, &end.reply, reason, facts);
}

/* Whether this is the third message in a row that hears a 4xx which says nothing. */
static bool
is_unknown_too_often(struct upstream *upstream, const struct delivery *delivery)
{
	const struct client_transaction *transaction = &delivery->transaction;

	if (!verdict_is_unknown(&transaction->verdict, transaction->phase, &transaction->reply)) {
		if (transaction->is_answered)
			upstream->unknown_count = 0;
		return false;
	}
	for (unsigned i = 0; i < upstream->unknown_count; i++)
		if (upstream->unknown_ids[i] == delivery->message_id)
			return false;
	upstream->unknown_ids[upstream->unknown_count++] = delivery->message_id;
	if (upstream->unknown_count < UNKNOWN_MAX)
		return false;
	upstream->unknown_count = 0;
	return true;
}

/* The message keeps its fate; the account waits. */
static void
suspect_rate(struct client_transaction *transaction)
{
	transaction->put_off = classify_own(ATTEMPT_PUT_OFF);
	transaction->put_off.rule = "unknown-in-a-row";
	transaction->put_off.advice = "Three messages in a row heard a temporary refusal that "
				      "says no more: postern sends less for a while.";
	transaction->put_off_reply = transaction->reply;
}

/* What the upstream said of the account in this transaction, REPLY_NONE: nothing. How many connections
 * it takes is not of a message. */
static enum reply_class
complaint(const struct client_transaction *transaction)
{
	const struct verdict *verdict = transaction->verdict.outcome != ATTEMPT_ATTEMPTED
					    ? &transaction->verdict
					    : &transaction->put_off;

	if (verdict->outcome == ATTEMPT_SPLIT || verdict->class == REPLY_RATE_CONN ||
	    !reply_class_is_account(verdict->class))
		return REPLY_NONE;
	return verdict->class;
}

/* Others pass, or none was tried: the message waits by its schedule, and not the account. */
static void
check_suspect(struct upstream *upstream, struct delivery *delivery)
{
	struct client_transaction *transaction = &delivery->transaction;
	enum reply_class class = complaint(transaction);

	if (client_transaction_is_delivered(transaction))
		suspects_pass(&upstream->suspects, delivery->message_id);
	if (class == REPLY_NONE || !suspects_hear(&upstream->suspects, delivery->message_id, class))
		return;
	transaction->put_off = (struct verdict){0};
	if (transaction->verdict.outcome == ATTEMPT_ATTEMPTED)
		return;
	transaction->verdict = (struct verdict){.outcome = ATTEMPT_ATTEMPTED,
	    .fate = FATE_DEFERRED,
	    .is_over = true,
	    .class = REPLY_TEMPORARY,
	    .rule = "message-alone"};
}

static void
end_delivery(struct slot *slot, struct delivery *delivery)
{
	struct client_transaction *transaction = &delivery->transaction;

	check_suspect(slot->upstream, delivery);
	slot_give_transcript(slot, delivery);
	if (is_unknown_too_often(slot->upstream, delivery))
		suspect_rate(transaction);
	if (transaction->verdict.outcome != ATTEMPT_ATTEMPTED)
		report_problem(slot, delivery);
	else if (reply_class_is_account(transaction->put_off.class))
		report_put_off(slot, delivery);
	else
		delivery_end(delivery, channel_facts(slot->channel), slot->sent_count > 0);
}

/* What is gone of the body queue gives again, for DATA. */
static bool
is_to_be_data(const struct client_transaction *transaction)
{
	const char *rule = transaction->verdict.rule;

	return rule != NULL && strcmp(rule, CHUNKING_UNKNOWN) == 0;
}

static void
on_done(struct channel *channel, void *ctx)
{
	struct slot *slot = ctx;
	struct delivery *delivery = slot->delivery;

	delivery->slot = NULL;
	slot->sending_ms += loop_now_ms(upstream_loop(slot->upstream)) - delivery->begun_at_ms;
	slot_leave_transfers(slot);
	if (has_had_enough(slot, &delivery->transaction) || may_move(slot, &delivery->transaction))
		upstream_wait(slot->upstream, delivery);
	else if (is_to_be_data(&delivery->transaction))
		delivery_cancelled(delivery, "the upstream does not know BDAT");
	else
		end_delivery(slot, delivery);
	slot->delivery = NULL;
	slot->sent_count++;
}

/* ---- what goes wrong ---- */

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
			slot_abandon(slot);
	}
}

/* Another connection would hear the same; and a wrong password is not to be said more often. */
static bool
is_everyones(const struct verdict *verdict)
{
	switch (verdict->class) {
	case REPLY_UNREACHABLE:
	case REPLY_TEMPORARY:
	case REPLY_AUTH_TEMP:
	case REPLY_RATE_CONN:
		return false;
	default:
		return true;
	}
}

/* Whether queue is to hear of it though other connections work. */
static bool
is_for_queue(const struct verdict *verdict)
{
	return is_everyones(verdict) && verdict->class != REPLY_TLS;
}

/* One connection is too many beside those that work: the message goes back, so that fewer come. */
static void
give_one_back(struct upstream *upstream, const struct client_end *end, const char *reason,
    const struct channel_facts *facts)
{
	struct delivery *delivery = upstream_take_waiting(upstream);

	timer_set(upstream->again, OPEN_AGAIN_MS);
	if (delivery != NULL && end->verdict.class == REPLY_RATE_CONN)
		delivery_fail(delivery, &end->verdict, &end->reply, reason, facts);
	else if (delivery != NULL)
		upstream_wait(upstream, delivery);
}

/* A connection could not be made. Beside others that work, or that yet may, it is one too many. */
static void
on_open_failed(struct slot *slot, const struct client_end *end, const struct channel_facts *facts)
{
	struct upstream *upstream = slot->upstream;
	bool was_ahead = upstream->waiting_count == 0;
	char reason[1000];

	if (was_ahead)
		upstream_note_refused_ahead(upstream);
	if (is_everyones(&end->verdict))
		close_opening(upstream);
	explain(upstream, end, reason, sizeof(reason));
	if (upstream->slot_count > 0 && !is_for_queue(&end->verdict)) {
		give_one_back(upstream, end, reason, facts);
		return;
	}
	if (was_ahead)
		upstream_tell_refused_ahead(upstream, end, reason);
	slot_give_failure(slot, end, upstream_first_waiting(upstream));
	upstream_put_off(upstream, &end->verdict, &end->reply, reason, facts);
}

static void
on_closed(struct channel *channel, const struct client_end *end, void *ctx)
{
	struct slot *slot = ctx;
	struct upstream *upstream = slot->upstream;
	bool was_opening = slot->is_opening;

	log_disconnected(upstream, end, channel_facts(channel));
	/* It waits for mime: a connection is sought when that is done. */
	if (slot->delivery != NULL) {
		slot->delivery->slot = NULL;
		slot->delivery = NULL;
		upstream->reworked_count++;
	}
	remove_slot(slot);
	if (was_opening)
		on_open_failed(slot, end, channel_facts(channel));
	upstream_dispatch(upstream);
}

/* ---- opening ---- */

static void
on_step(struct channel *channel, const struct channel_step *step, void *ctx)
{
	slot_note_step(ctx, step);
}

static void
on_host_failed(struct channel *channel, const struct client_end *end, void *ctx)
{
	slot_note_host(ctx, end);
}

static void
on_line(bool is_sent, const char *line, void *ctx)
{
	slot_note_line(ctx, is_sent, line);
}

void
slot_open(struct upstream *upstream)
{
	static const struct channel_callbacks callbacks = {
	    .on_ready = on_ready,
	    .on_body_wanted = on_body_wanted,
	    .on_done = on_done,
	    .on_closed = on_closed,
	};
	static const struct channel_callbacks with_transcript = {
	    .on_ready = on_ready,
	    .on_body_wanted = on_body_wanted,
	    .on_done = on_done,
	    .on_closed = on_closed,
	    .on_host_failed = on_host_failed,
	    .on_step = on_step,
	    .on_line = on_line,
	};
	struct slot *slot = xcalloc(1, sizeof(*slot));

	slot->upstream = upstream;
	slot->is_opening = true;
	slot->messages_max = upstream->profile->messages_per_connection;
	connects_note(&upstream->connects, loop_now_ms(upstream_loop(upstream)));
	pace_transfer_init(&slot->transfer);
	slot->idle = timer_new(upstream_loop(upstream), on_idle, slot);
	list_append(&upstream->slots, &slot->link);
	upstream->slot_count++;
	upstream->opening_count++;
	slot_open_transcript(slot);
	slot->channel =
	    channel_open(upstream_loop(upstream), upstream->set->settings.dns, upstream->profile,
		slot->keeps == TRANSCRIPT_NEVER ? &callbacks : &with_transcript, slot);
}
