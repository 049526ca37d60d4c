/*
 * client - the dialogue with an upstream, a row per state.
 *
 * Every state is entered in one function, which sends what the row says; every reply goes to the
 * row's on_reply, which decides where to go. Fates are never made here: classify.c does that.
 */
#include "daemon/relay/client_private.h"

#include "common/log.h"
#include "common/xalloc.h"
#include "daemon/relay/other_protocol.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* RFC 5321 4.5.3.2 */
#define ENVELOPE_MS (5 * 60 * 1000)
#define DATA_MS (2 * 60 * 1000)
#define BLOCK_MS (3 * 60 * 1000)

enum deadline { NEVER, STEP, IN_ENVELOPE, FOR_BLOCK, FOR_DOT };

struct row {
	const char *name;
	enum phase phase;
	enum deadline deadline;
	void (*send)(struct client *client);
	enum client_event (*on_reply)(struct client *client, const struct smtp_reply *reply);
};

static const struct row rows[];

void
client_next_step(struct client *client)
{
	client->step++;
}

void
client_say_line(struct client *client, bool is_sent, const char *line)
{
	if (client->settings->on_line != NULL)
		client->settings->on_line(is_sent, line, client->settings->line_ctx);
}

/* A command; `shown` stands in the transcript for what holds a secret. */
void
client_put_secret(struct client *client, const char *line, const char *shown)
{
	client_say_line(client, true, shown);
	buf_text(&client->output, line);
	buf_text(&client->output, "\r\n");
}

void
client_put(struct client *client, const char *format, ...)
{
	size_t start = client->output.size;
	va_list args;
	char *line;
	int length;

	va_start(args, format);
	length = vasprintf(&line, format, args);
	va_end(args);
	ensure(length >= 0);
	buf_append(&client->output, line, (size_t)length);
	client_say_line(client, true, client->output.bytes + start);
	buf_text(&client->output, "\r\n");
	free(line);
}

void
client_enter(struct client *client, enum client_state state)
{
	client->state = state;
	client_next_step(client);
	log_trace("client: %s", rows[state].name);
	if (rows[state].send != NULL)
		rows[state].send(client);
}

void
client_read_reply(const struct smtp_reply *from, struct reply *to)
{
	char enhanced[ENHANCED_SIZE] = "";

	if (from->has_enhanced)
		(void)enhanced_format(&from->enhanced, enhanced);
	reply_set(to, (uint16_t)from->code, enhanced, "%s", smtp_reply_text(from));
	for (char *at = to->text; (at = strchr(at, '\n')) != NULL;)
		*at = ' ';
}

void
client_wipe(struct buf *buf)
{
	if (buf->bytes != NULL)
		explicit_bzero(buf->bytes, buf->capacity);
	buf_fini(buf);
}

enum client_event
client_become_ready(struct client *client)
{
	client_enter(client, CLIENT_STATE_READY);
	return CLIENT_IS_READY;
}

/* ---- the end ---- */

static enum client_event
end_with(struct client *client, struct verdict verdict, const struct reply *reply)
{
	client->end.phase = client_phase(client);
	client->end.verdict = verdict;
	client->end.reply = *reply;
	client_enter(client, CLIENT_STATE_OVER);
	return CLIENT_IS_OVER;
}

/* The upstream refused to go on. */
enum client_event
client_end_reply(struct client *client, const struct reply *refusal)
{
	const struct reply reply = *refusal;

	return end_with(client,
	    classify_reply(&client->settings->classifier, client_phase(client), &reply), &reply);
}

enum client_event
client_end_refused(struct client *client, const struct smtp_reply *refusal)
{
	struct reply reply;

	client_read_reply(refusal, &reply);
	return client_end_reply(client, &reply);
}

/* We refuse to go on. */
enum client_event
client_end_by_us(struct client *client, enum attempt_outcome outcome, const char *why)
{
	struct reply reply;

	reply_set(&reply, 0, "", "%s", why);
	return end_with(client, classify_own(outcome), &reply);
}

bool
client_is_positive(const struct smtp_reply *reply)
{
	return reply->code / 100 == 2;
}

/* ---- the automaton ---- */

