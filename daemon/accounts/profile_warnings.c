/* profile_warnings - credentials without TLS, or under a certificate that nobody looks at. */
#include "daemon/accounts/profile_warnings.h"

#include "common/netaddr.h"
#include "common/xalloc.h"

#include <stdlib.h>
#include <string.h>

/* All of these hosts are this machine. */
static bool
is_here(const char *hosts)
{
	char *copy = xstrdup(hosts), *rest = copy, *host;
	struct netaddr address;
	bool is_here = true;

	while ((host = strsep(&rest, ";")) != NULL)
		if (strcmp(host, "localhost") != 0 &&
		    (!netaddr_parse(host, &address) || !netaddr_is_loopback(&address)))
			is_here = false;
	free(copy);
	return is_here;
}

/* Methods that say the secret itself; auto says it in clear only where that is allowed. */
static bool
is_shown(const char *method, bool is_allowed)
{
	static const char *const methods[] = {"plain", "login", "xoauth2", "oauthbearer"};

	for (size_t i = 0; i < sizeof(methods) / sizeof(methods[0]); i++)
		if (strcmp(method, methods[i]) == 0)
			return true;
	return is_allowed && strcmp(method, "auto") == 0;
}

static void
warn_of_upstream(struct call *call, const struct profile *whole)
{
	const char *secret = whole->oauth_grant != NULL ? "access token" : "password";

	if (strcmp(whole->tls, "none") != 0) {
		if (strcmp(whole->tls_verify, "no") == 0)
			call_note(call,
			    "nobody looks at the upstream's certificate: who stands in between "
			    "gets the %s and the mail",
			    secret);
	} else if (is_shown(whole->auth, whole->auth_in_clear)) {
		call_note(call,
		    "the upstream has no TLS: the %s and the mail go over the network in clear",
		    secret);
	} else if (whole->oauth_grant != NULL) {
		call_note(call,
		    "the upstream has no TLS, and no method hides an access token: mail waits, "
		    "unless auth-in-clear allows it");
	} else {
		call_note(call,
		    "the upstream has no TLS: mail goes over the network in clear, and only "
		    "methods log in that hide the password");
	}
}

static void
warn_of_pop3(struct call *call, const struct profile *whole)
{
	if (strcmp(whole->pop3_tls, "none") != 0) {
		if (strcmp(whole->pop3_tls_verify, "no") == 0)
			call_note(call,
			    "nobody looks at the POP3 server's certificate: who stands in between "
			    "gets the password");
	} else if (is_shown(whole->pop3_auth, false)) {
		call_note(call,
		    "the POP3 server has no TLS: the password goes over the network in clear");
	}
}

void
profile_warn(struct call *call, const struct profile *whole)
{
	bool has_login = whole->oauth_grant != NULL || whole->password != NULL;

	if (whole->host == NULL)
		return;
	if (has_login && strcmp(whole->auth, "none") != 0 && !is_here(whole->host))
		warn_of_upstream(call, whole);
	if (whole->pop3_host != NULL && strcmp(whole->pop3_auth, "none") != 0 &&
	    !is_here(whole->pop3_host))
		warn_of_pop3(call, whole);
}
