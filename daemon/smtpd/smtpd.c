/*
 * smtpd - the role's entry: sockets to listen on, links to accounts and queue, TLS contexts and
 * their reload, the drain.
 */
#include "daemon/smtpd/smtpd.h"

#include "common/log.h"
#include "common/xalloc.h"
#include "daemon/core/tls.h"
#include "daemon/core/tls_tickets.h"
#include "daemon/smtpd/client.h"
#include "daemon/smtpd/ebb.h"
#include "daemon/smtpd/listener.h"

#ifdef HAVE_MALLOC_TRIM
#include <malloc.h>
#endif
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

#define TURNED_AWAY 256
#define OTHER_FILES 64 /* links, log, epoll … */
#define VERSION_COUNT (TLS_VERSION_1_3 + 1)

struct smtpd {
	struct role_context *role;
	struct listeners *listeners;
	struct client_house house;
	/* One for each lowest version that a listener takes; NULL: none asks for it, or there is
	 * no certificate. */
	struct tls_context *contexts[VERSION_COUNT];
	struct tls_tickets *tickets;
	struct ebb *ebb;
	struct timer *drain; /* NULL: not draining */
	bool is_drained;
};

/* ---- TLS ---- */

static bool
is_version_used(const struct config *config, enum tls_version version)
{
	for (size_t i = 0; i < config->listener_count; i++)
		if (config->listeners[i].tls != LISTENER_NONE &&
		    config->listeners[i].min_version == version)
			return true;
	return false;
}

static void
release_contexts(struct tls_context *contexts[VERSION_COUNT])
{
	for (unsigned version = 0; version < VERSION_COUNT; version++) {
		tls_release(contexts[version]);
		contexts[version] = NULL;
	}
}

static int
make_contexts_of(struct smtpd *smtpd, const struct tls_server_settings *every,
    struct tls_context *contexts[VERSION_COUNT], struct err *err_out)
{
	struct tls_server_settings settings = *every;

	for (unsigned version = 0; version < VERSION_COUNT && settings.pair_count > 0; version++) {
		if (!is_version_used(smtpd->role->config, version))
			continue;
		settings.min_version = version;
		contexts[version] = tls_server_new(&settings, err_out);
		if (contexts[version] == NULL) {
			release_contexts(contexts);
			return -1;
		}
	}
	return 0;
}

/* The keys' PEM texts are of no use afterwards. */
static int
make_contexts(struct smtpd *smtpd, struct tls_context *contexts[VERSION_COUNT], struct err *err_out)
{
	struct role_context *role = smtpd->role;
	struct tls_pair pairs[TLS_PAIRS_MAX];
	const struct tls_server_settings settings = {.pairs = pairs,
	    .pair_count = role_file_count(role, FILE_TLS_CERTIFICATE),
	    .tickets = smtpd->tickets,
	    .ticket_lifetime_s = (long)(2 * role->config->tls.ticket_rotation_ms / 1000)};
	int result;

	ensure(settings.pair_count <= TLS_PAIRS_MAX);
	for (unsigned i = 0; i < settings.pair_count; i++)
		pairs[i] = (struct tls_pair){role_file_at(role, FILE_TLS_CERTIFICATE, i),
		    role_file_at(role, FILE_TLS_KEY, i)};
	result = make_contexts_of(smtpd, &settings, contexts, err_out);
	role_forget_file(role, FILE_TLS_KEY);
	return result;
}

static int
take_ticket_keys(struct smtpd *smtpd, struct err *err_out)
{
	int result =
	    tls_tickets_set(smtpd->tickets, role_file(smtpd->role, FILE_TICKET_KEYS), err_out);

	role_forget_file(smtpd->role, FILE_TICKET_KEYS);
	return result;
}

/* ---- clients ---- */

/* Accounts keeps to limits.connections; this is what keeps one process from running out of
 * descriptors. Those who are turned away need one for a moment too. */
