/* pop3_client_login - the ways to log in to a POP3 server; each ends in +OK or -ERR. */
#include "daemon/relay/pop3_client_private.h"

#include <stdio.h>
#include <string.h>

#define COMMAND_MAX 255 /* with an initial response (RFC 5034 section 4), its CRLF among them */
#define CHALLENGES_MAX 10

static const char *
mechanism(const struct pop3_client *client)
{
	return auth_method_name(client->settings->method.mechanism);
}

const char *
pop3_login_obstacle(const struct pop3_client *client)
{
	const struct pop3_method *method = &client->settings->method;

	if (method->auth == POP3_AUTH_APOP && client->stamp[0] == '\0')
		return "the POP3 server offers no APOP: its greeting has no sound timestamp";
	if (method->auth == POP3_AUTH_SASL && client->has_sasl &&
	    (client->mechanisms & AUTH_BIT(method->mechanism)) == 0)
		return "the POP3 server does not offer the AUTH method that pop3_auth names";
	return NULL;
}

/* ---- what is said ---- */

static bool
is_one_line(const char *text)
{
	return strpbrk(text, "\r\n") == NULL;
}

static enum pop3_event
say_user(struct pop3_client *client)
{
	struct buf line;

	if (!is_one_line(client->settings->username) || !is_one_line(client->settings->password))
		return pop3_end(client, ATTEMPT_MISCONFIGURED,
		    "a line end in user name or password can't be said by USER and PASS");
	buf_init(&line);
	buf_printf(&line, "USER %s", client->settings->username);
	pop3_put(client, line.bytes);
	buf_fini(&line);
	return pop3_enter(client, POP3_STATE_USER);
}

static enum pop3_event
say_apop(struct pop3_client *client)
{
	char digest[POP3_DIGEST_SIZE];
	struct buf prefix;

	if (strpbrk(client->settings->username, " \r\n") != NULL)
		return pop3_end(client, ATTEMPT_MISCONFIGURED,
		    "a blank in the user name can't be said by APOP");
	pop3_digest(client->stamp, client->settings->password, digest);
	buf_init(&prefix);
	buf_printf(&prefix, "APOP %s ", client->settings->username);
	pop3_put_secret(client, prefix.bytes, digest);
	buf_fini(&prefix);
	return pop3_enter(client, POP3_STATE_APOP);
}

/* An initial response only to who names mechanisms, since it came with that, and in a short line. */
static bool
says_initial(const struct pop3_client *client, size_t size)
{
	size_t line = strlen("AUTH  \r\n") + strlen(mechanism(client)) + size;

	return client->has_sasl && line <= COMMAND_MAX && client_auth_is_first(client->auth);
}

static enum pop3_event
say_auth(struct pop3_client *client)
{
	const struct client_auth_settings settings = {
	    .method = client->settings->method.mechanism,
	    .username = client->settings->username,
	    .secret = client->settings->password,
	};
	/* In base64 four bytes for three, and PLAIN has the two with some NULs. */
	size_t size = 4 * ((strlen(settings.username) + strlen(settings.secret) + 4) / 3 + 1);
	enum auth_step step = AUTH_STEP_ANSWERS;
	struct buf initial;
	struct err err;
	char prefix[64];

	client->auth = client_auth_new(&settings, &err);
	if (client->auth == NULL)
		return pop3_end(client, ATTEMPT_MISCONFIGURED, err.text);
	buf_init(&initial);
	if (says_initial(client, size)) {
		(void)snprintf(prefix, sizeof(prefix), "AUTH %s ", mechanism(client));
		step = client_auth_step(client->auth, "", &initial, &err);
		if (step == AUTH_STEP_ANSWERS)
			pop3_put_secret(client, prefix, initial.size > 0 ? initial.bytes : "=");
	} else {
		(void)snprintf(prefix, sizeof(prefix), "AUTH %s", mechanism(client));
		pop3_put(client, prefix);
	}
	pop3_wipe(&initial);
	if (step != AUTH_STEP_ANSWERS)
		return pop3_end(client, ATTEMPT_MISCONFIGURED, err.text);
	return pop3_enter(client, POP3_STATE_AUTH);
}

