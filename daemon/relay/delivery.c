/* delivery - from DELIVER to REPORT. */
#include "daemon/relay/delivery.h"

#include "common/err.h"
#include "common/log.h"
#include "common/xalloc.h"
#include "daemon/core/loop.h"
#include "daemon/relay/rework.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BUCKETS 256
#define CREDIT_STEP (64u * 1024) /* given back in pieces of at least this size */

struct piece {
	struct list link;
	struct slice slice;
};

struct deliveries {
	struct loop *loop;
	struct reports *reports;
	struct link *link, *mime;
	struct list buckets[BUCKETS];
	size_t count;
};

struct deliveries *
deliveries_new(struct loop *loop, struct reports *reports)
{
	struct deliveries *deliveries = xcalloc(1, sizeof(*deliveries));

	deliveries->loop = loop;
	deliveries->reports = reports;
	for (size_t i = 0; i < BUCKETS; i++)
		list_init(&deliveries->buckets[i]);
	return deliveries;
}

void
delivery_drop(struct delivery *delivery)
{
	struct slice slice;

	rework_end(delivery->rework);
	list_remove(&delivery->link);
	list_remove(&delivery->bucket);
	delivery->table->count--;
	while (delivery_take_piece(delivery, UINT32_MAX, &slice))
		slice_release(&slice);
	client_transaction_reset(&delivery->transaction);
	for (size_t i = 0; i < delivery->transaction.recipient_count; i++) {
		free((void *)(uintptr_t)delivery->transaction.recipients[i].address);
		free((void *)(uintptr_t)delivery->transaction.recipients[i].orcpt);
	}
	free((void *)(uintptr_t)delivery->transaction.wishes.envid);
	free(delivery->transaction.recipients);
	free(delivery->sender);
	free(delivery->envelope_sender);
	free(delivery->transcript);
	free(delivery->account_reason);
	free(delivery);
}

static void
free_one(struct delivery *delivery, void *ctx)
{
	delivery_drop(delivery);
}

void
deliveries_free(struct deliveries *deliveries)
{
	deliveries_each(deliveries, free_one, NULL);
	free(deliveries);
}

void
deliveries_set_link(struct deliveries *deliveries, struct link *link)
{
	deliveries->link = link;
}

void
deliveries_set_mime_link(struct deliveries *deliveries, struct link *link)
{
	deliveries->mime = link;
}

struct delivery *
deliveries_find(struct deliveries *deliveries, uint64_t attempt)
{
	LIST_EACH (&deliveries->buckets[attempt % BUCKETS], at) {
		struct delivery *delivery = LIST_ENTRY(at, struct delivery, bucket);

		if (delivery->attempt == attempt)
			return delivery;
	}
	return NULL;
}

size_t
deliveries_count(const struct deliveries *deliveries)
{
	return deliveries->count;
}

void
deliveries_each(
    struct deliveries *deliveries, void (*fn)(struct delivery *delivery, void *ctx), void *ctx)
{
	for (size_t i = 0; i < BUCKETS; i++)
		LIST_EACH_SAFE (&deliveries->buckets[i], at, next)
			fn(LIST_ENTRY(at, struct delivery, bucket), ctx);
}

static void
list_one(struct delivery *delivery, void *ctx)
{
	struct rec_attempt attempt = {
	    .message_id = delivery->message_id, .attempt = delivery->attempt};

	message_list_add(ctx, REC_ATTEMPT, &attempt);
}

void
deliveries_list(const struct deliveries *deliveries, struct msg_list_builder *attempts)
{
	deliveries_each((struct deliveries *)(uintptr_t)deliveries, list_one, attempts);
}

/* ---- a new one ---- */

