/* channel - opens and ends a connection to an upstream, and does what its automaton asks for. */
#include "daemon/relay/channel.h"

#include "common/err.h"
#include "common/xalloc.h"
#include "daemon/relay/channel_private.h"
#include "daemon/relay/hostlist.h"
#include "daemon/relay/pop3_keeper.h"
#include "daemon/relay/silence.h"
#include "daemon/relay/tokens.h"

#include <event2/buffer.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define QUIT_MS 5000

/* ---- the end ---- */

void
channel_drop_client(struct channel *channel)
{
	if (channel->client != NULL)
		client_free(channel->client);
	channel->client = NULL;
}

static void
channel_free(void *object)
{
	struct channel *channel = object;

	channel_drop_client(channel);
	buf_fini(&channel->failed_others);
	timer_free(channel->soon);
	silence_free(channel->silence);
	profile_release(channel->profile);
	free(channel);
}

static void
detach(struct channel *channel)
{
	channel->is_closed = true;
	if (channel->token != NULL)
		token_cancel(channel->token);
	channel->token = NULL;
	if (channel->query != NULL)
		dns_cancel(channel->query);
	channel->query = NULL;
	channel_end_login(channel);
	channel_end_pop3(channel);
	silence_end(channel->silence);
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

/* A transaction that was over before anything was said; that was to be told in the next turn. */
static bool
is_done_untold(const struct channel *channel)
{
	return channel->event == CLIENT_IS_DONE;
}

static void
tell_closed(struct channel *channel)
{
	if (channel_goes_elsewhere(channel))
		return;
	if (channel->resends && !channel->is_closed)
		channel_fail_transaction(channel);
	if (is_done_untold(channel) && !channel->is_closed)
		channel->callbacks->on_done(channel, channel->ctx);
	if (channel->is_closed)
		return;
	detach(channel);
	channel->callbacks->on_closed(channel, &channel->end, channel->ctx);
}

void
channel_end_early(struct channel *channel, enum phase phase, const char *text)
{
	channel->end.phase = phase;
	channel->end.verdict = classify_loss(phase);
	reply_set(&channel->end.reply, 0, "", "%s", text);
	tell_closed(channel);
}

void
channel_end_with(struct channel *channel, const struct client_end *end)
{
	channel->end = *end;
	tell_closed(channel);
}

/* ---- steps ---- */

void
channel_step_done(struct channel *channel, enum phase phase, const char *detail)
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

/* Tells the steps that the automaton has taken; the one that it ended at isn't among them. */
static void
follow_steps(struct channel *channel, enum client_event event)
{
	char name[300];
	enum phase phase = event == CLIENT_IS_OVER ? client_end(channel->client)->phase
						   : client_phase(channel->client);

	if (phase <= channel->phase || channel->is_established)
		return;
	if (channel->phase == PHASE_GREETING)
		channel_step_done(channel, PHASE_GREETING, "");
	if (channel->phase <= PHASE_EHLO && phase > PHASE_EHLO) {
		channel_step_done(
		    channel, PHASE_EHLO, channel_name_detail(channel, name, sizeof(name)));
	}
	channel->phase = phase;
}

/* ---- the automaton ---- */

void
channel_begin_dialogue(struct channel *channel, bool has_tls)
{
	channel->client = client_new(&channel->settings, has_tls);
	channel->step = client_step(channel->client);
	conn_set_deadline(channel->conn, channel->profile->timeout_ms);
}

static void
flush(struct channel *channel)
{
	struct buf *output = client_output(channel->client);

	if (output->size > 0)
		conn_write(channel->conn, output->bytes, output->size);
	buf_clear(output);
	if (client_step(channel->client) == channel->step)
		return;
	channel->step = client_step(channel->client);
	conn_set_deadline(channel->conn, client_deadline_ms(channel->client));
}

/* What waits in the input when a command is about to be said can't be its answer. */
static enum client_event
check_input(struct channel *channel, enum client_event event)
{
	struct evbuffer *input = conn_input(channel->conn);
	size_t size = evbuffer_get_length(input);

	if (!client_is_ahead(channel->client, evbuffer_pullup(input, 1), size > 0))
		return event;
	(void)evbuffer_drain(input, size);
	return client_end_ahead(channel->client);
}

static void
become_ready(struct channel *channel)
{
	if (!channel->is_established) {
		channel->facts.auth = client_auth_used(channel->client);
		if (channel->facts.auth[0] != '\0')
			channel_step_done(channel, PHASE_AUTH, channel->facts.auth);
		channel->facts.connect_ms =
		    loop_now_ms(channel->loop) - channel->started_at_ms - channel->facts.tls_ms;
		channel_note_host_worked(channel);
		channel_note_name(channel);
	}
	channel->is_established = true;
	channel->is_ready = true;
	channel->callbacks->on_ready(channel, channel->ctx);
}

void
channel_read_early(struct channel *channel)
{
	if (!channel->is_closed && channel->conn != NULL &&
	    evbuffer_get_length(conn_input(channel->conn)) > 0)
		conn_resume(channel->conn);
}

static void
want_body(struct channel *channel)
{
	/* What came since may have settled it. */
	if (!client_takes_body(channel->client))
		return;
	if (!channel->is_sending_body)
		channel->stuff =
		    (struct dotstuff){.keeps_dots = client_is_chunked(channel->client)};
	channel->is_sending_body = true;
	channel->callbacks->on_body_wanted(channel, channel->ctx);
	channel_read_early(channel);
}

static void
become_done(struct channel *channel)
{
	channel->is_sending_body = channel->is_past_dot = false;
	timer_stop(channel->soon);
	channel->event = CLIENT_WAITS;
	channel->callbacks->on_done(channel, channel->ctx);
}

static void
send_again(struct channel *channel)
{
	channel->resends = false;
	channel_note_name(channel);
	channel_choose_way(channel);
	channel_act(channel, client_send(channel->client, channel->transaction));
}

void
channel_act(struct channel *channel, enum client_event event)
{
	if (channel->conn != NULL) {
		event = check_input(channel, event);
		flush(channel);
		follow_steps(channel, event);
		if (event == CLIENT_IS_DONE)
			conn_owe_no_ack(channel->conn);
	}
	switch (event) {
	case CLIENT_WAITS:
		break;
	case CLIENT_WANTS_TLS:
		conn_start_tls_client(
		    channel->conn, channel->profile->tls_context, channel->facts.host);
		break;
	case CLIENT_WANTS_CREDENTIAL:
		channel_want_credential(channel);
		break;
	case CLIENT_WANTS_KEY:
		channel_want_key(channel);
		break;
	case CLIENT_IS_READY:
		channel->ready_at_ms = loop_now_ms(channel->loop);
		if (channel->resends)
			send_again(channel);
		else
			become_ready(channel);
		break;
	case CLIENT_WANTS_BODY:
		want_body(channel);
		break;
	case CLIENT_IS_DONE:
		if (channel_retries_transaction(channel) || channel_renames_transaction(channel) ||
		    channel_unchunks_transaction(channel))
			break;
		become_done(channel);
		if (!channel->is_closed)
			channel_act(channel, client_next(channel->client));
		break;
	case CLIENT_IS_OVER:
		if (!is_done_untold(channel) &&
		    (channel_retries_end(channel) || channel_renames_end(channel)))
			break;
		channel->end = *client_end(channel->client);
		tell_closed(channel);
		break;
	}
}

static void
on_soon(void *ctx)
{
	struct channel *channel = ctx;
	enum client_event event = channel->event;

	channel->event = CLIENT_WAITS;
	channel_act(channel, event);
}

static void
act_later(struct channel *channel, enum client_event event)
{
	if (event == CLIENT_WAITS) {
		channel_act(channel, event);
		return;
	}
	channel->event = event;
	timer_set(channel->soon, 0);
}

/* ---- beginning and ending ---- */

static void
on_line(bool is_sent, const char *line, void *ctx)
{
	struct channel *channel = ctx;

	channel->callbacks->on_line(is_sent, line, channel->ctx);
}

/* Without a token there is no use in a connection, which would have to wait. */
static void
on_token(const struct token_answer *answer, void *ctx)
{
	struct channel *channel = ctx;
	char detail[80];

	channel->token = NULL;
	if (answer->token == NULL) {
		channel->end.phase = PHASE_TOKEN;
		channel->end.verdict = classify_own(answer->outcome);
		reply_set(&channel->end.reply, 0, "", "%s", answer->reason);
		tell_closed(channel);
		return;
	}
	(void)snprintf(detail, sizeof(detail), "%s token, holds another %lld s",
	    answer->is_fresh ? "new" : "known", (long long)(answer->holds_ms / 1000));
	channel_step_done(channel, PHASE_TOKEN, detail);
	channel->started_at_ms = channel->step_at_ms;
	channel_seek_host(channel);
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
	    .classifier = {.rules = profile->rules,
		.provider = profile->provider,
		.has_pop3 = profile->pop3 != NULL},
	    .tls = profile->tls,
	    .verifies = profile->verifies,
	    .allows_clear = profile->auth_in_clear,
	    .has_certificate = profile->has_certificate,
	    .port = profile->port,
	    .auth_methods = profile->auth_methods,
	    .username = profile->username,
	    .timeout_ms = profile->timeout_ms,
	    .dot_timeout_ms = profile->dot_timeout_ms,
	    .on_line = callbacks->on_line != NULL ? on_line : NULL,
	    .line_ctx = channel,
	    .on_login = channel_on_login,
	    .login_ctx = channel,
	};
	channel->soon = timer_new(loop, on_soon, channel);
	channel->started_at_ms = channel->step_at_ms = loop_now_ms(loop);
	channel->facts.host = hostlist_name(profile->hosts, 0);
	channel->facts.upstream = channel->facts.tls = channel->facts.auth = "";
	buf_init(&channel->failed_others);
	channel->dns = dns;
	if (profile->token_source != NULL)
		channel->token = token_get(profile->token_source, on_token, channel);
	else
		channel_seek_host(channel);
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
	channel->transaction = transaction;
	if (channel->profile->pop3 != NULL)
		pop3_keeper_note_use(channel->profile->pop3_keeper, channel->profile);
	channel_choose_way(channel);
	channel->resends = channel_waits_for_body(channel);
	if (channel->resends)
		act_later(channel, CLIENT_IS_READY);
	else
		act_later(channel, client_send(channel->client, transaction));
}

