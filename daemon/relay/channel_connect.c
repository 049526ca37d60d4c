/*
 * channel_connect - a channel's socket: the addresses in turn until one greets, TLS, and what comes
 * in, given to the automaton
 */
#include "common/log.h"
#include "daemon/relay/channel_private.h"
#include "daemon/relay/hostlist.h"
#include "daemon/relay/other_protocol.h"
#include "daemon/relay/silence.h"

#include <event2/buffer.h>
#include <stdio.h>

#define BODY_LOW_BYTES (32u * 1024)

static void connect_next(struct channel *channel, const char *problem);

/* What comes before the dot has left is no answer to it. */
static void
note_unsent(struct channel *channel)
{
	if (channel->is_past_dot && !client_is_chunked(channel->client) &&
	    conn_waiting_bytes(channel->conn) > 0)
		client_body_unsent(channel->client);
}

static void
on_input(struct conn *conn, void *ctx)
{
	struct channel *channel = ctx;
	struct evbuffer *input = conn_input(conn);
	size_t size = evbuffer_get_length(input), used;
	enum client_event event;

	silence_end(channel->silence);
	note_unsent(channel);
	event = client_input(channel->client, evbuffer_pullup(input, -1), size, &used);
	(void)evbuffer_drain(input, used);
	channel->is_sending_body &= client_takes_body(channel->client);
	channel_act(channel, event);
}

static void
on_tls_behind_silence(void *ctx)
{
	struct channel *channel = ctx;

	if (channel->phase == PHASE_GREETING)
		channel_end_early(channel, PHASE_GREETING, OTHER_PROTOCOL_TLS);
}

static void
watch_silence(struct channel *channel)
{
	if (!channel->profile->is_tested)
		return;
	if (channel->silence == NULL)
		channel->silence = silence_new(channel->loop, on_tls_behind_silence, channel);
	silence_watch(channel->silence, channel->conn);
}

static void
on_connected(struct conn *conn, void *ctx)
{
	struct channel *channel = ctx;

	channel->facts.upstream = dial_name_server(&channel->dial, conn);
	channel_step_done(channel, PHASE_CONNECT, channel->facts.upstream);
	channel->connected_at_ms = loop_now_ms(channel->loop);
	channel_choose_name(channel);
	channel->settings.is_loopback = dial_is_loopback(&channel->dial);
	channel->phase = PHASE_GREETING;
	channel->is_handshake = channel->profile->tls == PROFILE_IMPLICIT;
	if (!channel->is_handshake) {
		channel_begin_dialogue(channel, false);
		watch_silence(channel);
		return;
	}
	conn_set_deadline(conn, channel->profile->timeout_ms);
	conn_start_tls_client(conn, channel->profile->tls_context, channel->facts.host);
}

static void
log_tls(const struct channel *channel)
{
	struct log_line line;

	if (!log_begin(&line, LOG_DEBUG, EVENT_TLS, 0))
		return;
	log_text(&line, KEY_PROFILE, channel->profile->name);
	log_text(&line, KEY_UPSTREAM, channel->facts.upstream);
	log_text(&line, KEY_TLS, channel->facts.tls);
	log_end(&line);
}

static void
on_secured(struct conn *conn, void *ctx)
{
	struct channel *channel = ctx;

	channel->facts.tls = conn_tls_version(conn);
	if (conn_tls_binding(conn, &channel->binding))
		channel->settings.binding = &channel->binding;
	channel_step_done(channel, PHASE_TLS, channel->facts.tls);
	log_tls(channel);
	if (channel->is_handshake) {
		channel->is_handshake = false;
		channel_begin_dialogue(channel, true);
		return;
	}
	channel_act(channel, client_secured(channel->client));
}

static void
on_drained(struct conn *conn, void *ctx)
{
	struct channel *channel = ctx;

	if (!channel->is_sending_body)
		return;
	conn_set_deadline(conn, channel->profile->block_timeout_ms);
	channel->callbacks->on_body_wanted(channel, channel->ctx);
}

/* ---- the way ends, or goes on elsewhere ---- */

/* An opportunistic profile goes on in clear, on a new connection; with credentials only if it allows
 * them there. */