static unsigned
connection_limit(const struct smtpd *smtpd)
{
	uint64_t wanted = (uint64_t)smtpd->role->config->limits.connections + TURNED_AWAY;
	uint64_t others = listeners_door_count(smtpd->listeners) + OTHER_FILES;
	struct rlimit files;

	if (getrlimit(RLIMIT_NOFILE, &files) != 0)
		files.rlim_cur = 1024;
	if (files.rlim_cur < others + wanted)
		wanted = files.rlim_cur > others ? files.rlim_cur - others : 1;
	return (unsigned)wanted;
}

static void
on_accept(const struct listener_guest *guest, void *ctx)
{
	struct smtpd *smtpd = ctx;
	const struct config *config = smtpd->role->config;
	struct client_door door = {.tls = LISTENER_NONE};

	if (guest->listener < config->listener_count) {
		const struct config_listener *listener = &config->listeners[guest->listener];

		door.tls = listener->tls;
		if (door.tls != LISTENER_NONE)
			door.context = smtpd->contexts[listener->min_version];
	}
	if (door.tls == LISTENER_IMPLICIT && door.context == NULL) {
		log_problem(LOG_ERROR, "a client of an implicit-TLS port was sent away: there is "
				       "no certificate");
		(void)close(guest->fd);
		listeners_release_client(smtpd->listeners);
		return;
	}
	ebb_come(smtpd->ebb);
	client_open(&smtpd->house, guest, &door);
}

static void
give_memory_back(void)
{
#ifdef HAVE_MALLOC_TRIM
	(void)malloc_trim(0);
#endif
}

static void
finish_drain(struct smtpd *smtpd)
{
	if (smtpd->drain == NULL || smtpd->is_drained || !list_is_empty(&smtpd->house.clients))
		return;
	smtpd->is_drained = true;
	role_drained(smtpd->role);
}

static void
on_client_gone(void *ctx)
{
	struct smtpd *smtpd = ctx;

	listeners_release_client(smtpd->listeners);
	ebb_go(smtpd->ebb);
	finish_drain(smtpd);
}

/* ---- what role_run() calls ---- */

static int
start(struct role_context *role, struct err *err_out)
{
	struct smtpd *smtpd = xcalloc(1, sizeof(*smtpd));

	smtpd->role = role;
	role->state = smtpd;
	smtpd->tickets = tls_tickets_new();
	if (take_ticket_keys(smtpd, err_out) != 0 ||
	    make_contexts(smtpd, smtpd->contexts, err_out) != 0)
		return -1;
	smtpd->listeners = listeners_new(role->loop, 1, on_accept, smtpd);
	smtpd->ebb = ebb_new(role->loop, give_memory_back);
	smtpd->house.role = role;
	smtpd->house.grants = grant_table_new();
	smtpd->house.handoff = handoff_new();
	smtpd->house.user_limits = user_limits_new();
	smtpd->house.lease = lease_new(role->loop, admission_give_back, &smtpd->house);
	smtpd->house.on_gone = on_client_gone;
	smtpd->house.ctx = smtpd;
	list_init(&smtpd->house.clients);
	return 0;
}

/* Clients that are connected keep the config and the certificate they were greeted under. */
static void
reload(struct role_context *role)
{
	struct smtpd *smtpd = role->state;
	struct tls_context *contexts[VERSION_COUNT] = {NULL};
	struct err err;

	listeners_set_limit(smtpd->listeners, connection_limit(smtpd));
	if (make_contexts(smtpd, contexts, &err) != 0) {
		log_problem(LOG_ERROR, "the certificate in use stays: %s", err.text);
		return;
	}
	release_contexts(smtpd->contexts);
	for (unsigned version = 0; version < VERSION_COUNT; version++)
		smtpd->contexts[version] = contexts[version];
}

