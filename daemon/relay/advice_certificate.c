/*
 * advice_certificate - a server's certificate that was not accepted: what its operator has to do, and
 * how to take just this certificate meanwhile
 */
#include "daemon/relay/advice.h"

#include <stdio.h>
#include <string.h>

#define NAME_CHARACTERS "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_:"

static bool
says(const struct advice *advice, const char *words)
{
	return strstr(advice->end->reply.text, words) != NULL;
}

/* The command that pins what was seen. */
static void
advise_pin(const struct advice *advice, const char *prefix)
{
	advise_set(advice);
	advise(advice, " --%stls-verify %s", prefix, advice->end->fingerprint);
	if (*prefix == '\0' && advise_has_others(advice))
		advise(advice, " (all its hosts need it then)");
}

/* The first of the names in "the certificate is for a.example, b.example, not for …"; false: there is
 * none that a server goes by. Whoever made the certificate may have written anything, which is not to
 * become a command. */
static bool
find_name(const char *text, char *name, size_t size)
{
	static const char lead[] = "the certificate is for ";
	const char *at = strstr(text, lead);
	size_t length;

	if (at == NULL || strncmp(at + strlen(lead), "no host name", strlen("no host name")) == 0)
		return false;
	at += strlen(lead);
	length = strcspn(at, ", ");
	(void)snprintf(name, size, "%.*s", (int)length, at);
	return length > 0 && length < size && strspn(name, NAME_CHARACTERS) == length &&
	       name[0] != '-';
}

static void
advise_name(const struct advice *advice, const char *prefix)
{
	char name[256];

	advise(advice, "Look at %shost: ", prefix);
	if (find_name(advice->end->reply.text, name, sizeof(name))) {
		advise(advice, "if this is the right server, call it as its certificate does (");
		advise_set(advice);
		if (*prefix == '\0')
			advise_host(advice, name);
		else
			advise(advice, " --%shost %s", prefix, name);
		advise(advice, "), or take just this certificate: ");
	} else {
		advise(advice,
		    "if this is the right server, call it by a name that its certificate has, or "
		    "take just this certificate: ");
	}
	advise_pin(advice, prefix);
	advise(advice, ".");
}

static void
advise_signer(const struct advice *advice, const char *prefix)
{
	advise(advice,
	    "Nobody vouches for it. If the server's operator has the same fingerprint, take just "
	    "this certificate: ");
	advise_pin(advice, prefix);
	advise(advice, "; or trust who signed it: --%sca FILE.", prefix);
	if (says(advice, "unknown CA"))
		advise(advice,
		    " A public server that says so has most often forgotten its intermediate "
		    "certificates.");
}

static void
advise_expired(const struct advice *advice, const char *prefix)
{
	advise(advice,
	    "The server's operator has to renew it. Until then, if you know the server, take just "
	    "this certificate: ");
	advise_pin(advice, prefix);
	advise(advice, ". If that day isn't over, set this machine's clock.");
}

static void
advise_early(const struct advice *advice, const char *prefix)
{
	advise(advice,
	    "Look at this machine's clock (date -u) first: most often it is behind. If it is "
	    "right, the server's operator has to mend this; until then ");
	advise_pin(advice, prefix);
	advise(advice, " takes just this certificate.");
}

static void
advise_changed(const struct advice *advice, const char *prefix)
{
	advise(advice,
	    "The server has another certificate than the one that the profile names. If its "
	    "operator has renewed it: ");
	advise_pin(advice, prefix);
	advise(advice, ". If nobody has, somebody may stand between: change nothing, ask.");
}

/* Not even the command that takes it all the same. */
static void
advise_revoked(const struct advice *advice)
{
	advise(advice,
	    "Its key may be in other hands, so nothing is sent there: the server's operator has "
	    "to get a new certificate.");
}

void
advise_certificate(const struct advice *advice, const char *prefix)
{
	if (says(advice, "was revoked")) {
		advise_revoked(advice);
	} else if (says(advice, "certificate is for")) {
		advise_name(advice, prefix);
	} else if (says(advice, "expired on")) {
		advise_expired(advice, prefix);
	} else if (says(advice, "not valid before")) {
		advise_early(advice, prefix);
	} else if (says(advice, "another fingerprint")) {
		advise_changed(advice, prefix);
	} else if (says(advice, "self-signed") || says(advice, "unknown CA")) {
		advise_signer(advice, prefix);
	} else {
		advise(advice,
		    "The server's operator has to make a better one (RSA with 2048 bits or an EC "
		    "key, signed with SHA-256). Until then ");
		advise_pin(advice, prefix);
		advise(advice, " takes just this certificate.");
	}
}
