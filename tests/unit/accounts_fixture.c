/* accounts_fixture - see the header. */
#include "accounts_fixture.h"

#include "common/xalloc.h"
#include "daemon/accounts/routes.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <cmocka.h>

#define TURNS_MAX 2000
#define TURN_MS 10

static const uint8_t seal_key[32] = {1, 2, 3};

/* ---- what peers hear ---- */

static void
add_items(struct buf *out, struct msg_list items)
{
	struct rec_item item;

	while (message_list_next(&items, REC_ITEM, &item))
		buf_printf(out, " %s", item.text);
}

static void
describe_grant(struct buf *out, const struct msg_grant *grant)
{
	static const char *const actions[] = {"block", "alert"};

	buf_printf(out, "grant %d %s %s credential=%u list=%s priority=%d-%d check=%d %s%s",
	    (int)grant->user_id, grant->login, grant->is_active ? "active" : "inactive",
	    grant->credential, grant->list, grant->priority, grant->priority_max, grant->check,
	    actions[grant->unauthorized], grant->has_profile ? "" : " no-profile");
	add_items(out, grant->domains);
	add_items(out, grant->senders);
}

static void
describe_route(struct buf *out, const struct msg_route *route)
{
	static const char *const rows[] = {"begin", "profile", "user", "list", "end", "sender"};

	buf_printf(out, "route %s %d %s profile=%d version=%u%s%s connections=%u", rows[route->row],
	    (int)route->id, route->name, (int)route->profile_id, route->version,
	    route->is_gone ? " gone" : "", route->is_paused ? " paused" : "", route->connections);
	if (*route->from != '\0')
		buf_printf(out, " from=%s", route->from);
	if (*route->available != '\0' && strcmp(route->available, "all") != 0)
		buf_printf(out, " available=%s", route->available);
	if (route->fallback_id != 0)
		buf_printf(out, " fallback=%d", (int)route->fallback_id);
	if (route->is_bound)
		buf_text(out, " bound");
	if (*route->problem != '\0')
		buf_printf(out, " problem=%s", route->problem);
}

static void
describe(struct buf *out, enum message_kind kind, const union message *message)
{
	static const char *const outcomes[] = {
	    "continue", "done", "failed", "temporary", "malformed", "unsupported"};

	switch (kind) {
	case MSG_GRANT:
		describe_grant(out, &message->grant);
		break;
	case MSG_SASL_REPLY:
		buf_printf(out, "sasl %s user=%d credential=%u login=%s%s token=%.*s",
		    outcomes[message->sasl_reply.outcome], (int)message->sasl_reply.user_id,
		    message->sasl_reply.credential, message->sasl_reply.login,
		    message->sasl_reply.reason[0] == '\0' ? "" : " reason",
		    (int)message->sasl_reply.token.size,
		    (const char *)message->sasl_reply.token.at);
		if (message->sasl_reply.guess != 0)
			buf_printf(
			    out, " guess=%llu", (unsigned long long)message->sasl_reply.guess);
		break;
	case MSG_ROUTE:
		describe_route(out, &message->route);
		break;
	case MSG_PROFILE:
		buf_printf(out,
		    "profile %d %s version=%u%s %s:%d tls=%d verify=%d auth=%s %s/%.*s problem=%s",
		    (int)message->profile.profile_id, message->profile.name,
		    message->profile.version, message->profile.is_gone ? " gone" : "",
		    message->profile.host, message->profile.port, message->profile.tls,
		    message->profile.tls_verify, message->profile.auth, message->profile.username,
		    (int)message->profile.secret.size, (const char *)message->profile.secret.at,
		    message->profile.problem);
		break;
	default:
		buf_text(out, message_name(kind));
		break;
	}
}

static void
hear(struct peer *peer, enum message_kind kind, const union message *message)
{
	describe(&peer->heard, kind, message);
	buf_char(&peer->heard, '\n');
	peer->count++;
}

static void
tell_waiting(struct fixture *fixture, struct link *link, const struct link_message *message)
{
	struct msg_waiting answer = fixture->waiting;

	if (fixture->on_asked != NULL)
		fixture->on_asked(fixture);
	if (fixture->is_mute)
		return;
	if (answer.profile_id == 0)
		answer.profile_id = message->body->waiting_get.profile_id;
	link_answer(link, message->request_id, MSG_WAITING, &answer);
}

static void
on_far_message(struct link *link, const struct link_message *message, void *ctx)
{
	struct peer *peer = ctx;

	if (message->kind == MSG_WAITING_GET)
		tell_waiting(peer->fixture, link, message);
	else
		hear(peer, message->kind, message->body);
}

static void
on_closed(struct link *link, const char *reason, void *ctx)
{
	fail_msg("a link ended: %s", reason);
}

