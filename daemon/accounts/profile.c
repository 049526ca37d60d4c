/* profile - what holds for a whole profile: defaults, secrets, its forms in JSON and messages. */
#include "daemon/accounts/profile.h"

#include "common/buf.h"
#include "common/rate.h"
#include "common/xalloc.h"
#include "daemon/accounts/db_rows.h"
#include "daemon/accounts/presets.h"
#include "daemon/accounts/profile_oauth.h"
#include "daemon/accounts/profile_pop3.h"
#include "daemon/accounts/profile_secrets.h"
#include "daemon/core/values.h"

#include <stdlib.h>
#include <string.h>

#define DEFAULT_TIMEOUT_MS (60 * 1000)
#define DEFAULT_DOT_TIMEOUT_MS (10 * 60 * 1000) /* RFC 5321 4.5.3.2.6 */
#define DEFAULT_CONNECTIONS 20
#define DEFAULT_FALLBACK_AFTER_MS (60 * 1000)
#define DEFAULT_MESSAGES_PER_CONNECTION 100 /* most providers allow so many */

static void
set_default(char **text, const char *value)
{
	if (*text == NULL)
		*text = xstrdup(value);
}

static bool
is_set(const char *text, const char *value)
{
	return text != NULL && strcmp(text, value) == 0;
}

static const char *
tls_for_port(int64_t port)
{
	switch (port) {
	case 465:
		return "implicit";
	case 587:
		return "starttls";
	default:
		return "opportunistic";
	}
}

static int64_t
port_for_tls(const char *tls)
{
	if (is_set(tls, "implicit"))
		return 465;
	return is_set(tls, "starttls") ? 587 : 25;
}

/* Who asks for an old version at the most means that one. */
static const char *
lowest_for(const char *tls_max)
{
	return tls_max != NULL && strcmp(tls_max, "1.2") < 0 ? tls_max : "1.2";
}

void
profile_apply_defaults(struct profile *profile)
{
	if (profile->timeout == 0)
		profile->timeout = DEFAULT_TIMEOUT_MS;
	if (profile->dot_timeout == 0)
		profile->dot_timeout = DEFAULT_DOT_TIMEOUT_MS;
	if (profile->connections == 0)
		profile->connections = DEFAULT_CONNECTIONS;
	set_default(&profile->uncertain, "retry");
	set_default(&profile->available, "all");
	set_default(&profile->from_policy, "supply");
	if (profile->fallback != NULL && profile->fallback_after == 0)
		profile->fallback_after = DEFAULT_FALLBACK_AFTER_MS;
	if (profile->capture != NULL)
		return;
	set_default(&profile->transcript, "failure");
	if (profile->messages_per_connection == 0)
		profile->messages_per_connection = DEFAULT_MESSAGES_PER_CONNECTION;
	/* Naming one of port and TLS mode picks the other. */
	if (profile->tls == NULL)
		profile->tls = xstrdup(tls_for_port(profile->port));
	if (profile->port == 0)
		profile->port = port_for_tls(profile->tls);
	if (profile->tls_min == NULL)
		profile->tls_min = xstrdup(lowest_for(profile->tls_max));
	set_default(&profile->tls_max, "1.3");
	set_default(&profile->auth, profile->username != NULL ? "auto" : "none");
	/* Opportunistic TLS goes on in clear when there's none, so it doesn't insist on a name; but
	 * credentials are shown to nobody else. */
	profile_pop3_apply_defaults(profile);
	set_default(&profile->tls_verify,
	    is_set(profile->tls, "opportunistic") && is_set(profile->auth, "none") ? "no" : "yes");
}

/* What is about an upstream, but for what belongs to its grant and its POP3 server. */
static const char *const upstream_fields[] = {"host", "provider", "port", "tls", "tls_min",
    "tls_max", "tls_verify", "ca", "client_certificate", "client_key", "auth", "username",
    "password", "auth_in_clear", "ehlo", "bandwidth", "connection_rate", "messages_per_connection",
    "transcript", "oauth_grant", "pop3_host"};

#define UPSTREAM_FIELDS (sizeof(upstream_fields) / sizeof(upstream_fields[0]))

