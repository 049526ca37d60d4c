/*
 * slot_transcript - what is said on a connection, for the report of the delivery it was said for.
 * What comes before the first transaction belongs to that one.
 */
#include "common/clock.h"
#include "common/format.h"
#include "daemon/relay/diagnosis.h"
#include "daemon/relay/upstream_private.h"

#include <stdarg.h>
#include <stdlib.h>

static int64_t
now_ms(const struct slot *slot)
{
	return loop_now_ms(upstream_loop(slot->upstream));
}

static __attribute__((format(printf, 2, 3))) void
note(struct slot *slot, const char *format, ...)
{
	char text[1000];
	va_list args;

	va_start(args, format);
	(void)format_arguments(text, sizeof(text), format, args);
	va_end(args);
	transcript_add(&slot->transcript, now_ms(slot), TRANSCRIPT_EVENT, text);
}

/* The first line has the time that all others count from. */
static __attribute__((format(printf, 2, 3))) void
begin(struct slot *slot, const char *format, ...)
{
	char at[CLOCK_RFC3339_SIZE], text[400];
	va_list args;

	va_start(args, format);
	(void)format_arguments(text, sizeof(text), format, args);
	va_end(args);
	transcript_begin(&slot->transcript, now_ms(slot));
	note(slot, "%s, %s",
	    clock_rfc3339(loop_wall_ms(upstream_loop(slot->upstream)), at, sizeof(at)), text);
}

void
slot_open_transcript(struct slot *slot)
{
	const struct profile *profile = slot->upstream->profile;
	char server[PROFILE_SERVER_SIZE];

	slot->keeps = profile->transcript;
	transcript_init(&slot->transcript);
	if (slot->keeps != TRANSCRIPT_NEVER)
		begin(slot, "a new connection to %s", profile_server(profile, server));
}

void
slot_note_step(struct slot *slot, const struct channel_step *step)
{
	if (step->phase == PHASE_CONNECT || step->phase == PHASE_TLS ||
	    step->phase == PHASE_POP3_CONNECT || step->phase == PHASE_POP3_TLS)
		note(slot, "%s: %s", phase_name(step->phase), step->detail);
}

void
slot_note_host(struct slot *slot, const struct client_end *end)
{
	char fact[700];

	note(slot, "%s: not this host: %s", channel_facts(slot->channel)->host,
	    diagnosis_fact(end, fact, sizeof(fact)));
}

void
slot_note_line(struct slot *slot, bool is_sent, const char *line)
{
	transcript_add(
	    &slot->transcript, now_ms(slot), is_sent ? TRANSCRIPT_CLIENT : TRANSCRIPT_SERVER, line);
}

void
slot_begin_transcript(struct slot *slot)
{
	if (slot->keeps == TRANSCRIPT_NEVER || slot->sent_count == 0)
		return;
	begin(slot,
	    "a connection to %s that was kept after %u message%s, whose first has its beginning",
	    channel_facts(slot->channel)->upstream, slot->sent_count,
	    slot->sent_count == 1 ? "" : "s");
}

/* Why the reply meant what it did. */
static void
note_verdict(struct slot *slot, const struct verdict *verdict)
{
	if (verdict->class != REPLY_NONE)
		note(slot, "class %s, rule %s", reply_class_name(verdict->class), verdict->rule);
}

static void
note_verdicts(struct slot *slot, const struct client_transaction *transaction)
{
	for (size_t i = 0; i < transaction->recipient_count; i++) {
		const struct client_recipient *recipient = &transaction->recipients[i];

		if (recipient->refusal != NULL)
			note(slot, "<%s>: class %s, rule %s", recipient->address,
			    reply_class_name(recipient->verdict.class), recipient->verdict.rule);
	}
	note_verdict(slot, &transaction->put_off);
	note_verdict(slot, &transaction->verdict);
}

void
slot_give_transcript(struct slot *slot, struct delivery *delivery)
{
	const struct client_transaction *transaction = &delivery->transaction;
	bool is_wanted =
	    slot->keeps == TRANSCRIPT_ALWAYS ||
	    (slot->keeps == TRANSCRIPT_FAILURE && !client_transaction_is_delivered(transaction));

	/* Not the upstream's words, so they are in no line of its. */
	if (is_wanted && transaction->reply.code == 0)
		note(slot, "%s", transaction->reply.text);
	if (is_wanted)
		note_verdicts(slot, transaction);
	if (is_wanted)
		delivery->transcript = transcript_give(&slot->transcript);
	transcript_fini(&slot->transcript);
}

void
slot_give_failure(struct slot *slot, const struct client_end *end, struct delivery *delivery)
{
	char fact[700];

	if (slot->keeps == TRANSCRIPT_NEVER || delivery == NULL)
		return;
	note(slot, "%s", diagnosis_fact(end, fact, sizeof(fact)));
	note_verdict(slot, &end->verdict);
	free(delivery->transcript);
	delivery->transcript = transcript_give(&slot->transcript);
}
