/* client_roles - what a session asks of accounts and queue, and their answers. */
#include "daemon/smtpd/client_private.h"

#define ACCOUNTS_DEADLINE_MS 20000

/* ---- accounts ---- */

void
client_cancel_question(struct client *client)
{
	if (client->asked != NULL)
		link_cancel(client->asked, client->request_id);
	client->asked = NULL;
	timer_stop(client->no_answer);
}

static void
take_answer(struct client *client, const union message *answer)
{
	struct grant_table *grants = client->house->grants;
	struct grant *grant;

	if (client->question == MSG_SASL_STEP) {
		session_on_sasl(client->session, answer == NULL ? NULL : &answer->sasl_reply);
	} else if (answer != NULL && answer->grant.is_full) {
		session_on_user_full(client->session, answer->grant.login);
	} else {
		grant = answer == NULL ? NULL : grant_table_put(grants, &answer->grant);
		session_on_grant(client->session, grant, answer != NULL);
	}
	client_pump(client);
}

static void
on_answer(const union message *answer, void *ctx)
{
	struct client *client = ctx;

	client->asked = NULL;
	if (!client->is_over)
		take_answer(client, answer);
}

void
client_on_no_answer(void *ctx)
{
	struct client *client = ctx;

	if (!client->is_over)
		take_answer(client, NULL);
}

static void
ask(struct client *client, enum message_kind kind, const void *message)
{
	struct link *link = role_link(client->house->role, ROLE_ACCOUNTS, 0);

	client->question = kind;
	if (link == NULL) {
		timer_set(client->no_answer, 0);
		return;
	}
	client->asked = link;
	client->request_id =
	    link_request(link, kind, message, ACCOUNTS_DEADLINE_MS, on_answer, client);
}

void
client_sasl_step(void *ctx, const struct msg_sasl_step *step)
{
	struct client *client = ctx;
	struct msg_sasl_step message = *step;

	if (step->is_first)
		client->exchange = ++client->house->next_exchange;
	message.exchange = client->exchange;
	message.connection = client->number;
	ask(client, MSG_SASL_STEP, &message);
}

static void
on_aborted(const union message *answer, void *ctx)
{
}

void
client_sasl_abort(void *ctx)
{
	struct client *client = ctx;
	struct link *link = role_link(client->house->role, ROLE_ACCOUNTS, 0);
	struct msg_sasl_step message = {
	    .exchange = client->exchange, .is_abort = true, .mechanism = "", .client = ""};

	client_cancel_question(client);
	if (link != NULL)
		(void)link_request(
		    link, MSG_SASL_STEP, &message, ACCOUNTS_DEADLINE_MS, on_aborted, NULL);
}

struct grant *
client_grant_find(void *ctx, uint64_t user_id)
{
	return grant_table_find(((struct client *)ctx)->house->grants, user_id);
}

void
client_grant_get(void *ctx, uint64_t user_id, const char *login)
{
	struct client *client = ctx;
	struct msg_grant_get message = {
	    .user_id = user_id,
	    .login = login,
	    .connection = user_id == 0 ? client->number : 0, /* it becomes this user */
	};

	ask(ctx, MSG_GRANT_GET, &message);
}

void
client_alert(void *ctx, const struct msg_alert *alert)
{
	role_alert(((struct client *)ctx)->house->role, alert->kind, alert->user, alert->list,
	    alert->address, alert->detail);
}

void
client_abuse(void *ctx, const char *what)
{
	struct client *client = ctx;
	struct link *link = role_link(client->house->role, ROLE_ACCOUNTS, 0);
	struct msg_abuse message = {.connection = client->number, .what = what};

	if (link != NULL)
		link_send(link, MSG_ABUSE, &message);
}

/* ---- queue ---- */

static void
on_credit(uint32_t bytes, void *ctx)
{
	struct client *client = ctx;

	session_on_credit(client->session, bytes);
	client_pump(client);
}

static void
on_committed(enum commit_outcome outcome, void *ctx)
{
	struct client *client = ctx;

	client->stream = NULL;
	session_on_committed(client->session, outcome);
	client_pump(client);
}

static void
on_lost(void *ctx)
{
	struct client *client = ctx;

	client->stream = NULL;
	session_on_queue_lost(client->session);
	client_pump(client);
}

enum handoff_readiness
client_readiness(void *ctx)
{
	return handoff_readiness(((struct client *)ctx)->house->handoff);
}

uint32_t
client_user_limit(void *ctx, uint64_t user_id, int64_t *until_ms_out)
{
	struct client_house *house = ((struct client *)ctx)->house;

	return user_limits_find(
	    house->user_limits, user_id, loop_wall_ms(house->role->loop), until_ms_out);
}

uint64_t
client_message_open(void *ctx)
{
	static const struct stream_callbacks callbacks = {on_credit, on_committed, on_lost};
	struct client *client = ctx;

	client->stream = handoff_open(client->house->handoff, &callbacks, client);
	return client->stream == NULL ? 0 : stream_id(client->stream);
}

void
client_message_send(void *ctx, const struct slice *slice)
{
	stream_send(((struct client *)ctx)->stream, slice);
}

void
client_message_commit(void *ctx, const struct msg_commit *commit)
{
	stream_commit(((struct client *)ctx)->stream, commit);
}

void
client_message_abort(void *ctx)
{
	struct client *client = ctx;

	stream_abort(client->stream);
	client->stream = NULL;
}

void
client_refused(void *ctx, const struct msg_refused *refused)
{
	struct link *link = role_link(((struct client *)ctx)->house->role, ROLE_QUEUE, 0);

	if (link != NULL)
		link_send(link, MSG_REFUSED, refused);
}
