/* diagnosis - which setting a failure points to. */
#include "daemon/relay/diagnosis.h"

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

static const char *
tls_advice(const struct profile *profile, const struct client_end *end)
{
	const char *text = end->reply.text;

	if (end->phase == PHASE_EHLO)
		return "The upstream was reached, so host and port are right, but it offers no "
		       "encryption here: set tls to implicit with port 465, or to none if the "
		       "network may see the mail.";
	if (end->phase == PHASE_AUTH)
		return "Credentials are sent only over TLS: set tls to starttls or implicit, or "
		       "auth-in-clear to yes if the network may see the password.";
	if (profile->tls == PROFILE_IMPLICIT && strstr(text, "wrong version number") != NULL)
		return "The upstream answers in clear on this port, so this is not a port for "
		       "implicit TLS: set tls to starttls (most often with port 587), or the "
		       "port to 465. If it has worked before, the upstream only turns "
		       "connections away for now.";
	if (strstr(text, "unsupported protocol") != NULL ||
	    strstr(text, "protocol version") != NULL)
		return "The upstream was reached, but has no version of TLS that the profile "
		       "allows: "
		       "look at tls_min and tls_max.";
	if (strstr(text, "certificate") != NULL)
		return "The upstream's certificate was not accepted: look at host (it must be a "
		       "name in the certificate), or give the profile its CA (ca) or its "
		       "fingerprint (tls_verify).";
	if (end->phase >= PHASE_MAIL)
		return "The upstream wants encryption: set tls to starttls.";
	return "The upstream was reached, but the encryption failed: look at port, tls, tls_min, "
	       "tls_max and tls_verify.";
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

static const char *
auth_advice(const struct profile *profile)
{
	bool is_address = strchr(profile->username, '@') != NULL;

	if (profile->token_source != NULL)
		return "The token was just made, so the oauth settings are right. Is the user "
		       "name the mailbox? May the application send as it (Microsoft: "
		       "SMTP.SendAsApp or SMTP.Send with consent, authenticated SMTP on for the "
		       "mailbox, the service principal known to Exchange; Google: the scope "
		       "https://mail.google.com/)?";
	if (profile->auth_methods == 0)
		return "The upstream wants a login: set username and password.";
	if (profile->tls == PROFILE_NONE)
		return is_address
			   ? "The upstream was reached, so host and port are right: look at "
			     "username, password and auth. If this user name is refused, try "
			     "the part before the @."
			   : "The upstream was reached, so host and port are right: look at "
			     "username, password and auth. Many upstreams want the whole "
			     "address as user name.";
	return is_address ? "The upstream was reached and TLS is fine, so host, port and tls are "
			    "right: look at username, password and auth. If this user name is "
			    "refused, try the part before the @."
			  : "The upstream was reached and TLS is fine, so host, port and tls are "
			    "right: look at username, password and auth. Many upstreams want the "
			    "whole address as user name.";
}

/* Without a reply it was we who didn't try: see logins.h. */
static const char *
login_later_advice(const struct client_end *end)
{
	if (end->reply.code == 0 && strstr(end->reply.text, "refused") != NULL)
		return "Mend what was refused, most often the password: a changed profile is tried "
		       "at once, and so is one after profile resume.";
	return "The upstream can't check the login now, or there were too many: wait.";
}

static const char *
reach_advice(const struct profile *profile, const struct client_end *end)
{
	switch (end->phase) {
	case PHASE_NAME:
		return "The host's name was not found: look at host, and at this machine's name "
		       "servers.";
	case PHASE_CONNECT:
		return "Nothing answers there: look at host and port, and whether a firewall or "
		       "the network's provider blocks this port.";
	case PHASE_GREETING:
		if (end->reply.code != 0)
			return "The upstream turned the connection away: its words say why. Host "
			       "and port are right.";
		if (strstr(end->reply.text, "speaks TLS") != NULL)
			return "This is a port for implicit TLS: set tls to implicit, or the port "
			       "to "
			       "587.";
		return profile->tls == PROFILE_IMPLICIT
			   ? "TLS stands, but no greeting came: look at port."
			   : "The upstream took the connection and sent no greeting. If the port "
			     "is one "
			     "for implicit TLS (465), set tls to implicit; otherwise look at port.";
	default:
		if (strcasestr(end->reply.text, "client certificate") != NULL)
			return "The upstream wants a certificate of ours that it trusts: set "
			       "client-certificate and client-key.";
		return "The upstream was reached, so host and port are right. If it names the "
		       "EHLO name, look at ehlo.";
	}
}

/* Of an upstream that takes nothing from this account for now. */
static const char *put_off_advice(enum reply_class class)
{
	switch (class) {
	case REPLY_RATE_CONN:
		return "The upstream takes fewer connections at a time: look at connections.";
	case REPLY_QUOTA_HOUR:
	case REPLY_QUOTA_DAILY:
		return "The account has sent as much as it may: a rate of the profile keeps below "
		       "that.";
	case REPLY_RATE_REPUTATION:
		return "The upstream distrusts the address that this mail comes from, or what is "
		       "sent: ask its provider.";
	case REPLY_PROTOCOL:
		return "The upstream doesn't follow the dialogue: look at ehlo, auth and port.";
	case REPLY_ACCOUNT_FULL:
		return "The account's own mailbox is full: make room in it.";
	case REPLY_ACCOUNT_DISABLED:
		return "The account is shut: its provider can say why.";
	default:
		return "The upstream wants less mail at a time: it is left alone until then.";
	}
}

const char *
diagnosis_advice(
    const struct profile *profile, const struct client_end *end, char *buffer, size_t size)
{
	const char *advice = end->verdict.advice;

	if (end->phase == PHASE_TOKEN) {
		(void)snprintf(buffer, size, "%s", token_advice(end));
		return buffer;
	}
	if (pop3_is_phase(end->phase)) {
		(void)snprintf(buffer, size, "%s", pop3_advice(profile, end));
		return buffer;
	}
	if (end->reply.code >= 400 && pop3_is_asked(end->reply.text)) {
		(void)snprintf(buffer, size, "%s", pop3_asked_advice(profile));
		return buffer;
	}
	if (advice != NULL && *advice != '\0') {
		(void)snprintf(buffer, size, "%s", advice);
		return buffer;
	}
	switch (end->verdict.outcome) {
	case ATTEMPT_TLS:
		advice = tls_advice(profile, end);
		break;
	case ATTEMPT_AUTH_REFUSED:
		advice = auth_advice(profile);
		break;
	case ATTEMPT_AUTH_LATER:
		advice = login_later_advice(end);
		break;
	case ATTEMPT_MISCONFIGURED:
		advice = "Look at auth, and at tls: many upstreams offer AUTH only over TLS.";
		break;
	case ATTEMPT_PUT_OFF:
		advice = put_off_advice(end->verdict.class);
		break;
	case ATTEMPT_UNREACHABLE:
		advice = reach_advice(profile, end);
		break;
	default:
		advice = "The settings are right; the upstream refused this message.";
	}
	(void)snprintf(buffer, size, "%s", advice);
	return buffer;
}

const char *
diagnosis_reason(
    const struct profile *profile, const struct client_end *end, char *buffer, size_t size)
{
	char fact[700], advice[320];

	(void)snprintf(buffer, size, "%s. %s", diagnosis_fact(end, fact, sizeof(fact)),
	    diagnosis_advice(profile, end, advice, sizeof(advice)));
	return buffer;
}
