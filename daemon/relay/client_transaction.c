/* client_transaction - one message after the other, each recipient with a fate of its own. */
#include "daemon/relay/client_private.h"

#include "common/xalloc.h"

#include <stdlib.h>
#include <string.h>

enum client_event
client_on_idle(struct client *client, const struct smtp_reply *reply)
{
	return client_end_refused(client, reply); /* mostly 421: it has waited long enough */
}

void
client_settle(
    struct client *client, struct verdict verdict, const struct reply *reply, enum phase phase)
{
	struct client_transaction *transaction = client->transaction;

	client->is_settled = true;
	transaction->verdict = verdict;
	transaction->reply = *reply;
	transaction->phase = phase;
}

/* The transaction has its verdict and no answer is on its way. */
enum client_event
client_finish(struct client *client)
{
	struct client_transaction *transaction = client->transaction;

	/* The account was told to wait: nothing more is said to that upstream. */
	transaction->verdict.is_over |= reply_class_is_account(transaction->put_off.class);
	client->end.phase = transaction->phase;
	client->end.verdict = transaction->verdict;
	client->end.reply = transaction->reply;
	if (transaction->verdict.is_over)
		client_enter(client, CLIENT_STATE_OVER);
	else
		client_enter(client, CLIENT_STATE_READY);
	client->transaction = NULL;
	return CLIENT_IS_DONE;
}

size_t
client_data_index(const struct client *client)
{
	return client->chosen_count + 1;
}

/* Who is meant by a command of the envelope. */
static struct client_recipient *
named(const struct client *client, size_t command)
{
	return &client->transaction->recipients[client->chosen[command - 1]];
}

/* The next command of the envelope, or all that are left if the upstream takes them at once. */
void
client_send_envelope(struct client *client)
{
	size_t end = client_data_index(client) - (client->is_chunked ? 1 : 0);
	size_t last = client->capabilities.has_pipelining ? end : client->sent;

	for (; client->sent <= last; client->sent++) {
		if (client->sent == 0)
			client_say_mail(client);
		else if (client->sent < client_data_index(client))
			client_say_rcpt(client, named(client, client->sent));
		else
			client_put(client, "DATA");
	}
}

/* ---- verdicts ---- */

static size_t
add_address(const char **addresses, size_t count, const char *address)
{
	if (address != NULL && *address != '\0')
		addresses[count++] = address;
	return count;
}

static struct verdict
judge_naming(const struct client *client, enum phase phase, const struct reply *reply, size_t first,
    size_t count)
{
	const struct client_transaction *transaction = client->transaction;
	const char **addresses = xcalloc(2 * (count + 1), sizeof(*addresses));
	struct envelope envelope = {.addresses = addresses};
	struct classifier classifier = client->settings->classifier;
	struct verdict verdict;

	envelope.count = add_address(addresses, envelope.count, transaction->sender);
	envelope.count = add_address(addresses, envelope.count, transaction->sender_wire);
	for (size_t i = first; i < first + count; i++) {
		const struct client_recipient *to = &transaction->recipients[client->chosen[i]];

		envelope.count = add_address(addresses, envelope.count, to->address);
		envelope.count = add_address(addresses, envelope.count, to->wire);
	}
	classifier.envelope = &envelope;
	verdict = classify_reply(&classifier, phase, reply);
	free(addresses);
	return verdict;
}

/* Addresses are looked for where they may be repeated: at RCPT there is one, and a reply for each. */
static struct verdict
judge(const struct client *client, enum phase phase, const struct reply *reply)
{
	if (reply->code < 400)
		return classify_reply(&client->settings->classifier, phase, reply);
	if (phase == PHASE_MAIL)
		return judge_naming(client, phase, reply, 0, 0);
	if (phase == PHASE_RCPT)
		return judge_naming(client, phase, reply, client->answered - 1, 1);
	return judge_naming(client, phase, reply, 0, client->chosen_count);
}

/* The whole transaction holds too much for the upstream: half of it, or nothing at all. */
static struct verdict
split(struct client *client, struct verdict verdict)
{
	size_t count = client->accepted > 0 ? client->accepted : client->chosen_count;

	if (verdict.class != REPLY_SPLIT)
		return verdict;
	if (count < 2)
		return classify_unsplittable(&verdict);
	client->transaction->recipients_max = (uint16_t)(count / 2);
	verdict.outcome = ATTEMPT_SPLIT;
	return verdict;
}

struct verdict
client_judge(struct client *client, enum phase phase, const struct reply *reply)
{
	return split(client, judge(client, phase, reply));
}

static void
on_mail_reply(struct client *client, const struct reply *reply)
{
	struct verdict verdict = client_judge(client, PHASE_MAIL, reply);

	if (verdict.fate != FATE_DELIVERED)
		client_settle(client, verdict, reply, PHASE_MAIL);
}

