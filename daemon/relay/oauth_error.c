/* oauth_error - a row for each error that is known; the first that fits decides. */
#include "daemon/relay/oauth_error.h"

#include <ctype.h>
#include <stddef.h>
#include <string.h>
#include <strings.h>

#define LOG_IN "The refresh token is of no use any more: log in again"
#define NO_ADVICE ""

#define IN(grant) (1u << GRANT_##grant)
#define ANY_GRANT 0u
#define LOGINS (IN(REFRESH) | IN(DEVICE))

struct row {
	const char *error;  /* "": any */
	const char *number; /* of Microsoft, behind AADSTS; "": any */
	const char *words;  /* in the description, without regard to case; "": any */
	unsigned grants;    /* ANY_GRANT: every */
	enum oauth_verdict verdict;
	const char *advice;
	bool needs_login;
};

/* clang-format off */
static const struct row rows[] = {
	/* RFC 8628 3.5 */
	{"authorization_pending",   "", "", ANY_GRANT, OAUTH_PENDING,   NO_ADVICE, false},
	{"slow_down",               "", "", IN(DEVICE), OAUTH_SLOW_DOWN, NO_ADVICE, false},
	{"slow_down",               "", "", ANY_GRANT, OAUTH_LATER,     NO_ADVICE, false},
	{"expired_token",           "", "", ANY_GRANT, OAUTH_REFUSED,   "The code was not entered in time: begin again.", true},
	{"code_expired",            "", "", ANY_GRANT, OAUTH_REFUSED,   "The code was not entered in time: begin again.", true},
	{"authorization_declined",  "", "", ANY_GRANT, OAUTH_REFUSED,   "The login was declined in the browser.", true},

	/* It passes by itself. */
	{"temporarily_unavailable", "", "", ANY_GRANT, OAUTH_LATER, NO_ADVICE, false},
	{"server_error",            "", "", ANY_GRANT, OAUTH_LATER, NO_ADVICE, false},
	{"internal_failure",        "", "", ANY_GRANT, OAUTH_LATER, NO_ADVICE, false},
	{"rate_limit_exceeded",     "", "", ANY_GRANT, OAUTH_LATER, NO_ADVICE, false},
	{"", "90033", "", ANY_GRANT, OAUTH_LATER, NO_ADVICE, false},
	{"", "90055", "", ANY_GRANT, OAUTH_LATER, NO_ADVICE, false},
	{"", "90006", "", ANY_GRANT, OAUTH_LATER, NO_ADVICE, false},
	{"", "50196", "", ANY_GRANT, OAUTH_LATER, "Microsoft sees too many requests of this client.", false},

	/* Microsoft: the client */
	{"", "7000215", "", ANY_GRANT, OAUTH_REFUSED, "The client secret is wrong: enter the secret's value, not its ID (--oauth-client-secret).", false},
	{"", "7000222", "", ANY_GRANT, OAUTH_REFUSED, "The client secret has expired: make a new one in Microsoft Entra (App registrations, Certificates & secrets) and enter it (--oauth-client-secret).", false},
	{"", "7000216", "", ANY_GRANT, OAUTH_REFUSED, "The application needs its client secret (--oauth-client-secret).", false},
	{"", "7000218", "", ANY_GRANT, OAUTH_REFUSED, "The application is registered as confidential: give its client secret (--oauth-client-secret), or allow public client flows in Microsoft Entra (App registrations, Authentication).", false},
	{"", "7000112", "", ANY_GRANT, OAUTH_REFUSED, "The application is disabled in Microsoft Entra (Enterprise applications, Properties).", false},
	{"", "700016",  "", ANY_GRANT, OAUTH_REFUSED, "The tenant does not know the application: look at --oauth-client-id, and at the tenant in --oauth-token-url.", false},
	{"", "700025",  "", ANY_GRANT, OAUTH_REFUSED, "The application is a public client: take its client secret away (--oauth-client-secret).", false},
	{"", "700038",  "", ANY_GRANT, OAUTH_REFUSED, "--oauth-client-id must be the application's (client) ID.", false},
	{"", "90002",   "", ANY_GRANT, OAUTH_REFUSED, "There is no such tenant: look at the tenant in --oauth-token-url.", false},
	{"", "900023",  "", ANY_GRANT, OAUTH_REFUSED, "The tenant in --oauth-token-url must be its ID or one of its domains.", false},
	{"", "53003",   "", ANY_GRANT, OAUTH_REFUSED, "A Conditional Access policy forbids it: exempt this application or this address.", false},
	/* Microsoft: permissions */
	{"", "65001",   "", IN(CLIENT), OAUTH_REFUSED, "Give the application SMTP.SendAsApp (Office 365 Exchange Online, Application permissions) and grant admin consent.", false},
	{"", "65001",   "", ANY_GRANT, OAUTH_REFUSED, "Nobody has consented: log in again and accept, or grant admin consent for SMTP.Send", true},
	{"", "65004",   "", ANY_GRANT, OAUTH_REFUSED, "The consent was declined: log in again and accept", true},
	{"", "70011",   "", IN(CLIENT), OAUTH_REFUSED, "--oauth-scope must be https://outlook.office365.com/.default.", false},
	{"", "1002012", "", ANY_GRANT, OAUTH_REFUSED, "--oauth-scope must be https://outlook.office365.com/.default.", false},
	{"", "70011",   "", ANY_GRANT, OAUTH_REFUSED, "--oauth-scope must be \"https://outlook.office.com/SMTP.Send offline_access\".", false},
	{"", "500011",  "", ANY_GRANT, OAUTH_REFUSED, "The tenant does not know what --oauth-scope names.", false},
	/* Microsoft: the user */
	{"", "700082",  "", ANY_GRANT, OAUTH_REFUSED, "The login was not used for too long: log in again", true},
	{"", "70008",   "", ANY_GRANT, OAUTH_REFUSED, "The login has expired: log in again", true},
	{"", "700084",  "", ANY_GRANT, OAUTH_REFUSED, "The login has expired: log in again", true},
	{"", "50173",   "", ANY_GRANT, OAUTH_REFUSED, "The password was changed or the login was revoked: log in again", true},
	{"", "50076",   "", ANY_GRANT, OAUTH_REFUSED, "A second factor is asked for: log in again", true},
	{"", "50078",   "", ANY_GRANT, OAUTH_REFUSED, "A second factor is asked for again: log in again", true},
	{"", "50079",   "", ANY_GRANT, OAUTH_REFUSED, "The user must set up a second factor, then log in again", true},
	{"", "50057",   "", ANY_GRANT, OAUTH_REFUSED, "The user's account is disabled.", false},
	{"", "50034",   "", ANY_GRANT, OAUTH_REFUSED, "The tenant has no such user.", false},
	{"", "50053",   "", ANY_GRANT, OAUTH_REFUSED, "The user's account is locked, or the address is blocked.", false},
	{"", "50105",   "", ANY_GRANT, OAUTH_REFUSED, "The user is not assigned to the application: add them in Microsoft Entra (Enterprise applications, Users and groups).", false},

	/* Google */
	{"invalid_grant", "", "signature",  IN(SERVICE_ACCOUNT), OAUTH_REFUSED, "The key of the service account was deleted or is another one's: make a new key and enter it (--oauth-key).", false},
	{"invalid_grant", "", "invalid email", IN(SERVICE_ACCOUNT), OAUTH_REFUSED, "There is no such user: the user name (or --oauth-subject) must be a mailbox of the domain.", false},
	{"invalid_grant", "", "user id",    IN(SERVICE_ACCOUNT), OAUTH_REFUSED, "There is no such user: the user name (or --oauth-subject) must be a mailbox of the domain.", false},
	{"invalid_grant", "", "iat",        IN(SERVICE_ACCOUNT), OAUTH_REFUSED, "This machine's clock is wrong.", false},
	{"invalid_grant", "", "short-lived", IN(SERVICE_ACCOUNT), OAUTH_REFUSED, "This machine's clock is wrong.", false},
	{"invalid_grant", "", "account not found", IN(SERVICE_ACCOUNT), OAUTH_REFUSED, "The service account was deleted.", false},
	{"unauthorized_client", "", "", IN(SERVICE_ACCOUNT), OAUTH_REFUSED, "Give the service account's client ID domain-wide delegation for the scope https://mail.google.com/ (Admin console, Security, API controls).", false},
	{"access_denied", "", "", IN(SERVICE_ACCOUNT), OAUTH_REFUSED, "Give the service account's client ID domain-wide delegation for the scope https://mail.google.com/ (Admin console, Security, API controls).", false},
	{"invalid_grant", "", "expired or revoked", LOGINS, OAUTH_REFUSED, LOG_IN " (tokens of a Google application whose publishing status is Testing last 7 days)", true},
	{"admin_policy_enforced", "", "", ANY_GRANT, OAUTH_REFUSED, "The domain's administrator must trust the application (Admin console, Security, API controls).", false},
	{"org_internal",     "", "", ANY_GRANT, OAUTH_REFUSED, "The application is for members of its own organization only.", false},
	{"deleted_client",   "", "", ANY_GRANT, OAUTH_REFUSED, "The application was deleted: look at --oauth-client-id.", false},
	{"disabled_client",  "", "", ANY_GRANT, OAUTH_REFUSED, "The application is disabled: look at it in its console.", false},

	/* RFC 6749 5.2 */
	{"invalid_grant",    "", "", IN(SERVICE_ACCOUNT), OAUTH_REFUSED, "The assertion was refused: look at --oauth-key, at the user name, and at this machine's clock.", false},
	{"invalid_grant",    "", "", LOGINS, OAUTH_REFUSED, LOG_IN, true},
	{"interaction_required", "", "", ANY_GRANT, OAUTH_REFUSED, "The server wants to see the user: log in again", true},
	{"login_required",   "", "", ANY_GRANT, OAUTH_REFUSED, LOG_IN, true},
	{"consent_required", "", "", IN(CLIENT), OAUTH_REFUSED, "Give the application the permission that --oauth-scope asks for (Microsoft: SMTP.SendAsApp) and grant admin consent.", false},
	{"consent_required", "", "", ANY_GRANT, OAUTH_REFUSED, "Nobody has consented: log in again and accept", true},
	{"access_denied",    "", "", IN(DEVICE), OAUTH_REFUSED, "The login was declined in the browser.", true},
	{"access_denied",    "", "", IN(CLIENT), OAUTH_REFUSED, "Give the application the permission that --oauth-scope asks for (Microsoft: SMTP.SendAsApp) and grant admin consent.", false},
	{"invalid_client",   "", "", ANY_GRANT, OAUTH_REFUSED, "Look at --oauth-client-id and --oauth-client-secret.", false},
	{"unauthorized_client", "", "", ANY_GRANT, OAUTH_REFUSED, "The application may not use this grant: look at --oauth-grant, and at what the application is registered for.", false},
	{"unsupported_grant_type", "", "", ANY_GRANT, OAUTH_REFUSED, "The server does not know this grant: look at --oauth-grant and --oauth-token-url.", false},
	{"invalid_scope",    "", "", ANY_GRANT, OAUTH_REFUSED, "Look at --oauth-scope.", false},
	{"invalid_request",  "", "", ANY_GRANT, OAUTH_REFUSED, "Look at --oauth-token-url, --oauth-client-id and --oauth-scope.", false},
	{"",                 "", "", ANY_GRANT, OAUTH_REFUSED, "Look at the oauth settings.", false},
};
/* clang-format on */

static bool
has_number(const char *description, const char *number)
{
	static const char prefix[] = "AADSTS";
	const char *at = description;
	size_t size = strlen(number);

	while ((at = strstr(at, prefix)) != NULL) {
		at += strlen(prefix);
		if (strncmp(at, number, size) == 0 && !isdigit((unsigned char)at[size]))
			return true;
	}
	return false;
}

static bool
fits(const struct row *row, enum oauth_grant grant, const char *error, const char *description)
{
	return (row->error[0] == '\0' || strcmp(row->error, error) == 0) &&
	       (row->number[0] == '\0' || has_number(description, row->number)) &&
	       (row->words[0] == '\0' || strcasestr(description, row->words) != NULL) &&
	       (row->grants == ANY_GRANT || (row->grants & 1u << grant) != 0);
}

struct oauth_meaning
oauth_error_meaning(enum oauth_grant grant, const char *error, const char *description)
{
	const struct row *row = rows;

	while (!fits(row, grant, error, description)) /* the last fits all */
		row++;
	return (struct oauth_meaning){row->verdict, row->advice, row->needs_login};
}
