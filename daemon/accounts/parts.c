/* parts - carries changes to the other roles, and profiles to relay. */
#include "daemon/accounts/parts.h"

#include "common/log.h"
#include "common/xalloc.h"
#include "daemon/accounts/db_query.h"
#include "daemon/accounts/db_rows.h"
#include "daemon/accounts/profile_change.h"
#include "daemon/accounts/profile_secrets.h"
#include "daemon/accounts/routes.h"
#include "daemon/accounts/user_secret.h"

#include <stdlib.h>
#include <string.h>

void
parts_tell_user(struct parts *parts, int64_t user_id)
{
	sasl_forget_user(parts->sasl, user_id);
	grants_push_user(parts->grants, user_id);
	routes_send_users(parts, user_id);
}

void
parts_tell_user_gone(struct parts *parts, int64_t user_id)
{
	sasl_forget_user(parts->sasl, user_id);
	grants_push_user(parts->grants, user_id);
	routes_send_gone(parts, ROUTE_USER, user_id);
}

void
parts_tell_routes(struct parts *parts)
{
	grants_push_all(parts->grants);
	routes_send_users(parts, 0);
	routes_send_lists(parts);
}

void
parts_tell_senders(struct parts *parts)
{
	routes_send_senders(parts);
}

void
parts_tell_list_added(struct parts *parts)
{
	routes_send_lists(parts);
}

void
parts_tell_list_gone(struct parts *parts, int64_t list_id)
{
	routes_send_gone(parts, ROUTE_LIST, list_id);
}

void
parts_tell_list(struct parts *parts)
{
	parts_tell_routes(parts);
}

static void
tell_relay(struct parts *parts, int64_t profile_id, int64_t version, bool is_gone)
{
	struct msg_profile message = {
	    .profile_id = (uint64_t)profile_id,
	    .version = (uint32_t)version,
	    .is_gone = is_gone,
	};

	if (parts->relay != NULL)
		link_send(parts->relay, MSG_PROFILE, &message);
}

void
parts_tell_profile(struct parts *parts, int64_t profile_id, int64_t version)
{
	tell_relay(parts, profile_id, version, false);
	routes_send_profile(parts, profile_id);
}

void
parts_tell_profile_gone(struct parts *parts, int64_t profile_id)
{
	tell_relay(parts, profile_id, 0, true);
	routes_send_gone(parts, ROUTE_PROFILE, profile_id);
	parts_tell_routes(parts);
}

/* ---- profiles for relay ---- */

/* Fills in what the profile takes from elsewhere. */
static int
complete_profile(const struct parts *parts, struct profile *profile,
    struct profile_secrets *secrets_out, struct err *err_out)
{
	struct refusal refusal;

	if (presets_apply(&parts->presets, profile, &refusal) != 0) {
		*err_out = refusal.why;
		return -1;
	}
	profile_apply_defaults(profile);
	if (profile_unseal_all(profile, parts->seal_key, secrets_out, err_out) == 0)
		return 0;
	log_problem(LOG_ERROR, "%s", err_out->text);
	return -1;
}

static void
answer_profile(struct parts *parts, struct link *link, uint32_t request_id, struct profile *profile)
{
	const struct provider *provider = presets_provider_of(&parts->presets, profile);
	struct msg_profile message;
	struct profile_secrets secrets = {0};
	struct err err;

	if (complete_profile(parts, profile, &secrets, &err) != 0)
		message = (struct msg_profile){
		    .profile_id = (uint64_t)profile->id,
		    .version = (uint32_t)profile->version,
		    .problem = err.text,
		    .name = profile->name,
		};
	else
		profile_to_message(profile, &secrets, &message);
	message.provider = provider != NULL ? provider->name : "";
	link_answer(link, request_id, MSG_PROFILE, &message);
	profile_secrets_fini(&secrets);
}

void
parts_answer_profile(struct parts *parts, struct link *link, uint32_t request_id,
    const struct msg_profile_get *message)
{
	struct msg_profile none = {0};
	struct profile profile;
	struct err err;
	int found = message->profile_id != 0
			? db_find_id(parts->db, &profile_table, (int64_t)message->profile_id,
			      &profile, &err)
			: db_find(parts->db, &profile_table, message->name, &profile, &err);

	if (found < 0) {
		/* No answer: relay tries again, which is right for a database that is away. */
		log_problem(LOG_ERROR, "a profile can't be read: %s", err.text);
		return;
	}
	if (found == 0) {
		link_answer(link, request_id, MSG_PROFILE, &none);
		return;
	}
	answer_profile(parts, link, request_id, &profile);
	table_row_fini(&profile_table, &profile);
}

/* Not a new version: nothing that was known before is out of date. */
void
parts_note_auth(struct parts *parts, const struct msg_auth_worked *message)
{
	struct profile profile;
	struct err err;
	int rc =
	    db_find_id(parts->db, &profile_table, (int64_t)message->profile_id, &profile, &err);

	if (rc > 0) {
		if (profile.version == message->version &&
		    profile_note_auth(&profile, message->method))
			rc = db_update(parts->db, &profile_table, &profile, &err);
		table_row_fini(&profile_table, &profile);
	}
	if (rc < 0)
		log_problem(LOG_ERROR, "how a profile logs in can't be kept: %s", err.text);
}

