/*
 * relay - the entry of the relay role: what queue gives goes to upstreams, what became of it goes
 * back and is kept until queue has it on disk.
 */
#include "daemon/relay/relay.h"

#include "common/log.h"
#include "common/xalloc.h"
#include "daemon/core/pool.h"
#include "daemon/relay/delivery.h"
#include "daemon/relay/dns.h"
#include "daemon/relay/logins.h"
#include "daemon/relay/pop3_keeper.h"
#include "daemon/relay/profile_test.h"
#include "daemon/relay/report.h"
#include "daemon/relay/rework.h"
#include "daemon/relay/token_service.h"
#include "daemon/relay/upstream.h"

#include <stdlib.h>

#define POOL_THREADS 2
#define POOL_WAITING 100000
#define ATTEMPTS_PER_MESSAGE 5000
#define DOT_WAIT_MS (60 * 1000) /* at the end, for replies to a final dot */
#define REPORT_MS 1000          /* and then for queue to write the last reports down */

struct relay {
	struct role_context *role;
	struct dns *dns;
	struct pool *pool;
	struct token_service *tokens;
	struct profile_surroundings surroundings;
	struct reports *reports;
	struct deliveries *deliveries;
	struct reworks *reworks;
	struct upstreams *upstreams;
	struct logins *logins;
	struct pop3_keeper *pop3_keeper;
	struct profile_tests *tests;
	struct timer *drain;
	bool has_given_up; /* while draining */
};

/* ---- start and reload ---- */

static struct tls_store *
read_system_cas(const struct role_context *role)
{
	struct msg_bytes pem = role_file(role, FILE_SYSTEM_CAS);
	struct err err;
	struct tls_store *store = pem.size > 0 ? tls_store_new(pem, &err) : NULL;

	if (store == NULL)
		log_problem(LOG_WARNING,
		    "the system's CA certificates can't be used (%s): profiles need a CA of "
		    "their own, a fingerprint, or tls_verify = no",
		    pem.size > 0 ? err.text : "there are none");
	return store;
}

/* The method that an upstream took is what the next start begins with. */
static void
on_worked(uint64_t profile_id, uint32_t version, const char *method, void *ctx)
{
	struct relay *relay = ctx;
	struct link *accounts = role_link(relay->role, ROLE_ACCOUNTS, 0);
	const struct msg_auth_worked message = {
	    .profile_id = profile_id, .version = version, .method = method};

	if (accounts != NULL)
		link_send(accounts, MSG_AUTH_WORKED, &message);
}

/* The parent has read them before, and found nothing wrong. */
static int
read_rules(const struct role_context *role, struct reply_rules **rules_out, struct err *err_out)
{
	struct msg_bytes text = role_file(role, FILE_REPLIES);

	return reply_rules_parse(
	    "replies.conf", (const char *)text.at, text.size, rules_out, err_out);
}

static void on_drain_timer(void *ctx);

static int
start(struct role_context *role, struct err *err_out)
{
	struct relay *relay = xcalloc(1, sizeof(*relay));
	struct upstreams_settings settings = {.role = role};

	relay->role = role;
	if (read_rules(role, &relay->surroundings.rules, err_out) != 0) {
		free(relay);
		return -1;
	}
	relay->dns = dns_new(
	    role->loop, role_file(role, FILE_RESOLV_CONF), role_file(role, FILE_HOSTS), err_out);
	if (relay->dns != NULL)
		relay->tokens = token_service_new(role, relay->dns, err_out);
	if (relay->tokens == NULL) {
		if (relay->dns != NULL)
			dns_free(relay->dns);
		reply_rules_release(relay->surroundings.rules);
		free(relay);
		return -1;
	}
	relay->surroundings.tokens = token_service_tokens(relay->tokens);
	role->state = relay;
	relay->surroundings.hostname = role->config->hostname;
	relay->surroundings.system_cas = read_system_cas(role);
	relay->pool = pool_new(role->loop, POOL_THREADS, POOL_WAITING);
	relay->logins = logins_new(role->loop, on_worked, relay);
	relay->surroundings.pool = relay->pool;
	relay->surroundings.logins = relay->logins;
	relay->pop3_keeper = pop3_keeper_new(role->loop, relay->dns);
	relay->surroundings.pop3_keeper = relay->pop3_keeper;
	relay->reports = reports_new();
	relay->deliveries = deliveries_new(role->loop, relay->reports);
	relay->reworks = reworks_new(role, relay->deliveries);
	settings.dns = relay->dns;
	settings.reworks = relay->reworks;
	settings.pool = relay->pool;
	settings.surroundings = relay->surroundings;
	relay->upstreams = upstreams_new(&settings);
	relay->tests =
	    profile_tests_new(role, relay->dns, relay->pool, &relay->surroundings, relay->reworks);
	relay->drain = timer_new(role->loop, on_drain_timer, relay);
	return 0;
}

