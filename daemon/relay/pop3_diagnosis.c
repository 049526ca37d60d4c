/* pop3_diagnosis - by the step that failed, and by what was wrong there. */
#include "daemon/relay/pop3_diagnosis.h"

#include "daemon/relay/pop3_settings.h"

#include <string.h>

bool
pop3_is_phase(enum phase phase)
{
	return phase >= PHASE_POP3_NAME && phase <= PHASE_POP3_LOGIN;
}

static const char *
reach_advice(const struct pop3_settings *pop3, const struct client_end *end)
{
	switch (end->phase) {
	case PHASE_POP3_NAME:
		return "The POP3 server's name was not found: look at pop3-host.";
	case PHASE_POP3_CONNECT:
		return "Nothing answers there: look at pop3-host and pop3-port.";
	case PHASE_POP3_GREETING:
		if (strstr(end->reply.text, "speaks TLS") != NULL)
			return "This is a port for implicit TLS: set pop3-tls to implicit "
			       "(--pop3-tls implicit), or pop3-port to 110.";
		if (pop3->tls == PROFILE_IMPLICIT)
			return "TLS stands, but no greeting of POP3 came: look at pop3-port.";
		return "The POP3 server took the connection, but no good greeting came. If the "
		       "port is one for implicit TLS (995), set pop3-tls to implicit; otherwise "
		       "look at pop3-port, or at the server's words.";
	default:
		return "The POP3 server was reached, but it does not follow the dialogue, or it "
		       "hung up: try again, and look at pop3-port and pop3-auth.";
	}
}

static const char *
tls_advice(const struct pop3_settings *pop3, const struct client_end *end)
{
	const char *text = end->reply.text;

	if (end->phase == PHASE_POP3_LOGIN)
		return "The POP3 server takes this login only over TLS: set pop3-tls to implicit "
		       "or stls.";
	if (strstr(text, "certificate") != NULL)
		return "The POP3 server's certificate was not accepted: look at pop3-host (it must "
		       "be a name in the certificate), pop3-ca and pop3-tls-verify.";
	if (pop3->tls == PROFILE_IMPLICIT)
		return "The POP3 server was reached, but TLS failed. If it answers in clear on "
		       "this port, set pop3-tls to stls (most often with port 110), or the port to "
		       "995; otherwise look at pop3-tls-min.";
	return "The POP3 server was reached, but there is no encryption by STLS: set pop3-tls to "
	       "implicit with port 995, or look at pop3-tls-min.";
}

static const char *
auth_advice(const struct pop3_settings *pop3)
{
	if (strchr(pop3->username, '@') != NULL)
		return "The POP3 server was reached, so its host, port and TLS are right: look at "
		       "pop3-username and the password for POP3. If this user name is refused, try "
		       "the part before the @.";
	return "The POP3 server was reached, so its host, port and TLS are right: look at "
	       "pop3-username and the password for POP3. Many servers want the whole address as "
	       "user name.";
}

const char *
pop3_advice(const struct profile *profile, const struct client_end *end)
{
	switch (end->verdict.outcome) {
	case ATTEMPT_TLS:
		return tls_advice(profile->pop3, end);
	case ATTEMPT_AUTH_REFUSED:
		return auth_advice(profile->pop3);
	case ATTEMPT_AUTH_LATER:
		if (end->verdict.class == REPLY_RATE_AUTH)
			return "The POP3 server says that there were too many logins: the next one "
			       "is later, by itself. Look for another program that logs in there, "
			       "with an old password perhaps; with a longer pop3-valid there are "
			       "fewer.";
		return "The POP3 server can't check the login now, or there were too many, or the "
		       "mailbox is in use: wait.";
	case ATTEMPT_MISCONFIGURED:
		return "The POP3 server was reached: look at pop3-auth, and at pop3-tls, since "
		       "many servers offer a method only over TLS.";
	default:
		return reach_advice(profile->pop3, end);
	}
}

const char *
pop3_asked_advice(const struct profile *profile)
{
	if (profile->pop3 == NULL)
		return "The upstream wants a login to its POP3 server first (POP-before-SMTP): set "
		       "pop3-host, and pop3-username if it is another one; or username and "
		       "password, if it offers AUTH.";
	return "The login to the POP3 server worked, and the upstream asks for one all the same: "
	       "look at pop3-host and pop3-username, and whether both servers see this machine "
	       "under the same address; if the login holds for a shorter time, set pop3-valid.";
}