enum pop3_event
pop3_begin_login(struct pop3_client *client)
{
	switch (client->settings->method.auth) {
	case POP3_AUTH_LOGIN:
		return say_user(client);
	case POP3_AUTH_APOP:
		return say_apop(client);
	case POP3_AUTH_SASL:
		return say_auth(client);
	case POP3_AUTH_NONE:
		break;
	}
	pop3_put(client, "QUIT");
	return pop3_enter(client, POP3_STATE_QUIT);
}

/* ---- what is answered ---- */

static enum pop3_event
on_refused(struct pop3_client *client, const char *command, const struct pop3_reply *reply)
{
	enum attempt_outcome outcome = pop3_refusal(reply->text);

	client->is_refused = outcome == ATTEMPT_AUTH_REFUSED;
	return pop3_end_refused(client, outcome, command, reply);
}

static enum pop3_event
on_accepted(struct pop3_client *client)
{
	client->is_logged_in = true;
	client_auth_free(client->auth);
	client->auth = NULL;
	pop3_wipe(&client->token);
	pop3_put(client, "QUIT");
	return pop3_enter(client, POP3_STATE_QUIT);
}

enum pop3_event
pop3_on_user(struct pop3_client *client, const struct pop3_reply *reply)
{
	if (reply->status != POP3_OK)
		return on_refused(client, "USER", reply);
	pop3_put_secret(client, "PASS ", client->settings->password);
	return pop3_enter(client, POP3_STATE_PASS);
}

enum pop3_event
pop3_on_login(struct pop3_client *client, const struct pop3_reply *reply)
{
	if (reply->status == POP3_OK)
		return on_accepted(client);
	return on_refused(client, client->state == POP3_STATE_APOP ? "APOP" : "PASS", reply);
}

/* What can't be answered is cancelled (RFC 5034 section 4). */
static enum pop3_event
cancel(struct pop3_client *client, const char *why)
{
	pop3_put(client, "*");
	return pop3_end(client, ATTEMPT_MISCONFIGURED, why);
}

static enum pop3_event
on_challenge(struct pop3_client *client, const char *challenge)
{
	struct buf answer;
	struct err err;
	enum auth_step step;

	if (++client->challenge_count > CHALLENGES_MAX)
		return cancel(client, "the POP3 server does not come to an end with AUTH");
	buf_init(&answer);
	step = client_auth_step(client->auth, challenge, &answer, &err);
	if (step == AUTH_STEP_ANSWERS)
		pop3_put_secret(client, "", answer.size > 0 ? answer.bytes : "");
	pop3_wipe(&answer);
	pop3_next_step(client);
	return step == AUTH_STEP_ANSWERS ? POP3_WAITS : cancel(client, err.text);
}

/* [MS-POP3] has +OK where RFC 5034 has a challenge that says nothing. */
static bool
is_go_ahead(const struct pop3_client *client, const struct pop3_reply *reply)
{
	return reply->status == POP3_OK && client->challenge_count == 0 &&
	       client_auth_skips_first(client->auth);
}

enum pop3_event
pop3_on_auth(struct pop3_client *client, const struct pop3_reply *reply)
{
	if (reply->status == POP3_CONTINUES || is_go_ahead(client, reply))
		return on_challenge(client, reply->text);
	if (reply->status == POP3_OK)
		return on_accepted(client);
	/* Where nothing was said yet, no login was judged. */
	if (client->token.size == 0 && pop3_refusal(reply->text) == ATTEMPT_AUTH_REFUSED)
		return pop3_end_refused(client, ATTEMPT_MISCONFIGURED, "AUTH", reply);
	return on_refused(client, "AUTH", reply);
}
