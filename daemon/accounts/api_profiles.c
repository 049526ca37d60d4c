/* api_profiles - the calls about profiles. What makes it another upstream, or another login there, makes a
 * new version, which queue takes as a reason to forget a stop or a backoff. */
#include "common/xalloc.h"
#include "daemon/accounts/api_call.h"
#include "daemon/accounts/client_certificate.h"
#include "daemon/accounts/db_query.h"
#include "daemon/accounts/db_rows.h"
#include "daemon/accounts/password.h"
#include "daemon/accounts/presets.h"
#include "daemon/accounts/profile_change.h"
#include "daemon/accounts/profile_links.h"
#include "daemon/accounts/profile_oauth.h"
#include "daemon/accounts/profile_parting.h"
#include "daemon/accounts/profile_secrets.h"
#include "daemon/accounts/profile_warnings.h"

#include <stdlib.h>
#include <string.h>

static json_t *
to_json(struct parts *parts, const void *row)
{
	return profile_to_json(&parts->presets, row);
}

enum handled
api_profile_index(struct call *call, json_t **result_out, struct refusal *refusal_out)
{
	return call_index(call, &profile_table, NULL, to_json, result_out, refusal_out);
}

enum handled
api_profile_show(struct call *call, json_t **result_out, struct refusal *refusal_out)
{
	struct profile profile;

	if (call_find(call, &profile_table, &profile, refusal_out) != 0)
		return CALL_REFUSED;
	*result_out = profile_to_json(&call->parts->presets, &profile);
	table_row_fini(&profile_table, &profile);
	return CALL_DONE;
}

/* ---- what the body says beside the table's fields ---- */

struct wish {
	const char *secrets[PROFILE_SECRETS]; /* NULL: as it is; "": none any more */
	bool wants_default, refuses_default;
};

static int
read_secret(struct call *call, enum profile_secret secret, const char **text_out,
    struct refusal *refusal_out)
{
	const char *name = profile_secret_name(secret);
	const json_t *value = json_object_get(call->body, name);

	*text_out = json_is_null(value) ? "" : json_string_value(value);
	if (value != NULL && *text_out == NULL)
		return refuse(
		    refusal_out, REFUSED_INVALID, "invalid", name, "%s: must be text", name);
	if (value != NULL && strlen(*text_out) > profile_secret_max(secret))
		return refuse(refusal_out, REFUSED_INVALID, "invalid", name,
		    "%s: at most %zu bytes are allowed", name, profile_secret_max(secret));
	return 0;
}

static int
read_wish(struct call *call, struct wish *wish_out, struct refusal *refusal_out)
{
	const json_t *is_default = json_object_get(call->body, "default");

	*wish_out = (struct wish){
	    .wants_default = json_is_true(is_default),
	    .refuses_default = json_is_false(is_default),
	};
	for (enum profile_secret secret = 0; secret < PROFILE_SECRETS; secret++)
		if (read_secret(call, secret, &wish_out->secrets[secret], refusal_out) != 0)
			return -1;
	if (is_default != NULL && !json_is_boolean(is_default))
		return refuse(refusal_out, REFUSED_INVALID, "invalid", "default",
		    "default: must be true or false");
	return 0;
}

/* So that profile_check() knows; the sealed ones follow when the row has its id. */
static int
note_secrets(struct call *call, struct profile *profile, const struct wish *wish,
    struct refusal *refusal_out)
{
	const char *key = wish->secrets[SECRET_OAUTH_KEY];

	for (enum profile_secret secret = 0; secret < PROFILE_SECRETS; secret++) {
		const char *text = wish->secrets[secret];
		char **place = profile_secret_of(profile, secret);

		if (text == NULL)
			continue;
		free(*place);
		*place = *text == '\0' ? NULL : xstrdup("to be sealed");
	}
	if (key == NULL || *key == '\0')
		return 0;
	return profile_oauth_read_key(profile, key, call->body, refusal_out);
}

static int
seal_wish(
    struct parts *parts, struct profile *profile, const struct wish *wish, struct err *err_out)
{
	for (enum profile_secret secret = 0; secret < PROFILE_SECRETS; secret++) {
		const char *text = wish->secrets[secret];

		if (text != NULL && *text != '\0' &&
		    profile_seal(profile, secret, parts->seal_key, text, err_out) != 0)
			return -1;
	}
	return 0;
}

/* Only when one of both is new: what was there before has been looked at. */
static int
check_certificate(struct call *call, const struct profile *profile, const struct wish *wish,
    struct refusal *refusal_out)
{
	const char *key = wish->secrets[SECRET_CLIENT_KEY];
	char *kept = NULL;
	struct err err;
	int rc;

