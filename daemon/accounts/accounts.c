/*
 * accounts - the entry of the accounts role: opens accounts.db and hands each message to the
 * module that answers it.
 *
 * The database is small and is used on the loop itself. A client that logs in waits for one
 * commit at the most: an operator's change is one transaction, alerts are gathered and written a
 * few times a second. Key derivation, which takes milliseconds, runs on a pool.
 */
#include "daemon/accounts/accounts.h"

#include "common/log.h"
#include "common/place.h"
#include "common/xalloc.h"
#include "daemon/accounts/api.h"
#include "daemon/accounts/gate.h"
#include "daemon/accounts/parts.h"
#include "daemon/accounts/profile_links.h"
#include "daemon/accounts/profile_oauth.h"
#include "daemon/accounts/routes.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define DERIVATIONS_WAITING_MAX 256 /* under a second of work on one CPU */
#define THREADS_MAX 16
#define DATABASE "accounts.db"
#define PLACE_EVERY_MS 1000

struct accounts {
	struct parts parts;
	struct api *api;
	struct timer *place_timer;
	struct place place; /* of the accounts.db that is open */
	bool is_misplaced;  /* it wasn't there a second ago */
};

static unsigned
thread_count(void)
{
	long cpus = sysconf(_SC_NPROCESSORS_ONLN);

	if (cpus < 1)
		return 1;
	return cpus > THREADS_MAX ? THREADS_MAX : (unsigned)cpus;
}

static void
accounts_free(struct accounts *accounts)
{
	/* The pool first: what it still has is told to the others. */
	pool_free(accounts->parts.pool);
	timer_free(accounts->place_timer);
	api_free(accounts->api);
	sasl_free(accounts->parts.sasl);
	grants_free(accounts->parts.grants);
	presence_free(accounts->parts.presence);
	guessing_free(accounts->parts.guessing);
	alerts_free(accounts->parts.alerts);
	db_close(accounts->parts.db);
	presets_fini(&accounts->parts.presets);
	free(accounts);
}

/* All of it can still be read, but only by the process that has it open. */
static void
on_place_timer(void *ctx)
{
	static const char reason[] =
	    DATABASE " was removed or replaced while it is in use: users and profiles are whole "
		     "until a stop, which would lose them: posternctl queue backup saves them";
	struct accounts *accounts = ctx;
	bool is_misplaced = !place_is_kept(&accounts->place, DATABASE);

	timer_set(accounts->place_timer, PLACE_EVERY_MS);
	if (is_misplaced && !accounts->is_misplaced) {
		log_problem(LOG_ERROR, "%s", reason);
		alerts_raise(accounts->parts.alerts, &(struct msg_alert){.kind = "accounts-removed",
							 .user = "",
							 .list = "",
							 .address = "",
							 .detail = reason});
	}
	accounts->is_misplaced = is_misplaced;
}

static int
open_database(struct accounts *accounts, struct err *err_out)
{
	(void)umask(077);
	if (db_open(DATABASE, &accounts->parts.db, err_out) != 0)
		return -1;
	if (place_note(&accounts->place, DATABASE) != 0)
		return err_set(err_out, DATABASE ": %s", strerror(errno));
	accounts->place_timer = timer_new(accounts->parts.loop, on_place_timer, accounts);
	timer_set(accounts->place_timer, PLACE_EVERY_MS);
	return 0;
}

static int
open_parts(struct accounts *accounts, struct err *err_out)
{
	struct parts *parts = &accounts->parts;
	struct sasl_parts sasl;

	if (open_database(accounts, err_out) != 0)
		return -1;
	parts->pool = pool_new(parts->loop, thread_count(), DERIVATIONS_WAITING_MAX);
	parts->presence = presence_new(parts->loop, parts->config);
	parts->grants = grants_new(parts->db, parts->presence, parts->config->sender_authorization);
	parts->alerts = alerts_new(parts->loop, parts->db, parts->config->alerts.interval_ms);
	if (guessing_new(&(struct guessing_parts){.loop = parts->loop,
			     .db = parts->db,
			     .alerts = parts->alerts,
			     .config = parts->config},
		&parts->guessing, err_out) != 0)
		return -1;
	accounts->api = api_new(parts);
	sasl = (struct sasl_parts){
	    .loop = parts->loop,
	    .db = parts->db,
	    .pool = parts->pool,
	    .presence = parts->presence,
	    .grants = parts->grants,
	    .mechanisms = parts->config->auth.mechanisms,
	    .seal_key = &parts->seal_key,
	    .shut_until = gate_shut_until,
	    .on_attempt = gate_on_attempt,
	    .ctx = parts,
	};
	return sasl_new(&sasl, &parts->sasl, err_out);
}