static void
copy_recipients(struct delivery *delivery, struct msg_list list)
{
	struct client_transaction *transaction = &delivery->transaction;
	struct rec_recipient recipient;

	transaction->recipients = xcalloc(list.count + 1, sizeof(*transaction->recipients));
	while (message_list_next(&list, REC_RECIPIENT, &recipient))
		transaction->recipients[transaction->recipient_count++] = (struct client_recipient){
		    .index = recipient.index,
		    .address = xstrdup(recipient.address),
		    .orcpt = *recipient.orcpt == '\0' ? NULL : xstrdup(recipient.orcpt),
		    .notify = recipient.notify,
		};
}

static void
copy_wishes(struct delivery *delivery, struct msg_list list)
{
	struct rec_wishes *wishes = &delivery->transaction.wishes;

	if (message_list_next(&list, REC_WISHES, wishes))
		wishes->envid = *wishes->envid == '\0' ? NULL : xstrdup(wishes->envid);
}

/* An address becomes part of a command line: nothing may end that early. */
static bool
is_sayable(const char *address)
{
	for (const char *at = address; *at != '\0'; at++)
		if ((unsigned char)*at < 0x20 || *at == 0x7f)
			return false;
	return true;
}

/* A parameter ends at a blank as well. */
static bool
is_word(const char *text)
{
	return text == NULL || (is_sayable(text) && strchr(text, ' ') == NULL);
}

static bool
is_message_sayable(const struct delivery *delivery)
{
	bool is_good = is_sayable(delivery->sender) && is_word(delivery->transaction.wishes.envid);

	for (size_t i = 0; i < delivery->transaction.recipient_count; i++) {
		is_good &= is_sayable(delivery->transaction.recipients[i].address);
		is_good &= is_word(delivery->transaction.recipients[i].orcpt);
	}
	return is_good && delivery->transaction.recipient_count > 0;
}

static void
refuse_addresses(struct delivery *delivery)
{
	struct client_transaction *transaction = &delivery->transaction;

	transaction->verdict =
	    (struct verdict){.fate = FATE_FAILED, .class = REPLY_BAD_RECIPIENT, .rule = "own"};
	reply_set(&transaction->reply, 553, "5.1.3",
	    "The message has an address with control characters, or no recipient");
	delivery_end(delivery, NULL, true);
}

static struct delivery *
make(struct deliveries *deliveries, const struct msg_deliver *message)
{
	struct delivery *delivery = xcalloc(1, sizeof(*delivery));

	list_init(&delivery->link);
	list_init(&delivery->pieces);
	delivery->table = deliveries;
	delivery->message_id = message->message_id;
	delivery->attempt = message->attempt;
	delivery->profile_id = message->profile_id;
	delivery->priority = message->priority;
	delivery->sender = xstrdup(message->sender);
	delivery->transaction.sender = delivery->sender;
	delivery->transaction.size_bytes = message->size;
	delivery->transaction.has_8bit = message->has_8bit;
	delivery->is_notice = message->is_notice;
	delivery->is_followed = message->is_followed;
	copy_recipients(delivery, message->recipients);
	copy_wishes(delivery, message->wishes);
	list_append(&deliveries->buckets[delivery->attempt % BUCKETS], &delivery->bucket);
	deliveries->count++;
	return delivery;
}

struct delivery *
delivery_new(struct deliveries *deliveries, const struct msg_deliver *message)
{
	struct delivery *delivery = make(deliveries, message);

	if (is_message_sayable(delivery))
		return delivery;
	refuse_addresses(delivery);
	return NULL;
}

/* Whether all of the body is in hand, and little. */
static void
note_whole(struct delivery *delivery)
{
	uint64_t bytes = 0;

	delivery->transaction.is_whole = false;
	if (!delivery->is_complete)
		return;
	LIST_EACH (&delivery->pieces, at)
		bytes += LIST_ENTRY(at, struct piece, link)->slice.size;
	delivery->transaction.is_whole = bytes <= CLIENT_GROUP_MAX;
}

struct delivery *
delivery_new_own(
    struct deliveries *deliveries, const struct msg_deliver *message, const char *body, void *owner)
{
	struct delivery *delivery = make(deliveries, message);
	struct piece *piece = xmalloc(sizeof(*piece));
	uint32_t size = (uint32_t)strlen(body);