/* clang-format off */
static const struct row rows[] = {
	/*                           name         phase           deadline     send                  on reply */
	[CLIENT_STATE_GREETING]  = {"greeting",  PHASE_GREETING, STEP,        NULL,                 client_on_greeting},
	[CLIENT_STATE_EHLO]      = {"ehlo",      PHASE_EHLO,     STEP,        client_send_ehlo,     client_on_ehlo},
	[CLIENT_STATE_HELO]      = {"helo",      PHASE_EHLO,     STEP,        client_send_helo,     client_on_helo},
	[CLIENT_STATE_STARTTLS]  = {"starttls",  PHASE_STARTTLS, STEP,        client_send_starttls, client_on_starttls},
	[CLIENT_STATE_HANDSHAKE] = {"handshake", PHASE_TLS,      STEP,        NULL,                 NULL},
	[CLIENT_STATE_AUTH]      = {"auth",      PHASE_AUTH,     STEP,        NULL,                 client_on_auth},
	[CLIENT_STATE_READY]     = {"ready",     PHASE_MAIL,     NEVER,       NULL,                 client_on_idle},
	[CLIENT_STATE_ENVELOPE]  = {"envelope",  PHASE_MAIL,     IN_ENVELOPE, client_send_envelope, client_on_envelope},
	[CLIENT_STATE_BODY]      = {"body",      PHASE_BODY,     FOR_BLOCK,   NULL,                 client_on_body},
	[CLIENT_STATE_DOT]       = {"dot",       PHASE_DOT,      FOR_DOT,     NULL,                 client_on_dot},
	[CLIENT_STATE_ABANDON]   = {"abandon",   PHASE_DATA,     FOR_BLOCK,   client_send_dot,      client_on_abandoned},
	[CLIENT_STATE_RSET]      = {"rset",      PHASE_MAIL,     IN_ENVELOPE, client_send_rset,     client_on_rset},
	[CLIENT_STATE_OVER]      = {"over",      PHASE_MAIL,     NEVER,       NULL,                 NULL},
};
/* clang-format on */

struct client *
client_new(const struct client_settings *settings, bool has_tls)
{
	struct client *client = xcalloc(1, sizeof(*client));

	client->settings = settings;
	client->has_tls = has_tls;
	client->name = settings->ehlo_name;
	client->state = CLIENT_STATE_GREETING;
	buf_init(&client->output);
	buf_init(&client->token);
	buf_init(&client->initial);
	buf_init(&client->secret);
	smtp_reply_init(&client->reply);
	return client;
}

void
client_free(struct client *client)
{
	client_forget_auth(client);
	client_forget_envelope(client);
	client_wipe(&client->output);
	smtp_reply_fini(&client->reply);
	free(client);
}

/* What SCRAM's server says is enough to guess passwords by: salt, rounds, and a proof of its own. */
static void
show_reply(struct client *client)
{
	char text[1024];
	const char *shown;

	if (client->settings->on_line == NULL)
		return;
	if (client->reply.code == 334 && client->reply.text.size > 0)
		shown = "334 <challenge>";
	else
		shown = smtp_reply_format(&client->reply, text, sizeof(text));
	client_say_line(client, false, shown);
}

/* A server that was told the password may repeat it with any reply from then on; and replies reach
 * senders. A challenge stays as it is, it must be answered. */
static void
hide_secrets(struct client *client)
{
	if (client->state >= CLIENT_STATE_AUTH && client->reply.code != 334 &&
	    client->reply.text.size > 0)
		client_hide_secrets(client, client->reply.text.bytes);
}

/* No SMTP: the connection is worth nothing, as if it were lost. */
static enum client_event
on_broken(struct client *client, struct err *err)
{
	if (client->state >= CLIENT_STATE_AUTH)
		client_hide_secrets(client, err->text);
	return client_lost(client, err->text);
}

/* Bytes behind the 220 came in clear, from whoever was on the line (RFC 3207 section 6). */
static enum client_event
check_handover(struct client *client, enum client_event event, size_t left)
{
	if (event != CLIENT_WANTS_TLS || left == 0)
		return event;
	return client_end_by_us(client, ATTEMPT_TLS,
	    "something was injected in clear behind the answer to STARTTLS: an attack, or a "
	    "broken upstream");
}

static bool
is_refusal(uint8_t digit)
{
	return digit == '4' || digit == '5';
}

/* Behind DATA and before the final dot there can only be a refusal. */
static bool
is_taken_early(const struct client *client, const uint8_t *bytes, size_t size)
{
	return client->state == CLIENT_STATE_BODY && !client->is_chunked && size > 0 &&
	       !is_refusal(*bytes);
}

static bool
is_other_protocol(
    const struct client *client, const uint8_t *bytes, size_t size, struct err *words_out)
{
	return client->state == CLIENT_STATE_GREETING && client->reply.line_count == 0 &&
	       other_protocol_find(bytes, size, words_out);
}

/* A login has one time for all its challenges, the end of a body for all its chunks; and while a body is
 * written, its own time runs. */