	if (key == NULL && json_object_get(call->body, "client_certificate") == NULL)
		return 0;
	if (key == NULL &&
	    profile_unseal(profile, SECRET_CLIENT_KEY, call->parts->seal_key, &kept, &err) != 0)
		return refuse_unavailable(refusal_out, &err);
	rc = client_certificate_check(
	    profile->client_certificate, key != NULL ? key : kept, refusal_out);
	password_free(kept);
	return rc;
}

/* ---- add ---- */

/* The only profile there is may as well be the default. */
static int
write_new(
    struct parts *parts, struct profile *profile, const struct wish *wish, struct err *err_out)
{
	struct db *db = parts->db;
	bool is_only;

	if (db_begin(db, err_out) != 0 || db_insert(db, &profile_table, profile, err_out) != 0 ||
	    profile_note_sender(db, profile, err_out) != 0 ||
	    seal_wish(parts, profile, wish, err_out) != 0 ||
	    db_update(db, &profile_table, profile, err_out) != 0 ||
	    profile_is_only_one(db, &is_only, err_out) != 0)
		return -1;
	profile->is_default = wish->wants_default || (is_only && !wish->refuses_default);
	if (profile->is_default && db_set_default_profile(db, profile->id, err_out) != 0)
		return -1;
	return db_commit(db, err_out);
}

/* As it will be used: with what its provider gives. */
static int
check_whole(struct call *call, struct profile *profile, struct refusal *refusal_out)
{
	const struct presets *presets = &call->parts->presets;
	struct profile whole;
	int rc;

	bool has_new_host = json_object_get(call->body, "host") != NULL ||
			    json_object_get(call->body, "provider") != NULL;

	if (presets_check_name(presets, &profile->provider, refusal_out) != 0 ||
	    (has_new_host && presets_check_regions(presets, profile, refusal_out) != 0) ||
	    profile_check_links(call->parts->db, profile, refusal_out) != 0)
		return -1;
	if (profile->capture != NULL)
		return profile_check(profile, refusal_out);
	profile_copy(profile, &whole);
	rc = presets_apply(presets, &whole, refusal_out);
	if (rc == 0)
		rc = profile_check(&whole, refusal_out);
	table_row_fini(&profile_table, &whole);
	return rc;
}

static int
add(struct call *call, struct profile *profile, struct refusal *refusal_out)
{
	struct wish wish;
	struct err err;

	if (table_read_json(&profile_table, profile, call->body, FIELD_READ_ONLY, refusal_out) !=
		0 ||
	    read_wish(call, &wish, refusal_out) != 0)
		return -1;
	if (note_secrets(call, profile, &wish, refusal_out) != 0 ||
	    check_whole(call, profile, refusal_out) != 0 ||
	    check_certificate(call, profile, &wish, refusal_out) != 0 ||
	    call_check_new(call, &profile_table, profile->name, refusal_out) != 0)
		return -1;
	profile->version = 1;
	if (write_new(call->parts, profile, &wish, &err) == 0)
		return 0;
	db_rollback(call->parts->db);
	return refuse_unavailable(refusal_out, &err);
}

/* What it shows to the network, as it will be used. */
static void
warn(struct call *call, const struct profile *profile)
{
	struct profile whole;
	struct refusal problem;

	profile_copy(profile, &whole);
	if (presets_apply(&call->parts->presets, &whole, &problem) == 0) {
		profile_apply_defaults(&whole);
		profile_warn(call, &whole);
	}
	table_row_fini(&profile_table, &whole);
}

/* What to look out for is said when the provider, or its host, is chosen. */
static json_t *
with_hints(struct call *call, const struct profile *profile)
{
	json_t *object = profile_to_json(&call->parts->presets, profile);
	const struct provider *provider = presets_provider_of(&call->parts->presets, profile);
	json_t *whole;

	if (provider == NULL)
		return object;
	whole = presets_to_json(provider);
	(void)json_object_set(object, "hints", json_object_get(whole, "hints"));
	json_decref(whole);
	return object;
}

enum handled
api_profile_add(struct call *call, json_t **result_out, struct refusal *refusal_out)
{
	struct profile profile = {0};
	int rc = add(call, &profile, refusal_out);

	if (rc == 0) {
		if (profile.from != NULL)
			parts_tell_senders(call->parts);
		parts_tell_profile(call->parts, profile.id, profile.version);
		if (profile.is_default || profile.from != NULL)
			parts_tell_routes(call->parts);
		*result_out = with_hints(call, &profile);
		warn(call, &profile);
	}
	table_row_fini(&profile_table, &profile);
	return rc == 0 ? CALL_DONE : CALL_REFUSED;
}

/* ---- set ---- */

static int
make_default(struct call *call, struct profile *profile, const struct profile *before,
    struct refusal *refusal_out)
{
	struct db *db = call->parts->db;
	struct err err;