/* A capture has no upstream: what would be ignored is refused. */
static int
check_capture_alone(const struct profile *profile, struct refusal *refusal_out)
{
	if (profile->host != NULL || profile->provider != NULL)
		return refuse(refusal_out, REFUSED_INVALID, "invalid", "capture",
		    "capture: a profile has either a host or a folder to capture into; an empty "
		    "host beside it takes away all that belongs to the upstream");
	for (size_t i = 0; i < UPSTREAM_FIELDS; i++) {
		const char *name = upstream_fields[i];

		if (field_is_set(table_find_field(&profile_table, name), profile))
			return refuse(refusal_out, REFUSED_INVALID, "invalid", name,
			    "%s: a capture profile delivers into a folder and has no such setting",
			    name);
	}
	return 0;
}

void
profile_clear_upstream(struct profile *profile)
{
	profile_oauth_clear(profile);
	profile_pop3_clear(profile);
	for (size_t i = 0; i < UPSTREAM_FIELDS; i++)
		field_clear(table_find_field(&profile_table, upstream_fields[i]), profile);
}

static int
check_external(const struct profile *profile, struct refusal *refusal_out)
{
	if (profile->client_certificate != NULL)
		return 0;
	return refuse(refusal_out, REFUSED_INVALID, "missing", "client_certificate",
	    "client_certificate: auth external needs a certificate and its key "
	    "(--client-certificate FILE --client-key FILE)");
}

static int
check_auth(const struct profile *profile, struct refusal *refusal_out)
{
	bool has_auth =
	    profile->auth != NULL ? strcmp(profile->auth, "none") != 0 : profile->username != NULL;

	if (profile->username == NULL && profile->password != NULL)
		return refuse(refusal_out, REFUSED_INVALID, "missing", "username",
		    "username: a password needs a user name");
	if (!has_auth || profile->oauth_grant != NULL || is_set(profile->auth, "anonymous"))
		return 0;
	if (is_set(profile->auth, "external"))
		return check_external(profile, refusal_out);
	if (profile->username == NULL)
		return refuse(refusal_out, REFUSED_INVALID, "missing", "username",
		    "username: auth %s needs a user name and a password", profile->auth);
	if (profile->password == NULL)
		return refuse(refusal_out, REFUSED_INVALID, "missing", "password",
		    "password: user name %.100s needs a password (--password-stdin), or --auth "
		    "none",
		    profile->username);
	return 0;
}

static int
check_tls(const struct profile *profile, struct refusal *refusal_out)
{
	if (profile->tls_min == NULL || profile->tls_max == NULL ||
	    strcmp(profile->tls_min, profile->tls_max) <= 0)
		return 0;
	return refuse(refusal_out, REFUSED_INVALID, "invalid", "tls_max",
	    "tls_max: %s is below tls_min, which is %s", profile->tls_max, profile->tls_min);
}

#define RESERVE_FROM_MS (60 * 60 * 1000)

static bool
has_long_period(const char *text)
{
	struct rate rate;
	struct err err;

	/* The longest stands last. */
	return text != NULL && rate_parse(text, &rate, &err) == 0 && rate.rule_count > 0 &&
	       rate.rules[rate.rule_count - 1].period_ms >= RESERVE_FROM_MS;
}

/* A reserve is part of what may go in an hour and more: without that it would do nothing. */
static int
check_reserve(const struct profile *profile, struct refusal *refusal_out)
{
	if (profile->reserve == 0 || has_long_period(profile->rate) ||
	    has_long_period(profile->recipient_rate))
		return 0;
	return refuse(refusal_out, REFUSED_INVALID, "invalid", "reserve",
	    "reserve: needs a rate or recipient-rate of an hour or more, as \"500/h\"");
}

static bool
has_rate(const char *text)
{
	return text != NULL && strcmp(text, "none") != 0;
}

static int
check_spread(const struct profile *profile, struct refusal *refusal_out)
{
	if (!profile->spread || has_rate(profile->rate) || has_rate(profile->recipient_rate))
		return 0;
	return refuse(refusal_out, REFUSED_INVALID, "invalid", "spread",
	    "spread: needs a rate or recipient-rate, as \"7/5m\"");
}

/* Without an address, a name or a Reply-To there is nothing to insist on. */
static int
check_from_policy(const struct profile *profile, struct refusal *refusal_out)
{
	if (!is_set(profile->from_policy, "replace") || profile->from != NULL ||
	    profile->from_name != NULL || profile->reply_to != NULL)
		return 0;
	return refuse(refusal_out, REFUSED_INVALID, "invalid", "from_policy",
	    "from-policy: replace needs a from, a from-name or a reply-to");
}