static bool
may_go_clear(const struct channel *channel)
{
	return channel->profile->tls == PROFILE_OPPORTUNISTIC &&
	       (channel->profile->auth_methods == 0 || channel->profile->auth_in_clear) &&
	       !channel->settings.skips_starttls;
}

static enum phase
phase_now(const struct channel *channel, enum conn_end end)
{
	if (channel->is_handshake || (dial_is_about_tls(end) && !channel->is_established))
		return PHASE_TLS;
	return channel->client != NULL ? client_phase(channel->client) : PHASE_CONNECT;
}

static void
on_closed(struct conn *conn, enum conn_end end, const char *detail, void *ctx)
{
	struct channel *channel = ctx;
	enum phase phase = phase_now(channel, end);
	bool has_unsent = conn_waiting_bytes(conn) > 0;

	channel->conn = NULL; /* it frees itself */
	(void)snprintf(channel->end.fingerprint, sizeof(channel->end.fingerprint), "%s",
	    conn_tls_refused_fingerprint(conn));
	if (phase == PHASE_TLS && may_go_clear(channel)) {
		channel_drop_client(channel);
		channel->settings.skips_starttls = true;
		dial_repeat(&channel->dial);
		connect_next(channel, detail);
	} else if (phase == PHASE_CONNECT || phase == PHASE_GREETING) {
		channel_drop_client(channel);
		channel->phase = phase;
		connect_next(channel, detail);
	} else if (channel->client == NULL || phase == PHASE_TLS) {
		channel_end_early(channel, phase, detail);
	} else {
		if (phase == PHASE_DOT && has_unsent)
			client_body_unsent(channel->client);
		channel_act(channel, client_lost(channel->client, detail));
	}
}

static const struct conn_callbacks conn_callbacks = {
    .on_input = on_input,
    .on_connected = on_connected,
    .on_secured = on_secured,
    .on_drained = on_drained,
    .on_closed = on_closed,
};

/* Tries the next address; without one there is no way. */
static void
connect_next(struct channel *channel, const char *problem)
{
	silence_end(channel->silence);
	dial_note_problem(&channel->dial, channel->phase, problem);
	channel->phase = PHASE_CONNECT;
	channel->conn = dial_next(
	    &channel->dial, channel->loop, channel->profile->timeout_ms, &conn_callbacks, channel);
	if (channel->conn == NULL) {
		if (!channel_turns(channel))
			channel_end_early(channel, channel->dial.furthest, channel->dial.problem);
		return;
	}
	conn_hear_out(channel->conn);
	/* Who writes at a pace wants to hear when all has left: see channel_hold_body(). */
	conn_set_marks(
	    channel->conn, channel->profile->bandwidth > 0 ? 0 : BODY_LOW_BYTES, BODY_HIGH_BYTES);
}

void
channel_leave_conn(struct channel *channel)
{
	channel_drop_client(channel);
	silence_end(channel->silence);
	timer_stop(channel->soon); /* it is of this client */
	channel->event = CLIENT_WAITS;
	if (channel->conn != NULL)
		conn_close(channel->conn);
	channel->conn = NULL;
	channel->is_ready = channel->is_sending_body = channel->is_handshake = false;
	channel->is_past_dot = channel->takes_chunks = channel->is_kept = false;
	channel->settings.binding = NULL;
	channel->facts.tls = "";
	dial_restart(&channel->dial);
}

void
channel_on_addresses(const struct dns_answer *answer, void *ctx)
{
	struct channel *channel = ctx;
	bool has_choice = hostlist_count(channel->profile->hosts) > 1;
	struct err words;
	char text[700];

	channel->query = NULL;
	if (dial_take_addresses(&channel->dial, answer, &words) != 0) {
		channel_end_early(channel, PHASE_NAME, words.text);
		return;
	}
	(void)snprintf(text, sizeof(text), "%s%s%s", has_choice ? channel->facts.host : "",
	    has_choice ? ": " : "", words.text);
	channel_step_done(channel, PHASE_NAME, text);
	if (channel->profile->pop3 != NULL)
		channel_want_pop3(channel);
	else
		connect_next(channel, "");
}

void
channel_connect(struct channel *channel)
{
	connect_next(channel, "");
}
