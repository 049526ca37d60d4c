/* advice_tls - encryption: not offered, failed, or with somebody who isn't trusted. */
#include "daemon/relay/advice.h"

#include <string.h>

static const char *
version_text(enum tls_version version)
{
	static const char *const texts[] = {"1.0", "1.1", "1.2", "1.3"};

	return texts[version <= TLS_VERSION_1_3 ? version : TLS_VERSION_1_3];
}

/* What the upstream has instead is not known: its refusal says the same of older and newer. */
static void
advise_version(const struct advice *advice, const char *what)
{
	const struct profile *profile = advice->profile;

	advise(advice,
	    "The upstream was reached, but has no %s that the profile allows (%s to %s): look at "
	    "--tls-min and --tls-max. ",
	    what, version_text(profile->tls_min), version_text(profile->tls_max));
	if (profile->tls_max < TLS_VERSION_1_3) {
		advise(advice, "A newer one: ");
		advise_set(advice);
		advise(advice, " --tls-max 1.3. ");
	}
	if (profile->tls_min > TLS_VERSION_1_0) {
		advise(advice, "An old server: ");
		advise_set(advice);
		advise(advice, " --tls-min 1.0.");
	}
}

static void
advise_clear(const struct advice *advice)
{
	advise(advice,
	    "The upstream answers in clear on this port, so this is not a port for implicit TLS: "
	    "set tls to starttls (");
	advise_set(advice);
	advise(advice,
	    " --tls starttls, most often with --port 587), or the port to 465. If it has worked "
	    "before, the upstream only turns connections away for now.");
}

static bool
says(const struct advice *advice, const char *words)
{
	return strstr(advice->end->reply.text, words) != NULL;
}

static void
advise_handshake(const struct advice *advice)
{
	if (advice->end->fingerprint[0] != '\0') {
		advise_certificate(advice, "");
	} else if (advice->profile->tls == PROFILE_IMPLICIT &&
		   says(advice, "wrong version number")) {
		advise_clear(advice);
	} else if (says(advice, "unsupported protocol") || says(advice, "protocol version") ||
		   says(advice, "no protocols available")) {
		advise_version(advice, "version of TLS");
	} else if (says(advice, "our certificate") || says(advice, "certificate required")) {
		advise(advice,
		    "The upstream wants a client certificate that it trusts, and this is none: ");
		advise_set(advice);
		advise(advice, " --client-certificate FILE --client-key FILE.");
	} else if (says(advice, "handshake failure")) {
		advise_version(advice, "version of TLS, or no cipher,");
	} else if (says(advice, "too small") || says(advice, "too weak")) {
		advise(advice,
		    "The upstream was reached, but its encryption is too old for what is safe "
		    "today: its operator should mend that. Until then: ");
		advise_set(advice);
		advise(advice, " --tls-min 1.0 makes do with less.");
	} else {
		advise(advice,
		    "The upstream was reached, but the encryption failed: look at --port, --tls, "
		    "--tls-min, --tls-max and --tls-verify. Is another port or way right? ");
		advise_set(advice);
		advise(advice, " --port 587 --tls starttls, or --port 465 --tls implicit.");
	}
}

void
advise_tls(const struct advice *advice)
{
	if (advice->end->verdict.class == REPLY_TLS_TEMP) {
		advise(advice,
		    "The upstream's encryption is out of order for now: it is tried again by "
		    "itself, and nothing goes in clear meanwhile.");
	} else if (advice->end->phase == PHASE_EHLO) {
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
