/*
 * pop3_client - the dialogue with a POP3 server, a row per state.
 *
 * Each line goes to the row's on_reply, which says something and enters the next state. After
 * anything was said, what the server had sent before is no answer to it: such a dialogue ends.
 */
#include "common/xalloc.h"
#include "daemon/relay/pop3_client_private.h"
#include "daemon/relay/stars.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define LINE_MAX_BYTES 4096 /* a challenge may be long */
#define CAPA_LINES_MAX 100
#define DELAY_MAX_S (24L * 60 * 60)
#define QUIT_MS 5000

struct row {
	enum phase phase;
	bool is_due; /* the server has to say something */
	enum pop3_event (*on_reply)(struct pop3_client *client, const struct pop3_reply *reply);
};

static const struct row rows[];

/* ---- what is said ---- */

static void
say_line(const struct pop3_client *client, bool is_sent, const char *line)
{
	if (client->settings->on_line != NULL)
		client->settings->on_line(is_sent, line, client->settings->line_ctx);
}

void
pop3_wipe(struct buf *buf)
{
	if (buf->bytes != NULL)
		explicit_bzero(buf->bytes, buf->capacity);
	buf_fini(buf);
}

void
pop3_put(struct pop3_client *client, const char *line)
{
	say_line(client, true, line);
	buf_text(&client->output, line);
	buf_text(&client->output, "\r\n");
}

void
pop3_put_secret(struct pop3_client *client, const char *prefix, const char *secret)
{
	struct buf shown;

	buf_init(&shown);
	buf_printf(&shown, "%s%s", prefix, *secret == '\0' ? "" : "<secret>");
	say_line(client, true, shown.bytes != NULL ? shown.bytes : "");
	buf_fini(&shown);
	pop3_wipe(&client->token);
	buf_text(&client->token, secret);
	buf_text(&client->output, prefix);
	buf_text(&client->output, secret);
	buf_text(&client->output, "\r\n");
}

/* ---- states ---- */

void
pop3_next_step(struct pop3_client *client)
{
	client->step++;
}

enum pop3_event
pop3_enter(struct pop3_client *client, enum pop3_state state)
{
	client->state = state;
	client->step++;
	switch (state) {
	case POP3_STATE_HANDSHAKE:
		return POP3_WANTS_TLS;
	case POP3_STATE_TURN:
		return POP3_WANTS_TURN;
	case POP3_STATE_DONE:
		return POP3_IS_DONE;
	case POP3_STATE_OVER:
		return POP3_IS_OVER;
	default:
		return POP3_WAITS;
	}
}

enum pop3_event
pop3_end(struct pop3_client *client, enum attempt_outcome outcome, const char *text)
{
	client->end.phase = pop3_client_phase(client);
	client->end.verdict = classify_own(outcome);
	reply_set(&client->end.reply, 0, "", "%s", text);
	return pop3_enter(client, POP3_STATE_OVER);
}

static bool
is_about_login(const struct pop3_client *client, enum attempt_outcome outcome)
{
	return outcome == ATTEMPT_AUTH_LATER || outcome == ATTEMPT_AUTH_REFUSED ||
	       (outcome == ATTEMPT_UNREACHABLE && client->state == POP3_STATE_GREETING);
}

/* Too many logins are told in the same words whatever the protocol, in SMTP with 454 before them. */
static void
judge_wait(struct pop3_client *client, enum attempt_outcome outcome, const char *words)
{
	struct verdict *verdict = &client->end.verdict, as_smtp;
	uint32_t delay_s = (uint32_t)(client->login_delay_ms / 1000);
	struct reply reply;

	reply_set(&reply, 454, "", "%s", words);
	as_smtp = classify_reply(&client->settings->classifier, PHASE_AUTH, &reply);
	if (as_smtp.class == REPLY_RATE_AUTH)
		*verdict = as_smtp;
	else if (outcome == ATTEMPT_AUTH_LATER && as_smtp.wait.is_exact)
		verdict->wait = as_smtp.wait;
	else if (delay_s > 0 && pop3_is_too_early(words))
		verdict->wait = (struct reply_wait){delay_s, delay_s, true};
}

enum pop3_event
pop3_end_refused(struct pop3_client *client, enum attempt_outcome outcome, const char *command,
    const struct pop3_reply *reply)
{
	bool is_login = reply->status == POP3_ERR && is_about_login(client, outcome);
	enum pop3_event event;
	char text[800];

	(void)snprintf(text, sizeof(text), "the POP3 server answered %s with `%s%.600s`", command,
	    reply->status == POP3_ERR ? "-ERR " : "", reply->text);
	event = pop3_end(client, outcome, text);
	if (is_login)
		judge_wait(client, outcome, reply->text);
	return event;
}

/* ---- greeting and STLS ---- */

static enum pop3_event
go_on(struct pop3_client *client)
{
	if (client->settings->tls == PROFILE_STARTTLS && !client->has_tls) {
		pop3_put(client, "STLS");
		return pop3_enter(client, POP3_STATE_STLS);
	}
	if (client->settings->method.auth == POP3_AUTH_NONE)
		return pop3_begin_login(client);
	pop3_put(client, "CAPA");
	return pop3_enter(client, POP3_STATE_CAPA);
}

