/* advice_login - a login that was refused, or that can't be tried now. */
#include "daemon/relay/advice.h"

#include <string.h>

/* What a provider wants is known, and guessing at it leads astray. */
static void
advise_password(const struct advice *advice)
{
	const struct profile *profile = advice->profile;

	advise(advice,
	    profile->tls == PROFILE_NONE
		? "The upstream was reached, so host and port are right: "
		: "The upstream was reached and TLS is fine, so host, port and tls are right: ");
	advise(advice, "look at username, password and auth (");
	advise_set(advice);
	advise(advice, " --username U --password-stdin). ");
	if (profile->provider[0] != '\0')
		advise(
		    advice, "What they must be: posternctl provider show %s.", profile->provider);
	else if (strchr(profile->username, '@') != NULL)
		advise(advice, "If this user name is refused, try the part before the @.");
	else
		advise(advice, "Many upstreams want the whole address as user name.");
}

/* It was we who didn't try: see logins.h. */
static void
advise_mending(const struct advice *advice)
{
	advise(advice,
	    "Mend what was refused, most often the password (posternctl profile set %s "
	    "--password-stdin): a changed profile is tried at once, and so is one after "
	    "posternctl profile resume %s.",
	    advice->profile->name, advice->profile->name);
}

void
advise_login(const struct advice *advice)
{
	if (advice->end->reply.code == 0 && advice->profile->token_source == NULL) {
		advise_mending(advice);
	} else if (advice->profile->token_source != NULL) {
		advise(advice,
		    "The token was just made, so the oauth settings are right. Is username the "
		    "mailbox? May the application send as it (Microsoft: SMTP.SendAsApp or "
		    "SMTP.Send with consent, authenticated SMTP on for the mailbox, the service "
		    "principal known to Exchange; Google: the scope https://mail.google.com/)? "
		    "See doc/oauth.md.");
	} else if (advice->profile->auth_methods == 0) {
		advise(advice, "The upstream wants a login: set username and password (");
		advise_set(advice);
		advise(advice, " --username U --password-stdin).");
	} else {
		advise_password(advice);
	}
}

void
advise_login_later(const struct advice *advice)
{
	advise(advice,
	    "The upstream can't check the login now, or there were too many: wait, it is tried "
	    "again by itself. If it stays so, does another program log in to this account, with an "
	    "old password perhaps?");
}

void
advise_no_method(const struct advice *advice)
{
	if (strstr(advice->end->reply.text, "without STARTTLS") != NULL) {
		advise(advice, "The upstream takes logins only over TLS: ");
		advise_set(advice);
		advise(advice, " --tls starttls.");
	} else if (strstr(advice->end->reply.text, "does not offer AUTH") != NULL) {
		advise(
		    advice, "Look at port and tls: logins are most often on ports of their own (");
		advise_set(advice);
		advise(advice,
		    " --port 587 --tls starttls). If this upstream knows the machine without a "
		    "login: --auth none.");
	} else {
		advise(advice, "Look at auth: another method may do (");
		advise_set(advice);
		advise(advice, " --auth auto takes the best that both know)%s.",
		    advice->profile->tls == PROFILE_NONE
			? "; and at tls, as many offer more over TLS"
			: "");
	}
}
