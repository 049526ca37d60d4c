/* profile_warnings - credentials without TLS, under a certificate that nobody looks at, or for another
 * server than they were stored for. */
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

static bool
is_same(const char *a, const char *b)
{
	return strcmp(a == NULL ? "" : a, b == NULL ? "" : b) == 0;
}

/* Sealed anew it would be another text. */
static bool
is_kept(const char *before, const char *now)
{
	return before != NULL && now != NULL && strcmp(before, now) == 0;
}

static void
note_move(struct call *call, const char *secret, const char *host, int64_t port)
{
	if (port != 0)
		call_note(call, "the stored %s goes to %s port %lld from now on", secret, host,
		    (long long)port);
	else
		call_note(call, "the stored %s goes to %s from now on", secret, host);
}

void
profile_warn_of_move(struct call *call, const struct profile *before, const struct profile *now)
{
	bool has_moved = !is_same(before->host, now->host) || before->port != now->port ||
			 !is_same(before->provider, now->provider);
	bool has_pop3_moved =
	    !is_same(before->pop3_host, now->pop3_host) || before->pop3_port != now->pop3_port;
	bool is_password_kept = is_kept(before->password, now->password);
	bool has_own_pop3 = now->pop3_password != NULL;

	if (has_moved && is_password_kept && (now->host != NULL || now->provider != NULL))
		note_move(
		    call, "password", now->host != NULL ? now->host : now->provider, now->port);
	if (has_pop3_moved && now->pop3_host != NULL &&
	    (has_own_pop3 ? is_kept(before->pop3_password, now->pop3_password) : is_password_kept))
		note_move(call, has_own_pop3 ? "password for POP3" : "password", now->pop3_host,
		    now->pop3_port);
	if (!is_same(before->oauth_token_url, now->oauth_token_url) &&
	    now->oauth_token_url != NULL &&
	    (is_kept(before->oauth_client_secret, now->oauth_client_secret) ||
		is_kept(before->oauth_refresh_token, now->oauth_refresh_token)))
		note_move(call, "OAuth2 login", now->oauth_token_url, 0);
}
