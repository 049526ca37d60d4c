/*
 * channel_chunks - whether a channel's body goes in chunks, and with its envelope; what follows where that
 * doesn't work.
 *
 * A body with its envelope saves a round trip. It has a price: if the connection breaks before any reply, nobody
 * knows whether the message was taken, where otherwise it would just go again. So it is not done where an operator
 * decides about such messages, nor on a connection that has waited for a while, which the upstream may be about to
 * close; nor on any that has carried a message before the upstream has shown that it keeps those: some end them
 * behind each, without a word. Within a bandwidth every body waits for its turn.
 *
 * What knows no BDAT takes the octets behind it for commands, and a message's writer for one who may give them. So
 * the first chunk of all is only the first line, the trace field that our side wrote, and nothing follows before it was
 * taken. That is asked once of a profile; of one with several hosts, which need not be alike, once of a connection.
 *
 * An upstream that refuses BDAT has DATA from then on. One that is lost with a body in chunks, be it for what stands
 * between, which knows no more of SMTP than DATA, has DATA for an hour.
 */
#include "common/log.h"
#include "daemon/relay/channel_private.h"
#include "daemon/relay/hostlist.h"

#include <string.h>

#define FRESH_MS 2000
#define APART_MS (60 * 60 * 1000)
#define NEVER INT64_MAX

void
channel_choose_way(struct channel *channel)
{
	const struct profile *profile = channel->profile;
	struct client_settings *settings = &channel->settings;
	int64_t now_ms = loop_now_ms(channel->loop);
	bool is_known = channel->takes_chunks || profile->takes_chunks;

	settings->skips_chunking = now_ms < profile->chunks_from_ms;
	settings->tries_chunks = !is_known;
	settings->groups_body = is_known && !profile->is_uncertain_held &&
				profile->bandwidth == 0 &&
				now_ms - channel->ready_at_ms <= FRESH_MS &&
				(!channel->is_kept || profile->keeps_connections);
}

bool
channel_waits_for_body(const struct channel *channel)
{
	const struct client_transaction *transaction = channel->transaction;

	return channel->settings.groups_body && client_may_chunk(channel->client) &&
	       !transaction->is_whole && transaction->size_bytes <= CLIENT_GROUP_MAX;
}

static void
log_unknown(const struct channel *channel)
{
	struct log_line line;

	if (channel->profile->is_tested || !log_begin(&line, LOG_WARNING, EVENT_PROBLEM, 0))
		return;
	log_text(&line, KEY_PROFILE, channel->profile->name);
	log_text(&line, KEY_UPSTREAM, channel->facts.upstream);
	log_text(&line, KEY_REASON,
	    "the upstream announces CHUNKING and refuses BDAT: mail goes to it by DATA");
	log_end(&line);
}

static void
note_unknown(struct channel *channel)
{
	if (channel->profile->chunks_from_ms != NEVER)
		log_unknown(channel);
	channel->profile->chunks_from_ms = NEVER;
}

static void
note_known(struct channel *channel)
{
	channel->takes_chunks = true;
	channel->profile->takes_chunks |= hostlist_count(channel->profile->hosts) == 1;
}

static bool
is_lost(const struct client_transaction *transaction)
{
	return transaction->is_chunked && transaction->phase >= PHASE_BODY &&
	       transaction->reply.code == 0;
}

static bool
may_say_again(const struct client_transaction *transaction)
{
	const char *rule = transaction->verdict.rule;

	return transaction->is_in_hand && rule != NULL && strcmp(rule, CHUNKING_UNKNOWN) == 0;
}

/* Of a connection that was kept. */
static void
note_kept(struct channel *channel, const struct client_transaction *transaction)
{
	struct profile *profile = channel->profile;

	profile->has_left_kept |=
	    transaction->is_grouped && !transaction->is_answered && is_lost(transaction);
	profile->keeps_connections |= transaction->is_answered;
	profile->keeps_connections &= !profile->has_left_kept;
}

bool
channel_unchunks_transaction(struct channel *channel)
{
	struct client_transaction *transaction = channel->transaction;

	if (transaction->takes_bdat)
		note_known(channel);
	if (channel->is_kept)
		note_kept(channel, transaction);
	channel->is_kept = true;
	if (transaction->lacks_bdat)
		note_unknown(channel);
	else if (is_lost(transaction) && channel->profile->chunks_from_ms != NEVER)
		channel->profile->chunks_from_ms = loop_now_ms(channel->loop) + APART_MS;
	if (!transaction->lacks_bdat || !may_say_again(transaction))
		return false;
	client_transaction_reset(transaction);
	channel->resends = true;
	channel_leave_conn(channel);
	channel_connect(channel);
	return true;
}
