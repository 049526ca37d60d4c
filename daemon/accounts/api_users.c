/*
 * api_users - the calls about users. Adding one and resetting a password derive a verifier on the
 * pool: the call is checked first, so that a mistake is answered at once, and checked again when
 * the derivation is done, because the database may have changed meanwhile.
 */
#include "common/buf.h"
#include "common/xalloc.h"
#include "daemon/accounts/api_call.h"
#include "daemon/accounts/db_rows.h"
#include "daemon/accounts/password.h"
#include "daemon/accounts/profile.h"
#include "daemon/accounts/profile_links.h"
#include "daemon/accounts/user.h"
#include "daemon/accounts/user_secret.h"
#include "daemon/accounts/userlist.h"
#include "daemon/accounts/verifier.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static json_t *
to_json(struct parts *parts, const void *row)
{
	const struct user *user = row;
	json_t *object = table_to_json(&user_table, row);

	if (user->check == NULL)
		(void)json_object_set_new(object, "check", json_string("both"));
	if (user_secret_is_kept(parts->config->auth.mechanisms))
		(void)json_object_set_new(object, "cram_md5", json_boolean(user->secret != NULL));
	return object;
}

enum handled
api_user_index(struct call *call, json_t **result_out, struct refusal *refusal_out)
{
	bool has_list = json_object_get(call->query, "list") != NULL;
	bool has_profile = json_object_get(call->query, "profile") != NULL;
	const struct table *filter = has_profile ? &profile_table : &userlist_table;

	if (has_list && has_profile) {
		(void)refuse(refusal_out, REFUSED_INVALID, "invalid", "profile",
		    "profile: name a list or a profile, not both");
		return CALL_REFUSED;
	}
	return call_index(call, &user_table, filter, to_json, result_out, refusal_out);
}

enum handled
api_user_show(struct call *call, json_t **result_out, struct refusal *refusal_out)
{
	struct user user;

	if (call_find(call, &user_table, &user, refusal_out) != 0)
		return CALL_REFUSED;
	*result_out = to_json(call->parts, &user);
	table_row_fini(&user_table, &user);
	return CALL_DONE;
}

/* ---- passwords ---- */

/* A password on its way to its verifier. */
struct derivation {
	struct call *call;
	char *shown;    /* as the operator sees it, this once */
	char *prepared; /* as it's compared */
	struct verifier verifier;
	void (*on_done)(struct derivation *derivation);
};

static void
derivation_free(struct derivation *derivation)
{
	password_free(derivation->shown);
	password_free(derivation->prepared);
	explicit_bzero(derivation, sizeof(*derivation));
	free(derivation);
}

static void
derive(void *ctx)
{
	struct derivation *derivation = ctx;

	verifier_derive(&derivation->verifier, derivation->prepared);
}

static void
on_derived(void *ctx)
{
	struct derivation *derivation = ctx;

	derivation->on_done(derivation);
	derivation_free(derivation);
}

/* The body's password, or a new one. */
static int
choose_password(struct call *call, struct derivation *derivation, struct refusal *refusal_out)
{
	const json_t *given = json_object_get(call->body, "password");
	struct err err;

	if (given == NULL || json_is_null(given)) {
		derivation->shown = password_generate();
		verifier_init(&derivation->verifier, VERIFIER_ROUNDS_GENERATED);
	} else if (json_is_string(given)) {
		derivation->shown = xstrdup(json_string_value(given));
		verifier_init(&derivation->verifier, VERIFIER_ROUNDS_CHOSEN);
	} else {
		return refuse(
		    refusal_out, REFUSED_INVALID, "invalid", "password", "password: must be text");
	}
	if (password_prepare(derivation->shown, &derivation->prepared, &err) != 0)
		return refuse(
		    refusal_out, REFUSED_INVALID, "invalid", "password", "password: %s", err.text);
	return 0;
}

static enum handled
start_derivation(
    struct call *call, void (*on_done)(struct derivation *derivation), struct refusal *refusal_out)
{
	struct derivation *derivation = xcalloc(1, sizeof(*derivation));
	int rc;

	derivation->call = call;
	derivation->on_done = on_done;
	rc = choose_password(call, derivation, refusal_out);
	if (rc == 0 && !pool_submit(call->parts->pool, derive, on_derived, derivation))
		rc = refuse(refusal_out, REFUSED_UNAVAILABLE, "busy", NULL,
		    "too many passwords are being checked right now; try again");
	if (rc == 0)
		return CALL_WAITING;
	derivation_free(derivation);
	return CALL_REFUSED;
}

/* What is kept of a password: its verifier, and while CRAM-MD5 is in use itself, sealed. */
static int
set_password(const struct derivation *derivation, struct user *user, struct refusal *refusal_out)
{
	const struct parts *parts = derivation->call->parts;
	struct buf text;
	struct err err;

	buf_init(&text);
	verifier_format(&derivation->verifier, &text);
	free(user->verifier);
	user->verifier = buf_give(&text);
	free(user->secret);
	user->secret = NULL;
	if (user_secret_is_kept(parts->config->auth.mechanisms) &&
	    user_secret_seal(user, parts->seal_key, derivation->prepared, &err) != 0)
		return refuse_unavailable(refusal_out, &err);
	return 0;
}

/* ---- what a mail client asks for ---- */

static const char *
encryption_name(enum listener_tls tls)
{
	static const char *const names[] = {"none", "starttls", "implicit", "auto"};

	return names[tls];
}

