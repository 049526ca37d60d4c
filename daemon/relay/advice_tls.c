/* advice_tls - encryption: not offered, failed, or with somebody who isn't trusted. */
#include "daemon/relay/advice.h"

#include <string.h>

static void
advise_handshake(const struct advice *advice)
{
	const char *text = advice->end->reply.text;

	if (advice->profile->tls == PROFILE_IMPLICIT &&
	    strstr(text, "wrong version number") != NULL) {
		advise(advice,
		    "The upstream answers in clear on this port, so this is not a port for "
		    "implicit TLS: set tls to starttls (");
		advise_set(advice);
		advise(advice,
		    " --tls starttls, most often with --port 587), or the port to 465. If it has "
		    "worked before, the upstream only turns connections away for now.");
	} else if (strstr(text, "unsupported protocol") != NULL ||
		   strstr(text, "protocol version") != NULL) {
		advise(advice,
		    "The upstream was reached, but has no version of TLS that the profile allows: "
		    "look at tls_min and tls_max (");
		advise_set(advice);
		advise(advice, " --tls-min 1.0 for an old server).");
	} else if (strstr(text, "certificate") != NULL) {
		advise(advice,
		    "The upstream's certificate was not accepted: look at host (it must be a name "
		    "in the certificate), or give the profile its CA (ca) or its fingerprint "
		    "(tls_verify).");
	} else {
		advise(advice,
		    "The upstream was reached, but the encryption failed: look at port, tls, "
		    "tls_min, tls_max and tls_verify.");
	}
}

void
advise_tls(const struct advice *advice)
{
	if (advice->end->phase == PHASE_EHLO) {
		advise(advice,
		    "The upstream was reached, so host and port are right, but it offers no "
		    "encryption here: set tls to implicit with port 465 (");
		advise_set(advice);
		advise(advice,
		    " --tls implicit --port 465), or to none if the network may see the mail.");
	} else if (advice->end->phase == PHASE_AUTH) {
		advise(advice,
		    "Credentials are sent only over TLS: set tls to starttls or implicit (");
		advise_set(advice);
		advise(advice,
		    " --tls starttls), or auth-in-clear to yes if the network may see the "
		    "password.");
	} else if (advice->end->phase >= PHASE_MAIL) {
		advise(advice, "The upstream wants encryption: set tls to starttls (");
		advise_set(advice);
		advise(advice, " --tls starttls).");
	} else {
		advise_handshake(advice);
	}
}
