/* classify - from a reply to a verdict. */
#include "daemon/relay/classify.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

const char *
phase_name(enum phase phase)
{
	static const char *const names[] = {
	    [PHASE_TOKEN] = "token",
	    [PHASE_NAME] = "name",
	    [PHASE_CONNECT] = "connect",
	    [PHASE_GREETING] = "greeting",
	    [PHASE_EHLO] = "ehlo",
	    [PHASE_STARTTLS] = "starttls",
	    [PHASE_TLS] = "tls",
	    [PHASE_AUTH] = "auth",
	    [PHASE_MAIL] = "mail",
	    [PHASE_RCPT] = "rcpt",
	    [PHASE_DATA] = "data",
	    [PHASE_BODY] = "body",
	    [PHASE_DOT] = "dot",
	};

	return names[phase];
}

void
reply_set(struct reply *reply, uint16_t code, const char *enhanced, const char *format, ...)
{
	va_list args;

	reply->code = code;
	(void)snprintf(reply->enhanced, sizeof(reply->enhanced), "%s", enhanced);
	va_start(args, format);
	(void)vsnprintf(reply->text, sizeof(reply->text), format, args);
	va_end(args);
}

static struct verdict
profile_problem(enum attempt_outcome outcome)
{
	return (struct verdict){.outcome = outcome, .fate = FATE_DEFERRED, .is_over = true};
}

static struct verdict
before_mail(enum phase phase, const struct reply *reply)
{
	switch (phase) {
	case PHASE_STARTTLS:
	case PHASE_TLS:
		return profile_problem(ATTEMPT_TLS);
	case PHASE_AUTH:
		if (reply->code >= 500)
			return profile_problem(ATTEMPT_AUTH_REFUSED);
		if (reply->code >= 400)
			return profile_problem(ATTEMPT_AUTH_LATER);
		return profile_problem(ATTEMPT_UNREACHABLE);
	default:
		return profile_problem(ATTEMPT_UNREACHABLE);
	}
}

/* 530 is said for both: "Authentication required", "Must issue a STARTTLS command first". */
static struct verdict
login_missing(const struct reply *reply)
{
	if (reply->code == 538 || strcasestr(reply->text, "STARTTLS") != NULL)
		return profile_problem(ATTEMPT_TLS);
	return profile_problem(ATTEMPT_AUTH_REFUSED);
}

static bool
is_login_code(uint16_t code)
{
	return code == 530 || code == 534 || code == 535 || code == 538;
}

static bool
is_success(enum phase phase, uint16_t code)
{
	return phase == PHASE_DATA ? code == 354 : code >= 200 && code < 300;
}

struct verdict
classify_reply(enum phase phase, const struct reply *reply)
{
	struct verdict verdict = {.outcome = ATTEMPT_ATTEMPTED, .fate = FATE_DEFERRED};
	uint16_t code = reply->code;

	if (is_success(phase, code)) {
		verdict.fate = FATE_DELIVERED;
		return verdict;
	}
	if (phase < PHASE_MAIL)
		return before_mail(phase, reply);
	if (is_login_code(code) && phase < PHASE_DOT)
		return login_missing(reply);
	if (phase == PHASE_RCPT && code == 552)
		return verdict;
	if (code >= 500 && code < 600)
		verdict.fate = FATE_FAILED;
	verdict.is_over = code == 421 || code < 400 || code > 599;
	return verdict;
}

struct verdict
classify_loss(enum phase phase)
{
	static const struct reply none;
	struct verdict verdict = {.outcome = ATTEMPT_ATTEMPTED, .is_over = true};

	if (phase < PHASE_MAIL)
		return before_mail(phase, &none);
	verdict.fate = phase == PHASE_DOT ? FATE_UNCERTAIN : FATE_DEFERRED;
	return verdict;
}