/* One port or range for each element of `ports`, its encryption at the same place. */
static void
add_listeners(json_t *object, const struct config *config)
{
	json_t *ports = json_array(), *encryption = json_array();

	for (size_t i = 0; i < config->listener_count; i++) {
		const struct config_listener *listener = &config->listeners[i];

		for (size_t j = 0; j < listener->port_count; j++) {
			const struct port_range *range = &listener->ports[j];
			char text[16];

			(void)snprintf(text, sizeof(text),
			    range->first == range->last ? "%u" : "%u-%u", range->first,
			    range->last);
			(void)json_array_append_new(ports, json_string(text));
			(void)json_array_append_new(
			    encryption, json_string(encryption_name(listener->tls)));
		}
	}
	(void)json_object_set_new(object, "ports", ports);
	(void)json_object_set_new(object, "encryption", encryption);
}

static json_t *
with_password(struct parts *parts, const struct user *user, const char *password)
{
	json_t *object = to_json(parts, user);

	(void)json_object_set_new(object, "password", json_string(password));
	(void)json_object_set_new(object, "server", json_string(parts->config->hostname));
	add_listeners(object, parts->config);
	return object;
}

/* ---- add ---- */

static int
read_new(struct call *call, struct user *user, struct refusal *refusal_out)
{
	user_init(user);
	if (table_read_json(&user_table, user, call->body, FIELD_READ_ONLY, refusal_out) != 0 ||
	    user_check(call->parts->db, user, refusal_out) != 0)
		return -1;
	return call_check_new(call, &user_table, user->login, refusal_out);
}

static void
finish_add(struct derivation *derivation)
{
	struct call *call = derivation->call;
	struct refusal refusal;
	struct user user;
	int rc = read_new(call, &user, &refusal);

	if (rc == 0)
		rc = set_password(derivation, &user, &refusal);
	if (rc == 0)
		rc = call_insert(call, &user_table, &user, &refusal);
	if (rc == 0) {
		parts_tell_user(call->parts, user.id);
		call_answer(call, with_password(call->parts, &user, derivation->shown));
	} else {
		call_refuse(call, &refusal);
	}
	table_row_fini(&user_table, &user);
}

enum handled
api_user_add(struct call *call, json_t **result_out, struct refusal *refusal_out)
{
	struct user user;
	int rc = read_new(call, &user, refusal_out);

	table_row_fini(&user_table, &user);
	return rc == 0 ? start_derivation(call, finish_add, refusal_out) : CALL_REFUSED;
}

/* ---- reset-password ---- */

static void
finish_reset(struct derivation *derivation)
{
	struct call *call = derivation->call;
	struct refusal refusal;
	struct user user;
	int rc;

	if (call_find(call, &user_table, &user, &refusal) != 0) {
		call_refuse(call, &refusal);
		return;
	}
	rc = set_password(derivation, &user, &refusal);
	user.credential++; /* sessions that are open must log in again */
	if (rc == 0)
		rc = call_update(call, &user_table, &user, &refusal);
	if (rc == 0) {
		parts_tell_user(call->parts, user.id);
		call_answer(call, with_password(call->parts, &user, derivation->shown));
	} else {
		call_refuse(call, &refusal);
	}
	table_row_fini(&user_table, &user);
}

enum handled
api_user_reset(struct call *call, json_t **result_out, struct refusal *refusal_out)
{
	struct user user;

	if (call_check_no_fields(call, "password", refusal_out) != 0 ||
	    call_find(call, &user_table, &user, refusal_out) != 0)
		return CALL_REFUSED;
	table_row_fini(&user_table, &user);
	return start_derivation(call, finish_reset, refusal_out);
}

/* ---- set, remove ---- */

static int
set(struct call *call, struct user *user, struct refusal *refusal_out)
{
	if (json_object_get(call->body, "password") != NULL)
		return refuse(refusal_out, REFUSED_INVALID, "invalid", "password",
		    "password: is changed with user reset-password");
	if (table_read_json(&user_table, user, call->body, FIELD_READ_ONLY | FIELD_ONLY_AT_ADD,
		refusal_out) != 0 ||
	    user_check(call->parts->db, user, refusal_out) != 0)
		return -1;
	return call_update(call, &user_table, user, refusal_out);
}

/* Whoever takes a restriction away may not have meant to. */
static void
warn_of_freedom(json_t *object, const struct user *user)
{
	char *text = xasprintf("%s may now send as anybody", user->login);

	(void)json_object_set_new(object, "warning", json_string(text));
	free(text);
}

enum handled
api_user_set(struct call *call, json_t **result_out, struct refusal *refusal_out)
{
	struct user user;
	bool was_restricted;
	int rc;

	if (call_find(call, &user_table, &user, refusal_out) != 0)
		return CALL_REFUSED;
	was_restricted = user_is_restricted(&user);
	rc = set(call, &user, refusal_out);
	if (rc == 0) {
		parts_tell_user(call->parts, user.id);
		*result_out = to_json(call->parts, &user);
		if (was_restricted && !user_is_restricted(&user))
			warn_of_freedom(*result_out, &user);
	}
	table_row_fini(&user_table, &user);
	return rc == 0 ? CALL_DONE : CALL_REFUSED;
}

enum handled
api_user_remove(struct call *call, json_t **result_out, struct refusal *refusal_out)
{
	struct user user;
	char *item;
	int rc;

	if (call_find(call, &user_table, &user, refusal_out) != 0)
		return CALL_REFUSED;
	item = xasprintf("user:%s", user.login);
	rc = profile_check_unnamed(call->parts->db, item, refusal_out);
	free(item);
	if (rc == 0)
		rc = call_remove(call, &user_table, user.id, refusal_out);
	if (rc == 0) {
		parts_tell_user_gone(call->parts, user.id);
		*result_out = to_json(call->parts, &user);
	}
	table_row_fini(&user_table, &user);
	return rc == 0 ? CALL_DONE : CALL_REFUSED;
}