bool
channel_takes_body(const struct channel *channel)
{
	return channel_awaits_body(channel) && conn_waiting_bytes(channel->conn) < BODY_HIGH_BYTES;
}

bool
channel_awaits_body(const struct channel *channel)
{
	return channel->is_sending_body && !client_awaits_trial(channel->client);
}

bool
channel_tries_chunks(const struct channel *channel)
{
	return client_tries_chunks(channel->client);
}

/* Octets of the piece on the wire; `*stuff` is behind it then. */
static size_t
measure(struct dotstuff *stuff, const struct slice *slice)
{
	size_t at = 0, inserted = 0;

	while (slice != NULL && at < slice->size) {
		struct dotstuff_piece piece =
		    dotstuff_next(stuff, slice_bytes(slice) + at, slice->size - at);

		inserted += strlen(piece.insert);
		at += piece.size;
	}
	return at + inserted;
}

static uint32_t
write_piece(struct channel *channel, const struct slice *slice)
{
	size_t at = 0, inserted = 0;

	while (at < slice->size) {
		struct dotstuff_piece piece =
		    dotstuff_next(&channel->stuff, slice_bytes(slice) + at, slice->size - at);
		struct slice part = {
		    slice->chunk, slice->offset + (uint32_t)at, (uint32_t)piece.size};

		conn_write(channel->conn, piece.insert, strlen(piece.insert));
		conn_write_slice(channel->conn, &part);
		inserted += strlen(piece.insert);
		at += piece.size;
	}
	return (uint32_t)(at + inserted);
}

