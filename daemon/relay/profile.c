/* profile - settings from accounts, made ready for use. */
#include "daemon/relay/profile.h"

#include "common/xalloc.h"
#include "daemon/relay/auth_method.h"
#include "daemon/relay/hostlist.h"
#include "daemon/relay/pop3_settings.h"
#include "daemon/relay/scram_key.h"
#include "daemon/relay/tokens.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CONNECTIONS_MAX 1000
#define TIMEOUT_DEFAULT_MS (60 * 1000)
#define BLOCK_TIMEOUT_MS (3 * 60 * 1000) /* RFC 5321 4.5.3.2.5 */
#define DOT_TIMEOUT_DEFAULT_MS (10 * 60 * 1000)

static void
set_problem(struct profile *profile, const char *text)
{
	if (profile->problem == NULL)
		profile->problem = xstrdup(text);
}

/* Without AUTH the clear is allowed, so an encryption with a stranger is no loss; credentials are
 * shown to none but the upstream that the profile names. */
static enum tls_verify
verification(const struct profile *profile, const struct msg_profile *message)
{
	if (profile->tls == PROFILE_OPPORTUNISTIC && profile->auth_methods == 0 &&
	    message->tls_verify == VERIFY_NAME)
		return VERIFY_OFF;
	return message->tls_verify;
}

struct tls_context *
profile_make_tls(
    const struct tls_client_settings *settings, struct msg_bytes ca, struct err *err_out)
{
	struct tls_client_settings own = *settings;
	struct tls_context *context = NULL;
	bool has_own = ca.size > 0 && settings->verify == VERIFY_NAME;

	if (has_own)
		own.store = tls_store_new(ca, err_out);
	if (own.verify == VERIFY_NAME && own.store == NULL && !has_own)
		(void)err_set(err_out,
		    "the system's CA certificates could not be read: give the profile a CA, or set "
		    "--tls-verify no");
	else if (own.verify != VERIFY_NAME || own.store != NULL)
		context = tls_client_new(&own, err_out);
	if (has_own && own.store != NULL)
		tls_store_release(own.store);
	return context;
}

static void
make_tls(struct profile *profile, const struct msg_profile *message, struct tls_store *system_cas)
{
	struct tls_client_settings settings = {
	    .min_version = message->tls_min,
	    .max_version = message->tls_max,
	    .verify = verification(profile, message),
	    .fingerprint = message->fingerprint,
	    .store = system_cas,
	};
	const struct tls_pair pair = {message->client_certificate, message->client_key};
	struct err err;

	if (profile->tls == PROFILE_NONE)
		return;
	profile->verifies = settings.verify != VERIFY_OFF;
	profile->has_certificate = pair.certificate.size > 0;
	if (profile->has_certificate)
		settings.pair = &pair;
	profile->tls_context = profile_make_tls(&settings, message->ca, &err);
	if (profile->tls_context == NULL)
		set_problem(profile, err.text);
}

static void
make_pop3(struct profile *profile, const struct msg_profile *message, struct tls_store *system_cas)
{
	struct err err;

	if (message->pop3_host[0] == '\0')
		return;
	profile->pop3 = pop3_settings_new(message, system_cas, &err);
	if (profile->pop3 == NULL)
		set_problem(profile, err.text);
}

static void
choose_auth(struct profile *profile, const struct msg_profile *message)
{
	unsigned worked;
	struct err err;

	if (auth_methods_wanted(message->auth_worked, &worked, NULL) == 0)
		profile->auth_worked = worked;
	/* `auto` without a name to log in with is none. */
	if (strcmp(profile->auth, "auto") == 0 && profile->username[0] == '\0')
		return;
	if (profile->token_source != NULL && strcmp(profile->auth, "auto") == 0)
		profile->auth_methods = auth_methods_token();
	else if (auth_methods_wanted(profile->auth, &profile->auth_methods, &err) != 0)
		set_problem(profile, err.text);
	else if ((profile->auth_methods & auth_methods_token()) != 0 &&
		 profile->token_source == NULL && profile->secret[0] == '\0')
		set_problem(profile,
		    "auth is for access tokens, and the profile has no way to get one: set "
		    "--oauth-grant, or one as the password");
}

static void
read_connection_rate(struct profile *profile, const char *text)
{
	struct err err;

	if (rate_parse(*text == '\0' ? "none" : text, &profile->connection_rate, &err) != 0)
		set_problem(profile, "the profile's connection_rate is not understood");
}

static void
check_values(struct profile *profile, const struct msg_profile *message)
{
	if (message->problem[0] != '\0')
		set_problem(profile, message->problem);
	else if (profile->capture[0] == '\0' &&
		 (hostlist_count(profile->hosts) == 0 || profile->port == 0))
		set_problem(profile, "the profile has no host or no port");
	else if (message->tls > PROFILE_IMPLICIT || message->tls_verify > VERIFY_FINGERPRINT ||
		 message->tls_min > message->tls_max || message->tls_max > TLS_VERSION_1_3)
		set_problem(profile, "the profile's TLS settings are out of range");
	else if (message->transcript > TRANSCRIPT_ALWAYS)
		set_problem(profile, "the profile's transcript is out of range");
	else if (message->from_policy > FROM_REPLACE)
		set_problem(profile, "the profile's from_policy is out of range");
}