static enum pop3_event
on_greeting(struct pop3_client *client, const struct pop3_reply *reply)
{
	char text[500];

	if (reply->status == POP3_ERR)
		return pop3_end_refused(client, ATTEMPT_UNREACHABLE, "the connection", reply);
	if (reply->status != POP3_OK) {
		(void)snprintf(
		    text, sizeof(text), "the server's greeting is no POP3: `%.300s`", reply->text);
		return pop3_end(client, ATTEMPT_UNREACHABLE, text);
	}
	if (!pop3_find_stamp(reply->text, client->stamp))
		client->stamp[0] = '\0';
	return go_on(client);
}

static enum pop3_event
on_stls(struct pop3_client *client, const struct pop3_reply *reply)
{
	if (reply->status != POP3_OK)
		return pop3_end_refused(client, ATTEMPT_TLS, "STLS", reply);
	return pop3_enter(client, POP3_STATE_HANDSHAKE);
}

/* ---- CAPA ---- */

static void
note_mechanisms(struct pop3_client *client, const char *names)
{
	client->has_sasl = true;
	while (*names != '\0') {
		size_t size = strcspn(names, " ");

		client->mechanisms |= auth_method_bit(names, size);
		names += size + strspn(names + size, " ");
	}
}

static void
note_capability(struct pop3_client *client, const char *line)
{
	long seconds;

	if (strncasecmp(line, "SASL ", 5) == 0)
		note_mechanisms(client, line + 5);
	if (strncasecmp(line, "LOGIN-DELAY ", 12) != 0)
		return;
	seconds = strtol(line + 12, NULL, 10);
	client->login_delay_ms = 1000 * (seconds < 0                ? 0
					    : seconds > DELAY_MAX_S ? DELAY_MAX_S
								    : seconds);
}

static enum pop3_event
end_capa(struct pop3_client *client)
{
	const char *obstacle = pop3_login_obstacle(client);

	client->is_listing = false;
	if (obstacle == NULL)
		return pop3_enter(client, POP3_STATE_TURN);
	(void)pop3_enter(client, POP3_STATE_TURN); /* it is about the login */
	return pop3_end(client, ATTEMPT_MISCONFIGURED, obstacle);
}

static enum pop3_event
on_listed(struct pop3_client *client, const char *line)
{
	if (strcmp(line, ".") == 0)
		return end_capa(client);
	if (++client->line_count > CAPA_LINES_MAX)
		return pop3_end(client, ATTEMPT_UNREACHABLE,
		    "the POP3 server's list of capabilities has no end");
	note_capability(client, line);
	return POP3_WAITS;
}

/* Servers from before RFC 2449 don't know it, and can be logged in to all the same. */
static enum pop3_event
on_capa(struct pop3_client *client, const struct pop3_reply *reply)
{
	if (reply->status != POP3_OK)
		return end_capa(client);
	client->is_listing = true;
	return POP3_WAITS;
}

static enum pop3_event
on_quit(struct pop3_client *client, const struct pop3_reply *reply)
{
	return pop3_enter(client, POP3_STATE_DONE);
}

static const struct row rows[] = {
    [POP3_STATE_GREETING] = {PHASE_POP3_GREETING, true, on_greeting},
    [POP3_STATE_STLS] = {PHASE_POP3_TLS, true, on_stls},
    [POP3_STATE_HANDSHAKE] = {PHASE_POP3_TLS, true, NULL},
    [POP3_STATE_CAPA] = {PHASE_POP3_LOGIN, true, on_capa},
    [POP3_STATE_TURN] = {PHASE_POP3_LOGIN, false, NULL},
    [POP3_STATE_USER] = {PHASE_POP3_LOGIN, true, pop3_on_user},
    [POP3_STATE_PASS] = {PHASE_POP3_LOGIN, true, pop3_on_login},
    [POP3_STATE_APOP] = {PHASE_POP3_LOGIN, true, pop3_on_login},
    [POP3_STATE_AUTH] = {PHASE_POP3_LOGIN, true, pop3_on_auth},
    [POP3_STATE_QUIT] = {PHASE_POP3_LOGIN, true, on_quit},
    [POP3_STATE_DONE] = {PHASE_POP3_LOGIN, false, NULL},
    [POP3_STATE_OVER] = {PHASE_POP3_LOGIN, false, NULL},
};

/* ---- input ---- */

/* What isn't printable ASCII is no part of POP3 and gets a question mark. */
static void
make_line(struct pop3_client *client, const uint8_t *bytes, size_t size, char *line)
{
	if (size > 0 && bytes[size - 1] == '\r')
		size--;
	for (size_t i = 0; i < size; i++)
		line[i] = bytes[i] >= ' ' && bytes[i] < 127 ? (char)bytes[i] : '?';
	line[size] = '\0';
	if (client->state == POP3_STATE_GREETING)
		return;
	stars_over(line, client->settings->password, strlen(client->settings->password));
	stars_over(line, client->token.bytes, client->token.size);
}