	piece->slice = (struct slice){.chunk = chunk_from(body, size), .size = size};
	list_append(&delivery->pieces, &piece->link);
	delivery->is_complete = true;
	note_whole(delivery);
	delivery->owner = owner;
	if (is_message_sayable(delivery))
		return delivery;
	delivery_drop(delivery);
	return NULL;
}

/* ---- the body ---- */

void
delivery_add_body(struct delivery *delivery, const struct link_message *message)
{
	const struct msg_body *body = &message->body->body;
	struct piece *piece;

	delivery->is_complete |= body->is_last;
	if (body->bytes.size > 0) {
		piece = xmalloc(sizeof(*piece));
		piece->slice = link_message_slice(message, body->bytes);
		list_append(&delivery->pieces, &piece->link);
	}
	note_whole(delivery);
}

bool
delivery_take_piece(struct delivery *delivery, uint32_t limit, struct slice *slice_out)
{
	struct piece *piece = LIST_ENTRY(delivery->pieces.next, struct piece, link);

	if (list_is_empty(&delivery->pieces))
		return false;
	delivery->transaction.is_whole = false;
	if (piece->slice.size > limit) {
		*slice_out = slice_of(piece->slice.chunk, piece->slice.offset, limit);
		piece->slice.offset += limit;
		piece->slice.size -= limit;
		return true;
	}
	*slice_out = piece->slice;
	list_remove(&piece->link);
	free(piece);
	return true;
}

bool
delivery_has_body(const struct delivery *delivery)
{
	return delivery->is_complete || !list_is_empty(&delivery->pieces);
}

void
delivery_switch_to_mime(struct delivery *delivery)
{
	ensure(delivery->is_complete && list_is_empty(&delivery->pieces));
	delivery->is_complete = delivery->transaction.is_whole = false;
	delivery->is_from_mime = true;
	delivery->credit = 0;
}

void
delivery_set_sender(struct delivery *delivery, const char *sender)
{
	bool is_replaced = *sender != '\0' && *delivery->sender != '\0' && !delivery->is_notice;

	free(delivery->envelope_sender);
	delivery->envelope_sender = is_replaced ? xstrdup(sender) : NULL;
	delivery->transaction.sender = is_replaced ? delivery->envelope_sender : delivery->sender;
}

void
delivery_give_credit(struct delivery *delivery, uint32_t bytes)
{
	struct link *from = delivery->is_from_mime ? delivery->table->mime : delivery->table->link;
	struct msg_credit credit = {.stream = delivery->attempt};

	delivery->credit += bytes;
	if (delivery->is_complete || delivery->credit < CREDIT_STEP)
		return; /* all was sent, or plenty may still be */
	credit.bytes = delivery->credit;
	delivery->credit = 0;
	if (from != NULL)
		link_send(from, MSG_CREDIT, &credit);
}

/* The body that leaves with its envelope stays here as well: it may have to be said again. */
static uint32_t
pump_whole(struct delivery *delivery, struct channel *channel)
{
	struct list *last = delivery->pieces.prev;
	uint32_t moved = 0;

	if (list_is_empty(&delivery->pieces))
		return channel_body_end(channel, NULL);
	LIST_EACH (&delivery->pieces, at) {
		const struct slice *slice = &LIST_ENTRY(at, struct piece, link)->slice;

		moved +=
		    at == last ? channel_body_end(channel, slice) : channel_body(channel, slice);
	}
	return moved;
}

static uint32_t
pump_piece(struct delivery *delivery, struct channel *channel, const struct slice *slice)
{
	if (delivery->is_complete && list_is_empty(&delivery->pieces))
		return channel_body_end(channel, slice);
	return channel_body(channel, slice);
}

/* So much of what is in hand is the first line, or a part of it. */
static uint32_t
first_line(const struct delivery *delivery)
{
	const struct slice *slice = &LIST_ENTRY(delivery->pieces.next, struct piece, link)->slice;
	const uint8_t *bytes = slice_bytes(slice), *end = memchr(bytes, '\n', slice->size);

	return end == NULL ? slice->size : (uint32_t)(end + 1 - bytes);
}

