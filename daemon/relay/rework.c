/*
 * rework - who is next, what is on its way, and what it means when mime is gone.
 *
 *	waiting → sending (the body goes to mime) → working (all of it has) → ready (it comes back)
 */
#include "daemon/relay/rework.h"

#include "common/log.h"
#include "common/xalloc.h"

#include <stdlib.h>
#include <string.h>

#define ANSWER_MS (10 * 60 * 1000) /* mime ends itself long before */
#define ABSENT_MS (30 * 1000)      /* a start takes no longer */
#define AGAIN_MS 1000
#define DEATHS_KEPT 64 /* messages of which mime died */
/* Of large messages in mime, as many times the largest that a client may send. */
#define HELD_TIMES 3
/* What a message may have beyond what a client may send. */
#define HEADER_ROOM (1u << 20)

enum rework_state { WAITING, SENDING, WORKING, READY };

struct rework {
	struct list link; /* of those that wait */
	struct reworks *all;
	struct delivery *delivery;
	struct profile *profile;
	rework_end_fn on_end;
	enum rework_state state;
	bool to_7bit;
	uint32_t request;
	uint32_t credit; /* that mime has given */
	uint64_t held;   /* bytes in mime */
};

struct death {
	uint64_t message_id;
	unsigned count;
};

struct reworks {
	struct role_context *role;
	struct deliveries *deliveries;
	struct link *mime;
	struct list waiting; /* by priority, then as they came */
	struct rework *current;
	uint64_t held;
	struct timer *absent;
	struct timer *again; /* mime gave no answer: whether it is gone is known soon */
	struct death deaths[DEATHS_KEPT];
	size_t next_death;
};

static void start_next(struct reworks *reworks);

/* ---- what is wanted ---- */

static bool
has_text(const char *text)
{
	return text != NULL && *text != '\0';
}

static bool
changes_messages(const struct reworks *reworks, const struct profile *profile)
{
	const struct config *config = reworks->role->config;

	return has_text(profile->from_name) || has_text(profile->from) ||
	       has_text(profile->reply_to) || profile->signature_text.size > 0 ||
	       profile->signature_html.size > 0 || has_text(config->signature.text) ||
	       has_text(config->signature.html);
}

bool
rework_is_needed(const struct reworks *reworks, const struct delivery *delivery,
    const struct profile *profile, bool lacks_8bitmime)
{
	if (delivery->transaction.has_8bit && lacks_8bitmime)
		return true;
	return !delivery->is_notice && changes_messages(reworks, profile);
}

static struct msg_bytes
bytes_of(const char *text)
{
	if (text == NULL)
		return (struct msg_bytes){0};
	return (struct msg_bytes){(const uint8_t *)text, (uint32_t)strlen(text)};
}

/* ---- the ends ---- */

static void
forget_held(struct rework *rework)
{
	rework->all->held -= rework->held;
	rework->held = 0;
}

static void
leave(struct rework *rework)
{
	struct reworks *reworks = rework->all;

	list_remove(&rework->link);
	if (reworks->current == rework)
		reworks->current = NULL;
	if (rework->request != 0 && reworks->mime != NULL)
		link_cancel(reworks->mime, rework->request);
	rework->request = 0;
}

static void
settle(struct rework *rework, enum fate fate, uint16_t code, const char *enhanced, const char *why)
{
	struct client_transaction *transaction = &rework->delivery->transaction;

	transaction->verdict = (struct verdict){.outcome = ATTEMPT_ATTEMPTED, .fate = fate};
	transaction->phase = PHASE_MAIL;
	reply_set(&transaction->reply, code, enhanced, "%s", why);
	leave(rework);
	rework->on_end(rework->delivery, REWORK_SETTLED);
}

/* ---- deaths ---- */

static struct death *
find_death(struct reworks *reworks, uint64_t message_id)
{
	for (size_t i = 0; i < DEATHS_KEPT; i++)
		if (reworks->deaths[i].message_id == message_id)
			return &reworks->deaths[i];
	return NULL;
}