static void
refuse_recipient(
    struct client_recipient *recipient, const struct verdict *verdict, const struct reply *reply)
{
	recipient->verdict = *verdict;
	recipient->refusal = xmalloc(sizeof(*recipient->refusal));
	*recipient->refusal = *reply;
}

/* Those that were taken go first; this one's turn is next. With the message on its way it is too late to
 * hang up, others may have it: also what stops the account is kept until the upstream has said who. */
static bool
may_postpone(const struct client *client, const struct verdict *verdict)
{
	if (client->has_said_last && reply_class_is_account(verdict->class))
		return true;
	if (verdict->class == REPLY_SPLIT)
		return client->accepted > 0 || client->answered > 1;
	return client->accepted > 0 && reply_class_effect(verdict->class) == EFFECT_PAUSE;
}

static void
postpone(struct client *client, struct client_recipient *recipient, const struct verdict *verdict,
    const struct reply *reply)
{
	struct client_transaction *transaction = client->transaction;

	recipient->is_postponed = true;
	if (verdict->class == REPLY_SPLIT && client->accepted > 0 &&
	    transaction->recipients_max == 0)
		transaction->recipients_max = (uint16_t)client->accepted;
	if (transaction->put_off.class != REPLY_NONE)
		return;
	transaction->put_off = *verdict;
	transaction->put_off_reply = *reply;
}

/* Nobody is left: what was said of the account stands for the transaction, else the last refusal. */
static void
settle_refused(struct client *client, const struct verdict *verdict, const struct reply *reply)
{
	struct client_transaction *transaction = client->transaction;
	struct verdict put_off = transaction->put_off;

	if (!client->has_said_last || !reply_class_is_account(put_off.class)) {
		client_settle(client, *verdict, reply, PHASE_RCPT);
		return;
	}
	transaction->put_off = (struct verdict){0};
	client_settle(client, put_off, &transaction->put_off_reply, PHASE_RCPT);
}

static void
on_rcpt_reply(struct client *client, const struct reply *reply)
{
	struct client_recipient *recipient = named(client, client->answered);
	struct verdict verdict = judge(client, PHASE_RCPT, reply);

	if (verdict.class == REPLY_SPLIT && !may_postpone(client, &verdict))
		verdict = classify_unsplittable(&verdict);
	if (verdict.fate == FATE_DELIVERED)
		client->accepted++;
	else if (reply->code != 421 && may_postpone(client, &verdict))
		postpone(client, recipient, &verdict, reply);
	else if (verdict.is_over && client->has_said_last && reply->code != 421)
		client_settle(client, classify_loss(PHASE_DOT), reply, PHASE_DOT);
	else if (verdict.is_over)
		client_settle(client, verdict, reply, PHASE_RCPT);
	else
		refuse_recipient(recipient, &verdict, reply);
	if (!client->is_settled && client->accepted == 0 &&
	    client->answered == client->chosen_count)
		settle_refused(client, &verdict, reply);
}

static enum client_event
on_data_reply(struct client *client, const struct reply *reply)
{
	if (client->is_settled && reply->code == 354) {
		client_enter(
		    client, CLIENT_STATE_ABANDON); /* RFC 2920 3.1: 354 without a recipient */
		return CLIENT_WAITS;
	}
	if (!client->is_settled && reply->code == 354) {
		client_enter(client, CLIENT_STATE_BODY);
		return CLIENT_WANTS_BODY;
	}
	if (!client->is_settled)
		client_settle(client, client_judge(client, PHASE_DATA, reply), reply, PHASE_DATA);
	return client_finish(client);
}

/* Settled, and no answer is due that would have to be read. */
static bool
is_envelope_over(const struct client *client)
{
	if (!client->is_settled)
		return false;
	if (client->transaction->verdict.is_over)
		return true;
	return client->answered == client->sent && !client_awaits_chunk(client);
}

enum client_event
client_on_envelope(struct client *client, const struct smtp_reply *from)
{
	struct reply reply;

	client_read_reply(from, &reply);
	client->transaction->is_answered |= reply.code != 421;
	client->needs_reset = true;
	if (!client->is_chunked && client->answered == client_data_index(client))
		return on_data_reply(client, &reply);
	/* A 421 is the last word, whatever it answers. */
	if (client->is_settled)
		client->transaction->verdict.is_over |= reply.code == 421;
	else if (client->answered == 0)
		on_mail_reply(client, &reply);
	else
		on_rcpt_reply(client, &reply);
	client->answered++;
	if (is_envelope_over(client))
		return client_finish(client);
	if (client->answered < client->sent)
		return CLIENT_WAITS;
	if (client->is_chunked)
		return client_begin_chunks(client);
	client_send_envelope(client);
	return CLIENT_WAITS;
}

/* A refusal before the final dot is the reply to DATA (RFC 5321 3.3, 4.2.5). Whether the upstream reads the rest,
 * and answers the dot as well, nobody knows: without one it can't have taken the message, so the connection ends here.
 */
