/*
 * client_chunks - BDAT (RFC 3030) in place of DATA and the final dot.
 *
 * Every chunk has a reply. The first that isn't positive is the message's, and no more chunks are said; the
 * replies to those that are on their way are awaited, they mean nothing. Behind such an end there is RSET
 * (RFC 3030 section 2).
 *
 * A body that leaves with its envelope is out before the recipients are known. Whoever was taken has the message then,
 * so all of the replies are read, whatever one of them says of the account. If nobody was taken, the reply to the
 * last chunk is nobody's, also a positive one.
 */
#include "daemon/relay/client_private.h"

#include "common/log.h"

#include <string.h>

bool
client_may_chunk(const struct client *client)
{
	return client->capabilities.has_chunking && client->capabilities.has_pipelining &&
	       !client->settings->skips_chunking;
}

void
client_choose_way(struct client *client)
{
	struct client_transaction *transaction = client->transaction;

	client->is_chunked = client_may_chunk(client);
	client->chunks_said = client->chunks_answered = 0;
	transaction->is_chunked = client->is_chunked;
	transaction->is_grouped =
	    client->is_chunked && client->settings->groups_body && transaction->is_whole;
}

bool
client_is_chunked(const struct client *client)
{
	return client->is_chunked;
}

bool
client_awaits_chunk(const struct client *client)
{
	return client->is_chunked && client->chunks_answered < client->chunks_said;
}

bool
client_takes_body(const struct client *client)
{
	return client->transaction != NULL && !client->is_settled && !client->has_said_last;
}

bool
client_tries_chunks(const struct client *client)
{
	return client->is_chunked && client->settings->tries_chunks && client->chunks_answered == 0;
}

bool
client_awaits_trial(const struct client *client)
{
	return client_tries_chunks(client) && client->chunks_said > 0;
}

void
client_chunk(struct client *client, uint64_t size)
{
	ensure(client->is_chunked && client_takes_body(client));
	client->chunks_said++;
	client_put(client, "BDAT %llu", (unsigned long long)size);
}

void
client_last_chunk(struct client *client, uint64_t size)
{
	ensure(client->is_chunked && client_takes_body(client));
	client->chunks_said++;
	client->has_said_last = true;
	client_put(client, "BDAT %llu LAST", (unsigned long long)size);
}

enum client_event
client_begin_chunks(struct client *client)
{
	client_enter(client, client->has_said_last ? CLIENT_STATE_DOT : CLIENT_STATE_BODY);
	return client->has_said_last ? CLIENT_WAITS : CLIENT_WANTS_BODY;
}

/* ---- replies ---- */

/* The command is none that the upstream knows, or it is wrong in its eyes, which it isn't: nothing is said of the
 * message, and it may take the octets behind it for commands. Where nobody is to get the message a refusal is due,
 * and only that of a first chunk can say this. */
static bool
is_unknown_command(const struct client *client, const struct reply *reply)
{
	bool is_plain = reply->enhanced[0] == '\0' || strcmp(reply->enhanced, "5.5.1") == 0 ||
			strcmp(reply->enhanced, "5.5.2") == 0 ||
			strcmp(reply->enhanced, "5.5.4") == 0;

	if (!is_plain || (client->is_settled && client->chunks_answered != 1))
		return false;
	return reply->code == 500 || reply->code == 502 || reply->code == 504 ||
	       ((reply->code == 501 || reply->code == 503) && !client->is_settled);
}

/* It has the message by DATA, on another connection. */
static void
note_unknown(struct client *client, const struct reply *reply, bool is_trial)
{
	const struct verdict verdict = {.outcome = ATTEMPT_ATTEMPTED,
	    .fate = FATE_DEFERRED,
	    .is_over = true,
	    .class = REPLY_TEMPORARY,
	    .rule = CHUNKING_UNKNOWN};

	client->transaction->lacks_bdat = true;
	client->transaction->is_in_hand = client->transaction->is_grouped || is_trial;
	if (client->is_settled)
		client->transaction->verdict.is_over = true;
	else
		client_settle(client, verdict, reply, PHASE_DOT);
}

/* More replies than commands: one of them was for none of ours, and nobody knows which. */
static void
settle_shifted(struct client *client, enum phase phase)
{
	struct reply reply;

	reply_set(&reply, 0, "",
	    "the upstream answers before it was asked: its replies can't be told apart");
	client_settle(client, classify_loss(phase), &reply, phase);
}

static void
judge_chunk(struct client *client, const struct reply *reply, bool is_last, bool is_trial)
{
	bool is_taken = reply->code / 100 == 2;

	client->transaction->takes_bdat |= is_taken;
	if (is_unknown_command(client, reply)) {
		note_unknown(client, reply, is_trial);
	} else if (client->is_settled) {
		client->transaction->verdict.is_over |= reply->code == 421;
	} else if (is_last && is_taken && client->is_followed) {
		settle_shifted(client, PHASE_DOT);
	} else if (is_last || !is_taken) {
		client_settle(client, client_judge(client, PHASE_DOT, reply), reply, PHASE_DOT);
		client->needs_reset = !is_taken;
	}
}

/* Behind a refusal no more chunks are said, behind the one that was a trial all others. */
static enum client_event
go_on(struct client *client, bool was_trial)
{
	if (was_trial && client_takes_body(client))
		return CLIENT_WANTS_BODY;
	if (client->is_settled &&
	    (client->transaction->verdict.is_over || !client_awaits_chunk(client)))
		return client_finish(client);
	if (client->is_settled && client->state == CLIENT_STATE_BODY)
		client_enter(client, CLIENT_STATE_DOT);
	return CLIENT_WAITS;
}

enum client_event
client_on_chunk(struct client *client, const struct smtp_reply *from)
{
	bool is_due = client_awaits_chunk(client), is_trial = client_awaits_trial(client), is_last;
	struct reply reply;

	client_read_reply(from, &reply);
	client->chunks_answered += is_due;
	is_last = client->has_said_last && !client_awaits_chunk(client);
	if (!is_due && client_is_positive(from))
		settle_shifted(client, PHASE_BODY);
	else
		judge_chunk(client, &reply, is_last, is_trial);
	/* A refusal that was not asked for is the last word. */
	if (!is_due)
		client->transaction->verdict.is_over = true;
	return go_on(client, is_trial);
}
