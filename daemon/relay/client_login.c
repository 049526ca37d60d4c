/* client_login - the client's side of AUTH (RFC 4954). */
#include "daemon/relay/client_private.h"

#include <stdio.h>
#include <string.h>

#define TOKEN_MIN 4 /* shorter ones stand in words that nobody means */

/* A command line has 512 octets (RFC 5321 4.5.3.1.4); a longer initial response waits for 334. */
#define INITIAL_RESPONSE_MAX 480

static const char *
auth_obstacle(const struct client *client, unsigned usable, enum attempt_outcome *outcome_out)
{
	*outcome_out = ATTEMPT_TLS;
	if (!client->has_tls && client->settings->tls != PROFILE_NONE)
		return "there is no encryption, and credentials are not sent in clear";
	*outcome_out = ATTEMPT_MISCONFIGURED;
	if (!client->capabilities.has_auth)
		return "the upstream does not offer AUTH";
	if (usable == 0)
		return "the upstream offers no AUTH method that the profile allows";
	return NULL;
}

static unsigned
usable_methods(const struct client *client)
{
	return client->settings->auth_methods & client->capabilities.auth_methods &
	       ~client->methods_refused;
}

static int
answer_challenge(struct client *client, const char *prefix, const char *challenge,
    struct buf *line_out, struct err *err_out)
{
	buf_text(line_out, prefix);
	return client_auth_step(client->auth, challenge, line_out, err_out);
}

/* In base64, with the blanks and names around it. */
static bool
fits_command(const struct client *client)
{
	size_t size = strlen(client->settings->username) + client->settings->secret_size + 2;

	return (size + 2) / 3 * 4 <= INITIAL_RESPONSE_MAX;
}

/* A line of AUTH; `shown` stands for it in the transcript. */
static void
put_token(struct client *client, const char *line, size_t prefix, const char *shown)
{
	client_wipe(&client->token);
	buf_text(&client->token, line + prefix);
	client_put_secret(client, line, shown);
}

static int
send_initial(struct client *client, struct err *err_out)
{
	struct buf line;
	char shown[64];
	int status;

	(void)snprintf(shown, sizeof(shown), "AUTH %s ", auth_method_name(client->method));
	buf_init(&line);
	status = answer_challenge(client, shown, "", &line, err_out);
	if (status == 0) {
		size_t prefix = strlen(shown);

		strcat(shown, "<secret>");
		put_token(client, line.bytes, prefix, shown);
	}
	client_wipe(&line);
	return status;
}

/* The token stays: the server may repeat it later on. */
static void
end_exchange(struct client *client)
{
	client_auth_free(client->auth);
	client->auth = NULL;
}

void
client_forget_auth(struct client *client)
{
	end_exchange(client);
	client_wipe(&client->token);
}

static void
hide(char *text, const void *word, size_t size)
{
	char *end = text + strlen(text);

	if (size < TOKEN_MIN)
		return;
	for (; (text = memmem(text, (size_t)(end - text), word, size)) != NULL; text += size)
		memset(text, '*', size);
}

void
client_hide_secrets(const struct client *client, char *text)
{
	hide(text, client->settings->secret, client->settings->secret_size);
	hide(text, client->token.bytes, client->token.size);
}

static int
start_method(struct client *client, enum auth_method method, struct err *err_out)
{
	const struct client_auth_settings settings = {
	    .method = method,
	    .username = client->settings->username,
	    .secret = client->settings->secret,
	    .secret_size = client->settings->secret_size,
	};

	client_forget_auth(client);
	client->method = method;
	client->auth = client_auth_new(&settings, err_out);
	if (client->auth == NULL)
		return -1;
	if (client_auth_is_first(client->auth) && fits_command(client))
		return send_initial(client, err_out);
	client_put(client, "AUTH %s", auth_method_name(method));
	return 0;
}

static enum client_event
try_auth(struct client *client, unsigned usable)
{
	enum auth_method method = 0;
	struct err err;

	while ((usable & AUTH_BIT(method)) == 0)
		method++;
	client_enter(client, CLIENT_STATE_AUTH);
	if (start_method(client, method, &err) != 0)
		return client_end_by_us(client, ATTEMPT_MISCONFIGURED, err.text);
	return CLIENT_WAITS;
}

enum client_event
client_begin_auth(struct client *client)
{
	unsigned usable = usable_methods(client);
	enum attempt_outcome outcome;
	const char *obstacle;

	if (client->settings->auth_methods == 0)
		return client_become_ready(client);
	obstacle = auth_obstacle(client, usable, &outcome);
	if (obstacle != NULL) {
		client_enter(client, CLIENT_STATE_AUTH);
		return client_end_by_us(client, outcome, obstacle);
	}
	return try_auth(client, usable);
}

static enum client_event
on_challenge(struct client *client, const struct smtp_reply *reply)
{
	struct buf line;
	struct err err;
	int status;

	buf_init(&line);
	status = answer_challenge(client, "", smtp_reply_text(reply), &line, &err);
	/* What can't be answered is cancelled (RFC 4954 section 4); the upstream then says 501. */
	if (status == 0)
		put_token(client, line.bytes, 0, "<secret>");
	else
		client_put(client, "*");
	client_wipe(&line);
	return CLIENT_WAITS;
}

/* 504: it does not know the method after all; 534: the method is too weak. */
static bool
is_method_refused(const struct smtp_reply *reply)
{
	return reply->code == 504 || reply->code == 534;
}

enum client_event
client_on_auth(struct client *client, const struct smtp_reply *reply)
{
	if (reply->code == 334)
		return on_challenge(client, reply);
	end_exchange(client);
	if (client_is_positive(reply)) {
		client->has_authenticated = true;
		return client_become_ready(client);
	}
	client->methods_refused |= AUTH_BIT(client->method);
	if (is_method_refused(reply) && usable_methods(client) != 0)
		return try_auth(client, usable_methods(client));
	return client_end_refused(client, reply);
}