enum client_event
client_on_body(struct client *client, const struct smtp_reply *from)
{
	struct reply reply;

	if (client->is_chunked)
		return client_on_chunk(client, from);
	client_read_reply(from, &reply);
	client_settle(client, client_judge(client, PHASE_DOT, &reply), &reply, PHASE_DOT);
	client->transaction->verdict.is_over = true;
	return client_finish(client);
}

enum client_event
client_on_dot(struct client *client, const struct smtp_reply *from)
{
	struct reply reply;

	if (client->is_chunked)
		return client_on_chunk(client, from);
	client_read_reply(from, &reply);
	client->needs_reset = false;
	client_settle(client, client_judge(client, PHASE_DOT, &reply), &reply, PHASE_DOT);
	return client_finish(client);
}

void
client_send_dot(struct client *client)
{
	client_put(client, ".");
}

enum client_event
client_on_abandoned(struct client *client, const struct smtp_reply *reply)
{
	client->needs_reset = false;
	client->transaction->verdict.is_over |= reply->code == 421;
	return client_finish(client);
}

void
client_send_rset(struct client *client)
{
	client_put(client, "RSET");
}

enum client_event
client_on_rset(struct client *client, const struct smtp_reply *reply)
{
	if (!client_is_positive(reply))
		return client_end_refused(client, reply);
	client->needs_reset = false;
	return client_become_ready(client);
}

/* ---- the calls of client.h ---- */

/* An upstream that says how much it takes need not be asked. */
static bool
is_too_big(struct client *client)
{
	uint64_t limit = client->capabilities.size_limit_bytes;
	struct verdict verdict = {
	    .outcome = ATTEMPT_ATTEMPTED, .fate = FATE_FAILED, .class = REPLY_SIZE, .rule = "own"};
	struct reply reply;

	if (limit == 0 || client->transaction->size_bytes <= limit)
		return false;
	reply_set(&reply, 552, "5.3.4", "The message has %llu bytes, the upstream takes %llu",
	    (unsigned long long)client->transaction->size_bytes, (unsigned long long)limit);
	client->transaction->is_answered = true;
	client_settle(client, verdict, &reply, PHASE_MAIL);
	return true;
}

enum client_event
client_send(struct client *client, struct client_transaction *transaction)
{
	ensure(client->state == CLIENT_STATE_READY && transaction->recipient_count > 0);
	client->transaction = transaction;
	client->sent = client->answered = client->accepted = 0;
	client->is_settled = client->is_chunked = client->has_said_last = false;
	client_transaction_reset(transaction);
	if (is_too_big(client) || !client_choose_recipients(client))
		return client_finish(client);
	client_choose_way(client);
	client_enter(client, CLIENT_STATE_ENVELOPE);
	return transaction->is_grouped ? CLIENT_WANTS_BODY : CLIENT_WAITS;
}

enum client_event
client_body_sent(struct client *client)
{
	ensure(client->is_chunked ? client->has_said_last : client->state == CLIENT_STATE_BODY);
	client_say_line(client, true, "<message>");
	if (client->state == CLIENT_STATE_BODY)
		client_enter(client, CLIENT_STATE_DOT);
	else
		client_next_step(client);
	return CLIENT_WAITS;
}

void
client_body_unsent(struct client *client)
{
	client->has_said_last = false;
	if (client->state == CLIENT_STATE_DOT)
		client_enter(client, CLIENT_STATE_BODY);
}

enum client_event
client_next(struct client *client)
{
	if (client->state == CLIENT_STATE_OVER)
		return CLIENT_IS_OVER;
	if (!client->needs_reset)
		return client_become_ready(client);
	client_enter(client, CLIENT_STATE_RSET);
	return CLIENT_WAITS;
}

bool
client_transaction_is_delivered(const struct client_transaction *transaction)
{
	for (size_t i = 0; i < transaction->recipient_count; i++)
		if (transaction->recipients[i].refusal != NULL)
			return false;
	return transaction->verdict.outcome == ATTEMPT_ATTEMPTED &&
	       transaction->verdict.fate == FATE_DELIVERED;
}

void
client_transaction_reset(struct client_transaction *transaction)
{
	for (size_t i = 0; i < transaction->recipient_count; i++) {
		free(transaction->recipients[i].refusal);
		transaction->recipients[i].refusal = NULL;
		free(transaction->recipients[i].wire);
		transaction->recipients[i].wire = NULL;
		transaction->recipients[i].is_postponed = false;
	}
	free(transaction->sender_wire);
	transaction->sender_wire = NULL;
	transaction->has_dsn = false;
	transaction->verdict = (struct verdict){0};
	transaction->put_off = (struct verdict){0};
	transaction->recipients_max = 0;
	transaction->is_answered = transaction->lacks_bdat = transaction->takes_bdat = false;
	transaction->is_chunked = transaction->is_grouped = transaction->is_in_hand = false;
}