/* As accounts.c does. */
static void
on_near_message(struct link *link, const struct link_message *message, void *ctx)
{
	struct peer *peer = ctx;
	struct fixture *fixture = peer->fixture;
	uint32_t id = message->request_id;

	switch (message->kind) {
	case MSG_SASL_STEP:
		sasl_step(fixture->parts.sasl, link, id, &message->body->sasl_step);
		break;
	case MSG_GRANT_GET:
		grants_answer(fixture->parts.grants, link, id, &message->body->grant_get);
		break;
	case MSG_PROFILE_GET:
		parts_answer_profile(&fixture->parts, link, id, &message->body->profile_get);
		break;
	case MSG_ALERT:
		alerts_raise(fixture->parts.alerts, &message->body->alert);
		break;
	case MSG_CALL:
		api_call(fixture->api, link, id, &message->body->call);
		break;
	default:
		fail_msg("unexpected %s", message_name(message->kind));
	}
}

static void
peer_open(struct fixture *fixture, struct peer *peer, enum role role, unsigned index)
{
	static const struct link_callbacks near = {on_near_message, on_closed};
	static const struct link_callbacks far = {on_far_message, on_closed};
	int fds[2];

	assert_int_equal(
	    socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds), 0);
	peer->fixture = fixture;
	peer->near = link_open(fixture->loop, fds[0], ROLE_ACCOUNTS, role, index, &near, peer);
	peer->far = link_open(fixture->loop, fds[1], role, ROLE_ACCOUNTS, 0, &far, peer);
}

static void
peer_close(struct fixture *fixture, struct peer *peer)
{
	sasl_forget_link(fixture->parts.sasl, peer->near);
	grants_forget_link(fixture->parts.grants, peer->near);
	api_forget_link(fixture->api, peer->near);
	link_close(peer->near);
	link_close(peer->far);
	buf_fini(&peer->heard);
	peer->count = 0;
}

/* ---- the parts ---- */

static struct msg_bytes
bytes_of(const char *text)
{
	if (text == NULL)
		return (struct msg_bytes){0};
	return (struct msg_bytes){(const uint8_t *)text, (uint32_t)strlen(text)};
}

static void
open_all(struct fixture *fixture)
{
	struct parts *parts = &fixture->parts;
	struct err err;

	*parts = (struct parts){
	    .loop = fixture->loop,
	    .config = &fixture->config,
	    .seal_key = {seal_key, sizeof(seal_key)},
	};
	presets_read(&parts->presets, bytes_of(fixture->presets), (struct msg_bytes){0});
	if (db_open("accounts.db", &parts->db, &err) != 0)
		fail_msg("%s", err.text);
	parts->pool = pool_new(fixture->loop, 1, 4);
	parts->presence = presence_new(fixture->loop, &fixture->config);
	parts->grants = grants_new(parts->db, parts->presence, UNAUTHORIZED_BLOCK);
	parts->alerts = alerts_new(fixture->loop, parts->db, 3600 * 1000);
	assert_int_equal(guessing_new(&(struct guessing_parts){.loop = fixture->loop,
					  .db = parts->db,
					  .alerts = parts->alerts,
					  .config = &fixture->config},
			     &parts->guessing, &err),
	    0);
	fixture->api = api_new(parts);
	assert_int_equal(sasl_new(&(struct sasl_parts){.loop = fixture->loop,
				      .db = parts->db,
				      .pool = parts->pool,
				      .presence = parts->presence,
				      .grants = parts->grants,
				      .seal_key = &parts->seal_key,
				      .mechanisms = fixture->config.auth.mechanisms,
				      .on_attempt = fixture->on_attempt,
				      .ctx = fixture},
			     &parts->sasl, &err),
	    0);
	peer_open(fixture, &fixture->smtpd, ROLE_SMTPD, 0);
	peer_open(fixture, &fixture->other_smtpd, ROLE_SMTPD, 1);
	peer_open(fixture, &fixture->queue, ROLE_QUEUE, 0);
	peer_open(fixture, &fixture->relay, ROLE_RELAY, 0);
	peer_open(fixture, &fixture->control, ROLE_CONTROL, 0);
	parts->queue = fixture->queue.near;
	parts->relay = fixture->relay.near;
	routes_send_map(parts);
}

static void
close_all(struct fixture *fixture)
{
	pool_free(fixture->parts.pool);
	peer_close(fixture, &fixture->smtpd);
	peer_close(fixture, &fixture->other_smtpd);
	peer_close(fixture, &fixture->queue);
	peer_close(fixture, &fixture->relay);
	peer_close(fixture, &fixture->control);
	api_free(fixture->api);
	sasl_free(fixture->parts.sasl);
	grants_free(fixture->parts.grants);
	presence_free(fixture->parts.presence);
	guessing_free(fixture->parts.guessing);
	alerts_free(fixture->parts.alerts);
	db_close(fixture->parts.db);
	presets_fini(&fixture->parts.presets);
	loop_turn(fixture->loop, 0);
}

