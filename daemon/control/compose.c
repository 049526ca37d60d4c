/* compose - merges the answers of accounts, queue and parent. */
#include "daemon/control/compose.h"

#include <string.h>

static const char *const state_fields[] = {"state", "rate_limited_until", "last_error", "class",
    "rule", "since", "waiting", "budget", "connections_learned", "recipients_learned",
    "rate_learned", "recipient_rate_learned"};
static const char *const user_fields[] = {"messages_used_hour", "messages_left_hour",
    "messages_used_day", "messages_left_day", "recipients_used_hour", "recipients_left_hour",
    "recipients_used_day", "recipients_left_day", "limited_until", "has_held"};
static const char *const queue_counts[] = {
    "ready", "deferred", "scheduled", "held", "sending", "uncertain"};

#define COUNT_OF(array) (sizeof(array) / sizeof((array)[0]))

static json_t *
field_or_null(const json_t *object, const char *field)
{
	json_t *value = json_object_get(object, field);

	return value == NULL ? json_null() : json_incref(value);
}

static const json_t *
find_profile(const json_t *profiles, const char *name)
{
	size_t i;
	json_t *profile;

	json_array_foreach(profiles, i, profile)
	{
		const char *its_name = json_string_value(json_object_get(profile, "name"));

		if (its_name != NULL && strcmp(its_name, name) == 0)
			return profile;
	}
	return NULL;
}

/* A profile that queue doesn't name has no mail and no trouble. What accounts says of its state
 * (paused) stands in that case. */
static void
fare_well(json_t *profile)
{
	if (json_object_get(profile, "state") == NULL)
		(void)json_object_set_new(profile, "state", json_string("ok"));
	for (size_t i = 1; i < COUNT_OF(state_fields); i++)
		(void)json_object_set_new(profile, state_fields[i], json_null());
	(void)json_object_set_new(profile, "waiting", json_integer(0));
}

/* Queue is away: what is not known is null. */
static void
fare_unknown(json_t *profile)
{
	for (size_t i = 0; i < COUNT_OF(state_fields); i++)
		if (json_object_get(profile, state_fields[i]) == NULL)
			(void)json_object_set_new(profile, state_fields[i], json_null());
}

/* What can't be used is stopped, before its first mail has found that out. */
static void
put_problem(json_t *profile)
{
	const json_t *state = json_object_get(profile, "state");
	json_t *problem = json_object_get(profile, "problem");

	if (!json_is_string(problem) || json_string_value(state) == NULL ||
	    strcmp(json_string_value(state), "ok") != 0)
		return;
	(void)json_object_set_new(profile, "state", json_string("stopped"));
	(void)json_object_set(profile, "last_error", problem);
}

static void
put_state(json_t *profile, const json_t *queue)
{
	const char *name = json_string_value(json_object_get(profile, "name"));
	const json_t *state;

	if (name == NULL)
		return;
	if (queue == NULL) {
		fare_unknown(profile);
		return;
	}
	state = find_profile(json_object_get(queue, "profiles"), name);
	if (state == NULL) {
		fare_well(profile);
		return;
	}
	for (size_t i = 0; i < COUNT_OF(state_fields); i++)
		(void)json_object_set_new(
		    profile, state_fields[i], field_or_null(state, state_fields[i]));
}

void
compose_profile(json_t *profile, const json_t *queue)
{
	put_state(profile, queue);
	put_problem(profile);
}

static const json_t *
find_token(const json_t *tokens, const char *profile)
{
	size_t i;
	json_t *token;

	json_array_foreach(tokens, i, token)
	{
		const char *its_profile = json_string_value(json_object_get(token, "profile"));

		if (its_profile != NULL && strcmp(its_profile, profile) == 0)
			return token;
	}
	return NULL;
}

void
compose_token(json_t *profile, const json_t *tokens)
{
	const char *name = json_string_value(json_object_get(profile, "name"));
	const json_t *token;

	if (name == NULL || !json_is_string(json_object_get(profile, "oauth_grant")))
		return;
	token = find_token(tokens, name);
	(void)json_object_set_new(profile, "token_until", field_or_null(token, "until"));
	(void)json_object_set_new(profile, "login_until", field_or_null(token, "login_until"));
	(void)json_object_set_new(profile, "token_error", field_or_null(token, "reason"));
}

void
compose_user(json_t *user, const json_t *queue)
{
	/* Queue is away: what is not known is null. */
	for (size_t i = 0; i < COUNT_OF(user_fields); i++)
		(void)json_object_set_new(
		    user, user_fields[i], field_or_null(queue, user_fields[i]));
}

void
compose_explain(json_t *explanation, const json_t *queue)
{
	static const char *const fields[] = {"through", "state", "ready"};

	for (size_t i = 0; i < COUNT_OF(fields); i++)
		(void)json_object_set_new(explanation, fields[i], field_or_null(queue, fields[i]));
}

void
compose_profiles(json_t *profiles, const json_t *queue)
{
	size_t i;
	json_t *profile;

	json_array_foreach(profiles, i, profile) compose_profile(profile, queue);
}

static json_t *
profile_summary(const json_t *profile, const json_t *queue)
{
	json_t *summary = json_object();

	(void)json_object_set_new(summary, "name", field_or_null(profile, "name"));
	(void)json_object_set_new(summary, "default", field_or_null(profile, "default"));
	if (json_object_get(profile, "state") != NULL)
		(void)json_object_set_new(summary, "state", field_or_null(profile, "state"));
	(void)json_object_set_new(summary, "problem", field_or_null(profile, "problem"));
	compose_profile(summary, queue);
	(void)json_object_del(summary, "problem");
	return summary;
}

void
compose_status(json_t *status, const json_t *queue, const json_t *profiles)
{
	json_t *counts = queue == NULL ? json_null() : json_object();
	json_t *summaries = profiles == NULL ? json_null() : json_array();
	size_t i;
	json_t *profile;

	if (queue != NULL)
		for (size_t k = 0; k < COUNT_OF(queue_counts); k++)
			(void)json_object_set_new(
			    counts, queue_counts[k], field_or_null(queue, queue_counts[k]));
	/* Behind a start, for a moment. */
	if (json_is_true(json_object_get(queue, "counting")))
		(void)json_object_set_new(counts, "counting", json_true());
	json_array_foreach(profiles, i, profile)(void)
	    json_array_append_new(summaries, profile_summary(profile, queue));
	(void)json_object_set_new(status, "queue", counts);
	(void)json_object_set_new(status, "profiles", summaries);
}

void
compose_backup(json_t *backup, const json_t *parent)
{
	(void)json_object_set_new(backup, "name", field_or_null(parent, "name"));
	(void)json_object_set_new(backup, "path", field_or_null(parent, "path"));
}
