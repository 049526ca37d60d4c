/* profile_parting - takes along what would be refused, or kept for nothing. */
#include "daemon/accounts/profile_parting.h"

#include "daemon/accounts/profile_oauth.h"
#include "daemon/accounts/profile_pop3.h"

#include <stdlib.h>
#include <string.h>

static bool
takes_away(const struct call *call, const char *name)
{
	const json_t *value = json_object_get(call->body, name);
	const char *text = json_string_value(value);

	return json_is_null(value) || (text != NULL && *text == '\0');
}

/* The value that the call gives the field, or "". */
static const char *
given(const struct call *call, const char *name)
{
	const char *text = json_string_value(json_object_get(call->body, name));

	return text == NULL ? "" : text;
}

static void
forget(char **secret)
{
	free(*secret);
	*secret = NULL;
}

/* POP3 logs in with the profile's own password where it has none. */
static bool
serves_pop3(const struct call *call, const struct profile *profile)
{
	return (profile->pop3_host != NULL || *given(call, "pop3_host") != '\0') &&
	       profile->pop3_password == NULL;
}

static void
part_with_password(struct call *call, struct profile *profile)
{
	bool is_over = strcmp(given(call, "auth"), "none") == 0 || takes_away(call, "username");

	if (profile->password == NULL || json_object_get(call->body, "password") != NULL)
		return;
	if (*given(call, "oauth_grant") != '\0') {
		call_note(call, "the password was taken away: access tokens take its place");
		forget(&profile->password);
	} else if (is_over && !serves_pop3(call, profile)) {
		call_note(call, "the password was taken away: nothing logs in with it any more");
		forget(&profile->password);
	}
}

static void
part_with_pop3_password(struct call *call, struct profile *profile)
{
	if (profile->pop3_password == NULL ||
	    json_object_get(call->body, "pop3_password") != NULL ||
	    strcmp(given(call, "pop3_auth"), "none") != 0)
		return;
	call_note(call, "the password for POP3 was taken away: nothing logs in with it any more");
	forget(&profile->pop3_password);
}

void
profile_part(struct call *call, struct profile *profile)
{
	if (takes_away(call, "oauth_grant"))
		profile_oauth_clear(profile);
	if (takes_away(call, "pop3_host"))
		profile_pop3_clear(profile);
	if (takes_away(call, "host") && *given(call, "capture") != '\0')
		profile_clear_upstream(profile);
	if (takes_away(call, "client_certificate"))
		forget(&profile->client_key);
	part_with_password(call, profile);
	part_with_pop3_password(call, profile);
}
