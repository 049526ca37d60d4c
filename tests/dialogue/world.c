/* world - fakes of the client, accounts and queue for one session. */
#include "tests/dialogue/world.h"

#include "common/err.h"

#include <stdio.h>
#include <string.h>

#define START_MS 1000

/* ---- ports ---- */

static void
port_write(void *ctx, const void *bytes, size_t size)
{
	struct world *world = ctx;

	ensure(!world->is_finished);
	buf_append(&world->output, bytes, size);
}

static void
port_start_tls(void *ctx)
{
	((struct world *)ctx)->has_started_tls = true;
}

static void
port_finish(void *ctx)
{
	struct world *world = ctx;

	ensure(!world->is_finished);
	world->is_finished = true;
}

static bool
port_tls_binding(void *ctx, struct tls_binding *binding_out)
{
	const struct world *world = ctx;

	memset(binding_out, 'b', sizeof(*binding_out));
	binding_out->unique_size = 12;
	return world->has_binding;
}

static void
port_set_deadline(void *ctx, int64_t after_ms)
{
	struct world *world = ctx;

	world->deadline_at_ms = after_ms == 0 ? 0 : world->now_ms + after_ms;
}

static int64_t
port_now_ms(void *ctx)
{
	return ((struct world *)ctx)->now_ms;
}

static int64_t
port_wall_ms(void *ctx)
{
	return 1772368264000 + ((struct world *)ctx)->now_ms;
}

static void
port_sasl_step(void *ctx, const struct msg_sasl_step *step)
{
	struct world *world = ctx;

	ensure(!world->is_sasl_waiting);
	world->is_sasl_waiting = true;
	(void)snprintf(world->mechanism, sizeof(world->mechanism), "%s", step->mechanism);
	if (step->is_first)
		world->binding_size = step->exporter.size;
	buf_clear(&world->token);
	if (step->token.size > 0)
		buf_append(&world->token, step->token.at, step->token.size);
	world->has_token = step->has_token;
}

static void
port_sasl_abort(void *ctx)
{
	struct world *world = ctx;

	world->is_sasl_waiting = false;
	world->sasl_aborts++;
}

static struct grant *
port_grant_find(void *ctx, uint64_t user_id)
{
	return grant_table_find(((struct world *)ctx)->grants, user_id);
}

static void
port_grant_get(void *ctx, uint64_t user_id, const char *login)
{
	struct world *world = ctx;

	ensure(!world->is_grant_waiting);
	world->is_grant_waiting = true;
	buf_clear(&world->grant_asked);
	if (user_id != 0)
		buf_printf(&world->grant_asked, "#%llu", (unsigned long long)user_id);
	else
		buf_text(&world->grant_asked, login);
}

static void
port_alert(void *ctx, const struct msg_alert *alert)
{
	struct world *world = ctx;

	world->alerts++;
	buf_clear(&world->alert);
	buf_text(&world->alert, alert->address);
}

static void
port_refused(void *ctx, const struct msg_refused *refused)
{
	struct world *world = ctx;

	world->blocked += refused->is_blocked;
	world->rejected += !refused->is_blocked;
}

static enum handoff_readiness
port_readiness(void *ctx)
{
	return ((struct world *)ctx)->readiness;
}

static uint32_t
port_user_limit(void *ctx, uint64_t user_id, int64_t *until_ms_out)
{
	struct world *world = ctx;

	*until_ms_out = world->limit_until_ms;
	return world->limit_until_ms == 0 ? UINT32_MAX : world->limit_recipients;
}

static uint64_t
port_message_open(void *ctx)
{
	struct world *world = ctx;

	ensure(!world->is_message_open);
	if (world->next_id == 0)
		return 0;
	world->is_message_open = true;
	world->credit = 0;
	buf_clear(&world->body);
	return world->next_id++;
}

static void
port_message_send(void *ctx, const struct slice *slice)
{
	struct world *world = ctx;

	ensure(world->is_message_open && slice->size > 0);
	world->credit += slice->size;
	ensure(world->credit <= STREAM_CREDIT);
	buf_append(&world->body, slice_bytes(slice), slice->size);
}

static void
note_recipient(struct world *world, const struct rec_recipient *recipient)
{
	buf_printf(&world->commit, "<%s>", recipient->address);
	if (recipient->notify != 0)
		buf_printf(&world->commit, "notify=%u", recipient->notify);
	if (recipient->orcpt[0] != '\0')
		buf_printf(&world->commit, "orcpt=%s", recipient->orcpt);
}

/* Only what was wished for. */
static void
note_wishes(struct world *world, const struct msg_commit *commit)
{
	static const char *const rets[] = {"", " ret=full", " ret=hdrs"};
	struct msg_list list = commit->wishes;
	struct rec_wishes wishes;

	if (!message_list_next(&list, REC_WISHES, &wishes))
		return;
	buf_printf(&world->commit, "%s%s%s%s", wishes.is_smtputf8 ? " smtputf8" : "",
	    wishes.has_utf8_header ? " header" : "", rets[wishes.ret],
	    wishes.has_auth ? " auth" : "");
	if (wishes.envid[0] != '\0')
		buf_printf(&world->commit, " envid=%s", wishes.envid);
	if (wishes.has_mt_priority)
		buf_printf(&world->commit, " mt=%d", wishes.mt_priority - 9);
	if (wishes.requires_tls)
		buf_text(&world->commit, " requiretls");
	if (wishes.hold_until_ms != 0)
		buf_printf(&world->commit, " hold=%lld",
		    (long long)(wishes.hold_until_ms - port_wall_ms(world)) / 1000);
}

