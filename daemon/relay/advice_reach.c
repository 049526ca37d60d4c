/* advice_reach - the upstream's name, the connection, its greeting, and EHLO. */
#include "daemon/relay/advice.h"

#include <stdio.h>
#include <string.h>

static bool
says(const struct advice *advice, const char *words)
{
	return strstr(advice->end->reply.text, words) != NULL;
}

/* The ports that upstreams have, but for the one that was tried. */
static void
advise_other_port(const struct advice *advice)
{
	advise_set(advice);
	if (advice->profile->port == 587)
		advise(advice, " --port 465 --tls implicit.");
	else if (advice->profile->port == 465)
		advise(advice, " --port 587 --tls starttls.");
	else
		advise(advice, " --port 587 --tls starttls, or --port 465 --tls implicit.");
}

static void
advise_resolving(const struct advice *advice)
{
	char name[300];

	if (says(advice, "no such name")) {
		advise(advice,
		    "The host's name was not found: is it spelled right, and the outgoing server's "
		    "full name? ");
		advise_set(advice);
		advise_host(advice, "smtp.example.com");
		advise(advice, ". If others know it, look at this machine's name "
			       "servers (/etc/resolv.conf).");
	} else if (says(advice, "has no address")) {
		advise(advice, "No server has this name; a mail domain's outgoing server most "
			       "often has one of "
			       "its own: ");
		(void)snprintf(name, sizeof(name), "smtp.%.*s",
		    (int)strcspn(advice->end->reply.text, ":"), advice->end->reply.text);
		advise_set(advice);
		advise_host(advice, name);
		advise(advice, ", or what the provider says.");
	} else {
		advise(advice,
		    "The host's name was not found, since no name server answers: look at this "
		    "machine's network and its /etc/resolv.conf. Nothing is known to be wrong with "
		    "the profile, and it is tried again by itself.");
	}
}

static void
advise_timeout(const struct advice *advice)
{
	if (advice->profile->port == 25)
		advise(advice,
		    "Nothing answers there: many networks and their providers let nothing out on "
		    "port 25. Use a port for submission: ");
	else
		advise(advice,
		    "Nothing answers there: look at host, whether the server runs, and whether a "
		    "firewall or the network's provider blocks port %u. Another port may be open: ",
		    advice->profile->port);
	advise_other_port(advice);
}

static void
advise_connecting(const struct advice *advice)
{
	if (says(advice, "refused")) {
		advise(advice,
		    "Nothing answers there: the machine says that nobody listens on port %u. Look "
		    "at "
		    "host and port, and whether the server runs. Most upstreams have another one: ",
		    advice->profile->port);
		advise_other_port(advice);
	} else if (says(advice, "unreachable") || says(advice, "No route")) {
		advise(advice,
		    "Nothing answers there: this machine's network knows no way to that address. "
		    "Look at its routes, and at host (");
		advise_set(advice);
		advise_host(advice, "NAME");
		advise(advice, ").");
	} else {
		advise_timeout(advice);
	}
}

/* Nothing came, or nothing that is a reply. */
static void
advise_silence(const struct advice *advice)
{
	if (says(advice, "not one for SMTP")) {
		advise(advice,
		    "Host and port lead to another service: outgoing mail has another port, or "
		    "another host. ");
		advise_other_port(advice);
	} else if (says(advice, "speaks TLS")) {
		advise(advice, "This is a port for implicit TLS: set tls to implicit (");
		advise_set(advice);
		advise(advice, " --tls implicit), or the port to 587.");
	} else if (advice->profile->tls == PROFILE_IMPLICIT) {
		advise(advice,
		    "TLS stands, but no greeting came: look at port, this one may be a web "
		    "server's. ");
		advise_other_port(advice);
	} else {
		advise(advice,
		    "The upstream took the connection and sent no greeting. If the port is one for "
		    "implicit TLS (465), set tls to implicit (");
		advise_set(advice);
		advise(advice, " --tls implicit); otherwise look at port.");
	}
}

static void
advise_introduction(const struct advice *advice)
{
	if (strcasestr(advice->end->reply.text, "client certificate") != NULL) {
		advise(advice, "The upstream wants a certificate of ours that it trusts: set "
			       "client-certificate and client-key (");
		advise_set(advice);
		advise(advice, " --client-certificate FILE --client-key FILE).");
	} else {
		advise(advice,
		    "The upstream was reached, so host and port are right. If it names the EHLO "
		    "name, look at ehlo (");
		advise_set(advice);
		advise(advice, " --ehlo mail.example.com, a full name that the DNS knows).");
	}
}

void
advise_reach(const struct advice *advice)
{
	switch (advice->end->phase) {
	case PHASE_NAME:
		advise_resolving(advice);
		break;
	case PHASE_CONNECT:
		advise_connecting(advice);
		break;
	case PHASE_GREETING:
		if (advice->end->reply.code != 0)
			advise(advice,
			    "The upstream turned the connection away: its words say why. Host and "
			    "port are right; it is tried again by itself.");
		else
			advise_silence(advice);
		break;
	default:
		advise_introduction(advice);
	}
}
