/*
 * auth - the framing of SASL in SMTP (RFC 4954): accounts runs the mechanism, the session carries
 * its tokens.
 */
#include "daemon/smtpd/session_private.h"

#include "common/base64.h"
#include "common/log.h"
#include "common/xalloc.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#define RESPONSE_MAX 12288 /* octets of base64 (RFC 4954 4) */

/* ---- tokens ---- */

/* Only where a bound mechanism is offered: accounts takes the binding for a sign of that. */
static void
bind_step(const struct session *session, struct tls_binding *binding, struct msg_sasl_step *step)
{
	if (auth_usable(session, AUTH_BOUND_MECHANISM) != AUTH_USABLE ||
	    !session->setup.ports->tls_binding(session->setup.ctx, binding))
		return;
	step->exporter = (struct msg_bytes){binding->exporter, sizeof(binding->exporter)};
	step->unique = (struct msg_bytes){binding->unique, binding->unique_size};
}

static void
send_step(struct session *session, const void *token, size_t size, bool is_first, bool has_token)
{
	struct msg_sasl_step step = {
	    .is_first = is_first,
	    .has_token = has_token,
	    .mechanism = session->mechanism,
	    .token = {.at = token, .size = (uint32_t)size},
	    .client = session->client,
	    .has_tls = session_has_tls(session),
	};
	struct tls_binding binding;

	if (is_first)
		bind_step(session, &binding, &step);
	session_enter(session, STATE_SASL);
	session->setup.ports->sasl_step(session->setup.ctx, &step);
}

static void
refuse_too_long(struct session *session)
{
	session_refuse(session, 500, "5.5.6", "Authentication response too long");
}

/* Decodes a response and sends it on; its octets don't outlive the call. */
static void
take_response(struct session *session, const char *text, size_t length, bool is_first)
{
	size_t room = BASE64_OCTETS_SIZE(length) + 1, size = 0;
	uint8_t *octets = xmalloc(room);

	if (base64_decode(text, length, octets, &size)) {
		send_step(session, octets, size, is_first, true);
	} else {
		if (!is_first)
			session->setup.ports->sasl_abort(session->setup.ctx);
		session_enter(session, STATE_READY);
		session_refuse(session, 501, "5.5.2", "The response is not base64");
	}
	explicit_bzero(octets, room);
	free(octets);
}

/* `=` is an empty initial response (RFC 4954 4). */
static void
begin_exchange(struct session *session, const char *response, size_t length)
{
	if (length > RESPONSE_MAX)
		refuse_too_long(session);
	else if (length == 0)
		send_step(session, NULL, 0, true, false);
	else if (length == 1 && *response == '=')
		send_step(session, NULL, 0, true, true);
	else
		take_response(session, response, length, true);
}

/* Takes the mechanism's name, in upper case, and returns how many octets it has. */
static size_t
take_mechanism(struct session *session, const char *arguments, size_t length)
{
	size_t size = 0;

	memset(session->mechanism, 0, sizeof(session->mechanism));
	while (size < length && arguments[size] != ' ' && arguments[size] != '\t') {
		if (size < sizeof(session->mechanism) - 1)
			session->mechanism[size] = (char)toupper((unsigned char)arguments[size]);
		size++;
	}
	return size;
}

static void
try_mechanism(struct session *session, const char *response, size_t length)
{
	switch (auth_usable(session, session->mechanism)) {
	case AUTH_USABLE:
		begin_exchange(session, response, length);
		break;
	case AUTH_NEEDS_TLS:
		session_refuse(session, 538, "5.7.11", "Encryption required for this mechanism");
		break;
	case AUTH_UNKNOWN:
		session_refuse(session, 504, "5.5.4", "Mechanism not supported");
		break;
	}
}

void
auth_begin(struct session *session, const char *arguments, size_t length)
{
	size_t used = take_mechanism(session, arguments, length);

	while (used < length && (arguments[used] == ' ' || arguments[used] == '\t'))
		used++;
	if (session->is_authenticated)
		session_refuse(session, 503, "5.5.1", "Authenticated already");
	else if (!session->is_esmtp && !session->setup.config->auth.after_helo)
		session_refuse(session, 503, "5.5.1", "Send EHLO first");
	else
		try_mechanism(session, arguments + used, length - used);
}

void
auth_line_too_long(struct session *session)
{
	session->setup.ports->sasl_abort(session->setup.ctx);
	session_enter(session, STATE_READY);
	refuse_too_long(session);
}