static int
start(struct role_context *role, struct err *err_out)
{
	struct accounts *accounts = xcalloc(1, sizeof(*accounts));

	accounts->parts.loop = role->loop;
	accounts->parts.config = role->config;
	accounts->parts.seal_key = role_file(role, FILE_SEAL_KEY);
	if (open_parts(accounts, err_out) != 0) {
		accounts_free(accounts);
		return -1;
	}
	presets_read(&accounts->parts.presets, role_file(role, FILE_PROVIDERS),
	    role_file(role, FILE_OWN_PROVIDERS));
	/* Of one that was given its sender before senders were told apart. */
	if (profile_note_senders(accounts->parts.db, err_out) != 0) {
		accounts_free(accounts);
		return -1;
	}
	parts_check_secrets(&accounts->parts);
	parts_check_presets(&accounts->parts);
	parts_drop_secrets(&accounts->parts);
	role->state = accounts;
	return 0;
}

static void
reload(struct role_context *role)
{
	struct accounts *accounts = role->state;
	struct parts *parts = &accounts->parts;

	parts->config = role->config;
	sasl_set_mechanisms(parts->sasl, role->config->auth.mechanisms);
	parts_drop_secrets(parts);
	presence_set_config(parts->presence, role->config);
	gate_call_back(parts);
	guessing_set_config(parts->guessing, role->config);
	grants_set_unauthorized(parts->grants, role->config->sender_authorization);
	alerts_set_interval(parts->alerts, role->config->alerts.interval_ms);
	parts_take_presets(
	    parts, role_file(role, FILE_PROVIDERS), role_file(role, FILE_OWN_PROVIDERS));
}

/* What was there before is gone already, and logins may come ahead of the reload. */
static void
on_file(struct role_context *role, enum file_kind kind)
{
	struct accounts *accounts = role->state;

	if (kind == FILE_SEAL_KEY)
		accounts->parts.seal_key = role_file(role, FILE_SEAL_KEY);
}

static void
on_link(struct role_context *role, struct link *link)
{
	struct accounts *accounts = role->state;

	if (link_peer(link) == ROLE_RELAY)
		accounts->parts.relay = link;
	if (link_peer(link) == ROLE_SMTPD)
		accounts->parts.smtpds[link_peer_index(link)] = link;
	if (link_peer(link) != ROLE_QUEUE)
		return;
	accounts->parts.queue = link;
	routes_send_map(&accounts->parts);
}

static void
on_link_lost(struct role_context *role, struct link *link)
{
	struct accounts *accounts = role->state;

	if (accounts->parts.relay == link)
		accounts->parts.relay = NULL;
	if (accounts->parts.queue == link)
		accounts->parts.queue = NULL;
	if (link_peer(link) == ROLE_SMTPD) {
		accounts->parts.smtpds[link_peer_index(link)] = NULL;
		presence_forget_smtpd(accounts->parts.presence, link_peer_index(link));
	}
	sasl_forget_link(accounts->parts.sasl, link);
	grants_forget_link(accounts->parts.grants, link);
	api_forget_link(accounts->api, link);
}

static void
on_message(struct role_context *role, struct link *link, const struct link_message *message)
{
	struct accounts *accounts = role->state;
	struct parts *parts = &accounts->parts;
	const union message *body = message->body;
	uint32_t id = message->request_id;

	switch (message->kind) {
	case MSG_SASL_STEP:
		sasl_step(parts->sasl, link, id, &body->sasl_step);
		break;
	case MSG_ADMIT:
		gate_admit(parts, link, id, &body->admit);
		break;
	case MSG_ABUSE:
		gate_abuse(parts, link, &body->abuse);
		break;
	case MSG_LEFT:
		gate_leave(parts, link, &body->left);
		break;
	case MSG_PRESENT:
		gate_restore(parts, link, &body->present);
		break;
	case MSG_LEASE_END:
		gate_end_lease(parts, link);
		break;
	case MSG_GRANT_GET:
		grants_answer(parts->grants, link, id, &body->grant_get);
		break;
	case MSG_PROFILE_GET:
		parts_answer_profile(parts, link, id, &body->profile_get);
		break;
	case MSG_AUTH_WORKED:
		parts_note_auth(parts, &body->auth_worked);
		break;
	case MSG_TOKEN_STORE:
		profile_oauth_store(parts, link, id, &body->token_store);
		break;
	case MSG_ALERT:
		alerts_raise(parts->alerts, &body->alert);
		break;
	case MSG_CALL:
		api_call(accounts->api, link, id, &body->call);
		break;
	default:
		log_trace("accounts has no use for %s", message_name(message->kind));
		break;
	}
}

/* What is asked is answered until the links close: there is nothing to finish. */
static void
drain(struct role_context *role, int64_t within_ms)
{
	role_drained(role);
}

static void
stop(struct role_context *role)
{
	accounts_free(role->state);
	role->state = NULL;
}

const struct role_ops accounts_ops = {
    .start = start,
    .reload = reload,
    .on_file = on_file,
    .on_link = on_link,
    .on_link_lost = on_link_lost,
    .on_message = on_message,
    .drain = drain,
    .stop = stop,
};