static void
reload(struct role_context *role)
{
	struct relay *relay = role->state;
	struct tls_store *old = relay->surroundings.system_cas;
	struct reply_rules *old_rules = relay->surroundings.rules;
	struct err err;

	if (dns_reload(relay->dns, role_file(role, FILE_RESOLV_CONF), role_file(role, FILE_HOSTS),
		&err) != 0)
		log_problem(LOG_ERROR, "%s", err.text);
	token_service_reload(relay->tokens);
	relay->surroundings.hostname = role->config->hostname;
	relay->surroundings.system_cas = read_system_cas(role);
	if (read_rules(role, &relay->surroundings.rules, &err) != 0) {
		log_problem(LOG_ERROR, "%s", err.text);
		relay->surroundings.rules = reply_rules_hold(old_rules);
	}
	pop3_keeper_rest(relay->pop3_keeper);
	upstreams_set_surroundings(relay->upstreams, &relay->surroundings);
	if (old != NULL)
		tls_store_release(old);
	reply_rules_release(old_rules);
}

static void
stop(struct role_context *role)
{
	struct relay *relay = role->state;

	profile_tests_free(relay->tests);
	upstreams_free(relay->upstreams);
	token_service_free(relay->tokens);
	pool_free(relay->pool);
	deliveries_free(relay->deliveries);
	reworks_free(relay->reworks);
	reports_free(relay->reports);
	pop3_keeper_free(relay->pop3_keeper);
	logins_free(relay->logins);
	dns_free(relay->dns);
	timer_free(relay->drain);
	if (relay->surroundings.system_cas != NULL)
		tls_store_release(relay->surroundings.system_cas);
	reply_rules_release(relay->surroundings.rules);
	free(relay);
}

/* ---- queue ---- */

static void
send_in_flight(struct link *queue, struct msg_list all)
{
	struct rec_attempt attempt;
	bool has_more = message_list_next(&all, REC_ATTEMPT, &attempt);

	do {
		struct msg_list_builder part = {0};
		struct msg_in_flight message;

		for (; has_more && part.count < ATTEMPTS_PER_MESSAGE;
		     has_more = message_list_next(&all, REC_ATTEMPT, &attempt))
			message_list_add(&part, REC_ATTEMPT, &attempt);
		message = (struct msg_in_flight){
		    .attempts = message_list_value(&part), .is_last = !has_more};
		link_send(queue, MSG_IN_FLIGHT, &message);
		message_list_fini(&part);
	} while (has_more);
}

static void
greet_queue(struct relay *relay, struct link *queue)
{
	struct msg_list_builder attempts = {0};

	deliveries_list(relay->deliveries, &attempts);
	reports_list(relay->reports, &attempts);
	send_in_flight(queue, message_list_value(&attempts));
	message_list_fini(&attempts);
	deliveries_set_link(relay->deliveries, queue);
	reports_set_link(relay->reports, queue);
	reports_send_all(relay->reports);
}

/* The rest of its body will not come. */
static void
cancel_incomplete(struct delivery *delivery, void *ctx)
{
	if (!delivery->is_complete && !delivery->is_from_mime)
		(void)upstreams_cancel(delivery, "the queue went away");
}

static void
on_deliver(struct relay *relay, const struct msg_deliver *message)
{
	struct delivery *delivery;

	if (deliveries_find(relay->deliveries, message->attempt) != NULL) {
		log_problem(LOG_ERROR, "queue gave an attempt twice");
		return;
	}
	delivery = delivery_new(relay->deliveries, message);
	if (delivery != NULL)
		upstreams_deliver(relay->upstreams, delivery);
}

static void
on_body(struct relay *relay, const struct link *from, const struct link_message *message)
{
	struct delivery *delivery = deliveries_find(relay->deliveries, message->body->body.stream);
	bool is_from_mime = link_peer(from) == ROLE_MIME;

	if (delivery == NULL && is_from_mime)
		profile_tests_on_body(relay->tests, message);
	if (delivery == NULL || delivery->is_complete || delivery->is_from_mime != is_from_mime)
		return; /* it has ended meanwhile */
	delivery_add_body(delivery, message);
	if (is_from_mime)
		rework_on_return(delivery->rework);
	if (delivery->rework != NULL && !is_from_mime)
		rework_on_body(delivery->rework);
	else
		upstreams_on_body(delivery);
}

