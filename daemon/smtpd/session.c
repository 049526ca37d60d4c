/*
 * session - the automaton's frame: lines in, states, deadlines.
 *
 * What a command means is in commands.c; this file knows when a line is a line, in which state
 * the session is, and when it has to end.
 */
#include "daemon/smtpd/session_private.h"

#include "common/log.h"
#include "common/xalloc.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* AUTH, a mechanism, an initial response (RFC 4954 4), CRLF. */
#define LINE_MAX_SIZE (64 + 12288 + 2)
#define LINE_KEPT_SIZE 4096 /* an idle session keeps no more room than this */

#define TLS_HANDSHAKE_RECORD 0x16

/* ---- states ---- */

bool
session_has_tls(const struct session *session)
{
	return session->tls_version[0] != '\0';
}

static const char *
state_name(enum session_state state)
{
	static const char *const names[] = {"start", "ready", "mail", "rcpt", "auth", "data",
	    "stall", "sasl", "grant", "commit", "tls", "chunks", "failed", "skip", "ended",
	    "refused", "penalty"};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (state == 1u << i)
			return names[i];
	return "unknown";
}

void
session_enter(struct session *session, enum session_state state)
{
	if (state != session->state)
		log_trace("smtp client=%s %s -> %s", session->client, state_name(session->state),
		    state_name(state));
	pace_note_state(session);
	session->state = state;
	session->setup.ports->set_deadline(session->setup.ctx, pace_deadline_ms(session, state));
}

void
session_end(struct session *session)
{
	if (session->state & (STATE_AUTH | STATE_SASL))
		session->setup.ports->sasl_abort(session->setup.ctx);
	session_abandon_transaction(session);
	session_enter(session, STATE_ENDED);
	session->setup.ports->finish(session->setup.ctx);
}

void
session_forget_user(struct session *session)
{
	free(session->login);
	session->login = NULL;
	session->user_id = 0;
	session->is_authenticated = false;
}

/* What ends a session between two commands. */
static void
settle(struct session *session)
{
	const unsigned idle = STATE_START | STATE_READY | STATE_AUTH | STATE_FAILED | STATE_REFUSED;
	const struct config *config = session->setup.config;

	if (session->state == STATE_ENDED)
		return;
	if (session->errors > config->limits.errors &&
	    session->state & (idle | STATE_MAIL | STATE_RCPT | STATE_CHUNKS))
		session_hang_up(session, "4.7.0", "Too many errors");
	else if (pace_is_over(session))
		session_hang_up(session, "4.4.2", pace_reason(session));
	else if (session->is_draining && session->state & idle)
		session_hang_up(session, "4.3.2", "Shutting down, try again later");
}

/* ---- lines ---- */

static void
run_line(struct session *session, const char *line, size_t length)
{
	if (session->is_line_too_long && session->state == STATE_AUTH)
		auth_line_too_long(session);
	else if (session->is_line_too_long)
		session_refuse(session, 500, "5.5.2", "Line too long");
	else if (session->state == STATE_AUTH)
		auth_line(session, line, length);
	else
		command_run(session, line, length);
}

/* The line buffer goes aside while its line runs. */
static void
finish_line(struct session *session)
{
	struct buf line = session->line;

	buf_init(&session->line);
	if (line.size < 2 || line.bytes[line.size - 2] != '\r') {
		/* It could wait for a CRLF that never comes: say it and end. */
		session_refuse(session, 500, "5.5.2", "Bare LF: lines must end in CRLF");
		session_end(session);
	} else {
		line.bytes[line.size - 2] = '\0';
		run_line(session, line.bytes, line.size - 2);
	}
	session->is_line_too_long = false;
	if (line.capacity > LINE_KEPT_SIZE) {
		explicit_bzero(line.bytes, line.size);
		buf_fini(&line);
	} else if (line.bytes != NULL) {
		explicit_bzero(line.bytes, line.size);
		buf_clear(&line);
	}
	session->line = line;
}

/* Of a line that is too long only the end is kept, to see whether it is CRLF. */
static void
add_to_line(struct session *session, const uint8_t *bytes, size_t size)
{
	struct buf *line = &session->line;

	buf_append(line, bytes, size);
	if (line->size <= LINE_MAX_SIZE)
		return;
	session->is_line_too_long = true;
	memmove(line->bytes, line->bytes + line->size - 2, 2);
	line->size = 2;
}

static size_t
take_line(struct session *session, const uint8_t *bytes, size_t size)
{
	const uint8_t *lf = memchr(bytes, '\n', size);
	size_t used = lf == NULL ? size : (size_t)(lf - bytes) + 1;

	add_to_line(session, bytes, used);
	if (lf != NULL)
		finish_line(session);
	return used;
}

/* ---- what comes in ---- */

static bool
looks_like_tls(struct session *session, const uint8_t *bytes)
{
	bool is_first = !session->has_read;

	session->has_read = true;
	return is_first && !session_has_tls(session) && bytes[0] == TLS_HANDSHAKE_RECORD;
}