static unsigned
count_death(struct reworks *reworks, uint64_t message_id)
{
	struct death *death = find_death(reworks, message_id);

	if (death == NULL) {
		death = &reworks->deaths[reworks->next_death++ % DEATHS_KEPT];
		*death = (struct death){.message_id = message_id};
	}
	return ++death->count;
}

static void
forget_deaths(struct reworks *reworks, uint64_t message_id)
{
	struct death *death = find_death(reworks, message_id);

	if (death != NULL)
		*death = (struct death){0};
}

/* mime had all of it, and no answer came. */
static void
suspect(struct rework *rework)
{
	struct reworks *reworks = rework->all;
	struct delivery *delivery = rework->delivery;
	unsigned count = count_death(reworks, delivery->message_id);

	if (count < REWORK_DEATHS) {
		settle(rework, FATE_DEFERRED, 451, "4.3.0",
		    "The mime process ended while it worked on the message");
		return;
	}
	forget_deaths(reworks, delivery->message_id);
	role_alert(reworks->role, "message-held", "", "", delivery->sender,
	    "the mime process ended each time that it worked on a message: it is held (posternctl "
	    "queue ls --state held)");
	settle(rework, FATE_HELD, 451, "4.3.0",
	    "The mime process ended each time that it worked on the message: it is held");
}

/* ---- to mime ---- */

/* Bytes that queue may send again came with mime's credit; what is sent here is as much as mime takes. */
void
rework_on_body(struct rework *rework)
{
	struct delivery *delivery = rework->delivery;
	struct slice slice;

	if (rework->state != SENDING)
		return;
	while (rework->credit > 0 && delivery_take_piece(delivery, rework->credit, &slice)) {
		bool is_last = delivery->is_complete && list_is_empty(&delivery->pieces);

		rework->credit -= slice.size;
		link_send_body(rework->all->mime, delivery->attempt, is_last, &slice);
		slice_release(&slice);
		if (is_last)
			rework->state = WORKING;
	}
	if (rework->state == SENDING && delivery->is_complete && list_is_empty(&delivery->pieces)) {
		/* An empty one. */
		const struct slice nothing = {0};

		link_send_body(rework->all->mime, delivery->attempt, true, &nothing);
		rework->state = WORKING;
	}
}

static void
log_remark(const struct rework *rework, const char *remark)
{
	struct log_line line;

	if (*remark == '\0' ||
	    !log_begin(&line, LOG_INFO, EVENT_LEFT_ALONE, rework->delivery->message_id))
		return;
	log_text(&line, KEY_PROFILE, rework->profile->name);
	log_text(&line, KEY_REASON, remark);
	log_end(&line);
}

/* What comes from now on comes from mime. */
static void
become_ready(struct rework *rework, const struct msg_reworked *answer)
{
	struct delivery *delivery = rework->delivery;

	rework->state = READY;
	forget_deaths(rework->all, delivery->message_id);
	log_remark(rework, answer->remark);
	delivery->transaction.size_bytes = answer->size;
	delivery->transaction.has_8bit &= !answer->is_7bit;
	delivery_switch_to_mime(delivery);
	/* What fits into the credit is here in no time. */
	if (answer->size <= STREAM_CREDIT)
		forget_held(rework);
	rework->on_end(delivery, REWORK_READY);
}

static void
on_answer(const union message *answer, void *ctx)
{
	struct rework *rework = ctx;
	struct reworks *reworks = rework->all;
	const char *remark;

	rework->request = 0;
	reworks->current = NULL;
	if (answer == NULL)
		timer_set(reworks->again, AGAIN_MS);
	if (answer == NULL && rework->state == WORKING) {
		suspect(rework);
	} else if (answer == NULL) {
		settle(rework, FATE_DEFERRED, 451, "4.3.0", "The mime process ended");
	} else if (answer->reworked.outcome == REWORK_CANT_CONVERT) {
		remark = answer->reworked.remark;
		forget_deaths(reworks, rework->delivery->message_id);
		settle(rework, FATE_FAILED, 554, "5.6.3",
		    *remark != '\0' ? remark : "The message can't be converted");
	} else {
		become_ready(rework, &answer->reworked);
	}
	start_next(reworks);
}