bool
world_body_is_clean(const struct world *world)
{
	const char *bytes = world->body.bytes;
	char before = '\n';

	for (size_t i = 0; i < world->body.size; before = bytes[i++])
		if (bytes[i] == '\0' || (before == '\r') != (bytes[i] == '\n'))
			return false;
	return before == '\n';
}

static void
port_message_commit(void *ctx, const struct msg_commit *commit)
{
	struct world *world = ctx;
	struct msg_list recipients = commit->recipients;
	struct rec_recipient recipient;

	ensure(world->is_message_open && !world->is_commit_waiting);
	ensure(commit->size == world->body.size);
	ensure(world_body_is_clean(world));
	world->is_commit_waiting = true;
	world->commits++;
	buf_clear(&world->commit);
	buf_printf(&world->commit, "user=%s from=<%s> to=", commit->login, commit->sender);
	while (message_list_next(&recipients, REC_RECIPIENT, &recipient))
		note_recipient(world, &recipient);
	buf_printf(&world->commit, " priority=%u 8bit=%d", commit->priority, commit->has_8bit);
	note_wishes(world, commit);
}

static void
port_message_abort(void *ctx)
{
	struct world *world = ctx;

	ensure(world->is_message_open);
	world->is_message_open = world->is_commit_waiting = false;
	world->aborts++;
}

static void
port_abuse(void *ctx, const char *what)
{
	((struct world *)ctx)->abuses++;
}

static const struct session_ports ports = {
    .write = port_write,
    .start_tls = port_start_tls,
    .finish = port_finish,
    .tls_binding = port_tls_binding,
    .set_deadline = port_set_deadline,
    .now_ms = port_now_ms,
    .wall_ms = port_wall_ms,
    .sasl_step = port_sasl_step,
    .sasl_abort = port_sasl_abort,
    .grant_find = port_grant_find,
    .grant_get = port_grant_get,
    .alert = port_alert,
    .abuse = port_abuse,
    .readiness = port_readiness,
    .user_limit = port_user_limit,
    .message_open = port_message_open,
    .message_send = port_message_send,
    .message_commit = port_message_commit,
    .message_abort = port_message_abort,
    .refused = port_refused,
};

/* ---- the client ---- */

static void
use_input(struct world *world)
{
	size_t used = session_input(world->session, world->input.bytes, world->input.size);

	ensure(used <= world->input.size);
	if (used == 0)
		return;
	memmove(world->input.bytes, world->input.bytes + used, world->input.size - used);
	world->input.size -= used;
}

void
world_pump(struct world *world)
{
	size_t before, size, left;

	do {
		left = world->kept.size - world->kept_at;
		before = world->input.size + left;
		size = world->piece == 0 || world->piece > left ? left : world->piece;
		if (size > 0) {
			buf_append(&world->input, world->kept.bytes + world->kept_at, size);
			world->kept_at += size;
			left -= size;
		}
		if (world->input.size > 0)
			use_input(world);
		if (world->credit > 0 && !world->keeps_credit)
			world_give_credit(world);
	} while (left > 0 || world->input.size + left < before);
	world->kept.size = world->kept_at = 0;
}

void
world_send(struct world *world, const void *bytes, size_t size)
{
	buf_append(&world->kept, bytes, size);
	world_pump(world);
}

void
world_pass_time(struct world *world, int64_t ms)
{
	world->now_ms += ms;
	if (world->deadline_at_ms == 0 || world->deadline_at_ms > world->now_ms)
		return;
	world->deadline_at_ms = 0;
	session_on_deadline(world->session);
	world_pump(world);
}

/* ---- answers ---- */

void
world_answer_sasl(struct world *world, enum sasl_outcome outcome, const char *challenge)
{
	struct msg_sasl_reply reply = {
	    .outcome = outcome,
	    .token = {.at = (const uint8_t *)challenge, .size = (uint32_t)strlen(challenge)},
	    .user_id = 1,
	    .credential = 1,
	    .login = "billing",
	    .guess = world->guess,
	    .reason = "",
	    .delay_ms = world->delay_ms,
	    .until_ms = port_wall_ms(world),
	};

	if (!world->is_sasl_waiting)
		return;
	world->is_sasl_waiting = false;
	session_on_sasl(world->session, &reply);
	world_pump(world);
}

void
world_lose_accounts(struct world *world)
{
	bool had_sasl = world->is_sasl_waiting, had_grant = world->is_grant_waiting;

	world->is_sasl_waiting = world->is_grant_waiting = false;
	grant_table_forget_all(world->grants);
	if (had_sasl)
		session_on_sasl(world->session, NULL);
	if (had_grant)
		session_on_grant(world->session, NULL, false);
	world_pump(world);
}