static enum pop3_event
on_line(struct pop3_client *client, const char *line)
{
	struct pop3_reply reply;

	if (client->is_listing)
		return on_listed(client, line);
	pop3_reply_read(line, &reply);
	/* An answer that is none ends the dialogue, whatever was asked. */
	if (reply.status == POP3_NONE && client->state != POP3_STATE_GREETING &&
	    client->state != POP3_STATE_QUIT)
		return pop3_end_refused(client, ATTEMPT_UNREACHABLE, "a command", &reply);
	return rows[client->state].on_reply(client, &reply);
}

static bool
is_at_end(const struct pop3_client *client)
{
	return client->state == POP3_STATE_DONE || client->state == POP3_STATE_OVER;
}

static enum pop3_event
end_out_of_turn(struct pop3_client *client)
{
	if (client->state == POP3_STATE_HANDSHAKE)
		return pop3_end(client, ATTEMPT_TLS,
		    "bytes came in clear behind STLS: somebody may be in between");
	return pop3_end(
	    client, ATTEMPT_UNREACHABLE, "the POP3 server says more than it was asked for");
}

/* Whether what is left was sent before the server could know what it was asked. */
static bool
is_out_of_turn(const struct pop3_client *client, size_t left)
{
	return left > 0 && !client->is_listing && client->state != POP3_STATE_QUIT &&
	       !is_at_end(client);
}

enum pop3_event
pop3_client_input(struct pop3_client *client, const uint8_t *bytes, size_t size, size_t *used_out)
{
	char line[LINE_MAX_BYTES + 1] = "";
	enum pop3_event event = POP3_WAITS;
	const uint8_t *end;

	*used_out = 0;
	if (is_at_end(client)) {
		*used_out = size;
		return POP3_WAITS;
	}
	if (size > 0 && rows[client->state].on_reply == NULL)
		return end_out_of_turn(client);
	while (event == POP3_WAITS && (end = memchr(bytes, '\n', size)) != NULL) {
		size_t length = (size_t)(end - bytes);

		if (length >= LINE_MAX_BYTES)
			break;
		make_line(client, bytes, length, line);
		say_line(client, false, line);
		event = on_line(client, line);
		bytes += length + 1;
		size -= length + 1;
		*used_out += length + 1;
		if (is_out_of_turn(client, size))
			return end_out_of_turn(client);
	}
	if (event == POP3_WAITS && size >= LINE_MAX_BYTES)
		return pop3_end(
		    client, ATTEMPT_UNREACHABLE, "a line of the POP3 server is too long");
	return event;
}

enum pop3_event
pop3_client_secured(struct pop3_client *client)
{
	/* What was said in clear may be somebody else's (RFC 2595 section 4); the timestamp stays,
	 * since there is no other. */
	client->has_tls = true;
	return go_on(client);
}

enum pop3_event
pop3_client_login(struct pop3_client *client)
{
	if (client->state != POP3_STATE_TURN)
		return POP3_WAITS; /* it has ended meanwhile */
	return pop3_begin_login(client);
}

enum pop3_event
pop3_client_lost(struct pop3_client *client, const char *reason)
{
	if (is_at_end(client))
		return POP3_WAITS;
	if (client->state == POP3_STATE_QUIT)
		return pop3_enter(client, POP3_STATE_DONE);
	return pop3_end(client, ATTEMPT_UNREACHABLE, reason);
}

/* ---- the rest ---- */

struct pop3_client *
pop3_client_new(const struct pop3_client_settings *settings, bool has_tls)
{
	struct pop3_client *client = xcalloc(1, sizeof(*client));

	client->settings = settings;
	client->has_tls = has_tls;
	buf_init(&client->output);
	buf_init(&client->token);
	return client;
}

void
pop3_client_free(struct pop3_client *client)
{
	if (client == NULL)
		return;
	client_auth_free(client->auth);
	pop3_wipe(&client->output);
	pop3_wipe(&client->token);
	free(client);
}

struct buf *
pop3_client_output(struct pop3_client *client)
{
	return &client->output;
}

int64_t
pop3_client_deadline_ms(const struct pop3_client *client)
{
	int64_t timeout_ms = client->settings->timeout_ms;

	if (!rows[client->state].is_due)
		return 0;
	return client->state == POP3_STATE_QUIT && timeout_ms > QUIT_MS ? QUIT_MS : timeout_ms;
}

unsigned
pop3_client_step(const struct pop3_client *client)
{
	return client->step;
}

enum phase
pop3_client_phase(const struct pop3_client *client)
{
	return rows[client->state].phase;
}

const struct client_end *
pop3_client_end(const struct pop3_client *client)
{
	return &client->end;
}

bool
pop3_client_is_logged_in(const struct pop3_client *client)
{
	return client->is_logged_in;
}

bool
pop3_client_is_refused(const struct pop3_client *client)
{
	return client->is_refused;
}

int64_t
pop3_client_login_delay_ms(const struct pop3_client *client)
{
	return client->login_delay_ms;
}
