/*
 * channel_name - what a channel calls us: our host name, or where an upstream refuses that, the address
 * that we come from (RFC 5321 4.1.3). The profile keeps which one was taken. A name that the operator
 * chose is the only one.
 */
#include "common/log.h"
#include "daemon/relay/channel_private.h"
#include "daemon/relay/client.h"

#include <stdio.h>
#include <string.h>

/* [192.0.2.7], [IPv6:2001:db8::7], of the connection. */
static void
write_literal(struct channel *channel)
{
	const char *local = conn_local_text(channel->conn);
	size_t size = (size_t)(strrchr(local, ':') - local);

	if (*local == '[')
		(void)snprintf(channel->literal, sizeof(channel->literal), "[IPv6:%.*s",
		    (int)size - 1, local + 1);
	else
		(void)snprintf(
		    channel->literal, sizeof(channel->literal), "[%.*s]", (int)size, local);
}

void
channel_choose_name(struct channel *channel)
{
	const struct profile *profile = channel->profile;
	struct client_settings *settings = &channel->settings;

	settings->ehlo_name = profile->ehlo_name;
	settings->ehlo_other = NULL;
	if (profile->has_own_ehlo_name)
		return;
	write_literal(channel);
	channel->is_by_address =
	    channel->has_changed_name ? !channel->is_by_address : profile->is_known_by_address;
	settings->ehlo_name = channel->is_by_address ? channel->literal : profile->ehlo_name;
	if (!channel->has_changed_name)
		settings->ehlo_other =
		    channel->is_by_address ? profile->ehlo_name : channel->literal;
}

static void
log_name(const struct channel *channel, const char *name)
{
	struct log_line line;
	char reason[400];

	if (channel->profile->is_tested || !log_begin(&line, LOG_WARNING, EVENT_PROBLEM, 0))
		return;
	(void)snprintf(reason, sizeof(reason),
	    "the upstream doesn't take the name %.255s in EHLO: %.80s is used; the profile's ehlo "
	    "sets "
	    "another",
	    channel->profile->is_known_by_address ? channel->profile->ehlo_name : channel->literal,
	    name);
	log_text(&line, KEY_PROFILE, channel->profile->name);
	log_text(&line, KEY_UPSTREAM, channel->facts.upstream);
	log_text(&line, KEY_REASON, reason);
	log_end(&line);
}

void
channel_note_name(struct channel *channel)
{
	struct profile *profile = channel->profile;
	const char *name = client_name(channel->client);
	bool is_literal = strcmp(name, channel->literal) == 0;

	if (profile->has_own_ehlo_name || is_literal == profile->is_known_by_address)
		return;
	profile->is_known_by_address = is_literal;
	log_name(channel, name);
}

const char *
channel_name_detail(const struct channel *channel, char *buffer, size_t size)
{
	bool is_other = client_is_name_refused(channel->client) || channel->has_changed_name;
	bool is_helo = client_has_said_helo(channel->client);

	*buffer = '\0';
	if (is_other || is_helo)
		(void)snprintf(
		    buffer, size, "%s %s", is_helo ? "HELO" : "EHLO", client_name(channel->client));
	return buffer;
}

/* ---- on a new connection ---- */

static void
begin_anew(struct channel *channel)
{
	channel->has_changed_name = true;
	channel_leave_conn(channel);
	channel_connect(channel);
}

static bool
may_change(const struct channel *channel)
{
	return !channel->profile->has_own_ehlo_name && !channel->has_changed_name;
}

bool
channel_renames_end(struct channel *channel)
{
	const struct client_end *end = client_end(channel->client);

	if (!may_change(channel) || end->phase != PHASE_EHLO ||
	    !client_is_name_refused(channel->client) ||
	    (end->reply.code != 0 && end->reply.code != 421))
		return false;
	begin_anew(channel);
	return true;
}

/* Many say it to the first recipient only. */
bool
channel_renames_transaction(struct channel *channel)
{
	struct client_transaction *transaction = channel->transaction;
	const struct verdict *verdict = &transaction->verdict;

	if (!may_change(channel) || client_is_name_refused(channel->client) ||
	    transaction->phase >= PHASE_BODY || verdict->class != REPLY_PROTOCOL ||
	    strcmp(verdict->rule, "helo-name") != 0)
		return false;
	client_transaction_reset(transaction);
	channel->resends = true;
	begin_anew(channel);
	return true;
}