void
auth_line(struct session *session, const char *line, size_t length)
{
	if (length > RESPONSE_MAX) {
		auth_line_too_long(session);
		return;
	}
	if (strcmp(line, "*") != 0) {
		take_response(session, line, length, false);
		return;
	}
	session->setup.ports->sasl_abort(session->setup.ctx);
	session_enter(session, STATE_READY);
	session_refuse(session, 501, "5.7.0", "Authentication cancelled");
}

/* ---- what accounts says ---- */

static void
challenge(struct session *session, struct msg_bytes token)
{
	char *text = xmalloc(BASE64_TEXT_SIZE(token.size));
	struct buf out;

	(void)base64_encode(token.at, token.size, text);
	buf_init(&out);
	buf_printf(&out, "334 %s\r\n", text);
	session_enter(session, STATE_AUTH);
	session_write(session, &out);
	buf_fini(&out);
	free(text);
}

static void
log_outcome(struct session *session, enum log_level level, enum log_event event,
    const struct msg_sasl_reply *reply)
{
	struct log_line line;

	if (!log_begin(&line, level, event, 0))
		return;
	session_log(session, &line);
	if (session->login == NULL && reply->login[0] != '\0')
		log_text(&line, KEY_USER, reply->login);
	log_text(&line, KEY_MECHANISM, session->mechanism);
	if (reply->reason[0] != '\0')
		log_text(&line, KEY_REASON, reply->reason);
	log_end(&line);
}

static void
succeed(struct session *session, const struct msg_sasl_reply *reply)
{
	session_forget_user(session);
	session->user_id = reply->user_id;
	session->credential = reply->credential;
	session->login = xstrdup(reply->login);
	session->is_authenticated = true;
	log_outcome(session, LOG_DEBUG, EVENT_AUTHENTICATED, reply);
	session_reply(session, 235, "2.7.0", "Authentication successful");
}

static void
fail(struct session *session, const struct msg_sasl_reply *reply)
{
	unsigned count =
	    auth_failures_add(&session->auth_failures, session->mechanism, reply->guess);

	log_outcome(session, LOG_INFO, EVENT_AUTH_FAILED, reply);
	session->is_last_failure = count >= session->setup.config->limits.auth_failures;
	session->penalty_ms = reply->delay_ms;
	session_enter(session, STATE_PENALTY);
	if (reply->delay_ms == 0)
		auth_end_penalty(session);
}

void
auth_end_penalty(struct session *session)
{
	session_enter(session, STATE_READY);
	session_reply(session, 535, "5.7.8", "Authentication credentials invalid");
	if (session->is_last_failure)
		session_hang_up(session, "4.7.0", "Too many failed logins");
}

static void
temporary_failure(struct session *session)
{
	session_refuse(session, 454, "4.7.0", "Temporary authentication failure");
}

/* 535 would make a client ask its user for another password. */
static void
refuse_unsupported(struct session *session)
{
	bool is_bound = strcmp(session->mechanism, AUTH_BOUND_MECHANISM) == 0;

	session_refuse(session, 504, "5.5.4", "%s",
	    is_bound ? "Channel binding not supported, tls-exporter is"
		     : "Mechanism not supported");
}

/* The exchange is over: the reply decides how. */
static void
finish(struct session *session, const struct msg_sasl_reply *reply)
{
	session_enter(session, STATE_READY);
	switch (reply->outcome) {
	case SASL_DONE:
		succeed(session, reply);
		break;
	case SASL_FAILED:
		fail(session, reply);
		break;
	case SASL_SHUT_OUT:
		session_refuse_shut_out(session, reply->until_ms);
		break;
	case SASL_USER_FULL:
		session_refuse_user(session, reply->login);
		break;
	case SASL_MALFORMED:
		session_refuse(session, 501, "5.5.2", "Malformed authentication response");
		break;
	case SASL_UNSUPPORTED:
		refuse_unsupported(session);
		break;
	default:
		temporary_failure(session);
	}
}

void
auth_take_reply(struct session *session, const struct msg_sasl_reply *reply)
{
	if (reply == NULL) {
		session_enter(session, STATE_READY);
		temporary_failure(session);
	} else if (reply->outcome == SASL_CONTINUE) {
		challenge(session, reply->token);
	} else {
		finish(session, reply);
	}
}
