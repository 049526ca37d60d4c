/* profile_pop3 - defaults of POP-before-SMTP, what can't be so, and its part of the message. */
#include "daemon/accounts/profile_pop3.h"

#include "common/xalloc.h"
#include "daemon/accounts/profile_secrets.h"
#include "daemon/core/values.h"

#include <string.h>

#define PORT_CLEAR 110
#define PORT_IMPLICIT 995
#define VALID_DEFAULT_MS (10 * 60 * 1000)

static bool
is_set(const char *text, const char *value)
{
	return text != NULL && strcmp(text, value) == 0;
}

static void
set_default(char **text, const char *value)
{
	if (*text == NULL)
		*text = xstrdup(value);
}

static const char *
username_of(const struct profile *profile)
{
	return profile->pop3_username != NULL ? profile->pop3_username : profile->username;
}

/* ---- what can't be so ---- */

/* All that belongs to the server. */
static const char *const settings[] = {"pop3_port", "pop3_tls", "pop3_tls_min", "pop3_tls_verify",
    "pop3_ca", "pop3_auth", "pop3_username", "pop3_password", "pop3_valid"};

#define SETTINGS (sizeof(settings) / sizeof(settings[0]))

static int
check_host(const struct profile *profile, struct refusal *refusal_out)
{
	for (size_t i = 0; i < SETTINGS; i++)
		if (field_is_set(table_find_field(&profile_table, settings[i]), profile))
			return refuse(refusal_out, REFUSED_INVALID, "missing", "pop3_host",
			    "pop3_host: %s is of no use without a POP3 server", settings[i]);
	return 0;
}

void
profile_pop3_clear(struct profile *profile)
{
	for (size_t i = 0; i < SETTINGS; i++)
		field_clear(table_find_field(&profile_table, settings[i]), profile);
}

static int
check_login(const struct profile *profile, struct refusal *refusal_out)
{
	bool has_password = profile->pop3_password != NULL || profile->password != NULL;

	if (username_of(profile) == NULL)
		return refuse(refusal_out, REFUSED_INVALID, "missing", "pop3_username",
		    "pop3_username: pop3_auth %s needs a user name, this one or the profile's own",
		    profile->pop3_auth != NULL ? profile->pop3_auth : "login");
	if (!has_password)
		return refuse(refusal_out, REFUSED_INVALID, "missing", "pop3_password",
		    "pop3_password: user name %.100s needs a password (--pop3-password-stdin), or "
		    "--pop3-auth none",
		    username_of(profile));
	return 0;
}

int
profile_pop3_check(const struct profile *profile, struct refusal *refusal_out)
{
	bool has_login = profile->pop3_auth != NULL ? !is_set(profile->pop3_auth, "none")
						    : username_of(profile) != NULL;

	if (profile->pop3_host == NULL)
		return check_host(profile, refusal_out);
	if (profile->pop3_username == NULL && profile->pop3_password != NULL &&
	    profile->username == NULL)
		return refuse(refusal_out, REFUSED_INVALID, "missing", "pop3_username",
		    "pop3_username: a password needs a user name");
	/* Nobody shows a password to the network by leaving something out. */
	if (is_set(profile->pop3_tls, "none") && profile->pop3_auth == NULL && has_login)
		return refuse(refusal_out, REFUSED_INVALID, "missing", "pop3_auth",
		    "pop3_auth: without TLS the method has to be named: login and plain show the "
		    "password to the network, apop, cram-md5 and ntlm don't");
	return has_login ? check_login(profile, refusal_out) : 0;
}

/* ---- defaults ---- */

void
profile_pop3_apply_defaults(struct profile *profile)
{
	if (profile->pop3_host == NULL)
		return;
	/* Naming one of port and TLS mode picks the other. */
	if (profile->pop3_tls == NULL)
		profile->pop3_tls = xstrdup(
		    profile->pop3_port == 0 || profile->pop3_port == PORT_IMPLICIT ? "implicit"
										   : "stls");
	if (profile->pop3_port == 0)
		profile->pop3_port =
		    is_set(profile->pop3_tls, "implicit") ? PORT_IMPLICIT : PORT_CLEAR;
	set_default(&profile->pop3_tls_min, "1.2");
	set_default(&profile->pop3_tls_verify, "yes");
	set_default(&profile->pop3_auth, username_of(profile) != NULL ? "login" : "none");
	if (profile->pop3_valid == 0)
		profile->pop3_valid = VALID_DEFAULT_MS;
}

/* ---- for relay ---- */

static uint8_t
tls_of(const char *mode)
{
	if (is_set(mode, "implicit"))
		return PROFILE_IMPLICIT;
	return is_set(mode, "none") ? PROFILE_NONE : PROFILE_STARTTLS;
}

static uint8_t
version_of(const char *version)
{
	static const char *const names[] = {"1.0", "1.1", "1.2"};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (is_set(version, names[i]))
			return (uint8_t)(TLS_VERSION_1_0 + i);
	return TLS_VERSION_1_3;
}

static enum tls_verify
verify_of(const char *verify)
{
	if (is_set(verify, "yes"))
		return VERIFY_NAME;
	return is_set(verify, "no") ? VERIFY_OFF : VERIFY_FINGERPRINT;
}

static struct msg_bytes
bytes_of(const char *text)
{
	text = text == NULL ? "" : text;
	return (struct msg_bytes){.at = (const uint8_t *)text, .size = (uint32_t)strlen(text)};
}

void
profile_pop3_to_message(const struct profile *profile, const struct profile_secrets *secrets,
    struct msg_profile *message_out)
{
	enum tls_verify verify;
	const char *username = username_of(profile);

	message_out->pop3_host = message_out->pop3_fingerprint = message_out->pop3_auth =
	    message_out->pop3_username = "";
	if (profile->pop3_host == NULL)
		return;
	verify = verify_of(profile->pop3_tls_verify);
	message_out->pop3_host = profile->pop3_host;
	message_out->pop3_port = (uint16_t)profile->pop3_port;
	message_out->pop3_tls = tls_of(profile->pop3_tls);
	message_out->pop3_tls_min = version_of(profile->pop3_tls_min);
	message_out->pop3_tls_verify = (uint8_t)verify;
	if (verify == VERIFY_FINGERPRINT)
		message_out->pop3_fingerprint = profile->pop3_tls_verify;
	message_out->pop3_ca = bytes_of(profile->pop3_ca != NULL ? profile->pop3_ca : profile->ca);
	message_out->pop3_valid_ms = (uint32_t)profile->pop3_valid;
	message_out->pop3_auth = profile->pop3_auth;
	if (is_set(profile->pop3_auth, "none"))
		return;
	message_out->pop3_username = username == NULL ? "" : username;
	message_out->pop3_secret =
	    bytes_of(profile->pop3_password != NULL ? secrets->texts[SECRET_POP3_PASSWORD]
						    : secrets->texts[SECRET_PASSWORD]);
}
