/*
 * channel_hosts - a channel's way from host to host: the profile's next one, where one can't be used
 *
 * Up to a login each host speaks for itself. What it says of the account, or of how much it takes, is
 * heard: to evade that by another host of the same provider would only make matters worse.
 */
#include "common/log.h"
#include "common/xalloc.h"
#include "daemon/relay/channel_private.h"
#include "daemon/relay/diagnosis.h"
#include "daemon/relay/hostlist.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void
channel_seek_host(struct channel *channel)
{
	struct profile *profile = channel->profile;

	channel->host =
	    hostlist_next(profile->hosts, channel->hosts_tried, loop_now_ms(channel->loop));
	channel->hosts_tried |= 1u << channel->host;
	channel->facts.host = channel->settings.host = hostlist_name(profile->hosts, channel->host);
	channel->phase = PHASE_NAME;
	dial_init(&channel->dial, channel->facts.host, profile->port);
	channel->has_turned = false;
	channel->query = dns_resolve(
	    channel->dns, channel->facts.host, profile->port, channel_on_addresses, channel);
}

static bool
is_hosts_own(const struct client_end *end)
{
	bool is_before_login =
	    end->phase == PHASE_NAME || (end->phase >= PHASE_CONNECT && end->phase < PHASE_AUTH);

	switch (end->verdict.class) {
	case REPLY_UNREACHABLE:
	case REPLY_TEMPORARY:
	case REPLY_TLS:
	case REPLY_TLS_TEMP:
		return is_before_login;
	default:
		return false;
	}
}

/* Most of our own texts name the host already. */
static bool
is_named(const struct client_end *end, const char *host)
{
	return strncmp(end->reply.text, host, strlen(host)) == 0;
}

/* Gives the words. */
static char *
describe(const struct client_end *end, const char *host)
{
	char fact[1100];

	(void)diagnosis_fact(end, fact, sizeof(fact));
	return is_named(end, host) ? xstrdup(fact) : xasprintf("%s: %s", host, fact);
}

static void
log_host(
    const struct channel *channel, enum log_level level, enum log_event event, const char *reason)
{
	struct log_line line;

	if (channel->profile->is_tested || !log_begin(&line, level, event, 0))
		return;
	log_text(&line, KEY_PROFILE, channel->profile->name);
	log_text(&line, KEY_UPSTREAM, channel->facts.host);
	log_text(&line, KEY_REASON, reason);
	log_end(&line);
}

void
channel_note_host_worked(struct channel *channel)
{
	if (hostlist_note_worked(channel->profile->hosts, channel->host) &&
	    hostlist_count(channel->profile->hosts) > 1)
		log_host(channel, LOG_INFO, EVENT_CONNECTED, "the host can be used again");
}

static void
add_other(struct channel *channel, const struct client_end *end, const char *host)
{
	char *words = describe(end, host);

	buf_printf(&channel->failed_others, "; %s", words);
	free(words);
}

/* The one that came furthest says most of what is wrong. */
static void
note_failed(struct channel *channel)
{
	bool is_furthest =
	    channel->failed_host == NULL || channel->end.phase >= channel->failed.phase;

	if (!is_furthest) {
		add_other(channel, &channel->end, channel->facts.host);
		return;
	}
	if (channel->failed_host != NULL)
		add_other(channel, &channel->failed, channel->failed_host);
	channel->failed = channel->end;
	channel->failed_host = channel->facts.host;
}

static void
mark_failed(struct channel *channel, bool is_last)
{
	bool is_new = hostlist_note_failed(
	    channel->profile->hosts, channel->host, loop_now_ms(channel->loop));
	char *words;

	if (!is_new || is_last)
		return;
	words = describe(&channel->end, channel->facts.host);
	log_host(channel, LOG_WARNING, EVENT_PROBLEM, words);
	free(words);
}

static void
go_on(struct channel *channel)
{
	if (channel->callbacks->on_host_failed != NULL)
		channel->callbacks->on_host_failed(channel, &channel->end, channel->ctx);
	channel_leave_conn(channel);
	channel->settings.skips_starttls = channel->has_turned = false;
	channel->started_at_ms = channel->step_at_ms = loop_now_ms(channel->loop);
	channel->facts.tls_ms = 0;
	channel_seek_host(channel);
}

/* The words name each. */
static void
end_for_all(struct channel *channel)
{
	struct reply *reply = &channel->end.reply;
	size_t size;

	channel->end = channel->failed;
	channel->facts.host = channel->failed_host;
	size = strlen(reply->text);
	if (!is_named(&channel->end, channel->failed_host))
		size += (size_t)snprintf(
		    reply->text + size, sizeof(reply->text) - size, " (%s)", channel->failed_host);
	if (size < sizeof(reply->text))
		(void)snprintf(reply->text + size, sizeof(reply->text) - size, "%s",
		    channel->failed_others.bytes);
}

bool
channel_goes_elsewhere(struct channel *channel)
{
	size_t count = hostlist_count(channel->profile->hosts);
	bool is_last = channel->hosts_tried == (1u << count) - 1;

	if (count < 2 || channel->is_closed || channel->is_established ||
	    !is_hosts_own(&channel->end))
		return false;
	note_failed(channel);
	mark_failed(channel, is_last);
	if (is_last)
		end_for_all(channel);
	else
		go_on(channel);
	return !is_last;
}
