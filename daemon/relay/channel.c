/* channel - from a profile to a connection on which transactions can be said. */
#include "daemon/relay/channel.h"

#include "common/err.h"
#include "common/log.h"
#include "common/xalloc.h"
#include "daemon/core/conn.h"
#include "daemon/core/loop.h"
#include "daemon/relay/dotstuff.h"

#include <event2/buffer.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BODY_LOW_BYTES (32u * 1024)
#define BODY_HIGH_BYTES (192u * 1024)
#define BLOCK_MS (3 * 60 * 1000) /* RFC 5321 4.5.3.2.5 */
#define QUIT_MS 5000

struct channel {
	struct loop *loop;
	struct profile *profile;
	const struct channel_callbacks *callbacks;
	void *ctx;

	struct dns_query *query;
	struct dns_answer addresses;
	size_t address; /* the one in use */
	struct conn *conn;
	struct client_settings settings;
	struct client *client; /* from the connection on */
	struct dotstuff stuff;

	struct timer *soon;      /* for an event that is told in a later turn */
	enum client_event event; /* that event */
	bool is_ready, is_established, is_sending_body, is_past_dot, is_closed;
	bool is_handshake;                 /* of implicit TLS, before the greeting */
	enum phase phase;                  /* of the step under way */
	enum phase furthest;               /* of the addresses that did not greet */
	char problem[600];                 /* and what it was */
	int64_t started_at_ms, step_at_ms; /* loop_now_ms() */
	struct client_end end;
	struct channel_facts facts;
};

/* ---- the end ---- */

static void
channel_free(void *object)
{
	struct channel *channel = object;

	if (channel->client != NULL)
		client_free(channel->client);
	timer_free(channel->soon);
	profile_release(channel->profile);
	free(channel);
}

static void
detach(struct channel *channel)
{
	channel->is_closed = true;
	if (channel->query != NULL)
		dns_cancel(channel->query);
	channel->query = NULL;
	if (channel->conn != NULL)
		conn_close(channel->conn);
	channel->conn = NULL;
	timer_stop(channel->soon);
	loop_free_later(channel->loop, channel_free, channel);
}

void
channel_close(struct channel *channel)
{
	if (!channel->is_closed)
		detach(channel);
}

static void
tell_closed(struct channel *channel)
{
	if (channel->is_closed)
		return;
	detach(channel);
	channel->callbacks->on_closed(channel, &channel->end, channel->ctx);
}

/* It ends before there is an automaton that could say how. */
static void
end_early(struct channel *channel, enum phase phase, const char *text)
{
	channel->end.phase = phase;
	channel->end.verdict = classify_loss(phase);
	reply_set(&channel->end.reply, 0, "", "%s", text);
	tell_closed(channel);
}

/* ---- steps ---- */

static void
step_done(struct channel *channel, enum phase phase, const char *detail)
{
	int64_t now_ms = loop_now_ms(channel->loop);
	struct channel_step step = {
	    .phase = phase, .took_ms = now_ms - channel->step_at_ms, .detail = detail};

	if (phase == PHASE_TLS || phase == PHASE_AUTH)
		channel->facts.tls_ms += step.took_ms;
	channel->step_at_ms = now_ms;
	if (channel->callbacks->on_step != NULL)
		channel->callbacks->on_step(channel, &step, channel->ctx);
}

/* Tells the steps that the automaton has taken. */
static void
follow_steps(struct channel *channel)
{
	enum phase phase = client_phase(channel->client);

	if (phase <= channel->phase || channel->is_established)
		return;
	if (channel->phase == PHASE_GREETING)
		step_done(channel, PHASE_GREETING, "");
	if (channel->phase <= PHASE_EHLO && phase > PHASE_EHLO)
		step_done(channel, PHASE_EHLO, "");
	channel->phase = phase;
}

/* ---- the automaton ---- */