/* It stays here as well, until it was taken: it may have to be said again, as data. */
static uint32_t
pump_trial(struct delivery *delivery, struct channel *channel)
{
	const struct slice *piece = &LIST_ENTRY(delivery->pieces.next, struct piece, link)->slice;
	struct slice line;
	uint32_t moved;

	delivery->tried_bytes = first_line(delivery);
	line = slice_of(piece->chunk, piece->offset, delivery->tried_bytes);
	moved = channel_body(channel, &line);
	slice_release(&line);
	return moved;
}

static void
end_trial(struct delivery *delivery)
{
	struct slice slice;

	if (delivery->tried_bytes > 0 && delivery->transaction.takes_bdat &&
	    delivery_take_piece(delivery, delivery->tried_bytes, &slice)) {
		delivery_give_credit(delivery, slice.size);
		slice_release(&slice);
	}
	delivery->tried_bytes = 0;
}

uint32_t
delivery_pump(struct delivery *delivery, struct channel *channel, uint32_t limit)
{
	struct slice slice;
	uint32_t moved = 0;

	if (delivery->transaction.is_grouped && channel_awaits_body(channel))
		return pump_whole(delivery, channel);
	if (channel_awaits_body(channel) && channel_tries_chunks(channel) &&
	    !list_is_empty(&delivery->pieces))
		return pump_trial(delivery, channel);
	if (channel_awaits_body(channel))
		end_trial(delivery);
	while (moved < limit && channel_takes_body(channel) &&
	       delivery_take_piece(delivery, limit - moved, &slice)) {
		moved += pump_piece(delivery, channel, &slice);
		delivery_give_credit(delivery, slice.size);
		slice_release(&slice);
	}
	/* Its end may come alone. */
	if (delivery->is_complete && list_is_empty(&delivery->pieces) &&
	    channel_awaits_body(channel))
		moved += channel_body_end(channel, NULL);
	return moved;
}

/* ---- the end ---- */

/* Its turn is next, unless the message as a whole met with something: the next would as well. */
static enum fate
fate_of_postponed(const struct client_transaction *transaction)
{
	const struct verdict *verdict = &transaction->verdict;

	if (verdict->fate == FATE_DELIVERED)
		return FATE_UNTRIED;
	if (transaction->phase == PHASE_RCPT && !verdict->is_over)
		return FATE_UNTRIED;
	return verdict->fate == FATE_FAILED ? FATE_FAILED : FATE_DEFERRED;
}

static const char *
text_or_none(const char *text)
{
	return text != NULL ? text : "";
}

/* What was said of the account, if it is that which a postponed recipient waits for. */
static const struct verdict *
verdict_of(const struct client_transaction *transaction, const struct client_recipient *recipient)
{
	if (recipient->refusal != NULL)
		return &recipient->verdict;
	return &transaction->verdict;
}

static void
add_fate(const struct client_transaction *transaction, const struct client_recipient *recipient,
    struct msg_list_builder *fates)
{
	const struct reply *reply =
	    recipient->refusal != NULL ? recipient->refusal : &transaction->reply;
	const struct verdict *verdict = verdict_of(transaction, recipient);
	bool is_postponed = recipient->refusal == NULL && recipient->is_postponed;
	struct rec_fate record = {
	    .index = recipient->index,
	    .fate = is_postponed ? fate_of_postponed(transaction) : verdict->fate,
	    .code = reply->code,
	    .enhanced = reply->enhanced,
	    .reply = reply->text,
	    .class = (uint8_t)verdict->class,
	    .rule = text_or_none(verdict->rule),
	    .wait_s = verdict->wait.first_s,
	    .wait_max_s = verdict->wait.most_s,
	    .is_wait_exact = verdict->wait.is_exact,
	};