/* Without an alert: it takes the greeting, which went before, for bad TLS anyway. */
static void
drop_hello(struct session *session)
{
	unsigned port = config_port_with(session->setup.config, LISTENER_IMPLICIT);
	char reason[300], where[40] = "";

	if (port != 0)
		(void)snprintf(where, sizeof(where), ", which is port %u here", port);
	(void)snprintf(reason, sizeof(reason),
	    "the client began with TLS on a port where it starts with STARTTLS or not at all: its "
	    "encryption must be set to %s, or its port to one with TLS from the start%s",
	    session->setup.offers_tls ? "STARTTLS" : "none", where);
	session_drop(session, reason);
}

/* Gives the state what it reads; returns how much of it was used. */
static size_t
take_input(struct session *session, const uint8_t *bytes, size_t size)
{
	switch (session->state) {
	case STATE_DATA:
		return receive_bytes(session, bytes, size);
	case STATE_SKIP:
		return bdat_skip(session, size);
	default:
		return take_line(session, bytes, size);
	}
}

size_t
session_input(struct session *session, const void *input, size_t size)
{
	const unsigned reading = STATE_START | STATE_READY | STATE_MAIL | STATE_RCPT | STATE_AUTH |
				 STATE_DATA | STATE_CHUNKS | STATE_FAILED | STATE_SKIP |
				 STATE_REFUSED;
	const uint8_t *bytes = input;
	size_t used = 0;

	if (size > 0 && session->state == STATE_START && looks_like_tls(session, bytes))
		drop_hello(session);
	while (used < size && session->state & reading) {
		used += take_input(session, bytes + used, size - used);
		settle(session);
		if (session->state == STATE_TLS)
			command_start_tls(session, used < size);
	}
	return session->state == STATE_ENDED ? size : used;
}

static bool
has_stream(const struct session *session)
{
	return session->transaction != NULL && session->transaction->is_open;
}

void
session_on_secured(struct session *session, const char *tls_version)
{
	if (session->state != STATE_TLS)
		return;
	(void)snprintf(session->tls_version, sizeof(session->tls_version), "%s", tls_version);
	session_enter(session, STATE_READY);
	settle(session);
}

void
session_on_deadline(struct session *session)
{
	if (session->state == STATE_STALL)
		receive_end_stall(session);
	else if (session->state == STATE_PENALTY)
		auth_end_penalty(session);
	else if (session->state == STATE_TLS)
		session_drop(session, "the TLS handshake took too long");
	else if (session->state != STATE_ENDED)
		session_hang_up(session, "4.4.2", pace_reason(session));
	settle(session);
}

void
session_on_grant(struct session *session, struct grant *grant, bool is_answered)
{
	if (session->state != STATE_GRANT)
		return;
	mail_take_grant(session, grant, is_answered);
	settle(session);
}

void
session_on_sasl(struct session *session, const struct msg_sasl_reply *reply)
{
	if (session->state != STATE_SASL)
		return;
	auth_take_reply(session, reply);
	settle(session);
}

void
session_on_user_full(struct session *session, const char *login)
{
	if (session->state == STATE_GRANT)
		session_refuse_user(session, login);
}

void
session_on_credit(struct session *session, uint32_t bytes)
{
	if (!has_stream(session))
		return;
	receive_take_credit(session, bytes);
	settle(session);
}

void
session_on_committed(struct session *session, enum commit_outcome outcome)
{
	if (session->state != STATE_COMMIT)
		return;
	receive_take_commit(session, outcome);
	settle(session);
}

void
session_on_queue_lost(struct session *session)
{
	if (!has_stream(session))
		return;
	receive_lose_queue(session);
	settle(session);
}

void
session_drain(struct session *session)
{
	session->is_draining = true;
	settle(session);
}

/* ---- begin and end ---- */

static char *
copy(const char *text)
{
	return text == NULL ? NULL : xstrdup(text);
}

/* RFC 5321 3.1: who gets no service is told so, and not hung up on. */
static void
greet(struct session *session)
{
	const char *hostname = session->setup.config->hostname;

	if (session->setup.is_refused) {
		session_enter(session, STATE_REFUSED);
		session_refuse(
		    session, 554, "5.7.1", "%s has no service for your network", hostname);
	} else {
		session_enter(session, STATE_START);
		session_reply(session, 220, "", "%s ESMTP postern", hostname);
	}
}

struct session *
session_open(const struct session_setup *setup)
{
	struct session *session = xcalloc(1, sizeof(*session));

	session->setup = *setup;
	session->client = copy(setup->client);
	session->trusted_login = copy(setup->trusted_login);
	if (setup->tls_version != NULL)
		(void)snprintf(
		    session->tls_version, sizeof(session->tls_version), "%s", setup->tls_version);
	session->state = STATE_START;
	session->began_at_ms = setup->ports->now_ms(setup->ctx);
	greet(session);
	return session;
}

void
session_free(struct session *session)
{
	if (session->state & (STATE_AUTH | STATE_SASL))
		session->setup.ports->sasl_abort(session->setup.ctx);
	session_abandon_transaction(session);
	if (session->line.bytes != NULL)
		explicit_bzero(session->line.bytes, session->line.size);
	buf_fini(&session->line);
	free(session->client);
	free(session->trusted_login);
	free(session->helo);
	free(session->login);
	free(session->auth_failures);
	free(session);
}

const char *
session_login(const struct session *session)
{
	return session->login;
}

uint64_t
session_user_id(const struct session *session)
{
	return session->user_id;
}

bool
session_has_quit(const struct session *session)
{
	return session->has_quit;
}

unsigned
session_messages(const struct session *session)
{
	return session->messages;
}