/* Without a fallback these would do nothing. */
static int
check_overflow(const struct profile *profile, struct refusal *refusal_out)
{
	if (profile->fallback != NULL || (!profile->overflow && profile->fallback_after == 0))
		return 0;
	return refuse(refusal_out, REFUSED_INVALID, "invalid",
	    profile->overflow ? "overflow" : "fallback_after", "%s: needs a fallback",
	    profile->overflow ? "overflow" : "fallback_after");
}

int
profile_check(const struct profile *profile, struct refusal *refusal_out)
{
	if (profile->name == NULL)
		return refuse(refusal_out, REFUSED_INVALID, "missing", "name",
		    "name: a profile needs a name");
	if (check_overflow(profile, refusal_out) != 0 || check_reserve(profile, refusal_out) != 0 ||
	    check_spread(profile, refusal_out) != 0 || check_from_policy(profile, refusal_out) != 0)
		return -1;
	if (profile_check_oauth(profile, refusal_out) != 0)
		return -1;
	if (profile->capture != NULL)
		return check_capture_alone(profile, refusal_out);
	if (profile->host == NULL)
		return refuse(refusal_out, REFUSED_INVALID, "missing", "host",
		    "host: a profile needs a host, or a folder to capture into");
	if (check_tls(profile, refusal_out) != 0 || profile_pop3_check(profile, refusal_out) != 0)
		return -1;
	return check_auth(profile, refusal_out);
}

void
profile_copy(const struct profile *from, struct profile *to)
{
	*to = *from;
	for (size_t i = 0; i < profile_table.field_count; i++) {
		const struct field *field = &profile_table.fields[i];
		char **text;

		if (field->type != FIELD_TEXT && field->type != FIELD_ITEMS)
			continue;
		text = field_text(field, to);
		*text = *text == NULL ? NULL : xstrdup(*text);
	}
}

json_t *
profile_to_json(const struct presets *presets, const struct profile *profile)
{
	struct profile whole;
	struct refusal problem;
	json_t *object;
	bool is_whole;

	profile_copy(profile, &whole);
	is_whole = presets_apply(presets, &whole, &problem) == 0;
	profile_apply_defaults(&whole);
	object = table_to_json(&profile_table, &whole);
	(void)json_object_set_new(
	    object, "problem", is_whole ? json_null() : json_string(problem.why.text));
	/* Without its provider it has neither, but what somebody chose. */
	if (whole.port == 0 || (!is_whole && profile->port == 0))
		(void)json_object_set_new(object, "port", json_null());
	if (!is_whole && profile->tls == NULL)
		(void)json_object_set_new(object, "tls", json_null());
	(void)json_object_set_new(object, "hosts", table_items_to_json(whole.host));
	(void)json_object_set_new(object, "has_password", json_boolean(whole.password != NULL));
	profile_oauth_to_json(&whole, object);
	(void)json_object_set_new(object, "has_client_key", json_boolean(whole.client_key != NULL));
	(void)json_object_set_new(
	    object, "has_pop3_password", json_boolean(whole.pop3_password != NULL));
	if (whole.pop3_port == 0)
		(void)json_object_set_new(object, "pop3_port", json_null());
	if (whole.pop3_valid == 0)
		(void)json_object_set_new(object, "pop3_valid", json_null());
	(void)json_object_set_new(object, "state", json_string(whole.paused ? "paused" : "ok"));
	table_row_fini(&profile_table, &whole);
	return object;
}

/* ---- for relay, and from it ---- */

static uint8_t
choice_of(const char *name, const char *text)
{
	for (size_t i = 0; i < profile_table.field_count; i++) {
		const struct field *field = &profile_table.fields[i];

		if (strcmp(field->name, name) != 0)
			continue;
		for (uint8_t number = 0; field->choices[number] != NULL; number++)
			if (is_set(text, field->choices[number]))
				return number;
	}
	return 0;
}

static enum tls_verify
verify_of(const struct profile *profile)
{
	if (profile->tls_verify == NULL || is_set(profile->tls_verify, "yes"))
		return VERIFY_NAME;
	return is_set(profile->tls_verify, "no") ? VERIFY_OFF : VERIFY_FINGERPRINT;
}

static const char *
text_or_empty(const char *text)
{
	return text == NULL ? "" : text;
}

static struct msg_bytes
bytes_of(const char *text)
{
	text = text_or_empty(text);
	return (struct msg_bytes){.at = (const uint8_t *)text, .size = (uint32_t)strlen(text)};
}