void
fixture_open(struct fixture *fixture)
{
	static struct port_range submission = {587, 587}, range = {1025, 5000}, smtps = {465, 465};
	static struct config_listener listeners[3];

	*fixture = (struct fixture){.on_attempt = fixture->on_attempt,
	    .presets = fixture->presets,
	    .waiting.is_known = true};
	listeners[0] = (struct config_listener){
	    .ports = &submission, .port_count = 1, .tls = LISTENER_STARTTLS};
	listeners[1] =
	    (struct config_listener){.ports = &range, .port_count = 1, .tls = LISTENER_STARTTLS};
	listeners[2] =
	    (struct config_listener){.ports = &smtps, .port_count = 1, .tls = LISTENER_IMPLICIT};
	fixture->config.auth.mechanisms = (char *)(uintptr_t) "LOGIN PLAIN";
	fixture->config.hostname = (char *)(uintptr_t) "relay.example.com";
	fixture->config.listeners = listeners;
	fixture->config.listener_count = 3;
	assert_true(scratch_make(fixture->directory, "accounts"));
	assert_int_equal(chdir(fixture->directory), 0);
	fixture->loop = loop_new();
	open_all(fixture);
}

void
fixture_set_presets(struct fixture *fixture, const char *text)
{
	fixture->presets = text;
	parts_take_presets(&fixture->parts, bytes_of(text), (struct msg_bytes){0});
}

void
fixture_set_mechanisms(struct fixture *fixture, const char *mechanisms)
{
	fixture->config.auth.mechanisms = (char *)(uintptr_t)mechanisms;
	sasl_set_mechanisms(fixture->parts.sasl, mechanisms);
	parts_drop_secrets(&fixture->parts);
}

void
fixture_restart(struct fixture *fixture)
{
	close_all(fixture);
	open_all(fixture);
}

void
fixture_close(struct fixture *fixture)
{
	close_all(fixture);
	loop_free(fixture->loop);
	(void)unlink("accounts.db");
	(void)unlink("accounts.db-wal");
	assert_int_equal(chdir("/"), 0);
	assert_int_equal(rmdir(fixture->directory), 0);
}

void
peer_wait(struct peer *peer, unsigned count)
{
	for (int turn = 0; turn < TURNS_MAX && peer->count < count; turn++)
		loop_turn(peer->fixture->loop, TURN_MS);
	if (peer->count != count)
		fail_msg("heard %u of %u:\n%s", peer->count, count,
		    peer->heard.bytes == NULL ? "" : peer->heard.bytes);
}

void
peer_forget(struct peer *peer)
{
	buf_clear(&peer->heard);
	peer->count = 0;
}

/* ---- calls ---- */

struct answer {
	json_t *json;
	unsigned status;
	bool is_there;
};

static void
on_result(const union message *message, void *ctx)
{
	struct answer *answer = ctx;

	assert_non_null(message);
	answer->is_there = true;
	answer->status = message->result.status;
	answer->json = json_loadb((const char *)message->result.body.at, message->result.body.size,
	    JSON_DECODE_ANY, NULL);
}

json_t *
fixture_call(struct fixture *fixture, const char *method, const char *path, const char *body)
{
	struct answer answer = {0};
	struct msg_call call = {.method = method, .path = path};

	if (body != NULL)
		call.body = (struct msg_bytes){(const uint8_t *)body, (uint32_t)strlen(body)};
	(void)link_request(fixture->control.far, MSG_CALL, &call, 20000, on_result, &answer);
	for (int turn = 0; turn < TURNS_MAX && !answer.is_there; turn++)
		loop_turn(fixture->loop, TURN_MS);
	assert_true(answer.is_there);
	assert_non_null(answer.json);
	fixture->status = answer.status;
	return answer.json;
}

void
fixture_must(struct fixture *fixture, unsigned status, const char *method, const char *path,
    const char *body)
{
	json_t *json = fixture_call(fixture, method, path, body);

	if (fixture->status != status) {
		char *text = json_dumps(json, 0);

		fail_msg("%s %s %s: %u %s", method, path, body, fixture->status, text);
	}
	json_decref(json);
}

static void
on_reply(const union message *message, void *ctx)
{
	/* NULL: the links were closed before there was a verdict. */
	if (message != NULL)
		hear(ctx, MSG_SASL_REPLY, message);
}

void
peer_step(struct peer *peer, const struct step *step)
{
	struct msg_sasl_step message = {
	    .exchange = step->exchange,
	    .is_first = step->mechanism != NULL,
	    .is_abort = step->is_abort,
	    .has_token = step->token != NULL,
	    .mechanism = step->mechanism == NULL ? "" : step->mechanism,
	    .client = "192.0.2.1:1234",
	    .exporter = {step->binding, step->binding == NULL ? 0 : TLS_EXPORTER_SIZE},
	    .unique = {step->unique, step->unique == NULL ? 0 : 12},
	};

	if (step->token != NULL)
		message.token = (struct msg_bytes){(const uint8_t *)step->token,
		    (uint32_t)(step->token_size == 0 ? strlen(step->token) : step->token_size)};
	(void)link_request(peer->far, MSG_SASL_STEP, &message, 20000, on_reply, peer);
}