static void
flush(struct channel *channel)
{
	struct buf *output = client_output(channel->client);

	if (output->size > 0)
		conn_write(channel->conn, output->bytes, output->size);
	buf_clear(output);
}

static void
become_ready(struct channel *channel)
{
	if (!channel->is_established) {
		channel->facts.auth = client_auth_used(channel->client);
		if (channel->facts.auth[0] != '\0')
			step_done(channel, PHASE_AUTH, channel->facts.auth);
		channel->facts.connect_ms =
		    loop_now_ms(channel->loop) - channel->started_at_ms - channel->facts.tls_ms;
	}
	channel->is_established = true;
	channel->is_ready = true;
	channel->callbacks->on_ready(channel, channel->ctx);
}

static void
want_body(struct channel *channel)
{
	channel->is_sending_body = true;
	channel->stuff = (struct dotstuff){0};
	channel->callbacks->on_body_wanted(channel, channel->ctx);
}

static void
become_done(struct channel *channel)
{
	channel->is_sending_body = channel->is_past_dot = false;
	channel->callbacks->on_done(channel, channel->ctx);
}

/* Does what the automaton asks for, until it waits. */
static void
act(struct channel *channel, enum client_event event)
{
	if (channel->conn != NULL) {
		flush(channel);
		follow_steps(channel);
		conn_set_deadline(channel->conn, client_deadline_ms(channel->client));
	}
	switch (event) {
	case CLIENT_WAITS:
		break;
	case CLIENT_WANTS_TLS:
		conn_start_tls_client(
		    channel->conn, channel->profile->tls_context, channel->profile->host);
		break;
	case CLIENT_IS_READY:
		become_ready(channel);
		break;
	case CLIENT_WANTS_BODY:
		want_body(channel);
		break;
	case CLIENT_IS_DONE:
		become_done(channel);
		if (!channel->is_closed)
			act(channel, client_next(channel->client));
		break;
	case CLIENT_IS_OVER:
		channel->end = *client_end(channel->client);
		tell_closed(channel);
		break;
	}
}

static void
on_soon(void *ctx)
{
	struct channel *channel = ctx;

	act(channel, channel->event);
}

static void
act_later(struct channel *channel, enum client_event event)
{
	if (event == CLIENT_WAITS) {
		act(channel, event);
		return;
	}
	channel->event = event;
	timer_set(channel->soon, 0);
}

/* ---- the connection ---- */

static void connect_next(struct channel *channel, const char *problem);

static void
on_input(struct conn *conn, void *ctx)
{
	struct channel *channel = ctx;
	struct evbuffer *input = conn_input(conn);
	size_t size = evbuffer_get_length(input), used;
	enum client_event event;

	if (channel->is_sending_body)
		return; /* an answer before the final dot is read behind it */
	event = client_input(channel->client, evbuffer_pullup(input, -1), size, &used);
	(void)evbuffer_drain(input, used);
	act(channel, event);
}

static void
on_connected(struct conn *conn, void *ctx)
{
	struct channel *channel = ctx;
	const char *peer = conn_peer_text(conn);
	size_t host = (size_t)(strrchr(peer, ':') - peer);

	(void)snprintf(channel->facts.upstream, sizeof(channel->facts.upstream),
	    peer[0] == '[' ? "%s%.*s%s" : "%s[%.*s]%s", channel->profile->host, (int)host, peer,
	    peer + host);
	step_done(channel, PHASE_CONNECT, channel->facts.upstream);
	channel->phase = PHASE_GREETING;
	channel->is_handshake = channel->profile->tls == PROFILE_IMPLICIT;
	conn_set_deadline(conn, channel->profile->timeout_ms);
	if (channel->is_handshake)
		conn_start_tls_client(conn, channel->profile->tls_context, channel->profile->host);
	else
		channel->client = client_new(&channel->settings, false);
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
	step_done(channel, PHASE_TLS, channel->facts.tls);
	log_tls(channel);
	if (channel->is_handshake) {
		channel->is_handshake = false;
		channel->client = client_new(&channel->settings, true);
		conn_set_deadline(conn, channel->profile->timeout_ms);
		return;
	}
	act(channel, client_secured(channel->client));
}