	if (db_begin(db, &err) != 0 || db_set_default_profile(db, profile->id, &err) != 0 ||
	    db_commit(db, &err) != 0) {
		db_rollback(db);
		return refuse_unavailable(refusal_out, &err);
	}
	profile->is_default = true;
	parts_tell_routes(call->parts);
	return 0;
}

/* With another upstream, login or password it may be another method. */
static void
forget_auth(struct profile *profile, const json_t *body)
{
	static const char *const fields[] = {
	    "provider", "host", "port", "tls", "tls_verify", "auth", "username", "password"};

	for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++) {
		if (json_object_get(body, fields[i]) == NULL)
			continue;
		free(profile->auth_worked);
		profile->auth_worked = NULL;
	}
}

static int
read_changes(
    struct call *call, struct profile *profile, struct wish *wish_out, struct refusal *refusal_out)
{
	profile_part(call, profile);
	if (table_read_json(&profile_table, profile, call->body,
		FIELD_READ_ONLY | FIELD_ONLY_AT_ADD, refusal_out) != 0 ||
	    read_wish(call, wish_out, refusal_out) != 0)
		return -1;
	if (wish_out->refuses_default && profile->is_default)
		return refuse(refusal_out, REFUSED_INVALID, "invalid", "default",
		    "default: make another profile the default one instead");
	if (note_secrets(call, profile, wish_out, refusal_out) != 0 ||
	    check_whole(call, profile, refusal_out) != 0)
		return -1;
	return check_certificate(call, profile, wish_out, refusal_out);
}

static int
set(struct call *call, struct profile *profile, const struct profile *before,
    struct refusal *refusal_out)
{
	struct wish wish;
	struct err err;

	if (read_changes(call, profile, &wish, refusal_out) != 0)
		return -1;
	if (seal_wish(call->parts, profile, &wish, &err) != 0 ||
	    profile_note_sender(call->parts->db, profile, &err) != 0)
		return refuse_unavailable(refusal_out, &err);
	if (profile_is_renewed(before, profile)) {
		profile->version++;
		warn(call, profile);
	}
	profile_warn_of_move(call, before, profile);
	forget_auth(profile, call->body);
	if (call_update(call, &profile_table, profile, refusal_out) != 0)
		return -1;
	return wish.wants_default ? make_default(call, profile, before, refusal_out) : 0;
}

static bool
is_same(const char *a, const char *b)
{
	return strcmp(a == NULL ? "" : a, b == NULL ? "" : b) == 0;
}

/* Whom it is chosen for follows from its sender and from who may use it. */
static void
tell_change(struct parts *parts, const struct profile *before, const struct profile *now)
{
	bool has_other_sender = !is_same(before->from, now->from);

	if (has_other_sender)
		parts_tell_senders(parts);
	parts_tell_profile(parts, now->id, now->version);
	if (has_other_sender || !is_same(before->available, now->available))
		parts_tell_routes(parts);
}

/* Finds the profile, changes it, tells everybody, shows it. */
static enum handled
change(struct call *call,
    int (*do_change)(struct call *call, struct profile *profile, const struct profile *before,
	struct refusal *refusal_out),
    json_t **result_out, struct refusal *refusal_out)
{
	struct profile profile, before;
	int rc;

	if (call_find(call, &profile_table, &profile, refusal_out) != 0)
		return CALL_REFUSED;
	profile_copy(&profile, &before);
	rc = do_change(call, &profile, &before, refusal_out);
	if (rc == 0) {
		tell_change(call->parts, &before, &profile);
		*result_out = profile_to_json(&call->parts->presets, &profile);
	}
	table_row_fini(&profile_table, &before);
	table_row_fini(&profile_table, &profile);
	return rc == 0 ? CALL_DONE : CALL_REFUSED;
}

enum handled
api_profile_set(struct call *call, json_t **result_out, struct refusal *refusal_out)
{
	return change(call, set, result_out, refusal_out);
}

enum handled
api_profile_default(struct call *call, json_t **result_out, struct refusal *refusal_out)
{
	return change(call, make_default, result_out, refusal_out);
}

/* Why it is stopped or limited holds on. */
static int
pause_it(struct call *call, struct profile *profile, const struct profile *before,
    struct refusal *refusal_out)
{
	profile->paused = true;
	return call_update(call, &profile_table, profile, refusal_out);
}

static int
resume_it(struct call *call, struct profile *profile, const struct profile *before,
    struct refusal *refusal_out)
{
	profile->paused = false;
	profile->version++;
	return call_update(call, &profile_table, profile, refusal_out);
}

enum handled
api_profile_pause(struct call *call, json_t **result_out, struct refusal *refusal_out)
{
	return change(call, pause_it, result_out, refusal_out);
}

enum handled
api_profile_resume(struct call *call, json_t **result_out, struct refusal *refusal_out)
{
	return change(call, resume_it, result_out, refusal_out);
}
