/* advice_reach - the upstream's name, the connection, its greeting, and EHLO. */
#include "daemon/relay/advice.h"

#include <string.h>

static void
advise_greeting(const struct advice *advice)
{
	const struct reply *reply = &advice->end->reply;

	if (reply->code != 0)
		advise(advice,
		    "The upstream turned the connection away: its words say why. Host and port are "
		    "right.");
	else if (strstr(reply->text, "speaks TLS") != NULL)
		advise(advice,
		    "This is a port for implicit TLS: set tls to implicit, or the port to 587.");
	else if (advice->profile->tls == PROFILE_IMPLICIT)
		advise(advice, "TLS stands, but no greeting came: look at port.");
	else
		advise(advice,
		    "The upstream took the connection and sent no greeting. If the port is one for "
		    "implicit TLS (465), set tls to implicit; otherwise look at port.");
}

void
advise_reach(const struct advice *advice)
{
	switch (advice->end->phase) {
	case PHASE_NAME:
		advise(advice,
		    "The host's name was not found: look at host, and at this machine's name "
		    "servers.");
		break;
	case PHASE_CONNECT:
		advise(advice,
		    "Nothing answers there: look at host and port, and whether a firewall or the "
		    "network's provider blocks this port.");
		break;
	case PHASE_GREETING:
		advise_greeting(advice);
		break;
	default:
		if (strcasestr(advice->end->reply.text, "client certificate") != NULL)
			advise(advice,
			    "The upstream wants a certificate of ours that it trusts: set "
			    "client-certificate and client-key.");
		else
			advise(advice,
			    "The upstream was reached, so host and port are right. If it names the "
			    "EHLO name, look at ehlo.");
	}
}