/* New keys come by themselves, and with every reload. */
static void
on_file(struct role_context *role, enum file_kind kind)
{
	struct err err;

	if (kind == FILE_TICKET_KEYS && take_ticket_keys(role->state, &err) != 0)
		log_problem(LOG_ERROR, "%s", err.text);
}

static void
on_link(struct role_context *role, struct link *link)
{
	struct smtpd *smtpd = role->state;

	if (link_peer(link) == ROLE_QUEUE)
		handoff_on_link(smtpd->house.handoff, link);
	else if (link_peer(link) == ROLE_ACCOUNTS)
		admission_tell_all(&smtpd->house, link);
}

static void
on_link_lost(struct role_context *role, struct link *link)
{
	struct smtpd *smtpd = role->state;

	if (link_peer(link) == ROLE_QUEUE) {
		handoff_on_link_lost(smtpd->house.handoff);
		user_limits_forget_all(smtpd->house.user_limits);
	} else if (link_peer(link) == ROLE_ACCOUNTS) {
		grant_table_forget_all(smtpd->house.grants);
		lease_forget(smtpd->house.lease);
	}
}

static void
on_message(struct role_context *role, struct link *link, const struct link_message *message)
{
	struct smtpd *smtpd = role->state;

	switch (message->kind) {
	case MSG_GRANT:
		(void)grant_table_put(smtpd->house.grants, &message->body->grant);
		break;
	case MSG_LEASE_END:
		lease_end(smtpd->house.lease);
		break;
	case MSG_INTAKE:
		handoff_on_state(smtpd->house.handoff, &message->body->intake);
		break;
	case MSG_USER_LIMIT:
		user_limits_put(smtpd->house.user_limits, &message->body->user_limit);
		break;
	case MSG_CREDIT:
		handoff_on_credit(smtpd->house.handoff, &message->body->credit);
		break;
	default:
		log_trace("smtpd has no use for %s", message_name(message->kind));
	}
}

static void
on_listen(struct role_context *role, unsigned listener, int fd)
{
	listeners_add(((struct smtpd *)role->state)->listeners, listener, fd);
}

static void
on_listen_done(struct role_context *role)
{
	struct smtpd *smtpd = role->state;

	listeners_replace(smtpd->listeners);
	listeners_set_limit(smtpd->listeners, connection_limit(smtpd));
}

static void
on_drain_over(void *ctx)
{
	struct smtpd *smtpd = ctx;

	client_close_all(&smtpd->house);
	finish_drain(smtpd);
}

static void
drain(struct role_context *role, int64_t within_ms)
{
	struct smtpd *smtpd = role->state;

	listeners_close(smtpd->listeners);
	if (smtpd->drain == NULL)
		smtpd->drain = timer_new(role->loop, on_drain_over, smtpd);
	timer_set(smtpd->drain, within_ms);
	client_drain_all(&smtpd->house);
	finish_drain(smtpd);
}

static void
smtpd_free(void *object)
{
	struct smtpd *smtpd = object;

	listeners_free(smtpd->listeners);
	grant_table_free(smtpd->house.grants);
	handoff_free(smtpd->house.handoff);
	user_limits_free(smtpd->house.user_limits);
	lease_free(smtpd->house.lease);
	release_contexts(smtpd->contexts);
	tls_tickets_release(smtpd->tickets);
	timer_free(smtpd->drain);
	ebb_free(smtpd->ebb);
	free(smtpd);
}

/* The clients are freed at the end of the turn, and what they stand on after them. */
static void
stop(struct role_context *role)
{
	struct smtpd *smtpd = role->state;

	client_close_all(&smtpd->house);
	loop_free_later(role->loop, smtpd_free, smtpd);
}

const struct role_ops smtpd_ops = {
    .start = start,
    .reload = reload,
    .on_file = on_file,
    .on_link = on_link,
    .on_link_lost = on_link_lost,
    .on_message = on_message,
    .on_listen = on_listen,
    .on_listen_done = on_listen_done,
    .drain = drain,
    .stop = stop,
};