static bool
is_step(const struct client *client)
{
	return client->state != CLIENT_STATE_AUTH && client->state != CLIENT_STATE_BODY &&
	       !(client->state == CLIENT_STATE_DOT && client->is_chunked);
}

static enum client_event
take_reply(struct client *client)
{
	enum client_event event;

	hide_secrets(client);
	show_reply(client);
	if (is_step(client))
		client_next_step(client);
	event = rows[client->state].on_reply(client, &client->reply);
	smtp_reply_clear(&client->reply);
	return event;
}

enum client_event
client_input(struct client *client, const uint8_t *bytes, size_t size, size_t *used_out)
{
	enum client_event event = CLIENT_WAITS;
	struct err words;

	*used_out = 0;
	if (is_other_protocol(client, bytes, size, &words))
		return client_lost(client, words.text);
	if (is_taken_early(client, bytes, size)) {
		*used_out = size;
		return client_end_ahead(client);
	}
	while (event == CLIENT_WAITS && rows[client->state].on_reply != NULL) {
		struct err err;
		size_t used;
		enum smtp_reply_outcome outcome = smtp_reply_read(
		    &client->reply, (const char *)bytes + *used_out, size - *used_out, &used, &err);

		*used_out += used;
		if (outcome == SMTP_REPLY_PARTIAL)
			break;
		if (outcome == SMTP_REPLY_BROKEN)
			return on_broken(client, &err);
		client->is_followed = *used_out < size && !is_refusal(bytes[*used_out]);
		event = take_reply(client);
		if (client_is_ahead(client, bytes + *used_out, size - *used_out)) {
			*used_out = size;
			return client_end_ahead(client);
		}
	}
	return check_handover(client, event, size - *used_out);
}

enum client_event
client_secured(struct client *client)
{
	ensure(client->state == CLIENT_STATE_HANDSHAKE);
	client->has_tls = true;
	client_enter(client, CLIENT_STATE_EHLO);
	return CLIENT_WAITS;
}

enum client_event
client_lost(struct client *client, const char *reason)
{
	enum phase phase = client_phase(client);
	struct reply reply;

	reply_set(&reply, 0, "", "%s", reason);
	if (client->transaction == NULL)
		return end_with(client, classify_loss(phase), &reply);
	if (!client->is_settled)
		client_settle(client, classify_loss(phase), &reply, phase);
	client->transaction->verdict.is_over = true;
	return client_finish(client);
}

/* Behind the last command nothing is answered that matters. */
bool
client_is_ahead(const struct client *client, const uint8_t *bytes, size_t size)
{
	bool is_said = client->output.size > 0 && client->state != CLIENT_STATE_OVER;

	bool is_in_body = client->state == CLIENT_STATE_BODY && !client_awaits_chunk(client);

	return (is_said || is_in_body) && size > 0 && !is_refusal(*bytes);
}

enum client_event
client_end_ahead(struct client *client)
{
	client_wipe(&client->output);
	return client_lost(
	    client, "the upstream answers before it was asked: its replies can't be told apart");
}

void
client_quit(struct client *client)
{
	client_put(client, "QUIT");
	client_enter(client, CLIENT_STATE_OVER);
}

struct buf *
client_output(struct client *client)
{
	return &client->output;
}

int64_t
client_deadline_ms(const struct client *client)
{
	bool is_at_data =
	    client->transaction != NULL && client->answered == client_data_index(client);

	switch (rows[client->state].deadline) {
	case STEP:
		return client->settings->timeout_ms;
	case IN_ENVELOPE:
		return is_at_data ? DATA_MS : ENVELOPE_MS;
	case FOR_BLOCK:
		return BLOCK_MS;
	case FOR_DOT:
		return client->settings->dot_timeout_ms;
	case NEVER:
		break;
	}
	return 0;
}

unsigned
client_step(const struct client *client)
{
	return client->step;
}

enum phase
client_phase(const struct client *client)
{
	if (client->has_said_last && client->transaction != NULL && !client->is_settled)
		return PHASE_DOT;
	if (client->state != CLIENT_STATE_ENVELOPE || client->answered == 0)
		return rows[client->state].phase;
	return client->answered == client_data_index(client) ? PHASE_DATA : PHASE_RCPT;
}

unsigned
client_mail_max(const struct client *client)
{
	return client->capabilities.mail_max;
}

const struct client_end *
client_end(const struct client *client)
{
	return &client->end;
}

bool
client_lacks_8bitmime(const struct client *client)
{
	return !client->capabilities.has_8bitmime;
}

const char *
client_auth_used(const struct client *client)
{
	return client->has_authenticated ? auth_method_name(client->method) : "";
}
