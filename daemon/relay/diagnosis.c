/* diagnosis - which setting a failure points to: the rule's advice, else that of its part of the way. */
#include "daemon/relay/diagnosis.h"

#include "daemon/relay/advice.h"
#include "daemon/relay/pop3_asked.h"
#include "daemon/relay/pop3_diagnosis.h"

#include <stdio.h>
#include <string.h>

const char *
diagnosis_fact(const struct client_end *end, char *buffer, size_t size)
{
	const struct reply *reply = &end->reply;
	char code[32] = "";

	if (reply->code != 0)
		(void)snprintf(code, sizeof(code), "%u %s%s", reply->code, reply->enhanced,
		    reply->enhanced[0] != '\0' ? " " : "");
	(void)snprintf(buffer, size, "%s: %s%s", phase_name(end->phase), code, reply->text);
	return buffer;
}

/* What is wrong stands in the reason already. */
static const char *
token_advice(const struct client_end *end)
{
	if (end->verdict.outcome == ATTEMPT_AUTH_REFUSED)
		return "The upstream was not asked: it needs a token first.";
	return "The upstream was not asked: it needs a token first, which is asked for again by "
	       "itself.";
}

/* Rules speak of passwords where a login is refused for no other reason. */
static bool
has_rule_advice(const struct profile *profile, const struct verdict *verdict)
{
	if (verdict->advice == NULL || *verdict->advice == '\0')
		return false;
	return verdict->class != REPLY_AUTH_BAD || profile->token_source == NULL;
}

static void
advise_outcome(const struct advice *advice)
{
	switch (advice->end->verdict.outcome) {
	case ATTEMPT_TLS:
		advise_tls(advice);
		break;
	case ATTEMPT_AUTH_REFUSED:
		advise_login(advice);
		break;
	case ATTEMPT_AUTH_LATER:
		advise_login_later(advice);
		break;
	case ATTEMPT_MISCONFIGURED:
		advise_no_method(advice);
		break;
	case ATTEMPT_PUT_OFF:
		advise_put_off(advice);
		break;
	case ATTEMPT_UNREACHABLE:
		advise_reach(advice);
		break;
	default:
		advise_mail(advice);
	}
}

const char *
diagnosis_advice(
    const struct profile *profile, const struct client_end *end, char *buffer, size_t size)
{
	const struct advice advice = {profile, end, buffer, size};

	buffer[0] = '\0';
	if (end->phase == PHASE_TOKEN)
		advise(&advice, "%s", token_advice(end));
	else if (pop3_is_phase(end->phase) && end->fingerprint[0] != '\0')
		advise_certificate(&advice, "pop3-");
	else if (pop3_is_phase(end->phase))
		advise(&advice, "%s", pop3_advice(profile, end));
	else if (end->reply.code >= 400 && pop3_is_asked(end->reply.text))
		advise(&advice, "%s", pop3_asked_advice(profile));
	else if (has_rule_advice(profile, &end->verdict))
		advise_template(&advice, end->verdict.advice);
	else
		advise_outcome(&advice);
	return buffer;
}

const char *
diagnosis_reason(
    const struct profile *profile, const struct client_end *end, char *buffer, size_t size)
{
	char fact[550], advice[DIAGNOSIS_ADVICE_SIZE];

	(void)snprintf(buffer, size, "%s. %s", diagnosis_fact(end, fact, sizeof(fact)),
	    diagnosis_advice(profile, end, advice, sizeof(advice)));
	return buffer;
}