uint32_t
channel_body(struct channel *channel, const struct slice *slice)
{
	struct dotstuff stuff = channel->stuff;
	uint32_t size;

	ensure(channel->is_sending_body);
	if (client_is_chunked(channel->client)) {
		client_chunk(channel->client, measure(&stuff, slice));
		flush(channel);
	}
	size = write_piece(channel, slice);
	conn_set_deadline(channel->conn, channel->profile->block_timeout_ms);
	return size;
}

void
channel_hold_body(struct channel *channel)
{
	if (conn_waiting_bytes(channel->conn) == 0)
		conn_set_deadline(channel->conn, 0);
}

uint32_t
channel_body_end(struct channel *channel, const struct slice *slice)
{
	struct dotstuff stuff = channel->stuff;
	uint32_t size = 0;
	const char *end;

	ensure(channel->is_sending_body);
	channel->is_sending_body = false;
	channel->is_past_dot = true;
	if (client_is_chunked(channel->client)) {
		size_t octets = measure(&stuff, slice);

		client_last_chunk(channel->client, octets + strlen(dotstuff_end(&stuff)));
		flush(channel);
	}
	if (slice != NULL)
		size = write_piece(channel, slice);
	end = dotstuff_end(&channel->stuff);
	conn_write(channel->conn, end, strlen(end));
	channel_act(channel, client_body_sent(channel->client));
	channel_read_early(channel);
	return size;
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

unsigned
channel_mail_max(const struct channel *channel)
{
	return client_mail_max(channel->client);
}

bool
channel_lacks_8bitmime(const struct channel *channel)
{
	return client_lacks_8bitmime(channel->client);
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