static void
send_order(struct rework *rework)
{
	struct reworks *reworks = rework->all;
	const struct delivery *delivery = rework->delivery;
	const struct profile *profile = rework->profile;
	const struct config *config = reworks->role->config;
	struct msg_rework order = {
	    .stream = delivery->attempt,
	    .message_id = delivery->message_id,
	    .size = delivery->transaction.size_bytes,
	    .to_7bit = rework->to_7bit,
	    .sender = delivery->sender,
	    .from_name = "",
	    .from = "",
	    .reply_to = "",
	};

	if (!delivery->is_notice) {
		order.from_name = profile->from_name;
		order.from = profile->from;
		order.from_policy = (uint8_t)profile->from_policy;
		order.reply_to = profile->reply_to;
		order.signature_text =
		    (struct msg_bytes){(const uint8_t *)profile->signature_text.bytes,
			(uint32_t)profile->signature_text.size};
		order.signature_html =
		    (struct msg_bytes){(const uint8_t *)profile->signature_html.bytes,
			(uint32_t)profile->signature_html.size};
		order.global_text = bytes_of(config->signature.text);
		order.global_html = bytes_of(config->signature.html);
	}
	rework->state = SENDING;
	rework->credit = STREAM_CREDIT;
	rework->held = order.size;
	reworks->held += rework->held;
	rework->request =
	    link_request(reworks->mime, MSG_REWORK, &order, ANSWER_MS, on_answer, rework);
}

/* ---- who is next ---- */

static bool
has_room(const struct reworks *reworks, const struct rework *rework)
{
	uint64_t size = rework->delivery->transaction.size_bytes;
	uint64_t limit = HELD_TIMES * reworks->role->config->limits.message_size_bytes;

	return size <= STREAM_CREDIT || reworks->held == 0 || reworks->held + size <= limit;
}

static void
start_next(struct reworks *reworks)
{
	if (reworks->mime == NULL || reworks->current != NULL || timer_is_set(reworks->again))
		return;
	LIST_EACH_SAFE (&reworks->waiting, at, next) {
		struct rework *rework = LIST_ENTRY(at, struct rework, link);

		if (!has_room(reworks, rework))
			continue;
		list_remove(&rework->link);
		reworks->current = rework;
		send_order(rework);
		rework_on_body(rework);
		return;
	}
}

static void
wait_for_turn(struct reworks *reworks, struct rework *rework)
{
	struct list *position = reworks->waiting.prev;

	while (position != &reworks->waiting &&
	       rework->delivery->priority <
		   LIST_ENTRY(position, struct rework, link)->delivery->priority)
		position = position->prev;
	list_insert_after(position, &rework->link);
}

/* ---- mime comes and goes ---- */

static void
on_absent(void *ctx)
{
	struct reworks *reworks = ctx;
	struct list *first;

	while (reworks->mime == NULL && (first = list_take_first(&reworks->waiting)) != NULL) {
		struct rework *rework = LIST_ENTRY(first, struct rework, link);

		leave(rework);
		rework->on_end(rework->delivery, REWORK_ABSENT);
	}
}

static void
on_again(void *ctx)
{
	start_next(ctx);
}

struct loss {
	struct reworks *reworks;
	void (*cancel)(struct delivery *delivery, const char *reason);
};

/* But for the one that it worked on. */
bool
rework_is_lost(const struct rework *rework)
{
	return rework->state == SENDING ||
	       (rework->state == READY && !rework->delivery->is_complete);
}

static void
lose(struct delivery *delivery, void *ctx)
{
	struct loss *loss = ctx;

	if (delivery->rework != NULL && rework_is_lost(delivery->rework))
		loss->cancel(delivery, "the mime process ended");
}