static void
cancel(struct delivery *delivery, const char *reason)
{
	(void)upstreams_cancel(delivery, reason);
}

static void
on_abort(struct relay *relay, uint64_t attempt)
{
	struct delivery *delivery = deliveries_find(relay->deliveries, attempt);

	if (delivery != NULL)
		(void)upstreams_cancel(delivery, "the queue took it back");
}

/* ---- drain ---- */

static void
check_drained(struct relay *relay)
{
	if (!relay->role->is_draining || deliveries_count(relay->deliveries) > 0 ||
	    !reports_is_empty(relay->reports))
		return;
	timer_stop(relay->drain);
	role_drained(relay->role);
}

static void
cancel_at_end(struct delivery *delivery, void *ctx)
{
	(void)upstreams_cancel(delivery, "the relay is stopping");
}

static void
give_up(struct delivery *delivery, void *ctx)
{
	if (delivery->slot != NULL)
		upstreams_give_up(delivery);
}

static void
on_drain_timer(void *ctx)
{
	struct relay *relay = ctx;

	if (relay->has_given_up) {
		role_drained(relay->role);
		return;
	}
	relay->has_given_up = true;
	deliveries_each(relay->deliveries, give_up, NULL);
	timer_set(relay->drain, REPORT_MS);
}

static void
drain(struct role_context *role, int64_t within_ms)
{
	struct relay *relay = role->state;
	int64_t wait_ms = within_ms - REPORT_MS;

	pop3_keeper_rest(relay->pop3_keeper);
	upstreams_drain(relay->upstreams);
	deliveries_each(relay->deliveries, cancel_at_end, NULL);
	timer_set(relay->drain, wait_ms > DOT_WAIT_MS ? DOT_WAIT_MS : wait_ms);
	check_drained(relay);
}

/* ---- links ---- */

/* NULL: mime is gone. */
static void
set_mime_link(struct relay *relay, struct link *link)
{
	reworks_set_link(relay->reworks, link, cancel);
	profile_tests_set_mime_link(relay->tests, link);
}

static void
on_link(struct role_context *role, struct link *link)
{
	struct relay *relay = role->state;

	if (link_peer(link) == ROLE_QUEUE)
		greet_queue(relay, link);
	if (link_peer(link) == ROLE_MIME)
		set_mime_link(relay, link);
	if (link_peer(link) != ROLE_ACCOUNTS)
		return;
	pop3_keeper_rest(relay->pop3_keeper);
	token_service_on_accounts(relay->tokens);
	upstreams_on_accounts(relay->upstreams);
}

static void
on_link_lost(struct role_context *role, struct link *link)
{
	struct relay *relay = role->state;

	if (link_peer(link) == ROLE_CONTROL) {
		profile_tests_forget(relay->tests, link);
		token_service_forget(relay->tokens, link);
	}
	if (link_peer(link) == ROLE_MIME)
		set_mime_link(relay, NULL);
	if (link_peer(link) != ROLE_QUEUE)
		return;
	reports_set_link(relay->reports, NULL);
	deliveries_set_link(relay->deliveries, NULL);
	deliveries_each(relay->deliveries, cancel_incomplete, NULL);
}

static void
on_message(struct role_context *role, struct link *link, const struct link_message *message)
{
	struct relay *relay = role->state;
	const union message *body = message->body;

	switch (message->kind) {
	case MSG_DELIVER:
		on_deliver(relay, &body->deliver);
		break;
	case MSG_BODY:
		on_body(relay, link, message);
		break;
	case MSG_ABORT:
		on_abort(relay, body->abort.stream);
		break;
	case MSG_REPORT_ACK:
		reports_acknowledge(relay->reports, body->report_ack.attempt);
		check_drained(relay);
		break;
	case MSG_PROFILE:
		pop3_keeper_forget(
		    relay->pop3_keeper, body->profile.profile_id, body->profile.version);
		upstreams_on_stale(
		    relay->upstreams, body->profile.profile_id, body->profile.is_gone);
		if (body->profile.is_gone) {
			logins_forget(relay->logins, body->profile.profile_id);
			token_service_forget_profile(relay->tokens, body->profile.profile_id);
		}
		break;
	case MSG_CREDIT:
		reworks_on_message(relay->reworks, message);
		break;
	case MSG_CALL:
		if (!token_service_call(relay->tokens, link, message))
			profile_tests_call(relay->tests, link, message);
		break;
	default:
		break;
	}
}

const struct role_ops relay_ops = {
    .start = start,
    .reload = reload,
    .on_link = on_link,
    .on_link_lost = on_link_lost,
    .on_message = on_message,
    .drain = drain,
    .stop = stop,
};