static void
on_drained(struct conn *conn, void *ctx)
{
	struct channel *channel = ctx;

	if (!channel->is_sending_body)
		return;
	conn_set_deadline(conn, BLOCK_MS);
	channel->callbacks->on_body_wanted(channel, channel->ctx);
}

/* An opportunistic profile without credentials goes on in clear, on a new connection. */
static bool
may_go_clear(const struct channel *channel)
{
	return channel->profile->tls == PROFILE_OPPORTUNISTIC &&
	       channel->profile->auth_methods == 0 && !channel->settings.skips_starttls;
}

static enum phase
phase_now(const struct channel *channel, enum conn_end end)
{
	bool is_tls = end == CONN_TLS_FAILED || end == CONN_CERTIFICATE_BAD ||
		      end == CONN_CERTIFICATE_REJECTED;

	if (channel->is_handshake || (is_tls && !channel->is_established))
		return PHASE_TLS;
	return channel->client != NULL ? client_phase(channel->client) : PHASE_CONNECT;
}

static void
drop_client(struct channel *channel)
{
	if (channel->client != NULL)
		client_free(channel->client);
	channel->client = NULL;
}

static void
on_closed(struct conn *conn, enum conn_end end, const char *detail, void *ctx)
{
	struct channel *channel = ctx;
	enum phase phase = phase_now(channel, end);
	bool has_unsent = conn_waiting_bytes(conn) > 0;

	channel->conn = NULL; /* it frees itself */
	if (phase == PHASE_TLS && may_go_clear(channel)) {
		drop_client(channel);
		channel->settings.skips_starttls = true;
		channel->address--;
		connect_next(channel, detail);
	} else if (phase == PHASE_CONNECT || phase == PHASE_GREETING) {
		drop_client(channel);
		channel->phase = phase;
		connect_next(channel, detail);
	} else if (channel->client == NULL || phase == PHASE_TLS) {
		end_early(channel, phase, detail);
	} else {
		if (phase == PHASE_DOT && has_unsent)
			client_body_unsent(channel->client);
		act(channel, client_lost(channel->client, detail));
	}
}

static const struct conn_callbacks conn_callbacks = {
    .on_input = on_input,
    .on_connected = on_connected,
    .on_secured = on_secured,
    .on_drained = on_drained,
    .on_closed = on_closed,
};

/* Of several addresses' problems the one that came furthest says most. */
static void
note_problem(struct channel *channel, const char *problem)
{
	if (problem[0] == '\0' || channel->phase < channel->furthest)
		return;
	channel->furthest = channel->phase;
	(void)snprintf(channel->problem, sizeof(channel->problem), "%s:%u: %s",
	    channel->profile->host, channel->profile->port, problem);
}

/* Tries the next address; without one there is no way. */
static void
connect_next(struct channel *channel, const char *problem)
{
	const struct sockaddr_storage *address;

	note_problem(channel, problem);
	if (channel->address == channel->addresses.count) {
		end_early(channel, channel->furthest, channel->problem);
		return;
	}
	address = &channel->addresses.addresses[channel->address++];
	channel->phase = PHASE_CONNECT;
	channel->conn = conn_connect(channel->loop, (const struct sockaddr *)address,
	    address->ss_family == AF_INET ? sizeof(struct sockaddr_in)
					  : sizeof(struct sockaddr_in6),
	    channel->profile->timeout_ms, &conn_callbacks, channel);
	conn_set_marks(channel->conn, BODY_LOW_BYTES, BODY_HIGH_BYTES);
}