	record.has_dsn = record.fate == FATE_DELIVERED && transaction->has_dsn;
	message_list_add(fates, REC_FATE, &record);
}

static void
add_fates(const struct client_transaction *transaction, struct msg_list_builder *fates)
{
	for (size_t i = 0; i < transaction->recipient_count; i++)
		add_fate(transaction, &transaction->recipients[i], fates);
}

static uint32_t
milliseconds(int64_t ms)
{
	return ms < 0 ? 0 : ms > UINT32_MAX ? UINT32_MAX : (uint32_t)ms;
}

static void
send_report(struct delivery *delivery, struct msg_report *report,
    const struct msg_list_builder *fates, const struct channel_facts *facts)
{
	report->message_id = delivery->message_id;
	report->attempt = delivery->attempt;
	report->profile_id = delivery->profile_id;
	report->upstream = facts != NULL ? facts->upstream : "";
	report->tls = facts != NULL ? facts->tls : "";
	report->transcript = delivery->transcript;
	report->recipients_max = delivery->transaction.recipients_max;
	reports_add(delivery->table->reports, report, fates);
	delivery_drop(delivery);
}

static void
put_verdict(struct msg_report *report, const struct verdict *verdict)
{
	report->class = (uint8_t)verdict->class;
	report->rule = text_or_none(verdict->rule);
	report->wait_s = verdict->wait.first_s;
	report->wait_max_s = verdict->wait.most_s;
	report->is_wait_exact = verdict->wait.is_exact;
	report->is_alerted = verdict->is_alerted;
	report->is_slower = verdict->is_slower;
}

void
delivery_note_account(struct delivery *delivery, const struct verdict *verdict,
    const struct reply *reply, const char *reason)
{
	if (delivery->account.class != REPLY_NONE)
		return;
	delivery->account = *verdict;
	delivery->account_code = reply->code;
	(void)snprintf(
	    delivery->account_enhanced, sizeof(delivery->account_enhanced), "%s", reply->enhanced);
	delivery->account_reason = xstrdup(reason);
}

void
delivery_forget_account(struct delivery *delivery)
{
	delivery->account = (struct verdict){0};
	free(delivery->account_reason);
	delivery->account_reason = NULL;
}

void
delivery_end(struct delivery *delivery, const struct channel_facts *facts, bool is_reused)
{
	struct msg_list_builder fates = {0};
	struct msg_report report = {.outcome = ATTEMPT_ATTEMPTED};

	if (facts != NULL && !is_reused) {
		report.connect_ms = milliseconds(facts->connect_ms);
		report.tls_ms = milliseconds(facts->tls_ms);
	}
	if (delivery->begun_at_ms > 0)
		report.send_ms =
		    milliseconds(loop_now_ms(delivery->table->loop) - delivery->begun_at_ms);
	add_fates(&delivery->transaction, &fates);
	report.is_slower = delivery->transaction.verdict.is_slower;
	if (delivery->account.class != REPLY_NONE) {
		put_verdict(&report, &delivery->account);
		report.code = delivery->account_code;
		report.enhanced = delivery->account_enhanced;
		report.reason = delivery->account_reason;
	}
	send_report(delivery, &report, &fates, facts);
	message_list_fini(&fates);
}

void
delivery_fail(struct delivery *delivery, const struct verdict *verdict, const struct reply *reply,
    const char *reason, const struct channel_facts *facts)
{
	struct msg_list_builder fates = {0};
	struct msg_report report = {
	    .outcome = (uint8_t)verdict->outcome,
	    .code = reply != NULL ? reply->code : 0,
	    .enhanced = reply != NULL ? reply->enhanced : "",
	    .reason = reason,
	};

	put_verdict(&report, verdict);
	send_report(delivery, &report, &fates, facts);
}

void
delivery_cancelled(struct delivery *delivery, const char *reason)
{
	const struct verdict verdict = {.outcome = ATTEMPT_CANCELLED};

	delivery_fail(delivery, &verdict, NULL, reason, NULL);
}