void
reworks_set_link(struct reworks *reworks, struct link *link,
    void (*cancel)(struct delivery *delivery, const char *reason))
{
	struct loss loss = {.reworks = reworks, .cancel = cancel};
	struct rework *current = reworks->current;

	if (current != NULL && current->request != 0)
		link_cancel(reworks->mime, current->request);
	reworks->mime = link;
	deliveries_set_mime_link(reworks->deliveries, link);
	timer_stop(reworks->again);
	if (link != NULL) {
		timer_stop(reworks->absent);
		start_next(reworks);
		return;
	}
	timer_set(reworks->absent, ABSENT_MS);
	if (current != NULL) {
		current->request = 0;
		reworks->current = NULL;
	}
	if (current != NULL && current->state == WORKING)
		suspect(current);
	deliveries_each(reworks->deliveries, lose, &loss);
}

void
reworks_on_message(struct reworks *reworks, const struct link_message *message)
{
	const struct msg_credit *credit = &message->body->credit;
	struct rework *current = reworks->current;

	if (message->kind != MSG_CREDIT || current == NULL || current->state != SENDING ||
	    current->delivery->attempt != credit->stream)
		return;
	current->credit = credit->bytes > STREAM_CREDIT - current->credit
			      ? STREAM_CREDIT
			      : current->credit + credit->bytes;
	delivery_give_credit(current->delivery, credit->bytes);
	rework_on_body(current);
}

/* ---- for the connections ---- */

void
rework_start(struct reworks *reworks, struct delivery *delivery, struct profile *profile,
    bool lacks_8bitmime, rework_end_fn on_end)
{
	struct rework *rework = xcalloc(1, sizeof(*rework));

	ensure(delivery->rework == NULL);
	delivery->rework = rework;
	list_init(&rework->link);
	rework->all = reworks;
	rework->delivery = delivery;
	rework->profile = profile_hold(profile);
	rework->to_7bit = delivery->transaction.has_8bit && lacks_8bitmime;
	rework->on_end = on_end;
	wait_for_turn(reworks, rework);
	if (reworks->mime == NULL && !timer_is_set(reworks->absent))
		timer_set(reworks->absent, ABSENT_MS);
	start_next(reworks);
}

void
rework_on_return(struct rework *rework)
{
	if (!rework->delivery->is_complete)
		return;
	forget_held(rework);
	start_next(rework->all);
}

bool
rework_is_ready(const struct rework *rework)
{
	return rework->state == READY;
}

bool
rework_suits(const struct rework *rework, const struct profile *profile, bool lacks_8bitmime)
{
	return rework->profile == profile &&
	       !(lacks_8bitmime && rework->delivery->transaction.has_8bit && !rework->to_7bit);
}

void
rework_end(struct rework *rework)
{
	struct reworks *reworks;
	struct msg_abort abort;

	if (rework == NULL)
		return;
	reworks = rework->all;
	abort = (struct msg_abort){.stream = rework->delivery->attempt};
	leave(rework);
	if (reworks->mime != NULL &&
	    (rework->state == SENDING || rework->state == WORKING ||
		(rework->state == READY && !rework->delivery->is_complete)))
		link_send(reworks->mime, MSG_ABORT, &abort);
	forget_held(rework);
	rework->delivery->rework = NULL;
	profile_release(rework->profile);
	free(rework);
	start_next(reworks);
}

struct reworks *
reworks_new(struct role_context *role, struct deliveries *deliveries)
{
	struct reworks *reworks = xcalloc(1, sizeof(*reworks));

	reworks->role = role;
	reworks->deliveries = deliveries;
	list_init(&reworks->waiting);
	reworks->absent = timer_new(role->loop, on_absent, reworks);
	reworks->again = timer_new(role->loop, on_again, reworks);
	return reworks;
}

void
reworks_free(struct reworks *reworks)
{
	timer_free(reworks->absent);
	timer_free(reworks->again);
	free(reworks);
}