/* ---- providers ---- */

/* All that is used of a profile, or why it can't be. */
static char *
profile_as_used(const struct presets *presets, const struct profile *profile)
{
	json_t *object = profile_to_json(presets, profile);
	char *text = json_dumps(object, JSON_COMPACT | JSON_SORT_KEYS);

	ensure(text != NULL);
	json_decref(object);
	return text;
}

struct follower {
	int64_t id;
	bool is_renewed; /* what it was stopped for may be gone */
};

struct followers {
	const struct presets *before, *now;
	struct follower *items;
	size_t count;
};

/* With these providers it is another upstream than with those. */
static bool
is_renewed(const struct followers *followers, const struct profile *profile)
{
	struct profile before, now;
	struct refusal problem;
	bool is_renewed;

	profile_copy(profile, &before);
	profile_copy(profile, &now);
	is_renewed = presets_apply(followers->before, &before, &problem) != 0 ||
		     presets_apply(followers->now, &now, &problem) != 0 ||
		     profile_is_renewed(&before, &now);
	table_row_fini(&profile_table, &before);
	table_row_fini(&profile_table, &now);
	return is_renewed;
}

static void
add_follower(void *row, void *ctx)
{
	struct followers *followers = ctx;
	const struct profile *profile = row;
	char *before, *now;

	if (profile->provider == NULL)
		return;
	before = profile_as_used(followers->before, profile);
	now = profile_as_used(followers->now, profile);
	if (strcmp(before, now) != 0) {
		followers->items =
		    xrealloc(followers->items, followers->count + 1, sizeof(*followers->items));
		followers->items[followers->count++] =
		    (struct follower){profile->id, is_renewed(followers, profile)};
	}
	free(before);
	free(now);
}

/* A change of the file is a change of the profile. */
static int
renew_profile(struct parts *parts, const struct follower *follower, struct err *err_out)
{
	struct profile profile;
	int rc;

	if (db_find_id(parts->db, &profile_table, follower->id, &profile, err_out) <= 0)
		return -1;
	profile.version += follower->is_renewed;
	rc = db_begin(parts->db, err_out);
	if (rc == 0)
		rc = db_update(parts->db, &profile_table, &profile, err_out);
	if (rc == 0)
		rc = db_commit(parts->db, err_out);
	if (rc == 0)
		parts_tell_profile(parts, profile.id, profile.version);
	else
		db_rollback(parts->db);
	table_row_fini(&profile_table, &profile);
	return rc;
}

static void
tell_problem(void *row, void *ctx)
{
	const struct parts *parts = ctx;
	struct profile *profile = row;
	struct refusal problem;

	if (presets_apply(&parts->presets, profile, &problem) != 0)
		log_problem(LOG_ERROR, "profile %s can't be used, its mail waits: %s",
		    profile->name, problem.why.text);
}

void
parts_check_presets(struct parts *parts)
{
	struct err err;

	if (db_each(parts->db, &profile_table, &(struct db_page){0}, tell_problem, parts, &err) < 0)
		log_problem(LOG_ERROR, "the profiles can't be read: %s", err.text);
}

void
parts_take_presets(struct parts *parts, struct msg_bytes installed, struct msg_bytes own)
{
	struct presets before = parts->presets;
	struct followers followers = {.before = &before, .now = &parts->presets};
	struct err err = {""};
	int rc;

	parts->presets = (struct presets){0};
	presets_read(&parts->presets, installed, own);
	rc = db_each(parts->db, &profile_table, &(struct db_page){0}, add_follower, &followers,
		 &err) < 0
		 ? -1
		 : 0;
	for (size_t i = 0; i < followers.count && rc == 0; i++)
		rc = renew_profile(parts, &followers.items[i], &err);
	if (rc != 0)
		log_problem(LOG_ERROR, "what changed of the providers can't be told: %s", err.text);
	free(followers.items);
	presets_fini(&before);
	parts_check_presets(parts);
}

/* ---- secrets ---- */

static void
check_secret(void *row, void *ctx)
{
	const struct parts *parts = ctx;
	struct profile_secrets secrets;
	struct err err;

	if (profile_unseal_all(row, parts->seal_key, &secrets, &err) == 0)
		profile_secrets_fini(&secrets);
	else
		log_problem(LOG_ERROR, "%s", err.text);
}

void
parts_check_secrets(struct parts *parts)
{
	struct err err;

	if (db_each(parts->db, &profile_table, &(struct db_page){0}, check_secret, parts, &err) < 0)
		log_problem(LOG_ERROR, "the profiles can't be read: %s", err.text);
}

void
parts_drop_secrets(struct parts *parts)
{
	struct log_line line;
	struct err err;
	int count;

	if (user_secret_is_kept(parts->config->auth.mechanisms))
		return;
	count = db_wipe_secrets(parts->db, &err);
	if (count < 0)
		log_problem(LOG_ERROR, "secrets for CRAM-MD5 can't be wiped: %s", err.text);
	if (count <= 0 || !log_begin(&line, LOG_INFO, EVENT_CONFIG, 0))
		return;
	log_number(&line, KEY_COUNT, (uint64_t)count);
	log_text(&line, KEY_REASON, "secrets wiped: auth.mechanisms has no CRAM-MD5");
	log_end(&line);
}