void
world_answer_grant(struct world *world)
{
	if (!world->is_grant_waiting)
		return;
	world->is_grant_waiting = false;
	session_on_grant(world->session, grant_table_find(world->grants, 1), true);
	world_pump(world);
}

void
world_answer_full(struct world *world)
{
	world->is_grant_waiting = false;
	session_on_user_full(world->session, "billing");
	world_pump(world);
}

void
world_commit(struct world *world, enum commit_outcome outcome)
{
	if (!world->is_commit_waiting)
		return;
	world->is_commit_waiting = world->is_message_open = false;
	session_on_committed(world->session, outcome);
	world_pump(world);
}

void
world_give_credit(struct world *world)
{
	uint32_t bytes = world->credit;

	world->credit = 0;
	if (!world->is_message_open || bytes == 0)
		return;
	session_on_credit(world->session, bytes);
	world_pump(world);
}

void
world_lose_queue(struct world *world)
{
	if (!world->is_message_open)
		return;
	world->is_message_open = world->is_commit_waiting = false;
	session_on_queue_lost(world->session);
	world_pump(world);
}

void
world_secure(struct world *world)
{
	if (!world->has_started_tls)
		return;
	world->has_started_tls = false;
	session_on_secured(world->session, "TLSv1.3");
	world_pump(world);
}

/* ---- users ---- */

static struct msg_list
items_of(struct msg_list_builder *builder, const char *words)
{
	char text[512];
	char *rest = NULL;

	(void)snprintf(text, sizeof(text), "%s", words);
	for (char *word = strtok_r(text, " ", &rest); word != NULL;
	     word = strtok_r(NULL, " ", &rest)) {
		struct rec_item item = {.text = word};

		message_list_add(builder, REC_ITEM, &item);
	}
	return message_list_value(builder);
}

void
world_put_user(struct world *world, const struct world_user *user)
{
	struct msg_list_builder domains = {0}, senders = {0};
	struct msg_grant grant = {
	    .user_id = user->user_id,
	    .is_active = user->is_active,
	    .credential = user->credential,
	    .login = user->login,
	    .list = "default",
	    .priority = user->priority_max > 3 ? user->priority_max : 3,
	    .priority_max = user->priority_max == 0 ? 1 : user->priority_max,
	    .check = (uint8_t)user->check,
	    .unauthorized = (uint8_t)user->unauthorized,
	    .has_profile = user->has_profile,
	    .domains = items_of(&domains, user->domains),
	    .senders = items_of(&senders, user->senders),
	};

	(void)grant_table_put(world->grants, &grant);
	message_list_fini(&domains);
	message_list_fini(&senders);
}

/* ---- begin and end ---- */

static char *no_headers[] = {NULL};
static char hostname[] = "relay.example";
static char mechanisms[] = "LOGIN PLAIN";

static void
set_config(struct config *config)
{
	config->hostname = hostname;
	config->auth.mechanisms = mechanisms;
	config->auth.without_tls = AUTH_CLEAR_LOOPBACK;
	config->auth.after_helo = true; /* so that dialogues can be short */
	config->limits.message_size_bytes = 1000000;
	config->limits.recipients = 3;
	config->limits.header_size_bytes = 4096;
	config->limits.header_fields = 100;
	config->limits.header_line_length = 1000000;
	config->limits.line_length = 1000000;
	config->limits.received_headers = 5;
	config->limits.command_timeout_ms = 300000;
	config->limits.data_timeout_ms = 180000;
	config->limits.data_rate_bytes = 100;
	config->limits.tls_timeout_ms = 30000;
	config->limits.session_time_ms = 3600000;
	config->limits.idle_commands = 1000;
	config->limits.auth_failures = 3;
	config->limits.errors = 10;
	config->queue.hold_max_ms = 86400000;
	config->drop_headers = no_headers;
}

void
world_init(struct world *world)
{
	static const struct world_user billing = {.user_id = 1,
	    .login = "billing",
	    .domains = "",
	    .senders = "",
	    .is_active = true,
	    .has_profile = true,
	    .credential = 1};

	*world = (struct world){.now_ms = START_MS, .readiness = HANDOFF_READY, .next_id = 1000};
	set_config(&world->config);
	world->grants = grant_table_new();
	world_put_user(world, &billing);
	world->setup = (struct session_setup){
	    .config = &world->config,
	    .ports = &ports,
	    .ctx = world,
	    .client = "127.0.0.1:40000",
	    .listener_port = 587,
	    .is_loopback = true,
	    .offers_tls = true,
	};
}

void
world_open(struct world *world)
{
	world->session = session_open(&world->setup);
}

void
world_fini(struct world *world)
{
	if (world->session != NULL)
		session_free(world->session);
	grant_table_free(world->grants);
	buf_fini(&world->input);
	buf_fini(&world->kept);
	buf_fini(&world->output);
	buf_fini(&world->token);
	buf_fini(&world->grant_asked);
	buf_fini(&world->body);
	buf_fini(&world->commit);
	buf_fini(&world->alert);
}