static void
on_addresses(const struct dns_answer *answer, void *ctx)
{
	struct channel *channel = ctx;
	char text[320];

	channel->query = NULL;
	if (answer->count == 0) {
		(void)snprintf(
		    text, sizeof(text), "%s: %s", channel->profile->host, answer->problem);
		end_early(channel, PHASE_NAME, text);
		return;
	}
	channel->addresses = *answer;
	(void)snprintf(
	    text, sizeof(text), "%zu address%s", answer->count, answer->count > 1 ? "es" : "");
	step_done(channel, PHASE_NAME, text);
	connect_next(channel, "");
}

static void
on_line(bool is_sent, const char *line, void *ctx)
{
	struct channel *channel = ctx;

	channel->callbacks->on_line(is_sent, line, channel->ctx);
}

struct channel *
channel_open(struct loop *loop, struct dns *dns, struct profile *profile,
    const struct channel_callbacks *callbacks, void *ctx)
{
	struct channel *channel = xcalloc(1, sizeof(*channel));

	channel->loop = loop;
	channel->profile = profile_hold(profile);
	channel->callbacks = callbacks;
	channel->ctx = ctx;
	channel->settings = (struct client_settings){
	    .ehlo_name = profile->ehlo_name,
	    .tls = profile->tls,
	    .auth_methods = profile->auth_methods,
	    .username = profile->username,
	    .secret = profile->secret,
	    .secret_size = profile->secret_size,
	    .timeout_ms = profile->timeout_ms,
	    .dot_timeout_ms = profile->dot_timeout_ms,
	    .on_line = callbacks->on_line != NULL ? on_line : NULL,
	    .line_ctx = channel,
	};
	channel->soon = timer_new(loop, on_soon, channel);
	channel->started_at_ms = channel->step_at_ms = loop_now_ms(loop);
	channel->facts.tls = channel->facts.auth = "";
	channel->query = dns_resolve(dns, profile->host, profile->port, on_addresses, channel);
	return channel;
}

void
channel_finish(struct channel *channel)
{
	if (channel->is_closed)
		return;
	if (channel->conn != NULL && channel->is_ready) {
		client_quit(channel->client);
		flush(channel);
		conn_finish(channel->conn, QUIT_MS);
		channel->conn = NULL;
	}
	detach(channel);
}

/* ---- a transaction ---- */

void
channel_send(struct channel *channel, struct client_transaction *transaction)
{
	ensure(channel->is_ready);
	channel->is_ready = false;
	act_later(channel, client_send(channel->client, transaction));
}

bool
channel_takes_body(const struct channel *channel)
{
	return channel->is_sending_body && conn_waiting_bytes(channel->conn) < BODY_HIGH_BYTES;
}

void
channel_body(struct channel *channel, const struct slice *slice)
{
	size_t at = 0;

	ensure(channel->is_sending_body);
	while (at < slice->size) {
		struct dotstuff_piece piece =
		    dotstuff_next(&channel->stuff, slice_bytes(slice) + at, slice->size - at);
		struct slice part = {
		    slice->chunk, slice->offset + (uint32_t)at, (uint32_t)piece.size};

		conn_write(channel->conn, piece.insert, strlen(piece.insert));
		conn_write_slice(channel->conn, &part);
		at += piece.size;
	}
	conn_set_deadline(channel->conn, BLOCK_MS);
}

void
channel_body_end(struct channel *channel)
{
	const char *end = dotstuff_end(&channel->stuff);

	ensure(channel->is_sending_body);
	channel->is_sending_body = false;
	channel->is_past_dot = true;
	conn_write(channel->conn, end, strlen(end));
	act(channel, client_body_sent(channel->client));
	/* An answer that came early waits in the input. */
	if (evbuffer_get_length(conn_input(channel->conn)) > 0)
		conn_resume(channel->conn);
}

bool
channel_is_ready(const struct channel *channel)
{
	return channel->is_ready;
}

bool
channel_is_past_dot(const struct channel *channel)
{
	return channel->is_past_dot;
}

bool
channel_is_established(const struct channel *channel)
{
	return channel->is_established;
}

const struct channel_facts *
channel_facts(const struct channel *channel)
{
	return &channel->facts;
}