bool
profile_note_auth(struct profile *profile, const char *method)
{
	if (choice_of("auth", method) < 2) /* none, auto */
		return false;
	free(profile->auth_worked);
	profile->auth_worked = xstrdup(method);
	return true;
}

uint32_t
profile_limit(int64_t number)
{
	return number == FIELD_NO_LIMIT ? 0 : (uint32_t)number;
}

void
profile_to_message(const struct profile *profile, const struct profile_secrets *secrets,
    struct msg_profile *message_out)
{
	enum tls_verify verify = verify_of(profile);

	/* The choices stand in the order of enum profile_tls, tls_version, transcript_policy and
	 * from_policy. */
	*message_out = (struct msg_profile){
	    .profile_id = (uint64_t)profile->id,
	    .version = (uint32_t)profile->version,
	    .problem = "",
	    .name = profile->name,
	    .capture = text_or_empty(profile->capture),
	    .host = text_or_empty(profile->host),
	    .port = (uint16_t)profile->port,
	    .tls = choice_of("tls", profile->tls),
	    .tls_min = choice_of("tls_min", profile->tls_min),
	    .tls_max = choice_of("tls_max", profile->tls_max),
	    .tls_verify = (uint8_t)verify,
	    .fingerprint = verify == VERIFY_FINGERPRINT ? profile->tls_verify : "",
	    .ca = bytes_of(profile->ca),
	    .client_certificate = bytes_of(profile->client_certificate),
	    .client_key = bytes_of(secrets->texts[SECRET_CLIENT_KEY]),
	    .auth = text_or_empty(profile->auth),
	    .auth_worked = text_or_empty(profile->auth_worked),
	    .auth_in_clear = profile->auth_in_clear,
	    .username = text_or_empty(profile->username),
	    .secret = bytes_of(secrets->texts[SECRET_PASSWORD]),
	    .ehlo = text_or_empty(profile->ehlo),
	    .timeout_ms = (uint32_t)profile->timeout,
	    .dot_timeout_ms = (uint32_t)profile->dot_timeout,
	    .connections = (uint32_t)profile->connections,
	    .is_uncertain_held = strcmp(profile->uncertain, "hold") == 0,
	    .bandwidth = (uint64_t)profile->bandwidth,
	    .connection_rate = text_or_empty(profile->connection_rate),
	    .messages_per_connection = profile_limit(profile->messages_per_connection),
	    .transcript = choice_of("transcript", profile->transcript),
	    .from_name = text_or_empty(profile->from_name),
	    .from = text_or_empty(profile->from),
	    .from_policy = choice_of("from_policy", profile->from_policy),
	    .reply_to = text_or_empty(profile->reply_to),
	    .envelope_sender = text_or_empty(profile->envelope_sender),
	    .signature_text = bytes_of(profile->signature_text),
	    .signature_html = bytes_of(profile->signature_html),
	};
	profile_pop3_to_message(profile, secrets, message_out);
	if (profile->oauth_grant == NULL)
		return;
	message_out->oauth_grant = (uint8_t)(choice_of("oauth_grant", profile->oauth_grant) + 1);
	message_out->oauth_token_url = text_or_empty(profile->oauth_token_url);
	message_out->oauth_device_url = text_or_empty(profile->oauth_device_url);
	message_out->oauth_client_id = text_or_empty(profile->oauth_client_id);
	message_out->oauth_client_secret = bytes_of(secrets->texts[SECRET_OAUTH_CLIENT_SECRET]);
	message_out->oauth_scope = text_or_empty(profile->oauth_scope);
	message_out->oauth_subject = text_or_empty(profile->oauth_subject);
	message_out->oauth_key = bytes_of(secrets->texts[SECRET_OAUTH_KEY]);
	message_out->oauth_refresh_token = bytes_of(secrets->texts[SECRET_OAUTH_REFRESH_TOKEN]);
	message_out->oauth_ca = bytes_of(profile->oauth_ca);
}

int
profile_check_name(struct db *db, char **name, struct refusal *refusal_out)
{
	struct profile profile;
	struct err err;
	int found;

	if (*name == NULL)
		return 0;
	found = db_find(db, &profile_table, *name, &profile, &err);
	if (found < 0)
		return refuse_unavailable(refusal_out, &err);
	if (found == 0)
		return refuse(refusal_out, REFUSED_INVALID, "invalid", "profile",
		    "profile: there is no profile %s; profile ls shows them", *name);
	free(*name);
	*name = xstrdup(profile.name);
	table_row_fini(&profile_table, &profile);
	return 0;
}