/* What messages are to look like. */
static void
copy_wishes(struct profile *profile, const struct msg_profile *message)
{
	profile->from_name = xstrdup(message->from_name);
	profile->from = xstrdup(message->from);
	profile->from_policy = message->from_policy;
	profile->reply_to = xstrdup(message->reply_to);
	profile->envelope_sender = xstrdup(message->envelope_sender);
	buf_append(
	    &profile->signature_text, message->signature_text.at, message->signature_text.size);
	buf_append(
	    &profile->signature_html, message->signature_html.at, message->signature_html.size);
}

static char *
copy_secret(struct msg_bytes bytes)
{
	char *copy = xcalloc(1, bytes.size + 1);

	if (bytes.size > 0)
		memcpy(copy, bytes.at, bytes.size);
	return copy;
}

/* Tokens outlive the settings; a profile that can't be read now may be later. */
static void
take_grant(struct profile *profile, const struct msg_profile *message, struct tokens *tokens)
{
	if (message->oauth_grant > GRANT_SERVICE_ACCOUNT)
		set_problem(profile, "the profile's OAuth2 grant is out of range");
	else if (message->oauth_grant != GRANT_NONE)
		profile->token_source = tokens_source(tokens, message);
	else if (message->problem[0] == '\0' && tokens != NULL)
		tokens_forget(tokens, message->profile_id);
}

struct profile *
profile_new(const struct msg_profile *message, const struct profile_surroundings *surroundings)
{
	struct profile *profile = xcalloc(1, sizeof(*profile));

	profile->references = 1;
	profile->pool = surroundings->pool;
	profile->logins = surroundings->logins;
	profile->pop3_keeper = surroundings->pop3_keeper;
	profile->id = message->profile_id;
	profile->version = message->version;
	profile->name = xstrdup(message->name);
	profile->capture = xstrdup(message->capture);
	profile->hosts = hostlist_new(message->host);
	profile->port = message->port;
	profile->tls = message->tls;
	profile->tls_min = message->tls_min;
	profile->tls_max = message->tls_max;
	profile->auth = xstrdup(message->auth);
	profile->username = xstrdup(message->username);
	profile->secret = copy_secret(message->secret);
	profile->auth_in_clear = message->auth_in_clear;
	profile->has_own_ehlo_name = message->ehlo[0] != '\0';
	profile->ehlo_name =
	    xstrdup(message->ehlo[0] != '\0' ? message->ehlo : surroundings->hostname);
	profile->timeout_ms = message->timeout_ms > 0 ? message->timeout_ms : TIMEOUT_DEFAULT_MS;
	profile->block_timeout_ms = BLOCK_TIMEOUT_MS;
	profile->dot_timeout_ms =
	    message->dot_timeout_ms > 0 ? message->dot_timeout_ms : DOT_TIMEOUT_DEFAULT_MS;
	profile->connections = message->connections < 1                 ? 1
			       : message->connections > CONNECTIONS_MAX ? CONNECTIONS_MAX
									: message->connections;
	profile->bandwidth = message->bandwidth;
	profile->is_uncertain_held = message->is_uncertain_held;
	profile->messages_per_connection = message->messages_per_connection;
	profile->transcript = message->transcript;
	copy_wishes(profile, message);
	profile->provider = xstrdup(message->provider);
	profile->rules = reply_rules_hold(surroundings->rules);
	check_values(profile, message);
	take_grant(profile, message, surroundings->tokens);
	read_connection_rate(profile, message->connection_rate);
	if (profile->problem == NULL && profile->capture[0] == '\0') {
		choose_auth(profile, message);
		make_tls(profile, message, surroundings->system_cas);
		make_pop3(profile, message, surroundings->system_cas);
	}
	return profile;
}

struct profile *
profile_hold(struct profile *profile)
{
	profile->references++;
	return profile;
}

void
profile_release(struct profile *profile)
{
	if (profile == NULL || --profile->references > 0)
		return;
	explicit_bzero(profile->secret, strlen(profile->secret));
	free(profile->secret);
	scram_key_free(profile->scram_key);
	token_source_release(profile->token_source);
	pop3_settings_free(profile->pop3);
	tls_release(profile->tls_context);
	reply_rules_release(profile->rules);
	free(profile->name);
	free(profile->problem);
	free(profile->capture);
	hostlist_free(profile->hosts);
	free(profile->auth);
	free(profile->username);
	free(profile->ehlo_name);
	free(profile->from_name);
	free(profile->from);
	free(profile->reply_to);
	free(profile->envelope_sender);
	buf_fini(&profile->signature_text);
	buf_fini(&profile->signature_html);
	free(profile->provider);
	free(profile);
}

const char *
profile_server(const struct profile *profile, char buffer[static PROFILE_SERVER_SIZE])
{
	size_t size = 0;

	buffer[0] = '\0';
	for (size_t i = 0; i < hostlist_count(profile->hosts) && size < PROFILE_SERVER_SIZE; i++)
		size += (size_t)snprintf(buffer + size, PROFILE_SERVER_SIZE - size, "%s%s:%u",
		    i > 0 ? " or " : "", hostlist_name(profile->hosts, i), profile->port);
	return buffer;
}
